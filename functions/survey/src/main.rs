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
    due_date::DueDate,
    http::{self, Change},
    surveys::{self, Description, Edit, Name, ResponseLimit, Visibility},
    text::{Flag, Id},
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
    name: Option<Name>,
    desc: Option<Description>,
    is_active: Option<Flag>,
    opens_at: Change<DueDate>,
    due_date: Option<DueDate>,
    visibility: Option<Visibility>,
    public_stats: Option<Flag>,
    response_limit: Change<ResponseLimit>,
}

async fn survey(app: App, request: Request) -> Result<Reply> {
    match request.method().as_str() {
        "GET" => get(app, request).await,
        "PATCH" => patch(app, request).await,
        "DELETE" => delete(app, request).await,
        _ => Err(Error::MethodNotAllowed("GET, PATCH, DELETE")),
    }
}

async fn get(app: App, request: Request) -> Result<Reply> {
    let Id(survey) = http::input::<OnlyId>(&request)?.id_survey;
    let (db, reader) = app.recognized(&request).await?;
    let survey = surveys::find(&db, &reader, survey).await.map_err(|error| reader.explain(error))?;
    Ok(http::tagged(http::ok(&survey)?, survey.version))
}

async fn patch(app: App, request: Request) -> Result<Reply> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let input: Input = http::input(&request)?;
    let edit = Edit {
        name: input.name,
        description: input.desc,
        is_active: input.is_active.map(|flag| flag.0),
        opens: input.opens_at,
        due: input.due_date,
        visibility: input.visibility,
        public_stats: input.public_stats.map(|flag| flag.0),
        response_limit: input.response_limit,
    };
    surveys::update(&mut db, &caller, input.id_survey.0, &edit, http::if_match(&request)?).await?;
    let survey = surveys::find(&db, &Reader::Known(caller), input.id_survey.0).await?;
    Ok(http::tagged(http::ok(&survey)?, survey.version))
}

async fn delete(app: App, request: Request) -> Result<Reply> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Id(survey) = http::input::<OnlyId>(&request)?.id_survey;
    http::ok(&surveys::delete(&mut db, &caller, survey, http::if_match(&request)?).await?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnlyId {
    id_survey: Id,
}
