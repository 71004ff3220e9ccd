//! The one way to PostgreSQL: a small pool, and statements that are prepared once a connection.
//!
//! Every statement names the types of its parameters (through [`Param`]), so it can be sent either prepared or, with
//! `DATABASE_PREPARE=off`, unnamed in a single round trip. Prepared is the faster half of the database's work
//! and the default. Nothing here uses `SET`, session locks or `nextval`: those would pin a connection of a pooler.

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
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio_postgres::{
    GenericClient, Row, Statement,
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
            .recycle_timeout(Some(RECYCLE))
            .pre_recycle(Hook::async_fn(move |client: &mut ClientWrapper, _| {
                let (trusted, read_only) =
                    (checked.idle() < TRUSTED, checked.read_only.swap(false, Ordering::Relaxed));
                Box::pin(async move {
                    if read_only {
                        return Err(HookError::message("the server became a reader"));
                    }
                    if !trusted {
                        client.simple_query("").await.map_err(HookError::Backend)?;
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

/// What is known of the connections that wait in the pool.
#[derive(Default)]
struct Health {
    /// When the last request gave its connection back, by the wall clock: the monotonic one may stand still while a
    /// sandbox is frozen. Milliseconds since 1970.
    idle_since: AtomicI64,
    /// A server that was a writer has become a reader, as after a failover: the next connection is thrown away, and the
    /// name of the database leads to the writer of today.
    read_only: AtomicBool,
}

impl Health {
    fn idle(&self) -> Duration {
        let ms = Utc::now().timestamp_millis() - self.idle_since.load(Ordering::Relaxed);
        Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    fn note(&self, error: tokio_postgres::Error) -> Error {
        if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
            self.read_only.store(true, Ordering::Relaxed);
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
