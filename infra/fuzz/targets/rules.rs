//! The rules of a question, and answers to it. A seed is lines of text: the type, its `replyContent`, and an answer a line.

#![no_main]

use chrono::NaiveDate;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use shared::{
    rules::{Counts, Range, Rules},
    values::json,
};
use std::collections::BTreeSet;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let r#type = lines.next().unwrap_or_default();
    let reply_content = lines.next().and_then(read);
    let rules = match Rules::parse(r#type, reply_content.as_ref()) {
        Ok(rules) => rules,
        Err(errors) => {
            assert!(!errors.as_map().is_empty(), "refused without a reason");
            return;
        }
    };

    let mut counts = Counts::default();
    let mut range = Range::default();
    let mut taken = 0;
    for answer in lines.filter_map(read).filter(|answer| !rules.is_blank(answer)) {
        let measure = match rules.check(&answer) {
            Ok(measure) => measure,
            Err(faults) => {
                assert!(!faults.is_empty(), "refused without a reason");
                continue;
            }
        };
        taken += 1;
        range.least = range.least.into_iter().chain(measure).min();
        range.greatest = range.greatest.into_iter().chain(measure).max();
        let mut seen = BTreeSet::new();
        for tally in rules.tallies(&answer, false, made()) {
            counts.add(tally.kind, &tally.part, 1, tally.total);
            // One statement writes the counters of a response, and may not meet a row of them twice.
            assert!(seen.insert((tally.kind, tally.part)), "counted twice in one answer");
        }
    }
    assert_eq!(counts.votes(), taken, "every answer that was taken is counted once");
    assert!(rules.summary(&counts, range).is_object());
    assert!(
        rules.can_become(&rules) && rules.lost_in(&rules, &counts).is_none(),
        "saved again, nothing is lost"
    );
});

/// A line as it would come out of a request's body.
fn read(line: &str) -> Option<Value> {
    json::parse(line).ok().filter(|value| json::check(value).is_ok())
}

/// The day the survey was made: how dates are counted depends on it.
fn made() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 31).unwrap_or_default()
}
