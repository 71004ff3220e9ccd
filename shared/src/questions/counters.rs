//! Reading what was counted of questions.

use crate::{Result, responses::CHUNK, rules::Counts, values::QuestionId};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use tokio_postgres::{Row, types::Json};

/// The statement that reads the counters of survey $1, a row a chunk and shard.
pub(crate) const SURVEY_COUNTERS: &str = "-- counters::survey
    SELECT chunk, changes, counts FROM survey_counters WHERE survey_id = $1";

/// The counters of a survey.
pub(crate) struct Counters {
    slots: BTreeMap<i32, i64>,
    /// What has no slot, by the question.
    rows: BTreeMap<QuestionId, Counts>,
    /// Grows with every response that is stored or deleted.
    pub(crate) changes: i64,
}

impl Counters {
    /// From the rows of [`SURVEY_COUNTERS`], and rows of `question_id`, `name`, `n` and `total`.
    pub(crate) fn read(survey: &[Row], questions: &[Row]) -> Result<Self> {
        let mut all = Self { slots: BTreeMap::new(), rows: BTreeMap::new(), changes: 0 };
        for row in survey {
            let chunk: i16 = row.try_get("chunk")?;
            if chunk == 0 {
                all.changes += row.try_get::<_, i64>("changes")?;
            }
            for (slot, n) in (i32::from(chunk) * CHUNK..).zip(row.try_get::<_, Vec<i64>>("counts")?) {
                *all.slots.entry(slot).or_default() += n;
            }
        }
        for row in questions {
            let (n, total): (i64, Decimal) = (row.try_get("n")?, row.try_get("total")?);
            let counts = all.rows.entry(row.try_get("question_id")?).or_default();
            counts.add(row.try_get("name")?, n, total);
        }
        Ok(all)
    }

    /// Those of a question, which has these slots.
    pub(crate) fn of(&mut self, question: QuestionId, slots: BTreeMap<String, i32>) -> Counts {
        let mut counts = self.rows.remove(&question).unwrap_or_default();
        for (name, slot) in slots {
            if let Some(n) = self.slots.get(&slot).filter(|n| **n != 0) {
                counts.add(name, *n, Decimal::ZERO);
            }
        }
        counts
    }
}

/// The slots of the question in a row.
pub(crate) fn slots(row: &Row) -> Result<BTreeMap<String, i32>> {
    let Json(slots) = row.try_get("slots")?;
    Ok(slots)
}
