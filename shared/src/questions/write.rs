//! Adding, changing, deleting and ordering questions.

use super::counters::{Counters, slots};
use crate::{
    Error, Result,
    accounts::Caller,
    db::{Db, step},
    error::{Code, OnConstraint},
    rules::{self, Content, Counts, Definition, Rules, TOO_LARGE, TOO_MANY},
    surveys::ownership::{self, LOCK, LOOK, must_be_editable},
    values::{Change, Flag, Line, QuestionId, SurveyId},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

/// How often an edit is begun anew because another came between its reading and its writing.
const ATTEMPTS: usize = 3;

/// What is to be changed of a question.
#[derive(Debug)]
pub struct QuestionChanges {
    /// What is asked.
    pub content: Option<Content>,
    /// Its type: a known one, one that begins with `x-`, or the one it has.
    pub r#type: Option<Line<50>>,
    /// Whether a whole response must answer it.
    pub required: Option<Flag>,
    /// What may be answered; `null` is nothing in particular.
    pub reply_content: Change<Value>,
}

/// Add a question behind the others. The survey's row is locked first: two questions that are added at once get two
/// positions, and no response is stored that was checked without the question.
pub async fn insert(
    db: &mut Db,
    owner: &Caller,
    survey: SurveyId,
    question: &Definition,
) -> Result<QuestionId> {
    let id = QuestionId::new();
    let row = db
        .write_row(
            "-- questions::insert
            WITH owned AS (
                SELECT id FROM surveys WHERE id = $1 AND owner_id = $2 FOR UPDATE
            ), survey AS (
                UPDATE surveys s SET question_count = question_count + 1, question_bytes = question_bytes + $8,
                                     last_number = last_number + 1, slot_count = slot_count + cardinality($9),
                                     version = version + 1, updated_at = now()
                FROM owned WHERE s.id = owned.id
                RETURNING s.id, question_count, last_number, slot_count - cardinality($9) AS first_slot
            ), question AS (
                INSERT INTO questions (id, survey_id, position, number, content, type, required, reply_content, bytes, slots)
                SELECT $3, id, question_count - 1, last_number, $4, $5, $6, $7, $8, (
                    SELECT json_object_agg(part, first_slot + place - 1 ORDER BY place)
                    FROM unnest($9) WITH ORDINALITY AS parts (part, place)
                )
                FROM survey
                RETURNING id
            )
            SELECT EXISTS (SELECT FROM question) AS added,
                   EXISTS (
                       SELECT FROM surveys WHERE id = $1 AND is_visible AND owner_id <> $2
                   ) AS visible",
            &[
                &survey,
                &owner.user,
                &id,
                &question.content.as_str(),
                &question.r#type.as_str(),
                &question.required,
                &question.reply_content,
                &question.bytes,
                &question.parts,
            ],
        )
        .await
        .on_constraint("surveys_question_count_limit", || Error::invalid("idSurvey", TOO_MANY))
        .on_constraint("surveys_question_bytes_limit", || Error::invalid("replyContent", TOO_LARGE))
        .on_constraint("surveys_slot_count_limit", || Error::invalid("idSurvey", TOO_OFTEN))?;
    if row.try_get("added")? {
        Ok(id)
    } else if row.try_get("visible")? {
        Err(ownership::not_permitted(owner))
    } else {
        Err(ownership::unknown())
    }
}

/// Change a question of the caller's; gives the survey's version. Once there are answers, they must stay countable: the type
/// stays, and an option in use can only be retired. What changes nothing leaves the version alone.
///
/// The question is read and the change thought out first. It is written only if the survey is still in that version, and what
/// will not be counted any more is still unused: a response that came between would have been counted there.
pub async fn update(
    db: &mut Db,
    owner: &Caller,
    question: QuestionId,
    changes: &QuestionChanges,
    if_match: Option<i32>,
) -> Result<i32> {
    for _ in 0..ATTEMPTS {
        let [found, counters] = db
            .snapshot([
                step(
                    "-- questions::find
                    SELECT s.owner_id = $2 AS owned, s.is_visible AS visible, s.id AS survey_id, s.version, s.slot_count,
                           q.content, q.type, q.required, q.reply_content, q.bytes, q.slots
                    FROM questions q JOIN surveys s ON s.id = q.survey_id
                    WHERE q.id = $1",
                    &[&question, &owner.user],
                ),
                step(
                    "-- questions::counters
                    SELECT chunk, changes, counts FROM survey_counters
                    WHERE survey_id = (SELECT survey_id FROM questions WHERE id = $1)",
                    &[&question],
                ),
            ])
            .await?;
        let version = editable(&found, owner, if_match)?;
        let row = found.first().ok_or_else(unknown)?;
        let old = Old::read(row)?;
        let counts = Counters::read(&counters, &[])?.of(question, old.slots.clone());
        let Some(new) = old.changed(changes, &counts)? else { return Ok(version) };
        let survey: SurveyId = row.try_get("survey_id")?;
        let (slots, slot_count, unused) = old.renewed_slots(&new, &counts, row.try_get("slot_count")?);
        let bytes = rules::bytes(new.content, new.reply_content, &new.rules);
        let grown = bytes.saturating_sub(row.try_get("bytes")?);
        let [_, written] = db
            .transaction([
                step(LOCK, &[&survey, &owner.user]),
                step(
                    "-- questions::update
                    WITH survey AS (
                        UPDATE surveys SET version = version + 1, updated_at = now(), question_bytes = question_bytes + $9,
                                           slot_count = $10
                        WHERE id = $1 AND version = $2 AND counted(id, $11) = 0
                        RETURNING version
                    )
                    UPDATE questions q SET content = $4, type = $5, required = $6, reply_content = $7, bytes = $8, slots = $12
                    FROM survey WHERE q.id = $3 RETURNING survey.version",
                    &[
                        &survey,
                        &version,
                        &question,
                        &new.content,
                        &new.r#type,
                        &new.required,
                        &new.reply_content,
                        &bytes,
                        &grown,
                        &slot_count,
                        &unused,
                        &slots,
                    ],
                ),
            ])
            .await
            .on_constraint("surveys_question_bytes_limit", || Error::invalid("replyContent", TOO_LARGE))
            .on_constraint("surveys_slot_count_limit", || Error::invalid("replyContent", TOO_OFTEN))?;
        if let Some(row) = written.first() {
            return Ok(row.try_get("version")?);
        }
    }
    Err(Error::Contended("the question was edited or answered again and again"))
}

/// What is told about a survey whose questions were edited so often that its counters have no room left.
const TOO_OFTEN: &str =
    "the options of this survey were changed too often: duplicate it, and go on with the copy";

/// A question as it is stored.
struct Old {
    content: String,
    r#type: String,
    required: bool,
    reply_content: Option<Value>,
    slots: BTreeMap<String, i32>,
}

/// A question as it is to be.
struct New<'a> {
    content: &'a str,
    r#type: &'a str,
    required: bool,
    reply_content: Option<&'a Value>,
    rules: Rules,
}

