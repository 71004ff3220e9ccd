//! What a response adds to the counters, and a deleted one takes away.

use super::form::Question;
use crate::{db::Param, values::QuestionId};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Slots in one row of `survey_counters`, as migrations/ have it (the function `counted`). The statement below says 200 as well.
pub(crate) const CHUNK: i32 = 200;

/// Over how many rows a popular survey's counters are spread at the most.
const SHARDS: u128 = 16;

/// What some answers count.
#[derive(Default)]
pub(super) struct Counted {
    /// In the slots of the survey's counters.
    slots: BTreeMap<i32, i64>,
    /// What has no slot, in rows of its own.
    questions: Vec<QuestionId>,
    kinds: Vec<&'static str>,
    parts: Vec<String>,
    numbers: Vec<i64>,
    totals: Vec<Decimal>,
    /// Answers as numbers.
    pub(super) measured: Vec<QuestionId>,
    pub(super) measures: Vec<Decimal>,
}

impl Counted {
    pub(super) fn add(&mut self, question: &Question, answer: &Value, made: NaiveDate) {
        for tally in question.rules.tallies(answer, made) {
            if let Some(slot) = question.slots.get(&tally.name()) {
                *self.slots.entry(*slot).or_default() += tally.n;
            } else {
                self.questions.push(question.id);
                self.kinds.push(tally.kind);
                self.parts.push(tally.part);
                self.numbers.push(tally.n);
                self.totals.push(tally.total);
            }
        }
        if let Some(measure) = question.rules.measure(answer) {
            self.measured.push(question.id);
            self.measures.push(measure);
        }
    }

    /// The parameters of [`counted_sql`], once (`times` 1) or taken away (-1).
    pub(super) fn params(
        &self,
        limited: bool,
        single: Option<i32>,
        times: i64,
    ) -> Vec<Box<dyn Param + Send>> {
        // The chunks one behind the other, each but the last filled up. Chunk 0 is always there.
        let (mut chunks, mut begin, mut counts) = (vec![0_i16], 0, Vec::new());
        for (slot, n) in &self.slots {
            let chunk = i16::try_from(slot / CHUNK).unwrap_or(i16::MAX);
            if !chunks.ends_with(&[chunk]) {
                chunks.push(chunk);
                begin += CHUNK;
            }
            counts.resize(usize::try_from(begin + slot % CHUNK).unwrap_or_default(), 0);
            counts.push(n * times);
        }
        let singles = single.map(|number| {
            let mut singles = vec![0; usize::try_from(number - 1).unwrap_or_default()];
            singles.push(times);
            singles
        });
        let shard = i16::try_from(Uuid::now_v7().as_u128() % (SHARDS - 1) + 1).unwrap_or(1);
        vec![
            Box::new(limited || single.is_some()),
            Box::new(shard),
            Box::new(if single.is_some() { 0 } else { times }),
            Box::new(singles),
            Box::new(chunks),
            Box::new(counts),
            Box::new(self.questions.clone()),
            Box::new(self.kinds.clone()),
            Box::new(self.parts.clone()),
            Box::new(self.numbers.iter().map(|n| n * times).collect::<Vec<_>>()),
            Box::new(self.totals.iter().map(|total| total * Decimal::from(times)).collect::<Vec<_>>()),
        ]
    }
}

/// What counts in a statement, for the `response` whose `survey_id` an expression before it gives. Its parameters are $1 to $11.
///
/// A shard is chosen and locked by its chunk 0, then written: the first that nobody else has locked, else one at random, which
/// may be new. Where the survey has a limit, and for single answers, it is always shard 0.
macro_rules! counted_sql {
    () => {
        "shard AS (
            SELECT survey_id, CASE WHEN $1 THEN 0 ELSE coalesce((
                SELECT shard FROM survey_counters c WHERE c.survey_id = response.survey_id AND chunk = 0
                ORDER BY shard LIMIT 1 FOR UPDATE SKIP LOCKED
            ), $2) END AS shard
            FROM response
        ), counted AS (
            -- Over the limit the check of the table fails, and with it the statement.
            INSERT INTO survey_counters AS c (survey_id, chunk, shard, changes, responses, singles, counts)
            SELECT survey_id, chunk, shard, 1, CASE chunk WHEN 0 THEN $3 ELSE 0 END, CASE chunk WHEN 0 THEN $4 END,
                   ($6)[200 * place - 199 : 200 * place]
            FROM shard, unnest($5) WITH ORDINALITY AS chunks (chunk, place)
            ORDER BY chunk
            ON CONFLICT (survey_id, chunk, shard) DO UPDATE SET
                changes = c.changes + 1,
                responses = c.responses + excluded.responses,
                singles = coalesce(added(c.singles, excluded.singles), excluded.singles, c.singles),
                counts = added(c.counts, excluded.counts)
            RETURNING survey_id
        ), tallied AS (
            INSERT INTO question_counters AS c (question_id, kind, part, shard, n, total)
            SELECT t.question_id, t.kind, t.part, shard, t.n, t.total
            FROM shard, unnest($7, $8, $9, $10, $11) AS t (question_id, kind, part, n, total)
            WHERE EXISTS (SELECT FROM counted)
            ORDER BY t.question_id, t.kind, t.part
            ON CONFLICT (question_id, kind, part, shard)
            DO UPDATE SET n = c.n + excluded.n, total = c.total + excluded.total
        )"
    };
}
pub(super) use counted_sql;
