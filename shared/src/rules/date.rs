//! `date`: `2030-01-31`, a day of the years 1 to 9999.

use super::{
    Counts, Measure, QuestionType, Range, Tally,
    bounds::{Bounds, Written, digits},
    days,
};
use crate::values::{Fault, FieldErrors};
use chrono::{Datelike as _, NaiveDate};
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::{Map, Value};
use std::str::FromStr as _;

pub(super) struct Date(Bounds<NaiveDate>);

impl Written for NaiveDate {
    const EXPECTED: &'static str = "must be a date like 2030-01-31";

    fn read(text: &str) -> Option<Self> {
        let day = if text.len() == 10 && digits(text, b'-') { Self::from_str(text).ok() } else { None };
        day.filter(|day| day.year() >= 1)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl QuestionType for Date {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        Bounds::define(reply_content).map(Self)
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        self.0.check(answer)
    }

    /// In days since the year 1.
    fn measure(&self, answer: &Value) -> Measure {
        Some(NaiveDate::read(answer.as_str()?)?.num_days_from_ce().into())
    }

    fn count(&self, answer: &Value, made: NaiveDate, tallies: &mut Vec<Tally>) {
        tallies.extend(answer.as_str().and_then(NaiveDate::read).map(|day| days::tally(day, made)));
    }

    fn bytes(&self) -> usize {
        days::BYTES
    }

    fn summary(&self, counts: &Counts, range: Range) -> Map<String, Value> {
        days::summary(counts, range, |measure| {
            Some(NaiveDate::from_num_days_from_ce_opt(measure.to_i32()?)?.to_string())
        })
    }
}
