//! Who may do what, for every operation of the contract: what is asked of the caller there is what is tried here, and an
//! operation that is added there is covered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod client;
mod contract;
mod pets;
mod tokens;

use client::{Answer, Client, Request, setting};
use contract::{Operation, Security};
use jsonwebtoken::Algorithm;
use pets::{Pets, User};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};
use uuid::Uuid;

/// What all tests here share. Nobody changes any of it.
struct World {
    api: Client,
    ada: User,
    stranger: User,
    /// Tokens that were good before they were revoked.
    logged_out: User,
    /// Somebody whose account was deleted.
    deleted: User,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let api = Client::new();
    let deleted = User::register(&api, "deleted");
    let everybody = Request::new("DELETE", "/users").bearer(&setting("DEBUGGING_KEY"));
    assert_eq!(api.send(&everybody).status, 200, "these tests need an API of stage dev");
    let ada = User::register(&api, "ada");
    let logged_out = ada.login(&api);
    for (path, token) in [("/logout/access", &logged_out.access), ("/logout/refresh", &logged_out.refresh)] {
        assert_eq!(api.send(&Request::new("POST", path).bearer(token)).status, 200);
    }
    let stranger = User::register(&api, "stranger");
    World { api, ada, stranger, logged_out, deleted }
});

/// An `Authorization` that is no good, and the code that says why.
struct Bad {
    what: &'static str,
    header: String,
    code: &'static str,
}

/// Everything that doesn't prove who is calling, by the scheme of the contract.
fn bad(scheme: &str) -> Vec<Bad> {
    let one = |what, header: String, code| Bad { what, header, code };
    let invalid = |what, header: String| one(what, header, "invalid_token");
    let world = &*WORLD;
    let good = world.ada.proof(scheme);
    let mut all = vec![
        invalid("nothing but the word", "Bearer".to_owned()),
        invalid("an empty token", "Bearer ".to_owned()),
        invalid("garbage", "Bearer garbage".to_owned()),
        invalid("three parts of garbage", "Bearer a.b.c".to_owned()),
        invalid("another scheme", format!("Basic {good}")),
        invalid("no scheme", good.clone()),
        invalid("two tokens", format!("Bearer {good} {good}")),
        invalid("a token and something behind it", format!("Bearer {good}x")),
        invalid("the beginning of a token", format!("Bearer {}", &good[..good.len() - 1])),
    ];
    let bearer = |token: String| format!("Bearer {token}");
    let other_kind = match scheme {
        "accessToken" => &world.ada.refresh,
        "refreshToken" => &world.ada.access,
        _ => {
            all.push(invalid("an access token", bearer(world.ada.access.clone())));
            all.push(invalid("the key in other letters", bearer(good.to_uppercase())));
            return all;
        }
    };

    let key = setting("JWT_SECRET_KEY");
    let (header, claims) = (tokens::header(&good), tokens::claims(&good));
    let issued = claims["iat"].as_i64().unwrap();
    let changed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        bearer(tokens::signed(&header, &claims, &key))
    };
    let headed = |kid: Option<&str>, algorithm| {
        let header =
            jsonwebtoken::Header { kid: kid.map(str::to_owned), ..jsonwebtoken::Header::new(algorithm) };
        bearer(tokens::signed(&header, &claims, &key))
    };
    let kid = header.kid.clone();
    let unsigned = |algorithm: &str, signature: &str| {
        let header = json!({ "typ": "JWT", "alg": algorithm, "kid": kid });
        bearer(tokens::assembled(&header, &claims, signature))
    };
    let signature = good.rsplit('.').next().unwrap();
    let somebody_elses = {
        let mut claims = claims.clone();
        claims["sub"] = tokens::claims(&world.stranger.access)["sub"].clone();
        bearer(tokens::assembled(&serde_json::to_value(&header).unwrap(), &claims, signature))
    };
    all.extend([
        invalid(
            "another key's signature",
            bearer(tokens::signed(&header, &claims, "the key of somebody else, 32 bytes")),
        ),
        invalid("an empty key's signature", bearer(tokens::signed(&header, &claims, ""))),
        invalid("another user's name under the signature", somebody_elses),
        invalid("no signature, alg none", unsigned("none", "")),
        invalid("no signature, alg None", unsigned("None", "")),
        invalid("a signature, alg none", unsigned("none", signature)),
        invalid("no signature, alg HS256", unsigned("HS256", "")),
        invalid("an algorithm that nobody knows", unsigned("HS1", signature)),
        invalid("an algorithm of key pairs", unsigned("RS256", signature)),
        invalid("HS384", headed(kid.as_deref(), Algorithm::HS384)),
        invalid("HS512", headed(kid.as_deref(), Algorithm::HS512)),
        invalid("an unknown kid", headed(Some("nobody's"), Algorithm::HS256)),
        invalid("no kid", headed(None, Algorithm::HS256)),
        one("expired", changed("exp", json!(issued - 60)), "expired_token"),
        invalid("not yet valid", changed("nbf", json!(issued + 600))),
        invalid("another issuer", changed("iss", json!("flaskForms"))),
        invalid("several issuers", changed("iss", json!(["canvass", "flaskForms"]))),
        invalid("no issuer", changed("iss", Value::Null)),
        invalid("no end", changed("exp", Value::Null)),
        invalid("no user", changed("sub", Value::Null)),
        invalid("a user that is no id", changed("sub", json!("ada"))),
        invalid("no id", changed("jti", Value::Null)),
        invalid("no type", changed("type", Value::Null)),
        invalid("a type that nobody knows", changed("type", json!("admin"))),
        one("the other kind", bearer(other_kind.clone()), "wrong_token_type"),
        one("revoked", bearer(world.logged_out.proof(scheme)), "revoked_token"),
        one("a deleted user's", bearer(world.deleted.proof(scheme)), "deleted_user"),
        one("a user's who never was", changed("sub", json!(Uuid::now_v7())), "deleted_user"),
    ]);
    all
}

