//! Storing a response: checked against the form that this process has read before, and stored by one statement, if the form is
//! still the survey's. Only where that fails the survey is read, to say why or to try again.

use super::{
    counted::counted_sql,
    form::{Checked, Form, form_columns},
    forms::Forms,
};
use crate::{
    Error, Result,
    db::{Db, Param},
    error::{Code, OnConstraint},
    surveys::State,
    values::{QuestionId, ResponseId, SurveyId},
};
use chrono::{DateTime, Utc};

/// How often a response is checked anew because the survey was edited meanwhile.
pub(super) const ATTEMPTS: usize = 3;

/// A response that is to be stored: whole, or an answer to one question.
#[derive(Clone, Copy)]
pub(super) enum To {
    Survey(SurveyId),
    Question(QuestionId),
}

/// What came of it.
pub(super) enum Outcome {
    Stored(DateTime<Utc>),
    /// There was one with this id.
    Known(Earlier),
}

/// A response that was stored before.
pub(super) struct Earlier {
    pub(super) survey: SurveyId,
    pub(super) hash: Option<Vec<u8>>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) deleted: bool,
}

/// Check a response and store it with what it counts, all or nothing, or say why not. Of a whole response, `hash` tells it from
/// others.
pub(super) async fn store(
    db: &mut Db,
    forms: &Forms,
    to: To,
    id: ResponseId,
    hash: Option<&Vec<u8>>,
    check: impl Fn(&Form) -> Result<Checked>,
) -> Result<Outcome> {
    let mut kept = match to {
        To::Survey(survey) => forms.of_survey(survey),
        To::Question(question) => forms.of_question(question),
    };
    for _ in 0..=ATTEMPTS {
        if let Some(form) = kept
            && let Ok(checked) = check(&form)
            && let Some(created_at) = insert(db, &form, id, hash, checked).await?
        {
            return Ok(Outcome::Stored(created_at));
        }
        let found = Found::read(db, to, id).await?;
        if found.state == State::Draft {
            return Err(to.unknown());
        }
        if let Some(earlier) = found.earlier {
            return Ok(Outcome::Known(earlier));
        }
        found.state.must_be_open()?;
        if found.state == State::Full && matches!(to, To::Survey(_)) {
            return Err(full());
        }
        check(&found.form)?;
        kept = Some(forms.keep(found.form));
    }
    Err(edited_again_and_again())
}

/// Store what was checked, if the form is still the survey's, and that is open, and the id is new. Gives the moment, or nothing
/// where one of these is not so. Sent twice, it stores once.
async fn insert(
    db: &mut Db,
    form: &Form,
    id: ResponseId,
    hash: Option<&Vec<u8>>,
    checked: Checked,
) -> Result<Option<DateTime<Utc>>> {
    let counts = checked.counted.params(form.limited, checked.single, 1);
    let single = checked.single.is_some();
    let mut params: Vec<&dyn Param> = counts.iter().map(|param| &**param as _).collect();
    let own: [&dyn Param; 9] = [
        &form.survey,
        &form.version,
        &id,
        &single,
        &hash.cloned(),
        &checked.bytes,
        &checked.answers,
        &checked.counted.measured,
        &checked.counted.measures,
    ];
    params.extend(own);
    let rows = db
        .write_again(
            concat!(
                "-- responses::store
                WITH survey AS (
                    SELECT s.id FROM surveys s WHERE s.id = $12 AND s.version = $13 AND is_open(s) FOR KEY SHARE
                ), response AS (
                    INSERT INTO responses (id, survey_id, single, hash, bytes, answers, xid)
                    SELECT $14, id, $15, $16, $17, $18, next_place(id) FROM survey
                    ON CONFLICT (id) DO NOTHING
                    RETURNING survey_id, created_at
                ), measured AS (
                    INSERT INTO measures (question_id, value, response_id)
                    SELECT m.question_id, m.value, $14 FROM response, unnest($19, $20) AS m (question_id, value)
                ), ",
                counted_sql!(),
                " SELECT created_at FROM response"
            ),
            &params,
        )
        .await
        .on_constraint("survey_counters_limit_reached", full)?;
    rows.first().map(|row| Ok(row.try_get("created_at")?)).transpose()
}

/// A survey as it is now, and the response that already has the id, if there is one.
struct Found {
    form: Form,
    state: State,
    earlier: Option<Earlier>,
}

impl Found {
    async fn read(db: &mut Db, to: To, id: ResponseId) -> Result<Self> {
        let (survey, question) = match to {
            To::Survey(survey) => (Some(survey), None),
            To::Question(question) => (None, Some(question)),
        };
        let rows = db
            .rows(
                concat!(
                    "-- responses::form
                    SELECT survey_state(s, l.responses >= l.max_responses) AS state, r.survey_id AS earlier_survey, r.hash,
                           r.created_at, r.deleted_at IS NOT NULL AS deleted, ",
                    form_columns!(),
                    " FROM surveys s
                    LEFT JOIN survey_counters l ON l.survey_id = s.id AND l.chunk = 0 AND l.shard = 0
                    LEFT JOIN responses r ON r.id = $3
                    LEFT JOIN questions q ON q.survey_id = s.id
                    WHERE s.id = coalesce($1, (SELECT survey_id FROM questions WHERE id = $2))
                    ORDER BY q.position"
                ),
                &[&survey, &question, &id],
            )
            .await?;
        let first = rows.first().ok_or_else(|| to.unknown())?;
        let earlier = match first.try_get("earlier_survey")? {
            Some(survey) => Some(Earlier {
                survey,
                hash: first.try_get("hash")?,
                created_at: first.try_get("created_at")?,
                deleted: first.try_get("deleted")?,
            }),
            None => None,
        };
        Ok(Self { form: Form::of(&rows)?, state: State::try_from(first)?, earlier })
    }
}

impl To {
    fn unknown(self) -> Error {
        match self {
            Self::Survey(_) => crate::surveys::ownership::unknown(),
            Self::Question(_) => super::unknown_question(),
        }
    }
}

impl State {
    /// 409 unless a survey in this state takes answers. Single ones are taken by a full survey, too.
    fn must_be_open(self) -> Result<()> {
        let (code, text) = match self {
            Self::Open | Self::Full => return Ok(()),
            Self::Scheduled => (Code::SurveyScheduled, "Survey takes no replies yet"),
            Self::Closed | Self::Draft => (Code::SurveyClosed, "Survey takes no more replies"),
        };
        Err(Error::Conflict(code, text.into()))
    }
}

fn full() -> Error {
    Error::Conflict(Code::LimitReached, "Survey has all the responses that it takes".into())
}

/// 503 for what was edited each time that it was checked.
pub(super) fn edited_again_and_again() -> Error {
    Error::Contended("the survey was edited again and again")
}
