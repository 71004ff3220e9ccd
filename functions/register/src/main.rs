//! `POST /register` (anyone): make a user, and log in as that user.

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Request, Response, Result,
    accounts::{
        Kind,
        passwords::{self, Password},
        users::{self, Email, Username},
    },
    http,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(register)
}

#[derive(Deserialize)]
struct Input {
    username: Username,
    email: Email,
    password: Password,
}

async fn register(app: App, request: Request) -> Result<Response> {
    let Input { username, email, password } = http::input(&request)?;
    let hash = passwords::hash(password).await?;
    let id = users::insert(&mut app.db().await?, &username, &email, &hash).await?;
    http::created(&json!({
        "message": format!("User {} was created", username.as_str()),
        "id": id,
        "access_token": app.keys().issue(Kind::Access, id, username.as_str())?,
        "refresh_token": app.keys().issue(Kind::Refresh, id, username.as_str())?,
    }))
}
