//! Web pages of other origins: where no gateway does it, the functions say which may read.

#![expect(clippy::panic, reason = "one of the endpoints does")]

use serde_json::json;
use shared::{
    App, PublicApp, Request, Response, Result,
    config::Cors,
    http,
    testing::{Call, TestApp, get},
};

const EXPOSED: &str = "etag,link,location,retry-after";

async fn app(origins: &str) -> TestApp {
    let cors = Cors { origins: origins.to_owned(), expose_headers: EXPOSED.to_owned() };
    TestApp::with(|config| config.cors = Some(cors)).await
}

async fn fine(_: PublicApp, _: Request) -> Result<Response> {
    http::ok(&json!({}))
}

async fn refuses(app: App, request: Request) -> Result<Response> {
    app.authenticated(&request).await?.0.prove().await?;
    http::ok(&json!({}))
}

async fn panics(_: PublicApp, _: Request) -> Result<Response> {
    panic!("aaah")
}

/// Whatever is answered: a good response, a refusal, a fault of ours.
async fn answers(test: &TestApp, call: Call) -> [(u16, String, String, String); 3] {
    let all = [
        test.call_unlisted(fine, call.clone()).await,
        test.call_unlisted(refuses, call.clone()).await,
        test.call_unlisted(panics, call).await,
    ];
    all.map(|answer| {
        let header = |name| answer.header(name).to_owned();
        let told = header("access-control-allow-origin");
        // Nothing here is sent with cookies.
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        (answer.status, told, header("access-control-expose-headers"), header("vary"))
    })
}

/// What all of those say.
fn expected(origin: &str, exposed: &str, vary: &str) -> [(u16, String, String, String); 3] {
    [200, 401, 500].map(|status| (status, origin.to_owned(), exposed.to_owned(), vary.to_owned()))
}

#[tokio::test]
async fn an_allowed_origin_may_read_every_answer() {
    let test = app("https://pets.example, http://localhost:3000").await;
    for origin in ["https://pets.example", "http://localhost:3000"] {
        let answers = answers(&test, get("/").header("origin", origin)).await;
        assert_eq!(answers, expected(origin, EXPOSED, "origin"), "{origin}");
    }
}

#[tokio::test]
async fn any_other_origin_is_told_nothing() {
    let test = app("https://pets.example,http://localhost:3000").await;
    for origin in [
        "https://pets.example.org",
        "https://evil.pets.example",
        "http://pets.example",
        "https://pets.example:8443",
        "https://PETS.example",
        "https://pets.example,http://localhost:3000",
        "http://localhost",
        "null",
        "*",
        "",
    ] {
        let answers = answers(&test, get("/").header("origin", origin)).await;
        assert_eq!(answers, expected("", "", ""), "{origin}");
    }
    // Nor is who sends no origin, and so is no web page.
    assert_eq!(answers(&test, get("/")).await, expected("", "", ""));
}

#[tokio::test]
async fn a_star_allows_every_origin() {
    let test = app("*").await;
    for origin in ["https://pets.example", "http://localhost:3000", "null"] {
        let answers = answers(&test, get("/").header("origin", origin)).await;
        assert_eq!(answers, expected(origin, EXPOSED, "origin"), "{origin}");
    }
    assert_eq!(answers(&test, get("/")).await, expected("", "", ""));
}

#[tokio::test]
async fn without_the_setting_nobody_is_told_anything() {
    let test = TestApp::new().await;
    let answers = answers(&test, get("/").header("origin", "https://pets.example")).await;
    assert_eq!(answers, expected("", "", ""));
}

#[tokio::test]
async fn what_a_response_varies_by_already_stays() {
    async fn varies(_: PublicApp, _: Request) -> Result<Response> {
        let mut response = http::ok(&json!({}))?;
        response.headers_mut().insert("vary", "accept-encoding".parse().expect("a header"));
        Ok(response)
    }
    let test = app("https://pets.example").await;
    let answer = test.call_unlisted(varies, get("/").header("origin", "https://pets.example")).await;
    // One header with both, or two (RFC 9110, section 5.3).
    let vary =
        answer.headers.get_all("vary").iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    assert_eq!(vary.map(<[u8]>::trim_ascii).collect::<Vec<_>>(), [&b"accept-encoding"[..], b"origin"]);
}
