use super::register;
use serde_json::{Value, json};
use shared::{
    App, Request, Result, http,
    testing::{Call, Response, TestApp, get, post},
};
use std::sync::Arc;

fn user(username: &str, email: &str) -> Call {
    post("/register").json(json!({"username": username, "email": email, "password": "correct horse"}))
}

async fn whoami(app: App, request: Request) -> Result<shared::Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    db.prove().await?;
    http::ok(&json!({ "id": caller.user, "username": caller.username() }))
}

async fn whose_refresh(app: App, request: Request) -> Result<shared::Response> {
    let (mut db, refresher) = app.refreshing(&request).await?;
    db.prove().await?;
    http::ok(&json!({ "id": refresher.user, "username": refresher.username() }))
}

fn token(answer: &Response, name: &str) -> String {
    answer.body[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_is_made_and_logged_in() {
    let test = TestApp::new().await;
    let answer = test.call(register, user(" Ada ", "ada@example.com")).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("User Ada was created")));
    let members: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "id", "message", "refresh_token"]);
    let ada = json!({"id": answer.body["id"], "username": "Ada"});
    let access = test.call_unlisted(whoami, get("/").bearer(&token(&answer, "access_token"))).await;
    assert_eq!(access.body, ada);
    let refresh = test.call_unlisted(whose_refresh, get("/").bearer(&token(&answer, "refresh_token"))).await;
    assert_eq!(refresh.body, ada);
    let row =
        test.db().await.row("SELECT id::text, username, email, password_hash FROM users", &[]).await.unwrap();
    assert_eq!(answer.body["id"], row.get::<_, String>("id"));
    assert_eq!((row.get::<_, &str>("username"), row.get::<_, &str>("email")), ("Ada", "ada@example.com"));
    let hash: &str = row.get("password_hash");
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !hash.contains("correct"), "{hash}");
}

#[tokio::test]
async fn flaskforms_headers_do_as_well() {
    let test = TestApp::new().await;
    let call = post("/register")
        .header("username", "Żółw")
        .header("email", "zolw@example.com")
        .header("password", "correct horse");
    let answer = test.call(register, call).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("User Żółw was created")));
}

#[tokio::test]
async fn a_name_is_taken_without_regard_to_case_or_normalisation() {
    let test = TestApp::new().await;
    for (first, second) in
        [("ada", "ADA"), ("Żółw", "żÓŁW"), ("Ren\u{e9}", "Rene\u{301}"), ("E\u{301}mile", "\u{e9}mile")]
    {
        let email = format!("ada{}@example.com", test.count("users").await);
        assert_eq!(test.call(register, user(first, &email)).await.status, 201, "{first}");
        let answer = test.call(register, user(second, "another@example.com")).await;
        answer.assert_problem(409, "username_taken", &format!("User {second} already exists"));
    }
    assert_eq!(test.count("users").await, 4);
}

#[tokio::test]
async fn of_two_names_that_look_the_same_one_is_taken() {
    let test = TestApp::new().await;
    let pairs =
        [("ada", "ａｄａ"), ("Ａｌａｎ", "aLAN"), ("ﬁona", "fiona"), ("louis xii", "louis ⅻ"), ("x²", "x2")];
    for (n, (first, second)) in pairs.into_iter().enumerate() {
        let email = format!("user{n}@example.com");
        assert_eq!(test.call(register, user(first, &email)).await.status, 201, "{first}");
        let answer = test.call(register, user(second, "another@example.com")).await;
        answer.assert_problem(409, "username_taken", &format!("User {second} already exists"));
    }
    assert_eq!(test.count("users").await, 5);
}

#[tokio::test]
async fn a_name_has_nothing_that_cannot_be_seen() {
    let test = TestApp::new().await;
    for (invisible, code) in [
        // Formats and marks of direction.
        ('\u{ad}', "00AD"),
        ('\u{61c}', "061C"),
        ('\u{200b}', "200B"),
        ('\u{200d}', "200D"),
        ('\u{200e}', "200E"),
        ('\u{202e}', "202E"),
        ('\u{2066}', "2066"),
        ('\u{feff}', "FEFF"),
        ('\u{e0041}', "E0041"),
        // Blanks that are no space, and line breaks that are no control characters.
        ('\u{a0}', "00A0"),
        ('\u{2003}', "2003"),
        ('\u{2028}', "2028"),
        ('\u{2029}', "2029"),
        ('\u{3000}', "3000"),
        // What no font has.
        ('\u{378}', "0378"),
        // Letters, marks and signs that are drawn as nothing.
        ('\u{34f}', "034F"),
        ('\u{115f}', "115F"),
        ('\u{2800}', "2800"),
        ('\u{3164}', "3164"),
        ('\u{fe0f}', "FE0F"),
        ('\u{ffa0}', "FFA0"),
        ('\u{e0100}', "E0100"),
    ] {
        let answer = test.call(register, user(&format!("a{invisible}da"), "ada@example.com")).await;
        let text = format!("must not have the invisible character U+{code}");
        answer.assert_invalid(json!({ "username": text }));
    }
    // Blanks around a name are no part of it.
    let answer = test.call(register, user("\u{3000}Ada Lovelace\u{a0}", "ada@example.com")).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("User Ada Lovelace was created")));
    assert_eq!(test.count("users").await, 1);
}

