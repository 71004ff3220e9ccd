//! Settings, read from the environment once, at INIT. Nothing else reads the environment (clippy.toml forbids it).

use crate::{
    aws::{Aws, S3Object},
    values::Secret,
};
use std::{fmt, str::FromStr};
use tracing::level_filters::LevelFilter;

/// What a function needs to know about where it runs.
#[derive(Debug)]
pub struct Config {
    /// `DATABASE_URL`: where PostgreSQL is, as in libpq.
    pub database: tokio_postgres::Config,
    /// `DATABASE_AUTH=iam`: every new connection signs an RDS token as its password, over verified TLS. Otherwise the
    /// password is the one in `DATABASE_URL`.
    pub database_iam: Option<Aws>,
    /// `DATABASE_CA`: a PEM file with the certificates that TLS to the database trusts, instead of Amazon's roots.
    pub database_ca: Option<Vec<u8>>,
    /// `DATABASE_PREPARE`: `on` (default) prepares statements once a connection; `off` sends them unnamed, for poolers
    /// that lose named ones (`PgBouncer` before 1.21).
    pub prepare: bool,
    /// Where the key comes from, or the key set, that signs and verifies tokens; see [`crate::accounts::Keys`].
    pub jwt: JwtKeys,
    /// `DEBUGGING_KEY`, in the stage (`STAGE`) `dev` alone: who has it may list and delete all users. At least 32 characters;
    /// without it nobody may.
    pub debugging_key: Option<Secret>,
    /// `CORS_ORIGINS`: whose web pages may read responses, where no gateway sees to that.
    pub cors: Option<Cors>,
    /// `AWS_LAMBDA_MAX_CONCURRENCY`, set by Lambda Managed Instances: requests this process takes at once, and so the
    /// size of its connection pool. 1 on classic Lambda.
    pub concurrency: usize,
}

/// Who may read responses from a web page, and which headers of them.
#[derive(Clone, Debug)]
pub struct Cors {
    /// `CORS_ORIGINS`: origins separated by commas, or `*` for all.
    pub origins: String,
    /// `CORS_EXPOSE_HEADERS`: names of headers separated by commas.
    pub expose_headers: String,
}

/// Where the token keys come from.
#[derive(Debug)]
pub enum JwtKeys {
    /// `JWT_SECRET_KEY`: they are here.
    Here(Secret),
    /// `JWT_KEYS_URL`: S3 has them.
    Stored {
        /// Which object.
        object: S3Object,
        /// Who asks for it.
        aws: Aws,
        /// `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`: where to ask, if not at the region's endpoint.
        endpoint: Option<String>,
    },
    /// Nowhere: this function neither signs nor verifies.
    Unneeded,
}

impl Config {
    /// Read the environment of a function that signs or verifies tokens.
    ///
    /// # Errors
    /// Names every setting that is missing or malformed, never a value.
    pub async fn load() -> Result<Self, ConfigError> {
        Self::read(&environment, true).await
    }

    /// Read the environment of a function that has nothing to do with tokens.
    ///
    /// # Errors
    /// Names every setting that is missing or malformed, never a value.
    pub async fn load_without_keys() -> Result<Self, ConfigError> {
        Self::read(&environment, false).await
    }

    async fn read(variable: &Variables<'_>, keys: bool) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let database = required(variable, "DATABASE_URL", &mut faults);
        let iam = choice(variable, "DATABASE_AUTH", ["password", "iam"], &mut faults);
        let unprepared = choice(variable, "DATABASE_PREPARE", ["on", "off"], &mut faults);
        let stored = keys && variable("JWT_KEYS_URL").is_some();
        let aws = if iam || stored {
            Aws::from_environment().await.map_err(|fault| faults.push(fault)).ok()
        } else {
            None
        };
        let database_ca = variable("DATABASE_CA").and_then(|path| {
            std::fs::read(path)
                .map_err(|error| faults.push(format!("DATABASE_CA can't be read: {error}")))
                .ok()
        });
        let jwt = if stored {
            let object = required(variable, "JWT_KEYS_URL", &mut faults).zip(aws.clone());
            let endpoint = || variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
            object.map(|(object, aws)| JwtKeys::Stored { object, aws, endpoint: endpoint() })
        } else if keys {
            required(variable, "JWT_SECRET_KEY", &mut faults).map(JwtKeys::Here)
        } else {
            None
        };
        let debugging_key = variable("DEBUGGING_KEY").filter(|key| {
            let good = key.is_empty() || key.len() >= 32 && key.bytes().all(|byte| byte.is_ascii_graphic());
            if !good {
                faults.push(
                    "DEBUGGING_KEY must have at least 32 characters of ASCII, without blanks".to_owned(),
                );
            }
            !key.is_empty() && variable("STAGE").as_deref() == Some("dev")
        });
        match database {
            Some(database) if faults.is_empty() => Ok(Self {
                database,
                database_iam: aws.filter(|_| iam),
                database_ca,
                prepare: !unprepared,
                jwt: jwt.unwrap_or(JwtKeys::Unneeded),
                debugging_key: debugging_key.and_then(|key| key.parse().ok()),
                cors: cors(variable),
                concurrency: variable("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|n| n.parse().ok()).unwrap_or(1),
            }),
            _ => Err(ConfigError(faults.join("; "))),
        }
    }
}

fn cors(variable: &Variables<'_>) -> Option<Cors> {
    let origins = variable("CORS_ORIGINS").filter(|origins| !origins.is_empty())?;
    Some(Cors { origins, expose_headers: variable("CORS_EXPOSE_HEADERS").unwrap_or_default() })
}

/// Who may read responses, for a function that has no other setting.
pub(crate) fn cors_alone() -> Option<Cors> {
    cors(&environment)
}

/// Where settings come from: the environment, or a test.
type Variables<'a> = dyn Fn(&'static str) -> Option<String> + Sync + 'a;

