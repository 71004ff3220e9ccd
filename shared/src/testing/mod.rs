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

pub mod contract;
mod survey;

pub use survey::{SurveyBuilder, TestSurvey};

use crate::{
    App, PublicApp, Request, Result, StaticApp,
    accounts::{Caller, Keys, Kind},
    app::{self, Service},
    config::{Config, JwtKeys},
    db::Db,
    db::migrate,
    http::Response as HttpResponse,
    recount,
    responses::{self, AnswerValue, Answers},
    values::{QuestionId, ResponseId, SurveyId, UserId},
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
/// The type of what is in a JSON body.
pub type Json = Value;
/// The type of all ids.
pub use uuid::Uuid;

/// The key that the tests' tokens are signed with.
pub const SECRET: &str = "a key for the tests, which is long enough";

/// The key that lists and deletes users in the tests.
pub const DEBUGGING_KEY: &str = "a debugging key for the tests, long enough";

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
        Self { app: App::new(PublicApp::new(&config).unwrap(), keys), server, database }
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

    /// Call `endpoint` as the platform would, and hold what it answers against the contract.
    pub async fn call<A, H, F>(&self, endpoint: H, request: Call) -> Response
    where
        A: TestService,
        H: Fn(A, Request) -> F,
        F: Future<Output = Result<HttpResponse>>,
    {
        self.text(endpoint, request).await.json()
    }

    /// The same for an answer that may be other than JSON.
    pub async fn text<A, H, F>(&self, endpoint: H, request: Call) -> Response<String>
    where
        A: TestService,
        H: Fn(A, Request) -> F,
        F: Future<Output = Result<HttpResponse>>,
    {
        let mut request = request.0;
        let operation = contract::Operation::of(&mut request);
        let response = app::answer(A::of(self), endpoint, request, app::TIME_LIMIT).await;
        match operation {
            Some(operation) => operation.check(A::HAS_KEYS, &response),
            None => assert_eq!(response.status(), 405, "the contract has no such method"),
        }
        Response::of(response)
    }

    /// Call an endpoint that is not in the contract.
    pub async fn call_unlisted<A, H, F>(&self, endpoint: H, request: Call) -> Response
    where
        A: TestService,
        H: Fn(A, Request) -> F,
        F: Future<Output = Result<HttpResponse>>,
    {
        Response::of(app::answer(A::of(self), endpoint, request.0, app::TIME_LIMIT).await).json()
    }

    /// The proof that `user` is calling, for calling a noun directly.
    pub async fn caller(&self, user: &User) -> Caller {
        let (mut db, caller) = self.app.authenticated(&get("/").bearer(&user.access).0).await.unwrap();
        db.prove().await.unwrap();
        caller
    }

    /// A user with a password that nobody knows, and tokens.
    pub async fn user(&self, username: &str) -> User {
        let id = Uuid::now_v7();
        self.db()
            .await
            .write(
                "INSERT INTO users (id, username, email, password_hash) VALUES ($1, $2, $2 || '@example.com', '-')",
                &[&id, &username],
            )
            .await
            .unwrap();
        let token = |kind| self.app.keys().issue(kind, UserId(id), username).unwrap();
        User { id, username: username.to_owned(), access: token(Kind::Access), refresh: token(Kind::Refresh) }
    }

    /// A token as if it had been issued at `moment`.
    #[must_use]
    pub fn token_of(&self, moment: DateTime<Utc>, kind: Kind, user: &User) -> String {
        self.app.keys().sign(kind, UserId(user.id), &user.username, moment).unwrap()
    }

    /// An access token of `user` that ended half an hour ago.
    #[must_use]
    pub fn expired(&self, user: &User) -> String {
        self.token_of(Utc::now() - TimeDelta::minutes(45), Kind::Access, user)
    }

    /// An open survey of `owner` with one question of an own type, unless the builder is told otherwise.
    pub fn survey<'a>(&'a self, owner: &User) -> SurveyBuilder<'a> {
        SurveyBuilder::new(self, owner.id)
    }

    /// A whole response, stored and counted as the endpoint does it; gives its id.
    pub async fn response(&self, survey: Uuid, answers: Value) -> Uuid {
        let answers: Answers = serde_json::from_value(answers).unwrap();
        let id = ResponseId::new();
        responses::submit(&mut self.db().await, self.app.forms(), SurveyId(survey), id, &answers)
            .await
            .unwrap();
        id.0
    }

    /// Assert that every counter is what counting all replies anew gives.
    pub async fn assert_counted(&self) {
        let mut client = connect(&self.config().database).await;
        assert_eq!(recount::differences(&mut client).await.unwrap(), Vec::<String>::new());
    }

    /// A reply to a question of an open survey, stored and counted as the endpoint does it; gives its id.
    pub async fn reply(&self, question: Uuid, reply: Value) -> Uuid {
        let (mut db, answer) = (self.db().await, AnswerValue(reply));
        responses::insert_single(&mut db, self.app.forms(), QuestionId(question), &answer).await.unwrap().0
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
        jwt: JwtKeys::Here(SECRET.parse().unwrap()),
        debugging_key: Some(DEBUGGING_KEY.parse().unwrap()),
        cors: None,
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

/// What an endpoint of a test works with.
pub trait TestService: Service {
    /// Whether it has the keys that sign and verify tokens.
    const HAS_KEYS: bool;

    /// It, over the database of a test.
    fn of(test: &TestApp) -> Self;
}

impl TestService for App {
    const HAS_KEYS: bool = true;

    fn of(test: &TestApp) -> Self {
        test.app.clone()
    }
}

impl TestService for PublicApp {
    const HAS_KEYS: bool = false;

    fn of(test: &TestApp) -> Self {
        PublicApp::clone(&test.app)
    }
}

impl TestService for StaticApp {
    const HAS_KEYS: bool = false;

    fn of(_: &TestApp) -> Self {
        Self::default()
    }
}

/// What a client reads.
#[derive(Debug)]
pub struct Response<B = Value> {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: B,
}

impl<B> Response<B> {
    /// The text of a header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Response<String> {
    fn of(response: HttpResponse) -> Self {
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.to_vec()).expect("every body is UTF-8");
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    fn json(self) -> Response {
        let body = serde_json::from_str(&self.body).expect("the body is JSON");
        Response { status: self.status, headers: self.headers, body }
    }
}

impl Response {
    /// Assert that this is the problem document with that status, code and message.
    #[track_caller]
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

/// For tests that look behind the scene: each stored answer as a row, limits, and the number that a survey shows.
const BEHIND: &str = "
    CREATE VIEW answers AS
    SELECT r.id AS response_id, q.id AS question_id, a.value AS reply
    FROM responses r CROSS JOIN LATERAL json_each(r.answers) AS a
    JOIN questions q ON q.survey_id = r.survey_id AND q.number::text = a.key;
    CREATE VIEW response_limits AS
    SELECT survey_id, responses AS taken, max_responses FROM survey_counters WHERE max_responses IS NOT NULL;
    CREATE FUNCTION sub_count(survey uuid) RETURNS bigint LANGUAGE sql RETURN (
        SELECT (sum(responses) + coalesce(max(most_singles), 0))::bigint FROM survey_counters WHERE survey_id = survey
    )";

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
        migrator.batch_execute(BEHIND).await.unwrap();
        drop(migrator);
        connection.await.unwrap().unwrap();
        client.batch_execute(&format!("ALTER DATABASE {unfinished} RENAME TO {template}")).await.unwrap();
    }
    client.batch_execute(&format!("CREATE DATABASE {database} TEMPLATE {template}")).await.unwrap();
    database
}
