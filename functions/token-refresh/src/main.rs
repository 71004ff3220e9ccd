//! `POST /token/refresh` (refresh token): get a new access token.
//!
//! 200 `{access_token}` · 401 no valid refresh token

use serde_json::json;
use shared::{App, Reply, Request, Result, auth::Kind, http};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(token_refresh)
}

async fn token_refresh(app: App, request: Request) -> Result<Reply> {
    let (_, refresher) = app.refreshing(&request).await?;
    let access_token = app.keys()?.issue(Kind::Access, refresher.user, &refresher.username)?;
    http::ok(&json!({ "access_token": access_token }))
}
