//! What a reply to a typed question may be. The rules are a question's `type` and its `replyContent`; they are checked
//! strictly when the question is saved, and decide alone what a valid reply is.
//!
//! A type that isn't listed here is the client's own: its `replyContent` is kept as sent and its replies are not checked,
//! as in flaskForms.

mod check;
mod tally;
#[cfg(test)]
mod tests;

pub use check::Fault;
pub(crate) use check::shown;
pub(crate) use tally::Counts;
pub use tally::Tally;

use crate::{
    http,
    text::{Prose, text},
};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use regex_lite::Regex;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, str::FromStr};

/// The most options, rows or columns of a question.
const MAX_OPTIONS: usize = 200;
/// Characters in the value of an option.
const MAX_OPTION: usize = 100;

/// The rules of one question.
#[derive(Debug)]
pub enum Rules {
    /// Any JSON.
    Custom,
    /// `short_text` (one line) and `long_text`.
    Text(TextRules),
    /// `number`: exact decimals, never floating point.
    Number(NumberRules),
    /// `boolean`: true or false.
    Boolean,
    /// `single_choice`: the value of an option, or `{"other": "…"}`.
    SingleChoice(ChoiceRules),
    /// `multi_choice`: a list of values, each once, and perhaps one `{"other": "…"}`.
    MultiChoice(ChoiceRules),
    /// `ranking`: a list of values, the best first.
    Ranking(ChoiceRules),
    /// `scale` and `nps`: a whole number between two others.
    Scale(ScaleRules),
    /// `matrix`: an object that gives each row a column, or a list of columns.
    Matrix(MatrixRules),
    /// `date`: `2030-01-31`.
    Date(Bounds<Date>),
    /// `time`: `18:00` or `18:00:30`.
    Time(Bounds<Time>),
    /// `datetime`: RFC 3339, with an offset.
    DateTime(Bounds<Moment>),
}

/// Rules of a text.
#[derive(Debug)]
pub struct TextRules {
    pub(crate) lines: bool,
    pub(crate) min_length: usize,
    pub(crate) max_length: usize,
    pub(crate) pattern: Option<Pattern>,
}

/// Rules of a number.
#[derive(Debug)]
pub struct NumberRules {
    pub(crate) min: Option<Decimal>,
    pub(crate) max: Option<Decimal>,
    pub(crate) step: Option<Decimal>,
}

/// Rules of a choice among options.
#[derive(Debug)]
pub struct ChoiceRules {
    pub(crate) options: Options,
    pub(crate) other: bool,
    pub(crate) min_selections: usize,
    pub(crate) max_selections: usize,
}

/// Rules of a scale.
#[derive(Debug)]
pub struct ScaleRules {
    pub(crate) min: i32,
    pub(crate) max: i32,
    pub(crate) nps: bool,
}

/// Rules of a matrix.
#[derive(Debug)]
pub struct MatrixRules {
    pub(crate) rows: Options,
    pub(crate) columns: Options,
    pub(crate) multiple: bool,
    pub(crate) min_rows: usize,
}

/// A least and a greatest value, both allowed.
#[derive(Debug)]
pub struct Bounds<T> {
    pub(crate) min: Option<T>,
    pub(crate) max: Option<T>,
}

/// Options in the order they are shown, each with a value that replies name it by.
#[derive(Debug)]
pub struct Options(pub(crate) Vec<Choice>);

/// One option.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) value: String,
    /// Refused in new replies, and still counted.
    pub(crate) retired: bool,
}

impl Options {
    pub(crate) fn find(&self, value: &str) -> Option<&Choice> {
        self.0.iter().find(|option| option.value == value)
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|option| 80 + 2 * option.value.len()).sum()
    }

    /// How many can be chosen.
    pub(crate) fn live(&self) -> usize {
        self.0.iter().filter(|option| !option.retired).count()
    }
}

impl Rules {
    /// The types that have rules. Every other type is custom.
    pub const TYPES: [&str; 13] = [
        "short_text",
        "long_text",
        "number",
        "boolean",
        "single_choice",
        "multi_choice",
        "ranking",
        "scale",
        "nps",
        "matrix",
        "date",
        "time",
        "datetime",
    ];

