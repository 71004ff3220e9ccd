use super::{cloudformation::Event, migrate, reason};
use serde_json::{Value, json};
use shared::{BoxError, db, testing::TestApp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// A database as a new cluster has it.
async fn empty() -> TestApp {
    let test = TestApp::new().await;
    let owner = db::session(&test.config(), None).await.unwrap();
    owner.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
    test
}

#[tokio::test]
async fn an_empty_database_becomes_one_that_the_app_can_use_and_not_define() {
    let test = empty().await;
    let first = migrate(&test.config()).await.unwrap();
    assert!(first["applied"].as_u64() >= Some(1), "{first}");
    assert_eq!(migrate(&test.config()).await.unwrap(), json!({ "applied": 0 }));

    let app = db::session(&test.config(), Some("canvass_app")).await.unwrap();
    app.batch_execute(
        "INSERT INTO users (id, username, email, password_hash) VALUES (gen_random_uuid(), 'ada', 'a@b.c', '-');
         SELECT version FROM refinery_schema_history;
         DELETE FROM users",
    )
    .await
    .unwrap();
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
async fn a_failing_migration_leaves_nothing_and_says_why() {
    let test = empty().await;
    let owner = db::session(&test.config(), None).await.unwrap();
    owner.batch_execute("CREATE TABLE replies (id int)").await.unwrap();
    let error = migrate(&test.config()).await.unwrap_err();
    assert!(reason(&error).contains("\"replies\" already exists"), "{}", reason(&error));
    let users = owner.query_one("SELECT to_regclass('users') IS NULL", &[]).await.unwrap();
    assert!(users.get::<_, bool>(0), "the migration was not rolled back whole");
}

/// Answer to an event at a server of ours; gives what the server read.
async fn answered(kind: &str, outcome: Result<&Value, String>) -> (Result<Value, BoxError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let event = json!({
        "RequestType": kind,
        "ResponseURL": format!("http://{}/bucket/answer?Signature=x", listener.local_addr().unwrap()),
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Schema",
        "ResourceType": "Custom::Migration",
    });
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            let mut buffer = [0; 4096];
            let length = socket.read(&mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..length]);
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(read).unwrap()
    };
    tokio::join!(Event::of(&event).unwrap().unwrap().answer(outcome), server)
}

#[tokio::test]
async fn cloudformation_is_told_of_success_and_of_failure() {
    let (answer, sent) = answered("Create", Ok(&json!({ "applied": 1 }))).await;
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
    let (answer, _) = answered("Update", Err("because".repeat(1000))).await;
    let answer = answer.unwrap();
    assert_eq!(answer["Status"], "FAILED");
    assert!(answer["Reason"].as_str().unwrap().starts_with("because") && answer.to_string().len() < 4096);
}

#[test]
fn an_invocation_by_hand_is_no_event() {
    assert!(Event::of(&json!({})).unwrap().is_none());
    assert!(Event::of(&json!({ "RequestType": "Create" })).is_err());
}
