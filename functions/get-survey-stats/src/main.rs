//! `GET /surveys/{idSurvey}/stats`, `GET /getsurveystats` (the owner, or anyone if the survey says so): the results.

use serde::Deserialize;
use shared::{
    App, Error, Request, Response, Result, http, results,
    values::{SurveyId, text::BLANK},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(get_survey_stats)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: SurveyId,
}

/// flaskForms' clients call the survey `id`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlaskForms {
    id_survey: Option<SurveyId>,
    id: Option<SurveyId>,
}

async fn get_survey_stats(app: App, request: Request) -> Result<Response> {
    let survey = if http::is_flask_forms(&request) {
        let FlaskForms { id_survey, id } = http::input(&request)?;
        id_survey.or(id).ok_or_else(|| Error::invalid("id", BLANK))?
    } else {
        http::input::<Input>(&request)?.id_survey
    };
    let (stats, _) =
        app.view(&request, |db, viewer| Box::pin(results::stats(db, viewer, survey, true))).await?;
    http::ok(&stats)
}
