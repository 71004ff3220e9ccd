//! The exchanges recorded from the original, sent again in their order.
//!
//! What Canvass answers must be what flaskForms answered, changed by the named differences of [`differences`] and by
//! nothing else. A difference that nobody listed fails this test, and so does a listed one that doesn't occur.
//!
//! The recording starts with an empty database, and so does this: it deletes all users (`STAGE=dev`).
//! functions/FLASKFORMS.md tells the differences to whoever moves from flaskForms.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod client;
mod contract;
#[path = "replay/differences.rs"]
mod differences;
#[path = "replay/recording.rs"]
mod recording;
mod tokens;
#[path = "replay/world.rs"]
mod world;

use client::{Client, Request, setting};
use differences::{Case, DIFFERENCES, Difference, Rule};
use recording::{Answer, Recording};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _};
use world::World;

#[test]
fn the_recorded_exchanges_agree_but_for_the_named_differences() {
    let api = Client::new();
    let Recording { exchanges, read_back } = recording::load();
    let mut world = World::new(read_back);
    let empty = Request::new("DELETE", "/users").bearer(&setting("DEBUGGING_KEY"));
    assert_eq!(api.send(&empty).status, 200, "the replay needs an API of stage dev");

    let (mut report, mut exact) = (String::new(), 0);
    let mut changed = BTreeMap::<(&str, &str), usize>::new();
    for exchange in &exchanges {
        let sent = world.translate(exchange);
        let answer = Answer::from(api.send(&sent.request()));
        let mut case = Case { sent: &sent, world: &world, answer: sent.recorded.clone() };
        for (name, pattern, rule) in rules().filter(|(_, pattern, _)| matches(pattern, &sent.id)) {
            let expected = rule(&case);
            if expected != case.answer {
                *changed.entry((name, pattern)).or_default() += 1;
                case.answer = expected;
            }
        }
        let (expected, got) = (case.answer, world.in_words_of_the_recording(&answer));
        exact += usize::from(expected == sent.recorded);
        if got != expected {
            let (place, expected_there, got_there) = first_difference(&expected.body, &got.body);
            let Answer { status, body } = &sent.recorded;
            writeln!(report, "{}\n  recorded {status} {body:.300}", sent.id).unwrap();
            writeln!(report, "  expected {}, at {place}/ {expected_there}", expected.status).unwrap();
            writeln!(report, "  got      {}, at {place}/ {got_there}", got.status).unwrap();
        }
        world.learn(&sent, &answer, &api);
    }
    for (name, pattern, _) in rules().filter(|(name, pattern, _)| !changed.contains_key(&(*name, *pattern))) {
        writeln!(report, "{name} is listed for {pattern} and changes nothing there").unwrap();
    }
    assert!(report.is_empty(), "{report}");
    summarize(exchanges.len(), exact, &changed);
}

/// All rules in their order, with the name of the difference and one of the patterns.
fn rules() -> impl Iterator<Item = (&'static str, &'static str, Rule)> {
    let rules =
        DIFFERENCES.iter().flat_map(|difference| difference.rules.iter().map(|rule| (difference.name, rule)));
    rules.flat_map(|(name, (patterns, rule))| patterns.iter().map(move |pattern| (name, *pattern, *rule)))
}

/// A pattern is the id of an exchange, or the start of some and a `*`.
fn matches(pattern: &str, id: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == id, |start| id.starts_with(start))
}

/// Where two documents part, and what each has there.
fn first_difference<'a>(one: &'a Value, other: &'a Value) -> (String, &'a Value, &'a Value) {
    let inside: Option<(String, &Value, &Value)> = match (one, other) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate().map(|(index, (a, b))| (index.to_string(), a, b));
            pairs.find(|(_, a, b)| a != b)
        }
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            let mut pairs = a.iter().zip(b.values()).map(|((name, a), b)| (name.clone(), a, b));
            pairs.find(|(_, a, b)| a != b)
        }
        _ => None,
    };
    let Some((step, one, other)) = inside else { return (String::new(), one, other) };
    let (place, one, other) = first_difference(one, other);
    (format!("/{step}{place}"), one, other)
}

#[expect(clippy::print_stdout, reason = "for a reader who asks with --nocapture")]
fn summarize(all: usize, exact: usize, changed: &BTreeMap<(&str, &str), usize>) {
    println!("{all} exchanges, of which {exact} agree exactly");
    for Difference { name, because, .. } in DIFFERENCES {
        let count: usize = changed.iter().filter(|((other, _), _)| other == name).map(|(_, n)| n).sum();
        println!("{count:4} {name}: {because}");
    }
}
