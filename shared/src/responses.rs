//! Whole responses: valid, and counted exactly once.
//!
//! A response is checked against the survey as one statement read it, and stored by a second one only if the survey is
//! still the same, and open. Otherwise it is checked again. Nobody can slip in between: the second statement locks the
//! survey's row against edits (not against other responses), and an edit that depends on what was answered locks it
//! against responses.

use crate::{
    Error, Result,
    auth::Caller,
    db::Db,
    error::OnConstraint,
    replies::Reply,
    rules::{Fault, Rules, Tally, shown},
    surveys,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;
use uuid::Uuid;

/// How often a response is checked anew because the survey was edited meanwhile.
pub(crate) const ATTEMPTS: usize = 3;

/// Rows over which each counter is spread.
const SHARDS: u128 = 16;

/// The most questions that a response can answer: all that a survey may have.
const MAX_ANSWERS: usize = 500;

/// What a client answers: the id of a question and the reply to it. `null` is no answer.
#[derive(Debug)]
pub struct Answers(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(answers) = Value::deserialize(deserializer)? else {
            return Err(de::Error::custom("must be an object with a reply for each id of a question"));
        };
        if answers.len() > MAX_ANSWERS {
            return Err(de::Error::custom(format!("may answer at most {MAX_ANSWERS} questions")));
        }
        let mut all = BTreeMap::new();
        for (question, reply) in answers {
            let reply = Reply::deserialize(reply)
                .map_err(|e| de::Error::custom(format!("{}: {e}", shown(&question))))?
                .0;
            // One spelling of an id, so that no question can be answered twice.
            let question = question.parse().map_or_else(|_| shown(&question), |id: Uuid| id.to_string());
            if !reply.is_null() && all.insert(question.clone(), reply).is_some() {
                return Err(de::Error::custom(format!("{question} is there twice")));
            }
        }
        Ok(Self(all))
    }
}

impl Answers {
    /// The same for the same answers, in whatever order they were written.
    fn hash(&self) -> Result<Vec<u8>> {
        // serde_json keeps the members of an object in the order of their names.
        let canonical = serde_json::to_vec(&self.0).map_err(Error::internal)?;
        Ok(Sha256::digest(canonical).to_vec())
    }
}

/// A response that was stored, now or by an earlier try.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    message: &'static str,
    id: Uuid,
    id_survey: Uuid,
    created_at: DateTime<Utc>,
    /// Whether it was there before.
    #[serde(skip)]
    pub replayed: bool,
}

/// Store a whole response, or say all that is wrong with it. With an id that is known, and the same answers, the first
/// result comes back, also after the survey has closed.
pub async fn submit(db: &Db, survey: Uuid, id: Uuid, answers: &Answers) -> Result<Receipt> {
    let hash = answers.hash()?;
    let receipt = |created_at, replayed| Receipt {
        message: "Response was added",
        id,
        id_survey: survey,
        created_at,
        replayed,
    };
    for _ in 0..ATTEMPTS {
        let form = Form::read(db, survey, id).await?;
        if let Some(twin) = &form.twin {
            return if (twin.survey, &twin.hash) == (survey, &Some(hash.clone())) {
                Ok(receipt(twin.created_at, true))
            } else {
                Err(Error::Conflict(
                    "id_conflict",
                    "There is another response with this id: use a new one".into(),
                ))
            };
        }
        form.openness.required()?;
        if form.full {
            return Err(full());
        }
        let checked = form.check(answers)?;
        let new = New { id, survey, version: form.version, hash: Some(hash.clone()) };
        if let Stored::At(created_at) = store(db, &new, &checked).await? {
            return Ok(receipt(created_at, false));
        }
    }
    Err(overtaken())
}

/// 503 for what was edited each time that it was checked.
pub(crate) fn overtaken() -> Error {
    Error::Unavailable("the survey was edited again and again".into())
}

/// A survey as it is to be answered.
struct Form {
    version: i32,
    openness: Openness,
    full: bool,
    twin: Option<Twin>,
    questions: Vec<(Uuid, bool, Rules)>,
}

/// The response that already has the id.
struct Twin {
    survey: Uuid,
    hash: Option<Vec<u8>>,
    created_at: DateTime<Utc>,
}

