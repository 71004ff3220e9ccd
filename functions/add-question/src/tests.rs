use super::add_question;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, TestSurvey, User, Uuid, post};
use std::sync::Arc;

fn question(owner: &User, survey: &TestSurvey, content: &str) -> Call {
    added(owner, survey.id, json!({"content": content, "type": "x-pet"}))
}

/// A question, as a body has it.
fn added(owner: &User, survey: Uuid, body: Value) -> Call {
    post("/surveys/x/questions").path("idSurvey", survey).bearer(&owner.access).json(body)
}

/// The same as flaskForms' clients may send it.
fn flask_forms(owner: &User, survey: Uuid, mut body: Value) -> Call {
    body["idSurvey"] = json!(survey);
    post("/addquestion").bearer(&owner.access).json(body)
}

#[tokio::test]
async fn questions_are_added_behind_the_others() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    for content in ["Żółw?\nReally.", "Why?"] {
        let answer = test.call(add_question, question(&ada, &survey, content)).await;
        assert_eq!(answer.status, 201);
        let mut db = test.db().await;
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
        let body = format!(r#"{{"content": "Why?", "type": "x-pet", "replyContent": {sent}}}"#);
        let call = added(&ada, survey.id, json!({})).body(body);
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
    let with = |required: Value| json!({"content": "Why?", "type": "x-pet", "required": required});
    for required in [json!(true), json!(false), json!(null)] {
        let answer = test.call(add_question, added(&ada, survey.id, with(required))).await;
        assert_eq!(answer.status, 201);
    }
    // flaskForms' path takes its text, too.
    for required in [json!("True"), json!(1), json!("False")] {
        let answer = test.call(add_question, flask_forms(&ada, survey.id, with(required.clone()))).await;
        assert_eq!(answer.status, 201);
        let answer = test.call(add_question, added(&ada, survey.id, with(required))).await;
        answer.assert_invalid(json!({"required": "must be true or false"}));
    }
    let answer = test.call(add_question, flask_forms(&ada, survey.id, with(json!("perhaps")))).await;
    answer.assert_invalid(json!({"required": "must be true or false"}));
    let sql = "SELECT array_agg(required ORDER BY position) AS required FROM questions";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, Vec<bool>>("required"), [false, true, false, false, true, true, false]);
}

