//! Surveys: what is asked, by whom and until when.

mod model;
pub(crate) mod ownership;
mod read;
mod write;

pub use model::{
    Description, Name, NewSurvey, ResponseLimit, State, Survey, SurveyChanges, SurveyList, Visibility,
};
pub use read::{find, list_open, list_owned};
pub use write::{Deleted, delete, duplicate, insert, update};
