//! Surveys: what is asked, by whom and until when.

use crate::{
    Error, Result,
    auth::{self, Caller, Reader},
    db::{Db, Transaction},
    due_date::DueDate,
    error::OnConstraint,
    http::Change,
    page::{Cursor, Item, Window},
    questions::{self, NewQuestion},
    text::{Flag, Line, Prose, text},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

/// A survey's name: one line of 1 to 200 characters. Names are not unique.
pub type Name = Line<200>;

/// A survey's description: up to 10,000 characters.
pub type Description = Prose<10_000>;

/// What flaskForms wrote where a survey has no description.
const NO_DESCRIPTION: &str = "Add description!";

/// Who finds a survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody: it is listed while it is open.
    Public,
    /// Whoever has its id.
    Unlisted,
}

impl<'de> Deserialize<'de> for Visibility {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match text(deserializer)?.trim() {
            "public" => Ok(Self::Public),
            "unlisted" => Ok(Self::Unlisted),
            _ => Err(de::Error::custom("must be public or unlisted")),
        }
    }
}

impl Visibility {
    fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unlisted => "unlisted",
        }
    }
}

/// How many whole responses a survey takes: 1 to 1,000,000,000.
#[derive(Clone, Copy, Debug)]
pub struct ResponseLimit(i64);

impl<'de> Deserialize<'de> for ResponseLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match text(deserializer)?.trim().parse() {
            Ok(limit @ 1..=1_000_000_000) => Ok(Self(limit)),
            _ => Err(de::Error::custom("must be a whole number from 1 to 1000000000")),
        }
    }
}

/// A survey that is to be added.
#[derive(Debug)]
pub struct NewSurvey {
    /// Its name.
    pub name: Name,
    /// Its description.
    pub description: Option<Description>,
    /// Whether it takes replies; a survey that doesn't is a draft that nobody but its owner sees.
    pub is_active: bool,
    /// From when it takes replies, if not at once.
    pub opens: Option<DueDate>,
    /// Until when it takes replies.
    pub due: DueDate,
    /// Who finds it.
    pub visibility: Visibility,
    /// Whether anyone may read the results.
    pub public_stats: bool,
    /// How many whole responses it takes.
    pub response_limit: Option<ResponseLimit>,
    /// Its questions, in order.
    pub questions: Vec<NewQuestion>,
}

/// What is to be changed of a survey, as clients send it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// Its name.
    pub name: Option<Name>,
    /// Its description.
    pub desc: Option<Description>,
    /// Whether it takes replies.
    pub is_active: Option<Flag>,
    /// From when it takes replies; `null` is at once.
    pub opens_at: Change<DueDate>,
    /// Until when it takes replies.
    pub due_date: Option<DueDate>,
    /// Who finds it.
    pub visibility: Option<Visibility>,
    /// Whether anyone may read the results.
    pub public_stats: Option<Flag>,
    /// How many whole responses it takes; `null` is any number.
    pub response_limit: Change<ResponseLimit>,
}

/// A survey as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    id: Uuid,
    name: String,
    is_active: bool,
    opens_at: Option<DateTime<Utc>>,
    due_date: DateTime<Utc>,
    /// Whole responses, and of replies sent one by one the largest number that any one question received.
    sub_count: i64,
    desc: String,
    visibility: String,
    public_stats: bool,
    response_limit: Option<i64>,
    /// Counts the edits of the survey and its questions; the `ETag` of both.
    pub version: i32,
}

impl Item for Survey {
    fn id(&self) -> Uuid {
        self.id
    }
    fn bytes(&self) -> usize {
        self.name.len() + self.desc.len() + 300
    }
}

/// From columns that the statements name one by one: what is prepared as `*` fails when a migration adds a column.
impl TryFrom<&Row> for Survey {
    type Error = Error;
    fn try_from(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            is_active: row.try_get("is_active")?,
            opens_at: row.try_get("opens_at")?,
            due_date: row.try_get("due_at")?,
            sub_count: row.try_get("sub_count")?,
            desc: row.try_get("description")?,
            visibility: row.try_get("visibility")?,
            public_stats: row.try_get("public_stats")?,
            response_limit: row.try_get("max_responses")?,
            version: row.try_get("version")?,
        })
    }
}

