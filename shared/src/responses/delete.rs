//! Deleting a response, and taking it out of all counts.

use super::{
    counted::counted_sql,
    form::{Form, form_columns},
    read::unknown,
    store::{ATTEMPTS, edited_again_and_again},
};
use crate::{
    Result,
    accounts::Caller,
    db::{Db, Param},
    surveys::ownership,
    values::{ResponseId, SurveyId},
};
use serde_json::Value;

/// Delete a response of a survey of the caller's. Its id stays, so that the sender's retry can't bring it back.
pub async fn delete(db: &mut Db, owner: &Caller, survey: SurveyId, response: ResponseId) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let rows = db
            .rows(
                concat!(
                    "-- responses::find_answers
                    SELECT s.owner_id = $3 AS owned, s.is_visible AS visible, r.single,
                           -- Once, and not with every question.
                           CASE WHEN coalesce(q.position, 0) = 0 THEN r.answers END AS answers, ",
                    form_columns!(),
                    " FROM surveys s
                    LEFT JOIN survey_counters l ON l.survey_id = s.id AND l.chunk = 0 AND l.shard = 0
                    LEFT JOIN responses r ON r.id = $2 AND r.survey_id = s.id AND s.owner_id = $3
                        AND r.deleted_at IS NULL
                    LEFT JOIN questions q ON q.survey_id = s.id
                    WHERE s.id = $1
                    ORDER BY q.position"
                ),
                &[&survey, &response, &owner.user],
            )
            .await?;
        let first = rows.first().ok_or_else(ownership::unknown)?;
        ownership::must_own(first, owner)?;
        let answers = first.try_get::<_, Option<Value>>("answers")?.ok_or_else(unknown)?;
        let form = Form::of(&rows)?;
        let single = if first.try_get("single")? { only_number(&answers) } else { None };
        let counted = form.counted(|number| answers.get(number));
        let counts = counted.params(form.limited, single, -1);
        let mut params: Vec<&dyn Param> = counts.iter().map(|param| &**param as _).collect();
        let own: [&dyn Param; 5] = [&survey, &form.version, &response, &counted.measured, &counted.measures];
        params.extend(own);
        let rows = db
            .write(
                concat!(
                    "-- responses::delete
                    WITH survey AS (
                        SELECT s.id FROM surveys s WHERE s.id = $12 AND s.version = $13 FOR KEY SHARE
                    ), response AS (
                        UPDATE responses r SET deleted_at = now(), hash = NULL, bytes = 0, answers = NULL
                        FROM survey WHERE r.id = $14 AND r.survey_id = survey.id AND r.deleted_at IS NULL
                        RETURNING r.survey_id
                    ), measured AS (
                        DELETE FROM measures m USING response, unnest($15, $16) AS gone (question_id, value)
                        WHERE m.question_id = gone.question_id AND m.value = gone.value AND m.response_id = $14
                    ), ",
                    counted_sql!(),
                    " SELECT FROM response"
                ),
                &params,
            )
            .await?;
        if !rows.is_empty() {
            return Ok(());
        }
    }
    Err(edited_again_and_again())
}

/// The number of the question that a single answer is to.
fn only_number(answers: &Value) -> Option<i32> {
    answers.as_object()?.keys().next()?.parse().ok()
}
