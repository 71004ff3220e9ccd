use super::docs;
use flate2::read::GzDecoder;
use serde_json::Value;
use shared::{
    Response, StaticApp, app,
    testing::{Call, TestApp, get},
};
use std::io::Read as _;

const PAGE: &str = include_str!("../page/page.html");

struct Answer(Response);

impl Answer {
    fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    fn header(&self, name: &str) -> &str {
        self.0.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as a browser sees it.
    fn text(&self) -> String {
        let mut text = String::new();
        match self.header("content-encoding") {
            "gzip" => GzDecoder::new(&self.0.body()[..]).read_to_string(&mut text).unwrap(),
            "" => (&self.0.body()[..]).read_to_string(&mut text).unwrap(),
            other => panic!("{other} is no coding that we send"),
        };
        text
    }
}

async fn call(request: Call) -> Answer {
    Answer(app::answer(StaticApp::default(), docs, request.into(), app::TIME_LIMIT).await)
}

fn as_browser(path: &str) -> Call {
    get(path).header("accept-encoding", "gzip, deflate, br, zstd")
}

/// What the page links to.
fn links() -> Vec<&'static str> {
    let attributes = PAGE.split(['"']).collect::<Vec<_>>();
    let of = |name: &str| name.ends_with(" src=") || name.ends_with(" href=");
    attributes.windows(2).filter(|pair| of(pair[0])).map(|pair| pair[1]).collect()
}

#[tokio::test]
async fn the_page_comes_with_the_strictest_policy() {
    let answer = call(as_browser("/docs")).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(answer.text(), PAGE);
    assert_eq!(
        answer.header("content-security-policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn everything_the_page_links_to_is_here() {
    let links = links();
    for link in &links {
        if let Some((scheme, _)) = link.split_once(':') {
            assert_eq!(scheme, "data", "{link} is elsewhere");
        } else {
            // Relative, so that a prefix before /docs (the name of a stage) does no harm.
            assert!(!link.starts_with('/'), "{link} leaves a prefix out");
            assert_eq!(call(as_browser(&format!("/dev/{link}"))).await.status(), 200, "{link}");
        }
    }
    assert!(links.contains(&"docs/page.js") && links.contains(&"openapi.json"), "{links:?}");
}

#[tokio::test]
async fn swagger_ui_is_asked_for_by_its_version_and_kept_for_ever() {
    let package: Value = serde_json::from_str(include_str!("../swagger-ui/package.json")).unwrap();
    let version = package["version"].as_str().unwrap();
    for (kind, content_type) in [("js", "text/javascript; charset=utf-8"), ("css", "text/css; charset=utf-8")]
    {
        let name = format!("docs/swagger-ui-{version}.{kind}");
        assert!(links().contains(&name.as_str()), "page.html doesn't ask for {name}");
        let answer = call(as_browser(&format!("/{name}"))).await;
        assert_eq!((answer.status(), answer.header("content-type")), (200, content_type));
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-encoding"), "gzip");
        assert!(answer.text().contains("swagger-ui"));
    }
}

#[tokio::test]
async fn whoever_takes_no_gzip_gets_the_same_as_it_is() {
    for path in ["/openapi.json", "/docs", "/docs/page.js", "/docs/swagger-ui-5.35.0.css"] {
        let compressed = call(as_browser(path)).await;
        assert_eq!(compressed.header("content-encoding"), "gzip", "{path}");
        for other in [get(path), get(path).header("accept-encoding", "br, GZIP ; Q=0.000")] {
            let plain = call(other).await;
            assert_eq!((plain.status(), plain.header("content-encoding")), (200, ""), "{path}");
            assert_eq!(plain.text(), compressed.text(), "{path}");
            assert_eq!(plain.header("etag"), compressed.header("etag"), "{path}");
            assert_eq!(plain.header("vary"), "accept-encoding");
        }
    }
}

#[tokio::test]
async fn whoever_has_a_file_is_not_sent_it_again() {
    for path in ["/openapi.json", "/docs", "/docs/page.css", "/docs/swagger-ui-5.35.0.js"] {
        let first = call(as_browser(path)).await;
        let tag = first.header("etag");
        assert!(tag.starts_with("W/\"") && tag.len() > 20, "{tag}");
        for known in [tag, &tag[2..], &format!("\"another\", {tag}"), "*"] {
            let again = call(as_browser(path).header("if-none-match", known)).await;
            assert_eq!((again.status(), again.0.body().len()), (304, 0), "{path} {known}");
            for name in ["etag", "vary", "cache-control", "content-security-policy"] {
                assert_eq!(again.header(name), first.header(name), "{name} of {path}");
            }
        }
        assert_eq!(call(as_browser(path).header("if-none-match", "\"another\"")).await.status(), 200);
    }
}

#[tokio::test]
async fn every_answer_is_as_the_contract_says() {
    let test = TestApp::new().await;
    let assets = links().into_iter().filter(|link| !link.starts_with("data:")).map(|link| format!("/{link}"));
    for path in ["/docs".to_owned(), "/docs/licenses.txt".to_owned()].into_iter().chain(assets) {
        let answer = test.text(docs, get(&path)).await;
        assert_eq!((answer.status, answer.body.is_empty()), (200, false), "{path}");
        let again = test.text(docs, get(&path).header("if-none-match", answer.header("etag"))).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(again.header("x-content-type-options"), "nosniff");
    }
    let answer = test.call(docs, get("/docs/page.html")).await;
    answer.assert_problem(404, "not_found", "There is nothing here");
}

#[tokio::test]
async fn the_contract_is_served_as_it_is_generated() {
    let answer = call(get("/openapi.json")).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.text(), include_str!("../openapi.json"));
}

#[tokio::test]
async fn an_unknown_file_does_not_exist() {
    for path in ["/docs/", "/docs/page.html", "/docs/swagger-ui-5.34.0.js", "/docs/..%2Fopenapi.json"] {
        let answer = call(as_browser(path)).await;
        assert_eq!(
            (answer.status(), answer.header("content-type")),
            (404, "application/problem+json"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        let problem: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(
            (&problem["code"], &problem["message"]),
            (&"not_found".into(), &"There is nothing here".into())
        );
    }
}

#[tokio::test]
async fn the_licences_of_what_we_serve_are_served_with_it() {
    let licences = call(as_browser("/docs/licenses.txt")).await.text();
    for part in ["SmartBear Software", "Apache License", "Permission is hereby granted", "react.production"] {
        assert!(licences.contains(part), "{part}");
    }
}
