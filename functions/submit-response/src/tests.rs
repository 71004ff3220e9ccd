use super::submit_response;
use serde_json::{Value, json};
use shared::testing::{Call, Response, TestApp, TestSurvey, Uuid, post, put};

/// A response with an id of the client's.
fn sent(survey: Uuid, id: Uuid, answers: &Value) -> Call {
    put("/surveys/x/responses/y")
        .path("idSurvey", survey)
        .path("idResponse", id)
        .json(json!({ "answers": answers }))
}

fn posted(survey: Uuid, answers: &Value) -> Call {
    post("/surveys/x/responses").path("idSurvey", survey).json(json!({ "answers": answers }))
}

/// An id of a response, another for each number.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A survey with a required short text, and a choice.
async fn pets(test: &TestApp) -> TestSurvey {
    let ada = test.user("ada").await;
    test.form(
        &ada,
        json!([
            {"type": "short_text", "required": true},
            {"type": "single_choice", "replyContent": ["cat", "dog", {"value": "emu", "retired": true}]},
        ]),
    )
    .await
}

/// Assert that nothing was stored and nothing counted.
async fn assert_nothing(test: &TestApp) {
    for table in ["responses", "replies", "survey_counters", "question_counters"] {
        assert_eq!(test.count(table).await, 0, "{table}");
    }
}

async fn update(test: &TestApp, survey: Uuid, columns: &str) {
    let sql = format!("UPDATE surveys SET {columns}, version = version + 1 WHERE id = $1");
    test.db().await.rows(&sql, &[&survey]).await.unwrap();
}

/// The code of the fault of each question, in their order.
fn faults(answer: &Answer) -> Vec<(&str, &str)> {
    let listed = answer.body["faults"].as_array().unwrap();
    let mut listed: Vec<_> =
        listed.iter().map(|f| (f["question"].as_str().unwrap(), f["code"].as_str().unwrap())).collect();
    listed.sort_unstable();
    listed
}

