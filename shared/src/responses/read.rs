//! Reading responses: page after page, complete and without repetition while new ones arrive.
//!
//! Pages follow the order of the transactions that stored the responses (`next_place` in migrations/). The oldest first, a
//! page ends before the oldest transaction that is still running: whatever commits later comes later in the order, too,
//! and can't slip in behind the cursor. The newest first a page shows what can be seen now; what is being stored meanwhile
//! may be missing between its rows, so that is for looking and not for keeping up.

use crate::{
    Error, Result,
    accounts::Caller,
    db::{Db, step},
    surveys::ownership,
    values::{Limit, QuestionId, ResponseId, SurveyId, text::text},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, fmt};
use tokio_postgres::{Row, types::Json};
use uuid::Uuid;

/// Bytes of answers on a page. A Lambda function answers with at most 6 MB, in which the body is a text once more: a quote
/// in a CSV cell needs four bytes.
const MAX_BYTES: i64 = 5 * 1024 * 1024 / 4;

/// Which responses come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    #[default]
    Ascending,
    /// The newest.
    Descending,
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match text(deserializer)?.trim() {
            "asc" => Ok(Self::Ascending),
            "desc" => Ok(Self::Descending),
            _ => Err(de::Error::custom("must be asc or desc")),
        }
    }
}

/// Where the next page starts; opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    survey: SurveyId,
    version: i32,
    transaction: u64,
    id: ResponseId,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(44);
        bytes.extend(self.survey.0.as_bytes());
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend(self.id.0.as_bytes());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |bytes: Vec<u8>| {
            let (survey, rest) = bytes.split_at_checked(16)?;
            let (version, rest) = rest.split_at_checked(4)?;
            let (transaction, id) = rest.split_at_checked(8)?;
            Some(Self {
                survey: SurveyId(Uuid::from_slice(survey).ok()?),
                version: i32::from_be_bytes(version.try_into().ok()?),
                transaction: u64::from_be_bytes(transaction.try_into().ok()?),
                id: ResponseId(Uuid::from_slice(id).ok()?),
            })
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text(deserializer)?).ok();
        bytes.and_then(parse).ok_or_else(|| de::Error::custom("must be the `next` of an earlier answer"))
    }
}

/// A response as it is stored.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredResponse {
    /// Its id.
    pub id: ResponseId,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// Whether it is a single answer rather than a whole response.
    pub single: bool,
    /// The id of each question that was answered, and the answer as it is stored.
    pub answers: BTreeMap<QuestionId, Box<RawValue>>,
}

/// Some responses of a survey.
#[derive(Debug)]
pub struct ResponsePage {
    /// The responses.
    pub responses: Vec<StoredResponse>,
    /// The questions of the survey, in the order they were made.
    pub questions: Vec<QuestionId>,
    /// Where the next page starts, if there are more.
    pub next: Option<Position>,
    /// Whether the survey was edited since the page before this one.
    pub edited: bool,
}

/// The answers to one question.
#[derive(Debug, Serialize)]
pub struct QuestionAnswers {
    answers: Vec<QuestionAnswer>,
    /// Where the next page starts, if there are more responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Position>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QuestionAnswer {
    id_response: ResponseId,
    created_at: DateTime<Utc>,
    answer: Box<RawValue>,
}

/// The statement that reads the ids and numbers of a survey's questions, in the order they were made.
const NAMES: &str = "-- responses::names\nSELECT id, number FROM questions WHERE survey_id = $1 ORDER BY id";

/// The statement of a page: the comparison with the place of the cursor, the direction, and what must be true of a row and of
/// all before it on the page. One row more than the page has tells whether there are more.
macro_rules! page_sql {
    ($compare:literal, $direction:literal, $readable:literal) => {
        concat!(
            "-- responses::page
            SELECT s.owner_id = $2 AS owned, s.is_visible AS visible, s.version, r.id, r.created_at,
                   r.single, r.xid::text AS xid, r.readable AND (r.bytes <= $6 OR place = 1) AS fits,
                   CASE WHEN r.readable AND (r.bytes <= $6 OR place = 1) THEN r.answers END AS answers
            FROM surveys s
            LEFT JOIN LATERAL (
                SELECT id, created_at, single, xid, answers, sum(bytes + 150) OVER up_to AS bytes, row_number() OVER up_to AS place,
                       bool_and(", $readable, ") OVER up_to AS readable
                FROM (
                    SELECT id, created_at, single, xid, answers, bytes FROM responses
                    WHERE survey_id = s.id AND s.owner_id = $2 AND deleted_at IS NULL
                      AND (xid, id) ", $compare, " ($3::text::xid8, $4)
                    ORDER BY xid ", $direction, ", id ", $direction, " LIMIT $5 + 1
                ) AS next
                WINDOW up_to AS (ORDER BY xid ", $direction, ", id ", $direction, ")
            ) AS r ON true
            WHERE s.id = $1
            ORDER BY r.xid ", $direction, ", r.id ", $direction
        )
    };
}

