//! Results of a survey: exact, and at the same cost whatever the number of responses.
//!
//! Numbers come from the counters, least and greatest values from an index, and answers are shown only when they are asked for,
//! and only as many as fit.

use crate::{
    Error, Result,
    accounts::Viewer,
    db::{Db, step},
    questions::counters::{Counters, SURVEY_COUNTERS, slots},
    rules::{Range, Rules},
    surveys::ownership,
    values::{QuestionId, SurveyId},
};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Display, Formatter},
};
use tokio_postgres::{Row, types::Json};

/// The newest answers that the results of one question show.
const NEWEST: usize = 1000;

/// Bytes of answers that the results of one survey show. A Lambda function may answer with 6 MB, in which the body is a
/// text once more: every quote is escaped, at worst every byte. Questions and counts may need 2 MiB of it so counted.
const SHOWN: i64 = 1024 * 1024;

/// Days that the results of one survey show, the newest of each question. Of everything else there are never too many.
const DAYS: i64 = 50_000;

/// The results of one question.
#[derive(Debug, Serialize)]
pub struct Stats {
    id: QuestionId,
    r#type: String,
    votes: i64,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Vec<Box<RawValue>>>,
    /// What the replies add up to, by type; nothing for texts and for the client's own types.
    summary: Value,
}

/// What changes with the results: the version of the survey, how often a response was stored or deleted, and whether answers
/// are shown.
#[derive(Debug)]
pub struct Tag(i32, i64, bool);

impl Display for Tag {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(version, changes, with_answers) = self;
        write!(f, "{version}-{changes}{}", if *with_answers { "-answers" } else { "" })
    }
}

/// The [`Tag`] of a survey's results, for whoever may read them.
pub async fn tag(db: &mut Db, viewer: &Viewer, survey: SurveyId, with_answers: bool) -> Result<Tag> {
    let row = db
        .row_opt(
            "-- results::tag
            SELECT s.is_visible OR s.owner_id = $2 AS visible, s.public_stats OR s.owner_id = $2 AS permitted,
                   coalesce(s.owner_id = $2, false) AS owned, s.version,
                   (SELECT coalesce(sum(changes), 0)::bigint FROM survey_counters WHERE survey_id = $1 AND chunk = 0) AS changes
            FROM surveys s WHERE s.id = $1",
            &[&survey, &viewer.user()],
        )
        .await?;
    let row = row.ok_or_else(|| unknown(survey))?;
    must_be_permitted(&row, viewer, survey)?;
    let shown = with_answers && row.try_get("owned")?;
    Ok(Tag(row.try_get("version")?, row.try_get("changes")?, shown))
}