    /// The rules of a question of this type.
    ///
    /// # Errors
    /// Names the rule that is unknown, malformed or impossible.
    pub fn parse(r#type: &str, reply_content: Option<&Value>) -> Result<Self, String> {
        let none = Map::new();
        let object = || match reply_content {
            None | Some(Value::Null) => Ok(&none),
            Some(Value::Object(rules)) => Ok(rules),
            Some(_) => Err(format!("must be an object with the rules of a {type}")),
        };
        match r#type {
            "short_text" => TextRules::parse(object()?, false, 255, 1000).map(Self::Text),
            "long_text" => TextRules::parse(object()?, true, 5000, 20_000).map(Self::Text),
            "number" => NumberRules::parse(object()?).map(Self::Number),
            "boolean" => Empty::parse(object()?).map(|Empty {}| Self::Boolean),
            "single_choice" => ChoiceRules::parse(&listed(reply_content)?, false, 1).map(Self::SingleChoice),
            "multi_choice" => ChoiceRules::parse(&listed(reply_content)?, true, 0).map(Self::MultiChoice),
            "ranking" => ChoiceRules::parse(&listed(reply_content)?, true, usize::MAX).map(Self::Ranking),
            "scale" => ScaleRules::parse(object()?).map(Self::Scale),
            "nps" => {
                Empty::parse(object()?).map(|Empty {}| Self::Scale(ScaleRules { min: 0, max: 10, nps: true }))
            }
            "matrix" => MatrixRules::parse(object()?).map(Self::Matrix),
            "date" => Bounds::parse(object()?).map(Self::Date),
            "time" => Bounds::parse(object()?).map(Self::Time),
            "datetime" => Bounds::parse(object()?).map(Self::DateTime),
            _ => Ok(Self::Custom),
        }
    }

    /// Bytes that the results need for what is counted apart, more or less: a line for each option or cell.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Matrix(rules) => rules.rows.bytes() + rules.rows.0.len() * rules.columns.bytes(),
            _ => self.options().map_or(0, Options::bytes),
        }
    }

    /// The options by which replies are counted, retired ones among them.
    pub(crate) fn options(&self) -> Option<&Options> {
        match self {
            Self::SingleChoice(rules) | Self::MultiChoice(rules) | Self::Ranking(rules) => {
                Some(&rules.options)
            }
            _ => None,
        }
    }
}

/// The rules of a choice, which may be nothing but a list of options, as in flaskForms.
fn listed(reply_content: Option<&Value>) -> Result<Map<String, Value>, String> {
    match reply_content {
        Some(Value::Object(rules)) => Ok(rules.clone()),
        Some(options @ Value::Array(_)) => Ok(Map::from_iter([("options".to_owned(), options.clone())])),
        _ => Err("must be a list of options, or an object with options".to_owned()),
    }
}

/// Read rules into a struct, and refuse those that it doesn't have.
fn strict<T: de::DeserializeOwned>(rules: &Map<String, Value>, known: &[&str]) -> Result<T, String> {
    match rules.keys().find(|rule| !known.contains(&rule.as_str())) {
        Some(unknown) if known.is_empty() => Err(format!("{}: this type has no rules", shown(unknown))),
        Some(unknown) => Err(format!("{}: unknown rule; there are {}", shown(unknown), known.join(", "))),
        None => http::members(rules),
    }
}

