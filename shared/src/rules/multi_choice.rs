//! `multi_choice`: a list of options, each once, and perhaps one `{"other": "…"}`.

use super::{
    Counts, QuestionType, Range, Tally,
    options::{ChoiceRules, Options, Selections, read_listed, tally},
};
use crate::values::{Fault, FieldErrors, Flag, text::Whole};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) struct MultiChoice {
    choice: ChoiceRules,
    selections: Selections,
}

impl QuestionType for MultiChoice {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            options: Options,
            other: Option<Flag>,
            min_selections: Option<Whole<0, 100_000>>,
            max_selections: Option<Whole<1, 100_000>>,
        }
        let Given { options, other, min_selections, max_selections } = read_listed(reply_content)?;
        let choice = ChoiceRules { options, other: other.is_some_and(|other| other.0) };
        let selections = Selections::define(min_selections, max_selections, 0, choice.live())?;
        Ok(Self { choice, selections })
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        self.selections.check(answer, |item| self.choice.check(item))?;
        Ok(())
    }

    fn count(&self, answer: &Value, _: NaiveDate, tallies: &mut Vec<Tally>) {
        tallies.extend(answer.as_array().into_iter().flatten().map(tally));
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        self.choice.parts()
    }

    fn summary(&self, counts: &Counts, _: Range) -> Map<String, Value> {
        self.choice.summary(counts)
    }

    fn options(&self) -> Option<&Options> {
        Some(&self.choice.options)
    }
}
