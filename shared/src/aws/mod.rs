//! What the functions need of AWS: who they are, a database password that lives 15 minutes, and the token keys.
//!
//! The full S3 client would make every function half as large again (ARCHITECTURE.md, "Decisions"); a signed GET, and for the
//! one function that makes the keys a PUT, is all that is needed of it.

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
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use http_body_util::Full;
use lambda_http::http::{Method, Request, StatusCode, request};
use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

/// How long an RDS token is accepted for a new connection (RDS user guide, "IAM database authentication").
const RDS_TOKEN_LIFETIME: Duration = Duration::from_mins(15);

/// How long the token keys are asked for: INIT has 10 seconds.
const IN_INIT: Patience =
    Patience { tries: 3, a_try: Duration::from_secs(2), in_all: Duration::from_secs(7) };

/// An object in S3: `s3://bucket/key`.
#[derive(Clone, Debug)]
pub struct S3Object {
    bucket: String,
    key: String,
}

impl FromStr for S3Object {
    type Err = ();
    fn from_str(url: &str) -> Result<Self, ()> {
        let (bucket, key) = url.strip_prefix("s3://").and_then(|path| path.split_once('/')).ok_or(())?;
        let plain = |text: &str, others: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
        };
        // Nothing that would have to be escaped.
        let good = plain(bucket, ".-") && plain(key, "/.-_");
        good.then(|| Self { bucket: bucket.to_owned(), key: key.to_owned() }).ok_or(())
    }
}

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

    /// A secret text in S3. `endpoint` is where to ask, if not at the region's.
    ///
    /// # Errors
    /// When the service can't be reached or says no; the error names the service's reason, never a value.
    pub async fn secret(&self, endpoint: Option<&str>, object: &S3Object) -> Result<Secret, AwsError> {
        let request = self.s3(Method::GET, endpoint, object, "", |request| request)?;
        let (_, body) = send(&https(roots(None)?), "S3", IN_INIT, request).await?;
        let text = String::from_utf8(body.to_vec()).map_err(|_| "S3 answered without a text")?;
        Ok(text.parse()?)
    }

    /// Store a secret text in S3, unless there is something already; whether it was stored.
    ///
    /// # Errors
    /// As of [`secret`](Self::secret).
    #[cfg(feature = "migrations")]
    pub async fn create_secret(
        &self,
        endpoint: Option<&str>,
        object: &S3Object,
        secret: &Secret,
    ) -> Result<bool, AwsError> {
        let request = self.s3(Method::PUT, endpoint, object, secret.expose(), |request| {
            request.header("content-type", "application/json").header("if-none-match", "*")
        })?;
        let (status, _) = send(&https(roots(None)?), "S3", IN_INIT, request).await?;
        Ok(status != StatusCode::PRECONDITION_FAILED)
    }

    /// A request to S3, signed as it wants it: over the path as it is and the hash of the body (S3 user guide, "Signature
    /// Calculations for the Authorization Header").
    fn s3(
        &self,
        method: Method,
        endpoint: Option<&str>,
        S3Object { bucket, key }: &S3Object,
        body: &str,
        headers: impl FnOnce(request::Builder) -> request::Builder,
    ) -> Result<Request<Full<Bytes>>, AwsError> {
        let address = match endpoint {
            Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{}.amazonaws.com/{key}", self.region),
        };
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let mut request = headers(Request::builder().method(method).uri(address)).body(body)?;
        self.sign("s3", settings, SystemTime::now(), &mut request)?;
        Ok(request.map(|body| Full::from(body.to_owned())))
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

    /// What comes of `act` at a server that gives these answers one after the other, and what the server read.
    async fn at_a_server<T>(
        answers: &[(u16, &str)],
        act: impl AsyncFnOnce(Aws, &str, S3Object) -> T,
    ) -> (T, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let mut requests = Vec::new();
        let server = async {
            for (status, body) in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = socket.read(&mut request).await.unwrap();
                requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                socket.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let object = "s3://bucket/keys.json".parse().unwrap();
        let outcome = tokio::select! {
            outcome = act(aws(), &endpoint, object) => outcome,
            () = server => unreachable!("the server stays"),
        };
        for request in &requests {
            assert!(request.contains("authorization: AWS4-HMAC-SHA256 Credential=ANOTREAL/"), "{request}");
        }
        (outcome, requests)
    }

    #[tokio::test]
    async fn a_secret_is_asked_for_again_where_the_service_is_down() {
        let answers = [(503, ""), (200, "sesame")];
        let read = async |aws: Aws, endpoint: &str, object| aws.secret(Some(endpoint), &object).await;
        let (secret, requests) = at_a_server(&answers, read).await;
        assert_eq!(secret.unwrap().expose(), "sesame");
        for request in requests {
            assert!(request.starts_with("GET /bucket/keys.json HTTP/1.1\r\n"), "{request}");
            // The hash of nothing.
            assert!(request.contains("x-amz-content-sha256: e3b0c44298fc1c14"), "{request}");
        }
        let (denied, _) = at_a_server(&[(403, "<Error><Code>AccessDenied</Code></Error>")], read).await;
        assert_eq!(denied.unwrap_err().to_string(), "S3 answered 403 AccessDenied (tries: 1)");
    }

    #[tokio::test]
    async fn a_secret_takes_the_place_of_none() {
        let create = async |aws: Aws, endpoint: &str, object| {
            aws.create_secret(Some(endpoint), &object, &"sesame".parse().unwrap()).await.unwrap()
        };
        for (answers, created) in
            [(&[(200, "")][..], true), (&[(412, "")], false), (&[(409, ""), (412, "")], false)]
        {
            let (outcome, requests) = at_a_server(answers, create).await;
            assert_eq!((outcome, requests.len()), (created, answers.len()));
            for request in requests {
                assert!(request.starts_with("PUT /bucket/keys.json HTTP/1.1\r\n"), "{request}");
                assert!(request.contains("\r\nif-none-match: *\r\n"), "{request}");
                // What is sent is signed: the body by its hash, and that nothing may be there.
                let signed = "SignedHeaders=content-type;host;if-none-match;x-amz-content-sha256;x-amz-date";
                assert!(request.contains(signed), "{request}");
            }
        }
    }

    #[test]
    fn an_object_is_named_by_a_url_that_needs_no_escapes() {
        let object: S3Object = "s3://canvass-1.keys/a/jwt-keys.json".parse().unwrap();
        assert_eq!((object.bucket.as_str(), object.key.as_str()), ("canvass-1.keys", "a/jwt-keys.json"));
        for bad in [
            "",
            "https://b/k",
            "s3://b",
            "s3://b/",
            "s3:///k",
            "s3://b/k?x",
            "s3://b/ä",
            "s3://a@b/k",
            "s3://b/k k",
        ] {
            assert!(bad.parse::<S3Object>().is_err(), "{bad}");
        }
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
