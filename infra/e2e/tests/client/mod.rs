//! A client of the API at `API_URL`: exact about what it sends, and content with any answer.

use serde::Deserialize;
use serde_json::Value;
use std::{env, io::Cursor, time::Duration};
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

/// A status and a JSON body; a body that isn't JSON is taken as text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new() -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            // The first request to a function may wait for its compilation.
            .timeout_global(Some(Duration::from_mins(5)))
            .build();
        Self { url: setting("API_URL").trim_end_matches('/').to_owned(), agent: agent.into() }
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        let url = format!("{}{}", self.url, request.path);
        let to_send = match request.method.as_str() {
            "GET" => self.agent.get(url).force_send_body(),
            "DELETE" => self.agent.delete(url).force_send_body(),
            "POST" => self.agent.post(url),
            "PUT" => self.agent.put(url),
            other => panic!("no test sends {other}"),
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
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status: answer.status().as_u16(), body }
    }
}

/// What `make e2e` says about the API it started.
pub(crate) fn setting(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "tests have no shared::config")]
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make e2e`"))
}
