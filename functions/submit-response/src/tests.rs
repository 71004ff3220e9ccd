use super::submit_response;
use serde_json::{Value, json};
use shared::{
    responses,
    testing::{Call, Response, SurveyBuilder, TestApp, TestSurvey, User, Uuid, post, put},
    values::{ResponseId, SurveyId},
};
use std::sync::Arc;

/// A response with an id of the client's.
fn sent(survey: Uuid, id: Uuid, answers: &Value) -> Call {
    put("/surveys/x/responses/y")
        .path("idSurvey", survey)
        .path("idResponse", id)
        .json(json!({ "answers": answers }))
}

fn posted(survey: Uuid, answers: &Value) -> Call {
    posted_text(survey, &json!({ "answers": answers }).to_string())
}

/// The same with a body as it is.
fn posted_text(survey: Uuid, body: &str) -> Call {
    post("/surveys/x/responses").path("idSurvey", survey).body(body)
}

/// An id of a response, another for each number.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A survey with a required short text, and a choice.
async fn pets(survey: SurveyBuilder<'_>) -> TestSurvey {
    survey
        .questions(json!([
            {"type": "short_text", "required": true},
            {"type": "single_choice", "replyContent": ["cat", "dog", {"value": "emu", "retired": true}]},
        ]))
        .await
}

/// Delete a response as the endpoint does it.
async fn delete(test: &TestApp, owner: &User, survey: Uuid, response: Uuid) -> shared::Result<()> {
    let caller = test.caller(owner).await;
    responses::delete(&mut test.db().await, &caller, SurveyId(survey), ResponseId(response)).await
}

/// Assert that nothing was stored and nothing counted.
async fn assert_nothing(test: &TestApp) {
    for table in ["responses", "answers", "survey_counters WHERE changes > 0", "question_counters"] {
        assert_eq!(test.count(table).await, 0, "{table}");
    }
}

async fn update(test: &TestApp, survey: Uuid, columns: &str) {
    let sql = format!("UPDATE surveys SET {columns}, version = version + 1 WHERE id = $1");
    test.db().await.rows(&sql, &[&survey]).await.unwrap();
}

/// The code of the fault of each question, in their order.
fn faults(answer: &Response) -> Vec<(&str, &str)> {
    let listed = answer.body["faults"].as_array().unwrap();
    let mut listed: Vec<_> =
        listed.iter().map(|f| (f["question"].as_str().unwrap(), f["code"].as_str().unwrap())).collect();
    listed.sort_unstable();
    listed
}

#[tokio::test]
async fn a_response_is_stored_once_however_often_it_is_sent() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
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
    assert_eq!((test.count("responses").await, test.count("answers").await), (1, 2));
    test.assert_counted().await;
}

#[tokio::test]
async fn the_order_and_the_spelling_of_a_response_do_not_matter() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let rows = json!({"rows": ["a", "b"], "columns": ["x"]});
    let form = test
        .survey(&ada)
        .questions(json!([{"type": "matrix", "replyContent": rows}, {"type": "number"}]))
        .await;
    let [matrix, number] = [form.questions[0], form.questions[1]].map(|id| id.to_string());
    let put = |body: String| sent(form.id, id(1), &json!({})).body(format!(r#"{{"answers": {{{body}}}}}"#));
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
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
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
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let bob = test.user("bob").await;
    let other = test.survey(&bob).questions(json!([{"type": "short_text"}])).await;
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
    assert_eq!((test.count("responses").await, test.count("answers").await), (2, 3));
    test.assert_counted().await;
}

#[tokio::test]
async fn all_faults_are_listed_at_once_and_nothing_is_stored() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let pets = json!(["cat", {"value": "emu", "retired": true}]);
    let form = test
        .survey(&ada)
        .questions(json!([
            {"type": "short_text", "required": true},
            {"type": "number", "replyContent": {"max": 5}},
            {"type": "boolean"},
            {"type": "single_choice", "replyContent": pets},
            {"type": "single_choice", "replyContent": pets},
            {"type": "multi_choice", "replyContent": ["a", "b"]},
            {"type": "date"},
            {"type": "short_text"},
        ]))
        .await;
    let foreign = test.survey(&ada).questions(json!([{"type": "short_text"}])).await.questions[0].to_string();
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
        .survey(&ada)
        .questions(json!([
            {"type": "long_text", "required": true},
            {"type": "multi_choice", "required": true, "replyContent": choice},
            {"type": "x-colour", "required": true},
        ]))
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
    assert_eq!(test.count("answers").await, 3);
}

