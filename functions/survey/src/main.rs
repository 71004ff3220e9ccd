//! `GET /surveys/{idSurvey}` (anyone; of a draft its owner), `PATCH /surveys/{idSurvey}`, `DELETE /surveys/{idSurvey}` (the
//! owner): one survey.

use serde::Deserialize;
use shared::{
    App, Error, Request, Response, Result, http,
    surveys::{self, Description, Name, ResponseLimit, SurveyChanges, Visibility},
    values::{Change, Flag, Moment, SurveyId},
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    id_survey: SurveyId,
    name: Option<Name>,
    desc: Change<Description>,
    is_active: Option<Flag>,
    opens_at: Change<Moment>,
    due_date: Option<Moment>,
    visibility: Option<Visibility>,
    public_stats: Option<Flag>,
    response_limit: Change<ResponseLimit>,
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
            let Changes {
                id_survey,
                name,
                desc,
                is_active,
                opens_at,
                due_date,
                visibility,
                public_stats,
                response_limit,
            } = http::input(&request)?;
            let changes = SurveyChanges {
                name,
                desc,
                is_active,
                opens_at,
                due_date,
                visibility,
                public_stats,
                response_limit,
            };
            let if_match = http::if_match(&request)?;
            let survey = surveys::update(&mut db, &caller, id_survey, &changes, if_match).await?;
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
