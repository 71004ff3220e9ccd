//! `POST /surveys/{idSurvey}/questions`, `POST /addquestion` (the survey's owner): add a question behind the others.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    App, Request, Response, Result, http, questions,
    rules::{Content, Definition, TypeName},
    values::{Flag, SurveyId},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(add_question)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: SurveyId,
    content: Content,
    r#type: TypeName,
    required: Option<Flag>,
    reply_content: Option<Value>,
}

async fn add_question(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, content, r#type, required, reply_content } = http::input(&request)?;
    let question = Definition::new(content, r#type, required, reply_content)?;
    let id = questions::insert(&mut db, &caller, id_survey, &question).await?;
    http::created(&json!({ "message": "Question was added", "id": id }))
}
