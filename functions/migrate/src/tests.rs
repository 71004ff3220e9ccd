use super::{
    cloudformation::{Event, idle_session},
    migrate, reason, roles, session,
};
use serde_json::{Value, json};
use shared::{BoxError, db, testing::TestApp};
use std::{
    future::pending,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Mutex, MutexGuard},
};
use tokio_postgres::Client;

/// A database of its own on the server that all tests have in common. The roles belong to the server: of two migrations
/// that make them at the same time one would fail, so each test waits for the one before.
struct Cluster {
    test: TestApp,
    owner: Client,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// As a new cluster has it.
    async fn empty() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let test = TestApp::new().await;
        let owner = db::session(&test.config(), None).await.unwrap();
        // What was applied in which release is kept aside.
        let sql = "CREATE SCHEMA aside; ALTER TABLE refinery_schema_history SET SCHEMA aside;
                   DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        owner.batch_execute(sql).await.unwrap();
        Self { test, owner, _turn: turn }
    }

    /// As the first release left it.
    async fn of_first_release() -> Self {
        let cluster = Self::empty().await;
        roles::create(&cluster.owner, None).await.unwrap();
        let first = include_str!("../../../migrations/V0001__surveys.sql");
        cluster.session(roles::MIGRATE).await.batch_execute(first).await.unwrap();
        let sql = "ALTER TABLE aside.refinery_schema_history SET SCHEMA public;
                   ALTER TABLE refinery_schema_history OWNER TO canvass_migrate;
                   DELETE FROM refinery_schema_history WHERE version > 1";
        cluster.owner.batch_execute(sql).await.unwrap();
        cluster
    }

    async fn session(&self, user: &str) -> Client {
        db::session(&self.test.config(), Some(user)).await.unwrap()
    }

    async fn migrate(&self) -> Result<Value, BoxError> {
        migrate(&self.test.config(), Some(120)).await
    }

    /// The rows of a statement whose columns are texts.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.owner.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test]
