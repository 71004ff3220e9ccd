//! Requests that are sent again where that may help.

use super::{AwsError, Https};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use lambda_http::http::{Request, StatusCode};
use std::{
    error::Error,
    fmt,
    time::{Duration, Instant},
};

/// Before the second try; twice as long before each that follows, up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a request is tried for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often.
    pub tries: u32,
    /// The longest that one try may take, from the look-up of the name to the end of the answer.
    pub a_try: Duration,
    /// The longest that all of them may take, with the pauses between them.
    pub in_all: Duration,
}

/// Send a request to the service of this name, and again where that may help: no answer came, or one that says that the
/// service is to blame or has too much to do. Only for what may be done twice.
///
/// # Errors
/// With the service's name and what it said at last. The address, which may be signed, is not in it, nor is what was sent.
pub async fn send(
    https: &Https,
    service: &str,
    patience: Patience,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), AwsError> {
    let started = Instant::now();
    let left = || patience.in_all.saturating_sub(started.elapsed());
    let (mut tries, mut pause) = (0, FIRST_PAUSE);
    loop {
        tries += 1;
        let attempt = tokio::time::timeout(patience.a_try.min(left()), attempt(https, request.clone())).await;
        let failure = match attempt.unwrap_or(Err(Failure::NoAnswer("it took too long".to_owned()))) {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        // Functions that failed together don't come back together.
        let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        if !failure.may_pass() || tries >= patience.tries || wait >= left() {
            return Err(format!("{service} {failure} (tries: {tries})").into());
        }
        tracing::warn!(cause = %failure, tries, "{service} is asked again");
        tokio::time::sleep(wait).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// What one try came to.
enum Failure {
    NoAnswer(String),
    Refused(StatusCode, String),
}

impl Failure {
    /// Whether the same may succeed in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            // One that denies will deny the next time, too.
            Self::Refused(StatusCode::BAD_REQUEST, code) => {
                ["Throttl", "TooManyRequests", "LimitExceeded", "RequestTimeout"]
                    .iter()
                    .any(|c| code.contains(c))
            }
            Self::Refused(status, _) => {
                status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT, StatusCode::CONFLICT]
                        .contains(status)
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(cause) => write!(f, "gave no answer: {cause}"),
            Self::Refused(status, code) if code.is_empty() => write!(f, "answered {}", status.as_u16()),
            Self::Refused(status, code) => write!(f, "answered {} {code}", status.as_u16()),
        }
    }
}

async fn attempt(https: &Https, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
    let answer = https.request(request).await.map_err(|error| Failure::NoAnswer(links(&error)))?;
    let status = answer.status();
    let body =
        answer.into_body().collect().await.map_err(|error| Failure::NoAnswer(links(&error)))?.to_bytes();
    // That the request's own condition doesn't hold is an answer to it.
    let is_answer = status.is_success() || status == StatusCode::PRECONDITION_FAILED;
    if is_answer { Ok((status, body)) } else { Err(Failure::Refused(status, code(&body))) }
}

/// What broke, link by link. None of them names the address.
fn links(error: &dyn Error) -> String {
    let mut links = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        links = format!("{links}: {cause}");
        next = cause.source();
    }
    links
}

