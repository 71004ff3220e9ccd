use super::get_survey_stats;
use serde_json::{Value, json};
use shared::testing::{Call, Survey, TestApp, get};

fn stats(survey: &Survey) -> Call {
    get("/surveys/x/stats").path("idSurvey", survey.id)
}

/// Replies 1 to `number`, in that order, each the JSON that `reply` makes of `n`.
async fn replies(test: &TestApp, question: &str, number: i32, reply: &str) {
    let sql = format!(
        "INSERT INTO replies (id, question_id, reply)
         SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $1::text::uuid, {reply}
         FROM generate_series($2, 1, -1) AS n"
    );
    test.db().await.rows(&sql, &[&question, &number]).await.unwrap();
}

#[tokio::test]
async fn the_owner_reads_every_question_with_its_answers_oldest_first() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "").await;
    let other = test.survey(&ada, "").await;
    let db = test.db().await;
    db.rows(
        r#"INSERT INTO questions SELECT (jsonb_populate_record(q, '{
               "id": "00000000-0000-7000-8000-000000000002", "position": 1, "content": "Żółw?", "type": "single"
           }')).*
           FROM questions q WHERE id = $1"#,
        &[&survey.question],
    )
    .await
    .unwrap();
    db.rows(
        "INSERT INTO replies (id, question_id, reply) VALUES
         ('00000000-0000-7000-8000-000000000003', $1, '[1.50, null]'),
         ('00000000-0000-7000-8000-000000000001', $1, '\"cat\"'),
         ('00000000-0000-7000-8000-000000000002', $1, 'null'),
         ('00000000-0000-7000-8000-000000000004', $2, '\"elsewhere\"')",
        &[&survey.question, &other.question],
    )
    .await
    .unwrap();
    drop(db);
    let expected = r#"[
        {"id": "FIRST", "type": "text", "votes": 3, "content": "Which pet?", "answers": ["cat", null, [1.50, null]]},
        {"id": "00000000-0000-7000-8000-000000000002", "type": "single", "votes": 0, "content": "Żółw?", "answers": []}
    ]"#;
    let expected: Value =
        serde_json::from_str(&expected.replace("FIRST", &survey.question.to_string())).unwrap();
    let id = survey.id.to_string();
    for call in [
        stats(&survey),
        get("/getsurveystats").header("id", &id),
        get("/getsurveystats").header("idSurvey", &id),
        get("/getsurveystats").query("id", &id),
    ] {
        let answer = test.call(get_survey_stats, call.bearer(&ada.access)).await;
        assert_eq!((answer.status, answer.body), (200, expected.clone()));
    }
}

#[tokio::test]
async fn published_results_are_for_anyone_even_after_the_end() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for with in ["public_stats = true", "public_stats = true, due_at = '2001-01-01'"] {
        let survey = test.survey(&ada, with).await;
        for call in [stats(&survey), stats(&survey).bearer(&bob.access), stats(&survey).bearer("garbage")] {
            let answer = test.call(get_survey_stats, call).await;
            assert_eq!((answer.status, &answer.body[0]["id"]), (200, &json!(survey.question)));
        }
    }
}

#[tokio::test]
async fn other_results_are_the_owners() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let survey = test.survey(&ada, "").await;
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&bob.access)).await;
    answer.assert_problem(403, "forbidden", "User bob not permited");
    let answer = test.call(get_survey_stats, stats(&survey)).await;
    let owners = "The results are for the survey's owner: send an access token";
    answer.assert_problem(401, "missing_token", owners);
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
    for token in ["garbage", ada.refresh.as_str()] {
        let answer = test.call(get_survey_stats, stats(&survey).bearer(token)).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
}

#[tokio::test]
async fn a_draft_exists_for_its_owner_alone() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for with in ["is_active = false", "is_active = false, public_stats = true"] {
        let draft = test.survey(&ada, with).await;
        let answer = test.call(get_survey_stats, stats(&draft).bearer(&ada.access)).await;
        assert_eq!((answer.status, &answer.body[0]["id"]), (200, &json!(draft.question)));
        for call in [stats(&draft), stats(&draft).bearer(&bob.access)] {
            let answer = test.call(get_survey_stats, call).await;
            answer.assert_problem(404, "not_found", &format!("Survey {} doesn't exist", draft.id));
        }
    }
}

#[tokio::test]
async fn an_unknown_survey_is_not_found() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let id = "00000000-0000-7000-8000-000000000001";
    for call in [get("/getsurveystats"), get("/getsurveystats").bearer(&ada.access)] {
        let answer = test.call(get_survey_stats, call.header("id", id)).await;
        answer.assert_problem(404, "not_found", &format!("Survey {id} doesn't exist"));
    }
}

#[tokio::test]
async fn a_missing_or_malformed_id_is_a_fault() {
    let test = TestApp::new().await;
    let answer = test.call(get_survey_stats, get("/getsurveystats")).await;
    answer.assert_invalid(json!({"id": "This field cannot be blank"}));
    let answer = test.call(get_survey_stats, get("/getsurveystats").header("id", "1.5")).await;
    answer.assert_invalid(json!({"id": "must be an id (a UUID)"}));
    let answer = test.call(get_survey_stats, get("/surveys/x/stats").path("idSurvey", "x")).await;
    answer.assert_invalid(json!({"idSurvey": "must be an id (a UUID)"}));
}

#[tokio::test]
async fn a_survey_without_questions_has_an_empty_list() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "question_count = 0, public_stats = true").await;
    test.db().await.rows("DELETE FROM questions", &[]).await.unwrap();
    for call in [stats(&survey), stats(&survey).bearer(&ada.access)] {
        let answer = test.call(get_survey_stats, call).await;
        assert_eq!((answer.status, answer.body), (200, json!([])));
    }
}

#[tokio::test]
async fn votes_are_exact_and_answers_the_newest_thousand() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "").await;
    replies(&test, &survey.question.to_string(), 1005, "to_jsonb(n)").await;
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    assert_eq!(answer.body[0]["votes"], 1005);
    assert_eq!(answer.body[0]["answers"], json!((6..=1005).collect::<Vec<_>>()));
}

#[tokio::test]
async fn the_answers_of_all_questions_together_fit_into_one_reply() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "question_count = 2").await;
    let sql = "INSERT INTO questions
               SELECT (jsonb_populate_record(q, jsonb_build_object('id', gen_random_uuid(), 'position', 1))).*
               FROM questions q";
    test.db().await.rows(sql, &[]).await.unwrap();
    // 64 KiB each, 12.5 MiB together.
    let sql = "INSERT INTO replies (id, question_id, reply)
               SELECT gen_random_uuid(), q.id, to_jsonb(repeat('x', 65534)) FROM questions q, generate_series(1, 100)";
    test.db().await.rows(sql, &[]).await.unwrap();
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    assert_eq!(answer.status, 200);
    for question in 0..2 {
        assert_eq!(answer.body[question]["votes"], 100);
        assert_eq!(answer.body[question]["answers"].as_array().unwrap().len(), 24);
    }
    assert!(answer.body.to_string().len() < 4 * 1024 * 1024);
}
