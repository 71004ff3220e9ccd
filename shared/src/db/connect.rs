//! Making a connection: the password of the moment, and TLS that knows whom it talks to.

use crate::{
    Error, Result,
    aws::{self, Aws},
    config::Config,
};
use futures_util::future::BoxFuture;
use std::time::SystemTime;
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client, NoTls,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

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
            if let Some(tls) = &self.tls {
                let (client, connection) = postgres.connect(tls.clone()).await?;
                Ok((client, tokio::spawn(watch(connection))))
            } else {
                let (client, connection) = postgres.connect(NoTls).await?;
                Ok((client, tokio::spawn(watch(connection))))
            }
        })
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
