//! `POST /questions/{idQuestion}/replies`, `POST /addreply` (anyone): reply to a question of an open survey.
//!
//! Parameters: `idQuestion`, `reply` (any JSON).
//! 201 `{message, id}` · 400 `invalid_input` · 404 `not_found` · 409 `survey_closed` ·
//! 422 `invalid_answers`, if the question is typed

use serde::Deserialize;
use serde_json::json;
use shared::{App, Request, Result, http, replies, text::Id};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve_public(add_reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_question: Id,
    reply: replies::Reply,
}

async fn add_reply(app: App, request: Request) -> Result<shared::Reply> {
    let input: Input = http::input(&request)?;
    let id = replies::insert(&app.db().await?, input.id_question.0, &input.reply).await?;
    http::created(&json!({ "message": "Reply was added", "id": id }))
}
