//! `GET /surveys/{idSurvey}` (anyone; of a draft its owner), `PATCH /surveys/{idSurvey}`, `DELETE /surveys/{idSurvey}` (the owner): one survey.
//!
//! Parameters: `idSurvey`; of PATCH any of `name`, `desc`, `isActive`, `opensAt`, `dueDate`, `visibility`, `publicStats`,
//! `responseLimit`, where `null` takes `opensAt` and `responseLimit` away. `If-Match` refuses an edit of another version.
//! 200 the survey, with `ETag`; of DELETE `{message, questions, responses, replies}` · 400 `invalid_input` ·
//! 401 no valid access token · 403 `forbidden` · 404 `not_found` · 405 another method · 412 `precondition_failed`

use serde::Deserialize;
use shared::{
    App, Error, Reply, Request, Result,
    auth::Reader,
    http,
    surveys::{self, Edit},
    text::Id,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(survey)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Id,
}

async fn survey(app: App, request: Request) -> Result<Reply> {
    match request.method().as_str() {
        "GET" => {
            let Input { id_survey: Id(id) } = http::input(&request)?;
            let (db, reader) = app.recognized(&request).await?;
            let survey = surveys::find(&db, &reader, id).await.map_err(|error| reader.explain(error))?;
            Ok(http::tagged(http::ok(&survey)?, survey.version))
        }
        "PATCH" => {
            let (mut db, caller) = app.authenticated(&request).await?;
            let Input { id_survey: Id(id) } = http::input(&request)?;
            let edit: Edit = http::input(&request)?;
            surveys::update(&mut db, &caller, id, &edit, http::if_match(&request)?).await?;
            let survey = surveys::find(&db, &Reader::Known(caller), id).await?;
            Ok(http::tagged(http::ok(&survey)?, survey.version))
        }
        "DELETE" => {
            let (mut db, caller) = app.authenticated(&request).await?;
            let Input { id_survey: Id(id) } = http::input(&request)?;
            http::ok(&surveys::delete(&mut db, &caller, id, http::if_match(&request)?).await?)
        }
        _ => Err(Error::MethodNotAllowed("GET, PATCH, DELETE")),
    }
}
