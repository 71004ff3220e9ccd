use super::duplicate_survey;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, User, Uuid, post};

fn copy(survey: Uuid, owner: &User) -> Call {
    post(&format!("/surveys/{survey}/duplicate")).path("idSurvey", survey).bearer(&owner.access)
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
    let questions = json!([
        {"type": "single_choice", "required": true, "replyContent": ["b", {"value": "a", "label": "A"}]},
        {"type": "colour", "replyContent": {"n": 1.5}},
        {"type": "nps"},
    ]);
    let form = test.survey(&ada).questions(questions).desc("two\nlines").limit(7).unlisted().public_stats();
    let form = form
        .opens("2001-01-01T00:00:00Z")
        .made("2001-01-01T00:00:00Z")
        .edited(3, "2002-01-01T00:00:00Z")
        .await;
    test.response(form.id, form.answers([json!("a"), json!("red"), json!(9)])).await;
    let answer = test.call(duplicate_survey, copy(form.id, &ada)).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("Survey was duplicated")));
    let id: Uuid = answer.body["id"].as_str().unwrap().parse().unwrap();
    assert_ne!(id, form.id);
    assert_eq!(definition(&test, id).await, definition(&test, form.id).await);
    let sql = "SELECT name, is_active, version, sub_count(id), (SELECT taken FROM response_limits WHERE survey_id = id) AS taken,
                      created_at = updated_at AND created_at > '2002-01-01Z' AS is_new
               FROM surveys WHERE id = $1";
    let row = test.db().await.row(sql, &[&id]).await.unwrap();
    assert_eq!((row.get::<_, &str>("name"), row.get::<_, bool>("is_active")), ("Copy of pets", false));
    let numbers = (row.get::<_, i64>("sub_count"), row.get::<_, i64>("taken"), row.get::<_, i32>("version"));
    assert_eq!((numbers, row.get::<_, bool>("is_new")), ((0, 0, 1), true));
    assert_eq!(test.count("responses").await, 1);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_copy_gives_numbers_and_slots_anew() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let questions = json!([
        {"type": "boolean"},
        {"type": "single_choice", "replyContent": ["a", "b"]},
        {"type": "nps"},
    ]);
    let form = test.survey(&ada).questions(questions).await;
    for edited_often in [
        "UPDATE surveys SET last_number = last_number + 5, slot_count = slot_count + 7",
        "UPDATE questions SET number = number + 5,
                              slots = (SELECT json_object_agg(key, value::integer + 7) FROM json_each_text(slots))",
    ] {
        test.db().await.write(edited_often, &[]).await.unwrap();
    }
    let answer = test.call(duplicate_survey, copy(form.id, &ada)).await;
    let id: Uuid = answer.body["id"].as_str().unwrap().parse().unwrap();
    let sql = "SELECT last_number, slot_count,
                      ARRAY(SELECT number FROM questions WHERE survey_id = s.id ORDER BY position) AS numbers,
                      ARRAY(SELECT value::integer FROM questions, json_each_text(slots) WHERE survey_id = s.id
                            ORDER BY position, value::integer) AS slots
               FROM surveys s WHERE id = $1";
    let row = test.db().await.row(sql, &[&id]).await.unwrap();
    let (numbers, slots): (Vec<i32>, Vec<i32>) = (row.get("numbers"), row.get("slots"));
    assert_eq!((numbers, row.get("last_number")), (vec![1, 2, 3], 3));
    assert_eq!(slots.len(), 3 + 3 + 12);
    assert_eq!(slots, (0..row.get("slot_count")).collect::<Vec<_>>());
    test.assert_counted().await;
}

#[tokio::test]
async fn a_copy_may_have_a_name_of_its_own() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let long = "ż".repeat(200);
    let form = test.survey(&ada).name(&long).await;
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
    let form = test.survey(&ada).questions(json!([])).await;
    assert_eq!(test.call(duplicate_survey, copy(form.id, &ada)).await.status, 201);
    assert_eq!((test.count("surveys").await, test.count("questions").await), (2, 0));
    test.assert_counted().await;
}

#[tokio::test]
async fn a_copy_was_never_open_whatever_became_of_the_survey() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for survey in [
        test.survey(&ada).await,
        test.survey(&ada).put_aside().await,
        test.survey(&ada).past_due().await,
        test.survey(&ada).scheduled().await,
        test.survey(&ada).draft().await,
    ] {
        let answer = test.call(duplicate_survey, copy(survey.id, &ada)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let id = answer.body["id"].as_str().unwrap();
        let draft = format!("surveys s WHERE id = '{id}' AND survey_state(s, false) = 'draft'");
        assert_eq!(test.count(&draft).await, 1);
    }
}

#[tokio::test]
async fn what_is_unknown_or_not_of_its_type_is_named() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let call = copy(survey.id, &ada).query("desc", "x").json(json!({"name": 5, "isActive": true}));
    test.call(duplicate_survey, call).await.assert_invalid(json!({
        "name": "must be text",
        "desc": "is unknown: there are idSurvey, name",
        "isActive": "is unknown: there are idSurvey, name",
    }));
    let call = copy(survey.id, &ada).path("idSurvey", "7");
    test.call(duplicate_survey, call).await.assert_invalid(json!({"idSurvey": "must be an id (a UUID)"}));
    let call = copy(survey.id, &ada).body(r#"{"name": "cats", "name": "dogs"}"#);
    let answer = test.call(duplicate_survey, call).await;
    answer.assert_problem(400, "malformed_body", r#"The body gives the name "name" twice in one object"#);
    for none in [json!({}), json!({ "name": null }), json!({"name": " "})] {
        assert_eq!(test.call(duplicate_survey, copy(survey.id, &ada).json(none)).await.status, 201);
    }
    assert_eq!(test.count("surveys WHERE name = 'Copy of pets'").await, 3);
}

#[tokio::test]
async fn only_the_owner_copies() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for survey in [test.survey(&ada).await, test.survey(&ada).put_aside().await] {
        let answer = test.call(duplicate_survey, copy(survey.id, &bob)).await;
        answer.assert_problem(403, "forbidden", "User bob not permited");
    }
    let draft = test.survey(&ada).draft().await;
    for survey in [draft.id, Uuid::now_v7()] {
        let answer = test.call(duplicate_survey, copy(survey, &bob)).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
    }
    assert_eq!(test.count("surveys").await, 3);
    // Its own drafts a user may copy.
    assert_eq!(test.call(duplicate_survey, copy(draft.id, &ada)).await.status, 201);
}
