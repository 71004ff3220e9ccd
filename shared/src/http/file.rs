//! Files that are part of the binary.

use super::{Request, Response, conditional::weakly_tagged, gzip, if_none_match, not_modified};
use crate::{Error, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use flate2::{Compression, bufread::GzDecoder, bufread::GzEncoder};
use lambda_http::{
    Body,
    http::{HeaderName, HeaderValue, header},
};
use sha2::{Digest as _, Sha256};
use std::{io::Read as _, sync::OnceLock};

/// A file as it is served: compressed to those who take gzip, which is every browser, and as it is to all others.
///
/// Only one form is in the binary; the other is made for the first who asks for it.
#[derive(Debug)]
pub struct File {
    content_type: &'static str,
    stored: Form,
    cache_control: &'static str,
    policy: Option<&'static str>,
    tag: OnceLock<String>,
    converted: OnceLock<Vec<u8>>,
}

#[derive(Debug)]
enum Form {
    Plain(&'static [u8]),
    Gzip(&'static [u8]),
}

impl File {
    /// A file that clients ask for anew each time; where they have it already, they are told so.
    #[must_use]
    pub const fn new(content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self::stored(content_type, Form::Plain(bytes))
    }

    /// A file that is in the binary compressed.
    #[must_use]
    pub const fn gzipped(content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self::stored(content_type, Form::Gzip(bytes))
    }

    const fn stored(content_type: &'static str, stored: Form) -> Self {
        Self {
            content_type,
            stored,
            cache_control: "no-cache",
            policy: None,
            tag: OnceLock::new(),
            converted: OnceLock::new(),
        }
    }

    /// A file whose name changes with its content, so that whoever has it need not ask again.
    #[must_use]
    pub const fn immutable(mut self) -> Self {
        self.cache_control = "public, max-age=31536000, immutable";
        self
    }

    /// A page with this Content-Security-Policy.
    #[must_use]
    pub const fn policy(mut self, policy: &'static str) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The answer to a request for this file: 200, or 304 where the client has it.
    pub fn response(&'static self, request: &Request) -> Result<Response> {
        let tag = self.tag();
        let mut response = if if_none_match(request).has(tag) {
            not_modified(tag)
        } else {
            // The same tag stands for both forms.
            weakly_tagged(self.content(gzip::is_taken(request.headers()))?, tag)
        };
        let always = [
            (header::VARY, Some("accept-encoding")),
            (header::CACHE_CONTROL, Some(self.cache_control)),
            (header::X_CONTENT_TYPE_OPTIONS, Some("nosniff")),
            (header::CONTENT_SECURITY_POLICY, self.policy),
        ];
        for (name, value) in always {
            set(&mut response, name, value)?;
        }
        Ok(response)
    }

    fn content(&'static self, gzip: bool) -> Result<Response> {
        let bytes = match (&self.stored, gzip) {
            (Form::Plain(bytes), false) | (Form::Gzip(bytes), true) => bytes,
            (Form::Plain(bytes), true) => self.converted(bytes, compress)?,
            (Form::Gzip(bytes), false) => self.converted(bytes, decompress)?,
        };
        // The runtime sends a `Binary` as base64, and the gateway makes bytes of that again.
        let mut response = Response::new(Body::Binary(bytes.to_vec()));
        set(&mut response, header::CONTENT_TYPE, Some(self.content_type))?;
        set(&mut response, header::CONTENT_ENCODING, gzip.then_some("gzip"))?;
        Ok(response)
    }

    fn converted(&self, bytes: &[u8], convert: fn(&[u8]) -> std::io::Result<Vec<u8>>) -> Result<&[u8]> {
        if let Some(converted) = self.converted.get() {
            return Ok(converted);
        }
        let converted = convert(bytes).map_err(Error::internal)?;
        Ok(self.converted.get_or_init(|| converted))
    }

    fn tag(&self) -> &str {
        self.tag.get_or_init(|| {
            let (Form::Plain(bytes) | Form::Gzip(bytes)) = self.stored;
            BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
        })
    }
}

fn set(response: &mut Response, name: HeaderName, value: Option<&str>) -> Result<()> {
    if let Some(value) = value {
        response.headers_mut().insert(name, HeaderValue::from_str(value).map_err(Error::internal)?);
    }
    Ok(())
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    GzEncoder::new(bytes, Compression::default()).read_to_end(&mut compressed)?;
    Ok(compressed)
}

fn decompress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}
