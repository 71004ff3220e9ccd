//! Tokens: which are taken, and what is said of the others.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture should stop the test")]

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize as _;
use serde_json::{Value, json};
use shared::{
    App, Error, PublicApp, Request, Response, Result,
    accounts::{Bearer, Keys, Kind, Viewer, revoked_tokens},
    config::JwtKeys,
    db::Db,
    http, surveys,
    testing::{self, Call, SECRET, TestApp, User, get, post},
    values::{
        Moment, UserId,
        fields::{Given, Reading},
    },
};

const OTHER_SECRET: &str = "another key, which is as long as the first";
const MALFORMED: &str = "The token is malformed";
const ISSUER: &str = "The token is of another issuer";
const PLAIN: &str = r#"Bearer realm="canvass""#;
const INVALID: &str = r#"Bearer realm="canvass", error="invalid_token""#;

fn given(value: Value) -> Given<'static> {
    Given::new(value, Reading::Strict)
}

/// Writes for whoever has an access token.
async fn write(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let survey = surveys::NewSurvey {
        name: surveys::Name::deserialize(given(json!("pets"))).unwrap(),
        description: String::new(),
        is_active: true,
        opens: None,
        due: Moment::deserialize(given(json!("2030-01-01"))).unwrap(),
        visibility: surveys::Visibility::Public,
        public_stats: false,
        response_limit: None,
        questions: Vec::new(),
    };
    surveys::insert(&mut db, &caller, &survey).await?;
    whose(&caller)
}

/// Writes for whoever has a refresh token.
async fn revoke(app: App, request: Request) -> Result<Response> {
    let (mut db, refresher) = app.refreshing(&request).await?;
    revoked_tokens::insert(&mut db, &refresher).await?;
    whose(&refresher)
}

/// Reads something, and says who it is that reads, or why that is not known.
async fn look(db: &mut Db, viewer: &Viewer, outcome: impl Fn() -> Result<()>) -> Result<Value> {
    db.rows("SELECT 1 AS one", &[]).await?;
    outcome()?;
    Ok(match viewer {
        Viewer::Caller(caller) => json!({ "caller": caller.username() }),
        Viewer::Anyone(code, text) => json!({ "code": code, "message": text }),
    })
}

/// Who reads, or why that is not known.
async fn recognize(app: App, request: Request) -> Result<Response> {
    http::ok(&app.view(&request, |db, viewer| Box::pin(look(db, viewer, || Ok(())))).await?)
}

/// Finds nothing, whoever reads.
async fn find_nothing(app: App, request: Request) -> Result<Response> {
    let nothing = || Err(Error::NotFound("There is nothing here".into()));
    http::ok(&app.view(&request, |db, viewer| Box::pin(look(db, viewer, nothing))).await?)
}

/// Finds what nobody may read.
async fn find_forbidden(app: App, request: Request) -> Result<Response> {
    let forbidden = || Err(Error::Forbidden("no".to_owned()));
    http::ok(&app.view(&request, |db, viewer| Box::pin(look(db, viewer, forbidden))).await?)
}

fn whose(bearer: &Bearer) -> Result<Response> {
    http::ok(&json!({"id": bearer.user, "username": bearer.username()}))
}

/// The claims of a good token.
fn claims(kind: &str, user: &User) -> Value {
    let now = Utc::now().timestamp();
    json!({
        "iss": "canvass", "sub": user.id, "username": user.username, "jti": uuid::Uuid::now_v7(), "type": kind,
        "iat": now, "nbf": now, "exp": now + 900,
    })
}

