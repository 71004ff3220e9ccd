//! Migrations of a database that has data.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture should stop the test")]

use refinery::{Runner, Target};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::{
    Error,
    accounts::Viewer,
    db::{self, migrate},
    questions::{self, QuestionChanges},
    recount, responses, results,
    rules::Rules,
    surveys::{self, SurveyChanges},
    testing::{TestApp, User, Uuid},
    values::{
        Change, QuestionId, ResponseId, SurveyId,
        fields::{Given, Reading},
    },
};
use std::{collections::BTreeMap, path::Path};
use tokio_postgres::Client;

/// An app whose database is as the first migrations left it, so many of them; and a session.
async fn release(migrations_run: i32) -> (TestApp, Client) {
    let test = TestApp::new().await;
    let mut session = db::session(&test.config(), None).await.unwrap();
    session.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let migrations = refinery::load_sql_migrations(migrations).unwrap();
    let first = Runner::new(&migrations).set_target(Target::Version(migrations_run));
    let report = first.run_async(&mut session).await.unwrap();
    assert_eq!(i32::try_from(report.applied_migrations().len()).unwrap(), migrations_run);
    (test, session)
}

/// An id by a number, which is told in messages.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Surveys by how they were opened, and the state that each has afterwards; all made an hour ago.
const SURVEYS: [(&str, &str, &str, &str, bool, &str); 9] = [
    // name, is_active, opens_at, due_at, whether there are responses; state
    ("open", "true", "NULL", "now() + interval '1 day'", false, "open"),
    ("opened", "true", "now() - interval '1 minute'", "now() + interval '1 day'", false, "open"),
    ("scheduled", "true", "now() + interval '1 hour'", "now() + interval '1 day'", false, "scheduled"),
    ("over", "true", "NULL", "now() - interval '1 minute'", false, "closed"),
    ("draft", "false", "NULL", "now() + interval '1 day'", false, "draft"),
    (
        "draft that was due",
        "false",
        "now() - interval '1 day'",
        "now() - interval '1 minute'",
        false,
        "draft",
    ),
    ("put aside", "false", "NULL", "now() + interval '1 day'", true, "closed"),
    ("postponed", "true", "now() + interval '1 hour'", "now() + interval '1 day'", true, "scheduled"),
    // It was due before it was made.
    ("never", "true", "NULL", "now() - interval '1 day'", false, "closed"),
];

/// Whether they were ever open, as far as that can be known.
const WERE_OPEN: [(&str, bool); 9] = [
    ("open", true),
    ("opened", true),
    ("scheduled", false),
    ("over", true),
    ("draft", false),
    ("draft that was due", false),
    ("put aside", true),
    ("postponed", true),
    ("never", false),
];

async fn insert_user(session: &Client, number: u128, name: &str) {
    let sql = "INSERT INTO users VALUES ($1, $2, $3, '-')";
    session.execute(sql, &[&id(number), &name, &format!("{number}@example.com")]).await.unwrap();
}

/// A survey with one question of this type; both have the id `number`.
async fn insert_survey(session: &Client, number: u128, name: &str, when: [&str; 3], r#type: &str) {
    let [is_active, opens_at, due_at] = when;
    let sql = format!(
        "INSERT INTO surveys (id, owner_id, name, description, is_active, opens_at, due_at, visibility, public_stats,
                              question_count, question_bytes, created_at)
         VALUES ($1, $2, $3, '', {is_active}, {opens_at}, {due_at}, 'public', false, 1, 10, now() - interval '1 hour')"
    );
    session.execute(&sql, &[&id(number), &id(1), &name]).await.unwrap();
    let sql = "INSERT INTO questions (id, survey_id, position, content, type, required, bytes)
               VALUES ($1, $1, 0, 'When?', $2, false, 10)";
    session.execute(sql, &[&id(number), &r#type]).await.unwrap();
}

/// A whole response with one answer, counted in a shard as the first release did it.
async fn insert_answer(
    session: &Client,
    survey: u128,
    shard: i16,
    answer: &Value,
    day: Option<&str>,
    measure: &str,
) {
    let sql = format!(
        "WITH response AS (
             INSERT INTO responses (id, survey_id, single, bytes)
             VALUES (gen_random_uuid(), $1, false, octet_length($2::json::text) + 40) RETURNING id
         )
         INSERT INTO replies (id, response_id, question_id, reply, value) SELECT id, id, $1, $2, {measure} FROM response"
    );
    session.execute(&sql, &[&id(survey), &answer]).await.unwrap();
    let sql = "INSERT INTO survey_counters AS c VALUES ($1, $2, 1)
               ON CONFLICT (survey_id, shard) DO UPDATE SET responses = c.responses + 1";
    session.execute(sql, &[&id(survey), &shard]).await.unwrap();
    for (kind, part) in [("answers", Some("")), ("day", day)] {
        if let Some(part) = part {
            let sql = "INSERT INTO question_counters AS c VALUES ($1, $2, $3, $4, 1, 0)
                       ON CONFLICT (question_id, kind, part, shard) DO UPDATE SET n = c.n + 1";
            session.execute(sql, &[&id(survey), &kind, &part, &shard]).await.unwrap();
        }
    }
}

