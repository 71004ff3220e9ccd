//! Requests in, replies out.

mod input;
mod json;

pub(crate) use input::members;
pub use input::{Blank, input};

use crate::{Error, Result};
use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde::Serialize;
use serde_json::json;

/// An HTTP request as the gateway delivered it.
pub use lambda_http::Request;

/// A finished answer.
pub type Reply = Response<Body>;

/// 200 with a JSON body.
pub fn ok(body: &impl Serialize) -> Result<Reply> {
    reply(StatusCode::OK, body)
}

/// 201 with a JSON body.
pub fn created(body: &impl Serialize) -> Result<Reply> {
    reply(StatusCode::CREATED, body)
}

fn reply(status: StatusCode, body: &impl Serialize) -> Result<Reply> {
    let text = serde_json::to_string(body).map_err(Error::internal)?;
    Ok(with_body(status, "application/json", text))
}

fn with_body(status: StatusCode, content_type: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Body::Text(text));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Answers depend on the token and on the moment; no cache between us and the client may keep them.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

impl From<&Error> for Reply {
    /// The problem document of RFC 9457, with flaskForms' `message` in it.
    fn from(error: &Error) -> Self {
        let status = error.status();
        let mut body = json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "message": error.to_string(),
            "code": error.code(),
        });
        if let (Error::Invalid(faults), Some(body)) = (error, body.as_object_mut()) {
            body.insert("errors".to_owned(), json!(faults));
        }
        let mut reply = with_body(status, "application/problem+json", body.to_string());
        let extra = match error {
            Error::Unauthenticated("missing_token" | "wrong_credentials" | "unknown_user", _) => {
                Some((header::WWW_AUTHENTICATE, r#"Bearer realm="canvass""#))
            }
            // RFC 6750, section 3.1
            Error::Unauthenticated(..) => {
                Some((header::WWW_AUTHENTICATE, r#"Bearer realm="canvass", error="invalid_token""#))
            }
            Error::MethodNotAllowed(allowed) => Some((header::ALLOW, *allowed)),
            Error::Unavailable(_) => Some((header::RETRY_AFTER, "5")),
            _ => None,
        };
        if let Some((name, value)) = extra {
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        reply
    }
}
