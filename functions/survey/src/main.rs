//! `GET /surveys/{idSurvey}` (anyone; of a draft its owner), `PATCH /surveys/{idSurvey}`, `DELETE /surveys/{idSurvey}` (the
//! owner): one survey.

use serde::Deserialize;
use shared::{
    App, Error, Request, Response, Result, http,
    surveys::{self, SurveyChanges},
    values::SurveyId,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(survey)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Which {
    id_survey: SurveyId,
}

async fn survey(app: App, request: Request) -> Result<Response> {
    match request.method().as_str() {
        "GET" => {
            let Which { id_survey } = http::input(&request)?;
            let survey =
                app.view(&request, |db, viewer| Box::pin(surveys::find(db, viewer, id_survey))).await?;
            Ok(http::tagged(http::ok(&survey)?, survey.version))
        }
        "PATCH" => {
            let (mut db, caller) = app.authenticated(&request).await?;
            let changes: SurveyChanges = http::input(&request)?;
            let survey = surveys::update(&mut db, &caller, &changes, http::if_match(&request)?).await?;
            Ok(http::tagged(http::ok(&survey)?, survey.version))
        }
        "DELETE" => {
            let (mut db, caller) = app.authenticated(&request).await?;
            let Which { id_survey } = http::input(&request)?;
            http::ok(&surveys::delete(&mut db, &caller, id_survey, http::if_match(&request)?).await?)
        }
        _ => Err(Error::MethodNotAllowed("GET, PATCH, DELETE")),
    }
}
