//! On a schedule: remove what has expired. Nothing depends on it being punctual, since whatever has expired is already
//! ignored by those who read it.
//!
//! Answers `{revoked_tokens}`, the number of rows removed; an error is a failed invocation, which raises an alarm.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::{BoxError, PublicApp, accounts::revoked_tokens, config::Config};

#[cfg(test)]
mod tests;

fn main() -> Result<(), BoxError> {
    shared::run(async {
        let app = PublicApp::new(&Config::load_without_keys().await?)?;
        lambda_runtime::run(service_fn(move |_: LambdaEvent<Value>| purge(app.clone()))).await
    })
}

async fn purge(app: PublicApp) -> Result<Value, BoxError> {
    let mut db = app.db().await?;
    let mut removed = 0;
    // In batches, so that no statement holds its locks for long; what is left at the time limit goes next time.
    loop {
        let batch = revoked_tokens::delete_expired(&mut db).await?;
        removed += batch;
        if batch < revoked_tokens::BATCH {
            break;
        }
    }
    tracing::info!(revoked_tokens = removed, "purged");
    Ok(json!({ "revoked_tokens": removed }))
}
