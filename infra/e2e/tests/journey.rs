//! What people do with the API, over HTTP, from the first registration to the last logout.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod client;

use client::{Answer, Client, Request};
use serde_json::{Map, Value, json};
use std::thread;
use uuid::Uuid;

/// How a client puts its parameters into a request.
#[derive(Clone, Copy)]
enum Dialect {
    /// flaskForms' paths, parameters in headers, documents in a JSON body.
    FlaskForms,
    /// The resource paths, ids in the path, everything else in a JSON body.
    Json,
}

/// An endpoint: its method, its path in flaskForms, and its resource path with the names of its parameters.
type Endpoint = (&'static str, &'static str, &'static str);

const REGISTER: Endpoint = ("POST", "/register", "/register");
const LOGIN: Endpoint = ("POST", "/login", "/login");
const REFRESH: Endpoint = ("POST", "/token/refresh", "/token/refresh");
const LOGOUT_ACCESS: Endpoint = ("POST", "/logout/access", "/logout/access");
const LOGOUT_REFRESH: Endpoint = ("POST", "/logout/refresh", "/logout/refresh");
const ADD_SURVEY: Endpoint = ("POST", "/addsurvey", "/surveys");
const GET_SURVEYS: Endpoint = ("GET", "/getsurveys", "/surveys");
const ACTIVE_SURVEYS: Endpoint = ("GET", "/activesurveys", "/surveys/active");
const GET_QUESTIONS: Endpoint = ("GET", "/getsurveyquestions", "/surveys/{idSurvey}/questions");
const ADD_QUESTION: Endpoint = ("POST", "/addquestion", "/surveys/{idSurvey}/questions");
const ADD_REPLY: Endpoint = ("POST", "/addreply", "/questions/{idQuestion}/replies");
const GET_STATS: Endpoint = ("GET", "/getsurveystats", "/surveys/{id}/stats");

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

    fn call(&self, (method, flask_forms, resource): Endpoint, mut parameters: Map<String, Value>) -> Answer {
        let mut request = Request { method: method.to_owned(), ..Request::default() };
        let mut header = |name: &str, value: &str| request.headers.push((name.to_owned(), value.to_owned()));
        if let Some(token) = &self.token {
            header("Authorization", &format!("Bearer {token}"));
        }
        match self.dialect {
            Dialect::FlaskForms => {
                flask_forms.clone_into(&mut request.path);
                parameters.retain(|name, value| {
                    let document = DOCUMENTS.contains(&name.as_str());
                    if !document {
                        header(name, value.as_str().unwrap());
                    }
                    document
                });
            }
            Dialect::Json => {
                resource.clone_into(&mut request.path);
                parameters.retain(|name, value| {
                    let place = format!("{{{name}}}");
                    let in_path = resource.contains(&place);
                    if in_path {
                        request.path = request.path.replace(&place, value.as_str().unwrap());
                    }
                    !in_path
                });
            }
        }
        if !parameters.is_empty() {
            header("Content-Type", "application/json");
            request.body = Value::Object(parameters).to_string().into_bytes();
        }
        self.api.send(&request)
    }

    /// The body of an answer that must have that status.
    #[track_caller]
    fn get(&self, status: u16, endpoint: Endpoint, parameters: Value) -> Value {
        let Value::Object(parameters) = parameters else { panic!("parameters have names") };
        let answer = self.call(endpoint, parameters);
        assert_eq!(answer.status, status, "{endpoint:?}: {}", answer.body);
        answer.body
    }

    /// Somebody who has just registered; the name, and one person with each token.
    fn registered(&self, name: &str) -> (String, Self, Self) {
        let name = unique(name);
        let email = format!("{name}@example.com");
        let tokens =
            self.get(201, REGISTER, json!({ "username": name, "email": email, "password": PASSWORD }));
        (name, self.with(&tokens["access_token"]), self.with(&tokens["refresh_token"]))
    }
}

const PASSWORD: &str = "correct horse";

fn anyone(api: &Client, dialect: Dialect) -> Person<'_> {
    Person { api, dialect, token: None }
}

