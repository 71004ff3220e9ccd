//! Parameters from the four places where a client may put them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture should stop the test")]

use lambda_http::{
    Body, RequestExt,
    http::{HeaderValue, Request as Builder},
};
use proptest::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use shared::{
    Error, Request, Response,
    accounts::{passwords, users},
    http::{self, problem},
    responses::{AnswerValue, Answers},
    values::{
        Flag, Limit, Line, QuestionId, ResponseId, SurveyId,
        fields::{Given, Reading},
    },
};
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
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Required {
    #[expect(dead_code, reason = "only the faults matter")]
    name: Line<5>,
    #[expect(dead_code, reason = "only the faults matter")]
    due_date: Line<5>,
}

fn post(body: impl Into<Vec<u8>>) -> Request {
    post_to("/surveys", body)
}

fn post_to(path: &str, body: impl Into<Vec<u8>>) -> Request {
    Builder::builder().method("POST").uri(path).body(Body::Binary(body.into())).unwrap()
}

/// The same on a path of flaskForms.
fn flask_forms(body: impl Into<Vec<u8>>) -> Request {
    post_to("/addsurvey", body)
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
fn refused(request: &Request) -> (u16, Value, String) {
    let error = http::input::<Optional>(request).unwrap_err();
    (problem::status(&error).as_u16(), json!(error.code()), error.to_string())
}

fn malformed(request: &Request) -> String {
    let (status, code, message) = refused(request);
    assert_eq!((status, code), (400, json!("malformed_body")), "{message}");
    message
}

/// The members of `errors` in the response.
fn errors<T: DeserializeOwned>(request: &Request) -> Value {
    let error = http::input::<T>(request).err().unwrap();
    let response = Response::from(&error);
    assert_eq!((response.status().as_u16(), json!(error.code())), (400, json!("invalid_input")));
    serde_json::from_slice::<Value>(response.body()).unwrap()["errors"].clone()
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
    assert_eq!(input(&flask_forms(r#"{"IDSURVEY": "7", "id_survey": "7"}"#)), Optional::default());
}

#[test]
fn on_paths_of_flaskforms_unknown_names_are_ignored() {
    let deep = format!("{}{}", "[".repeat(32), "]".repeat(32));
    let body = format!(r#"{{"name": "ada", "\u0000": "\u0000", "deep": {deep}, "huge": 1e999}}"#);
    for path in
        ["/register", "/login", "/users", "/addsurvey", "/addreply", "/getsurveystats", "/token/refresh"]
    {
        let request = header(query(post_to(path, body.clone()), "colour", "red"), "x-forwarded-for", b"\xff");
        assert_eq!(
            input(&request),
            Optional { name: Some("ada".to_owned()), ..Optional::default() },
            "{path}"
        );
    }
}

#[test]
fn on_all_other_paths_unknown_names_are_named() {
    let there_are = "is unknown: there are name, idSurvey, limit, reply, replyContent";
    let request = post(r#"{"name": 5, "IDSURVEY": "7", "id_survey": "7", "idsurvey": "7", "Żółw": null}"#);
    let request = header(query(request, "colour", "red"), "hue", b"red");
    let expected = json!({
        "IDSURVEY": there_are, "id_survey": there_are, "Żółw": there_are, "colour": there_are, "name": "must be a string",
    });
    assert_eq!(errors::<Optional>(&request), expected);
    // A form has its names, too; and of a long one the beginning is told.
    let form = post(format!("{}=1&name=ada", "x".repeat(1000)));
    let form = header(form, "content-type", b"application/x-www-form-urlencoded");
    assert_eq!(errors::<Optional>(&form), json!({ format!("{}…", "x".repeat(40)): there_are }));
    assert_eq!(errors::<Nothing>(&post(r#"{"a": 1}"#)), json!({"a": "is unknown: there are none"}));
}

#[test]
fn json_has_its_types_but_where_flaskforms_clients_send_it() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        name: Option<Line<9>>,
        is_active: Option<Flag>,
        limit: Option<Limit>,
    }
    let read = |request: &Request| http::input::<Typed>(request).map_err(|error| error.to_string());
    let (texts, types) = (
        r#"{"name": 5, "isActive": "true", "limit": "7"}"#,
        r#"{"name": "5", "isActive": true, "limit": 7}"#,
    );
    let typed = Typed {
        name: Some(read_strictly("5")),
        is_active: Some(Flag(true)),
        limit: Some(Limit::deserialize(Given::new(json!(7), Reading::Strict)).unwrap()),
    };
    assert_eq!(read(&post(types)).as_ref(), Ok(&typed));
    for body in [texts, types] {
        assert_eq!(read(&flask_forms(body)).as_ref(), Ok(&typed));
    }
    let expected = json!({
        "name": "must be text", "isActive": "must be true or false", "limit": "must be a whole number from 1 to 1000",
    });
    assert_eq!(errors::<Typed>(&post(texts)), expected);
    // What comes as text, is text for whatever it stands for.
    let form =
        header(post("name=5&isActive=true&limit=7"), "content-type", b"application/x-www-form-urlencoded");
    let all =
        [("name", "5"), ("isActive", "true"), ("limit", "7")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let query = post("").with_query_string_parameters(HashMap::from(all.clone()));
    let path = post("").with_path_parameters(HashMap::from(all));
    for request in [form, query, path] {
        assert_eq!(read(&request).as_ref(), Ok(&typed));
    }
}

fn read_strictly<T: DeserializeOwned>(text: &str) -> T {
    T::deserialize(Given::new(json!(text), Reading::Strict)).unwrap()
}

#[test]
fn a_name_given_twice_is_refused_on_every_path() {
    for body in [
        r#"{"name": "ada", "name": "ada"}"#,
        r#"{"name": "ada", "\u006eame": "bob"}"#,
        r#"{"reply": [{"a": 1, "b": {"c": 1, "c": 2}}]}"#,
        r#"{"unknown": {"a": 1, "a": 1}}"#,
    ] {
        for request in [post(body), flask_forms(body)] {
            let message = malformed(&request);
            assert!(
                message.starts_with("The body gives the name ") && message.ends_with(" twice in one object")
            );
        }
    }
    assert!(input(&post(r#"{"reply": [{"a": 1}, {"a": {"a": 1}}]}"#)).reply.is_some());
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
        ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLEncoded; charset=UTF-8"]
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
    for bomb in ["[".repeat(100_000), format!(r#"{{"reply": {}"#, r#"{"a":"#.repeat(100_000))] {
        for request in [post(bomb.clone()), flask_forms(bomb)] {
            assert_eq!(
                malformed(&request),
                "The body may be nested at most 32 levels deep inside a parameter"
            );
        }
    }
}

#[test]
fn thirty_two_levels_are_the_limit() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested =
            |levels| post(format!(r#"{{"reply": {}1{}}}"#, open.repeat(levels), close.repeat(levels)));
        assert!(input(&nested(32)).reply.is_some());
        let message = "The body may be nested at most 32 levels deep inside a parameter";
        assert_eq!(malformed(&nested(33)), message);
    }
}

#[test]
fn one_mebibyte_is_the_limit() {
    let body = |bytes: usize| {
        let frame = r#"{"name": ""}"#.len();
        post(format!(r#"{{"name": "{}"}}"#, "x".repeat(bytes - frame)))
    };
    assert!(name(&body(1024 * 1024)).is_some());
    let expected = (413, json!("too_large"), "The body may have at most 1 MiB".to_owned());
    assert_eq!(refused(&body(1024 * 1024 + 1)), expected);
    // Not even looked into.
    assert_eq!(refused(&post(vec![0xff; 2 * 1024 * 1024])), expected);
}

#[test]
fn every_fault_is_named_wherever_the_parameter_came_from() {
    let blank = "This field cannot be blank";
    assert_eq!(errors::<Required>(&post("")), json!({"name": blank, "dueDate": blank}));
    assert_eq!(
        errors::<Required>(&post(r#"{"name": null, "dueDate": [1]}"#)),
        json!({"name": blank, "dueDate": "must be text"})
    );
    let request = query(header(post(""), "duedate", b"too long"), "name", "a\u{0}b");
    let expected = json!({
        "name": "must not have the control character U+0000",
        "dueDate": "may have at most 5 characters",
    });
    assert_eq!(errors::<Required>(&request), expected);
    let form = header(post("name=a%00b&dueDate=ok"), "content-type", b"application/x-www-form-urlencoded");
    assert_eq!(errors::<Required>(&form), json!({"name": "must not have the control character U+0000"}));
    let request = path(post(r#"{"dueDate": "ok"}"#), "name", "a\u{1b}b");
    assert_eq!(errors::<Required>(&request), json!({"name": "must not have the control character U+001B"}));
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
                prop_assert!(faults.as_map()["name"].starts_with("must not have the control character"));
                prop_assert!(!good(&first.unwrap()));
            }
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }

    #[test]
    fn a_body_is_an_object_or_malformed(
        body in prop_oneof![
            any::<Vec<u8>>(),
            any::<String>().prop_map(String::into_bytes),
            json_value().prop_map(|json| json.to_string().into_bytes()),
            "[ {}\\[\\]\":,0-9a-z\\\\]{0,20}".prop_map(String::into_bytes),
        ],
        form in any::<bool>(),
    ) {
        let request = flask_forms(body.clone());
        let request =
            if form { header(request, "content-type", b"application/x-www-form-urlencoded") } else { request };
        let text = String::from_utf8(body).ok();
        let json = text.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let empty = text.as_ref().is_some_and(|text| text.trim().is_empty());
        let is_form = form && text.is_some_and(|text| !text.trim().starts_with(['{', '[']));
        let readable = empty || is_form || json.is_some_and(|json| json.is_object() || json.is_null());
        match http::input::<Required>(&request) {
            // What serde_json reads, ours may still refuse: a name given twice, or one of the parser's own.
            Err(Error::Malformed(text)) => prop_assert!(!readable || text.contains("name"), "{}", text),
            Ok(_) | Err(Error::Invalid(_)) => prop_assert!(readable),
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }

    #[test]
    fn a_document_is_stored_as_it_was_sent_or_refused(json in json_value()) {
        let body = json!({"name": json, "dueDate": json, "reply": json}).to_string();
        for request in [post(body.clone()), flask_forms(body)] {
            if let Err(error) = http::input::<Required>(&request) {
                prop_assert!(problem::status(&error).is_client_error(), "{error:?}");
            }
        }
        match http::input::<Optional>(&post(json!({ "reply": json }).to_string())) {
            Ok(input) => prop_assert_eq!(input.reply.unwrap_or_default(), json),
            Err(Error::Invalid(errors)) => {
                let told = errors.as_map()["reply"].as_str();
                prop_assert!(told.starts_with("must not have the control character"), "{}", told);
                prop_assert!(!all_good(&json), "{}", json);
            }
            Err(error) => prop_assert!(!well_named(&json), "{error:?}"),
        }
    }
}

/// Whether no text of a document has a control character.
fn all_good(json: &Value) -> bool {
    match json {
        Value::Array(items) => items.iter().all(all_good),
        Value::Object(members) => members.iter().all(|(name, value)| good(name) && all_good(value)),
        Value::String(text) => good(text),
        _ => true,
    }
}

/// Whether no name of a document is one of the parser's own.
fn well_named(json: &Value) -> bool {
    match json {
        Value::Array(items) => items.iter().all(well_named),
        Value::Object(members) => {
            members.iter().all(|(name, value)| !name.starts_with("$serde_json::private") && well_named(value))
        }
        _ => true,
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

/// What clients send to register.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only whether it can be read matters")]
struct Register {
    username: users::Username,
    email: users::Email,
    password: passwords::Password,
}

/// What clients send to log in.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only whether it can be read matters")]
struct Login {
    username: Line<80>,
    password: passwords::Attempt,
}

/// What clients send as a single answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only whether it can be read matters")]
struct AddReply {
    id_question: QuestionId,
    reply: AnswerValue,
}

/// What clients send as a whole response.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only whether it can be read matters")]
struct Submit {
    id_survey: SurveyId,
    id_response: ResponseId,
    answers: Answers,
}

/// The endpoints that read what anybody sends, with a good body for each.
fn endpoints() -> [(&'static str, Value); 6] {
    let id = "01a20eda-2243-735a-98c9-154446227d91";
    let register = json!({"username": "ada", "email": "ada@example.com", "password": "correct horse"});
    let login = json!({"username": "ada", "password": "correct horse"});
    let reply = json!({"idQuestion": id, "reply": {"a": [1, {"b": "c"}]}});
    let submit = json!({"idSurvey": id, "idResponse": id, "answers": {id: {"a": ["b", {"c": 1}]}}});
    [
        ("/register", register.clone()),
        ("/login", login),
        ("/addreply", reply.clone()),
        ("/questions/{idQuestion}/replies", reply),
        ("/surveys/{idSurvey}/responses", submit),
        // The same where names and types are checked.
        ("/surveys", register),
    ]
}

fn read_as_endpoint(path: &str, request: &Request) -> Result<(), Error> {
    match path {
        "/register" | "/surveys" => http::input::<Register>(request).map(|_| ()),
        "/login" => http::input::<Login>(request).map(|_| ()),
        "/addreply" | "/questions/{idQuestion}/replies" => http::input::<AddReply>(request).map(|_| ()),
        _ => http::input::<Submit>(request).map(|_| ()),
    }
}

/// All places in a document where a value stands.
fn places(json: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match json {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{here}/{index}"), all));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| places(value, &format!("{here}/{name}"), all));
        }
        _ => {}
    }
}

#[test]
fn the_bodies_of_the_next_test_are_good_as_they_are() {
    for (path, body) in endpoints() {
        assert!(read_as_endpoint(path, &post_to(path, body.to_string())).is_ok(), "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_spelling_of_the_parsers_own_names_gets_through_to_an_endpoint(
        (path, body) in prop::sample::select(endpoints().to_vec()),
        place in any::<prop::sample::Index>(),
        name in prop::sample::select(vec!["Number", "RawValue", "Datetime", ""]),
        spelling in prop::collection::vec(0_u8..3, 40),
        blanks in "[ \t\r\n]{0,3}",
        around in prop::collection::vec(any::<bool>(), 0..24),
        content in prop_oneof![
            Just("\"1\"".to_owned()),
            Just("7".to_owned()),
            Just("null".to_owned()),
            (1_usize..100_000).prop_map(|levels| format!("\"{}\"", "[".repeat(levels))),
            (1_usize..1000).prop_map(|levels| format!("\"{}1{}\"", "[".repeat(levels), "]".repeat(levels))),
            Just(r#""{\"$serde_json::private::RawValue\":\"[[1]]\"}""#.to_owned()),
        ],
        beside in any::<bool>(),
        content_type in prop::sample::select(vec!["", "application/json", "application/x-www-form-urlencoded", "text/plain"]),
    ) {
        // Each character as it is, or as an escape with digits of either case.
        let name = format!("$serde_json::private::{name}");
        let name: String = name.chars().zip(spelling.iter().cycle()).map(|(c, spelling)| match spelling {
            0 => c.to_string(),
            1 => format!("\\u{:04x}", u32::from(c)),
            _ => format!("\\u{:04X}", u32::from(c)),
        }).collect();
        let mut object = format!("{{{blanks}\"{name}\"{blanks}:{blanks}{content}{blanks}}}");
        for list in around {
            object = if list { format!("[{object},1]") } else { format!(r#"{{"a\"b":{object}}}"#) };
        }
        // In place of one of the values, or beside the parameters.
        let mut all = Vec::new();
        places(&body, "", &mut all);
        let place = place.get(&all);
        let mut marked = body.clone();
        if beside {
            marked["beside"] = json!("MARK");
        } else if let Some(value) = marked.pointer_mut(place) {
            *value = json!("MARK");
        }
        let text = marked.to_string().replace("\"MARK\"", &object);
        let request = header(post_to(path, text.clone()), "content-type", content_type.as_bytes());
        match read_as_endpoint(path, &request) {
            Err(Error::Malformed(message)) => prop_assert!(
                // Or it is the depth, or not an object at all, that is said first.
                message.contains("$serde_json::private") || message.contains("levels deep"), "{message}: {text}"
            ),
            other => prop_assert!(false, "{path} {other:?}: {text}"),
        }
    }

    #[test]
    fn as_a_text_they_are_texts_like_any_other(
        name in prop::sample::select(vec!["Number", "RawValue"]), content in prop::sample::select(vec!["1", "[[[[", "1e999"]),
    ) {
        let text = format!(r#"{{"$serde_json::private::{name}":"{content}"}}"#);
        let body = json!({"name": text, "reply": [text, {"a": text}]}).to_string();
        let expected = Optional {
            name: Some(text.clone()), reply: Some(json!([text, {"a": text}])), ..Optional::default()
        };
        prop_assert_eq!(input(&post(body)), expected);
        let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("name", &text).append_pair("reply", &text).finish();
        let form = header(post(form), "content-type", b"application/x-www-form-urlencoded");
        let expected = Optional { name: Some(text.clone()), reply: Some(json!(text)), ..Optional::default() };
        prop_assert_eq!(input(&form), expected);
        for request in [query(post(""), "name", &text), path(post(""), "name", &text), header(post(""), "name", text.as_bytes())] {
            prop_assert_eq!(input(&request).name, Some(text.clone()));
        }
    }
}