/// `AWS_LAMBDA_LOG_LEVEL`, which the function's `LoggingConfig` sets; INFO otherwise. Read before everything else, so
/// that a fault in the rest is logged.
pub(crate) fn log_level() -> LevelFilter {
    environment("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO)
}

fn environment(name: &'static str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    std::env::var(name).ok()
}

/// Whether a setting has the second of two values; the first is the default.
fn choice(variable: &Variables<'_>, name: &'static str, values: [&str; 2], faults: &mut Vec<String>) -> bool {
    match variable(name) {
        Some(value) if value == values[1] => return true,
        Some(value) if value != values[0] => {
            faults.push(format!("{name} must be {} or {}", values[0], values[1]));
        }
        _ => {}
    }
    false
}

fn required<T: FromStr>(variable: &Variables<'_>, name: &'static str, faults: &mut Vec<String>) -> Option<T> {
    match variable(name).filter(|value| !value.trim().is_empty()).map(|value| value.parse()) {
        Some(Ok(value)) => return Some(value),
        Some(Err(_)) => faults.push(format!("{name} is malformed")),
        None => faults.push(format!("{name} is not set")),
    }
    None
}

/// Settings that are missing or malformed.
#[derive(Debug)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variable =
            |name: &'static str| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Config::read(&variable, true).await
    }

    const LEAST: [(&str, &str); 2] = [("DATABASE_URL", "postgresql://localhost/x"), ("JWT_SECRET_KEY", "k")];

    #[tokio::test]
    async fn all_that_is_missing_is_named_at_once() {
        let error =
            read(&[("DATABASE_URL", " "), ("DATABASE_PREPARE", "maybe")]).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "DATABASE_URL is not set; DATABASE_PREPARE must be on or off; JWT_SECRET_KEY is not set"
        );
    }

    #[tokio::test]
    async fn a_malformed_value_is_named_but_not_shown() {
        let error = read(&[("DATABASE_URL", "postgresql://u:hunter2@[bad"), LEAST[1]]).await.unwrap_err();
        assert_eq!(error.to_string(), "DATABASE_URL is malformed");
    }

    #[tokio::test]
    async fn a_function_that_needs_no_keys_has_none() {
        let variable =
            |name: &'static str| (name == "DATABASE_URL").then(|| "postgresql://localhost/x".to_owned());
        assert!(matches!(Config::read(&variable, false).await.unwrap().jwt, JwtKeys::Unneeded));
    }

    #[tokio::test]
    async fn debugging_needs_the_stage_and_a_key() {
        let key = ("DEBUGGING_KEY", "0123456789abcdef0123456789abcdef");
        let allowed = async |more: &[(&str, &str)]| {
            read(&[&LEAST, more].concat())
                .await
                .map(|config| config.debugging_key.is_some())
                .map_err(|e| e.to_string())
        };
        assert_eq!(allowed(&[]).await, Ok(false));
        assert_eq!(allowed(&[key]).await, Ok(false));
        assert_eq!(allowed(&[("STAGE", "prod"), key]).await, Ok(false));
        assert_eq!(allowed(&[("STAGE", "dev"), ("DEBUGGING_KEY", "")]).await, Ok(false));
        assert_eq!(allowed(&[("STAGE", "dev"), key]).await, Ok(true));
        let short = allowed(&[("STAGE", "dev"), ("DEBUGGING_KEY", "short")]).await;
        assert_eq!(
            short,
            Err("DEBUGGING_KEY must have at least 32 characters of ASCII, without blanks".to_owned())
        );
    }

    #[tokio::test]
    async fn a_secret_does_not_print() {
        let settings = [("DATABASE_URL", "postgresql://u:hunter2@h/x"), ("JWT_SECRET_KEY", "sesame")];
        let printed = format!("{:?}", read(&settings).await.unwrap());
        assert!(!printed.contains("sesame") && !printed.contains("hunter2"), "{printed}");
    }
}
