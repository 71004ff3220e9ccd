use super::add_question;
use serde_json::{Value, json};
use shared::testing::{Call, Survey, TestApp, User, post};
use std::sync::Arc;

fn question(owner: &User, survey: &Survey, content: &str) -> Call {
    let body = json!({"content": content, "type": "text"});
    post("/surveys/x/questions").path("idSurvey", survey.id).bearer(&owner.access).json(body)
}

#[tokio::test]
async fn questions_are_added_behind_the_others() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    for content in ["Żółw?\nReally.", "Why?"] {
        let answer = test.call(add_question, question(&ada, &survey, content)).await;
        assert_eq!(answer.status, 201);
        let db = test.db().await;
        let row = db.row("SELECT id::text FROM questions WHERE content = $1", &[&content]).await.unwrap();
        let id: String = row.get("id");
        assert_eq!(answer.body, json!({"message": "Question was added", "id": id}));
    }
    let row = test
        .db()
        .await
        .row(
            "SELECT array_agg(content ORDER BY position) AS contents, array_agg(position ORDER BY position) AS positions,
                    min(question_count) AS question_count, min(version) AS version, bool_or(required) AS required
             FROM questions q JOIN surveys s ON s.id = survey_id",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, Vec<String>>("contents"), ["Which pet?", "Żółw?\nReally.", "Why?"]);
    assert_eq!(row.get::<_, Vec<i32>>("positions"), [0, 1, 2]);
    assert_eq!((row.get::<_, i32>("question_count"), row.get::<_, i32>("version")), (3, 3));
    assert!(!row.get::<_, bool>("required"));
}

#[tokio::test]
async fn flaskforms_headers_do_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let call = post("/addquestion")
        .bearer(&ada.access)
        .header("idSurvey", &survey.id.to_string())
        .header("content", "Why?")
        .header("type", "single")
        .body(r#"{"replyContent": ["a", "b"]}"#);
    assert_eq!(test.call(add_question, call).await.status, 201);
    let row = test
        .db()
        .await
        .row("SELECT content, type, reply_content FROM questions WHERE position = 1", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>("content"), row.get::<_, &str>("type")), ("Why?", "single"));
    assert_eq!(row.get::<_, Value>("reply_content"), json!(["a", "b"]));
}

#[tokio::test]
async fn the_reply_content_is_kept_as_sent() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let all = [
        r#"[1, 2.50, true, null, "x"]"#,
        r#"[{"a": {"b": []}}]"#,
        r#"{"a": 12345678901234567890123}"#,
        "[1e-400, -1E-16384, 0e999999999, -0e-99999999999999999999]",
        r#""one""#,
        r#""""#,
        "[]",
        "false",
        r#""Żółw 🐢\n\"""#,
    ];
    for sent in all {
        let body = format!(r#"{{"content": "Why?", "type": "text", "replyContent": {sent}}}"#);
        let call = post("/surveys/x/questions").path("idSurvey", survey.id).bearer(&ada.access).body(body);
        assert_eq!(test.call(add_question, call).await.status, 201, "{sent}");
        let sql = "SELECT reply_content::text FROM questions ORDER BY position DESC LIMIT 1";
        let stored: String = test.db().await.row(sql, &[]).await.unwrap().get("reply_content");
        assert_eq!(stored, serde_json::from_str::<Value>(sent).unwrap().to_string());
    }
}

#[tokio::test]
async fn a_question_may_be_required() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let with = |required: Value| {
        let body = json!({"content": "Why?", "type": "text", "required": required});
        post("/surveys/x/questions").path("idSurvey", survey.id).bearer(&ada.access).json(body)
    };
    assert_eq!(test.call(add_question, with(json!(true))).await.status, 201);
    assert_eq!(test.call(add_question, with(json!("False"))).await.status, 201);
    let answer = test.call(add_question, with(json!("perhaps"))).await;
    answer.assert_invalid(json!({"required": "must be true or false"}));
    let sql = "SELECT array_agg(required ORDER BY position) AS required FROM questions";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, Vec<bool>>("required"), [false, true, false]);
}

