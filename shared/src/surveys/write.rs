//! Making, changing and deleting surveys.

use super::{Description, Name, NewSurvey, SurveyChanges, Visibility, ownership::lock};
use crate::{
    Error, Result,
    accounts::{Caller, deleted_user},
    db::{Db, Transaction},
    error::OnConstraint,
    rules::{TOO_LARGE, TOO_MANY},
    values::{QuestionId, SurveyId, text::Whole},
};
use serde::Serialize;
use serde_json::Value;

/// Add a survey and its questions, all or nothing, in one statement whatever their number.
pub async fn insert(db: &Db, owner: &Caller, survey: &NewSurvey) -> Result<SurveyId> {
    let id = SurveyId::new();
    let questions = &survey.questions;
    let ids: Vec<QuestionId> = questions.iter().map(|_| QuestionId::new()).collect();
    let contents: Vec<&str> = questions.iter().map(|q| q.content.as_str()).collect();
    let types: Vec<&str> = questions.iter().map(|q| q.r#type.as_str()).collect();
    let required: Vec<bool> = questions.iter().map(|q| q.required).collect();
    let reply_contents: Vec<Option<&Value>> = questions.iter().map(|q| q.reply_content.as_ref()).collect();
    let bytes: Vec<i32> = questions.iter().map(|q| q.bytes).collect();
    let all_bytes = bytes.iter().copied().fold(0, i32::saturating_add);
    db.rows(
        "-- surveys::insert
        WITH survey AS (
            INSERT INTO surveys (id, owner_id, name, description, is_active, opens_at, due_at, visibility, public_stats,
                                 question_count, question_bytes)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, cardinality($11), $17)
            RETURNING id
        ), response_limit AS (
            INSERT INTO response_limits (survey_id, taken, max_responses)
            SELECT id, 0, $10 FROM survey WHERE $10 IS NOT NULL
        )
        INSERT INTO questions (id, survey_id, position, content, type, required, reply_content, bytes)
        SELECT q.id, survey.id, q.position - 1, q.content, q.type, q.required, q.reply_content, q.bytes
        FROM survey, unnest($11, $12, $13, $14, $15, $16)
            WITH ORDINALITY AS q (id, content, type, required, reply_content, bytes, position)",
        &[
            &id,
            &owner.user,
            &survey.name.as_str(),
            &survey.description,
            &survey.is_active,
            &survey.opens.map(|opens| opens.0),
            &survey.due.0,
            &survey.visibility.as_str(),
            &survey.public_stats,
            &survey.response_limit.map(Whole::get),
            &ids,
            &contents,
            &types,
            &required,
            &reply_contents,
            &bytes,
            &all_bytes,
        ],
    )
    .await
    .on_constraint("surveys_question_count_limit", || Error::invalid("questions", TOO_MANY))
    .on_constraint("surveys_question_bytes_limit", || Error::invalid("questions", TOO_LARGE))
    .on_constraint("surveys_owner_id_fkey", deleted_user)?;
    Ok(id)
}

/// Change a survey of the caller's. What changes nothing leaves its version alone.
pub async fn update(
    db: &mut Db,
    owner: &Caller,
    survey: SurveyId,
    changes: &SurveyChanges,
    if_match: Option<i32>,
) -> Result<()> {
    let transaction = db.begin().await?;
    lock(&transaction, owner, survey, if_match).await?;
    let limit = &changes.response_limit;
    let limit_changed =
        limit.is_set() && set_limit(&transaction, survey, limit.value().map(|limit| limit.get())).await?;
    let description = changes.desc.is_set().then(|| changes.desc.value().map_or("", Description::as_str));
    transaction
        .rows(
            "-- surveys::update
            WITH new AS (
                SELECT coalesce($2, name) AS name, coalesce($3, description) AS description,
                       coalesce($4, is_active) AS is_active, CASE WHEN $5 THEN $6 ELSE opens_at END AS opens_at,
                       coalesce($7, due_at) AS due_at, coalesce($8, visibility) AS visibility,
                       coalesce($9, public_stats) AS public_stats
                FROM surveys WHERE id = $1
            )
            UPDATE surveys s SET
                name = new.name, description = new.description, is_active = new.is_active, opens_at = new.opens_at,
                due_at = new.due_at, visibility = new.visibility, public_stats = new.public_stats,
                -- As it was until now: what has taken responses stays visible.
                was_open = s.was_open OR s.is_active AND coalesce(s.opens_at <= now(), true)
                    AND s.due_at > coalesce(s.opens_at, s.created_at),
                version = version + 1,
                updated_at = now()
            FROM new
            WHERE s.id = $1 AND ($10 OR new.* IS DISTINCT FROM
                (s.name, s.description, s.is_active, s.opens_at, s.due_at, s.visibility, s.public_stats))",
            &[
                &survey,
                &changes.name.as_ref().map(Name::as_str),
                &description,
                &changes.is_active.map(|flag| flag.0),
                &changes.opens_at.is_set(),
                &changes.opens_at.value().map(|opens| opens.0),
                &changes.due_date.map(|due| due.0),
                &changes.visibility.map(Visibility::as_str),
                &changes.public_stats.map(|flag| flag.0),
                &limit_changed,
            ],
        )
        .await?;
    transaction.commit().await
}