/// All that is counted of a question and not 0, over all shards.
async fn counted(session: &Client, question: u128) -> BTreeMap<String, i64> {
    let sql = "SELECT name, sum(n)::bigint AS n FROM (
                   SELECT concat_ws(' ', kind, nullif(part, '')) AS name, n FROM question_counters WHERE question_id = $1
                   UNION ALL
                   SELECT name, c.counts[slot::integer % 200 + 1]
                   FROM questions q CROSS JOIN json_each_text(q.slots) AS named (name, slot)
                   JOIN survey_counters c ON c.survey_id = q.survey_id AND c.chunk = slot::integer / 200
                   WHERE q.id = $1
               ) AS counted
               GROUP BY name HAVING sum(n) <> 0";
    let rows = session.query(sql, &[&id(question)]).await.unwrap();
    rows.iter().map(|row| (row.get("name"), row.get("n"))).collect()
}

/// The number of days since the year 1, and of seconds since 1970, in SQL.
fn measure(r#type: &str, text: &str) -> String {
    match r#type {
        "date" => format!("DATE '{text}' - DATE '0001-01-01' + 1"),
        _ => format!("extract(epoch FROM TIMESTAMPTZ '{text}')"),
    }
}

#[tokio::test]
async fn far_days_become_years_and_nothing_else_changes() {
    let (test, mut session) = release(1).await;
    insert_user(&session, 1, "ada").await;
    let when = ["true", "NULL", "now() + interval '1 day'"];
    insert_survey(&session, 10, "dates", when, "date").await;
    insert_survey(&session, 11, "moments", when, "datetime").await;
    insert_survey(&session, 12, "colours", when, "x-colour").await;
    // Made at the last moment of a day, so that one in another time zone would be another.
    session.batch_execute("UPDATE surveys SET created_at = '2030-06-15T23:59:59Z'").await.unwrap();
    // Some of them several times, and in several shards.
    let days = [
        "2029-06-14",
        "2029-06-13",
        "2040-06-15",
        "2040-06-16",
        "2030-06-15",
        "2030-06-15",
        "1987-03-05",
        "1987-12-31",
        "1987-12-31",
        "1900-01-01",
        "1899-12-31",
        "1899-12-31",
        "0001-01-01",
        "2199-12-31",
        "2200-01-01",
        "9999-12-31",
    ];
    for (n, day) in days.into_iter().enumerate() {
        let shard = i16::try_from(n % 3).unwrap();
        insert_answer(&session, 10, shard, &json!(day), Some(day), &measure("date", day)).await;
        // Its day in UTC is the same.
        let moment = format!("{day}T01:30:00+01:00");
        insert_answer(&session, 11, shard, &json!(moment), Some(day), &measure("datetime", &moment)).await;
    }
    insert_answer(&session, 12, 0, &json!("1987-03-05"), None, "NULL").await;
    let xids = "SELECT array_agg(xid::text ORDER BY id) AS xids FROM responses";
    let before: Vec<String> = session.query_one(xids, &[]).await.unwrap().get("xids");

    assert!(migrate::run(&mut session).await.unwrap() >= 1);
    assert_eq!(recount::differences(&mut session).await.unwrap(), Vec::<String>::new());
    let expected = [
        ("answers", 16),
        ("day 2029-06-14", 1),
        ("day 2030-06-15", 2),
        ("day 2040-06-15", 1),
        ("earlier", 3),
        ("later", 2),
        ("year 1900", 1),
        ("year 1987", 3),
        ("year 2029", 1),
        ("year 2040", 1),
        ("year 2199", 1),
    ];
    let expected = BTreeMap::from(expected.map(|(name, n)| (name.to_owned(), n)));
    assert_eq!(counted(&session, 10).await, expected);
    assert_eq!(counted(&session, 11).await, expected);
    assert_eq!(counted(&session, 12).await, BTreeMap::from([("answers".to_owned(), 1)]));
    let after: Vec<String> = session.query_one(xids, &[]).await.unwrap().get("xids");
    assert_eq!(before, after);
    assert_eq!(test.count("responses WHERE deleted_at IS NOT NULL").await, 0);

    // So the results say, and what is answered from now on is added to them.
    test.reply(id(10), json!("1987-01-01")).await;
    let viewer = Viewer::Caller(test.caller(&ada(&test)).await);
    let stats = json!(results::stats(&mut test.db().await, &viewer, SurveyId(id(10)), true).await.unwrap().0);
    let summary = &stats[0]["summary"];
    assert_eq!(
        (&summary["earlier"], &summary["later"], &summary["notShown"]),
        (&json!(3), &json!(2), &json!(0))
    );
    assert_eq!(summary["years"][1], json!({"year": 1987, "count": 4}));
    assert_eq!(recount::differences(&mut session).await.unwrap(), Vec::<String>::new());
}

/// The owner of all surveys here, with a token.
fn ada(test: &TestApp) -> User {
    let user = User { id: id(1), username: "ada".to_owned(), access: String::new(), refresh: String::new() };
    let access = test.token_of(chrono::Utc::now(), shared::accounts::Kind::Access, &user);
    User { access, ..user }
}

