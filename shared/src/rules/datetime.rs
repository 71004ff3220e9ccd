//! `datetime`: RFC 3339 with an offset, a moment of the years 1 to 9999. It is counted by its day in UTC.

use super::{
    Counts, Measure, QuestionType, Range, Tally,
    bounds::{Bounds, Written},
    days,
};
use crate::values::{Fault, FaultCode, FieldErrors, moment};
use chrono::{NaiveDate, SecondsFormat, Utc};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde_json::{Map, Value};

pub(super) struct DateTime(Bounds<chrono::DateTime<Utc>>);

impl Written for chrono::DateTime<Utc> {
    const EXPECTED: &'static str = "must be a time like 2030-01-31T18:00:00+01:00, with an offset";

    fn read(text: &str) -> Option<Self> {
        let moment = chrono::DateTime::parse_from_rfc3339(text).ok();
        moment.map(|moment| moment.to_utc()).filter(moment::in_range)
    }

    fn write(&self) -> String {
        self.to_rfc3339()
    }
}

impl QuestionType for DateTime {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        Bounds::define(reply_content).map(Self)
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        // New answers are RFC 3339 without what that leaves to agreement, a blank in place of the T; and chrono also takes the
        // minus sign of typesetters, U+2212.
        let plain = |text: &str| text.is_ascii() && matches!(text.as_bytes().get(10), Some(b'T' | b't'));
        if answer.as_str().is_some_and(|text| !plain(text)) {
            return Err(Fault::new(FaultCode::Malformed, chrono::DateTime::<Utc>::EXPECTED).into());
        }
        self.0.check(answer)
    }

    /// In seconds since 1970, to the microsecond.
    fn measure(&self, answer: &Value) -> Measure {
        let moment = chrono::DateTime::<Utc>::read(answer.as_str()?)?;
        Some(Decimal::new(moment.timestamp_micros(), 6))
    }

    fn count(&self, answer: &Value, made: NaiveDate, tallies: &mut Vec<Tally>) {
        let moment = answer.as_str().and_then(chrono::DateTime::<Utc>::read);
        tallies.extend(moment.map(|moment| days::tally(moment.date_naive(), made)));
    }

    fn bytes(&self) -> usize {
        days::BYTES
    }

    fn summary(&self, counts: &Counts, range: Range) -> Map<String, Value> {
        days::summary(counts, range, |measure| {
            let micros = (measure * Decimal::from(1_000_000)).to_i64()?;
            Some(
                chrono::DateTime::from_timestamp_micros(micros)?.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            )
        })
    }
}
