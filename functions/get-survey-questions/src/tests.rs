use super::get_survey_questions;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, TestSurvey, Uuid, get};

fn questions(survey: &TestSurvey) -> Call {
    get("/surveys/x/questions").path("idSurvey", survey.id)
}

#[tokio::test]
async fn questions_are_listed_in_their_order() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let number = || serde_json::from_str::<Value>("1.50").unwrap();
    let made = json!([
        {"type": "single", "content": "two\nlines", "replyContent": ["cat", number(), null]},
        {"type": "x-pet", "content": "Żółw?", "required": true, "replyContent": ""},
        {"type": "single_choice", "content": "Which pet?", "replyContent": {"options": ["cat"], "other": true}},
        {"type": "text"},
    ]);
    let survey = test.survey(&ada).questions(made).await;
    // Neither by id nor by insertion.
    let sql = "UPDATE questions SET position = 3 - position";
    test.db().await.rows(sql, &[]).await.unwrap();
    test.db().await.rows("UPDATE surveys SET version = 7", &[]).await.unwrap();
    // Another survey's question is not among them.
    test.survey(&ada).await;
    let [d, c, b, a] = [0, 1, 2, 3].map(|index: usize| survey.questions[index]);
    let expected = json!({"questions": [
        {"id": a, "content": "Why?", "type": "text", "required": false, "replyContent": null},
        {"id": b, "content": "Which pet?", "type": "single_choice", "required": false,
         "replyContent": {"options": ["cat"], "other": true}},
        {"id": c, "content": "Żółw?", "type": "x-pet", "required": true, "replyContent": ""},
        {"id": d, "content": "two\nlines", "type": "single", "required": false, "replyContent": ["cat", number(), null]},
    ]});
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
    let survey = test.survey(&ada).questions(json!([])).await;
    let answer = test.call(get_survey_questions, questions(&survey)).await;
    assert_eq!(answer.header("etag"), r#""1""#);
    assert_eq!((answer.status, answer.body), (200, json!({"questions": []})));
}

#[tokio::test]
async fn a_draft_exists_for_its_owner_alone() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for draft in [
        test.survey(&ada).draft(),
        test.survey(&ada).draft().public_stats().past_due(),
        test.survey(&ada).draft().scheduled(),
    ] {
        let draft = draft.await;
        let answer = test.call(get_survey_questions, questions(&draft).bearer(&ada.access)).await;
        assert_eq!((answer.status, &answer.body["questions"][0]["id"]), (200, &json!(draft.question)));
        let unknown = TestSurvey { id: Uuid::now_v7(), question: draft.question, questions: vec![] };
        let calls: [&dyn Fn(&TestSurvey) -> Call; 3] =
            [&questions, &|survey| questions(survey).bearer(&bob.access), &|survey| {
                get("/getsurveyquestions").header("idSurvey", &survey.id.to_string())
            }];
        for call in calls {
            let answer = test.call(get_survey_questions, call(&draft)).await;
            answer.assert_problem(404, "not_found", "Survey doesn't exist");
            let unknown = test.call(get_survey_questions, call(&unknown)).await;
            assert_eq!((answer.status, answer.body), (unknown.status, unknown.body));
        }
    }
}

#[tokio::test]
async fn who_asks_for_a_draft_with_a_token_that_is_not_good_is_told_so() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let draft = test.survey(&ada).draft().public_stats().await;
    for (token, code, message) in [
        (&test.expired(&ada), "expired_token", "Token has expired"),
        (&ada.refresh, "wrong_token_type", "Only access tokens are allowed"),
    ] {
        let answer = test.call(get_survey_questions, questions(&draft).bearer(token)).await;
        answer.assert_problem(401, code, message);
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass", error="invalid_token""#);
    }
}

#[tokio::test]
async fn whatever_is_no_draft_is_readable_by_everybody() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for survey in [
        test.survey(&ada),
        test.survey(&ada).unlisted(),
        test.survey(&ada).scheduled(),
        test.survey(&ada).due("2001-01-01T00:00:00Z"),
        test.survey(&ada).put_aside(),
        test.survey(&ada).put_aside().scheduled(),
    ] {
        let survey = survey.await;
        for call in [questions(&survey), questions(&survey).bearer(&bob.access)] {
            let answer = test.call(get_survey_questions, call).await;
            assert_eq!((answer.status, &answer.body["questions"][0]["id"]), (200, &json!(survey.question)));
        }
    }
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

#[tokio::test]
async fn a_name_that_nothing_has_is_a_fault_on_the_resource_path_alone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let answer = test.call(get_survey_questions, questions(&survey).query("limit", 1)).await;
    answer.assert_invalid(json!({"limit": "is unknown: there are idSurvey"}));
    let call = get("/getsurveyquestions").query("idSurvey", survey.id).query("limit", 1);
    assert_eq!(test.call(get_survey_questions, call).await.status, 200);
}

#[tokio::test]
async fn who_has_the_questions_is_told_that_they_are_the_same_until_an_edit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let call =
        |known: &str| get("/surveys/x/questions").path("idSurvey", survey.id).header("if-none-match", known);
    let first = test.call(get_survey_questions, call("")).await;
    assert_eq!((first.status, first.header("etag")), (200, "\"1\""));
    for known in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = test.text(get_survey_questions, call(known)).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{known}");
    }
    test.db().await.write("UPDATE surveys SET version = 2 WHERE id = $1", &[&survey.id]).await.unwrap();
    let second = test.call(get_survey_questions, call("\"1\"")).await;
    assert_eq!((second.status, second.header("etag"), &second.body), (200, "\"2\"", &first.body));
}
