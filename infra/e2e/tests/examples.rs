//! Every operation of the contract, called as the contract shows it: the answer is the documented success, and has the
//! members that its example has.
//!
//! No operation can be left out: they are read from functions/openapi.yaml, and one whose request can't be made of what
//! stands there fails, with a text that says what to add. `DELETE /users` is among them, so this test runs alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod client;
mod contract;
mod pets;

use client::{Answer, Client, Request};
use contract::{Operation, Security};
use pets::{Pets, User};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    thread,
    time::Duration,
};
use uuid::Uuid;

#[test]
fn every_operation_answers_as_its_example_shows() {
    let api = Client::new();
    let mut report = String::new();
    for operation in Operation::all() {
        // Each has things of its own, because some delete them.
        let owner = User::register(&api, "ada");
        let pets = Pets::new(&api, &owner, json!({}));
        let name = operation.name();
        let documented: BTreeMap<_, _> = operation.successes().into_iter().collect();
        let mut statuses = BTreeSet::new();
        for request in requests(&pets, &operation, documented.len()) {
            let answer = send(&api, &request);
            statuses.insert(answer.status);
            let Some(examples) = documented.get(&answer.status) else {
                writeln!(report, "{name}: {request:?} was answered {} {}", answer.status, answer.body)
                    .unwrap();
                continue;
            };
            let open = operation.answer_is_open(answer.status);
            let there = members(&answer.body);
            let fits = |example: &&&Value| {
                let shown = members(example);
                if open { shown.is_subset(&there) } else { shown == there }
            };
            if !examples.is_empty() && examples.iter().find(fits).is_none() {
                writeln!(report, "{name}: no example has the members of {:#}", answer.body).unwrap();
            }
        }
        if !documented.keys().eq(&statuses) {
            let documented: Vec<_> = documented.keys().collect();
            writeln!(report, "{name}: of {documented:?} its examples are answered {statuses:?}").unwrap();
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// The answer. An empty page of responses that isn't the last says that something is being stored; the contract says to ask
/// again.
fn send(api: &Client, request: &Request) -> Answer {
    loop {
        let answer = api.send(request);
        if answer.body["responses"] != json!([]) || answer.body.get("next").is_none() {
            return answer;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The examples of an operation, sent by whoever may. Where there are several successes, the last one is sent again.
fn requests(pets: &Pets, operation: &Operation, successes: usize) -> Vec<Request> {
    let pets = match operation.id {
        "register" => pets.of_somebody_new(),
        // The id is of the client's making.
        "putResponse" => pets.with(operation, "idResponse", &Uuid::now_v7().to_string()),
        _ => pets.clone(),
    };
    let mut requests = pets.requests(operation);
    if let Security::Required(scheme) | Security::Optional(scheme) = operation.security() {
        let proof = pets.owner.proof(scheme);
        requests = requests.into_iter().map(|request| request.bearer(&proof)).collect();
    }
    let again = requests.last().cloned();
    requests.extend((1..successes).filter_map(|_| again.clone()));
    requests
}

/// The places of all members of a document. Members that are named by ids are alike, as are the items of a list. Whether
/// a page is the last depends on what else there is.
fn members(document: &Value) -> BTreeSet<String> {
    fn collect(value: &Value, place: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{place}[]"), found)),
            Value::Object(members) => {
                for (name, value) in members {
                    let name = if Uuid::try_parse(name).is_ok() { "<id>" } else { name };
                    let place = format!("{place}.{name}");
                    collect(value, &place, found);
                    found.insert(place);
                }
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(document, "", &mut found);
    found.remove(".next");
    found
}
