//! `GET /surveys/active`, `GET /activesurveys` (anyone): the surveys that take replies now.
//!
//! Parameters: optional `limit` (100), `after`.
//! 200 `{surveys, next?}` · 400 `invalid_input`

use serde::Deserialize;
use shared::{
    App, Reply, Request, Result, http,
    page::{Cursor, Limit, Window},
    surveys,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve_public(active_surveys)
}

#[derive(Deserialize)]
struct Input {
    limit: Option<Limit>,
    after: Option<Cursor>,
}

async fn active_surveys(app: App, request: Request) -> Result<Reply> {
    let Input { limit, after } = http::input(&request)?;
    let db = app.db().await?;
    http::ok(&surveys::list_open(&db, Window::new(limit, after)).await?)
}
