//! Who is calling, proven by a token and the database.

use super::tokens::{Token, refused};
use crate::{
    Error,
    db::{Condition, Db},
    error::Code,
    values::{TokenId, UserId},
};
use chrono::{DateTime, Utc};
use std::{
    borrow::Cow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// What a request claims to be, until that is proven.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    open: AtomicBool,
    user: OnceLock<UserId>,
}

impl Claim {
    /// Whether there is nothing that would have to be proven yet.
    pub(crate) fn is_settled(&self) -> bool {
        !self.open.load(Ordering::Relaxed)
    }

    /// Who it is, once that is proven.
    pub(crate) fn user(&self) -> Option<UserId> {
        self.user.get().copied()
    }

    /// Claim nothing any more.
    pub(crate) fn give_up(&self) {
        self.open.store(false, Ordering::Relaxed);
    }

    fn begin(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    fn prove(&self, user: UserId) {
        let _ = self.user.set(user);
        self.give_up();
    }
}

/// Whoever sent a live access token. Only this module can make one, and SQL that acts for somebody demands it. Whether the
/// token was revoked, and whether there still is such a user, is a condition of the connection that goes with it: nothing is
/// read or written before that is known.
#[derive(Debug)]
pub struct Caller(Bearer);

/// The same of a refresh token, which is good for a new access token and for its own revocation.
#[derive(Debug)]
pub struct Refresher(Bearer);

/// Who holds a token, and which one.
#[derive(Debug)]
pub struct Bearer {
    /// The user's id.
    pub user: UserId,
    username: Arc<OnceLock<String>>,
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
    pub(crate) fn prefer_token_error(self, error: Error) -> Error {
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
    pub(crate) fn over(db: &mut Db, token: &Token, claim: Arc<Claim>) -> Self {
        Self(Bearer::over(db, token, claim))
    }
}

impl Refresher {
    pub(crate) fn over(db: &mut Db, token: &Token, claim: Arc<Claim>) -> Self {
        Self(Bearer::over(db, token, claim))
    }
}

impl Bearer {
    /// The user's name as the database has it now, once anything has been read.
    #[must_use]
    pub fn username(&self) -> &str {
        self.username.get().map_or("", String::as_str)
    }

    /// The bearer of a token, which from now on has to be good for anything over `db`. Once it is proven, so is who it is.
    fn over(db: &mut Db, token: &Token, claim: Arc<Claim>) -> Self {
        claim.begin();
        let username = Arc::new(OnceLock::new());
        let (user, known) = (token.user, username.clone());
        db.require(Condition {
            sql: "-- accounts::bearer
                SELECT (SELECT username FROM users WHERE id = $1) AS username,
                       EXISTS (SELECT FROM revoked_tokens WHERE jti = $2) AS revoked",
            ids: [token.user.0, token.jti.0],
            holds: Box::new(move |row| {
                if row.try_get("revoked")? {
                    return Err(refused(Code::RevokedToken, "Token has been revoked"));
                }
                let username: Option<String> = row.try_get("username")?;
                let _ = known.set(username.ok_or_else(deleted_user)?);
                claim.prove(user);
                Ok(())
            }),
        });
        Self { user: token.user, username, jti: token.jti, expires_at: token.expires_at }
    }
}

/// 401 for a token whose user was deleted.
pub(crate) fn deleted_user() -> Error {
    refused(Code::DeletedUser, "The user of this token doesn't exist")
}
