//! `exchanges.json`: what was sent to the original and what it answered.

use crate::client::{self, Request};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The recording, ready to be sent.
pub(crate) struct Recording {
    pub(crate) exchanges: Vec<Exchange>,
    /// A `duedate` as sent, and how the original showed it later.
    pub(crate) read_back: BTreeMap<String, String>,
}

/// What the recording knows of an answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl From<client::Answer> for Answer {
    fn from(client::Answer { status, body, .. }: client::Answer) -> Self {
        Self { status, body }
    }
}

/// A request and its recorded answer.
#[derive(Clone, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) query: String,
    #[serde(rename = "request")]
    pub(crate) content: Content,
    #[serde(rename = "response")]
    pub(crate) recorded: Answer,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Content {
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) duplicate_headers: Vec<(String, String)>,
    pub(crate) body_kind: String,
    pub(crate) body: Value,
    #[serde(default)]
    transfer_encoding: String,
}

/// What the original did for anyone and Canvass does for some: asked for once more, with what proves that to be one of them.
const ONCE_MORE: [(&str, &str, &[&str]); 2] = [
    (
        ".owner",
        "Bearer {{access:alice}}",
        &[
            "getsurveyquestions.inactive",
            "getsurveystats.types",
            "getsurveystats.ok",
            "getsurveystats.no_questions",
            "getsurveystats.inactive",
            "getsurveystats.past",
        ],
    ),
    (
        ".with_key",
        "Bearer {{debugging_key}}",
        &[
            "users.get.empty",
            "users.delete.empty",
            "users.get.one",
            "users.delete.ok",
            "users.delete.ghost",
            "users.delete.ghost_again",
            "users.get.many",
            "users.delete.owners",
            "users.get.after_failed_delete",
        ],
    ),
];

pub(crate) fn load() -> Recording {
    #[derive(Deserialize)]
    struct File {
        about: About,
        exchanges: Vec<Exchange>,
    }
    #[derive(Deserialize)]
    struct About {
        due_formats: BTreeMap<String, DueFormat>,
    }
    #[derive(Deserialize)]
    struct DueFormat {
        sent: String,
        read_back: String,
    }
    let text = include_str!("../exchanges.json")
        // What was the future must stay it. Dates have their weekdays again after 400 years.
        .replace("2030", "2430")
        // A label that the recorder cut shorter than the text it stands for.
        .replace("<8000 characters>", "<8000 characters: cccccccccccccccccccc...>");
    let file: File = serde_json::from_str(&text).expect("the recording can be read");
    let mut exchanges = Vec::new();
    for mut exchange in file.exchanges {
        for value in exchange.content.headers.values_mut() {
            *value = in_full(value);
        }
        exchange.recorded.body = each_text(exchange.recorded.body, &in_full);
        match exchange.id.as_str() {
            "addsurvey.q.fifty" => exchange.content.body = json!({ "questions": fifty_questions() }),
            "addreply.ok.long" => exchange.content.body = json!({ "reply": "L".repeat(1_000_000) }),
            _ => {}
        }
        let once_more = ONCE_MORE.iter().find(|(_, _, ids)| ids.contains(&exchange.id.as_str()));
        let once_more = once_more.map(|(whose, proof, _)| {
            let mut again = exchange.clone();
            again.id += whose;
            again.content.headers.insert("Authorization".to_owned(), (*proof).to_owned());
            again
        });
        exchanges.push(exchange);
        exchanges.extend(once_more);
    }
    let read_back = file.about.due_formats.into_values().map(|form| (form.sent, form.read_back)).collect();
    Recording { exchanges, read_back }
}

fn fifty_questions() -> Vec<Value> {
    (0..50).map(|n| json!({ "content": format!("q-50-{n}"), "type": "text", "replyContent": null })).collect()
}

/// Write `<8200 characters: ppp...>` out.
fn in_full(text: &str) -> String {
    let shortened = || {
        let (before, rest) = text.split_once('<')?;
        let (length, rest) = rest.split_once(" characters: ")?;
        let (pattern, after) = rest.split_once("...>")?;
        Some(format!("{before}{}{after}", pattern.get(..1)?.repeat(length.parse().ok()?)))
    };
    shortened().unwrap_or_else(|| text.to_owned())
}

/// The same JSON with every text in it changed.
pub(crate) fn each_text(value: Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(items) => items.into_iter().map(|item| each_text(item, change)).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, each_text(value, change)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

impl Exchange {
    /// The parameter, from where Canvass looks for it: the body, the query, a header. Blank text is none.
    pub(crate) fn parameter(&self, name: &str) -> Option<Value> {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        let raw = || serde_json::from_str::<Value>(self.content.body.as_str()?).ok()?.get(name).cloned();
        let query =
            || form_urlencoded::parse(self.query.as_bytes()).find(|(n, _)| same(n)).map(|(_, v)| json!(v));
        let header = || self.content.headers.iter().find(|(n, _)| same(n)).map(|(_, v)| json!(v));
        let repeated =
            || self.content.duplicate_headers.iter().find(|(n, _)| same(n)).map(|(_, v)| json!(v.trim()));
        let json = self.content.body.as_object().and_then(|body| body.iter().find(|(n, _)| same(n)));
        let found = json
            .map(|(_, value)| value.clone())
            .or_else(raw)
            .or_else(query)
            .or_else(header)
            .or_else(repeated);
        found.filter(|value| name == "reply" || value.as_str() != Some(""))
    }

    /// The parameter as text; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        self.parameter(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The bytes to send.
    pub(crate) fn request(&self) -> Request {
        let Content { headers, duplicate_headers, body_kind, body, transfer_encoding } = &self.content;
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let fields = || body.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap()));
        let body = match body_kind.as_str() {
            "none" => String::new(),
            "raw" => body.as_str().unwrap().to_owned(),
            "json" => body.to_string(),
            "form" => form_urlencoded::Serializer::new(String::new()).extend_pairs(fields()).finish(),
            other => panic!("{}: a body of kind {other}", self.id),
        };
        Request {
            method: self.method.clone(),
            path: format!("{}{query}", self.path),
            headers: headers.clone().into_iter().chain(duplicate_headers.clone()).collect(),
            body: body.into_bytes(),
            chunked: transfer_encoding == "chunked",
        }
    }
}
