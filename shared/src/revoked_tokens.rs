//! Tokens that were logged out before they expired.

use crate::{Result, auth::Bearer, db::Db};

/// Revoke the token that proved this bearer. It stays on the list until it would have expired.
pub async fn insert(db: &Db, bearer: &Bearer) -> Result<()> {
    db.rows(
        "-- revoked_tokens::insert
        INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[&bearer.jti, &bearer.expires_at],
    )
    .await?;
    Ok(())
}
