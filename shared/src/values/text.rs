//! Texts and numbers with limits, and yes or no.

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use std::fmt;

/// flaskForms' text for a required parameter that is missing or blank.
pub const BLANK: &str = "This field cannot be blank";

/// One line of 1 to `MAX` characters, without blanks around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<const MAX: usize>(String);

/// Text of 1 to `MAX` characters, with its line breaks and outer blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prose<const MAX: usize>(String);

/// Text of at most `MAX` characters that may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionalProse<const MAX: usize>(String);

macro_rules! as_str {
    ($($name:ident)*) => {$(
        impl<const MAX: usize> $name<MAX> {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )*};
}

as_str! { Line Prose OptionalProse }

impl<'de, const MAX: usize> Deserialize<'de> for Line<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer)?;
        let text = text.trim();
        within(text, MAX).map_err(D::Error::custom)?;
        if text.contains(char::is_control) {
            return Err(D::Error::custom("must be a single line"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Prose<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer)?;
        within(&text, MAX).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for OptionalProse<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(TextVisitor)?;
        within(&text, MAX).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
    fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }
}

/// A text that is not blank.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = deserializer.deserialize_str(TextVisitor)?;
    if text.trim().is_empty() { Err(D::Error::custom(BLANK)) } else { Ok(text) }
}

fn within(text: &str, max: usize) -> Result<(), String> {
    if text.chars().count() <= max { Ok(()) } else { Err(format!("may have at most {max} characters")) }
}

/// A yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }
        }
        deserializer.deserialize_bool(FlagVisitor)
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    /// The number.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor<const MIN: i64, const MAX: i64>;
        impl<const MIN: i64, const MAX: i64> Visitor<'_> for WholeVisitor<MIN, MAX> {
            type Value = Whole<MIN, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                if (MIN..=MAX).contains(&number) {
                    Ok(Whole(number))
                } else {
                    Err(E::custom(format_args!("must be a whole number from {MIN} to {MAX}")))
                }
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_i64(WholeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::fields::{Given, Reading};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read<T: for<'de> Deserialize<'de>>(value: Value, reading: Reading) -> Result<T, String> {
        T::deserialize(Given::new(value, reading)).map_err(|e| e.to_string())
    }

    fn lenient<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
        read(value, Reading::Lenient)
    }

    #[test]
    fn a_line_has_no_blanks_around_it() {
        assert_eq!(lenient::<Line<5>>(json!("  Ada ")).unwrap().as_str(), "Ada");
    }

    #[test]
    fn limits_count_characters_not_bytes() {
        assert!(lenient::<Line<5>>(json!("ŻółćŻ")).is_ok());
        assert_eq!(lenient::<Line<5>>(json!("sixsix")).unwrap_err(), "may have at most 5 characters");
    }

    #[test]
    fn blank_text_is_missing() {
        for blank in [json!(""), json!(" \t\n"), json!(null)] {
            assert_eq!(lenient::<Line<5>>(blank.clone()).unwrap_err(), BLANK);
            assert_eq!(lenient::<Prose<5>>(blank).unwrap_err(), BLANK);
        }
        assert_eq!(lenient::<OptionalProse<5>>(json!("")).unwrap().as_str(), "");
    }

    #[test]
    fn a_line_break_is_prose() {
        assert!(lenient::<Prose<9>>(json!("one\ntwo")).is_ok());
        assert_eq!(lenient::<Line<9>>(json!("one\ntwo")).unwrap_err(), "must be a single line");
    }

    #[test]
    fn a_flag_is_a_boolean_or_where_text_is_all_there_is_its_text() {
        for yes in [json!(true), json!("True"), json!("true"), json!(1), json!("1")] {
            assert_eq!(lenient::<Flag>(yes), Ok(Flag(true)));
        }
        for no in [json!(false), json!("False"), json!("0")] {
            assert_eq!(lenient::<Flag>(no), Ok(Flag(false)));
        }
        assert_eq!(lenient::<Flag>(json!("yes")).unwrap_err(), "must be true or false");
        for text in [json!("true"), json!(1)] {
            assert_eq!(read::<Flag>(text, Reading::Strict).unwrap_err(), "must be true or false");
        }
    }

    #[test]
    fn read_strictly_each_json_type_is_itself_alone() {
        for (value, is_text) in
            [(json!("a"), true), (json!(5), false), (json!(true), false), (json!(["a"]), false)]
        {
            assert_eq!(read::<Line<5>>(value.clone(), Reading::Strict).is_ok(), is_text, "{value}");
        }
        assert_eq!(read::<Line<5>>(json!(5), Reading::Strict).unwrap_err(), "must be text");
        assert_eq!(
            read::<Whole<1, 9>>(json!("5"), Reading::Strict).unwrap_err(),
            "must be a whole number from 1 to 9"
        );
        for five in ["5", "5.0", "50e-1", "0.5E1"] {
            let five = serde_json::from_str(five).unwrap();
            assert_eq!(read::<Whole<1, 9>>(five, Reading::Strict), Ok(Whole(5)));
        }
        assert_eq!(lenient::<Whole<1, 9>>(json!(" 5 ")), Ok(Whole(5)));
        for bad in [json!(0), json!(10), json!(1.5), json!(1e300), json!("many"), json!([1])] {
            assert_eq!(lenient::<Whole<1, 9>>(bad).unwrap_err(), "must be a whole number from 1 to 9");
        }
    }

    proptest! {
        #[test]
        fn a_line_that_is_good_is_within_its_limits(text in any::<String>()) {
            if let Ok(line) = lenient::<Line<7>>(json!(text)) {
                prop_assert!((1..=7).contains(&line.as_str().chars().count()));
                prop_assert_eq!(line.as_str(), line.as_str().trim());
                prop_assert!(!line.as_str().contains(char::is_control));
                prop_assert_eq!(&lenient::<Line<7>>(json!(line.as_str())).unwrap(), &line);
            }
        }
    }
}
