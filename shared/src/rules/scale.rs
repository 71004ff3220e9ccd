//! `scale`: a whole number between two others.

use super::{
    Counts, QuestionType, Range, Tally,
    bounds::within,
    counts::{ratio, share},
    decimal::Number,
    object, read,
};
use crate::values::{Fault, FaultCode, FieldErrors, text::Whole};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) struct Scale {
    pub(super) min: i64,
    pub(super) max: i64,
}

impl QuestionType for Scale {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        struct Given {
            min: Option<Whole<-100, 100>>,
            max: Option<Whole<-100, 100>>,
        }
        let Given { min, max } = read(reply_content)?;
        let (min, max) = (min.map_or(1, Whole::get), max.map_or(5, Whole::get));
        if min < max { Ok(Self { min, max }) } else { Err(FieldErrors::one("min", "must be below max")) }
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        let expected = || {
            Fault::new(
                FaultCode::WrongType,
                format!("must be a whole number from {} to {}", self.min, self.max),
            )
        };
        let number = Number::of(answer).ok_or_else(expected)?.0;
        let step = i64::try_from(number).ok().filter(|_| number.is_integer()).ok_or_else(expected)?;
        within(&step, Some(&self.min), Some(&self.max), ToString::to_string)?;
        Ok(())
    }

    fn count(&self, answer: &Value, _: NaiveDate, tallies: &mut Vec<Tally>) {
        tallies.extend(Number::of(answer).map(|step| Tally::new("value", step.0.to_string())));
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        (self.min..=self.max).map(|value| ("value", value.to_string())).collect()
    }

    fn bytes(&self) -> usize {
        usize::try_from((self.max - self.min + 1) * 50).unwrap_or_default()
    }

    fn summary(&self, counts: &Counts, _: Range) -> Map<String, Value> {
        let values: Vec<i64> = counts.parts("value").filter_map(|(value, _)| value.parse().ok()).collect();
        // An edit may have narrowed the scale: what was answered before is still shown.
        let least = values.iter().copied().min().unwrap_or(self.min).min(self.min);
        let greatest = values.iter().copied().max().unwrap_or(self.max).max(self.max);
        let of = |value: i64| Decimal::from(value) * Decimal::from(counts.n("value", &value.to_string()));
        object([
            ("values", distribution(counts, (least..=greatest).map(|value| value.to_string()))),
            ("mean", ratio(values.into_iter().map(of).sum(), counts.votes())),
        ])
    }
}

/// How often each of these values was answered.
pub(super) fn distribution(counts: &Counts, values: impl IntoIterator<Item = String>) -> Value {
    let each = values.into_iter().map(|value| {
        let n = counts.n("value", &value);
        let value: Value = serde_json::from_str(&value).unwrap_or_default();
        json!({ "value": value, "count": n, "share": share(n, counts.votes()) })
    });
    each.collect()
}
