//! A type of the client's own: its `replyContent` is kept as sent, and any JSON is an answer, as in flaskForms.

use super::QuestionType;
use crate::values::{Fault, FieldErrors};
use serde_json::Value;

pub(super) struct Own;

impl QuestionType for Own {
    fn define(_: Option<&Value>) -> Result<Self, FieldErrors> {
        Ok(Self)
    }

    /// An empty text is an answer like any other.
    fn is_blank(&self, _: &Value) -> bool {
        false
    }

    fn takes_anything(&self) -> bool {
        true
    }

    fn check(&self, _: &Value) -> Result<(), Vec<Fault>> {
        Ok(())
    }
}
