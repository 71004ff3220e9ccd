//! What web pages of other origins may send and read: what `x-cors` of the contract says, and nothing of it for pages that
//! nobody named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod client;
mod contract;
mod pets;

use client::{Answer, Client, Request, setting};
use contract::{DOCUMENT, Operation};
use pets::{Pets, User};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

const STRANGER: &str = "https://stranger.example";

/// A page that the API's settings name.
fn origin() -> String {
    let origins = setting("CORS_ORIGINS");
    origins.split(',').next().unwrap_or_default().to_owned()
}

/// Names in a header, which are alike in any case.
fn names(header: &str) -> BTreeSet<String> {
    header.split(',').map(|name| name.trim().to_lowercase()).collect()
}

/// Names in the contract.
fn listed(list: &str) -> BTreeSet<String> {
    let names = DOCUMENT["x-cors"][list].as_array().unwrap_or_else(|| panic!("x-cors has no {list}"));
    names.iter().map(|name| name.as_str().unwrap().to_lowercase()).collect()
}

/// The headers that tell a browser what a page may do.
fn permissions(answer: &Answer) -> Vec<&String> {
    answer.headers.keys().filter(|name| name.starts_with("access-control-")).collect()
}

/// The path of an operation with ids that nothing has.
fn path(operation: &Operation) -> String {
    let id = Uuid::now_v7().to_string();
    let parts = operation.path.split('/').map(|part| if part.starts_with('{') { &id } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn a_page_may_send_every_request_with_the_headers_of_the_contract() {
    let (api, origin) = (Client::new(), origin());
    let methods: BTreeSet<_> = Operation::all().map(|operation| operation.method().to_lowercase()).collect();
    for operation in Operation::all() {
        let name = operation.name();
        let preflight = Request::new("OPTIONS", &path(&operation))
            .header("Access-Control-Request-Method", &operation.method())
            .header("Access-Control-Request-Headers", "authorization,content-type");
        let allowed = api.send(&preflight.clone().header("Origin", &origin));
        assert_eq!(allowed.status, 204, "{name}: {allowed:?}");
        assert_eq!(allowed.header("access-control-allow-origin"), origin, "{name}");
        assert_eq!(names(allowed.header("access-control-allow-methods")), methods, "{name}");
        assert_eq!(names(allowed.header("access-control-allow-headers")), listed("allowHeaders"), "{name}");
        assert_eq!(
            allowed.header("access-control-max-age"),
            DOCUMENT["x-cors"]["maxAge"].to_string(),
            "{name}"
        );
        // Tokens are sent by the page's own code, never by the browser.
        assert_eq!(allowed.header("access-control-allow-credentials"), "", "{name}");

        let refused = api.send(&preflight.header("Origin", STRANGER));
        assert_eq!(permissions(&refused), [] as [&String; 0], "{name}: {refused:?}");
    }
}

#[test]
fn a_page_may_read_every_answer_and_the_headers_of_the_contract() {
    let (api, origin) = (Client::new(), origin());
    // Failures, and what the gateway says by itself, among them.
    let unknown = ["/nowhere", "/surveys/nowhere/at/all"].map(|path| Request::new("GET", path));
    let requests = Operation::all()
        .filter(|operation| operation.id != "deleteUsers")
        .map(|operation| Request::new(&operation.method(), &path(&operation)))
        .chain(unknown);
    for request in requests {
        let allowed = api.send(&request.clone().header("Origin", &origin));
        assert_eq!(allowed.header("access-control-allow-origin"), origin, "{request:?}: {allowed:?}");
        let exposed = names(allowed.header("access-control-expose-headers"));
        assert_eq!(exposed, listed("exposeHeaders"), "{request:?}");
        assert!(names(allowed.header("vary")).contains("origin"), "{request:?}: {allowed:?}");
        for other in [STRANGER, "null", &format!("{origin}.example"), &origin[..origin.len() - 1]] {
            let refused = api.send(&request.clone().header("Origin", other));
            assert_eq!(permissions(&refused), [] as [&String; 0], "{request:?} of {other}: {refused:?}");
        }
        assert_eq!(permissions(&api.send(&request)), [] as [&String; 0], "{request:?} of no page");
    }
}

#[test]
fn a_page_can_follow_a_download_as_csv_from_link_to_link() {
    let (api, origin) = (Client::new(), origin());
    let owner = User::register(&api, "ada");
    let pets = Pets::new(&api, &owner, json!({}));
    let path = format!("/surveys/{}/responses", pets.id);
    for _ in 0..2 {
        let response = Request::new("POST", &path).json(&json!({ "answers": answers(&api, &pets) }));
        assert_eq!(api.send(&response).status, 201);
    }
    let (mut query, mut lines) = (Some("?format=csv&limit=1".to_owned()), Vec::new());
    while let Some(next) = query {
        let page = Request::new("GET", &format!("{path}{next}")).bearer(&owner.access);
        let page = api.send(&page.header("Origin", &origin));
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(page.header("access-control-allow-origin"), origin);
        let exposed = names(page.header("access-control-expose-headers"));
        let file = format!("attachment; filename=\"responses-{}.csv\"", pets.id);
        assert_eq!(page.header("content-disposition"), file);
        assert!(exposed.contains("content-disposition"));
        lines.extend(page.body.as_str().unwrap_or_default().lines().map(str::to_owned));
        let link = page.header("link").to_owned();
        assert!(exposed.contains("link"));
        query =
            link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).map(str::to_owned);
        assert_eq!(query.is_some(), !link.is_empty(), "{link}");
    }
    assert_eq!(lines.len(), 4, "a header and three responses: {lines:?}");
}

/// An answer to the required question.
fn answers(api: &Client, pets: &Pets) -> Value {
    let questions = pets.call(api, Request::new("GET", &format!("/surveys/{}/questions", pets.id)), 200);
    let required = questions["questions"].as_array().unwrap().iter().find(|q| q["required"] == true);
    json!({ required.unwrap()["id"].as_str().unwrap(): "dog" })
}
