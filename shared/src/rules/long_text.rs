//! `long_text`: any number of lines.

use super::{
    QuestionType,
    text::{TextRules, string},
};
use crate::values::{Fault, FieldErrors};
use serde_json::Value;

pub(super) struct LongText(TextRules);

impl QuestionType for LongText {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        TextRules::define(reply_content, 5000, 20_000).map(Self)
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        self.0.check(string(answer)?)
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }
}
