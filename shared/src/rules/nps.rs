//! `nps`: a whole number from 0 to 10, how likely somebody is to recommend something (F. Reichheld, "The One Number You Need
//! to Grow", 2003): promoters answer 9 or 10, passives 7 or 8, detractors less.

use super::{Counts, QuestionType, Range, Tally, counts::number, read, scale::Scale};
use crate::values::{Fault, FieldErrors};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;

pub(super) struct Nps(Scale);

impl QuestionType for Nps {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        struct NoRules {}
        read(reply_content).map(|NoRules {}| Self(Scale { min: 0, max: 10 }))
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        self.0.check(answer)
    }

    fn count(&self, answer: &Value, made: NaiveDate, tallies: &mut Vec<Tally>) {
        self.0.count(answer, made, tallies);
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        self.0.parts()
    }

    fn summary(&self, counts: &Counts, range: Range) -> Map<String, Value> {
        let of = |values: RangeInclusive<i64>| -> i64 {
            values.map(|value| counts.n("value", &value.to_string())).sum()
        };
        let (promoters, passives, detractors) = (of(9..=10), of(7..=8), of(0..=6));
        let score = Decimal::from(100 * (promoters - detractors)).checked_div(counts.votes().into());
        let mut summary = self.0.summary(counts, range);
        summary.insert("promoters".to_owned(), json!(promoters));
        summary.insert("passives".to_owned(), json!(passives));
        summary.insert("detractors".to_owned(), json!(detractors));
        summary.insert("score".to_owned(), json!(score.map(|score| number(score.round_dp(1)))));
        summary
    }
}
