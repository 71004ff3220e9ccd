use super::token_refresh;
use serde_json::json;
use shared::{
    App, Reply, Request, Result, http, revoked_tokens,
    testing::{TestApp, get, post},
};

async fn whoami(app: App, request: Request) -> Result<Reply> {
    let (_, caller) = app.authenticated(&request).await?;
    http::ok(&json!({ "id": caller.user, "username": caller.username }))
}

async fn revoke(app: App, request: Request) -> Result<Reply> {
    let (db, refresher) = app.refreshing(&request).await?;
    revoked_tokens::insert(&db, &refresher).await?;
    http::ok(&json!({}))
}

#[tokio::test]
async fn a_refresh_token_gets_access_tokens_again_and_again() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for _ in 0..2 {
        let answer = test.call(token_refresh, post("/token/refresh").bearer(&ada.refresh)).await;
        let token = answer.body["access_token"].as_str().unwrap();
        assert_eq!((answer.status, &answer.body), (200, &json!({ "access_token": token })));
        let caller = test.call(whoami, get("/").bearer(token)).await;
        assert_eq!(caller.body, json!({"id": ada.id, "username": "ada"}));
    }
}

#[tokio::test]
async fn an_access_token_gets_none() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = test.call(token_refresh, post("/token/refresh").bearer(&ada.access)).await;
    answer.assert_problem(401, "wrong_token_type", "Only refresh tokens are allowed");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass", error="invalid_token""#);
}

#[tokio::test]
async fn no_token_gets_none() {
    let test = TestApp::new().await;
    let answer = test.call(token_refresh, post("/token/refresh")).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
}

#[tokio::test]
async fn a_revoked_refresh_token_gets_none() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    assert_eq!(test.call(revoke, post("/").bearer(&ada.refresh)).await.status, 200);
    let answer = test.call(token_refresh, post("/token/refresh").bearer(&ada.refresh)).await;
    answer.assert_problem(401, "revoked_token", "Token has been revoked");
}

#[tokio::test]
async fn a_deleted_users_refresh_token_gets_none() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    test.db().await.rows("DELETE FROM users", &[]).await.unwrap();
    // Nor does it act for somebody who takes the name.
    test.user("ada").await;
    let answer = test.call(token_refresh, post("/token/refresh").bearer(&ada.refresh)).await;
    answer.assert_problem(401, "deleted_user", "The user of this token doesn't exist");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass", error="invalid_token""#);
}
