//! Getting responses out: page after page, complete and without repetition while new ones arrive.
//!
//! Pages follow the order of the transactions that stored the responses, and a page ends before the oldest transaction
//! that is still running: whatever commits later comes later in the order, too, and can't slip in behind the cursor.

use crate::{Error, Reply, Result, auth::Caller, db::Db, http, page::Limit, surveys, text::text};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Bytes of answers on a page. A Lambda function answers with at most 6 MB, in which the body is a text once more: a quote
/// in a CSV cell needs four bytes.
const MAX_BYTES: i64 = 5 * 1024 * 1024 / 4;

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object: `{responses, next?}`.
    Json,
    /// One response a line.
    Ndjson,
    /// RFC 4180, with a header line on the first page; a column for each question, in the order they were made.
    Csv,
}

impl Format {
    /// What the header `Accept` asks for, if it is one of the formats.
    #[must_use]
    pub fn accepted(accept: &str) -> Option<Self> {
        accept.split(',').find_map(|media| match media.split(';').next().unwrap_or_default().trim() {
            "text/csv" => Some(Self::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Ndjson),
            "application/json" => Some(Self::Json),
            _ => None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match text(deserializer)?.trim() {
            "json" => Ok(Self::Json),
            "ndjson" => Ok(Self::Ndjson),
            "csv" => Ok(Self::Csv),
            _ => Err(de::Error::custom("must be json, ndjson or csv")),
        }
    }
}

/// Where the next page starts; opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    survey: Uuid,
    version: i32,
    transaction: u64,
    id: Uuid,
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = Vec::with_capacity(44);
        bytes.extend(self.survey.as_bytes());
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend(self.id.as_bytes());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |bytes: Vec<u8>| {
            let (survey, rest) = bytes.split_at_checked(16)?;
            let (version, rest) = rest.split_at_checked(4)?;
            let (transaction, id) = rest.split_at_checked(8)?;
            Some(Self {
                survey: Uuid::from_slice(survey).ok()?,
                version: i32::from_be_bytes(version.try_into().ok()?),
                transaction: u64::from_be_bytes(transaction.try_into().ok()?),
                id: Uuid::from_slice(id).ok()?,
            })
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text(deserializer)?).ok();
        bytes.and_then(parse).ok_or_else(|| de::Error::custom("must be the `next` of an earlier answer"))
    }
}

/// A response as it goes out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    id: Uuid,
    created_at: DateTime<Utc>,
    /// Whether it is a single reply rather than a whole response.
    single: bool,
    /// The id of each question that was answered, and the reply.
    answers: Map<String, Value>,
}

/// A page of the responses of a survey of the caller's.
pub async fn page(
    db: &Db,
    owner: &Caller,
    survey: Uuid,
    format: Format,
    limit: Limit,
    after: Option<Position>,
) -> Result<Reply> {
    if after.is_some_and(|position| position.survey != survey) {
        return Err(Error::invalid("after", "belongs to another survey"));
    }
    let (transaction, id) = after.map_or((0, Uuid::nil()), |position| (position.transaction, position.id));
    let rows = db
        .rows(
            "-- export::page
            SELECT s.owner_id = $2 AS owned, s.is_active, s.version, r.id, r.created_at, r.single, r.xid::text AS xid,
                   r.bytes, a.answers, (
                       SELECT count(*) FROM (
                           SELECT FROM responses
                           WHERE survey_id = $1 AND s.owner_id = $2 AND (xid, id) > ($3::text::xid8, $4)
                           ORDER BY xid, id LIMIT $5 + 1
                       ) AS ahead
                   ) AS ahead,
                   ARRAY(SELECT id FROM questions WHERE survey_id = $1 ORDER BY id) AS columns
            FROM surveys s
            LEFT JOIN LATERAL (
                SELECT id, created_at, single, xid, sum(bytes + 150) OVER (ORDER BY xid, id) AS bytes,
                       row_number() OVER (ORDER BY xid, id) = 1 AS first
                FROM (
                    SELECT * FROM responses
                    WHERE survey_id = s.id AND s.owner_id = $2 AND (xid, id) > ($3::text::xid8, $4)
                      AND (
                          xid < pg_snapshot_xmin(pg_current_snapshot())
                          -- A database that was restored elsewhere counts its transactions anew. No transaction of
                          -- ours takes a minute: the functions give up after 27 seconds.
                          OR created_at < now() - interval '1 minute'
                      )
                    ORDER BY xid, id LIMIT $5
                ) AS next
            ) AS r ON true
            LEFT JOIN LATERAL (
                SELECT json_object_agg(question_id, reply) AS answers FROM replies WHERE response_id = r.id
            ) AS a ON r.bytes <= $6 OR r.first
            WHERE s.id = $1
            ORDER BY r.xid, r.id",
            &[&survey, &owner.user, &transaction.to_string(), &id, &limit.rows(), &MAX_BYTES],
        )
        .await?;
    let first = rows.first().ok_or_else(surveys::unknown)?;
    surveys::must_own(first, owner)?;
    let version = first.try_get("version")?;
    if format == Format::Csv && after.is_some_and(|position| position.version != version) {
        let text = "The survey was edited during the download, and its columns may be others: begin again";
        return Err(Error::Conflict("survey_edited", text.into()));
    }
    let columns: Vec<Uuid> = first.try_get("columns")?;
    let mut next = Position { survey, version, transaction, id };
    let mut responses = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(id) = row.try_get("id")? else { break };
        if !responses.is_empty() && row.try_get::<_, i64>("bytes")? > MAX_BYTES {
            break;
        }
        let answers: Option<Value> = row.try_get("answers")?;
        next = Position {
            transaction: row.try_get::<_, &str>("xid")?.parse().map_err(Error::internal)?,
            id,
            ..next
        };
        responses.push(Exported {
            id,
            created_at: row.try_get("created_at")?,
            single: row.try_get("single")?,
            answers: answers.and_then(|answers| answers.as_object().cloned()).unwrap_or_default(),
        });
    }
    // What is stored and can't be read yet is still to come.
    let more = i64::try_from(responses.len()).unwrap_or(i64::MAX) < first.try_get("ahead")?;
    let next = more.then_some(next);
    let body = match format {
        Format::Json => {
            let mut body = json!({ "responses": responses });
            if let (Some(body), Some(next)) = (body.as_object_mut(), next) {
                body.insert("next".to_owned(), json!(next));
            }
            body.to_string()
        }
        Format::Ndjson => responses.iter().map(|response| json!(response).to_string() + "\n").collect(),
        Format::Csv => csv(&responses, &columns, after.is_none())?,
    };
    let link = next
        .map(|next| format!("<?format={}&limit={}&after={next}>; rel=\"next\"", format.name(), limit.rows()));
    let media = match format {
        Format::Json => "application/json",
        Format::Ndjson => "application/x-ndjson",
        Format::Csv => "text/csv; charset=utf-8; header=present",
    };
    Ok(http::document(media, body, link.as_deref()))
}