#[tokio::test]
async fn the_rules_of_a_typed_question_are_checked() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let with = |r#type: &str, rules: &Value| {
        let body = json!({"content": "Why?", "type": r#type, "replyContent": rules});
        post("/surveys/x/questions").path("idSurvey", survey.id).bearer(&ada.access).json(body)
    };
    let options = "must be a list of options, or an object with options";
    for (r#type, rules, fault) in [
        ("single_choice", json!(null), options),
        ("multi_choice", json!("cat"), options),
        ("ranking", json!(["cat", "cat"]), "options: \"cat\" is there twice"),
        ("scale", json!({"min": 5, "max": 1}), "min: must be below max"),
        ("nps", json!({"min": 1}), "min: this type has no rules"),
        ("number", json!([1, 2]), "must be an object with the rules of a number"),
        ("boolean", json!({"a": 1}), "a: this type has no rules"),
        ("short_text", json!({"lines": 2}), "lines: unknown rule; there are minLength, maxLength, pattern"),
    ] {
        let answer = test.call(add_question, with(r#type, &rules)).await;
        answer.assert_invalid(json!({ "replyContent": fault }));
        // To a type of the client's own they mean nothing.
        assert_eq!(
            test.call(add_question, with(&r#type.to_uppercase(), &rules)).await.status,
            201,
            "{rules}"
        );
    }
    assert_eq!(test.count("questions").await, 9);
    for (r#type, rules) in [
        ("short_text", json!(null)),
        ("long_text", json!({"maxLength": 20_000})),
        ("number", json!({"min": 0.5, "step": 0.1})),
        ("boolean", json!({})),
        ("single_choice", json!(["cat", 7, {"value": "dog", "label": "A dog"}])),
        ("multi_choice", json!({"options": ["cat"], "other": true})),
        ("ranking", json!(["cat", "dog"])),
        ("scale", json!(null)),
        ("nps", json!(null)),
        ("matrix", json!({"rows": ["cat"], "columns": ["good", "bad"]})),
        ("date", json!({"min": "2030-01-31"})),
        ("time", json!({"max": "18:00"})),
        ("datetime", json!({"max": "2030-01-31T18:00:00+01:00"})),
    ] {
        let answer = test.call(add_question, with(r#type, &rules)).await;
        assert_eq!(answer.status, 201, "{type}: {}", answer.body);
    }
}

#[tokio::test]
async fn questions_added_at_the_same_time_get_positions_without_gaps() {
    let test = Arc::new(TestApp::with(|config| config.concurrency = 8).await);
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (test, call) = (test.clone(), question(&ada, &survey, &format!("Number {n}")));
        racing.spawn(async move { test.call(add_question, call).await.status });
    }
    assert_eq!(racing.join_all().await, [201; 20]);
    let sql = "SELECT array_agg(position ORDER BY position) AS positions, count(DISTINCT content) AS contents
               FROM questions";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, Vec<i32>>("positions"), (0..=20).collect::<Vec<_>>());
    assert_eq!(row.get::<_, i64>("contents"), 21);
}

#[tokio::test]
async fn five_hundred_questions_are_the_limit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "question_count = 499").await;
    assert_eq!(test.call(add_question, question(&ada, &survey, "The 500th")).await.status, 201);
    let answer = test.call(add_question, question(&ada, &survey, "The 501st")).await;
    answer.assert_invalid(json!({"idSurvey": "a survey may have at most 500 questions"}));
    assert_eq!(test.count("questions").await, 2);
}

#[tokio::test]
async fn one_mebibyte_of_questions_is_the_limit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "question_bytes = 1048576 - 14").await;
    let with = |reply_content: &str| {
        let body = json!({"content": "Why?", "type": "text", "replyContent": reply_content});
        post("/surveys/x/questions").path("idSurvey", survey.id).bearer(&ada.access).json(body)
    };
    // Counted as JSON: ["Why?","abc"].
    let answer = test.call(add_question, with("abcd")).await;
    answer
        .assert_invalid(json!({"replyContent": "the questions of a survey may have at most 1 MiB together"}));
    assert_eq!(test.count("questions").await, 1);
    assert_eq!(test.call(add_question, with("abc")).await.status, 201);
    assert_eq!(test.call(add_question, question(&ada, &survey, "1")).await.status, 400);
}

#[tokio::test]
async fn only_the_owner_may_add() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let survey = test.survey(&ada).public_stats().await;
    let answer = test.call(add_question, question(&bob, &survey, "Mine?")).await;
    answer.assert_problem(403, "forbidden", "User bob not permited");
    let sql = "SELECT question_count, question_bytes, version FROM surveys";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>("version"), 1);
    assert_eq!((row.get::<_, i32>("question_count"), row.get::<_, i32>("question_bytes")), (1, 10));
    assert_eq!(test.count("questions").await, 1);
}

#[tokio::test]
async fn somebody_elses_draft_and_an_unknown_survey_are_not_found() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let draft = test.survey(&ada).draft().await;
    let unknown = Survey { id: draft.question, question: draft.question };
    for survey in [&draft, &unknown] {
        let answer = test.call(add_question, question(&bob, survey, "Mine?")).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
    }
    assert_eq!(test.count("questions").await, 1);
}

#[tokio::test]
async fn the_owner_may_extend_a_draft_and_an_ended_survey() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for with in ["is_active = false", "due_at = '2001-01-01'"] {
        let survey = test.survey(&ada, with).await;
        assert_eq!(test.call(add_question, question(&ada, &survey, "Why?")).await.status, 201, "{with}");
    }
}

#[tokio::test]
async fn all_faults_are_named_at_once_and_nothing_is_stored() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let blank = "This field cannot be blank";
    let answer = test.call(add_question, post("/addquestion").bearer(&ada.access)).await;
    answer.assert_invalid(json!({"idSurvey": blank, "content": blank, "type": blank}));
    let bad = |id: &str, content: &str, r#type: &str, reply_content: Value| {
        post("/addquestion")
            .bearer(&ada.access)
            .json(json!({"idSurvey": id, "content": content, "type": r#type, "replyContent": reply_content}))
    };
    let answer = test.call(add_question, bad("7", &"c".repeat(10_001), &"t".repeat(51), json!(["\u{0}"])));
    answer.await.assert_invalid(json!({
        "idSurvey": "must be an id (a UUID)",
        "content": "may have at most 10000 characters",
        "type": "may have at most 50 characters",
        "replyContent": "must not have the control character U+0000",
    }));
    let id = survey.id.to_string();
    let answer = test.call(add_question, bad(&id, "a\u{0}", "a\nb", json!({"\u{1b}": 1}))).await;
    answer.assert_invalid(json!({
        "content": "must not have the control character U+0000",
        "type": "must be a single line",
        "replyContent": "must not have the control character U+001B",
    }));
    assert_eq!(test.count("questions").await, 1);
    let answer = test.call(add_question, bad(&id, &"Ż".repeat(10_000), &"Ż".repeat(50), json!(null))).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_parameters_are_read() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let answer = test.call(add_question, post("/addquestion").body("{ not json")).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
    let call = post("/addquestion").bearer(&ada.refresh).json(json!({
        "idSurvey": survey.id, "content": "Why?", "type": "text",
    }));
    let answer = test.call(add_question, call).await;
    answer.assert_problem(401, "wrong_token_type", "Only access tokens are allowed");
    assert_eq!(test.count("questions").await, 1);
}
