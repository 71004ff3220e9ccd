//! `POST /questions/{idQuestion}/replies`, `POST /addreply` (anyone): answer one question of an open survey.

use serde::Deserialize;
use serde_json::json;
use shared::{
    PublicApp, Request, Response, Result, http,
    responses::{self, AnswerValue},
    values::QuestionId,
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(add_reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_question: QuestionId,
    reply: AnswerValue,
}

async fn add_reply(app: PublicApp, request: Request) -> Result<Response> {
    let Input { id_question, reply } = http::input(&request)?;
    let id = responses::insert_single(&mut app.db().await?, app.forms(), id_question, &reply).await?;
    http::created(&json!({ "message": "Reply was added", "id": id }))
}
