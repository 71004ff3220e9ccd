use super::delete_response;
use serde_json::json;
use shared::testing::{Call, TestApp, TestSurvey, User, Uuid, delete};

fn deletion(survey: Uuid, response: Uuid, owner: &User) -> Call {
    delete("/surveys/x/responses/y")
        .path("idSurvey", survey)
        .path("idResponse", response)
        .bearer(&owner.access)
}

async fn form(test: &TestApp, owner: &User) -> TestSurvey {
    test.form(owner, json!([{"type": "number"}, {"type": "single_choice", "replyContent": ["a", "b"]}])).await
}

#[tokio::test]
async fn a_deleted_response_is_gone_with_its_replies_and_counts() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(&test, &ada).await;
    let kept = test.response(form.id, form.answers([json!(1), json!("b")])).await;
    let id = test.response(form.id, form.answers([json!(2), json!("a")])).await;
    let answer = test.call(delete_response, deletion(form.id, id, &ada)).await;
    assert_eq!((answer.status, answer.body), (200, json!({"message": "Response was deleted"})));
    assert_eq!(test.count(&format!("responses WHERE id = '{kept}'")).await, 1);
    assert_eq!((test.count("responses").await, test.count("replies").await), (1, 2));
    let answer = test.call(delete_response, deletion(form.id, id, &ada)).await;
    answer.assert_problem(404, "not_found", "Response doesn't exist");
    let row = test.db().await.row("SELECT sub_count(id) FROM surveys", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>("sub_count"), 1);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_single_reply_is_deleted_by_its_id() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(&test, &ada).await;
    let id = test.reply(form.questions[1], json!("a")).await;
    assert_eq!(test.call(delete_response, deletion(form.id, id, &ada)).await.status, 200);
    assert_eq!((test.count("responses").await, test.count("replies").await), (0, 0));
    test.assert_counted().await;
}

#[tokio::test]
async fn a_place_under_the_limit_becomes_free() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(&test, &ada).await;
    test.limit(form.id, 1).await;
    let single = test.reply(form.questions[0], json!(5)).await;
    for _ in 0..2 {
        let id = test.response(form.id, json!({})).await;
        assert_eq!(test.call(delete_response, deletion(form.id, id, &ada)).await.status, 200);
    }
    // A single reply had no place to give back.
    assert_eq!(test.call(delete_response, deletion(form.id, single, &ada)).await.status, 200);
    test.assert_counted().await;
}

#[tokio::test]
async fn what_was_answered_before_an_edit_is_taken_out_of_the_counts_too() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(&test, &ada).await;
    let id = test.response(form.id, form.answers([json!(7), json!("a")])).await;
    let db = test.db().await;
    for sql in [
        r#"UPDATE questions SET reply_content = '[{"value": "a", "retired": true}, "b"]' WHERE type = 'single_choice'"#,
        r#"UPDATE questions SET reply_content = '{"max": 3}' WHERE type = 'number'"#,
        "UPDATE surveys SET question_bytes = (
             SELECT sum(octet_length(content) + octet_length((reply_content::jsonb)::text)) FROM questions
         )",
    ] {
        db.rows(sql, &[]).await.unwrap();
    }
    drop(db);
    assert_eq!(test.call(delete_response, deletion(form.id, id, &ada)).await.status, 200);
    let left = "(SELECT FROM question_counters GROUP BY question_id, kind, part HAVING sum(n) <> 0 OR sum(total) <> 0)
                AS left_over";
    assert_eq!(test.count(left).await, 0);
}

#[tokio::test]
async fn a_response_is_deleted_from_its_own_survey_alone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let (one, other) = (form(&test, &ada).await, form(&test, &ada).await);
    let id = test.response(one.id, json!({})).await;
    for response in [id, Uuid::now_v7()] {
        let answer = test.call(delete_response, deletion(other.id, response, &ada)).await;
        answer.assert_problem(404, "not_found", "Response doesn't exist");
    }
    let answer = test.call(delete_response, deletion(Uuid::now_v7(), id, &ada)).await;
    answer.assert_problem(404, "not_found", "Survey doesn't exist");
    assert_eq!(test.count("responses").await, 1);
}

#[tokio::test]
async fn only_the_owner_deletes() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let form = form(&test, &ada).await;
    let id = test.response(form.id, json!({})).await;
    let call = delete("/").path("idSurvey", form.id).path("idResponse", id);
    let answer = test.call(delete_response, call).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    let answer = test.call(delete_response, deletion(form.id, id, &bob)).await;
    answer.assert_problem(403, "forbidden", "User bob not permited");
    test.db().await.rows("UPDATE surveys SET is_active = false", &[]).await.unwrap();
    let answer = test.call(delete_response, deletion(form.id, id, &bob)).await;
    answer.assert_problem(404, "not_found", "Survey doesn't exist");
    assert_eq!(test.count("responses").await, 1);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = delete("/").path("idSurvey", "x").bearer(&ada.access);
    test.call(delete_response, call).await.assert_invalid(
        json!({"idSurvey": "must be an id (a UUID)", "idResponse": "This field cannot be blank"}),
    );
}
