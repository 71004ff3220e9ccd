//! Every way a request can fail.
//!
//! An error has two messages and neither contains the other: `Display` is what the client reads and says what to
//! change; `source` is what broke and is only ever logged. The status of each is the edge's business (`http::problem`).

use crate::values::{AnswerFault, FieldErrors};
use serde::Serialize;
use std::{borrow::Cow, collections::BTreeSet, fmt};
use tokio_postgres::error::SqlState;

/// Result of anything an endpoint does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What broke, for the log only.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Which failure it is, as a stable word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body could not be read at all.
    MalformedBody,
    /// Parameters are missing or malformed.
    InvalidInput,
    /// No token where one is needed.
    MissingToken,
    /// A token that is none of ours, or malformed.
    InvalidToken,
    /// A token whose time is over.
    ExpiredToken,
    /// A token that was logged out.
    RevokedToken,
    /// An access token in place of a refresh token, or the other way round.
    WrongTokenType,
    /// A token of a user who doesn't exist any more.
    DeletedUser,
    /// A login under a name that nobody has.
    UnknownUser,
    /// A login with another password.
    WrongCredentials,
    /// The caller is known and may not do this.
    Forbidden,
    /// It doesn't exist, or not for this caller.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// Somebody has this username.
    UsernameTaken,
    /// Somebody has this e-mail address.
    EmailTaken,
    /// The question has answers, which are counted by its type.
    TypeInUse,
    /// The option has been chosen, and its count would be lost.
    OptionInUse,
    /// The survey was edited during a download.
    SurveyEdited,
    /// The survey takes no responses yet.
    SurveyScheduled,
    /// The survey takes no more responses.
    SurveyClosed,
    /// The survey has all the responses that it takes.
    LimitReached,
    /// There is another response with this id.
    IdConflict,
    /// The response with this id was deleted by the survey's owner.
    ResponseDeleted,
    /// It was edited since the client read it.
    PreconditionFailed,
    /// More than fits.
    TooLarge,
    /// Answers that break the survey's rules.
    InvalidAnswers,
    /// The service is not ready.
    Unavailable,
    /// A fault of ours.
    Internal,
}

/// Why a request was not carried out.
#[derive(Debug)]
pub enum Error {
    /// The body could not be read at all.
    Malformed(String),
    /// Parameters are missing or malformed.
    Invalid(FieldErrors),
    /// Who is calling is not proven.
    Unauthenticated(Code, Cow<'static, str>),
    /// The caller is known and may not do this.
    Forbidden(String),
    /// It doesn't exist, or not for this caller.
    NotFound(Cow<'static, str>),
    /// Another method; with those that are allowed.
    MethodNotAllowed(&'static str),
    /// The request contradicts what is stored.
    Conflict(Code, Cow<'static, str>),
    /// It was there, and its owner deleted it.
    Deleted(&'static str),
    /// It was edited since the client read it.
    Stale,
    /// Answers break the survey's rules; all that is wrong at once.
    Rejected(Vec<AnswerFault>),
    /// With the limit.
    TooLarge(&'static str),
    /// Others were faster each time that it was tried; nothing is broken.
    Contended(&'static str),
    /// The database can't be used just now.
    Unavailable(Cause),
    /// A fault of ours.
    Internal(Cause),
}

impl Error {
    /// A fault of ours.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// One bad parameter.
    pub fn invalid(parameter: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Invalid(FieldErrors::one(parameter, text))
    }

    /// Whether it was the connection that failed, and not what was sent over it: on another one the same may succeed.
    pub(crate) fn is_of_connection(&self) -> bool {
        self.of_database().is_some_and(|error| match error.code() {
            None => error.is_closed(),
            // The server, or a pooler, ends the session.
            Some(code) => {
                matches!(code.code().get(..3), Some("57P" | "08P" | "080")) || self.is_of_nothing_done()
            }
        })
    }

    /// Whether the database says that it did nothing, and might do it now: the server has become a reader, or others were
    /// faster.
    pub(crate) fn is_of_nothing_done(&self) -> bool {
        let code = self.of_database().and_then(tokio_postgres::Error::code);
        code.is_some_and(|code| {
            [
                SqlState::READ_ONLY_SQL_TRANSACTION,
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
            ]
            .contains(code)
        })
    }

    fn of_database(&self) -> Option<&tokio_postgres::Error> {
        if let Self::Unavailable(cause) = self { cause.downcast_ref() } else { None }
    }

    /// A stable word for programs, where the message is for people.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::MalformedBody,
            Self::Invalid(_) => Code::InvalidInput,
            Self::Unauthenticated(code, _) | Self::Conflict(code, _) => *code,
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::MethodNotAllowed(_) => Code::MethodNotAllowed,
            Self::Deleted(_) => Code::ResponseDeleted,
            Self::Stale => Code::PreconditionFailed,
            Self::Rejected(_) => Code::InvalidAnswers,
            Self::TooLarge(_) => Code::TooLarge,
            Self::Contended(_) | Self::Unavailable(_) => Code::Unavailable,
            Self::Internal(_) => Code::Internal,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) | Self::Forbidden(text) => f.write_str(text),
            Self::Invalid(errors) => errors.fmt(f),
            Self::Unauthenticated(_, text) | Self::NotFound(text) | Self::Conflict(_, text) => {
                f.write_str(text)
            }
            Self::MethodNotAllowed(_) => f.write_str("The method is not allowed for the requested URL."),
            Self::Deleted(text) | Self::TooLarge(text) => f.write_str(text),
            Self::Stale => f.write_str("The survey was edited meanwhile: read it again, and repeat the edit"),
            Self::Rejected(faults) => {
                // Of a matrix each row may have a fault.
                let questions: BTreeSet<&str> = faults.iter().map(|fault| fault.question.as_str()).collect();
                write!(f, "{} answer(s) are not valid", questions.len())
            }
            Self::Contended(_) | Self::Unavailable(_) => {
                f.write_str("The service is not ready, try again in a few seconds")
            }
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

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        // A lost connection, a server that stops, is full or has become a reader, a lost race between transactions: the
        // same request may well succeed in a moment.
        let transient = match error.code() {
            None => error.is_closed(),
            Some(code) => {
                matches!(code.code().get(..2), Some("08" | "53" | "57"))
                    || [
                        SqlState::READ_ONLY_SQL_TRANSACTION,
                        SqlState::T_R_SERIALIZATION_FAILURE,
                        SqlState::T_R_DEADLOCK_DETECTED,
                    ]
                    .contains(code)
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
