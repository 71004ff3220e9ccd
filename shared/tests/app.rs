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
    App, Error, PublicApp, Request, Response, Result, StaticApp,
    accounts::{Caller, Viewer, revoked_tokens, users},
    app,
    db::{Db, step},
    error::Code,
    http,
    questions::{self, QuestionChanges},
    responses::{self, Answers, Forms, Order},
    results,
    rules::{Definition, Definitions},
    surveys::{self, NewSurvey, SurveyChanges, Visibility},
    testing::{TestApp, Uuid, get, post},
    values::{
        AnswerFault, Change, Fault, FaultCode, Limit, QuestionId, ResponseId, SurveyId, Window,
        fields::{Given, Reading},
    },
};
use std::time::Duration;

async fn health(app: App, _: Request) -> Result<Response> {
    http::ok(&json!({ "schema": app.db().await?.schema_version().await? }))
}

async fn panics(app: App, _: Request) -> Result<Response> {
    let _db = app.db().await?;
    panic!("sesame")
}

#[tokio::test]
async fn a_panic_is_one_500_and_the_next_call_works() {
    let test = TestApp::new().await;
    for _ in 0..3 {
        let answer = test.call_unlisted(panics, get("/")).await;
        answer.assert_problem(500, "internal", "Something went wrong");
        assert!(!answer.body.to_string().contains("sesame"));
        assert_eq!(test.call_unlisted(health, get("/")).await.status, 200);
    }
}

