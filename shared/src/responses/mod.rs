//! Responses: what one respondent sent, valid and counted exactly once.
//!
//! A response is checked against the survey as one statement read it (`form`), and stored by a second one (`store`) only
//! if the survey is still that version, and open. Otherwise it is checked again. Nobody can slip in between: the second
//! statement locks the survey's row against edits (not against other responses), and an edit that depends on what was
//! answered locks it against responses.

mod answers;
mod delete;
mod form;
mod read;
mod single;
mod store;
mod submit;

pub use answers::{AnswerValue, Answers};
pub use delete::delete;
pub use read::{Order, Position, ResponsePage, StoredResponse, find, page};
pub use single::insert_single;
pub use submit::{Receipt, submit};

/// How often a response is checked anew because the survey was edited meanwhile.
const ATTEMPTS: usize = 3;

/// 503 for what was edited each time that it was checked.
fn edited_again_and_again() -> crate::Error {
    crate::Error::Contended("the survey was edited again and again")
}
