//! The people and the surveys of the contract's examples, made real: a request is an example with the ids that it shows
//! replaced by those of things that are there.
//!
//! What the examples are about is the survey `Pets` of `ada`, its three questions, and a response to it. Whoever adds an
//! operation gives its parameters and its body examples of these in functions/openapi.yaml, and it is covered.

#![allow(dead_code, reason = "each test needs a part of it")]

use crate::{
    client::{Answer, Client, Request, setting},
    contract::{DOCUMENT, Operation, text},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt::Write as _};
use uuid::Uuid;

/// The name in the examples.
const NAME: &str = "ada";
/// The password in the examples.
pub(crate) const PASSWORD: &str = "correct horse";

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// A survey like that of the examples.
#[derive(Clone)]
pub(crate) struct Pets {
    pub(crate) owner: User,
    pub(crate) id: String,
    /// Texts of the examples, and what they stand for.
    real: BTreeMap<String, String>,
}

/// A name that no other test uses, nor this one in an earlier run.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::now_v7())
}

impl User {
    pub(crate) fn register(api: &Client, name: &str) -> Self {
        let name = unique(name);
        let email = format!("{name}@example.com");
        let body = json!({ "username": name, "email": email, "password": PASSWORD });
        let answer = api.send(&Request::new("POST", "/register").json(&body));
        assert_eq!(answer.status, 201, "{answer:?}");
        Self::with_tokens(name, &answer)
    }

    /// The same user with other tokens.
    pub(crate) fn login(&self, api: &Client) -> Self {
        let body = json!({ "username": self.name, "password": PASSWORD });
        let answer = api.send(&Request::new("POST", "/login").json(&body));
        assert_eq!(answer.status, 200, "{answer:?}");
        Self::with_tokens(self.name.clone(), &answer)
    }

    fn with_tokens(name: String, answer: &Answer) -> Self {
        let token = |name: &str| answer.body[name].as_str().expect("a token is a text").to_owned();
        Self { name, access: token("access_token"), refresh: token("refresh_token") }
    }

    /// What proves to this scheme of the contract that this user is calling.
    pub(crate) fn proof(&self, scheme: &str) -> String {
        match scheme {
            "accessToken" => self.access.clone(),
            "refreshToken" => self.refresh.clone(),
            "debuggingKey" => setting("DEBUGGING_KEY"),
            other => panic!(
                "the contract has the security scheme {other}: say in `User::proof` what proves that, and in \
                 authorization.rs what doesn't"
            ),
        }
    }
}

impl Pets {
    /// A survey of the owner's, like that of `POST /surveys` in the contract but for these parameters; answered, if it is
    /// open.
    pub(crate) fn new(api: &Client, owner: &User, different: Value) -> Self {
        let mut pets = Self { owner: owner.clone(), id: String::new(), real: names(owner).into() };
        let mut survey = example("addSurvey").clone();
        merge(&mut survey, different);
        let added = pets.call(api, Request::new("POST", "/surveys").json(&survey), 201);
        pets.id = text_of(&added["id"]);
        pets.real.insert(parameter("getSurvey", "idSurvey"), pets.id.clone());

        let path = format!("/surveys/{}", pets.id);
        let questions = pets.call(api, Request::new("GET", &format!("{path}/questions")), 200);
        for (shown, real) in shown_questions().zip(ids(&questions["questions"])) {
            pets.real.insert(shown, real);
        }
        let response = Uuid::now_v7().to_string();
        if pets.call(api, Request::new("GET", &path), 200)["state"] == "open" {
            let put = Request::new("PUT", &format!("{path}/responses/{response}"));
            let answers = pets.made_real("putResponse", example("putResponse"));
            pets.call(api, put.json(&answers), 201);
        }
        pets.real.insert(parameter("getResponse", "idResponse"), response);
        pets
    }

    /// The body of an answer to the owner.
    pub(crate) fn call(&self, api: &Client, request: Request, status: u16) -> Value {
        let what = format!("{} {}", request.method, request.path);
        let answer = api.send(&request.bearer(&self.owner.access));
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        answer.body
    }

    /// The same with ids that nothing has.
    pub(crate) fn nowhere(&self) -> Self {
        let mut nowhere = self.clone();
        for real in nowhere.real.values_mut().filter(|real| Uuid::try_parse(real).is_ok()) {
            *real = Uuid::now_v7().to_string();
        }
        nowhere.id.clone_from(&nowhere.real[&parameter("getSurvey", "idSurvey")]);
        nowhere
    }

    /// The same with another id for what the parameter of an operation names.
    pub(crate) fn with(&self, operation: &Operation, name: &str, id: &str) -> Self {
        let mut other = self.clone();
        other.real.insert(shown(operation, name), id.to_owned());
        other
    }

    /// The same with a name and an address that nobody has.
    pub(crate) fn of_somebody_new(&self) -> Self {
        let mut other = self.clone();
        other.owner.name = unique(NAME);
        other.real.extend(names(&other.owner));
        other
    }

