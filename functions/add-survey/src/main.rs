//! `POST /surveys`, `POST /addsurvey` (access token): add a survey, with its questions, owned by the caller.

use serde::Deserialize;
use serde_json::json;
use shared::{
    App, Request, Response, Result, http,
    rules::Definitions,
    surveys::{self, Description, Name, NewSurvey, ResponseLimit, Visibility},
    values::{Flag, Moment},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(add_survey)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    name: Name,
    due_date: Moment,
    desc: Option<Description>,
    is_active: Option<Flag>,
    opens_at: Option<Moment>,
    visibility: Option<Visibility>,
    public_stats: Option<Flag>,
    response_limit: Option<ResponseLimit>,
    questions: Option<Definitions>,
}

async fn add_survey(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let input: Input = http::input(&request)?;
    let description = input.desc.as_ref().map_or("", Description::as_str);
    let placeholder = description.trim().is_empty() && http::is_flask_forms(&request);
    let survey = NewSurvey {
        name: input.name,
        description: if placeholder { "Add description!" } else { description }.to_owned(),
        is_active: input.is_active.is_none_or(|flag| flag.0),
        opens: input.opens_at,
        due: input.due_date,
        visibility: input.visibility.unwrap_or(Visibility::Public),
        public_stats: input.public_stats.is_some_and(|flag| flag.0),
        response_limit: input.response_limit,
        questions: input.questions.unwrap_or_default().0,
    };
    let id = surveys::insert(&mut db, &caller, &survey).await?;
    http::created(&json!({ "message": format!("Survey {} was created", survey.name.as_str()), "id": id }))
}