async fn an_empty_database_becomes_one_that_the_app_can_use_and_not_define() {
    let cluster = Cluster::empty().await;
    let first = cluster.migrate().await.unwrap();
    assert!(first["applied"].as_u64() >= Some(2), "{first}");
    assert_eq!(cluster.migrate().await.unwrap(), json!({ "applied": 0 }));

    let app = cluster.session("canvass_app").await;
    app.batch_execute(
        "INSERT INTO users (id, username, email, password_hash) VALUES (gen_random_uuid(), 'ada', 'a@b.c', '-');
         SELECT version FROM refinery_schema_history;
         DELETE FROM users",
    )
    .await
    .unwrap();
    for (setting, value) in [
        ("idle_session_timeout", "2min"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("statement_timeout", "25s"),
        ("client_connection_check_interval", "1s"),
    ] {
        let shown = app.query_one(&format!("SHOW {setting}"), &[]).await.unwrap();
        assert_eq!(shown.get::<_, &str>(0), value, "{setting}");
    }
    for forbidden in [
        "CREATE TABLE mine (id int)",
        "DROP TABLE users",
        "TRUNCATE users",
        "DELETE FROM refinery_schema_history",
    ] {
        let error = app.batch_execute(forbidden).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{forbidden}: {error}");
    }
}

#[tokio::test]
async fn a_login_that_is_refused_at_first_is_tried_again_and_another_failure_is_not() {
    let cluster = Cluster::empty().await;
    let mut config = cluster.test.config();
    cluster
        .owner
        .batch_execute("DROP ROLE IF EXISTS canvass_late; CREATE ROLE canvass_late NOLOGIN")
        .await
        .unwrap();
    let (session, ()) = tokio::join!(session::open(&config, Some("canvass_late")), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.owner.batch_execute("ALTER ROLE canvass_late LOGIN").await.unwrap();
    });
    session.unwrap();
    config.database.dbname("nowhere");
    let error = session::open(&config, None).await.unwrap_err();
    assert!(reason(&error).contains("\"nowhere\" does not exist"), "{}", reason(&error));
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_and_says_why() {
    let cluster = Cluster::empty().await;
    cluster.owner.batch_execute("CREATE TABLE replies (id int)").await.unwrap();
    let error = cluster.migrate().await.unwrap_err();
    assert!(reason(&error).contains("\"replies\" already exists"), "{}", reason(&error));
    let users = cluster.owner.query_one("SELECT to_regclass('users') IS NULL", &[]).await.unwrap();
    assert!(users.get::<_, bool>(0), "the migration was not rolled back whole");
}

#[tokio::test]
async fn what_an_earlier_migration_did_stays_when_a_later_one_fails_and_it_can_be_tried_again() {
    let cluster = Cluster::of_first_release().await;
    let obstacle = "CREATE FUNCTION next_place(survey uuid) RETURNS int LANGUAGE sql RETURN 1";
    cluster.owner.batch_execute(obstacle).await.unwrap();
    let error = cluster.migrate().await.unwrap_err();
    assert!(reason(&error).contains("\"next_place\" already exists"), "{}", reason(&error));
    let new =
        "SELECT attname::text FROM pg_attribute WHERE attname IN ('was_open', 'updated_at', 'deleted_at')
               AND attrelid IN ('surveys'::regclass, 'responses'::regclass)";
    assert_eq!(cluster.texts(new).await, Vec::<String>::new());
    assert_eq!(cluster.texts("SELECT version::text FROM refinery_schema_history").await, ["1"]);
    cluster.owner.batch_execute("DROP FUNCTION next_place(uuid)").await.unwrap();
    let again = cluster.migrate().await.unwrap();
    assert!(again["applied"].as_u64() >= Some(1), "{again}");
    assert_eq!(cluster.texts(new).await.len(), 3);
}

#[tokio::test]
async fn the_data_of_the_first_release_is_carried_over() {
    let cluster = Cluster::of_first_release().await;
    let data = "
        INSERT INTO users (id, username, email, password_hash)
        VALUES ('00000000-0000-7000-8000-000000000001', 'ada', 'ada@example.com', '-');
        INSERT INTO surveys (id, owner_id, name, description, is_active, opens_at, due_at, visibility, public_stats,
                             question_count, question_bytes, created_at)
        SELECT ('00000000-0000-7000-8000-00000000001' || n)::uuid, '00000000-0000-7000-8000-000000000001', name, '',
               is_active, opens_at, '9999-01-01Z', 'public', false, 1, 0, '2026-01-01 12:00Z'
        FROM (VALUES (1, 'open', true, NULL), (2, 'scheduled', true, timestamptz '9998-01-01Z'),
                     (3, 'put aside', false, NULL), (4, 'draft', false, NULL)) AS s (n, name, is_active, opens_at);
        INSERT INTO questions (id, survey_id, position, content, type, required, bytes)
        SELECT id, id, 0, 'When?', 'date', false, 0 FROM surveys;

        -- A single reply of each of these days: to the open survey by all, to the one that was put aside by one.
        CREATE TEMP TABLE sent AS
        SELECT gen_random_uuid() AS id, q.id AS question_id, day
        FROM questions q JOIN surveys s ON s.id = q.survey_id, unnest(ARRAY[
            '1899-12-31', '0001-01-01', '1900-01-01', '2000-02-29', '2000-03-01', '2024-12-30', '2024-12-31', '2026-06-01',
            '2036-01-02', '2036-01-03', '2199-12-31', '2200-01-01', '9999-12-31'
        ]::date[]) AS day
        WHERE s.name = 'open' OR s.name = 'put aside' AND day = '2000-02-29';
        INSERT INTO responses (id, survey_id, single, bytes) SELECT id, question_id, true, 52 FROM sent;
        INSERT INTO replies (id, response_id, question_id, reply, value)
        SELECT id, id, question_id, to_json(day), day - DATE '0001-01-01' + 1 FROM sent;
        INSERT INTO question_counters (question_id, kind, part, shard, n, total)
        SELECT question_id, 'day', day::text, 0, 1, 0 FROM sent
        UNION ALL SELECT question_id, 'single', '', 0, count(*), 0 FROM sent GROUP BY 1";
    cluster.owner.batch_execute(data).await.unwrap();
    assert!(cluster.migrate().await.unwrap()["applied"].as_u64() >= Some(1));

    let surveys = "SELECT concat_ws(' ', survey_state(s, false), was_open, updated_at = created_at) FROM surveys s ORDER BY id";
    let expected = ["open t t", "scheduled f t", "closed t t", "draft f t"];
    assert_eq!(cluster.texts(surveys).await, expected);
    let counters = "SELECT concat_ws(' ', kind, nullif(part, ''), n) FROM question_counters
                    WHERE question_id = '00000000-0000-7000-8000-000000000011' ORDER BY kind, part";
    let expected = [
        "day 2024-12-31 1",
        "day 2026-06-01 1",
        "day 2036-01-02 1",
        "earlier 2",
        "later 2",
        "year 1900 1",
        "year 2000 2",
        "year 2024 1",
        "year 2036 1",
        "year 2199 1",
    ];
    assert_eq!(cluster.texts(counters).await, expected);
    let singles = "SELECT concat_ws(' ', singles, counts) FROM survey_counters ORDER BY survey_id";
    assert_eq!(cluster.texts(singles).await, ["{13} {13}", "{0}", "{1} {1}", "{0}"]);
    cluster.test.assert_counted().await;
}

/// Answer to an event at a server of ours, which says these things one after the other; gives what the server read.
async fn answered(
    kind: &str,
    outcome: Result<&Value, String>,
    says: &[&str],
) -> (Result<Value, BoxError>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let event = json!({
        "RequestType": kind,
        "ResponseURL": format!("http://{}/bucket/answer?Signature=x", listener.local_addr().unwrap()),
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Schema",
        "ResourceType": "Custom::Migration",
    });
    let mut requests = Vec::new();
    let server = async {
        for said in says {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"}") {
                let mut buffer = [0; 4096];
                let length = socket.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..length]);
            }
            socket.write_all(said.as_bytes()).await.unwrap();
            requests.push(String::from_utf8(read).unwrap());
        }
        pending::<()>().await;
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    let answer = tokio::select! {
        answer = Event::of(&event).unwrap().unwrap().answer(outcome, deadline) => answer,
        () = server => unreachable!("the server stays"),
    };
    (answer, requests)
}

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const DOWN: &str = "HTTP/1.1 503 Slow Down\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const DENIED: &str =
    "HTTP/1.1 403 Forbidden\r\ncontent-length: 39\r\n\r\n<Error><Code>AccessDenied</Code></Error>";

