//! Passwords: hashed with argon2id, one after the other in one piece of memory, away from the thread that does I/O.

use crate::{Error, Result, values::text::text};
use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        self,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use tokio::sync::Mutex;

/// OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// KiB from which on glibc asks the system for memory, and gives it back as soon as it is free (`mallopt`, 32 MiB). What is
/// never touched of it costs nothing.
const OF_THE_SYSTEM: usize = 33 * 1024;

/// A hash of nothing, with today's parameters: verified when there is no such user, so that time tells nothing.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Y2FudmFzcy1uby11c2Vy$4dM0hTe9lH4IV0K3cYQ2y8mXxB1c1K1mJ3bq6Wn0yU4";

/// What argon2 works in: made by the first hash, used by all that follow. Were each to take memory of its own, the allocator
/// would keep some for every thread that ever hashed, hundreds of MiB after a hundred logins.
static MEMORY: Mutex<Vec<Block>> = Mutex::const_new(Vec::new());

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
    in_turn(move |memory| hash_now(memory, &password.0)).await
}

/// Compare with the stored hash. Takes as long where there is none.
pub async fn verify(attempt: Attempt, stored: Option<String>) -> Result<Verdict> {
    in_turn(move |memory| {
        let hash = PasswordHash::new(stored.as_deref().unwrap_or(DUMMY)).map_err(Error::internal)?;
        // Outputs are compared in constant time.
        let right = attempt.0.len() <= 256
            && output(memory, &attempt.0, &hash).is_ok_and(|output| Some(output) == hash.hash);
        Ok(match right && stored.is_some() {
            false => Verdict::Wrong,
            true if weaker_than_today(&hash) => Verdict::RightWithNewHash(hash_now(memory, &attempt.0)?),
            true => Verdict::Right,
        })
    })
    .await
}

/// Hash when those who came before are done. Waiting holds no thread.
async fn in_turn<T: Send + 'static>(
    hashing: impl FnOnce(&mut Vec<Block>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let mut memory = MEMORY.lock().await;
    tokio::task::spawn_blocking(move || {
        let outcome = hashing(&mut memory);
        // With what a hash leaves here, a guess at its password takes microseconds, and it would lie here until the next
        // login. Wiping takes 3 % of a hash, no more than memory of its own would (0.6 of 20 ms, 2026-11-30).
        memory.fill(Block::new());
        // What a hash with larger parameters needed is given back.
        if memory.len() > MEMORY_KIB as usize {
            *memory = Vec::new();
        }
        outcome
    })
    .await
    .map_err(Error::internal)?
}

fn hash_now(memory: &mut Vec<Block>, password: &str) -> Result<String> {
    new_hash(memory, password).map(|hash| hash.to_string()).map_err(Error::internal)
}

fn new_hash(memory: &mut Vec<Block>, password: &str) -> password_hash::Result<PasswordHash> {
    let mut hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(Params::new(MEMORY_KIB, PASSES, LANES, None)?)?,
        salt: Some(Salt::new(&password_hash::try_generate_salt()?)?),
        hash: None,
    };
    hash.hash = Some(output(memory, password, &hash)?);
    Ok(hash)
}

/// What argon2 makes of a password with the algorithm, the parameters and the salt of `hash`.
fn output(memory: &mut Vec<Block>, password: &str, hash: &PasswordHash) -> password_hash::Result<Output> {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let params = Params::try_from(hash)?;
    let mut output = [0; Output::MAX_LENGTH];
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let output = output.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
    let salt = hash.salt.as_ref().ok_or(password_hash::Error::SaltInvalid)?;
    let blocks = params.block_count();
    if memory.len() < blocks {
        // Nothing in it is to be kept.
        *memory = Vec::new();
        memory.try_reserve_exact(blocks.max(OF_THE_SYSTEM)).map_err(|_| password_hash::Error::OutOfMemory)?;
        memory.resize(blocks, Block::new());
    }
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, memory)?;
    Ok(Output::new(output)?)
}

fn weaker_than_today(hash: &PasswordHash) -> bool {
    hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
        || Params::try_from(hash).map_or(true, |p| p.m_cost() < MEMORY_KIB || p.t_cost() < PASSES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordHasher as _;

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

    #[tokio::test]
    async fn a_hash_of_another_implementation_or_time_is_as_good() {
        // Of the reference implementation's tests: larger than today's.
        let larger = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let mut hashes = vec![(larger.to_owned(), true)];
        for (algorithm, version, params, is_kept) in [
            (Algorithm::Argon2id, Version::V0x13, Params::new(20 * 1024, 3, 4, Some(64)), true),
            (Algorithm::Argon2id, Version::V0x10, Params::new(MEMORY_KIB, 2, 1, Some(16)), true),
            (Algorithm::Argon2i, Version::V0x13, Params::new(MEMORY_KIB, 2, 1, None), false),
            (Algorithm::Argon2d, Version::V0x10, Params::new(16, 1, 2, Some(10)), false),
        ] {
            let hash = Argon2::new(algorithm, version, params.unwrap()).hash_password(b"password").unwrap();
            hashes.push((hash.to_string(), is_kept));
        }
        for (stored, is_kept) in hashes {
            let verdict = verify(attempt("password"), Some(stored.clone())).await.unwrap();
            assert_eq!(verdict == Verdict::Right, is_kept, "{stored}: {verdict:?}");
            assert_ne!(verdict, Verdict::Wrong, "{stored}");
            let wrong = verify(attempt("passwort"), Some(stored.clone())).await.unwrap();
            assert_eq!(wrong, Verdict::Wrong, "{stored}");
        }
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_password() {
        assert_eq!(verify(attempt("correct horse"), None).await.unwrap(), Verdict::Wrong);
        let memory = MEMORY.lock().await;
        assert!(memory.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }

    #[test]
    fn a_password_has_8_to_256_bytes() {
        let parse = |text: String| serde_json::from_value::<Password>(text.into()).is_ok();
        assert!(!parse("7777777".into()) && parse("88888888".into()) && parse("żżżż".into()));
        assert!(parse("p".repeat(256)) && !parse("p".repeat(257)));
    }
}
