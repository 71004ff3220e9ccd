//! `GET /surveys/{idSurvey}/responses` (the survey's owner): the responses, page by page.
//!
//! Parameters: `idSurvey`; optional `format` (`json`, `ndjson` or `csv`; or the header `Accept`), `limit` (100), `after`.
//! 200 `{responses, next?}`, or lines; `Link` leads to the next page · 400 `invalid_input` · 401 no valid access token ·
//! 403 `forbidden` · 404 `not_found` · 409 `survey_edited` during a download as CSV

use serde::Deserialize;
use shared::{
    App, Reply, Request, Result,
    export::{self, Format, Position},
    http,
    page::Limit,
    text::Id,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(get_responses)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Id,
    format: Option<Format>,
    limit: Option<Limit>,
    after: Option<Position>,
}

async fn get_responses(app: App, request: Request) -> Result<Reply> {
    let (db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, format, limit, after } = http::input(&request)?;
    let accept = request.headers().get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = format.or_else(|| Format::accepted(accept)).unwrap_or(Format::Json);
    export::page(&db, &caller, id_survey.0, format, limit.unwrap_or_default(), after).await
}
