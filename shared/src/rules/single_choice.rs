//! `single_choice`: the value of an option, or `{"other": "…"}`.

use super::{
    Counts, QuestionType, Range, Tally,
    options::{ChoiceRules, Options, read_listed, tally},
};
use crate::values::{Fault, FieldErrors, Flag};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) struct SingleChoice(ChoiceRules);

impl QuestionType for SingleChoice {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        struct Given {
            options: Options,
            other: Option<Flag>,
        }
        let Given { options, other } = read_listed(reply_content)?;
        Ok(Self(ChoiceRules { options, other: other.is_some_and(|other| other.0) }))
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        self.0.check(answer)?;
        Ok(())
    }

    fn count(&self, answer: &Value, _: NaiveDate, tallies: &mut Vec<Tally>) {
        tallies.push(tally(answer));
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        self.0.parts()
    }

    fn summary(&self, counts: &Counts, _: Range) -> Map<String, Value> {
        self.0.summary(counts)
    }

    fn options(&self) -> Option<&Options> {
        Some(&self.0.options)
    }
}
