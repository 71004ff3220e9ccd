//! `GET /surveys/{idSurvey}/stats`, `GET /getsurveystats` (the owner, or anyone if the survey says so): the results.

use serde::Deserialize;
use shared::{
    App, Error, Request, Response, Result,
    http::{self, Known},
    results,
    values::{Flag, SurveyId, text::BLANK},
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
    answers: Option<Flag>,
}

/// flaskForms' clients call the survey `id`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlaskForms {
    id_survey: Option<SurveyId>,
    id: Option<SurveyId>,
}

async fn get_survey_stats(app: App, request: Request) -> Result<Response> {
    let (survey, answers) = if http::is_flask_forms(&request) {
        let FlaskForms { id_survey, id } = http::input(&request)?;
        (id_survey.or(id).ok_or_else(|| Error::invalid("id", BLANK))?, true)
    } else {
        let Input { id_survey, answers } = http::input(&request)?;
        (id_survey, answers.is_some_and(|answers| answers.0))
    };
    let known = http::if_none_match(&request);
    if known != Known::Nothing {
        let tag =
            app.view(&request, |db, viewer| Box::pin(results::tag(db, viewer, survey, answers))).await?;
        if known.has(&tag) {
            return Ok(http::not_modified(&tag));
        }
    }
    let (stats, tag) =
        app.view(&request, |db, viewer| Box::pin(results::stats(db, viewer, survey, answers))).await?;
    Ok(http::revalidated(http::ok(&stats)?, &tag))
}
