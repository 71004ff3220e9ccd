//! `GET /surveys`, `GET /getsurveys` (access token): the caller's surveys, drafts among them.

use serde::Deserialize;
use shared::{
    App, Request, Response, Result, http, surveys,
    values::{Cursor, Limit, Window},
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

async fn get_surveys(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { limit, after } = http::input(&request)?;
    http::ok(&surveys::list_owned(&mut db, &caller, Window::new(limit, after)).await?)
}