/// Set or lift the limit of a locked survey; whether that changes anything. What is taken is counted anew: without a limit
/// nobody had kept count.
async fn set_limit(transaction: &Transaction<'_>, survey: SurveyId, limit: Option<i64>) -> Result<bool> {
    let row = transaction
        .row(
            "-- surveys::set_limit
            WITH lifted AS (
                DELETE FROM response_limits WHERE survey_id = $1 AND $2 IS NULL
            ), set AS (
                INSERT INTO response_limits (survey_id, taken, max_responses)
                SELECT $1, coalesce(sum(responses), 0), $2 FROM survey_counters WHERE survey_id = $1 HAVING $2 IS NOT NULL
                ON CONFLICT (survey_id) DO UPDATE SET max_responses = excluded.max_responses
            )
            SELECT (SELECT max_responses FROM response_limits WHERE survey_id = $1) IS DISTINCT FROM $2 AS changed",
            &[&survey, &limit],
        )
        .await
        .on_constraint("response_limits_reached", || {
            Error::invalid("responseLimit", "there are more responses already; set isActive to false to take no more")
        })?;
    Ok(row.try_get("changed")?)
}

/// What was deleted with a survey.
#[derive(Debug, Serialize)]
pub struct Deleted {
    message: &'static str,
    questions: i64,
    responses: i64,
    replies: i64,
}

/// Delete a survey of the caller's with all that belongs to it.
pub async fn delete(db: &mut Db, owner: &Caller, survey: SurveyId, if_match: Option<i32>) -> Result<Deleted> {
    let transaction = db.begin().await?;
    lock(&transaction, owner, survey, if_match).await?;
    // In bulk, from the leaves on: a cascade would look for the replies of each response in turn.
    let replies = transaction
        .row(
            "-- surveys::delete_replies
            WITH gone AS (
                DELETE FROM replies r USING questions q WHERE q.survey_id = $1 AND r.question_id = q.id RETURNING r.id
            )
            SELECT count(*) AS n FROM gone",
            &[&survey],
        )
        .await?;
    let rest = transaction
        .row(
            "-- surveys::delete
            WITH responses AS (DELETE FROM responses WHERE survey_id = $1 RETURNING single, deleted_at),
                 questions AS (DELETE FROM questions WHERE survey_id = $1 RETURNING id),
                 survey AS (DELETE FROM surveys WHERE id = $1)
            SELECT (SELECT count(*) FROM responses WHERE NOT single AND deleted_at IS NULL) AS responses,
                   (SELECT count(*) FROM questions) AS questions",
            &[&survey],
        )
        .await?;
    transaction.commit().await?;
    Ok(Deleted {
        message: "Survey was deleted",
        questions: rest.try_get("questions")?,
        responses: rest.try_get("responses")?,
        replies: replies.try_get("n")?,
    })
}

/// Copy a survey of the caller's, without its responses, as a draft.
pub async fn duplicate(
    db: &mut Db,
    owner: &Caller,
    survey: SurveyId,
    name: Option<&Name>,
) -> Result<SurveyId> {
    let id = SurveyId::new();
    let transaction = db.begin().await?;
    lock(&transaction, owner, survey, None).await?;
    transaction
        .rows(
            "-- surveys::duplicate
            INSERT INTO surveys (id, owner_id, name, description, is_active, opens_at, due_at, visibility, public_stats,
                                 question_count, question_bytes)
            SELECT $2, owner_id, coalesce($3, left('Copy of ' || name, 200)), description, false, opens_at, due_at,
                   visibility, public_stats, question_count, question_bytes
            FROM surveys WHERE id = $1",
            &[&survey, &id, &name.map(Name::as_str)],
        )
        .await?;
    let positions = transaction
        .rows(
            "-- surveys::positions\nSELECT position FROM questions WHERE survey_id = $1 ORDER BY position",
            &[&survey],
        )
        .await?;
    let ids: Vec<QuestionId> = positions.iter().map(|_| QuestionId::new()).collect();
    transaction
        .rows(
            "-- surveys::duplicate_questions
            INSERT INTO questions (id, survey_id, position, content, type, required, reply_content, bytes)
            SELECT new.id, $2, q.position, q.content, q.type, q.required, q.reply_content, q.bytes
            FROM (SELECT *, row_number() OVER (ORDER BY position) AS place FROM questions WHERE survey_id = $1) AS q
            JOIN unnest($3) WITH ORDINALITY AS new (id, place) USING (place)",
            &[&survey, &id, &ids],
        )
        .await?;
    transaction
        .rows(
            "-- surveys::duplicate_limit
            INSERT INTO response_limits (survey_id, taken, max_responses)
            SELECT $2, 0, max_responses FROM response_limits WHERE survey_id = $1",
            &[&survey, &id],
        )
        .await?;
    transaction.commit().await?;
    Ok(id)
}