#[tokio::test]
async fn a_response_is_stored_once_however_often_it_is_sent() {
    let test = TestApp::new().await;
    let form = pets(&test).await;
    let answers = form.answers([json!("Ada"), json!("cat")]);
    let first = test.call(submit_response, sent(form.id, id(7), &answers)).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let created_at = first.body["createdAt"].as_str().unwrap();
    assert_eq!(
        first.body,
        json!({"message": "Response was added", "id": id(7), "idSurvey": form.id, "createdAt": created_at})
    );
    for _ in 0..2 {
        let again = test.call(submit_response, sent(form.id, id(7), &answers)).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    assert_eq!((test.count("responses").await, test.count("replies").await), (1, 2));
    test.assert_counted().await;
}

#[tokio::test]
async fn the_order_and_the_spelling_of_a_response_do_not_matter() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let rows = json!({"rows": ["a", "b"], "columns": ["x"]});
    let form = test.form(&ada, json!([{"type": "matrix", "replyContent": rows}, {"type": "number"}])).await;
    let [matrix, number] = [form.questions[0], form.questions[1]].map(|id| id.to_string());
    let put = |body: String| {
        put("/")
            .path("idSurvey", form.id)
            .path("idResponse", id(1))
            .body(format!(r#"{{"answers": {{{body}}}}}"#))
    };
    let (upper, bare) = (matrix.to_uppercase(), number.replace('-', ""));
    for (body, status) in [
        (format!(r#""{matrix}": {{"a": "x", "b": "x"}}, "{number}": 1.50"#), 201),
        (format!(r#""{number}": 1.50, "{matrix}": {{"b": "x", "a": "x"}}"#), 200),
        (format!(r#""{bare}": 1.50, "{upper}": {{"a": "x", "b": "x"}}"#), 200),
        (format!(r#""{matrix}": {{"a": "x", "b": "x"}}, "{number}": 1.5"#), 409),
    ] {
        let answer = test.call(submit_response, put(body)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    test.assert_counted().await;
}

#[tokio::test]
async fn a_client_without_ids_posts_and_is_given_one() {
    let test = TestApp::new().await;
    let form = pets(&test).await;
    let answers = form.answers([json!("Ada"), json!("cat")]);
    let answer = test.call(submit_response, posted(form.id, &answers)).await;
    assert_eq!(answer.status, 201);
    let first: Uuid = answer.body["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(test.call(submit_response, posted(form.id, &answers)).await.status, 201);
    assert_eq!(test.count("responses").await, 2);
    // The id is good for a retry.
    assert_eq!(test.call(submit_response, sent(form.id, first, &answers)).await.status, 200);
    test.assert_counted().await;
}

#[tokio::test]
async fn other_answers_under_a_known_id_are_a_conflict() {
    let test = TestApp::new().await;
    let form = pets(&test).await;
    let other = test.form(&test.user("bob").await, json!([{"type": "short_text"}])).await;
    let answers = form.answers([json!("Ada"), json!("cat")]);
    assert_eq!(test.call(submit_response, sent(form.id, id(7), &answers)).await.status, 201);
    let single = test.reply(form.questions[1], json!("dog")).await;
    for call in [
        sent(form.id, id(7), &form.answers([json!("Ada"), json!("dog")])),
        sent(form.id, id(7), &form.answers([json!("Ada")])),
        // Not even checked.
        sent(form.id, id(7), &json!({})),
        sent(other.id, id(7), &answers),
        sent(other.id, id(7), &json!({})),
        sent(form.id, single, &form.answers([json!("Ada"), json!("dog")])),
    ] {
        let answer = test.call(submit_response, call).await;
        answer.assert_problem(409, "id_conflict", "There is another response with this id: use a new one");
    }
    assert_eq!((test.count("responses").await, test.count("replies").await), (2, 3));
    test.assert_counted().await;
}

#[tokio::test]
async fn all_faults_are_listed_at_once_and_nothing_is_stored() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let pets = json!(["cat", {"value": "emu", "retired": true}]);
    let form = test
        .form(
            &ada,
            json!([
                {"type": "short_text", "required": true},
                {"type": "number", "replyContent": {"max": 5}},
                {"type": "boolean"},
                {"type": "single_choice", "replyContent": pets},
                {"type": "single_choice", "replyContent": pets},
                {"type": "multi_choice", "replyContent": ["a", "b"]},
                {"type": "date"},
                {"type": "short_text"},
            ]),
        )
        .await;
    let foreign = test.form(&ada, json!([{"type": "short_text"}])).await.questions[0].to_string();
    let mut answers = form.answers([
        json!(" "),
        json!(6),
        json!("yes"),
        json!("cow"),
        json!("emu"),
        json!(["a", "a"]),
        json!("2030-02-30"),
        json!("good"),
    ]);
    for unknown in [foreign.as_str(), "nothing"] {
        answers[unknown] = json!("x");
    }
    let answer = test.call(submit_response, sent(form.id, id(1), &answers)).await;
    answer.assert_problem(422, "invalid_answers", "9 answer(s) are not valid");
    let ids: Vec<String> = form.questions.iter().map(ToString::to_string).collect();
    let mut expected = vec![
        (ids[0].as_str(), "required"),
        (&ids[1], "too_large"),
        (&ids[2], "wrong_type"),
        (&ids[3], "unknown_option"),
        (&ids[4], "retired_option"),
        (&ids[5], "duplicate"),
        (&ids[6], "malformed"),
        (&foreign, "unknown_question"),
        ("nothing", "unknown_question"),
    ];
    expected.sort_unstable();
    assert_eq!(faults(&answer), expected);
    assert_eq!(
        answer.body["errors"],
        json!({
            &ids[0]: "This field cannot be blank",
            &ids[1]: "must be at most 5",
            &ids[2]: "must be true or false",
            &ids[3]: r#""cow" is no option of this question"#,
            &ids[4]: r#""emu" can't be chosen any more"#,
            &ids[5]: r#""a" is there twice"#,
            &ids[6]: "must be a date like 2030-01-31",
            &foreign: "is no question of this survey",
            "nothing": "is no question of this survey",
        })
    );
    assert_nothing(&test).await;
    // Corrected, the same id is free.
    let answer = test.call(submit_response, sent(form.id, id(1), &form.answers([json!("Ada")]))).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_required_question_is_answered_by_more_than_blanks() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let choice = json!({"options": ["a"], "minSelections": 0});
    let form = test
        .form(
            &ada,
            json!([
                {"type": "long_text", "required": true},
                {"type": "multi_choice", "required": true, "replyContent": choice},
                {"type": "colour", "required": true},
            ]),
        )
        .await;
    let answer = test.call(submit_response, posted(form.id, &json!({}))).await;
    assert_eq!(faults(&answer).iter().map(|(_, code)| *code).collect::<Vec<_>>(), ["required"; 3]);
    let blanks = form.answers([json!(" \n"), json!([]), json!(null)]);
    let answer = test.call(submit_response, posted(form.id, &blanks)).await;
    assert_eq!(faults(&answer).len(), 3);
    assert_nothing(&test).await;
    // False, zero, and to a type of the client's own an empty text, are answers.
    let answers = form.answers([json!("x"), json!(["a"]), json!("")]);
    assert_eq!(test.call(submit_response, posted(form.id, &answers)).await.status, 201);
    assert_eq!(test.count("replies").await, 3);
}

#[tokio::test]
async fn null_is_no_answer() {
    let test = TestApp::new().await;
    let form = pets(&test).await;
    let call = sent(form.id, id(1), &form.answers([json!("Ada"), json!(null)]));
    assert_eq!(test.call(submit_response, call).await.status, 201);
    let call = sent(form.id, id(1), &form.answers([json!("Ada")]));
    assert_eq!(test.call(submit_response, call).await.status, 200);
    assert_eq!(test.count("replies").await, 1);
    let mut unknown = form.answers([json!("Ada")]);
    unknown[id(9).to_string()] = json!(null);
    assert_eq!(test.call(submit_response, posted(form.id, &unknown)).await.status, 201);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_survey_without_required_questions_takes_an_empty_response() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for questions in [json!([]), json!([{"type": "number"}])] {
        let form = test.form(&ada, questions).await;
        assert_eq!(test.call(submit_response, posted(form.id, &json!({}))).await.status, 201);
    }
    assert_eq!((test.count("responses").await, test.count("replies").await), (2, 0));
    test.assert_counted().await;
}

#[tokio::test]
async fn a_closed_survey_takes_no_response_but_knows_the_old_ones() {
    let test = TestApp::new().await;
    let form = pets(&test).await;
    let answers = form.answers([json!("Ada"), json!("cat")]);
    let first = test.call(submit_response, sent(form.id, id(1), &answers)).await;
    assert_eq!(first.status, 201);
    for (columns, text) in [
        ("is_active = false", "Survey takes no more replies"),
        ("is_active = true, due_at = now()", "Survey takes no more replies"),
        (
            "due_at = now() + interval '1 day', opens_at = now() + interval '1 hour'",
            "Survey takes no replies yet",
        ),
    ] {
        update(&test, form.id, columns).await;
        // Also with faults: the survey's state comes first.
        for answers in [&answers, &json!({})] {
            let answer = test.call(submit_response, sent(form.id, id(2), answers)).await;
            answer.assert_problem(409, "survey_closed", text);
        }
        let again = test.call(submit_response, sent(form.id, id(1), &answers)).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    update(&test, form.id, "opens_at = now()").await;
    assert_eq!(test.call(submit_response, sent(form.id, id(2), &answers)).await.status, 201);
}

#[tokio::test]
async fn a_limit_is_exact_and_a_retry_is_not_counted() {
    let test = TestApp::new().await;
    let form = pets(&test).await;
    test.limit(form.id, 2).await;
    let answers = form.answers([json!("Ada")]);
    // Single replies take no place.
    test.reply(form.questions[1], json!("cat")).await;
    for (number, status) in [(1, 201), (1, 200), (2, 201), (2, 200), (1, 200)] {
        assert_eq!(test.call(submit_response, sent(form.id, id(number), &answers)).await.status, status);
    }
    for answers in [&answers, &json!({})] {
        let answer = test.call(submit_response, sent(form.id, id(3), answers)).await;
        answer.assert_problem(409, "limit_reached", "Survey has all the responses that it takes");
    }
    update(&test, form.id, "is_active = false").await;
    let answer = test.call(submit_response, sent(form.id, id(3), &answers)).await;
    assert_eq!(answer.body["code"], "survey_closed");
    assert_eq!(test.call(submit_response, sent(form.id, id(2), &answers)).await.status, 200);
    assert_eq!(test.count("responses WHERE NOT single").await, 2);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_response_is_good_for_as_many_questions_as_a_survey_may_have() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!(vec![json!({"type": "nps", "required": true}); 500])).await;
    let answers: Value = form.questions.iter().map(|id| (id.to_string(), json!(10))).collect();
    assert_eq!(test.call(submit_response, posted(form.id, &answers)).await.status, 201);
    assert_eq!(test.count("replies").await, 500);
    let answers: Value = (0..10_000).map(|n| (id(n).to_string(), json!(1))).collect();
    let answer = test.call(submit_response, posted(form.id, &answers)).await;
    answer.assert_invalid(json!({"answers": "may answer at most 500 questions"}));
    assert_eq!(test.count("replies").await, 500);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_reply_of_a_response_has_at_most_64_kibibytes() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "colour"}])).await;
    let large = form.answers([json!("x".repeat(65_535))]);
    let answer = test.call(submit_response, posted(form.id, &large)).await;
    let text = format!("{}: may have at most 64 KiB of JSON", form.questions[0]);
    answer.assert_invalid(json!({ "answers": text }));
    assert_nothing(&test).await;
    let fitting = form.answers([json!("x".repeat(65_534))]);
    assert_eq!(test.call(submit_response, posted(form.id, &fitting)).await.status, 201);
}

#[tokio::test]
async fn two_spellings_of_one_question_are_refused() {
    let test = TestApp::new().await;
    let form = pets(&test).await;
    let question = form.questions[0].to_string();
    for spelling in [question.to_uppercase(), question.replace('-', ""), format!("{{{question}}}")] {
        let answer =
            test.call(submit_response, posted(form.id, &json!({&question: "a", &spelling: "b"}))).await;
        answer.assert_invalid(json!({ "answers": format!("{question} is there twice") }));
        let answer = test.call(submit_response, posted(form.id, &json!({&spelling: "a"}))).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    assert_eq!(test.count("replies WHERE reply::text = '\"a\"'").await, 3);
}

#[tokio::test]
async fn what_cannot_be_stored_is_a_fault() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "number"}])).await;
    let number = form.questions[0];
    let call = |json: &str| {
        post("/").path("idSurvey", form.id).body(format!(r#"{{"answers": {{"{number}": {json}}}}}"#))
    };
    for (json, text) in [
        ("1e400", "the number 1e+400 is too large"),
        (r#""a\u0000b""#, "must not have the control character U+0000"),
    ] {
        let answer = test.call(submit_response, call(json)).await;
        answer.assert_invalid(json!({ "answers": text }));
    }
    for json in ["NaN", "Infinity", "01", "1,", r#""\ud800""#] {
        let answer = test.call(submit_response, call(json)).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("malformed_body")), "{json}");
    }
    for json in ["1e15", "1e-7", "1e-400", "123456789012345678901234567890123456789012345678901234567890"] {
        let answer = test.call(submit_response, call(json)).await;
        assert_eq!(
            (answer.status, faults(&answer)),
            (422, vec![(number.to_string().as_str(), "wrong_type")])
        );
    }
    assert_nothing(&test).await;
}

#[tokio::test]
async fn answers_are_an_object() {
    let test = TestApp::new().await;
    let form = pets(&test).await;
    for answers in [json!([]), json!("x"), json!(5), json!(null), json!("")] {
        let answer = test.call(submit_response, posted(form.id, &answers)).await;
        answer.assert_invalid(json!({"answers": "must be an object with a reply for each id of a question"}));
    }
    let answer = test.call(submit_response, post("/").path("idSurvey", form.id)).await;
    answer.assert_invalid(json!({"answers": "This field cannot be blank"}));
    let call = put("/").path("idSurvey", "x").path("idResponse", "y").json(json!({"answers": {}}));
    let id = "must be an id (a UUID)";
    test.call(submit_response, call).await.assert_invalid(json!({"idSurvey": id, "idResponse": id}));
}

#[tokio::test]
async fn an_unknown_survey_is_not_found() {
    let test = TestApp::new().await;
    let answer = test.call(submit_response, sent(id(1), id(2), &json!({}))).await;
    answer.assert_problem(404, "not_found", "Survey doesn't exist");
}

#[tokio::test]
async fn numbers_are_kept_as_they_were_sent_and_added_up_exactly() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "number"}])).await;
    for number in ["0.1", "0.2", "1.50", "-15e-1"] {
        let answers = format!(r#"{{"answers": {{"{}": {number}}}}}"#, form.questions[0]);
        let answer = test.call(submit_response, post("/").path("idSurvey", form.id).body(answers)).await;
        assert_eq!(answer.status, 201);
    }
    let sql = "SELECT string_agg(reply::text, ' ' ORDER BY id) AS replies,
                      (SELECT sum(total)::text FROM question_counters WHERE kind = 'answers') AS sum FROM replies";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>("replies"), "0.1 0.2 1.50 -15e-1");
    assert_eq!(row.get::<_, &str>("sum").parse::<f64>().unwrap().to_string(), "0.3");
    test.assert_counted().await;
}

#[tokio::test]
async fn what_is_refused_is_shown_by_its_beginning_only() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "single_choice", "replyContent": ["a"]}])).await;
    let long = "\\".repeat(30_000);
    let answers = json!({ form.questions[0].to_string(): long, long.clone(): 1 });
    let call = post("/surveys/x/responses").path("idSurvey", form.id).json(json!({ "answers": answers }));
    let answer = test.call(submit_response, call).await;
    assert_eq!((answer.status, answer.body["faults"].as_array().map(Vec::len)), (422, Some(2)));
    assert!(answer.body.to_string().len() < 2000);
}
