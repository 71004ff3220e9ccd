//! Passwords: hashed with argon2id, away from the thread that does I/O.

use crate::{Error, Result, values::text::text};
use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash,
};
use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash of nothing, with today's parameters: verified when there is no such user, so that time tells nothing.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Y2FudmFzcy1uby11c2Vy$4dM0hTe9lH4IV0K3cYQ2y8mXxB1c1K1mJ3bq6Wn0yU4";

/// A new password: 8 to 256 bytes.
pub struct Password(String);

/// A password to be compared, whatever its length.
pub struct Attempt(String);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let password = text(deserializer)?;
        match password.len() {
            8..=256 => Ok(Self(password)),
            _ => Err(de::Error::custom("must have 8 to 256 bytes")),
        }
    }
}

impl<'de> Deserialize<'de> for Attempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(Self)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What comparing a password with a hash says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another password, or there is no such user.
    Wrong,
    /// It is the password.
    Right,
    /// It is the password, but the hash is weaker than one of today, which is this.
    RightWithNewHash(String),
}

/// The hash to store, in the PHC string format: algorithm, parameters, salt and hash.
pub async fn hash(password: Password) -> Result<String> {
    tokio::task::spawn_blocking(move || hash_now(&password.0)).await.map_err(Error::internal)?
}

/// Compare with the stored hash. Takes as long where there is none.
pub async fn verify(attempt: Attempt, stored: Option<String>) -> Result<Verdict> {
    tokio::task::spawn_blocking(move || {
        let hash = PasswordHash::new(stored.as_deref().unwrap_or(DUMMY))
            .map_err(|e| Error::internal(e.to_string()))?;
        let right = attempt.0.len() <= 256 && hasher()?.verify_password(attempt.0.as_bytes(), &hash).is_ok();
        Ok(match right && stored.is_some() {
            false => Verdict::Wrong,
            true if weaker_than_today(&hash) => Verdict::RightWithNewHash(hash_now(&attempt.0)?),
            true => Verdict::Right,
        })
    })
    .await
    .map_err(Error::internal)?
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &str) -> Result<String> {
    let hash = hasher()?.hash_password(password.as_bytes()).map_err(|e| Error::internal(e.to_string()))?;
    Ok(hash.to_string())
}

fn weaker_than_today(hash: &PasswordHash) -> bool {
    hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
        || Params::try_from(hash).map_or(true, |p| p.m_cost() < MEMORY_KIB || p.t_cost() < PASSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(text: &str) -> Attempt {
        Attempt(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let stored = hash(Password("correct horse".to_owned())).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(verify(attempt("correct horse"), Some(stored.clone())).await.unwrap(), Verdict::Right);
        assert_eq!(verify(attempt("correct horsf"), Some(stored)).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        assert_eq!(verify(attempt("anything"), None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_weak_hash_is_replaced_when_the_password_is_known() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let stored = weak.hash_password(b"correct horse").unwrap().to_string();
        assert_eq!(verify(attempt("wrong"), Some(stored.clone())).await.unwrap(), Verdict::Wrong);
        let Verdict::RightWithNewHash(new) = verify(attempt("correct horse"), Some(stored)).await.unwrap()
        else {
            panic!("the weak hash was kept");
        };
        assert_eq!(verify(attempt("correct horse"), Some(new)).await.unwrap(), Verdict::Right);
    }

    #[test]
    fn a_password_has_8_to_256_bytes() {
        let parse = |text: String| serde_json::from_value::<Password>(text.into()).is_ok();
        assert!(!parse("7777777".into()) && parse("88888888".into()) && parse("żżżż".into()));
        assert!(parse("p".repeat(256)) && !parse("p".repeat(257)));
    }
}
