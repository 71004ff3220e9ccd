use super::users;
use serde_json::json;
use shared::testing::{TestApp, get, request};

#[tokio::test]
async fn users_are_listed_without_hash_and_address() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("Żółw").await);
    let answer = test.call(users, get("/users")).await;
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
        let call = get("/users");
        let call = if let Some(next) = next { call.query("after", next) } else { call };
        let answer = test.call(users, call).await;
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
    let answer = test.call(users, get("/users").query("limit", 1001).query("after", "abc")).await;
    answer.assert_invalid(json!({
        "limit": "must be a whole number from 1 to 1000",
        "after": "must be the `next` of an earlier answer",
    }));
}

#[tokio::test]
async fn deleting_takes_all_that_is_theirs() {
    let test = TestApp::new().await;
    for name in ["ada", "bob"] {
        let user = test.user(name).await;
        let survey = test.survey(&user).await;
        test.reply(survey.question, json!(1)).await;
    }
    let answer = test.call(users, request("DELETE", "/users")).await;
    assert_eq!((answer.status, answer.body), (200, json!({"message": "2 row(s) deleted"})));
    for table in ["users", "surveys", "questions", "responses", "replies", "question_counters"] {
        assert_eq!(test.count(table).await, 0, "{table}");
    }
    let answer = test.call(users, request("DELETE", "/users")).await;
    assert_eq!((answer.status, answer.body), (200, json!({"message": "0 row(s) deleted"})));
    assert_eq!(test.call(users, get("/users")).await.body, json!({"users": []}));
}

#[tokio::test]
async fn outside_dev_there_is_nothing_here() {
    let test = TestApp::with(|config| config.debugging = false).await;
    let ada = test.user("ada").await;
    for method in ["GET", "DELETE", "PUT"] {
        let answer = test.call(users, request(method, "/users").bearer(&ada.access)).await;
        answer.assert_problem(404, "not_found", "There is nothing here");
    }
    assert_eq!(test.count("users").await, 1);
}

#[tokio::test]
async fn another_method_is_told_the_allowed_ones() {
    let test = TestApp::new().await;
    test.user("ada").await;
    for method in ["PUT", "POST", "PATCH"] {
        let answer = test.call(users, request(method, "/users")).await;
        answer.assert_problem(405, "method_not_allowed", "The method is not allowed for the requested URL.");
        assert_eq!(answer.header("allow"), "GET, DELETE");
    }
    assert_eq!(test.count("users").await, 1);
}
