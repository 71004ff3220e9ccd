//! `POST /logout/refresh` (refresh token): revoke the refresh token that the request carries.
//!
//! 200 `{message}` · 401 no valid refresh token

use serde_json::json;
use shared::{App, Reply, Request, Result, http, revoked_tokens};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(logout_refresh)
}

async fn logout_refresh(app: App, request: Request) -> Result<Reply> {
    let (db, refresher) = app.refreshing(&request).await?;
    revoked_tokens::insert(&db, &refresher).await?;
    http::ok(&json!({ "message": "Refresh token has been revoked" }))
}
