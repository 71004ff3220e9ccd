//! Deleting a response, and taking it out of all counts.

use super::{
    ATTEMPTS, edited_again_and_again,
    form::{made, rules},
    read::unknown,
    store::{Tallies, shard},
};
use crate::{
    Result,
    accounts::Caller,
    db::Db,
    surveys::ownership,
    values::{QuestionId, ResponseId, SurveyId},
};
use serde_json::Value;

/// Delete a response of a survey of the caller's. Its id stays, so that the sender's retry can't bring it back.
pub async fn delete(db: &Db, owner: &Caller, survey: SurveyId, response: ResponseId) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let rows = db
            .rows(
                "-- responses::find_answers
                SELECT s.owner_id = $3 AS owned, s.is_visible AS visible, s.version, s.created_at AS made,
                       r.single, q.id, q.type, q.reply_content, p.reply
                FROM surveys s
                LEFT JOIN responses r ON r.id = $2 AND r.survey_id = s.id AND r.deleted_at IS NULL
                LEFT JOIN replies p ON p.response_id = r.id
                LEFT JOIN questions q ON q.id = p.question_id
                WHERE s.id = $1",
                &[&survey, &response, &owner.user],
            )
            .await?;
        let first = rows.first().ok_or_else(ownership::unknown)?;
        ownership::must_own(first, owner)?;
        let single = first.try_get::<_, Option<bool>>("single")?.ok_or_else(unknown)?;
        let made = made(first)?;
        let mut tallies = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(question) = row.try_get::<_, Option<QuestionId>>("id")? else { break };
            let answer: Value = row.try_get("reply")?;
            tallies.extend(
                rules(row)?.tallies(&answer, single, made).into_iter().map(|tally| (question, tally)),
            );
        }
        let tallies = Tallies::of(tallies);
        let row = db
            .row(
                // Locks in the order of responses::store.
                "-- responses::delete
                WITH survey AS (
                    SELECT s.id FROM surveys s WHERE s.id = $1 AND s.version = $2 FOR KEY SHARE
                ), response AS (
                    UPDATE responses r SET deleted_at = now(), hash = NULL, bytes = 0
                    FROM survey WHERE r.id = $3 AND r.survey_id = survey.id AND r.deleted_at IS NULL
                    RETURNING r.id, r.survey_id, r.single
                ), replies AS (
                    DELETE FROM replies p USING response r WHERE p.response_id = r.id
                ), taken AS (
                    UPDATE response_limits l SET taken = taken - 1
                    FROM response r WHERE l.survey_id = r.survey_id AND NOT r.single
                    RETURNING l.survey_id
                ), counted AS (
                    INSERT INTO survey_counters AS c (survey_id, shard, responses)
                    SELECT survey_id, $4, -1 FROM response WHERE NOT single AND (SELECT count(*) FROM taken) >= 0
                    ON CONFLICT (survey_id, shard) DO UPDATE SET responses = c.responses - 1
                    RETURNING survey_id
                ), tallied AS (
                    INSERT INTO question_counters AS c (question_id, kind, part, shard, n, total)
                    SELECT t.question_id, t.kind, t.part, $4, -1, -t.total
                    FROM response, unnest($5, $6, $7, $8) AS t (question_id, kind, part, total)
                    WHERE (SELECT count(*) FROM counted) >= 0
                    ORDER BY t.question_id, t.kind, t.part
                    ON CONFLICT (question_id, kind, part, shard)
                    DO UPDATE SET n = c.n + excluded.n, total = c.total + excluded.total
                )
                SELECT EXISTS (SELECT FROM response) AS deleted",
                &[
                    &survey,
                    &first.try_get::<_, i32>("version")?,
                    &response,
                    &shard(),
                    &tallies.questions,
                    &tallies.kinds,
                    &tallies.parts,
                    &tallies.totals,
                ],
            )
            .await?;
        if row.try_get("deleted")? {
            return Ok(());
        }
    }
    Err(edited_again_and_again())
}
