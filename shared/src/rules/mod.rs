//! What an answer to a question may be, what of it is counted, and what the results say: one file a question type.
//!
//! The rules are a question's `type` and its `replyContent`. They are checked strictly when the question is saved, and decide
//! alone what a valid answer is. A type that has no file here is the client's own (`own`).
//!
//! To add a type: a file with a struct that is a `QuestionType`, a line in `types!` below, its schemas in
//! functions/openapi.yaml, and what it counts in `recount` (CONTRIBUTING.md).

mod boolean;
mod bounds;
mod counts;
mod date;
mod datetime;
mod days;
mod decimal;
mod definition;
mod long_text;
mod matrix;
mod multi_choice;
mod nps;
mod number;
mod options;
mod own;
mod ranking;
mod scale;
mod short_text;
mod single_choice;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use counts::{Counts, Tally};
pub use definition::{Content, Definition, Definitions, MAX_QUESTIONS, TypeName, check_type};
pub(crate) use definition::{TOO_LARGE, TOO_MANY, bytes};

use crate::values::{
    Fault, FieldErrors,
    fields::{self, Reading},
};
use chrono::NaiveDate;
use options::Options;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// An answer as a number, for types that have an order: the number itself, a day, a time of day. Their least and greatest are
/// shown in the results.
pub type Measure = Option<Decimal>;

/// The least and the greatest [`Measure`] that was answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// The least.
    pub least: Measure,
    /// The greatest.
    pub greatest: Measure,
}

/// What a question type decides.
trait QuestionType {
    /// The rules in `replyContent`.
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors>
    where
        Self: Sized;

    /// Whether an answer says nothing, like `null`.
    fn is_blank(&self, answer: &Value) -> bool {
        match answer {
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        }
    }

    /// Check an answer that is not blank.
    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>>;

    /// A checked answer as a number. Like `count` it depends on nothing that can be edited.
    fn measure(&self, _answer: &Value) -> Measure {
        None
    }

    /// What is counted of a checked answer, beside its being there. Depends on the type, the answer and the day the survey was
    /// made, and on nothing that can be edited, so that a deleted response takes away just what it had added.
    fn count(&self, _answer: &Value, _made: NaiveDate, _tallies: &mut Vec<Tally>) {}

    /// The kind and part of all that can be counted, where there is an end to it: each gets a place in the survey's counters.
    fn parts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What the counts say.
    fn summary(&self, _counts: &Counts, _range: Range) -> Map<String, Value> {
        Map::new()
    }

    /// The options by which answers are counted, retired ones among them.
    fn options(&self) -> Option<&Options> {
        None
    }

    /// Whether any JSON is an answer, `null` and what is empty included.
    fn takes_anything(&self) -> bool {
        false
    }

    /// Bytes that the rules take in memory beside what they name, more or less.
    fn memory(&self) -> usize {
        self.bytes()
    }

    /// Bytes that the results need for what is counted apart, more or less.
    fn bytes(&self) -> usize {
        self.options().map_or(0, Options::bytes)
    }

    /// What has been answered and `new` rules of the same type no longer have, so that its count would be lost.
    fn lost_in(&self, new: &Rules, counts: &Counts) -> Option<String> {
        self.options()?.missing_in(new.0.options()?, |value| counts.n("option", value) > 0)
    }

    /// Whether counts under these rules can go on under `new` ones of the same type.
    fn can_become(&self, _new: &Rules) -> bool {
        true
    }

    /// For the rules of a matrix to be compared.
    fn as_matrix(&self) -> Option<&matrix::Matrix> {
        None
    }
}

/// The rules of one question.
pub struct Rules(Box<dyn QuestionType + Send + Sync>);

macro_rules! types {
    ($($name:literal => $type:ty,)*) => {
        /// The types that have rules. Every other type is the client's own.
        pub const TYPES: &[&str] = &[$($name),*];

        impl Rules {
            /// The rules of a question of this type.
            ///
            /// # Errors
            /// Every rule that is unknown, malformed or impossible.
            pub fn parse(r#type: &str, reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
                Ok(Self(match r#type {
                    $($name => Box::new(<$type>::define(reply_content)?),)*
                    _ => Box::new(own::Own::define(reply_content)?),
                }))
            }
        }
    };
}

