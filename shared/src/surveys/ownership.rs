//! What only a survey's owner may do, and what everybody else is told.

use crate::{Error, Result, accounts::Caller, db::Transaction, values::SurveyId};
use tokio_postgres::Row;

/// Lock a survey of the caller's for an edit: against other edits, and against responses. Statements that follow in the
/// transaction see all that was stored before. Gives the version.
pub(crate) async fn lock(
    transaction: &Transaction<'_>,
    owner: &Caller,
    survey: SurveyId,
    if_match: Option<i32>,
) -> Result<i32> {
    let locked = transaction
        .row_opt(
            "-- surveys::lock
            SELECT version FROM surveys WHERE id = $1 AND owner_id = $2 FOR UPDATE",
            &[&survey, &owner.user],
        )
        .await?;
    if let Some(row) = locked {
        let version: i32 = row.try_get("version")?;
        return if if_match.is_some_and(|expected| expected != version) {
            Err(Error::Stale)
        } else {
            Ok(version)
        };
    }
    // Somebody else's survey is only looked at: a stranger must not be able to hold up its owner by a lock.
    let others = transaction
        .row_opt(
            "-- surveys::not_owned
            SELECT FROM surveys WHERE id = $1 AND owner_id <> $2 AND is_visible",
            &[&survey, &owner.user],
        )
        .await?;
    Err(if others.is_some() { not_permitted(owner) } else { unknown() })
}

/// 403 unless the row says `owned`; 404 unless it is `visible` to others.
pub(crate) fn must_own(row: &Row, caller: &Caller) -> Result<()> {
    match (row.try_get("owned")?, row.try_get("visible")?) {
        (true, _) => Ok(()),
        (false, true) => Err(not_permitted(caller)),
        (false, false) => Err(unknown()),
    }
}

/// Note that questions of a locked survey have changed, and by how much; gives its new version.
pub(crate) async fn questions_changed(
    transaction: &Transaction<'_>,
    survey: SurveyId,
    questions: i32,
    bytes: i32,
) -> Result<i32> {
    let row = transaction
        .row(
            "-- surveys::questions_changed
            UPDATE surveys SET version = version + 1, updated_at = now(), question_count = question_count + $2,
                               question_bytes = question_bytes + $3
            WHERE id = $1 RETURNING version",
            &[&survey, &questions, &bytes],
        )
        .await?;
    Ok(row.try_get("version")?)
}

/// 403, with flaskForms' text.
pub(crate) fn not_permitted(caller: &Caller) -> Error {
    Error::Forbidden(format!("User {} not permited", caller.username))
}

/// 404, with flaskForms' text.
pub(crate) fn unknown() -> Error {
    Error::NotFound("Survey doesn't exist".into())
}
