//! `GET /surveys/{idSurvey}/questions`, `GET /getsurveyquestions` (anyone; of a draft its owner): the questions of a survey.

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Request, Response, Result,
    http::{self, Known},
    questions,
    values::SurveyId,
};

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
    let known = http::if_none_match(&request);
    if known != Known::Nothing {
        let version =
            app.view(&request, |db, viewer| Box::pin(questions::version(db, viewer, id_survey))).await?;
        if known.has(version) {
            return Ok(http::not_modified(version));
        }
    }
    let (questions, version) =
        app.view(&request, |db, viewer| Box::pin(questions::list(db, viewer, id_survey))).await?;
    Ok(http::revalidated(http::ok(&json!({ "questions": questions }))?, version))
}
