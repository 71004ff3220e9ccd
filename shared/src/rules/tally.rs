//! What of a reply is counted, and what the counts say.
//!
//! | kind | part | of |
//! |---|---|---|
//! | `answers`, `single` | empty | every reply, in a whole response or sent alone; `total` is the sum of numbers |
//! | `option` | its value | single choice, multiple choice; ranking, where `total` is the sum of its ranks |
//! | `other` | empty | choices |
//! | `value` | the value | booleans and scales |
//! | `bucket` | the end nearer to zero | numbers that share sign, magnitude and first digit |
//! | `cell` | row, line break, column | matrices, and the row alone for each row that was answered |
//! | `day`, `hour` | `2030-01-31`, `18` | dates and moments (in UTC); times of day |

use super::{ChoiceRules, Date, MatrixRules, Moment, Number, Options, Rules, ScaleRules, Time, option_value};
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Timelike};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::{Value, json};
use std::{collections::BTreeMap, str::FromStr};

/// One thing to count in a reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally {
    /// What kind of thing.
    pub kind: &'static str,
    /// Which of them.
    pub part: String,
    /// What is added up beside the number.
    pub total: Decimal,
}

impl Tally {
    fn new(kind: &'static str, part: impl Into<String>) -> Self {
        Self { kind, part: part.into(), total: Decimal::ZERO }
    }
}

/// The counts of one question: kind, part, number, total.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<(String, String), (i64, Decimal)>);

impl Counts {
    /// From the rows of `question_counters`, added up over the shards, as SQL's `jsonb_agg` lists them.
    pub(crate) fn of(rows: &Value) -> Self {
        let mut counts = BTreeMap::new();
        for row in rows.as_array().into_iter().flatten() {
            let text = |index: usize| row.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
            let n = row.get(2).and_then(Value::as_i64).unwrap_or_default();
            counts.insert((text(0), text(1)), (n, Decimal::from_str(&text(3)).unwrap_or_default()));
        }
        Self(counts)
    }

    fn n(&self, kind: &str, part: &str) -> i64 {
        self.0.get(&(kind.to_owned(), part.to_owned())).map_or(0, |(n, _)| *n)
    }

    fn total(&self, kind: &str, part: &str) -> Decimal {
        self.0.get(&(kind.to_owned(), part.to_owned())).map_or(Decimal::ZERO, |(_, total)| *total)
    }

    /// All parts of a kind that were counted, in order.
    fn parts(&self, kind: &str) -> impl DoubleEndedIterator<Item = (&str, i64)> {
        let of_kind = self.0.iter().filter(move |((k, _), (n, _))| k == kind && *n > 0);
        of_kind.map(|((_, part), (n, _))| (part.as_str(), *n))
    }

    /// How many replied.
    pub(crate) fn votes(&self) -> i64 {
        self.n("answers", "") + self.n("single", "")
    }
}

impl Rules {
    /// What is counted of a reply that was checked. Depends on the type and the reply alone, so that a deleted response
    /// takes away just what it had added, whatever was edited in between.
    #[must_use]
    pub fn tallies(&self, reply: &Value, single: bool) -> Vec<Tally> {
        let mut all = vec![Tally::new(if single { "single" } else { "answers" }, "")];
        match self {
            Self::Custom | Self::Text(_) => {}
            Self::Number(_) => {
                if let (Some(Number(number)), Some(first)) = (Number::of(reply), all.first_mut()) {
                    first.total = number;
                    all.push(Tally::new("bucket", bucket(number).to_string()));
                }
            }
            Self::Boolean => all.push(Tally::new("value", reply.to_string())),
            Self::SingleChoice(_) => all.push(option(reply)),
            Self::MultiChoice(_) => all.extend(reply.as_array().into_iter().flatten().map(option)),
            Self::Ranking(_) => {
                let ranked = reply.as_array().into_iter().flatten().enumerate();
                all.extend(ranked.map(|(index, item)| Tally { total: (index + 1).into(), ..option(item) }));
            }
            Self::Scale(_) => {
                if let Some(Number(step)) = Number::of(reply) {
                    all.push(Tally::new("value", step.to_string()));
                }
            }
            Self::Matrix(_) => {
                for (row, columns) in reply.as_object().into_iter().flatten() {
                    all.push(Tally::new("cell", row));
                    let columns = columns.as_array().map_or(std::slice::from_ref(columns), Vec::as_slice);
                    let cell = |column| {
                        Tally::new("cell", format!("{row}\n{}", option_value(column).unwrap_or_default()))
                    };
                    all.extend(columns.iter().map(cell));
                }
            }
            Self::Date(_) => {
                all.extend(reply.as_str().and_then(Date::of).map(|day| Tally::new("day", day.0.to_string())));
            }
            Self::Time(_) => {
                let hour = reply.as_str().and_then(Time::of).map(|time| format!("{:02}", time.0.hour()));
                all.extend(hour.map(|hour| Tally::new("hour", hour)));
            }
            Self::DateTime(_) => {
                let day = reply.as_str().and_then(Moment::of).map(|moment| moment.0.date_naive().to_string());
                all.extend(day.map(|day| Tally::new("day", day)));
            }
        }
        all
    }

