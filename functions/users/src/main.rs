//! `GET /users`, `DELETE /users` (debugging, in stage `dev` only): list the users, or delete all of them with all that is theirs.
//!
//! Parameters of GET: optional `limit` (100), `after`.
//! 200 `{users, next?}` or `{message}` · 400 `invalid_input` · 404 `not_found` in other stages · 405 another method

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Error, Reply, Request, Result, http,
    page::{Cursor, Limit, Window},
    users,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve_public(users)
}

#[derive(Deserialize)]
struct Input {
    limit: Option<Limit>,
    after: Option<Cursor>,
}

async fn users(app: App, request: Request) -> Result<Reply> {
    app.debugging()?;
    match request.method().as_str() {
        "GET" => {
            let Input { limit, after } = http::input(&request)?;
            http::ok(&users::list(&app.db().await?, Window::new(limit, after)).await?)
        }
        "DELETE" => {
            let deleted = users::delete_all(&app.db().await?).await?;
            http::ok(&json!({ "message": format!("{deleted} row(s) deleted") }))
        }
        _ => Err(Error::MethodNotAllowed("GET, DELETE")),
    }
}
