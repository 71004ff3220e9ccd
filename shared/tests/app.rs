//! The path of every request: what holds whatever the endpoint.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken fixture should stop the test")]

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    App, Error, Reply, Request, Result, http,
    page::Window,
    questions::{self, NewQuestion, NewQuestions},
    replies, revoked_tokens,
    surveys::{self, NewSurvey},
    testing::{TestApp, get, post},
    text::Id,
    users,
};
use std::time::Duration;

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
        let pid = |db: shared::db::Db| async move {
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
    let (db, caller) = app.authenticated(&request).await?;
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
        due: value(json!("2130-01-01T10:20:30.123456Z")),
        public_stats: false,
        questions: value::<NewQuestions>(json!([
            {"content": "Which pet?", "type": "single", "replyContent": ["cat", null]},
            {"content": "Why?", "type": "text"},
        ]))
        .0,
    };
    let survey = surveys::insert(&db, &caller, &survey).await?;
    let question = NewQuestion {
        content: value(json!("Really?")),
        r#type: value(json!("text")),
        reply_content: Some(serde_json::from_str("1.50").unwrap()),
    };
    let question = questions::insert(&db, &caller, survey, &question).await?;
    for reply in ["null", "1.50", r#"{"a": ["ż"]}"#] {
        replies::insert(&db, question, &serde_json::from_str(reply).unwrap()).await?;
    }
    let unknown = replies::insert(&db, survey, &value(json!(1))).await.unwrap_err().to_string();
    let owned = surveys::list_owned(&db, &caller, Window::default()).await?;
    let open = surveys::list_open(&db, Window::default()).await?;
    let listed = questions::list(&db, None, survey).await?;
    let stats = replies::stats(&db, Some(&caller), survey).await?;
    let users = users::list(&db, Window::default()).await?.items;
    revoked_tokens::insert(&db, &caller).await?;
    let expired = revoked_tokens::delete_expired(&db).await?;
    let statements = db.row("SELECT count(*) AS number FROM pg_prepared_statements", &[]).await?;
    let deleted = users::delete_all(&db).await?;
    http::ok(&json!({
        "answers": {
            "taken": taken, "strengthened": strengthened, "unknown": unknown, "owned": owned, "open": open,
            "listed": listed, "stats": stats, "users": users, "expired": expired, "deleted": deleted,
            "schema": db.schema_version().await?, "same": user == credentials.id,
        },
        "statements": statements.get::<_, i64>("number"),
    }))
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
    let questions = r#"[
        {"content": "Which pet?", "type": "single", "replyContent": ["cat", null]},
        {"content": "Why?", "type": "text", "replyContent": null},
        {"content": "Really?", "type": "text", "replyContent": 1.50}
    ]"#;
    assert_eq!(answers[0]["listed"], serde_json::from_str::<Value>(questions).unwrap());
    assert_eq!(answers[0]["taken"], "User Żółw already exists");
    assert_eq!(answers[0]["owned"]["surveys"][0]["subCount"], 3);
    assert_eq!(answers[0]["strengthened"], "+");
    assert_eq!(answers[0], answers[1]);
}
