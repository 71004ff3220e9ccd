//! Options, and what the types that choose among them have in common.

use super::{Counts, Tally, counts::share, object, ordered, read};
use crate::values::{
    Fault, FaultCode, FieldErrors, Flag, Prose,
    fields::{self, Reading},
    json::beginning,
    text::Whole,
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The most options, rows or columns of a question.
const MAX_OPTIONS: usize = 200;
/// Characters in the value of an option.
const MAX_VALUE: usize = 100;
/// Characters in another answer than the options.
const MAX_OTHER: usize = 255;

/// Options in the order they are shown, each with a value by which answers name it.
#[derive(Debug)]
pub(super) struct Options(pub(super) Vec<Choice>);

/// One option.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) value: String,
    /// Refused in new answers, and still counted.
    pub(super) retired: bool,
}

impl Options {
    pub(super) fn find(&self, value: &str) -> Option<&Choice> {
        self.0.iter().find(|option| option.value == value)
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|option| 80 + 2 * option.value.len()).sum()
    }

    /// The values of all, in order.
    pub(super) fn values(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|option| option.value.clone())
    }

    /// How many can be chosen.
    pub(super) fn live(&self) -> usize {
        self.0.iter().filter(|option| !option.retired).count()
    }

    /// The value in use that others don't have.
    pub(super) fn missing_in(&self, others: &Self, in_use: impl Fn(&str) -> bool) -> Option<String> {
        let mut values = self.0.iter().map(|option| option.value.as_str());
        values.find(|value| others.find(value).is_none() && in_use(value)).map(str::to_owned)
    }

    /// The value of an option that is there and not retired; `what` it is called.
    pub(super) fn live_value(&self, answer: &Value, what: &str) -> Result<String, Fault> {
        let value = option_value(answer).ok_or_else(|| {
            Fault::new(FaultCode::WrongType, format!("{what}s are named by their value, a text"))
        })?;
        let shown = beginning(&answer.to_string());
        match self.find(&value) {
            None => {
                Err(Fault::new(FaultCode::UnknownOption, format!("{shown} is no {what} of this question")))
            }
            Some(option) if option.retired => {
                Err(Fault::new(FaultCode::RetiredOption, format!("{shown} can't be chosen any more")))
            }
            Some(_) => Ok(value),
        }
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
        let (mut options, mut errors, mut seen) = (Vec::new(), FieldErrors::default(), BTreeSet::new());
        for (index, item) in items.iter().enumerate() {
            match Choice::parse(item) {
                Ok(option) if !seen.insert(option.value.clone()) => {
                    let text = format!("{} is there twice", json!(option.value));
                    errors.extend(FieldErrors::one(format!("[{index}]"), text));
                }
                Ok(option) => options.push(option),
                Err(others) => errors.extend(others.inside(&format!("[{index}]"))),
            }
        }
        let options = errors.or(options).map_err(FieldErrors::into_error)?;
        if options.iter().all(|option| option.retired) {
            return Err(de::Error::custom("all are retired"));
        }
        Ok(Self(options))
    }
}

impl Choice {
    /// A text, which is the value and what is shown; or an object that tells them apart.
    fn parse(item: &Value) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        struct Given {
            value: Value,
            // What is shown is the client's business, as long as it is text.
            #[expect(dead_code, reason = "only its being good is of interest")]
            label: Option<Prose<1000>>,
            retired: Option<Flag>,
        }
        let (value, retired, place) = match item {
            Value::Object(members) => {
                let given: Given = fields::members(members, Reading::Strict)?;
                (given.value, given.retired.is_some_and(|retired| retired.0), "value")
            }
            value => (value.clone(), false, ""),
        };
        let error = |text: String| FieldErrors::one(place, text);
        match option_value(&value).filter(|value| !value.trim().is_empty()) {
            Some(value) if value.chars().count() > MAX_VALUE => {
                Err(error(format!("its value may have at most {MAX_VALUE} characters")))
            }
            Some(value) if value.contains(char::is_control) => {
                Err(error("its value must be a single line".to_owned()))
            }
            Some(value) => Ok(Self { value, retired }),
            None => Err(error("must be a text, or an object with a value".to_owned())),
        }
    }
}

/// The value of an option in a definition or in an answer: a text, or a number as its text.
pub(super) fn option_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The rules of a choice of one option or several.
pub(super) struct ChoiceRules {
    pub(super) options: Options,
    pub(super) other: bool,
}

