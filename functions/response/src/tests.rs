use super::response;
use serde_json::{Value, json};
use shared::{
    responses::{self, Order},
    results,
    testing::{Call, SurveyBuilder, TestApp, TestSurvey, User, Uuid, delete, get, post},
    values::{Limit, SurveyId},
};

fn look(survey: Uuid, response: Uuid, owner: &User) -> Call {
    get("/surveys/x/responses/y").path("idSurvey", survey).path("idResponse", response).bearer(&owner.access)
}

fn deletion(survey: Uuid, response: Uuid, owner: &User) -> Call {
    delete("/surveys/x/responses/y")
        .path("idSurvey", survey)
        .path("idResponse", response)
        .bearer(&owner.access)
}

/// A survey with a number and a choice.
async fn form(survey: SurveyBuilder<'_>) -> TestSurvey {
    survey.questions(json!([{"type": "number"}, {"type": "single_choice", "replyContent": ["a", "b"]}])).await
}

#[tokio::test]
async fn the_owner_reads_a_response_as_it_was_sent() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(test.survey(&ada)).await;
    let number: Value = serde_json::from_str("1.50").unwrap();
    let whole = form.answers([number, json!("b")]);
    let question = form.questions[1].to_string();
    for (id, single, answers) in [
        (test.response(form.id, whole.clone()).await, false, whole),
        (test.response(form.id, json!({})).await, false, json!({})),
        (test.reply(form.questions[1], json!("a")).await, true, json!({question: "a"})),
    ] {
        let answer = test.call(response, look(form.id, id, &ada)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        let created_at = answer.body["createdAt"].as_str().unwrap();
        assert!(created_at.ends_with('Z'), "{created_at}");
        let expected = json!({"id": id, "createdAt": created_at, "single": single, "answers": answers});
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn a_deleted_response_is_gone_with_its_replies_and_counts() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(test.survey(&ada)).await;
    let kept = test.response(form.id, form.answers([json!(1), json!("b")])).await;
    let id = test.response(form.id, form.answers([json!(2), json!("a")])).await;
    let answer = test.call(response, deletion(form.id, id, &ada)).await;
    assert_eq!((answer.status, answer.body), (200, json!({"message": "Response was deleted"})));
    assert_eq!(test.call(response, look(form.id, kept, &ada)).await.status, 200);
    assert_eq!(test.count("answers").await, 2);
    for call in [look(form.id, id, &ada), deletion(form.id, id, &ada)] {
        test.call(response, call).await.assert_problem(404, "not_found", "Response doesn't exist");
    }
    let row = test.db().await.row("SELECT sub_count(id) FROM surveys", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>("sub_count"), 1);
    test.assert_counted().await;
}

#[tokio::test]
async fn of_a_deleted_response_nothing_is_kept_but_its_id() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(test.survey(&ada)).await;
    let before = test.response(form.id, form.answers([json!(1), json!("b")])).await;
    let [whole, single] = [
        test.response(form.id, form.answers([json!(7), json!("a")])).await,
        test.reply(form.questions[1], json!("a")).await,
    ];
    for id in [whole, single] {
        assert_eq!(test.call(response, deletion(form.id, id, &ada)).await.status, 200);
    }
    let sql = "SELECT count(*) AS kept FROM responses
               WHERE id IN ($1, $2) AND deleted_at IS NOT NULL AND hash IS NULL AND bytes = 0";
    let row = test.db().await.row(sql, &[&whole, &single]).await.unwrap();
    assert_eq!(row.get::<_, i64>("kept"), 2);
    // Not in a page of responses, from either end, nor in the results.
    let (caller, survey) = (test.caller(&ada).await, SurveyId(form.id));
    let mut db = test.db().await;
    for order in [Order::Ascending, Order::Descending] {
        let shown = loop {
            let page =
                responses::page(&mut db, &caller, survey, order, Limit::default(), None).await.unwrap();
            if page.next.is_none() {
                break page.responses;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(shown.iter().map(|response| response.id.0).collect::<Vec<_>>(), [before]);
    }
    let stats =
        results::stats(&mut db, &shared::accounts::Viewer::Caller(caller), survey, true).await.unwrap().0;
    drop(db);
    let stats = json!(stats);
    for (question, answer) in [(0, json!(1)), (1, json!("b"))] {
        assert_eq!((&stats[question]["votes"], &stats[question]["answers"]), (&json!(1), &json!([answer])));
    }
    assert_eq!((&stats[0]["summary"]["max"], &stats[0]["summary"]["sum"]), (&json!(1), &json!(1)));
    assert_eq!(stats[1]["summary"]["options"][0]["count"], 0);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_single_reply_is_deleted_by_its_id() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(test.survey(&ada)).await;
    let id = test.reply(form.questions[1], json!("a")).await;
    assert_eq!(test.call(response, deletion(form.id, id, &ada)).await.status, 200);
    assert_eq!((test.count("responses WHERE deleted_at IS NULL").await, test.count("answers").await), (0, 0));
    test.assert_counted().await;
}

#[tokio::test]
async fn a_place_under_the_limit_becomes_free() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(test.survey(&ada).limit(1)).await;
    let single = test.reply(form.questions[0], json!(5)).await;
    for _ in 0..2 {
        let id = test.response(form.id, json!({})).await;
        assert_eq!(test.call(response, deletion(form.id, id, &ada)).await.status, 200);
    }
    // A single reply had no place to give back.
    assert_eq!(test.call(response, deletion(form.id, single, &ada)).await.status, 200);
    test.assert_counted().await;
}

#[tokio::test]
async fn what_was_answered_before_an_edit_is_taken_out_of_the_counts_too() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = form(test.survey(&ada)).await;
    let id = test.response(form.id, form.answers([json!(7), json!("a")])).await;
    let mut db = test.db().await;
    for sql in [
        r#"UPDATE questions SET reply_content = '[{"value": "a", "retired": true}, "b"]' WHERE type = 'single_choice'"#,
        r#"UPDATE questions SET reply_content = '{"max": 3}' WHERE type = 'number'"#,
        "UPDATE surveys SET version = version + 1",
    ] {
        db.rows(sql, &[]).await.unwrap();
    }
    drop(db);
    assert_eq!(test.call(response, deletion(form.id, id, &ada)).await.status, 200);
    let left = "(SELECT FROM question_counters GROUP BY question_id, kind, part HAVING sum(n) <> 0 OR sum(total) <> 0)
                AS left_over";
    assert_eq!(test.count(left).await, 0);
    test.assert_counted().await;
}

