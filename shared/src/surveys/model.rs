//! A survey as it comes in and as it goes out.

use crate::{
    Error, Result,
    rules::Definition,
    values::{
        Change, Cursor, Flag, Line, Moment, SurveyId, Window,
        page::Item,
        text::{OptionalProse, Whole, text},
    },
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use tokio_postgres::Row;
use uuid::Uuid;

/// A survey's name: one line of 1 to 200 characters. Names are not unique.
pub type Name = Line<200>;

/// A survey's description: up to 10,000 characters, or none.
pub type Description = OptionalProse<10_000>;

/// How many whole responses a survey takes.
pub type ResponseLimit = Whole<1, 1_000_000_000>;

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
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unlisted => "unlisted",
        }
    }
}

/// Whether a survey takes responses at this moment, by the database's clock (`survey_state` in migrations/).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It never has: it exists for its owner alone.
    Draft,
    /// It will, later.
    Scheduled,
    /// It does.
    Open,
    /// It did.
    Closed,
    /// It has all the whole responses that it takes.
    Full,
}

impl TryFrom<&Row> for State {
    type Error = Error;
    fn try_from(row: &Row) -> Result<Self> {
        Ok(match row.try_get("state")? {
            "draft" => Self::Draft,
            "scheduled" => Self::Scheduled,
            "open" => Self::Open,
            "closed" => Self::Closed,
            "full" => Self::Full,
            other => return Err(Error::internal(format!("the unknown state {other}"))),
        })
    }
}

/// A survey that is to be added.
#[derive(Debug)]
pub struct NewSurvey {
    /// Its name.
    pub name: Name,
    /// Its description.
    pub description: String,
    /// Whether it takes responses, from `opens` to `due`; a survey that doesn't is a draft.
    pub is_active: bool,
    /// From when it takes responses, if not at once.
    pub opens: Option<Moment>,
    /// Until when it takes responses.
    pub due: Moment,
    /// Who finds it.
    pub visibility: Visibility,
    /// Whether anyone may read the results.
    pub public_stats: bool,
    /// How many whole responses it takes, if not any number.
    pub response_limit: Option<ResponseLimit>,
    /// Its questions, in order.
    pub questions: Vec<Definition>,
}

/// What is to be changed of a survey.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SurveyChanges {
    /// Which one.
    pub id_survey: SurveyId,
    /// Its name.
    pub name: Option<Name>,
    /// Its description; `null` is none.
    pub desc: Change<Description>,
    /// Whether it takes responses.
    pub is_active: Option<Flag>,
    /// From when it takes responses; `null` is at once.
    pub opens_at: Change<Moment>,
    /// Until when it takes responses.
    pub due_date: Option<Moment>,
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
    id: SurveyId,
    name: String,
    state: State,
    is_active: bool,
    opens_at: Option<DateTime<Utc>>,
    due_date: DateTime<Utc>,
    /// Whole responses, and of answers sent one by one the largest number that any one question received.
    sub_count: i64,
    desc: String,
    visibility: String,
    public_stats: bool,
    response_limit: Option<i64>,
    question_count: i32,
    /// Counts the edits of the survey and its questions; the `ETag` of both.
    pub version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The statement that reads [`Survey`]s, by their ids. Both they and their counts, over all shards, are fetched at once, not by
/// a look-up a survey. The columns are named one by one: what is prepared as `*` fails when a migration adds a column.
macro_rules! surveys_sql {
    ($name:literal, $ids:literal) => {
        concat!(
            "-- surveys::",
            $name,
            "
            WITH page AS MATERIALIZED (SELECT ARRAY(",
            $ids,
            ") AS ids), counts AS (
                SELECT survey_id, sum(responses)::bigint AS responses, max(max_responses) AS max_responses,
                       max(most_singles) AS most_singles
                FROM survey_counters WHERE survey_id = ANY ((SELECT ids FROM page)::uuid[]) AND chunk = 0
                GROUP BY survey_id
            )
            SELECT s.id, s.name, survey_state(s, c.responses >= c.max_responses) AS state, s.is_active, s.opens_at, s.due_at,
                   s.description, s.visibility, s.public_stats, s.question_count, s.version, s.created_at, s.updated_at,
                   c.responses + coalesce(c.most_singles, 0) AS sub_count, c.max_responses
            FROM surveys s JOIN counts c ON c.survey_id = s.id
            WHERE s.id = ANY ((SELECT ids FROM page)::uuid[])
            ORDER BY s.id"
        )
    };
}
pub(super) use surveys_sql;

impl TryFrom<&Row> for Survey {
    type Error = Error;
    fn try_from(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            state: State::try_from(row)?,
            is_active: row.try_get("is_active")?,
            opens_at: row.try_get("opens_at")?,
            due_date: row.try_get("due_at")?,
            sub_count: row.try_get("sub_count")?,
            desc: row.try_get("description")?,
            visibility: row.try_get("visibility")?,
            public_stats: row.try_get("public_stats")?,
            response_limit: row.try_get("max_responses")?,
            question_count: row.try_get("question_count")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl Item for Survey {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn bytes(&self) -> usize {
        self.name.len() + self.desc.len() + 450
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
    pub(super) fn new(rows: &[Row], window: Window, if_empty: String) -> Result<Self> {
        let page = window.page(rows.iter().map(Survey::try_from).collect::<Result<_>>()?);
        let message = (page.items.is_empty() && window.is_first()).then_some(if_empty);
        Ok(Self { surveys: page.items, next: page.next, message })
    }
}
