//! `PUT /surveys/{idSurvey}/responses/{idResponse}`, `POST /surveys/{idSurvey}/responses` (anyone): answer a survey as a whole.

use serde::Deserialize;
use shared::{
    PublicApp, Request, Response, Result, http,
    responses::{self, Answers},
    values::{ResponseId, SurveyId},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(submit_response)
}

/// The client makes the id: sent again, the same response is stored and counted once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    id_survey: SurveyId,
    id_response: ResponseId,
    answers: Answers,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    id_survey: SurveyId,
    answers: Answers,
}

async fn submit_response(app: PublicApp, request: Request) -> Result<Response> {
    let Put { id_survey, id_response, answers } = if request.method() == "PUT" {
        http::input(&request)?
    } else {
        let Post { id_survey, answers } = http::input(&request)?;
        Put { id_survey, id_response: ResponseId::new(), answers }
    };
    let receipt =
        responses::submit(&mut app.db().await?, app.forms(), id_survey, id_response, &answers).await?;
    if receipt.replayed && request.method() == "PUT" { http::ok(&receipt) } else { http::created(&receipt) }
}
