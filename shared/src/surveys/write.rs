//! Making, changing and deleting surveys.

use super::{
    Description, Name, NewSurvey, Survey, SurveyChanges, Visibility,
    ownership::{LOCK, LOOK, must_be_editable, unknown},
    read::FIND,
};
use crate::{
    Error, Result,
    accounts::{Caller, deleted_user},
    db::{Db, step},
    error::OnConstraint,
    rules::{TOO_LARGE, TOO_MANY},
    values::{QuestionId, SurveyId, text::Whole},
};
use serde::Serialize;
use serde_json::Value;

/// Add a survey and its questions, all or nothing, in one statement whatever their number.
pub async fn insert(db: &mut Db, owner: &Caller, survey: &NewSurvey) -> Result<SurveyId> {
    let id = SurveyId::new();
    let questions = &survey.questions;
    let ids: Vec<QuestionId> = questions.iter().map(|_| QuestionId::new()).collect();
    let contents: Vec<&str> = questions.iter().map(|q| q.content.as_str()).collect();
    let types: Vec<&str> = questions.iter().map(|q| q.r#type.as_str()).collect();
    let required: Vec<bool> = questions.iter().map(|q| q.required).collect();
    let reply_contents: Vec<Option<&Value>> = questions.iter().map(|q| q.reply_content.as_ref()).collect();
    let bytes: Vec<i32> = questions.iter().map(|q| q.bytes).collect();
    let all_bytes = bytes.iter().copied().fold(0, i32::saturating_add);
    let mut free = 0..;
    let slots: Vec<Value> = questions
        .iter()
        .map(|q| q.parts.iter().cloned().zip(free.by_ref().map(Value::from)).collect())
        .collect();
    let slot_count: i32 = free.start;
    db.write(
        "-- surveys::insert
        WITH survey AS (
            INSERT INTO surveys (id, owner_id, name, description, is_active, opens_at, due_at, visibility, public_stats,
                                 question_count, question_bytes, last_number, slot_count)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, cardinality($11), $17, cardinality($11), $19)
            RETURNING id
        ), counters AS (
            INSERT INTO survey_counters (survey_id, chunk, shard, changes, responses, max_responses, counts)
            SELECT id, 0, 0, 0, 0, $10, '{}' FROM survey
        )
        INSERT INTO questions (id, survey_id, position, number, content, type, required, reply_content, bytes, slots)
        SELECT q.id, survey.id, q.number - 1, q.number, q.content, q.type, q.required, q.reply_content, q.bytes, q.slots
        FROM survey, unnest($11, $12, $13, $14, $15, $16, $18)
            WITH ORDINALITY AS q (id, content, type, required, reply_content, bytes, slots, number)",
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
            &slots,
            &slot_count,
        ],
    )
    .await
    .on_constraint("surveys_question_count_limit", || Error::invalid("questions", TOO_MANY))
    .on_constraint("surveys_question_bytes_limit", || Error::invalid("questions", TOO_LARGE))
    .on_constraint("surveys_owner_id_fkey", deleted_user)?;
    Ok(id)
}

