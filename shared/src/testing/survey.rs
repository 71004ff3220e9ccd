//! Surveys for tests, made without the endpoints.

use super::{TestApp, Uuid};
use crate::rules::Rules;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

/// A survey that is being made; awaiting it makes it.
#[must_use]
pub struct SurveyBuilder<'a> {
    test: &'a TestApp,
    owner: Uuid,
    name: &'a str,
    desc: &'a str,
    is_active: bool,
    was_open: bool,
    opens_at: Option<DateTime<Utc>>,
    due_at: DateTime<Utc>,
    visibility: &'static str,
    public_stats: bool,
    limit: Option<i64>,
    version: i32,
    made_at: Option<DateTime<Utc>>,
    edited_at: Option<DateTime<Utc>>,
    questions: Value,
}

/// A survey of a test.
pub struct TestSurvey {
    /// The survey's id.
    pub id: Uuid,
    /// The id of its first question, or none's.
    pub question: Uuid,
    /// The ids of its questions, in order.
    pub questions: Vec<Uuid>,
}

impl TestSurvey {
    /// `answers` of a response: these to the first questions, in order; `null` answers nothing.
    #[must_use]
    pub fn answers<const N: usize>(&self, answers: [Value; N]) -> Value {
        self.questions.iter().zip(answers).map(|(id, answer)| (id.to_string(), answer)).collect()
    }
}

impl<'a> SurveyBuilder<'a> {
    pub(super) fn new(test: &'a TestApp, owner: Uuid) -> Self {
        Self {
            test,
            owner,
            name: "pets",
            desc: "About pets",
            is_active: true,
            was_open: false,
            opens_at: None,
            due_at: Utc::now() + TimeDelta::days(1),
            visibility: "public",
            public_stats: false,
            limit: None,
            version: 1,
            made_at: None,
            edited_at: None,
            questions: json!([{ "content": "Which pet?", "type": "x-pet" }]),
        }
    }

    /// Called `name`.
    pub fn name(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    /// With this description.
    pub fn desc(self, desc: &'a str) -> Self {
        Self { desc, ..self }
    }

    /// Never open yet.
    pub fn draft(self) -> Self {
        Self { is_active: false, ..self }
    }

    /// Open once, and then put aside by its owner.
    pub fn put_aside(self) -> Self {
        Self { is_active: false, was_open: true, ..self }
    }

    /// Opening in an hour.
    pub fn scheduled(self) -> Self {
        Self { opens_at: Some(Utc::now() + TimeDelta::hours(1)), ..self }
    }

    /// Opening at this moment, in RFC 3339.
    pub fn opens(self, moment: &str) -> Self {
        Self { opens_at: Some(moment.parse().unwrap()), ..self }
    }

    /// Due at this moment, in RFC 3339.
    pub fn due(self, moment: &str) -> Self {
        Self { due_at: moment.parse().unwrap(), ..self }
    }

    /// Past its due date.
    pub fn past_due(self) -> Self {
        Self { due_at: Utc::now(), ..self }
    }

    /// Listed nowhere.
    pub fn unlisted(self) -> Self {
        Self { visibility: "unlisted", ..self }
    }

    /// With results for everybody.
    pub fn public_stats(self) -> Self {
        Self { public_stats: true, ..self }
    }

    /// With a limit of whole responses.
    pub fn limit(self, limit: i64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Made at this moment, in RFC 3339.
    pub fn made(self, moment: &str) -> Self {
        Self { made_at: Some(moment.parse().unwrap()), ..self }
    }

    /// Last edited at this moment, in RFC 3339, and by that in this version.
    pub fn edited(self, version: i32, moment: &str) -> Self {
        Self { version, edited_at: Some(moment.parse().unwrap()), ..self }
    }

    /// With these questions, `[{type, content?, required?, replyContent?}]`.
    pub fn questions(self, questions: Value) -> Self {
        Self { questions, ..self }
    }

    async fn make(self) -> TestSurvey {
        let (mut db, id) = (self.test.db().await, Uuid::now_v7());
        let questions = self.questions.as_array().unwrap();
        let count = i32::try_from(questions.len()).unwrap();
        db.write(
            "INSERT INTO surveys (id, owner_id, name, description, is_active, was_open, opens_at, due_at, visibility,
                                  public_stats, question_count, question_bytes, last_number, version, created_at, updated_at)
             VALUES ($1, $2, $10, $11, $3, $4, $5, $6, $7, $8, $9, 10 * $9, $9, $12,
                     coalesce($13, now()), coalesce($14, $13, now()))",
            &[
                &id,
                &self.owner,
                &self.is_active,
                &self.was_open,
                &self.opens_at,
                &self.due_at,
                &self.visibility,
                &self.public_stats,
                &count,
                &self.name,
                &self.desc,
                &self.version,
                &self.made_at,
                &self.edited_at,
            ],
        )
        .await
        .unwrap();
        let (mut ids, mut slot_count) = (Vec::new(), 0);
        for (number, question) in (1..).zip(questions) {
            let (id_question, r#type) = (Uuid::now_v7(), question["type"].as_str().unwrap());
            let parts = Rules::of_stored(r#type, question.get("replyContent")).parts();
            let first_slot = slot_count;
            slot_count += i32::try_from(parts.len()).unwrap();
            let slots: Value = parts.into_iter().zip((first_slot..slot_count).map(Value::from)).collect();
            db.write(
                "INSERT INTO questions (id, survey_id, position, number, content, type, required, reply_content, bytes, slots)
                 VALUES ($1, $2, $3 - 1, $3, $4, $5, $6, $7, 10, $8)",
                &[
                    &id_question,
                    &id,
                    &number,
                    &question["content"].as_str().unwrap_or("Why?"),
                    &r#type,
                    &question["required"].as_bool().unwrap_or(false),
                    &question.get("replyContent"),
                    &slots,
                ],
            )
            .await
            .unwrap();
            ids.push(id_question);
        }
        db.write("UPDATE surveys SET slot_count = $2 WHERE id = $1", &[&id, &slot_count]).await.unwrap();
        db.write(
            "INSERT INTO survey_counters (survey_id, chunk, shard, changes, responses, max_responses, counts)
             VALUES ($1, 0, 0, 0, 0, $2, '{}')",
            &[&id, &self.limit],
        )
        .await
        .unwrap();
        TestSurvey { id, question: ids.first().copied().unwrap_or_default(), questions: ids }
    }
}

impl<'a> IntoFuture for SurveyBuilder<'a> {
    type Output = TestSurvey;
    type IntoFuture = Pin<Box<dyn Future<Output = TestSurvey> + Send + 'a>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}
