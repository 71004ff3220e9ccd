//! `GET /users`, `DELETE /users` (debugging, in stage `dev`, for whoever has the debugging key): list the users, or delete all
//! of them with all that is theirs.

use serde::Deserialize;
use serde_json::json;
use shared::{
    Error, PublicApp, Request, Response, Result,
    accounts::users,
    http,
    values::{Cursor, Limit, Window},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(debug_users)
}

#[derive(Deserialize)]
struct Input {
    limit: Option<Limit>,
    after: Option<Cursor>,
}

async fn debug_users(app: PublicApp, request: Request) -> Result<Response> {
    let mut db = app.debugging(&request).await?;
    match request.method().as_str() {
        "GET" => {
            let Input { limit, after } = http::input(&request)?;
            http::ok(&users::list(&mut db, Window::new(limit, after)).await?)
        }
        "DELETE" => {
            let deleted = users::delete_all(&mut db).await?;
            http::ok(&json!({ "message": format!("{deleted} row(s) deleted") }))
        }
        _ => Err(Error::MethodNotAllowed("GET, DELETE")),
    }
}
