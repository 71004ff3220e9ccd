//! A session outside of the pool, and the patience that it takes during a deployment.

use crate::GRANTED;
use shared::{BoxError, Error, config::Config, db};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, Error as PgError};

/// A session, as soon as the database takes one: a paused cluster needs some time to wake up, and a permission that was just
/// given needs some to arrive.
pub(crate) async fn open(config: &Config, user: Option<&str>) -> Result<Client, BoxError> {
    let mut refused_since = None;
    loop {
        let error = match db::session(config, user).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        // A database that says why is awake.
        let refusal = match &error {
            Error::Internal(cause) => cause.downcast_ref::<PgError>().and_then(PgError::code),
            _ => None,
        };
        if let Some(code) = refusal {
            let since = refused_since.get_or_insert_with(Instant::now);
            // Class 28: who logs in is not let in.
            if !code.code().starts_with("28") || since.elapsed() > GRANTED {
                return Err(error.into());
            }
        }
        tracing::info!(cause = shared::cause(&error), "no database yet");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
