//! One typed input from the places where a client may put a parameter.

use super::{body::Body, route};
use crate::{
    Error, Result,
    values::fields::{self, FieldErrors, Given, Reading},
};
use lambda_http::{Request, RequestExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The paths of flaskForms. There, unknown names are ignored, and numbers and booleans are taken as texts and the other way
/// round; everywhere else a client that is mistaken is told so.
const FLASK_FORMS: [&str; 13] = [
    "/register",
    "/login",
    "/token/refresh",
    "/logout/access",
    "/logout/refresh",
    "/users",
    "/addsurvey",
    "/getsurveys",
    "/activesurveys",
    "/getsurveyquestions",
    "/addquestion",
    "/addreply",
    "/getsurveystats",
];

/// The parameters that flaskForms' clients send as HTTP headers.
const HEADERS: [&str; 12] = [
    "username",
    "email",
    "password",
    "name",
    "desc",
    "duedate",
    "isactive",
    "idsurvey",
    "content",
    "type",
    "idquestion",
    "id",
];

/// The parameters that are any JSON, in which a blank text is a value like another. So it is in `desc` on resource paths;
/// elsewhere in a body it counts as missing.
const DOCUMENTS: [&str; 4] = ["questions", "replyContent", "reply", "answers"];

/// The parameters that are no texts. Where a body has its JSON types, a blank text is not one of them.
const NO_TEXTS: [&str; 5] = ["isActive", "publicStats", "required", "responseLimit", "limit"];

/// Whether a request came on a path of flaskForms.
#[must_use]
pub fn is_flask_forms(request: &Request) -> bool {
    FLASK_FORMS.contains(&route(request).1)
}

/// Fill `T`, a struct of parameters, from the path, the body, the query and flaskForms' headers; the first that has the
/// name wins. Names are camelCase, and the all-lower-case spelling is accepted. Blank text counts as missing.
///
/// # Errors
/// 400 with *all* parameters that are missing, malformed or (not on the paths of flaskForms) unknown, 413 for a body over
/// the limit.
pub fn input<T: DeserializeOwned>(request: &Request) -> Result<T> {
    let flask_forms = is_flask_forms(request);
    let body = Body::read(request, flask_forms)?;
    let (filled, names) = fields::fill(&|name| find(request, &body, flask_forms, name));
    #[cfg(feature = "testing")]
    crate::testing::contract::note_parameters(request, names);
    let unknown = if flask_forms { FieldErrors::default() } else { unknown(request, &body, names) };
    filled.and_then(|input| unknown.clone().or(input)).map_err(|mut errors| {
        errors.extend(unknown);
        Error::Invalid(errors)
    })
}

/// The names in body and query that are no parameters.
fn unknown(request: &Request, body: &Body, known: &'static [&'static str]) -> FieldErrors {
    let query = request.query_string_parameters_ref();
    let query = query.into_iter().flat_map(|query| query.iter().map(|(name, _)| name));
    let mut errors = FieldErrors::default();
    for name in body.names().chain(query) {
        if !known.iter().any(|known| *known == name || known.to_ascii_lowercase() == name) {
            errors.extend(fields::unknown_name(name, known));
        }
    }
    errors
}

fn find<'a>(request: &Request, body: &'a Body, flask_forms: bool, name: &str) -> Option<Given<'a>> {
    let lower = name.to_ascii_lowercase();
    let text = |value: &str| text(value, flask_forms);
    let path = || request.path_parameters_ref()?.first(name).and_then(text);
    let body = || {
        let given = body.get(name).or_else(|| body.get(&lower))?;
        let blank = given.value.as_str().is_some_and(|text| text.trim().is_empty());
        let wrong = given.reading == Reading::Strict && NO_TEXTS.contains(&name);
        let may_be_blank = DOCUMENTS.contains(&name) || name == "desc" && !flask_forms;
        (!blank || wrong || may_be_blank).then_some(given)
    };
    let query = || {
        let query = request.query_string_parameters_ref()?;
        query.first(name).or_else(|| query.first(&lower)).and_then(text)
    };
    let header = || {
        // A repeated header is one list (RFC 9110, section 5.3).
        let values = request.headers().get_all(HEADERS.into_iter().find(|header| *header == lower)?);
        let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        text(&values.join(","))
    };
    path().or_else(body).or_else(query).or_else(header)
}

/// A parameter that came as text.
fn text<'a>(value: &str, flask_forms: bool) -> Option<Given<'a>> {
    let value = (!value.trim().is_empty()).then(|| Value::String(value.to_owned()))?;
    Some(Given::new(value, if flask_forms { Reading::Lenient } else { Reading::Text }))
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::FLASK_FORMS;
    use crate::testing::contract::operations;
    use std::collections::BTreeSet;

    #[test]
    fn the_paths_of_flaskforms_are_those_that_the_contract_reads_leniently() {
        let of_flask_forms = |(_, path, operation): &(String, String, serde_json::Value)| {
            let is_kept = operation["tags"].as_array().unwrap().iter().any(|tag| tag == "flaskForms");
            is_kept
                || operation["x-function"] == "users"
                || operation["tags"][0] == "Accounts" && path != "/health"
        };
        let contract: BTreeSet<_> =
            operations().into_iter().filter(of_flask_forms).map(|(_, path, _)| path).collect();
        assert_eq!(contract, FLASK_FORMS.iter().map(|path| (*path).to_owned()).collect());
    }
}
