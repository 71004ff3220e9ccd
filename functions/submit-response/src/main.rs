//! `PUT /surveys/{idSurvey}/responses/{idResponse}`, `POST /surveys/{idSurvey}/responses` (anyone): answer a survey as a whole.
//!
//! Parameters: `idSurvey`, `answers` (an object: the id of each question that is answered, and the reply); of PUT
//! `idResponse`, a UUID that the client makes: sent again, the same response is stored and counted once.
//! 201 `{message, id, idSurvey, createdAt}`, 200 the same again · 400 `invalid_input` · 404 `not_found` ·
//! 409 `survey_closed`, `limit_reached`, `id_conflict` · 422 `invalid_answers`, with all `faults`

use serde::Deserialize;
use shared::{
    App, Reply, Request, Result, http,
    responses::{self, Answers},
    text::Id,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve_public(submit_response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Id,
    id_response: Option<Id>,
    answers: Answers,
}

async fn submit_response(app: App, request: Request) -> Result<Reply> {
    let Input { id_survey, id_response, answers } = http::input(&request)?;
    let id = id_response.unwrap_or_else(Id::new);
    let receipt = responses::submit(&app.db().await?, id_survey.0, id.0, &answers).await?;
    if receipt.replayed { http::ok(&receipt) } else { http::created(&receipt) }
}