#[tokio::test]
async fn null_is_no_answer() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let call = sent(form.id, id(1), &form.answers([json!("Ada"), json!(null)]));
    assert_eq!(test.call(submit_response, call).await.status, 201);
    let call = sent(form.id, id(1), &form.answers([json!("Ada")]));
    assert_eq!(test.call(submit_response, call).await.status, 200);
    assert_eq!(test.count("answers").await, 1);
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
        let form = test.survey(&ada).questions(questions).await;
        assert_eq!(test.call(submit_response, posted(form.id, &json!({}))).await.status, 201);
    }
    assert_eq!((test.count("responses").await, test.count("answers").await), (2, 0));
    test.assert_counted().await;
}

#[tokio::test]
async fn a_closed_survey_takes_no_response_but_knows_the_old_ones() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let answers = form.answers([json!("Ada"), json!("cat")]);
    let first = test.call(submit_response, sent(form.id, id(1), &answers)).await;
    assert_eq!(first.status, 201);
    for (columns, code, text) in [
        ("is_active = false, was_open = true", "survey_closed", "Survey takes no more replies"),
        ("is_active = true, due_at = now()", "survey_closed", "Survey takes no more replies"),
        (
            "due_at = now() + interval '1 day', opens_at = now() + interval '1 hour'",
            "survey_scheduled",
            "Survey takes no replies yet",
        ),
    ] {
        update(&test, form.id, columns).await;
        // Also with faults: the survey's state comes first.
        for answers in [&answers, &json!({})] {
            for call in [sent(form.id, id(2), answers), posted(form.id, answers)] {
                let answer = test.call(submit_response, call).await;
                answer.assert_problem(409, code, text);
            }
        }
        let again = test.call(submit_response, sent(form.id, id(1), &answers)).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    update(&test, form.id, "opens_at = now()").await;
    assert_eq!(test.call(submit_response, sent(form.id, id(2), &answers)).await.status, 201);
}

#[tokio::test]
async fn the_state_decides_whether_a_response_is_taken() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = || test.survey(&ada).questions(json!([]));
    for (case, (builder, status, code)) in [
        (survey(), 201, json!(null)),
        (survey().unlisted(), 201, json!(null)),
        (survey().opens("2001-01-01T00:00:00Z"), 201, json!(null)),
        (survey().scheduled(), 409, json!("survey_scheduled")),
        (survey().scheduled().past_due(), 409, json!("survey_closed")),
        (survey().past_due(), 409, json!("survey_closed")),
        (survey().due("2001-01-01T00:00:00Z"), 409, json!("survey_closed")),
        (survey().put_aside(), 409, json!("survey_closed")),
        (survey().put_aside().scheduled(), 409, json!("survey_closed")),
        (survey().draft(), 404, json!("not_found")),
        (survey().draft().scheduled(), 404, json!("not_found")),
        (survey().draft().past_due(), 404, json!("not_found")),
    ]
    .into_iter()
    .enumerate()
    {
        let made = builder.await;
        for call in [posted(made.id, &json!({})), sent(made.id, Uuid::now_v7(), &json!({}))] {
            let answer = test.call(submit_response, call).await;
            assert_eq!((answer.status, &answer.body["code"]), (status, &code), "case {case}");
        }
    }
    test.assert_counted().await;
}

