//! What the functions need of AWS: who they are, a database password that lives 15 minutes, and the token keys.
//!
//! The full Secrets Manager client would make every function half as large again (ARCHITECTURE.md, "Decisions"); one signed POST
//! is all that is needed of it.

mod https;
mod send;

pub use https::{Https, https, roots};
pub use send::{Patience, send};

use crate::values::Secret;
use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::region::ProvideRegion;
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::{
    http_request::{
        SignableBody, SignableRequest, SignatureLocation, SigningInstructions, SigningSettings, sign,
    },
    sign::v4,
};
use http_body_util::Full;
use lambda_http::http::Request;
use serde::Deserialize;
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// How long an RDS token is accepted for a new connection (RDS user guide, "IAM database authentication").
const RDS_TOKEN_LIFETIME: Duration = Duration::from_mins(15);

/// How long the token keys are asked for: INIT has 10 seconds.
const IN_INIT: Patience =
    Patience { tries: 3, a_try: Duration::from_secs(2), in_all: Duration::from_secs(7) };

/// A failure of AWS or on the way to it.
pub type AwsError = Box<dyn std::error::Error + Send + Sync>;

/// Credentials and region, as the Lambda environment has them. They are those of the function's role and live longer
/// than the environment.
#[derive(Clone)]
pub struct Aws {
    credentials: Credentials,
    region: String,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aws({})", self.region)
    }
}

impl Aws {
    /// Credentials and region from the environment, and from nowhere else: the default chain of providers asks for them
    /// at places that don't exist on Lambda.
    ///
    /// # Errors
    /// When one of them is missing.
    pub async fn from_environment() -> Result<Self, String> {
        let credentials = EnvironmentVariableCredentialsProvider::new().provide_credentials().await;
        let region = EnvironmentVariableRegionProvider::new().region().await;
        Ok(Self {
            credentials: credentials.map_err(|_| "AWS_ACCESS_KEY_ID is not set".to_owned())?,
            region: region.ok_or_else(|| "AWS_REGION is not set".to_owned())?.to_string(),
        })
    }

    /// A password for one new connection of `user`: a signed request that is never sent (RDS user guide, "Connecting
    /// to your DB instance using IAM authentication"). Made here, without a network call.
    ///
    /// # Errors
    /// When the parts make no URL.
    pub fn rds_token(&self, host: &str, port: u16, user: &str, now: SystemTime) -> Result<String, AwsError> {
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(RDS_TOKEN_LIFETIME);
        settings.signature_location = SignatureLocation::QueryParams;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "connect")
            .append_pair("DBUser", user)
            .finish();
        let mut request = Request::get(format!("https://{host}:{port}/?{query}")).body("")?;
        self.sign("rds-db", settings, now, &mut request)?;
        Ok(request.uri().to_string().split_off("https://".len()))
    }

    /// The text of a secret in Secrets Manager.
    ///
    /// # Errors
    /// When the service can't be reached or says no; the error names the service's reason, never a value.
    pub async fn secret(&self, https: &Https, endpoint: Option<&str>, arn: &str) -> Result<Secret, AwsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            secret_string: Secret,
        }
        let regional = format!("https://secretsmanager.{}.amazonaws.com", self.region);
        let body = serde_json::json!({ "SecretId": arn }).to_string();
        let mut request = Request::post(format!("{}/", endpoint.unwrap_or(&regional).trim_end_matches('/')))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "secretsmanager.GetSecretValue")
            .body(body.as_str())?;
        self.sign("secretsmanager", SigningSettings::default(), SystemTime::now(), &mut request)?;
        let request = request.map(|body| Full::from(body.to_owned()));
        let body = send(https, "Secrets Manager", IN_INIT, request).await?;
        // The parser's own text would quote the secret.
        Ok(serde_json::from_slice::<Output>(&body)
            .map_err(|_| "Secrets Manager answered without a text")?
            .secret_string)
    }

    fn sign(
        &self,
        service: &str,
        settings: SigningSettings,
        now: SystemTime,
        request: &mut Request<&str>,
    ) -> Result<(), AwsError> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(now)
            .settings(settings)
            .build()?
            .into();
        let headers =
            request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers,
            SignableBody::Bytes(request.body().as_bytes()),
        )?;
        let (instructions, _): (SigningInstructions, _) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    fn aws() -> Aws {
        Aws { credentials: Credentials::for_tests_with_session_token(), region: "eu-central-1".to_owned() }
    }

    #[tokio::test]
    async fn a_secret_is_asked_for_again_where_the_service_is_down() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let server = async {
            for (status, body) in [(503, ""), (200, r#"{"SecretString":"sesame"}"#)] {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = socket.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                assert!(request.contains("x-amz-target: secretsmanager.GetSecretValue\r\n"), "{request}");
                assert!(
                    request.contains("authorization: AWS4-HMAC-SHA256 Credential=ANOTREAL/"),
                    "{request}"
                );
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                socket.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let https = https(roots(None).unwrap());
        let aws = aws();
        let secret = tokio::select! {
            secret = aws.secret(&https, Some(&endpoint), "arn:secret") => secret,
            () = server => unreachable!("the server stays"),
        };
        assert_eq!(secret.unwrap().expose(), "sesame");
    }

    #[test]
    fn an_rds_token_is_a_signed_query_without_the_secret() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let token = aws().rds_token("db.example.com", 5432, "canvass_app", now).unwrap();
        assert!(token.starts_with("db.example.com:5432/?Action=connect&DBUser=canvass_app&"), "{token}");
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=ANOTREAL%2F20300317%2Feu-central-1%2Frds-db%2Faws4_request",
            "X-Amz-Date=20300317T174640Z",
            "X-Amz-Expires=900",
            "X-Amz-SignedHeaders=host",
            "X-Amz-Security-Token=",
            "X-Amz-Signature=",
        ] {
            assert!(token.contains(part), "{part} in {token}");
        }
        assert!(!token.contains("notrealrnrELgWzOk3IfjzDKtFBhDby"));
    }
}
