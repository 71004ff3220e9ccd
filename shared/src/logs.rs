//! The log: JSON lines.

use crate::Error;
use deadpool_postgres::PoolError;
use std::any::Any;
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
