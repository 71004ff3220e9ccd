//! `GET /health` (anyone): whether the service and its database work together.
//!
//! 200 `{status, schema}`, the newest migration's number · 503 `unavailable`

use serde_json::json;
use shared::{App, Reply, Request, Result, http};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve_public(health)
}

async fn health(app: App, _: Request) -> Result<Reply> {
    let schema = app.db().await?.schema_version().await?;
    http::ok(&json!({ "status": "ok", "schema": schema }))
}
