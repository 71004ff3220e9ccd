//! Parameters from the four places where a client may put them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture should stop the test")]

use lambda_http::{
    Body, RequestExt,
    http::{HeaderValue, Request as Builder},
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{Error, Reply, Request, http, text::Line};
use std::collections::HashMap;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Optional {
    name: Option<String>,
    id_survey: Option<String>,
    limit: Option<String>,
    reply: Option<Value>,
    reply_content: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Required {
    #[expect(dead_code, reason = "only the faults matter")]
    name: Line<5>,
    #[expect(dead_code, reason = "only the faults matter")]
    due_date: Line<5>,
}

fn post(body: impl Into<Vec<u8>>) -> Request {
    Builder::builder().method("POST").uri("/").body(Body::Binary(body.into())).unwrap()
}

fn header(mut request: Request, name: &'static str, value: &[u8]) -> Request {
    request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    request
}

fn query(request: Request, name: &str, value: &str) -> Request {
    request.with_query_string_parameters(HashMap::from([(name.to_owned(), value.to_owned())]))
}

fn path(request: Request, name: &str, value: &str) -> Request {
    request.with_path_parameters(HashMap::from([(name.to_owned(), value.to_owned())]))
}

fn input(request: &Request) -> Optional {
    http::input(request).unwrap()
}

fn name(request: &Request) -> Option<String> {
    input(request).name
}

/// The status, the `code` and the `message` that a body is refused with.
fn refused(request: &Request) -> (u16, &'static str, String) {
    let error = http::input::<Optional>(request).unwrap_err();
    (error.status().as_u16(), error.code(), error.to_string())
}

fn malformed(request: &Request) -> String {
    let (status, code, message) = refused(request);
    assert_eq!((status, code), (400, "malformed_body"), "{message}");
    message
}

/// The members of `errors` in the answer.
fn errors(request: &Request) -> Value {
    let error = http::input::<Required>(request).unwrap_err();
    let reply = Reply::from(&error);
    assert_eq!((reply.status().as_u16(), error.code()), (400, "invalid_input"));
    serde_json::from_slice::<Value>(reply.body()).unwrap()["errors"].clone()
}

#[test]
fn the_path_comes_before_the_body_the_query_and_the_header() {
    let request = header(post("{}"), "name", b"header");
    assert_eq!(name(&request).as_deref(), Some("header"));
    let request = query(request, "name", "query");
    assert_eq!(name(&request).as_deref(), Some("query"));
    let (mut request, body) = (request, r#"{"name": "body"}"#);
    *request.body_mut() = Body::from(body);
    assert_eq!(name(&request).as_deref(), Some("body"));
    let request = path(request, "name", "path");
    assert_eq!(name(&request).as_deref(), Some("path"));
}

#[test]
fn what_is_blank_in_one_place_is_looked_for_in_the_next() {
    let all = |path_value, body: &str, query_value, header_value: &[u8]| {
        let request = header(post(json!({"name": body}).to_string()), "name", header_value);
        name(&path(query(request, "name", query_value), "name", path_value))
    };
    assert_eq!(all(" ", "body", "query", b"header").as_deref(), Some("body"));
    assert_eq!(all("", "\t\n", "query", b"header").as_deref(), Some("query"));
    assert_eq!(all("", "", "\u{a0}", b"header").as_deref(), Some("header"));
    assert_eq!(all("", "", "", b" "), None);
}

#[test]
fn the_lower_case_spelling_is_accepted() {
    for request in [
        post(r#"{"idSurvey": "7"}"#),
        post(r#"{"idsurvey": "7"}"#),
        query(post(""), "idSurvey", "7"),
        query(post(""), "idsurvey", "7"),
        header(post(""), "idsurvey", b"7"),
    ] {
        assert_eq!(input(&request).id_survey.as_deref(), Some("7"));
    }
    // The right spelling wins over the other in the same place.
    assert_eq!(input(&post(r#"{"idsurvey": "1", "idSurvey": "2"}"#)).id_survey.as_deref(), Some("2"));
    // No other spelling is one of ours.
    assert_eq!(input(&post(r#"{"IDSURVEY": "7", "id_survey": "7"}"#)), Optional::default());
}

#[test]
fn unknown_names_are_ignored() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let request = post(format!(r#"{{"name": "ada", "\u0000": "\u0000", "deep": {deep}, "huge": 1e999}}"#));
    let request = header(query(request, "colour", "red"), "x-forwarded-for", b"\xff");
    assert_eq!(input(&request), Optional { name: Some("ada".to_owned()), ..Optional::default() });
}

#[test]
fn only_flaskforms_headers_are_parameters() {
    let request = header(header(post(""), "limit", b"7"), "reply", b"7");
    assert_eq!(input(&header(request, "replycontent", b"7")), Optional::default());
}

#[test]
fn a_header_may_be_utf_8_and_a_repeated_one_is_a_list() {
    assert_eq!(name(&header(post(""), "name", "Żółw".as_bytes())).as_deref(), Some("Żółw"));
    assert_eq!(name(&header(post(""), "name", b"a\xffb")).as_deref(), Some("a\u{fffd}b"));
    let request = header(header(post(""), "name", b"a"), "name", b"b");
    assert_eq!(name(&request).as_deref(), Some("a,b"));
}

#[test]
fn a_document_is_taken_as_it_is() {
    for sent in [r#""""#, r#"" ""#, "0", "[]", "{}", "false", r#"{"a": [null, 1.50]}"#] {
        let request = post(format!(r#"{{"reply": {sent}, "replyContent": {sent}}}"#));
        let Optional { reply, reply_content, .. } = input(&query(request, "reply", "query"));
        let expected = Some(serde_json::from_str(sent).unwrap());
        assert_eq!((reply, reply_content), (expected.clone(), expected));
    }
}

#[test]
fn a_json_body_is_read_whatever_the_content_type_says() {
    let body = r#" {"name": "ada"} "#;
    assert_eq!(name(&post(body)).as_deref(), Some("ada"));
    for content_type in [
        "application/json",
        "application/problem+json; charset=utf-8",
        "text/plain",
        // What curl -d says unless it is told.
        "application/x-www-form-urlencoded",
        "nonsense",
    ] {
        let request = header(post(body), "content-type", content_type.as_bytes());
        assert_eq!(name(&request).as_deref(), Some("ada"), "{content_type}");
    }
}

#[test]
fn a_form_is_read_as_one() {
    for content_type in
        ["application/x-www-form-urlencoded", "Application/X-WWW-TestSurvey-URLEncoded; charset=UTF-8"]
    {
        let request = post("name=%C5%BB%C3%B3%C5%82w+%26+co&idsurvey=7&reply=%5B1%5D&limit=");
        let request = header(request, "content-type", content_type.as_bytes());
        let expected = Optional {
            name: Some("Żółw & co".to_owned()),
            id_survey: Some("7".to_owned()),
            reply: Some(json!("[1]")),
            ..Optional::default()
        };
        assert_eq!(input(&request), expected);
    }
    // Without its type it is broken JSON.
    assert!(malformed(&post("name=ada")).starts_with("The body is not valid JSON: "));
}

#[test]
fn no_body_and_null_have_no_parameters() {
    for body in ["", " \n", "null", "{}"] {
        assert_eq!(input(&post(body)), Optional::default());
    }
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["[]", r#"[{"name": "ada"}]"#, r#""name""#, "7", "true"] {
        assert_eq!(malformed(&post(body)), r#"The body must be a JSON object, like {"name": "value"}"#);
    }
}

#[test]
fn broken_json_is_refused_and_says_where() {
    for (body, place) in [
        (r#"{"name": }"#, "line 1 column 10"),
        ("{\n\"name\": 'ada'}", "line 2 column 9"),
        (r#"{"name": "ada""#, "line 1 column 14"),
        (r#"{"name": "ada"} x"#, "line 1 column 17"),
        (r#"{"name": NaN}"#, "line 1 column 10"),
    ] {
        let message = malformed(&post(body));
        assert!(message.starts_with("The body is not valid JSON: ") && message.ends_with(place), "{message}");
    }
}

#[test]
fn a_lone_surrogate_is_refused() {
    for body in [r#"{"name": "\ud800"}"#, r#"{"name": "\udc00"}"#, r#"{"\ud800x": 1}"#] {
        assert!(malformed(&post(body)).starts_with("The body is not valid JSON: "), "{body}");
    }
    assert_eq!(name(&post(r#"{"name": "\ud83d\udc22"}"#)).as_deref(), Some("🐢"));
}

#[test]
fn a_body_that_is_not_utf_8_is_refused_and_says_where() {
    assert_eq!(malformed(&post(b"{\"name\": \"\xff\"}")), "The body is not UTF-8 at byte 10");
    assert_eq!(malformed(&post(b"\xed\xa0\x80")), "The body is not UTF-8 at byte 0");
}

#[test]
fn a_depth_bomb_is_refused() {
    let message = malformed(&post("[".repeat(100_000)));
    assert!(message.contains("recursion limit"), "{message}");
    let message = malformed(&post(format!(r#"{{"reply": {}"#, r#"{"a":"#.repeat(100_000))));
    assert!(message.contains("recursion limit"), "{message}");
}

#[test]
fn thirty_two_levels_are_the_limit() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested =
            |levels| post(format!(r#"{{"reply": {}1{}}}"#, open.repeat(levels), close.repeat(levels)));
        assert!(input(&nested(32)).reply.is_some());
        let error = http::input::<Optional>(&nested(33)).unwrap_err();
        assert_eq!(error.to_string(), "reply: may be nested at most 32 levels deep");
    }
}

#[test]
fn one_mebibyte_is_the_limit() {
    let body = |bytes: usize| {
        let frame = r#"{"name": ""}"#.len();
        post(format!(r#"{{"name": "{}"}}"#, "x".repeat(bytes - frame)))
    };
    assert!(name(&body(1024 * 1024)).is_some());
    let expected = (413, "too_large", "The body may have at most 1 MiB".to_owned());
    assert_eq!(refused(&body(1024 * 1024 + 1)), expected);
    // Not even looked into.
    assert_eq!(refused(&post(vec![0xff; 2 * 1024 * 1024])), expected);
}

#[test]
fn every_fault_is_named_wherever_the_parameter_came_from() {
    let blank = "This field cannot be blank";
    assert_eq!(errors(&post("")), json!({"name": blank, "dueDate": blank}));
    assert_eq!(
        errors(&post(r#"{"name": null, "dueDate": [1]}"#)),
        json!({"name": blank, "dueDate": "must be text"})
    );
    let request = query(header(post(""), "duedate", b"too long"), "name", "a\u{0}b");
    let expected = json!({
        "name": "must not have the control character U+0000",
        "dueDate": "may have at most 5 characters",
    });
    assert_eq!(errors(&request), expected);
    let form = header(post("name=a%00b&dueDate=ok"), "content-type", b"application/x-www-form-urlencoded");
    assert_eq!(errors(&form), json!({"name": "must not have the control character U+0000"}));
    let request = path(post(r#"{"dueDate": "ok"}"#), "name", "a\u{1b}b");
    assert_eq!(errors(&request), json!({"name": "must not have the control character U+001B"}));
}

/// A text that a header can carry.
fn header_text() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{0,12}"
}

fn good(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

proptest! {
    #[test]
    fn the_first_place_that_is_not_blank_wins(
        in_path in proptest::option::of("\\PC{0,6}| *|[\\t\\n ]{0,3}"),
        in_body in proptest::option::of(any::<String>().boxed().prop_union("[ \\t\\n]{0,3}".boxed())),
        in_query in proptest::option::of("\\PC{0,6}| *"),
        in_header in proptest::option::of(header_text()),
    ) {
        let body = in_body.as_ref().map_or(json!({}), |value| json!({ "name": value }));
        let mut request = post(body.to_string());
        if let Some(value) = &in_header {
            request = header(request, "name", value.as_bytes());
        }
        if let Some(value) = &in_query {
            request = query(request, "name", value);
        }
        if let Some(value) = &in_path {
            request = path(request, "name", value);
        }
        let first = [in_path, in_body, in_query, in_header].into_iter().flatten().find(|v| !v.trim().is_empty());
        match http::input::<Optional>(&request) {
            Ok(input) => prop_assert_eq!(input.name, first),
            Err(Error::Invalid(faults)) => {
                prop_assert!(faults["name"].starts_with("must not have the control character"));
                prop_assert!(!good(&first.unwrap()));
            }
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }

    #[test]
    fn no_body_makes_it_panic(body in any::<Vec<u8>>(), form in any::<bool>()) {
        let request = post(body);
        let request =
            if form { header(request, "content-type", b"application/x-www-form-urlencoded") } else { request };
        match http::input::<Required>(&request) {
            Ok(_) => {}
            Err(error) => prop_assert!(error.status().is_client_error(), "{error:?}"),
        }
    }

    #[test]
    fn no_json_of_a_parameter_is_a_fault_of_ours(json in json_value()) {
        let request = post(json!({"name": json, "dueDate": json, "reply": json}).to_string());
        if let Err(error) = http::input::<Required>(&request) {
            prop_assert!(error.status().is_client_error(), "{error:?}");
        }
        match http::input::<Optional>(&post(json!({ "reply": json }).to_string())) {
            Ok(input) => prop_assert_eq!(input.reply.unwrap_or_default(), json),
            Err(error) => prop_assert!(error.to_string().starts_with("reply: "), "{error:?}"),
        }
    }
}

/// Any JSON, a few levels deep.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
