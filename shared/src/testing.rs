//! Testing an endpoint on a database of its own, entered where a Lambda invocation enters.
//!
//! ```text
//! let test = TestApp::new().await;
//! let ada = test.user("ada").await;
//! let answer = test.call(add_survey, post("/surveys").bearer(&ada.access).json(json!({"name": "pets"}))).await;
//! assert_eq!(answer.status, 400);
//! ```

#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a broken fixture should stop the test"
)]

use crate::{
    App, Reply, Request, Result, app,
    auth::{Caller, Keys, Kind},
    config::{Config, JwtSecret},
    db::Db,
    db::migrate,
    recount, replies,
    responses::{self, Answers},
};
use chrono::{DateTime, TimeDelta, Utc};
use lambda_http::{Body, RequestExt, http};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    env, process,
    sync::atomic::{AtomicU32, Ordering},
};
use tokio_postgres::{Client, NoTls};
/// The type of all ids.
pub use uuid::Uuid;

/// The key that the tests' tokens are signed with.
pub const SECRET: &str = "a key for the tests, which is long enough";

/// An app over a fresh database, which is dropped with it.
pub struct TestApp {
    /// The app.
    pub app: App,
    server: tokio_postgres::Config,
    database: String,
}

impl TestApp {
    /// An app with the settings of stage `dev`.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// An app with other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = server();
        let database = fresh_database(&server).await;
        let mut config = config(&server, &database);
        change(&mut config);
        let keys = Keys::load(&config.jwt).await.unwrap();
        Self { app: App::new(&config, Some(keys)).unwrap(), server, database }
    }

    /// The settings that a function of stage `dev` would have on this database.
    #[must_use]
    pub fn config(&self) -> Config {
        config(&self.server, &self.database)
    }

    /// A connection, for looking behind the scene.
    pub async fn db(&self) -> Db {
        self.app.db().await.unwrap()
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) AS rows FROM {table}");
        self.db().await.row(&sql, &[]).await.unwrap().try_get("rows").unwrap()
    }

    /// Call `endpoint` as the platform would.
    pub async fn call<H, F>(&self, endpoint: H, request: Call) -> Answer
    where
        H: Fn(App, Request) -> F,
        F: Future<Output = Result<Reply>>,
    {
        let reply = app::answer(self.app.clone(), endpoint, request.0).await;
        let (parts, body) = reply.into_parts();
        let body = serde_json::from_slice(&body).expect("every answer is JSON");
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Call an endpoint whose answer may be other than JSON.
    pub async fn text<H, F>(&self, endpoint: H, request: Call) -> Text
    where
        H: Fn(App, Request) -> F,
        F: Future<Output = Result<Reply>>,
    {
        let (parts, body) = app::answer(self.app.clone(), endpoint, request.0).await.into_parts();
        let body = String::from_utf8(body.to_vec()).expect("every answer is UTF-8");
        Text { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// The proof that `user` is calling, for calling a noun directly.
    pub async fn caller(&self, user: &User) -> Caller {
        self.app.authenticated(&get("/").bearer(&user.access).0).await.unwrap().1
    }

    /// A user with a password that nobody knows, and tokens.
    pub async fn user(&self, username: &str) -> User {
        let id = Uuid::now_v7();
        self.db()
            .await
            .rows(
                "INSERT INTO users (id, username, email, password_hash) VALUES ($1, $2, $2 || '@example.com', '-')",
                &[&id, &username],
            )
            .await
            .unwrap();
        let token = |kind| self.app.keys().unwrap().issue(kind, id, username).unwrap();
        User { id, username: username.to_owned(), access: token(Kind::Access), refresh: token(Kind::Refresh) }
    }

    /// A token as if it had been issued at `moment`.
    #[must_use]
    pub fn token_of(&self, moment: DateTime<Utc>, kind: Kind, user: &User) -> String {
        self.app.keys().unwrap().sign(kind, user.id, &user.username, moment).unwrap()
    }

    /// An access token of `user` that ended half an hour ago.
    #[must_use]
    pub fn expired(&self, user: &User) -> String {
        self.token_of(Utc::now() - TimeDelta::minutes(45), Kind::Access, user)
    }

    /// An open survey of `owner`, changed by the columns in `with` (`"is_active = false"`), with a question.
    pub async fn survey(&self, owner: &User, with: &str) -> Survey {
        let db = self.db().await;
        let (id, question) = (Uuid::now_v7(), Uuid::now_v7());
        db.rows(
            "INSERT INTO surveys (id, owner_id, name, description, is_active, due_at, visibility, public_stats,
                                  question_count, question_bytes)
             VALUES ($1, $2, 'pets', 'About pets', true, now() + interval '1 day', 'public', false, 1, 10)",
            &[&id, &owner.id],
        )
        .await
        .unwrap();
        db.rows(
            "INSERT INTO questions (id, survey_id, position, content, type, required, bytes)
             VALUES ($1, $2, 0, 'Which pet?', 'text', false, 10)",
            &[&question, &id],
        )
        .await
        .unwrap();
        if !with.is_empty() {
            db.rows(&format!("UPDATE surveys SET {with} WHERE id = $1"), &[&id]).await.unwrap();
        }
        Survey { id, question }
    }

    /// An open survey of `owner` with these questions, `[{type, required?, replyContent?}]`.
    pub async fn form(&self, owner: &User, questions: Value) -> Form {
        let Survey { id, question } = self.survey(owner, "").await;
        let db = self.db().await;
        db.rows("DELETE FROM questions WHERE id = $1", &[&question]).await.unwrap();
        let mut ids = Vec::new();
        for (position, question) in questions.as_array().unwrap().iter().enumerate() {
            ids.push(Uuid::now_v7());
            db.rows(
                "INSERT INTO questions (id, survey_id, position, content, type, required, reply_content, bytes)
                 VALUES ($1, $2, $3, 'Why?', $4, $5, $6, 0)",
                &[
                    &ids[position],
                    &id,
                    &i32::try_from(position).unwrap(),
                    &question["type"].as_str().unwrap(),
                    &question["required"].as_bool().unwrap_or(false),
                    &question.get("replyContent"),
                ],
            )
            .await
            .unwrap();
        }
        let count = i32::try_from(ids.len()).unwrap();
        let sql = "UPDATE surveys SET question_count = $2, question_bytes = 0 WHERE id = $1";
        db.rows(sql, &[&id, &count]).await.unwrap();
        Form { id, questions: ids }
    }

    /// A limit of responses for a survey that has none yet.
    pub async fn limit(&self, survey: Uuid, limit: i64) {
        let sql = "INSERT INTO response_limits (survey_id, taken, max_responses) VALUES ($1, 0, $2)";
        self.db().await.rows(sql, &[&survey, &limit]).await.unwrap();
    }

    /// A whole response, stored and counted as the endpoint does it; gives its id.
    pub async fn response(&self, survey: Uuid, answers: Value) -> Uuid {
        let answers: Answers = serde_json::from_value(answers).unwrap();
        let id = Uuid::now_v7();
        responses::submit(&self.db().await, survey, id, &answers).await.unwrap();
        id
    }

    /// Assert that every counter is what counting all replies anew gives.
    pub async fn assert_counted(&self) {
        let mut client = connect(&self.config().database).await;
        assert_eq!(recount::differences(&mut client).await.unwrap(), Vec::<String>::new());
    }

    /// A reply to a question of an open survey, stored and counted as the endpoint does it; gives its id.
    pub async fn reply(&self, question: Uuid, reply: Value) -> Uuid {
        replies::insert(&self.db().await, question, &replies::Reply(reply)).await.unwrap()
    }
}

fn config(server: &tokio_postgres::Config, database: &str) -> Config {
    let mut own = server.clone();
    own.dbname(database);
    Config {
        database: own,
        database_iam: None,
        database_ca: None,
        prepare: true,
        jwt: JwtSecret::Here(SECRET.parse().unwrap()),
        debugging: true,
        concurrency: 1,
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let (server, database) = (self.server.clone(), self.database.clone());
        // Dropping is synchronous; a thread of its own may block on the connection.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = connect(&server).await;
                client
                    .batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
                    .await
                    .unwrap();
            });
        });
        assert!(
            dropped.join().is_ok() || std::thread::panicking(),
            "the database of the test was not dropped"
        );
    }
}

