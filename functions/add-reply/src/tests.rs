use super::add_reply;
use serde_json::{Value, json};
use shared::testing::{Call, Survey, TestApp, post};
use std::sync::Arc;

fn reply(survey: &Survey, json: &str) -> Call {
    post("/questions/x/replies").path("idQuestion", survey.question).body(format!(r#"{{"reply": {json}}}"#))
}

#[tokio::test]
async fn a_reply_is_added_without_a_token() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let answer = test.call(add_reply, reply(&survey, r#""cat""#)).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("Reply was added")));
    let sql = "SELECT p.id::text, question_id::text, reply, survey_id::text, single, r.id = p.id AS same
               FROM replies p JOIN responses r ON r.id = response_id";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(answer.body, json!({"message": "Reply was added", "id": row.get::<_, String>("id")}));
    assert_eq!(row.get::<_, String>("question_id"), survey.question.to_string());
    assert_eq!(row.get::<_, Value>("reply"), "cat");
    assert_eq!(row.get::<_, String>("survey_id"), survey.id.to_string());
    assert!(row.get::<_, bool>("single") && row.get::<_, bool>("same"));
}

/// How many replies the counters of a question say there are.
async fn counted(test: &TestApp, survey: &Survey) -> i64 {
    let sql = "SELECT coalesce(sum(n), 0)::bigint AS n FROM question_counters
               WHERE question_id = $1 AND kind = 'single' AND part = ''";
    test.db().await.row(sql, &[&survey.question]).await.unwrap().get("n")
}

#[tokio::test]
async fn replies_at_the_same_time_are_all_counted() {
    let test = Arc::new(TestApp::with(|config| config.concurrency = 8).await);
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (test, call) = (test.clone(), reply(&survey, &n.to_string()));
        racing.spawn(async move { test.call(add_reply, call).await.status });
    }
    assert_eq!(racing.join_all().await, [201; 40]);
    assert_eq!((test.count("replies").await, test.count("responses").await), (40, 40));
    assert_eq!(counted(&test, &survey).await, 40);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_reply_to_a_typed_question_keeps_its_rules() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "number", "replyContent": {"max": 2.5}}])).await;
    let survey = Survey { id: form.id, question: form.questions[0] };
    for (sent, code, message) in [
        (r#""cat""#, "wrong_type", "must be a number below 1e15 with at most 6 digits behind the point"),
        ("1e-400", "wrong_type", "must be a number below 1e15 with at most 6 digits behind the point"),
        ("2.51", "too_large", "must be at most 2.5"),
        ("null", "required", "This field cannot be blank"),
        (r#"" ""#, "required", "This field cannot be blank"),
    ] {
        let answer = test.call(add_reply, reply(&survey, sent)).await;
        answer.assert_problem(422, "invalid_answers", "1 answer(s) are not valid");
        let id = survey.question.to_string();
        assert_eq!(answer.body["errors"], json!({ &id: message }), "{sent}");
        assert_eq!(
            answer.body["faults"],
            json!([{"question": id, "code": code, "message": message}]),
            "{sent}"
        );
    }
    assert_eq!((test.count("replies").await, test.count("responses").await), (0, 0));
    assert_eq!(counted(&test, &survey).await, 0);
    for sent in ["2.50", "-7"] {
        assert_eq!(test.call(add_reply, reply(&survey, sent)).await.status, 201, "{sent}");
    }
    assert_eq!(counted(&test, &survey).await, 2);
    test.assert_counted().await;
}

#[tokio::test]
async fn flaskforms_header_form_and_query_do_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let call = || post("/addreply").header("idQuestion", &survey.question.to_string());
    for call in [
        call().body(r#"{"reply": "a cat"}"#),
        call().header("content-type", "application/x-www-form-urlencoded").body("reply=a+cat"),
        call().query("reply", "a cat"),
    ] {
        assert_eq!(test.call(add_reply, call).await.status, 201);
    }
    let sql = "SELECT count(*) FILTER (WHERE reply::text = '\"a cat\"') AS replies FROM replies";
    assert_eq!(test.db().await.row(sql, &[]).await.unwrap().get::<_, i64>("replies"), 3);
}

#[tokio::test]
async fn a_reply_is_not_taken_from_a_header() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let call = post("/addreply").header("idQuestion", &survey.question.to_string()).header("reply", "cat");
    let answer = test.call(add_reply, call).await;
    answer.assert_invalid(json!({"reply": "This field cannot be blank"}));
    assert_eq!(test.count("replies").await, 0);
}

#[tokio::test]
async fn any_json_is_stored_as_sent() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let deep = format!("{}1{}", "[".repeat(32), "]".repeat(32));
    for sent in [
        "null",
        r#""""#,
        r#""  ""#,
        "[]",
        "{}",
        "0",
        "false",
        "1.50",
        "-7.000",
        "12345678901234567890123",
        "0.1234567890123456789012345678901234567890",
        r#"["first", "second"]"#,
        r#"{"a": 1, "b": null, "": [[["x", "y"], "z"], {"c": {}}]}"#,
        r#"{"b": {"d": 1, "c": 2}, "a": 3}"#,
        "[1e-400, -1E-16384, 0e999999999, 0.0e-5, 1.7976931348623157e308]",
        r#""Żółw 🐢\ttab\nline \\ \" '; DROP TABLE replies; --""#,
        &deep,
    ] {
        assert_eq!(test.call(add_reply, reply(&survey, sent)).await.status, 201, "{sent}");
        let sql = "DELETE FROM replies RETURNING reply::text";
        let row = test.db().await.row(sql, &[]).await.unwrap();
        let expected = serde_json::from_str::<Value>(sent).unwrap().to_string();
        assert_eq!(row.get::<_, String>("reply"), expected);
    }
}

