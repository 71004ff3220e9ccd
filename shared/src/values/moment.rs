//! Moments as clients write them.

use super::text::text;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, de::Error};

/// A moment, to the microsecond, in the years 1 to 9999 (what RFC 3339 can write).
///
/// Comes in as RFC 3339 or ISO 8601 with or without an offset (none means UTC), as a date alone (its first moment), or as
/// RFC 2822.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

const ACCEPTED: &str = "must be a date like 2030-01-31, 2030-01-31T18:00:00Z or Thu, 31 Jan 2030 18:00:00 GMT, \
                        in the years 1 to 9999";

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer)?;
        parse(text.trim()).filter(in_range).map(Self).ok_or_else(|| D::Error::custom(ACCEPTED))
    }
}

/// Whether RFC 3339 can write it.
pub(crate) fn in_range(moment: &DateTime<Utc>) -> bool {
    // A leap second, which chrono takes, is none that RFC 3339 could write again.
    (1..=9999).contains(&moment.year()) && moment.timestamp_subsec_nanos() < 1_000_000_000
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    // Four digits of a year first: chrono would also take "+12026" and "1-2-3".
    let iso = text
        .split('-')
        .next()
        .is_some_and(|year| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()));
    if !iso {
        return DateTime::parse_from_rfc2822(text).ok().map(|moment| moment.to_utc());
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let text = text.replacen(['t', ' '], "T", 1).replace('z', "Z");
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let offset = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
    local
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
        .map(|moment| moment.and_utc())
        .or_else(|| {
            offset
                .iter()
                .find_map(|format| DateTime::parse_from_str(&text, format).ok())
                .map(|moment| moment.to_utc())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{
        fields::{Given, Reading},
        text::BLANK,
    };
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Result<String, String> {
        Moment::deserialize(Given::new(json!(text), Reading::Strict))
            .map(|moment| moment.0.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn the_accepted_forms_are_read_as_utc() {
        for (sent, taken) in [
            ("2030-01-01", "2030-01-01T00:00:00Z"),
            ("2030-01-01T10:20:30", "2030-01-01T10:20:30Z"),
            ("2030-01-01 10:20:30", "2030-01-01T10:20:30Z"),
            ("2030-01-01 10:20", "2030-01-01T10:20:00Z"),
            ("2030-01-01 10:20:30.123456", "2030-01-01T10:20:30.123456Z"),
            ("2030-01-01T10:20:30Z", "2030-01-01T10:20:30Z"),
            ("2030-01-01t10:20:30z", "2030-01-01T10:20:30Z"),
            ("2030-01-01T10:20:30+05:00", "2030-01-01T05:20:30Z"),
            ("2030-01-01T10:20+0500", "2030-01-01T05:20:00Z"),
            ("2030-01-01T10:20:30-05", "2030-01-01T15:20:30Z"),
            ("Tue, 01 Jan 2030 10:00:00 GMT", "2030-01-01T10:00:00Z"),
            ("1 Jan 2030 10:00:00 +0100", "2030-01-01T09:00:00Z"),
            ("0001-01-01", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("2001-01-01", "2001-01-01T00:00:00Z"),
        ] {
            assert_eq!(read(sent), Ok(taken.to_owned()), "{sent}");
        }
    }

    #[test]
    fn anything_else_is_told_the_accepted_forms() {
        for bad in [
            "12026-01-01",
            "+12026-01-01",
            "0044-03-15 BC",
            "0000-01-01",
            "0001-01-01T00:00:00+05:00",
            "9999-12-31T23:59:59-05:00",
            "30-01-02",
            "2030-02-30",
            "2030-01-01 25:00",
            "2030-13-01",
            "2030",
            "1893456000",
            "next week",
            "now",
            "infinity",
            "10:30",
            "13.02.2030",
            "01/02/2030",
            "January 8, 2030",
            "2030-01-01T10:20:30Zzz",
            "2030-01-01T10:20:30+99:00",
            "2030-1-1T",
            "--",
            "2030-01-01T",
        ] {
            assert_eq!(read(bad), Err(ACCEPTED.to_owned()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_moment_that_can_be_written_or_told_what_is_accepted(
            text in prop_oneof![any::<String>(), "[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9])?(Z|[+-][0-9]{2,4})?)?"],
        ) {
            match read(&text) {
                Ok(moment) => prop_assert_eq!(read(&moment), Ok(moment)),
                Err(error) if text.trim().is_empty() => prop_assert_eq!(error, BLANK),
                Err(error) => prop_assert_eq!(error, ACCEPTED),
            }
        }

        #[test]
        fn what_goes_out_comes_back_the_same(seconds in -62_135_596_800_i64..253_402_300_800, micros in 0_u32..1_000_000) {
            let moment = DateTime::from_timestamp(seconds, micros * 1000).unwrap();
            let written = moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            prop_assert_eq!(read(&written), Ok(written));
        }
    }
}