types! {
    "short_text" => short_text::ShortText,
    "long_text" => long_text::LongText,
    "number" => number::Number,
    "boolean" => boolean::Boolean,
    "single_choice" => single_choice::SingleChoice,
    "multi_choice" => multi_choice::MultiChoice,
    "ranking" => ranking::Ranking,
    "scale" => scale::Scale,
    "nps" => nps::Nps,
    "matrix" => matrix::Matrix,
    "date" => date::Date,
    "time" => time::Time,
    "datetime" => datetime::DateTime,
}

impl Rules {
    /// The rules of a stored question. What was stored under a name that had no rules yet, or under rules that have become
    /// stricter, is taken for a type of the client's own, so that it can still be read and answered.
    #[must_use]
    pub fn of_stored(r#type: &str, reply_content: Option<&Value>) -> Self {
        Self::parse(r#type, reply_content).unwrap_or_else(|errors| {
            tracing::warn!(r#type, %errors, "a stored question has no good rules");
            Self(Box::new(own::Own))
        })
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rules")
    }
}

impl Rules {
    /// Whether `answer` says nothing: `null`, and what is empty in a typed question.
    #[must_use]
    pub fn is_blank(&self, answer: &Value) -> bool {
        answer.is_null() || self.0.is_blank(answer)
    }

    /// Check an answer that is not blank.
    ///
    /// # Errors
    /// The faults of the answer: of a matrix those of all rows, of other types the first.
    pub fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        self.0.check(answer)
    }

    /// A checked answer as a number.
    #[must_use]
    pub fn measure(&self, answer: &Value) -> Measure {
        self.0.measure(answer)
    }

    /// What is counted of a checked answer to a survey made on that day.
    #[must_use]
    pub fn tallies(&self, answer: &Value, made: NaiveDate) -> Vec<Tally> {
        let mut tallies = vec![Tally::new("answers", "")];
        self.0.count(answer, made, &mut tallies);
        tallies
    }

    /// The names of all that can be counted and has an end to it (see [`Tally::name`]).
    #[must_use]
    pub fn parts(&self) -> Vec<String> {
        let parts = self.0.parts().into_iter().map(|(kind, part)| Tally::new(kind, part).name());
        std::iter::once("answers".to_owned()).chain(parts).collect()
    }

    /// What the counts say, by type.
    #[must_use]
    pub fn summary(&self, counts: &Counts, range: Range) -> Value {
        Value::Object(self.0.summary(counts, range))
    }

    /// Whether any JSON is an answer, `null` and what is empty included.
    #[must_use]
    pub fn takes_anything(&self) -> bool {
        self.0.takes_anything()
    }

    /// Bytes that the rules take in memory beside what they name, more or less.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.0.memory()
    }

    /// Bytes that the results need for what is counted apart, more or less.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// The option in use that `new` rules of the same type no longer have.
    #[must_use]
    pub fn lost_in(&self, new: &Self, counts: &Counts) -> Option<String> {
        self.0.lost_in(new, counts)
    }

    /// Whether counts under these rules can go on under `new` ones of the same type.
    #[must_use]
    pub fn can_become(&self, new: &Self) -> bool {
        self.0.can_become(new)
    }
}

/// Read rules from an object into a struct, and refuse those that it doesn't have.
fn read<T: DeserializeOwned>(reply_content: Option<&Value>) -> Result<T, FieldErrors> {
    match reply_content {
        None | Some(Value::Null) => fields::members(&Map::new(), Reading::Strict),
        Some(Value::Object(rules)) => fields::members(rules, Reading::Strict),
        Some(_) => Err(FieldErrors::one("", "must be an object with the rules of the type")),
    }
}

/// `least` must not be above `greatest`.
fn ordered<T: PartialOrd>(
    names: [&str; 2],
    least: Option<&T>,
    greatest: Option<&T>,
) -> Result<(), FieldErrors> {
    match (least, greatest) {
        (Some(least), Some(greatest)) if least > greatest => {
            Err(FieldErrors::one(names[0], format!("is above {}", names[1])))
        }
        _ => Ok(()),
    }
}

/// The members of a summary.
fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