/// A page of the responses of a survey of the caller's.
pub async fn page(
    db: &mut Db,
    owner: &Caller,
    survey: SurveyId,
    order: Order,
    limit: Limit,
    after: Option<Position>,
) -> Result<ResponsePage> {
    if after.is_some_and(|position| position.survey != survey) {
        return Err(Error::invalid("after", "belongs to another survey"));
    }
    let descending = order == Order::Descending;
    let start = if descending { (u64::MAX, Uuid::max()) } else { (0, Uuid::nil()) };
    let (transaction, id) = after.map_or(start, |position| (position.transaction, position.id.0));
    let sql = match order {
        // Of a database that was restored elsewhere, numbers are greater than any here. No transaction of ours takes a minute:
        // the functions give up after 27 seconds. Of two that were stored at once the later one may stand before the other.
        Order::Ascending => page_sql!(
            ">",
            "ASC",
            "xid < pg_snapshot_xmin(pg_current_snapshot()) OR created_at < now() - interval '1 minute'"
        ),
        Order::Descending => page_sql!("<", "DESC", "true"),
    };
    let transaction_text = transaction.to_string();
    let [rows, names] = db
        .snapshot([
            step(sql, &[&survey, &owner.user, &transaction_text, &id, &limit.rows(), &MAX_BYTES]),
            step(NAMES, &[&survey]),
        ])
        .await?;
    let first = rows.first().ok_or_else(ownership::unknown)?;
    ownership::must_own(first, owner)?;
    let version = first.try_get("version")?;
    let (names, questions) = read_names(&names)?;
    let mut next = Position { survey, version, transaction, id: ResponseId(id) };
    let (mut responses, mut more) = (Vec::with_capacity(rows.len()), false);
    for row in &rows {
        let Some(id) = row.try_get("id")? else { break };
        // What is stored and can't be read yet is still to come.
        more = !row.try_get::<_, bool>("fits")? || responses.len() == limit.get();
        if more {
            break;
        }
        let transaction = row.try_get::<_, &str>("xid")?.parse().map_err(Error::internal)?;
        next = Position { transaction, id, ..next };
        responses.push(stored(row, &names)?);
    }
    Ok(ResponsePage {
        responses,
        questions,
        next: more.then_some(next),
        edited: after.is_some_and(|position| position.version != version),
    })
}

/// The answers to a question of a survey of the caller's in a page of its responses: there may be fewer than those, or none,
/// and yet a next page.
pub async fn answers_to(
    db: &mut Db,
    owner: &Caller,
    (survey, question): (SurveyId, QuestionId),
    order: Order,
    limit: Limit,
    after: Option<Position>,
) -> Result<QuestionAnswers> {
    let page = page(db, owner, survey, order, limit, after).await?;
    if !page.questions.contains(&question) {
        return Err(super::unknown_question());
    }
    let answers = page.responses.into_iter().filter_map(|mut response| {
        let answer = response.answers.remove(&question)?;
        Some(QuestionAnswer { id_response: response.id, created_at: response.created_at, answer })
    });
    Ok(QuestionAnswers { answers: answers.collect(), next: page.next })
}

/// One response of a survey of the caller's.
pub async fn find(
    db: &mut Db,
    owner: &Caller,
    survey: SurveyId,
    response: ResponseId,
) -> Result<StoredResponse> {
    let [rows, names] = db
        .snapshot([
            step(
                "-- responses::find
                SELECT s.owner_id = $3 AS owned, s.is_visible AS visible, r.id, r.created_at, r.single, r.answers
                FROM surveys s
                LEFT JOIN responses r ON r.id = $2 AND r.survey_id = s.id AND s.owner_id = $3 AND r.deleted_at IS NULL
                WHERE s.id = $1",
                &[&survey, &response, &owner.user],
            ),
            step(NAMES, &[&survey]),
        ])
        .await?;
    let row = rows.first().ok_or_else(ownership::unknown)?;
    ownership::must_own(row, owner)?;
    row.try_get::<_, Option<ResponseId>>("id")?.ok_or_else(unknown)?;
    stored(row, &read_names(&names)?.0)
}

/// The question of each number, and all of them in order.
fn read_names(rows: &[Row]) -> Result<(BTreeMap<String, QuestionId>, Vec<QuestionId>)> {
    let (mut names, mut questions) = (BTreeMap::new(), Vec::with_capacity(rows.len()));
    for row in rows {
        let question: QuestionId = row.try_get("id")?;
        names.insert(row.try_get::<_, i32>("number")?.to_string(), question);
        questions.push(question);
    }
    Ok((names, questions))
}

fn stored(row: &Row, names: &BTreeMap<String, QuestionId>) -> Result<StoredResponse> {
    let Json(answers): Json<BTreeMap<&str, &RawValue>> = row.try_get("answers")?;
    let named = |(number, answer): (&str, &RawValue)| Some((*names.get(number)?, answer.to_owned()));
    Ok(StoredResponse {
        id: row.try_get("id")?,
        created_at: row.try_get("created_at")?,
        single: row.try_get("single")?,
        answers: answers.into_iter().filter_map(named).collect(),
    })
}

/// 404 for a response that isn't there.
pub(super) fn unknown() -> Error {
    Error::NotFound("Response doesn't exist".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn a_position_survives_the_client(survey in any::<u128>(), version in any::<i32>(), transaction in any::<u64>(), id in any::<u128>()) {
            let (survey, id) = (SurveyId(Uuid::from_u128(survey)), ResponseId(Uuid::from_u128(id)));
            let position = Position { survey, version, transaction, id };
            prop_assert_eq!(serde_json::from_value::<Position>(json!(position)).unwrap(), position);
        }

        #[test]
        fn a_forged_position_is_a_place_or_refused(bytes in proptest::collection::vec(any::<u8>(), 42..47)) {
            let text = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
            let forged = serde_json::from_value::<Position>(json!(text)).ok();
            prop_assert_eq!(forged.map(|position| position.to_string()), (bytes.len() == 44).then_some(text));
        }
    }
}
