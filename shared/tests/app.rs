//! The path of every request: what holds whatever the endpoint.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken fixture should stop the test"
)]

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    App, Error, Reply, Request, Result,
    auth::{Caller, Reader},
    db::Db,
    export::{self, Format},
    http::{self, Change},
    page::{Limit, Window},
    questions::{self, NewQuestion, NewQuestions},
    replies,
    responses::{self, Answers},
    results, revoked_tokens,
    surveys::{self, NewSurvey, Visibility},
    testing::{TestApp, get, post},
    text::Id,
    users,
};
use std::time::Duration;
use uuid::Uuid;

async fn health(app: App, _: Request) -> Result<Reply> {
    http::ok(&json!({ "schema": app.db().await?.schema_version().await? }))
}

async fn panics(app: App, _: Request) -> Result<Reply> {
    let _db = app.db().await?;
    panic!("sesame")
}

#[tokio::test]
async fn a_panic_is_one_500_and_the_next_call_works() {
    let test = TestApp::new().await;
    for _ in 0..3 {
        let answer = test.call(panics, get("/")).await;
        answer.assert_problem(500, "internal", "Something went wrong");
        assert!(!answer.body.to_string().contains("sesame"));
        assert_eq!(test.call(health, get("/")).await.status, 200);
    }
}

#[tokio::test]
async fn a_fault_of_ours_shows_nothing_of_the_database() {
    async fn breaks(app: App, _: Request) -> Result<Reply> {
        app.db().await?.rows("SELECT sesame FROM users", &[]).await?;
        http::ok(&json!({}))
    }
    let test = TestApp::new().await;
    let answer = test.call(breaks, get("/")).await;
    answer.assert_problem(500, "internal", "Something went wrong");
    let members: Vec<_> = answer.body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["code", "message", "status", "title"]);
    assert_eq!(test.call(health, get("/")).await.status, 200);
}

