//! Reading surveys.

use super::{Survey, SurveyList, model::surveys_sql, ownership::unknown};
use crate::{
    Result,
    accounts::{Caller, Viewer},
    db::Db,
    values::{SurveyId, Window},
};

/// The caller's surveys, in the order they were made.
pub async fn list_owned(db: &mut Db, owner: &Caller, window: Window) -> Result<SurveyList> {
    let rows = db
        .rows(
            surveys_sql!(
                "list_owned",
                "SELECT id FROM surveys WHERE owner_id = $1 AND id > $2 ORDER BY id LIMIT $3"
            ),
            &[&owner.user, &window.after(), &window.fetch()],
        )
        .await?;
    SurveyList::new(&rows, window, format!("User {} has no surveys", owner.username()))
}

/// The public surveys that anyone may answer now, in the order they were made.
pub async fn list_open(db: &mut Db, window: Window) -> Result<SurveyList> {
    let rows = db
        .rows(
            surveys_sql!(
                "list_open",
                "SELECT id FROM surveys s
                WHERE is_active AND visibility = 'public' AND due_at > now() AND is_open(s) AND id > $1
                ORDER BY id LIMIT $2"
            ),
            &[&window.after(), &window.fetch()],
        )
        .await?;
    SurveyList::new(&rows, window, "There are no active surveys".to_owned())
}

/// A survey. A draft exists for its owner alone.
pub async fn find(db: &mut Db, viewer: &Viewer, survey: SurveyId) -> Result<Survey> {
    let row = db.row_opt(FIND, &[&survey, &viewer.user()]).await?;
    Survey::try_from(&row.ok_or_else(unknown)?)
}

/// The statement that reads survey $1 for user $2, or for nobody.
pub(super) const FIND: &str =
    surveys_sql!("find", "SELECT id FROM surveys WHERE id = $1 AND (is_visible OR owner_id = $2)");