/// A name that no other test uses, nor this one in an earlier run.
fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::now_v7())
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
    assert_eq!(anyone.get(401, LOGIN, wrong)["message"], "Wrong credentials");
    let session = anyone.get(200, LOGIN, json!({ "username": name, "password": PASSWORD }));
    assert_eq!(session["message"], format!("Logged in as {name}"));
    let (ada, refresher) = (anyone.with(&session["access_token"]), anyone.with(&session["refresh_token"]));
    let nothing = json!({ "surveys": [], "message": format!("User {name} has no surveys") });
    assert_eq!(ada.get(200, GET_SURVEYS, json!({})), nothing);

    let survey = ask_and_answer(&anyone, &ada);

    let of_survey = json!({ "id": survey });
    let fresh = anyone.with(&refresher.get(200, REFRESH, json!({}))["access_token"]);
    assert_eq!(ada.get(401, REFRESH, json!({}))["code"], "wrong_token_type");
    assert_eq!(refresher.get(401, GET_SURVEYS, json!({}))["code"], "wrong_token_type");
    assert_eq!(ada.get(200, LOGOUT_ACCESS, json!({}))["message"], "Access token has been revoked");
    assert_eq!(ada.get(401, GET_SURVEYS, json!({}))["message"], "Token has been revoked");
    fresh.get(200, GET_STATS, of_survey.clone());
    assert_eq!(refresher.get(200, LOGOUT_REFRESH, json!({}))["message"], "Refresh token has been revoked");
    assert_eq!(refresher.get(401, REFRESH, json!({}))["message"], "Token has been revoked");
    fresh.get(200, LOGOUT_ACCESS, json!({}));
    fresh.get(401, GET_STATS, of_survey);
    fresh.get(401, ADD_SURVEY, json!({ "name": "late", "dueDate": "9999-01-01" }));
}

/// `ada` makes a survey, `anyone` replies, `ada` reads the results; answers the survey's id.
fn ask_and_answer(anyone: &Person<'_>, ada: &Person<'_>) -> Value {
    let name = unique("pets");
    let answer = ada.get(
        201,
        ADD_SURVEY,
        json!({
            "name": name, "dueDate": "9999-12-31T23:59:59Z", "desc": "About pets",
            "questions": [
                { "content": "Which pet?", "type": "single", "replyContent": ["cat", "dog"] },
                { "content": "Why?", "type": "text", "replyContent": null },
            ],
        }),
    );
    assert_eq!(answer["message"], format!("Survey {name} was created"));
    let survey = &answer["id"];
    let last = json!({ "idSurvey": survey, "content": "Dlaczego żółw?", "type": "text" });
    anyone.get(401, ADD_QUESTION, last.clone());
    ada.get(201, ADD_QUESTION, last);

    let shown = |replies: u64| json!([survey, name, "About pets", "9999-12-31T23:59:59Z", true, replies]);
    assert_eq!(in_short(&ada.get(200, GET_SURVEYS, json!({}))["surveys"]), [shown(0)]);
    assert!(in_short(&open_surveys(anyone)).contains(&shown(0)), "the survey is not listed as active");

    let questions = anyone.get(200, GET_QUESTIONS, json!({ "idSurvey": survey }))["questions"].take();
    let contents: Vec<_> =
        questions.as_array().unwrap().iter().map(|question| &question["content"]).collect();
    assert_eq!(contents, ["Which pet?", "Why?", "Dlaczego żółw?"]);
    let replies = [json!("cat"), json!({ "because": ["fur", 2.50, null] }), json!(""), json!("dog")];
    for (question, reply) in [0, 1, 2, 0].into_iter().zip(&replies) {
        let reply = json!({ "idQuestion": questions[question]["id"], "reply": reply });
        assert_eq!(anyone.get(201, ADD_REPLY, reply)["message"], "Reply was added");
    }

    assert_eq!(anyone.get(401, GET_STATS, json!({ "id": survey }))["code"], "missing_token");
    let stats = ada.get(200, GET_STATS, json!({ "id": survey }));
    let stats: Vec<_> =
        stats.as_array().unwrap().iter().map(|s| (s["votes"].as_u64(), &s["answers"])).collect();
    let answers = [json!([replies[0], replies[3]]), json!([replies[1]]), json!([replies[2]])];
    assert_eq!(stats, [(Some(2), &answers[0]), (Some(1), &answers[1]), (Some(1), &answers[2])]);
    assert_eq!(in_short(&ada.get(200, GET_SURVEYS, json!({}))["surveys"]), [shown(2)]);
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
        let (_, flask_forms, resource) = ACTIVE_SURVEYS;
        let path = match anyone.dialect {
            Dialect::FlaskForms => flask_forms,
            Dialect::Json => resource,
        };
        let mut page = anyone.api.send(&request("GET", &format!("{path}{query}"), &[], b"")).body;
        surveys.append(page["surveys"].as_array_mut().unwrap());
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=1000&after={next}"),
            None => return surveys.into(),
        }
    }
}

