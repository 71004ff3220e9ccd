use super::token_refresh;
use serde_json::json;
use shared::{
    App, Request, Response, Result, http,
    testing::{TestApp, get, post},
};

async fn whoami(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    db.prove().await?;
    http::ok(&json!({ "id": caller.user, "username": caller.username() }))
}

#[tokio::test]
async fn a_refresh_token_gets_access_tokens_again_and_again() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let answer = test.call(token_refresh, post("/token/refresh").bearer(&ada.refresh)).await;
        let token = answer.body["access_token"].as_str().unwrap();
        assert_eq!((answer.status, &answer.body), (200, &json!({ "access_token": token })));
        let caller = test.call_unlisted(whoami, get("/").bearer(token)).await;
        assert_eq!(caller.body, json!({"id": ada.id, "username": "ada"}));
        tokens.push(token.to_owned());
    }
    // Each can be revoked without the other.
    assert_ne!(tokens[0], tokens[1]);
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