/// What went wrong, all of it at once.
#[derive(Default)]
struct Report(String);

impl Report {
    fn expect(&mut self, right: bool, operation: &Operation, what: &str, answer: &Answer) {
        if !right {
            let Answer { status, body, .. } = answer;
            writeln!(self.0, "{}, {what}: {status} {body:.300}", operation.name()).unwrap();
        }
    }

    /// The answer is this failure.
    fn expect_failure(
        &mut self,
        status: u16,
        code: &str,
        operation: &Operation,
        what: &str,
        answer: &Answer,
    ) {
        let right = answer.status == status && answer.body["code"] == code;
        self.expect(right, operation, &format!("{what}, is not {status} {code}"), answer);
    }

    /// The answer is a 401 that says how to prove who is calling.
    fn expect_refusal(&mut self, code: &str, operation: &Operation, what: &str, answer: &Answer) {
        self.expect_failure(401, code, operation, what, answer);
        let error = if code == "missing_token" { "" } else { ", error=\"invalid_token\"" };
        let challenge = format!("Bearer realm=\"canvass\"{error}");
        let right = answer.header("www-authenticate") == challenge;
        self.expect(right, operation, &format!("{what}, is not challenged with {challenge}"), answer);
    }

    fn check(self) {
        assert!(self.0.is_empty(), "{}", self.0);
    }
}

/// The request of an operation about a survey, with the first of its examples.
fn request(pets: &Pets, operation: &Operation) -> Request {
    pets.requests(operation).swap_remove(0)
}

/// The parameters of an operation that are ids.
fn ids(operation: &Operation) -> Vec<&'static str> {
    let parameters = operation.parameters().into_iter();
    let ids = parameters
        .filter(|parameter| parameter["example"].as_str().is_some_and(|e| Uuid::try_parse(e).is_ok()));
    ids.map(|parameter| contract::text(&parameter["name"])).collect()
}

/// The operations that are about something of somebody's.
fn with_ids() -> impl Iterator<Item = Operation> {
    Operation::all().filter(|operation| {
        let ids = !ids(operation).is_empty();
        let mut bodies = operation.request_examples().into_iter().map(Value::to_string);
        let in_body = bodies.any(|body| body.split('"').any(|text| Uuid::try_parse(text).is_ok()));
        assert!(
            ids || !in_body,
            "{}: only its body has ids; say here how to name something of somebody else's in it, and nothing",
            operation.name()
        );
        ids
    })
}

/// A survey of ada's, what is told of it, and that it stays as it was until the end.
struct Untouched<'a> {
    pets: Pets,
    before: Vec<Value>,
    world: &'a World,
}

impl<'a> Untouched<'a> {
    fn new(world: &'a World, different: Value) -> Self {
        let pets = Pets::new(&world.api, &world.ada, different);
        let before = pets.seen(&world.api);
        Self { pets, before, world }
    }

    fn check(&self) {
        assert_eq!(self.pets.seen(&self.world.api), self.before, "somebody changed the survey");
    }
}

