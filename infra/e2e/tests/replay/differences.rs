//! The ways in which Canvass answers differently from flaskForms, each with its reason and the exchanges that show it.
//!
//! A difference is a rule: from the answer so far, which starts as the recorded one, it makes the expected one. Rules
//! apply in the order in which they stand here. The first ones change *what* is said, in the original's form (`200` and
//! a `message`, `400` and `{"message": {parameter: text}}`, `{"msg": text}` for tokens); the last ones change the form.

use crate::{
    recording::{Answer, Exchange, each_text},
    world::World,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A named difference.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    /// Why, in one sentence.
    pub(crate) because: &'static str,
    /// The exchanges that show it, by id (`*` stands for any end; where it stands alone the rule itself says to what
    /// it applies), and how.
    pub(crate) rules: &'static [(&'static [&'static str], Rule)],
}

/// Makes the expected answer of the answer so far, which it must change.
pub(crate) type Rule = fn(&Case<'_>) -> Answer;

/// An exchange on its way from the recorded to the expected answer.
pub(crate) struct Case<'a> {
    /// As it was really sent.
    pub(crate) sent: &'a Exchange,
    /// As it was before this exchange.
    pub(crate) world: &'a World,
    /// The answer so far.
    pub(crate) answer: Answer,
}

/// All of them, in the order in which they apply.
pub(crate) const DIFFERENCES: &[Difference] = &[
    // What is said.
    Difference {
        name: "Utf8InHeaders",
        because: "clients send UTF-8 in headers, and the original read it as latin-1",
        rules: &[(&["*"], |case| {
            let body = each_text(case.answer.body.clone(), &|text| {
                let latin_1: Option<Vec<u8>> =
                    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                latin_1.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| text.to_owned())
            });
            Answer { status: case.answer.status, body }
        })],
    },
    Difference {
        name: "LocalGatewayDropsRepeatedHeaders",
        because: "`cargo lambda watch` passes on the first of repeated headers; API Gateway joins them like the original",
        rules: &[(&["register.duplicate_header"], |case| {
            edited(case, |body| body["message"] = "User one was created".into())
        })],
    },
    Difference {
        name: "ChunkedBodiesAreRead",
        because: "the gateway hands a function the whole body, however it came",
        rules: &[
            (&["addsurvey.q.chunked", "addreply.chunked"], accepted),
            (&["addsurvey.q.chunked_no_ctype.read"], lists_what_was_accepted),
        ],
    },
    Difference {
        name: "EmptyBodyIsNoBody",
        because: "a client that always says application/json need not have anything to say",
        rules: &[(&["addsurvey.q.empty_body_json"], accepted), (&["addreply.empty_json_body"], missing)],
    },
    Difference {
        name: "NullIsNoQuestions",
        because: "null is JSON's word for nothing",
        rules: &[(&["addsurvey.q.null"], accepted)],
    },
    Difference {
        name: "ReplyContentIsOptional",
        because: "/addquestion never asked for it, and /addsurvey fell over without it",
        rules: &[
            (&["addsurvey.q.missing_key_first", "addsurvey.q.missing_key_second"], accepted),
            (&["addsurvey.q.missing_key_second.read"], lists_what_was_accepted),
        ],
    },
    Difference {
        name: "PythonIsNotJson",
        because: "the original evaluated a question that was text as a Python literal",
        rules: &[
            (&["addsurvey.q.python_literal", "addsurvey.q.form", "addsurvey.q.query"], faulty),
            (&["addsurvey.q.python_literal.read", "addsurvey.q.form.read", "addsurvey.q.query.read"], |_| {
                says("Survey doesn't exist")
            }),
        ],
    },
    Difference {
        name: "IdsAreUuids",
        because: "ids are UUIDs, so that nobody can guess the next one",
        rules: &[
            (
                &[
                    "getsurveyquestions.negative",
                    "getsurveyquestions.text",
                    "getsurveyquestions.float",
                    "getsurveyquestions.int_overflow",
                    "getsurveyquestions.plus",
                    "getsurveyquestions.sql",
                    "addquestion.text_id",
                    "addquestion.overflow_id",
                    "addreply.text_id",
                    "addreply.overflow_id",
                    "getsurveystats.text",
                    "getsurveystats.overflow",
                ],
                |case| says_of(required(case.sent)[0], "must be an id (a UUID)"),
            ),
            (&["getsurveystats.unknown"], unknown_survey_of_stats),
        ],
    },
    Difference {
        name: "StatsTakeIdSurvey",
        because: "the resource path calls it like every other path does",
        rules: &[(&["getsurveystats.idSurvey_header"], unknown_survey_of_stats)],
    },
    Difference {
        name: "AddressesAreAddresses",
        because: "an account is found again by its address, so it must be one",
        rules: &[(&["register.bad_email", "register.email_121"], faulty)],
    },
    Difference {
        name: "ClaimsAreOurs",
        because: "a token names its user by the standard's `sub`, and one without an end could never be forgotten",
        rules: &[
            (&["auth.getsurveys.no_identity"], |_| refuses("Missing claim: sub")),
            (&["auth.getsurveys.no_exp"], |_| refuses("Missing claim: exp")),
        ],
    },
    Difference {
        name: "NoPagesForBrowsers",
        because: "this user was made by POST /new, an HTML form that stored passwords in clear and is no endpoint any more",
        rules: &[(&["login.plain_row"], |_| says("User plain doesn't exist"))],
    },
    Difference {
        name: "ReplyContentIsKeptAsSent",
        because: "/addquestion made a list of texts of it, where /addsurvey always kept it",
        rules: &[(&["addquestion.read"], |case| {
            edited(case, |body| {
                for shown in items(body, "questions") {
                    if let Some(question) = case.world.question(&shown["id"]) {
                        shown["replyContent"] = question.shown["replyContent"].clone();
                    }
                }
            })
        })],
    },
    Difference {
        name: "TrueHasManySpellings",
        because: "only `True` was true, so that a client's `true` or `1` silently made a draft",
        rules: &[(&["getsurveys.ok", "getsurveys.subcount"], |case| {
            active(case, |flag| matches!(flag, Some("true" | "1")))
        })],
    },
    Difference {
        name: "ParametersFromAnywhere",
        because: "every parameter is taken from the path, a body, the query or a header",
        rules: &[
            (
                &[
                    "register.params_in_json",
                    "register.params_in_form",
                    "register.params_in_query",
                    "login.json_body",
                    "addsurvey.all_in_json",
                    "addquestion.content_in_body",
                ],
                accepted,
            ),
            (&["register.params_in_form", "register.params_in_query"], |case| {
                says(&format!("User {} already exists", case.sent.text("username")))
            }),
            (&["getsurveyquestions.in_query", "addreply.id_in_body", "getsurveystats.in_query"], |case| {
                match case.sent.path.as_str() {
                    "/getsurveyquestions" => says("Survey doesn't exist"),
                    "/addreply" => says("Question doesn't exist"),
                    _ => unknown_survey_of_stats(case),
                }
            }),
        ],
    },
    Difference {
        name: "ContentTypeDoesNotMatter",
        because: "a JSON body is read whatever the Content-Type says",
        rules: &[
            (&["addreply.no_ctype"], accepted),
            (&["addsurvey.q.no_ctype.read", "addsurvey.q.text_plain.read"], lists_what_was_accepted),
        ],
    },
    Difference {
        name: "BlankIsMissing",
        because: "`This field cannot be blank` was said of what was missing, and is now true",
        rules: &[
            (
                &[
                    "register.empty_username",
                    "register.empty_email",
                    "register.empty_password",
                    "login.empty_password",
                    "login.blank_user",
                    "login.blank_password_ok",
                    "addsurvey.empty_name",
                    "addsurvey.due.empty",
                    "getsurveyquestions.empty",
                    "addquestion.ok.blank",
                    "addquestion.empty_id",
                    "addreply.empty_id",
                    "getsurveystats.empty",
                ],
                missing,
            ),
            (&["getsurveys.ok", "getsurveys.subcount"], |case| {
                each_survey(case, |survey, _| {
                    if survey["desc"] == "" {
                        survey["desc"] = "Add description!".into();
                    }
                })
            }),
        ],
    },
    Difference {
        name: "NamesIgnoreCase",
        because: "two accounts whose names differ in case alone can't be told apart by people",
        rules: &[(&["register.case_differs", "login.case"], |case| match case.sent.path.as_str() {
            "/register" => says(&format!("User {} already exists", case.sent.text("username"))),
            _ => edited_answer(accepted(case), |body| body["message"] = "Logged in as alice".into()),
        })],
    },
    Difference {
        name: "Limits",
        because: "a limit is enforced with a text that names it; some are wider than the original's",
        rules: &[
            (
                &[
                    "register.username_81",
                    "register.header_too_long",
                    "addsurvey.q.long_type",
                    "addquestion.long_type",
                    "addreply.ok.long",
                ],
                faulty,
            ),
            (&["addsurvey.name_81", "addquestion.too_long_content"], accepted),
        ],
    },
    Difference {
        name: "NoControlCharacters",
        because: "NUL can't be stored, and other control characters can't be shown",
        rules: &[(&["addsurvey.q.nul", "addreply.ok.nul"], faulty)],
    },
    Difference {
        name: "DueDateForms",
        because: "a date is RFC 3339, ISO 8601 or RFC 2822, and never a guess",
        rules: &[
            (
                &[
                    "addsurvey.due.compact",
                    "addsurvey.due.us*",
                    "addsurvey.due.dots",
                    "addsurvey.due.month_name",
                    "addsurvey.due.dmy_name",
                    "addsurvey.due.ampm",
                    "addsurvey.due.julian",
                    "addsurvey.due.year_*",
                    "addsurvey.due.epoch_word",
                    "addsurvey.due.short_year",
                    "addsurvey.due.feb30",
                    "addsurvey.due.hour*",
                    "addsurvey.due.unix",
                    "addsurvey.due.words",
                    "addsurvey.due.time_only",
                    "addsurvey.due.to*",
                    "addsurvey.due.now",
                    "addsurvey.due.yesterday",
                    "addsurvey.due.infinity",
                    "addsurvey.due.minus_infinity",
                ],
                |_| says_of("duedate", DUE_DATE),
            ),
            (&["getsurveys.infinity"], |_| says("User bob has no surveys")),
        ],
    },
    Difference {
        name: "BadInputIs400",
        because: "what a client got wrong is not a fault of the server",
        rules: &[
            (
                &[
                    "addsurvey.q.null_item",
                    "addsurvey.q.number_item",
                    "addsurvey.q.word",
                    "addsurvey.q.string_of_json",
                ],
                faulty,
            ),
            (
                &[
                    "addsurvey.q.nan",
                    "addsurvey.q.malformed",
                    "addsurvey.q.top_list",
                    "addsurvey.q.top_string",
                    "addquestion.malformed",
                    "addquestion.top_list",
                    "addreply.malformed",
                    "addreply.top_list",
                    "addreply.top_string",
                    "addreply.utf8_bad",
                ],
                |case| {
                    let raw =
                        case.sent.content.body.as_str().filter(|_| case.sent.content.body_kind == "raw");
                    let text = match raw.map(|text| serde_json::from_str::<Value>(text.trim())) {
                        Some(Err(e)) => format!("The body is not valid JSON: {e}"),
                        _ => r#"The body must be a JSON object, like {"name": "value"}"#.to_owned(),
                    };
                    problem(400, "malformed_body", &text)
                },
            ),
        ],
    },
    Difference {
        name: "DeletedUsersTokensAreDead",
        because: "a token acts for a user, not for whoever has the name next",
        rules: &[(
            &[
                "getsurveys.deleted_user",
                "addsurvey.deleted_user",
                "token_refresh.deleted_user",
                "getsurveys.token_of_former_owner",
                "auth.getsurveys.nobody_access",
                "addquestion.deleted_user",
            ],
            |_| refuses("The user of this token doesn't exist"),
        )],
    },
    Difference {
        name: "DraftsArePrivate",
        because: "a survey that never was open doesn't exist for anyone but its owner; one that is past does",
        rules: &[(
            &[
                "getsurveyquestions.inactive",
                "addreply.ok.inactive",
                "getsurveystats.no_questions",
                "getsurveystats.inactive",
            ],
            |case| match case.sent.path.as_str() {
                "/getsurveyquestions" => says("Survey doesn't exist"),
                "/addreply" => says("Question doesn't exist"),
                _ => unknown_survey_of_stats(case),
            },
        )],
    },
    Difference {
        name: "DebuggingNeedsItsKey",
        because: "anyone could read all users and delete them",
        rules: &[(USERS, |_| refuses("Missing Authorization Header"))],
    },
    Difference {
        name: "StatsAreTheOwners",
        because: "what people replied is shown to whom they replied",
        rules: &[(&["getsurveystats.types", "getsurveystats.ok", "getsurveystats.past"], |_| {
            refuses("Missing Authorization Header")
        })],
    },
    Difference {
        name: "ClosedSurveysRefuseReplies",
        because: "a survey takes replies while it is active and before it is due, and what was refused is not counted",
        rules: &[
            (&["addreply.ok.past"], |_| says("Survey takes no more replies")),
            (&["getsurveystats.inactive.owner", "getsurveystats.past.owner"], counts_what_was_accepted),
        ],
    },
    Difference {
        name: "RepliesAreKeptAsSent",
        because: "an empty list is a reply like any other JSON",
        rules: &[
            (&["addreply.empty_list"], accepted),
            (&["getsurveystats.types.owner"], counts_what_was_accepted),
        ],
    },
    Difference {
        name: "DeleteCascades",
        because: "with a user goes what the user owned",
        rules: &[(&["users.delete.owners.with_key"], |case| {
            says(&format!("{} row(s) deleted", case.world.users.len()))
        })],
    },
    Difference {
        name: "ListsShowWhatWasAccepted",
        because: "which, by the differences above, is not what the original accepted",
        rules: &[(
            &[
                "getsurveys.ok",
                "getsurveys.subcount",
                "activesurveys.ok",
                "activesurveys.after",
                "addquestion.read",
                "users.get.many.with_key",
                "users.get.after_failed_delete.with_key",
            ],
            lists_what_was_accepted,
        )],
    },
    Difference {
        name: "IsActiveIsTrueByDefault",
        because: "the documented parameters must be enough to make a survey that is listed as active",
        rules: &[(&["getsurveys.ok", "getsurveys.subcount"], |case| active(case, |flag| flag.is_none()))],
    },
    Difference {
        name: "SubCountCounts",
        because: "it was always 0",
        rules: &[(&["getsurveys.subcount"], |case| {
            each_survey(case, |survey, id| {
                let questions = case.world.questions.iter().filter(|question| question.survey == id);
                let replies = questions.map(|question| replies_to(case, &question.shown).len());
                survey["subCount"] = replies.max().unwrap_or_default().into();
            })
        })],
    },
    // How it is said.
    Difference {
        name: "DatesAreRfc3339",
        because: "`2030-01-01 00:00:00` leaves the zone to guesses",
        rules: &[(
            &["getsurveys.ok", "getsurveys.subcount", "activesurveys.ok", "activesurveys.after"],
            |case| {
                each_survey(case, |survey, id| {
                    let due = &case.world.survey(id).due;
                    assert!(survey["dueDate"] == "<timestamp>" || survey["dueDate"] == **due, "{survey}");
                    survey["dueDate"] = format!("{}Z", due.replace(' ', "T")).into();
                })
            },
        )],
    },
    Difference {
        name: "OffsetsAreRead",
        because: "10:20 at +05:00 is 05:20 in UTC, where the original forgot the offset",
        rules: &[(&["getsurveys.subcount", "activesurveys.after"], |case| {
            each_survey(case, |survey, _| {
                if survey["name"] == "d-offset" {
                    survey["dueDate"] = "2430-01-01T05:20:30Z".into();
                }
            })
        })],
    },
    Difference {
        name: "FieldsAreAdded",
        because: "surveys, questions and results say more than they did",
        rules: &[
            (&["getsurveys.ok", "getsurveys.subcount", "activesurveys.ok", "activesurveys.after"], |case| {
                each_survey(case, |survey, id| {
                    let accepted = case.world.survey(id);
                    survey["createdAt"] = "<timestamp>".into();
                    survey["opensAt"] = Value::Null;
                    survey["publicStats"] = false.into();
                    survey["responseLimit"] = Value::Null;
                    survey["questionCount"] =
                        case.world.questions.iter().filter(|question| question.survey == id).count().into();
                    survey["state"] = accepted.state().into();
                    survey["updatedAt"] = "<timestamp>".into();
                    survey["version"] = accepted.version.into();
                    survey["visibility"] = "public".into();
                })
            }),
            (&["getsurveyquestions.*", "addsurvey.q.*", "addquestion.read"], |case| {
                edited(case, |body| {
                    for shown in items(body, "questions") {
                        shown["required"] = case.world.question(&shown["id"]).unwrap().required.into();
                    }
                })
            }),
            (&["getsurveystats.*"], |case| {
                edited(case, |body| {
                    for question in body.as_array_mut().into_iter().flatten() {
                        question["summary"] = json!({});
                    }
                })
            }),
        ],
    },
    Difference {
        name: "UsersShowNoHash",
        because: "a hash is nobody's business; the id is shown instead",
        rules: &[(&["users.get.one.with_key", "users.get.many.with_key"], |case| {
            edited(case, |body| {
                for user in items(body, "users") {
                    *user = json!({ "id": "<id>", "username": user["username"] });
                }
            })
        })],
    },
    Difference {
        name: "EmptyListsAreLists",
        because: "a client that reads `surveys` need not look for a message first",
        rules: &[(
            &[
                "activesurveys.none",
                "getsurveys.none",
                "getsurveys.infinity",
                "getsurveys.refreshed_token",
                "logout_access.other_session_lives",
            ],
            |case| {
                let message = case.answer.body["message"].as_str().unwrap_or_default();
                let empty = message.ends_with(" has no surveys") || message == "There are no active surveys";
                edited(case, |body| {
                    if empty {
                        body["surveys"] = json!([]);
                    }
                })
            },
        )],
    },
    Difference {
        name: "CreatedIs201WithId",
        because: "a client can go on with what it made",
        rules: &[(&["*"], |case| {
            let message = case.answer.body["message"].as_str().unwrap_or_default();
            let created = message.ends_with(" was created") || message.ends_with(" was added");
            let mut answer = case.answer.clone();
            if created {
                answer.status = 201;
                answer.body["id"] = "<id>".into();
            }
            answer
        })],
    },
    Difference {
        name: "AllFaultsAtOnce",
        because: "the original named the first missing parameter only",
        rules: &[(
            &[
                "register.missing_all",
                "addsurvey.missing_both",
                "addquestion.ok.blank",
                "addreply.missing_both",
            ],
            |case| {
                let faults: BTreeMap<_, _> = all_missing(case.sent).map(|name| (name, BLANK)).collect();
                Answer { status: 400, body: json!({ "message": faults }) }
            },
        )],
    },
    Difference {
        name: "ProblemDocuments",
        because: "`errors` has the text for each parameter, under the name that it has in JSON, and `message` is a text",
        rules: &[(&["*"], |case| {
            let Some(faults) = case.answer.body.get("message").and_then(Value::as_object) else {
                return case.answer.clone();
            };
            let json_name =
                |name: &str| if name == "duedate" { "dueDate".to_owned() } else { name.to_owned() };
            let faults: BTreeMap<_, _> = faults.iter().map(|(name, text)| (json_name(name), text)).collect();
            let texts = faults.iter().map(|(name, text)| format!("{name}: {}", text.as_str().unwrap()));
            let problem = problem(400, "invalid_input", &texts.collect::<Vec<_>>().join("; "));
            edited_answer(problem, |body| body["errors"] = json!(faults))
        })],
    },
    Difference {
        name: "TokenFailuresAre401",
        because: "whoever is not let in needs another token, whatever is wrong with this one",
        rules: &[(&["*"], |case| {
            let Some(text) = case.answer.body.get("msg").and_then(Value::as_str) else {
                return case.answer.clone();
            };
            let code = match text {
                "Missing Authorization Header" => "missing_token",
                "Token has expired" => "expired_token",
                "Token has been revoked" => "revoked_token",
                "The user of this token doesn't exist" => "deleted_user",
                _ if text.starts_with("Only ") => "wrong_token_type",
                _ => "invalid_token",
            };
            problem(401, code, text)
        })],
    },
    Difference {
        name: "FailuresHaveAStatus",
        because: "the original said 200, with these texts",
        rules: &[(&["*"], |case| {
            let text = case.answer.body["message"].as_str().unwrap_or_default();
            let words: Vec<_> = text.split(' ').collect();
            match *words.as_slice() {
                ["Wrong", "credentials"] => problem(401, "wrong_credentials", text),
                ["User", _, "doesn't", "exist"] => problem(401, "unknown_user", text),
                ["User", _, "not", "permited"] => problem(403, "forbidden", text),
                ["Survey" | "Question", .., "doesn't", "exist"] => problem(404, "not_found", text),
                ["User", "with", "email", _, "already", "exists"] => problem(409, "email_taken", text),
                ["User", _, "already", "exists"] => problem(409, "username_taken", text),
                ["Survey", "takes", "no", ..] => problem(409, "survey_closed", text),
                _ => case.answer.clone(),
            }
        })],
    },
];

