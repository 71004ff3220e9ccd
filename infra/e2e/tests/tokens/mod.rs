//! Tokens that the API did not make.

#![allow(dead_code, reason = "each test needs a part of it")]

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::Value;

/// What a token says, whether it is good or not.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a token has three parts");
    let payload = BASE64.decode(payload).expect("the second is base64");
    serde_json::from_slice(&payload).expect("of JSON")
}

/// The header of a token that the API made.
pub(crate) fn header(token: &str) -> Header {
    jsonwebtoken::decode_header(token).expect("a good token has a header")
}

pub(crate) fn signed(header: &Header, claims: &Value, key: &str) -> String {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(header, claims, &key).expect("a token can be signed")
}

/// A token with these parts as they are; `signature` may be empty.
pub(crate) fn assembled(header: &Value, claims: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}