/// Change a survey of the caller's. What changes nothing leaves its version alone. A survey that gets a limit is counted in one
/// shard from then on, whose row has the limit.
pub async fn update(
    db: &mut Db,
    owner: &Caller,
    changes: &SurveyChanges,
    if_match: Option<i32>,
) -> Result<Survey> {
    let survey = changes.id_survey;
    let description = changes.desc.is_set().then(|| changes.desc.value().map_or("", Description::as_str));
    let [_, looked, _, found] = db
        .transaction([
            step(LOCK, &[&survey, &owner.user]),
            step(LOOK, &[&survey, &owner.user]),
            step(
                "-- surveys::update
                WITH old AS (
                    SELECT s.*, l.max_responses
                    FROM surveys s JOIN survey_counters l ON l.survey_id = s.id AND l.chunk = 0 AND l.shard = 0
                    WHERE s.id = $1 AND s.owner_id = $2 AND s.version = coalesce($3, s.version)
                ), new AS (
                    SELECT coalesce($4, name) AS name, coalesce($5, description) AS description,
                           coalesce($6, is_active) AS is_active, CASE WHEN $7 THEN $8 ELSE opens_at END AS opens_at,
                           coalesce($9, due_at) AS due_at, coalesce($10, visibility) AS visibility,
                           coalesce($11, public_stats) AS public_stats,
                           CASE WHEN $12 THEN $13 ELSE max_responses END AS max_responses
                    FROM old
                ), gone AS (
                    DELETE FROM survey_counters c USING new
                    WHERE c.survey_id = $1 AND c.shard > 0 AND new.max_responses IS NOT NULL
                    RETURNING c.chunk, c.changes, c.responses, c.counts
                ), limited AS (
                    -- Into shard 0, of which chunk 0 is always there.
                    INSERT INTO survey_counters AS c (survey_id, chunk, shard, changes, responses, counts)
                    SELECT $1, chunks.chunk, 0, coalesce(sum(gone.changes), 0), coalesce(sum(gone.responses), 0), ARRAY(
                               SELECT sum(n)::bigint FROM gone, unnest(counts) WITH ORDINALITY AS counted (n, place)
                               WHERE chunk = chunks.chunk GROUP BY place ORDER BY place
                           )
                    FROM new, (SELECT 0 AS chunk UNION SELECT chunk FROM gone) AS chunks LEFT JOIN gone USING (chunk)
                    GROUP BY chunks.chunk
                    ON CONFLICT (survey_id, chunk, shard) DO UPDATE SET
                        changes = c.changes + excluded.changes,
                        responses = c.responses + excluded.responses,
                        max_responses = CASE c.chunk WHEN 0 THEN (SELECT max_responses FROM new) END,
                        counts = added(c.counts, excluded.counts)
                )
                UPDATE surveys s SET
                    name = new.name, description = new.description, is_active = new.is_active, opens_at = new.opens_at,
                    due_at = new.due_at, visibility = new.visibility, public_stats = new.public_stats,
                    -- As it was until now: what has taken responses stays visible.
                    was_open = s.was_open OR s.is_active AND coalesce(s.opens_at <= now(), true)
                        AND s.due_at > coalesce(s.opens_at, s.created_at),
                    version = s.version + 1,
                    updated_at = now()
                FROM old, new
                WHERE s.id = old.id AND new.* IS DISTINCT FROM (old.name, old.description, old.is_active, old.opens_at,
                    old.due_at, old.visibility, old.public_stats, old.max_responses)",
                &[
                    &survey,
                    &owner.user,
                    &if_match,
                    &changes.name.as_ref().map(Name::as_str),
                    &description,
                    &changes.is_active.map(|flag| flag.0),
                    &changes.opens_at.is_set(),
                    &changes.opens_at.value().map(|opens| opens.0),
                    &changes.due_date.map(|due| due.0),
                    &changes.visibility.map(Visibility::as_str),
                    &changes.public_stats.map(|flag| flag.0),
                    &changes.response_limit.is_set(),
                    &changes.response_limit.value().map(|limit| limit.get()),
                ],
            ),
            step(FIND, &[&survey, &Some(owner.user)]),
        ])
        .await
        .on_constraint("survey_counters_limit_reached", || {
            Error::invalid(
                "responseLimit",
                "there are more responses already; set isActive to false to take no more",
            )
        })?;
    must_be_editable(&looked, owner, if_match)?;
    Survey::try_from(found.first().ok_or_else(unknown)?)
}

/// What was deleted with a survey.
#[derive(Debug, Serialize)]
pub struct Deleted {
    message: &'static str,
    questions: i32,
    responses: i64,
    replies: i64,
}