/// What was sent to `/users`, without a key.
const USERS: &[&str] = &[
    "users.get.empty",
    "users.delete.empty",
    "users.get.one",
    "users.delete.ok",
    "users.delete.ghost",
    "users.delete.ghost_again",
    "users.get.many",
    "users.delete.owners",
    "users.get.after_failed_delete",
];

const BLANK: &str = "This field cannot be blank";

const DUE_DATE: &str = "must be a date like 2030-01-31, 2030-01-31T18:00:00Z or Thu, 31 Jan 2030 18:00:00 GMT, \
                        in the years 1 to 9999";

/// Parameters that are there and not good, and what is said of them.
const FAULTS: &[(&str, &str, &str)] = &[
    ("register.bad_email", "email", ADDRESS),
    ("register.email_121", "email", ADDRESS),
    ("register.username_81", "username", "may have at most 80 characters"),
    ("register.header_too_long", "password", "must have 8 to 256 bytes"),
    ("addsurvey.q.form", "questions", NO_LIST),
    ("addsurvey.q.query", "questions", NO_LIST),
    ("addsurvey.q.string_of_json", "questions", NO_LIST),
    ("addsurvey.q.python_literal", "questions[0]", NO_OBJECT),
    ("addsurvey.q.null_item", "questions[0]", NO_OBJECT),
    ("addsurvey.q.number_item", "questions[0]", NO_OBJECT),
    ("addsurvey.q.word", "questions[0]", NO_OBJECT),
    ("addsurvey.q.long_type", "questions[0].type", "may have at most 50 characters"),
    ("addsurvey.q.nul", "questions", "must not have the control character U+0000"),
    ("addquestion.long_type", "type", "may have at most 50 characters"),
    ("addreply.ok.long", "reply", "may have at most 64 KiB of JSON"),
    ("addreply.ok.nul", "reply", "must not have the control character U+0000"),
];
const ADDRESS: &str = "must be an e-mail address like ada@example.com, of at most 254 bytes";
const NO_LIST: &str = "must be a list of questions, in a JSON body";
const NO_OBJECT: &str = "must be an object";

