//! `boolean`: true or false.

use super::{Counts, QuestionType, Range, Tally, object, read, scale::distribution};
use crate::values::{Fault, FaultCode, FieldErrors};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) struct Boolean;

impl QuestionType for Boolean {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        struct NoRules {}
        read(reply_content).map(|NoRules {}| Self)
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        if answer.is_boolean() {
            Ok(())
        } else {
            Err(Fault::new(FaultCode::WrongType, "must be true or false").into())
        }
    }

    fn count(&self, answer: &Value, _: NaiveDate, tallies: &mut Vec<Tally>) {
        tallies.push(Tally::new("value", answer.to_string()));
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        ["true", "false"].map(|value| ("value", value.to_owned())).into()
    }

    fn summary(&self, counts: &Counts, _: Range) -> Map<String, Value> {
        object([("values", distribution(counts, ["true", "false"].map(str::to_owned)))])
    }
}
