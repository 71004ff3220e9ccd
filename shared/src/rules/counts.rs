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
        if self.part.is_empty() { self.kind.to_owned() } else { format!("{} {}", self.kind, self.part) }
    }
}

/// The counts of one question: kind and part, number and total.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<(String, String), (i64, Decimal)>);

impl Counts {
    /// Add to a count.
    pub fn add(&mut self, kind: &str, part: &str, n: i64, total: Decimal) {
        let count = self.0.entry((kind.to_owned(), part.to_owned())).or_default();
        *count = (count.0 + n, count.1 + total);
    }

    /// Add to the count of this name.
    pub fn add_named(&mut self, name: &str, n: i64) {
        let (kind, part) = name.split_once(' ').unwrap_or((name, ""));
        self.add(kind, part, n, Decimal::ZERO);
    }

    /// The count of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> i64 {
        let (kind, part) = name.split_once(' ').unwrap_or((name, ""));
        self.n(kind, part)
    }

    /// How many answered.
    #[must_use]
    pub fn votes(&self) -> i64 {
        self.n("answers", "")
    }

    /// What the parts of a kind add up to.
    pub(super) fn sum(&self, kind: &str) -> Decimal {
        self.0.iter().filter(|((k, _), _)| k == kind).map(|(_, (_, total))| *total).sum()
    }

    pub(super) fn n(&self, kind: &str, part: &str) -> i64 {
        self.0.get(&(kind.to_owned(), part.to_owned())).map_or(0, |(n, _)| *n)
    }

    /// All parts of a kind that were counted, in order.
    pub(super) fn parts(&self, kind: &str) -> impl DoubleEndedIterator<Item = (&str, i64)> {
        let of_kind = self.0.iter().filter(move |((k, _), (n, _))| k == kind && *n > 0);
        of_kind.map(|((_, part), (n, _))| (part.as_str(), *n))
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
