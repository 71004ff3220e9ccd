//! What people do with the API, over HTTP, from the first registration to the last logout. Operations go by their names in
//! the contract, where their paths are looked up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod client;
mod contract;
mod pets;

use client::{Answer, Client, Request};
use contract::{Operation, text};
use pets::{PASSWORD, unique};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, thread};
use uuid::Uuid;

/// How a client puts its parameters into a request.
#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    /// flaskForms' paths, parameters in headers, documents in a JSON body.
    FlaskForms,
    /// The resource paths, ids in the path, everything else in a JSON body.
    Json,
}

/// The parameters that flaskForms read from the body.
const DOCUMENTS: [&str; 3] = ["questions", "replyContent", "reply"];

/// Somebody at a client.
struct Person<'a> {
    api: &'a Client,
    dialect: Dialect,
    token: Option<String>,
}

impl Person<'_> {
    fn with(&self, token: &Value) -> Self {
        Self { token: Some(token.as_str().unwrap().to_owned()), ..*self }
    }

    /// Call an operation by the name that its resource path has in the contract.
    fn call(&self, operation: &str, mut parameters: Map<String, Value>) -> Answer {
        let operation = self.operation(operation);
        let mut request = Request::new(&operation.method(), operation.path);
        if let Some(token) = &self.token {
            request = request.bearer(token);
        }
        // Ids in the path, and what flaskForms' clients send as headers.
        for parameter in operation.parameters() {
            let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
            match (place, self.dialect) {
                ("path", _) => {
                    let value = parameters.remove(name).unwrap_or_else(|| panic!("{name} is missing"));
                    let value = value.as_str().unwrap();
                    request.path = request.path.replace(&format!("{{{name}}}"), value);
                }
                ("header", _) if name == "If-Match" => {
                    if let Some(Value::String(tag)) = parameters.remove("ifMatch") {
                        request = request.header(name, &tag);
                    }
                }
                ("header", Dialect::FlaskForms) => {
                    let key = parameters.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
                    if let Some(value) = key.and_then(|key| parameters.remove(&key)) {
                        request = request.header(name, value.as_str().unwrap());
                    }
                }
                _ => {}
            }
        }
        if self.dialect == Dialect::FlaskForms {
            let others: Vec<_> =
                parameters.keys().filter(|name| !DOCUMENTS.contains(&name.as_str())).collect();
            assert!(others.is_empty(), "{}: flaskForms' clients send no {others:?}", operation.name());
        }
        if !parameters.is_empty() {
            request = request.json(&Value::Object(parameters));
        }
        self.api.send(&request)
    }

    /// The operation of the contract with that name, or the one of flaskForms that does the same.
    fn operation(&self, id: &str) -> Operation {
        let old = id.split_at(1);
        let old = Operation::named(&format!("flaskForms{}{}", old.0.to_uppercase(), old.1));
        old.filter(|_| self.dialect == Dialect::FlaskForms)
            .or_else(|| Operation::named(id))
            .unwrap_or_else(|| panic!("the contract has no operation {id}"))
    }

    /// The body of an answer that must have that status.
    #[track_caller]
    fn get(&self, status: u16, operation: &str, parameters: Value) -> Value {
        self.answer(status, operation, parameters).body
    }

    /// An answer that must have that status.
    #[track_caller]
    fn answer(&self, status: u16, operation: &str, parameters: Value) -> Answer {
        let Value::Object(parameters) = parameters else { panic!("parameters have names") };
        let answer = self.call(operation, parameters);
        assert_eq!(answer.status, status, "{operation}: {}", answer.body);
        answer
    }

    /// The code of an answer that must have that status.
    #[track_caller]
    fn code(&self, status: u16, operation: &str, parameters: Value) -> String {
        self.get(status, operation, parameters)["code"].as_str().unwrap().to_owned()
    }

    /// Somebody who has just registered; the name, and one person with each token.
    fn registered(&self, name: &str) -> (String, Self, Self) {
        let name = unique(name);
        let email = format!("{name}@example.com");
        let tokens =
            self.get(201, "register", json!({ "username": name, "email": email, "password": PASSWORD }));
        (name, self.with(&tokens["access_token"]), self.with(&tokens["refresh_token"]))
    }

    /// The parameters that say which survey's results are asked for.
    fn results_of(&self, survey: &Value) -> Value {
        match self.dialect {
            Dialect::FlaskForms => json!({ "id": survey }),
            Dialect::Json => json!({ "idSurvey": survey, "answers": true }),
        }
    }
}