/// The code of a refusal: the member `__type` of JSON, or the element `Code` of XML. Nothing else of it is for a log.
fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
    let xml = || text.split_once("<Code>")?.1.split('<').next();
    let code = json.get("__type").and_then(|code| code.as_str()).or_else(xml).unwrap_or_default();
    // In JSON a namespace and `#` may come before it.
    let code = code.rsplit('#').next().unwrap_or_default();
    code.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{https, roots};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    const PATIENCE: Patience =
        Patience { tries: 3, a_try: Duration::from_secs(20), in_all: Duration::from_mins(2) };
    /// Where nothing but that is waited for.
    const IMPATIENCE: Patience = Patience { a_try: Duration::from_millis(500), ..PATIENCE };

    /// What a server does with a request.
    #[derive(Clone)]
    enum Act {
        HangUp,
        KeepSilent,
        Answer(u16, &'static str),
        AnswerHalf,
    }
    use Act::{Answer, AnswerHalf, HangUp, KeepSilent};

    /// Send a request to a server that does these things, one after the other and then the last for ever; what came of it,
    /// and how many requests the server saw.
    async fn exchange(patience: Patience, acts: &[Act]) -> (Result<Bytes, String>, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/?X-Amz-Signature=secret", listener.local_addr().unwrap());
        let (mut seen, mut silent) = (0, Vec::new());
        let server = async {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0, "a connection without a request");
                let act = acts.get(seen).or(acts.last()).unwrap();
                seen += 1;
                match act {
                    HangUp => {}
                    KeepSilent => silent.push(socket),
                    Answer(status, body) => {
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
                        );
                        socket.write_all((head + body).as_bytes()).await.unwrap();
                    }
                    AnswerHalf => {
                        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nso").await.unwrap();
                    }
                }
            }
        };
        let request = Request::put(address).body(Full::from("secret")).unwrap();
        let https = https(roots(None).unwrap());
        let outcome = tokio::select! {
            outcome = send(&https, "It", patience, request) => outcome,
            () = server => unreachable!("the server goes on"),
        };
        (outcome.map(|(_, body)| body).map_err(|error| error.to_string()), seen)
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_what_denies_is_not() {
        let throttled = r#"{"__type":"com.amazon.coral#ThrottlingException","message":"Rate exceeded"}"#;
        let too_slow = "<?xml?><Error><Code>RequestTimeout</Code><Message>secret</Message></Error>";
        for failing in [
            HangUp,
            KeepSilent,
            AnswerHalf,
            Answer(500, ""),
            Answer(503, "<Error><Code>SlowDown</Code></Error>"),
            Answer(429, ""),
            Answer(409, "<Error><Code>ConditionalRequestConflict</Code></Error>"),
            Answer(400, throttled),
            Answer(400, too_slow),
        ] {
            let acts = [failing.clone(), failing.clone(), Answer(200, "here")];
            let patience = if matches!(failing, KeepSilent) { IMPATIENCE } else { PATIENCE };
            let (outcome, seen) = exchange(patience, &acts).await;
            assert_eq!((outcome.as_deref(), seen), (Ok(&b"here"[..]), 3));
            // No longer than it has patience.
            let (outcome, seen) = exchange(patience, &acts[..2]).await;
            let text = outcome.unwrap_err();
            assert_eq!(seen, 3, "{text}");
            assert!(
                text.starts_with("It ") && text.ends_with(" (tries: 3)") && !text.contains("secret"),
                "{text}"
            );
        }
        let denied = r#"{"__type":"AccessDeniedException","Message":"not on Throttling-secret"}"#;
        for (denial, text) in [
            (Answer(400, denied), "It answered 400 AccessDeniedException (tries: 1)"),
            (
                Answer(403, "<Error><Code>AccessDenied</Code></Error>"),
                "It answered 403 AccessDenied (tries: 1)",
            ),
            (Answer(404, "no\nsuch\nthing"), "It answered 404 (tries: 1)"),
        ] {
            assert_eq!(exchange(PATIENCE, &[denial]).await, (Err(text.to_owned()), 1));
        }
    }

    #[tokio::test]
    async fn nobody_at_home_is_tried_again() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let request = Request::put(format!("http://{port}/?secret")).body(Full::default()).unwrap();
        let outcome = send(&https(roots(None).unwrap()), "It", PATIENCE, request).await;
        let text = outcome.unwrap_err().to_string();
        assert!(text.starts_with("It gave no answer: ") && text.ends_with(" (tries: 3)"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn all_tries_together_end_in_time() {
        let patience = Patience { tries: u32::MAX, in_all: Duration::from_millis(700), ..IMPATIENCE };
        let (outcome, seen) = exchange(patience, &[KeepSilent]).await;
        assert!(seen <= 2, "{seen} of half a second each");
        assert!(outcome.unwrap_err().starts_with("It gave no answer: it took too long"));
    }
}