/// `least` must not be above `greatest`.
fn ordered<T: PartialOrd>(names: [&str; 2], least: Option<&T>, greatest: Option<&T>) -> Result<(), String> {
    match (least, greatest) {
        (Some(least), Some(greatest)) if least > greatest => {
            Err(format!("{}: is above {}", names[0], names[1]))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Empty {}

impl Empty {
    fn parse(rules: &Map<String, Value>) -> Result<Self, String> {
        strict(rules, &[])
    }
}

impl TextRules {
    fn parse(rules: &Map<String, Value>, lines: bool, usual: usize, most: usize) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            min_length: Option<Count>,
            max_length: Option<Count>,
            pattern: Option<Pattern>,
        }
        let given: Given = strict(rules, &["minLength", "maxLength", "pattern"])?;
        let min_length = given.min_length.map_or(0, |count| count.0);
        let usual = if given.pattern.is_some() { usual.min(MAX_MATCHED) } else { usual };
        let max_length = given.max_length.map_or(usual.max(min_length), |count| count.0);
        if max_length > most {
            return Err(format!("maxLength: may be at most {most}"));
        }
        if max_length == 0 {
            return Err("maxLength: must be at least 1".to_owned());
        }
        ordered(["minLength", "maxLength"], Some(&min_length), Some(&max_length))?;
        if given.pattern.is_some() && max_length > MAX_MATCHED {
            return Err(format!("pattern: needs a maxLength of at most {MAX_MATCHED}"));
        }
        Ok(Self { lines, min_length, max_length, pattern: given.pattern })
    }
}

impl NumberRules {
    fn parse(rules: &Map<String, Value>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Given {
            min: Option<Number>,
            max: Option<Number>,
            step: Option<Number>,
        }
        let Given { min, max, step } = strict(rules, &["min", "max", "step"])?;
        let (min, max, step) = (min.map(|n| n.0), max.map(|n| n.0), step.map(|n| n.0));
        ordered(["min", "max"], min.as_ref(), max.as_ref())?;
        if step.is_some_and(|step| step <= Decimal::ZERO) {
            return Err("step: must be above 0".to_owned());
        }
        Ok(Self { min, max, step })
    }
}

impl ChoiceRules {
    fn parse(rules: &Map<String, Value>, several: bool, usual_min: usize) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            options: Options,
            other: Option<Switch>,
            min_selections: Option<Count>,
            max_selections: Option<Count>,
        }
        let ranking = usual_min == usize::MAX;
        let known: &[&str] = match (several, ranking) {
            (false, _) => &["options", "other"],
            (true, false) => &["options", "other", "minSelections", "maxSelections"],
            (true, true) => &["options", "minSelections", "maxSelections"],
        };
        let given: Given = strict(rules, known)?;
        let other = given.other.is_some_and(|other| other.0);
        let live = given.options.live() + usize::from(other);
        let most = if several { given.max_selections.map_or(live, |count| count.0) } else { 1 };
        let least = given.min_selections.map_or(usual_min.min(most), |count| count.0);
        ordered(["minSelections", "maxSelections"], Some(&least), Some(&most))?;
        if least > live {
            return Err(format!("minSelections: there are only {live} to choose from"));
        }
        if most == 0 {
            return Err("maxSelections: must be at least 1".to_owned());
        }
        Ok(Self { options: given.options, other, min_selections: least, max_selections: most })
    }
}

impl ScaleRules {
    fn parse(rules: &Map<String, Value>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Given {
            min: Option<Step>,
            max: Option<Step>,
        }
        let given: Given = strict(rules, &["min", "max"])?;
        let (min, max) = (given.min.map_or(1, |step| step.0), given.max.map_or(5, |step| step.0));
        if min >= max {
            return Err("min: must be below max".to_owned());
        }
        Ok(Self { min, max, nps: false })
    }
}

impl MatrixRules {
    fn parse(rules: &Map<String, Value>) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            rows: Options,
            columns: Options,
            multiple: Option<Switch>,
            min_rows: Option<Count>,
        }
        let given: Given = strict(rules, &["rows", "columns", "multiple", "minRows"])?;
        let min_rows = given.min_rows.map_or(0, |count| count.0);
        if min_rows > given.rows.live() {
            return Err(format!("minRows: there are only {} rows", given.rows.live()));
        }
        let multiple = given.multiple.is_some_and(|multiple| multiple.0);
        Ok(Self { rows: given.rows, columns: given.columns, multiple, min_rows })
    }
}

impl<T: de::DeserializeOwned + PartialOrd> Bounds<T> {
    fn parse(rules: &Map<String, Value>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Given<T> {
            min: Option<T>,
            max: Option<T>,
        }
        let Given { min, max } = strict(rules, &["min", "max"])?;
        ordered(["min", "max"], min.as_ref(), max.as_ref())?;
        Ok(Self { min, max })
    }
}

/// A small whole number.
struct Count(usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = Value::deserialize(deserializer)?.as_u64().filter(|count| *count <= 100_000);
        let count = count.and_then(|count| usize::try_from(count).ok());
        count.map(Self).ok_or_else(|| de::Error::custom("must be a whole number from 0 to 100000"))
    }
}

/// An end of a scale.
struct Step(i32);

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let step = Value::deserialize(deserializer)?.as_i64().filter(|step| (-100..=100).contains(step));
        let step = step.and_then(|step| i32::try_from(step).ok());
        step.map(Self).ok_or_else(|| de::Error::custom("must be a whole number from -100 to 100"))
    }
}

/// A rule that is on or off.
struct Switch(bool);

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let switch = Value::deserialize(deserializer)?.as_bool();
        switch.map(Self).ok_or_else(|| de::Error::custom("must be true or false"))
    }
}

/// An exact decimal: up to fifteen digits before the point and six behind it.
pub(crate) struct Number(pub(crate) Decimal);

impl Number {
    pub(crate) const EXPECTED: &'static str =
        "must be a number below 1e15 with at most 6 digits behind the point";

