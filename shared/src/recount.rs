//! Whether the counters say what the replies say: everything counted anew, one survey after another.
//!
//! All is read as of one moment, so that it may run while responses arrive, and page by page, so that it needs little
//! memory however many there are.

use crate::{Error, Result, rules::Rules};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio_postgres::{Client, IsolationLevel, Transaction};
use uuid::Uuid;

/// Replies that are read at once; each may have 64 KiB.
const PAGE: i64 = 500;

/// Surveys that are read at once.
const SURVEYS: i64 = 1000;

/// What is counted of one question: kind and part, number and total.
type Counts = BTreeMap<(String, String), (i64, Decimal)>;

/// Each counter that is wrong, as a line of text.
pub async fn differences(client: &mut Client) -> Result<Vec<String>> {
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await?;
    let mut all = Vec::new();
    let mut after = Uuid::nil();
    loop {
        let surveys = transaction
            .query(
                "-- recount::surveys
                SELECT s.id, question_count, question_bytes, whole, taken,
                       (SELECT coalesce(sum(responses), 0)::bigint FROM survey_counters WHERE survey_id = s.id) AS counted
                FROM (SELECT * FROM surveys WHERE id > $1 ORDER BY id LIMIT $2) AS s
                LEFT JOIN LATERAL (
                    SELECT count(*) AS whole FROM responses WHERE survey_id = s.id AND NOT single
                ) AS w ON true
                LEFT JOIN response_limits l ON l.survey_id = s.id
                ORDER BY s.id",
                &[&after, &SURVEYS],
            )
            .await?;
        let Some(last) = surveys.last() else { return Ok(all) };
        after = last.try_get("id")?;
        for survey in &surveys {
            let id: Uuid = survey.try_get("id")?;
            let mut compare = |what: &str, counted: i64, there: i64| {
                if counted != there {
                    all.push(format!("survey {id}: {what} {counted}, there are {there}"));
                }
            };
            let whole = survey.try_get("whole")?;
            compare("responses", survey.try_get("counted")?, whole);
            compare("taken", survey.try_get::<_, Option<i64>>("taken")?.unwrap_or(whole), whole);
            let (questions, bytes) = questions(&transaction, id, &mut all).await?;
            let mut compare = |what: &str, counted: i32, there: usize| {
                if usize::try_from(counted) != Ok(there) {
                    all.push(format!("survey {id}: {what} {counted}, there are {there}"));
                }
            };
            compare("question_count", survey.try_get("question_count")?, questions);
            compare("question_bytes", survey.try_get("question_bytes")?, bytes);
            for row in stray(&transaction, id).await? {
                all.push(format!("survey {id}: {row}"));
            }
        }
    }
}

/// Compare all questions of a survey; gives their number and bytes.
async fn questions(
    transaction: &Transaction<'_>,
    survey: Uuid,
    differences: &mut Vec<String>,
) -> Result<(usize, usize)> {
    let questions = transaction
        .query(
            "-- recount::questions
            SELECT id, position, type, reply_content, bytes FROM questions WHERE survey_id = $1 ORDER BY position",
            &[&survey],
        )
        .await?;
    let mut bytes = 0;
    for (position, row) in questions.iter().enumerate() {
        let id: Uuid = row.try_get("id")?;
        if usize::try_from(row.try_get::<_, i32>("position")?) != Ok(position) {
            differences.push(format!("question {id}: not at position {position}"));
        }
        let r#type: &str = row.try_get("type")?;
        let reply_content: Option<Value> = row.try_get("reply_content")?;
        bytes += usize::try_from(row.try_get::<_, i32>("bytes")?).unwrap_or_default();
        let rules = Rules::parse(r#type, reply_content.as_ref()).map_err(Error::internal)?;
        let there = there(transaction, id, r#type, &rules, differences).await?;
        let counted = counted(transaction, id).await?;
        for key in there.keys().chain(counted.keys().filter(|key| !there.contains_key(*key))) {
            let of = |counts: &Counts| counts.get(key).copied().unwrap_or_default();
            if of(&counted) != of(&there) {
                let ((kind, part), (n, total), (true_n, true_total)) = (key, of(&counted), of(&there));
                differences.push(format!(
                    "question {id}: {kind} {part:?} {n} (total {total}), there are {true_n} ({true_total})"
                ));
            }
        }
    }
    Ok((questions.len(), bytes))
}

/// What there is to count in the replies to a question.
async fn there(
    transaction: &Transaction<'_>,
    question: Uuid,
    r#type: &str,
    rules: &Rules,
    differences: &mut Vec<String>,
) -> Result<Counts> {
    // Bounds may be others than when the reply came; its place among numbers doesn't depend on them.
    let unbounded = match r#type {
        "number" | "scale" | "nps" => Rules::parse("number", None),
        "date" | "time" | "datetime" => Rules::parse(r#type, None),
        _ => Ok(Rules::Custom),
    };
    let unbounded = unbounded.map_err(Error::internal)?;
    let mut counts = Counts::new();
    let mut after = Uuid::nil();
    loop {
        let rows = transaction
            .query(
                "-- recount::replies
                SELECT p.id, p.reply, p.value, r.single FROM replies p JOIN responses r ON r.id = p.response_id
                WHERE p.question_id = $1 AND p.id > $2 ORDER BY p.id LIMIT $3",
                &[&question, &after, &PAGE],
            )
            .await?;
        let Some(last) = rows.last() else { return Ok(counts) };
        after = last.try_get("id")?;
        for row in &rows {
            let reply: Value = row.try_get("reply")?;
            for tally in rules.tallies(&reply, row.try_get("single")?) {
                let (n, total) = counts.entry((tally.kind.to_owned(), tally.part)).or_default();
                *n += 1;
                *total += tally.total;
            }
            let place = unbounded.check(&reply).ok().flatten();
            let value: Option<Decimal> = row.try_get("value")?;
            if value != place {
                let id: Uuid = row.try_get("id")?;
                differences.push(format!("reply {id}: value {value:?}, it is {place:?}"));
            }
        }
    }
}

/// What the counters say of a question.
async fn counted(transaction: &Transaction<'_>, question: Uuid) -> Result<Counts> {
    let rows = transaction
        .query(
            "-- recount::counters
            SELECT kind, part, sum(n)::bigint AS n, sum(total) AS total FROM question_counters
            WHERE question_id = $1 GROUP BY kind, part",
            &[&question],
        )
        .await?;
    let rows = rows.iter().map(|row| {
        Ok(((row.try_get("kind")?, row.try_get("part")?), (row.try_get("n")?, row.try_get("total")?)))
    });
    rows.collect()
}

/// What can't be: single replies that aren't one, and replies to questions of another survey.
async fn stray(transaction: &Transaction<'_>, survey: Uuid) -> Result<Vec<String>> {
    let rows = transaction
        .query(
            "-- recount::stray
            SELECT format('response %s has %s replies, %s of them to other surveys', r.id, count(p.id),
                          count(p.id) FILTER (WHERE q.survey_id <> r.survey_id)) AS stray
            FROM responses r
            LEFT JOIN replies p ON p.response_id = r.id
            LEFT JOIN questions q ON q.id = p.question_id
            WHERE r.survey_id = $1
            GROUP BY r.id
            HAVING r.single AND count(p.id) <> 1 OR bool_or(q.survey_id <> r.survey_id)",
            &[&survey],
        )
        .await?;
    rows.iter().map(|row| Ok(row.try_get("stray")?)).collect()
}
