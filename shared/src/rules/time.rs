//! `time`: `18:00` or `18:00:30`.

use super::{
    Counts, Measure, QuestionType, Range, Tally,
    bounds::{Bounds, Written, digits},
    object,
};
use crate::values::{Fault, FieldErrors};
use chrono::{NaiveDate, NaiveTime, Timelike as _};
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::{Map, Value, json};

pub(super) struct Time(Bounds<NaiveTime>);

impl Written for NaiveTime {
    const EXPECTED: &'static str = "must be a time like 18:00 or 18:00:30";

    fn read(text: &str) -> Option<Self> {
        match text.len() {
            _ if !digits(text, b':') => None,
            5 => Self::parse_from_str(text, "%H:%M").ok(),
            // chrono takes a leap second, which no clock shows.
            8 if !text.ends_with("60") => Self::parse_from_str(text, "%H:%M:%S").ok(),
            _ => None,
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl QuestionType for Time {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        Bounds::define(reply_content).map(Self)
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        self.0.check(answer)
    }

    /// In seconds since midnight.
    fn measure(&self, answer: &Value) -> Measure {
        Some(NaiveTime::read(answer.as_str()?)?.num_seconds_from_midnight().into())
    }

    fn count(&self, answer: &Value, _: NaiveDate, tallies: &mut Vec<Tally>) {
        let hour = answer.as_str().and_then(NaiveTime::read).map(|time| format!("{:02}", time.hour()));
        tallies.extend(hour.map(|hour| Tally::new("hour", hour)));
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        (0..24).map(|hour| ("hour", format!("{hour:02}"))).collect()
    }

    fn summary(&self, counts: &Counts, range: Range) -> Map<String, Value> {
        let time = |measure: Measure| {
            NaiveTime::from_num_seconds_from_midnight_opt(measure?.to_u32()?, 0).map(|time| time.to_string())
        };
        let hours = counts.parts("hour").map(|(hour, n)| json!({ "hour": hour, "count": n }));
        object([
            ("min", json!(time(range.least))),
            ("max", json!(time(range.greatest))),
            ("hours", hours.collect()),
        ])
    }
}
