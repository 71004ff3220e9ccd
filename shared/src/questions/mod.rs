//! Questions: the parts of a survey, in order.

pub(crate) mod counters;
mod write;

pub use write::{QuestionChanges, delete, insert, order, update};

use crate::{
    Result,
    accounts::Viewer,
    db::Db,
    surveys::ownership,
    values::{QuestionId, SurveyId},
};
use serde::Serialize;
use serde_json::Value;

/// A question as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    id: QuestionId,
    content: String,
    r#type: String,
    required: bool,
    reply_content: Value,
}

/// The version of a survey and its questions. A draft exists for its owner alone.
pub async fn version(db: &mut Db, viewer: &Viewer, survey: SurveyId) -> Result<i32> {
    let row = db
        .row_opt(
            "-- questions::version
            SELECT version FROM surveys WHERE id = $1 AND (is_visible OR owner_id = $2)",
            &[&survey, &viewer.user()],
        )
        .await?;
    Ok(row.ok_or_else(ownership::unknown)?.try_get("version")?)
}

/// The questions of a survey, in order, and the survey's version. A draft exists for its owner alone.
pub async fn list(db: &mut Db, viewer: &Viewer, survey: SurveyId) -> Result<(Vec<Question>, i32)> {
    // One row a question, and one without a question for a survey that has none: no row means no survey.
    let rows = db
        .rows(
            "-- questions::list
            SELECT s.version, q.id, q.content, q.type, q.required, q.reply_content
            FROM surveys s LEFT JOIN questions q ON q.survey_id = s.id
            WHERE s.id = $1 AND (s.is_visible OR s.owner_id = $2)
            ORDER BY q.position",
            &[&survey, &viewer.user()],
        )
        .await?;
    let version = rows.first().ok_or_else(ownership::unknown)?.try_get("version")?;
    let mut questions = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(id) = row.try_get("id")? else { break };
        questions.push(Question {
            id,
            content: row.try_get("content")?,
            r#type: row.try_get("type")?,
            required: row.try_get("required")?,
            reply_content: row.try_get::<_, Option<Value>>("reply_content")?.unwrap_or_default(),
        });
    }
    Ok((questions, version))
}