fn anyone(api: &Client, dialect: Dialect) -> Person<'_> {
    Person { api, dialect, token: None }
}

#[test]
fn a_survey_from_registration_to_logout_in_flask_forms_headers() {
    journey(Dialect::FlaskForms);
}

#[test]
fn a_survey_from_registration_to_logout_in_json() {
    journey(Dialect::Json);
}

fn journey(dialect: Dialect) {
    let api = Client::new();
    let anyone = anyone(&api, dialect);
    let (name, ..) = anyone.registered("ada");
    let wrong = json!({ "username": name, "password": "wrong" });
    assert_eq!(anyone.get(401, "login", wrong)["message"], "Wrong credentials");
    let session = anyone.get(200, "login", json!({ "username": name, "password": PASSWORD }));
    assert_eq!(session["message"], format!("Logged in as {name}"));
    let (ada, refresher) = (anyone.with(&session["access_token"]), anyone.with(&session["refresh_token"]));
    let nothing = json!({ "surveys": [], "message": format!("User {name} has no surveys") });
    assert_eq!(ada.get(200, "listSurveys", json!({})), nothing);

    let survey = ask_and_answer(&anyone, &ada);

    let of_survey = anyone.results_of(&survey);
    let fresh = anyone.with(&refresher.get(200, "refreshToken", json!({}))["access_token"]);
    assert_eq!(ada.code(401, "refreshToken", json!({})), "wrong_token_type");
    assert_eq!(refresher.code(401, "listSurveys", json!({})), "wrong_token_type");
    assert_eq!(ada.get(200, "logoutAccess", json!({}))["message"], "Access token has been revoked");
    assert_eq!(ada.get(401, "listSurveys", json!({}))["message"], "Token has been revoked");
    fresh.get(200, "getResults", of_survey.clone());
    assert_eq!(refresher.get(200, "logoutRefresh", json!({}))["message"], "Refresh token has been revoked");
    assert_eq!(refresher.get(401, "refreshToken", json!({}))["message"], "Token has been revoked");
    fresh.get(200, "logoutAccess", json!({}));
    fresh.get(401, "getResults", of_survey);
    fresh.get(401, "addSurvey", json!({ "name": "late", "dueDate": "9999-01-01" }));
}

