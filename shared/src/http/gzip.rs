//! Compressed bodies (RFC 9110, sections 8.4 and 12.5.3).

use super::{Request, Response, conditional::weaken, vary_by};
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use lambda_http::{
    Body,
    http::{HeaderMap, HeaderValue, Method, header},
};
use std::cell::RefCell;

/// Bytes that a body has at least to be compressed. Of fewer, at most a packet would be saved, for 20 µs of a call that takes
/// 300.
const LEAST: usize = 2 * 1024;

/// Of 1, which is fast, to 9, which leaves the least. Results of 27.9 kB become 4.5 kB in 0.11 ms, a download of 1.19 MB 184 kB
/// in 8.5 ms (CPU, 2026-11-30). At 1 they take less than half of the time and up to half more bytes, at 6 twice the time and a
/// twentieth less. The library's other backend in Rust, zlib-rs, takes 6.8 ms for 209 kB or 9.9 ms for 173 kB, which is no
/// better for 24 kB more in each function.
///
/// Lambda takes compressed bodies as base64, a third longer. That is still a fifth of what text takes there, whose quotation
/// marks are escaped. Pages are no larger for it, since not every client takes gzip.
const LEVEL: u32 = 3;

thread_local! {
    /// Kept, because its 300 KiB are returned to the system each time otherwise.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
}

/// How a response may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Never compressed, whoever asks.
    Plain,
    /// Compressed, if it is large, for those who take that; whether this client does.
    Negotiated(bool),
}

impl Coding {
    /// The answers to GET are negotiated. All others are small, and some have tokens in them: where a secret is compressed
    /// together with what an attacker writes, the length tells how well the two agree ("BREACH").
    pub(crate) fn of(request: &Request) -> Self {
        match *request.method() {
            Method::GET => Self::Negotiated(is_taken(request.headers())),
            _ => Self::Plain,
        }
    }

    /// Compress a response that is worth it.
    pub(crate) fn apply(self, response: &mut Response) {
        let Self::Negotiated(is_taken) = self else { return };
        if response.body().len() < LEAST || response.headers().contains_key(header::CONTENT_ENCODING) {
            return;
        }
        vary_by(response, "accept-encoding");
        if !is_taken {
            return;
        }
        if let Some(compressed) = COMPRESSOR.with_borrow_mut(|compressor| gzip(compressor, response.body())) {
            // The runtime sends a `Binary` as base64, and the gateway makes bytes of that again.
            *response.body_mut() = Body::Binary(compressed);
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            weaken(response.headers_mut());
        }
    }
}

/// A body as a gzip file (RFC 1952), if that is smaller.
fn gzip(compressor: &mut Compress, body: &[u8]) -> Option<Vec<u8>> {
    // Deflated, with neither a name nor a time, by no system in particular.
    let mut file = Vec::with_capacity(body.len());
    file.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    compressor.reset();
    let status = compressor.compress_vec(body, &mut file, FlushCompress::Finish);
    if !matches!(status, Ok(Status::StreamEnd)) {
        return None;
    }
    let mut crc = Crc::new();
    crc.update(body);
    file.extend(crc.sum().to_le_bytes());
    file.extend(crc.amount().to_le_bytes());
    Some(file)
}

/// Whether a client takes gzip, and likes it no less than no coding at all: what `Accept-Encoding` says.
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let (mut gzip, mut identity, mut others) = (None, None, None);
    for member in lines.flat_map(|line| line.split(',')) {
        let (name, weight) =
            member.split_once(';').map_or((member, Some(1000)), |(n, w)| (n, thousandths(w)));
        let weight_of = match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut identity,
            "*" => &mut others,
            _ => continue,
        };
        *weight_of = weight_of.or(weight);
    }
    let gzip = gzip.or(others).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A weight from `q=0` to `q=1`, with up to three decimals. A malformed one is none.