/// The body of a list of surveys.
#[derive(Debug, Serialize)]
pub struct SurveyList {
    surveys: Vec<Survey>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Cursor>,
    /// What flaskForms said in place of an empty list.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl SurveyList {
    fn new(rows: &[Row], window: Window, if_empty: String) -> Result<Self> {
        let page = window.page(rows.iter().map(Survey::try_from).collect::<Result<_>>()?);
        let message = (page.items.is_empty() && window.is_first()).then_some(if_empty);
        Ok(Self { surveys: page.items, next: page.next, message })
    }
}

/// Add a survey and its questions, all or nothing, in one statement whatever their number.
pub async fn insert(db: &Db, owner: &Caller, survey: &NewSurvey) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let description = survey.description.as_ref().map_or(NO_DESCRIPTION, Description::as_str);
    let questions = &survey.questions;
    let ids: Vec<Uuid> = questions.iter().map(|_| Uuid::now_v7()).collect();
    let contents: Vec<&str> = questions.iter().map(|q| q.content.as_str()).collect();
    let types: Vec<&str> = questions.iter().map(|q| q.r#type.as_str()).collect();
    let required: Vec<bool> = questions.iter().map(NewQuestion::required).collect();
    let reply_contents: Vec<Option<&Value>> = questions.iter().map(|q| q.reply_content.as_ref()).collect();
    let bytes: Vec<i32> = questions.iter().map(|q| q.bytes).collect();
    let all_bytes = bytes.iter().copied().fold(0, i32::saturating_add);
    db.rows(
        "-- surveys::insert
        WITH survey AS (
            INSERT INTO surveys (id, owner_id, name, description, is_active, opens_at, due_at, visibility, public_stats,
                                 question_count, question_bytes)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, cardinality($11), $17)
            RETURNING id
        ), response_limit AS (
            INSERT INTO response_limits (survey_id, taken, max_responses)
            SELECT id, 0, $10 FROM survey WHERE $10 IS NOT NULL
        )
        INSERT INTO questions (id, survey_id, position, content, type, required, reply_content, bytes)
        SELECT q.id, survey.id, q.position - 1, q.content, q.type, q.required, q.reply_content, q.bytes
        FROM survey, unnest($11, $12, $13, $14, $15, $16)
            WITH ORDINALITY AS q (id, content, type, required, reply_content, bytes, position)",
        &[
            &id,
            &owner.user,
            &survey.name.as_str(),
            &description,
            &survey.is_active,
            &survey.opens.map(|opens| opens.0),
            &survey.due.0,
            &survey.visibility.as_str(),
            &survey.public_stats,
            &survey.response_limit.map(|limit| limit.0),
            &ids,
            &contents,
            &types,
            &required,
            &reply_contents,
            &bytes,
            &all_bytes,
        ],
    )
    .await
    .on_constraint("surveys_question_count_limit", || questions::too_many("questions"))
    .on_constraint("surveys_question_bytes_limit", || questions::too_large("questions"))
    .on_constraint("surveys_owner_id_fkey", auth::deleted_user)?;
    Ok(id)
}

/// The caller's surveys, in the order they were made.
pub async fn list_owned(db: &Db, owner: &Caller, window: Window) -> Result<SurveyList> {
    let rows = db
        .rows(
            "-- surveys::list_owned
            SELECT s.id, s.name, s.is_active, s.opens_at, s.due_at, s.description, s.visibility, s.public_stats,
                   s.version, sub_count(s.id), l.max_responses
            FROM surveys s LEFT JOIN response_limits l ON l.survey_id = s.id
            WHERE s.owner_id = $1 AND s.id > $2
            ORDER BY s.id LIMIT $3",
            &[&owner.user, &window.after(), &window.fetch()],
        )
        .await?;
    SurveyList::new(&rows, window, format!("User {} has no surveys", owner.username))
}

/// The public surveys that anyone may answer now, in the order they were made.
pub async fn list_open(db: &Db, window: Window) -> Result<SurveyList> {
    let rows = db
        .rows(
            "-- surveys::list_open
            SELECT s.id, s.name, s.is_active, s.opens_at, s.due_at, s.description, s.visibility, s.public_stats,
                   s.version, sub_count(s.id), l.max_responses
            FROM (
                SELECT * FROM surveys s
                WHERE is_active AND visibility = 'public' AND due_at > now() AND is_open(s) AND id > $1
                ORDER BY id LIMIT $2
            ) AS s LEFT JOIN response_limits l ON l.survey_id = s.id
            ORDER BY s.id",
            &[&window.after(), &window.fetch()],
        )
        .await?;
    SurveyList::new(&rows, window, "There are no active surveys".to_owned())
}