/// A registered user with tokens.
pub struct User {
    /// The user's id.
    pub id: Uuid,
    /// The user's name.
    pub username: String,
    /// An access token.
    pub access: String,
    /// A refresh token.
    pub refresh: String,
}

/// A survey with one question.
pub struct Survey {
    /// The survey's id.
    pub id: Uuid,
    /// The question's id.
    pub question: Uuid,
}

/// A survey with typed questions.
pub struct Form {
    /// The survey's id.
    pub id: Uuid,
    /// The ids of its questions, in order.
    pub questions: Vec<Uuid>,
}

impl Form {
    /// `answers` of a response: these replies to the first questions, in order; `null` answers nothing.
    #[must_use]
    pub fn answers<const N: usize>(&self, replies: [Value; N]) -> Value {
        self.questions.iter().zip(replies).map(|(id, reply)| (id.to_string(), reply)).collect()
    }
}

/// What a client reads, of whatever type.
#[derive(Debug)]
pub struct Text {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: String,
}

/// What a client reads.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The JSON body.
    pub body: Value,
}

impl Answer {
    /// The text of a header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Assert that this is the problem document with that status, code and message.
    pub fn assert_problem(&self, status: u16, code: &str, message: &str) {
        let body = &self.body;
        assert_eq!(
            (self.status, &body["code"], &body["message"]),
            (status, &json!(code), &json!(message)),
            "{body}"
        );
        assert_eq!(body["status"], json!(status));
        assert!(body["title"].is_string());
        assert_eq!(self.header("content-type"), "application/problem+json");
    }

