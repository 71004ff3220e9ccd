//! `GET /surveys/{idSurvey}/questions`, `GET /getsurveyquestions` (anyone; of a draft its owner): the questions of a survey.
//!
//! Parameters: `idSurvey`.
//! 200 `{questions}`, with `ETag` · 400 `invalid_input` · 401 a bad token, of a draft · 404 `not_found`

use serde::Deserialize;
use serde_json::json;
use shared::{App, Reply, Request, Result, http, questions, text::Id};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(get_survey_questions)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Id,
}

async fn get_survey_questions(app: App, request: Request) -> Result<Reply> {
    let input: Input = http::input(&request)?;
    let (db, reader) = app.recognized(&request).await?;
    let found = questions::list(&db, &reader, input.id_survey.0).await;
    let (questions, version) = found.map_err(|error| reader.explain(error))?;
    Ok(http::tagged(http::ok(&json!({ "questions": questions }))?, version))
}
