//! Large answers leave compressed, whatever the endpoint.

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use shared::{Request, Response, Result, StaticApp, app, http, testing::get};
use std::io::Read as _;

async fn large(_: StaticApp, _: Request) -> Result<Response> {
    Ok(http::tagged(http::ok(&json!({ "pets": vec!["żółw"; 1000] }))?, 7))
}

async fn answer(accept_encoding: &str) -> Response {
    let request = get("/").header("accept-encoding", accept_encoding);
    app::answer(StaticApp::default(), large, request.into(), app::TIME_LIMIT).await
}

#[tokio::test]
async fn a_large_answer_is_compressed_for_those_who_take_it() {
    let [packed, plain] = [answer("br, gzip").await, answer("br").await];
    let header = |response: &Response, name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header(&packed, "content-encoding").as_deref(), Some("gzip"));
    assert_eq!(header(&plain, "content-encoding"), None);
    for response in [&packed, &plain] {
        assert_eq!(header(response, "vary").as_deref(), Some("accept-encoding"));
    }
    let mut text = String::new();
    GzDecoder::new(&packed.body()[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text.as_bytes(), &plain.body()[..]);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["pets"].as_array().unwrap().len(), 1000);

    // Whichever form a client has, it is known by its tag.
    for response in [packed, plain] {
        let tag = header(&response, "etag").unwrap();
        let again: Request = get("/").header("if-none-match", &tag).header("if-match", &tag).into();
        assert!(http::if_none_match(&again).has(7), "{tag}");
        assert_eq!(http::if_match(&again).unwrap(), Some(7));
    }
}
