//! Whole responses.

use super::{
    Answers, Forms,
    store::{Outcome, To, store},
};
use crate::{
    Error, Result,
    db::Db,
    error::Code,
    values::{ResponseId, SurveyId},
};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A response that was stored, now or by an earlier try.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    message: &'static str,
    id: ResponseId,
    id_survey: SurveyId,
    created_at: DateTime<Utc>,
    /// Whether it was there before.
    #[serde(skip)]
    pub replayed: bool,
}

/// Store a whole response, or say all that is wrong with it. With an id that is known, and the same answers, the first
/// result comes back, also after the survey has closed; an id whose response was deleted stays deleted.
pub async fn submit(
    db: &mut Db,
    forms: &Forms,
    survey: SurveyId,
    id: ResponseId,
    answers: &Answers,
) -> Result<Receipt> {
    let hash = answers.hash()?;
    let outcome = store(db, forms, To::Survey(survey), id, Some(&hash), |form| form.check(answers)).await?;
    let (created_at, replayed) = match outcome {
        Outcome::Stored(created_at) => (created_at, false),
        Outcome::Known(earlier) if earlier.survey == survey && earlier.deleted => {
            return Err(Error::Deleted("The response with this id was deleted, and is not taken again"));
        }
        Outcome::Known(earlier) if earlier.survey == survey && earlier.hash.as_ref() == Some(&hash) => {
            (earlier.created_at, true)
        }
        Outcome::Known(_) => {
            let text = "There is another response with this id: use a new one";
            return Err(Error::Conflict(Code::IdConflict, text.into()));
        }
    };
    Ok(Receipt { message: "Response was added", id, id_survey: survey, created_at, replayed })
}