/// The parameters that a path must have, in the original's order.
fn required(sent: &Exchange) -> &'static [&'static str] {
    match sent.path.as_str() {
        "/register" => &["username", "email", "password"],
        "/login" => &["username", "password"],
        "/addsurvey" => &["name", "duedate"],
        "/getsurveyquestions" => &["idSurvey"],
        "/addquestion" => &["idSurvey", "content", "type"],
        "/addreply" => &["idQuestion", "reply"],
        "/getsurveystats" => &["id"],
        other => panic!("nothing is required of {other}"),
    }
}

fn all_missing(sent: &Exchange) -> impl Iterator<Item = &'static str> {
    required(sent).iter().copied().filter(|name| sent.parameter(name).is_none())
}

// Answers in the original's form.

fn says(text: &str) -> Answer {
    Answer { status: 200, body: json!({ "message": text }) }
}

fn says_of(parameter: &str, text: &str) -> Answer {
    Answer { status: 400, body: json!({ "message": { parameter: text } }) }
}

fn refuses(text: &str) -> Answer {
    Answer { status: 401, body: json!({ "msg": text }) }
}

fn missing(case: &Case<'_>) -> Answer {
    says_of(all_missing(case.sent).next().unwrap(), BLANK)
}

fn faulty(case: &Case<'_>) -> Answer {
    let (_, parameter, text) = FAULTS.iter().find(|(id, ..)| *id == case.sent.id).unwrap();
    says_of(parameter, text)
}

