//! A survey as it is to be answered, and the answers that were checked against it.

use super::{
    answers::{Answers, bytes},
    counted::Counted,
};
use crate::{
    Error, Result,
    questions::counters::slots,
    rules::Rules,
    values::{AnswerFault, Fault, FaultCode, QuestionId, SurveyId},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

/// What a statement selects of `surveys s`, `questions q` and `survey_counters l` for a [`Form`]: one row a question, one
/// without a question where there is none.
macro_rules! form_columns {
    () => {
        "s.id AS survey, s.version, s.created_at AS made, l.max_responses IS NOT NULL AS limited, \
         q.id AS question, q.number, q.type, q.required, q.reply_content, q.slots"
    };
}
pub(super) use form_columns;

/// The questions of a survey, in one version of it.
pub(super) struct Form {
    pub(super) survey: SurveyId,
    pub(super) version: i32,
    /// Whether the number of its responses is limited.
    pub(super) limited: bool,
    /// Bytes that it takes in memory, more or less.
    pub(super) bytes: usize,
    made: NaiveDate,
    questions: Vec<Question>,
}

/// A question, as far as answers are concerned.
pub(super) struct Question {
    pub(super) id: QuestionId,
    /// Names it in stored answers.
    pub(super) number: i32,
    /// Where its counts have a place in the survey's counters.
    pub(super) slots: BTreeMap<String, i32>,
    pub(super) rules: Rules,
    required: bool,
}

/// Answers that keep the rules, as they are stored and counted.
pub(super) struct Checked {
    /// By the numbers of the questions.
    pub(super) answers: Value,
    pub(super) bytes: i32,
    pub(super) counted: Counted,
    /// The number of the question, where its answer was sent alone.
    pub(super) single: Option<i32>,
}

impl Form {
    pub(super) fn of(rows: &[Row]) -> Result<Self> {
        let first = rows.first().ok_or_else(|| Error::internal("a form of no rows"))?;
        let made: DateTime<Utc> = first.try_get("made")?;
        let mut form = Self {
            survey: first.try_get("survey")?,
            version: first.try_get("version")?,
            limited: first.try_get("limited")?,
            bytes: 500,
            made: made.date_naive(),
            questions: Vec::with_capacity(rows.len()),
        };
        for row in rows {
            let Some(id) = row.try_get("question")? else { break };
            let reply_content: Option<Value> = row.try_get("reply_content")?;
            let rules = Rules::of_stored(row.try_get("type")?, reply_content.as_ref());
            let slots = slots(row)?;
            form.bytes += 1000 + rules.memory() + slots.keys().map(|name| 100 + name.len()).sum::<usize>();
            let (number, required) = (row.try_get("number")?, row.try_get("required")?);
            form.questions.push(Question { id, number, slots, rules, required });
        }
        Ok(form)
    }

    /// The question with this id.
    pub(super) fn question(&self, id: QuestionId) -> Option<&Question> {
        self.questions.iter().find(|question| question.id == id)
    }

    /// Check a whole response: every question in turn; what is left over belongs to none.
    pub(super) fn check(&self, answers: &Answers) -> Result<Checked> {
        let (mut given, mut faults) = (Vec::with_capacity(self.questions.len()), Vec::new());
        let mut unknown: BTreeSet<&String> = answers.0.keys().collect();
        for question in &self.questions {
            let key = question.id.to_string();
            unknown.remove(&key);
            match answers.0.get(&key).filter(|answer| !question.rules.is_blank(answer)) {
                None if question.required => faults.push(AnswerFault::new(question.id, Fault::required())),
                None => {}
                Some(answer) => match question.check(answer) {
                    Ok(()) => given.push((question, answer)),
                    Err(others) => faults.extend(others),
                },
            }
        }
        for question in unknown {
            let fault = Fault::new(FaultCode::UnknownQuestion, "is no question of this survey");
            faults.push(AnswerFault { question: question.clone(), fault });
        }
        if faults.is_empty() { Ok(self.checked(&given, None)) } else { Err(Error::Rejected(faults)) }
    }

    /// Check an answer that was sent alone. To a question of a type of the client's own anything is an answer.
    pub(super) fn check_single(&self, question: QuestionId, answer: &Value) -> Result<Checked> {
        let question = self.question(question).ok_or_else(super::unknown_question)?;
        if question.rules.is_blank(answer) && !question.rules.takes_anything() {
            return Err(Error::Rejected(vec![AnswerFault::new(question.id, Fault::required())]));
        }
        question.check(answer).map_err(Error::Rejected)?;
        Ok(self.checked(&[(question, answer)], Some(question.number)))
    }

    /// What stored answers count, by the numbers of the questions.
    pub(super) fn counted<'a>(&self, answers: impl Fn(&str) -> Option<&'a Value>) -> Counted {
        let mut counted = Counted::default();
        for question in &self.questions {
            if let Some(answer) = answers(&question.number.to_string()) {
                counted.add(question, answer, self.made);
            }
        }
        counted
    }

    fn checked(&self, given: &[(&Question, &Value)], single: Option<i32>) -> Checked {
        let (mut answers, mut counted, mut size) = (Map::new(), Counted::default(), 0_i32);
        for (question, answer) in given {
            counted.add(question, answer, self.made);
            size = size.saturating_add(bytes(answer));
            answers.insert(question.number.to_string(), (*answer).clone());
        }
        Checked { answers: Value::Object(answers), bytes: size, counted, single }
    }
}

impl Question {
    fn check(&self, answer: &Value) -> Result<(), Vec<AnswerFault>> {
        let named = |fault| AnswerFault::new(self.id, fault);
        self.rules.check(answer).map_err(|faults| faults.into_iter().map(named).collect())
    }
}
