//! `GET /surveys/{idSurvey}/questions`, `GET /getsurveyquestions` (anyone; of a draft its owner): the questions of a survey.

use serde::Deserialize;
use serde_json::json;
use shared::{App, Request, Response, Result, http, questions, values::SurveyId};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(get_survey_questions)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: SurveyId,
}

async fn get_survey_questions(app: App, request: Request) -> Result<Response> {
    let Input { id_survey } = http::input(&request)?;
    let (db, viewer) = app.viewer(&request).await?;
    let found = questions::list(&db, &viewer, id_survey).await;
    let (questions, version) = found.map_err(|error| viewer.prefer_token_error(error))?;
    Ok(http::tagged(http::ok(&json!({ "questions": questions }))?, version))
}
