use super::order_questions;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, User, Uuid, put};

fn order(survey: Uuid, owner: &User, ids: &Value) -> Call {
    put("/surveys/x/questions/order")
        .path("idSurvey", survey)
        .bearer(&owner.access)
        .json(json!({ "order": ids }))
}

/// The questions of all surveys in their order.
async fn ids(test: &TestApp) -> Value {
    let sql = "SELECT json_agg(id ORDER BY position) AS ids, min(position) AS first, max(position) AS last FROM questions";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>("first"), row.get::<_, i32>("last")), (0, 2));
    row.get("ids")
}

#[tokio::test]
async fn questions_take_the_order_of_their_ids() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!(vec![json!({"type": "nps"}); 3])).await;
    let [a, b, c] = [0, 1, 2].map(|index: usize| form.questions[index]);
    for (version, wanted) in [(2, [c, a, b]), (3, [b, a, c]), (4, [b, a, c])] {
        let answer = test.call(order_questions, order(form.id, &ada, &json!(wanted))).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"message": "Questions were ordered"})));
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        assert_eq!(ids(&test).await, json!(wanted));
    }
    let upper = json!([a, b, c].map(|id| id.to_string().to_uppercase()));
    assert_eq!(test.call(order_questions, order(form.id, &ada, &upper)).await.status, 200);
    assert_eq!(ids(&test).await, json!([a, b, c]));
}

#[tokio::test]
async fn what_is_no_permutation_is_refused_and_changes_nothing() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!(vec![json!({"type": "nps"}); 3])).await;
    let [a, b, c] = [0, 1, 2].map(|index: usize| form.questions[index]);
    let before = ids(&test).await;
    let text = "must have the id of every question of the survey, each once";
    for bad in [
        json!([]),
        json!([c, b]),
        json!([c, b, b]),
        json!([c, b, a, a]),
        json!([c, b, Uuid::now_v7()]),
        json!([c, b, form.id]),
    ] {
        test.call(order_questions, order(form.id, &ada, &bad)).await.assert_invalid(json!({ "order": text }));
    }
    let answer = test.call(order_questions, order(form.id, &ada, &json!([a, "x"]))).await;
    answer.assert_invalid(json!({"order": "must be an id (a UUID)"}));
    let answer = test.call(order_questions, put("/").path("idSurvey", form.id).bearer(&ada.access)).await;
    answer.assert_invalid(json!({"order": "This field cannot be blank"}));
    assert_eq!(ids(&test).await, before);
    let row = test.db().await.row("SELECT version FROM surveys", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>("version"), 1);
}

#[tokio::test]
async fn of_two_orders_of_one_version_the_second_is_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!(vec![json!({"type": "nps"}); 3])).await;
    let [a, b, c] = [0, 1, 2].map(|index: usize| form.questions[index]);
    let call = |wanted: [Uuid; 3]| order(form.id, &ada, &json!(wanted)).header("if-match", "\"1\"");
    assert_eq!(test.call(order_questions, call([c, b, a])).await.status, 200);
    let answer = test.call(order_questions, call([b, a, c])).await;
    let text = "The survey was edited meanwhile: read it again, and repeat the edit";
    answer.assert_problem(412, "precondition_failed", text);
    assert_eq!(ids(&test).await, json!([c, b, a]));
}

#[tokio::test]
async fn only_the_owner_orders() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let form = test.form(&ada, json!(vec![json!({"type": "nps"}); 3])).await;
    let ids = json!(form.questions);
    let call = put("/").path("idSurvey", form.id).json(json!({ "order": ids }));
    let answer = test.call(order_questions, call).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    let answer = test.call(order_questions, order(form.id, &bob, &ids)).await;
    answer.assert_problem(403, "forbidden", "User bob not permited");
    test.db().await.rows("UPDATE surveys SET is_active = false", &[]).await.unwrap();
    for survey in [form.id, Uuid::now_v7()] {
        let answer = test.call(order_questions, order(survey, &bob, &ids)).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
    }
}
