//! What is counted of answers.
//!
//! | kind | part | of |
//! |---|---|---|
//! | `answers` | empty | every answer |
//! | `option` | its value | single choice, multiple choice, ranking |
//! | `rank` | the value of an option | rankings, in which its ranks are added up |
//! | `other` | empty | choices |
//! | `value` | the value | booleans and scales |
//! | `cell` | row, line break, column | matrices, and the row alone for each row that was answered |
//! | `hour` | `18` | times of day |
//! | `bucket` | its end nearer to zero | numbers that share sign, magnitude and first digit; their sum is `total` |
//! | `day`, `year` | `2030-01-31`, `1987` | dates and moments (in UTC), by the day near the present, by the year elsewhere |
//! | `earlier`, `later` | empty | dates and moments outside of those years |
//!
//! Of the kinds down to `hour` a question has so many parts and no more: each has a place in the survey's counters. What
//! there is no end to (the last four) gets a row of its own once it occurs.

use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;

/// One thing to count in an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally {
    /// What kind of thing.
    pub kind: &'static str,
    /// Which of them.
    pub part: String,
    /// How much it counts.
    pub n: i64,
    /// What is added up beside that.
    pub total: Decimal,
}

impl Tally {
    pub(super) fn new(kind: &'static str, part: impl Into<String>) -> Self {
        Self { kind, part: part.into(), n: 1, total: Decimal::ZERO }
    }

    /// Kind and part as one text: `option cat`, `answers`.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.kind, &self.part)
    }
}

fn name(kind: &str, part: &str) -> String {
    if part.is_empty() { kind.to_owned() } else { format!("{kind} {part}") }
}

/// The counts of one question: number and total, by the name of what was counted (see [`Tally::name`]).
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<String, (i64, Decimal)>);

impl Counts {
    /// Add to a count.
    pub fn add(&mut self, name: String, n: i64, total: Decimal) {
        let count = self.0.entry(name).or_default();
        *count = (count.0 + n, count.1 + total);
    }

    /// The count of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> i64 {
        self.0.get(name).map_or(0, |(n, _)| *n)
    }

    /// How many answered.
    #[must_use]
    pub fn votes(&self) -> i64 {
        self.named("answers")
    }

    pub(super) fn n(&self, kind: &str, part: &str) -> i64 {
        self.named(&name(kind, part))
    }

    /// What the parts of a kind add up to.
    pub(super) fn sum(&self, kind: &str) -> Decimal {
        self.of_kind(kind).map(|(_, (_, total))| *total).sum()
    }

    /// All parts of a kind that were counted, in order.
    pub(super) fn parts(&self, kind: &str) -> impl DoubleEndedIterator<Item = (&str, i64)> {
        let counted = self.of_kind(kind).filter(|(_, (n, _))| *n > 0);
        counted.map(|(part, (n, _))| (part, *n))
    }

    fn of_kind(&self, kind: &str) -> impl DoubleEndedIterator<Item = (&str, &(i64, Decimal))> {
        // A blank comes before "!", and no kind has either.
        let names = self.0.range(format!("{kind} ")..format!("{kind}!"));
        let begin = kind.len() + 1;
        names.map(move |(name, count)| (&name[begin..], count))
    }
}

/// Exact numbers go out as they are.
pub(super) fn number(number: Decimal) -> Value {
    serde_json::from_str(&number.normalize().to_string()).unwrap_or_default()
}

/// `n` of `of`, to six digits; nothing of nothing is `null`.
pub(super) fn share(n: i64, of: i64) -> Value {
    ratio(n.into(), of)
}

/// `total` of each of `n`, to six digits; nothing of nothing is `null`.
pub(super) fn ratio(total: Decimal, n: i64) -> Value {
    total.checked_div(n.into()).map_or(Value::Null, |quotient| number(quotient.round_dp(6)))
}
