//! `PATCH /questions/{idQuestion}`, `DELETE /questions/{idQuestion}` (the survey's owner): change or delete a question.
//!
//! Parameters: `idQuestion`; of PATCH any of `content`, `type`, `required`, `replyContent`. `If-Match` refuses an edit of
//! another version of the survey.
//! 200 `{message}`, of DELETE with `replies`, and `ETag` · 400 `invalid_input` · 401 no valid access token ·
//! 403 `forbidden` · 404 `not_found` · 405 another method · 409 `type_in_use`, `option_in_use` · 412 `precondition_failed`

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    App, Error, Reply, Request, Result,
    http::{self, Change},
    questions::{self, Content, Edit, Type},
    text::{Flag, Id},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(question)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_question: Id,
    content: Option<Content>,
    r#type: Option<Type>,
    required: Option<Flag>,
    reply_content: Change<Value>,
}

async fn question(app: App, request: Request) -> Result<Reply> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let input: Input = http::input(&request)?;
    let (Id(id), if_match) = (input.id_question, http::if_match(&request)?);
    match request.method().as_str() {
        "PATCH" => {
            let Input { content, r#type, required, reply_content, .. } = input;
            let edit = Edit { content, r#type, required, reply_content };
            let version = questions::update(&mut db, &caller, id, &edit, if_match).await?;
            Ok(http::tagged(http::ok(&json!({ "message": "Question was changed" }))?, version))
        }
        "DELETE" => {
            let (replies, version) = questions::delete(&mut db, &caller, id, if_match).await?;
            Ok(http::tagged(
                http::ok(&json!({ "message": "Question was deleted", "replies": replies }))?,
                version,
            ))
        }
        _ => Err(Error::MethodNotAllowed("PATCH, DELETE")),
    }
}
