//! `POST /login` (anyone): exchange a username and its password for an access token and a refresh token.

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Error, Request, Response, Result,
    accounts::{
        Kind,
        passwords::{self, Attempt, Verdict},
        users,
    },
    error::Code,
    http,
    values::Line,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(login)
}

#[derive(Deserialize)]
struct Input {
    username: Line<80>,
    password: Attempt,
}

async fn login(app: App, request: Request) -> Result<Response> {
    let Input { username, password } = http::input(&request)?;
    let user = users::credentials(&mut app.db().await?, &username).await?;
    // A hash is verified whether or not there is such a user, so that both take the same time.
    let verdict = passwords::verify(password, user.as_ref().map(|user| user.password_hash.clone())).await?;
    let user = user.ok_or_else(|| {
        Error::Unauthenticated(Code::UnknownUser, format!("User {} doesn't exist", username.as_str()).into())
    })?;
    match verdict {
        Verdict::Wrong => {
            return Err(Error::Unauthenticated(Code::WrongCredentials, "Wrong credentials".into()));
        }
        Verdict::RightWithNewHash(hash) => users::strengthen(&mut app.db().await?, &user, &hash).await?,
        Verdict::Right => {}
    }
    http::ok(&json!({
        "message": format!("Logged in as {}", user.username),
        "access_token": app.keys().issue(Kind::Access, user.id, &user.username)?,
        "refresh_token": app.keys().issue(Kind::Refresh, user.id, &user.username)?,
    }))
}
