use super::duplicate_survey;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, User, Uuid, post};

fn copy(survey: Uuid, owner: &User) -> Call {
    post("/surveys/x/duplicate").path("idSurvey", survey).bearer(&owner.access)
}

/// All of a survey that a copy has, too.
async fn definition(test: &TestApp, survey: Uuid) -> Value {
    let sql = "SELECT json_build_array(
                   s.owner_id, description, opens_at, due_at, visibility, public_stats, question_count, question_bytes,
                   (SELECT max_responses FROM response_limits WHERE survey_id = s.id),
                   (SELECT json_agg(json_build_array(position, content, type, required, reply_content) ORDER BY position)
                    FROM questions WHERE survey_id = s.id)
               ) AS definition FROM surveys s WHERE id = $1";
    test.db().await.row(sql, &[&survey]).await.unwrap().get("definition")
}

#[tokio::test]
async fn a_copy_is_a_draft_with_the_same_questions_and_no_responses() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test
        .form(
            &ada,
            json!([
                {"type": "single_choice", "required": true, "replyContent": ["b", {"value": "a", "label": "A"}]},
                {"type": "colour", "replyContent": {"n": 1.5}},
                {"type": "nps"},
            ]),
        )
        .await;
    test.limit(form.id, 7).await;
    let db = test.db().await;
    let sql = "UPDATE surveys SET visibility = 'unlisted', public_stats = true, opens_at = now() - interval '1 hour'";
    db.rows(sql, &[]).await.unwrap();
    drop(db);
    test.response(form.id, form.answers([json!("a"), json!("red"), json!(9)])).await;
    let answer = test.call(duplicate_survey, copy(form.id, &ada)).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("Survey was duplicated")));
    let id: Uuid = answer.body["id"].as_str().unwrap().parse().unwrap();
    assert_ne!(id, form.id);
    assert_eq!(definition(&test, id).await, definition(&test, form.id).await);
    let sql = "SELECT name, is_active, version, sub_count(id), (SELECT taken FROM response_limits WHERE survey_id = id) AS taken
               FROM surveys WHERE id = $1";
    let row = test.db().await.row(sql, &[&id]).await.unwrap();
    assert_eq!((row.get::<_, &str>("name"), row.get::<_, bool>("is_active")), ("Copy of pets", false));
    let numbers = (row.get::<_, i64>("sub_count"), row.get::<_, i64>("taken"), row.get::<_, i32>("version"));
    assert_eq!(numbers, (0, 0, 1));
    assert_eq!(test.count("responses").await, 1);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_copy_may_have_a_name_of_its_own() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let long = "ż".repeat(200);
    let form = test.survey(&ada, &format!("name = '{long}'")).await;
    for (call, name) in [
        (copy(form.id, &ada).json(json!({"name": " cats "})), "cats".to_owned()),
        (copy(form.id, &ada), format!("Copy of {}", "ż".repeat(192))),
    ] {
        let answer = test.call(duplicate_survey, call).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let sql = format!("surveys WHERE id = '{}' AND name = '{name}'", answer.body["id"].as_str().unwrap());
        assert_eq!(test.count(&sql).await, 1);
    }
    let answer =
        test.call(duplicate_survey, copy(form.id, &ada).json(json!({"name": "x".repeat(201)}))).await;
    answer.assert_invalid(json!({"name": "may have at most 200 characters"}));
}

#[tokio::test]
async fn a_survey_without_questions_is_copied_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([])).await;
    assert_eq!(test.call(duplicate_survey, copy(form.id, &ada)).await.status, 201);
    assert_eq!((test.count("surveys").await, test.count("questions").await), (2, 0));
    test.assert_counted().await;
}

#[tokio::test]
async fn only_the_owner_copies() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let survey = test.survey(&ada).await;
    let answer = test.call(duplicate_survey, post("/").path("idSurvey", survey.id)).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    let answer = test.call(duplicate_survey, copy(survey.id, &bob)).await;
    answer.assert_problem(403, "forbidden", "User bob not permited");
    let draft = test.survey(&ada).draft().await;
    for survey in [draft.id, Uuid::now_v7()] {
        let answer = test.call(duplicate_survey, copy(survey, &bob)).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
    }
    assert_eq!(test.count("surveys").await, 2);
    // Its own drafts a user may copy.
    assert_eq!(test.call(duplicate_survey, copy(draft.id, &ada)).await.status, 201);
}
