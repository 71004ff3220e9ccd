//! `POST /logout/access` (access token): revoke the access token that the request carries.

use serde_json::json;
use shared::{App, Request, Response, Result, accounts::revoked_tokens, http};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(logout_access)
}

async fn logout_access(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    revoked_tokens::insert(&mut db, &caller).await?;
    http::ok(&json!({ "message": "Access token has been revoked" }))
}
