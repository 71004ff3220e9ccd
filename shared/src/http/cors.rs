//! What lets web pages of other origins read our responses. On AWS the API does this by itself (`CorsConfiguration` in
//! infra/template.yaml); where there is no such gateway, as under `make run`, the functions do.

use super::{Request, Response, vary_by};
use crate::config::Cors;
use lambda_http::http::{HeaderValue, header};

/// Let the page at `origin` read `response`, if it is one of those that may.
pub(crate) fn apply(cors: &Cors, origin: Option<HeaderValue>, response: &mut Response) {
    let Some(origin) = origin else { return };
    let known = |known: &str| known == "*" || known.as_bytes() == origin.as_bytes();
    if !cors.origins.split(',').map(str::trim).any(known) {
        return;
    }
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if let Ok(names) = HeaderValue::from_str(&cors.expose_headers) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
    vary_by(response, "origin");
}

/// The origin of the page that sent a request.
pub(crate) fn origin(request: &Request) -> Option<HeaderValue> {
    request.headers().get(header::ORIGIN).cloned()
}
