use super::add_reply;
use serde_json::{Value, json};
use shared::testing::{Call, Survey, TestApp, post};

fn reply(survey: &Survey, json: &str) -> Call {
    post("/questions/x/replies").path("idQuestion", survey.question).body(format!(r#"{{"reply": {json}}}"#))
}

#[tokio::test]
async fn a_reply_is_added_without_a_token() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "").await;
    let answer = test.call(add_reply, reply(&survey, r#""cat""#)).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("Reply was added")));
    let sql = "SELECT id::text, question_id::text, reply FROM replies";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(answer.body, json!({"message": "Reply was added", "id": row.get::<_, String>("id")}));
    assert_eq!(row.get::<_, String>("question_id"), survey.question.to_string());
    assert_eq!(row.get::<_, Value>("reply"), "cat");
}

#[tokio::test]
async fn flaskforms_header_form_and_query_do_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "").await;
    let call = || post("/addreply").header("idQuestion", &survey.question.to_string());
    for call in [
        call().body(r#"{"reply": "a cat"}"#),
        call().header("content-type", "application/x-www-form-urlencoded").body("reply=a+cat"),
        call().query("reply", "a cat"),
    ] {
        assert_eq!(test.call(add_reply, call).await.status, 201);
    }
    let sql = "SELECT count(*) FILTER (WHERE reply = '\"a cat\"') AS replies FROM replies";
    assert_eq!(test.db().await.row(sql, &[]).await.unwrap().get::<_, i64>("replies"), 3);
}

#[tokio::test]
async fn a_reply_is_not_taken_from_a_header() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "").await;
    let call = post("/addreply").header("idQuestion", &survey.question.to_string()).header("reply", "cat");
    let answer = test.call(add_reply, call).await;
    answer.assert_invalid(json!({"reply": "This field cannot be blank"}));
    assert_eq!(test.count("replies").await, 0);
}

#[tokio::test]
async fn any_json_is_stored_as_sent() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "").await;
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
        r#""Żółw 🐢\ttab\nline \\ \" '; DROP TABLE replies; --""#,
        &deep,
    ] {
        assert_eq!(test.call(add_reply, reply(&survey, sent)).await.status, 201, "{sent}");
        let sql = "DELETE FROM replies RETURNING reply";
        let row = test.db().await.row(sql, &[]).await.unwrap();
        assert_eq!(row.get::<_, Value>("reply"), serde_json::from_str::<Value>(sent).unwrap());
    }
}

#[tokio::test]
async fn sixty_four_kibibytes_are_the_limit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "").await;
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
    assert_eq!(test.count("replies").await, 0);
}

#[tokio::test]
async fn an_unknown_question_is_not_found() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada, "").await;
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
    let survey = test.survey(&ada, "").await;
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
    let survey = test.survey(&ada, "").await;
    for token in [&ada.access, &ada.refresh, "garbage"] {
        assert_eq!(test.call(add_reply, reply(&survey, "1").bearer(token)).await.status, 201);
    }
    assert_eq!(test.count("replies").await, 3);
}