/// What the original said to a request that it liked.
fn accepted(case: &Case<'_>) -> Answer {
    let with_tokens = |text| {
        edited_answer(says(text), |body| {
            body["access_token"] = "<access JWT>".into();
            body["refresh_token"] = "<refresh JWT>".into();
        })
    };
    match case.sent.path.as_str() {
        "/register" => with_tokens(&format!("User {} was created", case.sent.text("username"))),
        "/login" => with_tokens(&format!("Logged in as {}", case.sent.text("username"))),
        "/addsurvey" => says(&format!("Survey {} was created", case.sent.text("name"))),
        "/addquestion" => says("Question was added"),
        "/addreply" => says("Reply was added"),
        other => panic!("{other} accepts nothing"),
    }
}

fn unknown_survey_of_stats(case: &Case<'_>) -> Answer {
    let id = ["id", "idSurvey"].map(|name| case.sent.text(name)).concat();
    says(&format!("Survey {id} doesn't exist"))
}

/// The list with an entry for everything that was accepted: the recorded one, if there is one.
fn lists_what_was_accepted(case: &Case<'_>) -> Answer {
    let (sent, world) = (case.sent, case.world);
    let surveys = || world.surveys.iter();
    let (list, title, accepted): (_, _, Vec<Value>) = match sent.path.as_str() {
        "/users" => {
            ("users", "username", world.users.iter().map(|name| json!({ "username": name })).collect())
        }
        "/getsurveys" => {
            let own = surveys().filter(|survey| survey.owner == sent.caller());
            ("surveys", "id", own.map(|survey| survey.shown.clone()).collect())
        }
        "/activesurveys" => {
            let open = surveys().filter(|survey| survey.is_open());
            let mut open: Vec<_> = open.map(|survey| survey.shown.clone()).collect();
            for survey in &mut open {
                survey["isActive"] = true.into();
            }
            ("surveys", "id", open)
        }
        _ => {
            let questions =
                world.questions.iter().filter(|question| question.survey == sent.text("idSurvey"));
            ("questions", "id", questions.map(|question| question.shown.clone()).collect())
        }
    };
    edited(case, |body| {
        let mut recorded = body[list].as_array_mut().map(std::mem::take).unwrap_or_default();
        let entries = accepted.into_iter().map(|entry| {
            let same = recorded.iter().position(|other| other[title] == entry[title]);
            same.map_or(entry, |index| recorded.remove(index))
        });
        body[list] = entries.collect();
    })
}

