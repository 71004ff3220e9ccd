//! Texts with limits: a value of these types is valid, so no later line needs to ask.

use crate::http::Blank;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// One line of 1 to `MAX` characters, without blanks around it: names, types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<const MAX: usize>(String);

/// Text of 1 to `MAX` characters, line breaks and outer blanks kept: descriptions, questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prose<const MAX: usize>(String);

impl<const MAX: usize> Line<MAX> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Prose<MAX> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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

/// A text parameter. Numbers and booleans are taken as their text, as flaskForms did.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) if text.trim().is_empty() => Err(D::Error::custom(Blank)),
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Err(D::Error::custom(Blank)),
        Value::Array(_) | Value::Object(_) => Err(D::Error::custom("must be text")),
    }
}

fn within(text: &str, max: usize) -> Result<(), String> {
    if text.chars().count() <= max { Ok(()) } else { Err(format!("may have at most {max} characters")) }
}

/// A yes or no: a JSON boolean, or the text that flaskForms' clients send as a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match text(deserializer)?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Self(true)),
            "false" | "0" => Ok(Self(false)),
            _ => Err(D::Error::custom("must be true or false")),
        }
    }
}

/// An identifier of ours: a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub uuid::Uuid);

impl Id {
    /// A new one, of this moment.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer)?;
        text.trim().parse().map(Self).map_err(|_| D::Error::custom("must be an id (a UUID)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn parse<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    #[test]
    fn a_line_has_no_blanks_around_it() {
        assert_eq!(parse::<Line<5>>(json!("  Ada ")).unwrap().as_str(), "Ada");
    }

    #[test]
    fn limits_count_characters_not_bytes() {
        assert!(parse::<Line<5>>(json!("ŻółćŻ")).is_ok());
        assert_eq!(parse::<Line<5>>(json!("sixsix")).unwrap_err(), "may have at most 5 characters");
    }

    #[test]
    fn blank_text_is_missing() {
        for blank in [json!(""), json!(" \t\n"), json!(null)] {
            assert_eq!(parse::<Line<5>>(blank.clone()).unwrap_err(), "This field cannot be blank");
            assert_eq!(parse::<Prose<5>>(blank).unwrap_err(), "This field cannot be blank");
        }
    }

    #[test]
    fn a_line_break_is_prose() {
        assert!(parse::<Prose<9>>(json!("one\ntwo")).is_ok());
        assert_eq!(parse::<Line<9>>(json!("one\ntwo")).unwrap_err(), "must be a single line");
    }

    #[test]
    fn a_flag_is_a_boolean_or_its_text() {
        for yes in [json!(true), json!("True"), json!("true"), json!(1), json!("1")] {
            assert_eq!(parse::<Flag>(yes), Ok(Flag(true)));
        }
        for no in [json!(false), json!("False"), json!("0")] {
            assert_eq!(parse::<Flag>(no), Ok(Flag(false)));
        }
        assert_eq!(parse::<Flag>(json!("yes")).unwrap_err(), "must be true or false");
    }

    proptest! {
        #[test]
        fn a_line_that_parses_is_within_its_limits(text in any::<String>()) {
            if let Ok(line) = parse::<Line<7>>(json!(text)) {
                prop_assert!((1..=7).contains(&line.as_str().chars().count()));
                prop_assert_eq!(line.as_str(), line.as_str().trim());
                prop_assert!(!line.as_str().contains(char::is_control));
                prop_assert_eq!(&parse::<Line<7>>(json!(line.as_str())).unwrap(), &line);
            }
        }
    }
}
