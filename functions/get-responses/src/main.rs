//! `GET /surveys/{idSurvey}/responses` (the survey's owner): the responses, page by page, as JSON, lines of JSON or CSV.

use serde::Deserialize;
use shared::{
    App, Request, Response, Result,
    http::{
        self,
        export::{self, Format},
    },
    responses::{self, Order, Position},
    values::{Limit, SurveyId},
};

#[cfg(test)]
mod tests;

fn main() -> Result<(), shared::BoxError> {
    shared::serve(get_responses)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id_survey: SurveyId,
    format: Option<Format>,
    order: Option<Order>,
    limit: Option<Limit>,
    after: Option<Position>,
}

async fn get_responses(app: App, request: Request) -> Result<Response> {
    let (mut db, caller) = app.authenticated(&request).await?;
    let Input { id_survey, format, order, limit, after } = http::input(&request)?;
    let format = format.unwrap_or_else(|| Format::accepted(&request));
    let (order, limit) = (order.unwrap_or_default(), limit.unwrap_or_default());
    let page = responses::page(&mut db, &caller, id_survey, order, limit, after).await?;
    export::page(&page, id_survey, format, order, limit, after.is_none())
}
