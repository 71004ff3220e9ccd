//! JSON Web Tokens (RFC 7519): signed with HS256 by one key, verified by any of a set.

use crate::{
    Error, Result,
    aws::AwsError,
    config::JwtKeys,
    error::Code,
    values::{Secret, TokenId, UserId, json},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// Who signs; a token of another service with the same key is none of ours.
const ISSUER: &str = "canvass";
/// Seconds by which the clocks of two functions may differ.
const LEEWAY: u64 = 5;
/// Bytes a key must have at least: as many as the hash (RFC 7518, section 3.2).
const MIN_KEY: usize = 32;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Acting for the user, for 15 minutes.
    Access,
    /// Getting new access tokens, for 30 days.
    Refresh,
}

impl Kind {
    fn lifetime(self) -> TimeDelta {
        match self {
            Self::Access => TimeDelta::minutes(15),
            Self::Refresh => TimeDelta::days(30),
        }
    }
}

#[derive(Serialize)]
struct Claims {
    iss: String,
    sub: UserId,
    username: String,
    jti: TokenId,
    #[serde(rename = "type")]
    kind: Kind,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// What is read of a token. The library checks the times and the issuer; all that may be missing is optional here, so that
/// the client is told which claim it is.
#[derive(Deserialize)]
struct Verified {
    // One text: the library is content with a list that has our name in it.
    #[expect(dead_code, reason = "its value is checked by the library")]
    iss: Option<String>,
    sub: Option<UserId>,
    jti: Option<TokenId>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    exp: Option<i64>,
}

/// A token with a good signature, of the present time, for the purpose at hand. Whether it was revoked, the database knows.
pub(crate) struct Token {
    pub(super) user: UserId,
    pub(super) jti: TokenId,
    pub(super) expires_at: DateTime<Utc>,
}

/// The keys that sign and verify.
pub struct Keys {
    signing: (String, EncodingKey),
    verifying: BTreeMap<String, DecodingKey>,
}

impl Keys {
    /// Either one key as it is, or a key set: `{"signing": "k2", "k1": "…", "k2": "…"}`. `signing` names the key that
    /// signs; every other member is a key that verifies, so that a key can be replaced without logging anybody out.
    ///
    /// # Errors
    /// When a key is shorter than 32 bytes (`openssl rand -base64 48` makes one), or the one that signs is not there.
    pub fn new(secret: &Secret) -> Result<Self, String> {
        let fault = |text: &str| format!("the token key {text}");
        let mut keys = if secret.expose().trim_start().starts_with('{') {
            serde_json::from_str(secret.expose()).map_err(|_| fault("is not a JSON object of texts"))?
        } else {
            let one = ("default".to_owned(), secret.expose().to_owned());
            BTreeMap::from([("signing".to_owned(), one.0.clone()), one])
        };
        let signing = keys.remove("signing").ok_or_else(|| fault("has no member signing"))?;
        if keys.values().any(|key| key.len() < MIN_KEY) {
            return Err(fault("is shorter than 32 bytes"));
        }
        let key = keys.get(&signing).ok_or_else(|| fault("has no key with the name in signing"))?;
        let signing = (signing, EncodingKey::from_secret(key.as_bytes()));
        let verifying = keys.iter().map(|(kid, key)| (kid.clone(), DecodingKey::from_secret(key.as_bytes())));
        Ok(Self { signing, verifying: verifying.collect() })
    }

    /// A key set with one new key, for [`new`](Self::new).
    ///
    /// # Errors
    /// When the system has no random numbers.
    #[cfg(feature = "migrations")]
    pub fn generate() -> Result<Secret, AwsError> {
        let mut key = [0; 48];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut key).map_err(|_| "the system has no random numbers")?;
        let set = serde_json::json!({ "signing": "k1", "k1": BASE64_URL_SAFE_NO_PAD.encode(key) });
        Ok(set.to_string().parse()?)
    }

    /// The keys from where the settings say they are.
    ///
    /// # Errors
    /// When they can't be had, or are not good.
    pub async fn load(keys: &JwtKeys) -> Result<Self, AwsError> {
        match keys {
            JwtKeys::Here(secret) => Ok(Self::new(secret)?),
            JwtKeys::Stored { object, aws, endpoint } => {
                Ok(Self::new(&aws.secret(endpoint.as_deref(), object).await?)?)
            }
            JwtKeys::Unneeded => Err("this function was configured without keys".into()),
        }
    }

