//! Who is calling, proven by a token and the database.

use super::tokens::{Token, refused};
use crate::{
    Error, Result,
    db::Db,
    error::Code,
    values::{TokenId, UserId},
};
use chrono::{DateTime, Utc};
use std::borrow::Cow;

/// Proof that a request carries a live, unrevoked access token of a user who exists. Only this module can make one,
/// and SQL that acts for somebody demands it.
#[derive(Debug)]
pub struct Caller(Bearer);

/// Proof of a live, unrevoked refresh token, which is good for a new access token and for its own revocation.
#[derive(Debug)]
pub struct Refresher(Bearer);

/// Who holds a token, and which one.
#[derive(Debug)]
pub struct Bearer {
    /// The user's id.
    pub user: UserId,
    /// The user's name, as the database has it now.
    pub username: String,
    /// The token's id.
    pub jti: TokenId,
    /// When the token ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// Whoever looks at what anyone may see.
#[derive(Debug)]
pub enum Viewer {
    /// An access token proved who it is.
    Caller(Caller),
    /// There was no token, or not a good one, for this reason.
    Anyone(Code, Cow<'static, str>),
}

impl Viewer {
    /// The id of the caller for SQL, where NULL is nobody.
    pub(crate) fn user(&self) -> Option<UserId> {
        match self {
            Self::Caller(caller) => Some(caller.user),
            Self::Anyone(..) => None,
        }
    }

    /// The token's error in place of 404. Who sent a token that is not good, and finds nothing, is told that it is not good: an
    /// owner whose token has expired would otherwise read that the survey doesn't exist.
    #[must_use]
    pub fn prefer_token_error(self, error: Error) -> Error {
        match (self, error) {
            (Self::Anyone(code, text), Error::NotFound(_)) if code != Code::MissingToken => {
                Error::Unauthenticated(code, text)
            }
            (_, error) => error,
        }
    }
}

impl std::ops::Deref for Caller {
    type Target = Bearer;
    fn deref(&self) -> &Bearer {
        &self.0
    }
}

impl std::ops::Deref for Refresher {
    type Target = Bearer;
    fn deref(&self) -> &Bearer {
        &self.0
    }
}

impl Caller {
    pub(crate) async fn prove(db: &Db, token: Token) -> Result<Self> {
        Ok(Self(Bearer::of(db, token).await?))
    }
}

impl Refresher {
    pub(crate) async fn prove(db: &Db, token: Token) -> Result<Self> {
        Ok(Self(Bearer::of(db, token).await?))
    }
}

impl Bearer {
    async fn of(db: &Db, token: Token) -> Result<Self> {
        let row = db
            .row(
                "-- accounts::bearer
                SELECT (SELECT username FROM users WHERE id = $1) AS username,
                       EXISTS (SELECT FROM revoked_tokens WHERE jti = $2) AS revoked",
                &[&token.user, &token.jti],
            )
            .await?;
        if row.try_get("revoked")? {
            return Err(refused(Code::RevokedToken, "Token has been revoked"));
        }
        let username: Option<String> = row.try_get("username")?;
        let username = username.ok_or_else(deleted_user)?;
        Ok(Self { user: token.user, username, jti: token.jti, expires_at: token.expires_at })
    }
}

/// 401 for a token whose user was deleted.
pub(crate) fn deleted_user() -> Error {
    refused(Code::DeletedUser, "The user of this token doesn't exist")
}
