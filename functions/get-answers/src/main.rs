//! `GET /surveys/{idSurvey}/questions/{idQuestion}/answers` (the owner): the answers to one question, page by page.

use serde::Deserialize;
use shared::{
    App, Request, Response, Result, http,
    responses::{self, Order, Position},
    values::{Limit, QuestionId, SurveyId},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(get_answers)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: SurveyId,
    id_question: QuestionId,
    order: Option<Order>,
    limit: Option<Limit>,
    after: Option<Position>,
}

async fn get_answers(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, id_question, order, limit, after } = http::input(&request)?;
    let (order, limit) = (order.unwrap_or_default(), limit.unwrap_or_default());
    http::ok(&responses::answers_to(&mut db, &caller, (id_survey, id_question), order, limit, after).await?)
}
