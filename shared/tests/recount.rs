//! The recount: it agrees with what was counted of any answers, and finds every number that is wrong.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture should stop the test")]

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::{
    config::Config,
    db, questions, recount, responses,
    rules::Definition,
    surveys::{self, SurveyChanges},
    testing::{TestApp, TestSurvey, User, Uuid},
    values::{
        Change, QuestionId, ResponseId, SurveyId,
        fields::{Given, Reading},
    },
};
use std::collections::BTreeMap;
use tokio_postgres::Client;

/// Each question type with answers that differ in all that is counted, as they are written.
const ANSWERS: [(&str, &str, &[&str]); 18] = [
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
    ("boolean", "{}", &["true", "false", "true"]),
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
    // So many that the counters go on in another row.
    ("scale", r#"{"min": -100, "max": 100}"#, &["-100", "0", "100", "99"]),
];

/// The questions of each type.
fn questions() -> Value {
    ANSWERS
        .iter()
        .map(|(r#type, definition, _)| json!({"type": r#type, "replyContent": parsed(definition)}))
        .collect()
}

/// A survey with a question of each type, and a limit.
async fn survey(test: &TestApp, owner: &User) -> TestSurvey {
    test.survey(owner).made("2030-06-15T23:30:00Z").limit(1000).questions(questions()).await
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn value<T: DeserializeOwned>(json: Value) -> T {
    T::deserialize(Given::new(json, Reading::Strict)).unwrap()
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

/// A session that has locked shard 0 of all surveys: a response is counted in another shard, if it may be.
async fn busy(test: &TestApp) -> Client {
    let session = db::session(&test.config(), None).await.unwrap();
    session.batch_execute("BEGIN; SELECT FROM survey_counters WHERE shard = 0 FOR UPDATE").await.unwrap();
    session
}

/// Every number that is counted and not 0, but for single answers: the question, what it counts, and that with its total.
const COUNTED: &str = "
    SELECT question_id, name, sum(n)::bigint AS n, trim_scale(sum(total)) AS total FROM (
        SELECT question_id, concat_ws(' ', kind, nullif(part, '')) AS name, n, total FROM question_counters
        UNION ALL
        SELECT q.id, name, c.counts[slot::integer % 200 + 1], 0
        FROM questions q CROSS JOIN json_each_text(q.slots) AS named (name, slot)
        JOIN survey_counters c ON c.survey_id = q.survey_id AND c.chunk = slot::integer / 200
    ) AS counted
    GROUP BY question_id, name HAVING sum(n) <> 0 OR sum(total) <> 0
    ORDER BY question_id, name";

/// What is counted, up to the first blank of its name.
const KINDS: [&str; 12] = [
    "answers", "bucket", "cell", "day", "earlier", "hour", "later", "option", "other", "rank", "value",
    "year",
];

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
    let sql =
        format!("SELECT DISTINCT split_part(name, ' ', 1) AS kind FROM ({COUNTED}) AS counted ORDER BY kind");
    let rows = session.query(&sql, &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get("kind")).collect::<Vec<&str>>(), KINDS);
    assert_eq!(test.count("survey_counters WHERE chunk = 1 AND shard = 0").await, 1);
    assert_eq!(test.count("survey_counters WHERE most_singles > 20").await, 1);
    assert!(test.count("responses WHERE deleted_at IS NOT NULL AND single").await > 5);
    assert!(test.count("responses WHERE deleted_at IS NOT NULL AND NOT single").await > 5);
}

#[tokio::test]
async fn it_agrees_in_whatever_shards_it_was_counted_and_after_edits() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).made("2030-06-15T23:30:00Z").questions(questions()).await;
    answer(&test, &ada, &survey).await;
    let locked = busy(&test).await;
    let first = survey.answers([json!("red"), json!("blue"), json!(12.5), json!(true)]);
    for answers in [first.clone(), first, json!({ survey.questions[17].to_string(): 100 })] {
        test.response(survey.id, answers).await;
    }
    locked.batch_execute("COMMIT").await.unwrap();
    assert!(test.count("survey_counters WHERE shard > 0 AND responses > 0").await > 0);
    test.assert_counted().await;
    // Taken away in another shard than it was added in.
    let locked = busy(&test).await;
    let counted_in_0 = "SELECT id FROM responses WHERE NOT single AND deleted_at IS NULL ORDER BY id LIMIT 5";
    let counted_in_0 = test.db().await.rows(counted_in_0, &[]).await.unwrap();
    for row in counted_in_0 {
        delete(&test, &ada, survey.id, row.get("id")).await;
    }
    locked.batch_execute("COMMIT").await.unwrap();
    assert!(test.count("survey_counters WHERE shard > 0 AND 0 > ANY (counts)").await > 0);
    test.assert_counted().await;
    // A question less, a question more, and a limit, which puts the shards together.
    let owner = test.caller(&ada).await;
    questions::delete(&mut test.db().await, &owner, QuestionId(survey.questions[2]), None).await.unwrap();
    test.assert_counted().await;
    let more = Definition::new(value(json!("How likely?")), value(json!("nps")), None, None).unwrap();
    let added = questions::insert(&mut test.db().await, &owner, SurveyId(survey.id), &more).await.unwrap();
    test.response(survey.id, json!({ added.to_string(): 9 })).await;
    test.reply(added.0, json!(0)).await;
    test.assert_counted().await;
    let copy = surveys::duplicate(&mut test.db().await, &owner, SurveyId(survey.id), None).await.unwrap();
    test.assert_counted().await;
    let changes = SurveyChanges {
        id_survey: SurveyId(survey.id),
        name: None,
        desc: Change::Keep,
        is_active: None,
        opens_at: Change::Keep,
        due_date: None,
        visibility: None,
        public_stats: None,
        response_limit: Change::Set(Some(value(json!(1000)))),
    };
    surveys::update(&mut test.db().await, &owner, &changes, None).await.unwrap();
    assert_eq!(test.count("survey_counters WHERE shard > 0").await, 0);
    test.response(survey.id, json!({ added.to_string(): 9 })).await;
    test.assert_counted().await;
    for gone in [SurveyId(survey.id), copy] {
        surveys::delete(&mut test.db().await, &owner, gone, None).await.unwrap();
        test.assert_counted().await;
    }
    assert_eq!(test.count("survey_counters").await, 0);
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
    assert_eq!((test.count("answers").await, test.count("measures").await), (0, 0));
    assert_eq!(test.count(&format!("({COUNTED}) AS counted")).await, 0);
    assert_eq!(test.count("survey_counters WHERE responses <> 0 OR most_singles <> 0").await, 0);
    assert_eq!(test.count("responses").await, test.count("responses WHERE deleted_at IS NOT NULL").await);
}

/// All that faults are planted in; what is generated has to be left out.
const KEEP: &str = "
    CREATE SCHEMA kept;
    CREATE TABLE kept.surveys AS TABLE surveys;
    CREATE TABLE kept.questions AS TABLE questions;
    CREATE TABLE kept.responses AS TABLE responses;
    CREATE TABLE kept.measures AS TABLE measures;
    CREATE TABLE kept.question_counters AS TABLE question_counters;
    CREATE TABLE kept.survey_counters AS
    SELECT survey_id, chunk, shard, changes, responses, max_responses, singles, counts FROM survey_counters";

/// As it was.
const RESTORE: &str = "
    UPDATE surveys s SET question_count = k.question_count, question_bytes = k.question_bytes, last_number = k.last_number,
                         slot_count = k.slot_count
    FROM kept.surveys k WHERE k.id = s.id;
    UPDATE questions q SET position = k.position, number = k.number, bytes = k.bytes, slots = k.slots
    FROM kept.questions k WHERE k.id = q.id;
    DELETE FROM responses; INSERT INTO responses TABLE kept.responses;
    DELETE FROM measures; INSERT INTO measures TABLE kept.measures;
    DELETE FROM question_counters; INSERT INTO question_counters TABLE kept.question_counters;
    DELETE FROM survey_counters;
    INSERT INTO survey_counters (survey_id, chunk, shard, changes, responses, max_responses, singles, counts)
    TABLE kept.survey_counters";

/// Two surveys: one with answers of every type and a limit, and one with a question of an own type, whose only response was
/// counted in a shard of its own. What is in them is kept.
struct World {
    /// Its database is there as long as this is.
    _test: TestApp,
    session: Client,
    survey: TestSurvey,
    other: TestSurvey,
    counted: BTreeMap<(Uuid, String), Count>,
}

/// A number, and what is added up beside it.
type Count = (i64, Decimal);

impl World {
    async fn new() -> Self {
        let test = TestApp::new().await;
        let ada = test.user("ada").await;
        let survey = survey(&test, &ada).await;
        let other = test.survey(&ada).questions(json!([{"type": "x-colour"}])).await;
        answer(&test, &ada, &survey).await;
        let locked = busy(&test).await;
        test.response(other.id, other.answers([json!("red")])).await;
        locked.batch_execute("COMMIT").await.unwrap();
        test.assert_counted().await;
        let session = db::session(&test.config(), None).await.unwrap();
        session.batch_execute(KEEP).await.unwrap();
        let rows = session.query(COUNTED, &[]).await.unwrap();
        let counted = rows
            .iter()
            .map(|row| ((row.get("question_id"), row.get("name")), (row.get("n"), row.get("total"))));
        Self { _test: test, survey, other, counted: counted.collect(), session }
    }

    /// The question of a type; its id.
    fn question(&self, r#type: &str) -> Uuid {
        let place = ANSWERS.iter().position(|(other, ..)| *other == r#type).unwrap();
        self.survey.questions[place]
    }

    /// What is counted under a name.
    fn counted(&self, question: Uuid, name: &str) -> Count {
        self.counted.get(&(question, name.to_owned())).copied().unwrap_or_default()
    }

    /// What a statement finds: one row.
    async fn row(&self, sql: &str) -> tokio_postgres::Row {
        self.session.query_one(sql, &[]).await.unwrap()
    }

    /// Do something wrong, and assert that these lines come of it and no others.
    async fn assert_found(&mut self, wrong: &str, lines: &[String]) {
        self.session.batch_execute(wrong).await.unwrap();
        assert_eq!(recount::differences(&mut self.session).await.unwrap(), lines, "{wrong}");
        self.session.batch_execute(RESTORE).await.unwrap();
    }
}

fn plain(n: i64) -> Count {
    (n, Decimal::ZERO)
}

/// The line about a number of a question.
fn line(question: Uuid, name: &str, counted: Count, stored: Count) -> String {
    let [(n, total), (m, sum)] = [counted, stored].map(|(n, total)| (n, total.normalize()));
    format!("question {question}: {} {n} (total {total}), there are {m} ({sum})", json!(name))
}

#[tokio::test]
async fn it_finds_every_slot_that_is_wrong() {
    let mut world = World::new().await;
    // All of them at once, each by another number.
    let sql = "SELECT q.id, named.name, slot::integer, s.slot_count
               FROM questions q CROSS JOIN json_each_text(q.slots) AS named (name, slot) JOIN surveys s ON s.id = q.survey_id
               WHERE s.id = $1 ORDER BY q.id, named.name";
    let rows = world.session.query(sql, &[&world.survey.id]).await.unwrap();
    assert_eq!(i32::try_from(rows.len()).unwrap(), rows[0].get::<_, i32>("slot_count"));
    for sign in [1, -1] {
        let mut lines = Vec::new();
        for row in &rows {
            let (question, name): (_, &str) = (row.get("id"), row.get("name"));
            let (n, wrong) =
                (world.counted(question, name).0, i64::from(row.get::<_, i32>("slot") + 1) * sign);
            lines.push(line(question, name, plain(n + wrong), plain(n)));
        }
        let wrong = format!(
            "UPDATE survey_counters c SET counts = ARRAY(
                 SELECT coalesce(c.counts[place], 0) + {sign} * (chunk * 200 + place)
                 FROM generate_series(1, least(200, s.slot_count - chunk * 200)) AS place
             ) FROM surveys s WHERE s.id = c.survey_id AND s.id = '{}'",
            world.survey.id
        );
        world.assert_found(&wrong, &lines).await;
    }
    // One alone, of each kind that has slots, and in each row.
    let names = [
        ("short_text", "answers"),
        ("matrix", "cell s\ny"),
        ("matrix", "cell s"),
        ("time", "hour 09"),
        ("single_choice", "option a"),
        ("multi_choice", "other"),
        ("ranking", "rank b"),
        ("boolean", "value false"),
    ];
    let names = names.map(|(r#type, name)| (world.question(r#type), name));
    for (question, name) in names.into_iter().chain([(world.survey.questions[17], "value 100")]) {
        let (n, _) = world.counted(question, name);
        assert!(n > 0, "{name}");
        for (change, wrong) in [("+ 1", n + 1), ("- 1", n - 1), ("* 0", 0)] {
            let sql = format!(
                "UPDATE survey_counters c SET counts[slot % 200 + 1] = counts[slot % 200 + 1] {change}
                 FROM (SELECT survey_id, (slots ->> $${name}$$)::integer AS slot FROM questions WHERE id = '{question}') AS q
                 WHERE c.survey_id = q.survey_id AND c.chunk = slot / 200"
            );
            world.assert_found(&sql, &[line(question, name, plain(wrong), plain(n))]).await;
        }
    }
    // A row that is not there.
    let sql = format!("DELETE FROM survey_counters WHERE survey_id = '{}' AND chunk = 1", world.survey.id);
    let (question, name) = (world.survey.questions[17], "value 100");
    world.assert_found(&sql, &[line(question, name, plain(0), world.counted(question, name))]).await;
}

#[tokio::test]
async fn it_finds_every_wrong_number_that_has_a_row() {
    let mut world = World::new().await;
    let names = [
        ("number", "bucket", "0.002"),
        ("date", "day", "2029-06-14"),
        ("date", "earlier", ""),
        ("datetime", "later", ""),
        ("datetime", "year", "1969"),
    ];
    for (r#type, kind, part) in names {
        let (question, name) = (world.question(r#type), format!("{kind} {part}").trim_end().to_owned());
        let (n, total) = world.counted(question, &name);
        assert!(n > 0, "{name}");
        let one = format!("question_id = '{question}' AND kind = '{kind}' AND part = '{part}'");
        let more = "0.000001".parse::<Decimal>().unwrap();
        let changes = [
            ("n = n + 1", (n + 1, total)),
            ("n = n - 1", (n - 1, total)),
            ("total = total + 0.000001", (n, total + more)),
            ("total = total - 0.000001", (n, total - more)),
        ];
        for (change, wrong) in changes {
            let sql = format!("UPDATE question_counters SET {change} WHERE {one}");
            world.assert_found(&sql, &[line(question, &name, wrong, (n, total))]).await;
        }
        let lost = line(question, &name, Default::default(), (n, total));
        let sql = format!("DELETE FROM question_counters WHERE {one}");
        world.assert_found(&sql, std::slice::from_ref(&lost)).await;
        // Counted as something else.
        let extra =
            line(question, &format!("{name}?").replace("er?", "er ?"), (n, total), Default::default());
        let sql = format!("UPDATE question_counters SET part = part || '?' WHERE {one}");
        world.assert_found(&sql, &[lost, extra]).await;
    }
    // What nobody answered, of a kind that there is and of one that there isn't; and once more what has a slot.
    let question = world.survey.question;
    let (n, total) = world.counted(question, "answers");
    for (kind, part, stored) in
        [("option", "z", 0), ("day", "2030-06-16", 0), ("colour", "red", 0), ("answers", "", n)]
    {
        let sql = format!("INSERT INTO question_counters VALUES ('{question}', '{kind}', '{part}', 0, 1, 0)");
        let name = format!("{kind} {part}");
        world.assert_found(&sql, &[line(question, name.trim_end(), (1, total), (stored, total))]).await;
    }
}

#[tokio::test]
async fn it_finds_single_answers_that_are_counted_wrong() {
    let mut world = World::new().await;
    let (id, first) = (world.survey.id, "chunk = 0 AND shard = 0");
    // The one that was answered alone most often, and another.
    for (r#type, number) in [("number", 3), ("boolean", 4)] {
        let question = world.question(r#type);
        let sql = format!(
            "SELECT singles[{number}] AS n FROM survey_counters WHERE survey_id = '{id}' AND {first}"
        );
        let n: i64 = world.session.query_one(&sql, &[]).await.unwrap().get("n");
        assert!(n > 0);
        for wrong in [n + 1, n - 1, 0] {
            let sql = format!(
                "UPDATE survey_counters SET singles[{number}] = {wrong} WHERE survey_id = '{id}' AND {first}"
            );
            world.assert_found(&sql, &[line(question, "single", plain(wrong), plain(n))]).await;
        }
    }
    let sql = format!("UPDATE survey_counters SET singles[99] = 1 WHERE survey_id = '{id}' AND {first}");
    world
        .assert_found(&sql, &[format!("survey {id}: 1 single answers to number 99, which is no question")])
        .await;
    // Where no single answers are counted.
    let (id, question) = (world.other.id, world.other.question);
    let sql = format!("UPDATE survey_counters SET singles = '{{1}}' WHERE survey_id = '{id}' AND shard > 0");
    let misplaced = format!("survey {id}: rows of counters with what is not theirs 1, there are 0");
    let alone = line(question, "single", plain(1), plain(0));
    world.assert_found(&sql, &[misplaced, alone]).await;
}

#[tokio::test]
async fn it_finds_surveys_whose_numbers_and_rows_are_wrong() {
    let mut world = World::new().await;
    let (id, other) = (world.survey.id, world.other.id);
    let row = |set: &str, id: Uuid, chunk: u8| {
        let shard = if id == other { "> 0" } else { "= 0" };
        format!(
            "UPDATE survey_counters SET {set} WHERE survey_id = '{id}' AND chunk = {chunk} AND shard {shard};"
        )
    };
    let survey = |set: &str| format!("UPDATE surveys SET {set} WHERE id = '{id}'");
    let insert = |id: Uuid, chunk: u8, shard: u8, responses: u8| {
        format!(
            "INSERT INTO survey_counters (survey_id, chunk, shard, changes, responses, counts) VALUES ('{id}', {chunk}, {shard}, 1, {responses}, '{{}}')"
        )
    };
    let of = |id: Uuid, what: &str| format!("survey {id}: {what}");
    let faults = [
        (row("responses = responses + 1", id, 0), vec![of(id, "responses 23, there are 22")]),
        (row("responses = responses - 1", other, 0), vec![of(other, "responses 0, there are 1")]),
        (insert(other, 0, 16, 3), vec![of(other, "responses 4, there are 1")]),
        // Moved to where they are not read.
        (
            row("responses = 21", id, 0) + &row("responses = 1", id, 1),
            vec![
                of(id, "responses 21, there are 22"),
                of(id, "rows of counters with what is not theirs 1, there are 0"),
            ],
        ),
        (insert(id, 0, 5, 0), vec![of(id, "rows of counters beside a limit 1, there are 0")]),
        (insert(id, 1, 5, 0), vec![of(id, "rows of counters beside a limit 1, there are 0")]),
        (
            row("max_responses = 1", id, 1),
            vec![of(id, "rows of counters with what is not theirs 1, there are 0")],
        ),
        (
            row("max_responses = 1", other, 0),
            vec![
                of(other, "rows of counters beside a limit 1, there are 0"),
                of(other, "rows of counters with what is not theirs 1, there are 0"),
            ],
        ),
        (
            format!("DELETE FROM survey_counters WHERE survey_id = '{other}' AND shard = 0"),
            vec![of(other, "first rows of counters 0, there are 1")],
        ),
        (survey("question_count = 19"), vec![of(id, "question_count 19, there are 18")]),
        (survey("question_bytes = 181"), vec![of(id, "question_bytes 181, there are 180")]),
        (
            format!("UPDATE questions SET position = 18 WHERE id = '{}'", world.survey.question),
            (0..18)
                .map(|n| {
                    format!(
                        "question {}: at position {}, not {n}",
                        world.survey.questions[(n + 1) % 18],
                        n + 1
                    )
                })
                .collect(),
        ),
    ];
    for (wrong, lines) in faults {
        world.assert_found(&wrong, &lines).await;
    }
}

#[tokio::test]
async fn it_finds_slots_and_numbers_that_were_given_wrong() {
    let mut world = World::new().await;
    let sql =
        "SELECT slot_count, (SELECT (slots ->> 'value true')::integer FROM questions WHERE id = $2) AS yes,
                      (SELECT (slots ->> 'value false')::integer FROM questions WHERE id = $2) AS no
               FROM surveys WHERE id = $1";
    let (id, question) = (world.survey.id, world.question("boolean"));
    let row = world.session.query_one(sql, &[&id, &question]).await.unwrap();
    let (count, yes, no): (i32, i32, i32) = (row.get("slot_count"), row.get("yes"), row.get("no"));
    let (trues, falses) = (world.counted(question, "value true"), world.counted(question, "value false"));
    assert!(trues.0 != falses.0);
    let set = |name: &str, slot: i32| {
        format!(
            "UPDATE questions SET slots = (slots::jsonb || '{{\"{name}\": {slot}}}')::json WHERE id = '{question}'"
        )
    };
    // Two of one question share a slot; those of two questions do.
    let shared = format!(
        "survey {id}: slot {no} of {count} is that of {question} \"value false\", {question} \"value true\""
    );
    world.assert_found(&set("value true", no), &[shared, line(question, "value true", falses, trues)]).await;
    let (other, others) =
        (world.survey.questions[17], world.counted(world.survey.questions[17], "value 100"));
    let last = count - 1;
    let shared = format!(
        "survey {id}: slot {last} of {count} is that of {question} \"value true\", {other} \"value 100\""
    );
    world
        .assert_found(&set("value true", last), &[shared, line(question, "value true", others, trues)])
        .await;
    // Beyond the last one, and none.
    for slot in [count, -1] {
        let beyond = format!("survey {id}: slot {slot} of {count} is that of {question} \"value true\"");
        world
            .assert_found(
                &set("value true", slot),
                &[beyond, line(question, "value true", Default::default(), trues)],
            )
            .await;
    }
    let sql = format!("UPDATE surveys SET slot_count = slot_count - 1 WHERE id = '{id}'");
    let lines = [
        format!("survey {id}: slot {last} of {last} is that of {other} \"value 100\""),
        format!("survey {id}: {} at place {} of chunk 1, there are {last} slots", others.0, last - 199),
    ];
    world.assert_found(&sql, &lines).await;
    let sql =
        format!("UPDATE questions SET slots = (slots::jsonb - 'value true')::json WHERE id = '{question}'");
    world.assert_found(&sql, &[line(question, "value true", Default::default(), trues)]).await;
    // Counted where there is no slot yet, and behind the end of a row, where the results would read the next one's.
    for (chunk, place) in [(1, count - 199), (0, 201)] {
        let sql = format!(
            "UPDATE survey_counters SET counts[{place}] = 7 WHERE survey_id = '{id}' AND chunk = {chunk}"
        );
        let line = format!("survey {id}: 7 at place {place} of chunk {chunk}, there are {count} slots");
        world.assert_found(&sql, &[line]).await;
    }
    // Numbers of questions.
    let sql = format!("UPDATE surveys SET last_number = 17 WHERE id = '{id}'");
    world.assert_found(&sql, &[format!("question {other}: number 18, the last one is 17")]).await;
    assert_eq!(yes + 1, no);
}

#[tokio::test]
async fn it_finds_documents_that_are_wrong() {
    let mut world = World::new().await;
    let (id, question) = (world.survey.id, world.survey.question);
    let response = Uuid::from_u128(7);
    let insert = |single: bool, bytes: usize, answers: &str| {
        format!(
            "INSERT INTO responses (id, survey_id, single, bytes, answers) VALUES ('{response}', '{id}', {single}, {bytes}, '{answers}')"
        )
    };
    let (one_more, read) =
        (format!("survey {id}: responses 22, there are 23"), format!("response {response}: "));
    let unknown = format!("{read}1 answers to 0 questions, bytes 41, there are 41");
    let answers = world.counted(question, "answers");
    let red = |n: i64| line(question, "answers", answers, plain(answers.0 + n));
    let faults = [
        // To a question that there isn't.
        (insert(false, 41, r#"{"99": 1}"#), vec![one_more.clone(), unknown.clone()]),
        (insert(false, 41, r#"{"01": 1}"#), vec![one_more.clone(), unknown]),
        // The same question twice.
        (
            insert(false, 90, r#"{"1": "red", "1": "red"}"#),
            vec![one_more.clone(), format!("{read}2 answers to 1 questions, bytes 90, there are 90"), red(2)],
        ),
        // A size that is wrong.
        (
            insert(false, 44, r#"{"1": "red"}"#),
            vec![one_more.clone(), format!("{read}1 answers to 1 questions, bytes 44, there are 45"), red(1)],
        ),
        (
            insert(false, 1, "{}"),
            vec![one_more, format!("{read}0 answers to 0 questions, bytes 1, there are 0")],
        ),
        // A single answer that is none.
        (insert(true, 0, "{}"), vec![format!("{read}0 answers to 0 questions, bytes 0, there are 0")]),
    ];
    for (wrong, lines) in faults {
        world.assert_found(&wrong, &lines).await;
    }
}

#[tokio::test]
async fn it_finds_what_was_changed_or_deleted_and_is_counted_as_before() {
    let mut world = World::new().await;
    let (id, other) = (world.survey.id, world.other.id);
    let sql = format!(
        "SELECT id, bytes FROM responses WHERE survey_id = '{id}' AND single AND answers ->> '4' = 'true' ORDER BY id LIMIT 1"
    );
    let row = world.row(&sql).await;
    let (single, bytes): (Uuid, i32) = (row.get("id"), row.get("bytes"));
    let sql = "SELECT singles[1] AS texts, singles[4] AS yes FROM survey_counters WHERE singles IS NOT NULL";
    let row = world.row(sql).await;
    let (texts, trues): (i64, i64) = (row.get("texts"), row.get("yes"));
    // A single answer with a second one.
    let (question, bytes) = (world.survey.question, bytes + 45);
    let answers = world.counted(question, "answers");
    let sql = format!(
        r#"UPDATE responses SET answers = '{{"1": "red", "4": true}}', bytes = {bytes} WHERE id = '{single}'"#
    );
    let lines = [
        format!("response {single}: 2 answers to 2 questions, bytes {bytes}, there are {bytes}"),
        line(question, "answers", answers, plain(answers.0 + 1)),
        line(question, "single", plain(texts), plain(texts + 1)),
    ];
    world.assert_found(&sql, &lines).await;
    // Another answer than the one that was counted.
    let question = world.question("boolean");
    let (yes, no) = (world.counted(question, "value true"), world.counted(question, "value false"));
    let sql = format!(
        r#"UPDATE responses SET answers = '{{"4": false}}', bytes = bytes + 1 WHERE id = '{single}'"#
    );
    let lines = [
        line(question, "value false", no, plain(no.0 + 1)),
        line(question, "value true", yes, plain(yes.0 - 1)),
    ];
    world.assert_found(&sql, &lines).await;
    // Deleted, and still counted; or gone.
    let answers = world.counted(question, "answers");
    for wrong in
        ["UPDATE responses SET deleted_at = now(), answers = NULL, bytes = 0", "DELETE FROM responses"]
    {
        let lines = [
            line(question, "answers", answers, plain(answers.0 - 1)),
            line(question, "single", plain(trues), plain(trues - 1)),
            line(question, "value true", yes, plain(yes.0 - 1)),
        ];
        world.assert_found(&format!("{wrong} WHERE id = '{single}'"), &lines).await;
        let lines = [
            format!("survey {other}: responses 1, there are 0"),
            line(world.other.question, "answers", plain(1), plain(0)),
        ];
        world.assert_found(&format!("{wrong} WHERE survey_id = '{other}'"), &lines).await;
    }
    // Never half: neither is its mark forgotten, nor are its answers.
    for half in ["deleted_at = now()", "answers = NULL"] {
        let sql = format!("UPDATE responses SET {half} WHERE id = '{single}'");
        let refused = world.session.batch_execute(&sql).await.unwrap_err();
        assert_eq!(refused.as_db_error().unwrap().constraint(), Some("responses_answers_until_deleted"));
    }
}

#[tokio::test]
async fn it_finds_measures_that_are_wrong() {
    let mut world = World::new().await;
    for (r#type, value) in [("number", "9"), ("date", "741243"), ("time", "86399"), ("datetime", "951825600")]
    {
        let question = world.question(r#type);
        let sql = format!(
            "SELECT response_id FROM measures WHERE question_id = '{question}' AND value = {value} LIMIT 1"
        );
        let response: Uuid = world.row(&sql).await.get("response_id");
        let one = format!("question_id = '{question}' AND response_id = '{response}'");
        let line = |counted: &str, stored: &str| {
            format!("answer to {question} in {response}: value {counted}, it is {stored}")
        };
        let sql = format!("UPDATE measures SET value = value + 0.000001 WHERE {one}");
        world.assert_found(&sql, &[line(&format!("{value}.000001"), value)]).await;
        world.assert_found(&format!("DELETE FROM measures WHERE {one}"), &[line("none", value)]).await;
        let sql = format!("INSERT INTO measures VALUES ('{question}', -1, '{response}')");
        world.assert_found(&sql, &[line("-1", value)]).await;
    }
    // Of a text, which has none, of no answer, and of a response that isn't there.
    let sql = "SELECT id FROM responses WHERE NOT single AND answers ->> '1' IS NOT NULL ORDER BY id LIMIT 1";
    let answered: Uuid = world.row(sql).await.get("id");
    let sql = "SELECT id FROM responses WHERE NOT single AND answers::text = '{}'";
    let empty: Uuid = world.row(sql).await.get("id");
    let number = world.question("number");
    for (question, response) in [(world.survey.question, answered), (number, empty), (number, number)] {
        let sql = format!("INSERT INTO measures VALUES ('{question}', 5, '{response}')");
        let line = format!("answer to {question} in {response}: value 5, it is none");
        world.assert_found(&sql, &[line]).await;
    }
    // Another number than the one that was counted.
    let sql = "SELECT id FROM responses WHERE single AND answers ->> '3' = '9'";
    let response: Uuid = world.row(sql).await.get("id");
    let (nine, seven) = (world.counted(number, "bucket 9"), world.counted(number, "bucket 7"));
    let lines = [
        format!("answer to {number} in {response}: value 9, it is 7"),
        line(number, "bucket 7", seven, (seven.0 + 1, seven.1 + Decimal::from(7))),
        line(number, "bucket 9", nine, (nine.0 - 1, nine.1 - Decimal::from(9))),
    ];
    let sql = format!("UPDATE responses SET answers = '{{\"3\": 7}}' WHERE id = '{response}'");
    world.assert_found(&sql, &lines).await;
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
                let question = QuestionId(survey.questions[question]);
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
        let stored = format!("answers WHERE question_id = '{}'", survey.questions[question]);
        let stored = runtime.block_on(test.count(&stored));
        assert!(stored > 100, "{stored} of {}", ANSWERS[question].0);
    }
}