fn signed(header: &Header, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// The header of a good token.
fn header() -> Header {
    Header { kid: Some("default".to_owned()), ..Header::new(Algorithm::HS256) }
}

fn encoded(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

fn decoded(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn jti(token: &str) -> uuid::Uuid {
    decoded(token, 1)["jti"].as_str().unwrap().parse().unwrap()
}

/// An `Authorization` header (or none), and what is answered: `code`, `message`, `WWW-Authenticate`.
type Case = (&'static str, Option<String>, &'static str, &'static str, &'static str);

/// Every token that is no good where one of `kind` is needed, whosever it is.
fn bad_tokens(test: &TestApp, kind: Kind, user: &User) -> Vec<Case> {
    let (kind_name, token, other, other_text) = match kind {
        Kind::Access => ("access", &user.access, &user.refresh, "Only access tokens are allowed"),
        Kind::Refresh => ("refresh", &user.refresh, &user.access, "Only refresh tokens are allowed"),
    };
    let good = claims(kind_name, user);
    let with = |claim: &str, value: Value| {
        let mut claims = good.clone();
        claims[claim] = value;
        signed(&header(), &claims, SECRET)
    };
    let without = |claim: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim).unwrap();
        signed(&header(), &claims, SECRET)
    };
    let now = Utc::now().timestamp();
    let (first, rest) = token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = json!({"alg": "none", "typ": "JWT", "kid": "default"});
    let kidless = Header { kid: None, ..header() };
    let unknown_kid = Header { kid: Some("k9".to_owned()), ..header() };
    let words = "Bad Authorization header. Expected value 'Bearer <JWT>'";
    let forged = "Signature verification failed";
    let segments = "Not enough segments";
    let algorithm = "The specified alg value is not allowed";
    let bearer = |token: String| Some(format!("Bearer {token}"));
    let invalid = "invalid_token";
    vec![
        ("no header", None, "missing_token", "Missing Authorization Header", PLAIN),
        ("no scheme", Some(token.clone()), invalid, words, INVALID),
        ("scheme alone", Some("Bearer".to_owned()), invalid, words, INVALID),
        ("another scheme", Some("Basic YWRhOnNlc2FtZQ==".to_owned()), invalid, words, INVALID),
        ("lower-case scheme", Some(format!("bearer {token}")), invalid, words, INVALID),
        ("a word too many", Some(format!("Bearer {token} x")), invalid, words, INVALID),
        ("a blank too many", Some(format!("Bearer  {token}")), invalid, words, INVALID),
        ("not ASCII", Some(format!("Bearer {token}ż")), invalid, words, INVALID),
        ("empty token", bearer(String::new()), invalid, segments, INVALID),
        ("garbage", bearer("garbage".to_owned()), invalid, segments, INVALID),
        ("two segments", bearer(format!("{first}.{payload}")), invalid, segments, INVALID),
        ("four segments", bearer(format!("{token}.x")), invalid, segments, INVALID),
        ("three segments of garbage", bearer("g!.r!.b!".to_owned()), invalid, MALFORMED, INVALID),
        ("no signature", bearer(format!("{first}.{payload}.")), invalid, forged, INVALID),
        (
            "payload of another",
            bearer(format!("{first}.{}.{signature}", encoded(&good))),
            invalid,
            forged,
            INVALID,
        ),
        ("another key", bearer(signed(&header(), &good, OTHER_SECRET)), invalid, forged, INVALID),
        ("no kid", bearer(signed(&kidless, &good, SECRET)), invalid, forged, INVALID),
        ("unknown kid", bearer(signed(&unknown_kid, &good, SECRET)), invalid, forged, INVALID),
        ("alg none", bearer(format!("{}.{}.", encoded(&none), encoded(&good))), invalid, algorithm, INVALID),
        (
            "alg none, signed",
            bearer(format!("{}.{payload}.{signature}", encoded(&none))),
            invalid,
            algorithm,
            INVALID,
        ),
        (
            "another alg of the same key",
            bearer(signed(&Header { alg: Algorithm::HS512, ..header() }, &good, SECRET)),
            invalid,
            algorithm,
            INVALID,
        ),
        ("expired", bearer(with("exp", json!(now - 6))), "expired_token", "Token has expired", INVALID),
        (
            "expired long ago",
            bearer(test.token_of(Utc::now() - TimeDelta::days(400), kind, user)),
            "expired_token",
            "Token has expired",
            INVALID,
        ),
        (
            "not yet valid",
            bearer(with("nbf", json!(now + 60))),
            invalid,
            "The token is not yet valid (nbf)",
            INVALID,
        ),
        ("the other type", bearer(other.clone()), "wrong_token_type", other_text, INVALID),
        ("an unknown type", bearer(with("type", json!("admin"))), invalid, MALFORMED, INVALID),
        ("without sub", bearer(without("sub")), invalid, "Missing claim: sub", INVALID),
        ("without exp", bearer(without("exp")), invalid, "Missing claim: exp", INVALID),
        ("without nbf", bearer(without("nbf")), invalid, "Missing claim: nbf", INVALID),
        ("without iss", bearer(without("iss")), invalid, "Missing claim: iss", INVALID),
        ("without jti", bearer(without("jti")), invalid, "Missing claim: jti", INVALID),
        ("without type", bearer(without("type")), invalid, "Missing or invalid claim: type", INVALID),
        ("jti that is no id", bearer(with("jti", json!("x"))), invalid, MALFORMED, INVALID),
        ("sub that is no id", bearer(with("sub", json!(user.username))), invalid, MALFORMED, INVALID),
        ("exp beyond all time", bearer(with("exp", json!(i64::MAX))), invalid, "Missing claim: exp", INVALID),
        ("exp as text", bearer(with("exp", json!("never"))), invalid, MALFORMED, INVALID),
        ("another issuer", bearer(with("iss", json!("flaskforms"))), invalid, ISSUER, INVALID),
        ("several issuers", bearer(with("iss", json!(["canvass", "x"]))), invalid, MALFORMED, INVALID),
    ]
}

/// The call with the header of the case.
fn with_token(call: Call, case: &Case) -> Call {
    if let Some(value) = &case.1 { call.header("authorization", value) } else { call }
}

fn assert_refused(answer: &testing::Response, (name, _, code, message, challenge): &Case) {
    assert_eq!(
        (answer.status, &answer.body["code"], &answer.body["message"], answer.header("www-authenticate")),
        (401, &json!(code), &json!(message), *challenge),
        "{name}: {}",
        answer.body
    );
    answer.assert_problem(401, code, message);
}

#[tokio::test]
async fn no_bad_token_writes_anything() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for case in bad_tokens(&test, Kind::Access, &ada) {
        assert_refused(&test.call_unlisted(write, with_token(post("/").json(json!({})), &case)).await, &case);
    }
    for case in bad_tokens(&test, Kind::Refresh, &ada) {
        assert_refused(&test.call_unlisted(revoke, with_token(post("/"), &case)).await, &case);
    }
    assert_eq!((test.count("surveys").await, test.count("revoked_tokens").await), (0, 0));
    // The cases differ from good tokens in what they are about only.
    let (access, refresh) = (claims("access", &ada), claims("refresh", &ada));
    let expected = json!({"id": ada.id, "username": "ada"});
    let answer = test.call_unlisted(write, post("/").bearer(&signed(&header(), &access, SECRET))).await;
    assert_eq!(answer.body, expected);
    let answer = test.call_unlisted(revoke, post("/").bearer(&signed(&header(), &refresh, SECRET))).await;
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn where_a_token_is_not_needed_a_bad_one_makes_its_bearer_anyone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for case in bad_tokens(&test, Kind::Access, &ada) {
        let answer = test.call_unlisted(recognize, with_token(get("/"), &case)).await;
        let (name, _, code, message, _) = case;
        assert_eq!((answer.status, answer.body), (200, json!({"code": code, "message": message})), "{name}");
    }
    assert_eq!(
        test.call_unlisted(recognize, get("/").bearer(&ada.access)).await.body,
        json!({"caller": "ada"})
    );
}

