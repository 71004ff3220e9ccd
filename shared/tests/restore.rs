//! A dump that is restored into another cluster, whose transactions are numbered anew: the order of responses goes on, and
//! downloads stay complete and without repetition.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken fixture should stop the test"
)]

use serde::Deserialize as _;
use serde_json::json;
use shared::{
    accounts::Caller,
    config::Config,
    db, recount,
    responses::{self, Answers, Order, Position},
    testing::{TestApp, TestSurvey, Uuid},
    values::{
        Limit, ResponseId, SurveyId,
        fields::{Given, Reading},
    },
};
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tokio_postgres::config::Host;

/// A fresh cluster, which ends with this value.
struct Cluster {
    server: Child,
    database: tokio_postgres::Config,
}

impl Cluster {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut server = Command::new(root.join(".venv/bin/python"))
            .arg(root.join("infra/local/postgres.py"))
            .args(["throwaway", "--", "sh", "-c", "echo \"$TEST_DATABASE_URL\"; exec cat"])
            .env_remove("TEST_DATABASE_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("infra/local/postgres.py runs: use `make test`");
        let mut url = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { database: url.trim().parse().expect("infra/local/postgres.py tells the URL"), server }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.server.stdin.take());
        assert!(self.server.wait().unwrap().success() || std::thread::panicking());
    }
}

/// A program of PostgreSQL, for this database.
fn program(name: &str, database: &tokio_postgres::Config) -> Command {
    #[expect(clippy::disallowed_methods, reason = "this is no setting of the service")]
    let programs =
        std::env::var("POSTGRES_BIN").expect("POSTGRES_BIN is not set: run the tests with `make test`");
    let host = match &database.get_hosts()[0] {
        Host::Tcp(name) => name.clone(),
        Host::Unix(directory) => directory.display().to_string(),
    };
    let mut command = Command::new(PathBuf::from(programs).join(name));
    // None of the variables that are meant for other servers.
    command.env_clear().env("LC_ALL", "C").args([
        "--host",
        &host,
        "--dbname",
        database.get_dbname().unwrap(),
    ]);
    if let Some(port) = database.get_ports().first() {
        command.args(["--port", &port.to_string()]);
    }
    if let Some(user) = database.get_user() {
        command.args(["--username", user]);
    }
    if let Some(password) = database.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    command
}

/// What a database has, in another one.
fn copy(from: &tokio_postgres::Config, to: &tokio_postgres::Config) {
    let mut dump = program("pg_dump", from).arg("--format=custom").stdout(Stdio::piped()).spawn().unwrap();
    let restored = program("pg_restore", to)
        .args(["--exit-on-error", "--no-owner"])
        .stdin(dump.stdout.take().unwrap())
        .status()
        .unwrap();
    assert!(dump.wait().unwrap().success() && restored.success());
}

