use super::get_survey_stats;
use serde_json::{Value, json};
use shared::{
    App, Reply, Request, Result,
    auth::Kind,
    http, revoked_tokens,
    testing::{Call, Survey, TestApp, User, get},
};

fn stats(survey: &Survey) -> Call {
    get("/surveys/x/stats").path("idSurvey", survey.id)
}

/// Replies 1 to `number`, newest first.
async fn replies(test: &TestApp, survey: &Survey, number: i32) {
    let sql = "WITH new AS (
                   SELECT n, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id
                   FROM generate_series($3, 1, -1) AS n
               ), responses AS (
                   INSERT INTO responses (id, survey_id, single, bytes) SELECT id, $1, true, 45 FROM new
               ), counters AS (
                   INSERT INTO question_counters (question_id, kind, part, shard, n, total)
                   SELECT $2, 'single', '', n % 16, count(*), 0 FROM new GROUP BY n % 16
               )
               INSERT INTO replies (id, response_id, question_id, reply) SELECT id, id, $2, to_json(n) FROM new";
    test.db().await.rows(sql, &[&survey.id, &survey.question, &number]).await.unwrap();
}

#[tokio::test]
async fn the_owner_reads_every_question_with_its_answers_oldest_first() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "question_count = 3").await;
    let other = test.survey(&ada).await;
    test.db()
        .await
        .rows(
            r#"INSERT INTO questions SELECT (jsonb_populate_record(q, other)).*
               FROM questions q, jsonb_array_elements('[
                   {"id": "00000000-0000-7000-8000-000000000002", "position": 2, "content": "Żółw?", "type": "single"},
                   {"id": "00000000-0000-7000-8000-000000000003", "position": 1, "content": "How many?",
                    "type": "number"}
               ]') AS other WHERE q.id = $1"#,
            &[&survey.question],
        )
        .await
        .unwrap();
    let number = "00000000-0000-7000-8000-000000000003".parse().unwrap();
    test.reply(survey.question, json!("cat")).await;
    test.reply(other.question, json!("elsewhere")).await;
    test.reply(number, json!(2)).await;
    test.reply(survey.question, json!(null)).await;
    test.reply(survey.question, serde_json::from_str("[1.50, null, 1E-16000]").unwrap()).await;
    test.reply(number, serde_json::from_str("-0.50").unwrap()).await;
    let expected = r#"[
        {"id": "FIRST", "type": "text", "votes": 3, "content": "Which pet?",
         "answers": ["cat", null, [1.50, null, 1e-16000]], "summary": {}},
        {"id": "00000000-0000-7000-8000-000000000003", "type": "number", "votes": 2, "content": "How many?",
         "answers": [2, -0.50], "summary": {"count": 2, "sum": 1.5, "mean": 0.75, "min": -0.5, "max": 2, "histogram": [
            {"from": -0.6, "to": -0.5, "count": 1}, {"from": 2, "to": 3, "count": 1}
         ]}},
        {"id": "00000000-0000-7000-8000-000000000002", "type": "single", "votes": 0, "content": "Żółw?", "answers": [],
         "summary": {}}
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
    let survey = test.survey(&ada).await;
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&bob.access)).await;
    answer.assert_problem(403, "forbidden", "User bob not permited");
    let answer = test.call(get_survey_stats, stats(&survey)).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
}

/// Tokens of `user` that are not good, and what is said of each.
async fn bad_tokens(test: &TestApp, user: &User) -> [(String, &'static str, &'static str); 4] {
    let revoked = test.app.keys().unwrap().issue(Kind::Access, user.id, &user.username).unwrap();
    test.call(revoke, get("/").bearer(&revoked)).await;
    [
        (test.expired(user), "expired_token", "Token has expired"),
        (revoked, "revoked_token", "Token has been revoked"),
        (user.refresh.clone(), "wrong_token_type", "Only access tokens are allowed"),
        ("garbage".to_owned(), "invalid_token", "Not enough segments"),
    ]
}

async fn revoke(app: App, request: Request) -> Result<Reply> {
    let (db, caller) = app.authenticated(&request).await?;
    revoked_tokens::insert(&db, &caller).await?;
    http::ok(&json!({}))
}

#[tokio::test]
async fn an_owner_whose_token_is_not_good_is_told_so_instead() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let tokens = bad_tokens(&test, &ada).await;
    for with in ["", "is_active = false", "is_active = false, public_stats = true"] {
        let survey = test.survey(&ada, with).await;
        for (token, code, message) in &tokens {
            let answer = test.call(get_survey_stats, stats(&survey).bearer(token)).await;
            answer.assert_problem(401, code, message);
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass", error="invalid_token""#);
        }
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
    let survey = test.survey(&ada).await;
    replies(&test, &survey, 1005).await;
    test.assert_counted().await;
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
    let ids = test.db().await.rows("SELECT id FROM questions ORDER BY position", &[]).await.unwrap();
    // 64 KiB each, 12.5 MiB together.
    let long = "x".repeat(65_524);
    for n in 0..100 {
        for question in &ids {
            test.reply(question.get("id"), json!(format!("{n:>10}{long}"))).await;
        }
    }
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    assert_eq!(answer.status, 200);
    // 8 times 64 KiB are half of 1 MiB, just.
    let newest: Vec<_> = (92..100).map(|n| json!(format!("{n:>10}{long}"))).collect();
    for question in 0..2 {
        assert_eq!(answer.body[question]["votes"], 100);
        assert!(answer.body[question]["answers"] == json!(newest));
    }
    assert!(answer.body.to_string().len() < 2 * 1024 * 1024);
}

#[tokio::test]
async fn numbers_that_would_be_long_are_not_written_out() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    // 65,530 bytes each, and 11 GB together if each number had its 16,000 digits.
    let reply: Value = serde_json::from_str(&format!("[{}]", vec!["1e-16000"; 7281].join(","))).unwrap();
    for _ in 0..100 {
        test.reply(survey.question, reply.clone()).await;
    }
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    assert_eq!((answer.status, &answer.body[0]["votes"]), (200, &json!(100)));
    assert!(answer.body[0]["answers"] == json!(vec![reply; 16]));
    assert!(answer.body.to_string().len() < 2 * 1024 * 1024);
}