#[tokio::test]
async fn a_draft_is_not_there_just_as_an_unknown_survey() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let answers = form.answers([json!("Ada")]);
    assert_eq!(test.call(submit_response, sent(form.id, id(1), &answers)).await.status, 201);
    let drafts = [
        test.survey(&ada).draft(),
        test.survey(&ada).draft().scheduled(),
        test.survey(&ada).draft().limit(1),
    ];
    for draft in drafts {
        let draft = pets(draft).await;
        let good = draft.answers([json!("Ada")]);
        // With good answers and bad ones, under a new id and one that is taken, with its owner's token and without.
        let calls: [&dyn Fn(Uuid) -> Call; 5] = [
            &|survey| posted(survey, &good),
            &|survey| posted(survey, &json!({})),
            &|survey| sent(survey, id(2), &good),
            &|survey| sent(survey, id(1), &answers),
            &|survey| posted(survey, &good).bearer(&ada.access),
        ];
        for call in calls {
            let answer = test.call(submit_response, call(draft.id)).await;
            answer.assert_problem(404, "not_found", "Survey doesn't exist");
            let unknown = test.call(submit_response, call(Uuid::now_v7())).await;
            assert_eq!((answer.status, answer.body), (unknown.status, unknown.body));
        }
    }
    assert_eq!(test.count("responses").await, 1);
}

#[tokio::test]
async fn a_response_that_was_deleted_does_not_come_back() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada).limit(5)).await;
    let other = pets(test.survey(&ada)).await;
    let answers = form.answers([json!("Ada"), json!("cat")]);
    assert_eq!(test.call(submit_response, sent(form.id, id(1), &answers)).await.status, 201);
    let single = test.reply(form.questions[1], json!("cat")).await;
    for response in [id(1), single] {
        delete(&test, &ada, form.id, response).await.unwrap();
        for answers in [&answers, &form.answers([json!("Bob")]), &json!({})] {
            let answer = test.call(submit_response, sent(form.id, response, answers)).await;
            let text = "The response with this id was deleted, and is not taken again";
            answer.assert_problem(410, "response_deleted", text);
        }
        // To another survey it is an id that is taken, and no more is told.
        let answer =
            test.call(submit_response, sent(other.id, response, &other.answers([json!("Ada")]))).await;
        assert_eq!((answer.status, &answer.body["code"]), (409, &json!("id_conflict")));
    }
    // Also after the survey has closed.
    update(&test, form.id, "due_at = now()").await;
    let answer = test.call(submit_response, sent(form.id, id(1), &answers)).await;
    assert_eq!((answer.status, &answer.body["code"]), (410, &json!("response_deleted")));
    assert_eq!((test.count("responses WHERE deleted_at IS NULL").await, test.count("answers").await), (0, 0));
    test.assert_counted().await;
}