/// Delete a survey of the caller's with all that belongs to it.
pub async fn delete(db: &mut Db, owner: &Caller, survey: SurveyId, if_match: Option<i32>) -> Result<Deleted> {
    let [_, looked, deleted] = db
        .transaction([
            step(LOCK, &[&survey, &owner.user]),
            step(LOOK, &[&survey, &owner.user]),
            step(
                "-- surveys::delete
                WITH survey AS (
                    DELETE FROM surveys WHERE id = $1 AND owner_id = $2 AND version = coalesce($3, version)
                    RETURNING question_count
                )
                SELECT question_count AS questions, (
                           SELECT coalesce(sum(responses), 0)::bigint FROM survey_counters WHERE survey_id = $1
                       ) AS responses,
                       counted($1, ARRAY(
                           SELECT (slots ->> 'answers')::integer FROM questions WHERE survey_id = $1
                       )) AS replies
                FROM survey",
                &[&survey, &owner.user, &if_match],
            ),
        ])
        .await?;
    must_be_editable(&looked, owner, if_match)?;
    let row = deleted.first().ok_or_else(unknown)?;
    Ok(Deleted {
        message: "Survey was deleted",
        questions: row.try_get("questions")?,
        responses: row.try_get("responses")?,
        replies: row.try_get("replies")?,
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
    let questions = db
        .rows("-- surveys::count_questions\nSELECT FROM questions WHERE survey_id = $1", &[&survey])
        .await?;
    let ids: Vec<QuestionId> = questions.iter().map(|_| QuestionId::new()).collect();
    let count = i32::try_from(ids.len()).unwrap_or(i32::MAX);
    let [_, looked, copied, _] = db
        .transaction([
            step(LOCK, &[&survey, &owner.user]),
            step(LOOK, &[&survey, &owner.user]),
            step(
                "-- surveys::duplicate
                WITH survey AS (
                    INSERT INTO surveys (id, owner_id, name, description, is_active, opens_at, due_at, visibility,
                                         public_stats, question_count, question_bytes, last_number, slot_count)
                    SELECT $3, owner_id, coalesce($4, left('Copy of ' || name, 200)), description, false, opens_at, due_at,
                           visibility, public_stats, question_count, question_bytes, question_count, (
                               SELECT count(*) FROM questions, json_object_keys(slots) WHERE survey_id = $1
                           )
                    FROM surveys WHERE id = $1 AND owner_id = $2 AND question_count = $5
                    RETURNING id
                )
                INSERT INTO survey_counters (survey_id, chunk, shard, changes, responses, max_responses, counts)
                SELECT survey.id, 0, 0, 0, 0, old.max_responses, '{}'
                FROM survey JOIN survey_counters old ON old.survey_id = $1 AND old.chunk = 0 AND old.shard = 0
                RETURNING survey_id",
                &[&survey, &owner.user, &id, &name.map(Name::as_str), &count],
            ),
            step(
                // Numbers and slots begin anew: those of questions and options that are gone are free again.
                "-- surveys::duplicate_questions
                WITH old AS (
                    SELECT *, row_number() OVER (ORDER BY position) AS place FROM questions WHERE survey_id = $1
                ), counted AS (
                    SELECT id, name, row_number() OVER (ORDER BY position, slot::integer) - 1 AS slot
                    FROM old, json_each_text(slots) AS named (name, slot)
                ), given AS (
                    SELECT id, json_object_agg(name, slot ORDER BY slot) AS slots FROM counted GROUP BY id
                )
                INSERT INTO questions (id, survey_id, position, number, content, type, required, reply_content, bytes, slots)
                SELECT new.id, s.id, q.position, place, q.content, q.type, q.required, q.reply_content, q.bytes, given.slots
                FROM surveys s, old q JOIN given USING (id) JOIN unnest($3) WITH ORDINALITY AS new (id, place) USING (place)
                WHERE s.id = $2",
                &[&survey, &id, &ids],
            ),
        ])
        .await?;
    must_be_editable(&looked, owner, None)?;
    if copied.is_empty() {
        Err(Error::Contended("a question was added or deleted meanwhile"))
    } else {
        Ok(id)
    }
}
