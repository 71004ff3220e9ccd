//! Tokens that were logged out before they expired.

use super::Bearer;
use crate::{Result, db::Db};

/// Revoke the token that proved this bearer. It stays on the list until it would have expired.
pub async fn insert(db: &mut Db, bearer: &Bearer) -> Result<()> {
    db.write(
        "-- revoked_tokens::insert
        INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[&bearer.jti, &bearer.expires_at],
    )
    .await?;
    Ok(())
}

/// How many rows one call of [`delete_expired`] removes at the most.
pub const BATCH: i64 = 1000;

/// Remove a batch of tokens that have expired by themselves meanwhile; answers how many.
pub async fn delete_expired(db: &mut Db) -> Result<i64> {
    let row = db
        .write_row(
            "-- revoked_tokens::delete_expired
            WITH gone AS (
                DELETE FROM revoked_tokens WHERE jti IN (
                    SELECT jti FROM revoked_tokens WHERE expires_at < now() - interval '1 minute'
                    LIMIT $1 FOR UPDATE SKIP LOCKED
                )
                RETURNING jti
            )
            SELECT count(*) AS tokens FROM gone",
            &[&BATCH],
        )
        .await?;
    Ok(row.try_get("tokens")?)
}