/// A survey. A draft exists for its owner alone.
pub async fn find(db: &Db, reader: &Reader, survey: Uuid) -> Result<Survey> {
    let row = db
        .row_opt(
            "-- surveys::find
            SELECT s.id, s.name, s.is_active, s.opens_at, s.due_at, s.description, s.visibility, s.public_stats,
                   s.version, sub_count(s.id), l.max_responses
            FROM surveys s LEFT JOIN response_limits l ON l.survey_id = s.id
            WHERE s.id = $1 AND (s.is_active OR s.owner_id = $2)",
            &[&survey, &reader.user()],
        )
        .await?;
    Survey::try_from(&row.ok_or_else(unknown)?)
}

/// Lock a survey of the caller's for an edit: against other edits, and against responses. Statements that follow in the
/// transaction see all that was stored before.
pub(crate) async fn lock(
    transaction: &Transaction<'_>,
    owner: &Caller,
    survey: Uuid,
    if_match: Option<i32>,
) -> Result<()> {
    let locked = transaction
        .row_opt(
            "-- surveys::lock
            SELECT version FROM surveys WHERE id = $1 AND owner_id = $2 FOR UPDATE",
            &[&survey, &owner.user],
        )
        .await?;
    let Some(row) = locked else {
        // A stranger waits for nobody, and keeps nobody waiting.
        let row = transaction
            .row_opt(
                "-- surveys::not_owned
                SELECT false AS owned, is_active FROM surveys WHERE id = $1 AND owner_id <> $2",
                &[&survey, &owner.user],
            )
            .await?;
        return must_own(&row.ok_or_else(unknown)?, owner);
    };
    let version: i32 = row.try_get("version")?;
    if if_match.is_some_and(|expected| expected != version) { Err(Error::Stale) } else { Ok(()) }
}

/// 403 unless the row says `owned`; 404 where it is a draft, which exists for its owner alone.
pub(crate) fn must_own(row: &Row, caller: &Caller) -> Result<()> {
    match (row.try_get("owned")?, row.try_get("is_active")?) {
        (true, _) => Ok(()),
        (false, true) => Err(not_permitted(caller)),
        (false, false) => Err(unknown()),
    }
}

/// Note that questions of a locked survey have changed, and by how much; gives its new version.
pub(crate) async fn touch(
    transaction: &Transaction<'_>,
    survey: Uuid,
    questions: i32,
    bytes: i32,
) -> Result<i32> {
    let row = transaction
        .row(
            "-- surveys::touch
            UPDATE surveys SET version = version + 1, question_count = question_count + $2,
                               question_bytes = question_bytes + $3
            WHERE id = $1 RETURNING version",
            &[&survey, &questions, &bytes],
        )
        .await?;
    Ok(row.try_get("version")?)
}

/// Change a survey of the caller's; gives its new version.
pub async fn update(
    db: &mut Db,
    owner: &Caller,
    survey: Uuid,
    edit: &Edit,
    if_match: Option<i32>,
) -> Result<i32> {
    let transaction = db.begin().await?;
    lock(&transaction, owner, survey, if_match).await?;
    let row = transaction
        .row(
            "-- surveys::update
            UPDATE surveys SET
                name = coalesce($2, name),
                description = coalesce($3, description),
                is_active = coalesce($4, is_active),
                opens_at = CASE WHEN $5 THEN $6 ELSE opens_at END,
                due_at = coalesce($7, due_at),
                visibility = coalesce($8, visibility),
                public_stats = coalesce($9, public_stats),
                version = version + 1
            WHERE id = $1 RETURNING version",
            &[
                &survey,
                &edit.name.as_ref().map(Name::as_str),
                &edit.desc.as_ref().map(Description::as_str),
                &edit.is_active.map(|flag| flag.0),
                &edit.opens_at.is_set(),
                &edit.opens_at.value().map(|opens| opens.0),
                &edit.due_date.map(|due| due.0),
                &edit.visibility.map(Visibility::as_str),
                &edit.public_stats.map(|flag| flag.0),
            ],
        )
        .await?;
    if edit.response_limit.is_set() {
        set_limit(&transaction, survey, edit.response_limit.value().map(|limit| limit.0)).await?;
    }
    transaction.commit().await?;
    Ok(row.try_get("version")?)
}

