//! Results of a survey: exact, and at the same cost whatever the number of replies.
//!
//! Numbers come from the counters, least and greatest values from an index, and answers are shown only as many as fit.

use crate::{
    Error, Result,
    auth::Reader,
    db::Db,
    rules::{Counts, Rules},
    surveys,
};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// The newest answers that the results of one question show.
const NEWEST: i64 = 1000;

/// Bytes of answers that the results of one survey show. A Lambda function may answer with 6 MB, in which the body is a
/// text once more: every quote is escaped, at worst every byte. Questions and counts may need 2 MiB of it so counted.
const SHOWN: i64 = 1024 * 1024;

/// Counters of days that the results of one survey show, the newest, and at most 10,000 for a question. Of everything else
/// there are never too many.
const DAYS: i64 = 200_000;

/// The results of one question.
#[derive(Debug, Serialize)]
pub struct Stats {
    id: Uuid,
    r#type: String,
    votes: i64,
    content: String,
    answers: Value,
    /// What the replies add up to, by type; nothing for texts and for the client's own types.
    summary: Value,
}

/// The results of a survey, question by question: for its owner, and for anyone where the survey publishes them. All of
/// them are of one moment. `answers` are the newest, oldest first, as many as fit.
pub async fn stats(db: &Db, reader: &Reader, survey: Uuid) -> Result<Vec<Stats>> {
    let rows = db
        .rows(
            "-- results::stats
            SELECT s.is_active OR s.owner_id = $2 AS visible, s.public_stats OR s.owner_id = $2 AS permitted,
                   q.id, q.type, q.content, q.reply_content, counts.counts, newest.answers,
                   (SELECT min(value) FROM replies WHERE question_id = q.id AND value IS NOT NULL) AS least,
                   (SELECT max(value) FROM replies WHERE question_id = q.id AND value IS NOT NULL) AS greatest
            FROM surveys s
            LEFT JOIN questions q ON q.survey_id = s.id AND (s.public_stats AND s.is_active OR s.owner_id = $2)
            LEFT JOIN LATERAL (
                SELECT jsonb_agg(jsonb_build_array(kind, part, n, total::text)) AS counts FROM (
                    SELECT kind, part, sum(n) AS n, sum(total) AS total FROM (
                        SELECT * FROM question_counters WHERE question_id = q.id AND kind < 'day'
                        UNION ALL
                        SELECT * FROM question_counters WHERE question_id = q.id AND kind > 'day'
                        UNION ALL
                        -- The newest days, each of them whole.
                        SELECT * FROM question_counters WHERE question_id = q.id AND kind = 'day' AND part > coalesce((
                            SELECT part FROM question_counters WHERE question_id = q.id AND kind = 'day'
                            ORDER BY part DESC OFFSET least(10000, $5 / greatest(s.question_count, 1)) LIMIT 1
                        ), '')
                    ) AS shards GROUP BY kind, part
                ) AS parts
            ) AS counts ON true
            LEFT JOIN LATERAL (
                SELECT coalesce(json_agg(reply ORDER BY id), '[]') AS answers FROM (
                    SELECT id, reply, sum(octet_length(reply::text)) OVER (ORDER BY id DESC) AS bytes
                    FROM (SELECT id, reply FROM replies WHERE question_id = q.id ORDER BY id DESC LIMIT $3) AS newest
                ) AS measured
                WHERE bytes <= $4 / greatest(s.question_count, 1)
            ) AS newest ON true
            WHERE s.id = $1
            ORDER BY q.position",
            &[&survey, &reader.user(), &NEWEST, &SHOWN, &DAYS],
        )
        .await?;
    let first = rows.first().ok_or_else(|| unknown(survey))?;
    if !first.try_get::<_, Option<bool>>("visible")?.unwrap_or(false) {
        return Err(unknown(survey));
    }
    if !first.try_get::<_, Option<bool>>("permitted")?.unwrap_or(false) {
        return Err(match reader {
            Reader::Known(caller) => surveys::not_permitted(caller),
            Reader::Anyone(Error::Unauthenticated(code, text)) => Error::Unauthenticated(code, text.clone()),
            Reader::Anyone(_) => unknown(survey),
        });
    }
    let mut stats = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(id) = row.try_get("id")? else { break };
        let r#type: String = row.try_get("type")?;
        let rules = Rules::parse(&r#type, row.try_get::<_, Option<Value>>("reply_content")?.as_ref());
        let counts = Counts::of(&row.try_get::<_, Option<Value>>("counts")?.unwrap_or_default());
        let place = |name: &str| row.try_get::<_, Option<Decimal>>(name);
        stats.push(Stats {
            id,
            r#type,
            votes: counts.votes(),
            content: row.try_get("content")?,
            answers: row.try_get("answers")?,
            summary: rules.map_err(Error::internal)?.summary(&counts, place("least")?, place("greatest")?),
        });
    }
    Ok(stats)
}

fn unknown(survey: Uuid) -> Error {
    Error::NotFound(format!("Survey {survey} doesn't exist").into())
}
