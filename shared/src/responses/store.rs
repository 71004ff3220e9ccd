//! Storing a checked response with its answers and its counts, in one statement: all or nothing.

use super::{
    answers::{CheckedAnswer, bytes},
    form::full,
};
use crate::{
    Result,
    db::Db,
    error::OnConstraint,
    rules::Tally,
    values::{QuestionId, ResponseId, SurveyId},
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

/// Rows over which each counter is spread.
const SHARDS: u128 = 16;

/// A response that is to be stored, checked against a version of its survey. A single answer has no hash.
pub(super) struct NewResponse {
    pub(super) id: ResponseId,
    pub(super) survey: SurveyId,
    pub(super) version: i32,
    pub(super) hash: Option<Vec<u8>>,
}

/// The columns of the counters that answers change, as arrays.
pub(super) struct Tallies {
    pub(super) questions: Vec<QuestionId>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) parts: Vec<String>,
    pub(super) totals: Vec<Decimal>,
}

impl Tallies {
    pub(super) fn of(tallies: impl IntoIterator<Item = (QuestionId, Tally)>) -> Self {
        let mut all = Self { questions: vec![], kinds: vec![], parts: vec![], totals: vec![] };
        for (question, tally) in tallies {
            all.questions.push(question);
            all.kinds.push(tally.kind);
            all.parts.push(tally.part);
            all.totals.push(tally.total);
        }
        all
    }
}

/// A shard for the counters of one response.
pub(super) fn shard() -> i16 {
    i16::try_from(Uuid::now_v7().as_u128() % SHARDS).unwrap_or_default()
}

/// Store a response, if the survey is still what it was checked against, and open, and the id is new. Gives the moment, or
/// nothing where one of these is not so.
pub(super) async fn store(
    db: &Db,
    new: &NewResponse,
    answers: Vec<CheckedAnswer>,
) -> Result<Option<DateTime<Utc>>> {
    let ids: Vec<Uuid> = answers.iter().map(|_| Uuid::now_v7()).collect();
    let questions: Vec<QuestionId> = answers.iter().map(|answer| answer.question).collect();
    let measures: Vec<Option<Decimal>> = answers.iter().map(|answer| answer.measure).collect();
    let bytes: i32 = answers.iter().map(|answer| bytes(&answer.value)).fold(0, i32::saturating_add);
    let (values, tallies): (Vec<Value>, Vec<_>) =
        answers.into_iter().map(|answer| (answer.value, (answer.question, answer.tallies))).unzip();
    let tallies = Tallies::of(
        tallies
            .into_iter()
            .flat_map(|(question, tallies)| tallies.into_iter().map(move |tally| (question, tally))),
    );
    let row = db
        .row(
            "-- responses::store
            WITH survey AS (
                SELECT s.id FROM surveys s WHERE s.id = $1 AND s.version = $2 AND is_open(s) FOR KEY SHARE
            ), response AS (
                INSERT INTO responses (id, survey_id, single, hash, bytes, xid)
                SELECT $3, id, $4::bytea IS NULL, $4, $5, next_place(id) FROM survey
                ON CONFLICT (id) DO NOTHING
                RETURNING id, survey_id, single, created_at
            ), taken AS (
                -- Over the limit the check of the table fails, and with it the statement.
                UPDATE response_limits l SET taken = taken + 1
                FROM response r WHERE l.survey_id = r.survey_id AND NOT r.single
                RETURNING l.survey_id
            ), counted AS (
                INSERT INTO survey_counters AS c (survey_id, shard, responses)
                SELECT survey_id, $6, 1 FROM response WHERE NOT single AND (SELECT count(*) FROM taken) >= 0
                ON CONFLICT (survey_id, shard) DO UPDATE SET responses = c.responses + 1
                RETURNING survey_id
            ), replies AS (
                INSERT INTO replies (id, response_id, question_id, reply, value)
                SELECT a.id, response.id, a.question_id, a.reply, a.value
                FROM response, unnest($7, $8, $9, $10) AS a (id, question_id, reply, value)
            ), tallied AS (
                INSERT INTO question_counters AS c (question_id, kind, part, shard, n, total)
                SELECT t.question_id, t.kind, t.part, $6, 1, t.total
                FROM response, unnest($11, $12, $13, $14) AS t (question_id, kind, part, total)
                WHERE (SELECT count(*) FROM counted) >= 0
                ORDER BY t.question_id, t.kind, t.part
                ON CONFLICT (question_id, kind, part, shard)
                DO UPDATE SET n = c.n + excluded.n, total = c.total + excluded.total
            )
            SELECT (SELECT created_at FROM response) AS created_at",
            &[
                &new.survey,
                &new.version,
                &new.id,
                &new.hash,
                &bytes,
                &shard(),
                &ids,
                &questions,
                &values,
                &measures,
                &tallies.questions,
                &tallies.kinds,
                &tallies.parts,
                &tallies.totals,
            ],
        )
        .await
        .on_constraint("response_limits_reached", full)?;
    Ok(row.try_get("created_at")?)
}
