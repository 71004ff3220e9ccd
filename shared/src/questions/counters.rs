//! Reading the counters of a question.

use crate::{Result, rules::Counts};
use rust_decimal::Decimal;
use tokio_postgres::Row;

/// The counts in the columns `kinds`, `parts`, `numbers` and `totals`: arrays of one length, NULL where nothing is counted.
pub(crate) fn read(row: &Row) -> Result<Counts> {
    let mut counts = Counts::default();
    let Some(kinds) = row.try_get::<_, Option<Vec<&str>>>("kinds")? else { return Ok(counts) };
    let (parts, numbers): (Vec<&str>, Vec<i64>) = (row.try_get("parts")?, row.try_get("numbers")?);
    let totals: Vec<Decimal> = row.try_get("totals")?;
    for (((kind, part), n), total) in kinds.into_iter().zip(parts).zip(numbers).zip(totals) {
        counts.add(kind, part, n, total);
    }
    Ok(counts)
}
