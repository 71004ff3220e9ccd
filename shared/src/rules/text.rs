//! What the two types of texts have in common.

use super::{ordered, read};
use crate::values::{
    Fault, FaultCode, FieldErrors,
    text::{Whole, text},
};
use regex_lite::Regex;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// Bytes that a pattern may compile to. Matching takes time in proportion to them, and to the text.
const MAX_PATTERN: usize = 1 << 13;

/// The longest text that a pattern is matched with.
const MAX_MATCHED: i64 = 1000;

pub(super) struct TextRules {
    min_length: i64,
    max_length: i64,
    pattern: Option<Pattern>,
}

impl TextRules {
    /// The rules; `usual` characters where they say nothing, and never more than `most`.
    pub(super) fn define(reply_content: Option<&Value>, usual: i64, most: i64) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            min_length: Option<Whole<0, 100_000>>,
            max_length: Option<Whole<1, 100_000>>,
            pattern: Option<Pattern>,
        }
        let Given { min_length, max_length, pattern } = read(reply_content)?;
        let min_length = min_length.map_or(0, Whole::get);
        let usual = if pattern.is_some() { usual.min(MAX_MATCHED) } else { usual };
        let max_length = max_length.map_or(usual.max(min_length), Whole::get);
        if max_length > most {
            return Err(FieldErrors::one("maxLength", format!("may be at most {most}")));
        }
        ordered(["minLength", "maxLength"], Some(&min_length), Some(&max_length))?;
        if pattern.is_some() && max_length > MAX_MATCHED {
            return Err(FieldErrors::one("pattern", format!("needs a maxLength of at most {MAX_MATCHED}")));
        }
        Ok(Self { min_length, max_length, pattern })
    }

    /// Bytes that the compiled pattern takes, and what matching needs beside it.
    pub(super) fn memory(&self) -> usize {
        if self.pattern.is_some() { 4 * MAX_PATTERN } else { 0 }
    }

    pub(super) fn check(&self, text: &str) -> Result<(), Vec<Fault>> {
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        if length < self.min_length {
            let text = format!("must have at least {} characters", self.min_length);
            return Err(Fault::new(FaultCode::TooShort, text).into());
        }
        if length > self.max_length {
            let text = format!("may have at most {} characters", self.max_length);
            return Err(Fault::new(FaultCode::TooLong, text).into());
        }
        match &self.pattern {
            Some(pattern) if !pattern.0.is_match(text) => {
                Err(Fault::new(FaultCode::Pattern, "doesn't have the form asked for").into())
            }
            _ => Ok(()),
        }
    }
}

/// An answer that has to be text.
pub(super) fn string(answer: &Value) -> Result<&str, Fault> {
    answer.as_str().ok_or_else(|| Fault::new(FaultCode::WrongType, "must be text"))
}

/// A regular expression that the whole text has to match, in time linear in the text.
struct Pattern(Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = text(deserializer)?;
        if pattern.len() > 500 {
            return Err(de::Error::custom("may have at most 500 bytes"));
        }
        let build = |pattern: &str| regex_lite::RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
        // Alone, too: the group must not be closed by the pattern itself.
        build(&pattern)
            .and_then(|_| build(&format!("^(?:{pattern})$")))
            .map(Self)
            .map_err(|error| de::Error::custom(format!("is no regular expression: {error}")))
    }
}
