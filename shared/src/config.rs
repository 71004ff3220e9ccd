//! Settings, read from the environment once, at INIT. Nothing else reads the environment (clippy.toml forbids it).

use std::{fmt, str::FromStr};
use tracing::level_filters::LevelFilter;

/// What a function needs to know about where it runs.
#[derive(Debug)]
pub struct Config {
    /// `DATABASE_URL`: where PostgreSQL is, as in libpq.
    pub database: tokio_postgres::Config,
    /// `DATABASE_PREPARE`: `on` (default) prepares statements once a connection; `off` sends them unnamed, for poolers
    /// that lose named ones (`PgBouncer` before 1.21).
    pub prepare: bool,
    /// `JWT_SECRET_KEY`: the key, or the key set, that signs and verifies tokens; see `auth::Keys`.
    pub jwt_secret: Secret,
    /// `STAGE`: `dev` allows the debugging endpoint `/users`; every other name, and none, forbids it.
    pub debugging: bool,
    /// `AWS_LAMBDA_MAX_CONCURRENCY`, set by Lambda Managed Instances: requests this process takes at once, and so the
    /// size of its connection pool. 1 on classic Lambda.
    pub concurrency: usize,
}

impl Config {
    /// Read the environment.
    ///
    /// # Errors
    /// Names every setting that is missing or malformed, never a value.
    pub fn load() -> Result<Self, ConfigError> {
        Self::read(&environment)
    }

    fn read(variable: &dyn Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let database = required(variable, "DATABASE_URL", &mut faults);
        let jwt_secret = required(variable, "JWT_SECRET_KEY", &mut faults);
        let prepare = match variable("DATABASE_PREPARE").as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(_) => {
                faults.push("DATABASE_PREPARE must be on or off".to_owned());
                true
            }
        };
        let concurrency = variable("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|n| n.parse().ok()).unwrap_or(1);
        let debugging = variable("STAGE").as_deref() == Some("dev");
        match (database, jwt_secret) {
            (Some(database), Some(jwt_secret)) if faults.is_empty() => {
                Ok(Self { database, prepare, jwt_secret, debugging, concurrency })
            }
            _ => Err(ConfigError(faults.join("; "))),
        }
    }
}

/// `DATABASE_URL` alone, for tools that work on the database without being the service.
///
/// # Errors
/// When it is missing or malformed.
pub fn database() -> Result<tokio_postgres::Config, ConfigError> {
    let mut faults = Vec::new();
    required(&environment, "DATABASE_URL", &mut faults).ok_or_else(|| ConfigError(faults.join("; ")))
}

/// `AWS_LAMBDA_LOG_LEVEL`, which the function's `LoggingConfig` sets; INFO otherwise. Read before everything else, so
/// that a fault in the rest is logged.
pub(crate) fn log_level() -> LevelFilter {
    environment("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO)
}

fn environment(name: &'static str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    std::env::var(name).ok()
}

fn required<T: FromStr>(
    variable: &dyn Fn(&'static str) -> Option<String>,
    name: &'static str,
    faults: &mut Vec<String>,
) -> Option<T> {
    match variable(name).filter(|value| !value.trim().is_empty()).map(|value| value.parse()) {
        Some(Ok(value)) => return Some(value),
        Some(Err(_)) => faults.push(format!("{name} is malformed")),
        None => faults.push(format!("{name} is not set")),
    }
    None
}

/// Text that must not be printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Settings that are missing or malformed.
#[derive(Debug)]
pub struct ConfigError(pub(crate) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(&|name| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let error = read(&[("DATABASE_URL", " "), ("DATABASE_PREPARE", "maybe")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "DATABASE_URL is not set; JWT_SECRET_KEY is not set; DATABASE_PREPARE must be on or off"
        );
    }

    #[test]
    fn a_malformed_value_is_named_but_not_shown() {
        let error =
            read(&[("DATABASE_URL", "postgresql://u:hunter2@[bad"), ("JWT_SECRET_KEY", "k")]).unwrap_err();
        assert_eq!(error.to_string(), "DATABASE_URL is malformed");
    }

    #[test]
    fn debugging_needs_the_stage_to_say_so() {
        let least = [("DATABASE_URL", "postgresql://localhost/x"), ("JWT_SECRET_KEY", "k")];
        assert!(!read(&least).unwrap().debugging);
        assert!(!read(&[least[0], least[1], ("STAGE", "prod")]).unwrap().debugging);
        assert!(read(&[least[0], least[1], ("STAGE", "dev")]).unwrap().debugging);
    }

    #[test]
    fn a_secret_does_not_print() {
        let config =
            read(&[("DATABASE_URL", "postgresql://u:hunter2@h/x"), ("JWT_SECRET_KEY", "sesame")]).unwrap();
        let printed = format!("{config:?}");
        assert!(!printed.contains("sesame") && !printed.contains("hunter2"), "{printed}");
    }
}