#[tokio::test]
async fn no_number_is_too_small_and_each_keeps_its_digits() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    for (sent, stored) in [
        ("1e-400", "1e-400"),
        ("1e-16384", "1e-16384"),
        ("-1.50E-999999999", "-1.50e-999999999"),
        ("0e999999999", "0e+999999999"),
        ("-0e-99999999999999999999", "-0e-99999999999999999999"),
        ("-0.0", "-0.0"),
        ("1e308", "1e+308"),
    ] {
        for (sent, stored) in [
            (sent.to_owned(), stored.to_owned()),
            (format!(r#"[{{"a": {sent}}}]"#), format!(r#"[{{"a":{stored}}}]"#)),
        ] {
            let answer = test.call(add_reply, reply(&survey, &sent)).await;
            assert_eq!(answer.status, 201, "{sent}: {}", answer.body);
            let row = test.db().await.row("DELETE FROM replies RETURNING reply::text", &[]).await.unwrap();
            assert_eq!(row.get::<_, String>("reply"), stored);
        }
    }
}

#[tokio::test]
async fn sixty_four_kibibytes_are_the_limit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let answer = test.call(add_reply, reply(&survey, &format!("{:?}", "x".repeat(65_535)))).await;
    answer.assert_invalid(json!({"reply": "may have at most 64 KiB of JSON"}));
    assert_eq!(test.count("replies").await, 0);
    let answer = test.call(add_reply, reply(&survey, &format!("{:?}", "x".repeat(65_534)))).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_closed_survey_takes_no_replies() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for with in ["is_active = false", "due_at = now()", "due_at = '2001-01-01'"] {
        let survey = test.survey(&ada, with).await;
        for call in [reply(&survey, "1"), reply(&survey, "1").bearer(&ada.access)] {
            let answer = test.call(add_reply, call).await;
            answer.assert_problem(409, "survey_closed", "Survey takes no more replies");
        }
    }
    let early = test.survey(&ada).scheduled().await;
    let answer = test.call(add_reply, reply(&early, "1")).await;
    answer.assert_problem(409, "survey_closed", "Survey takes no replies yet");
    for table in ["replies", "responses", "question_counters"] {
        assert_eq!(test.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn an_unknown_question_is_not_found() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    // An id, but a survey's.
    let survey = Survey { id: survey.id, question: survey.id };
    let answer = test.call(add_reply, reply(&survey, "1")).await;
    answer.assert_problem(404, "not_found", "Question doesn't exist");
    assert_eq!(test.count("replies").await, 0);
}

#[tokio::test]
async fn missing_and_malformed_parameters_are_named() {
    let test = TestApp::new().await;
    let blank = "This field cannot be blank";
    let answer = test.call(add_reply, post("/addreply")).await;
    answer.assert_invalid(json!({"idQuestion": blank, "reply": blank}));
    let answer = test.call(add_reply, post("/addreply").header("idQuestion", "7").body("{}")).await;
    answer.assert_invalid(json!({"idQuestion": "must be an id (a UUID)", "reply": blank}));
}

#[tokio::test]
async fn what_the_database_cannot_hold_is_a_fault_and_nothing_is_stored() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let control = |code: &str| format!("must not have the control character U+{code}");
    let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
    for (sent, text) in [
        (r#""a\u0000b""#, control("0000")),
        (r#"[{"a": "\u0000"}]"#, control("0000")),
        (r#"{"a\u0000": 1}"#, control("0000")),
        (r#""\u001b[31m""#, control("001B")),
        (r#""\u007f""#, control("007F")),
        ("1e400", "the number 1e+400 is too large".to_owned()),
        ("[-1e400]", "the number -1e+400 is too large".to_owned()),
        (&deep, "may be nested at most 32 levels deep".to_owned()),
    ] {
        let answer = test.call(add_reply, reply(&survey, sent)).await;
        answer.assert_invalid(json!({"reply": text}));
    }
    for sent in ["", "nothing", "NaN", "1,", r#""\ud800""#, "\"a\u{0}b\"", "01", "'a'"] {
        let answer = test.call(add_reply, reply(&survey, sent)).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("malformed_body")), "{sent}");
    }
    assert_eq!(test.count("replies").await, 0);
}

#[tokio::test]
async fn everybody_may_reply_again_and_again_whatever_the_token() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    for token in [&ada.access, &ada.refresh, "garbage"] {
        assert_eq!(test.call(add_reply, reply(&survey, "1").bearer(token)).await.status, 201);
    }
    assert_eq!(test.count("replies").await, 3);
}
