//! The recount: it agrees with what was counted of any answers, and finds every number that is wrong.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture should stop the test")]

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use serde_json::{Value, json};
use shared::{
    config::Config,
    db, recount, responses,
    testing::{TestApp, TestSurvey, User, Uuid},
    values::{ResponseId, SurveyId},
};
use std::collections::BTreeSet;

/// Each question type with answers that differ in all that is counted, as they are written.
const ANSWERS: [(&str, &str, &[&str]); 17] = [
    ("short_text", "{}", &[r#""red""#, r#""Ż\u00f3łw\t""#]),
    ("long_text", "{}", &[r#""a\nb""#]),
    (
        "number",
        "{}",
        &[
            "0",
            "-0",
            "0.0",
            "-0.00",
            "0e9",
            "1",
            "9",
            "10",
            "1e2",
            "1E+2",
            "1.50",
            "-1.50",
            "15e-1",
            "1E-6",
            "-1e-6",
            "0.000001",
            "0.00234",
            "-0.1",
            "123456",
            "99.999999",
            "999999999999999.999999",
            "-999999999999999.999999",
            "1e14",
            "-123456789012345",
            "1000.000000000",
            "2000000",
            "7.0E0",
        ],
    ),
    ("boolean", "{}", &["true", "false"]),
    (
        "single_choice",
        r#"{"options": ["a", 1, 1.50, "1e2"], "other": true}"#,
        &[r#""a""#, "1", r#""1""#, "1.50", r#""1.50""#, r#""1e2""#, r#"{"other": "a"}"#, r#"{"other": "z"}"#],
    ),
    ("single_choice", r#"["a", "Ż\"ółw\\'"]"#, &[r#""Ż\"ółw\\'""#]),
    (
        "multi_choice",
        r#"{"options": ["a", 2, "c"], "other": true}"#,
        &[r#"["a"]"#, r#"[2, "a"]"#, r#"["c", {"other": "z"}, "2"]"#, r#"[{"other": "c"}]"#],
    ),
    (
        "ranking",
        r#"{"options": ["a", "b", 3], "minSelections": 1}"#,
        &[r#"["b"]"#, r#"[3, "a", "b"]"#, r#"["b", "3"]"#],
    ),
    ("scale", r#"{"min": -3, "max": 3}"#, &["-3", "0", "-0", "-0.0", "3.0", "3e0", "30e-1", "-20E-1"]),
    ("nps", "{}", &["0", "10", "1e1", "9.00"]),
    (
        "matrix",
        r#"{"rows": ["r", "s", 1], "columns": ["x", "y", 2]}"#,
        &[r#"{"r": "x"}"#, r#"{"s": "y", "r": 2}"#, r#"{"1": "2", "r": "x", "s": "x"}"#],
    ),
    (
        "matrix",
        r#"{"rows": ["r", "s"], "columns": ["x", "y", 2], "multiple": true}"#,
        &[r#"{"r": ["x"]}"#, r#"{"s": [2, "x"], "r": ["y", "x", "2"]}"#],
    ),
    (
        "date",
        "{}",
        // The survey was made on 2030-06-15.
        &[
            r#""2029-06-14""#,
            r#""2029-06-13""#,
            r#""2040-06-15""#,
            r#""2040-06-16""#,
            r#""2030-06-15""#,
            r#""1900-01-01""#,
            r#""1899-12-31""#,
            r#""2199-12-31""#,
            r#""2200-01-01""#,
            r#""0001-01-01""#,
            r#""9999-12-31""#,
            r#""2028-02-29""#,
            r#""1970-01-01""#,
            r#""0999-12-31""#,
        ],
    ),
    ("time", "{}", &[r#""00:00""#, r#""23:59:59""#, r#""09:05""#, r#""09:05:00""#]),
    (
        "datetime",
        "{}",
        &[
            r#""2030-06-15T00:00:00Z""#,
            r#""2030-06-15t23:59:59z""#,
            r#""2029-06-14T00:00:00+00:00""#,
            r#""2029-06-13T23:59:59.999999Z""#,
            r#""2040-06-16T00:00:00-00:00""#,
            r#""2040-06-15T23:59:59.9999999Z""#,
            r#""2030-01-31T23:30:00.5-01:00""#,
            r#""2030-01-31T00:30:00.123456789+01:00""#,
            r#""2030-01-31T12:00:00.1234567890123456789Z""#,
            r#""2030-01-31T12:00:00.0000001Z""#,
            r#""2030-01-31T12:00:00+23:59""#,
            r#""2030-01-31T12:00:00-23:59""#,
            r#""2030-01-31T12:00:00+16:00""#,
            r#""0001-01-01T00:00:00Z""#,
            r#""0000-12-31T23:59:59-00:01""#,
            r#""9999-12-31T23:59:59.999999999Z""#,
            r#""1969-12-31T23:59:59.999999999Z""#,
            r#""1899-12-31T23:59:59Z""#,
            r#""1900-01-01T00:59:59+01:00""#,
            r#""2199-12-31T23:59:59Z""#,
            r#""2200-01-01T00:00:00Z""#,
            r#""2000-02-29T12:00:00Z""#,
        ],
    ),
    ("x-colour", "7", &["null", r#""2030-06-15""#, "1e2", "[]", r#"{"r": "x"}"#, r#""""#]),
    ("Number", "{}", &["1e400", "true"]),
];

/// A survey with a question of each type.
async fn survey(test: &TestApp, owner: &User) -> TestSurvey {
    let questions = ANSWERS.map(|(r#type, definition, _)| {
        json!({"type": r#type, "replyContent": serde_json::from_str::<Value>(definition).unwrap()})
    });
    test.survey(owner).made("2030-06-15T23:30:00Z").limit(1000).questions(json!(questions)).await
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

async fn delete(test: &TestApp, owner: &User, survey: Uuid, response: Uuid) {
    let owner = test.caller(owner).await;
    responses::delete(&mut test.db().await, &owner, SurveyId(survey), ResponseId(response)).await.unwrap();
}

/// All answers above, in whole responses and sent alone, and some of both deleted again.
async fn answer(test: &TestApp, owner: &User, survey: &TestSurvey) {
    let most = ANSWERS.iter().map(|(_, _, answers)| answers.len()).max().unwrap();
    for round in 0..most {
        let answers = survey
            .questions
            .iter()
            .zip(ANSWERS)
            .filter_map(|(id, (_, _, answers))| Some((id.to_string(), parsed(answers.get(round)?))));
        let whole = test.response(survey.id, answers.clone().collect()).await;
        let mut gone = vec![whole];
        for (index, (question, answer)) in answers.enumerate() {
            let single = test.reply(question.parse().unwrap(), answer).await;
            if index % 3 == round % 3 {
                gone.push(single);
            }
        }
        if round % 4 == 3 {
            for response in gone {
                delete(test, owner, survey.id, response).await;
            }
        }
    }
    // One without any answer.
    test.response(survey.id, json!({})).await;
}

#[tokio::test]
async fn it_agrees_with_what_was_counted_of_every_type() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = survey(&test, &ada).await;
    test.survey(&ada).questions(json!([])).await;
    answer(&test, &ada, &survey).await;
    test.assert_counted().await;
    // Nor does it depend on how a session writes days.
    let mut database = test.config().database;
    database.options("-c DateStyle=German,DMY -c TimeZone=Pacific/Auckland -c IntervalStyle=iso_8601");
    let mut session = db::session(&Config { database, ..test.config() }, None).await.unwrap();
    assert_eq!(recount::differences(&mut session).await.unwrap(), Vec::<String>::new());
    // It had something to count.
    let rows = test
        .db()
        .await
        .rows("SELECT DISTINCT kind FROM question_counters WHERE n > 0 ORDER BY kind", &[])
        .await;
    let kinds: Vec<String> = rows.unwrap().iter().map(|row| row.get("kind")).collect();
    assert_eq!(kinds, KINDS[..12].iter().map(|(kind, ..)| *kind).collect::<Vec<_>>());
    assert!(test.count("responses WHERE deleted_at IS NOT NULL AND single").await > 5);
    assert!(test.count("responses WHERE deleted_at IS NOT NULL AND NOT single").await > 5);
}

#[tokio::test]
async fn it_still_agrees_when_all_is_deleted() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = survey(&test, &ada).await;
    answer(&test, &ada, &survey).await;
    let left = "SELECT id FROM responses WHERE deleted_at IS NULL";
    let left = test.db().await.rows(left, &[]).await.unwrap();
    for row in left {
        delete(&test, &ada, survey.id, row.get("id")).await;
    }
    test.assert_counted().await;
    // Of a shard more may have been taken away than was added.
    let sums = "(SELECT FROM question_counters GROUP BY question_id, kind, part HAVING sum(n) <> 0 OR sum(total) <> 0) AS sums";
    assert_eq!((test.count("answers").await, test.count(sums).await), (0, 0));
    assert_eq!(test.count("responses").await, test.count("responses WHERE deleted_at IS NOT NULL").await);
}

/// Every kind of counter: the type of a question that has it, and one of its parts as the recount writes it.
const KINDS: [(&str, &str, &str); 13] = [
    ("answers", "boolean", r#""""#),
    ("bucket", "number", r#""0.002""#),
    ("cell", "matrix", r#""s\ny""#),
    ("day", "date", r#""2029-06-14""#),
    ("earlier", "date", r#""""#),
    ("hour", "time", r#""09""#),
    ("later", "datetime", r#""""#),
    ("option", "ranking", r#""b""#),
    ("other", "multi_choice", r#""""#),
    ("single", "x-colour", r#""""#),
    ("value", "boolean", r#""false""#),
    ("year", "datetime", r#""1969""#),
    // More of the same: the row of a matrix.
    ("cell", "matrix", r#""s""#),
];

/// What is done wrong, what sets it right, and how a line about it begins.
type Fault = (String, String, String);

/// Every way in which a counter of a kind can be wrong.
fn wrong_counters(survey: &TestSurvey) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (kind, r#type, part) in KINDS {
        let question = ANSWERS.iter().position(|(other, ..)| *other == r#type).unwrap();
        let question = survey.questions[question];
        let unquoted: String = serde_json::from_str(part).unwrap();
        let one = format!("question_id = '{question}' AND kind = '{kind}' AND part = '{unquoted}'");
        let of_one = |sql: &str| format!("UPDATE question_counters SET {sql} WHERE {one}");
        let line = format!("question {question}: {kind} {part} ");
        let planted = [
            (of_one("n = n + 1"), of_one("n = n - 1")),
            (of_one("n = n - 1"), of_one("n = n + 1")),
            (of_one("total = total + 0.000001"), of_one("total = total - 0.000001")),
            (
                format!(
                    "CREATE TABLE lost AS SELECT * FROM question_counters WHERE {one}; DELETE FROM question_counters WHERE {one}"
                ),
                "INSERT INTO question_counters TABLE lost; DROP TABLE lost".to_owned(),
            ),
            (
                format!("UPDATE question_counters SET part = part || '?' WHERE {one}"),
                format!(
                    "UPDATE question_counters SET part = '{unquoted}' WHERE question_id = '{question}' AND kind = '{kind}' AND part = '{unquoted}?'"
                ),
            ),
        ];
        faults.extend(planted.map(|(wrong, right)| (wrong, right, line.clone())));
    }
    // Something that nobody answered, of a kind that there is and of one that there isn't.
    for (kind, part) in [("option", "z"), ("day", "2030-06-16"), ("colour", "red")] {
        let question = survey.question;
        faults.push((
            format!("INSERT INTO question_counters VALUES ('{question}', '{kind}', '{part}', 0, 1, 0)"),
            format!("DELETE FROM question_counters WHERE question_id = '{question}' AND kind = '{kind}'"),
            format!("question {question}: {kind} \"{part}\" 1 (total 0), there are 0 (0)"),
        ));
    }
    faults
}

/// Everything else that can be wrong.
fn other_faults(survey: &TestSurvey, other: &TestSurvey) -> Vec<Fault> {
    let (id, question) = (survey.id, survey.question);
    let number = survey.questions[2];
    let number = |what: &str| {
        format!("(SELECT id FROM answers WHERE question_id = '{number}' AND {what} ORDER BY id LIMIT 1)")
    };
    let set = |table: &str, id: &str, column: &str, value: &str| {
        format!("UPDATE {table} SET {column} = {value} WHERE {id}")
    };
    let change = |table: &str, id: &str, column: &str, line: String| {
        let wrong = set(table, id, column, &format!("{column} + 1"));
        (wrong, set(table, id, column, &format!("{column} - 1")), line)
    };
    let measure = |wrong: String, right: String| (wrong, right, "answer ".to_owned());
    let this = format!("id = '{id}'");
    vec![
        change(
            "survey_counters",
            &format!("survey_id = '{id}' AND shard = (SELECT min(shard) FROM survey_counters)"),
            "responses",
            format!("survey {id}: responses 23, there are 22"),
        ),
        (
            format!("INSERT INTO survey_counters VALUES ('{}', 0, 3)", other.id),
            format!("DELETE FROM survey_counters WHERE survey_id = '{}'", other.id),
            format!("survey {}: responses 3, there are 0", other.id),
        ),
        change("response_limits", &format!("survey_id = '{id}'"), "taken", format!("survey {id}: taken 23, there are 22")),
        change("surveys", &this, "question_count", format!("survey {id}: question_count 18, there are 17")),
        change("surveys", &this, "question_bytes", format!("survey {id}: question_bytes 171, there are 170")),
        (
            set("questions", &format!("id = '{question}'"), "position", "17"),
            set("questions", &format!("id = '{question}'"), "position", "0"),
            "question ".to_owned(),
        ),
        // A response that was deleted by its mark alone: its answers are there, and it is counted.
        (
            "CREATE TABLE marked AS SELECT id FROM responses WHERE NOT single AND deleted_at IS NULL ORDER BY id LIMIT 1;
             UPDATE responses SET deleted_at = now() WHERE id IN (TABLE marked)"
                .to_owned(),
            "UPDATE responses SET deleted_at = NULL WHERE id IN (TABLE marked); DROP TABLE marked".to_owned(),
            format!("survey {id}: responses 22, there are 21"),
        ),
        (
            "CREATE TABLE marked AS SELECT id FROM responses WHERE single AND deleted_at IS NULL ORDER BY id LIMIT 1;
             UPDATE responses SET deleted_at = now() WHERE id IN (TABLE marked)"
                .to_owned(),
            "UPDATE responses SET deleted_at = NULL WHERE id IN (TABLE marked); DROP TABLE marked".to_owned(),
            "response ".to_owned(),
        ),
        // A single answer without its answer.
        (
            format!(
                "INSERT INTO responses (id, survey_id, single, bytes) VALUES ('{question}', '{id}', true, 0)"
            ),
            format!("DELETE FROM responses WHERE id = '{question}'"),
            format!("response {question} has 0 answers, 0 of them to other surveys"),
        ),
        // A response that answers another survey's question.
        (
            format!(
                "INSERT INTO responses (id, survey_id, single, bytes) VALUES ('{question}', '{id}', true, 0);
                 INSERT INTO replies (id, response_id, question_id, reply) VALUES ('{question}', '{question}', '{0}', '1');
                 INSERT INTO question_counters VALUES ('{0}', 'single', '', 0, 1, 0)",
                other.question
            ),
            format!(
                "DELETE FROM responses WHERE id = '{question}'; DELETE FROM question_counters WHERE question_id = '{}'",
                other.question
            ),
            format!("response {question} has 1 answers, 1 of them to other surveys"),
        ),
        measure(
            set("replies", &format!("id = {}", number("value = 1")), "value", "1.000001"),
            set("replies", &format!("id = {}", number("value = 1.000001")), "value", "1"),
        ),
        measure(
            set("replies", &format!("id = {}", number("value = 9")), "value", "NULL"),
            set("replies", &format!("id = {}", number("value IS NULL")), "value", "9"),
        ),
        // A text has no measure.
        measure(
            set("replies", &format!("question_id = '{question}'"), "value", "0"),
            set("replies", &format!("question_id = '{question}'"), "value", "NULL"),
        ),
        // Another answer than the one that was counted.
        (
            format!("UPDATE replies SET reply = 'false' WHERE question_id = '{}'", survey.questions[3]),
            format!(
                "UPDATE replies SET reply = 'true' WHERE question_id = '{}' AND id IN (SELECT id FROM truth)",
                survey.questions[3]
            ),
            format!("question {}: value \"false\" 2 ", survey.questions[3]),
        ),
    ]
}

#[tokio::test]
async fn it_finds_every_wrong_counter() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = survey(&test, &ada).await;
    let other = test.survey(&ada).questions(json!([{"type": "x-colour"}])).await;
    answer(&test, &ada, &survey).await;
    test.assert_counted().await;
    let mut session = db::session(&test.config(), None).await.unwrap();
    let sql = "CREATE TABLE truth AS SELECT id FROM answers WHERE reply::text = 'true'";
    session.batch_execute(sql).await.unwrap();
    let mut lines = BTreeSet::new();
    for (wrong, right, line) in wrong_counters(&survey).into_iter().chain(other_faults(&survey, &other)) {
        session.batch_execute(&wrong).await.unwrap();
        let differences = recount::differences(&mut session).await.unwrap();
        assert!(
            differences.iter().any(|difference| difference.starts_with(&line)),
            "{wrong}: {differences:?}"
        );
        lines.extend(differences);
        session.batch_execute(&right).await.unwrap();
        assert_eq!(recount::differences(&mut session).await.unwrap(), Vec::<String>::new(), "{right}");
    }
    // One number, one line.
    assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
    let line = format!("question {}: year \"1969\" 0 (total 0), there are 2 (0)", survey.questions[14]);
    assert!(lines.contains(&line), "{lines:?}");
}

/// Texts that are good as answers to numbers, days and moments, or near to it.
fn anything() -> impl Strategy<Value = (usize, Value)> {
    let digits = "-?(0|[1-9][0-9]{0,14})([.][0-9]{1,6}0{0,3})?([eE][+-]?[0-6])?";
    let number = digits.prop_map(|text| (2, parsed(&text)));
    let year = || prop_oneof![0_u32..=9999, 2028_u32..=2042, select(vec![1899_u32, 1900, 2199, 2200])];
    let day = move || {
        (year(), 1_u32..=12, 1_u32..=31)
            .prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"))
    };
    let moment = (day(), "T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]([.][0-9]{1,12})?(Z|[+-][0-2][0-9]:[0-5][0-9])");
    prop_oneof![
        number,
        day().prop_map(|day| (12, json!(day))),
        moment.prop_map(|(day, time)| (14, json!(day + &time))),
    ]
}

#[test]
fn it_agrees_with_what_was_counted_of_any_numbers_days_and_moments() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (test, ada) = runtime.block_on(async {
        let test = TestApp::new().await;
        let ada = test.user("ada").await;
        (test, ada)
    });
    let survey = runtime.block_on(survey(&test, &ada));
    let config = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&vec(anything(), 40), |answers| {
        runtime.block_on(async {
            let mut db = test.db().await;
            for (question, answer) in answers {
                let question = shared::values::QuestionId(survey.questions[question]);
                match responses::insert_single(
                    &mut db,
                    test.app.forms(),
                    question,
                    &responses::AnswerValue(answer),
                )
                .await
                {
                    Ok(_) | Err(shared::Error::Rejected(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        runtime.block_on(test.assert_counted());
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    for question in [2, 12, 14] {
        let stored = format!("replies WHERE question_id = '{}'", survey.questions[question]);
        let stored = runtime.block_on(test.count(&stored));
        assert!(stored > 100, "{stored} of {}", ANSWERS[question].0);
    }
}
