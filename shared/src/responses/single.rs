//! Single answers, as flaskForms takes them: one question at a time.

use super::{
    ATTEMPTS, AnswerValue,
    answers::bytes,
    edited_again_and_again,
    form::{check, made, must_be_open, rules},
    store::{NewResponse, shard, store},
};
use crate::{
    Error, Result,
    db::Db,
    rules::TYPES,
    surveys::State,
    values::{AnswerFault, Fault, QuestionId, ResponseId},
};

/// Store an answer, if the question's survey takes answers at this moment and the answer keeps the question's rules.
///
/// A question of the client's own type has no rules, and its answer is stored by the statement that finds it. For a typed
/// question that statement brings the rules, and a second one stores what was checked.
pub async fn insert_single(db: &Db, question: QuestionId, answer: &AnswerValue) -> Result<ResponseId> {
    let unknown = || Error::NotFound("Question doesn't exist".into());
    for _ in 0..ATTEMPTS {
        let id = ResponseId::new();
        let row = db
            .row_opt(
                "-- responses::insert_single
                WITH target AS (
                    SELECT q.id AS question_id, q.type, q.reply_content, s.id AS survey_id, s.version,
                           survey_state(s, false) AS state, s.created_at AS made
                    FROM questions q JOIN surveys s ON s.id = q.survey_id
                    WHERE q.id = $1
                    -- Of an edit that it waited for, a weaker lock would see the survey's new version and the question's old
                    -- rules.
                    FOR KEY SHARE OF s FOR SHARE OF q
                ), own AS (
                    SELECT question_id, survey_id FROM target WHERE state = 'open' AND type <> ALL ($2)
                ), response AS (
                    INSERT INTO responses (id, survey_id, single, bytes, xid)
                    SELECT $3, survey_id, true, $6, next_place(survey_id) FROM own
                ), reply AS (
                    INSERT INTO replies (id, response_id, question_id, reply) SELECT $3, $3, question_id, $4 FROM own
                ), counted AS (
                    INSERT INTO question_counters AS c (question_id, kind, part, shard, n, total)
                    SELECT question_id, 'single', '', $5, 1, 0 FROM own
                    ON CONFLICT (question_id, kind, part, shard) DO UPDATE SET n = c.n + 1
                )
                SELECT *, EXISTS (SELECT FROM own) AS stored FROM target",
                &[&question, &TYPES.to_vec(), &id, &answer.0, &shard(), &bytes(&answer.0)],
            )
            .await?
            .ok_or_else(unknown)?;
        if row.try_get("stored")? {
            return Ok(id);
        }
        let state = State::try_from(&row)?;
        if state == State::Draft {
            return Err(unknown());
        }
        must_be_open(state)?;
        let rules = rules(&row)?;
        if rules.is_blank(&answer.0) {
            return Err(Error::Rejected(vec![AnswerFault::new(question, Fault::required())]));
        }
        let checked = check(question, &rules, &answer.0, true, made(&row)?).map_err(Error::Rejected)?;
        let (survey, version) = (row.try_get("survey_id")?, row.try_get("version")?);
        let single = NewResponse { id, survey, version, hash: None };
        if store(db, &single, vec![checked]).await?.is_some() {
            return Ok(id);
        }
    }
    Err(edited_again_and_again())
}
