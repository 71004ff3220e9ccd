//! Replies: what was answered to a question.

use crate::{Error, Result, auth::Caller, db::Db};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use uuid::Uuid;

/// Bytes of JSON in a reply.
const MAX_REPLY: usize = 64 * 1024;

/// The newest answers that the results of one question show.
const NEWEST: i64 = 1000;

/// Bytes of answers that the results of one survey show, well below the 6 MB that a Lambda function may answer with.
const SHOWN: i64 = 3 * 1024 * 1024;

/// Any JSON, stored as sent: up to 64 KiB.
#[derive(Debug)]
pub struct Reply(Value);

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        if json.to_string().len() > MAX_REPLY {
            return Err(de::Error::custom("may have at most 64 KiB of JSON"));
        }
        Ok(Self(json))
    }
}

/// Store a reply, if the question's survey takes replies at this moment. The condition and the insertion are one
/// statement: no reply slips in behind a closing.
pub async fn insert(db: &Db, question: Uuid, reply: &Reply) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let row = db
        .row_opt(
            "-- replies::insert
            WITH target AS (
                SELECT q.id, s.is_active AND s.due_at > now() AS open
                FROM questions q JOIN surveys s ON s.id = q.survey_id
                WHERE q.id = $1
            ), reply AS (
                INSERT INTO replies (id, question_id, reply) SELECT $2, id, $3 FROM target WHERE open
            )
            SELECT open FROM target",
            &[&question, &id, &reply.0],
        )
        .await?
        .ok_or(Error::NotFound("Question doesn't exist".into()))?;
    if row.try_get("open")? {
        Ok(id)
    } else {
        Err(Error::Conflict("survey_closed", "Survey takes no more replies".into()))
    }
}

/// The results of one question.
#[derive(Debug, Serialize)]
pub struct Stats {
    id: Uuid,
    r#type: String,
    votes: i64,
    content: String,
    answers: Value,
}

/// The results of a survey, question by question: for its owner, and for anyone where the survey publishes them. `answers`
/// are the newest, oldest first, as many as fit.
pub async fn stats(db: &Db, reader: Option<&Caller>, survey: Uuid) -> Result<Vec<Stats>> {
    let rows = db
        .rows(
            "-- replies::stats
            SELECT s.is_active OR s.owner_id = $2 AS visible, s.public_stats OR s.owner_id = $2 AS permitted,
                   q.id, q.type, q.content, votes.votes, newest.answers
            FROM surveys s
            LEFT JOIN questions q ON q.survey_id = s.id AND (s.public_stats AND s.is_active OR s.owner_id = $2)
            LEFT JOIN LATERAL (SELECT count(*) AS votes FROM replies WHERE question_id = q.id) AS votes ON true
            LEFT JOIN LATERAL (
                SELECT coalesce(jsonb_agg(reply ORDER BY id), '[]') AS answers FROM (
                    SELECT id, reply, sum(octet_length(reply::text)) OVER (ORDER BY id DESC) AS bytes
                    FROM (SELECT id, reply FROM replies WHERE question_id = q.id ORDER BY id DESC LIMIT $3) AS newest
                ) AS measured
                WHERE bytes <= $4 / s.question_count
            ) AS newest ON true
            WHERE s.id = $1
            ORDER BY q.position",
            &[&survey, &reader.map(|caller| caller.user), &NEWEST, &SHOWN],
        )
        .await?;
    let first = rows.first().ok_or_else(|| unknown(survey))?;
    if !first.try_get::<_, Option<bool>>("visible")?.unwrap_or(false) {
        return Err(unknown(survey));
    }
    if !first.try_get::<_, Option<bool>>("permitted")?.unwrap_or(false) {
        return Err(match reader {
            Some(caller) => Error::Forbidden(format!("User {} not permited", caller.username)),
            None => Error::Unauthenticated(
                "missing_token",
                "The results are for the survey's owner: send an access token".into(),
            ),
        });
    }
    let mut stats = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(id) = row.try_get("id")? {
            stats.push(Stats {
                id,
                r#type: row.try_get("type")?,
                votes: row.try_get("votes")?,
                content: row.try_get("content")?,
                answers: row.try_get("answers")?,
            });
        }
    }
    Ok(stats)
}

fn unknown(survey: Uuid) -> Error {
    Error::NotFound(format!("Survey {survey} doesn't exist").into())
}
