//! A survey as it is to be answered.

use super::answers::{Answers, CheckedAnswer};
use crate::{
    Error, Result,
    db::Db,
    error::Code,
    rules::Rules,
    surveys::{State, ownership},
    values::{AnswerFault, Fault, FaultCode, QuestionId, ResponseId, SurveyId},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio_postgres::Row;

pub(super) struct Form {
    pub(super) version: i32,
    state: State,
    /// The response that already has the id, if there is one.
    pub(super) earlier: Option<Earlier>,
    made: NaiveDate,
    /// One row a question; one without a question where there is none.
    rows: Vec<Row>,
}

/// A response that was stored before.
pub(super) struct Earlier {
    pub(super) survey: SurveyId,
    pub(super) hash: Option<Vec<u8>>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) deleted: bool,
}

impl Form {
    pub(super) async fn read(db: &Db, survey: SurveyId, response: ResponseId) -> Result<Self> {
        let rows = db
            .rows(
                "-- responses::form
                SELECT s.version, survey_state(s, l.taken >= l.max_responses) AS state, s.created_at AS made,
                       r.survey_id AS earlier_survey, r.hash, r.created_at, r.deleted_at IS NOT NULL AS deleted,
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
        let first = rows.first().ok_or_else(ownership::unknown)?;
        let earlier = match first.try_get("earlier_survey")? {
            Some(survey) => Some(Earlier {
                survey,
                hash: first.try_get("hash")?,
                created_at: first.try_get("created_at")?,
                deleted: first.try_get("deleted")?,
            }),
            None => None,
        };
        let (version, state, made) = (first.try_get("version")?, State::try_from(first)?, made(first)?);
        Ok(Self { version, state, earlier, made, rows })
    }

    /// 404 for a draft, which to respondents is as if it weren't there.
    pub(super) fn must_be_visible(&self) -> Result<()> {
        if self.state == State::Draft { Err(ownership::unknown()) } else { Ok(()) }
    }

    /// 409 unless a whole response is taken.
    pub(super) fn must_take_responses(&self) -> Result<()> {
        must_be_open(self.state)?;
        if self.state == State::Full { Err(full()) } else { Ok(()) }
    }

    /// Every question in turn; what is left over belongs to none.
    pub(super) fn check(&self, answers: &Answers) -> Result<Vec<CheckedAnswer>> {
        let (mut checked, mut faults) = (Vec::new(), Vec::new());
        let mut unknown: BTreeSet<&String> = answers.0.keys().collect();
        for row in &self.rows {
            let Some(question) = row.try_get::<_, Option<QuestionId>>("id")? else { break };
            let (required, rules) = (row.try_get("required")?, rules(row)?);
            let key = question.to_string();
            unknown.remove(&key);
            match answers.0.get(&key).filter(|answer| !rules.is_blank(answer)) {
                None if required => faults.push(AnswerFault::new(question, Fault::required())),
                None => {}
                Some(answer) => match check(question, &rules, answer, false, self.made) {
                    Ok(answer) => checked.push(answer),
                    Err(others) => faults.extend(others),
                },
            }
        }
        for question in unknown {
            let fault = Fault::new(FaultCode::UnknownQuestion, "is no question of this survey");
            faults.push(AnswerFault { question: question.clone(), fault });
        }
        if faults.is_empty() { Ok(checked) } else { Err(Error::Rejected(faults)) }
    }
}

/// Check an answer that is not blank, in a whole response or sent alone (`single`), to a survey made on that day.
pub(super) fn check(
    question: QuestionId,
    rules: &Rules,
    value: &Value,
    single: bool,
    made: NaiveDate,
) -> Result<CheckedAnswer, Vec<AnswerFault>> {
    let measure = rules.check(value).map_err(|faults| {
        faults.into_iter().map(|fault| AnswerFault::new(question, fault)).collect::<Vec<_>>()
    })?;
    Ok(CheckedAnswer { question, value: value.clone(), measure, tallies: rules.tallies(value, single, made) })
}

/// The rules of the question in a row.
pub(super) fn rules(row: &Row) -> Result<Rules> {
    let reply_content: Option<Value> = row.try_get("reply_content")?;
    Ok(Rules::of_stored(row.try_get("type")?, reply_content.as_ref()))
}

/// The day (UTC) on which the survey in a row was made.
pub(super) fn made(row: &Row) -> Result<NaiveDate> {
    Ok(row.try_get::<_, DateTime<Utc>>("made")?.date_naive())
}

/// 409 unless the survey takes answers at this moment. Single ones are taken by a full survey, too.
pub(super) fn must_be_open(state: State) -> Result<()> {
    let (code, text) = match state {
        State::Open | State::Full => return Ok(()),
        State::Scheduled => (Code::SurveyScheduled, "Survey takes no replies yet"),
        State::Closed | State::Draft => (Code::SurveyClosed, "Survey takes no more replies"),
    };
    Err(Error::Conflict(code, text.into()))
}

pub(super) fn full() -> Error {
    Error::Conflict(Code::LimitReached, "Survey has all the responses that it takes".into())
}
