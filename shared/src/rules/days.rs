//! How days are counted: anybody may answer with any day of ten thousand years, and the counts must stay few.

use super::{Counts, Range, Tally, object};
use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Map, Value, json};

/// Days before and after the day a survey was made (a year, ten years) that are counted one by one.
const NEAR: (u64, u64) = (366, 3653);

/// Years that are counted one by one.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;

/// Bytes that the results need for all of the years, more or less. How many days are shown, the results bound.
pub(super) const BYTES: usize = 300 * 30;

pub(super) fn tally(day: NaiveDate, made: NaiveDate) -> Tally {
    let near = made.checked_sub_days(Days::new(NEAR.0)).is_none_or(|first| first <= day)
        && made.checked_add_days(Days::new(NEAR.1)).is_none_or(|last| day <= last);
    match day.year() {
        _ if near => Tally::new("day", day.to_string()),
        year if YEARS.contains(&year) => Tally::new("year", year.to_string()),
        year if year < *YEARS.start() => Tally::new("earlier", ""),
        _ => Tally::new("later", ""),
    }
}

/// What the counts say, where `write` writes the least and the greatest. The results may have left out some of the days.
pub(super) fn summary(
    counts: &Counts,
    range: Range,
    write: impl Fn(rust_decimal::Decimal) -> Option<String>,
) -> Map<String, Value> {
    let (earlier, later) = (counts.n("earlier", ""), counts.n("later", ""));
    let shown: i64 = counts.parts("day").chain(counts.parts("year")).map(|(_, n)| n).sum();
    let days = counts.parts("day").map(|(day, n)| json!({ "day": day, "count": n }));
    let years = counts.parts("year").map(|(year, n)| json!({ "year": year.parse::<i32>().ok(), "count": n }));
    object([
        ("min", json!(range.least.and_then(&write))),
        ("max", json!(range.greatest.and_then(&write))),
        ("days", days.collect()),
        ("years", years.collect()),
        ("earlier", json!(earlier)),
        ("later", json!(later)),
        ("notShown", json!(counts.votes() - shown - earlier - later)),
    ])
}
