//! At deployment: bring the database to the newest schema, from inside the VPC.
//!
//! A custom resource of the stack, which `CloudFormation` calls when the migrations have changed, before it updates the
//! functions. Can be invoked by hand as well, with `{}`. Connects as the owner of the database to make the two roles, then
//! as `canvass_migrate` to apply the migrations.
//!
//! Answers `{applied}`, the number of migrations applied. A failure rolls the deployment back, with its reason.

use futures_util::FutureExt as _;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::{BoxError, Error, config::Config, db};
use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant, SystemTime},
};
use tokio_postgres::{Client, Error as PgError};

mod cloudformation;
mod roles;
#[cfg(test)]
mod tests;

fn main() -> Result<(), BoxError> {
    shared::run(lambda_runtime::run(service_fn(handle)))
}

async fn handle(invocation: LambdaEvent<Value>) -> Result<Value, BoxError> {
    let LambdaEvent { payload, context } = invocation;
    let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    let deadline = Instant::now() + left.saturating_sub(Duration::from_secs(1));
    // Time to answer with is kept back: CloudFormation would wait for an answer that never comes.
    let for_work = left.saturating_sub(Duration::from_secs(10));
    let work = async {
        let migrate = AssertUnwindSafe(async { migrate(&Config::load_without_keys().await?).await });
        match tokio::time::timeout(for_work, migrate.catch_unwind()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("it panicked".into()),
            Err(_) => Err("the database did not get ready in time".into()),
        }
    };
    match cloudformation::Event::of(&payload)? {
        None => work.await,
        // The data outlives the stack's functions: there is nothing to undo.
        Some(event) if event.is_delete() => event.answer(Ok(&json!({})), deadline).await,
        Some(event) => event.answer(work.await.as_ref().map_err(reason), deadline).await,
    }
}

async fn migrate(config: &Config) -> Result<Value, BoxError> {
    roles::create(&awake(config).await?).await?;
    let mut session = db::session(config, Some(roles::MIGRATE)).await?;
    let applied = db::migrate::run(&mut session).await?;
    roles::grant(&session).await?;
    tracing::info!(applied, "migrated");
    Ok(json!({ "applied": applied }))
}

/// What the operator reads in the stack's events.
fn reason(error: &BoxError) -> String {
    error.downcast_ref::<Error>().map_or_else(|| error.to_string(), shared::cause)
}

/// A session of the owner, as soon as the database takes one: a paused cluster needs some time to wake up.
async fn awake(config: &Config) -> Result<Client, BoxError> {
    loop {
        match db::session(config, None).await {
            Ok(session) => return Ok(session),
            // The database is awake, and says no.
            Err(Error::Internal(cause))
                if cause.downcast_ref::<PgError>().is_some_and(|e| e.code().is_some()) =>
            {
                return Err(cause);
            }
            Err(error) => tracing::info!(cause = shared::cause(&error), "no database yet"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
