//! Answers as a client sends them.

use crate::{
    Error, Result,
    rules::MAX_QUESTIONS,
    values::{QuestionId, json::beginning},
};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Bytes of JSON in an answer.
const MAX_BYTES: usize = 64 * 1024;

/// An answer to one question: any JSON, stored as sent, up to 64 KiB.
#[derive(Clone, Debug)]
pub struct AnswerValue(pub Value);

impl<'de> Deserialize<'de> for AnswerValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        if json.to_string().len() > MAX_BYTES {
            return Err(de::Error::custom("may have at most 64 KiB of JSON"));
        }
        Ok(Self(json))
    }
}

/// The answers of a response, by the id of the question. `null` is no answer.
#[derive(Debug)]
pub struct Answers(pub(super) BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(answers) = Value::deserialize(deserializer)? else {
            return Err(de::Error::custom("must be an object with an answer for each id of a question"));
        };
        if answers.len() > MAX_QUESTIONS {
            return Err(de::Error::custom(format!("may answer at most {MAX_QUESTIONS} questions")));
        }
        let mut all = BTreeMap::new();
        for (question, answer) in answers {
            let answer = AnswerValue::deserialize(answer)
                .map_err(|e| de::Error::custom(format!("{}: {e}", beginning(&question))))?
                .0;
            // One spelling of an id, so that no question can be answered twice.
            let question: Result<QuestionId, _> = question.parse().map(QuestionId).map_err(|_| question);
            let question = question.map_or_else(|other| beginning(&other), |id| id.to_string());
            if !answer.is_null() && all.insert(question.clone(), answer).is_some() {
                return Err(de::Error::custom(format!("{question} is there twice")));
            }
        }
        Ok(Self(all))
    }
}

impl Answers {
    /// The same for the same answers, in whatever order they were written.
    pub(super) fn hash(&self) -> Result<Vec<u8>> {
        // serde_json keeps the members of an object in the order of their names.
        let canonical = serde_json::to_vec(&self.0).map_err(Error::internal)?;
        Ok(Sha256::digest(canonical).to_vec())
    }
}

/// Size of an answer in a response of ours, with the id of its question.
pub(super) fn bytes(answer: &Value) -> i32 {
    i32::try_from(answer.to_string().len() + 40).unwrap_or(i32::MAX)
}
