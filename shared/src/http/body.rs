//! The parameters in a request's body.

use crate::{
    Error, Result,
    values::{
        fields::{Given, Reading},
        json,
    },
};
use lambda_http::{Request, http::header};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Bytes in a request body.
const MAX_BODY: usize = 1024 * 1024;

/// The parameters in a body, and how they are read.
pub(super) struct Body {
    parameters: Map<String, Value>,
    reading: Reading,
}

impl Body {
    /// From a JSON object whatever the Content-Type says (clients forget it), or from the fields of an HTML form. An empty
    /// body and `null` have none.
    pub(super) fn read(request: &Request, flask_forms: bool) -> Result<Self> {
        let body: &[u8] = request.body();
        if body.len() > MAX_BODY {
            return Err(Error::TooLarge("The body may have at most 1 MiB"));
        }
        let text = std::str::from_utf8(body)
            .map_err(|e| Error::Malformed(format!("The body is not UTF-8 at byte {}", e.valid_up_to())))?
            .trim();
        if is_form(request) && !text.starts_with(['{', '[']) {
            let fields = form_urlencoded::parse(text.as_bytes());
            let parameters =
                fields.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
            let reading = if flask_forms { Reading::Lenient } else { Reading::Text };
            return Ok(Self { parameters: parameters.collect(), reading });
        }
        let reading = if flask_forms { Reading::Lenient } else { Reading::Strict };
        let value = if text.is_empty() { Ok(Value::Null) } else { json::parse(text) };
        match value.map_err(|error| Error::Malformed(format!("The body {error}")))? {
            Value::Object(parameters) => Ok(Self { parameters, reading }),
            Value::Null => Ok(Self { parameters: Map::new(), reading }),
            _ => {
                Err(Error::Malformed("The body must be a JSON object, like {\"name\": \"value\"}".to_owned()))
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Given<'_>> {
        self.parameters.get(name).map(|value| Given { value: Cow::Borrowed(value), reading: self.reading })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }
}

fn is_form(request: &Request) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
}
