use super::debug_users;
use serde_json::json;
use shared::testing::{Call, DEBUGGING_KEY, TestApp, delete, get, request};

fn list() -> Call {
    get("/users").bearer(DEBUGGING_KEY)
}

fn delete_all() -> Call {
    delete("/users").bearer(DEBUGGING_KEY)
}

#[tokio::test]
async fn users_are_listed_without_hash_and_address() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("Żółw").await);
    let answer = test.call(debug_users, list()).await;
    assert_eq!(answer.status, 200);
    let expected = json!([{"id": ada.id, "username": "ada"}, {"id": bob.id, "username": "Żółw"}]);
    assert_eq!(answer.body, json!({ "users": expected }));
}

#[tokio::test]
async fn pages_are_complete_in_order_and_without_repetition() {
    let test = TestApp::new().await;
    let sql = "INSERT INTO users (id, username, email, password_hash)
               SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n::text, n || '@example.com', '-'
               FROM generate_series(1, 250) AS n";
    test.db().await.rows(sql, &[]).await.unwrap();
    let (mut names, mut pages, mut next) = (Vec::new(), Vec::new(), None);
    loop {
        let call = if let Some(next) = next { list().query("after", next) } else { list() };
        let answer = test.call(debug_users, call).await;
        let page = answer.body["users"].as_array().unwrap();
        names.extend(page.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
        pages.push(page.len());
        next = answer.body.get("next").map(|next| next.as_str().unwrap().to_owned());
        if next.is_none() {
            break;
        }
    }
    assert_eq!(names, (1..=250).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(pages, [100, 100, 50]);
}

#[tokio::test]
async fn a_bad_limit_and_a_forged_cursor_are_faults() {
    let test = TestApp::new().await;
    let answer = test.call(debug_users, list().query("limit", 1001).query("after", "abc")).await;
    answer.assert_invalid(json!({
        "limit": "must be a whole number from 1 to 1000",
        "after": "must be the `next` of an earlier answer",
    }));
}

#[tokio::test]
async fn unknown_names_are_ignored() {
    let test = TestApp::new().await;
    let call = list().query("page", 2).json(json!({"limit": "1", "colour": "red"}));
    let answer = test.call(debug_users, call).await;
    assert_eq!((answer.status, answer.body), (200, json!({"users": []})));
}

#[tokio::test]
async fn deleting_takes_all_that_is_theirs() {
    let test = TestApp::new().await;
    for name in ["ada", "bob"] {
        let user = test.user(name).await;
        let survey = test.survey(&user).await;
        test.reply(survey.question, json!(1)).await;
    }
    let answer = test.call(debug_users, delete_all()).await;
    assert_eq!((answer.status, answer.body), (200, json!({"message": "2 row(s) deleted"})));
    for table in ["users", "surveys", "questions", "responses", "survey_counters", "question_counters"] {
        assert_eq!(test.count(table).await, 0, "{table}");
    }
    let answer = test.call(debug_users, delete_all()).await;
    assert_eq!((answer.status, answer.body), (200, json!({"message": "0 row(s) deleted"})));
    assert_eq!(test.call(debug_users, list()).await.body, json!({"users": []}));
}

#[tokio::test]
async fn whoever_has_no_debugging_key_is_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for method in ["GET", "DELETE"] {
        let call = || request(method, "/users");
        let answer = test.call(debug_users, call()).await;
        answer.assert_problem(401, "missing_token", "Missing Authorization Header");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
        let (shorter, longer) = (&DEBUGGING_KEY[1..], &format!("Bearer {DEBUGGING_KEY} {DEBUGGING_KEY}"));
        for wrong in [
            call().bearer(&ada.access),
            call().bearer(""),
            call().bearer(shorter),
            call().bearer(&DEBUGGING_KEY.to_uppercase()),
            call().header("authorization", DEBUGGING_KEY),
            call().header("authorization", longer),
            call().header("authorization", "Bearer żółw"),
        ] {
            let answer = test.call(debug_users, wrong).await;
            answer.assert_problem(401, "invalid_token", "This is not the debugging key");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass", error="invalid_token""#);
        }
        // Before the parameters are read.
        let answer = test.call(debug_users, call().query("limit", 0).body("{ not json")).await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(test.count("users").await, 1);
}

#[tokio::test]
async fn without_a_debugging_key_there_is_nothing_here() {
    let test = TestApp::with(|config| config.debugging_key = None).await;
    let ada = test.user("ada").await;
    for method in ["GET", "DELETE"] {
        for key in [&ada.access, DEBUGGING_KEY, ""] {
            let answer = test.call(debug_users, request(method, "/users").bearer(key)).await;
            answer.assert_problem(404, "not_found", "There is nothing here");
        }
        let answer = test.call(debug_users, request(method, "/users")).await;
        answer.assert_problem(404, "not_found", "There is nothing here");
    }
    let answer = test.call_unlisted(debug_users, request("PUT", "/users").bearer(DEBUGGING_KEY)).await;
    answer.assert_problem(404, "not_found", "There is nothing here");
    assert_eq!(test.count("users").await, 1);
}

#[tokio::test]
async fn another_method_is_told_the_allowed_ones() {
    let test = TestApp::new().await;
    test.user("ada").await;
    for method in ["PUT", "POST", "PATCH"] {
        let answer = test.call(debug_users, request(method, "/users").bearer(DEBUGGING_KEY)).await;
        answer.assert_problem(405, "method_not_allowed", "The method is not allowed for the requested URL.");
        assert_eq!(answer.header("allow"), "GET, DELETE");
    }
    assert_eq!(test.count("users").await, 1);
}