    /// The id that the parameter of an operation has.
    pub(crate) fn real(&self, operation: &Operation, name: &str) -> String {
        self.real[&shown(operation, name)].clone()
    }

    /// An answer with the ids and names of the contract in place of the real ones.
    pub(crate) fn in_words_of_the_contract(&self, answer: &Answer) -> Answer {
        let in_words = |text: &str| {
            self.real.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(real, shown))
        };
        let headers = answer.headers.iter().map(|(name, value)| (name.clone(), in_words(value)));
        Answer { headers: headers.collect(), body: each_text(&answer.body, &in_words), ..*answer }
    }

    /// Everything that its owner can see of it. The newest response first: from the oldest on, a response can be read only
    /// when all that is being stored is stored.
    pub(crate) fn seen(&self, api: &Client) -> Vec<Value> {
        ["", "/questions", "/responses?order=desc", "/stats"]
            .map(|part| self.call(api, Request::new("GET", &format!("/surveys/{}{part}", self.id)), 200))
            .to_vec()
    }

    /// The request of an operation about this survey, with each of the bodies that the contract shows, and no proof of who
    /// is calling.
    ///
    /// # Panics
    /// When the contract doesn't show enough.
    pub(crate) fn requests(&self, operation: &Operation) -> Vec<Request> {
        let mut request = Request::new(&operation.method(), operation.path);
        for parameter in operation.parameters() {
            let name = text(&parameter["name"]);
            match (text(&parameter["in"]), parameter.get("example")) {
                ("path", _) => {
                    let value = self.parameter(operation, name);
                    request.path = request.path.replace(&format!("{{{name}}}"), &value);
                }
                ("query", _) if parameter["required"] == true => {
                    let separator = if request.path.contains('?') { '&' } else { '?' };
                    let value = self.parameter(operation, name);
                    write!(request.path, "{separator}{name}={value}").expect("a text takes more");
                }
                // flaskForms' clients send these, and editors `If-Match`.
                ("header", Some(_)) => request = request.header(name, &self.parameter(operation, name)),
                _ => {}
            }
        }
        let bodies = operation.request_examples();
        if bodies.is_empty() {
            return vec![request];
        }
        bodies.into_iter().map(|body| request.clone().json(&self.made_real(operation.id, body))).collect()
    }

    /// The value of a parameter.
    fn parameter(&self, operation: &Operation, name: &str) -> String {
        let value = self.made_real(operation.id, &shown(operation, name).into());
        value.as_str().expect("a text stays one").to_owned()
    }

    /// A document of the contract with the things of this survey in it.
    fn made_real(&self, whose: &str, example: &Value) -> Value {
        let real = |text: &str| {
            let real = self.real.get(text).cloned().unwrap_or_else(|| text.to_owned());
            let invented = real == text && Uuid::try_parse(text).is_ok();
            assert!(
                !invented,
                "the example of {whose} has the id {text}, of which no test knows what it stands for: use those of the \
                 survey, the questions and the response that the other examples are about, or make one in `Pets::new`"
            );
            real
        };
        each_text(example, &real)
    }
}

/// The texts of the examples that stand for a user.
fn names(user: &User) -> [(String, String); 2] {
    let address = |name: &str| format!("{name}@example.com");
    [(NAME.to_owned(), user.name.clone()), (address(NAME), address(&user.name))]
}

/// What the contract shows as the value of a parameter.
fn shown(operation: &Operation, name: &str) -> String {
    let parameters = operation.parameters();
    let found = parameters.into_iter().find(|parameter| parameter["name"] == name);
    let example = found.and_then(|parameter| parameter["example"].as_str());
    let missing = || -> &str {
        panic!("{}: give its parameter {name} an example in functions/openapi.yaml", operation.name())
    };
    example.unwrap_or_else(missing).to_owned()
}

fn parameter(operation: &str, name: &str) -> String {
    shown(&named(operation), name)
}

fn named(id: &str) -> Operation {
    Operation::named(id).unwrap_or_else(|| panic!("the contract has no operation {id}"))
}

/// The first body that the contract shows for an operation.
fn example(operation: &str) -> &'static Value {
    named(operation).request_examples()[0]
}

/// The ids that the contract shows for the questions of the survey.
fn shown_questions() -> impl Iterator<Item = String> {
    let shown = &DOCUMENT["components"]["responses"]["Questions"]["content"]["application/json"]["example"];
    ids(&shown["questions"]).into_iter()
}

fn ids(things: &Value) -> Vec<String> {
    let things = things.as_array().unwrap_or_else(|| panic!("{things} is no list"));
    things.iter().map(|thing| text_of(&thing["id"])).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Set members of an object.
fn merge(object: &mut Value, others: Value) {
    if let (Value::Object(members), Value::Object(others)) = (object, others) {
        members.extend(others);
    }
}

/// The same document with every text in it changed, names among them.
fn each_text(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(items) => items.iter().map(|item| each_text(item, change)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (change(name), each_text(value, change)));
            members.collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}