#[tokio::test]
async fn a_request_ends_when_its_time_is_over() {
    async fn waits(_: StaticApp, _: Request) -> Result<Response> {
        std::future::pending().await
    }
    let limit = Duration::from_millis(10);
    let response = app::answer(StaticApp::default(), waits, get("/").into(), limit).await;
    assert_eq!(response.status().as_u16(), 503);
    assert!(response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn what_a_request_had_begun_ends_with_its_time() {
    async fn writes_slowly(app: PublicApp, _: Request) -> Result<Response> {
        let insert =
            "INSERT INTO revoked_tokens (jti, expires_at) SELECT gen_random_uuid(), now() FROM pg_sleep(1)";
        app.db().await?.write(insert, &[]).await?;
        http::ok(&json!({}))
    }
    let test = TestApp::new().await;
    let mut config = test.config();
    // As the role of the functions has it (functions/migrate).
    config.database.options("-c client_connection_check_interval=100ms");
    let running = "pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()";
    for (limit, status, stored) in [(Duration::from_millis(200), 503, 0), (app::TIME_LIMIT, 200, 1)] {
        let public = PublicApp::new(&config).unwrap();
        let response = app::answer(public, writes_slowly, get("/").into(), limit).await;
        assert_eq!(response.status().as_u16(), status);
        while test.count(running).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(test.count("revoked_tokens").await, stored);
    }
}

#[tokio::test]
async fn a_fault_of_ours_shows_nothing_of_the_database() {
    async fn breaks(app: App, _: Request) -> Result<Response> {
        app.db().await?.rows("SELECT sesame FROM users", &[]).await?;
        http::ok(&json!({}))
    }
    let test = TestApp::new().await;
    let answer = test.call_unlisted(breaks, get("/")).await;
    answer.assert_problem(500, "internal", "Something went wrong");
    let members: Vec<_> = answer.body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["code", "message", "status", "title"]);
    assert_eq!(test.call_unlisted(health, get("/")).await.status, 200);
}

#[tokio::test]
async fn no_answer_may_be_cached_or_taken_for_what_it_is_not() {
    let test = TestApp::new().await;
    for answer in [test.call_unlisted(health, get("/")).await, test.call_unlisted(panics, get("/")).await] {
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn each_kind_of_failure_has_its_status_title_and_headers() {
    async fn fails(_: App, request: Request) -> Result<Response> {
        Err(match request.uri().path() {
            "/malformed" => Error::Malformed("broken".to_owned()),
            "/invalid" => Error::invalid("name", "bad"),
            "/unauthenticated" => Error::Unauthenticated(Code::MissingToken, "who?".into()),
            "/expired" => Error::Unauthenticated(Code::ExpiredToken, "when?".into()),
            "/forbidden" => Error::Forbidden("no".to_owned()),
            "/missing" => Error::NotFound("nothing".into()),
            "/method" => Error::MethodNotAllowed("GET"),
            "/conflict" => Error::Conflict(Code::SurveyClosed, "closed".into()),
            "/deleted" => Error::Deleted("gone"),
            "/stale" => Error::Stale,
            "/rejected" => Error::Rejected(vec![AnswerFault::new(
                QuestionId(Uuid::nil()),
                Fault::new(FaultCode::TooSmall, "more").of_row("r"),
            )]),
            "/large" => Error::TooLarge("1 MiB"),
            "/contended" => Error::Contended("sesame"),
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
        (
            "/expired",
            401,
            "expired_token",
            "Unauthorized",
            "www-authenticate",
            r#"Bearer realm="canvass", error="invalid_token""#,
        ),
        ("/forbidden", 403, "forbidden", "Forbidden", "www-authenticate", ""),
        ("/missing", 404, "not_found", "Not Found", "allow", ""),
        ("/method", 405, "method_not_allowed", "Method Not Allowed", "allow", "GET"),
        ("/conflict", 409, "survey_closed", "Conflict", "retry-after", ""),
        ("/deleted", 410, "response_deleted", "Gone", "retry-after", ""),
        ("/stale", 412, "precondition_failed", "Precondition Failed", "retry-after", ""),
        ("/rejected", 422, "invalid_answers", "Unprocessable Entity", "retry-after", ""),
        ("/large", 413, "too_large", "Payload Too Large", "retry-after", ""),
        ("/contended", 503, "unavailable", "Service Unavailable", "retry-after", "5"),
        ("/unavailable", 503, "unavailable", "Service Unavailable", "retry-after", "5"),
        ("/internal", 500, "internal", "Internal Server Error", "retry-after", ""),
    ] {
        let answer = test.call_unlisted(fails, get(path)).await;
        let message = answer.body["message"].as_str().unwrap().to_owned();
        answer.assert_problem(status, code, &message);
        assert_eq!((&answer.body["title"], answer.header(header)), (&json!(title), value), "{path}");
        assert!(!message.contains("sesame"));
        let (errors, faults) = match path {
            "/invalid" => (Some(json!({"name": "bad"})), None),
            "/rejected" => {
                let fault =
                    json!({"question": Uuid::nil(), "row": "r", "code": "too_small", "message": "more"});
                (Some(json!({Uuid::nil().to_string(): "more"})), Some(json!([fault])))
            }
            _ => (None, None),
        };
        assert_eq!(answer.body.get("errors"), errors.as_ref(), "{path}");
        assert_eq!(answer.body.get("faults"), faults.as_ref(), "{path}");
    }
}

#[tokio::test]
async fn a_terminated_connection_is_replaced_unnoticed() {
    let test = TestApp::new().await;
    for pause in [Duration::from_millis(100), Duration::from_millis(1100)] {
        let before = pid(&mut test.db().await).await;
        let terminated = test.db().await.rows("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await;
        assert!(matches!(terminated, Err(Error::Unavailable(_))));
        tokio::time::sleep(pause).await;
        assert_eq!(test.call_unlisted(health, get("/")).await.status, 200);
        assert_ne!(pid(&mut test.db().await).await, before);
    }
}

async fn pid(db: &mut Db) -> i32 {
    db.row("SELECT pg_backend_pid() AS pid", &[]).await.unwrap().get("pid")
}

/// Adds a user, for which a database has to be written to.
async fn write(app: PublicApp, request: Request) -> Result<Response> {
    let name = request.uri().path().trim_start_matches('/').to_owned();
    let address = value(json!(format!("{name}@example.com")));
    users::insert(&mut app.db().await?, &value(json!(name)), &address, "-").await?;
    http::ok(&json!({}))
}

/// Reads a survey by a statement that locks it, as many do.
async fn lock(app: PublicApp, _: Request) -> Result<Response> {
    app.db().await?.rows("SELECT FROM users FOR UPDATE", &[]).await?;
    http::ok(&json!({}))
}

/// The same in a transaction.
async fn begin(app: PublicApp, _: Request) -> Result<Response> {
    let mut db = app.db().await?;
    db.transaction([step("SELECT FROM users FOR UPDATE", &[])]).await?;
    http::ok(&json!({}))
}

/// What a server says after a failover, when it has become a reader while its connections stay.
const BECOME_READER: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";

#[tokio::test]
async fn a_connection_to_what_has_become_a_reader_is_thrown_away() {
    for (endpoint, pause) in [("write", 0), ("lock", 0), ("begin", 0), ("write", 1100)] {
        let test = TestApp::new().await;
        test.user("ada").await;
        let call = async |name: &str| match endpoint {
            "write" => test.call_unlisted(write, get(name)).await,
            "lock" => test.call_unlisted(lock, get(name)).await,
            _ => test.call_unlisted(begin, get(name)).await,
        };
        let become_reader = async || {
            let mut db = test.db().await;
            db.rows(BECOME_READER, &[]).await.unwrap();
            pid(&mut db).await
        };
        let reader = become_reader().await;
        // Whether or not the connection would have been asked if it lives anyway.
        tokio::time::sleep(Duration::from_millis(pause)).await;
        // A reader has done nothing: what it refused is asked of the writer.
        assert_eq!(call("/bob").await.status, 200, "{endpoint}");
        assert_ne!(pid(&mut test.db().await).await, reader);
        // A server that has changed once is watched for some time: the next one is noticed before anything is asked of it.
        let reader = become_reader().await;
        assert_eq!(call("/eve").await.status, 200, "{endpoint}");
        let writer = pid(&mut test.db().await).await;
        assert_ne!(writer, reader);
        // And a writer stays.
        assert_eq!(pid(&mut test.db().await).await, writer);
    }
}

#[tokio::test]
async fn of_several_connections_all_that_lead_to_a_reader_are_thrown_away_and_no_other() {
    let test = TestApp::with(|config| config.concurrency = 4).await;
    let mut connections = [test.db().await, test.db().await, test.db().await];
    let mut readers = Vec::new();
    for db in &mut connections[..2] {
        db.rows(BECOME_READER, &[]).await.unwrap();
        readers.push(pid(db).await);
    }
    let writer = pid(&mut connections[2]).await;
    drop(connections);
    // What one of them refuses goes to another.
    let mut statuses = Vec::new();
    for name in ["/ada", "/bob", "/eve"] {
        statuses.push(test.call_unlisted(write, get(name)).await.status);
    }
    assert_eq!(statuses, [200, 200, 200]);
    let mut all = [test.db().await, test.db().await, test.db().await, test.db().await];
    let mut pids = Vec::new();
    for db in &mut all {
        pids.push(pid(db).await);
    }
    assert!(pids.contains(&writer) && !readers.iter().any(|reader| pids.contains(reader)), "{pids:?}");
}

#[tokio::test]
async fn as_long_as_there_is_but_a_reader_writes_are_503_and_reads_go_on() {
    let test = TestApp::new().await;
    test.user("ada").await;
    let database = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$";
    test.db().await.rows(database, &[]).await.unwrap();
    // The connection that there is was made before; every new one leads to a reader.
    test.db().await.rows(BECOME_READER, &[]).await.unwrap();
    for _ in 0..3 {
        let answer = test.call_unlisted(write, get("/bob")).await;
        answer.assert_problem(503, "unavailable", "The service is not ready, try again in a few seconds");
        assert_eq!(test.call_unlisted(health, get("/")).await.status, 200);
    }
    let database =
        database.replace("SET default_transaction_read_only = on", "RESET default_transaction_read_only");
    let session = shared::db::session(&test.config(), None).await.unwrap();
    session.batch_execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE").await.unwrap();
    session.batch_execute(&database).await.unwrap();
    assert_eq!(test.call_unlisted(write, get("/bob")).await.status, 200);
}

#[tokio::test]
async fn without_a_free_connection_a_request_waits_its_turn() {
    let test = TestApp::with(|config| config.concurrency = 2).await;
    let ready = || test.call_unlisted(health, get("/"));
    let answers = tokio::join!(ready(), ready(), ready(), ready(), ready());
    let statuses = [answers.0.status, answers.1.status, answers.2.status, answers.3.status, answers.4.status];
    assert_eq!(statuses, [200; 5]);
    let sql = "SELECT count(*) AS connections FROM pg_stat_activity WHERE datname = current_database()";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert!(row.get::<_, i64>("connections") <= 2);
}

fn value<T: for<'de> Deserialize<'de>>(json: Value) -> T {
    T::deserialize(Given::new(json, Reading::Lenient)).unwrap()
}

/// Adding users and finding them.
async fn accounts(db: &mut Db) -> Result<Value> {
    let (name, address) = (value(json!("Żółw")), value(json!("zolw@example.com")));
    let user = users::insert(db, &name, &address, "-").await?;
    let taken = users::insert(db, &name, &address, "-").await.unwrap_err().to_string();
    let alike = users::insert(db, &value(json!("ｆｕｌｌ")), &value(json!("full@example.com")), "-").await;
    let alike =
        alike.and(users::insert(db, &value(json!("FULL")), &value(json!("f@example.com")), "-").await);
    let alike = alike.unwrap_err().to_string();
    let credentials = users::credentials(db, &value(json!("żółw"))).await?.unwrap();
    users::strengthen(db, &credentials, "+").await?;
    let strengthened = users::credentials(db, &value(json!("ŻÓŁW"))).await?.unwrap().password_hash;
    Ok(json!({"taken": taken, "alike": alike, "strengthened": strengthened, "same": user == credentials.id}))
}

/// Single answers to a question of an own type and to a number, and what is said of two that are refused.
async fn singles(db: &mut Db, forms: &Forms, own: QuestionId, number: QuestionId) -> Result<(Code, String)> {
    let mut insert = async |question, answer| {
        let answer = value(serde_json::from_str(answer).unwrap());
        responses::insert_single(db, forms, question, &answer).await
    };
    for answer in ["null", "1.50", r#"{"a": ["ż"]}"#] {
        insert(own, answer).await?;
    }
    insert(number, "1.50").await?;
    let rejected = insert(number, "2").await.unwrap_err().code();
    let unknown = insert(QuestionId::new(), "1").await.unwrap_err().to_string();
    Ok((rejected, unknown))
}

/// A bit of everything that has SQL, by the user whose token it is; answers with all that was read.
async fn journey(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let accounts = accounts(&mut db).await?;
    let survey = NewSurvey {
        name: value(json!("pets")),
        description: "About\npets".to_owned(),
        is_active: true,
        opens: Some(value(json!("2001-01-01"))),
        due: value(json!("2130-01-01T10:20:30.123456Z")),
        visibility: Visibility::Public,
        public_stats: false,
        response_limit: Some(value(json!(7))),
        questions: value::<Definitions>(json!([
            {"content": "Which pet?", "type": "single", "replyContent": ["cat", null]},
            {"content": "Why?", "type": "text", "required": true},
        ]))
        .0,
    };
    let survey = surveys::insert(&mut db, &caller, &survey).await?;
    let rules = Some(serde_json::from_str(r#"{"max": 1.50}"#).unwrap());
    let question = Definition::new(value(json!("Really?")), value(json!("number")), None, rules).unwrap();
    let question = questions::insert(&mut db, &caller, survey, &question).await?;
    let viewer = Viewer::Caller(caller);
    let Viewer::Caller(caller) = &viewer else { panic!("a caller is one") };
    let (listed, version) = questions::list(&mut db, &viewer, survey).await?;
    let listed = json!(listed);
    let ids: Vec<QuestionId> = listed.as_array().unwrap().iter().map(|q| value(q["id"].clone())).collect();

    let (rejected, unknown) = singles(&mut db, app.forms(), ids[0], question).await?;
    let (first, second) = (ResponseId::new(), ResponseId::new());
    let answers: Answers = value(json!({ids[1].to_string(): "because", question.to_string(): -0.5}));
    let new = responses::submit(&mut db, app.forms(), survey, first, &answers).await?.replayed;
    let replayed = responses::submit(&mut db, app.forms(), survey, first, &answers).await?.replayed;
    responses::submit(&mut db, app.forms(), survey, second, &answers).await?;
    responses::delete(&mut db, caller, survey, second).await?;
    let deleted_response =
        responses::submit(&mut db, app.forms(), survey, second, &answers).await.unwrap_err().code();
    let bad = value(json!({question.to_string(): "x"}));
    let bad = responses::submit(&mut db, app.forms(), survey, ResponseId::new(), &bad)
        .await
        .unwrap_err()
        .to_string();
    let exported = export(&mut db, caller, survey).await?;
    let one = shown(&json!(responses::find(&mut db, caller, survey, first).await?));
    let none = responses::find(&mut db, caller, survey, second).await.unwrap_err().to_string();

    let owned = surveys::list_owned(&mut db, caller, Window::default()).await?;
    let open = surveys::list_open(&mut db, Window::default()).await?;
    let found = surveys::find(&mut db, &viewer, survey).await?;
    let stats = results::stats(&mut db, &viewer, survey, true).await?.0;
    let copy = surveys::duplicate(&mut db, caller, survey, None).await?;
    let copied = surveys::find(&mut db, &viewer, copy).await?;
    let copied_questions = questions::list(&mut db, &viewer, copy).await?.0;
    let mut edits = vec![version];
    let order = [ids[2], ids[0], ids[1]];
    edits.push(questions::order(&mut db, caller, survey, &order, Some(version)).await?);
    let changes = QuestionChanges {
        content: Some(value(json!("Honestly?"))),
        r#type: None,
        required: Some(value(json!(true))),
        reply_content: Change::Set(None),
    };
    edits.push(questions::update(&mut db, caller, question, &changes, None).await?);
    let (lost, after_delete) = questions::delete(&mut db, caller, ids[0], None).await?;
    edits.push(after_delete);
    let changes = SurveyChanges {
        id_survey: survey,
        name: Some(value(json!("animals"))),
        desc: Change::Keep,
        is_active: Some(value(json!(false))),
        opens_at: Change::Set(None),
        due_date: None,
        visibility: Some(Visibility::Unlisted),
        public_stats: None,
        response_limit: Change::Set(Some(value(json!(9)))),
    };
    surveys::update(&mut db, caller, &changes, Some(after_delete)).await?;
    let stale = surveys::update(&mut db, caller, &changes, Some(version)).await.unwrap_err().code();
    let edited = surveys::find(&mut db, &viewer, survey).await?;
    edits.push(edited.version);
    surveys::update(&mut db, caller, &changes, None).await?;
    edits.push(surveys::find(&mut db, &viewer, survey).await?.version);
    let edited_questions = questions::list(&mut db, &viewer, survey).await?.0;
    let gone = surveys::delete(&mut db, caller, survey, None).await?;

    let users = users::list(&mut db, Window::default()).await?;
    revoked_tokens::insert(&mut db, caller).await?;
    let expired = revoked_tokens::delete_expired(&mut db).await?;
    let statements = db.row("SELECT count(*) AS number FROM pg_prepared_statements", &[]).await?;
    let deleted = users::delete_all(&mut db).await?;
    http::ok(&json!({
        "answers": {
            "accounts": accounts, "listed": listed, "rejected": rejected, "unknown": unknown, "new": new, "replayed": replayed,
            "deleted_response": deleted_response, "bad": bad, "exported": exported, "one": one, "none": none,
            "owned": owned, "open": open, "found": found, "stats": stats, "copied": copied,
            "copied_questions": copied_questions, "edits": edits, "lost": lost, "stale": stale, "edited": edited,
            "edited_questions": edited_questions, "gone": gone, "users": users, "expired": expired,
            "deleted": deleted, "schema": db.schema_version().await?,
        },
        "statements": statements.get::<_, i64>("number"),
    }))
}

/// Whether a response is a single answer, and its answers.
fn shown(response: &Value) -> Value {
    let answers: Vec<_> = response["answers"].as_object().unwrap().values().collect();
    json!([response["single"], answers])
}

/// What was answered in each of the two orders, without the ids. A page doesn't reach beyond the oldest transaction that is
/// running, and those of other tests count.
async fn export(db: &mut Db, owner: &Caller, survey: SurveyId) -> Result<Value> {
    let mut all = Vec::new();
    for order in [Order::Ascending, Order::Descending] {
        let page = loop {
            let page = responses::page(db, owner, survey, order, Limit::default(), None).await?;
            if page.next.is_none() {
                break page;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        all.push(page.responses.iter().map(|response| shown(&json!(response))).collect::<Value>());
    }
    Ok(json!(all))
}

/// Without ids and moments, which are new each time.
fn without_what_is_new(json: &mut Value) {
    match json {
        Value::Object(members) => {
            members.retain(|name, _| !["createdAt", "updatedAt"].contains(&name.as_str()));
            if members.get("id").is_some_and(|id| serde_json::from_value::<Uuid>(id.clone()).is_ok()) {
                members.remove("id");
            }
            members.values_mut().for_each(without_what_is_new);
        }
        Value::Array(items) => items.iter_mut().for_each(without_what_is_new),
        _ => {}
    }
}

#[tokio::test]
async fn unprepared_statements_answer_the_same() {
    let mut answers = Vec::new();
    for prepare in [true, false] {
        let test = TestApp::with(|config| config.prepare = prepare).await;
        let ada = test.user("ada").await;
        let answer = test.call_unlisted(journey, post("/").bearer(&ada.access)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let again = test.call_unlisted(journey, post("/").bearer(&ada.access)).await;
        again.assert_problem(401, "revoked_token", "Token has been revoked");
        let mut body = answer.body;
        assert_eq!(body["statements"].as_i64().unwrap() > 0, prepare);
        let answers_of = &mut body["answers"];
        without_what_is_new(answers_of);
        answers.push(answers_of.take());
    }
    let expected = r#"{
        "accounts": {
            "taken": "User Żółw already exists", "alike": "User FULL already exists", "strengthened": "+", "same": true
        },
        "listed": [
            {"content": "Which pet?", "type": "single", "required": false, "replyContent": ["cat", null]},
            {"content": "Why?", "type": "text", "required": true, "replyContent": null},
            {"content": "Really?", "type": "number", "required": false, "replyContent": {"max": 1.50}}
        ],
        "rejected": "invalid_answers", "unknown": "Question doesn't exist", "new": false, "replayed": true,
        "deleted_response": "response_deleted", "bad": "2 answer(s) are not valid",
        "exported": [
            [[true, [null]], [true, [1.50]], [true, [{"a": ["ż"]}]], [true, [1.50]], [false, ["because", -0.5]]],
            [[false, ["because", -0.5]], [true, [1.50]], [true, [{"a": ["ż"]}]], [true, [1.50]], [true, [null]]]
        ],
        "one": [false, ["because", -0.5]], "none": "Response doesn't exist",
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
            "name": "Copy of pets", "state": "draft", "isActive": false, "opensAt": "2001-01-01T00:00:00Z",
            "dueDate": "2130-01-01T10:20:30.123456Z", "subCount": 0, "desc": "About\npets", "visibility": "public",
            "publicStats": false, "responseLimit": 7,
            "questionCount": 3, "version": 1
        },
        "copied_questions": [
            {"content": "Which pet?", "type": "single", "required": false, "replyContent": ["cat", null]},
            {"content": "Why?", "type": "text", "required": true, "replyContent": null},
            {"content": "Really?", "type": "number", "required": false, "replyContent": {"max": 1.50}}
        ],
        "edits": [2, 3, 4, 5, 6, 6], "lost": 3, "stale": "precondition_failed",
        "edited": {
            "name": "animals", "state": "closed", "isActive": false, "opensAt": null, "dueDate": "2130-01-01T10:20:30.123456Z",
            "subCount": 2, "desc": "About\npets", "visibility": "unlisted", "publicStats": false, "responseLimit": 9,
            "questionCount": 2, "version": 6
        },
        "edited_questions": [
            {"content": "Honestly?", "type": "number", "required": true, "replyContent": null},
            {"content": "Why?", "type": "text", "required": true, "replyContent": null}
        ],
        "gone": {"message": "Survey was deleted", "questions": 2, "responses": 1, "replies": 3},
        "users": {"users": [{"username": "ada"}, {"username": "Żółw"}, {"username": "ｆｕｌｌ"}]}, "expired": 0, "deleted": 3,
        "schema": NEWEST
    }"#;
    let survey = r#"{
        "name": "pets", "state": "open", "isActive": true, "opensAt": "2001-01-01T00:00:00Z",
        "dueDate": "2130-01-01T10:20:30.123456Z", "subCount": 4, "desc": "About\npets", "visibility": "public",
        "publicStats": false, "responseLimit": 7, "questionCount": 3, "version": 2
    }"#;
    let expected = expected.replace("SURVEY", survey).replace("NEWEST", &answers[0]["schema"].to_string());
    assert_eq!(answers[0], serde_json::from_str::<Value>(&expected).unwrap());
    assert_eq!(answers[0], answers[1]);
}
