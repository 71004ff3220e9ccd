//! `POST /login` (anyone): exchange a username and its password for an access token and a refresh token.
//!
//! Parameters: `username`, `password`.
//! 200 `{message, access_token, refresh_token}` · 400 `invalid_input` · 401 `unknown_user`, `wrong_credentials`

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Error, Reply, Request, Result,
    auth::{
        Kind,
        passwords::{self, Attempt, Verdict},
    },
    http,
    users::{self, Username},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(login)
}

#[derive(Deserialize)]
struct Input {
    username: Username,
    password: Attempt,
}

async fn login(app: App, request: Request) -> Result<Reply> {
    let Input { username, password } = http::input(&request)?;
    let user = users::credentials(&app.db().await?, &username).await?;
    // A hash is verified whether or not there is such a user, so that both take the same time.
    let verdict = passwords::verify(password, user.as_ref().map(|user| user.password_hash.clone())).await?;
    let user = user.ok_or_else(|| {
        Error::Unauthenticated("unknown_user", format!("User {} doesn't exist", username.as_str()).into())
    })?;
    match verdict {
        Verdict::Wrong => {
            return Err(Error::Unauthenticated("wrong_credentials", "Wrong credentials".into()));
        }
        Verdict::RightWithNewHash(hash) => users::strengthen(&app.db().await?, &user, &hash).await?,
        Verdict::Right => {}
    }
    http::ok(&json!({
        "message": format!("Logged in as {}", user.username),
        "access_token": app.keys()?.issue(Kind::Access, user.id, &user.username)?,
        "refresh_token": app.keys()?.issue(Kind::Refresh, user.id, &user.username)?,
    }))
}
