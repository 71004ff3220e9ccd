//! The edge: requests in, responses out.

pub(crate) mod access_log;
mod body;
mod conditional;
pub(crate) mod cors;
pub mod export;
mod file;
pub(crate) mod gzip;
mod input;
pub mod problem;

pub use conditional::{Known, if_match, if_none_match, not_modified, revalidated, tagged};
pub use file::File;
pub use input::{input, is_flask_forms};

use crate::{Error, Result};
use lambda_http::{
    Body, RequestExt,
    http::{HeaderValue, StatusCode, header},
    request::RequestContext,
};
use serde::Serialize;

/// An HTTP request as the gateway delivered it.
pub use lambda_http::Request;

/// A finished HTTP response.
pub type Response = lambda_http::Response<Body>;

/// 200 with a JSON body.
pub fn ok(body: &impl Serialize) -> Result<Response> {
    json(StatusCode::OK, body)
}

/// 201 with a JSON body.
pub fn created(body: &impl Serialize) -> Result<Response> {
    json(StatusCode::CREATED, body)
}

/// What the header `Authorization` says.
#[must_use]
pub fn authorization(request: &Request) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}

/// Method and path of the route, as the gateway knows it (`POST`, `/surveys/{idSurvey}/questions`); or the path itself
/// where the gateway doesn't say.
#[must_use]
pub fn route(request: &Request) -> (&str, &str) {
    let route = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref(),
        _ => None,
    };
    route.and_then(|route| route.split_once(' ')).unwrap_or((request.method().as_str(), request.uri().path()))
}

/// A response whose body is of this type.
#[must_use]
pub fn with_body(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = bare(status);
    *response.body_mut() = body.into();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A response with what all have in common.
fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // Responses depend on the token and on the moment; no cache between us and the client may keep them.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Say that a response depends on this header of the request.
fn vary_by(response: &mut Response, name: &'static str) {
    let headers = response.headers_mut();
    let others = headers.get(header::VARY).and_then(|names| names.to_str().ok()).unwrap_or_default();
    if others.split(',').any(|other| other.trim().eq_ignore_ascii_case(name)) {
        return;
    }
    // In one line with what else it depends on: the local gateway passes on one of several.
    let names = HeaderValue::from_str(&format!("{others}, {name}")).ok().filter(|_| !others.is_empty());
    headers.insert(header::VARY, names.unwrap_or(HeaderValue::from_static(name)));
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let text = serde_json::to_string(body).map_err(Error::internal)?;
    Ok(with_body(status, "application/json", text))
}
