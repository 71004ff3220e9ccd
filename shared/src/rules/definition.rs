//! A question as its author sends it.

use super::{Rules, TYPES};
use crate::values::{
    FieldErrors, Flag, Line, Prose,
    fields::{self, Given, Reading},
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

/// The most questions that a survey may have.
pub const MAX_QUESTIONS: usize = 500;

/// A question's text: up to 10,000 characters.
pub type Content = Prose<10_000>;

/// A question's type: one that has rules, or one of the client's own, of up to 50 characters. An own one begins with `x-`;
/// flaskForms' clients may send any.
#[derive(Clone, Debug)]
pub struct TypeName(Line<50>);

impl TypeName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Given::deserialize(deserializer)?;
        let reading = given.reading;
        let name = Line::deserialize(given).map_err(FieldErrors::into_error)?;
        if reading != Reading::Lenient {
            check_type(name.as_str()).map_err(de::Error::custom)?;
        }
        Ok(Self(name))
    }
}

/// Whether a type has rules, or begins with `x-`.
///
/// # Errors
/// The type that was meant, or those that there are.
pub fn check_type(name: &str) -> Result<(), String> {
    if TYPES.contains(&name) || name.strip_prefix("x-").is_some_and(|own| !own.is_empty()) {
        return Ok(());
    }
    let letters = |name: &str| name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
    match TYPES.iter().find(|known| letters(known) == letters(name)) {
        Some(known) => Err(format!("is no known type: did you mean {known}?")),
        None => Err(format!(
            "is no known type: there are {}; a type of your own begins with x-",
            TYPES.join(", ")
        )),
    }
}

/// A question that is to be added, whose rules are good.
#[derive(Debug)]
pub struct Definition {
    /// What is asked.
    pub content: Content,
    /// How a client should ask it.
    pub r#type: TypeName,
    /// Whether a whole response must answer it.
    pub required: bool,
    /// What may be answered: the rules of the type, or any JSON for a type of the client's own. Kept as sent.
    pub reply_content: Option<Value>,
    /// Bytes that count towards the limit of a survey's questions together.
    pub bytes: i32,
    /// The names of all that can be counted of its answers and has an end to it.
    pub parts: Vec<String>,
}

impl Definition {
    /// A question; not required unless it is said.
    ///
    /// # Errors
    /// Every rule that is not good, inside `replyContent`.
    pub fn new(
        content: Content,
        r#type: TypeName,
        required: Option<Flag>,
        reply_content: Option<Value>,
    ) -> Result<Self, FieldErrors> {
        let rules = Rules::parse(r#type.as_str(), reply_content.as_ref())
            .map_err(|errors| errors.inside("replyContent"))?;
        let bytes = bytes(content.as_str(), reply_content.as_ref(), &rules);
        let (required, parts) = (required.is_some_and(|flag| flag.0), rules.parts());
        Ok(Self { content, r#type, required, reply_content, bytes, parts })
    }

    fn read(object: &Map<String, Value>, reading: Reading) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            content: Content,
            r#type: TypeName,
            required: Option<Flag>,
            reply_content: Option<Value>,
        }
        let Fields { content, r#type, required, reply_content } = fields::members(object, reading)?;
        Self::new(content, r#type, required, reply_content)
    }
}

/// The questions of a new survey: a list, or a single one as flaskForms' clients may send it.
#[derive(Debug, Default)]
pub struct Definitions(pub Vec<Definition>);

impl<'de> Deserialize<'de> for Definitions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Given { value, reading } = Given::deserialize(deserializer)?;
        let items = match value.into_owned() {
            Value::Array(items) => items,
            one @ Value::Object(_) if reading == Reading::Lenient => vec![one],
            _ => return Err(de::Error::custom("must be a list of questions, in a JSON body")),
        };
        if items.len() > MAX_QUESTIONS {
            return Err(de::Error::custom(TOO_MANY));
        }
        let (mut questions, mut errors) = (Vec::with_capacity(items.len()), FieldErrors::default());
        for (index, item) in items.iter().enumerate() {
            let object = item.as_object().ok_or_else(|| FieldErrors::one("", "must be an object"));
            match object.and_then(|object| Definition::read(object, reading)) {
                Ok(question) => questions.push(question),
                Err(others) => errors.extend(others.inside(&format!("[{index}]"))),
            }
        }
        errors.or(Self(questions)).map_err(FieldErrors::into_error)
    }
}

/// Bytes that count towards the limit of a survey's questions together: of the question as JSON, and of its results.
pub(crate) fn bytes(content: &str, reply_content: Option<&Value>, rules: &Rules) -> i32 {
    let json = serde_json::to_string(&(content, reply_content)).map_or(usize::MAX, |json| json.len());
    i32::try_from(json.saturating_add(rules.bytes())).unwrap_or(i32::MAX)
}

/// What a survey with one question too many is told.
pub(crate) const TOO_MANY: &str = "a survey may have at most 500 questions";

/// What a survey is told whose questions could no longer be answered with in one response.
pub(crate) const TOO_LARGE: &str = "the questions of a survey may have at most 1 MiB together";