#[tokio::test]
async fn of_a_deletion_and_retries_at_once_the_deletion_stays() {
    let test = Arc::new(TestApp::with(|config| config.concurrency = 24).await);
    let ada = Arc::new(test.user("ada").await);
    let form = pets(test.survey(&ada).limit(16)).await;
    let answers = form.answers([json!("Ada"), json!("cat")]);
    for round in 0..4 {
        let mut racing = tokio::task::JoinSet::new();
        let ids: Vec<Uuid> = (0..4).map(|n| id(100 + round * 4 + n)).collect();
        for response in ids {
            // In half of the rounds it is there before.
            if round % 2 == 0 {
                assert_eq!(test.call(submit_response, sent(form.id, response, &answers)).await.status, 201);
            }
            for _ in 0..5 {
                let (test, call) = (test.clone(), sent(form.id, response, &answers));
                racing.spawn(async move { test.call(submit_response, call).await.status });
            }
            let (test, ada) = (test.clone(), ada.clone());
            racing.spawn(async move {
                loop {
                    match delete(&test, &ada, form.id, response).await {
                        Ok(()) => return 0,
                        // Not there yet.
                        Err(shared::Error::NotFound(_)) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        let mut statuses = racing.join_all().await;
        statuses.sort_unstable();
        let number = |status: u16| statuses.iter().filter(|s| **s == status).count();
        assert_eq!(number(0), 4, "{statuses:?}");
        assert_eq!(number(201), if round % 2 == 0 { 0 } else { 4 }, "{statuses:?}");
        assert_eq!(number(0) + number(200) + number(201) + number(410), 24, "{statuses:?}");
    }
    assert_eq!(test.count("responses WHERE deleted_at IS NOT NULL").await, 16);
    assert_eq!((test.count("responses").await, test.count("answers").await), (16, 0));
    assert_eq!(test.count("response_limits WHERE taken = 0").await, 1);
    test.assert_counted().await;
    for response in (0..16).map(|n| id(100 + n)) {
        assert_eq!(test.call(submit_response, sent(form.id, response, &answers)).await.status, 410);
    }
}

#[tokio::test]
async fn a_limit_is_exact_and_a_retry_is_not_counted() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada).limit(2)).await;
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
    // Nor do they need one.
    test.reply(form.questions[1], json!("dog")).await;
    update(&test, form.id, "is_active = false, was_open = true").await;
    let answer = test.call(submit_response, sent(form.id, id(3), &answers)).await;
    assert_eq!(answer.body["code"], "survey_closed");
    assert_eq!(test.call(submit_response, sent(form.id, id(2), &answers)).await.status, 200);
    assert_eq!(test.count("responses WHERE NOT single").await, 2);
    test.assert_counted().await;
    // What is deleted makes place, and is not taken again itself.
    update(&test, form.id, "is_active = true").await;
    delete(&test, &ada, form.id, id(1)).await.unwrap();
    for (number, status) in [(1, 410), (4, 201), (5, 409), (1, 410)] {
        assert_eq!(test.call(submit_response, sent(form.id, id(number), &answers)).await.status, status);
    }
    test.assert_counted().await;
}

#[tokio::test]
async fn a_limit_is_exact_also_when_all_come_at_once() {
    let test = Arc::new(TestApp::with(|config| config.concurrency = 24).await);
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada).limit(10)).await;
    let answers = form.answers([json!("Ada"), json!("cat")]);
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..24 {
        let (test, call) = (test.clone(), sent(form.id, id(n), &answers));
        racing.spawn(async move { test.call(submit_response, call).await.status });
    }
    let statuses = racing.join_all().await;
    let number = |status: u16| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((number(201), number(409)), (10, 14), "{statuses:?}");
    assert_eq!(test.count("responses").await, 10);
    test.assert_counted().await;
}

