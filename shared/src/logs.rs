//! One JSON line a request. No token, password or body ever gets here: a line is made of the fields below only.

use crate::{Error, Request};
use deadpool_postgres::PoolError;
use lambda_http::{RequestExt, http::StatusCode, request::RequestContext};
use std::{any::Any, time::Duration};
use tracing::level_filters::LevelFilter;
use uuid::Uuid;

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
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// What a line says of the request itself.
pub(crate) struct Line {
    request_id: String,
    function: String,
    route: String,
}

impl Line {
    pub(crate) fn of(request: &Request) -> Self {
        let context = request.lambda_context_ref();
        Self {
            request_id: context.map(|c| c.request_id.clone()).unwrap_or_default(),
            function: context.map(|c| c.env_config.function_name.clone()).unwrap_or_default(),
            route: route(request),
        }
    }

    pub(crate) fn write(
        &self,
        status: StatusCode,
        took: Duration,
        user: Option<&Uuid>,
        error: Option<&Error>,
    ) {
        let Self { request_id, function, route } = self;
        let (status_code, duration_ms) = (status.as_u16(), took.as_secs_f64() * 1000.0);
        let user_id = user.map(tracing::field::display);
        let code = error.map(Error::code);
        if status.is_server_error() {
            let cause = error.map(cause);
            tracing::error!(
                request_id,
                function,
                route,
                status = status_code,
                duration_ms,
                user_id,
                code,
                cause,
                "failed"
            );
        } else {
            let text = if error.is_some() { "refused" } else { "answered" };
            tracing::info!(
                request_id,
                function,
                route,
                status = status_code,
                duration_ms,
                user_id,
                code,
                "{text}"
            );
        }
    }
}

/// The route as the gateway knows it, `POST /surveys/{idSurvey}/questions`; or the path where it doesn't say.
fn route(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.clone(),
        _ => None,
    }
    .filter(|route| route.contains(' '))
    .unwrap_or_else(|| format!("{} {}", request.method(), request.uri().path()))
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
