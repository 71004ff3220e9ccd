//! What is wrong with an answer to a question. It stands here because errors carry it to the edge.

use super::QuestionId;
use serde::Serialize;

/// What is wrong with an answer, as a stable word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// A required question was not answered.
    Required,
    /// The answer's JSON type is not that of the question.
    WrongType,
    /// The text has not the form that the type asks for.
    Malformed,
    /// Below the least value.
    TooSmall,
    /// Above the greatest value.
    TooLarge,
    /// Between two steps.
    Step,
    /// Fewer characters than asked for.
    TooShort,
    /// More characters than allowed.
    TooLong,
    /// The pattern doesn't match.
    Pattern,
    /// No option, or column, of the question.
    UnknownOption,
    /// An option, row or column that can't be chosen any more.
    RetiredOption,
    /// The same option twice.
    Duplicate,
    /// Fewer options, rows or columns than asked for.
    TooFew,
    /// More options than allowed.
    TooMany,
    /// No row of the question.
    UnknownRow,
    /// No question of the survey.
    UnknownQuestion,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The row of a matrix that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// A stable word for programs.
    pub code: FaultCode,
    /// What to change.
    pub message: String,
}

impl Fault {
    /// A fault of a whole answer.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { row: None, code, message: message.into() }
    }

    /// The fault of a required question without an answer.
    #[must_use]
    pub fn required() -> Self {
        Self::new(FaultCode::Required, super::text::BLANK)
    }

    /// The same, of one row.
    #[must_use]
    pub fn of_row(self, row: &str) -> Self {
        Self { row: Some(row.to_owned()), ..self }
    }
}

/// Most answers have one fault; a matrix has one a row.
impl From<Fault> for Vec<Fault> {
    fn from(fault: Fault) -> Self {
        vec![fault]
    }
}

/// A fault, and the question whose answer has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnswerFault {
    /// The id of the question, as the client wrote it where there is no such question.
    pub question: String,
    /// What is wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

impl AnswerFault {
    /// A fault of the answer to a question.
    #[must_use]
    pub fn new(question: QuestionId, fault: Fault) -> Self {
        Self { question: question.to_string(), fault }
    }
}
