use super::add_reply;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, TestSurvey, Uuid, post};
use std::sync::Arc;

fn reply(survey: &TestSurvey, json: &str) -> Call {
    reply_to(survey.question, json)
}

fn reply_to(question: Uuid, json: &str) -> Call {
    post("/questions/x/replies").path("idQuestion", question).body(format!(r#"{{"reply": {json}}}"#))
}

/// The same as flaskForms' clients send it.
fn flask_forms(question: Uuid, json: &str) -> Call {
    let call = post("/addreply").header("idQuestion", &question.to_string());
    call.body(format!(r#"{{"reply": {json}}}"#))
}

#[tokio::test]
async fn a_reply_is_added_without_a_token() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let answer = test.call(add_reply, reply(&survey, r#""cat""#)).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("Reply was added")));
    let sql = "SELECT id::text, question_id::text, reply, survey_id::text, single FROM answers JOIN responses r ON r.id = response_id";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(answer.body, json!({"message": "Reply was added", "id": row.get::<_, String>("id")}));
    assert_eq!(row.get::<_, String>("question_id"), survey.question.to_string());
    assert_eq!(row.get::<_, Value>("reply"), "cat");
    assert_eq!(row.get::<_, String>("survey_id"), survey.id.to_string());
    assert!(row.get::<_, bool>("single"));
}

/// How many replies the counters of a question say there are.
async fn counted(test: &TestApp, survey: &TestSurvey) -> i64 {
    let sql = "SELECT coalesce(sum(singles[number]), 0)::bigint AS n
               FROM questions q JOIN survey_counters USING (survey_id) WHERE q.id = $1";
    test.db().await.row(sql, &[&survey.question]).await.unwrap().get("n")
}

#[tokio::test]
async fn replies_at_the_same_time_are_all_counted() {
    let test = Arc::new(TestApp::with(|config| config.concurrency = 8).await);
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (test, call) = (test.clone(), reply(&survey, &n.to_string()));
        racing.spawn(async move { test.call(add_reply, call).await.status });
    }
    assert_eq!(racing.join_all().await, [201; 40]);
    assert_eq!((test.count("answers").await, test.count("responses").await), (40, 40));
    assert_eq!(counted(&test, &survey).await, 40);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_reply_to_a_typed_question_keeps_its_rules() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let questions = json!([{"type": "number", "replyContent": {"max": 2.5}}]);
    let survey = test.survey(&ada).questions(questions).await;
    for (sent, code, message) in [
        (r#""cat""#, "wrong_type", "must be a number below 1e15 with at most 6 digits behind the point"),
        ("1e-400", "wrong_type", "must be a number below 1e15 with at most 6 digits behind the point"),
        ("2.51", "too_large", "must be at most 2.5"),
        ("null", "required", "This field cannot be blank"),
        (r#"" ""#, "required", "This field cannot be blank"),
    ] {
        let answer = test.call(add_reply, reply(&survey, sent)).await;
        answer.assert_problem(422, "invalid_answers", "1 answer(s) are not valid");
        let id = survey.question.to_string();
        assert_eq!(answer.body["errors"], json!({ &id: message }), "{sent}");
        assert_eq!(
            answer.body["faults"],
            json!([{"question": id, "code": code, "message": message}]),
            "{sent}"
        );
    }
    assert_eq!((test.count("answers").await, test.count("responses").await), (0, 0));
    assert_eq!(counted(&test, &survey).await, 0);
    for sent in ["2.50", "-7"] {
        assert_eq!(test.call(add_reply, reply(&survey, sent)).await.status, 201, "{sent}");
    }
    assert_eq!(counted(&test, &survey).await, 2);
    test.assert_counted().await;
}

#[tokio::test]
async fn flaskforms_header_form_and_query_do_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let call = || post("/addreply").header("idQuestion", &survey.question.to_string());
    for call in [
        call().body(r#"{"reply": "a cat"}"#),
        call().header("content-type", "application/x-www-form-urlencoded").body("reply=a+cat"),
        call().query("reply", "a cat"),
    ] {
        assert_eq!(test.call(add_reply, call).await.status, 201);
    }
    let sql = "SELECT count(*) FILTER (WHERE reply::text = '\"a cat\"') AS replies FROM answers";
    assert_eq!(test.db().await.row(sql, &[]).await.unwrap().get::<_, i64>("replies"), 3);
}

#[tokio::test]
async fn a_reply_is_not_taken_from_a_header() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let call = post("/addreply").header("idQuestion", &survey.question.to_string()).header("reply", "cat");
    let answer = test.call(add_reply, call).await;
    answer.assert_invalid(json!({"reply": "This field cannot be blank"}));
    assert_eq!(test.count("answers").await, 0);
}

#[tokio::test]
async fn any_json_is_stored_as_sent() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let deep = format!("{}1{}", "[".repeat(32), "]".repeat(32));
    for sent in [
        "null",
        r#""""#,
        r#""  ""#,
        "[]",
        "{}",
        "0",
        "false",
        "1.50",
        "-7.000",
        "12345678901234567890123",
        "0.1234567890123456789012345678901234567890",
        r#"["first", "second"]"#,
        r#"{"a": 1, "b": null, "": [[["x", "y"], "z"], {"c": {}}]}"#,
        r#"{"b": {"d": 1, "c": 2}, "a": 3}"#,
        "[1e-400, -1E-16384, 0e999999999, 0.0e-5, 1.7976931348623157e308]",
        r#""Żółw 🐢\ttab\nline \\ \" '; DROP TABLE replies; --""#,
        &deep,
    ] {
        assert_eq!(test.call(add_reply, reply(&survey, sent)).await.status, 201, "{sent}");
        let sql = "DELETE FROM responses RETURNING (SELECT value::text FROM json_each(answers)) AS reply";
        let row = test.db().await.row(sql, &[]).await.unwrap();
        let expected = serde_json::from_str::<Value>(sent).unwrap().to_string();
        assert_eq!(row.get::<_, String>("reply"), expected);
    }
}

#[tokio::test]
async fn no_number_is_too_small_and_each_keeps_its_digits() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    for (sent, stored) in [
        ("1e-400", "1e-400"),
        ("1e-16384", "1e-16384"),
        ("-1.50E-999999999", "-1.50e-999999999"),
        ("0e999999999", "0e+999999999"),
        ("-0e-99999999999999999999", "-0e-99999999999999999999"),
        ("-0.0", "-0.0"),
        ("1e308", "1e+308"),
    ] {
        for (sent, stored) in [
            (sent.to_owned(), stored.to_owned()),
            (format!(r#"[{{"a": {sent}}}]"#), format!(r#"[{{"a":{stored}}}]"#)),
        ] {
            let answer = test.call(add_reply, reply(&survey, &sent)).await;
            assert_eq!(answer.status, 201, "{sent}: {}", answer.body);
            let row = test
                .db()
                .await
                .row(
                    "DELETE FROM responses RETURNING (SELECT value::text FROM json_each(answers)) AS reply",
                    &[],
                )
                .await
                .unwrap();
            assert_eq!(row.get::<_, String>("reply"), stored);
        }
    }
}

#[tokio::test]
async fn sixty_four_kibibytes_are_the_limit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let answer = test.call(add_reply, reply(&survey, &format!("{:?}", "x".repeat(65_535)))).await;
    answer.assert_invalid(json!({"reply": "may have at most 64 KiB of JSON"}));
    assert_eq!(test.count("answers").await, 0);
    let answer = test.call(add_reply, reply(&survey, &format!("{:?}", "x".repeat(65_534)))).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn the_state_of_the_survey_decides_whether_a_reply_is_taken() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = || test.survey(&ada);
    let (closed, scheduled) = (
        Some(("survey_closed", "Survey takes no more replies")),
        Some(("survey_scheduled", "Survey takes no replies yet")),
    );
    for (case, (builder, refused)) in [
        (survey(), None),
        (survey().unlisted(), None),
        (survey().opens("2001-01-01T00:00:00Z"), None),
        (survey().put_aside(), closed),
        (survey().put_aside().scheduled(), closed),
        (survey().past_due(), closed),
        (survey().due("2001-01-01T00:00:00Z"), closed),
        (survey().scheduled().past_due(), closed),
        (survey().scheduled(), scheduled),
    ]
    .into_iter()
    .enumerate()
    {
        // Of a type of the client's own, and of one whose rules the good reply keeps and the bad one doesn't.
        let made = builder.questions(json!([{"type": "x-pet"}, {"type": "number"}])).await;
        for (question, json) in [(0, "1"), (1, "1"), (1, r#""bad""#)] {
            let question = made.questions[question];
            let calls = [
                reply_to(question, json),
                reply_to(question, json).bearer(&ada.access),
                flask_forms(question, json),
            ];
            for call in calls {
                let answer = test.call(add_reply, call).await;
                match refused {
                    Some((code, text)) => answer.assert_problem(409, code, text),
                    None => assert_eq!(answer.status, if json == "1" { 201 } else { 422 }, "case {case}"),
                }
            }
        }
    }
    assert_eq!((test.count("answers").await, test.count("responses").await), (18, 18));
    test.assert_counted().await;
}

#[tokio::test]
async fn a_full_survey_still_takes_single_replies() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).limit(1).questions(json!([{"type": "x-pet"}, {"type": "nps"}])).await;
    test.response(survey.id, json!({})).await;
    for question in &survey.questions {
        assert_eq!(test.call(add_reply, reply_to(*question, "7")).await.status, 201);
    }
    test.assert_counted().await;
}

#[tokio::test]
async fn a_question_of_a_draft_is_not_there_just_as_an_unknown_one() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let drafts = [
        test.survey(&ada).draft(),
        test.survey(&ada).draft().scheduled(),
        test.survey(&ada).draft().past_due(),
    ];
    for draft in drafts {
        let draft = draft.questions(json!([{"type": "x-pet"}, {"type": "number"}])).await;
        for question in draft.questions {
            for json in ["1", r#""cat""#, "null"] {
                let calls: [&dyn Fn(Uuid) -> Call; 3] = [
                    &|question| reply_to(question, json),
                    // Nor to its owner: whose the token is, is nobody's business here.
                    &|question| reply_to(question, json).bearer(&ada.access),
                    &|question| flask_forms(question, json),
                ];
                for call in calls {
                    let answer = test.call(add_reply, call(question)).await;
                    answer.assert_problem(404, "not_found", "Question doesn't exist");
                    // An id that nothing has, and one of a survey.
                    for other in [Uuid::now_v7(), draft.id] {
                        let unknown = test.call(add_reply, call(other)).await;
                        assert_eq!((answer.status, &answer.body), (unknown.status, &unknown.body));
                    }
                }
            }
        }
    }
    for table in ["responses", "survey_counters WHERE changes > 0", "question_counters"] {
        assert_eq!(test.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_resource_path_takes_a_reply_and_nothing_else() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let call = reply(&survey, r#""cat", "comment": "meow""#).query("dryRun", "true");
    let unknown = "is unknown: there are idQuestion, reply";
    test.call(add_reply, call).await.assert_invalid(json!({"comment": unknown, "dryRun": unknown}));
    // flaskForms' path ignores it, as ever.
    let call = flask_forms(survey.question, r#""cat", "comment": "meow""#).query("dryRun", "true");
    assert_eq!(test.call(add_reply, call).await.status, 201);
    for (json, name) in [(r#"1, "reply": 2"#, "reply"), (r#"[{"a": {"b": 1, "b": 1}}]"#, "b")] {
        for call in [reply(&survey, json), flask_forms(survey.question, json)] {
            let text = format!("The body gives the name {name:?} twice in one object");
            test.call(add_reply, call).await.assert_problem(400, "malformed_body", &text);
        }
    }
    assert_eq!(test.count("answers").await, 1);
}

#[tokio::test]
async fn missing_and_malformed_parameters_are_named() {
    let test = TestApp::new().await;
    let blank = "This field cannot be blank";
    let answer = test.call(add_reply, post("/addreply")).await;
    answer.assert_invalid(json!({"idQuestion": blank, "reply": blank}));
    let answer = test.call(add_reply, post("/addreply").header("idQuestion", "7").body("{}")).await;
    answer.assert_invalid(json!({"idQuestion": "must be an id (a UUID)", "reply": blank}));
    let call = post("/questions/7/replies").path("idQuestion", "7");
    let answer = test.call(add_reply, call).await;
    answer.assert_invalid(json!({"idQuestion": "must be an id (a UUID)", "reply": blank}));
}

#[tokio::test]
async fn what_the_database_cannot_hold_is_a_fault_and_nothing_is_stored() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let control = |code: &str| format!("must not have the control character U+{code}");
    let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
    for (sent, text) in [
        (r#""a\u0000b""#, control("0000")),
        (r#"[{"a": "\u0000"}]"#, control("0000")),
        (r#"{"a\u0000": 1}"#, control("0000")),
        (r#""\u001b[31m""#, control("001B")),
        (r#""\u007f""#, control("007F")),
        ("1e400", "the number 1e+400 is too large".to_owned()),
        ("[-1e400]", "the number -1e+400 is too large".to_owned()),
    ] {
        let answer = test.call(add_reply, reply(&survey, sent)).await;
        answer.assert_invalid(json!({"reply": text}));
    }
    for sent in ["", "nothing", "NaN", "1,", r#""\ud800""#, "\"a\u{0}b\"", "01", "'a'"] {
        let answer = test.call(add_reply, reply(&survey, sent)).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("malformed_body")), "{sent}");
    }
    let answer = test.call(add_reply, reply(&survey, &deep)).await;
    let text = "The body may be nested at most 32 levels deep inside a parameter";
    answer.assert_problem(400, "malformed_body", text);
    let answer = test.call(add_reply, reply(&survey, r#"[{"$serde_json::private::RawValue": "1"}]"#)).await;
    let text = "The body must not have names that begin with $serde_json::private";
    answer.assert_problem(400, "malformed_body", text);
    assert_eq!(test.count("answers").await, 0);
}

#[tokio::test]
async fn everybody_may_reply_again_and_again_whatever_the_token() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    for token in [&ada.access, &ada.refresh, "garbage"] {
        assert_eq!(test.call(add_reply, reply(&survey, "1").bearer(token)).await.status, 201);
    }
    assert_eq!(test.count("answers").await, 3);
}