#[tokio::test]
async fn no_answer_may_be_cached() {
    let test = TestApp::new().await;
    for answer in [test.call(health, get("/")).await, test.call(panics, get("/")).await] {
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn each_kind_of_failure_has_its_status_title_and_headers() {
    async fn fails(_: App, request: Request) -> Result<Reply> {
        Err(match request.uri().path() {
            "/malformed" => Error::Malformed("broken".to_owned()),
            "/invalid" => Error::invalid("name", "bad"),
            "/unauthenticated" => Error::Unauthenticated("missing_token", "who?".into()),
            "/forbidden" => Error::Forbidden("no".to_owned()),
            "/missing" => Error::NotFound("nothing".into()),
            "/method" => Error::MethodNotAllowed("GET"),
            "/conflict" => Error::Conflict("survey_closed", "closed".into()),
            "/large" => Error::TooLarge("1 MiB"),
            "/unavailable" => Error::Unavailable("sesame".into()),
            _ => Error::internal("sesame"),
        })
    }
    let test = TestApp::new().await;
    for (path, status, code, title, header, value) in [
        ("/malformed", 400, "malformed_body", "Bad Request", "allow", ""),
        ("/invalid", 400, "invalid_input", "Bad Request", "allow", ""),
        (
            "/unauthenticated",
            401,
            "missing_token",
            "Unauthorized",
            "www-authenticate",
            r#"Bearer realm="canvass""#,
        ),
        ("/forbidden", 403, "forbidden", "Forbidden", "www-authenticate", ""),
        ("/missing", 404, "not_found", "Not Found", "allow", ""),
        ("/method", 405, "method_not_allowed", "Method Not Allowed", "allow", "GET"),
        ("/conflict", 409, "survey_closed", "Conflict", "retry-after", ""),
        ("/large", 413, "too_large", "Payload Too Large", "retry-after", ""),
        ("/unavailable", 503, "unavailable", "Service Unavailable", "retry-after", "5"),
        ("/internal", 500, "internal", "Internal Server Error", "retry-after", ""),
    ] {
        let answer = test.call(fails, get(path)).await;
        let message = answer.body["message"].as_str().unwrap().to_owned();
        answer.assert_problem(status, code, &message);
        assert_eq!((&answer.body["title"], answer.header(header)), (&json!(title), value), "{path}");
        assert!(!message.contains("sesame"));
        let errors = (path == "/invalid").then(|| json!({"name": "bad"}));
        assert_eq!(answer.body.get("errors"), errors.as_ref(), "{path}");
    }
}

#[tokio::test]
async fn a_terminated_connection_is_replaced_unnoticed() {
    let test = TestApp::new().await;
    for pause in [Duration::from_millis(100), Duration::from_millis(1100)] {
        let pid = |db: Db| async move {
            let row = db.row("SELECT pg_backend_pid() AS pid", &[]).await.unwrap();
            row.get::<_, i32>("pid")
        };
        let before = pid(test.db().await).await;
        let terminated = test.db().await.rows("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await;
        assert!(matches!(terminated, Err(Error::Unavailable(_))));
        tokio::time::sleep(pause).await;
        assert_eq!(test.call(health, get("/")).await.status, 200);
        assert_ne!(pid(test.db().await).await, before);
    }
}

#[tokio::test]
async fn without_a_free_connection_a_request_waits_its_turn() {
    let test = TestApp::with(|config| config.concurrency = 2).await;
    let ready = || test.call(health, get("/"));
    let answers = tokio::join!(ready(), ready(), ready(), ready(), ready());
    let statuses = [answers.0.status, answers.1.status, answers.2.status, answers.3.status, answers.4.status];
    assert_eq!(statuses, [200; 5]);
    let sql = "SELECT count(*) AS connections FROM pg_stat_activity WHERE datname = current_database()";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert!(row.get::<_, i64>("connections") <= 2);
}

fn value<T: for<'de> Deserialize<'de>>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

/// A bit of everything that has SQL, by the user whose token it is; answers with all that was read.
async fn journey(app: App, request: Request) -> Result<Reply> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let (name, address) = (value(json!("Żółw")), value(json!("zolw@example.com")));
    let user = users::insert(&db, &name, &address, "-").await?;
    let taken = users::insert(&db, &name, &address, "-").await.unwrap_err().to_string();
    let credentials = users::credentials(&db, &value(json!("żółw"))).await?.unwrap();
    users::strengthen(&db, &credentials, "+").await?;
    let strengthened = users::credentials(&db, &name).await?.unwrap().password_hash;
    let survey = NewSurvey {
        name: value(json!("pets")),
        description: Some(value(json!("About\npets"))),
        is_active: true,
        opens: Some(value(json!("2001-01-01"))),
        due: value(json!("2130-01-01T10:20:30.123456Z")),
        visibility: Visibility::Public,
        public_stats: false,
        response_limit: Some(value(json!(7))),
        questions: value::<NewQuestions>(json!([
            {"content": "Which pet?", "type": "single", "replyContent": ["cat", null]},
            {"content": "Why?", "type": "text", "required": true},
        ]))
        .0,
    };
    let survey = surveys::insert(&db, &caller, &survey).await?;
    let rules = Some(serde_json::from_str(r#"{"max": 1.50}"#).unwrap());
    let question = NewQuestion::new(value(json!("Really?")), value(json!("number")), None, rules).unwrap();
    let question = questions::insert(&db, &caller, survey, &question).await?;
    let reader = Reader::Known(caller);
    let caller = reader.caller().unwrap();
    let (listed, version) = questions::list(&db, &reader, survey).await?;
    let listed = json!(listed);
    let ids: Vec<Uuid> = listed.as_array().unwrap().iter().map(|q| value(q["id"].clone())).collect();

    for reply in ["null", "1.50", r#"{"a": ["ż"]}"#] {
        replies::insert(&db, ids[0], &serde_json::from_str(reply).unwrap()).await?;
    }
    replies::insert(&db, question, &serde_json::from_str("1.50").unwrap()).await?;
    let rejected = replies::insert(&db, question, &value(json!(2))).await.unwrap_err().code();
    let unknown = replies::insert(&db, survey, &value(json!(1))).await.unwrap_err().to_string();
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let answers: Answers = value(json!({ids[1].to_string(): "because", question.to_string(): -0.5}));
    let new = responses::submit(&db, survey, first, &answers).await?.replayed;
    let replayed = responses::submit(&db, survey, first, &answers).await?.replayed;
    responses::submit(&db, survey, second, &answers).await?;
    responses::delete(&db, caller, survey, second).await?;
    let bad = value(json!({question.to_string(): "x"}));
    let bad = responses::submit(&db, survey, second, &bad).await.unwrap_err().to_string();
    let exported = export(&db, caller, survey).await?;

    let owned = surveys::list_owned(&db, caller, Window::default()).await?;
    let open = surveys::list_open(&db, Window::default()).await?;
    let found = surveys::find(&db, &reader, survey).await?;
    let stats = results::stats(&db, &reader, survey).await?;
    let copy = surveys::duplicate(&mut db, caller, survey, None).await?;
    let copied = surveys::find(&db, &reader, copy).await?;
    let copied_questions = questions::list(&db, &reader, copy).await?.0;
    let mut edits = vec![version];
    let order = [ids[2], ids[0], ids[1]];
    edits.push(questions::order(&mut db, caller, survey, &order, Some(version)).await?);
    let edit = questions::Edit {
        content: Some(value(json!("Honestly?"))),
        r#type: None,
        required: Some(value(json!(true))),
        reply_content: Change::Set(None),
    };
    edits.push(questions::update(&mut db, caller, question, &edit, None).await?);
    let (lost, after_delete) = questions::delete(&mut db, caller, ids[0], None).await?;
    edits.push(after_delete);
    let edit = surveys::Edit {
        name: Some(value(json!("animals"))),
        desc: None,
        is_active: Some(value(json!(false))),
        opens_at: Change::Set(None),
        due_date: None,
        visibility: Some(Visibility::Unlisted),
        public_stats: None,
        response_limit: Change::Set(Some(value(json!(9)))),
    };
    edits.push(surveys::update(&mut db, caller, survey, &edit, Some(after_delete)).await?);
    let stale = surveys::update(&mut db, caller, survey, &edit, Some(version)).await.unwrap_err().code();
    let edited = surveys::find(&db, &reader, survey).await?;
    let edited_questions = questions::list(&db, &reader, survey).await?.0;
    let gone = surveys::delete(&mut db, caller, survey, None).await?;

    let users = users::list(&db, Window::default()).await?;
    revoked_tokens::insert(&db, caller).await?;
    let expired = revoked_tokens::delete_expired(&db).await?;
    let statements = db.row("SELECT count(*) AS number FROM pg_prepared_statements", &[]).await?;
    let deleted = users::delete_all(&db).await?;
    http::ok(&json!({
        "answers": {
            "taken": taken, "strengthened": strengthened, "same": user == credentials.id, "listed": listed,
            "rejected": rejected, "unknown": unknown, "new": new, "replayed": replayed, "bad": bad,
            "exported": exported, "owned": owned, "open": open, "found": found, "stats": stats, "copied": copied,
            "copied_questions": copied_questions, "edits": edits, "lost": lost, "stale": stale, "edited": edited,
            "edited_questions": edited_questions, "gone": gone, "users": users, "expired": expired,
            "deleted": deleted, "schema": db.schema_version().await?,
        },
        "statements": statements.get::<_, i64>("number"),
    }))
}

/// What was answered, without the ids. A page doesn't reach beyond the oldest transaction that is running, and those of
/// other tests count.
async fn export(db: &Db, owner: &Caller, survey: Uuid) -> Result<Value> {
    loop {
        let page = export::page(db, owner, survey, Format::Json, Limit::default(), None).await?;
        let page: Value = serde_json::from_slice(page.body()).unwrap();
        if page.get("next").is_none() {
            let responses = page["responses"].as_array().unwrap().iter().map(|response| {
                let answers: Vec<_> = response["answers"].as_object().unwrap().values().collect();
                json!([response["single"], answers])
            });
            return Ok(responses.collect());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Without the ids, which are new each time.
fn without_ids(json: &mut Value) {
    match json {
        Value::Object(members) => {
            if members.get("id").is_some_and(|id| serde_json::from_value::<Id>(id.clone()).is_ok()) {
                members.remove("id");
            }
            members.values_mut().for_each(without_ids);
        }
        Value::Array(items) => items.iter_mut().for_each(without_ids),
        _ => {}
    }
}

#[tokio::test]
async fn unprepared_statements_answer_the_same() {
    let mut answers = Vec::new();
    for prepare in [true, false] {
        let test = TestApp::with(|config| config.prepare = prepare).await;
        let ada = test.user("ada").await;
        let answer = test.call(journey, post("/").bearer(&ada.access)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let again = test.call(journey, post("/").bearer(&ada.access)).await;
        again.assert_problem(401, "revoked_token", "Token has been revoked");
        let mut body = answer.body;
        assert_eq!(body["statements"].as_i64().unwrap() > 0, prepare);
        let answers_of = &mut body["answers"];
        without_ids(answers_of);
        answers.push(answers_of.take());
    }
    let expected = r#"{
        "taken": "User Żółw already exists", "strengthened": "+", "same": true,
        "listed": [
            {"content": "Which pet?", "type": "single", "required": false, "replyContent": ["cat", null]},
            {"content": "Why?", "type": "text", "required": true, "replyContent": null},
            {"content": "Really?", "type": "number", "required": false, "replyContent": {"max": 1.50}}
        ],
        "rejected": "invalid_answers", "unknown": "Question doesn't exist", "new": false, "replayed": true,
        "bad": "2 answer(s) are not valid",
        "exported": [
            [true, [null]], [true, [1.50]], [true, [{"a": ["ż"]}]], [true, [1.50]], [false, ["because", -0.5]]
        ],
        "owned": {"surveys": [SURVEY]}, "open": {"surveys": [SURVEY]}, "found": SURVEY,
        "stats": [
            {"type": "single", "votes": 3, "content": "Which pet?", "answers": [null, 1.50, {"a": ["ż"]}],
             "summary": {}},
            {"type": "text", "votes": 1, "content": "Why?", "answers": ["because"], "summary": {}},
            {"type": "number", "votes": 2, "content": "Really?", "answers": [1.50, -0.5], "summary": {
                "count": 2, "sum": 1, "mean": 0.5, "min": -0.5, "max": 1.5, "histogram": [
                    {"from": -0.6, "to": -0.5, "count": 1}, {"from": 1, "to": 2, "count": 1}
                ]
            }}
        ],
        "copied": {
            "name": "Copy of pets", "isActive": false, "opensAt": "2001-01-01T00:00:00Z",
            "dueDate": "2130-01-01T10:20:30.123456Z", "subCount": 0, "desc": "About\npets", "visibility": "public",
            "publicStats": false, "responseLimit": 7, "version": 1
        },
        "copied_questions": [
            {"content": "Which pet?", "type": "single", "required": false, "replyContent": ["cat", null]},
            {"content": "Why?", "type": "text", "required": true, "replyContent": null},
            {"content": "Really?", "type": "number", "required": false, "replyContent": {"max": 1.50}}
        ],
        "edits": [2, 3, 4, 5, 6], "lost": 3, "stale": "precondition_failed",
        "edited": {
            "name": "animals", "isActive": false, "opensAt": null, "dueDate": "2130-01-01T10:20:30.123456Z",
            "subCount": 2, "desc": "About\npets", "visibility": "unlisted", "publicStats": false, "responseLimit": 9,
            "version": 6
        },
        "edited_questions": [
            {"content": "Honestly?", "type": "number", "required": true, "replyContent": null},
            {"content": "Why?", "type": "text", "required": true, "replyContent": null}
        ],
        "gone": {"message": "Survey was deleted", "questions": 2, "responses": 1, "replies": 3},
        "users": {"users": [{"username": "ada"}, {"username": "Żółw"}]}, "expired": 0, "deleted": 2,
        "schema": NEWEST
    }"#;
    let survey = r#"{
        "name": "pets", "isActive": true, "opensAt": "2001-01-01T00:00:00Z", "dueDate": "2130-01-01T10:20:30.123456Z",
        "subCount": 4, "desc": "About\npets", "visibility": "public", "publicStats": false, "responseLimit": 7, "version": 2
    }"#;
    let expected = expected.replace("SURVEY", survey).replace("NEWEST", &answers[0]["schema"].to_string());
    assert_eq!(answers[0], serde_json::from_str::<Value>(&expected).unwrap());
    assert_eq!(answers[0], answers[1]);
}