/// Let so many transactions pass.
async fn transactions(config: &Config, number: i64) {
    let session = db::session(config, None).await.unwrap();
    let sql = format!(
        "DO $$ BEGIN FOR n IN 1..{number} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    );
    session.batch_execute(&sql).await.unwrap();
}

/// By how much the greatest number of a response is ahead of the next transaction.
async fn ahead(test: &TestApp) -> i64 {
    let sql = "SELECT (max(xid)::text::numeric - pg_snapshot_xmax(pg_current_snapshot())::text::numeric)::bigint AS ahead
               FROM responses";
    test.db().await.row(sql, &[]).await.unwrap().get("ahead")
}

/// As if all responses had been stored two minutes earlier.
async fn age(test: &TestApp) {
    let sql = "UPDATE responses SET created_at = created_at - interval '2 minutes'";
    test.db().await.rows(sql, &[]).await.unwrap();
}

/// The ids on a page, and where the next one starts.
async fn page(
    test: &TestApp,
    owner: &Caller,
    survey: Uuid,
    order: Order,
    after: Option<Position>,
) -> (Vec<Uuid>, Option<Position>) {
    let limit = Limit::deserialize(Given::new(json!(7), Reading::Strict)).unwrap();
    let page =
        responses::page(&mut test.db().await, owner, SurveyId(survey), order, limit, after).await.unwrap();
    (page.responses.iter().map(|response| response.id.0).collect(), page.next)
}

/// All pages that follow, as far as they can be read by now; and whether there is still something to come.
async fn rest(
    test: &TestApp,
    owner: &Caller,
    survey: Uuid,
    order: Order,
    mut after: Option<Position>,
) -> (Vec<Uuid>, bool) {
    let mut all = Vec::new();
    loop {
        let (ids, next) = page(test, owner, survey, order, after).await;
        if next.is_none() || ids.is_empty() {
            all.extend(ids);
            return (all, next.is_some());
        }
        all.extend(ids);
        after = next;
    }
}

/// Responses of all three kinds, in the order they are stored in.
async fn store(test: &TestApp, survey: &TestSurvey, number: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for n in 0..number {
        ids.push(match n % 3 {
            0 => test.reply(survey.questions[0], json!(n)).await,
            1 => test.reply(survey.questions[1], json!(n)).await,
            _ => {
                // An id of the client's, in no order.
                let (id, answers) =
                    (Uuid::from_u128(Uuid::now_v7().as_u128().reverse_bits()), survey.answers([json!(n)]));
                let answers = Answers::deserialize(Given::new(answers, Reading::Strict)).unwrap();
                responses::submit(
                    &mut test.db().await,
                    test.app.forms(),
                    SurveyId(survey.id),
                    ResponseId(id),
                    &answers,
                )
                .await
                .unwrap();
                id
            }
        });
    }
    ids
}

fn reversed(ids: &[Uuid]) -> Vec<Uuid> {
    ids.iter().rev().copied().collect()
}

#[tokio::test]
async fn after_a_restore_elsewhere_every_response_is_read_once_and_in_order() {
    let before = TestApp::new().await;
    let ada = before.user("ada").await;
    let survey =
        before.survey(&ada).questions(json!([{"type": "x-pet"}, {"type": "number"}])).limit(1000).await;
    let mut all = store(&before, &survey, 20).await;
    let deleted = all.remove(4);
    let owner = before.caller(&ada).await;
    responses::delete(&mut before.db().await, &owner, SurveyId(survey.id), ResponseId(deleted))
        .await
        .unwrap();
    // Numbers that a fresh cluster is far from.
    transactions(&before.config(), 20_000).await;
    all.extend(store(&before, &survey, 15).await);
    age(&before).await;
    let (first_page, cursor) = page(&before, &owner, survey.id, Order::Ascending, None).await;
    let (last_page, backwards) = page(&before, &owner, survey.id, Order::Descending, None).await;
    assert_eq!((first_page.as_slice(), last_page.as_slice()), (&all[..7], &reversed(&all)[..7]));

    let cluster = Cluster::start();
    copy(&before.config().database, &cluster.database);
    let after = TestApp::with(|config| config.database = cluster.database.clone()).await;
    let owner = after.caller(&ada).await;
    assert!(ahead(&after).await > 10_000, "the numbers must lie ahead: {}", ahead(&after).await);

    // What was there is there, and an old cursor leads on, in both directions.
    let both = async |ascending: &[Uuid], more: bool| {
        let rest_of = |order, cursor| rest(&after, &owner, survey.id, order, cursor);
        assert_eq!(rest_of(Order::Ascending, None).await, (ascending.to_vec(), more));
        assert_eq!(rest_of(Order::Ascending, cursor).await, (ascending[7..].to_vec(), more));
    };
    let old = all.clone();
    both(&old, false).await;
    let older = rest(&after, &owner, survey.id, Order::Descending, backwards).await;
    assert_eq!(older, (reversed(&old)[7..].to_vec(), false));

    // What is stored now comes behind it. Until nothing can come between any more, that is for a minute, it is announced.
    let new = store(&after, &survey, 12).await;
    both(&old, true).await;
    all.extend(&new);
    assert_eq!(rest(&after, &owner, survey.id, Order::Descending, None).await, (reversed(&all), false));
    let older = rest(&after, &owner, survey.id, Order::Descending, backwards).await;
    assert_eq!(older, (reversed(&old)[7..].to_vec(), false));
    age(&after).await;
    both(&all, false).await;
    assert!(ahead(&after).await > 10_000);

    // So it goes on while the transactions of this cluster catch up with the numbers, and when they are ahead of them.
    let config = Config { database: cluster.database.clone(), ..after.config() };
    transactions(&config, ahead(&after).await - 20).await;
    for _ in 0..10 {
        all.extend(store(&after, &survey, 4).await);
        transactions(&config, 5).await;
    }
    assert!(ahead(&after).await < 0, "{}", ahead(&after).await);
    age(&after).await;
    all.extend(store(&after, &survey, 9).await);
    // By now they need not age, but only be committed.
    while rest(&after, &owner, survey.id, Order::Ascending, cursor).await.1 {
        transactions(&config, 1).await;
    }
    both(&all, false).await;
    assert_eq!(rest(&after, &owner, survey.id, Order::Descending, None).await, (reversed(&all), false));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());

    let mut session = db::session(&config, None).await.unwrap();
    assert_eq!(recount::differences(&mut session).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_can_not_be_read_yet_holds_back_all_that_stands_behind_it() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let owner = test.caller(&ada).await;
    let survey = test.survey(&ada).await;
    let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
    // Far ahead of this cluster, as after a restore; the second was stored later than those behind it, which waited for a lock.
    for (id, (xid, seconds)) in ids.iter().zip([(1, 100), (2, 5), (2, 70), (3, 90)]) {
        let sql = "INSERT INTO responses (id, survey_id, single, bytes, answers, xid, created_at)
                   VALUES ($1, $2, false, 0, '{}', ($3 + 1000000000000)::text::xid8, now() - $4 * interval '1 second')";
        test.db().await.rows(sql, &[id, &survey.id, &i64::from(xid), &i64::from(seconds)]).await.unwrap();
    }
    let (first, cursor) = page(&test, &owner, survey.id, Order::Ascending, None).await;
    assert_eq!((first.as_slice(), cursor.is_some()), (&ids[..1], true));
    assert_eq!(page(&test, &owner, survey.id, Order::Ascending, cursor).await, (vec![], cursor));
    assert_eq!(page(&test, &owner, survey.id, Order::Descending, None).await, (reversed(&ids), None));
    age(&test).await;
    assert_eq!(page(&test, &owner, survey.id, Order::Ascending, cursor).await, (ids[1..].to_vec(), None));
}

#[tokio::test]
async fn a_place_is_never_one_that_readers_may_have_passed() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    test.response(survey.id, json!({})).await;
    let (mut session, mut db) = (db::session(&test.config(), None).await.unwrap(), test.db().await);
    // The last response stands where transactions will soon be (not at once: those of other tests count).
    let sql = "UPDATE responses SET xid = (pg_snapshot_xmax(pg_current_snapshot())::text::numeric + 2000)::text::xid8";
    db.write(sql, &[]).await.unwrap();
    // By the snapshot of a transaction that has no number of its own yet, while others take theirs.
    let transaction = session
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await
        .unwrap();
    let sql = "SELECT xid >= pg_snapshot_xmax(pg_current_snapshot()) AS is_ahead FROM responses";
    assert!(transaction.query_one(sql, &[]).await.unwrap().get::<_, bool>("is_ahead"));
    transactions(&test.config(), 4000).await;
    let sql = "SELECT next_place($1) >= pg_current_xact_id() AS is_behind";
    let row = transaction.query_one(sql, &[&survey.id]).await.unwrap();
    assert!(row.get::<_, bool>("is_behind"));
}
