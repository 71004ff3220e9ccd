//! Request bodies, and what is refused in any of them.

use crate::{Error, Result};
use lambda_http::{Request, http::header};
use serde_json::{Map, Value};

/// Bytes in a request body.
const MAX_BODY: usize = 1024 * 1024;
/// Levels of lists and objects inside each other.
const MAX_DEPTH: usize = 32;

/// The parameters in the body: a JSON object whatever the Content-Type says (clients forget it), or the fields of an
/// HTML form. An empty body and `null` have none.
pub(super) fn parameters(request: &Request) -> Result<Map<String, Value>> {
    let body: &[u8] = request.body();
    if body.len() > MAX_BODY {
        return Err(Error::TooLarge("The body may have at most 1 MiB"));
    }
    let text = std::str::from_utf8(body)
        .map_err(|e| Error::Malformed(format!("The body is not UTF-8 at byte {}", e.valid_up_to())))?
        .trim();
    if text.is_empty() {
        return Ok(Map::new());
    }
    if is_form(request) && !text.starts_with(['{', '[']) {
        let fields = form_urlencoded::parse(text.as_bytes());
        return Ok(fields
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect());
    }
    // How serde_json passes numbers and raw texts on inside: what looks like it must not come from outside.
    if text.replace("\\u0024", "$").contains("\"$serde_json::private") {
        return Err(Error::Malformed(
            "The body must not have names that begin with $serde_json::private".to_owned(),
        ));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(parameters)) => Ok(parameters),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => {
            Err(Error::Malformed("The body must be a JSON object, like {\"name\": \"value\"}".to_owned()))
        }
        Err(e) => Err(Error::Malformed(format!("The body is not valid JSON: {e}"))),
    }
}

fn is_form(request: &Request) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
}

/// What can't be stored or shown safely anywhere in a document: control characters other than tab and line breaks
/// (PostgreSQL refuses NUL), numbers that are none to other programs, and nesting that exhausts a parser.
pub(super) fn check(value: &Value) -> Result<(), String> {
    nested(value, 0)
}

fn nested(value: &Value, depth: usize) -> Result<(), String> {
    match value {
        Value::Array(_) | Value::Object(_) if depth == MAX_DEPTH => {
            Err(format!("may be nested at most {MAX_DEPTH} levels deep"))
        }
        Value::Array(items) => items.iter().try_for_each(|item| nested(item, depth + 1)),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            printable(name)?;
            nested(value, depth + 1)
        }),
        Value::String(text) => printable(text),
        // A double is what JSON numbers are taken to be (RFC 8259, section 6); 1e400 is none.
        Value::Number(number) if !number.as_f64().is_some_and(f64::is_finite) => {
            Err(format!("the number {number:.40} is too large"))
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => Ok(()),
    }
}

fn printable(text: &str) -> Result<(), String> {
    match text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        Some(c) => Err(format!("must not have the control character U+{:04X}", u32::from(c))),
        None => Ok(()),
    }
}