    pub(crate) fn of(value: &Value) -> Option<Self> {
        let text = value.as_number()?.to_string();
        let number =
            Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text)).ok()?.normalize();
        let limit = Decimal::new(1_000_000_000_000_000, 0);
        (number.abs() < limit && number.scale() <= 6).then_some(Self(number))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&Value::deserialize(deserializer)?).ok_or_else(|| de::Error::custom(Self::EXPECTED))
    }
}

/// Bytes that a pattern may compile to. Matching takes time in proportion to them, and to the text.
const MAX_PATTERN: usize = 1 << 13;

/// The longest text that a pattern is matched with.
const MAX_MATCHED: usize = 1000;

/// A regular expression that the whole text has to match, in time linear in the text.
#[derive(Debug)]
pub struct Pattern(pub(crate) Regex);

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

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Array(items) = Value::deserialize(deserializer)? else {
            return Err(de::Error::custom("must be a list"));
        };
        if items.is_empty() || items.len() > MAX_OPTIONS {
            return Err(de::Error::custom(format!("must have 1 to {MAX_OPTIONS} entries")));
        }
        let options = items.iter().enumerate().map(|(index, item)| {
            Choice::parse(item).map_err(|fault| de::Error::custom(format!("entry {}: {fault}", index + 1)))
        });
        let options = options.collect::<Result<Vec<_>, D::Error>>()?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = options.iter().find(|option| !seen.insert(&option.value)) {
            return Err(de::Error::custom(format!("{} is there twice", json!(twice.value))));
        }
        if options.iter().all(|option| option.retired) {
            return Err(de::Error::custom("all are retired"));
        }
        Ok(Self(options))
    }
}

impl Choice {
    /// A text, which is the value and what is shown; or an object that tells them apart.
    fn parse(item: &Value) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Given {
            value: Value,
            // What is shown is the client's business, as long as it is text.
            #[expect(dead_code, reason = "only its being good is of interest")]
            label: Option<Prose<1000>>,
            retired: Option<Switch>,
        }
        let (value, retired) = match item {
            Value::Object(members) => {
                let given: Given = strict(members, &["value", "label", "retired"])?;
                (given.value, given.retired.is_some_and(|retired| retired.0))
            }
            value => (value.clone(), false),
        };
        match option_value(&value).filter(|value| !value.trim().is_empty()) {
            Some(value) if value.chars().count() > MAX_OPTION => {
                Err(format!("its value may have at most {MAX_OPTION} characters"))
            }
            Some(value) if value.contains(char::is_control) => {
                Err("its value must be a single line".to_owned())
            }
            Some(value) => Ok(Self { value, retired }),
            None => Err("must be a text, or an object with a value".to_owned()),
        }
    }
}

/// The value of an option in a definition or in a reply: a text, or a number as its text.
pub(crate) fn option_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether there are but digits, and the mark between them: chrono also takes blanks and signs.
fn digits(text: &str, mark: u8) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == mark)
}

/// A type that is written as text, and its place on a line of numbers.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident($inner:ty): $expected:literal, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
        pub struct $name(pub(crate) $inner);

        impl $name {
            pub(crate) const EXPECTED: &'static str = $expected;

            pub(crate) fn of(text: &str) -> Option<Self> {
                let parse: fn(&str) -> Option<$inner> = $parse;
                parse(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::of(&text(deserializer)?).ok_or_else(|| de::Error::custom(Self::EXPECTED))
            }
        }
    };
}

text_type! {
    /// A day of the years 1 to 9999.
    Date(NaiveDate): "must be a date like 2030-01-31",
    |text| {
        let day = if text.len() == 10 && digits(text, b'-') { NaiveDate::from_str(text).ok() } else { None };
        day.filter(|day| day >= &NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or_default())
    }
}

text_type! {
    /// A time of day, to the second.
    Time(NaiveTime): "must be a time like 18:00 or 18:00:30",
    |text| match text.len() {
        _ if !digits(text, b':') => None,
        5 => NaiveTime::parse_from_str(text, "%H:%M").ok(),
        // chrono takes a leap second, which no clock shows.
        8 if !text.ends_with("60") => NaiveTime::parse_from_str(text, "%H:%M:%S").ok(),
        _ => None,
    }
}

text_type! {
    /// A moment of the years 1 to 9999.
    Moment(DateTime<Utc>): "must be a time like 2030-01-31T18:00:00+01:00, with an offset",
    |text| {
        // RFC 3339 only: a moment without an offset is none.
        DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc()).filter(crate::due_date::in_range)
    }
}
