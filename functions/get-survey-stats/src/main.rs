//! `GET /surveys/{idSurvey}/stats`, `GET /getsurveystats` (the owner, or anyone if the survey says so): the results.
//!
//! Parameters: `idSurvey`, which flaskForms' clients call `id`.
//! 200 `[{id, type, votes, content, answers, summary}]` · 400 `invalid_input` · 401 no valid access token · 403 `forbidden` ·
//! 404 `not_found`

use serde::Deserialize;
use shared::{App, Error, Reply, Request, Result, http, results, text::Id};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(get_survey_stats)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Option<Id>,
    id: Option<Id>,
}

async fn get_survey_stats(app: App, request: Request) -> Result<Reply> {
    let input: Input = http::input(&request)?;
    let survey = input.id_survey.or(input.id).ok_or_else(|| Error::invalid("id", http::Blank.to_string()))?;
    let (db, reader) = app.recognized(&request).await?;
    let stats = results::stats(&db, &reader, survey.0).await.map_err(|error| reader.explain(error))?;
    http::ok(&stats)
}