    /// Assert that this is a 400 whose `errors` are these and no others.
    #[track_caller]
    pub fn assert_invalid(&self, errors: Value) {
        assert_eq!((self.status, &self.body["errors"]), (400, &errors), "{}", self.body);
        assert_eq!(self.body["code"], "invalid_input");
    }
}

/// A request that is being made.
#[derive(Clone)]
pub struct Call(Request);

impl From<Call> for Request {
    fn from(call: Call) -> Self {
        call.0
    }
}

/// A request with this method and path.
#[must_use]
pub fn request(method: &str, path: &str) -> Call {
    Call(http::Request::builder().method(method).uri(path).body(Body::Empty).unwrap())
}

/// A GET request.
#[must_use]
pub fn get(path: &str) -> Call {
    request("GET", path)
}

/// A POST request.
#[must_use]
pub fn post(path: &str) -> Call {
    request("POST", path)
}

/// A PUT request.
#[must_use]
pub fn put(path: &str) -> Call {
    request("PUT", path)
}

/// A PATCH request.
#[must_use]
pub fn patch(path: &str) -> Call {
    request("PATCH", path)
}

/// A DELETE request.
#[must_use]
pub fn delete(path: &str) -> Call {
    request("DELETE", path)
}

impl Call {
    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// With a body as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        *self.0.body_mut() = Body::Binary(body.into());
        self
    }

    /// With a parameter in the path.
    #[must_use]
    pub fn path(self, name: &str, value: impl ToString) -> Self {
        let mut all: HashMap<String, String> =
            self.0.path_parameters().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        all.insert(name.to_owned(), value.to_string());
        Self(self.0.with_path_parameters(all))
    }

    /// With a parameter in the query.
    #[must_use]
    pub fn query(self, name: &str, value: impl ToString) -> Self {
        let mut all: HashMap<String, String> =
            self.0.query_string_parameters().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        all.insert(name.to_owned(), value.to_string());
        Self(self.0.with_query_string_parameters(all))
    }
}

/// The server that the tests may make databases on.
fn server() -> tokio_postgres::Config {
    let url =
        env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is not set: run the tests with `make test`");
    url.parse().expect("TEST_DATABASE_URL is malformed")
}

async fn connect(config: &tokio_postgres::Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("the server of TEST_DATABASE_URL answers");
    tokio::spawn(connection);
    client
}

/// A clone of the migrated template, which the first test makes.
async fn fresh_database(server: &tokio_postgres::Config) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let database = format!("canvass_test_{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let template = format!("canvass_template_{}", migrate::fingerprint());
    let client = connect(server).await;
    // The session's end unlocks: test binaries may run at the same time.
    client.batch_execute("SELECT pg_advisory_lock(4711)").await.unwrap();
    let known = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&template]).await.unwrap();
    if known.is_none() {
        // Under another name until it is whole.
        let unfinished = format!("{template}_unfinished");
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE {unfinished}")).await.unwrap();
        let mut config = server.clone();
        config.dbname(&unfinished);
        let (mut migrator, connection) = config.connect(NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        migrate::run(&mut migrator).await.expect("the migrations apply");
        drop(migrator);
        connection.await.unwrap().unwrap();
        client.batch_execute(&format!("ALTER DATABASE {unfinished} RENAME TO {template}")).await.unwrap();
    }
    client.batch_execute(&format!("CREATE DATABASE {database} TEMPLATE {template}")).await.unwrap();
    database
}
