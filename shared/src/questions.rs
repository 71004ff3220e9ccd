//! Questions: the parts of a survey, in order.

use crate::{
    Error, Result,
    auth::{Caller, Reader},
    db::{Db, Transaction},
    error::OnConstraint,
    http::{self, Change},
    rules::{Counts, Rules},
    surveys,
    text::{Flag, Line, Prose},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The most questions that a survey may have.
const MAX_QUESTIONS: usize = 500;

/// A question's text: up to 10,000 characters.
pub type Content = Prose<10_000>;

/// A question's type: one line of up to 50 characters.
pub type Type = Line<50>;

/// A question that is to be added. `replyContent` keeps the rules of its type; see [`crate::rules`].
#[derive(Debug)]
pub struct NewQuestion {
    /// What is asked.
    pub content: Content,
    /// How a client should ask it.
    pub r#type: Type,
    /// Whether a whole response must answer it.
    pub required: Option<Flag>,
    /// What may be answered: the rules of the type, or any JSON for a type of the client's own. Kept as sent.
    pub reply_content: Option<Value>,
    /// Bytes that count towards the limit of a survey's questions together.
    pub(crate) bytes: i32,
}

impl NewQuestion {
    /// A question whose rules are good.
    pub fn new(
        content: Content,
        r#type: Type,
        required: Option<Flag>,
        reply_content: Option<Value>,
    ) -> Result<Self, String> {
        let rules = Rules::parse(r#type.as_str(), reply_content.as_ref())?;
        let bytes = bytes(content.as_str(), reply_content.as_ref(), &rules);
        Ok(Self { content, r#type, required, reply_content, bytes })
    }

    /// Whether a whole response must answer it; not, unless it is said.
    #[must_use]
    pub fn required(&self) -> bool {
        self.required.is_some_and(|flag| flag.0)
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
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Given {
        content: Content,
        r#type: Type,
        required: Option<Flag>,
        reply_content: Option<Value>,
    }
    let object = item.as_object().ok_or_else(|| format!("question {number} must be an object"))?;
    http::members(object)
        .and_then(|Given { content, r#type, required, reply_content }| {
            NewQuestion::new(content, r#type, required, reply_content)
                .map_err(|fault| format!("replyContent: {fault}"))
        })
        .map_err(|faults| format!("question {number}: {faults}"))
}

/// A question as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    id: Uuid,
    content: String,
    r#type: String,
    required: bool,
    reply_content: Value,
}

/// What is to be changed of a question.
#[derive(Debug)]
pub struct Edit {
    /// What is asked.
    pub content: Option<Content>,
    /// Its type.
    pub r#type: Option<Type>,
    /// Whether a whole response must answer it.
    pub required: Option<Flag>,
    /// What may be answered; `null` is nothing in particular.
    pub reply_content: Change<Value>,
}

/// Add a question behind the others. The survey's row is locked first: two questions that are added at once get two
/// positions, and no response is stored that was checked without the question.
pub async fn insert(db: &Db, owner: &Caller, survey: Uuid, question: &NewQuestion) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let row = db
        .row(
            "-- questions::insert
            WITH owned AS (
                SELECT id FROM surveys WHERE id = $1 AND owner_id = $2 FOR UPDATE
            ), survey AS (
                UPDATE surveys s SET question_count = question_count + 1, question_bytes = question_bytes + $8,
                                     version = version + 1
                FROM owned WHERE s.id = owned.id
                RETURNING s.id, question_count
            ), question AS (
                INSERT INTO questions (id, survey_id, position, content, type, required, reply_content, bytes)
                SELECT $3, id, question_count - 1, $4, $5, $6, $7, $8 FROM survey
                RETURNING id
            )
            SELECT EXISTS (SELECT FROM question) AS added,
                   EXISTS (SELECT FROM surveys WHERE id = $1 AND is_active AND owner_id <> $2) AS visible",
            &[
                &survey,
                &owner.user,
                &id,
                &question.content.as_str(),
                &question.r#type.as_str(),
                &question.required(),
                &question.reply_content,
                &question.bytes,
            ],
        )
        .await
        .on_constraint("surveys_question_count_limit", || too_many("idSurvey"))
        .on_constraint("surveys_question_bytes_limit", || too_large("replyContent"))?;
    if row.try_get("added")? {
        Ok(id)
    } else if row.try_get("visible")? {
        Err(surveys::not_permitted(owner))
    } else {
        Err(surveys::unknown())
    }
}

/// The questions of a survey, in order, and the survey's version. A draft exists for its owner alone.
pub async fn list(db: &Db, reader: &Reader, survey: Uuid) -> Result<(Vec<Question>, i32)> {
    // One row a question, and one without a question for a survey that has none: no row means no survey.
    let rows = db
        .rows(
            "-- questions::list
            SELECT s.version, q.id, q.content, q.type, q.required, q.reply_content
            FROM surveys s LEFT JOIN questions q ON q.survey_id = s.id
            WHERE s.id = $1 AND (s.is_active OR s.owner_id = $2)
            ORDER BY q.position",
            &[&survey, &reader.user()],
        )
        .await?;
    let version = rows.first().ok_or_else(surveys::unknown)?.try_get("version")?;
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

/// Lock the survey of a question of the caller's; gives the survey's id.
async fn lock(
    transaction: &Transaction<'_>,
    owner: &Caller,
    question: Uuid,
    if_match: Option<i32>,
) -> Result<Uuid> {
    let unknown = || Error::NotFound("Question doesn't exist".into());
    let row = transaction
        .row_opt("-- questions::lock\nSELECT survey_id FROM questions WHERE id = $1", &[&question])
        .await?
        .ok_or_else(unknown)?;
    let survey = row.try_get("survey_id")?;
    match surveys::lock(transaction, owner, survey, if_match).await {
        Err(Error::NotFound(_)) => Err(unknown()),
        outcome => outcome.map(|()| survey),
    }
}

/// Change a question of the caller's; gives the survey's new version. Once there are replies, they must stay countable:
/// the type stays, and an option in use can only be retired.
pub async fn update(
    db: &mut Db,
    owner: &Caller,
    question: Uuid,
    edit: &Edit,
    if_match: Option<i32>,
) -> Result<i32> {
    let transaction = db.begin().await?;
    let survey = lock(&transaction, owner, question, if_match).await?;
    let row = transaction
        .row_opt(
            "-- questions::find
            SELECT content, type, reply_content, bytes, (
                SELECT jsonb_agg(jsonb_build_array(kind, part, n, total::text)) FROM (
                    SELECT kind, part, sum(n) AS n, sum(total) AS total FROM question_counters
                    WHERE question_id = $1 GROUP BY kind, part
                ) AS parts
            ) AS counts
            FROM questions WHERE id = $1",
            &[&question],
        )
        .await?
        .ok_or_else(|| Error::NotFound("Question doesn't exist".into()))?;
    let old_type: String = row.try_get("type")?;
    let old_content: String = row.try_get("content")?;
    let old_reply_content: Option<Value> = row.try_get("reply_content")?;
    let counts = Counts::of(&row.try_get::<_, Option<Value>>("counts")?.unwrap_or_default());

    let r#type = edit.r#type.as_ref().map_or(old_type.as_str(), Type::as_str);
    let content = edit.content.as_ref().map_or(old_content.as_str(), Content::as_str);
    let reply_content =
        if edit.reply_content.is_set() { edit.reply_content.value() } else { old_reply_content.as_ref() };
    let new = Rules::parse(r#type, reply_content).map_err(|fault| Error::invalid("replyContent", fault))?;
    let old = Rules::parse(&old_type, old_reply_content.as_ref()).map_err(Error::internal)?;
    if counts.votes() > 0 {
        if r#type != old_type || !old.compatible(&new) {
            return Err(Error::Conflict(
                "type_in_use",
                "The question has replies: its type can't change".into(),
            ));
        }
        if let Some(option) = old.missing_in(&new, &counts) {
            let text = format!("The option {option:?} has replies: keep it, with \"retired\": true");
            return Err(Error::Conflict("option_in_use", text.into()));
        }
    }
    let bytes = bytes(content, reply_content, &new);
    transaction
        .rows(
            "-- questions::update
            UPDATE questions SET content = $2, type = $3, required = coalesce($4, required), reply_content = $5, bytes = $6
            WHERE id = $1",
            &[&question, &content, &r#type, &edit.required.map(|flag| flag.0), &reply_content, &bytes],
        )
        .await?;
    let grown = bytes.saturating_sub(row.try_get("bytes")?);
    let version = surveys::touch(&transaction, survey, 0, grown)
        .await
        .on_constraint("surveys_question_bytes_limit", || too_large("replyContent"))?;
    transaction.commit().await?;
    Ok(version)
}

/// Delete a question of the caller's with all replies to it; gives how many those were, and the survey's new version.
pub async fn delete(
    db: &mut Db,
    owner: &Caller,
    question: Uuid,
    if_match: Option<i32>,
) -> Result<(i64, i32)> {
    let transaction = db.begin().await?;
    let survey = lock(&transaction, owner, question, if_match).await?;
    let row = transaction
        .row_opt(
            "-- questions::delete
            WITH replies AS (
                DELETE FROM replies WHERE question_id = $2 RETURNING response_id
            ), singles AS (
                DELETE FROM responses WHERE single AND id IN (SELECT response_id FROM replies)
            ), question AS (
                DELETE FROM questions WHERE id = $2 RETURNING position, bytes
            ), later AS (
                UPDATE questions q SET position = q.position - 1
                FROM question WHERE q.survey_id = $1 AND q.position > question.position
            )
            SELECT (SELECT count(*) FROM replies) AS replies, bytes FROM question",
            &[&survey, &question],
        )
        .await?
        .ok_or_else(|| Error::NotFound("Question doesn't exist".into()))?;
    let version = surveys::touch(&transaction, survey, -1, -row.try_get::<_, i32>("bytes")?).await?;
    transaction.commit().await?;
    Ok((row.try_get("replies")?, version))
}

/// Put the questions of a survey of the caller's in another order; gives its new version.
pub async fn order(
    db: &mut Db,
    owner: &Caller,
    survey: Uuid,
    questions: &[Uuid],
    if_match: Option<i32>,
) -> Result<i32> {
    let transaction = db.begin().await?;
    surveys::lock(&transaction, owner, survey, if_match).await?;
    let rows = transaction
        .rows("-- questions::ids\nSELECT id FROM questions WHERE survey_id = $1", &[&survey])
        .await?;
    let there = rows.iter().map(|row| Ok(row.try_get("id")?)).collect::<Result<BTreeSet<Uuid>>>()?;
    if questions.len() != there.len() || !questions.iter().all(|id| there.contains(id)) || repeated(questions)
    {
        return Err(Error::invalid("order", "must have the id of every question of the survey, each once"));
    }
    transaction
        .rows(
            "-- questions::order
            UPDATE questions q SET position = o.position - 1
            FROM unnest($2) WITH ORDINALITY AS o (id, position)
            WHERE q.id = o.id AND q.survey_id = $1",
            &[&survey, &questions.to_vec()],
        )
        .await?;
    let version = surveys::touch(&transaction, survey, 0, 0).await?;
    transaction.commit().await?;
    Ok(version)
}

fn repeated(ids: &[Uuid]) -> bool {
    ids.iter().collect::<BTreeSet<_>>().len() < ids.len()
}

/// Bytes that count towards the limit of a survey's questions together: of the question as JSON, and of its results.
fn bytes(content: &str, reply_content: Option<&Value>, rules: &Rules) -> i32 {
    let json = json!([content, reply_content]).to_string().len();
    i32::try_from(json + rules.bytes()).unwrap_or(i32::MAX)
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
