//! `PUT /surveys/{idSurvey}/questions/order` (the survey's owner): put the questions of a survey in another order.
//!
//! Parameters: `idSurvey`, `order` (the ids of all its questions). `If-Match` refuses an edit of another version.
//! 200 `{message}`, with `ETag` · 400 `invalid_input` · 401 no valid access token · 403 `forbidden` · 404 `not_found` ·
//! 412 `precondition_failed`

use serde::Deserialize;
use serde_json::json;
use shared::{App, Reply, Request, Result, http, questions, text::Id};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(order_questions)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Id,
    order: Vec<Id>,
}

async fn order_questions(app: App, request: Request) -> Result<Reply> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, order } = http::input(&request)?;
    let order: Vec<_> = order.into_iter().map(|id| id.0).collect();
    let version = questions::order(&mut db, &caller, id_survey.0, &order, http::if_match(&request)?).await?;
    Ok(http::tagged(http::ok(&json!({ "message": "Questions were ordered" }))?, version))
}
