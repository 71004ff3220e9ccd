//! The one way to PostgreSQL: a small pool, and statements that are prepared once a connection.
//!
//! Every statement names the types of its parameters (through [`Param`]), so it can be sent either prepared or, with
//! `DATABASE_PREPARE=off`, unnamed. Prepared is the faster half of the database's work and the default. Nothing in the path of a
//! request uses `SET`, session locks or `nextval`: those would pin a connection of a pooler.
//!
//! Whatever belongs together is sent together and answered in one round trip: a transaction with all its statements, and with
//! the first of a request the question whether its token is still good.

mod connect;
#[cfg(feature = "migrations")]
pub mod migrate;
mod param;

#[cfg(feature = "migrations")]
pub use connect::session;
pub use param::Param;

use crate::{Error, Result, config::Config};
use chrono::Utc;
use connect::Connector;
use deadpool_postgres::{ClientWrapper, Hook, HookError, Manager, ManagerConfig, RecyclingMethod, Runtime};
use futures_util::future::{join_all, join3, try_join_all};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio_postgres::{
    Row, SimpleQueryMessage, Statement,
    error::SqlState,
    types::{ToSql, Type},
};
use uuid::Uuid;

/// How long a request waits for a connection before it answers 503. Below the gateway's 30 seconds, and long enough
/// for a paused database to wake up (about 15 s, AWS Aurora user guide, "Scaling to Zero ACUs").
const CONNECT: Duration = Duration::from_secs(20);

/// How long a read may take before it is tried on another connection: a socket may have died without a word. What is still
/// slow there ends with the time limit of the request. Nothing that Canvass reads takes a second; a write may wait for another
/// that long, and would then wait twice.
const READ: Duration = Duration::from_secs(8);

/// How long an idle connection may take to prove that it still lives.
const RECYCLE: Duration = Duration::from_secs(2);

/// After this long without a request a connection is asked whether it still lives before it is used: a sandbox may
/// have been frozen for minutes, and then a socket can be dead without knowing. Busy connections pay nothing.
const TRUSTED: Duration = Duration::from_secs(1);

/// How long after a failover connections are asked whether they lead to a reader.
const SUSPECT: Duration = Duration::from_mins(1);

/// Connections that are made when they are asked for.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: deadpool_postgres::Pool,
    prepare: bool,
    health: Arc<Health>,
}

impl Pool {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let (connector, mut postgres) = Connector::new(config)?;
        postgres.connect_timeout(CONNECT);
        let health = Arc::new(Health::default());
        let checked = health.clone();
        let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let connections = deadpool_postgres::Pool::builder(Manager::from_connect(postgres, connector, fast))
            .max_size(config.concurrency)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT))
            .pre_recycle(Hook::async_fn(move |client: &mut ClientWrapper, _| {
                let (trusted, suspect) = (checked.idle() < TRUSTED, checked.is_suspect());
                Box::pin(async move {
                    let ask = if suspect { "SHOW transaction_read_only" } else { "" };
                    if trusted && !suspect {
                        return Ok(());
                    }
                    let answer = tokio::time::timeout(RECYCLE, client.simple_query(ask)).await;
                    let answer = answer.map_err(|_| HookError::message("the connection is silent"))?;
                    let is_reader = |message: &SimpleQueryMessage| match message {
                        SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
                        _ => false,
                    };
                    if answer.map_err(HookError::Backend)?.iter().any(is_reader) {
                        return Err(HookError::message("the server has become a reader"));
                    }
                    Ok(())
                })
            }))
            .build()
            .map_err(Error::internal)?;
        Ok(Self { connections, prepare: config.prepare, health })
    }

    pub(crate) async fn get(&self) -> Result<Db> {
        let client = Some(self.connections.get().await?);
        Ok(Db { client, pool: self.clone(), condition: None, waiting: false })
    }
}

/// What is known of the connections in the pool. Moments are by the wall clock, since the monotonic one may stand still while
/// a sandbox is frozen: milliseconds since 1970.
#[derive(Default)]
struct Health {
    /// When the last request gave its connection back.
    idle_since: AtomicI64,
    /// When a server was last found to be a reader, as after a failover. For some time every connection is asked then, and
    /// those to a reader are thrown away: the name of the database leads to the writer of today.
    read_only_at: AtomicI64,
}

