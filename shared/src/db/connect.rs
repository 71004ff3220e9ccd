//! Making a connection: the password of the moment, and TLS that knows whom it talks to.

use crate::{
    Error, Result,
    aws::{self, Aws},
    config::Config,
};
use futures_util::future::BoxFuture;
use std::{
    error::Error as _,
    io,
    time::{Duration, Instant, SystemTime},
};
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client, NoTls,
    config::{Host, SslMode},
    error::SqlState,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a server that is starting, or has no connection left, is asked again. Who waits for it pays for the waiting, and
/// the client has a retry of its own.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the network may keep what was sent before the connection counts as dead (`TCP_USER_TIMEOUT`).
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// After how long without traffic, and then how often, the other side is asked for a sign of life.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What a new connection needs besides the settings in `DATABASE_URL`.
#[derive(Clone)]
pub(super) struct Connector {
    iam: Option<Aws>,
    /// None for a Unix socket, which is spared the reading of the roots at start.
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// The connector, and the settings it is to be used with.
    pub(super) fn new(config: &Config) -> Result<(Self, tokio_postgres::Config)> {
        let mut postgres = config.database.clone();
        postgres.application_name("canvass");
        postgres.tcp_user_timeout(UNACKNOWLEDGED).keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE);
        if config.database_iam.is_some() {
            // A token is a password: it goes to nobody whose certificate was not verified.
            postgres.ssl_mode(SslMode::Require);
        }
        let remote = postgres.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        let tls =
            remote.then(|| aws::roots(config.database_ca.as_deref())).transpose().map_err(Error::internal)?;
        Ok((Self { iam: config.database_iam.clone(), tls: tls.map(MakeRustlsConnect::new) }, postgres))
    }
}

impl deadpool_postgres::Connect for Connector {
    fn connect(
        &self,
        postgres: &tokio_postgres::Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let mut postgres = postgres.clone();
        if let (Some(aws), Some(Host::Tcp(host)), Some(user)) =
            (&self.iam, postgres.get_hosts().first(), postgres.get_user())
        {
            let port = postgres.get_ports().first().copied().unwrap_or(5432);
            match aws.rds_token(host, port, user, SystemTime::now()) {
                Ok(token) => {
                    postgres.password(token);
                }
                Err(error) => tracing::error!(%error, "no RDS token could be signed"),
            }
        }
        Box::pin(async move {
            let (began, mut pause) = (Instant::now(), Duration::from_millis(50));
            loop {
                match self.connect_once(&postgres).await {
                    Err(error) if is_passing(&error) && began.elapsed() + pause < PATIENCE => {
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                    }
                    outcome => return outcome,
                }
            }
        })
    }
}

impl Connector {
    async fn connect_once(
        &self,
        postgres: &tokio_postgres::Config,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        if let Some(tls) = &self.tls {
            let (client, connection) = postgres.connect(tls.clone()).await?;
            Ok((client, tokio::spawn(watch(connection))))
        } else {
            let (client, connection) = postgres.connect(NoTls).await?;
            Ok((client, tokio::spawn(watch(connection))))
        }
    }
}

/// Whether a server that refuses a connection may take it in a moment.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => [SqlState::CANNOT_CONNECT_NOW, SqlState::TOO_MANY_CONNECTIONS].contains(code),
        None => error.source().and_then(|source| source.downcast_ref::<io::Error>()).is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::NotFound
            )
        }),
    }
}

/// Keep a connection going. Its end is not an error of anybody's request: the next one gets another.
async fn watch(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        let cause = crate::logs::cause(&error.into());
        tracing::warn!(cause, "a database connection ended");
    }
}

/// A session of its own as `user`, outside the pool: for what needs a session, such as migrations.
#[cfg(feature = "migrations")]
pub async fn session(config: &Config, user: Option<&str>) -> Result<Client> {
    use deadpool_postgres::Connect as _;
    let (connector, mut postgres) = Connector::new(config)?;
    if let Some(user) = user {
        postgres.user(user);
    }
    Ok(connector.connect(&postgres).await?.0)
}