#[tokio::test]
async fn of_many_deletions_of_a_response_at_once_one_is_made() {
    let test = TestApp::with(|config| config.concurrency = 24).await;
    let ada = test.user("ada").await;
    let form = form(test.survey(&ada).limit(9)).await;
    test.response(form.id, form.answers([json!(1), json!("b")])).await;
    let id = test.response(form.id, form.answers([json!(7), json!("a")])).await;
    let test = std::sync::Arc::new(test);
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let (test, call) = (test.clone(), deletion(form.id, id, &ada));
        racing.spawn(async move { test.call(response, call).await.status });
    }
    let mut statuses = racing.join_all().await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[404; 23][..]));
    test.assert_counted().await;
}

#[tokio::test]
async fn a_response_belongs_to_its_own_survey_alone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let (one, other) = (form(test.survey(&ada)).await, form(test.survey(&ada)).await);
    let id = test.response(one.id, json!({})).await;
    for response_id in [id, Uuid::now_v7()] {
        for call in [look(other.id, response_id, &ada), deletion(other.id, response_id, &ada)] {
            test.call(response, call).await.assert_problem(404, "not_found", "Response doesn't exist");
        }
    }
    for call in [look(Uuid::now_v7(), id, &ada), deletion(Uuid::now_v7(), id, &ada)] {
        test.call(response, call).await.assert_problem(404, "not_found", "Survey doesn't exist");
    }
    assert_eq!(test.call(response, look(one.id, id, &ada)).await.status, 200);
}

#[tokio::test]
async fn only_the_owner_reads_and_deletes() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    // That the results are for everybody doesn't make the responses so.
    for visible in [test.survey(&ada).public_stats(), test.survey(&ada).public_stats().scheduled()] {
        let form = form(visible).await;
        let stored =
            "INSERT INTO responses (id, survey_id, single, bytes, answers) VALUES ($1, $2, false, 0, '{}')";
        let id = Uuid::now_v7();
        test.db().await.rows(stored, &[&id, &form.id]).await.unwrap();
        // A stranger isn't even told which responses there are.
        for response_id in [id, Uuid::now_v7()] {
            for call in [look(form.id, response_id, &bob), deletion(form.id, response_id, &bob)] {
                test.call(response, call).await.assert_problem(403, "forbidden", "User bob not permited");
            }
        }
    }
    let draft = form(test.survey(&ada).draft()).await;
    for survey in [draft.id, Uuid::now_v7()] {
        for call in [look(survey, Uuid::now_v7(), &bob), deletion(survey, Uuid::now_v7(), &bob)] {
            test.call(response, call).await.assert_problem(404, "not_found", "Survey doesn't exist");
        }
    }
    for call in [look(draft.id, Uuid::now_v7(), &ada), deletion(draft.id, Uuid::now_v7(), &ada)] {
        test.call(response, call).await.assert_problem(404, "not_found", "Response doesn't exist");
    }
    assert_eq!(test.count("responses WHERE deleted_at IS NULL").await, 2);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for call in [get("/surveys/x/responses/y"), delete("/surveys/x/responses/y")] {
        let call = call.path("idSurvey", "x").path("idResponse", "7").bearer(&ada.access);
        let id = "must be an id (a UUID)";
        test.call(response, call.query("fields", "id")).await.assert_invalid(json!({
            "idSurvey": id, "idResponse": id, "fields": "is unknown: there are idSurvey, idResponse",
        }));
    }
}

#[tokio::test]
async fn other_methods_are_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call =
        post("/surveys/x/responses/y").path("idSurvey", Uuid::now_v7()).path("idResponse", Uuid::now_v7());
    let answer = test.call(response, call.bearer(&ada.access)).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, DELETE"));
}