#[tokio::test]
async fn each_bad_row_of_a_matrix_is_a_fault() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let rules = json!({
        "rows": ["walk", "play", {"value": "swim", "retired": true}, "eat"], "columns": ["daily", "weekly", {"value": "yearly", "retired": true}],
    });
    let mut several = rules.clone();
    several["multiple"] = json!(true);
    several["minRows"] = json!(2);
    let form = test
        .survey(&ada)
        .questions(json!([
            {"type": "matrix", "replyContent": rules},
            {"type": "matrix", "replyContent": several},
            {"type": "number"},
        ]))
        .await;
    let [one, many, number] = [0, 1, 2].map(|index: usize| form.questions[index].to_string());
    let answers = form.answers([
        json!({"eat": "daily", "fly": "daily", "play": "yearly", "swim": "daily", "walk": "hourly"}),
        json!({"eat": ["daily", "weekly"], "play": [], "walk": ["daily", "daily"]}),
        json!("x"),
    ]);
    let answer = test.call(submit_response, posted(form.id, &answers)).await;
    answer.assert_problem(422, "invalid_answers", "3 answer(s) are not valid");
    let fault = |question: &str, row: &str, code: &str, message: &str| json!({"question": question, "row": row, "code": code, "message": message});
    let wrong = "must be a number below 1e15 with at most 6 digits behind the point";
    assert_eq!(
        answer.body["faults"],
        json!([
            fault(&one, "fly", "unknown_row", r#""fly" is no row of this question"#),
            fault(&one, "play", "retired_option", r#""yearly" can't be chosen any more"#),
            fault(&one, "swim", "retired_option", r#"the row "swim" can't be answered any more"#),
            fault(&one, "walk", "unknown_option", r#""hourly" is no column of this question"#),
            fault(&many, "play", "too_few", r#""play" needs a column"#),
            fault(&many, "walk", "duplicate", r#""daily" is there twice"#),
            {"question": number, "code": "wrong_type", "message": wrong},
        ])
    );
    // One text a question.
    assert_eq!(
        answer.body["errors"],
        json!({&one: r#""fly" is no row of this question"#, &many: r#""play" needs a column"#, &number: wrong})
    );
    for (answer, code, text) in [
        (json!({"walk": ["daily"]}), "too_few", "at least 2 rows must be answered"),
        (json!(["daily"]), "wrong_type", "must be an object with a column for each row"),
    ] {
        let answer = test.call(submit_response, posted(form.id, &form.answers([json!(null), answer]))).await;
        answer.assert_problem(422, "invalid_answers", "1 answer(s) are not valid");
        assert_eq!(answer.body["faults"], json!([{"question": many, "code": code, "message": text}]));
    }
    assert_nothing(&test).await;
    let good =
        form.answers([json!({"eat": "daily"}), json!({"walk": ["daily"], "eat": ["daily", "weekly"]})]);
    assert_eq!(test.call(submit_response, posted(form.id, &good)).await.status, 201);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_response_is_good_for_as_many_questions_as_a_survey_may_have() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.survey(&ada).questions(json!(vec![json!({"type": "nps", "required": true}); 500])).await;
    let answers: Value = form.questions.iter().map(|id| (id.to_string(), json!(10))).collect();
    assert_eq!(test.call(submit_response, posted(form.id, &answers)).await.status, 201);
    assert_eq!(test.count("answers").await, 500);
    let answers: Value = (0..10_000).map(|n| (id(n).to_string(), json!(1))).collect();
    let answer = test.call(submit_response, posted(form.id, &answers)).await;
    answer.assert_invalid(json!({"answers": "may answer at most 500 questions"}));
    assert_eq!(test.count("answers").await, 500);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_reply_of_a_response_has_at_most_64_kibibytes() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.survey(&ada).questions(json!([{"type": "x-colour"}])).await;
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
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let question = form.questions[0].to_string();
    for spelling in [question.to_uppercase(), question.replace('-', ""), format!("{{{question}}}")] {
        let answer =
            test.call(submit_response, posted(form.id, &json!({&question: "a", &spelling: "b"}))).await;
        answer.assert_invalid(json!({ "answers": format!("{question} is there twice") }));
        let answer = test.call(submit_response, posted(form.id, &json!({&spelling: "a"}))).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    assert_eq!(test.count("answers WHERE reply::text = '\"a\"'").await, 3);
}

#[tokio::test]
async fn what_cannot_be_stored_is_a_fault() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.survey(&ada).questions(json!([{"type": "number"}])).await;
    let number = form.questions[0];
    let call = |json: &str| posted_text(form.id, &format!(r#"{{"answers": {{"{number}": {json}}}}}"#));
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
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    for answers in [json!([]), json!("x"), json!(5), json!(null), json!("")] {
        let answer = test.call(submit_response, posted(form.id, &answers)).await;
        let text = "must be an object with an answer for each id of a question";
        answer.assert_invalid(json!({ "answers": text }));
    }
    let answer = test.call(submit_response, posted_text(form.id, "")).await;
    answer.assert_invalid(json!({"answers": "This field cannot be blank"}));
    let call = put("/surveys/x/responses/y").path("idSurvey", "x").path("idResponse", "y");
    let id = "must be an id (a UUID)";
    let answer = test.call(submit_response, call.json(json!({"answers": {}}))).await;
    answer.assert_invalid(json!({"idSurvey": id, "idResponse": id}));
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
    let form = test.survey(&ada).questions(json!([{"type": "number"}])).await;
    for number in ["0.1", "0.2", "1.50", "-15e-1"] {
        let answers = format!(r#"{{"answers": {{"{}": {number}}}}}"#, form.questions[0]);
        let answer = test.call(submit_response, posted_text(form.id, &answers)).await;
        assert_eq!(answer.status, 201);
    }
    let sql = "SELECT string_agg(reply::text, ' ' ORDER BY response_id) AS replies,
                      (SELECT sum(total)::text FROM question_counters WHERE kind = 'bucket') AS sum FROM answers";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>("replies"), "0.1 0.2 1.50 -15e-1");
    assert_eq!(row.get::<_, &str>("sum").parse::<f64>().unwrap().to_string(), "0.3");
    test.assert_counted().await;
}

#[tokio::test]
async fn what_is_refused_is_shown_by_its_beginning_only() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.survey(&ada).questions(json!([{"type": "single_choice", "replyContent": ["a"]}])).await;
    let long = "\\".repeat(30_000);
    let answers = json!({ form.questions[0].to_string(): long, long.clone(): 1 });
    let answer = test.call(submit_response, posted(form.id, &answers)).await;
    assert_eq!((answer.status, answer.body["faults"].as_array().map(Vec::len)), (422, Some(2)));
    assert!(answer.body.to_string().len() < 2000);
}

#[tokio::test]
async fn a_body_with_other_names_or_a_name_twice_is_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let question = form.questions[0];
    let answers = form.answers([json!("Ada")]);
    let body = json!({"answers": answers, "respondent": "Ada"});
    let call = posted_text(form.id, &body.to_string()).query("dryRun", "1");
    let unknown = "is unknown: there are idSurvey, answers";
    test.call(submit_response, call).await.assert_invalid(json!({"respondent": unknown, "dryRun": unknown}));
    let call = sent(form.id, id(1), &answers).body(body.to_string());
    let unknown = "is unknown: there are idSurvey, idResponse, answers";
    test.call(submit_response, call).await.assert_invalid(json!({ "respondent": unknown }));
    for (body, name) in [
        (r#"{"answers": {}, "answers": {}}"#.to_owned(), "answers".to_owned()),
        (format!(r#"{{"answers": {{"{question}": "a", "{question}": "b"}}}}"#), question.to_string()),
        (format!(r#"{{"answers": {{"{question}": [{{"a": 1, "\u0061": 2}}]}}}}"#), "a".to_owned()),
    ] {
        let answer = test.call(submit_response, posted_text(form.id, &body)).await;
        let text = format!("The body gives the name {name:?} twice in one object");
        answer.assert_problem(400, "malformed_body", &text);
    }
    let private = format!(r#"{{"answers": {{"{question}": {{"$serde_json::private::Number": "1"}}}}}}"#);
    let answer = test.call(submit_response, posted_text(form.id, &private)).await;
    let text = "The body must not have names that begin with $serde_json::private";
    answer.assert_problem(400, "malformed_body", text);
    let deep = format!(r#"{{"answers": {{"{question}": {}1{}}}}}"#, "[".repeat(32), "]".repeat(32));
    let answer = test.call(submit_response, posted_text(form.id, &deep)).await;
    let text = "The body may be nested at most 32 levels deep inside a parameter";
    answer.assert_problem(400, "malformed_body", text);
    let large = format!(r#"{{"answers": {{}}}}{}"#, " ".repeat(1024 * 1024));
    let answer = test.call(submit_response, posted_text(form.id, &large)).await;
    answer.assert_problem(413, "too_large", "The body may have at most 1 MiB");
    assert_nothing(&test).await;
}