fn thousandths(weight: &str) -> Option<u16> {
    let weight = weight.trim().to_ascii_lowercase();
    let weight = weight.strip_prefix("q=")?;
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{ok, tagged, with_body};
    use flate2::bufread::GzDecoder;
    use lambda_http::{
        IntoResponse as _,
        http::{self, StatusCode},
    };
    use proptest::prelude::*;
    use std::io::Read as _;

    fn request(method: &str, accept_encoding: &str) -> Request {
        let request = http::Request::builder().method(method).header("accept-encoding", accept_encoding);
        request.body(Body::Empty).unwrap()
    }

    /// The response to a request with this header, as it leaves.
    fn sent(method: &str, accept_encoding: &str, mut response: Response) -> Response {
        Coding::of(&request(method, accept_encoding)).apply(&mut response);
        response
    }

    fn unpacked(response: &Response) -> String {
        let mut text = String::new();
        GzDecoder::new(&response.body()[..]).read_to_string(&mut text).unwrap();
        text
    }

    fn large() -> Response {
        tagged(ok(&vec!["żółw"; 500]).unwrap(), 7)
    }

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (taken, accept_encoding) in [
            (true, "gzip"),
            (true, "gzip, deflate, br, zstd"),
            (true, "br;q=1.0, GZIP ; Q=0.001"),
            (true, "x-gzip"),
            (true, "*"),
            (true, "*;q=0.5"),
            (true, "identity;q=0, *;q=0.1"),
            (true, "identity, gzip"),
            (true, "gzip;q=1.000"),
            (true, "deflate,gzip;q=0.5,*;q=0"),
            (true, "br ,\t gzip"),
            (false, ""),
            (false, "identity"),
            (false, "br, deflate"),
            (false, "gzip;q=0"),
            (false, "gzip; q=0.000"),
            (false, "gzip;q=0, *"),
            (false, "*;q=0"),
            (false, "gzip;q=0.5, identity"),
            (false, "identity;q=0.6, *;q=0.5"),
            (false, "gzipped, xgzip"),
            // Malformed.
            (false, "gzip;q=2"),
            (false, "gzip;q=1.001"),
            (false, "gzip;q=0.0001"),
            (false, "gzip;q=-1"),
            (false, "gzip;q=+1"),
            (false, "gzip;q=inf"),
            (false, "gzip;q=1e1"),
            (false, "gzip;q="),
            (false, "gzip;q=.5"),
            (false, "gzip;level=9"),
        ] {
            assert_eq!(is_taken(request("GET", accept_encoding).headers()), taken, "{accept_encoding}");
        }
        assert!(!is_taken(&HeaderMap::new()));
        let mut lines = HeaderMap::new();
        lines.append("accept-encoding", "br".parse().unwrap());
        lines.append("accept-encoding", "gzip".parse().unwrap());
        assert!(is_taken(&lines));
    }

    #[tokio::test]
    async fn a_large_body_is_compressed_and_sent_as_base64() {
        let response = sent("GET", "gzip", large());
        assert_eq!(header(&response, "content-encoding"), "gzip");
        assert_eq!(header(&response, "vary"), "accept-encoding");
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "etag"), r#"W/"7""#);
        assert!(response.body().len() < large().body().len() / 10);
        assert_eq!(unpacked(&response).as_bytes(), &large().body()[..]);
        // What the runtime makes of it is base64 where it is `Binary`.
        assert!(matches!(response.into_response().await.body(), Body::Binary(_)));
        assert!(matches!(large().into_response().await.body(), Body::Text(_)));
    }

    #[test]
    fn whoever_takes_no_gzip_is_told_that_others_may() {
        let response = sent("GET", "br, gzip;q=0", large());
        assert_eq!(header(&response, "content-encoding"), "");
        assert_eq!(header(&response, "vary"), "accept-encoding");
        assert_eq!(header(&response, "etag"), r#""7""#);
        assert_eq!(response.body()[..], large().body()[..]);
    }

    #[test]
    fn what_is_small_or_no_answer_to_get_or_compressed_already_stays_as_it_is() {
        let of = |length: usize| with_body(StatusCode::OK, "text/csv", "x".repeat(length));
        for (method, response) in [
            ("GET", of(LEAST - 1)),
            ("GET", of(0)),
            ("POST", of(LEAST)),
            ("PATCH", of(LEAST)),
            ("PUT", of(LEAST)),
            ("DELETE", of(LEAST)),
        ] {
            let length = response.body().len();
            let response = sent(method, "gzip", response);
            assert_eq!(
                (header(&response, "content-encoding"), header(&response, "vary")),
                ("", ""),
                "{method}"
            );
            assert_eq!(response.body().len(), length);
        }
        assert_eq!(header(&sent("GET", "gzip", of(LEAST)), "content-encoding"), "gzip");

        // What doesn't shrink.
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(4 * LEAST).collect();
        let response = sent("GET", "gzip", with_body(StatusCode::OK, "text/csv", noise.clone()));
        assert_eq!((header(&response, "content-encoding"), &response.body()[..]), ("", &noise[..]));

        let mut encoded = large();
        encoded.headers_mut().insert("content-encoding", "br".parse().unwrap());
        let response = sent("GET", "gzip", encoded);
        assert_eq!((header(&response, "content-encoding"), header(&response, "etag")), ("br", r#""7""#));
        assert_eq!(response.body()[..], large().body()[..]);
    }

    #[cfg(feature = "testing")]
    #[test]
    fn no_answer_to_get_has_tokens() {
        let has_tokens =
            |operation: &serde_json::Value| operation["responses"].to_string().contains("_token\"");
        let with_tokens = crate::testing::contract::operations().into_iter().filter(|(.., o)| has_tokens(o));
        let methods: Vec<_> = with_tokens.map(|(method, ..)| method).collect();
        assert_eq!(methods, ["POST"; 3], "register, login, token-refresh");
    }

    proptest! {
        #[test]
        fn what_is_unpacked_is_what_was_packed(text in "\\PC{2048,4096}") {
            let plain = with_body(StatusCode::OK, "text/csv", text.clone());
            prop_assert_eq!(unpacked(&sent("GET", "gzip", plain)), text);
        }

        #[test]
        fn garbage_is_no_wish_for_gzip(line in "[ -~]{0,30}") {
            let taken = is_taken(request("GET", &line).headers());
            prop_assert!(!taken || line.to_ascii_lowercase().contains("gzip") || line.contains('*'));
        }
    }
}