/// `ada` makes a survey, `anyone` replies, `ada` reads the results; answers the survey's id.
fn ask_and_answer(anyone: &Person<'_>, ada: &Person<'_>) -> Value {
    // A type of flaskForms is any word; one of a client's own is told by its `x-`.
    let own = if anyone.dialect == Dialect::FlaskForms { "text" } else { "x-text" };
    let name = unique("pets");
    let answer = ada.get(
        201,
        "addSurvey",
        json!({
            "name": name, "dueDate": "9999-12-31T23:59:59Z", "desc": "About pets",
            "questions": [
                { "content": "Which pet?", "type": "single_choice", "replyContent": ["cat", "dog"] },
                { "content": "Why?", "type": own, "replyContent": null },
            ],
        }),
    );
    assert_eq!(answer["message"], format!("Survey {name} was created"));
    let survey = &answer["id"];
    let last = json!({ "idSurvey": survey, "content": "Dlaczego żółw?", "type": own });
    anyone.get(401, "addQuestion", last.clone());
    ada.get(201, "addQuestion", last);

    let shown = |replies: u64| json!([survey, name, "About pets", "9999-12-31T23:59:59Z", true, replies]);
    assert_eq!(in_short(&ada.get(200, "listSurveys", json!({}))["surveys"]), [shown(0)]);
    assert!(in_short(&open_surveys(anyone)).contains(&shown(0)), "the survey is not listed as active");

    let questions = anyone.get(200, "listQuestions", json!({ "idSurvey": survey }))["questions"].take();
    let contents: Vec<_> =
        questions.as_array().unwrap().iter().map(|question| &question["content"]).collect();
    assert_eq!(contents, ["Which pet?", "Why?", "Dlaczego żółw?"]);
    let replies = [json!("cat"), json!({ "because": ["fur", 2.50, null] }), json!(""), json!("dog")];
    for (question, reply) in [0, 1, 2, 0].into_iter().zip(&replies) {
        let reply = json!({ "idQuestion": questions[question]["id"], "reply": reply });
        assert_eq!(anyone.get(201, "addReply", reply)["message"], "Reply was added");
    }

    assert_eq!(anyone.code(401, "getResults", anyone.results_of(survey)), "missing_token");
    let stats = ada.get(200, "getResults", anyone.results_of(survey));
    let stats: Vec<_> =
        stats.as_array().unwrap().iter().map(|s| (s["votes"].as_u64(), &s["answers"])).collect();
    let answers = [json!([replies[0], replies[3]]), json!([replies[1]]), json!([replies[2]])];
    assert_eq!(stats, [(Some(2), &answers[0]), (Some(1), &answers[1]), (Some(1), &answers[2])]);
    assert_eq!(in_short(&ada.get(200, "listSurveys", json!({}))["surveys"]), [shown(2)]);
    survey.clone()
}

/// Of each survey what flaskForms' clients read.
fn in_short(surveys: &Value) -> Vec<Value> {
    let fields = ["id", "name", "desc", "dueDate", "isActive", "subCount"];
    let surveys = surveys.as_array().unwrap().iter();
    surveys.map(|survey| fields.iter().map(|field| survey[field].clone()).collect()).collect()
}

/// All the surveys that are listed as active, page by page.
fn open_surveys(anyone: &Person<'_>) -> Value {
    let (mut surveys, mut query) = (Vec::new(), "?limit=1000".to_owned());
    loop {
        let path = anyone.operation("listActiveSurveys").path;
        let mut page = anyone.api.send(&Request::new("GET", &format!("{path}{query}"))).body;
        surveys.append(page["surveys"].as_array_mut().unwrap());
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=1000&after={next}"),
            None => return surveys.into(),
        }
    }
}

