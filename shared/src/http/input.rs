//! One typed input from the four places where a client may put a parameter.

use super::json;
use crate::{
    Error, Result,
    error::{self, Faults},
};
use lambda_http::{Request, RequestExt};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, MapAccess, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};
use std::{fmt, marker::PhantomData};

/// The parameters that flaskForms' clients send as HTTP headers.
const HEADERS: [&str; 12] = [
    "username",
    "email",
    "password",
    "name",
    "desc",
    "duedate",
    "isactive",
    "idsurvey",
    "content",
    "type",
    "idquestion",
    "id",
];

/// The parameters that are any JSON, where a blank text is a value like another.
const DOCUMENTS: [&str; 4] = ["questions", "replyContent", "reply", "answers"];

/// Fill `T`, a struct of parameters, from the path, the JSON body, the query and flaskForms' headers; the first that
/// has the name wins. Names are camelCase, and the all-lower-case spelling is accepted. Blank text counts as missing,
/// unknown names are ignored.
///
/// # Errors
/// 400 with *all* parameters that are missing or malformed, 413 for a body over the limit.
pub fn input<T: DeserializeOwned>(request: &Request) -> Result<T> {
    let body = json::parameters(request)?;
    fill(&|name| find(request, &body, name)).map_err(|fault| match fault {
        Fault::Named(faults) => Error::Invalid(faults),
        Fault::Text(text) => Error::internal(text),
    })
}

/// Fill `T` from the members of a JSON object inside a parameter.
///
/// # Errors
/// All members that are missing or malformed, in one text.
pub(crate) fn members<T: DeserializeOwned>(object: &Map<String, Value>) -> Result<T, String> {
    fill(&|name| object.get(name).cloned()).map_err(|fault| fault.to_string())
}

fn fill<T: DeserializeOwned>(find: &Find<'_>) -> Result<T, Fault> {
    T::deserialize(Parameters { find, only: None }).map_err(|first| match first {
        // Serde stops at the first fault. A client wants all of them, so ask for each parameter on its own.
        Fault::Named(_) => Fault::Named(all_faults::<T>(find)),
        Fault::Text(_) => first,
    })
}

fn all_faults<T: DeserializeOwned>(find: &Find<'_>) -> Faults {
    let mut faults = Faults::new();
    for index in 0.. {
        match T::deserialize(Parameters { find, only: Some(index) }) {
            Err(Fault::Named(fault)) => faults.extend(fault),
            Err(Fault::Text(text)) if text == NO_MORE => break,
            // This parameter is good: what serde misses are the others.
            Ok(_) | Err(Fault::Text(_)) => {}
        }
    }
    faults
}

/// Where the value of a parameter comes from.
type Find<'a> = dyn Fn(&str) -> Option<Value> + 'a;

fn find(request: &Request, body: &Map<String, Value>, name: &str) -> Option<Value> {
    let lower = name.to_ascii_lowercase();
    let path = || request.path_parameters_ref()?.first(name).and_then(text);
    let body = || {
        let value = body.get(name).or_else(|| body.get(&lower))?;
        let blank = value.as_str().is_some_and(|text| text.trim().is_empty());
        (!blank || DOCUMENTS.contains(&name)).then(|| value.clone())
    };
    let query = || {
        let query = request.query_string_parameters_ref()?;
        query.first(name).or_else(|| query.first(&lower)).and_then(text)
    };
    let header = || {
        // A repeated header is one list (RFC 9110, section 5.3).
        let values = request.headers().get_all(HEADERS.into_iter().find(|header| *header == lower)?);
        let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        text(&values.join(","))
    };
    path().or_else(body).or_else(query).or_else(header)
}

/// A parameter that came as text.
fn text(value: &str) -> Option<Value> {
    (!value.trim().is_empty()).then(|| Value::String(value.to_owned()))
}

/// The struct `T` as serde sees it: a map with all its parameters, or with one.
struct Parameters<'a> {
    find: &'a Find<'a>,
    only: Option<usize>,
}

impl<'de> Deserializer<'de> for Parameters<'_> {
    type Error = Fault;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let fields = match self.only {
            None => fields,
            Some(index) => fields.get(index..=index).ok_or_else(|| Fault::Text(NO_MORE.to_owned()))?,
        };
        visitor.visit_map(Fields { find: self.find, fields: fields.iter() })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(Fault::Text("an input must be a struct with named fields".to_owned()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

const NO_MORE: &str = "no more parameters";

struct Fields<'a> {
    find: &'a Find<'a>,
    fields: std::slice::Iter<'static, &'static str>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(name) = self.fields.as_slice().first() else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let name = self.fields.next().copied().unwrap_or_default();
        let named = |text: String| Fault::Named(Faults::from([(name.to_owned(), text)]));
        match (self.find)(name) {
            None => seed.deserialize(Missing).map_err(|e| named(e.to_string())),
            Some(value) => {
                json::check(&value).map_err(named)?;
                seed.deserialize(value).map_err(|e| named(e.to_string()))
            }
        }
    }
}

/// What stands where the client sent nothing: good for an `Option`, a fault for anything else.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = Fault;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == CHANGE { visitor.visit_none() } else { self.deserialize_any(visitor) }
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(Fault::Text(Blank.to_string()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct struct map enum identifier ignored_any
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

/// The name by which [`Missing`] knows a [`Change`], for which it is good.
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

/// flaskForms' text for a required parameter that is missing or blank.
#[derive(Debug)]
pub struct Blank;

impl fmt::Display for Blank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("This field cannot be blank")
    }
}

/// Why an input could not be made.
#[derive(Debug)]
enum Fault {
    /// Parameters and what is wrong with each.
    Named(Faults),
    /// What serde says, without a parameter's name.
    Text(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(faults) => f.write_str(&error::join(faults)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::Text(text.to_string())
    }
}