impl Health {
    fn since(moment: &AtomicI64) -> Duration {
        let ms = Utc::now().timestamp_millis() - moment.load(Ordering::Relaxed);
        Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    fn idle(&self) -> Duration {
        Self::since(&self.idle_since)
    }

    fn is_suspect(&self) -> bool {
        Self::since(&self.read_only_at) < SUSPECT
    }

    fn note(&self, error: tokio_postgres::Error) -> Error {
        if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
            self.read_only_at.store(Utc::now().timestamp_millis(), Ordering::Relaxed);
        }
        error.into()
    }
}

/// One statement of several that are sent together.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    sql: &'a str,
    params: &'a [&'a dyn Param],
}

/// One statement of several that are sent together.
#[must_use]
pub fn step<'a>(sql: &'a str, params: &'a [&'a dyn Param]) -> Step<'a> {
    Step { sql, params }
}

/// What has to hold for anything that a request asks of the database. It goes along with the first read, whose rows are given
/// away only if it holds, and ahead of the first write.
pub(crate) struct Condition {
    pub(crate) sql: &'static str,
    pub(crate) ids: [Uuid; 2],
    pub(crate) holds: Holds,
}

/// Whether the only row of a condition says that it holds.
type Holds = Box<dyn Fn(&Row) -> Result<()> + Send + Sync>;

/// A connection, for as long as one request needs it.
pub struct Db {
    /// None once it has been given up.
    client: Option<deadpool_postgres::Object>,
    pool: Pool,
    condition: Option<Condition>,
    /// An answer is still to come. Whoever got the connection next would wait for it.
    waiting: bool,
}

impl Drop for Db {
    fn drop(&mut self) {
        if self.waiting {
            self.give_up();
        }
        self.pool.health.idle_since.store(Utc::now().timestamp_millis(), Ordering::Relaxed);
    }
}

impl Db {
    /// All rows of a statement that changes nothing. If the connection breaks, it is sent once more on another one.
    pub async fn rows(&mut self, sql: &str, params: &[&dyn Param]) -> Result<Vec<Row>> {
        let [rows] = self.read(None, [step(sql, params)]).await?;
        Ok(rows)
    }