#[test]
fn a_survey_from_draft_to_deletion_in_all_its_states() {
    let api = Client::new();
    let anyone = anyone(&api, Dialect::Json);
    let (_, ada, _) = anyone.registered("ada");
    let survey = ada.get(
        201,
        "addSurvey",
        json!({
            "name": "tides", "dueDate": "9999-01-01", "isActive": false, "publicStats": true,
            "questions": [
                { "content": "How high?", "type": "number", "required": true, "replyContent": { "min": 0 } },
                { "content": "Where?", "type": "x-place" },
            ],
        }),
    );
    let survey = &survey["id"];
    let of_survey = json!({ "idSurvey": survey });
    let edit = |status: u16, mut changes: Value| {
        changes["idSurvey"] = survey.clone();
        ada.answer(status, "editSurvey", changes)
    };
    let shown = |person: &Person<'_>| person.get(200, "getSurvey", of_survey.clone());
    let state = || shown(&ada)["state"].as_str().unwrap().to_owned();

    // A draft: its owner's alone, who edits it with somebody else at the same time.
    assert_eq!(state(), "draft");
    for operation in ["getSurvey", "listQuestions", "getResults"] {
        assert_eq!(anyone.code(404, operation, of_survey.clone()), "not_found");
    }
    let read = ada.answer(200, "listQuestions", of_survey.clone());
    let tag = read.header("etag");
    let ids: Vec<_> = read.body["questions"].as_array().unwrap().iter().map(|q| q["id"].clone()).collect();
    let reversed = json!({ "idSurvey": survey, "order": [ids[1], ids[0]], "ifMatch": tag });
    ada.get(200, "orderQuestions", reversed.clone());
    assert_eq!(ada.code(412, "orderQuestions", reversed), "precondition_failed");
    let label = json!({ "idQuestion": ids[0], "content": "How high in metres?" });
    assert_ne!(ada.answer(200, "editQuestion", label.clone()).header("etag"), tag);
    let version = shown(&ada)["version"].clone();
    ada.get(200, "editQuestion", label);
    edit(200, json!({ "isActive": false, "responseLimit": null }));
    assert_eq!(shown(&ada)["version"], version, "edits that change nothing");

    // Scheduled: to be read, not to be answered.
    let high = |metres: Value| json!({ ids[0].as_str().unwrap(): metres });
    let put = |id: Uuid, answers: Value| json!({ "idSurvey": survey, "idResponse": id, "answers": answers });
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    edit(200, json!({ "isActive": true, "opensAt": "9998-01-01" }));
    assert_eq!((state(), shown(&anyone)["state"].as_str()), ("scheduled".to_owned(), Some("scheduled")));
    assert_eq!(anyone.code(409, "putResponse", put(first, high(json!(1)))), "survey_scheduled");
    let reply = json!({ "idQuestion": ids[0], "reply": 1 });
    assert_eq!(anyone.code(409, "addReply", reply.clone()), "survey_scheduled");

    // Open, for two responses.
    edit(200, json!({ "opensAt": null, "responseLimit": 2 }));
    assert_eq!(state(), "open");
    let refused = anyone.get(422, "putResponse", put(first, high(json!(-1))));
    assert_eq!(refused["faults"][0]["code"], "too_small");
    assert_eq!(refused["errors"].as_object().unwrap().len(), 1);
    let receipt = anyone.get(201, "putResponse", put(first, high(json!(1.50))));
    assert_eq!(anyone.get(200, "putResponse", put(first, high(json!(1.50)))), receipt);
    assert_eq!(anyone.code(409, "putResponse", put(first, high(json!(2)))), "id_conflict");
    let posted = json!({ "idSurvey": survey, "answers": high(json!(4)) });
    let posted = anyone.get(201, "submitResponse", posted)["id"].take();

    // Full: single replies are still taken.
    assert_eq!(state(), "full");
    assert_eq!(anyone.code(409, "putResponse", put(second, high(json!(3)))), "limit_reached");
    anyone.get(201, "addReply", reply.clone());

    // What is deleted makes room and doesn't come back.
    let one = |id: Value| json!({ "idSurvey": survey, "idResponse": id });
    let stored = ada.get(200, "getResponse", one(json!(first)));
    assert_eq!((&stored["answers"], &stored["single"]), (&high(json!(1.50)), &json!(false)));
    ada.get(200, "deleteResponse", one(json!(first)));
    assert_eq!(ada.code(404, "getResponse", one(json!(first))), "not_found");
    assert_eq!(anyone.code(410, "putResponse", put(first, high(json!(1.50)))), "response_deleted");
    assert_eq!(state(), "open");

    // Closed: what was open can be read by everybody, but without single answers.
    edit(200, json!({ "isActive": false }));
    assert_eq!((state(), shown(&anyone)["subCount"].as_u64()), ("closed".to_owned(), Some(2)));
    assert_eq!(anyone.code(409, "putResponse", put(second, high(json!(3)))), "survey_closed");
    assert_eq!(anyone.code(409, "addReply", reply), "survey_closed");
    let number = |person: &Person<'_>| {
        let results =
            person.get(200, "getResults", json!({ "idSurvey": of_survey["idSurvey"], "answers": true }));
        let number = results.as_array().unwrap().iter().find(|question| question["id"] == ids[0]);
        number.unwrap().clone()
    };
    let (hers, anyones) = (number(&ada), number(&anyone));
    assert_eq!((&hers["votes"], &hers["summary"]["mean"]), (&json!(2), &json!(2.5)));
    assert_eq!((&hers["answers"], &anyones["answers"]), (&json!([4, 1]), &json!([])));
    assert_eq!(hers["summary"], anyones["summary"]);
    assert_eq!(ada.get(200, "getResponse", one(posted))["answers"], high(json!(4)));

    // A copy is a draft; the original goes with everything.
    let copy = ada.get(201, "duplicateSurvey", of_survey.clone())["id"].take();
    assert_eq!(anyone.code(404, "getSurvey", json!({ "idSurvey": copy })), "not_found");
    assert_eq!(ada.get(200, "deleteQuestion", json!({ "idQuestion": ids[1] }))["replies"], 0);
    let gone = ada.get(200, "deleteSurvey", of_survey.clone());
    assert_eq!((&gone["questions"], &gone["responses"]), (&json!(1), &json!(1)));
    assert_eq!(ada.code(404, "listResponses", of_survey), "not_found");
    ada.get(200, "getSurvey", json!({ "idSurvey": copy }));
}

