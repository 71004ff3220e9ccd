use super::get_survey_questions;
use serde_json::json;
use shared::testing::{Call, Survey, TestApp, get};

fn questions(survey: &Survey) -> Call {
    get("/surveys/x/questions").path("idSurvey", survey.id)
}

#[tokio::test]
async fn questions_are_listed_in_their_order() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "version = 7").await;
    // Neither by id nor by insertion.
    let sql = r#"INSERT INTO questions SELECT (jsonb_populate_record(q, other)).*
        FROM questions q, jsonb_array_elements('[
            {"id": "00000000-0000-7000-8000-000000000002", "position": 2, "content": "two\nlines", "type": "single",
             "reply_content": ["cat", 1.50, null]},
            {"id": "00000000-0000-7000-8000-000000000003", "position": 1, "content": "Żółw?", "reply_content": "",
             "required": true}
        ]') AS other"#;
    test.db().await.rows(sql, &[]).await.unwrap();
    // Another survey's question is not among them.
    test.survey(&ada).await;
    let expected = r#"{"questions": [
        {"id": "FIRST", "content": "Which pet?", "type": "text", "required": false, "replyContent": null},
        {"id": "00000000-0000-7000-8000-000000000003", "content": "Żółw?", "type": "text", "required": true,
         "replyContent": ""},
        {"id": "00000000-0000-7000-8000-000000000002", "content": "two\nlines", "type": "single", "required": false,
         "replyContent": ["cat", 1.50, null]}
    ]}"#;
    let expected: serde_json::Value =
        serde_json::from_str(&expected.replace("FIRST", &survey.question.to_string())).unwrap();
    for call in [
        questions(&survey),
        get("/getsurveyquestions").header("idsurvey", &survey.id.to_string()),
        get("/getsurveyquestions").query("idSurvey", survey.id),
    ] {
        let answer = test.call(get_survey_questions, call).await;
        assert_eq!(answer.header("etag"), r#""7""#);
        assert_eq!((answer.status, answer.body), (200, expected.clone()));
    }
}

#[tokio::test]
async fn a_survey_without_questions_has_an_empty_list() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    test.db().await.rows("DELETE FROM questions", &[]).await.unwrap();
    let answer = test.call(get_survey_questions, questions(&survey)).await;
    assert_eq!(answer.header("etag"), r#""1""#);
    assert_eq!((answer.status, answer.body), (200, json!({"questions": []})));
}

#[tokio::test]
async fn a_draft_exists_for_its_owner_alone() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let draft = test.survey(&ada, "is_active = false, public_stats = true").await;
    let answer = test.call(get_survey_questions, questions(&draft).bearer(&ada.access)).await;
    assert_eq!((answer.status, &answer.body["questions"][0]["id"]), (200, &json!(draft.question)));
    for call in [questions(&draft), questions(&draft).bearer(&bob.access)] {
        let answer = test.call(get_survey_questions, call).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
    }
}

#[tokio::test]
async fn who_asks_for_a_draft_with_a_token_that_is_not_good_is_told_so() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let draft = test.survey(&ada, "is_active = false, public_stats = true").await;
    for (token, code, message) in [
        (test.expired(&ada).as_str(), "expired_token", "Token has expired"),
        (&ada.refresh, "wrong_token_type", "Only access tokens are allowed"),
        ("garbage", "invalid_token", "Not enough segments"),
    ] {
        let answer = test.call(get_survey_questions, questions(&draft).bearer(token)).await;
        answer.assert_problem(401, code, message);
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass", error="invalid_token""#);
    }
}

#[tokio::test]
async fn an_ended_survey_is_still_readable() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let ended = test.survey(&ada, "due_at = '2001-01-01'").await;
    let answer = test.call(get_survey_questions, questions(&ended)).await;
    assert_eq!((answer.status, &answer.body["questions"][0]["id"]), (200, &json!(ended.question)));
}

#[tokio::test]
async fn a_bad_token_makes_its_bearer_anyone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let open = test.survey(&ada).await;
    for token in ["garbage", "", ada.refresh.as_str()] {
        let answer = test.call(get_survey_questions, questions(&open).bearer(token)).await;
        assert_eq!((answer.status, &answer.body["questions"][0]["id"]), (200, &json!(open.question)));
    }
}

#[tokio::test]
async fn an_unknown_survey_is_not_found() {
    let test = TestApp::new().await;
    let call = get("/surveys/x/questions").path("idSurvey", "00000000-0000-7000-8000-000000000001");
    let answer = test.call(get_survey_questions, call).await;
    answer.assert_problem(404, "not_found", "Survey doesn't exist");
}

#[tokio::test]
async fn a_missing_or_malformed_id_is_a_fault() {
    let test = TestApp::new().await;
    let answer = test.call(get_survey_questions, get("/getsurveyquestions")).await;
    answer.assert_invalid(json!({"idSurvey": "This field cannot be blank"}));
    for id in ["1", "0", "-1", "1.5", "' OR 1=1 --"] {
        let answer = test.call(get_survey_questions, get("/getsurveyquestions").header("idSurvey", id)).await;
        answer.assert_invalid(json!({"idSurvey": "must be an id (a UUID)"}));
    }
}
