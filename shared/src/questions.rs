//! Questions: the parts of a survey, in order.

use crate::{
    Error, Result,
    auth::Caller,
    db::Db,
    error::OnConstraint,
    http, surveys,
    text::{Line, Prose},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use uuid::Uuid;

/// The most questions that a survey may have.
const MAX_QUESTIONS: usize = 500;

/// A question's text: up to 10,000 characters.
pub type Content = Prose<10_000>;

/// A question's type: one line of up to 50 characters.
pub type Type = Line<50>;

/// A question that is to be added.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewQuestion {
    /// What is asked.
    pub content: Content,
    /// How a client should ask it.
    pub r#type: Type,
    /// What may be answered, in a form the client understands: any JSON, kept as sent.
    pub reply_content: Option<Value>,
}

impl NewQuestion {
    /// Bytes that count towards the limit of a survey's questions together.
    pub(crate) fn bytes(&self) -> i32 {
        let reply_content = self.reply_content.as_ref().map_or(0, |json| json.to_string().len());
        i32::try_from(self.content.as_str().len() + reply_content).unwrap_or(i32::MAX)
    }
}

/// The questions of a new survey: a list, or a single one as flaskForms' clients may send it.
#[derive(Debug, Default)]
pub struct NewQuestions(pub Vec<NewQuestion>);

impl<'de> Deserialize<'de> for NewQuestions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = match Value::deserialize(deserializer)? {
            Value::Array(items) => items,
            one @ Value::Object(_) => vec![one],
            _ => return Err(de::Error::custom("must be a list of questions, in a JSON body")),
        };
        if items.len() > MAX_QUESTIONS {
            return Err(de::Error::custom(TOO_MANY));
        }
        let (questions, faults): (Vec<_>, Vec<_>) =
            items.iter().enumerate().map(|(index, item)| question(index + 1, item)).partition(Result::is_ok);
        match faults.into_iter().filter_map(Result::err).collect::<Vec<_>>() {
            none if none.is_empty() => Ok(Self(questions.into_iter().flatten().collect())),
            faults => Err(de::Error::custom(faults.join("; "))),
        }
    }
}

fn question(number: usize, item: &Value) -> Result<NewQuestion, String> {
    let object = item.as_object().ok_or_else(|| format!("question {number} must be an object"))?;
    http::members(object).map_err(|faults| format!("question {number}: {faults}"))
}

/// A question as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    id: Uuid,
    content: String,
    r#type: String,
    reply_content: Value,
}

/// Add a question behind the others. The update of the survey's row comes first: it locks the row, so that two questions
/// added at once get two positions.
pub async fn insert(db: &Db, owner: &Caller, survey: Uuid, question: &NewQuestion) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let row = db
        .row(
            "-- questions::insert
            WITH survey AS (
                UPDATE surveys SET question_count = question_count + 1, question_bytes = question_bytes + $7
                WHERE id = $1 AND owner_id = $2
                RETURNING id, question_count
            ), question AS (
                INSERT INTO questions (id, survey_id, position, content, type, reply_content)
                SELECT $3, id, question_count - 1, $4, $5, $6 FROM survey
                RETURNING id
            )
            SELECT EXISTS (SELECT FROM question) AS added,
                   EXISTS (SELECT FROM surveys WHERE id = $1 AND is_active) AS visible",
            &[
                &survey,
                &owner.user,
                &id,
                &question.content.as_str(),
                &question.r#type.as_str(),
                &question.reply_content,
                &question.bytes(),
            ],
        )
        .await
        .on_constraint("surveys_question_count_limit", || too_many("idSurvey"))
        .on_constraint("surveys_question_bytes_limit", || too_large("replyContent"))?;
    if row.try_get("added")? {
        Ok(id)
    } else if row.try_get("visible")? {
        Err(Error::Forbidden(format!("User {} not permited", owner.username)))
    } else {
        Err(surveys::unknown())
    }
}

/// The questions of a survey, in order. A draft exists for its owner alone.
pub async fn list(db: &Db, reader: Option<&Caller>, survey: Uuid) -> Result<Vec<Question>> {
    // One row a question, and one without a question for a survey that has none: no row means no survey.
    let rows = db
        .rows(
            "-- questions::list
            SELECT q.id, q.content, q.type, q.reply_content
            FROM surveys s LEFT JOIN questions q ON q.survey_id = s.id
            WHERE s.id = $1 AND (s.is_active OR s.owner_id = $2)
            ORDER BY q.position",
            &[&survey, &reader.map(|caller| caller.user)],
        )
        .await?;
    if rows.is_empty() {
        return Err(surveys::unknown());
    }
    let mut questions = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(id) = row.try_get("id")? {
            questions.push(Question {
                id,
                content: row.try_get("content")?,
                r#type: row.try_get("type")?,
                reply_content: row.try_get::<_, Option<Value>>("reply_content")?.unwrap_or_default(),
            });
        }
    }
    Ok(questions)
}

const TOO_MANY: &str = "a survey may have at most 500 questions";

/// 400 for the question that is one too many.
pub(crate) fn too_many(parameter: &str) -> Error {
    Error::invalid(parameter, TOO_MANY)
}

/// 400 for questions that could no longer be answered with in one reply.
pub(crate) fn too_large(parameter: &str) -> Error {
    Error::invalid(parameter, "the questions of a survey may have at most 1 MiB together")
}
