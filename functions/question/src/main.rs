//! `PATCH /questions/{idQuestion}`, `DELETE /questions/{idQuestion}` (the survey's owner): change or delete a question.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    App, Error, Request, Response, Result, http,
    questions::{self, QuestionChanges},
    rules::Content,
    values::{Change, Flag, Line, QuestionId},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(question)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Which {
    id_question: QuestionId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    id_question: QuestionId,
    content: Option<Content>,
    r#type: Option<Line<50>>,
    required: Option<Flag>,
    reply_content: Change<Value>,
}

async fn question(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    match request.method().as_str() {
        "PATCH" => {
            let Changes { id_question, content, r#type, required, reply_content } = http::input(&request)?;
            let changes = QuestionChanges { content, r#type, required, reply_content };
            let if_match = http::if_match(&request)?;
            let version = questions::update(&mut db, &caller, id_question, &changes, if_match).await?;
            Ok(http::tagged(http::ok(&json!({ "message": "Question was changed" }))?, version))
        }
        "DELETE" => {
            let Which { id_question } = http::input(&request)?;
            let if_match = http::if_match(&request)?;
            let (replies, version) = questions::delete(&mut db, &caller, id_question, if_match).await?;
            let body = json!({ "message": "Question was deleted", "replies": replies });
            Ok(http::tagged(http::ok(&body)?, version))
        }
        _ => Err(Error::MethodNotAllowed("PATCH, DELETE")),
    }
}
