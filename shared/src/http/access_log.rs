//! One line a request. No token, password or body ever gets here: a line is made of the fields below only.

use super::{Request, route};
use crate::{Error, logs::cause, values::UserId};
use lambda_http::{RequestExt, http::StatusCode};
use std::time::Duration;

/// What the log says of a request.
pub(crate) struct Entry {
    request_id: String,
    function: String,
    route: String,
}

impl Entry {
    pub(crate) fn of(request: &Request) -> Self {
        let context = request.lambda_context_ref();
        let (method, path) = route(request);
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
