use super::order_questions;
use serde_json::{Value, json};
use shared::testing::{Call, SurveyBuilder, TestApp, TestSurvey, User, Uuid, put};

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

/// Version and last edit of the survey.
async fn edited(test: &TestApp) -> Value {
    let sql = "SELECT json_build_array(version, updated_at) AS edited FROM surveys";
    test.db().await.row(sql, &[]).await.unwrap().get("edited")
}

async fn three(survey: SurveyBuilder<'_>) -> TestSurvey {
    survey.questions(json!(vec![json!({"type": "nps"}); 3])).await
}

#[tokio::test]
async fn questions_take_the_order_of_their_ids() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = three(test.survey(&ada)).await;
    let [a, b, c] = [0, 1, 2].map(|index: usize| form.questions[index]);
    for (version, wanted) in [(2, [c, a, b]), (3, [b, a, c]), (4, [a, b, c])] {
        let before = edited(&test).await;
        let answer = test.call(order_questions, order(form.id, &ada, &json!(wanted))).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"message": "Questions were ordered"})));
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        assert_eq!(ids(&test).await, json!(wanted));
        let after = edited(&test).await;
        assert!(after[0] == version && after[1] != before[1], "{before} {after}");
    }
    let upper = json!([c, b, a].map(|id| id.to_string().to_uppercase()));
    assert_eq!(test.call(order_questions, order(form.id, &ada, &upper)).await.status, 200);
    assert_eq!(ids(&test).await, json!([c, b, a]));
}

#[tokio::test]
async fn the_order_that_is_there_leaves_version_and_moment_alone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = three(test.survey(&ada)).await;
    let before = edited(&test).await;
    let same = || order(form.id, &ada, &json!(form.questions));
    for call in [same(), same().header("if-match", "\"1\"")] {
        let answer = test.call(order_questions, call).await;
        assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""));
    }
    // A tag that is old is refused all the same.
    assert_eq!(test.call(order_questions, same().header("if-match", "\"2\"")).await.status, 412);
    let empty = test.survey(&ada).questions(json!([])).await;
    let answer = test.call(order_questions, order(empty.id, &ada, &json!([]))).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""));
    test.db().await.rows("DELETE FROM surveys WHERE id = $1", &[&empty.id]).await.unwrap();
    assert_eq!(edited(&test).await, before);
}

#[tokio::test]
async fn what_is_no_permutation_is_refused_and_changes_nothing() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = three(test.survey(&ada)).await;
    let [a, b, c] = [0, 1, 2].map(|index: usize| form.questions[index]);
    let before = (ids(&test).await, edited(&test).await);
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
    answer.assert_invalid(json!({"order[1]": "must be an id (a UUID)"}));
    let answer = test.call(order_questions, order(form.id, &ada, &json!([a, b, 7]))).await;
    answer.assert_invalid(json!({"order[2]": "must be text"}));
    let call = || put("/surveys/x/questions/order").path("idSurvey", form.id).bearer(&ada.access);
    let answer = test.call(order_questions, call()).await;
    answer.assert_invalid(json!({"order": "This field cannot be blank"}));
    let body = json!({"order": [c, b, a], "questions": []});
    let answer = test.call(order_questions, call().json(body).query("dryRun", "true")).await;
    let text = "is unknown: there are idSurvey, order";
    answer.assert_invalid(json!({"questions": text, "dryRun": text}));
    assert_eq!((ids(&test).await, edited(&test).await), before);
}

#[tokio::test]
async fn of_two_orders_of_one_version_the_second_is_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = three(test.survey(&ada)).await;
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
    for visible in [test.survey(&ada), test.survey(&ada).put_aside()] {
        let form = three(visible).await;
        let answer = test.call(order_questions, order(form.id, &bob, &json!(form.questions))).await;
        answer.assert_problem(403, "forbidden", "User bob not permited");
    }
    let draft = three(test.survey(&ada).draft()).await;
    for survey in [draft.id, Uuid::now_v7()] {
        let answer = test.call(order_questions, order(survey, &bob, &json!(draft.questions))).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
    }
}
