//! `GET /docs`, `GET /docs/{asset}`, `GET /openapi.json` (anyone): the documentation of this API, to read and to try.

use shared::{Error, Request, Response, Result, StaticApp, http::File};

#[cfg(test)]
mod tests;

/// Everything is served from here. Swagger UI keeps to this, and needs neither inline code nor inline styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

static CONTRACT: File = File::new("application/json", include_bytes!("../openapi.json"));
static PAGE: File = File::new(HTML, include_bytes!("../page/page.html")).policy(POLICY);
static PAGE_SCRIPT: File = File::new(SCRIPT, include_bytes!("../page/page.js"));
static PAGE_STYLE: File = File::new(STYLE, include_bytes!("../page/page.css"));

// Swagger UI under names with its version in them: page.html asks for them, and a test compares.
static SWAGGER_UI: File =
    File::gzipped(SCRIPT, include_bytes!("../swagger-ui/swagger-ui-bundle.js.gz")).immutable();
static SWAGGER_UI_STYLE: File =
    File::gzipped(STYLE, include_bytes!("../swagger-ui/swagger-ui.css.gz")).immutable();
static LICENSES: File = File::new(
    TEXT,
    concat!(
        include_str!("../swagger-ui/NOTICE"),
        "\n",
        include_str!("../swagger-ui/LICENSE"),
        "\n",
        include_str!("../swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
    )
    .as_bytes(),
);

fn main() -> Result<(), shared::BoxError> {
    shared::serve(docs)
}

async fn docs(_: StaticApp, request: Request) -> Result<Response> {
    let path = request.uri().path();
    let file = match path.split_once("/docs/") {
        None if path.ends_with("/openapi.json") => &CONTRACT,
        None => &PAGE,
        Some((_, "page.js")) => &PAGE_SCRIPT,
        Some((_, "page.css")) => &PAGE_STYLE,
        Some((_, "swagger-ui-5.35.0.js")) => &SWAGGER_UI,
        Some((_, "swagger-ui-5.35.0.css")) => &SWAGGER_UI_STYLE,
        Some((_, "licenses.txt")) => &LICENSES,
        Some(_) => return Err(Error::NotFound("There is nothing here".into())),
    };
    file.response(&request)
}
