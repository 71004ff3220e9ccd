//! Surveys: what is asked, by whom and until when.

use crate::{
    Error, Result,
    auth::Caller,
    db::Db,
    due_date::DueDate,
    error::OnConstraint,
    page::{Cursor, Item, Page, Window},
    questions::{self, NewQuestion},
    text::{Line, Prose},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

/// A survey's name: one line of 1 to 200 characters. Names are not unique.
pub type Name = Line<200>;

/// A survey's description: up to 10,000 characters.
pub type Description = Prose<10_000>;

/// What flaskForms wrote where a survey has no description.
const NO_DESCRIPTION: &str = "Add description!";

/// A survey that is to be added.
#[derive(Debug)]
pub struct NewSurvey {
    /// Its name.
    pub name: Name,
    /// Its description.
    pub description: Option<Description>,
    /// Whether it takes replies; a survey that doesn't is a draft that nobody but its owner sees.
    pub is_active: bool,
    /// Until when it takes replies.
    pub due: DueDate,
    /// Whether anyone may read the results.
    pub public_stats: bool,
    /// Its questions, in order.
    pub questions: Vec<NewQuestion>,
}

/// A survey as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    id: Uuid,
    name: String,
    is_active: bool,
    due_date: DateTime<Utc>,
    /// The largest number of replies that any one of its questions has.
    sub_count: i64,
    desc: String,
    public_stats: bool,
}

impl Item for Survey {
    fn id(&self) -> Uuid {
        self.id
    }
    fn bytes(&self) -> usize {
        self.name.len() + self.desc.len() + 200
    }
}

impl TryFrom<&Row> for Survey {
    type Error = Error;
    fn try_from(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            is_active: row.try_get("is_active")?,
            due_date: row.try_get("due_at")?,
            sub_count: row.try_get("sub_count")?,
            desc: row.try_get("description")?,
            public_stats: row.try_get("public_stats")?,
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
    fn new(page: Page<Survey>, if_empty: String) -> Self {
        let message = page.items.is_empty().then_some(if_empty);
        Self { surveys: page.items, next: page.next, message }
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
    let reply_contents: Vec<Option<&Value>> = questions.iter().map(|q| q.reply_content.as_ref()).collect();
    let bytes: i32 = questions.iter().map(NewQuestion::bytes).sum();
    db.rows(
        "-- surveys::insert
        WITH survey AS (
            INSERT INTO surveys (id, owner_id, name, description, is_active, due_at, public_stats,
                                 question_count, question_bytes)
            VALUES ($1, $2, $3, $4, $5, $6, $7, cardinality($8), $12)
            RETURNING id
        )
        INSERT INTO questions (id, survey_id, position, content, type, reply_content)
        SELECT q.id, survey.id, q.position - 1, q.content, q.type, q.reply_content
        FROM survey, unnest($8, $9, $10, $11) WITH ORDINALITY AS q (id, content, type, reply_content, position)",
        &[
            &id,
            &owner.user,
            &survey.name.as_str(),
            &description,
            &survey.is_active,
            &survey.due.0,
            &survey.public_stats,
            &ids,
            &contents,
            &types,
            &reply_contents,
            &bytes,
        ],
    )
    .await
    .on_constraint("surveys_question_count_limit", || questions::too_many("questions"))
    .on_constraint("surveys_question_bytes_limit", || questions::too_large("questions"))?;
    Ok(id)
}

/// The caller's surveys, in the order they were made.
pub async fn list_owned(db: &Db, owner: &Caller, window: Window) -> Result<SurveyList> {
    let rows = db
        .rows(
            "-- surveys::list_owned
            SELECT s.id, s.name, s.is_active, s.due_at, s.description, s.public_stats, r.sub_count
            FROM surveys s CROSS JOIN LATERAL (
                SELECT coalesce(max(replies), 0) AS sub_count FROM (
                    SELECT count(*) AS replies FROM questions q JOIN replies r ON r.question_id = q.id
                    WHERE q.survey_id = s.id GROUP BY q.id
                ) AS counts
            ) AS r
            WHERE s.owner_id = $1 AND s.id > $2
            ORDER BY s.id LIMIT $3",
            &[&owner.user, &window.after(), &window.fetch()],
        )
        .await?;
    let page = window.page(rows.iter().map(Survey::try_from).collect::<Result<_>>()?);
    Ok(SurveyList::new(page, format!("User {} has no surveys", owner.username)))
}

/// The surveys that anyone may answer now, in the order they were made.
pub async fn list_open(db: &Db, window: Window) -> Result<SurveyList> {
    let rows = db
        .rows(
            "-- surveys::list_open
            SELECT s.id, s.name, s.is_active, s.due_at, s.description, s.public_stats, r.sub_count
            FROM (
                SELECT * FROM surveys WHERE is_active AND due_at > now() AND id > $1 ORDER BY id LIMIT $2
            ) AS s CROSS JOIN LATERAL (
                SELECT coalesce(max(replies), 0) AS sub_count FROM (
                    SELECT count(*) AS replies FROM questions q JOIN replies r ON r.question_id = q.id
                    WHERE q.survey_id = s.id GROUP BY q.id
                ) AS counts
            ) AS r
            ORDER BY s.id",
            &[&window.after(), &window.fetch()],
        )
        .await?;
    let page = window.page(rows.iter().map(Survey::try_from).collect::<Result<_>>()?);
    Ok(SurveyList::new(page, "There are no active surveys".to_owned()))
}

/// 404, with flaskForms' text.
pub(crate) fn unknown() -> Error {
    Error::NotFound("Survey doesn't exist".into())
}
