//! Whole responses.

use super::{
    ATTEMPTS, Answers, edited_again_and_again,
    form::Form,
    store::{NewResponse, store},
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
pub async fn submit(db: &Db, survey: SurveyId, id: ResponseId, answers: &Answers) -> Result<Receipt> {
    let hash = answers.hash()?;
    let receipt = |created_at, replayed| Receipt {
        message: "Response was added",
        id,
        id_survey: survey,
        created_at,
        replayed,
    };
    for _ in 0..ATTEMPTS {
        let form = Form::read(db, survey, id).await?;
        form.must_be_visible()?;
        if let Some(earlier) = &form.earlier {
            return match earlier.survey == survey {
                true if earlier.deleted => {
                    Err(Error::Deleted("The response with this id was deleted, and is not taken again"))
                }
                true if earlier.hash.as_ref() == Some(&hash) => Ok(receipt(earlier.created_at, true)),
                _ => {
                    let text = "There is another response with this id: use a new one";
                    Err(Error::Conflict(Code::IdConflict, text.into()))
                }
            };
        }
        form.must_take_responses()?;
        let checked = form.check(answers)?;
        let new = NewResponse { id, survey, version: form.version, hash: Some(hash.clone()) };
        if let Some(created_at) = store(db, &new, checked).await? {
            return Ok(receipt(created_at, false));
        }
    }
    Err(edited_again_and_again())
}
