//! Responses: what one respondent sent, valid and counted exactly once.
//!
//! A response is checked (`form`) and then stored by one statement (`store`), which does so only if the survey is still what
//! the response was checked against, and open. Nobody can slip in between: that statement locks the survey's row against edits
//! (not against other responses), and an edit that depends on what was answered locks it against responses.

mod answers;
mod counted;
mod delete;
mod form;
mod forms;
mod read;
mod single;
mod store;
mod submit;

pub use answers::{AnswerValue, Answers};
pub(crate) use counted::CHUNK;
pub use delete::delete;
pub use forms::Forms;
pub use read::{Order, Position, QuestionAnswers, ResponsePage, StoredResponse, answers_to, find, page};
pub use single::insert_single;
pub use submit::{Receipt, submit};

/// 404 for a question that isn't there.
fn unknown_question() -> crate::Error {
    crate::Error::NotFound("Question doesn't exist".into())
}
