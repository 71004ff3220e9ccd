//! What the replay knows of the API: the ids and tokens behind the recording's placeholders, and what was accepted.

use crate::{
    client::{Client, Request, setting},
    recording::{Answer, Exchange, each_text},
    tokens::{self, claims},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// What has happened so far.
#[derive(Default)]
pub(crate) struct World {
    key: String,
    /// The id for `{{survey:s-plain}}`; the first of that name.
    ids: HashMap<String, String>,
    /// The placeholder for an id.
    placeholders: HashMap<String, String>,
    tokens: HashMap<String, String>,
    read_back: BTreeMap<String, String>,
    pub(crate) users: Vec<String>,
    pub(crate) surveys: Vec<Survey>,
    pub(crate) questions: Vec<Question>,
    /// The id of the question, and the reply as it was sent.
    pub(crate) replies: Vec<(String, Value)>,
}

/// A survey that was accepted.
pub(crate) struct Survey {
    pub(crate) id: String,
    pub(crate) owner: String,
    /// `isactive` as it was sent.
    pub(crate) flag: Option<String>,
    /// Its date as the original would show it.
    pub(crate) due: String,
    /// Grows with each question that is added.
    pub(crate) version: u32,
    /// As the original would show it.
    pub(crate) shown: Value,
}

/// A question that was accepted.
pub(crate) struct Question {
    /// The id of its survey.
    pub(crate) survey: String,
    /// As it was sent.
    pub(crate) required: bool,
    /// As the original would show it, with `replyContent` as it was sent.
    pub(crate) shown: Value,
}

impl Survey {
    pub(crate) fn is_open(&self) -> bool {
        // The recording's dates are in the 25th century, or else in the past.
        self.is_active() && self.due.as_str() > "24"
    }

    pub(crate) fn state(&self) -> &'static str {
        match (self.is_active(), self.is_open()) {
            (_, true) => "open",
            (true, false) => "closed",
            (false, false) => "draft",
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.flag.as_ref().is_none_or(|flag| ["True", "true", "1"].contains(&flag.as_str()))
    }
}

impl World {
    pub(crate) fn new(read_back: BTreeMap<String, String>) -> Self {
        let debugging_key = ("debugging_key".to_owned(), setting("DEBUGGING_KEY"));
        let tokens = HashMap::from([debugging_key]);
        Self { key: setting("JWT_SECRET_KEY"), tokens, read_back, ..Self::default() }
    }

    /// The exchange with real ids and tokens in place of placeholders, and with passwords that are long enough.
    pub(crate) fn translate(&self, exchange: &Exchange) -> Exchange {
        let mut exchange = exchange.clone();
        for (name, value) in &mut exchange.content.headers {
            *value = self.value(name, value);
        }
        for (name, value) in exchange.content.body.as_object_mut().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let translated = self.value(name, &text);
            if translated != text {
                *value = translated.into();
            }
        }
        let query = form_urlencoded::parse(exchange.query.as_bytes());
        let query: Vec<_> = query.map(|(name, value)| (self.value(&name, &value), name)).collect();
        let query = query.iter().map(|(value, name)| (name, value));
        exchange.query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        exchange
    }

    fn value(&self, name: &str, value: &str) -> String {
        let placeholder = value.split_once("{{").and_then(|(_, rest)| Some(rest.split_once("}}")?.0));
        let value = placeholder.map_or_else(
            || value.to_owned(),
            |label| value.replace(&format!("{{{{{label}}}}}"), &self.stands_for(label)),
        );
        match name.to_ascii_lowercase().as_str() {
            "password" if (1..8).contains(&value.len()) => format!("{value}, but longer"),
            "id" | "idsurvey" | "idquestion" => {
                value.parse::<u32>().map_or(value, |integer| Uuid::from_u128(integer.into()).to_string())
            }
            _ => value,
        }
    }

    fn stands_for(&self, label: &str) -> String {
        match label.split_once(':') {
            // Of a survey that was refused there is no id.
            Some(("survey" | "question", _)) => self
                .ids
                .get(&format!("{{{{{label}}}}}"))
                .cloned()
                .unwrap_or_else(|| Uuid::now_v7().to_string()),
            _ => self.tokens.get(label).cloned().unwrap_or_else(|| self.mint(label)),
        }
    }

    /// A token of alice with one thing wrong with it.
    fn mint(&self, label: &str) -> String {
        let good = &self.tokens[if label.ends_with("refresh") { "refresh:alice" } else { "access:alice" }];
        let header = tokens::header(good);
        let mut claims = claims(good);
        let issued = claims["iat"].as_i64().unwrap();
        let mut key = self.key.as_str();
        claims["jti"] = json!(Uuid::now_v7());
        let without =
            |name: &str| claims.as_object().unwrap().clone().into_iter().filter(|(n, _)| n != name).collect();
        match label {
            "expired_access" | "expired_refresh" => claims["exp"] = json!(issued - 60),
            "not_yet" => claims["nbf"] = json!(issued + 600),
            "nobody_access" => claims["sub"] = json!(Uuid::now_v7()),
            "no_type" => claims = without("type"),
            "no_identity" => claims = without("sub"),
            "no_jti" => claims = without("jti"),
            "no_exp" => claims = without("exp"),
            "wrong_signature" | "wrong_signature_refresh" => key = "the key of somebody else, 32 bytes",
            "alg_none" => {
                let header = json!({ "typ": "JWT", "alg": "none", "kid": header.kid });
                return tokens::assembled(&header, &claims, "");
            }
            _ => panic!("nobody knows the token {label}"),
        }
        tokens::signed(&header, &claims, key)
    }

    /// The answer with the recording's placeholders in place of ids and tokens, and of what the clock said.
    pub(crate) fn in_words_of_the_recording(&self, answer: &Answer) -> Answer {
        let mut body = each_text(answer.body.clone(), &|text| {
            if Uuid::try_parse(text).is_ok() {
                self.placeholders.get(text).cloned().unwrap_or_else(|| "<id>".to_owned())
            } else if text.starts_with("ey") && text.split('.').count() == 3 {
                format!("<{} JWT>", claims(text)["type"].as_str().unwrap_or_default())
            } else {
                text.to_owned()
            }
        });
        for survey in body.get_mut("surveys").and_then(Value::as_array_mut).into_iter().flatten() {
            for moment in ["createdAt", "updatedAt"] {
                assert!(survey[moment].is_string(), "{survey}");
                survey[moment] = "<timestamp>".into();
            }
        }
        Answer { status: answer.status, body }
    }

    /// Take note of what an answer says that later exchanges build upon.
    pub(crate) fn learn(&mut self, sent: &Exchange, answer: &Answer, api: &Client) {
        let id = answer.body["id"].as_str().unwrap_or_default();
        let username = sent.text("username");
        let labels = match (sent.id.as_str(), sent.path.as_str()) {
            ("login.bob_again", _) => ["revoked_access".to_owned(), "revoked_refresh".to_owned()],
            ("login.carol_again", _) => ["half:carol.a".to_owned(), "half:carol.r".to_owned()],
            (_, "/token/refresh") => ["refreshed:alice".to_owned(), String::new()],
            _ => [format!("access:{username}"), format!("refresh:{username}")],
        };
        for (label, token) in labels.into_iter().zip(["access_token", "refresh_token"]) {
            if let Some(token) = answer.body[token].as_str() {
                self.tokens.entry(label).or_insert_with(|| token.to_owned());
            }
        }
        match (sent.path.as_str(), answer.status) {
            ("/register", 201) => self.users.push(username),
            ("/addsurvey", 201) => self.learn_survey(sent, id, api),
            ("/addquestion", 201) => {
                let [content, kind] = ["content", "type"].map(|name| sent.text(name));
                let reply_content = sent.parameter("replyContent").unwrap_or_default();
                let placeholder = self.name("question", &content, id);
                let shown = json!({ "content": content, "id": placeholder, "replyContent": reply_content, "type": kind });
                let survey = sent.text("idSurvey");
                for survey in self.surveys.iter_mut().filter(|other| other.id == survey) {
                    survey.version += 1;
                }
                self.questions.push(Question { survey, required: false, shown });
            }
            ("/addreply", 201) => {
                self.replies.push((sent.text("idQuestion"), sent.parameter("reply").unwrap_or_default()));
            }
            ("/users", 200) if sent.method == "DELETE" => {
                self.users.clear();
                self.surveys.clear();
                self.questions.clear();
                self.replies.clear();
            }
            _ => {}
        }
    }

    fn learn_survey(&mut self, sent: &Exchange, id: &str, api: &Client) {
        let [name, due] = ["name", "duedate"].map(|name| sent.text(name));
        let flag = sent.parameter("isactive").and_then(|flag| flag.as_str().map(str::to_owned));
        let shown = json!({
            "desc": sent.parameter("desc").unwrap_or_else(|| "Add description!".into()),
            "dueDate": "<timestamp>",
            "id": self.name("survey", &name, id),
            "isActive": flag.as_deref() == Some("True"),
            "name": name,
            "subCount": 0,
        });
        let due = self.read_back.get(&due).cloned().unwrap_or_else(|| format!("{due} 00:00:00"));
        self.surveys.push(Survey { id: id.to_owned(), owner: sent.caller(), flag, due, version: 1, shown });

        let request = Request::new("GET", &format!("/surveys/{id}/questions"))
            .header("Authorization", &sent.content.headers["Authorization"]);
        let stored = api.send(&request).body["questions"].take();
        let sent = match sent.parameter("questions").unwrap_or_default() {
            Value::Array(questions) => questions,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        for (stored, sent) in stored.as_array().unwrap().iter().zip(sent) {
            let [question, content] = ["id", "content"].map(|name| stored[name].as_str().unwrap());
            let placeholder = self.name("question", content, question);
            let (kind, reply_content) = (&sent["type"], &sent["replyContent"]);
            let shown = json!({ "content": sent["content"], "id": placeholder, "replyContent": reply_content, "type": kind });
            let required = sent["required"].as_bool().unwrap_or_default();
            self.questions.push(Question { survey: id.to_owned(), required, shown });
        }
    }

    /// Remember a thing by its name; answers the placeholder.
    fn name(&mut self, kind: &str, name: &str, id: &str) -> String {
        let placeholder = format!("{{{{{kind}:{name}}}}}");
        self.ids.entry(placeholder.clone()).or_insert_with(|| id.to_owned());
        self.placeholders.insert(id.to_owned(), placeholder.clone());
        placeholder
    }

    pub(crate) fn survey(&self, id: &str) -> &Survey {
        self.surveys.iter().find(|survey| survey.id == id).unwrap()
    }

    /// The question with that placeholder.
    pub(crate) fn question(&self, placeholder: &Value) -> Option<&Question> {
        self.questions.iter().find(|question| question.shown["id"] == *placeholder)
    }

    /// The replies to the question with that placeholder, as they were sent.
    pub(crate) fn replies_to(&self, placeholder: &str) -> Vec<&Value> {
        let id = self.ids.get(placeholder);
        self.replies.iter().filter(|(question, _)| Some(question) == id).map(|(_, reply)| reply).collect()
    }
}

impl Exchange {
    /// The user whose token this request carries.
    pub(crate) fn caller(&self) -> String {
        let token = self.content.headers.get("Authorization").and_then(|header| header.split(' ').nth(1));
        token.map(|token| claims(token)["username"].as_str().unwrap().to_owned()).unwrap_or_default()
    }
}
