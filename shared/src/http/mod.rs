//! Requests in, replies out.

mod input;
mod json;

pub(crate) use input::members;
pub use input::{Blank, Change, input};

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

/// 200 with a body of another type, and a link to what follows it (RFC 8288).
#[must_use]
pub fn document(content_type: &'static str, body: String, link: Option<&str>) -> Reply {
    let mut reply = with_body(StatusCode::OK, content_type, body);
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(link).ok()) {
        reply.headers_mut().insert(header::LINK, link);
    }
    reply
}

/// A reply with the version of a survey's definition as its entity tag.
#[must_use]
pub fn tagged(mut reply: Reply, version: i32) -> Reply {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        reply.headers_mut().insert(header::ETAG, tag);
    }
    reply
}

/// The version that an edit depends on: what `If-Match` says (RFC 9110, section 13.1.1), or none.
pub fn if_match(request: &Request) -> Result<Option<i32>> {
    let Some(value) = request.headers().get(header::IF_MATCH) else { return Ok(None) };
    let tag = value.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Ok(None);
    }
    let version =
        tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    // A tag that we never gave matches nothing.
    version.map(Some).ok_or(Error::Stale)
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
        match (error, body.as_object_mut()) {
            (Error::Invalid(faults), Some(body)) => {
                body.insert("errors".to_owned(), json!(faults));
            }
            (Error::Rejected(faults), Some(body)) => {
                let errors = faults.iter().map(|(question, fault)| (question.clone(), json!(fault.message)));
                let listed = faults.iter().map(|(question, fault)| {
                    json!({ "question": question, "code": fault.code, "message": fault.message })
                });
                body.insert("errors".to_owned(), errors.collect());
                body.insert("faults".to_owned(), listed.collect());
            }
            _ => {}
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