#[tokio::test]
async fn an_address_is_taken_without_regard_to_case_or_normalisation() {
    let test = TestApp::new().await;
    for (n, (first, second)) in [
        ("ada@example.com", "Ada@EXAMPLE.com"),
        ("żółw@example.com", "ŻÓŁW@example.com"),
        ("ren\u{e9}@example.com", "rene\u{301}@example.com"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(test.call(register, user(&format!("user {n}"), first)).await.status, 201, "{first}");
        let answer = test.call(register, user("another", second)).await;
        answer.assert_problem(409, "email_taken", &format!("User with email {second} already exists"));
    }
    assert_eq!(test.count("users").await, 3);
}

#[tokio::test]
async fn a_taken_name_is_said_before_a_taken_address() {
    let test = TestApp::new().await;
    assert_eq!(test.call(register, user("ada", "ada@example.com")).await.status, 201);
    let answer = test.call(register, user("ada", "ada@example.com")).await;
    answer.assert_problem(409, "username_taken", "User ada already exists");
}

#[tokio::test]
async fn of_registrations_at_the_same_time_one_wins() {
    let test = Arc::new(TestApp::with(|config| config.concurrency = 8).await);
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..8 {
        let test = test.clone();
        let name = if n % 2 == 0 { "ada" } else { "ADA" };
        racing.spawn(async move { test.call(register, user(name, &format!("ada{n}@example.com"))).await });
    }
    let mut statuses: Vec<_> = racing.join_all().await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(test.count("users").await, 1);
}

#[tokio::test]
async fn missing_parameters_are_named() {
    let test = TestApp::new().await;
    let blank = "This field cannot be blank";
    for call in [post("/register"), post("/register").header("username", " ").json(json!({"email": ""}))] {
        let answer = test.call(register, call).await;
        answer.assert_invalid(json!({"username": blank, "email": blank, "password": blank}));
    }
}

#[tokio::test]
async fn all_faults_are_named_at_once_and_nothing_is_stored() {
    let test = TestApp::new().await;
    let bad = |username: Value, email: Value, password: Value| {
        post("/register").json(json!({"username": username, "email": email, "password": password}))
    };
    let address = "must be an e-mail address like ada@example.com, of at most 254 bytes";
    let long = format!("ada@{}.com", vec!["d".repeat(60); 5].join("."));
    let answer = test.call(register, bad(json!("n".repeat(81)), json!(long), json!("p".repeat(257)))).await;
    answer.assert_invalid(json!({
        "username": "may have at most 80 characters",
        "email": address,
        "password": "must have 8 to 256 bytes",
    }));
    let answer = test.call(register, bad(json!("a\nb"), json!("ada"), json!("7777777"))).await;
    answer.assert_invalid(json!({
        "username": "must be a single line",
        "email": address,
        "password": "must have 8 to 256 bytes",
    }));
    let nul = "must not have the control character U+0000";
    let answer =
        test.call(register, bad(json!("a\u{0}"), json!("a\u{0}@example.com"), json!("correct\u{0}horse")));
    answer.await.assert_invalid(json!({"username": nul, "email": nul, "password": nul}));
    let answer = test.call(register, bad(json!(["ada"]), json!({}), json!([]))).await;
    answer.assert_invalid(
        json!({"username": "must be text", "email": "must be text", "password": "must be text"}),
    );
    assert_eq!(test.count("users").await, 0);
}

#[tokio::test]
async fn as_on_all_paths_of_flaskforms_unknown_names_are_ignored_and_numbers_are_texts() {
    let test = TestApp::new().await;
    let call = post("/register").query("colour", "red").json(json!({
        "username": 1815, "email": "ada@example.com", "password": 18_151_210, "colour": {"name": "red"},
    }));
    let answer = test.call(register, call).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("User 1815 was created")));
}

#[tokio::test]
async fn a_form_and_the_query_do_as_well() {
    let test = TestApp::new().await;
    let form = post("/register").header("content-type", "application/x-www-form-urlencoded");
    let form = form.body("username=Ada+L%C3%B3velace&email=ada%40example.com&password=correct+horse");
    let answer = test.call(register, form).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("User Ada Lóvelace was created")));
    let query = post("/register").query("username", "bob").query("email", "bob@example.com");
    let answer = test.call(register, query.json(json!({"password": "correct horse"}))).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("User bob was created")));
}

#[tokio::test]
async fn a_name_that_is_given_twice_makes_the_body_malformed() {
    let test = TestApp::new().await;
    let body = r#"{"username": "ada", "email": "ada@example.com", "password": "correct horse", "user\u006eame": "bob"}"#;
    let answer = test.call(register, post("/register").body(body)).await;
    answer.assert_problem(400, "malformed_body", r#"The body gives the name "username" twice in one object"#);
    assert_eq!(test.count("users").await, 0);
}

#[tokio::test]
async fn the_longest_of_everything_fits() {
    let test = TestApp::new().await;
    // 64 + 1 + 189 bytes.
    let email = format!("{}@{}.com", "l".repeat(64), vec!["d".repeat(61); 3].join("."));
    assert_eq!(email.len(), 254);
    let call = post("/register")
        .json(json!({"username": "Ż".repeat(80), "email": email, "password": "p".repeat(256)}));
    assert_eq!(test.call(register, call).await.status, 201);
    // The letter whose compatibility form is the longest of all.
    assert_eq!(test.call(register, user(&"ﷺ".repeat(80), "ada@example.com")).await.status, 201);
}
