//! `GET /surveys/active`, `GET /activesurveys` (anyone): the surveys that take responses now.

use serde::Deserialize;
use shared::{
    PublicApp, Request, Response, Result, http, surveys,
    values::{Cursor, Limit, Window},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(active_surveys)
}

#[derive(Deserialize)]
struct Input {
    limit: Option<Limit>,
    after: Option<Cursor>,
}

async fn active_surveys(app: PublicApp, request: Request) -> Result<Response> {
    let Input { limit, after } = http::input(&request)?;
    let mut db = app.db().await?;
    http::ok(&surveys::list_open(&mut db, Window::new(limit, after)).await?)
}