fn csv(responses: &[Exported], columns: &[Uuid], header: bool) -> Result<String> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    if header {
        let fixed = ["id", "createdAt", "single"].into_iter();
        writer.write_record(fixed.chain(columns.iter().map(String::as_str))).map_err(Error::internal)?;
    }
    for response in responses {
        let fixed = [
            response.id.to_string(),
            response.created_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            response.single.to_string(),
        ];
        let cells = columns.iter().map(|question| cell(response.answers.get(question)));
        writer.write_record(fixed.into_iter().chain(cells)).map_err(Error::internal)?;
    }
    String::from_utf8(writer.into_inner().map_err(|e| Error::internal(e.to_string()))?)
        .map_err(Error::internal)
}

/// A reply as a cell: texts as they are, everything else as JSON. A text that a spreadsheet would take for a formula gets
/// an apostrophe (OWASP, "CSV Injection").
fn cell(reply: Option<&Value>) -> String {
    match reply {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => {
            format!("'{text}")
        }
        Some(Value::String(text)) => text.clone(),
        Some(json) => json.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_formula_is_disarmed_and_a_number_is_left_alone() {
        for (reply, written) in [
            (json!("=1+1"), "'=1+1"),
            (json!("@SUM(A1)"), "'@SUM(A1)"),
            (json!("-5"), "'-5"),
            (json!(-5), "-5"),
            (json!("1-5"), "1-5"),
            (json!(["a", "b"]), r#"["a","b"]"#),
            (json!(true), "true"),
            (json!(null), ""),
        ] {
            assert_eq!(cell(Some(&reply)), written);
        }
    }

    #[test]
    fn accept_names_the_format() {
        assert_eq!(Format::accepted("text/csv"), Some(Format::Csv));
        assert_eq!(Format::accepted("text/html, application/x-ndjson;q=0.9"), Some(Format::Ndjson));
        assert_eq!(Format::accepted("*/*"), None);
    }

    proptest! {
        #[test]
        fn a_position_survives_the_client(survey in any::<u128>(), version in any::<i32>(), transaction in any::<u64>(), id in any::<u128>()) {
            let position = Position { survey: Uuid::from_u128(survey), version, transaction, id: Uuid::from_u128(id) };
            prop_assert_eq!(serde_json::from_value::<Position>(json!(position)).unwrap(), position);
        }

        #[test]
        fn a_forged_position_is_refused_or_a_place(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let _ = serde_json::from_value::<Position>(json!(text));
            let _ = serde_json::from_value::<Position>(json!(BASE64_URL_SAFE_NO_PAD.encode(bytes)));
        }
    }
}
