//! `POST /logout/refresh` (refresh token): revoke the refresh token that the request carries.

use serde_json::json;
use shared::{App, Request, Response, Result, accounts::revoked_tokens, http};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(logout_refresh)
}

async fn logout_refresh(app: App, request: Request) -> Result<Response> {
    let (mut db, refresher) = app.refreshing(&request).await?;
    revoked_tokens::insert(&mut db, &refresher).await?;
    http::ok(&json!({ "message": "Refresh token has been revoked" }))
}