#[test]
fn of_two_registrations_of_a_name_at_once_one_succeeds() {
    let api = Client::new();
    for _ in 0..5 {
        let name = unique("twin");
        let register = |email: String| {
            let body = json!({ "username": name, "email": email, "password": PASSWORD });
            api.send(&Request::new("POST", "/register").json(&body)).status
        };
        let mut statuses = thread::scope(|scope| {
            let twins = [1, 2]
                .map(|n| scope.spawn(move || register(format!("{}@example.com", unique(&n.to_string())))));
            twins.map(|twin| twin.join().unwrap())
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
}

/// A survey of one question of the client's own type, with these parameters: its id, and the question's.
fn party(owner: &Person<'_>, different: &Value) -> (Value, Value) {
    let question = json!([{ "content": "Who is there?", "type": "x-name" }]);
    let mut survey = json!({ "name": "party", "dueDate": "9999-01-01", "questions": question });
    survey.as_object_mut().unwrap().extend(different.as_object().unwrap().clone());
    let survey = owner.get(201, "addSurvey", survey)["id"].take();
    let mut questions = owner.get(200, "listQuestions", json!({ "idSurvey": survey }));
    (survey, questions["questions"][0]["id"].take())
}

#[test]
fn replies_at_once_are_all_counted() {
    let api = Client::new();
    let anyone = anyone(&api, Dialect::Json);
    let (_, owner, _) = anyone.registered("host");
    let (survey, question) = party(&owner, &json!({}));
    thread::scope(|scope| {
        for guest in 0..20 {
            let (anyone, question) = (&anyone, &question);
            scope.spawn(move || {
                anyone.get(201, "addReply", json!({ "idQuestion": question, "reply": guest }))
            });
        }
    });
    let stats = owner.get(200, "getResults", json!({ "idSurvey": survey, "answers": true }));
    let mut answers: Vec<_> = stats[0]["answers"].as_array().unwrap().iter().map(Value::as_u64).collect();
    answers.sort_unstable();
    assert_eq!((stats[0]["votes"].as_u64(), answers), (Some(20), (0..20).map(Some).collect()));
}

#[test]
fn of_responses_at_once_as_many_are_taken_as_there_is_room_for() {
    let api = Client::new();
    let anyone = anyone(&api, Dialect::Json);
    let (_, owner, _) = anyone.registered("host");
    let (survey, question) = party(&owner, &json!({ "responseLimit": 7 }));
    let statuses: Vec<_> = thread::scope(|scope| {
        let guests: Vec<_> = (0..20)
            .map(|guest| {
                let answers = json!({ question.as_str().unwrap(): guest });
                let response =
                    json!({ "idSurvey": survey, "idResponse": Uuid::now_v7(), "answers": answers });
                let anyone = &anyone;
                scope.spawn(move || {
                    let Value::Object(response) = response else { panic!("an object") };
                    anyone.call("putResponse", response).status
                })
            })
            .collect();
        guests.into_iter().map(|guest| guest.join().unwrap()).collect()
    });
    let taken = statuses.iter().filter(|status| **status == 201).count();
    assert_eq!((taken, statuses.iter().collect()), (7, BTreeSet::from([&201, &409])));
    let shown = owner.get(200, "getSurvey", json!({ "idSurvey": survey }));
    assert_eq!((&shown["subCount"], &shown["state"]), (&json!(7), &json!("full")));
}

#[test]
fn bad_input_is_refused_and_leaves_nothing_behind() {
    let api = Client::new();
    let (name, owner, _) = anyone(&api, Dialect::Json).registered("mallory");
    let token = owner.token.as_ref().unwrap();
    let add = |body: &[u8]| Request::new("POST", "/surveys").bearer(token).body(body);
    let survey = |different: Value| {
        let mut survey = json!({ "name": "x", "dueDate": "9999-01-01" });
        survey.as_object_mut().unwrap().extend(different.as_object().unwrap().clone());
        add(survey.to_string().as_bytes())
    };
    let asking = |question: Value| survey(json!({ "questions": [question] }));
    let get = |path: &str| Request::new("GET", path);
    let id = Uuid::now_v7();

    let cases = [
        ("a body of 2 MiB", 413, survey(json!({ "name": "n".repeat(2 << 20) }))),
        ("broken JSON", 400, add(br#"{"name": "#)),
        ("JSON that is no object", 400, add(b"[1]")),
        ("a depth bomb", 400, add("[".repeat(100_000).as_bytes())),
        ("a lone surrogate", 400, add(br#"{"name": "\ud800", "dueDate": "9999-01-01"}"#)),
        ("an escaped NUL", 400, survey(json!({ "name": "a\0b" }))),
        ("a NUL", 400, add(b"{\"name\": \"a\0b\", \"dueDate\": \"9999-01-01\"}")),
        // The local gateway passes on as it is only what isn't labelled as text.
        (
            "invalid UTF-8",
            400,
            add(b"{\"name\": \"\xff\"}").header("Content-Type", "application/octet-stream"),
        ),
        ("a blank name", 400, survey(json!({ "name": " \t " }))),
        ("a long name", 400, survey(json!({ "name": "n".repeat(201) }))),
        ("the year 12026", 400, survey(json!({ "dueDate": "12026-01-01" }))),
        ("no date", 400, survey(json!({ "dueDate": "next week" }))),
        ("a name that nobody knows", 400, survey(json!({ "colour": "red" }))),
        ("a name twice", 400, add(br#"{"name": "x", "dueDate": "9999-01-01", "name": "y"}"#)),
        ("a name of the parser's", 400, survey(json!({ "$serde_json::private::Number": "1" }))),
        ("a number for a text", 400, survey(json!({ "name": 1 }))),
        ("a text for a flag", 400, survey(json!({ "isActive": "true" }))),
        ("a text for a number", 400, survey(json!({ "responseLimit": "7" }))),
        ("a type that is nearly known", 400, asking(json!({ "content": "x", "type": "Single-Choice" }))),
        ("a type of flaskForms", 400, asking(json!({ "content": "x", "type": "single" }))),
        ("rules that nobody knows", 400, {
            asking(json!({ "content": "x", "type": "number", "replyContent": { "maximum": 1 } }))
        }),
        ("a deep reply", 400, {
            let reply = format!(r#"{{"reply": {}{}}}"#, "[".repeat(33), "]".repeat(33));
            Request::new("POST", &format!("/questions/{id}/replies")).body(reply)
        }),
        ("a path id that is no UUID", 400, get("/surveys/1/questions")),
        ("a query that nobody knows", 400, get("/surveys/active?page=2")),
        ("an id in a query that is no UUID", 400, get("/getsurveystats?id=1%20or%201=1")),
        ("a header id that isn't ASCII", 400, get("/getsurveyquestions").header("idSurvey", "żółw")),
        ("an unknown id", 404, get(&format!("/surveys/{id}/questions"))),
        ("an unknown path", 404, get("/surveys/nowhere/at/all")),
        ("an unknown method", 404, Request::new("PUT", "/surveys")),
    ];
    for (what, status, request) in cases {
        let answer = api.send(&request);
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
    let nothing = json!({ "surveys": [], "message": format!("User {name} has no surveys") });
    assert_eq!(owner.get(200, "listSurveys", json!({})), nothing);
    assert_eq!(api.send(&get("/health")).status, 200);
}