#[tokio::test]
async fn whoever_finds_nothing_because_of_a_bad_token_is_told_of_the_token() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for case in bad_tokens(&test, Kind::Access, &ada) {
        let answer = test.call_unlisted(find_nothing, with_token(get("/"), &case)).await;
        if case.2 == "missing_token" {
            answer.assert_problem(404, "not_found", "There is nothing here");
        } else {
            assert_refused(&answer, &case);
        }
        // Other failures have nothing to do with the token.
        let answer = test.call_unlisted(find_forbidden, with_token(get("/"), &case)).await;
        answer.assert_problem(403, "forbidden", "no");
    }
    let answer = test.call_unlisted(find_nothing, get("/").bearer(&ada.access)).await;
    answer.assert_problem(404, "not_found", "There is nothing here");
    // Of what only the database knows, too.
    test.db()
        .await
        .rows("INSERT INTO revoked_tokens VALUES ($1, now() + interval '1 hour')", &[&jti(&ada.access)])
        .await
        .unwrap();
    let answer = test.call_unlisted(find_nothing, get("/").bearer(&ada.access)).await;
    answer.assert_problem(401, "revoked_token", "Token has been revoked");
    test.db().await.rows("DELETE FROM revoked_tokens", &[]).await.unwrap();
    test.db().await.rows("DELETE FROM users", &[]).await.unwrap();
    let answer = test.call_unlisted(find_nothing, get("/").bearer(&ada.access)).await;
    answer.assert_problem(401, "deleted_user", "The user of this token doesn't exist");
}

#[tokio::test]
async fn a_bad_token_costs_no_connection() {
    let mut test = TestApp::new().await;
    let ada = test.user("ada").await;
    let mut unreachable = test.config();
    unreachable.database = "postgresql://nobody@%2Fnonexistent/none".parse().unwrap();
    test.app = App::new(PublicApp::new(&unreachable).unwrap(), Keys::new(&SECRET.parse().unwrap()).unwrap());
    for case in bad_tokens(&test, Kind::Access, &ada) {
        assert_refused(&test.call_unlisted(write, with_token(post("/"), &case)).await, &case);
    }
    for case in bad_tokens(&test, Kind::Refresh, &ada) {
        assert_refused(&test.call_unlisted(revoke, with_token(post("/"), &case)).await, &case);
    }
    assert_eq!(test.call_unlisted(write, post("/").bearer(&ada.access)).await.status, 503);
    assert_eq!(test.call_unlisted(revoke, post("/").bearer(&ada.refresh)).await.status, 503);
}

