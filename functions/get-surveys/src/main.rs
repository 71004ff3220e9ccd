//! `GET /surveys`, `GET /getsurveys` (access token): the caller's surveys, drafts among them.
//!
//! Parameters: optional `limit` (100), `after`.
//! 200 `{surveys, next?}` · 400 `invalid_input` · 401 no valid access token

use serde::Deserialize;
use shared::{
    App, Reply, Request, Result, http,
    page::{Cursor, Limit, Window},
    surveys,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(get_surveys)
}

#[derive(Deserialize)]
struct Input {
    limit: Option<Limit>,
    after: Option<Cursor>,
}

async fn get_surveys(app: App, request: Request) -> Result<Reply> {
    let (db, caller) = app.authenticated(&request).await?;
    let Input { limit, after } = http::input(&request)?;
    http::ok(&surveys::list_owned(&db, &caller, Window::new(limit, after)).await?)
}
