//! Filling a struct from named values that a client sent, with all that is wrong told at once, each by its place.
//!
//! Serde does the filling. What is ours is the deserializer ([`Given`]), which knows how strictly to read, and the error
//! ([`FieldErrors`]), which knows places.

use super::{json, text::BLANK};
use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
        Unexpected, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Number, Value};
use std::{borrow::Cow, cell::Cell, collections::BTreeMap, fmt, marker::PhantomData};

/// The place of each bad value (`name`, `questions[1].type`) with the text that says what to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, String>);

impl FieldErrors {
    /// One bad value.
    pub fn one(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self(BTreeMap::from([(place.into(), text.into())]))
    }

    /// These too.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The same, of values inside the one at `place`.
    #[must_use]
    pub fn inside(self, place: &str) -> Self {
        let inner = |inner: String| match inner.as_bytes().first() {
            None => place.to_owned(),
            Some(b'[') => format!("{place}{inner}"),
            Some(_) => format!("{place}.{inner}"),
        };
        Self(self.0.into_iter().map(|(place, text)| (inner(place), text)).collect())
    }

    /// The same, where the client has not written the name `place` around the values.
    #[must_use]
    pub fn outside(self, place: &str) -> Self {
        let outer = |inner: String| match inner.strip_prefix(place) {
            Some(outer) => outer.trim_start_matches('.').to_owned(),
            None => inner,
        };
        Self(self.0.into_iter().map(|(place, text)| (outer(place), text)).collect())
    }

    /// `value`, unless there is an error.
    ///
    /// # Errors
    /// These, if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Place and text of each.
    #[must_use]
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// As an error of any deserializer. Serde passes errors on as texts: several places travel as a JSON object behind a
    /// character that no message has.
    #[must_use]
    pub fn into_error<E: serde::de::Error>(self) -> E {
        E::custom(format_args!("{CARRIED}{}", serde_json::json!(self.0)))
    }
}

const CARRIED: char = '\u{1}';

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, text)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let colon = if place.is_empty() { "" } else { ": " };
            write!(f, "{separator}{place}{colon}{text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}

impl serde::de::Error for FieldErrors {
    fn custom<T: fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        let carried = text.strip_prefix(CARRIED).and_then(|json| serde_json::from_str(json).ok());
        carried.map_or_else(|| Self::one("", text), Self)
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::one("", format!("must be {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::one("", format!("must be {expected}"))
    }

    /// `Fields` has every field of the struct, or is asked for one alone: then the others are not missing.
    fn missing_field(_: &'static str) -> Self {
        Self::default()
    }
}

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It has its JSON type: a text is a string, a flag a boolean, a number a number.
    Strict,
    /// It came as text (path, query, header, form), which may stand for a number or a flag.
    Text,
    /// It came from a client of flaskForms: numbers and booleans are good as texts, and texts as numbers and booleans, and
    /// what is not known is passed over.
    Lenient,
}

/// A value that a client sent.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// The value. A body is big, and its questions are read in several steps: none of them needs a copy of its own.
    pub value: Cow<'a, Value>,
    /// How it is read.
    pub reading: Reading,
}

impl Given<'_> {
    /// A value that isn't kept elsewhere.
    #[must_use]
    pub fn new(value: Value, reading: Reading) -> Self {
        Self { value: Cow::Owned(value), reading }
    }
}

/// Fill `T`, a struct, with what `find` has for the names of its fields. Gives those names as well.
///
/// # Errors
/// *All* fields that are missing or malformed.
pub fn fill<'a, T: DeserializeOwned>(
    find: &dyn Fn(&str) -> Option<Given<'a>>,
) -> (Result<T, FieldErrors>, &'static [&'static str]) {
    let names = Cell::new(&[] as &[&str]);
    let one = |only| T::deserialize(Fields { find, only, names: &names });
    // Serde stops at the first error. A client wants all of them, so ask for each field on its own.
    let filled = one(None).map_err(|first| {
        let mut all = FieldErrors::default();
        (0..names.get().len())
            .filter_map(|index| one(Some(index)).err())
            .for_each(|errors| all.extend(errors));
        if all.0.is_empty() { first } else { all }
    });
    (filled, names.get())
}

