//! The keys that sign tokens: made at the first deployment, and then left alone.

use crate::GRANTED;
use shared::{BoxError, accounts::Keys, config::JwtKeys};
use std::time::{Duration, Instant};

/// The keys that sign tokens, where there are none. What is there is neither read nor replaced.
pub(crate) async fn make(keys: &JwtKeys) -> Result<(), BoxError> {
    let JwtKeys::Stored { object, aws, endpoint } = keys else { return Ok(()) };
    let (began, keys) = (Instant::now(), Keys::generate()?);
    loop {
        match aws.create_secret(endpoint.as_deref(), object, &keys).await {
            Ok(created) => {
                tracing::info!(created, "there are keys that sign tokens");
                return Ok(());
            }
            Err(error) if began.elapsed() > GRANTED => return Err(error),
            Err(error) => tracing::info!(cause = %error, "no place for the keys yet"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
