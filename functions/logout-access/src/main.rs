//! `POST /logout/access` (access token): revoke the access token that the request carries.
//!
//! 200 `{message}` · 401 no valid access token

use serde_json::json;
use shared::{App, Reply, Request, Result, http, revoked_tokens};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(logout_access)
}

async fn logout_access(app: App, request: Request) -> Result<Reply> {
    let (db, caller) = app.authenticated(&request).await?;
    revoked_tokens::insert(&db, &caller).await?;
    http::ok(&json!({ "message": "Access token has been revoked" }))
}