/// The results of a survey, question by question: for its owner, and for anyone where the survey publishes them. All of
/// them are of one moment. Answers are the newest, oldest first, as many as fit, and for the owner alone: by their order
/// anybody could put single responses together.
pub async fn stats(
    db: &mut Db,
    viewer: &Viewer,
    survey: SurveyId,
    with_answers: bool,
) -> Result<(Vec<Stats>, Tag)> {
    let (reader, shown) = (viewer.user(), if with_answers { SHOWN } else { 0 });
    let [questions, survey_counters, question_counters, ranges, responses] = db
        .snapshot([
            step(
                "-- results::questions
                SELECT s.version, s.is_visible OR s.owner_id = $2 AS visible, s.public_stats OR s.owner_id = $2 AS permitted,
                       coalesce(s.owner_id = $2, false) AS owned, q.id, q.number, q.type, q.content, q.reply_content, q.slots
                FROM surveys s LEFT JOIN questions q ON q.survey_id = s.id
                WHERE s.id = $1
                ORDER BY q.position",
                &[&survey, &reader],
            ),
            step(SURVEY_COUNTERS, &[&survey]),
            step(
                "-- results::question_counters
                WITH first_days AS MATERIALIZED (
                    -- Of the newest days, each of them whole. One whose answers were all deleted takes no place.
                    SELECT q.id AS question_id, (
                        SELECT part FROM question_counters WHERE question_id = q.id AND kind = 'day'
                        GROUP BY part HAVING sum(n) > 0
                        ORDER BY part DESC OFFSET $2 / s.question_count LIMIT 1
                    ) AS part
                    FROM surveys s JOIN questions q ON q.survey_id = s.id
                    WHERE s.id = $1 AND q.type IN ('date', 'datetime')
                )
                SELECT c.question_id, concat_ws(' ', c.kind, nullif(c.part, '')) AS name, sum(c.n)::bigint AS n,
                       sum(c.total) AS total
                FROM questions q JOIN question_counters c ON c.question_id = q.id LEFT JOIN first_days d ON d.question_id = q.id
                WHERE q.survey_id = $1 AND (c.kind <> 'day' OR c.part > coalesce(d.part, ''))
                GROUP BY c.question_id, c.kind, c.part",
                &[&survey, &DAYS],
            ),
            step(
                "-- results::ranges
                SELECT id, (SELECT value FROM measures WHERE question_id = q.id ORDER BY value LIMIT 1) AS least,
                       (SELECT value FROM measures WHERE question_id = q.id ORDER BY value DESC LIMIT 1) AS greatest
                FROM questions q WHERE survey_id = $1 AND type IN ('number', 'date', 'time', 'datetime')",
                &[&survey],
            ),
            step(
                // Each single answer is a response of its own.
                "-- results::answers
                SELECT answers FROM (
                    SELECT answers, xid, id, sum(bytes) OVER (ORDER BY xid DESC, id DESC) AS bytes FROM (
                        SELECT answers, bytes, xid, id FROM responses
                        WHERE survey_id = (SELECT id FROM surveys WHERE id = $1 AND owner_id = $2 AND $3 > 0)
                          AND deleted_at IS NULL
                        ORDER BY xid DESC, id DESC LIMIT (
                            SELECT 1000 * CASE WHEN most_singles > 0 THEN least(question_count, 20) ELSE 1 END
                            FROM surveys s JOIN survey_counters c ON c.survey_id = s.id AND chunk = 0 AND shard = 0
                            WHERE s.id = $1
                        )
                    ) AS newest
                ) AS measured
                WHERE bytes <= $3
                ORDER BY xid, id",
                &[&survey, &reader, &shown],
            ),
        ])
        .await?;
    let first = questions.first().ok_or_else(|| unknown(survey))?;
    must_be_permitted(first, viewer, survey)?;
    let mut counters = Counters::read(&survey_counters, &question_counters)?;
    let ranges = ranges.iter().map(|row| Ok((row.try_get("id")?, range(row)?)));
    let ranges: HashMap<QuestionId, Range> = ranges.collect::<Result<_>>()?;
    let mut answers = newest(&responses)?;
    let mut stats = Vec::with_capacity(questions.len());
    for row in &questions {
        let Some(id) = row.try_get("id")? else { break };
        let r#type: String = row.try_get("type")?;
        let rules = Rules::of_stored(&r#type, row.try_get::<_, Option<Value>>("reply_content")?.as_ref());
        let counts = counters.of(id, slots(row)?);
        let number: i32 = row.try_get("number")?;
        stats.push(Stats {
            id,
            r#type,
            votes: counts.votes(),
            content: row.try_get("content")?,
            answers: with_answers.then(|| answers.remove(&number).unwrap_or_default()),
            summary: rules.summary(&counts, ranges.get(&id).copied().unwrap_or_default()),
        });
    }
    let shown = with_answers && first.try_get("owned")?;
    Ok((stats, Tag(first.try_get("version")?, counters.changes, shown)))
}

fn must_be_permitted(row: &Row, viewer: &Viewer, survey: SurveyId) -> Result<()> {
    if !row.try_get::<_, Option<bool>>("visible")?.unwrap_or(false) {
        return Err(unknown(survey));
    }
    if row.try_get::<_, Option<bool>>("permitted")?.unwrap_or(false) {
        return Ok(());
    }
    Err(match viewer {
        Viewer::Caller(caller) => ownership::not_permitted(caller),
        Viewer::Anyone(code, text) => Error::Unauthenticated(*code, text.clone()),
    })
}

fn range(row: &Row) -> Result<Range> {
    Ok(Range { least: row.try_get("least")?, greatest: row.try_get("greatest")? })
}

/// The newest answers of each question, by its number.
fn newest(responses: &[Row]) -> Result<BTreeMap<i32, Vec<Box<RawValue>>>> {
    let mut all = BTreeMap::<i32, Vec<&RawValue>>::new();
    for row in responses {
        let Json(answers): Json<BTreeMap<i32, &RawValue>> = row.try_get("answers")?;
        for (number, answer) in answers {
            all.entry(number).or_default().push(answer);
        }
    }
    let newest = |answers: Vec<&RawValue>| {
        let older = answers.len().saturating_sub(NEWEST);
        answers.into_iter().skip(older).map(ToOwned::to_owned).collect()
    };
    Ok(all.into_iter().map(|(number, answers)| (number, newest(answers))).collect())
}

fn unknown(survey: SurveyId) -> Error {
    Error::NotFound(format!("Survey {survey} doesn't exist").into())
}
