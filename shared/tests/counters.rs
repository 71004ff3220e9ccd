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
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use shared::{
    App, Error,
    accounts::{Caller, Viewer},
    questions::{self, QuestionChanges},
    responses::{self, AnswerValue, Answers},
    results,
    rules::{Definition, Rules},
    surveys::{self, SurveyChanges},
    testing::{TestApp, TestSurvey, Uuid},
    values::{
        Change, FaultCode, Flag, QuestionId, ResponseId, SurveyId,
        fields::{Given, Reading},
    },
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
        Err(error) => json!(error.code()).as_str().unwrap().to_owned().leak(),
    }
}

fn value<T: DeserializeOwned>(json: &Value) -> T {
    T::deserialize(Given::new(json.clone(), Reading::Strict)).unwrap()
}

/// What an edit says of something that can also be nothing.
fn change<T>(json: Option<&Value>, read: impl Fn(&Value) -> T) -> Change<T> {
    json.map_or(Change::Keep, |json| Change::Set((!json.is_null()).then(|| read(json))))
}

async fn submit(app: App, survey: Uuid, id: Uuid, answers: Value) -> Outcome {
    let answers: Answers = value(&answers);
    let mut db = app.db().await.unwrap();
    let receipt = responses::submit(&mut db, app.forms(), SurveyId(survey), ResponseId(id), &answers).await;
    outcome(receipt, |receipt| if receipt.replayed { "replayed" } else { "stored" })
}

async fn single(app: App, question: Uuid, answer: Value) -> Outcome {
    let mut db = app.db().await.unwrap();
    let stored =
        responses::insert_single(&mut db, app.forms(), QuestionId(question), &AnswerValue(answer)).await;
    outcome(stored, |_| "stored")
}

async fn delete(app: App, owner: &Caller, survey: Uuid, id: Uuid) -> Outcome {
    let mut db = app.db().await.unwrap();
    outcome(responses::delete(&mut db, owner, SurveyId(survey), ResponseId(id)).await, |()| "done")
}

async fn edit_question(app: App, owner: &Caller, question: Uuid, definition: Value) -> Outcome {
    let changes = QuestionChanges {
        content: None,
        r#type: definition.get("type").map(value),
        required: definition.get("required").map(|json| Flag(json.as_bool().unwrap())),
        reply_content: change(definition.get("replyContent"), Clone::clone),
    };
    let mut db = app.db().await.unwrap();
    outcome(questions::update(&mut db, owner, QuestionId(question), &changes, None).await, |_| "done")
}

async fn delete_question(app: App, owner: &Caller, question: Uuid) -> Outcome {
    let mut db = app.db().await.unwrap();
    outcome(questions::delete(&mut db, owner, QuestionId(question), None).await, |_| "done")
}

async fn add_question(app: App, owner: &Caller, survey: Uuid, definition: &Value) -> Option<Uuid> {
    let question = Definition::new(
        value(&json!("Why?")),
        value(&definition["type"]),
        definition.get("required").map(|json| Flag(json.as_bool().unwrap())),
        definition.get("replyContent").cloned(),
    );
    let mut db = app.db().await.unwrap();
    let added = questions::insert(&mut db, owner, SurveyId(survey), &question.unwrap()).await;
    let mut id = None;
    outcome(added, |new| {
        id = Some(new.0);
        "done"
    });
    id
}

async fn edit_survey(app: App, owner: &Caller, survey: Uuid, changes: Value) -> Outcome {
    let changes = SurveyChanges {
        id_survey: SurveyId(survey),
        name: None,
        desc: Change::Keep,
        is_active: changes.get("isActive").map(value),
        opens_at: Change::Keep,
        due_date: None,
        visibility: None,
        public_stats: None,
        response_limit: change(changes.get("responseLimit"), value),
    };
    let mut db = app.db().await.unwrap();
    outcome(surveys::update(&mut db, owner, &changes, None).await, |_| "done")
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
    let sql = "SELECT (SELECT count(*) FROM responses WHERE survey_id = $1 AND NOT single AND deleted_at IS NULL) AS stored,
                      (SELECT sum(responses)::bigint FROM survey_counters WHERE survey_id = $1) AS counted,
                      (SELECT taken FROM response_limits WHERE survey_id = $1) AS taken";
    let row = test.db().await.row(sql, &[&survey]).await.unwrap();
    (row.get("stored"), row.get::<_, Option<i64>>("counted").unwrap_or(0), row.get("taken"))
}

