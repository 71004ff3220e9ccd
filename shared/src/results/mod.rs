//! Results of a survey: exact, and at the same cost whatever the number of replies.
//!
//! Numbers come from the counters, least and greatest values from an index, and answers are shown only as many as fit.

use crate::{
    Error, Result,
    accounts::Viewer,
    db::Db,
    questions::counters,
    rules::{Range, Rules},
    surveys::ownership,
    values::{QuestionId, SurveyId},
};
use serde::Serialize;
use serde_json::Value;

/// The newest answers that the results of one question show.
const NEWEST: i64 = 1000;

/// Bytes of answers that the results of one survey show. A Lambda function may answer with 6 MB, in which the body is a
/// text once more: every quote is escaped, at worst every byte. Questions and counts may need 2 MiB of it so counted.
const SHOWN: i64 = 1024 * 1024;

/// Days that the results of one survey show, the newest of each question. Of everything else there are never too many.
const DAYS: i64 = 50_000;

/// The results of one question.
#[derive(Debug, Serialize)]
pub struct Stats {
    id: QuestionId,
    r#type: String,
    votes: i64,
    content: String,
    answers: Value,
    /// What the replies add up to, by type; nothing for texts and for the client's own types.
    summary: Value,
}

/// The results of a survey, question by question: for its owner, and for anyone where the survey publishes them. All of
/// them are of one moment. `answers` are the newest, oldest first, as many as fit, and for the owner alone: by their order
/// anybody could put single responses together.
pub async fn stats(db: &Db, viewer: &Viewer, survey: SurveyId) -> Result<Vec<Stats>> {
    let rows = db
        .rows(
            "-- results::stats
            SELECT s.is_visible OR s.owner_id = $2 AS visible, s.public_stats OR s.owner_id = $2 AS permitted,
                   q.id, q.type, q.content, q.reply_content, c.*, newest.answers,
                   (SELECT min(value) FROM replies WHERE question_id = q.id AND value IS NOT NULL) AS least,
                   (SELECT max(value) FROM replies WHERE question_id = q.id AND value IS NOT NULL) AS greatest
            FROM surveys s
            LEFT JOIN questions q ON q.survey_id = s.id
                AND (s.public_stats AND s.is_visible OR s.owner_id = $2)
            LEFT JOIN LATERAL (
                SELECT array_agg(kind) AS kinds, array_agg(part) AS parts, array_agg(n) AS numbers, array_agg(total) AS totals
                FROM (
                    SELECT kind, part, sum(n)::bigint AS n, sum(total) AS total FROM (
                        SELECT * FROM question_counters WHERE question_id = q.id AND kind < 'day'
                        UNION ALL
                        SELECT * FROM question_counters WHERE question_id = q.id AND kind > 'day'
                        UNION ALL
                        -- The newest days, each of them whole. One whose answers were all deleted takes no place.
                        SELECT * FROM question_counters WHERE question_id = q.id AND kind = 'day' AND part > coalesce((
                            SELECT part FROM question_counters WHERE question_id = q.id AND kind = 'day'
                            GROUP BY part HAVING sum(n) > 0
                            ORDER BY part DESC OFFSET $5 / greatest(s.question_count, 1) LIMIT 1
                        ), '')
                    ) AS shards GROUP BY kind, part
                ) AS parts
            ) AS c ON true
            LEFT JOIN LATERAL (
                SELECT coalesce(json_agg(reply ORDER BY id), '[]') AS answers FROM (
                    SELECT id, reply, sum(octet_length(reply::text)) OVER (ORDER BY id DESC) AS bytes
                    FROM (
                        SELECT id, reply FROM replies WHERE question_id = q.id AND s.owner_id = $2 ORDER BY id DESC LIMIT $3
                    ) AS newest
                ) AS measured
                WHERE bytes <= $4 / greatest(s.question_count, 1)
            ) AS newest ON true
            WHERE s.id = $1
            ORDER BY q.position",
            &[&survey, &viewer.user(), &NEWEST, &SHOWN, &DAYS],
        )
        .await?;
    let first = rows.first().ok_or_else(|| unknown(survey))?;
    if !first.try_get::<_, Option<bool>>("visible")?.unwrap_or(false) {
        return Err(unknown(survey));
    }
    if !first.try_get::<_, Option<bool>>("permitted")?.unwrap_or(false) {
        return Err(match viewer {
            Viewer::Caller(caller) => ownership::not_permitted(caller),
            Viewer::Anyone(code, text) => Error::Unauthenticated(*code, text.clone()),
        });
    }
    let mut stats = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(id) = row.try_get("id")? else { break };
        let r#type: String = row.try_get("type")?;
        let rules = Rules::of_stored(&r#type, row.try_get::<_, Option<Value>>("reply_content")?.as_ref());
        let counts = counters::read(row)?;
        let range = Range { least: row.try_get("least")?, greatest: row.try_get("greatest")? };
        stats.push(Stats {
            id,
            r#type,
            votes: counts.votes(),
            content: row.try_get("content")?,
            answers: row.try_get("answers")?,
            summary: rules.summary(&counts, range),
        });
    }
    Ok(stats)
}

fn unknown(survey: SurveyId) -> Error {
    Error::NotFound(format!("Survey {survey} doesn't exist").into())
}