/// Set or lift the limit of a locked survey. What is taken is counted anew: without a limit nobody had kept count.
async fn set_limit(transaction: &Transaction<'_>, survey: Uuid, limit: Option<i64>) -> Result<()> {
    transaction
        .rows(
            "-- surveys::set_limit
            WITH lifted AS (DELETE FROM response_limits WHERE survey_id = $1 AND $2 IS NULL)
            INSERT INTO response_limits (survey_id, taken, max_responses)
            SELECT $1, coalesce(sum(responses), 0), $2 FROM survey_counters WHERE survey_id = $1 HAVING $2 IS NOT NULL
            ON CONFLICT (survey_id) DO UPDATE SET max_responses = excluded.max_responses",
            &[&survey, &limit],
        )
        .await
        .on_constraint("response_limits_reached", || {
            Error::invalid("responseLimit", "there are more responses already; set isActive to false to take no more")
        })?;
    Ok(())
}

/// What was deleted with a survey.
#[derive(Debug, Serialize)]
pub struct Deleted {
    message: &'static str,
    questions: i64,
    responses: i64,
    replies: i64,
}

/// Delete a survey of the caller's with all that belongs to it.
pub async fn delete(db: &mut Db, owner: &Caller, survey: Uuid, if_match: Option<i32>) -> Result<Deleted> {
    let transaction = db.begin().await?;
    lock(&transaction, owner, survey, if_match).await?;
    // In bulk, from the leaves on: a cascade would look for the replies of each response in turn.
    let replies = transaction
        .row(
            "-- surveys::delete_replies
            WITH gone AS (
                DELETE FROM replies r USING questions q WHERE q.survey_id = $1 AND r.question_id = q.id RETURNING r.id
            )
            SELECT count(*) AS n FROM gone",
            &[&survey],
        )
        .await?;
    let rest = transaction
        .row(
            "-- surveys::delete
            WITH responses AS (DELETE FROM responses WHERE survey_id = $1 RETURNING single),
                 questions AS (DELETE FROM questions WHERE survey_id = $1 RETURNING id),
                 survey AS (DELETE FROM surveys WHERE id = $1)
            SELECT (SELECT count(*) FROM responses WHERE NOT single) AS responses,
                   (SELECT count(*) FROM questions) AS questions",
            &[&survey],
        )
        .await?;
    transaction.commit().await?;
    Ok(Deleted {
        message: "Survey was deleted",
        questions: rest.try_get("questions")?,
        responses: rest.try_get("responses")?,
        replies: replies.try_get("n")?,
    })
}

/// Copy a survey of the caller's, without its responses, as a draft.
pub async fn duplicate(db: &mut Db, owner: &Caller, survey: Uuid, name: Option<&Name>) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let transaction = db.begin().await?;
    lock(&transaction, owner, survey, None).await?;
    transaction
        .rows(
            "-- surveys::duplicate
            INSERT INTO surveys (id, owner_id, name, description, is_active, opens_at, due_at, visibility, public_stats,
                                 question_count, question_bytes)
            SELECT $2, owner_id, coalesce($3, left('Copy of ' || name, 200)), description, false, opens_at, due_at,
                   visibility, public_stats, question_count, question_bytes
            FROM surveys WHERE id = $1",
            &[&survey, &id, &name.map(Name::as_str)],
        )
        .await?;
    let positions = transaction
        .rows(
            "-- surveys::positions\nSELECT position FROM questions WHERE survey_id = $1 ORDER BY position",
            &[&survey],
        )
        .await?;
    let ids: Vec<Uuid> = positions.iter().map(|_| Uuid::now_v7()).collect();
    transaction
        .rows(
            "-- surveys::duplicate_questions
            INSERT INTO questions (id, survey_id, position, content, type, required, reply_content, bytes)
            SELECT new.id, $2, q.position, q.content, q.type, q.required, q.reply_content, q.bytes
            FROM (SELECT *, row_number() OVER (ORDER BY position) AS place FROM questions WHERE survey_id = $1) AS q
            JOIN unnest($3) WITH ORDINALITY AS new (id, place) USING (place)",
            &[&survey, &id, &ids],
        )
        .await?;
    transaction
        .rows(
            "-- surveys::duplicate_limit
            INSERT INTO response_limits (survey_id, taken, max_responses)
            SELECT $2, 0, max_responses FROM response_limits WHERE survey_id = $1",
            &[&survey, &id],
        )
        .await?;
    transaction.commit().await?;
    Ok(id)
}

/// 403, with flaskForms' text.
pub(crate) fn not_permitted(caller: &Caller) -> Error {
    Error::Forbidden(format!("User {} not permited", caller.username))
}

/// 404, with flaskForms' text.
pub(crate) fn unknown() -> Error {
    Error::NotFound("Survey doesn't exist".into())
}