#[tokio::test]
async fn what_was_open_stays_visible_and_a_draft_is_a_draft() {
    let (test, mut session) = release(1).await;
    insert_user(&session, 1, "ada").await;
    for (number, (name, is_active, opens_at, due_at, responses, _)) in (10..).zip(SURVEYS) {
        insert_survey(&session, number, name, [is_active, opens_at, due_at], "x-pet").await;
        if responses {
            insert_answer(&session, number, 0, &json!("cat"), None, "NULL").await;
        }
    }
    assert!(migrate::run(&mut session).await.unwrap() >= 1);
    assert_eq!(recount::differences(&mut session).await.unwrap(), Vec::<String>::new());
    let viewer = Viewer::Caller(test.caller(&ada(&test)).await);
    for (number, (name, .., state)) in (10..).zip(SURVEYS) {
        let survey = json!(surveys::find(&mut test.db().await, &viewer, SurveyId(id(number))).await.unwrap());
        assert_eq!((&survey["name"], &survey["state"]), (&json!(name), &json!(state)));
        assert_eq!(survey["updatedAt"], survey["createdAt"], "{name}");
        assert_eq!(survey["version"], 1, "{name}");
    }
    let rows = session
        .query("SELECT name, was_open, is_active, is_visible FROM surveys ORDER BY id", &[])
        .await
        .unwrap();
    for row in &rows {
        let visible = row.get::<_, bool>("is_active") || row.get::<_, bool>("was_open");
        assert_eq!(row.get::<_, bool>("is_visible"), visible);
    }
    let were_open: Vec<(&str, bool)> =
        rows.iter().map(|row| (row.get("name"), row.get("was_open"))).collect();
    assert_eq!(were_open, WERE_OPEN);
}

#[tokio::test]
async fn of_names_that_look_the_same_nothing_is_migrated_until_they_differ() {
    let (_test, mut session) = release(1).await;
    insert_user(&session, 1, "ada").await;
    insert_user(&session, 2, "ＡＤＡ").await;
    insert_user(&session, 3, "eve").await;
    let refused = migrate::run(&mut session).await.unwrap_err();
    assert!(shared::cause(&refused).contains("users_username_nfkc_key"), "{}", shared::cause(&refused));
    // All or nothing.
    let columns = "SELECT count(*) AS n FROM information_schema.columns WHERE column_name IN ('was_open', 'deleted_at')";
    assert_eq!(session.query_one(columns, &[]).await.unwrap().get::<_, i64>("n"), 0);
    // The names are those that the migration tells how to find.
    let text = include_str!("../../migrations/V0002__states_and_tombstones.sql");
    let query = text.lines().find_map(|line| line.strip_prefix("--   ")).unwrap();
    let rows = session.query(query, &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, Vec<String>>(0), ["ada", "ＡＤＡ"]);
    session.execute("UPDATE users SET username = 'ada2' WHERE id = $1", &[&id(2)]).await.unwrap();
    assert!(migrate::run(&mut session).await.unwrap() >= 1);
    assert_eq!(migrate::run(&mut session).await.unwrap(), 0);
    assert_eq!(session.query_one(columns, &[]).await.unwrap().get::<_, i64>("n"), 2);
    // A taken name is said before a taken address.
    let taken =
        session.execute("INSERT INTO users VALUES ($1, 'ＥＶＥ', '3@example.com', '-')", &[&id(4)]).await;
    let taken = taken.unwrap_err();
    assert_eq!(taken.as_db_error().unwrap().constraint(), Some("users_username_nfkc_key"));
}

