//! Migrations of a database that has data.

#![expect(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

use refinery::{Runner, Target};
use serde_json::{Value, json};
use shared::{
    accounts::Viewer,
    db::{self, migrate},
    recount, results, surveys,
    testing::{TestApp, User, Uuid},
    values::SurveyId,
};
use std::{collections::BTreeMap, path::Path};
use tokio_postgres::Client;

/// An app whose database is as the first migration left it; and a session.
async fn first_release() -> (TestApp, Client) {
    let test = TestApp::new().await;
    let mut session = db::session(&test.config(), None).await.unwrap();
    session.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let migrations = refinery::load_sql_migrations(migrations).unwrap();
    let first = Runner::new(&migrations).set_target(Target::Version(1));
    assert_eq!(first.run_async(&mut session).await.unwrap().applied_migrations().len(), 1);
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
             INSERT INTO responses (id, survey_id, single, bytes) VALUES (gen_random_uuid(), $1, false, 60) RETURNING id
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

/// All that is counted of a question, over all shards.
async fn counted(session: &Client, question: u128) -> BTreeMap<(String, String), i64> {
    let sql = "SELECT kind, part, sum(n)::bigint AS n FROM question_counters WHERE question_id = $1 GROUP BY kind, part";
    let rows = session.query(sql, &[&id(question)]).await.unwrap();
    rows.iter().map(|row| ((row.get("kind"), row.get("part")), row.get("n"))).collect()
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
    let (test, mut session) = first_release().await;
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
        ("answers", "", 16),
        ("day", "2029-06-14", 1),
        ("day", "2030-06-15", 2),
        ("day", "2040-06-15", 1),
        ("earlier", "", 3),
        ("later", "", 2),
        ("year", "1900", 1),
        ("year", "1987", 3),
        ("year", "2029", 1),
        ("year", "2040", 1),
        ("year", "2199", 1),
    ];
    let expected = BTreeMap::from(expected.map(|(kind, part, n)| ((kind.to_owned(), part.to_owned()), n)));
    assert_eq!(counted(&session, 10).await, expected);
    assert_eq!(counted(&session, 11).await, expected);
    assert_eq!(counted(&session, 12).await, BTreeMap::from([(("answers".to_owned(), String::new()), 1)]));
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
    let (test, mut session) = first_release().await;
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
    let (_test, mut session) = first_release().await;
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