impl Old {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            content: row.try_get("content")?,
            r#type: row.try_get("type")?,
            required: row.try_get("required")?,
            reply_content: row.try_get("reply_content")?,
            slots: slots(row)?,
        })
    }

    /// The question with its changes, if they change anything.
    fn changed<'a>(&'a self, changes: &'a QuestionChanges, counts: &Counts) -> Result<Option<New<'a>>> {
        let r#type = changes.r#type.as_ref().map_or(self.r#type.as_str(), Line::as_str);
        let content = changes.content.as_ref().map_or(self.content.as_str(), Content::as_str);
        let required = changes.required.map_or(self.required, |flag| flag.0);
        let reply_content = if changes.reply_content.is_set() {
            changes.reply_content.value()
        } else {
            self.reply_content.as_ref()
        };
        let old = (self.r#type.as_str(), self.content.as_str(), self.required, self.reply_content.as_ref());
        if (r#type, content, required, reply_content) == old {
            return Ok(None);
        }
        if r#type != self.r#type {
            rules::check_type(r#type).map_err(|text| Error::invalid("type", text))?;
        }
        let rules = Rules::parse(r#type, reply_content).map_err(|errors| errors.inside("replyContent"))?;
        let old_rules = Rules::of_stored(&self.r#type, self.reply_content.as_ref());
        if counts.votes() > 0 {
            if r#type != self.r#type || !old_rules.can_become(&rules) {
                let text = "The question has replies: its type can't change";
                return Err(Error::Conflict(Code::TypeInUse, text.into()));
            }
            if let Some(option) = old_rules.lost_in(&rules, counts) {
                let text = format!("The option {option:?} has replies: keep it, with \"retired\": true");
                return Err(Error::Conflict(Code::OptionInUse, text.into()));
            }
        }
        Ok(Some(New { content, r#type, required, reply_content, rules }))
    }

    /// The slots under new rules, where the next ones begin, and those that must be unused: of what is not counted any more,
    /// and the answers themselves where they would no longer fit.
    fn renewed_slots(&self, new: &New<'_>, counts: &Counts, mut slot_count: i32) -> (Value, i32, Vec<i32>) {
        let parts = new.rules.parts();
        let named: BTreeSet<&String> = parts.iter().collect();
        let (mut slots, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = self
            .slots
            .clone()
            .into_iter()
            .partition(|(name, _)| named.contains(name) || counts.named(name) > 0);
        let mut unused: Vec<i32> = gone.into_values().collect();
        if counts.votes() == 0 {
            unused.extend(slots.get("answers"));
        }
        for part in parts {
            slots.entry(part).or_insert_with(|| {
                slot_count += 1;
                slot_count - 1
            });
        }
        (json!(slots), slot_count, unused)
    }
}

/// Delete a question of the caller's with all answers to it; gives how many those were, and the survey's new version.
pub async fn delete(
    db: &mut Db,
    owner: &Caller,
    question: QuestionId,
    if_match: Option<i32>,
) -> Result<(i64, i32)> {
    let [_, looked, deleted] = db
        .transaction([
            step(
                "-- questions::lock
                SELECT FROM surveys WHERE id = (SELECT survey_id FROM questions WHERE id = $1) AND owner_id = $2 FOR UPDATE",
                &[&question, &owner.user],
            ),
            step(
                "-- questions::look
                SELECT owner_id = $2 AS owned, is_visible AS visible, version
                FROM surveys WHERE id = (SELECT survey_id FROM questions WHERE id = $1)",
                &[&question, &owner.user],
            ),
            step(
                "-- questions::delete
                WITH question AS (
                    SELECT q.id, q.survey_id, q.position, q.bytes, q.number, q.number::text AS name,
                           (q.slots ->> 'answers')::integer AS slot
                    FROM questions q JOIN surveys s ON s.id = q.survey_id
                    WHERE q.id = $1 AND s.owner_id = $2 AND s.version = coalesce($3, s.version)
                ), survey AS (
                    UPDATE surveys s SET version = version + 1, updated_at = now(), question_count = question_count - 1,
                                         question_bytes = question_bytes - q.bytes
                    FROM question q WHERE s.id = q.survey_id
                    RETURNING version
                ), singles AS (
                    DELETE FROM responses r USING question q
                    WHERE r.survey_id = q.survey_id AND r.single AND r.answers -> q.name IS NOT NULL
                ), answers AS (
                    UPDATE responses r SET
                        answers = (
                            SELECT coalesce(json_object_agg(key, value), '{}') FROM json_each(r.answers) WHERE key <> q.name
                        ),
                        bytes = r.bytes - octet_length((r.answers -> q.name)::text) - 40
                    FROM question q
                    WHERE r.survey_id = q.survey_id AND NOT r.single AND r.answers -> q.name IS NOT NULL
                ), counters AS (
                    UPDATE survey_counters c SET singles[q.number] = 0 FROM question q
                    WHERE c.survey_id = q.survey_id AND c.chunk = 0 AND c.shard = 0 AND c.singles[q.number] > 0
                ), later AS (
                    UPDATE questions q SET position = q.position - 1
                    FROM question WHERE q.survey_id = question.survey_id AND q.position > question.position
                ), gone AS (
                    DELETE FROM questions q USING question WHERE q.id = question.id
                )
                SELECT survey.version, counted(question.survey_id, ARRAY[question.slot]) AS replies
                FROM survey, question",
                &[&question, &owner.user, &if_match],
            ),
        ])
        .await?;
    editable(&looked, owner, if_match)?;
    let row = deleted.first().ok_or_else(unknown)?;
    Ok((row.try_get("replies")?, row.try_get("version")?))
}

/// Put the questions of a survey of the caller's in another order; gives its version, which stays if the order does.
pub async fn order(
    db: &mut Db,
    owner: &Caller,
    survey: SurveyId,
    questions: &[QuestionId],
    if_match: Option<i32>,
) -> Result<i32> {
    let wanted = questions.to_vec();
    let [_, looked, current, ordered] = db
        .transaction([
            step(LOCK, &[&survey, &owner.user]),
            step(LOOK, &[&survey, &owner.user]),
            step(
                "-- questions::ids\nSELECT id FROM questions WHERE survey_id = $1 ORDER BY position",
                &[&survey],
            ),
            step(
                "-- questions::order
                WITH survey AS (
                    UPDATE surveys SET version = version + 1, updated_at = now()
                    WHERE id = $1 AND owner_id = $2 AND version = coalesce($3, version)
                      AND $4 <> ARRAY(SELECT id FROM questions WHERE survey_id = $1 ORDER BY position)
                      AND ARRAY(SELECT unnest($4) AS id ORDER BY id)
                        = ARRAY(SELECT id FROM questions WHERE survey_id = $1 ORDER BY id)
                    RETURNING id, version
                ), moved AS (
                    UPDATE questions q SET position = wanted.position - 1
                    FROM survey, unnest($4) WITH ORDINALITY AS wanted (id, position)
                    WHERE q.id = wanted.id AND q.survey_id = survey.id
                )
                SELECT version FROM survey",
                &[&survey, &owner.user, &if_match, &wanted],
            ),
        ])
        .await?;
    let version = must_be_editable(&looked, owner, if_match)?;
    if let Some(row) = ordered.first() {
        return Ok(row.try_get("version")?);
    }
    let current = current.iter().map(|row| Ok(row.try_get("id")?)).collect::<Result<Vec<QuestionId>>>()?;
    if wanted == current {
        return Ok(version);
    }
    Err(Error::invalid("order", "must have the id of every question of the survey, each once"))
}

/// The same as [`must_be_editable`], for a question.
fn editable(looked: &[Row], owner: &Caller, if_match: Option<i32>) -> Result<i32> {
    must_be_editable(looked, owner, if_match).map_err(|error| match error {
        Error::NotFound(_) => unknown(),
        error => error,
    })
}

fn unknown() -> Error {
    Error::NotFound("Question doesn't exist".into())
}