    /// What the counts say, by type. `least` and `greatest` are of [`super::check::Place`].
    pub(crate) fn summary(
        &self,
        counts: &Counts,
        least: Option<Decimal>,
        greatest: Option<Decimal>,
    ) -> Value {
        match self {
            Self::Custom | Self::Text(_) => json!({}),
            Self::Number(_) => numbers(counts, least, greatest),
            Self::Boolean => {
                json!({ "values": distribution(counts, ["true", "false"].into_iter().map(str::to_owned)) })
            }
            Self::SingleChoice(rules) | Self::MultiChoice(rules) => choices(rules, counts),
            Self::Ranking(rules) => ranking(rules, counts),
            Self::Scale(rules) => scale(rules, counts),
            Self::Matrix(rules) => matrix(rules, counts),
            Self::Date(_) => {
                let day = |place: Option<Decimal>| {
                    place
                        .and_then(|days| NaiveDate::from_num_days_from_ce_opt(days.to_i32()?))
                        .map(|day| day.to_string())
                };
                json!({ "min": day(least), "max": day(greatest), "days": parts(counts, "day") })
            }
            Self::Time(_) => {
                let time = |place: Option<Decimal>| {
                    place
                        .and_then(|s| NaiveTime::from_num_seconds_from_midnight_opt(s.to_u32()?, 0))
                        .map(|t| t.to_string())
                };
                json!({ "min": time(least), "max": time(greatest), "hours": parts(counts, "hour") })
            }
            Self::DateTime(_) => {
                let moment = |place: Option<Decimal>| {
                    let micros = (place? * Decimal::from(1_000_000)).to_i64()?;
                    Some(
                        DateTime::from_timestamp_micros(micros)?.to_rfc3339_opts(SecondsFormat::AutoSi, true),
                    )
                };
                json!({ "min": moment(least), "max": moment(greatest), "days": parts(counts, "day") })
            }
        }
    }

    /// The option in use that `new` rules no longer have.
    pub(crate) fn missing_in<'a>(&'a self, new: &Self, counts: &Counts) -> Option<&'a str> {
        let gone = |options: &'a Options, others: &Options, used: &dyn Fn(&str) -> bool| {
            options
                .0
                .iter()
                .map(|o| o.value.as_str())
                .find(|value| others.find(value).is_none() && used(value))
        };
        match (self, new) {
            (Self::Matrix(old), Self::Matrix(new)) => {
                let row = |value: &str| counts.n("cell", value) > 0;
                let column = |value: &str| {
                    counts.parts("cell").any(|(cell, _)| cell.split('\n').nth(1) == Some(value))
                };
                gone(&old.rows, &new.rows, &row).or_else(|| gone(&old.columns, &new.columns, &column))
            }
            _ => gone(self.options()?, new.options()?, &|value| counts.n("option", value) > 0),
        }
    }

    /// Whether counts under these rules can go on under `new` ones.
    pub(crate) fn compatible(&self, new: &Self) -> bool {
        match (self, new) {
            (Self::Matrix(old), Self::Matrix(new)) => old.multiple == new.multiple,
            _ => true,
        }
    }
}

fn option(reply: &Value) -> Tally {
    option_value(reply).map_or_else(|| Tally::new("other", ""), |value| Tally::new("option", value))
}

/// The end nearer to zero of the bucket of a number: its first digit, followed by zeros.
fn bucket(number: Decimal) -> Decimal {
    let mantissa = number.mantissa().unsigned_abs();
    let Some(digits) = mantissa.checked_ilog10() else { return Decimal::ZERO };
    let rest = mantissa % 10_u128.pow(digits);
    let first = i128::try_from(mantissa - rest).unwrap_or_default() * number.mantissa().signum();
    Decimal::from_i128_with_scale(first, number.scale()).normalize()
}

/// Exact numbers go out as they are.
fn number(number: Decimal) -> Value {
    serde_json::from_str(&number.normalize().to_string()).unwrap_or_default()
}

/// `n` of `of`, to six digits; nothing of nothing is `null`.
fn share(n: i64, of: i64) -> Value {
    ratio(n.into(), of)
}

fn ratio(total: Decimal, n: i64) -> Value {
    total.checked_div(n.into()).map_or(Value::Null, |quotient| number(quotient.round_dp(6)))
}

/// The most buckets of a histogram: beyond that they are ten times as wide.
const BUCKETS: usize = 60;

/// A one in the place of the first digit, with the sign.
fn unit(number: Decimal) -> Decimal {
    let magnitude = number.mantissa().unsigned_abs().checked_ilog10().map_or(0, |digits| 10_i128.pow(digits));
    Decimal::from_i128_with_scale(magnitude * number.mantissa().signum(), number.scale())
}