#[tokio::test]
async fn a_deleted_users_tokens_are_dead_even_when_the_name_is_taken_again() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    test.db().await.rows("DELETE FROM users", &[]).await.unwrap();
    test.user("ada").await;
    let answer = test.call_unlisted(write, post("/").bearer(&ada.access)).await;
    answer.assert_problem(401, "deleted_user", "The user of this token doesn't exist");
    assert_eq!(answer.header("www-authenticate"), INVALID);
    let answer = test.call_unlisted(revoke, post("/").bearer(&ada.refresh)).await;
    answer.assert_problem(401, "deleted_user", "The user of this token doesn't exist");
    assert_eq!(answer.header("www-authenticate"), INVALID);
    assert_eq!((test.count("surveys").await, test.count("revoked_tokens").await), (0, 0));
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_the_others_of_its_user_live() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let second = test.token_of(Utc::now(), Kind::Refresh, &ada);
    assert_eq!(test.call_unlisted(revoke, post("/").bearer(&ada.refresh)).await.status, 200);
    let answer = test.call_unlisted(revoke, post("/").bearer(&ada.refresh)).await;
    answer.assert_problem(401, "revoked_token", "Token has been revoked");
    assert_eq!(answer.header("www-authenticate"), INVALID);
    assert_eq!(test.call_unlisted(revoke, post("/").bearer(&second)).await.status, 200);
    assert_eq!(test.call_unlisted(write, post("/").bearer(&ada.access)).await.status, 200);
}

