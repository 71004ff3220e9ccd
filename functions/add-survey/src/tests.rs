use super::add_survey;
use serde_json::{Value, json};
use shared::testing::{TestApp, post};

#[tokio::test]
async fn a_survey_is_added_with_its_questions_in_order() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = test
        .call(
            add_survey,
            post("/surveys").bearer(&ada.access).body(
                r#"{
                    "name": " pets ",
                    "dueDate": "2030-06-01",
                    "questions": [
                        {"content": "Which pet?", "type": "single", "required": true,
                         "replyContent": ["cat", {"n": 1.50}, null, 1e-400]},
                        {"content": "Why?\nReally.", "type": "text"}
                    ]
                }"#,
            ),
        )
        .await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("Survey pets was created")));
    let rows = test
        .db()
        .await
        .rows(
            "SELECT s.id::text, name, description, is_active, public_stats, due_at = '2030-06-01Z' AS due, question_count,
                    opens_at IS NULL AND visibility = 'public' AND version = 1 AS usual, position, content, type, required,
                    reply_content
             FROM surveys s JOIN questions q ON q.survey_id = s.id ORDER BY position",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(answer.body["id"], rows[0].get::<_, String>("id"));
    assert_eq!(rows[0].get::<_, &str>("description"), "Add description!");
    assert!(
        rows[0].get::<_, bool>("is_active")
            && rows[0].get::<_, bool>("due")
            && rows[0].get::<_, bool>("usual")
            && !rows[0].get::<_, bool>("public_stats")
    );
    assert!(rows[0].get::<_, bool>("required") && !rows[1].get::<_, bool>("required"));
    assert_eq!(rows[0].get::<_, i32>("question_count"), 2);
    assert_eq!((rows[0].get::<_, i32>("position"), rows[1].get::<_, i32>("position")), (0, 1));
    let replies: Value = rows[0].get("reply_content");
    assert_eq!(replies.to_string(), r#"["cat",{"n":1.50},null,1e-400]"#);
    assert_eq!(rows[1].get::<_, &str>("content"), "Why?\nReally.");
}

#[tokio::test]
async fn when_it_opens_who_finds_it_and_how_many_may_answer_are_kept() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = post("/surveys").bearer(&ada.access).json(json!({
        "name": "pets", "dueDate": "2030-06-01", "opensAt": "2030-05-01T10:20:30+01:00", "visibility": "unlisted",
        "publicStats": true, "responseLimit": 12,
    }));
    assert_eq!(test.call(add_survey, call).await.status, 201);
    let sql =
        "SELECT opens_at = '2030-05-01 09:20:30Z' AS opens, visibility, public_stats, taken, max_responses
               FROM surveys JOIN response_limits ON survey_id = id";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert!(row.get::<_, bool>("opens") && row.get::<_, bool>("public_stats"));
    assert_eq!(row.get::<_, &str>("visibility"), "unlisted");
    assert_eq!((row.get::<_, i64>("taken"), row.get::<_, i64>("max_responses")), (0, 12));
}

#[tokio::test]
async fn flaskforms_headers_do_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = post("/addsurvey")
        .bearer(&ada.access)
        .header("name", "pets")
        .header("duedate", "2030-06-01 10:20")
        .header("desc", "About pets")
        .header("isactive", "False")
        .body(r#"{"questions": {"content": 12, "type": 5}}"#);
    assert_eq!(test.call(add_survey, call).await.status, 201);
    let row = test
        .db()
        .await
        .row("SELECT description, is_active, content, type FROM surveys, questions", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>("description"), row.get::<_, bool>("is_active")), ("About pets", false));
    assert_eq!((row.get::<_, &str>("content"), row.get::<_, &str>("type")), ("12", "5"));
}

#[tokio::test]
async fn all_faults_are_named_at_once_and_nothing_is_stored() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = test
        .call(
            add_survey,
            post("/surveys").bearer(&ada.access).json(json!({
                "name": "n".repeat(201),
                "dueDate": "12026-01-01",
                "isActive": "perhaps",
                "desc": "a\u{0}b",
                "opensAt": "now",
                "visibility": "hidden",
                "publicStats": 2,
                "responseLimit": 0,
                "questions": [
                    {"content": "good", "type": "text"}, {"content": " "}, 5,
                    {"content": "bad", "type": "scale", "required": "no", "replyContent": {"min": 5}},
                    {"content": "bad", "type": "scale", "replyContent": {"min": 5}},
                ],
            })),
        )
        .await;
    answer.assert_invalid(json!({
        "name": "may have at most 200 characters",
        "dueDate": "must be a date like 2030-01-31, 2030-01-31T18:00:00Z or Thu, 31 Jan 2030 18:00:00 GMT, in the years 1 to 9999",
        "isActive": "must be true or false",
        "desc": "must not have the control character U+0000",
        "opensAt": "must be a date like 2030-01-31, 2030-01-31T18:00:00Z or Thu, 31 Jan 2030 18:00:00 GMT, in the years 1 to 9999",
        "visibility": "must be public or unlisted",
        "publicStats": "must be true or false",
        "responseLimit": "must be a whole number from 1 to 1000000000",
        "questions": "question 2: content: This field cannot be blank; type: This field cannot be blank; \
                      question 3 must be an object; question 4: required: must be true or false; \
                      question 5: replyContent: min: must be below max",
    }));
    assert_eq!((test.count("surveys").await, test.count("questions").await), (0, 0));
}

#[tokio::test]
async fn missing_parameters_are_named() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = test.call(add_survey, post("/addsurvey").bearer(&ada.access).header("name", " ")).await;
    answer.assert_invalid(
        json!({"name": "This field cannot be blank", "dueDate": "This field cannot be blank"}),
    );
}

#[tokio::test]
async fn five_hundred_questions_are_the_limit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let with = |number: usize| {
        let questions = vec![json!({"content": "Why?", "type": "text"}); number];
        post("/surveys")
            .bearer(&ada.access)
            .json(json!({"name": "s", "dueDate": "2030-01-01", "questions": questions}))
    };
    let answer = test.call(add_survey, with(501)).await;
    answer.assert_invalid(json!({"questions": "a survey may have at most 500 questions"}));
    assert_eq!(test.call(add_survey, with(500)).await.status, 201);
    assert_eq!(test.count("questions").await, 500);
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_parameters_are_read() {
    let test = TestApp::new().await;
    let answer = test.call(add_survey, post("/surveys").body("{ not json")).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
}
