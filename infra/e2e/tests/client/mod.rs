//! A client of the API at `API_URL`: exact about what it sends, and strict about what comes back. Whatever a test sends,
//! the answer is held against the contract, and is never a fault of the server's.

#![allow(dead_code, reason = "each test needs a part of it")]

use crate::contract::Operation;
use serde_json::Value;
use std::{collections::BTreeMap, env, io::Cursor, time::Duration};
use ureq::{Agent, SendBody};

/// The API under test.
pub(crate) struct Client {
    url: String,
    agent: Agent,
}

/// A request to be sent, byte for byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Names keep their case and may repeat; values may be any UTF-8.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Send the body in chunks, without a length.
    pub(crate) chunked: bool,
}

/// What came back. A body that isn't JSON is taken as text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a token, or whatever else proves who is calling.
    #[must_use]
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    #[must_use]
    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    #[must_use]
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl Answer {
    /// A header, or the empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Client {
    pub(crate) fn new() -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_mins(1)))
            .build();
        Self { url: setting("API_URL").trim_end_matches('/').to_owned(), agent: agent.into() }
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        let url = format!("{}{}", self.url, request.path);
        let to_send = match request.method.as_str() {
            "GET" => self.agent.get(url).force_send_body(),
            "DELETE" => self.agent.delete(url).force_send_body(),
            "OPTIONS" => self.agent.options(url).force_send_body(),
            "PATCH" => self.agent.patch(url),
            "POST" => self.agent.post(url),
            "PUT" => self.agent.put(url),
            other => panic!("this client can't send {other} yet"),
        };
        let headers = request.headers.iter();
        let to_send = headers.fold(to_send, |all, (name, value)| all.header_raw(name, value.as_bytes()));
        let sent = if request.chunked {
            to_send.send(SendBody::from_owned_reader(Cursor::new(request.body.clone())))
        } else {
            to_send.send(&request.body)
        };
        let mut answer = sent.unwrap_or_else(|e| panic!("{} {}: {e}", request.method, request.path));
        let text = answer.body_mut().read_to_string().expect("the answer is UTF-8");
        let mut headers = BTreeMap::<_, String>::new();
        for (name, value) in answer.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            // Repeated, they are one list (RFC 9110, section 5.3).
            let all = headers.entry(name.as_str().to_owned()).or_default();
            let separator = if all.is_empty() { "" } else { ", " };
            *all = format!("{all}{separator}{value}");
        }
        let answer = Answer {
            status: answer.status().as_u16(),
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        assert!(answer.status < 500, "{} {}: {answer:?}", request.method, request.path);
        if let Some(operation) = Operation::of(request) {
            operation.judge(&answer);
        }
        answer
    }
}

/// What `make e2e` says about the API it started.
pub(crate) fn setting(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "tests have no shared::config")]
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make e2e`"))
}
