//! Whether a reply keeps the rules.

use super::{
    Bounds, ChoiceRules, Date, MatrixRules, Moment, Number, Options, Rules, ScaleRules, TextRules, Time,
    option_value,
};
use chrono::{Datelike, Timelike};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is wrong with a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A stable word for programs.
    pub code: &'static str,
    /// What to change.
    pub message: String,
}

impl Fault {
    pub(crate) fn required() -> Self {
        Self::new("required", "This field cannot be blank")
    }

    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A reply that keeps the rules: its place on the line of numbers, for types that have one.
pub(crate) type Place = Option<Decimal>;

impl Rules {
    /// Whether `reply` says nothing: `null`, and what is empty in a typed question. To a custom question an empty text is a
    /// reply like any other.
    #[must_use]
    pub fn is_blank(&self, reply: &Value) -> bool {
        match (self, reply) {
            (_, Value::Null) => true,
            (Self::Custom, _) => false,
            (_, Value::String(text)) => text.trim().is_empty(),
            (_, Value::Array(items)) => items.is_empty(),
            (_, Value::Object(members)) => members.is_empty(),
            _ => false,
        }
    }

    /// Check a reply that is not blank.
    ///
    /// # Errors
    /// The first fault of the reply.
    pub fn check(&self, reply: &Value) -> Result<Place, Fault> {
        match self {
            Self::Custom => Ok(None),
            Self::Text(rules) => rules.check(string(reply)?).map(|()| None),
            Self::Number(rules) => {
                let number = Number::of(reply).ok_or_else(|| Fault::new("wrong_type", Number::EXPECTED))?.0;
                within(&number, rules.min.as_ref(), rules.max.as_ref(), ToString::to_string)?;
                match rules.step {
                    Some(step) if !((number - rules.min.unwrap_or_default()) % step).is_zero() => {
                        Err(Fault::new("step", format!("must be a multiple of {step} away from the least")))
                    }
                    _ => Ok(Some(number)),
                }
            }
            Self::Boolean if reply.is_boolean() => Ok(None),
            Self::Boolean => Err(Fault::new("wrong_type", "must be true or false")),
            Self::SingleChoice(rules) => rules.check_one(reply).map(|_| None),
            Self::MultiChoice(rules) | Self::Ranking(rules) => rules.check_several(reply).map(|()| None),
            Self::Scale(rules) => rules.check(reply).map(|step| Some(step.into())),
            Self::Matrix(rules) => rules.check(reply).map(|()| None),
            Self::Date(bounds) => {
                let date = Date::of(string(reply)?).ok_or_else(|| Fault::new("malformed", Date::EXPECTED))?;
                bounds.check(&date, |date| date.0.to_string())?;
                Ok(Some(date.0.num_days_from_ce().into()))
            }
            Self::Time(bounds) => {
                let time = Time::of(string(reply)?).ok_or_else(|| Fault::new("malformed", Time::EXPECTED))?;
                bounds.check(&time, |time| time.0.to_string())?;
                Ok(Some(time.0.num_seconds_from_midnight().into()))
            }
            Self::DateTime(bounds) => {
                let moment =
                    Moment::of(string(reply)?).ok_or_else(|| Fault::new("malformed", Moment::EXPECTED))?;
                bounds.check(&moment, |moment| moment.0.to_rfc3339())?;
                Ok(Some(Decimal::new(moment.0.timestamp_micros(), 6)))
            }
        }
    }
}

/// A value in a message: the beginning tells which one is meant.
pub(crate) fn shown(value: &str) -> String {
    let beginning: String = value.chars().take(40).collect();
    if beginning.len() < value.len() { beginning + "…" } else { beginning }
}

fn string(reply: &Value) -> Result<&str, Fault> {
    reply.as_str().ok_or_else(|| Fault::new("wrong_type", "must be text"))
}

fn within<T: PartialOrd>(
    value: &T,
    min: Option<&T>,
    max: Option<&T>,
    write: impl Fn(&T) -> String,
) -> Result<(), Fault> {
    if let Some(min) = min.filter(|min| value < *min) {
        return Err(Fault::new("too_small", format!("must be at least {}", write(min))));
    }
    if let Some(max) = max.filter(|max| value > *max) {
        return Err(Fault::new("too_large", format!("must be at most {}", write(max))));
    }
    Ok(())
}

impl<T: PartialOrd> Bounds<T> {
    fn check(&self, value: &T, write: impl Fn(&T) -> String) -> Result<(), Fault> {
        within(value, self.min.as_ref(), self.max.as_ref(), write)
    }
}

impl TextRules {
    fn check(&self, text: &str) -> Result<(), Fault> {
        let length = text.chars().count();
        if !self.lines && text.contains(['\n', '\r']) {
            return Err(Fault::new("malformed", "must be a single line"));
        }
        if length < self.min_length {
            return Err(Fault::new(
                "too_short",
                format!("must have at least {} characters", self.min_length),
            ));
        }
        if length > self.max_length {
            return Err(Fault::new("too_long", format!("may have at most {} characters", self.max_length)));
        }
        match &self.pattern {
            Some(pattern) if !pattern.0.is_match(text) => {
                Err(Fault::new("pattern", "doesn't have the form asked for"))
            }
            _ => Ok(()),
        }
    }
}

impl ChoiceRules {
    /// One option or `{"other": "…"}`; gives the value, or none for another.
    fn check_one(&self, reply: &Value) -> Result<Option<String>, Fault> {
        if let Some(other) = reply.as_object() {
            return match (other.get("other").and_then(Value::as_str), other.len()) {
                _ if !self.other => Err(Fault::new("unknown_option", "must be the value of an option")),
                (Some(text), 1) if !text.trim().is_empty() && text.chars().count() <= 255 => Ok(None),
                _ => Err(Fault::new("malformed", "must be {\"other\": \"a text of 1 to 255 characters\"}")),
            };
        }
        live(&self.options, reply, "option").map(Some)
    }

