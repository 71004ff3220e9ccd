use super::health;
use serde_json::json;
use shared::testing::{TestApp, get};
use std::fs;

/// The number in the name of the newest file in migrations/.
fn newest_migration() -> u32 {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_prefix('V')?.split_once("__")?.0.parse().ok()).max().unwrap()
}

#[tokio::test]
async fn a_working_database_is_healthy() {
    let test = TestApp::new().await;
    let answer = test.call(health, get("/health")).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"status": "ok", "schema": newest_migration()})));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn without_a_database_it_says_when_to_try_again() {
    let unreachable = "postgresql://nobody:hunter2@%2Fnonexistent/none";
    let test = TestApp::with(|config| config.database = unreachable.parse().unwrap()).await;
    let answer = test.call(health, get("/health")).await;
    answer.assert_problem(503, "unavailable", "The service is not ready, try again in a few seconds");
    assert_eq!(answer.header("retry-after"), "5");
    for secret in ["nonexistent", "nobody", "hunter2"] {
        assert!(!answer.body.to_string().contains(secret));
    }
}

#[tokio::test]
async fn a_database_without_the_schema_is_not_healthy() {
    let test = TestApp::new().await;
    test.db().await.rows("DROP TABLE refinery_schema_history", &[]).await.unwrap();
    let answer = test.call(health, get("/health")).await;
    answer.assert_problem(500, "internal", "Something went wrong");
    assert!(!answer.body.to_string().contains("refinery"));
}
