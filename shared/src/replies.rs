//! Single replies, as flaskForms takes them: one question at a time.

use crate::{
    Error, Result,
    db::Db,
    responses::{self, Answer, Openness, Stored},
    rules::{Fault, Rules},
};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Bytes of JSON in a reply.
const MAX_REPLY: usize = 64 * 1024;

/// Any JSON, stored as sent: up to 64 KiB.
#[derive(Clone, Debug)]
pub struct Reply(pub(crate) Value);

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        if json.to_string().len() > MAX_REPLY {
            return Err(de::Error::custom("may have at most 64 KiB of JSON"));
        }
        Ok(Self(json))
    }
}

/// Store a reply, if the question's survey takes replies at this moment and the reply keeps the question's rules.
///
/// A question of the client's own type has no rules, and its reply is stored by the statement that finds it. For a typed
/// question that statement brings the rules, and a second one stores what was checked.
pub async fn insert(db: &Db, question: Uuid, reply: &Reply) -> Result<Uuid> {
    for _ in 0..responses::ATTEMPTS {
        let id = Uuid::now_v7();
        let custom = Answer::new(question, reply.0.clone(), None, Rules::Custom.tallies(&reply.0, true));
        let bytes = custom.bytes();
        let row = db
            .row_opt(
                "-- replies::insert
                WITH target AS (
                    SELECT q.id AS question_id, q.type, q.reply_content, s.id AS survey_id, s.version,
                           is_open(s) AS open, s.opens_at > now() AS early
                    FROM questions q JOIN surveys s ON s.id = q.survey_id
                    WHERE q.id = $1
                    -- Of an edit that it waited for, a weaker lock would see the survey's new version and the question's old
                    -- rules.
                    FOR KEY SHARE OF s FOR SHARE OF q
                ), custom AS (
                    SELECT question_id, survey_id FROM target WHERE open AND type <> ALL ($2)
                ), response AS (
                    INSERT INTO responses (id, survey_id, single, bytes) SELECT $3, survey_id, true, $6 FROM custom
                ), reply AS (
                    INSERT INTO replies (id, response_id, question_id, reply) SELECT $3, $3, question_id, $4 FROM custom
                ), counted AS (
                    INSERT INTO question_counters AS c (question_id, kind, part, shard, n, total)
                    SELECT question_id, 'single', '', $5, 1, 0 FROM custom
                    ON CONFLICT (question_id, kind, part, shard) DO UPDATE SET n = c.n + 1
                )
                SELECT *, EXISTS (SELECT FROM custom) AS stored FROM target",
                &[&question, &Rules::TYPES.to_vec(), &id, &reply.0, &responses::shard(), &bytes],
            )
            .await?
            .ok_or(Error::NotFound("Question doesn't exist".into()))?;
        if row.try_get("stored")? {
            return Ok(id);
        }
        Openness::try_from(&row)?.required()?;
        let r#type: String = row.try_get("type")?;
        let rules = Rules::parse(&r#type, row.try_get::<_, Option<Value>>("reply_content")?.as_ref());
        let rules = rules.map_err(Error::internal)?;
        let place = if rules.is_blank(&reply.0) { Err(Fault::required()) } else { rules.check(&reply.0) };
        let place =
            place.map_err(|fault| Error::Rejected(BTreeMap::from([(question.to_string(), fault)])))?;
        let answer = Answer::new(question, reply.0.clone(), place, rules.tallies(&reply.0, true));
        let single = responses::New {
            id,
            survey: row.try_get("survey_id")?,
            version: row.try_get("version")?,
            hash: None,
        };
        if let Stored::At(_) = responses::store(db, &single, &[answer]).await? {
            return Ok(id);
        }
    }
    Err(responses::overtaken())
}