    /// The row of a statement that changes nothing and has at most one.
    pub async fn row_opt(&mut self, sql: &str, params: &[&dyn Param]) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.pop())
    }

    /// The row of a statement that changes nothing and always has one.
    pub async fn row(&mut self, sql: &str, params: &[&dyn Param]) -> Result<Row> {
        self.row_opt(sql, params).await?.ok_or_else(no_row)
    }

    /// The rows of statements that change nothing, all as of one moment.
    pub async fn snapshot<const N: usize>(&mut self, steps: [Step<'_>; N]) -> Result<[Vec<Row>; N]> {
        self.read(Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"), steps).await
    }

    /// All rows of a statement that changes something. It is sent again only where it is certain that it changed nothing.
    pub async fn write(&mut self, sql: &str, params: &[&dyn Param]) -> Result<Vec<Row>> {
        let [rows] = self.change(None, [step(sql, params)], Error::is_of_nothing_done).await?;
        Ok(rows)
    }

    /// All rows of a statement that changes something, but the same once or twice. If the connection breaks, it is sent once
    /// more on another one.
    pub async fn write_again(&mut self, sql: &str, params: &[&dyn Param]) -> Result<Vec<Row>> {
        let [rows] = self.change(None, [step(sql, params)], Error::is_of_connection).await?;
        Ok(rows)
    }

    /// The row of a statement that changes something and always has one.
    pub async fn write_row(&mut self, sql: &str, params: &[&dyn Param]) -> Result<Row> {
        self.write(sql, params).await?.pop().ok_or_else(no_row)
    }

    /// The rows of statements that are carried out together or not at all. Each sees what was stored before it began; the first
    /// that the database refuses ends them all. (A parameter that could not be encoded would be left out unseen, and the others
    /// committed: no [`Param`] has a value for which that fails.)
    pub async fn transaction<const N: usize>(&mut self, steps: [Step<'_>; N]) -> Result<[Vec<Row>; N]> {
        self.change(Some("BEGIN"), steps, Error::is_of_nothing_done).await
    }

    /// From now on, `condition` has to hold.
    pub(crate) fn require(&mut self, condition: Condition) {
        self.condition = Some(condition);
    }

    /// Make sure that the condition holds, where no read has done so yet.
    pub async fn prove(&mut self) -> Result<()> {
        if self.condition.is_some() { self.read(None, []).await.map(|[]| ()) } else { Ok(()) }
    }

    /// Another connection in place of one that broke.
    pub(crate) async fn reconnect(&mut self) -> Result<()> {
        self.give_up();
        self.client = Some(self.pool.connections.get().await?);
        Ok(())
    }

    /// The number of the newest migration that was applied.
    pub async fn schema_version(&mut self) -> Result<i32> {
        let row = self
            .row("-- db::schema_version\nSELECT max(version) AS version FROM refinery_schema_history", &[]);
        Ok(row.await?.try_get("version")?)
    }

    async fn read<const N: usize>(
        &mut self,
        begin: Option<&'static str>,
        steps: [Step<'_>; N],
    ) -> Result<[Vec<Row>; N]> {
        let limited = tokio::time::timeout(READ, self.exchange(begin, &steps)).await;
        match limited.unwrap_or_else(|_| Err(Error::Unavailable("the database is silent".into()))) {
            Err(error) if self.waiting || error.is_of_connection() => {
                self.reconnect().await?;
                self.exchange(begin, &steps).await
            }
            outcome => outcome,
        }
    }

    async fn change<const N: usize>(
        &mut self,
        begin: Option<&'static str>,
        steps: [Step<'_>; N],
        may_repeat: fn(&Error) -> bool,
    ) -> Result<[Vec<Row>; N]> {
        self.prove().await?;
        match self.exchange(begin, &steps).await {
            Err(error) if may_repeat(&error) => {
                self.reconnect().await?;
                self.exchange(begin, &steps).await
            }
            outcome => outcome,
        }
    }

    /// Send everything, then take the answers.
    async fn exchange<const N: usize>(
        &mut self,
        begin: Option<&'static str>,
        steps: &[Step<'_>],
    ) -> Result<[Vec<Row>; N]> {
        self.waiting = true;
        let answers = self.answers(begin, steps).await;
        self.waiting = false;
        let mut answers = answers.map_err(|error| self.pool.health.note(error))?.into_iter();
        if let Some(condition) = &self.condition {
            let proof = answers.next().and_then(|mut rows| rows.pop()).ok_or_else(no_row)?;
            (condition.holds)(&proof)?;
            self.condition = None;
        }
        answers.collect::<Vec<_>>().try_into().map_err(|_| Error::internal("a statement has no answer"))
    }

    /// The rows of the condition, where there is one, and of each step.
    async fn answers(
        &self,
        begin: Option<&'static str>,
        steps: &[Step<'_>],
    ) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
        let Some(client) = &self.client else { return Ok(Vec::new()) };
        let ids: Vec<&dyn Param> = self.condition.iter().flat_map(|c| &c.ids).map(|id| id as _).collect();
        let condition = self.condition.iter().map(|condition| step(condition.sql, &ids));
        let steps: Vec<Step<'_>> = condition.chain(steps.iter().copied()).collect();
        let prepared = if self.pool.prepare {
            // At once where that has been done on this connection.
            try_join_all(steps.iter().map(|step| step.prepare(client))).await?.into_iter().map(Some).collect()
        } else {
            vec![None; steps.len()]
        };
        // Each is sent when it is first polled, which happens in this order.
        let (begun, rows, committed) = join3(
            control(client, begin),
            join_all(steps.iter().zip(prepared).map(|(step, prepared)| step.run(client, prepared))),
            control(client, begin.map(|_| "COMMIT")),
        )
        .await;
        begun?;
        let rows = rows.into_iter().collect::<Result<_, _>>()?;
        committed?;
        Ok(rows)
    }

    /// Let nobody have this connection any more.
    fn give_up(&mut self) {
        self.client.take().map(deadpool_postgres::Object::take);
        self.waiting = false;
    }
}

impl Step<'_> {
    async fn prepare(&self, client: &ClientWrapper) -> Result<Statement, tokio_postgres::Error> {
        let types: Vec<Type> = self.params.iter().map(|p| p.sql_type()).collect();
        client.prepare_typed_cached(self.sql, &types).await
    }

    async fn run(
        &self,
        client: &ClientWrapper,
        prepared: Option<Statement>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if let Some(statement) = prepared {
            let params: Vec<&(dyn ToSql + Sync)> = self.params.iter().map(|p| *p as _).collect();
            client.query(&statement, &params).await
        } else {
            let params: Vec<(&(dyn ToSql + Sync), Type)> =
                self.params.iter().map(|p| (*p as _, p.sql_type())).collect();
            client.query_typed(self.sql, &params).await
        }
    }
}

async fn control(client: &ClientWrapper, command: Option<&str>) -> Result<(), tokio_postgres::Error> {
    match command {
        Some(command) => client.batch_execute(command).await,
        None => Ok(()),
    }
}

fn no_row() -> Error {
    Error::internal("a statement that answers with a row had none")
}
