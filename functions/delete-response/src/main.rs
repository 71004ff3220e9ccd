//! `DELETE /surveys/{idSurvey}/responses/{idResponse}` (the survey's owner): delete a response, and take it out of the results.
//!
//! Parameters: `idSurvey`, `idResponse`.
//! 200 `{message}` · 400 `invalid_input` · 401 no valid access token · 403 `forbidden` · 404 `not_found`

use serde::Deserialize;
use serde_json::json;
use shared::{App, Reply, Request, Result, http, responses, text::Id};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(delete_response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Id,
    id_response: Id,
}

async fn delete_response(app: App, request: Request) -> Result<Reply> {
    let (db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, id_response } = http::input(&request)?;
    responses::delete(&db, &caller, id_survey.0, id_response.0).await?;
    http::ok(&json!({ "message": "Response was deleted" }))
}