#[test]
fn without_a_token_the_answer_says_that_one_is_needed() {
    let world = &*WORLD;
    let survey = Untouched::new(world, json!({}));
    let mut report = Report::default();
    for operation in Operation::all() {
        if let Security::Required(_) = operation.security() {
            let answer = world.api.send(&request(&survey.pets, &operation));
            report.expect_refusal("missing_token", &operation, "without a token", &answer);
        }
    }
    report.check();
    survey.check();
}

#[test]
fn a_token_that_is_no_good_gets_nobody_in() {
    let world = &*WORLD;
    let survey = Untouched::new(world, json!({}));
    let mut report = Report::default();
    for operation in Operation::all() {
        let Security::Required(scheme) = operation.security() else { continue };
        for Bad { what, header, code } in bad(scheme) {
            let request = request(&survey.pets, &operation).header("Authorization", &header);
            report.expect_refusal(code, &operation, what, &world.api.send(&request));
        }
    }
    report.check();
    survey.check();
}

#[test]
fn what_anyone_may_see_is_seen_with_a_token_that_is_no_good_and_what_is_not_there_is_a_401() {
    let world = &*WORLD;
    let open = Untouched::new(world, json!({}));
    let mut report = Report::default();
    for operation in Operation::all() {
        let Security::Optional(scheme) = operation.security() else { continue };
        let anyones = world.api.send(&request(&open.pets, &operation));
        report.expect(anyones.status == 200, &operation, "without a token, is not 200", &anyones);
        for Bad { what, header, code } in bad(scheme) {
            let seen = world.api.send(&request(&open.pets, &operation).header("Authorization", &header));
            report.expect(same(&seen, &anyones), &operation, &format!("{what}, sees something else"), &seen);
            let nowhere = request(&open.pets.nowhere(), &operation).header("Authorization", &header);
            report.expect_refusal(code, &operation, what, &world.api.send(&nowhere));
        }
    }
    report.check();
    open.check();
}

#[test]
fn where_no_token_is_asked_for_none_matters() {
    let world = &*WORLD;
    let mut report = Report::default();
    for operation in Operation::all().filter(|operation| operation.security() == Security::Nothing) {
        let pets = Pets::new(&world.api, &world.ada, json!({}));
        let anyones = world.api.send(&request(&pets, &operation));
        report.expect(anyones.status < 300 || operation.id == "register", &operation, "without", &anyones);
        let good =
            Bad { what: "a good token", header: format!("Bearer {}", world.stranger.access), code: "" };
        let some = ["garbage", "expired", "revoked"];
        let bad = bad("accessToken").into_iter().filter(|bad| some.contains(&bad.what));
        for Bad { what, header, .. } in bad.chain([good]) {
            let answer = world.api.send(&request(&pets, &operation).header("Authorization", &header));
            let what = format!("{what}, is not {} as without", anyones.status);
            report.expect(answer.status == anyones.status, &operation, &what, &answer);
        }
    }
    report.check();
}

#[test]
fn of_somebody_elses_survey_a_stranger_sees_what_anyone_sees_and_changes_nothing() {
    let world = &*WORLD;
    let surveys = [
        ("open", Untouched::new(world, json!({}))),
        ("with results of its owner's", Untouched::new(world, json!({ "publicStats": false }))),
        ("scheduled", Untouched::new(world, json!({ "opensAt": "2098-01-01" }))),
        ("past", Untouched::new(world, json!({ "dueDate": "2001-01-01" }))),
        ("closed", {
            let mut survey = Untouched::new(world, json!({}));
            let path = format!("/surveys/{}", survey.pets.id);
            let close = Request::new("PATCH", &path).json(&json!({ "isActive": false }));
            survey.pets.call(&world.api, close, 200);
            survey.before = survey.pets.seen(&world.api);
            survey
        }),
    ];
    let mut report = Report::default();
    for operation in with_ids() {
        for (state, survey) in &surveys {
            let request = request(&survey.pets, &operation);
            let strangers = |report: &mut Report| {
                let strangers = world.api.send(&request.clone().bearer(&world.stranger.access));
                report.expect(
                    strangers.status != 401,
                    &operation,
                    &format!("{state}, a stranger"),
                    &strangers,
                );
                strangers
            };
            match operation.security() {
                Security::Required(_) => {
                    let answer = strangers(&mut report);
                    report.expect_failure(403, "forbidden", &operation, state, &answer);
                }
                Security::Optional(_) => {
                    let (anyones, strangers) = (world.api.send(&request), strangers(&mut report));
                    let what = format!("{state}, a stranger sees something else than anyone");
                    if anyones.status == 401 {
                        report.expect_failure(403, "forbidden", &operation, &what, &strangers);
                    } else {
                        report.expect(same(&anyones, &strangers), &operation, &what, &strangers);
                    }
                }
                // Who answers a survey is counted, whoever it is; see above.
                Security::Nothing => {}
            }
        }
    }
    report.check();
    for (_, survey) in &surveys {
        survey.check();
    }
}

