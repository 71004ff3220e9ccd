//! Adding, changing, deleting and ordering questions.

use super::counters;
use crate::{
    Error, Result,
    accounts::Caller,
    db::{Db, Transaction},
    error::{Code, OnConstraint},
    rules::{self, Content, Definition, Rules, TOO_LARGE, TOO_MANY},
    surveys::ownership,
    values::{Change, Flag, Line, QuestionId, SurveyId},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is to be changed of a question.
#[derive(Debug)]
pub struct QuestionChanges {
    /// What is asked.
    pub content: Option<Content>,
    /// Its type: a known one, one that begins with `x-`, or the one it has.
    pub r#type: Option<Line<50>>,
    /// Whether a whole response must answer it.
    pub required: Option<Flag>,
    /// What may be answered; `null` is nothing in particular.
    pub reply_content: Change<Value>,
}

/// Add a question behind the others. The survey's row is locked first: two questions that are added at once get two
/// positions, and no response is stored that was checked without the question.
pub async fn insert(db: &Db, owner: &Caller, survey: SurveyId, question: &Definition) -> Result<QuestionId> {
    let id = QuestionId::new();
    let row = db
        .row(
            "-- questions::insert
            WITH owned AS (
                SELECT id FROM surveys WHERE id = $1 AND owner_id = $2 FOR UPDATE
            ), survey AS (
                UPDATE surveys s SET question_count = question_count + 1, question_bytes = question_bytes + $8,
                                     version = version + 1, updated_at = now()
                FROM owned WHERE s.id = owned.id
                RETURNING s.id, question_count
            ), question AS (
                INSERT INTO questions (id, survey_id, position, content, type, required, reply_content, bytes)
                SELECT $3, id, question_count - 1, $4, $5, $6, $7, $8 FROM survey
                RETURNING id
            )
            SELECT EXISTS (SELECT FROM question) AS added,
                   EXISTS (
                       SELECT FROM surveys WHERE id = $1 AND is_visible AND owner_id <> $2
                   ) AS visible",
            &[
                &survey,
                &owner.user,
                &id,
                &question.content.as_str(),
                &question.r#type.as_str(),
                &question.required,
                &question.reply_content,
                &question.bytes,
            ],
        )
        .await
        .on_constraint("surveys_question_count_limit", || Error::invalid("idSurvey", TOO_MANY))
        .on_constraint("surveys_question_bytes_limit", || Error::invalid("replyContent", TOO_LARGE))?;
    if row.try_get("added")? {
        Ok(id)
    } else if row.try_get("visible")? {
        Err(ownership::not_permitted(owner))
    } else {
        Err(ownership::unknown())
    }
}

/// Lock the survey of a question of the caller's; gives the survey's id and version.
async fn lock(
    transaction: &Transaction<'_>,
    owner: &Caller,
    question: QuestionId,
    if_match: Option<i32>,
) -> Result<(SurveyId, i32)> {
    let row = transaction
        .row_opt("-- questions::lock\nSELECT survey_id FROM questions WHERE id = $1", &[&question])
        .await?
        .ok_or_else(unknown)?;
    let survey = row.try_get("survey_id")?;
    match ownership::lock(transaction, owner, survey, if_match).await {
        Err(Error::NotFound(_)) => Err(unknown()),
        outcome => outcome.map(|version| (survey, version)),
    }
}

/// Change a question of the caller's; gives the survey's version. Once there are answers, they must stay countable: the type
/// stays, and an option in use can only be retired. What changes nothing leaves the version alone.
pub async fn update(
    db: &mut Db,
    owner: &Caller,
    question: QuestionId,
    changes: &QuestionChanges,
    if_match: Option<i32>,
) -> Result<i32> {
    let transaction = db.begin().await?;
    let (survey, version) = lock(&transaction, owner, question, if_match).await?;
    let row = transaction
        .row_opt(
            "-- questions::find
            SELECT q.content, q.type, q.required, q.reply_content, q.bytes, c.*
            FROM questions q, LATERAL (
                SELECT array_agg(kind) AS kinds, array_agg(part) AS parts, array_agg(n) AS numbers, array_agg(total) AS totals
                FROM (
                    SELECT kind, part, sum(n)::bigint AS n, sum(total) AS total FROM question_counters
                    WHERE question_id = q.id GROUP BY kind, part
                ) AS parts
            ) AS c
            WHERE q.id = $1",
            &[&question],
        )
        .await?
        .ok_or_else(unknown)?;
    let old_type: String = row.try_get("type")?;
    let old_content: String = row.try_get("content")?;
    let old_required: bool = row.try_get("required")?;
    let old_reply_content: Option<Value> = row.try_get("reply_content")?;

    let r#type = changes.r#type.as_ref().map_or(old_type.as_str(), Line::as_str);
    let content = changes.content.as_ref().map_or(old_content.as_str(), Content::as_str);
    let required = changes.required.map_or(old_required, |flag| flag.0);
    let reply_content = if changes.reply_content.is_set() {
        changes.reply_content.value()
    } else {
        old_reply_content.as_ref()
    };
    let old = (old_type.as_str(), old_content.as_str(), old_required, old_reply_content.as_ref());
    if (r#type, content, required, reply_content) == old {
        return Ok(version);
    }
    if r#type != old_type {
        rules::check_type(r#type).map_err(|text| Error::invalid("type", text))?;
    }
    let new_rules = Rules::parse(r#type, reply_content).map_err(|errors| errors.inside("replyContent"))?;
    let old_rules = Rules::of_stored(&old_type, old_reply_content.as_ref());
    let counts = counters::read(&row)?;
    if counts.votes() > 0 {
        if r#type != old_type || !old_rules.can_become(&new_rules) {
            let text = "The question has replies: its type can't change";
            return Err(Error::Conflict(Code::TypeInUse, text.into()));
        }
        if let Some(option) = old_rules.lost_in(&new_rules, &counts) {
            let text = format!("The option {option:?} has replies: keep it, with \"retired\": true");
            return Err(Error::Conflict(Code::OptionInUse, text.into()));
        }
    }
    let bytes = rules::bytes(content, reply_content, &new_rules);
    transaction
        .rows(
            "-- questions::update
            UPDATE questions SET content = $2, type = $3, required = $4, reply_content = $5, bytes = $6 WHERE id = $1",
            &[&question, &content, &r#type, &required, &reply_content, &bytes],
        )
        .await?;
    let grown = bytes.saturating_sub(row.try_get("bytes")?);
    let version = ownership::questions_changed(&transaction, survey, 0, grown)
        .await
        .on_constraint("surveys_question_bytes_limit", || Error::invalid("replyContent", TOO_LARGE))?;
    transaction.commit().await?;
    Ok(version)
}

/// Delete a question of the caller's with all replies to it; gives how many those were, and the survey's new version.
pub async fn delete(
    db: &mut Db,
    owner: &Caller,
    question: QuestionId,
    if_match: Option<i32>,
) -> Result<(i64, i32)> {
    let transaction = db.begin().await?;
    let (survey, _) = lock(&transaction, owner, question, if_match).await?;
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
        .ok_or_else(unknown)?;
    let version =
        ownership::questions_changed(&transaction, survey, -1, -row.try_get::<_, i32>("bytes")?).await?;
    transaction.commit().await?;
    Ok((row.try_get("replies")?, version))
}

/// Put the questions of a survey of the caller's in another order; gives its version, which stays if the order does.
pub async fn order(
    db: &mut Db,
    owner: &Caller,
    survey: SurveyId,
    questions: &[QuestionId],
    if_match: Option<i32>,
) -> Result<i32> {
    let transaction = db.begin().await?;
    let version = ownership::lock(&transaction, owner, survey, if_match).await?;
    let rows = transaction
        .rows(
            "-- questions::ids\nSELECT id FROM questions WHERE survey_id = $1 ORDER BY position",
            &[&survey],
        )
        .await?;
    let current = rows.iter().map(|row| Ok(row.try_get("id")?)).collect::<Result<Vec<QuestionId>>>()?;
    if questions == current {
        return Ok(version);
    }
    let set = |ids: &[QuestionId]| ids.iter().copied().collect::<BTreeSet<_>>();
    if questions.len() != current.len() || set(questions) != set(&current) {
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
    let version = ownership::questions_changed(&transaction, survey, 0, 0).await?;
    transaction.commit().await?;
    Ok(version)
}

fn unknown() -> Error {
    Error::NotFound("Question doesn't exist".into())
}
