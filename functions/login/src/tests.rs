use super::login;
use serde_json::json;
use shared::{
    App, Request, Response, Result, http,
    testing::{Call, TestApp, User, get, post},
};

/// `correct horse`, with today's parameters.
const STRONG: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$+n/hwvlwLeyyHKyHk7A6rg$Chtjs4giB8zggq2JnxdWDc+skFdUacHiNRlfAQOx+bU";
/// `correct horse`, with less memory and fewer passes.
const WEAK: &str =
    "$argon2id$v=19$m=8,t=1,p=1$qXLYYRjYvqi2fNBDTvNF5w$iSWM5uZGZyMIEUgriKKsBNAdq2I6r1UzxNSriQtSFo0";

async fn user(test: &TestApp, username: &str, hash: &str) -> User {
    let user = test.user(username).await;
    let sql = "UPDATE users SET password_hash = $2 WHERE id = $1";
    test.db().await.rows(sql, &[&user.id, &hash]).await.unwrap();
    user
}

async fn stored(test: &TestApp) -> String {
    test.db().await.row("SELECT password_hash FROM users", &[]).await.unwrap().get("password_hash")
}

fn credentials(username: &str, password: &str) -> Call {
    post("/login").json(json!({"username": username, "password": password}))
}

async fn whoami(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    db.prove().await?;
    http::ok(&json!(caller.user))
}

async fn whose_refresh(app: App, request: Request) -> Result<Response> {
    let (mut db, refresher) = app.refreshing(&request).await?;
    db.prove().await?;
    http::ok(&json!(refresher.user))
}

#[tokio::test]
async fn the_password_earns_both_tokens() {
    let test = TestApp::new().await;
    let ada = user(&test, "ada", STRONG).await;
    let answer = test.call(login, credentials("ada", "correct horse")).await;
    assert_eq!((answer.status, &answer.body["message"]), (200, &json!("Logged in as ada")));
    let members: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "message", "refresh_token"]);
    let access = get("/").bearer(answer.body["access_token"].as_str().unwrap());
    assert_eq!(test.call_unlisted(whoami, access).await.body, json!(ada.id));
    let refresh = get("/").bearer(answer.body["refresh_token"].as_str().unwrap());
    assert_eq!(test.call_unlisted(whose_refresh, refresh).await.body, json!(ada.id));
    assert_eq!(stored(&test).await, STRONG);
}

#[tokio::test]
async fn flaskforms_headers_do_as_well() {
    let test = TestApp::new().await;
    user(&test, "Żółw", STRONG).await;
    let call = post("/login").header("username", "Żółw").header("password", "correct horse");
    let answer = test.call(login, call).await;
    assert_eq!((answer.status, &answer.body["message"]), (200, &json!("Logged in as Żółw")));
}

#[tokio::test]
async fn a_name_is_found_without_regard_to_case_or_normalisation() {
    let test = TestApp::new().await;
    user(&test, "Ren\u{e9} Ż", STRONG).await;
    for name in ["ren\u{e9} ż", "RENE\u{301} Ż", " Ren\u{e9} Ż "] {
        let answer = test.call(login, credentials(name, "correct horse")).await;
        assert_eq!((answer.status, &answer.body["message"]), (200, &json!("Logged in as Ren\u{e9} Ż")));
    }
}

#[tokio::test]
async fn a_name_is_found_in_any_form_that_looks_the_same() {
    let test = TestApp::new().await;
    user(&test, "ada", STRONG).await;
    user(&test, "Ａｌａｎ", STRONG).await;
    for (name, registered) in
        [("ada", "ada"), ("ａｄａ", "ada"), ("ＡDa", "ada"), ("alan", "Ａｌａｎ"), ("Ａｌａｎ", "Ａｌａｎ")]
    {
        let answer = test.call(login, credentials(name, "correct horse")).await;
        let message = format!("Logged in as {registered}");
        assert_eq!((answer.status, &answer.body["message"]), (200, &json!(message)), "{name}");
    }
}

#[tokio::test]
async fn numbers_are_texts_and_unknown_names_are_ignored() {
    let test = TestApp::new().await;
    user(&test, "1815", STRONG).await;
    let call = post("/login").query("remember", "me");
    let call = call.json(json!({"username": 1815, "password": "correct horse", "remember": true}));
    let answer = test.call(login, call).await;
    assert_eq!((answer.status, &answer.body["message"]), (200, &json!("Logged in as 1815")));
}

#[tokio::test]
async fn a_name_that_is_given_twice_makes_the_body_malformed() {
    let test = TestApp::new().await;
    user(&test, "ada", STRONG).await;
    let body = r#"{"username": "ada", "password": "wrong horse", "password": "correct horse"}"#;
    let answer = test.call(login, post("/login").body(body)).await;
    answer.assert_problem(400, "malformed_body", r#"The body gives the name "password" twice in one object"#);
}

#[tokio::test]
async fn another_password_is_refused() {
    let test = TestApp::new().await;
    user(&test, "ada", STRONG).await;
    for password in ["correct horsf", "correct horse ", "Correct horse", &"p".repeat(10_000)] {
        let answer = test.call(login, credentials("ada", password)).await;
        answer.assert_problem(401, "wrong_credentials", "Wrong credentials");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
    }
}

#[tokio::test]
async fn an_unknown_user_is_refused() {
    let test = TestApp::new().await;
    user(&test, "ada", STRONG).await;
    let answer = test.call(login, credentials("nobody", "correct horse")).await;
    answer.assert_problem(401, "unknown_user", "User nobody doesn't exist");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
}

#[tokio::test]
async fn missing_parameters_are_named() {
    let test = TestApp::new().await;
    let blank = "This field cannot be blank";
    for call in [post("/login"), credentials(" ", "")] {
        let answer = test.call(login, call).await;
        answer.assert_invalid(json!({"username": blank, "password": blank}));
    }
}

#[tokio::test]
async fn what_no_user_can_have_is_a_fault() {
    let test = TestApp::new().await;
    let answer = test.call(login, credentials(&"n".repeat(81), "pass\u{0}word")).await;
    answer.assert_invalid(json!({
        "username": "may have at most 80 characters",
        "password": "must not have the control character U+0000",
    }));
    // A name that could be registered once must go on to be good for a login.
    let answer = test.call(login, credentials("a\u{200b}da", "correct horse")).await;
    answer.assert_problem(401, "unknown_user", "User a\u{200b}da doesn't exist");
}

#[tokio::test]
async fn a_weak_hash_is_replaced_by_todays_when_the_password_is_known() {
    let test = TestApp::new().await;
    user(&test, "ada", WEAK).await;
    assert_eq!(test.call(login, credentials("ada", "wrong horse")).await.status, 401);
    assert_eq!(stored(&test).await, WEAK);
    assert_eq!(test.call(login, credentials("ada", "correct horse")).await.status, 200);
    let new = stored(&test).await;
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
    assert_eq!(test.call(login, credentials("ada", "wrong horse")).await.status, 401);
    assert_eq!(test.call(login, credentials("ada", "correct horse")).await.status, 200);
    assert_eq!(stored(&test).await, new);
}
