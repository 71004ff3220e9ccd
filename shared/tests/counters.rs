//! Whole responses from many at once, and any calls in any order: a limit is exact, nothing is counted twice, and the
//! counters are what counting all replies anew gives.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken fixture should stop the test"
)]

use futures_util::future::join_all;
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use shared::{
    App, Error,
    auth::{Caller, Reader},
    http::{self, Change},
    questions::{self, NewQuestion},
    recount, replies,
    responses::{self, Answers},
    results,
    rules::Rules,
    surveys,
    testing::{TestApp, TestSurvey, Uuid, patch},
    text::Flag,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinHandle;

/// An app with as many connections as there are clients at once.
async fn busy() -> TestApp {
    TestApp::with(|config| config.concurrency = 24).await
}

/// What came of a call: `stored`, `replayed`, `done`, or the code of the failure.
type Outcome = &'static str;

fn outcome<T>(result: shared::Result<T>, good: impl FnOnce(T) -> Outcome) -> Outcome {
    match result {
        Ok(value) => good(value),
        Err(Error::Internal(cause)) => panic!("500: {cause:?}"),
        Err(error) => error.code(),
    }
}

async fn submit(app: App, survey: Uuid, id: Uuid, answers: Value) -> Outcome {
    let answers: Answers = serde_json::from_value(answers).unwrap();
    let receipt = responses::submit(&app.db().await.unwrap(), survey, id, &answers).await;
    outcome(receipt, |receipt| if receipt.replayed { "replayed" } else { "stored" })
}

async fn single(app: App, question: Uuid, reply: Value) -> Outcome {
    let reply: replies::Reply = serde_json::from_value(reply).unwrap();
    outcome(replies::insert(&app.db().await.unwrap(), question, &reply).await, |_| "stored")
}

async fn delete(app: App, owner: &Caller, survey: Uuid, id: Uuid) -> Outcome {
    outcome(responses::delete(&app.db().await.unwrap(), owner, survey, id).await, |()| "done")
}

async fn edit_question(app: App, owner: &Caller, question: Uuid, definition: Value) -> Outcome {
    let edit = questions::Edit {
        content: None,
        r#type: definition.get("type").map(|json| serde_json::from_value(json.clone()).unwrap()),
        required: definition.get("required").map(|json| Flag(json.as_bool().unwrap())),
        reply_content: definition
            .get("replyContent")
            .map_or(Change::Keep, |json| Change::Set(Some(json.clone()).filter(|json| !json.is_null()))),
    };
    let mut db = app.db().await.unwrap();
    outcome(questions::update(&mut db, owner, question, &edit, None).await, |_| "done")
}

async fn delete_question(app: App, owner: &Caller, question: Uuid) -> Outcome {
    let mut db = app.db().await.unwrap();
    outcome(questions::delete(&mut db, owner, question, None).await, |_| "done")
}

async fn add_question(app: App, owner: &Caller, survey: Uuid, definition: &Value) -> Option<Uuid> {
    let question = NewQuestion::new(
        serde_json::from_value(json!("Why?")).unwrap(),
        serde_json::from_value(definition["type"].clone()).unwrap(),
        definition.get("required").map(|json| Flag(json.as_bool().unwrap())),
        definition.get("replyContent").cloned(),
    );
    let added = questions::insert(&app.db().await.unwrap(), owner, survey, &question.unwrap()).await;
    let mut id = None;
    outcome(added, |new| {
        id = Some(new);
        "done"
    });
    id
}

async fn edit_survey(app: App, owner: &Caller, survey: Uuid, changes: Value) -> Outcome {
    let edit: surveys::Edit = http::input(&patch("/").json(changes).into()).unwrap();
    let mut db = app.db().await.unwrap();
    outcome(surveys::update(&mut db, owner, survey, &edit, None).await, |_| "done")
}

/// How often each outcome came, of calls that ran at once.
async fn tallied(calls: Vec<JoinHandle<Outcome>>) -> BTreeMap<Outcome, usize> {
    let mut outcomes = BTreeMap::new();
    for outcome in join_all(calls).await {
        *outcomes.entry(outcome.unwrap()).or_default() += 1;
    }
    outcomes
}

/// The whole responses of a survey: stored, counted, and taken of its limit.
async fn whole(test: &TestApp, survey: Uuid) -> (i64, i64, Option<i64>) {
    let sql = "SELECT (SELECT count(*) FROM responses WHERE survey_id = $1 AND NOT single) AS stored,
                      (SELECT sum(responses)::bigint FROM survey_counters WHERE survey_id = $1) AS counted,
                      (SELECT taken FROM response_limits WHERE survey_id = $1) AS taken";
    let row = test.db().await.row(sql, &[&survey]).await.unwrap();
    (row.get("stored"), row.get::<_, Option<i64>>("counted").unwrap_or(0), row.get("taken"))
}

/// Every stored reply keeps the rules that its question has now.
async fn assert_valid(test: &TestApp) {
    let sql = "SELECT type, reply_content, reply FROM replies p JOIN questions q ON q.id = p.question_id";
    for row in test.db().await.rows(sql, &[]).await.unwrap() {
        let (r#type, definition): (String, Option<Value>) = (row.get("type"), row.get("reply_content"));
        let (rules, reply): (_, Value) =
            (Rules::parse(&r#type, definition.as_ref()).unwrap(), row.get("reply"));
        assert_eq!(rules.check(&reply).err(), None, "{type} {definition:?} {reply}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_at_once_a_limit_of_25_lets_25_in() {
    let test = busy().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "nps", "required": true}])).await;
    test.limit(form.id, 25).await;
    let calls = (0..60).map(|n| {
        tokio::spawn(submit(test.app.clone(), form.id, Uuid::now_v7(), form.answers([json!(n % 11)])))
    });
    let outcomes = tallied(calls.collect()).await;
    assert_eq!(outcomes, BTreeMap::from([("limit_reached", 35), ("stored", 25)]));
    assert_eq!(whole(&test, form.id).await, (25, 25, Some(25)));
    assert_eq!(test.count("replies").await, 25);
    test.assert_counted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_response_sent_twenty_times_at_once_is_stored_once() {
    let test = busy().await;
    let ada = test.user("ada").await;
    // With room for one alone: a retry must not be told that there is no place.
    for limit in [None, Some(1)] {
        let form = test.form(&ada, json!([{"type": "nps"}, {"type": "short_text"}])).await;
        if let Some(limit) = limit {
            test.limit(form.id, limit).await;
        }
        let (id, answers) = (Uuid::now_v7(), form.answers([json!(9), json!("x")]));
        let calls = (0..20).map(|_| tokio::spawn(submit(test.app.clone(), form.id, id, answers.clone())));
        let outcomes = tallied(calls.collect()).await;
        assert_eq!(outcomes, BTreeMap::from([("replayed", 19), ("stored", 1)]));
        assert_eq!(whole(&test, form.id).await, (1, 1, limit));
    }
    test.assert_counted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_different_responses_with_one_id_at_once_one_is_stored() {
    let test = busy().await;
    let ada = test.user("ada").await;
    let forms = [(); 2].map(|()| json!([{"type": "number"}]));
    let forms = [test.form(&ada, forms[0].clone()).await, test.form(&ada, forms[1].clone()).await];
    let id = Uuid::now_v7();
    let calls = (0..20).map(|n| {
        let form: &TestSurvey = &forms[n % 2];
        tokio::spawn(submit(test.app.clone(), form.id, id, form.answers([json!(n)])))
    });
    let outcomes = tallied(calls.collect()).await;
    assert_eq!(outcomes, BTreeMap::from([("id_conflict", 19), ("stored", 1)]));
    assert_eq!((test.count("responses").await, test.count("replies").await), (1, 1));
    test.assert_counted().await;
}

/// What SQL counts in the raw replies to a choice, a multiple choice, a scale and a number, in that order.
async fn raw(test: &TestApp, form: &TestSurvey) -> Value {
    let [single, multi, scale, number] = [0, 1, 2, 3].map(|index: usize| form.questions[index]);
    let sql = "
        SELECT json_build_object(
            'single', (SELECT json_object_agg(value, n) FROM (
                SELECT reply #>> '{}' AS value, count(*) AS n FROM replies WHERE question_id = $1 GROUP BY 1
            ) AS of_option),
            'multi', (SELECT json_object_agg(value, n) FROM (
                SELECT chosen AS value, count(*) AS n
                FROM replies, json_array_elements_text(reply) AS chosen WHERE question_id = $2 GROUP BY 1
            ) AS of_option),
            'multi_votes', (SELECT count(*) FROM replies WHERE question_id = $2),
            'scale', (SELECT json_object_agg(value, n) FROM (
                SELECT (reply::text)::numeric::int AS value, count(*) AS n FROM replies WHERE question_id = $3 GROUP BY 1
            ) AS of_step),
            'number', (SELECT json_build_array(count(*), sum(n)::text, min(n)::text, max(n)::text) FROM (
                SELECT trim_scale((reply::text)::numeric) AS n FROM replies WHERE question_id = $4
            ) AS numbers)
        ) AS raw";
    test.db().await.row(sql, &[&single, &multi, &scale, &number]).await.unwrap().get("raw")
}

/// The same as the results say it.
async fn shown(test: &TestApp, form: &TestSurvey, owner: Caller) -> Value {
    let stats = results::stats(&test.db().await, &Reader::Known(owner), form.id).await.unwrap();
    let stats = serde_json::to_value(stats).unwrap();
    let counts = |question: usize, list: &str| -> Map<String, Value> {
        let entries = stats[question]["summary"][list].as_array().unwrap().iter();
        let name = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let entries = entries.map(|entry| (name(&entry["value"]), entry["count"].clone()));
        entries.filter(|(_, count)| count != &json!(0)).collect()
    };
    let text = |name: &str| json!(stats[3]["summary"][name].to_string());
    json!({
        "single": counts(0, "options"),
        "multi": counts(1, "options"),
        "multi_votes": stats[1]["votes"],
        "scale": counts(2, "values"),
        "number": [stats[3]["summary"]["count"], text("sum"), text("min"), text("max")],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hot_survey_is_counted_exactly_while_responses_come_and_go() {
    let test = busy().await;
    let ada = test.user("ada").await;
    let owner = Arc::new(test.caller(&ada).await);
    let options = json!(["a", "b", "c"]);
    let form = test
        .form(
            &ada,
            json!([
                {"type": "single_choice", "replyContent": options},
                {"type": "multi_choice", "replyContent": options},
                {"type": "scale"},
                {"type": "number"},
                {"type": "matrix", "replyContent": {"rows": ["r", "s"], "columns": options}},
                {"type": "colour"},
            ]),
        )
        .await;
    let form = Arc::new(form);
    let answers = |n: usize, form: &TestSurvey| {
        let pick = |n: usize| ["a", "b", "c"][n % 3];
        form.answers([
            json!(pick(n)),
            json!([pick(n / 2 + 1), pick(n / 2)]),
            json!(n % 5 + 1),
            serde_json::from_str(&format!("{}.{}", n * n, n % 7)).unwrap(),
            json!({"r": pick(n), "s": pick(n + 1)}),
            json!(n),
        ])
    };
    let calls = (0..40).map(|client| {
        let (app, form, owner) = (test.app.clone(), form.clone(), owner.clone());
        tokio::spawn(async move {
            let mut stored = Vec::new();
            for round in 0..6 {
                let n = client * 6 + round;
                match client % 4 {
                    // Single replies to every question.
                    0 => {
                        let answers = answers(n, &form);
                        for question in &form.questions {
                            let reply = answers[question.to_string()].clone();
                            assert_eq!(single(app.clone(), *question, reply).await, "stored");
                        }
                    }
                    // Responses that are deleted again, by two at once.
                    1 => {
                        let id = Uuid::now_v7();
                        assert_eq!(submit(app.clone(), form.id, id, answers(n, &form)).await, "stored");
                        let gone = tokio::join!(
                            delete(app.clone(), &owner, form.id, id),
                            delete(app.clone(), &owner, form.id, id)
                        );
                        assert_eq!(BTreeSet::from([gone.0, gone.1]), BTreeSet::from(["done", "not_found"]));
                    }
                    _ => {
                        let id = Uuid::now_v7();
                        assert_eq!(submit(app.clone(), form.id, id, answers(n, &form)).await, "stored");
                        stored.push(id);
                    }
                }
            }
            stored.len()
        })
    });
    let stored: usize = join_all(calls).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(stored, 120);
    assert_eq!(whole(&test, form.id).await, (120, 120, None));
    assert_eq!(test.count("replies").await, (120 + 60) * 6);
    test.assert_counted().await;
    assert_valid(&test).await;
    assert_eq!(shown(&test, &form, test.caller(&ada).await).await, raw(&test, &form).await);
    let survey = surveys::find(&test.db().await, &Reader::Known(test.caller(&ada).await), form.id).await;
    assert_eq!(serde_json::to_value(survey.unwrap()).unwrap()["subCount"], 120 + 60);
}

/// What clients answer at this moment, while the owner edits.
struct Now {
    option: String,
    question: Uuid,
    over: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reply_slips_past_an_edit() {
    let test = busy().await;
    let ada = test.user("ada").await;
    let owner = test.caller(&ada).await;
    let questions = json!([{"type": "single_choice", "replyContent": ["base"]}, {"type": "colour"}]);
    let form = Arc::new(test.form(&ada, questions).await);
    let now = Now { option: "base".to_owned(), question: form.questions[1], over: false };
    let now = Arc::new(Mutex::new(now));
    let clients = (0..12_usize).map(|client| {
        let (app, form, now) = (test.app.clone(), form.clone(), now.clone());
        tokio::spawn(async move {
            let mut outcomes = BTreeMap::<Outcome, usize>::new();
            for n in client.. {
                let (mut option, question) = {
                    let now = now.lock().unwrap();
                    if now.over {
                        break;
                    }
                    (now.option.clone(), now.question)
                };
                // Few choose what is about to go, so that some of it goes unchosen.
                if n % 12 != 0 {
                    option = "base".to_owned();
                }
                let outcome = match n % 4 {
                    0 => single(app.clone(), form.questions[0], json!(option)).await,
                    1 if n % 12 == 1 => single(app.clone(), question, json!("red")).await,
                    _ => submit(app.clone(), form.id, Uuid::now_v7(), form.answers([json!(option)])).await,
                };
                *outcomes.entry(outcome).or_default() += 1;
            }
            outcomes
        })
    });
    let clients: Vec<_> = clients.collect();

    let app = || test.app.clone();
    let mut live = vec!["base".to_owned()];
    let mut edits = BTreeMap::<Outcome, usize>::new();
    for round in 0..40_u64 {
        // An option comes, and goes again unless it was chosen.
        let option = format!("option {round}");
        let more = [live.clone(), vec![option.clone()]].concat();
        let added = edit_question(app(), &owner, form.questions[0], json!({"replyContent": more})).await;
        assert_eq!(added, "done");
        now.lock().unwrap().option = option;
        tokio::time::sleep(Duration::from_millis(round % 4)).await;
        let gone = edit_question(app(), &owner, form.questions[0], json!({"replyContent": live})).await;
        if gone == "option_in_use" {
            live = more;
        }
        *edits.entry(gone).or_default() += 1;
        // A question comes whose type changes, unless it was answered; then it goes, with its replies.
        let question = add_question(app(), &owner, form.id, &json!({"type": "colour"})).await.unwrap();
        now.lock().unwrap().question = question;
        tokio::time::sleep(Duration::from_millis(round % 3)).await;
        let changed = edit_question(app(), &owner, question, json!({"type": "number"})).await;
        *edits.entry(if changed == "done" { "changed" } else { changed }).or_default() += 1;
        if round % 2 == 0 {
            assert_eq!(delete_question(app(), &owner, question).await, "done");
        }
        // A required question that nobody can answer yet, and a break.
        if round % 10 == 0 {
            let required = json!({"type": "boolean", "required": true});
            let question = add_question(app(), &owner, form.id, &required).await.unwrap();
            assert_eq!(delete_question(app(), &owner, question).await, "done");
            for is_active in [false, true] {
                assert_eq!(edit_survey(app(), &owner, form.id, json!({"isActive": is_active})).await, "done");
            }
        }
    }
    now.lock().unwrap().over = true;
    let mut outcomes = BTreeMap::<Outcome, usize>::new();
    for client in clients {
        for (outcome, n) in client.await.unwrap() {
            *outcomes.entry(outcome).or_default() += n;
        }
    }
    let known = ["invalid_answers", "not_found", "stored", "survey_closed", "unavailable"];
    assert!(outcomes.keys().all(|outcome| known.contains(outcome)), "{outcomes:?}");
    assert!(outcomes["stored"] > 0, "{outcomes:?}");
    let both = ["done", "option_in_use", "changed", "type_in_use"];
    assert!(edits.keys().all(|outcome| both.contains(outcome)) && edits.len() > 2, "{edits:?}");
    assert_valid(&test).await;
    test.assert_counted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_waited_for_an_edit_is_checked_by_the_edited_rules() {
    let test = busy().await;
    let ada = test.user("ada").await;
    let owner = Arc::new(test.caller(&ada).await);
    let session = shared::db::session(&test.config(), None).await.unwrap();
    let questions = json!([{"type": "single_choice", "replyContent": ["a", "b"]}, {"type": "colour"}]);
    for (edit, outcomes) in [
        ("UPDATE questions SET reply_content = '[\"b\"]', type = 'single_choice'", ["invalid_answers"; 3]),
        ("UPDATE surveys SET due_at = now()", ["survey_closed"; 3]),
        ("DELETE FROM questions", ["not_found", "not_found", "invalid_answers"]),
        ("DELETE FROM surveys", ["not_found"; 3]),
    ] {
        let form = test.form(&ada, questions.clone()).await;
        // What edits do: lock, change, count the version up.
        session.batch_execute("BEGIN; SELECT FROM surveys FOR UPDATE").await.unwrap();
        session.batch_execute(&format!("{edit}; UPDATE surveys SET version = version + 1")).await.unwrap();
        let (app, survey) = (|| test.app.clone(), form.id);
        let calls = [
            tokio::spawn(single(app(), form.questions[0], json!("a"))),
            tokio::spawn(single(app(), form.questions[1], json!("red"))),
            tokio::spawn(submit(app(), survey, Uuid::now_v7(), form.answers([json!("a"), json!("red")]))),
        ];
        wait_for_locks(&test, 3).await;
        session.batch_execute("COMMIT").await.unwrap();
        assert_eq!(
            join_all(calls).await.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            outcomes,
            "{edit}"
        );
        assert_eq!(test.count("responses").await, 0, "{edit}");
        session.batch_execute("DELETE FROM surveys").await.unwrap();
    }
    // A deletion that waited is counted by the type that the question had.
    let form = test.form(&ada, questions).await;
    let id = test.response(form.id, form.answers([json!("a")])).await;
    session.batch_execute("BEGIN; SELECT FROM surveys FOR UPDATE").await.unwrap();
    let retired = r#"[{"value": "a", "retired": true}, "b"]"#;
    let edit = format!("UPDATE questions SET reply_content = '{retired}' WHERE type = 'single_choice'");
    session.batch_execute(&format!("{edit}; UPDATE surveys SET version = version + 1")).await.unwrap();
    let call = (test.app.clone(), owner.clone(), form.id);
    let call = tokio::spawn(async move { delete(call.0, &call.1, call.2, id).await });
    wait_for_locks(&test, 1).await;
    session.batch_execute("COMMIT").await.unwrap();
    assert_eq!(call.await.unwrap(), "done");
    let left =
        "(SELECT FROM question_counters GROUP BY question_id, kind, part HAVING sum(n) <> 0) AS left_over";
    assert_eq!(test.count(left).await, 0);
}

/// Until so many sessions of this database wait for a lock.
async fn wait_for_locks(test: &TestApp, number: i64) {
    let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..2000 {
        if test.count(waiting).await == number {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_that_comes_and_goes_is_never_exceeded() {
    let test = busy().await;
    let ada = test.user("ada").await;
    let owner = test.caller(&ada).await;
    let form = test.form(&ada, json!([{"type": "nps"}])).await;
    let mut limit = 0;
    for round in 0..8 {
        limit += 5;
        let answers = form.answers([json!(round)]);
        let calls: Vec<_> = (0..20)
            .map(|_| tokio::spawn(submit(test.app.clone(), form.id, Uuid::now_v7(), answers.clone())))
            .collect();
        // Set while they arrive: either there are more already, or from then on it holds.
        let set = json!({"responseLimit": limit});
        let outcome = edit_survey(test.app.clone(), &owner, form.id, set).await;
        let outcomes = tallied(calls).await;
        let (stored, counted, taken) = whole(&test, form.id).await;
        assert_eq!(stored, counted);
        match outcome {
            "done" => assert!(stored <= limit && taken == Some(stored), "{outcomes:?} {stored} {taken:?}"),
            other => {
                assert_eq!((other, taken), ("invalid_input", None));
                assert!(stored > limit, "{outcomes:?}");
            }
        }
        limit = stored;
        let lift = json!({"responseLimit": null});
        assert_eq!(edit_survey(test.app.clone(), &owner, form.id, lift).await, "done");
        test.assert_counted().await;
    }
}

#[tokio::test]
async fn the_recount_finds_every_wrong_counter() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "number"}, {"type": "nps"}])).await;
    test.limit(form.id, 9).await;
    test.response(form.id, form.answers([json!(1.5), json!(3)])).await;
    test.assert_counted().await;
    for (wrong, right, line) in [
        (
            "UPDATE survey_counters SET responses = responses + 1",
            "UPDATE survey_counters SET responses = responses - 1",
            format!("survey {}: responses 2, there are 1", form.id),
        ),
        (
            "UPDATE response_limits SET taken = 5",
            "UPDATE response_limits SET taken = 1",
            format!("survey {}: taken 5, there are 1", form.id),
        ),
        (
            "UPDATE question_counters SET n = 0 WHERE kind = 'value'",
            "UPDATE question_counters SET n = 1 WHERE kind = 'value'",
            format!("question {}: value \"3\" 0 (total 0), there are 1 (0)", form.questions[1]),
        ),
        (
            "UPDATE question_counters SET total = 1 WHERE kind = 'answers' AND total = 1.5",
            "UPDATE question_counters SET total = 1.5 WHERE kind = 'answers' AND total = 1",
            format!("question {}: answers \"\" 1 (total 1), there are 1 (1.5)", form.questions[0]),
        ),
        (
            "UPDATE question_counters SET part = '2' WHERE kind = 'bucket'",
            "UPDATE question_counters SET part = '1' WHERE kind = 'bucket'",
            format!("question {}: bucket \"1\" 0 (total 0), there are 1 (0)", form.questions[0]),
        ),
        (
            "UPDATE surveys SET question_bytes = question_bytes + 1",
            "UPDATE surveys SET question_bytes = question_bytes - 1",
            format!("survey {}: question_bytes 1, there are 0", form.id),
        ),
    ] {
        let db = test.db().await;
        db.rows(wrong, &[]).await.unwrap();
        let mut session = shared::db::session(&test.config(), None).await.unwrap();
        assert_eq!(recount::differences(&mut session).await.unwrap().first(), Some(&line));
        db.rows(right, &[]).await.unwrap();
    }
    test.assert_counted().await;
}

/// One call of a random sequence. Numbers pick among what there is.
#[derive(Clone, Debug)]
enum Step {
    Add(Value),
    Patch(usize, Value),
    DeleteQuestion(usize),
    Submit(Vec<Option<Value>>),
    Resubmit(usize),
    Collide(usize),
    Delete(usize),
    Single(usize, Value),
    Limit(Option<i64>),
    /// A limit, less than there are responses if there are any.
    LimitBelow,
    Active(bool),
}

/// Definitions that are good, of few types, so that replies and edits meet.
fn definition() -> impl Strategy<Value = Value> {
    let option = select(vec![json!("a"), json!("b"), json!("c"), json!({"value": "c", "retired": true})]);
    let options = vec(option, 1..4).prop_map(|mut options: Vec<Value>| {
        let mut seen = BTreeSet::new();
        options.retain(|o| seen.insert(o.get("value").unwrap_or(o).to_string()));
        if options.iter().all(Value::is_object) {
            options.push(json!("a"));
        }
        json!(options)
    });
    let typed = prop_oneof![
        options.clone().prop_map(|o| json!({"type": "single_choice", "replyContent": o})),
        options.clone().prop_map(|o| json!({"type": "multi_choice", "replyContent": o})),
        options
            .clone()
            .prop_map(|o| json!({"type": "ranking", "replyContent": {"options": o, "minSelections": 1}})),
        options.prop_map(|o| json!({"type": "matrix", "replyContent": {"rows": ["a", "b"], "columns": o}})),
        (0..3_i64).prop_map(|min| json!({"type": "number", "replyContent": {"min": min}})),
        (0..3_i64).prop_map(|min| json!({"type": "scale", "replyContent": {"min": min}})),
        Just(json!({"type": "date", "replyContent": null})),
        Just(json!({"type": "colour", "replyContent": ["x"]})),
    ];
    (typed, prop::bool::weighted(0.2)).prop_map(|(mut definition, required)| {
        definition["required"] = json!(required);
        definition
    })
}

fn reply() -> impl Strategy<Value = Value> {
    select(vec![
        json!("a"),
        json!("b"),
        json!("c"),
        json!(["a"]),
        json!(["b", "a"]),
        json!(["c", "c"]),
        json!({"a": "b"}),
        json!({"a": "c", "b": "a"}),
        json!(1),
        json!(2.5),
        json!(3),
        json!(-1),
        json!("2030-01-31"),
        json!(""),
        json!(null),
    ])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => definition().prop_map(Step::Add),
        1 => (any::<usize>(), definition()).prop_map(|(question, edit)| Step::Patch(question, edit)),
        2 => (any::<usize>(), definition()).prop_map(|(question, mut edit)| {
            edit.as_object_mut().unwrap().remove("type");
            Step::Patch(question, edit)
        }),
        3 => (any::<usize>(), select(vec![json!(["a"]), json!(["b"]), json!(["c", "d"])]))
            .prop_map(|(question, options)| Step::Patch(question, json!({"replyContent": options}))),
        1 => any::<usize>().prop_map(Step::DeleteQuestion),
        10 => vec(proptest::option::weighted(0.7, reply()), 4).prop_map(Step::Submit),
        2 => any::<usize>().prop_map(Step::Resubmit),
        1 => any::<usize>().prop_map(Step::Collide),
        3 => any::<usize>().prop_map(Step::Delete),
        6 => (any::<usize>(), reply()).prop_map(|(question, reply)| Step::Single(question, reply)),
        2 => proptest::option::of(1..4_i64).prop_map(Step::Limit),
        1 => Just(Step::LimitBelow),
        1 => prop::bool::weighted(0.7).prop_map(Step::Active),
    ]
}

/// What the sequence has made so far.
struct World<'a> {
    test: &'a TestApp,
    owner: &'a Caller,
    form: TestSurvey,
    /// What was sent and stored, and is to be known for ever.
    sent: Vec<(Uuid, Value)>,
    limit: Option<i64>,
    seen: BTreeSet<(&'static str, Outcome)>,
}

impl World<'_> {
    fn pick<T>(items: &[T], index: usize) -> Option<&T> {
        items.get(index.checked_rem(items.len())?)
    }

    async fn take(&mut self, step: Step) {
        let (app, owner, survey) = (self.test.app.clone(), self.owner, self.form.id);
        let question = |index| Self::pick(&self.form.questions, index).copied();
        let (name, outcome) = match step {
            Step::Add(definition) => {
                let added = add_question(app, owner, survey, &definition).await;
                self.form.questions.extend(added);
                ("add", if added.is_some() { "done" } else { "refused" })
            }
            Step::Patch(index, edit) => {
                let Some(question) = question(index) else { return };
                ("patch", edit_question(app, owner, question, edit).await)
            }
            Step::DeleteQuestion(index) => {
                let Some(question) = question(index) else { return };
                let outcome = delete_question(app, owner, question).await;
                self.form.questions.retain(|id| *id != question);
                ("delete question", outcome)
            }
            Step::Submit(replies) => {
                let answers = self.form.questions.iter().zip(replies);
                let answers = answers.filter_map(|(id, reply)| Some((id.to_string(), reply?)));
                let (id, answers) = (Uuid::now_v7(), answers.collect::<Value>());
                let outcome = submit(app, survey, id, answers.clone()).await;
                if outcome == "stored" {
                    self.sent.push((id, answers));
                }
                ("submit", outcome)
            }
            Step::Resubmit(index) => {
                let Some((id, answers)) = Self::pick(&self.sent, index).cloned() else { return };
                let outcome = submit(app, survey, id, answers).await;
                assert_eq!(outcome, "replayed");
                ("resubmit", outcome)
            }
            Step::Collide(index) => {
                let Some((id, _)) = Self::pick(&self.sent, index) else { return };
                let outcome = submit(app, survey, *id, json!({"other": "answers"})).await;
                assert_eq!(outcome, "id_conflict");
                ("collide", outcome)
            }
            Step::Delete(index) => {
                let Some((id, answers)) = Self::pick(&self.sent, index).cloned() else { return };
                let outcome = delete(app, owner, survey, id).await;
                assert_eq!(outcome, "done", "{answers}");
                self.sent.retain(|(other, _)| *other != id);
                ("delete", outcome)
            }
            Step::Single(index, reply) => {
                let Some(question) = question(index) else { return };
                ("single", single(app, question, reply).await)
            }
            Step::Limit(_) | Step::LimitBelow => {
                let below = i64::try_from(self.sent.len()).unwrap() - 1;
                let limit = if let Step::Limit(limit) = step { limit } else { Some(below.max(1)) };
                let outcome = edit_survey(app, owner, survey, json!({"responseLimit": limit})).await;
                let stored = i64::try_from(self.sent.len()).unwrap();
                assert_eq!(outcome == "done", limit.is_none_or(|limit| limit >= stored));
                if outcome == "done" {
                    self.limit = limit;
                }
                ("limit", outcome)
            }
            Step::Active(is_active) => {
                ("active", edit_survey(app, owner, survey, json!({"isActive": is_active})).await)
            }
        };
        self.seen.insert((name, outcome));
        let (stored, counted, taken) = whole(self.test, survey).await;
        let expected = i64::try_from(self.sent.len()).unwrap();
        assert_eq!((stored, counted, taken), (expected, expected, self.limit.map(|_| expected)));
        assert!(self.limit.is_none_or(|limit| stored <= limit));
    }
}

/// Every stored answer keeps the rules of its question, but that an edit may have narrowed bounds, or retired options.
async fn assert_sound(test: &TestApp) {
    let sql = "SELECT type, reply_content, reply FROM replies p JOIN questions q ON q.id = p.question_id";
    for row in test.db().await.rows(sql, &[]).await.unwrap() {
        let (r#type, definition): (String, Option<Value>) = (row.get("type"), row.get("reply_content"));
        let (rules, reply): (_, Value) =
            (Rules::parse(&r#type, definition.as_ref()).unwrap(), row.get("reply"));
        if let Err(fault) = rules.check(&reply) {
            let later = ["too_small", "too_large", "too_few", "too_many", "retired_option"];
            assert!(later.contains(&fault.code), "{type} {definition:?} {reply}: {fault:?}");
        }
    }
}

#[test]
fn no_sequence_of_calls_stores_what_is_invalid_or_counts_twice_or_exceeds_a_limit() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (test, ada, owner) = runtime.block_on(async {
        let test = TestApp::new().await;
        let ada = test.user("ada").await;
        let owner = test.caller(&ada).await;
        (test, ada, owner)
    });
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let config = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    // It must not be a walk past everything; what is rare may take another round.
    let telling = [
        ("submit", "stored"),
        ("submit", "invalid_answers"),
        ("submit", "limit_reached"),
        ("single", "stored"),
        ("single", "invalid_answers"),
        ("patch", "done"),
        ("patch", "type_in_use"),
        ("patch", "option_in_use"),
        ("delete", "done"),
        ("delete question", "done"),
        ("limit", "invalid_input"),
    ];
    for _ in 0..5 {
        let outcome = TestRunner::new(config.clone()).run(
            &(vec(definition(), 3), vec(step(), 25)),
            |(definitions, steps)| {
                runtime.block_on(async {
                    let form = test.form(&ada, json!(definitions)).await;
                    let mut world = World {
                        test: &test,
                        owner: &owner,
                        form,
                        sent: vec![],
                        limit: None,
                        seen: BTreeSet::new(),
                    };
                    for step in steps {
                        world.take(step).await;
                    }
                    test.assert_counted().await;
                    assert_sound(&test).await;
                    seen.borrow_mut().append(&mut world.seen);
                    // The next case begins with an empty database.
                    test.db().await.rows("DELETE FROM surveys", &[]).await.unwrap();
                });
                Ok(())
            },
        );
        assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
        if telling.iter().all(|step| seen.borrow().contains(step)) {
            break;
        }
    }
    let seen = seen.into_inner();
    for step in telling {
        assert!(seen.contains(&step), "{step:?} never happened: {seen:?}");
    }
}
