//! At deployment: bring the database to the newest schema, from inside the VPC.
//!
//! A custom resource of the stack, which `CloudFormation` calls when the migrations have changed, before it updates the
//! functions. Can be invoked by hand as well, with `{}`. Makes the keys that sign tokens where there are none. Connects as the
//! owner of the database to make the two roles, then as `canvass_migrate` to apply the migrations.
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

mod cloudformation;
mod keys;
mod roles;
mod session;
#[cfg(test)]
mod tests;

/// How long what was allowed a moment ago may be refused. IAM tells all of its parts of a new permission within seconds, sometimes
/// minutes (IAM user guide, "Changes that I make are not always immediately visible").
const GRANTED: Duration = Duration::from_mins(2);

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
        let migrate = AssertUnwindSafe(async {
            migrate(&Config::load().await?, cloudformation::idle_session(&payload)).await
        });
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

async fn migrate(config: &Config, idle_session: Option<u32>) -> Result<Value, BoxError> {
    keys::make(&config.jwt).await?;
    roles::create(&session::open(config, None).await?, idle_session).await?;
    let mut session = session::open(config, Some(roles::MIGRATE)).await?;
    let applied = db::migrate::run(&mut session).await?;
    roles::grant(&session).await?;
    tracing::info!(applied, "migrated");
    Ok(json!({ "applied": applied }))
}

/// What the operator reads in the stack's events.
fn reason(error: &BoxError) -> String {
    error.downcast_ref::<Error>().map_or_else(|| error.to_string(), shared::cause)
}