/// Every stored reply keeps the rules that its question has now.
async fn assert_valid(test: &TestApp) {
    let sql = "SELECT type, reply_content, reply FROM answers p JOIN questions q ON q.id = p.question_id";
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
    let survey = test.survey(&ada).questions(json!([{"type": "nps", "required": true}])).limit(25).await;
    let calls = (0..60).map(|n| {
        tokio::spawn(submit(test.app.clone(), survey.id, Uuid::now_v7(), survey.answers([json!(n % 11)])))
    });
    let outcomes = tallied(calls.collect()).await;
    assert_eq!(outcomes, BTreeMap::from([("limit_reached", 35), ("stored", 25)]));
    assert_eq!(whole(&test, survey.id).await, (25, 25, Some(25)));
    assert_eq!(test.count("answers").await, 25);
    test.assert_counted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_response_sent_twenty_times_at_once_is_stored_once() {
    let test = busy().await;
    let ada = test.user("ada").await;
    // With room for one alone: a retry must not be told that there is no place.
    for limit in [None, Some(1)] {
        let survey = test.survey(&ada).questions(json!([{"type": "nps"}, {"type": "short_text"}]));
        let survey = if let Some(limit) = limit { survey.limit(limit).await } else { survey.await };
        let (id, answers) = (Uuid::now_v7(), survey.answers([json!(9), json!("x")]));
        let calls = (0..20).map(|_| tokio::spawn(submit(test.app.clone(), survey.id, id, answers.clone())));
        let outcomes = tallied(calls.collect()).await;
        assert_eq!(outcomes, BTreeMap::from([("replayed", 19), ("stored", 1)]));
        assert_eq!(whole(&test, survey.id).await, (1, 1, limit));
    }
    test.assert_counted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_different_responses_with_one_id_at_once_one_is_stored() {
    let test = busy().await;
    let ada = test.user("ada").await;
    let survey = || test.survey(&ada).questions(json!([{"type": "number"}]));
    let surveys = [survey().await, survey().await];
    let id = Uuid::now_v7();
    let calls = (0..20).map(|n| {
        let survey: &TestSurvey = &surveys[n % 2];
        tokio::spawn(submit(test.app.clone(), survey.id, id, survey.answers([json!(n)])))
    });
    let outcomes = tallied(calls.collect()).await;
    assert_eq!(outcomes, BTreeMap::from([("id_conflict", 19), ("stored", 1)]));
    assert_eq!((test.count("responses").await, test.count("answers").await), (1, 1));
    test.assert_counted().await;
}

/// What SQL counts in the raw replies to a choice, a multiple choice, a scale and a number, in that order.
async fn raw(test: &TestApp, survey: &TestSurvey) -> Value {
    let [single, multi, scale, number] = [0, 1, 2, 3].map(|index: usize| survey.questions[index]);
    let sql = "
        SELECT json_build_object(
            'single', (SELECT json_object_agg(value, n) FROM (
                SELECT reply #>> '{}' AS value, count(*) AS n FROM answers WHERE question_id = $1 GROUP BY 1
            ) AS of_option),
            'multi', (SELECT json_object_agg(value, n) FROM (
                SELECT chosen AS value, count(*) AS n
                FROM answers, json_array_elements_text(reply) AS chosen WHERE question_id = $2 GROUP BY 1
            ) AS of_option),
            'multi_votes', (SELECT count(*) FROM answers WHERE question_id = $2),
            'scale', (SELECT json_object_agg(value, n) FROM (
                SELECT (reply::text)::numeric::int AS value, count(*) AS n FROM answers WHERE question_id = $3 GROUP BY 1
            ) AS of_step),
            'number', (SELECT json_build_array(count(*), sum(n)::text, min(n)::text, max(n)::text) FROM (
                SELECT trim_scale((reply::text)::numeric) AS n FROM answers WHERE question_id = $4
            ) AS numbers)
        ) AS raw";
    test.db().await.row(sql, &[&single, &multi, &scale, &number]).await.unwrap().get("raw")
}

/// The same as the results say it.
async fn shown(test: &TestApp, survey: &TestSurvey, owner: Caller) -> Value {
    let stats = results::stats(&mut test.db().await, &Viewer::Caller(owner), SurveyId(survey.id), true).await;
    let stats = serde_json::to_value(stats.unwrap().0).unwrap();
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
    let survey = test
        .survey(&ada)
        .questions(json!([
            {"type": "single_choice", "replyContent": options},
            {"type": "multi_choice", "replyContent": options},
            {"type": "scale"},
            {"type": "number"},
            {"type": "matrix", "replyContent": {"rows": ["r", "s"], "columns": options}},
            {"type": "x-colour"},
        ]))
        .await;
    let survey = Arc::new(survey);
    let answers = |n: usize, survey: &TestSurvey| {
        let pick = |n: usize| ["a", "b", "c"][n % 3];
        survey.answers([
            json!(pick(n)),
            json!([pick(n / 2 + 1), pick(n / 2)]),
            json!(n % 5 + 1),
            serde_json::from_str(&format!("{}.{}", n * n, n % 7)).unwrap(),
            json!({"r": pick(n), "s": pick(n + 1)}),
            json!(n),
        ])
    };
    let calls = (0..40).map(|client| {
        let (app, survey, owner) = (test.app.clone(), survey.clone(), owner.clone());
        tokio::spawn(async move {
            let mut stored = Vec::new();
            for round in 0..6 {
                let n = client * 6 + round;
                match client % 4 {
                    // Single replies to every question.
                    0 => {
                        let answers = answers(n, &survey);
                        for question in &survey.questions {
                            let reply = answers[question.to_string()].clone();
                            assert_eq!(single(app.clone(), *question, reply).await, "stored");
                        }
                    }
                    // Responses that are deleted again, by two at once.
                    1 => {
                        let id = Uuid::now_v7();
                        assert_eq!(submit(app.clone(), survey.id, id, answers(n, &survey)).await, "stored");
                        let gone = tokio::join!(
                            delete(app.clone(), &owner, survey.id, id),
                            delete(app.clone(), &owner, survey.id, id)
                        );
                        assert_eq!(BTreeSet::from([gone.0, gone.1]), BTreeSet::from(["done", "not_found"]));
                    }
                    _ => {
                        let id = Uuid::now_v7();
                        assert_eq!(submit(app.clone(), survey.id, id, answers(n, &survey)).await, "stored");
                        stored.push(id);
                    }
                }
            }
            stored.len()
        })
    });
    let stored: usize = join_all(calls).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(stored, 120);
    assert_eq!(whole(&test, survey.id).await, (120, 120, None));
    assert_eq!(test.count("answers").await, (120 + 60) * 6);
    test.assert_counted().await;
    assert_valid(&test).await;
    assert_eq!(shown(&test, &survey, test.caller(&ada).await).await, raw(&test, &survey).await);
    let survey =
        surveys::find(&mut test.db().await, &Viewer::Caller(test.caller(&ada).await), SurveyId(survey.id))
            .await;
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
    let questions = json!([{"type": "single_choice", "replyContent": ["base"]}, {"type": "x-colour"}]);
    let survey = Arc::new(test.survey(&ada).questions(questions).await);
    let now = Now { option: "base".to_owned(), question: survey.questions[1], over: false };
    let now = Arc::new(Mutex::new(now));
    let clients = (0..12_usize).map(|client| {
        let (app, survey, now) = (test.app.clone(), survey.clone(), now.clone());
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
                    0 => single(app.clone(), survey.questions[0], json!(option)).await,
                    1 if n % 12 == 1 => single(app.clone(), question, json!("red")).await,
                    _ => {
                        submit(app.clone(), survey.id, Uuid::now_v7(), survey.answers([json!(option)])).await
                    }
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
        let added = edit_question(app(), &owner, survey.questions[0], json!({"replyContent": more})).await;
        assert_eq!(added, "done");
        now.lock().unwrap().option = option;
        tokio::time::sleep(Duration::from_millis(round % 4)).await;
        let gone = edit_question(app(), &owner, survey.questions[0], json!({"replyContent": live})).await;
        if gone == "option_in_use" {
            live = more;
        }
        *edits.entry(gone).or_default() += 1;
        // A question comes whose type changes, unless it was answered; then it goes, with its replies.
        let question = add_question(app(), &owner, survey.id, &json!({"type": "x-colour"})).await.unwrap();
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
            let question = add_question(app(), &owner, survey.id, &required).await.unwrap();
            assert_eq!(delete_question(app(), &owner, question).await, "done");
            for is_active in [false, true] {
                assert_eq!(
                    edit_survey(app(), &owner, survey.id, json!({"isActive": is_active})).await,
                    "done"
                );
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
    let questions = json!([{"type": "single_choice", "replyContent": ["a", "b"]}, {"type": "x-colour"}]);
    for (edit, outcomes) in [
        ("UPDATE questions SET reply_content = '[\"b\"]', type = 'single_choice'", ["invalid_answers"; 3]),
        ("UPDATE surveys SET due_at = now()", ["survey_closed"; 3]),
        ("DELETE FROM questions", ["not_found", "not_found", "invalid_answers"]),
        ("DELETE FROM surveys", ["not_found"; 3]),
    ] {
        let survey = test.survey(&ada).questions(questions.clone()).await;
        // What edits do: lock, change, count the version up.
        session.batch_execute("BEGIN; SELECT FROM surveys FOR UPDATE").await.unwrap();
        session.batch_execute(&format!("{edit}; UPDATE surveys SET version = version + 1")).await.unwrap();
        let app = || test.app.clone();
        let calls = [
            tokio::spawn(single(app(), survey.questions[0], json!("a"))),
            tokio::spawn(single(app(), survey.questions[1], json!("red"))),
            tokio::spawn(submit(
                app(),
                survey.id,
                Uuid::now_v7(),
                survey.answers([json!("a"), json!("red")]),
            )),
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
    let survey = test.survey(&ada).questions(questions).await;
    let id = test.response(survey.id, survey.answers([json!("a")])).await;
    session.batch_execute("BEGIN; SELECT FROM surveys FOR UPDATE").await.unwrap();
    let retired = r#"[{"value": "a", "retired": true}, "b"]"#;
    let edit = format!("UPDATE questions SET reply_content = '{retired}' WHERE type = 'single_choice'");
    session.batch_execute(&format!("{edit}; UPDATE surveys SET version = version + 1")).await.unwrap();
    let call = (test.app.clone(), owner.clone(), survey.id);
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
    let survey = test.survey(&ada).questions(json!([{"type": "nps"}])).await;
    let mut limit = 0;
    for round in 0..8 {
        limit += 5;
        let answers = survey.answers([json!(round)]);
        let calls: Vec<_> = (0..20)
            .map(|_| tokio::spawn(submit(test.app.clone(), survey.id, Uuid::now_v7(), answers.clone())))
            .collect();
        // Set while they arrive: either there are more already, or from then on it holds.
        let set = json!({"responseLimit": limit});
        let outcome = edit_survey(test.app.clone(), &owner, survey.id, set).await;
        let outcomes = tallied(calls).await;
        let (stored, counted, taken) = whole(&test, survey.id).await;
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
        assert_eq!(edit_survey(test.app.clone(), &owner, survey.id, lift).await, "done");
        test.assert_counted().await;
    }
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
    /// What was deleted, sent again or deleted again.
    Revive(usize),
    Single(usize, Value),
    DeleteSingle(usize),
    Limit(Option<i64>),
    /// A limit, less than there are responses if there are any.
    LimitBelow,
    Active(bool),
}

/// Definitions that are good, of every type, so that answers and edits meet.
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
    let other = |r#type: &'static str| {
        (options.clone(), any::<bool>()).prop_map(
            move |(options, other)| json!({"type": r#type, "replyContent": {"options": options, "other": other}}),
        )
    };
    let typed = prop_oneof![
        2 => other("single_choice"),
        2 => other("multi_choice"),
        2 => options
            .clone()
            .prop_map(|o| json!({"type": "ranking", "replyContent": {"options": o, "minSelections": 1}})),
        2 => (options.clone(), any::<bool>()).prop_map(|(o, multiple)| {
            json!({"type": "matrix", "replyContent": {"rows": ["a", "b"], "columns": o, "multiple": multiple}})
        }),
        1 => (0..3_i64).prop_map(|min| json!({"type": "number", "replyContent": {"min": -min}})),
        1 => (0..3_i64).prop_map(|min| json!({"type": "scale", "replyContent": {"min": min}})),
        4 => select(vec!["date", "time", "datetime", "boolean", "nps", "short_text", "long_text"])
            .prop_map(|r#type| json!({"type": r#type, "replyContent": null})),
        1 => Just(json!({"type": "x-colour", "replyContent": ["x"]})),
    ];
    (typed, prop::bool::weighted(0.1)).prop_map(|(mut definition, required)| {
        definition["required"] = json!(required);
        definition
    })
}

/// Each is good for some questions and bad for the others.
fn reply() -> impl Strategy<Value = Value> {
    let numbers = ["1", "2.5", "3", "-1", "1e1", "-0.00", "1.50", "123456789012345.654321", "1E-6"];
    let numbers = numbers.map(|number| serde_json::from_str(number).unwrap());
    let others = [
        json!("a"),
        json!("b"),
        json!("c"),
        json!(["a"]),
        json!(["b", "a"]),
        json!(["c", "c"]),
        json!({"other": "z"}),
        json!(["a", {"other": "z"}]),
        json!({"a": "b"}),
        json!({"a": "c", "b": "a"}),
        json!({"a": ["b", "a"]}),
        json!({"a": ["a"], "b": ["a"]}),
        json!(true),
        json!("2030-01-31"),
        json!("1987-01-31"),
        json!("0001-01-01"),
        json!("9999-12-31"),
        json!("18:00"),
        json!("2030-01-31T18:00:00.123456789+18:30"),
        json!("0000-12-31T23:59:59-00:01"),
        json!(""),
        json!(null),
    ];
    select([&numbers[..], &others[..]].concat())
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
        10 => vec(proptest::option::weighted(0.6, reply()), 4).prop_map(Step::Submit),
        2 => any::<usize>().prop_map(Step::Resubmit),
        1 => any::<usize>().prop_map(Step::Collide),
        3 => any::<usize>().prop_map(Step::Delete),
        1 => any::<usize>().prop_map(Step::Revive),
        8 => (any::<usize>(), reply()).prop_map(|(question, reply)| Step::Single(question, reply)),
        1 => any::<usize>().prop_map(Step::DeleteSingle),
        2 => proptest::option::of(1..4_i64).prop_map(Step::Limit),
        1 => Just(Step::LimitBelow),
        1 => prop::bool::weighted(0.7).prop_map(Step::Active),
    ]
}

/// What the sequence has made so far.
struct World<'a> {
    test: &'a TestApp,
    owner: &'a Caller,
    survey: TestSurvey,
    /// What was sent and stored, and is to be known for ever.
    sent: Vec<(Uuid, Value)>,
    /// What was stored and then deleted, and is to stay so.
    deleted: Vec<(Uuid, Value)>,
    limit: Option<i64>,
    seen: BTreeSet<(&'static str, Outcome)>,
}

impl World<'_> {
    fn pick<T>(items: &[T], index: usize) -> Option<&T> {
        items.get(index.checked_rem(items.len())?)
    }

    async fn take(&mut self, step: Step) {
        let (app, owner, survey) = (self.test.app.clone(), self.owner, self.survey.id);
        let question = |index| Self::pick(&self.survey.questions, index).copied();
        let (name, outcome) = match step {
            Step::Add(definition) => {
                let added = add_question(app, owner, survey, &definition).await;
                self.survey.questions.extend(added);
                ("add", if added.is_some() { "done" } else { "refused" })
            }
            Step::Patch(index, edit) => {
                let Some(question) = question(index) else { return };
                ("patch", edit_question(app, owner, question, edit).await)
            }
            Step::DeleteQuestion(index) => {
                let Some(question) = question(index) else { return };
                let outcome = delete_question(app, owner, question).await;
                self.survey.questions.retain(|id| *id != question);
                ("delete question", outcome)
            }
            Step::Submit(replies) => {
                let answers = self.survey.questions.iter().zip(replies);
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
                self.deleted.push((id, answers));
                ("delete", outcome)
            }
            Step::Revive(index) => {
                let Some((id, answers)) = Self::pick(&self.deleted, index).cloned() else { return };
                assert_eq!(delete(app.clone(), owner, survey, id).await, "not_found");
                let outcome = submit(app, survey, id, answers).await;
                assert_eq!(outcome, "response_deleted");
                ("revive", outcome)
            }
            Step::Single(index, reply) => {
                let Some(question) = question(index) else { return };
                ("single", single(app, question, reply).await)
            }
            Step::DeleteSingle(index) => {
                let sql = "SELECT id FROM responses WHERE single AND deleted_at IS NULL ORDER BY id";
                let singles = self.test.db().await.rows(sql, &[]).await.unwrap();
                let Some(single) = Self::pick(&singles, index) else { return };
                let outcome = delete(app, owner, survey, single.get("id")).await;
                assert_eq!(outcome, "done");
                ("delete single", outcome)
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

/// Every stored answer keeps the rules of its question, but that an edit may have narrowed bounds, retired options, or put an
/// end to others than the options.
async fn assert_sound(test: &TestApp) {
    use FaultCode::{RetiredOption, TooFew, TooLarge, TooMany, TooSmall};
    let sql = "SELECT type, reply_content, reply FROM answers p JOIN questions q ON q.id = p.question_id";
    for row in test.db().await.rows(sql, &[]).await.unwrap() {
        let (r#type, definition): (String, Option<Value>) = (row.get("type"), row.get("reply_content"));
        let rules = Rules::parse(&r#type, definition.as_ref()).unwrap();
        let mut reply: Value = row.get("reply");
        match (r#type.as_str(), &mut reply) {
            ("single_choice", Value::Object(_)) => continue,
            ("multi_choice", Value::Array(items)) => items.retain(|item| !item.is_object()),
            _ => {}
        }
        if let Err(faults) = rules.check(&reply) {
            let later = [TooSmall, TooLarge, TooFew, TooMany, RetiredOption];
            let excused = faults.iter().all(|fault| later.contains(&fault.code));
            assert!(excused, "{type} {definition:?} {reply}: {faults:?}");
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
        ("revive", "response_deleted"),
        ("delete single", "done"),
        ("delete question", "done"),
        ("limit", "invalid_input"),
    ];
    for _ in 0..5 {
        let outcome = TestRunner::new(config.clone()).run(
            &(vec(definition(), 3), vec(step(), 25)),
            |(definitions, steps)| {
                runtime.block_on(async {
                    let survey = test.survey(&ada).questions(json!(definitions)).await;
                    let mut world = World {
                        test: &test,
                        owner: &owner,
                        survey,
                        sent: vec![],
                        deleted: vec![],
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
