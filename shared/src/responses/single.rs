//! Single answers, as flaskForms takes them: one question at a time.

use super::{
    AnswerValue, Forms,
    store::{To, store},
};
use crate::{
    Result,
    db::Db,
    values::{QuestionId, ResponseId},
};

/// Store an answer, if the question's survey takes answers at this moment and the answer keeps the question's rules.
pub async fn insert_single(
    db: &mut Db,
    forms: &Forms,
    question: QuestionId,
    answer: &AnswerValue,
) -> Result<ResponseId> {
    let id = ResponseId::new();
    store(db, forms, To::Question(question), id, None, |form| form.check_single(question, &answer.0)).await?;
    Ok(id)
}
