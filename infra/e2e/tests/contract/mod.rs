//! The contract, functions/openapi.yaml as JSON: what there is to call, and the judge of every answer.

#![allow(dead_code, reason = "each test needs a part of it")]

use crate::client::{Answer, Request};
use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// Where references in the document lead to.
const URI: &str = "https://canvass.invalid/openapi.json";

pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../functions/docs/openapi.json"))
        .expect("openapi.json is JSON")
});

static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let resource = Draft::Draft202012.create_resource(DOCUMENT.clone());
    let registry = Registry::new().add(URI, resource).and_then(jsonschema::RegistryBuilder::prepare);
    registry.expect("the references of openapi.json lead somewhere")
});

/// One method of one path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    /// In lower case, as in the document.
    method: &'static str,
    pub(crate) path: &'static str,
    description: &'static Value,
    /// What holds for all methods of the path.
    siblings: &'static Value,
}

/// What an operation asks of whoever calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Nothing,
    /// Proof by this scheme shows more.
    Optional(&'static str),
    Required(&'static str),
}

impl Operation {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let members = |value: &'static Value| value.as_object().expect("an object").iter();
        members(&DOCUMENT["paths"]).flat_map(move |(path, siblings)| {
            let methods = ["get", "put", "post", "patch", "delete", "head", "options", "trace"];
            let methods = members(siblings).filter(move |(name, _)| methods.contains(&name.as_str()));
            methods.map(move |(method, description)| {
                let id = text(&description["operationId"]);
                Self { id, method, path, description, siblings }
            })
        })
    }

    /// The operation with that `operationId`, if there is one.
    pub(crate) fn named(id: &str) -> Option<Self> {
        Self::all().find(|operation| operation.id == id)
    }

    /// The operation that a request is for, if there is one.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let path = request.path.split('?').next().unwrap_or_default();
        let fits = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template
                    .zip(path)
                    .all(|(template, part)| template == part || template.starts_with('{') && !part.is_empty())
        };
        let found = Self::all().filter(|operation| operation.method() == request.method);
        // `/surveys/active` before `/surveys/{idSurvey}`.
        found
            .filter(|operation| fits(operation.path))
            .min_by_key(|operation| operation.path.matches('{').count())
    }

    pub(crate) fn method(&self) -> String {
        self.method.to_uppercase()
    }

    /// Method and path, for messages.
    pub(crate) fn name(&self) -> String {
        format!("{} ({} {})", self.id, self.method(), self.path)
    }

    /// # Panics
    /// When it is more than one scheme that proves who is calling.
    pub(crate) fn security(&self) -> Security {
        let choices = self.description.get("security").or_else(|| DOCUMENT.get("security"));
        let choices = choices.and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        let schemes: Vec<_> =
            choices.iter().filter_map(Value::as_object).flat_map(|choice| choice.keys()).collect();
        match (schemes.as_slice(), choices.len()) {
            ([], _) => Security::Nothing,
            ([scheme], 1) => Security::Required(scheme),
            ([scheme], 2) => Security::Optional(scheme),
            _ => panic!("{}: no test knows what to do with the security {choices:?}", self.name()),
        }
    }

    /// The parameters, of the path and its own.
    pub(crate) fn parameters(&self) -> Vec<&'static Value> {
        let lists = [&self.siblings["parameters"], &self.description["parameters"]];
        let all = lists.into_iter().filter_map(Value::as_array).flatten();
        all.map(|parameter| resolve(parameter, "").0).collect()
    }

    /// The JSON bodies that the contract shows.
    ///
    /// # Panics
    /// When there is a body and no example.
    pub(crate) fn request_examples(&self) -> Vec<&'static Value> {
        let Some(body) = self.description.get("requestBody") else { return Vec::new() };
        let examples = examples(&resolve(body, "").0["content"]["application/json"]);
        assert!(!examples.is_empty(), "{}: give its body an example in functions/openapi.yaml", self.name());
        examples
    }

    /// The documented successes: the status, and what the contract shows of it as JSON.
    pub(crate) fn successes(&self) -> Vec<(u16, Vec<&'static Value>)> {
        let responses = self.description["responses"].as_object().into_iter().flatten();
        let successes = responses.filter(|(status, _)| status.starts_with('2'));
        let with_examples = successes.map(|(status, response)| {
            let content = &resolve(response, "").0["content"]["application/json"];
            (status.parse().expect("a status is a number"), examples(content))
        });
        with_examples.collect()
    }

    /// Whether an answer may have members that its example doesn't show.
    pub(crate) fn answer_is_open(&self, status: u16) -> bool {
        let response = resolve(&self.description["responses"][status.to_string()], "").0;
        let schema = resolve(&response["content"]["application/json"]["schema"], "").0;
        schema["additionalProperties"] == json!(true)
    }

    /// Hold an answer against the contract.
    ///
    /// # Panics
    /// When it is another.
    pub(crate) fn judge(&self, answer: &Answer) {
        let (name, status) = (self.name(), answer.status);
        let place = format!("/paths/{}/{}/responses/{status}", escaped(self.path), self.method);
        let documented = &self.description["responses"][status.to_string()];
        assert!(documented.is_object(), "{name} must not answer {status}: {answer:?}");
        let (documented, place) = resolve(documented, &place);
        let members = |name: &str| documented.get(name).and_then(Value::as_object).into_iter().flatten();
        for (header, description) in members("headers") {
            let needed = resolve(description, "").0["required"] == json!(true);
            let there = !answer.header(&header.to_lowercase()).is_empty();
            assert!(!needed || there, "{name}: {status} must have {header}: {answer:?}");
        }
        let sent = answer.header("content-type").split(';').next().unwrap_or_default();
        if documented.get("content").is_none() {
            assert_eq!(answer.body, "", "{name}: {status} has no body in the contract");
            return;
        }
        let known = members("content").map(|(known, _)| known).find(|known| *known == sent);
        let known = known.unwrap_or_else(|| panic!("{name} must not answer {status} as {sent}: {answer:?}"));
        if ["application/json", "application/problem+json"].contains(&sent) {
            let schema = format!("{place}/content/{}/schema", escaped(known));
            check(&schema, &answer.body, &format!("{name}: {status}"));
        }
        if sent == "application/problem+json" {
            assert_eq!(answer.body["status"], status, "{name}: {answer:?}");
        }
    }
}