#[tokio::test]
async fn cloudformation_is_told_of_success_and_of_failure() {
    let (answer, sent) = answered("Create", Ok(&json!({ "applied": 1 })), &[GOOD]).await;
    let sent = &sent[0];
    assert!(sent.starts_with("PUT /bucket/answer?Signature=x HTTP/1.1\r\ncontent-type: \r\n"), "{sent}");
    let body: Value = serde_json::from_str(sent.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body, answer.unwrap());
    assert_eq!(
        body,
        json!({
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": "canvass-schema",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Schema",
            "Data": { "applied": 1 },
        })
    );
    let (answer, _) = answered("Update", Err("because".repeat(1000)), &[GOOD]).await;
    let answer = answer.unwrap();
    assert_eq!(answer["Status"], "FAILED");
    assert!(answer["Reason"].as_str().unwrap().starts_with("because") && answer.to_string().len() < 4096);
}

#[tokio::test]
async fn cloudformation_is_told_again_where_it_did_not_hear() {
    let hangs_up = "";
    let (answer, sent) = answered("Create", Ok(&json!({})), &[hangs_up, DOWN, DOWN, hangs_up, GOOD]).await;
    assert_eq!(answer.unwrap()["Status"], "SUCCESS");
    assert!(sent.iter().all(|request| *request == sent[0]), "{sent:?}");
    // The log gets this; the address is as good as a password.
    let (answer, _) = answered("Create", Ok(&json!({})), &[DENIED]).await;
    assert_eq!(answer.unwrap_err().to_string(), "CloudFormation answered 403 AccessDenied (tries: 1)");
}

#[test]
fn the_end_of_idle_sessions_is_a_property_of_the_resource() {
    let event = |seconds: Value| json!({ "ResourceProperties": { "IdleSessionSeconds": seconds } });
    assert_eq!(idle_session(&event(json!("120"))), Some(120));
    for nothing in [json!({}), event(json!("'; DROP ROLE x; --")), event(json!("-1"))] {
        assert_eq!(idle_session(&nothing), None);
    }
}

#[test]
fn an_invocation_by_hand_is_no_event() {
    assert!(Event::of(&json!({})).unwrap().is_none());
    assert!(Event::of(&json!({ "RequestType": "Create" })).is_err());
}
