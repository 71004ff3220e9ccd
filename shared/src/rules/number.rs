//! `number`: exact decimals, never floating point.

use super::{
    Counts, Measure, QuestionType, Range, Tally,
    bounds::within,
    counts::{number, ratio},
    decimal::Number as Exact,
    object, ordered, read,
};
use crate::values::{Fault, FaultCode, FieldErrors};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, str::FromStr};

/// The most buckets of a histogram: beyond that they are ten times as wide.
const MAX_BUCKETS: usize = 60;

pub(super) struct Number {
    min: Option<Decimal>,
    max: Option<Decimal>,
    step: Option<Decimal>,
}

impl QuestionType for Number {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        struct Given {
            min: Option<Exact>,
            max: Option<Exact>,
            step: Option<Exact>,
        }
        let Given { min, max, step } = read(reply_content)?;
        let (min, max, step) = (min.map(|n| n.0), max.map(|n| n.0), step.map(|n| n.0));
        ordered(["min", "max"], min.as_ref(), max.as_ref())?;
        if step.is_some_and(|step| step <= Decimal::ZERO) {
            return Err(FieldErrors::one("step", "must be above 0"));
        }
        Ok(Self { min, max, step })
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        let Exact(number) =
            Exact::of(answer).ok_or_else(|| Fault::new(FaultCode::WrongType, Exact::EXPECTED))?;
        within(&number, self.min.as_ref(), self.max.as_ref(), ToString::to_string)?;
        match self.step {
            Some(step) if !((number - self.min.unwrap_or_default()) % step).is_zero() => {
                let text = format!("must be a multiple of {step} away from the least");
                Err(Fault::new(FaultCode::Step, text).into())
            }
            _ => Ok(()),
        }
    }

    fn measure(&self, answer: &Value) -> Measure {
        Exact::of(answer).map(|number| number.0)
    }

    fn count(&self, answer: &Value, _: NaiveDate, tallies: &mut Vec<Tally>) {
        let bucket = |n: Decimal| Tally { total: n, ..Tally::new("bucket", bucket(n).to_string()) };
        tallies.extend(self.measure(answer).map(bucket));
    }

    fn summary(&self, counts: &Counts, range: Range) -> Map<String, Value> {
        let (n, sum) = (counts.votes(), counts.sum("bucket"));
        object([
            ("count", json!(n)),
            ("sum", number(sum)),
            ("mean", ratio(sum, n)),
            ("min", json!(range.least.map(number))),
            ("max", json!(range.greatest.map(number))),
            ("histogram", histogram(counts)),
        ])
    }
}

/// The bucket of a number, named by its end nearer to zero: the first digit, followed by zeros. So there are at most nine
/// of a sign and a magnitude, whatever is answered.
fn bucket(number: Decimal) -> Decimal {
    let mantissa = number.mantissa().unsigned_abs();
    let Some(digits) = mantissa.checked_ilog10() else { return Decimal::ZERO };
    let rest = mantissa % 10_u128.pow(digits);
    let first = i128::try_from(mantissa - rest).unwrap_or_default() * number.mantissa().signum();
    Decimal::from_i128_with_scale(first, number.scale()).normalize()
}

/// A one in the place of the first digit, with the sign.
fn unit(number: Decimal) -> Decimal {
    let magnitude = number.mantissa().unsigned_abs().checked_ilog10().map_or(0, |digits| 10_i128.pow(digits));
    Decimal::from_i128_with_scale(magnitude * number.mantissa().signum(), number.scale())
}

fn histogram(counts: &Counts) -> Value {
    let buckets: Vec<_> =
        counts.parts("bucket").filter_map(|(near, n)| Some((Decimal::from_str(near).ok()?, n))).collect();
    // Numbers of many magnitudes are shown by their magnitude alone.
    let coarse = buckets.len() > MAX_BUCKETS;
    let mut histogram = BTreeMap::new();
    for (near, count) in buckets {
        let unit = unit(near);
        let (near, far) = if coarse { (unit, unit * Decimal::TEN) } else { (near, near + unit) };
        *histogram.entry((near.min(far), near.max(far))).or_insert(0) += count;
    }
    let buckets = histogram
        .iter()
        .map(|((from, to), n)| json!({ "from": number(*from), "to": number(*to), "count": n }));
    buckets.collect()
}