/// The example of a body, or the several.
fn examples(content: &'static Value) -> Vec<&'static Value> {
    let several = content.get("examples").and_then(Value::as_object).into_iter().flatten();
    content.get("example").into_iter().chain(several.map(|(_, example)| &example["value"])).collect()
}

/// What a reference leads to, and where that is.
fn resolve(node: &'static Value, place: &str) -> (&'static Value, String) {
    match node["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(reference) => {
            let target = DOCUMENT.pointer(reference);
            resolve(target.unwrap_or_else(|| panic!("{reference} is not in openapi.json")), reference)
        }
        None => (node, place.to_owned()),
    }
}

/// A text of the document.
pub(crate) fn text(value: &'static Value) -> &'static str {
    value.as_str().unwrap_or_else(|| panic!("the contract has {value} in place of a text"))
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn check(schema: &str, body: &Value, what: &str) {
    let validator = validator(schema);
    let errors = validator.iter_errors(body).map(|error| format!("{error} at {}", error.instance_path()));
    let errors: Vec<_> = errors.collect();
    assert!(errors.is_empty(), "{what} is not as the contract says:\n{}\nof {body:#}", errors.join("\n"));
}

/// What judges by the schema at that place of the document. Making one takes longer than all else about a request.
fn validator(schema: &str) -> Arc<Validator> {
    static MADE: LazyLock<Mutex<BTreeMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let make = || {
        let place = schema.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
        let by_reference = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("{URI}#{place}") });
        let options = jsonschema::options().with_registry(&REGISTRY).should_validate_formats(true);
        Arc::new(options.build(&by_reference).unwrap_or_else(|error| panic!("{schema}: {error}")))
    };
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(made.entry(schema.to_owned()).or_insert_with(make))
}