fn numbers(counts: &Counts, least: Option<Decimal>, greatest: Option<Decimal>) -> Value {
    let (n, sum) = (counts.votes(), counts.total("answers", "") + counts.total("single", ""));
    let buckets: Vec<_> =
        counts.parts("bucket").filter_map(|(end, n)| Some((Decimal::from_str(end).ok()?, n))).collect();
    // Numbers all over the place are shown by their magnitude alone.
    let coarse = buckets.len() > BUCKETS;
    let mut histogram = BTreeMap::new();
    for (near, count) in buckets {
        let unit = unit(near);
        let (near, far) = if coarse { (unit, unit * Decimal::TEN) } else { (near, near + unit) };
        *histogram.entry((near.min(far), near.max(far))).or_insert(0) += count;
    }
    let histogram = histogram
        .iter()
        .map(|((from, to), n)| json!({ "from": number(*from), "to": number(*to), "count": n }));
    json!({
        "count": n,
        "sum": number(sum),
        "mean": ratio(sum, n),
        "min": least.map(number),
        "max": greatest.map(number),
        "histogram": histogram.collect::<Vec<_>>(),
    })
}

fn distribution(counts: &Counts, values: impl Iterator<Item = String>) -> Value {
    let each = values.map(|value| {
        let n = counts.n("value", &value);
        let shown: Value = serde_json::from_str(&value).unwrap_or_default();
        json!({ "value": shown, "count": n, "share": share(n, counts.votes()) })
    });
    each.collect()
}

fn choices(rules: &ChoiceRules, counts: &Counts) -> Value {
    let votes = counts.votes();
    let options = rules.options.0.iter().map(|option| {
        let n = counts.n("option", &option.value);
        json!({ "value": option.value, "count": n, "share": share(n, votes), "retired": option.retired })
    });
    let mut summary = json!({ "options": options.collect::<Value>() });
    let other = counts.n("other", "");
    if let Some(summary) = summary.as_object_mut().filter(|_| rules.other || other > 0) {
        summary.insert("other".to_owned(), json!({ "count": other, "share": share(other, votes) }));
    }
    summary
}

fn ranking(rules: &ChoiceRules, counts: &Counts) -> Value {
    let options = rules.options.0.iter().map(|option| {
        let (n, ranks) = (counts.n("option", &option.value), counts.total("option", &option.value));
        json!({ "value": option.value, "count": n, "meanRank": ratio(ranks, n), "retired": option.retired })
    });
    json!({ "options": options.collect::<Value>() })
}

fn scale(rules: &ScaleRules, counts: &Counts) -> Value {
    let values: Vec<i32> = counts.parts("value").filter_map(|(value, _)| value.parse().ok()).collect();
    // An edit may have narrowed the scale: what was answered before is still shown.
    let least = values.iter().copied().min().unwrap_or(rules.min).min(rules.min);
    let greatest = values.iter().copied().max().unwrap_or(rules.max).max(rules.max);
    let of = |range: std::ops::RangeInclusive<i32>| -> i64 {
        range.map(|v| counts.n("value", &v.to_string())).sum()
    };
    let sum: Decimal =
        values.iter().map(|v| Decimal::from(*v) * Decimal::from(counts.n("value", &v.to_string()))).sum();
    let votes = counts.votes();
    let mut summary = json!({
        "values": distribution(counts, (least..=greatest).map(|value| value.to_string())),
        "mean": ratio(sum, votes),
    });
    if let Some(summary) = summary.as_object_mut().filter(|_| rules.nps) {
        let (promoters, passives, detractors) = (of(9..=10), of(7..=8), of(0..=6));
        summary.insert("promoters".to_owned(), json!(promoters));
        summary.insert("passives".to_owned(), json!(passives));
        summary.insert("detractors".to_owned(), json!(detractors));
        let score = Decimal::from(100 * (promoters - detractors)).checked_div(votes.into());
        summary.insert("score".to_owned(), score.map_or(Value::Null, |score| number(score.round_dp(1))));
    }
    summary
}

fn matrix(rules: &MatrixRules, counts: &Counts) -> Value {
    let rows = rules.rows.0.iter().map(|row| {
        let answered = counts.n("cell", &row.value);
        let cells = rules.columns.0.iter().map(|column| {
            let n = counts.n("cell", &format!("{}\n{}", row.value, column.value));
            json!({ "column": column.value, "count": n, "share": share(n, answered) })
        });
        json!({ "row": row.value, "count": answered, "retired": row.retired, "cells": cells.collect::<Value>() })
    });
    json!({ "rows": rows.collect::<Value>() })
}

fn parts(counts: &Counts, kind: &str) -> Value {
    counts.parts(kind).map(|(part, n)| json!({ kind: part, "count": n })).collect()
}