/// An answer as it was stored: its text, its place on a line, and what was counted of it: kind, part and total.
type Old = (&'static str, &'static str, &'static [(&'static str, &'static str, i64)]);

/// Questions of every type with answers as the second release stored and counted them. The survey was made on 2030-06-15.
const OLD: [(&str, &str, &[Old]); 17] = [
    ("short_text", "null", &[(r#""red""#, "NULL", &[]), (r#""Żółw\t\"""#, "NULL", &[])]),
    ("long_text", r#"{"maxLength": 100}"#, &[(r#""a\nb""#, "NULL", &[])]),
    (
        "number",
        r#"{"min": -1000}"#,
        &[
            ("12.50", "12.50", &[("bucket", "10", 0)]),
            ("-0.00234", "-0.00234", &[("bucket", "-0.002", 0)]),
            ("0", "0", &[("bucket", "0", 0)]),
            ("1e+2", "100", &[("bucket", "100", 0)]),
            ("19", "19", &[("bucket", "10", 0)]),
        ],
    ),
    (
        "boolean",
        "null",
        &[("true", "NULL", &[("value", "true", 0)]), ("false", "NULL", &[("value", "false", 0)])],
    ),
    (
        "single_choice",
        r#"["cat", "dog ", "a\"b\\", 1.50, " two  blanks"]"#,
        &[
            (r#""dog ""#, "NULL", &[("option", "dog ", 0)]),
            ("1.50", "NULL", &[("option", "1.50", 0)]),
            (r#""a\"b\\""#, "NULL", &[("option", "a\"b\\", 0)]),
            (r#"" two  blanks""#, "NULL", &[("option", " two  blanks", 0)]),
        ],
    ),
    (
        "multi_choice",
        r#"{"options": [{"value": "a", "label": "A"}, {"value": "old", "retired": true}, "Żółw", 2], "other": true}"#,
        &[
            (r#"["a","old"]"#, "NULL", &[("option", "a", 0), ("option", "old", 0)]),
            (
                r#"["Żółw",{"other":"z"},2]"#,
                "NULL",
                &[("option", "Żółw", 0), ("other", "", 0), ("option", "2", 0)],
            ),
        ],
    ),
    (
        "ranking",
        r#"["x", "y ", "z"]"#,
        &[
            (r#"["z","y ","x"]"#, "NULL", &[("option", "z", 1), ("option", "y ", 2), ("option", "x", 3)]),
            (r#"["z","x","y "]"#, "NULL", &[("option", "z", 1), ("option", "x", 2), ("option", "y ", 3)]),
        ],
    ),
    // Of a scale that was wider once.
    (
        "scale",
        r#"{"min": -1.0, "max": 0.3E1}"#,
        &[
            ("2.0", "2.0", &[("value", "2", 0)]),
            ("-1", "-1", &[("value", "-1", 0)]),
            ("5", "5", &[("value", "5", 0)]),
        ],
    ),
    ("scale", "null", &[("5", "5", &[("value", "5", 0)])]),
    ("nps", "{}", &[("9", "9", &[("value", "9", 0)]), ("0", "0", &[("value", "0", 0)])]),
    (
        "matrix",
        r#"{"rows": ["row one ", "two"], "columns": ["c d", "e"]}"#,
        &[
            (
                r#"{"row one ":"c d","two":"e"}"#,
                "NULL",
                &[
                    ("cell", "row one ", 0),
                    ("cell", "row one \nc d", 0),
                    ("cell", "two", 0),
                    ("cell", "two\ne", 0),
                ],
            ),
            (r#"{"two":"e"}"#, "NULL", &[("cell", "two", 0), ("cell", "two\ne", 0)]),
        ],
    ),
    (
        "matrix",
        r#"{"rows": [1, {"value": "r", "retired": true}], "columns": ["x", 2], "multiple": true}"#,
        &[(r#"{"1":["x",2]}"#, "NULL", &[("cell", "1", 0), ("cell", "1\nx", 0), ("cell", "1\n2", 0)])],
    ),
    (
        "date",
        "null",
        &[
            (r#""2030-06-15""#, "741243", &[("day", "2030-06-15", 0)]),
            (r#""1987-01-01""#, "725372", &[("year", "1987", 0)]),
            (r#""0001-01-01""#, "1", &[("earlier", "", 0)]),
        ],
    ),
    (
        "time",
        r#"{"min": "06:00"}"#,
        &[(r#""09:30""#, "34200", &[("hour", "09", 0)]), (r#""23:59:59""#, "86399", &[("hour", "23", 0)])],
    ),
    (
        "datetime",
        "null",
        &[
            (r#""2030-01-31T23:30:00.5-01:00""#, "1896136200.5", &[("day", "2030-02-01", 0)]),
            (r#""2200-01-01T00:00:00Z""#, "7258118400", &[("later", "", 0)]),
        ],
    ),
    ("x-colour", "7", &[(r#"{"r":"x"}"#, "NULL", &[]), ("null", "NULL", &[])]),
    ("Number", r#"{"options": "none", "min": "low"}"#, &[("1e+400", "NULL", &[]), ("[]", "NULL", &[])]),
];

/// What the second release showed of them: votes and summary.
const RESULTS: [(i64, &str); 17] = [
    (3, "{}"),
    (1, "{}"),
    (
        4,
        r#"{"count": 4, "histogram": [{"count": 1, "from": -0.003, "to": -0.002}, {"count": 1, "from": 0, "to": 0}, {"count": 1, "from": 10, "to": 20}, {"count": 1, "from": 100, "to": 200}], "max": 100, "mean": 28.124415, "min": -0.00234, "sum": 112.49766}"#,
    ),
    (
        4,
        r#"{"values": [{"count": 2, "share": 0.5, "value": true}, {"count": 2, "share": 0.5, "value": false}]}"#,
    ),
    (
        4,
        r#"{"options": [{"count": 0, "retired": false, "share": 0, "value": "cat"}, {"count": 1, "retired": false, "share": 0.25, "value": "dog "}, {"count": 1, "retired": false, "share": 0.25, "value": "a\"b\\"}, {"count": 1, "retired": false, "share": 0.25, "value": "1.50"}, {"count": 1, "retired": false, "share": 0.25, "value": " two  blanks"}]}"#,
    ),
    (
        2,
        r#"{"options": [{"count": 1, "retired": false, "share": 0.5, "value": "a"}, {"count": 1, "retired": true, "share": 0.5, "value": "old"}, {"count": 1, "retired": false, "share": 0.5, "value": "Żółw"}, {"count": 1, "retired": false, "share": 0.5, "value": "2"}], "other": {"count": 1, "share": 0.5}}"#,
    ),
    (
        4,
        r#"{"options": [{"count": 4, "meanRank": 2.5, "retired": false, "value": "x"}, {"count": 4, "meanRank": 2.5, "retired": false, "value": "y "}, {"count": 4, "meanRank": 1, "retired": false, "value": "z"}]}"#,
    ),
    (
        3,
        r#"{"mean": 2, "values": [{"count": 1, "share": 0.333333, "value": -1}, {"count": 0, "share": 0, "value": 0}, {"count": 0, "share": 0, "value": 1}, {"count": 1, "share": 0.333333, "value": 2}, {"count": 0, "share": 0, "value": 3}, {"count": 0, "share": 0, "value": 4}, {"count": 1, "share": 0.333333, "value": 5}]}"#,
    ),
    (
        1,
        r#"{"mean": 5, "values": [{"count": 0, "share": 0, "value": 1}, {"count": 0, "share": 0, "value": 2}, {"count": 0, "share": 0, "value": 3}, {"count": 0, "share": 0, "value": 4}, {"count": 1, "share": 1, "value": 5}]}"#,
    ),
    (
        4,
        r#"{"detractors": 2, "mean": 4.5, "passives": 0, "promoters": 2, "score": 0, "values": [{"count": 2, "share": 0.5, "value": 0}, {"count": 0, "share": 0, "value": 1}, {"count": 0, "share": 0, "value": 2}, {"count": 0, "share": 0, "value": 3}, {"count": 0, "share": 0, "value": 4}, {"count": 0, "share": 0, "value": 5}, {"count": 0, "share": 0, "value": 6}, {"count": 0, "share": 0, "value": 7}, {"count": 0, "share": 0, "value": 8}, {"count": 2, "share": 0.5, "value": 9}, {"count": 0, "share": 0, "value": 10}]}"#,
    ),
    (
        2,
        r#"{"rows": [{"cells": [{"column": "c d", "count": 1, "share": 1}, {"column": "e", "count": 0, "share": 0}], "count": 1, "retired": false, "row": "row one "}, {"cells": [{"column": "c d", "count": 0, "share": 0}, {"column": "e", "count": 2, "share": 1}], "count": 2, "retired": false, "row": "two"}]}"#,
    ),
    (
        1,
        r#"{"rows": [{"cells": [{"column": "x", "count": 1, "share": 1}, {"column": "2", "count": 1, "share": 1}], "count": 1, "retired": false, "row": "1"}, {"cells": [{"column": "x", "count": 0, "share": null}, {"column": "2", "count": 0, "share": null}], "count": 0, "retired": true, "row": "r"}]}"#,
    ),
    (
        6,
        r#"{"days": [{"count": 2, "day": "2030-06-15"}], "earlier": 2, "later": 0, "max": "2030-06-15", "min": "0001-01-01", "notShown": 0, "years": [{"count": 2, "year": 1987}]}"#,
    ),
    (
        2,
        r#"{"hours": [{"count": 1, "hour": "09"}, {"count": 1, "hour": "23"}], "max": "23:59:59", "min": "09:30:00"}"#,
    ),
    (
        2,
        r#"{"days": [{"count": 1, "day": "2030-02-01"}], "earlier": 0, "later": 1, "max": "2200-01-01T00:00:00Z", "min": "2030-02-01T00:30:00.500Z", "notShown": 0, "years": []}"#,
    ),
    (3, "{}"),
    (2, "{}"),
];

/// A survey with these questions; their ids follow on its own.
async fn insert_old_survey(session: &Client, survey: u128, questions: &[(&str, String)]) {
    let count = i32::try_from(questions.len()).unwrap();
    let sql = "INSERT INTO surveys (id, owner_id, name, description, is_active, due_at, visibility, public_stats,
                                    question_count, question_bytes, created_at)
               VALUES ($1, $2, 'old', '', true, '2099-12-31', 'public', false, $3, 10 * $3, '2030-06-15T23:30:00Z')";
    session.execute(sql, &[&id(survey), &id(1), &count]).await.unwrap();
    for (place, (r#type, rules)) in (0_i32..).zip(questions) {
        // In the order in which they were made, which is not that in which they are asked.
        let (question, position) = (id(survey + 1 + u128::try_from(place).unwrap()), count - 1 - place);
        let sql = "INSERT INTO questions (id, survey_id, position, content, type, required, reply_content, bytes)
                   VALUES ($1, $2, $3, 'What?', $4, false, CASE WHEN $5 <> 'null' THEN $5::text::json END, 10)";
        session.execute(sql, &[&question, &id(survey), &position, r#type, rules]).await.unwrap();
    }
}

/// What was counted of answers, once (`times` 1) or taken away (-1).
async fn count_old(session: &Client, shard: i16, answers: &[(u128, Old)], kind: &str, times: i64) {
    for (question, (_, measure, counts)) in answers {
        let sql = "SELECT CASE type WHEN 'number' THEN $2 ELSE '0' END AS sum FROM questions WHERE id = $1";
        let sum: String = session.query_one(sql, &[&id(*question), measure]).await.unwrap().get("sum");
        let counts = counts.iter().map(|(kind, part, total)| (*kind, *part, total.to_string()));
        for (kind, part, total) in counts.chain([(kind, "", sum)]) {
            let sql = "INSERT INTO question_counters AS c VALUES ($1, $2, $3, $4, $5::bigint, $5::bigint * $6::text::numeric)
                       ON CONFLICT (question_id, kind, part, shard)
                       DO UPDATE SET n = c.n + excluded.n, total = c.total + excluded.total";
            session.execute(sql, &[&id(*question), &kind, &part, &shard, &times, &total]).await.unwrap();
        }
    }
}

/// A response of these answers, whole or single, stored and counted as the second release did it.
async fn insert_old(session: &Client, survey: u128, response: u128, single: bool, answers: &[(u128, Old)]) {
    let shard = i16::try_from(response % 16).unwrap();
    let sql = "INSERT INTO responses (id, survey_id, single, hash, bytes, created_at)
               VALUES ($1, $2, $3, $4, 0, '2020-06-16T12:00:00Z')";
    // Of its answers as JSON, in the order of the ids.
    let json: Vec<String> =
        answers.iter().map(|(question, (reply, ..))| format!("\"{}\":{reply}", id(*question))).collect();
    let hash = session
        .query_one("SELECT sha256(convert_to($1, 'UTF8'))", &[&format!("{{{}}}", json.join(","))])
        .await
        .unwrap();
    let hash = (!single).then(|| hash.get::<_, Vec<u8>>(0));
    session.execute(sql, &[&id(response), &id(survey), &single, &hash]).await.unwrap();
    for (question, (reply, measure, _)) in answers {
        let sql =
            format!("INSERT INTO replies VALUES (gen_random_uuid(), $1, $2, $3::text::json, {measure})");
        session.execute(&sql, &[&id(response), &id(*question), reply]).await.unwrap();
    }
    let sql = "UPDATE responses r SET bytes = (SELECT coalesce(sum(octet_length(reply::text) + 40), 0) FROM replies WHERE response_id = r.id)
               WHERE id = $1";
    session.execute(sql, &[&id(response)]).await.unwrap();
    if !single {
        count_old_response(session, survey, shard, 1).await;
    }
    count_old(session, shard, answers, if single { "single" } else { "answers" }, 1).await;
}

async fn count_old_response(session: &Client, survey: u128, shard: i16, times: i64) {
    let sql = "INSERT INTO survey_counters AS c VALUES ($1, $2, $3)
               ON CONFLICT (survey_id, shard) DO UPDATE SET responses = c.responses + excluded.responses";
    session.execute(sql, &[&id(survey), &shard, &times]).await.unwrap();
    let sql = "UPDATE response_limits SET taken = taken + $2 WHERE survey_id = $1";
    session.execute(sql, &[&id(survey), &times]).await.unwrap();
}

/// The same deleted, and taken away from another shard than it was added to.
async fn delete_old(session: &Client, survey: u128, response: u128, single: bool, answers: &[(u128, Old)]) {
    let shard = i16::try_from((response + 5) % 16).unwrap();
    let sql = "UPDATE responses SET deleted_at = now(), hash = NULL, bytes = 0 WHERE id = $1";
    session.execute(sql, &[&id(response)]).await.unwrap();
    session.execute("DELETE FROM replies WHERE response_id = $1", &[&id(response)]).await.unwrap();
    if !single {
        count_old_response(session, survey, shard, -1).await;
    }
    count_old(session, shard, answers, if single { "single" } else { "answers" }, -1).await;
}

/// The answers of a whole response: to each question that has so many, that one. A whole response can't answer `null`.
fn old_answers(round: usize) -> Vec<(u128, Old)> {
    let answers =
        (101..).zip(OLD).filter_map(|(question, (_, _, answers))| Some((question, *answers.get(round)?)));
    answers.filter(|(_, (reply, ..))| *reply != "null").collect()
}

fn value<T: DeserializeOwned>(json: Value) -> T {
    T::deserialize(Given::new(json, Reading::Strict)).unwrap()
}

/// The second release with a survey of every type (100), whose five whole responses are 1000 to 1004 (the last was deleted) and
/// whose single ones are 2000 and more (one deleted as well); an empty one (200); one that nobody answered (300); and one of
/// many slots with a limit (400), three responses, one of them deleted, and a single answer.
async fn second_release() -> (TestApp, Client) {
    let (test, session) = release(2).await;
    insert_user(&session, 1, "ada").await;
    let questions = OLD.map(|(r#type, rules, _)| (r#type, rules.to_owned()));
    insert_old_survey(&session, 100, &questions).await;
    for (round, response) in (0..5).zip(1000..) {
        insert_old(&session, 100, response, false, &old_answers(round)).await;
    }
    delete_old(&session, 100, 1004, false, &old_answers(4)).await;
    for (n, question) in (101..).step_by(3).zip(OLD.iter().step_by(3)).map(|(n, question)| (n, question.2)) {
        for (place, answer) in (0..).zip(question) {
            insert_old(&session, 100, 10 * n + 1000 + place, true, &[(n, *answer)]).await;
        }
    }
    delete_old(&session, 100, 2010, true, &[(101, OLD[0].2[0])]).await;
    // An option of which all answers were deleted, and then it was.
    for (shard, n) in [(3_i16, 2_i64), (4, -2)] {
        let sql = "INSERT INTO question_counters VALUES ($1, 'option', 'gone', $2, $3, 0)";
        session.execute(sql, &[&id(105), &shard, &n]).await.unwrap();
    }
    insert_old_survey(&session, 200, &[]).await;
    insert_old_survey(&session, 300, &questions).await;
    let options: Vec<String> = (1..=200).map(|n| format!("o{n}")).collect();
    let many = [
        ("scale", r#"{"min": -100, "max": 100}"#.to_owned()),
        ("single_choice", json!({ "options": options, "other": true }).to_string()),
        ("matrix", r#"{"rows": ["r"], "columns": ["c"]}"#.to_owned()),
    ];
    insert_old_survey(&session, 400, &many).await;
    session.execute("INSERT INTO response_limits VALUES ($1, 0, 3)", &[&id(400)]).await.unwrap();
    let answers: [[Old; 3]; 3] = [
        [
            ("-100", "-100", &[("value", "-100", 0)]),
            (r#""o1""#, "NULL", &[("option", "o1", 0)]),
            (r#"{"r":"c"}"#, "NULL", &[("cell", "r", 0), ("cell", "r\nc", 0)]),
        ],
        [
            ("100", "100", &[("value", "100", 0)]),
            (r#""o200""#, "NULL", &[("option", "o200", 0)]),
            (r#"{"r":"c"}"#, "NULL", &[("cell", "r", 0), ("cell", "r\nc", 0)]),
        ],
        [
            ("100", "100", &[("value", "100", 0)]),
            (r#"{"other":"z"}"#, "NULL", &[("other", "", 0)]),
            (r#"{"r":"c"}"#, "NULL", &[("cell", "r", 0), ("cell", "r\nc", 0)]),
        ],
    ];
    insert_old(&session, 400, 4100, true, &[(401, answers[0][0])]).await;
    for (response, answers) in (4000..).zip(answers) {
        let answers: Vec<(u128, Old)> = (401..).zip(answers).collect();
        insert_old(&session, 400, response, false, &answers).await;
        if response == 4001 {
            delete_old(&session, 400, response, false, &answers).await;
        }
    }
    (test, session)
}

/// The single answers of survey 100 that were not deleted: the response, the question and the text.
fn old_singles() -> Vec<(u128, u128, &'static str)> {
    let questions = (101..).zip(OLD).step_by(3);
    let answers = questions.flat_map(|(question, (_, _, answers))| {
        (10 * question + 1000..).zip(answers).map(move |(response, (reply, ..))| (response, question, *reply))
    });
    answers.filter(|(response, ..)| *response != 2010).collect()
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// Assert that all numbers are right, that all that can be counted has a slot, and that nothing that has one is counted in a
/// row of its own.
async fn assert_sound(session: &mut Client) {
    assert_eq!(recount::differences(session).await.unwrap(), Vec::<String>::new());
    let sql = "SELECT id, type, reply_content, slots FROM questions";
    for row in session.query(sql, &[]).await.unwrap() {
        let (rules, slots): (Option<Value>, Value) = (row.get("reply_content"), row.get("slots"));
        for part in Rules::of_stored(row.get("type"), rules.as_ref()).parts() {
            assert!(slots.get(&part).is_some(), "{part:?} of {}", row.get::<_, Uuid>("id"));
        }
    }
    let sql = "SELECT DISTINCT kind FROM question_counters ORDER BY kind";
    let kinds = session.query(sql, &[]).await.unwrap();
    let kinds: Vec<&str> = kinds.iter().map(|row| row.get("kind")).collect();
    assert_eq!(kinds, ["bucket", "day", "earlier", "later", "year"]);
}

/// What the results of a survey show.
async fn shown(test: &TestApp, survey: u128) -> Value {
    let viewer = Viewer::Caller(test.caller(&ada(test)).await);
    json!(results::stats(&mut test.db().await, &viewer, SurveyId(id(survey)), true).await.unwrap().0)
}

/// What is told about a survey.
async fn told(test: &TestApp, survey: u128) -> Value {
    let viewer = Viewer::Caller(test.caller(&ada(test)).await);
    json!(surveys::find(&mut test.db().await, &viewer, SurveyId(id(survey))).await.unwrap())
}

#[tokio::test]
async fn what_was_answered_and_counted_is_carried_over() {
    let (test, mut session) = second_release().await;
    assert!(migrate::run(&mut session).await.unwrap() >= 1);
    assert_sound(&mut session).await;
    // Results of each type, the last question first.
    let stats = shown(&test, 100).await;
    let stats: Vec<&Value> = stats.as_array().unwrap().iter().rev().collect();
    assert_eq!(stats.len(), OLD.len());
    let (wholes, singles): (Vec<_>, Vec<_>) = ((0..4).map(old_answers).collect(), old_singles());
    for (question, ((r#type, ..), (votes, summary))) in (101..).zip(OLD.iter().zip(RESULTS)) {
        let stats = stats[usize::try_from(question - 101_u128).unwrap()];
        assert_eq!((&stats["id"], &stats["type"]), (&json!(id(question)), &json!(r#type)));
        assert_eq!((&stats["votes"], &stats["summary"]), (&json!(votes), &parsed(summary)), "{type}");
        let whole =
            wholes.iter().flatten().filter(|(of, _)| *of == question).map(|(_, (reply, ..))| parsed(reply));
        let single = singles.iter().filter(|(_, of, _)| *of == question).map(|(.., reply)| parsed(reply));
        assert_eq!(stats["answers"], whole.chain(single).collect::<Value>(), "{type}");
    }
    // Every response as it was.
    let owner = test.caller(&ada(&test)).await;
    let ascending = responses::Order::Ascending;
    let page =
        responses::page(&mut test.db().await, &owner, SurveyId(id(100)), ascending, value(json!(100)), None)
            .await;
    let whole = (1000_u128..).zip(&wholes).map(|(response, answers)| {
        (
            response,
            false,
            answers
                .iter()
                .map(|(question, (reply, ..))| (id(*question).to_string(), parsed(reply)))
                .collect(),
        )
    });
    let single = singles.iter().map(|(response, question, reply)| {
        (*response, true, json!({ id(*question).to_string(): parsed(reply) }))
    });
    let expected: Vec<Value> = whole
        .chain(single)
        .map(|(response, single, answers): (_, _, Value)| {
            json!({ "id": id(response), "createdAt": "2020-06-16T12:00:00Z", "single": single, "answers": answers })
        })
        .collect();
    assert_eq!(json!(page.unwrap().responses), json!(expected));
    assert_eq!(
        test.count("responses WHERE deleted_at IS NOT NULL AND answers IS NULL AND bytes = 0").await,
        3
    );
    assert_eq!(test.count("responses WHERE deleted_at IS NOT NULL").await, 3);
    // Four whole responses, and as many single answers to one question as there were to the third type.
    assert_eq!(told(&test, 100).await["subCount"], 7);
    // Without questions, and without answers.
    assert_eq!((shown(&test, 200).await, &told(&test, 200).await["subCount"]), (json!([]), &json!(0)));
    for stats in shown(&test, 300).await.as_array().unwrap() {
        assert_eq!((&stats["votes"], &stats["answers"]), (&json!(0), &json!([])));
    }
    // Of many slots, over three rows, and with a limit.
    let sql = "SELECT array_agg(chunk::integer || ' ' || cardinality(counts) ORDER BY chunk) AS rows FROM survey_counters WHERE survey_id = $1";
    let rows: Vec<String> = session.query_one(sql, &[&id(400)]).await.unwrap().get("rows");
    assert_eq!(rows, ["0 200", "1 200", "2 7"]);
    let counts =
        |expected: &[(&str, i64)]| expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    let expected: [BTreeMap<_, _>; 3] = [
        counts(&[("answers", 3), ("value -100", 2), ("value 100", 1)]),
        counts(&[("answers", 2), ("option o1", 1), ("other", 1)]),
        counts(&[("answers", 2), ("cell r", 2), ("cell r\nc", 2)]),
    ];
    for (question, expected) in (401..).zip(expected) {
        assert_eq!(counted(&session, question).await, expected);
    }
    let survey = told(&test, 400).await;
    assert_eq!(
        (&survey["subCount"], &survey["responseLimit"], &survey["state"]),
        (&json!(3), &json!(3), &json!("open"))
    );
}

#[tokio::test]
async fn what_was_carried_over_is_answered_edited_and_deleted_like_anything_else() {
    let (test, mut session) = second_release().await;
    assert!(migrate::run(&mut session).await.unwrap() >= 1);
    let (survey, owner) = (SurveyId(id(100)), test.caller(&ada(&test)).await);
    // Sent once more: what is there is found by its answers, and what was deleted stays so.
    let json = |round: usize| -> Value {
        old_answers(round)
            .iter()
            .map(|(question, (reply, ..))| (id(*question).to_string(), parsed(reply)))
            .collect()
    };
    for round in 0..4 {
        let response = ResponseId(id(1000 + u128::try_from(round).unwrap()));
        let again =
            responses::submit(&mut test.db().await, test.app.forms(), survey, response, &value(json(round)))
                .await;
        assert!(again.unwrap().replayed, "{round}");
    }
    let deleted = ResponseId(id(1004));
    let again =
        responses::submit(&mut test.db().await, test.app.forms(), survey, deleted, &value(json(4))).await;
    assert!(matches!(again, Err(Error::Deleted(_))));
    // The limit is where it was.
    test.response(id(400), json!({ id(401).to_string(): -100, id(402).to_string(): "o200" })).await;
    assert_eq!(told(&test, 400).await["state"], "full");
    let more = responses::submit(
        &mut test.db().await,
        test.app.forms(),
        SurveyId(id(400)),
        ResponseId::new(),
        &value(json!({})),
    )
    .await;
    assert!(matches!(more, Err(Error::Conflict(shared::error::Code::LimitReached, _))));
    // Answered anew, whole and alone, without the option that can't be chosen any more.
    let mut answers = json(0);
    answers[id(106).to_string()] = json!(["a", "Żółw"]);
    test.response(survey.0, answers.clone()).await;
    for (question, answer) in answers.as_object().unwrap() {
        test.reply(question.parse().unwrap(), answer.clone()).await;
    }
    assert_sound(&mut session).await;
    // The old ones deleted.
    let old = old_singles().into_iter().map(|(response, ..)| response).chain(1000..1004);
    for response in old {
        responses::delete(&mut test.db().await, &owner, survey, ResponseId(id(response))).await.unwrap();
    }
    assert_sound(&mut session).await;
    for question in shown(&test, 100).await.as_array().unwrap() {
        assert_eq!(question["votes"], 2, "{question}");
    }
    assert_eq!(told(&test, 100).await["subCount"], 2);
    let ranked = [
        ("answers", 2),
        ("option x", 2),
        ("option y ", 2),
        ("option z", 2),
        ("rank x", 6),
        ("rank y ", 4),
        ("rank z", 2),
    ];
    assert_eq!(counted(&session, 107).await, BTreeMap::from(ranked.map(|(name, n)| (name.to_owned(), n))));
    // Edited: other options, a question less, a limit.
    let options = QuestionChanges {
        content: None,
        r#type: None,
        required: None,
        reply_content: Change::Set(Some(json!({ "options": ["new", "a", "Żółw"] }))),
    };
    questions::update(&mut test.db().await, &owner, QuestionId(id(106)), &options, None).await.unwrap();
    test.reply(id(106), json!(["new", "a"])).await;
    let chosen = [("answers", 3), ("option a", 3), ("option new", 1), ("option Żółw", 2)];
    assert_eq!(counted(&session, 106).await, BTreeMap::from(chosen.map(|(name, n)| (name.to_owned(), n))));
    assert_sound(&mut session).await;
    let (replies, _) =
        questions::delete(&mut test.db().await, &owner, QuestionId(id(103)), None).await.unwrap();
    assert_eq!(replies, 2);
    let limit = SurveyChanges {
        id_survey: survey,
        name: None,
        desc: Change::Keep,
        is_active: None,
        opens_at: Change::Keep,
        due_date: None,
        visibility: None,
        public_stats: None,
        response_limit: Change::Set(Some(value(json!(1)))),
    };
    surveys::update(&mut test.db().await, &owner, &limit, None).await.unwrap();
    assert_eq!(told(&test, 100).await["state"], "full");
    // Of numbers there were buckets in the deleted question alone.
    session
        .execute("INSERT INTO question_counters VALUES ($1, 'bucket', '0', 0, 0, 0)", &[&id(303)])
        .await
        .unwrap();
    assert_sound(&mut session).await;
    // All of it.
    for gone in [100, 200, 300, 400] {
        surveys::delete(&mut test.db().await, &owner, SurveyId(id(gone)), None).await.unwrap();
    }
    let left = "SELECT (SELECT count(*) FROM responses) + (SELECT count(*) FROM measures) + (SELECT count(*) FROM survey_counters)
                     + (SELECT count(*) FROM question_counters) AS n";
    assert_eq!(session.query_one(left, &[]).await.unwrap().get::<_, i64>("n"), 0);
}
