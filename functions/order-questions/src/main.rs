//! `PUT /surveys/{idSurvey}/questions/order` (the survey's owner): put the questions of a survey in another order.

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Request, Response, Result, http, questions,
    values::{QuestionId, SurveyId},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(order_questions)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: SurveyId,
    order: Vec<QuestionId>,
}

async fn order_questions(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, order } = http::input(&request)?;
    let version = questions::order(&mut db, &caller, id_survey, &order, http::if_match(&request)?).await?;
    Ok(http::tagged(http::ok(&json!({ "message": "Questions were ordered" }))?, version))
}
