//! The contract as the judge of every answer in every test: functions/openapi.yaml, as JSON.

use super::{Json, Uuid};
use crate::http::{Request, Response};
use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock, Mutex},
};

/// Where references in the document lead to.
const URI: &str = "https://canvass.invalid/openapi.json";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../functions/docs/openapi.json")).expect("openapi.json is JSON")
});

static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let resource = Draft::Draft202012.create_resource(DOCUMENT.clone());
    let registry = Registry::new().add(URI, resource).and_then(jsonschema::RegistryBuilder::prepare);
    registry.expect("the references of openapi.json lead somewhere")
});

/// The names of the parameters that an endpoint asked for, in the extensions of its request.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Option<BTreeSet<String>>>>);

/// Note which parameters an endpoint asks for.
pub(crate) fn note_parameters(request: &Request, names: &[&str]) {
    if let Some(Asked(asked)) = request.extensions().get() {
        *asked.lock().unwrap() = Some(names.iter().map(|name| name.to_lowercase()).collect());
    }
}

/// An operation of the contract that a request is meant for.
pub(super) struct Operation {
    /// Method and path, for messages.
    name: String,
    /// Its place in the document, as a JSON pointer.
    pointer: String,
    description: &'static Value,
    /// Of its path, all operations.
    siblings: &'static Value,
    asked: Asked,
}

impl Operation {
    /// The operation for a request, which is told to note what it is asked for. A method that the path doesn't have has no
    /// operation.
    ///
    /// # Panics
    /// When no path of the contract fits.
    pub(super) fn of(request: &mut Request) -> Option<Self> {
        let path = request.uri().path();
        let paths = DOCUMENT["paths"].as_object().expect("openapi.json has paths");
        let fits = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(template, path)| template.starts_with('{') || template == path)
        };
        // `/surveys/active` before `/surveys/{idSurvey}`.
        let template = paths
            .keys()
            .filter(|template| fits(template))
            .min_by_key(|template| template.matches('{').count());
        let template = template.unwrap_or_else(|| {
            panic!("functions/openapi.yaml has no path for {path}, or `make generate` was not run since")
        });
        let (siblings, method) = (&paths[template], request.method().as_str().to_lowercase());
        let pointer = format!("/paths/{}/{method}", template.replace('~', "~0").replace('/', "~1"));
        let name = format!("{} {template}", request.method());
        let description = siblings.get(&method)?;
        let asked = Asked::default();
        request.extensions_mut().insert(asked.clone());
        Some(Self { name, pointer, description, siblings, asked })
    }

    /// Hold the answer, and what was asked for, against the contract.
    ///
    /// # Panics
    /// When they differ.
    pub(super) fn check(&self, has_keys: bool, response: &Response) {
        let Self { name, description, .. } = self;
        assert_eq!(description["x-keys"], json!(has_keys), "{name}: x-keys of the contract");
        self.check_parameters();
        let status = response.status().as_str().to_owned();
        let documented = &description["responses"][&status];
        assert!(documented.is_object(), "{name} must not answer {status}: {response:?}");
        let (documented, pointer) = resolve(documented, &format!("{}/responses/{status}", self.pointer));
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        assert_eq!(header("x-content-type-options"), "nosniff", "{name}");
        for (header_name, description) in
            documented.get("headers").and_then(Value::as_object).into_iter().flatten()
        {
            let required = resolve(description, "").0["required"] == json!(true);
            assert!(!required || !header(header_name).is_empty(), "{name}: {status} must have {header_name}");
        }
        let sent = header("content-type");
        let media = sent.split(';').next().unwrap_or_default();
        let Some(content) = documented.get("content").and_then(Value::as_object) else {
            assert!(response.body().is_empty(), "{name}: {status} has no body in the contract");
            return;
        };
        let known = content.keys().find(|known| known.split(';').next() == Some(media));
        let known = known.unwrap_or_else(|| panic!("{name} must not answer {status} as {sent}"));
        if media.ends_with("json") && !media.ends_with("ndjson") {
            let pointer = format!("{pointer}/content/{}/schema", known.replace('~', "~0").replace('/', "~1"));
            let body: Value = serde_json::from_slice(response.body()).expect("the body is JSON");
            check_schema(&pointer, &body, &format!("{name}: {status}"));
        }
    }

    /// The endpoint asks for the documented parameters, all of them and no others.
    fn check_parameters(&self) {
        let Some(asked) = self.asked.0.lock().unwrap().take() else { return };
        let lists = [&self.siblings["parameters"], &self.description["parameters"]];
        let mut documented = BTreeSet::new();
        for parameter in lists.into_iter().filter_map(Value::as_array).flatten() {
            let parameter = resolve(parameter, "").0;
            let name = parameter["name"].as_str().unwrap().to_lowercase();
            if parameter["in"] != "header"
                || !["if-match", "if-none-match", "accept", "authorization"].contains(&name.as_str())
            {
                documented.insert(name);
            }
        }
        let body = resolve(&self.description["requestBody"], "").0;
        for media in body["content"].as_object().into_iter().flat_map(|content| content.values()) {
            let schema = resolve(&media["schema"], "").0;
            documented.extend(
                schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()),
            );
        }
        assert_eq!(
            asked, documented,
            "{}: the parameters of its Input (left) and of the contract (right)",
            self.name
        );
    }
}

/// What a reference leads to, and where that is.
fn resolve(node: &'static Value, pointer: &str) -> (&'static Value, String) {
    match node["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(reference) => {
            let target =
                DOCUMENT.pointer(reference).unwrap_or_else(|| panic!("{reference} is not in openapi.json"));
            resolve(target, reference)
        }
        None => (node, pointer.to_owned()),
    }
}

fn check_schema(pointer: &str, body: &Value, what: &str) {
    let pointer = pointer.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
    let schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("{URI}#{pointer}") });
    let validator: Validator = jsonschema::options()
        .with_registry(&REGISTRY)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let errors: Vec<String> =
        validator.iter_errors(body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert!(
        errors.is_empty(),
        "{what} is not as functions/openapi.yaml says:\n{}\nof {body:#}",
        errors.join("\n")
    );
}

/// Every operation of the contract: its method, its path, and its description.
#[must_use]
pub fn operations() -> Vec<(String, String, Json)> {
    let paths = DOCUMENT["paths"].as_object().expect("openapi.json has paths");
    let methods = |item: &'static Value| item.as_object().into_iter().flatten();
    let is_method = |name: &str| ["get", "put", "post", "patch", "delete"].contains(&name);
    paths
        .iter()
        .flat_map(|(path, item)| methods(item).map(move |(method, operation)| (method, path, operation)))
        .filter(|(method, ..)| is_method(method))
        .map(|(method, path, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
        .collect()
}

/// A path of the contract with an id in each place for one.
#[must_use]
pub fn filled(path: &str, id: Uuid) -> String {
    let filled =
        path.split('/').map(|part| if part.starts_with('{') { id.to_string() } else { part.to_owned() });
    filled.collect::<Vec<_>>().join("/")
}
