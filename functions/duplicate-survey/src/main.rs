//! `POST /surveys/{idSurvey}/duplicate` (the survey's owner): copy a survey with its questions, without responses, as a draft.

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Request, Response, Result, http,
    surveys::{self, Name},
    values::SurveyId,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(duplicate_survey)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: SurveyId,
    name: Option<Name>,
}

async fn duplicate_survey(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, name } = http::input(&request)?;
    let id = surveys::duplicate(&mut db, &caller, id_survey, name.as_ref()).await?;
    http::created(&json!({ "message": "Survey was duplicated", "id": id }))
}
