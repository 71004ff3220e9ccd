//! `GET /surveys/{idSurvey}/questions`, `GET /getsurveyquestions` (anyone; of a draft its owner): the questions of a survey.
//!
//! Parameters: `idSurvey`.
//! 200 `{questions}` · 400 `invalid_input` · 404 `not_found`

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
    let questions = questions::list(&db, reader.as_ref(), input.id_survey.0).await?;
    http::ok(&json!({ "questions": questions }))
}