    fn check_several(&self, reply: &Value) -> Result<(), Fault> {
        let items = reply.as_array().ok_or_else(|| Fault::new("wrong_type", "must be a list of options"))?;
        let mut seen = BTreeSet::new();
        for item in items {
            if !seen.insert(self.check_one(item)?) {
                return Err(Fault::new("duplicate", format!("{} is there twice", shown(&item.to_string()))));
            }
        }
        if items.len() < self.min_selections {
            return Err(Fault::new("too_few", format!("must have at least {} options", self.min_selections)));
        }
        if items.len() > self.max_selections {
            return Err(Fault::new("too_many", format!("may have at most {} options", self.max_selections)));
        }
        Ok(())
    }
}

/// The value of an option that is there and not retired.
fn live(options: &Options, reply: &Value, what: &str) -> Result<String, Fault> {
    let value = option_value(reply)
        .ok_or_else(|| Fault::new("wrong_type", format!("{what}s are named by their value, a text")))?;
    match options.find(&value) {
        None => Err(Fault::new(
            "unknown_option",
            format!("{} is no {what} of this question", shown(&reply.to_string())),
        )),
        Some(option) if option.retired => Err(Fault::new(
            "retired_option",
            format!("{} can't be chosen any more", shown(&reply.to_string())),
        )),
        Some(_) => Ok(value),
    }
}

impl ScaleRules {
    fn check(&self, reply: &Value) -> Result<i32, Fault> {
        let expected =
            || Fault::new("wrong_type", format!("must be a whole number from {} to {}", self.min, self.max));
        let number = Number::of(reply).ok_or_else(expected)?.0;
        let step = i32::try_from(number).ok().filter(|_| number.is_integer()).ok_or_else(expected)?;
        within(&step, Some(&self.min), Some(&self.max), ToString::to_string)?;
        Ok(step)
    }
}

impl MatrixRules {
    fn check(&self, reply: &Value) -> Result<(), Fault> {
        let rows = reply
            .as_object()
            .ok_or_else(|| Fault::new("wrong_type", "must be an object with a column for each row"))?;
        for (row, columns) in rows {
            match self.rows.find(row) {
                None => {
                    return Err(Fault::new(
                        "unknown_row",
                        format!("{:?} is no row of this question", shown(row)),
                    ));
                }
                Some(option) if option.retired => {
                    return Err(Fault::new(
                        "retired_option",
                        format!("the row {row:?} can't be answered any more"),
                    ));
                }
                Some(_) => {}
            }
            match columns {
                Value::Array(columns) if self.multiple && !columns.is_empty() => {
                    let mut seen = BTreeSet::new();
                    for column in columns {
                        if !seen.insert(live(&self.columns, column, "column")?) {
                            return Err(Fault::new(
                                "duplicate",
                                format!("{} is there twice", shown(&column.to_string())),
                            ));
                        }
                    }
                }
                Value::Array(_) if self.multiple => {
                    return Err(Fault::new("too_few", format!("{row:?} needs a column")));
                }
                _ if self.multiple => {
                    return Err(Fault::new("wrong_type", format!("{row:?} must have a list of columns")));
                }
                column => {
                    live(&self.columns, column, "column")?;
                }
            }
        }
        if rows.len() < self.min_rows {
            return Err(Fault::new("too_few", format!("at least {} rows must be answered", self.min_rows)));
        }
        Ok(())
    }
}