/// The results with every reply that was accepted.
fn counts_what_was_accepted(case: &Case<'_>) -> Answer {
    edited(case, |body| {
        for question in body.as_array_mut().into_iter().flatten() {
            let replies = replies_to(case, question);
            question["votes"] = replies.len().into();
            question["answers"] = json!(replies);
        }
    })
}

fn replies_to<'a>(case: &Case<'a>, question: &Value) -> Vec<&'a Value> {
    case.world.replies_to(question["id"].as_str().unwrap())
}

/// Surveys are active where `flag` says so of what was sent as `isactive`.
fn active(case: &Case<'_>, flag: fn(Option<&str>) -> bool) -> Answer {
    each_survey(case, |survey, id| {
        if flag(case.world.survey(id).flag.as_deref()) {
            survey["isActive"] = true.into();
        }
    })
}

/// The list of surveys with each one edited, by its id.
fn each_survey(case: &Case<'_>, edit: impl Fn(&mut Value, &str)) -> Answer {
    edited(case, |body| {
        let mut accepted: Vec<_> = case.world.surveys.iter().collect();
        for survey in items(body, "surveys") {
            // Of two surveys of the same name the older stands first.
            if let Some(index) = accepted.iter().position(|other| other.shown["id"] == survey["id"]) {
                edit(survey, &accepted.remove(index).id);
            }
        }
    })
}

/// The items of a list in a body.
fn items<'a>(body: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    body.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

// Answers in ours.

fn problem(status: u16, code: &str, text: &str) -> Answer {
    let title = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        _ => "Conflict",
    };
    Answer { status, body: json!({ "title": title, "status": status, "message": text, "code": code }) }
}

fn edited(case: &Case<'_>, edit: impl FnOnce(&mut Value)) -> Answer {
    edited_answer(case.answer.clone(), edit)
}

fn edited_answer(mut answer: Answer, edit: impl FnOnce(&mut Value)) -> Answer {
    edit(&mut answer.body);
    answer
}
