//! The parameters of a request. A seed is written like a request of HTTP: path and query, headers, an empty line, the body.

#![no_main]

use lambda_http::{Body, Request, RequestExt, http};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;
use shared::{
    Response,
    http::{input, problem},
    responses::{AnswerValue, Answers},
    rules::Definitions,
    surveys::{Description, Name, ResponseLimit, Visibility},
    values::{Change, Cursor, Flag, Limit, Moment, QuestionId, SurveyId},
};
use std::collections::{BTreeMap, HashMap};

/// Parameters of every kind that an endpoint has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only whether it can be filled is of interest")]
struct Input {
    id_survey: SurveyId,
    name: Name,
    desc: Change<Description>,
    is_active: Option<Flag>,
    opens_at: Change<Moment>,
    due_date: Option<Moment>,
    visibility: Option<Visibility>,
    response_limit: Change<ResponseLimit>,
    questions: Option<Definitions>,
    order: Option<Vec<QuestionId>>,
    reply: Option<AnswerValue>,
    answers: Option<Answers>,
    reply_content: Change<Value>,
    limit: Option<Limit>,
    after: Option<Cursor>,
}

/// What clients are told.
#[derive(Deserialize)]
struct Problem {
    message: String,
    code: String,
    errors: Option<BTreeMap<String, String>>,
}

fuzz_target!(|text: &str| {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut head = head.lines();
    let (path, query) = head.next().and_then(|line| line.split_once('?')).unwrap_or_default();
    let headers: Vec<_> = head.filter_map(|line| line.split_once(": ")).collect();
    let Some(sent) = request(path, query, &headers, body) else { return };

    match input::<Input>(&sent) {
        // What the resource path takes, the path of flaskForms takes as well: it is the more lenient.
        Ok(_) => {
            let lenient = request("/addsurvey", query, &headers, body);
            assert!(
                lenient.is_some_and(|request| input::<Input>(&request).is_ok()),
                "taken strictly, refused leniently"
            );
        }
        Err(error) => {
            let status = problem::status(&error);
            assert!(matches!(status.as_u16(), 400 | 413), "{status}: {error}");
            let problem = Response::from(&error);
            let problem: Problem =
                serde_json::from_slice(problem.body()).expect("the body is a problem document");
            assert!(!problem.message.is_empty() && !problem.code.is_empty());
            assert!(problem.errors.is_none_or(|errors| !errors.is_empty()), "refused without a reason");
        }
    }
});

fn request(path: &str, query: &str, headers: &[(&str, &str)], body: &str) -> Option<Request> {
    let mut request = http::Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, value.as_bytes());
    }
    let mut parameters = HashMap::<String, Vec<String>>::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    Some(request.body(Body::from(body)).ok()?.with_query_string_parameters(parameters))
}