#[tokio::test]
async fn clocks_may_differ_by_seconds() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let now = Utc::now().timestamp();
    for (claim, moment) in [("exp", now - 1), ("nbf", now + 3)] {
        let mut claims = claims("access", &ada);
        claims[claim] = json!(moment);
        let answer = test.call_unlisted(write, post("/").bearer(&signed(&header(), &claims, SECRET))).await;
        assert_eq!(answer.status, 200, "{claim}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_renamed_users_token_acts_under_the_new_name() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    test.db().await.rows("UPDATE users SET username = 'lovelace'", &[]).await.unwrap();
    let answer = test.call_unlisted(write, post("/").bearer(&ada.access)).await;
    assert_eq!(answer.body["username"], "lovelace");
}

#[test]
fn a_token_says_who_which_kind_and_until_when() {
    let keys = Keys::new(&SECRET.parse().unwrap()).unwrap();
    let user = UserId::new();
    let before = Utc::now().timestamp();
    let mut seen = std::collections::HashSet::new();
    for (kind, name, lifetime) in [(Kind::Access, "access", 900), (Kind::Refresh, "refresh", 2_592_000)] {
        let token = keys.issue(kind, user, "Żółw").unwrap();
        assert_eq!(decoded(&token, 0), json!({"alg": "HS256", "typ": "JWT", "kid": "default"}));
        let claims = decoded(&token, 1);
        let iat = claims["iat"].as_i64().unwrap();
        assert!((before..=Utc::now().timestamp()).contains(&iat));
        let expected = json!({
            "iss": "canvass", "sub": user, "username": "Żółw", "type": name, "jti": claims["jti"],
            "iat": iat, "nbf": iat, "exp": iat + lifetime,
        });
        assert_eq!(claims, expected);
        assert!(seen.insert(claims["jti"].as_str().unwrap().parse::<uuid::Uuid>().unwrap()));
    }
}

/// An app on the database of `test`, with these keys.
async fn with_keys(test: &TestApp, keys: Value) -> TestApp {
    let row = test.db().await.row("SELECT current_database()::text AS name", &[]).await.unwrap();
    let name: String = row.get("name");
    let secret = if let Value::String(key) = keys { key } else { keys.to_string() };
    TestApp::with(|config| {
        config.database.dbname(name);
        config.jwt = JwtKeys::Here(secret.parse().unwrap());
    })
    .await
}

#[tokio::test]
async fn a_key_is_replaced_without_logging_anybody_out() {
    let before = TestApp::new().await;
    let ada = before.user("ada").await;
    // The key as it was is named `default` in a set.
    let during = with_keys(&before, json!({"signing": "k2", "default": SECRET, "k2": OTHER_SECRET})).await;
    let after = with_keys(&before, json!({"signing": "k2", "k2": OTHER_SECRET})).await;
    let new = during.token_of(Utc::now(), Kind::Access, &ada);
    assert_eq!(decoded(&new, 0)["kid"], "k2");
    // Who, by each of the three: the old token, the new one.
    for (test, old_status, new_status) in [(&before, 200, 401), (&during, 200, 200), (&after, 401, 200)] {
        let old = test.call_unlisted(write, post("/").bearer(&ada.access)).await;
        let new = test.call_unlisted(write, post("/").bearer(&new)).await;
        assert_eq!((old.status, new.status), (old_status, new_status));
        for refused in [old, new].iter().filter(|answer| answer.status != 200) {
            refused.assert_problem(401, "invalid_token", "Signature verification failed");
        }
    }
}

#[tokio::test]
async fn a_kid_is_good_with_its_own_key_only() {
    let before = TestApp::new().await;
    let ada = before.user("ada").await;
    let test = with_keys(&before, json!({"signing": "k2", "k1": SECRET, "k2": OTHER_SECRET})).await;
    for (kid, secret, status) in
        [("k1", SECRET, 200), ("k2", OTHER_SECRET, 200), ("k2", SECRET, 401), ("signing", "k2", 401)]
    {
        let header = Header { kid: Some(kid.to_owned()), ..header() };
        let token = signed(&header, &claims("access", &ada), secret);
        assert_eq!(test.call_unlisted(write, post("/").bearer(&token)).await.status, status, "{kid}");
    }
}

#[test]
fn a_key_set_that_cannot_work_is_named_but_not_shown() {
    let fault = |secret: &str| Keys::new(&secret.parse().unwrap()).err().unwrap();
    let set = |set: Value| fault(&set.to_string());
    assert_eq!(fault("sesame"), "the token key is shorter than 32 bytes");
    assert_eq!(set(json!({"signing": "k1", "k1": "sesame"})), "the token key is shorter than 32 bytes");
    assert_eq!(
        set(json!({"signing": "k1", "k1": SECRET, "k2": "sesame"})),
        "the token key is shorter than 32 bytes"
    );
    assert_eq!(set(json!({"k1": SECRET})), "the token key has no member signing");
    assert_eq!(
        set(json!({"signing": "k2", "k1": SECRET})),
        "the token key has no key with the name in signing"
    );
    assert_eq!(set(json!({"signing": 1})), "the token key is not a JSON object of texts");
    assert_eq!(fault("{"), "the token key is not a JSON object of texts");
}

/// A token with this header as it is, and a good signature.
fn with_header(header: &str, claims: &Value, secret: &str) -> String {
    let message = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), encoded(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn a_header_with_the_parsers_own_names_is_refused_without_harm_however_deep_it_is() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let claims = claims("access", &ada);
    let good = r#"{"typ":"JWT","alg":"HS256","kid":"default"}"#;
    let answer = test.call_unlisted(write, post("/").bearer(&with_header(good, &claims, SECRET))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for name in [
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
        "\\u0024serde_json::private::RawValue",
    ] {
        for levels in [0, 1, 2, 10, 30, 31, 32, 33, 127, 128, 1000, 100_000] {
            for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
                // The name inside of the levels, and the levels in its text, which the parser would read once more.
                let inside = format!(r#"{}{{"{name}":"1"}}{}"#, open.repeat(levels), close.repeat(levels));
                let text = json!(format!("{}1{}", open.repeat(levels), close.repeat(levels)));
                let around = format!(r#"{{"{name}":{text}}}"#);
                for value in [inside, around] {
                    // Where the library reads anything, a text, a list, and a struct.
                    for member in ["x", "kid", "x5c", "jwk"] {
                        let header = format!(r#"{{"typ":"JWT","alg":"HS256","{member}":{value}}}"#);
                        let token = with_header(&header, &claims, SECRET);
                        let answer = test.call_unlisted(write, post("/").bearer(&token)).await;
                        answer.assert_problem(401, "invalid_token", MALFORMED);
                    }
                }
            }
        }
        let token = with_header(&format!(r#"{{"{name}":{}}}"#, json!(good)), &claims, SECRET);
        let answer = test.call_unlisted(write, post("/").bearer(&token)).await;
        answer.assert_problem(401, "invalid_token", MALFORMED);
    }
    assert_eq!(test.count("surveys").await, 1);
    let answer = test.call_unlisted(write, post("/").bearer(&ada.access)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
