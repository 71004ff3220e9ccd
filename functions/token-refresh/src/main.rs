//! `POST /token/refresh` (refresh token): get a new access token.

use serde_json::json;
use shared::{App, Request, Response, Result, accounts::Kind, http};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(token_refresh)
}

async fn token_refresh(app: App, request: Request) -> Result<Response> {
    let (mut db, refresher) = app.refreshing(&request).await?;
    db.prove().await?;
    let access_token = app.keys().issue(Kind::Access, refresher.user, refresher.username())?;
    http::ok(&json!({ "access_token": access_token }))
}