/// How many options an answer may have.
pub(super) struct Selections {
    least: usize,
    most: usize,
}

/// `replyContent` may be nothing but a list of options, as in flaskForms.
pub(super) fn listed(reply_content: Option<&Value>) -> Result<Value, FieldErrors> {
    match reply_content {
        Some(Value::Object(rules)) => Ok(Value::Object(rules.clone())),
        Some(options @ Value::Array(_)) => Ok(json!({ "options": options })),
        _ => Err(FieldErrors::one("", "must be a list of options, or an object with options")),
    }
}

/// Rules as a struct, from what [`listed`] takes.
pub(super) fn read_listed<T: de::DeserializeOwned>(reply_content: Option<&Value>) -> Result<T, FieldErrors> {
    let rules = read(Some(&listed(reply_content)?));
    // A list is the client's, the name around it is not.
    rules.map_err(
        |errors: FieldErrors| {
            if reply_content.is_some_and(Value::is_array) { errors.outside("options") } else { errors }
        },
    )
}

impl Selections {
    /// As many as the rules say; where they don't, from `usual` to all that are `live`.
    pub(super) fn define(
        min: Option<Whole<0, 100_000>>,
        max: Option<Whole<1, 100_000>>,
        usual: usize,
        live: usize,
    ) -> Result<Self, FieldErrors> {
        let size = |n: i64| usize::try_from(n).unwrap_or_default();
        let most = max.map_or(live, |max| size(max.get()));
        let least = min.map_or(usual.min(most), |min| size(min.get()));
        ordered(["minSelections", "maxSelections"], Some(&least), Some(&most))?;
        if least > live {
            return Err(FieldErrors::one("minSelections", format!("there are only {live} to choose from")));
        }
        Ok(Self { least, most })
    }

    /// Check a list of options, each of them once.
    pub(super) fn check<T: Ord>(
        &self,
        answer: &Value,
        one: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Result<(), Fault> {
        let items =
            answer.as_array().ok_or_else(|| Fault::new(FaultCode::WrongType, "must be a list of options"))?;
        let mut seen = BTreeSet::new();
        for item in items {
            if !seen.insert(one(item)?) {
                let text = format!("{} is there twice", beginning(&item.to_string()));
                return Err(Fault::new(FaultCode::Duplicate, text));
            }
        }
        if items.len() < self.least {
            return Err(Fault::new(FaultCode::TooFew, format!("must have at least {} options", self.least)));
        }
        if items.len() > self.most {
            return Err(Fault::new(FaultCode::TooMany, format!("may have at most {} options", self.most)));
        }
        Ok(())
    }
}

impl ChoiceRules {
    /// How many can be chosen.
    pub(super) fn live(&self) -> usize {
        self.options.live() + usize::from(self.other)
    }

    /// One option or `{"other": "…"}`; gives the value, or none for another.
    pub(super) fn check(&self, answer: &Value) -> Result<Option<String>, Fault> {
        let Some(other) = answer.as_object() else {
            return self.options.live_value(answer, "option").map(Some);
        };
        match (other.get("other").and_then(Value::as_str), other.len()) {
            _ if !self.other => Err(Fault::new(FaultCode::UnknownOption, "must be the value of an option")),
            (Some(text), 1) if !text.trim().is_empty() && text.chars().count() <= MAX_OTHER => Ok(None),
            _ => {
                let text = format!("must be {{\"other\": \"a text of 1 to {MAX_OTHER} characters\"}}");
                Err(Fault::new(FaultCode::Malformed, text))
            }
        }
    }

    pub(super) fn parts(&self) -> Vec<(&'static str, String)> {
        let other = self.other.then(|| ("other", String::new()));
        self.options.values().map(|value| ("option", value)).chain(other).collect()
    }

    pub(super) fn summary(&self, counts: &Counts) -> Map<String, Value> {
        let votes = counts.votes();
        let options = self.options.0.iter().map(|option| {
            let n = counts.n("option", &option.value);
            json!({ "value": option.value, "count": n, "share": share(n, votes), "retired": option.retired })
        });
        let mut summary = object([("options", options.collect())]);
        let other = counts.n("other", "");
        if self.other || other > 0 {
            summary.insert("other".to_owned(), json!({ "count": other, "share": share(other, votes) }));
        }
        summary
    }
}

/// The tally of a chosen option.
pub(super) fn tally(answer: &Value) -> Tally {
    option_value(answer).map_or_else(|| Tally::new("other", ""), |value| Tally::new("option", value))
}
