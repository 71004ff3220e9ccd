use super::purge;
use serde_json::json;
use shared::{PublicApp, testing::TestApp};

#[tokio::test]
async fn what_has_expired_goes_and_the_rest_stays() {
    let test = TestApp::new().await;
    let insert = "INSERT INTO revoked_tokens SELECT gen_random_uuid(), now() + $1::text::interval FROM generate_series(1, $2)";
    let mut db = test.db().await;
    db.rows(insert, &[&"-1 hour", &2500_i32]).await.unwrap();
    db.rows(insert, &[&"1 hour", &3_i32]).await.unwrap();
    drop(db);
    assert_eq!(purge(PublicApp::clone(&test.app)).await.unwrap(), json!({ "revoked_tokens": 2500 }));
    assert_eq!(test.count("revoked_tokens").await, 3);
    assert_eq!(purge(PublicApp::clone(&test.app)).await.unwrap(), json!({ "revoked_tokens": 0 }));
}
