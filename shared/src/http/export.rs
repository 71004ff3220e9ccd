//! Responses as files: JSON, lines of JSON, or CSV.

use super::{Request, Response, with_body};
use crate::{
    Error, Result,
    error::Code,
    responses::{Order, Position, ResponsePage, StoredResponse},
    values::{Limit, QuestionId, SurveyId, text::text},
};
use chrono::SecondsFormat;
use lambda_http::http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object: `{responses, next?}`.
    Json,
    /// One response a line.
    Ndjson,
    /// RFC 4180, with a header line on the first page; a column for each question, in the order they were made.
    Csv,
}

impl Format {
    /// What the header `Accept` asks for, or JSON.
    #[must_use]
    pub fn accepted(request: &Request) -> Self {
        let accept =
            request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let known = |media: &str| match media.split(';').next().unwrap_or_default().trim() {
            "text/csv" => Some(Self::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Ndjson),
            "application/json" => Some(Self::Json),
            _ => None,
        };
        accept.split(',').find_map(known).unwrap_or(Self::Json)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match text(deserializer)?.trim() {
            "json" => Ok(Self::Json),
            "ndjson" => Ok(Self::Ndjson),
            "csv" => Ok(Self::Csv),
            _ => Err(de::Error::custom("must be json, ndjson or csv")),
        }
    }
}

/// A page of responses in this format. A `Link` leads to the next page (RFC 8288), and what a browser would rather keep than
/// show has a name to keep it by (RFC 6266). `is_first` says whether nothing came before it.
///
/// # Errors
/// 409 for CSV where the survey was edited since the page before, since its columns may be others.
pub fn page(
    page: &ResponsePage,
    survey: SurveyId,
    format: Format,
    order: Order,
    limit: Limit,
    is_first: bool,
) -> Result<Response> {
    if format == Format::Csv && page.edited {
        let text = "The survey was edited during the download, and its columns may be others: begin again";
        return Err(Error::Conflict(Code::SurveyEdited, text.into()));
    }
    let (content_type, body) = match format {
        Format::Json => {
            #[derive(Serialize)]
            struct Body<'a> {
                responses: &'a [StoredResponse],
                #[serde(skip_serializing_if = "Option::is_none")]
                next: Option<Position>,
            }
            let body = Body { responses: &page.responses, next: page.next };
            ("application/json", serde_json::to_string(&body).map_err(Error::internal)?)
        }
        Format::Ndjson => {
            let lines = page.responses.iter().map(|response| Ok(serde_json::to_string(response)? + "\n"));
            let body: Result<String, _> = lines.collect();
            ("application/x-ndjson", body.map_err(|error: serde_json::Error| Error::internal(error))?)
        }
        Format::Csv => {
            let content_type = if is_first {
                "text/csv; charset=utf-8; header=present"
            } else {
                "text/csv; charset=utf-8; header=absent"
            };
            (content_type, csv(&page.responses, &page.questions, is_first)?)
        }
    };
    let mut response = with_body(StatusCode::OK, content_type, body);
    let mut header = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    };
    let name = format.name();
    if format != Format::Json {
        header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"responses-{survey}.{name}\""));
    }
    if let Some(next) = page.next {
        let order = if order == Order::Descending { "&order=desc" } else { "" };
        let limit = limit.rows();
        header(header::LINK, format!("<?format={name}&limit={limit}{order}&after={next}>; rel=\"next\""));
    }
    Ok(response)
}

fn csv(responses: &[StoredResponse], columns: &[QuestionId], header: bool) -> Result<String> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if header {
        let fixed = ["id", "createdAt", "single"].map(str::to_owned).into_iter();
        writer.write_record(fixed.chain(columns.iter().map(ToString::to_string))).map_err(Error::internal)?;
    }
    for response in responses {
        let fixed = [
            response.id.to_string(),
            response.created_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            response.single.to_string(),
        ]
        .map(Cow::Owned);
        let answers = columns.iter().map(|question| response.answers.get(question));
        let cells = answers.map(|json| json.map_or(Cow::Borrowed(""), |json| cell(json.get())));
        for field in fixed.into_iter().chain(cells) {
            writer.write_field(&*field).map_err(Error::internal)?;
        }
        writer.write_record(None::<&[u8]>).map_err(Error::internal)?;
    }
    String::from_utf8(writer.into_inner().map_err(|e| Error::internal(e.to_string()))?)
        .map_err(Error::internal)
}

/// How a formula begins.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// An answer as a cell: texts as they are, everything else as JSON. A text that a spreadsheet would take for a formula, be it
/// in full-width characters, gets an apostrophe (OWASP, "CSV Injection").
fn cell(json: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    match serde_json::from_str(json) {
        Ok(Text(text)) if text.starts_with(FORMULA) => Cow::Owned(format!("'{text}")),
        Ok(Text(text)) => text,
        Err(_) if json == "null" => Cow::Borrowed(""),
        Err(_) => Cow::Borrowed(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_formula_is_disarmed_and_a_number_is_left_alone() {
        for (answer, written) in [
            (json!("=1+1"), "'=1+1"),
            (json!("@SUM(A1)"), "'@SUM(A1)"),
            (json!("-5"), "'-5"),
            (json!("＝1+1"), "'＝1+1"),
            (json!("＠SUM(A1)"), "'＠SUM(A1)"),
            (json!(-5), "-5"),
            (json!("1-5"), "1-5"),
            (json!(["a", "b"]), r#"["a","b"]"#),
            (json!(true), "true"),
            (json!(null), ""),
        ] {
            assert_eq!(cell(&answer.to_string()), written);
        }
    }
}
