//! One JSON line a request. No token, password or body ever gets here: a line is made of the fields below only.

use crate::{
    Error,
    http::{self, Request},
    values::UserId,
};
use deadpool_postgres::PoolError;
use lambda_http::{RequestExt, http::StatusCode};
use std::{any::Any, time::Duration};
use tracing::level_filters::LevelFilter;

/// Write JSON lines from now on, and panics as one of them.
pub(crate) fn start(level: LevelFilter) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .init();
    // The text of a panic is logged with its request; here is only where it happened.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panicked");
    }));
}

/// What the log says of a request.
pub(crate) struct Entry {
    request_id: String,
    function: String,
    route: String,
}

impl Entry {
    pub(crate) fn of(request: &Request) -> Self {
        let context = request.lambda_context_ref();
        let (method, path) = http::route(request);
        Self {
            request_id: context.map(|c| c.request_id.clone()).unwrap_or_default(),
            function: context.map(|c| c.env_config.function_name.clone()).unwrap_or_default(),
            route: format!("{method} {path}"),
        }
    }

    pub(crate) fn write(
        &self,
        status: StatusCode,
        took: Duration,
        user: Option<UserId>,
        error: Option<&Error>,
    ) {
        let Self { request_id, function, route } = self;
        let (status_code, duration_ms) = (status.as_u16(), took.as_secs_f64() * 1000.0);
        let user_id = user.map(tracing::field::display);
        let code = error.and_then(|error| serde_json::to_value(error.code()).ok());
        let code = code.as_ref().and_then(|code| code.as_str());
        macro_rules! write {
            ($level:ident, $text:expr, $cause:expr) => {
                tracing::$level!(
                    request_id,
                    function,
                    route,
                    status = status_code,
                    duration_ms,
                    user_id,
                    code,
                    cause = $cause,
                    "{}",
                    $text
                )
            };
        }
        match error {
            // Nobody has to be woken for what is not broken.
            Some(Error::Contended(cause)) => write!(warn, "gave up", Some(*cause)),
            Some(error) if status.is_server_error() => write!(error, "failed", Some(cause(error))),
            Some(_) => write!(info, "refused", None::<&str>),
            None => write!(info, "answered", None::<&str>),
        }
    }
}

/// What broke, link by link. Of a database's error only what can't hold a row's values, which its `DETAIL` would.
#[must_use]
pub fn cause(error: &Error) -> String {
    let mut links = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let postgres = match cause.downcast_ref() {
            Some(PoolError::Backend(error)) => Some(error),
            _ => cause.downcast_ref(),
        };
        if let Some(db) = postgres.and_then(tokio_postgres::Error::as_db_error) {
            let constraint = db.constraint().map(|name| format!(" ({name})")).unwrap_or_default();
            links.push(format!("{} {}{constraint}", db.code().code(), db.message()));
            break;
        }
        links.push(cause.to_string());
        next = cause.source();
    }
    links.join(": ")
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_default())
}