impl Form {
    async fn read(db: &Db, survey: Uuid, response: Uuid) -> Result<Self> {
        let rows = db
            .rows(
                "-- responses::form
                SELECT s.version, is_open(s) AS open, s.opens_at > now() AS early, l.taken >= l.max_responses AS full,
                       r.survey_id AS twin_survey, r.hash AS twin_hash, r.created_at AS twin_created_at,
                       q.id, q.type, q.required, q.reply_content
                FROM surveys s
                LEFT JOIN response_limits l ON l.survey_id = s.id
                LEFT JOIN responses r ON r.id = $2
                LEFT JOIN questions q ON q.survey_id = s.id
                WHERE s.id = $1
                ORDER BY q.position",
                &[&survey, &response],
            )
            .await?;
        let first = rows.first().ok_or_else(surveys::unknown)?;
        let twin = match first.try_get("twin_survey")? {
            Some(survey) => Some(Twin {
                survey,
                hash: first.try_get("twin_hash")?,
                created_at: first.try_get("twin_created_at")?,
            }),
            None => None,
        };
        let mut questions = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(id) = row.try_get("id")? {
                questions.push((id, row.try_get("required")?, rules(row)?));
            }
        }
        Ok(Self {
            version: first.try_get("version")?,
            openness: Openness::try_from(first)?,
            full: first.try_get::<_, Option<bool>>("full")?.unwrap_or(false),
            twin,
            questions,
        })
    }

    /// Every question in turn; what is left over belongs to none.
    fn check(&self, answers: &Answers) -> Result<Vec<Answer>> {
        let (mut checked, mut faults) = (Vec::new(), BTreeMap::new());
        let mut unknown: BTreeSet<&String> = answers.0.keys().collect();
        for (question, required, rules) in &self.questions {
            let key = question.to_string();
            unknown.remove(&key);
            match answers.0.get(&key).filter(|reply| !rules.is_blank(reply)) {
                None if *required => {
                    faults.insert(key, Fault::required());
                }
                None => {}
                Some(reply) => match rules.check(reply) {
                    Ok(place) => {
                        checked.push(Answer::new(
                            *question,
                            reply.clone(),
                            place,
                            rules.tallies(reply, false),
                        ));
                    }
                    Err(fault) => {
                        faults.insert(key, fault);
                    }
                },
            }
        }
        for question in unknown {
            let fault = Fault::new("unknown_question", "is no question of this survey");
            faults.insert(question.clone(), fault);
        }
        if faults.is_empty() { Ok(checked) } else { Err(Error::Rejected(faults)) }
    }
}

/// The rules of the question in a row.
fn rules(row: &Row) -> Result<Rules> {
    let reply_content: Option<Value> = row.try_get("reply_content")?;
    Rules::parse(row.try_get("type")?, reply_content.as_ref()).map_err(Error::internal)
}

/// Whether a survey takes replies at this moment.
#[derive(Clone, Copy)]
pub(crate) enum Openness {
    /// It does.
    Open,
    /// It will, later.
    Early,
    /// It is inactive or past due.
    Closed,
}

impl TryFrom<&Row> for Openness {
    type Error = Error;
    fn try_from(row: &Row) -> Result<Self> {
        Ok(match (row.try_get("open")?, row.try_get("early")?) {
            (true, _) => Self::Open,
            (false, Some(true)) => Self::Early,
            (false, _) => Self::Closed,
        })
    }
}

impl Openness {
    /// 409 unless it is open.
    pub(crate) fn required(self) -> Result<()> {
        let text = match self {
            Self::Open => return Ok(()),
            Self::Early => "Survey takes no replies yet",
            Self::Closed => "Survey takes no more replies",
        };
        Err(Error::Conflict("survey_closed", text.into()))
    }
}

fn full() -> Error {
    Error::Conflict("limit_reached", "Survey has all the responses that it takes".into())
}

/// A reply that was checked, and what it counts for.
pub(crate) struct Answer {
    question: Uuid,
    reply: Value,
    place: Option<Decimal>,
    tallies: Vec<Tally>,
}

impl Answer {
    pub(crate) fn new(question: Uuid, reply: Value, place: Option<Decimal>, tallies: Vec<Tally>) -> Self {
        Self { question, reply, place, tallies }
    }

    /// Size in an answer of ours: the reply and the id of its question.
    pub(crate) fn bytes(&self) -> i32 {
        i32::try_from(self.reply.to_string().len() + 40).unwrap_or(i32::MAX)
    }
}

/// A response that is to be stored, checked against a version of its survey. A single reply has no hash.
pub(crate) struct New {
    pub(crate) id: Uuid,
    pub(crate) survey: Uuid,
    pub(crate) version: i32,
    pub(crate) hash: Option<Vec<u8>>,
}

/// What came of storing.
pub(crate) enum Stored {
    /// It is stored.
    At(DateTime<Utc>),
    /// The survey has been edited or closed, or a twin was faster: look again.
    Not,
}

/// A shard for the counters of one response.
pub(crate) fn shard() -> i16 {
    i16::try_from(Uuid::now_v7().as_u128() % SHARDS).unwrap_or_default()
}

/// The columns of the counters that `answers` change, as arrays.
struct Tallies {
    questions: Vec<Uuid>,
    kinds: Vec<&'static str>,
    parts: Vec<String>,
    totals: Vec<Decimal>,
}

impl Tallies {
    fn of(answers: &[Answer]) -> Self {
        let mut all = Self { questions: vec![], kinds: vec![], parts: vec![], totals: vec![] };
        for answer in answers {
            for tally in &answer.tallies {
                all.questions.push(answer.question);
                all.kinds.push(tally.kind);
                all.parts.push(tally.part.clone());
                all.totals.push(tally.total);
            }
        }
        all
    }
}

