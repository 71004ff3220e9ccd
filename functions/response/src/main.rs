//! `GET /surveys/{idSurvey}/responses/{idResponse}`, `DELETE /surveys/{idSurvey}/responses/{idResponse}` (the survey's owner):
//! read a response, or delete it and take it out of the results.

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Error, Request, Response, Result, http, responses,
    values::{ResponseId, SurveyId},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: SurveyId,
    id_response: ResponseId,
}

async fn response(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, id_response } = http::input(&request)?;
    match request.method().as_str() {
        "GET" => http::ok(&responses::find(&mut db, &caller, id_survey, id_response).await?),
        "DELETE" => {
            responses::delete(&mut db, &caller, id_survey, id_response).await?;
            http::ok(&json!({ "message": "Response was deleted" }))
        }
        _ => Err(Error::MethodNotAllowed("GET, DELETE")),
    }
}
