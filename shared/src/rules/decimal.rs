//! Exact decimals in JSON.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// An exact decimal: up to fifteen digits before the point and six behind it.
pub(super) struct Number(pub(super) Decimal);

impl Number {
    pub(super) const EXPECTED: &'static str =
        "must be a number below 1e15 with at most 6 digits behind the point";

    pub(super) fn of(value: &Value) -> Option<Self> {
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