#[tokio::test]
async fn the_rules_of_a_typed_question_are_checked_and_faults_are_told_at_their_place() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let with =
        |r#type: &str, rules: &Value| json!({"content": "Why?", "type": r#type, "replyContent": rules});
    let options = "must be a list of options, or an object with options";
    for (r#type, rules, faults) in [
        ("single_choice", json!(null), json!({ "replyContent": options })),
        ("multi_choice", json!("cat"), json!({ "replyContent": options })),
        ("ranking", json!(["cat", "cat"]), json!({"replyContent[1]": r#""cat" is there twice"#})),
        (
            "multi_choice",
            json!({"options": ["cat", {"value": []}, "dog"], "minSelections": "1", "min": 1}),
            json!({
                "replyContent.options[1].value": "must be a text, or an object with a value",
                "replyContent.minSelections": "must be a whole number from 0 to 100000",
                "replyContent.min": "is unknown: there are options, other, minSelections, maxSelections",
            }),
        ),
        ("scale", json!({"min": 5, "max": 1}), json!({"replyContent.min": "must be below max"})),
        (
            "scale",
            json!({"max": 101}),
            json!({"replyContent.max": "must be a whole number from -100 to 100"}),
        ),
        ("nps", json!({"min": 1}), json!({"replyContent.min": "is unknown: there are none"})),
        ("number", json!([1, 2]), json!({"replyContent": "must be an object with the rules of the type"})),
        ("boolean", json!({"a": 1}), json!({"replyContent.a": "is unknown: there are none"})),
        (
            "short_text",
            json!({"lines": 2}),
            json!({"replyContent.lines": "is unknown: there are minLength, maxLength, pattern"}),
        ),
        (
            "matrix",
            json!({"rows": ["a", {"value": "b", "label": []}], "columns": [["x"]]}),
            json!({
                "replyContent.rows[1].label": "must be text",
                "replyContent.columns[0]": "must be a text, or an object with a value",
            }),
        ),
        (
            "date",
            json!({"min": "2030-02-30", "max": 2030}),
            json!({"replyContent.min": "must be a date like 2030-01-31", "replyContent.max": "must be text"}),
        ),
    ] {
        for call in
            [added(&ada, survey.id, with(r#type, &rules)), flask_forms(&ada, survey.id, with(r#type, &rules))]
        {
            test.call(add_question, call).await.assert_invalid(faults.clone());
        }
        // To a type of the client's own they mean nothing.
        for call in [
            added(&ada, survey.id, with(&format!("x-{type}"), &rules)),
            flask_forms(&ada, survey.id, with(&r#type.to_uppercase(), &rules)),
        ] {
            assert_eq!(test.call(add_question, call).await.status, 201, "{rules}");
        }
    }
    assert_eq!(test.count("questions").await, 25);
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
        let answer = test.call(add_question, added(&ada, survey.id, with(r#type, &rules))).await;
        assert_eq!(answer.status, 201, "{type}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_type_is_a_known_one_or_begins_with_x() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let with = |r#type: &str| json!({"content": "Why?", "type": r#type, "replyContent": ["a"]});
    let types = "short_text, long_text, number, boolean, single_choice, multi_choice, ranking, scale, nps, matrix, date, time, datetime";
    let none = format!("is no known type: there are {types}; a type of your own begins with x-");
    for (r#type, text) in [
        ("single-choice", "is no known type: did you mean single_choice?"),
        ("Multi Choice", "is no known type: did you mean multi_choice?"),
        ("Number", "is no known type: did you mean number?"),
        ("NPS", "is no known type: did you mean nps?"),
        ("dateTime", "is no known type: did you mean datetime?"),
        ("text", &none),
        ("single", &none),
        ("choice", &none),
        ("X-pet", &none),
        ("x_pet", &none),
        ("x-", &none),
    ] {
        let answer = test.call(add_question, added(&ada, survey.id, with(r#type))).await;
        answer.assert_invalid(json!({ "type": text }));
        // flaskForms knows no types.
        let answer = test.call(add_question, flask_forms(&ada, survey.id, with(r#type))).await;
        assert_eq!(answer.status, 201, "{type}");
    }
    for r#type in ["x-pet", "x-1", "x--", "x-Żółw 🐢", &format!("x-{}", "y".repeat(48))] {
        assert_eq!(test.call(add_question, added(&ada, survey.id, with(r#type))).await.status, 201, "{type}");
    }
    // Also where a type comes in a form or in the query.
    for (r#type, status) in [("text", 400), ("x-text", 201)] {
        let path = post("/surveys/x/questions").path("idSurvey", survey.id).bearer(&ada.access);
        let form = path.clone().header("content-type", "application/x-www-form-urlencoded");
        for call in [
            form.body(format!("content=Why%3F&type={type}")),
            path.query("content", "Why?").query("type", r#type),
        ] {
            assert_eq!(test.call(add_question, call).await.status, status, "{type}");
        }
    }
    for (r#type, text) in [
        (format!("x-{}", "y".repeat(49)), "may have at most 50 characters"),
        ("x-a\nb".to_owned(), "must be a single line"),
    ] {
        for call in [added(&ada, survey.id, with(&r#type)), flask_forms(&ada, survey.id, with(&r#type))] {
            test.call(add_question, call).await.assert_invalid(json!({ "type": text }));
        }
    }
}

#[tokio::test]
async fn a_body_has_the_types_of_json_and_no_name_that_nothing_has() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let body = json!({"content": 7, "type": true, "label": "x"});
    let unknown = "is unknown: there are idSurvey, content, type, required, replyContent";
    let answer = test.call(add_question, added(&ada, survey.id, body.clone()).query("at", 0)).await;
    answer.assert_invalid(json!({
        "content": "must be text", "type": "must be text", "label": unknown, "at": unknown,
    }));
    // To flaskForms' path that is a question "7" of type "true".
    let answer = test.call(add_question, flask_forms(&ada, survey.id, body).query("at", 0)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(test.count("questions WHERE content = '7' AND type = 'true'").await, 1);
    for body in [
        r#"{"content": "a", "content": "b", "type": "x-pet"}"#,
        r#"{"content": "a", "type": "x-pet", "replyContent": [[{"content": 1, "content": 2}]]}"#,
    ] {
        let text = r#"The body gives the name "content" twice in one object"#;
        for call in [added(&ada, survey.id, json!({})), flask_forms(&ada, survey.id, json!({}))] {
            let answer = test.call(add_question, call.body(body)).await;
            answer.assert_problem(400, "malformed_body", text);
        }
    }
    // Another spelling of a name is known.
    let body = json!({"content": "Which?", "type": "single_choice", "replycontent": ["cat"]});
    assert_eq!(test.call(add_question, added(&ada, survey.id, body)).await.status, 201);
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
    let survey = test.survey(&ada).questions(json!(vec![json!({"type": "nps"}); 499])).await;
    assert_eq!(test.call(add_question, question(&ada, &survey, "The 500th")).await.status, 201);
    let answer = test.call(add_question, question(&ada, &survey, "The 501st")).await;
    answer.assert_invalid(json!({"idSurvey": "a survey may have at most 500 questions"}));
    assert_eq!(test.count("questions").await, 500);
}

#[tokio::test]
async fn one_mebibyte_of_questions_is_the_limit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    test.db().await.rows("UPDATE surveys SET question_bytes = 1048576 - 14", &[]).await.unwrap();
    let with = |reply_content: &str| {
        added(&ada, survey.id, json!({"content": "Why?", "type": "x-pet", "replyContent": reply_content}))
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
    for visible in
        [test.survey(&ada).public_stats(), test.survey(&ada).put_aside(), test.survey(&ada).scheduled()]
    {
        let answer = test.call(add_question, question(&bob, &visible.await, "Mine?")).await;
        answer.assert_problem(403, "forbidden", "User bob not permited");
    }
    assert_eq!(
        test.count("surveys WHERE version = 1 AND question_count = 1 AND question_bytes = 10").await,
        3
    );
    assert_eq!(test.count("questions").await, 3);
}

#[tokio::test]
async fn somebody_elses_draft_and_an_unknown_survey_are_not_found() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let draft = test.survey(&ada).draft().await;
    let body = json!({"content": "Mine?", "type": "x-pet"});
    let calls: [fn(&User, Uuid, Value) -> Call; 2] = [added, flask_forms];
    for call in calls {
        let answer = test.call(add_question, call(&bob, draft.id, body.clone())).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
        let unknown = test.call(add_question, call(&bob, draft.question, body.clone())).await;
        assert_eq!((answer.status, answer.body), (unknown.status, unknown.body));
    }
    assert_eq!(test.count("questions").await, 1);
}

#[tokio::test]
async fn the_owner_may_extend_a_draft_and_an_ended_survey() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for survey in [test.survey(&ada).draft(), test.survey(&ada).past_due(), test.survey(&ada).put_aside()] {
        let survey = survey.await;
        assert_eq!(test.call(add_question, question(&ada, &survey, "Why?")).await.status, 201);
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
    let answer = test.call(add_question, post("/addquestion").body("{ not json")).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    let answer =
        test.call(add_question, post("/surveys/x/questions").path("idSurvey", "x").body("{ not json")).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
}