/// Store a response with its replies and its counts, in one statement: all or nothing.
pub(crate) async fn store(db: &Db, new: &New, answers: &[Answer]) -> Result<Stored> {
    let ids: Vec<Uuid> = answers.iter().map(|_| Uuid::now_v7()).collect();
    let questions: Vec<Uuid> = answers.iter().map(|answer| answer.question).collect();
    let replies: Vec<&Value> = answers.iter().map(|answer| &answer.reply).collect();
    let places: Vec<Option<Decimal>> = answers.iter().map(|answer| answer.place).collect();
    let bytes: i32 = answers.iter().map(Answer::bytes).fold(0, i32::saturating_add);
    let tallies = Tallies::of(answers);
    let row = db
        .row(
            "-- responses::store
            WITH survey AS (
                SELECT s.id FROM surveys s WHERE s.id = $1 AND s.version = $2 AND is_open(s) FOR KEY SHARE
            ), response AS (
                INSERT INTO responses (id, survey_id, single, hash, bytes)
                SELECT $3, id, $4::bytea IS NULL, $4, $5 FROM survey
                ON CONFLICT (id) DO NOTHING
                RETURNING id, survey_id, single, created_at
            ), place AS (
                -- Over the limit the check of the table fails, and with it the statement.
                UPDATE response_limits l SET taken = taken + 1
                FROM response r WHERE l.survey_id = r.survey_id AND NOT r.single
                RETURNING l.survey_id
            ), counted AS (
                INSERT INTO survey_counters AS c (survey_id, shard, responses)
                SELECT survey_id, $6, 1 FROM response WHERE NOT single AND (SELECT count(*) FROM place) >= 0
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
                &replies,
                &places,
                &tallies.questions,
                &tallies.kinds,
                &tallies.parts,
                &tallies.totals,
            ],
        )
        .await
        .on_constraint("response_limits_reached", full)?;
    Ok(row.try_get::<_, Option<DateTime<Utc>>>("created_at")?.map_or(Stored::Not, Stored::At))
}

/// Delete a response of a survey of the caller's, and take it out of all counts.
pub async fn delete(db: &Db, owner: &Caller, survey: Uuid, response: Uuid) -> Result<()> {
    let unknown = || Error::NotFound("Response doesn't exist".into());
    for _ in 0..ATTEMPTS {
        let rows = db
            .rows(
                "-- responses::find
                SELECT s.owner_id = $3 AS owned, s.is_active, s.version, r.single, q.id, q.type, q.reply_content, p.reply
                FROM surveys s
                LEFT JOIN responses r ON r.id = $2 AND r.survey_id = s.id
                LEFT JOIN replies p ON p.response_id = r.id
                LEFT JOIN questions q ON q.id = p.question_id
                WHERE s.id = $1",
                &[&survey, &response, &owner.user],
            )
            .await?;
        let first = rows.first().ok_or_else(surveys::unknown)?;
        surveys::must_own(first, owner)?;
        let single = first.try_get::<_, Option<bool>>("single")?.ok_or_else(unknown)?;
        let mut answers = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(question) = row.try_get("id")? else { break };
            let reply: Value = row.try_get("reply")?;
            let tallies = rules(row)?.tallies(&reply, single);
            answers.push(Answer::new(question, reply, None, tallies));
        }
        let tallies = Tallies::of(&answers);
        let row = db
            .row(
                // Locks in the order of responses::store.
                "-- responses::delete
                WITH survey AS (
                    SELECT s.id FROM surveys s WHERE s.id = $1 AND s.version = $2 FOR KEY SHARE
                ), response AS (
                    DELETE FROM responses r USING survey WHERE r.id = $3 AND r.survey_id = survey.id
                    RETURNING r.survey_id, r.single
                ), place AS (
                    UPDATE response_limits l SET taken = taken - 1
                    FROM response r WHERE l.survey_id = r.survey_id AND NOT r.single
                    RETURNING l.survey_id
                ), counted AS (
                    INSERT INTO survey_counters AS c (survey_id, shard, responses)
                    SELECT survey_id, $4, -1 FROM response WHERE NOT single AND (SELECT count(*) FROM place) >= 0
                    ON CONFLICT (survey_id, shard) DO UPDATE SET responses = c.responses - 1
                    RETURNING survey_id
                ), tallied AS (
                    INSERT INTO question_counters AS c (question_id, kind, part, shard, n, total)
                    SELECT t.question_id, t.kind, t.part, $4, -1, -t.total
                    FROM response, unnest($5, $6, $7, $8) AS t (question_id, kind, part, total)
                    WHERE (SELECT count(*) FROM counted) >= 0
                    ORDER BY t.question_id, t.kind, t.part
                    ON CONFLICT (question_id, kind, part, shard)
                    DO UPDATE SET n = c.n + excluded.n, total = c.total + excluded.total
                )
                SELECT EXISTS (SELECT FROM response) AS deleted",
                &[
                    &survey,
                    &first.try_get::<_, i32>("version")?,
                    &response,
                    &shard(),
                    &tallies.questions,
                    &tallies.kinds,
                    &tallies.parts,
                    &tallies.totals,
                ],
            )
            .await?;
        if row.try_get("deleted")? {
            return Ok(());
        }
    }
    Err(overtaken())
}
