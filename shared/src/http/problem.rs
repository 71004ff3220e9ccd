//! Failures as clients see them: the problem documents of RFC 9457.

use super::{Response, with_body};
use crate::{Error, error::Code};
use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

/// The one place where a failure gets its status.
#[must_use]
pub fn status(error: &Error) -> StatusCode {
    match error {
        Error::Malformed(_) | Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::Unauthenticated(..) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        Error::Conflict(..) => StatusCode::CONFLICT,
        Error::Deleted(_) => StatusCode::GONE,
        Error::Stale => StatusCode::PRECONDITION_FAILED,
        Error::Rejected(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Contended(_) | Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The header that belongs to a failure, beside those that every answer has.
fn header(error: &Error) -> Option<(HeaderName, &'static str)> {
    match error {
        Error::Unauthenticated(Code::MissingToken | Code::WrongCredentials | Code::UnknownUser, _) => {
            Some((header::WWW_AUTHENTICATE, r#"Bearer realm="canvass""#))
        }
        // RFC 6750, section 3.1
        Error::Unauthenticated(..) => {
            Some((header::WWW_AUTHENTICATE, r#"Bearer realm="canvass", error="invalid_token""#))
        }
        Error::MethodNotAllowed(allowed) => Some((header::ALLOW, *allowed)),
        Error::Contended(_) | Error::Unavailable(_) => Some((header::RETRY_AFTER, "5")),
        _ => None,
    }
}

/// What is wrong in each place: of parameters by their names, of answers by the ids of their questions.
fn details(error: &Error) -> Map<String, Value> {
    let (errors, faults) = match error {
        Error::Invalid(errors) => (json!(errors.as_map()), None),
        Error::Rejected(faults) => {
            let errors =
                faults.iter().rev().map(|fault| (fault.question.clone(), json!(fault.fault.message)));
            (errors.collect(), Some(json!(faults)))
        }
        _ => return Map::new(),
    };
    let faults = faults.map(|faults| ("faults".to_owned(), faults));
    [("errors".to_owned(), errors)].into_iter().chain(faults).collect()
}

impl From<&Error> for Response {
    /// The problem document, with flaskForms' `message` in it.
    fn from(error: &Error) -> Self {
        let status = status(error);
        let mut body = details(error);
        body.insert("title".to_owned(), json!(status.canonical_reason()));
        body.insert("status".to_owned(), json!(status.as_u16()));
        body.insert("message".to_owned(), json!(error.to_string()));
        body.insert("code".to_owned(), json!(error.code()));
        let mut response = with_body(status, "application/problem+json", Value::Object(body).to_string());
        if let Some((name, value)) = header(error) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