/// Fill `T` from the members of an object, and refuse those that it doesn't have.
///
/// # Errors
/// All members that are missing, malformed or unknown.
pub fn members<T: DeserializeOwned>(object: &Map<String, Value>, reading: Reading) -> Result<T, FieldErrors> {
    let (filled, names) =
        fill(&|name| object.get(name).map(|value| Given { value: Cow::Borrowed(value), reading }));
    if reading == Reading::Lenient {
        return filled;
    }
    let mut errors = FieldErrors::default();
    for unknown in object.keys().filter(|name| !names.contains(&name.as_str())) {
        errors.extend(unknown_name(unknown, names));
    }
    match filled {
        Ok(filled) => errors.or(filled),
        Err(others) => {
            errors.extend(others);
            Err(errors)
        }
    }
}

/// The error of a name that nothing has.
#[must_use]
pub fn unknown_name(name: &str, known: &[&str]) -> FieldErrors {
    let text = if known.is_empty() {
        "is unknown: there are none".to_owned()
    } else {
        format!("is unknown: there are {}", known.join(", "))
    };
    FieldErrors::one(json::beginning(name), text)
}

/// The struct `T` as serde sees it: a map with all its fields, or with one.
struct Fields<'a, 'de> {
    find: &'a dyn Fn(&str) -> Option<Given<'de>>,
    only: Option<usize>,
    names: &'a Cell<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Fields<'_, 'de> {
    type Error = FieldErrors;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldErrors> {
        self.names.set(names);
        let asked = match self.only {
            None => names,
            Some(index) => names.get(index..=index).unwrap_or_default(),
        };
        visitor.visit_map(FieldAccess { find: self.find, names: asked.iter() })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldErrors> {
        Err(FieldErrors::custom("an input must be a struct with named fields"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct FieldAccess<'a, 'de> {
    find: &'a dyn Fn(&str) -> Option<Given<'de>>,
    names: std::slice::Iter<'static, &'static str>,
}

impl<'de> MapAccess<'de> for FieldAccess<'_, 'de> {
    type Error = FieldErrors;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FieldErrors> {
        let Some(name) = self.names.as_slice().first() else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, FieldErrors> {
        let name = self.names.next().copied().unwrap_or_default();
        let read = match (self.find)(name) {
            None => seed.deserialize(Missing),
            Some(given) => {
                json::check(&given.value).map_err(FieldErrors::custom).and_then(|()| seed.deserialize(given))
            }
        };
        read.map_err(|errors| errors.inside(name))
    }
}

/// What stands where the client sent nothing: good for an `Option` and a [`Change`], an error for anything else.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = FieldErrors;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldErrors> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldErrors> {
        if name == CHANGE { visitor.visit_none() } else { self.deserialize_any(visitor) }
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldErrors> {
        Err(FieldErrors::custom(BLANK))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct struct map enum identifier ignored_any
    }
}

/// What is wrong with a value of another kind than was asked for.
fn another<'de, V: Visitor<'de>>(value: &Value, expected: &V) -> FieldErrors {
    if value.is_null() {
        FieldErrors::custom(BLANK)
    } else {
        FieldErrors::invalid_type(Unexpected::Other("value"), expected)
    }
}

impl<'de> Deserializer<'de> for Given<'de> {
    type Error = FieldErrors;

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldErrors> {
        match (&*self.value, self.reading) {
            (Value::String(text), _) => visitor.visit_str(text),
            (Value::Number(number), Reading::Text | Reading::Lenient) => {
                visitor.visit_string(number.to_string())
            }
            (Value::Bool(flag), Reading::Text | Reading::Lenient) => visitor.visit_string(flag.to_string()),
            (value, _) => Err(another(value, &visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldErrors> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldErrors> {
        let text = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        let flag = match (&*self.value, self.reading) {
            (Value::Bool(flag), _) => Some(*flag),
            (Value::String(flag), Reading::Text | Reading::Lenient) => text(flag),
            (Value::Number(flag), Reading::Text | Reading::Lenient) => text(&flag.to_string()),
            _ => None,
        };
        match flag {
            Some(flag) => visitor.visit_bool(flag),
            None => Err(another(&self.value, &visitor)),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldErrors> {
        let number = match (&*self.value, self.reading) {
            (Value::Number(number), _) => number.as_i64().or_else(|| whole(number)),
            (Value::String(text), Reading::Text | Reading::Lenient) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => visitor.visit_i64(number),
            None => Err(another(&self.value, &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldErrors> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldErrors> {
        visitor.visit_newtype_struct(self)
    }

    /// How a [`Given`] is read, and its value: that is how a document inside a parameter learns of both.
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, FieldErrors> {
        visitor.visit_seq(Parts { reading: Some(self.reading as u8), value: Some(self.value) })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldErrors> {
        let items: Box<dyn Iterator<Item = Cow<'de, Value>>> = match self.value {
            Cow::Owned(Value::Array(items)) => Box::new(items.into_iter().map(Cow::Owned)),
            Cow::Borrowed(Value::Array(items)) => Box::new(items.iter().map(Cow::Borrowed)),
            value if value.is_null() => return Err(FieldErrors::custom(BLANK)),
            _ => return Err(FieldErrors::custom("must be a list")),
        };
        visitor.visit_seq(Items { items: items.enumerate(), reading: self.reading })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldErrors> {
        match self.value {
            Cow::Owned(value) => value.deserialize_any(visitor),
            Cow::Borrowed(value) => value.deserialize_any(visitor),
        }
        .map_err(FieldErrors::custom)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple map struct enum identifier ignored_any
    }
}

/// A whole number that is written like 62.0 or 6.2e1, which JSON Schema takes for an integer, too.
fn whole(number: &Number) -> Option<i64> {
    let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
    format!("{number:.0}").parse().ok()
}

struct Items<'de> {
    items: std::iter::Enumerate<Box<dyn Iterator<Item = Cow<'de, Value>> + 'de>>,
    reading: Reading,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = FieldErrors;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FieldErrors> {
        let Some((index, value)) = self.items.next() else { return Ok(None) };
        let item = seed.deserialize(Given { value, reading: self.reading });
        item.map(Some).map_err(|errors| errors.inside(&format!("[{index}]")))
    }
}

struct Parts<'de> {
    reading: Option<u8>,
    value: Option<Cow<'de, Value>>,
}

impl<'de> SeqAccess<'de> for Parts<'de> {
    type Error = FieldErrors;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FieldErrors> {
        if let Some(reading) = self.reading.take() {
            return seed.deserialize(IntoDeserializer::<FieldErrors>::into_deserializer(reading)).map(Some);
        }
        let value = match self.value.take() {
            None => return Ok(None),
            Some(Cow::Owned(value)) => seed.deserialize(value),
            Some(Cow::Borrowed(value)) => seed.deserialize(value),
        };
        value.map(Some).map_err(FieldErrors::custom)
    }
}

impl<'de> Deserialize<'de> for Given<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GivenVisitor;
        impl<'de> Visitor<'de> for GivenVisitor {
            type Value = Given<'static>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of an input")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Given<'static>, A::Error> {
                let reading = match parts.next_element()? {
                    Some(0_u8) => Reading::Strict,
                    Some(1) => Reading::Text,
                    _ => Reading::Lenient,
                };
                Ok(Given::new(parts.next_element()?.unwrap_or_default(), reading))
            }
        }
        deserializer.deserialize_tuple_struct("Given", 2, GivenVisitor)
    }
}

/// What an edit says of something that can also be nothing: leave it, or set it to a value, or to none.
#[derive(Debug)]
pub enum Change<T> {
    /// The client didn't mention it.
    Keep,
    /// The client sent a value, or `null`.
    Set(Option<T>),
}

impl<T> Change<T> {
    /// Whether there is anything to change.
    pub fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// The new value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Keep | Self::Set(None) => None,
            Self::Set(Some(value)) => Some(value),
        }
    }
}

/// The name by which [`Missing`] knows a [`Change`].
const CHANGE: &str = "Change";

impl<'de, T: DeserializeOwned> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChangeVisitor<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for ChangeVisitor<T> {
            type Value = Change<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or null")
            }
            fn visit_none<E>(self) -> Result<Change<T>, E> {
                Ok(Change::Keep)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Change<T>, D::Error> {
                Option::deserialize(deserializer).map(Change::Set)
            }
        }
        deserializer.deserialize_newtype_struct(CHANGE, ChangeVisitor(PhantomData))
    }
}
