//! The one way to PostgreSQL: a small pool, and statements that are prepared once a connection.
//!
//! Every statement names the types of its parameters (through [`Param`]), so it can be sent either prepared or, with
//! `DATABASE_PREPARE=off`, unnamed in a single round trip. Prepared is the faster half of the database's work
//! and the default. Nothing in the path of a request uses `SET`, session locks or `nextval`: those would pin a connection of a pooler.

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
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio_postgres::{
    GenericClient, Row, SimpleQueryMessage, Statement,
    error::SqlState,
    types::{ToSql, Type},
};

/// How long a request waits for a connection before it answers 503. Below the gateway's 30 seconds, and long enough
/// for a paused database to wake up (about 15 s, AWS Aurora user guide, "Scaling to Zero ACUs").
const CONNECT: Duration = Duration::from_secs(20);

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
        let client = self.connections.get().await?;
        Ok(Db { client, prepare: self.prepare, health: self.health.clone() })
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

/// A connection, for as long as one request needs it.
pub struct Db {
    client: deadpool_postgres::Object,
    prepare: bool,
    health: Arc<Health>,
}

impl Drop for Db {
    fn drop(&mut self) {
        self.health.idle_since.store(Utc::now().timestamp_millis(), Ordering::Relaxed);
    }
}

impl Db {
    /// All rows of a statement.
    pub async fn rows(&self, sql: &str, params: &[&dyn Param]) -> Result<Vec<Row>> {
        let statement = if self.prepare {
            Some(self.client.prepare_typed_cached(sql, &types(params)).await?)
        } else {
            None
        };
        rows(&**self.client, statement, sql, params).await.map_err(|error| self.health.note(error))
    }

    /// The row of a statement that has at most one.
    pub async fn row_opt(&self, sql: &str, params: &[&dyn Param]) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.pop())
    }

    /// The row of a statement that always has one.
    pub async fn row(&self, sql: &str, params: &[&dyn Param]) -> Result<Row> {
        self.row_opt(sql, params).await?.ok_or_else(no_row)
    }

    /// Begin a transaction, for what one statement can't do. Dropped without a commit, it is rolled back.
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        Ok(Transaction {
            inner: self.client.transaction().await?,
            prepare: self.prepare,
            health: &self.health,
        })
    }

    /// The number of the newest migration that was applied.
    pub async fn schema_version(&self) -> Result<i32> {
        let row = self
            .row("-- db::schema_version\nSELECT max(version) AS version FROM refinery_schema_history", &[]);
        Ok(row.await?.try_get("version")?)
    }
}

/// Statements that are carried out together or not at all.
pub struct Transaction<'a> {
    inner: deadpool_postgres::Transaction<'a>,
    prepare: bool,
    health: &'a Health,
}

impl Transaction<'_> {
    /// All rows of a statement.
    pub async fn rows(&self, sql: &str, params: &[&dyn Param]) -> Result<Vec<Row>> {
        let statement = if self.prepare {
            Some(self.inner.prepare_typed_cached(sql, &types(params)).await?)
        } else {
            None
        };
        rows(&*self.inner, statement, sql, params).await.map_err(|error| self.health.note(error))
    }

    /// The row of a statement that has at most one.
    pub async fn row_opt(&self, sql: &str, params: &[&dyn Param]) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.pop())
    }

    /// The row of a statement that always has one.
    pub async fn row(&self, sql: &str, params: &[&dyn Param]) -> Result<Row> {
        self.row_opt(sql, params).await?.ok_or_else(no_row)
    }

    /// Carry it all out.
    pub async fn commit(self) -> Result<()> {
        Ok(self.inner.commit().await?)
    }
}

fn types(params: &[&dyn Param]) -> Vec<Type> {
    params.iter().map(|p| p.sql_type()).collect()
}

async fn rows(
    client: &impl GenericClient,
    prepared: Option<Statement>,
    sql: &str,
    params: &[&dyn Param],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    if let Some(statement) = prepared {
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|p| *p as _).collect();
        client.query(&statement, &params).await
    } else {
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            params.iter().map(|p| (*p as _, p.sql_type())).collect();
        client.query_typed(sql, &params).await
    }
}

fn no_row() -> Error {
    Error::internal("a statement that answers with a row had none")
}
