//! `short_text`: one line.

use super::{
    QuestionType,
    text::{TextRules, string},
};
use crate::values::{Fault, FaultCode, FieldErrors};
use serde_json::Value;

pub(super) struct ShortText(TextRules);

impl QuestionType for ShortText {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        TextRules::define(reply_content, 255, 1000).map(Self)
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        let text = string(answer)?;
        if text.contains(['\n', '\r']) {
            return Err(Fault::new(FaultCode::Malformed, "must be a single line").into());
        }
        self.0.check(text)
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }
}
