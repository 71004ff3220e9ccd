//! What only a survey's owner may do, and what everybody else is told.

use crate::{Error, Result, accounts::Caller};
use tokio_postgres::Row;

/// The first step of an edit: lock survey $1 of owner $2, against other edits and against responses. What follows in the
/// transaction sees all that was stored before. Somebody else's survey is left alone: a stranger must not be able to hold up
/// its owner by a lock.
pub(crate) const LOCK: &str =
    "-- surveys::lock\nSELECT FROM surveys WHERE id = $1 AND owner_id = $2 FOR UPDATE";

/// The second step: what [`must_be_editable`] wants to know.
pub(crate) const LOOK: &str = "-- surveys::look
    SELECT owner_id = $2 AS owned, is_visible AS visible, version FROM surveys WHERE id = $1";

/// Who may not edit the survey, or comes too late, is told so; the steps that edit make sure of it by themselves. Gives the
/// version before the edit.
pub(crate) fn must_be_editable(looked: &[Row], owner: &Caller, if_match: Option<i32>) -> Result<i32> {
    let row = looked.first().ok_or_else(unknown)?;
    must_own(row, owner)?;
    let version = row.try_get("version")?;
    if if_match.is_some_and(|expected| expected != version) { Err(Error::Stale) } else { Ok(version) }
}

/// 403 unless the row says `owned`; 404 unless it is `visible` to others.
pub(crate) fn must_own(row: &Row, caller: &Caller) -> Result<()> {
    match (row.try_get("owned")?, row.try_get("visible")?) {
        (true, _) => Ok(()),
        (false, true) => Err(not_permitted(caller)),
        (false, false) => Err(unknown()),
    }
}

/// 403, with flaskForms' text.
pub(crate) fn not_permitted(caller: &Caller) -> Error {
    Error::Forbidden(format!("User {} not permited", caller.username()))
}

/// 404, with flaskForms' text.
pub(crate) fn unknown() -> Error {
    Error::NotFound("Survey doesn't exist".into())
}