#[test]
fn of_two_registrations_of_a_name_at_once_one_succeeds() {
    let api = Client::new();
    for _ in 0..5 {
        let name = unique("twin");
        let register = |email: String| {
            let body = json!({ "username": name, "email": email, "password": PASSWORD }).to_string();
            api.send(&request("POST", "/register", &[], body.as_bytes())).status
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

#[test]
fn replies_at_once_are_all_counted() {
    let api = Client::new();
    let anyone = anyone(&api, Dialect::Json);
    let (_, owner, _) = anyone.registered("host");
    let question = json!([{ "content": "Who is there?", "type": "text" }]);
    let survey = json!({ "name": "party", "dueDate": "9999-01-01", "questions": question });
    let survey = owner.get(201, ADD_SURVEY, survey)["id"].take();
    let questions = anyone.get(200, GET_QUESTIONS, json!({ "idSurvey": survey }));
    let question = &questions["questions"][0]["id"];
    thread::scope(|scope| {
        for guest in 0..20 {
            let anyone = &anyone;
            scope
                .spawn(move || anyone.get(201, ADD_REPLY, json!({ "idQuestion": question, "reply": guest })));
        }
    });
    let stats = owner.get(200, GET_STATS, json!({ "id": survey }));
    let mut answers: Vec<_> = stats[0]["answers"].as_array().unwrap().iter().map(Value::as_u64).collect();
    answers.sort_unstable();
    assert_eq!((stats[0]["votes"].as_u64(), answers), (Some(20), (0..20).map(Some).collect()));
}

#[test]
fn bad_input_is_refused_and_leaves_nothing_behind() {
    let api = Client::new();
    let (name, owner, _) = anyone(&api, Dialect::Json).registered("mallory");
    let token = format!("Bearer {}", owner.token.as_ref().unwrap());
    let add = |body: &[u8]| request("POST", "/surveys", &[("Authorization", &token)], body);
    let named = |name: &str| add(json!({ "name": name, "dueDate": "9999-01-01" }).to_string().as_bytes());
    let due = |date: &str| add(json!({ "name": "x", "dueDate": date }).to_string().as_bytes());
    let binary = ("Content-Type", "application/octet-stream");
    let id = Uuid::now_v7();

    let cases = [
        ("a body of 2 MiB", 413, named(&"n".repeat(2 << 20))),
        ("broken JSON", 400, add(br#"{"name": "#)),
        ("JSON that is no object", 400, add(b"[1]")),
        ("a depth bomb", 400, add("[".repeat(100_000).as_bytes())),
        ("a lone surrogate", 400, add(br#"{"name": "\ud800", "dueDate": "9999-01-01"}"#)),
        ("an escaped NUL", 400, named("a\0b")),
        ("a NUL", 400, add(b"{\"name\": \"a\0b\", \"dueDate\": \"9999-01-01\"}")),
        // The local gateway passes on as it is only what isn't labelled as text.
        ("invalid UTF-8", 400, {
            request("POST", "/surveys", &[("Authorization", &token), binary], b"{\"name\": \"\xff\"}")
        }),
        ("a blank name", 400, named(" \t ")),
        ("a long name", 400, named(&"n".repeat(201))),
        ("the year 12026", 400, due("12026-01-01")),
        ("no date", 400, due("next week")),
        ("a deep reply", 400, {
            let reply = format!(r#"{{"reply": {}{}}}"#, "[".repeat(33), "]".repeat(33));
            request("POST", &format!("/questions/{id}/replies"), &[], reply.as_bytes())
        }),
        ("a path id that is no UUID", 400, request("GET", "/surveys/1/questions", &[], b"")),
        (
            "an id in a query that is no UUID",
            400,
            request("GET", "/getsurveystats?id=1%20or%201=1", &[], b""),
        ),
        (
            "a header id that isn't ASCII",
            400,
            request("GET", "/getsurveyquestions", &[("idSurvey", "żółw")], b""),
        ),
        ("an unknown id", 404, request("GET", &format!("/surveys/{id}/questions"), &[], b"")),
        ("an unknown path", 404, request("GET", "/surveys/nowhere/at/all", &[], b"")),
        ("an unknown method", 404, request("PUT", "/surveys", &[], b"")),
        ("a garbage token", 401, request("GET", "/surveys", &[("Authorization", "Bearer garbage")], b"")),
        (
            "a token of two words",
            401,
            request("GET", "/surveys", &[("Authorization", &format!("{token} x"))], b""),
        ),
    ];
    for (what, status, request) in cases {
        let answer = api.send(&request);
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
    let nothing = json!({ "surveys": [], "message": format!("User {name} has no surveys") });
    assert_eq!(owner.get(200, GET_SURVEYS, json!({})), nothing);
    assert_eq!(api.send(&request("GET", "/health", &[], b"")).status, 200);
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { method: method.to_owned(), path: path.to_owned(), headers, body: body.to_vec(), chunked: false }
}
