//! Values that are valid as soon as they exist, and how they are read from what a client sent. They need nothing of the
//! other floors.

pub mod fault;
pub mod fields;
pub mod id;
pub mod json;
pub mod moment;
pub mod page;
mod secret;
pub mod text;

pub use fault::{AnswerFault, Fault, FaultCode};
pub use fields::{Change, FieldErrors};
pub use id::{QuestionId, ResponseId, SurveyId, TokenId, UserId};
pub use moment::Moment;
pub use page::{Cursor, Limit, Page, Window};
pub use secret::Secret;
pub use text::{Flag, Line, Prose};
