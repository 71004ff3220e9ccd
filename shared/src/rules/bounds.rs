//! A least and a greatest value, both allowed, of what is written as text.

use super::{ordered, read, text::string};
use crate::values::{Fault, FaultCode, FieldErrors, text::text};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// What is written as text and has an order.
pub(super) trait Written: Copy + PartialOrd {
    /// What to send.
    const EXPECTED: &'static str;

    /// The value of a text.
    fn read(text: &str) -> Option<Self>;

    /// How it is written in a message.
    fn write(&self) -> String;
}

pub(super) struct Bounds<T> {
    min: Option<T>,
    max: Option<T>,
}

impl<T: Written> Bounds<T> {
    pub(super) fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        #[serde(bound = "")]
        struct Given<T: Written> {
            min: Option<Text<T>>,
            max: Option<Text<T>>,
        }
        let Given { min, max } = read(reply_content)?;
        let (min, max) = (min.map(|min: Text<T>| min.0), max.map(|max| max.0));
        ordered(["min", "max"], min.as_ref(), max.as_ref())?;
        Ok(Self { min, max })
    }

    pub(super) fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        let value = T::read(string(answer)?).ok_or_else(|| Fault::new(FaultCode::Malformed, T::EXPECTED))?;
        Ok(within(&value, self.min.as_ref(), self.max.as_ref(), T::write)?)
    }
}

struct Text<T>(T);

impl<'de, T: Written> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(&text(deserializer)?).map(Self).ok_or_else(|| de::Error::custom(T::EXPECTED))
    }
}

/// Whether there are but digits, and the mark between them: chrono also takes blanks and signs.
pub(super) fn digits(text: &str, mark: u8) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == mark)
}

/// Both bounds are allowed.
pub(super) fn within<T: PartialOrd>(
    value: &T,
    min: Option<&T>,
    max: Option<&T>,
    write: impl Fn(&T) -> String,
) -> Result<(), Fault> {
    if let Some(min) = min.filter(|min| value < *min) {
        return Err(Fault::new(FaultCode::TooSmall, format!("must be at least {}", write(min))));
    }
    if let Some(max) = max.filter(|max| value > *max) {
        return Err(Fault::new(FaultCode::TooLarge, format!("must be at most {}", write(max))));
    }
    Ok(())
}
