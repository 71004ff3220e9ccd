//! `GET /health` (anyone): whether the service and its database work together.

use serde_json::json;
use shared::{PublicApp, Request, Response, Result, http};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(health)
}

async fn health(app: PublicApp, _: Request) -> Result<Response> {
    let schema = app.db().await?.schema_version().await?;
    http::ok(&json!({ "status": "ok", "schema": schema }))
}
