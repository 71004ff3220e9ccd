//! Every way a request can fail, and the status each becomes.
//!
//! An error has two messages and neither contains the other: `Display` is what the client reads and says what to
//! change; `source` is what broke and is only ever logged.

use crate::rules::Fault;
use lambda_http::http::StatusCode;
use std::{borrow::Cow, collections::BTreeMap, fmt};
use tokio_postgres::error::SqlState;

/// Result of anything an endpoint does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What broke, for the log only.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Each bad parameter with the text that says what to change, all of them at once.
pub type Faults = BTreeMap<String, String>;

/// All faults in one sentence.
pub(crate) fn join(faults: &Faults) -> String {
    let each: Vec<_> = faults.iter().map(|(parameter, text)| format!("{parameter}: {text}")).collect();
    each.join("; ")
}

/// Why a request was not carried out.
#[derive(Debug)]
pub enum Error {
    /// 400 `malformed_body`: the body could not be read at all.
    Malformed(String),
    /// 400 `invalid_input`: parameters that are missing or malformed.
    Invalid(Faults),
    /// 401: who is calling is not proven. The first word is the `code`.
    Unauthenticated(&'static str, Cow<'static, str>),
    /// 403 `forbidden`: the caller is known and may not do this.
    Forbidden(String),
    /// 404 `not_found`: it doesn't exist, or not for this caller.
    NotFound(Cow<'static, str>),
    /// 405 `method_not_allowed`, with the methods that are.
    MethodNotAllowed(&'static str),
    /// 409: the request contradicts what is stored. The first word is the `code`.
    Conflict(&'static str, Cow<'static, str>),
    /// 412 `precondition_failed`: it was edited since the client read it.
    Stale,
    /// 422 `invalid_answers`: what is wrong with the reply to each question, all of them at once.
    Rejected(BTreeMap<String, Fault>),
    /// 413 `too_large`, with the limit.
    TooLarge(&'static str),
    /// 503 `unavailable`: the database can't be reached just now.
    Unavailable(Cause),
    /// 500 `internal`: a fault of ours.
    Internal(Cause),
}

impl Error {
    /// A fault of ours.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// One bad parameter.
    pub fn invalid(parameter: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Invalid(Faults::from([(parameter.into(), text.into())]))
    }

    /// The one place where a failure gets its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(..) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(..) => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::Rejected(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A stable word for programs, where `message` is for people.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_body",
            Self::Invalid(_) => "invalid_input",
            Self::Unauthenticated(code, _) | Self::Conflict(code, _) => code,
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Stale => "precondition_failed",
            Self::Rejected(_) => "invalid_answers",
            Self::TooLarge(_) => "too_large",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) | Self::Forbidden(text) => f.write_str(text),
            Self::Invalid(faults) => f.write_str(&join(faults)),
            Self::Unauthenticated(_, text) | Self::NotFound(text) | Self::Conflict(_, text) => {
                f.write_str(text)
            }
            Self::MethodNotAllowed(_) => f.write_str("The method is not allowed for the requested URL."),
            Self::TooLarge(text) => f.write_str(text),
            Self::Stale => f.write_str("The survey was edited meanwhile: read it again, and repeat the edit"),
            Self::Rejected(faults) => write!(f, "{} answer(s) are not valid", faults.len()),
            Self::Unavailable(_) => f.write_str("The service is not ready, try again in a few seconds"),
            Self::Internal(_) => f.write_str("Something went wrong"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        // A lost connection, a server that stops or is full, a lost race between transactions: the same request may
        // well succeed in a moment.
        let transient = match error.code() {
            None => error.is_closed(),
            Some(code) => {
                matches!(code.code().get(..2), Some("08" | "53" | "57"))
                    || [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
            }
        };
        if transient { Self::Unavailable(error.into()) } else { Self::Internal(error.into()) }
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Turns the violation of a named constraint into the client's error: what look-before-insert would do with a race.
pub trait OnConstraint<T> {
    /// If `constraint` was violated, fail with `error` instead.
    fn on_constraint(self, constraint: &str, error: impl FnOnce() -> Error) -> Result<T>;
}

impl<T> OnConstraint<T> for Result<T> {
    fn on_constraint(self, constraint: &str, error: impl FnOnce() -> Error) -> Self {
        self.map_err(|e| match violated(&e) {
            Some(name) if name == constraint => error(),
            _ => e,
        })
    }
}

fn violated(error: &Error) -> Option<&str> {
    match error {
        Error::Internal(cause) => {
            cause.downcast_ref::<tokio_postgres::Error>()?.as_db_error().and_then(|e| e.constraint())
        }
        _ => None,
    }
}
