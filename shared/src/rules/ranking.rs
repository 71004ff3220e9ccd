//! `ranking`: a list of options, the best first.

use super::{
    Counts, QuestionType, Range, Tally,
    counts::ratio,
    object,
    options::{Options, Selections, read_listed, tally},
};
use crate::values::{Fault, FieldErrors, text::Whole};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) struct Ranking {
    options: Options,
    selections: Selections,
}

impl QuestionType for Ranking {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            options: Options,
            min_selections: Option<Whole<0, 100_000>>,
            max_selections: Option<Whole<1, 100_000>>,
        }
        let Given { options, min_selections, max_selections } = read_listed(reply_content)?;
        let selections = Selections::define(min_selections, max_selections, options.live(), options.live())?;
        Ok(Self { options, selections })
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        self.selections.check(answer, |item| self.options.live_value(item, "option"))?;
        Ok(())
    }

    fn count(&self, answer: &Value, _: NaiveDate, tallies: &mut Vec<Tally>) {
        for (rank, item) in (1..).zip(answer.as_array().into_iter().flatten()) {
            let option = tally(item);
            tallies.push(Tally { kind: "rank", n: rank, ..option.clone() });
            tallies.push(option);
        }
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        let of = |kind| self.options.values().map(move |value| (kind, value));
        of("option").chain(of("rank")).collect()
    }

    fn summary(&self, counts: &Counts, _: Range) -> Map<String, Value> {
        let options = self.options.0.iter().map(|option| {
            let (n, ranks) = (counts.n("option", &option.value), counts.n("rank", &option.value));
            json!({ "value": option.value, "count": n, "meanRank": ratio(ranks.into(), n), "retired": option.retired })
        });
        object([("options", options.collect())])
    }

    fn options(&self) -> Option<&Options> {
        Some(&self.options)
    }
}
