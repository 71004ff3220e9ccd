//! `POST /surveys/{idSurvey}/questions`, `POST /addquestion` (the survey's owner): add a question behind the others.
//!
//! Parameters: `idSurvey`, `content`, `type`; optional `required` (false), `replyContent`.
//! 201 `{message, id}` · 400 `invalid_input` · 401 no valid access token · 403 `forbidden` · 404 `not_found`

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    App, Error, Reply, Request, Result, http,
    questions::{self, Content, NewQuestion, Type},
    text::{Flag, Id},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(add_question)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: Id,
    content: Content,
    r#type: Type,
    required: Option<Flag>,
    reply_content: Option<Value>,
}

async fn add_question(app: App, request: Request) -> Result<Reply> {
    let (db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, content, r#type, required, reply_content } = http::input(&request)?;
    let question = NewQuestion::new(content, r#type, required, reply_content)
        .map_err(|fault| Error::invalid("replyContent", fault))?;
    let id = questions::insert(&db, &caller, id_survey.0, &question).await?;
    http::created(&json!({ "message": "Question was added", "id": id }))
}
