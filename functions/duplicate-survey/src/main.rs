//! `POST /surveys/{idSurvey}/duplicate` (the survey's owner): copy a survey with its questions, without responses, as a draft.
//!
//! Parameters: `idSurvey`; optional `name` ("Copy of …").
//! 201 `{message, id}` · 400 `invalid_input` · 401 no valid access token · 403 `forbidden` · 404 `not_found`

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Reply, Request, Result, http,
    surveys::{self, Name},
    text::Id,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(duplicate_survey)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Id,
    name: Option<Name>,
}

async fn duplicate_survey(app: App, request: Request) -> Result<Reply> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, name } = http::input(&request)?;
    let id = surveys::duplicate(&mut db, &caller, id_survey.0, name.as_ref()).await?;
    http::created(&json!({ "message": "Survey was duplicated", "id": id }))
}
