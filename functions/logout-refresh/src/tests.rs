use super::logout_refresh;
use serde_json::json;
use shared::{
    App, Request, Response, Result,
    accounts::Kind,
    http,
    testing::{Call, TestApp, get, post},
    values::UserId,
};

fn logout(token: &str) -> Call {
    post("/logout/refresh").bearer(token)
}

async fn with_access(app: App, request: Request) -> Result<Response> {
    app.authenticated(&request).await?.0.prove().await?;
    http::ok(&json!({}))
}

async fn with_refresh(app: App, request: Request) -> Result<Response> {
    app.refreshing(&request).await?.0.prove().await?;
    http::ok(&json!({}))
}

#[tokio::test]
async fn the_token_is_revoked_and_no_other() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let second = test.app.keys().issue(Kind::Refresh, UserId(ada.id), "ada").unwrap();
    let answer = test.call(logout_refresh, logout(&ada.refresh)).await;
    assert_eq!((answer.status, answer.body), (200, json!({"message": "Refresh token has been revoked"})));
    let answer = test.call_unlisted(with_refresh, get("/").bearer(&ada.refresh)).await;
    answer.assert_problem(401, "revoked_token", "Token has been revoked");
    assert_eq!(test.call_unlisted(with_refresh, get("/").bearer(&second)).await.status, 200);
    assert_eq!(test.call_unlisted(with_access, get("/").bearer(&ada.access)).await.status, 200);
}

#[tokio::test]
async fn the_revocation_is_kept_until_the_token_would_have_ended() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    assert_eq!(test.call(logout_refresh, logout(&ada.refresh)).await.status, 200);
    let sql = "SELECT expires_at - now() BETWEEN $1::text::interval - interval '1 minute' AND $1::text::interval AS kept
               FROM revoked_tokens";
    let row = test.db().await.row(sql, &[&"30 days"]).await.unwrap();
    assert!(row.get::<_, bool>("kept"));
}

#[tokio::test]
async fn a_second_logout_is_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    assert_eq!(test.call(logout_refresh, logout(&ada.refresh)).await.status, 200);
    let answer = test.call(logout_refresh, logout(&ada.refresh)).await;
    answer.assert_problem(401, "revoked_token", "Token has been revoked");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass", error="invalid_token""#);
    assert_eq!(test.count("revoked_tokens").await, 1);
}

#[tokio::test]
async fn an_access_token_is_refused_and_stays_good() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = test.call(logout_refresh, logout(&ada.access)).await;
    answer.assert_problem(401, "wrong_token_type", "Only refresh tokens are allowed");
    assert_eq!(test.count("revoked_tokens").await, 0);
    assert_eq!(test.call_unlisted(with_access, get("/").bearer(&ada.access)).await.status, 200);
}

#[tokio::test]
async fn what_else_a_request_carries_does_not_matter() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = logout(&ada.refresh).query("colour", "red").body("{ not json");
    assert_eq!(test.call(logout_refresh, call).await.status, 200);
    assert_eq!(test.count("revoked_tokens").await, 1);
}