    /// A new token for `user`.
    pub fn issue(&self, kind: Kind, user: UserId, username: &str) -> Result<String> {
        self.sign(kind, user, username, Utc::now())
    }

    pub(crate) fn sign(
        &self,
        kind: Kind,
        user: UserId,
        username: &str,
        now: DateTime<Utc>,
    ) -> Result<String> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user,
            username: username.to_owned(),
            jti: TokenId::new(),
            kind,
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + kind.lifetime()).timestamp(),
        };
        let (name, key) = &self.signing;
        let header = Header { kid: Some(name.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, key).map_err(Error::internal)
    }

    /// The token in an `Authorization`, if it is of that kind and its signature and times are good. No database is asked.
    pub(crate) fn verify(&self, authorization: Option<&str>, kind: Kind) -> Result<Token> {
        let authorization =
            authorization.ok_or_else(|| refused(Code::MissingToken, "Missing Authorization Header"))?;
        let words: Vec<_> = authorization.split(' ').collect();
        let ["Bearer", jwt] = words.as_slice() else {
            return Err(refused(
                Code::InvalidToken,
                "Bad Authorization header. Expected value 'Bearer <JWT>'",
            ));
        };
        let verified = self.decode(jwt).map_err(|kind| match kind {
            ErrorKind::ExpiredSignature => refused(Code::ExpiredToken, "Token has expired"),
            ErrorKind::ImmatureSignature => refused(Code::InvalidToken, "The token is not yet valid (nbf)"),
            ErrorKind::InvalidSignature => refused(Code::InvalidToken, "Signature verification failed"),
            ErrorKind::InvalidAlgorithm => {
                refused(Code::InvalidToken, "The specified alg value is not allowed")
            }
            ErrorKind::InvalidIssuer => refused(Code::InvalidToken, "The token is of another issuer"),
            ErrorKind::MissingRequiredClaim(claim) => missing(&claim),
            _ if jwt.split('.').count() != 3 => refused(Code::InvalidToken, "Not enough segments"),
            _ => refused(Code::InvalidToken, "The token is malformed"),
        })?;
        match (verified.kind, kind) {
            (None, _) => return Err(refused(Code::InvalidToken, "Missing or invalid claim: type")),
            (Some(given), _) if given == kind => {}
            (_, Kind::Access) => return Err(refused(Code::WrongTokenType, "Only access tokens are allowed")),
            (_, Kind::Refresh) => {
                return Err(refused(Code::WrongTokenType, "Only refresh tokens are allowed"));
            }
        }
        Ok(Token {
            user: verified.sub.ok_or_else(|| missing("sub"))?,
            jti: verified.jti.ok_or_else(|| missing("jti"))?,
            expires_at: verified
                .exp
                .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
                .ok_or_else(|| missing("exp"))?,
        })
    }

    fn decode(&self, jwt: &str) -> Result<Verified, ErrorKind> {
        // The library parses the header before it knows who wrote it.
        let header =
            BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap_or_default()).unwrap_or_default();
        if json::look_over(&String::from_utf8_lossy(&header)).is_err() {
            return Err(ErrorKind::InvalidToken);
        }
        let header = jsonwebtoken::decode_header(jwt).map_err(|e| match e.into_kind() {
            // An algorithm the library doesn't know, `none` among them, fails as JSON.
            ErrorKind::Json(_) => ErrorKind::InvalidAlgorithm,
            other => other,
        })?;
        let key = header.kid.and_then(|kid| self.verifying.get(&kid)).ok_or(ErrorKind::InvalidSignature)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "nbf", "sub", "iss"]);
        let token =
            jsonwebtoken::decode(jwt, key, &validation).map_err(jsonwebtoken::errors::Error::into_kind)?;
        Ok(token.claims)
    }
}

/// 401, with the reason as the client's text.
pub(super) fn refused(code: Code, text: impl Into<Cow<'static, str>>) -> Error {
    Error::Unauthenticated(code, text.into())
}

fn missing(claim: &str) -> Error {
    refused(Code::InvalidToken, format!("Missing claim: {claim}"))
}