#[test]
fn somebody_elses_draft_is_to_all_others_as_if_it_were_not_there() {
    let world = &*WORLD;
    let draft = Untouched::new(world, json!({ "isActive": false }));
    let nowhere = draft.pets.nowhere();
    let callers = |security| match security {
        Security::Nothing => vec![("anyone", None, 404), ("a stranger", Some(&world.stranger.access), 404)],
        Security::Optional(_) => vec![
            ("anyone", None, 404),
            ("a stranger", Some(&world.stranger.access), 404),
            ("somebody who has logged out", Some(&world.logged_out.access), 401),
        ],
        Security::Required(_) => vec![
            ("anyone", None, 401),
            ("a stranger", Some(&world.stranger.access), 404),
            ("somebody who has logged out", Some(&world.logged_out.access), 401),
        ],
    };
    let mut report = Report::default();
    for operation in with_ids() {
        for (who, token, status) in callers(operation.security()) {
            let answer = |pets: &Pets| {
                let each = pets.requests(&operation).into_iter().map(|request| match token {
                    Some(token) => request.bearer(token),
                    None => request,
                });
                let answers = each.map(|request| pets.in_words_of_the_contract(&world.api.send(&request)));
                answers.collect::<Vec<_>>()
            };
            for (of_draft, of_nothing) in answer(&draft.pets).iter().zip(answer(&nowhere)) {
                let what = format!("{who}: the draft is not {status}");
                report.expect(of_draft.status == status, &operation, &what, of_draft);
                let what = format!("{who}: the draft is not answered as {of_nothing:?}, but {of_draft:?}");
                report.expect(same(of_draft, &of_nothing), &operation, &what, of_draft);
            }
        }
    }
    report.check();
    draft.check();
}

#[test]
fn what_is_not_there_is_a_404_and_what_is_no_id_a_400() {
    /// None of them is a UUID, and each may stand in a path and in a header.
    const NO_IDS: [&str; 9] = [
        "1",
        "0",
        "-1",
        "null",
        "no-id",
        "01a20ce4-f020-70c6-a6a3-a4506513270",
        "01a20ce4-f020-70c6-a6a3-a4506513270ee",
        "01a20ce4-f020-70c6-a6a3-a4506513270g",
        "%27%20OR%20%271%27=%271",
    ];
    let world = &*WORLD;
    let survey = Untouched::new(world, json!({}));
    let others = Pets::new(&world.api, &world.ada, json!({}));
    let mut report = Report::default();
    for operation in with_ids() {
        let send = |pets: &Pets| {
            let request = request(pets, &operation);
            world.api.send(&match operation.security() {
                Security::Nothing => request,
                Security::Optional(scheme) | Security::Required(scheme) => {
                    request.bearer(&world.ada.proof(scheme))
                }
            })
        };
        for name in ids(&operation) {
            // The id of a response that is put is of the sender's making, and is known afterwards.
            if (operation.id, name) != ("putResponse", "idResponse") {
                let unknown = survey.pets.with(&operation, name, &Uuid::now_v7().to_string());
                let what = format!("an unknown {name}");
                report.expect_failure(404, "not_found", &operation, &what, &send(&unknown));
                // Of two ids, one of another survey.
                let two = operation.path.matches("{id").count() > 1;
                if let (true, Security::Required(_)) = (two, operation.security()) {
                    let mixed = survey.pets.with(&operation, name, &others.real(&operation, name));
                    let what = format!("the {name} of another survey");
                    report.expect_failure(404, "not_found", &operation, &what, &send(&mixed));
                }
            }
            for no_id in NO_IDS {
                let answer = send(&survey.pets.with(&operation, name, no_id));
                report.expect_failure(400, "invalid_input", &operation, &format!("{name}: {no_id}"), &answer);
                let named = answer.body["errors"].get(name).is_some();
                report.expect(named, &operation, &format!("{name}: {no_id} is not named"), &answer);
            }
        }
    }
    report.check();
    survey.check();
}

/// Whether two answers are alike in whatever depends on what was asked.
fn same(one: &Answer, other: &Answer) -> bool {
    let headers = |answer: &Answer| {
        let mut headers: BTreeMap<_, _> = answer.headers.clone();
        headers.retain(|name, _| !["date", "content-length"].contains(&name.as_str()));
        headers
    };
    (one.status, headers(one), &one.body) == (other.status, headers(other), &other.body)
}
