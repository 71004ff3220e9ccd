//! Whether the counters say what the answers say: everything counted anew, in plain SQL from the answers as they are
//! stored. It shares no code with what it checks.

use crate::Result;
use tokio_postgres::{Client, IsolationLevel};

/// Each number that is wrong, as a line of text. All is read as of one moment, so that it may run while responses arrive.
pub async fn differences(client: &mut Client) -> Result<Vec<String>> {
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await?;
    let mut all = Vec::new();
    for sql in [SURVEYS, QUESTIONS, RESPONSES, MEASURES, COUNTERS] {
        for row in transaction.query(sql, &[]).await? {
            all.push(row.try_get("difference")?);
        }
    }
    Ok(all)
}

const SURVEYS: &str = "
    -- recount::surveys
    WITH counted AS (
        SELECT s.id, question_count, question_bytes, l.taken,
               (SELECT coalesce(sum(responses), 0) FROM survey_counters WHERE survey_id = s.id) AS responses
        FROM surveys s LEFT JOIN response_limits l ON l.survey_id = s.id
    ), stored AS (
        SELECT s.id, (SELECT count(*) FROM questions WHERE survey_id = s.id) AS questions,
               (SELECT coalesce(sum(bytes), 0) FROM questions WHERE survey_id = s.id) AS bytes,
               (SELECT count(*) FROM responses WHERE survey_id = s.id AND NOT single AND deleted_at IS NULL) AS responses
        FROM surveys s
    )
    SELECT format('survey %s: %s %s, there are %s', c.id, name, counted, stored) AS difference
    FROM counted c JOIN stored s USING (id), LATERAL (VALUES
        ('responses', c.responses, s.responses),
        ('taken', coalesce(c.taken, s.responses), s.responses),
        ('question_count', c.question_count, s.questions),
        ('question_bytes', c.question_bytes, s.bytes)
    ) AS numbers (name, counted, stored)
    WHERE counted <> stored";

const QUESTIONS: &str = "
    -- recount::questions
    SELECT format('question %s: at position %s, not %s', id, position, expected) AS difference
    FROM (SELECT *, row_number() OVER (PARTITION BY survey_id ORDER BY position) - 1 AS expected FROM questions) AS q
    WHERE position <> expected";

const RESPONSES: &str = "
    -- recount::responses
    SELECT format('response %s has %s answers, %s of them to other surveys', r.id, count(p.id),
                  count(p.id) FILTER (WHERE q.survey_id <> r.survey_id)) AS difference
    FROM responses r LEFT JOIN replies p ON p.response_id = r.id LEFT JOIN questions q ON q.id = p.question_id
    GROUP BY r.id
    HAVING r.single AND r.deleted_at IS NULL AND count(p.id) <> 1 OR r.deleted_at IS NOT NULL AND count(p.id) > 0
        OR bool_or(q.survey_id <> r.survey_id)";

/// Seconds since 1970 of a text of RFC 3339, to the microsecond. By hand: PostgreSQL knows no year 0 and no offsets of 16 hours
/// and more. Calendars repeat every 400 years.
macro_rules! seconds {
    ($text:literal) => {
        concat!(
            "(SELECT (make_date(found[1]::int + 400, found[2]::int, found[3]::int) - DATE '2370-01-01')::numeric * 86400
                     + found[4]::int * 3600 + found[5]::int * 60 + found[6]::numeric
                     - coalesce((found[7] || '1')::int * (found[8]::int * 3600 + found[9]::int * 60), 0)
              FROM regexp_match(",
            $text,
            r", '^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d(?:[.]\d{1,6})?)\d*(?:[Zz]|([+-])(\d\d):(\d\d))$') AS found)"
        )
    };
}

const MEASURES: &str = concat!(
    "
    -- recount::measures
    SELECT format('answer %s: value %s, it is %s', p.id, value, measure) AS difference
    FROM replies p JOIN questions q ON q.id = p.question_id, LATERAL (SELECT p.reply #>> '{}' AS text) AS t, LATERAL (
        SELECT CASE
            WHEN q.type IN ('number', 'scale', 'nps') THEN text::numeric
            WHEN q.type = 'date' THEN text::date - DATE '0001-01-01' + 1
            WHEN q.type = 'time' THEN extract(epoch FROM text::time)
            WHEN q.type = 'datetime' THEN ",
    seconds!("text"),
    "
        END AS measure
    ) AS m
    WHERE value IS DISTINCT FROM measure"
);

const COUNTERS: &str = concat!(
    "
    -- recount::counters
    WITH answers AS (
        SELECT q.id AS question_id, q.type, r.single, p.reply, p.reply #>> '{}' AS text,
               (s.created_at AT TIME ZONE 'UTC')::date AS made,
               CASE q.type
                   WHEN 'date' THEN (p.reply #>> '{}')::date
                   WHEN 'datetime' THEN DATE '1970-01-01' + floor(",
    seconds!("p.reply #>> '{}'"),
    " / 86400)::int
               END AS day
        FROM replies p JOIN responses r ON r.id = p.response_id JOIN questions q ON q.id = p.question_id
        JOIN surveys s ON s.id = q.survey_id
    ), things AS (
        SELECT question_id, CASE WHEN single THEN 'single' ELSE 'answers' END AS kind, '' AS part,
               CASE type WHEN 'number' THEN text::numeric ELSE 0 END AS total
        FROM answers
        UNION ALL
        SELECT question_id, 'bucket', coalesce(
                   -- Behind the first digit that is not 0, all are.
                   trim_scale((substring(digits FROM '^-?[0.]*[1-9]')
                       || translate(substring(digits FROM '^-?[0.]*[1-9](.*)$'), '123456789', '000000000'))::numeric)::text,
                   '0'), 0
        FROM answers, LATERAL (SELECT text::numeric::text AS digits) AS d WHERE type = 'number'
        UNION ALL
        SELECT question_id, 'value', text, 0 FROM answers WHERE type = 'boolean'
        UNION ALL
        SELECT question_id, 'value', trim_scale(text::numeric)::text, 0 FROM answers WHERE type IN ('scale', 'nps')
        UNION ALL
        SELECT question_id, CASE json_typeof(item) WHEN 'object' THEN 'other' ELSE 'option' END,
               CASE json_typeof(item) WHEN 'object' THEN '' ELSE item #>> '{}' END,
               CASE type WHEN 'ranking' THEN rank ELSE 0 END
        FROM answers, LATERAL json_array_elements(
            CASE type WHEN 'single_choice' THEN json_build_array(reply) ELSE reply END
        ) WITH ORDINALITY AS items (item, rank)
        WHERE type IN ('single_choice', 'multi_choice', 'ranking')
        UNION ALL
        SELECT question_id, 'cell', row, 0 FROM answers, LATERAL json_object_keys(reply) AS row WHERE type = 'matrix'
        UNION ALL
        SELECT question_id, 'cell', row || E'\\n' || (col #>> '{}'), 0
        FROM answers, LATERAL json_each(reply) AS cells (row, cols), LATERAL json_array_elements(
            CASE json_typeof(cols) WHEN 'array' THEN cols ELSE json_build_array(cols) END
        ) AS col
        WHERE type = 'matrix'
        UNION ALL
        SELECT question_id, CASE
                   WHEN day BETWEEN made - 366 AND made + 3653 THEN 'day'
                   WHEN day < DATE '1900-01-01' THEN 'earlier'
                   WHEN day > DATE '2199-12-31' THEN 'later'
                   ELSE 'year'
               END,
               CASE
                   WHEN day BETWEEN made - 366 AND made + 3653 THEN to_char(day, 'YYYY-MM-DD')
                   WHEN day BETWEEN DATE '1900-01-01' AND DATE '2199-12-31' THEN extract(year FROM day)::text
                   ELSE ''
               END, 0
        FROM answers WHERE type IN ('date', 'datetime')
        UNION ALL
        SELECT question_id, 'hour', left(text, 2), 0 FROM answers WHERE type = 'time'
    ), stored AS (
        SELECT question_id, kind, part, count(*) AS n, sum(total) AS total FROM things GROUP BY question_id, kind, part
    ), counted AS (
        SELECT question_id, kind, part, sum(n) AS n, sum(total) AS total FROM question_counters
        GROUP BY question_id, kind, part
    )
    SELECT format('question %s: %s %s %s (total %s), there are %s (%s)', question_id, kind, to_json(part),
                  coalesce(c.n, 0), trim_scale(coalesce(c.total, 0)), coalesce(s.n, 0), trim_scale(coalesce(s.total, 0)))
               AS difference
    FROM stored s FULL JOIN counted c USING (question_id, kind, part)
    WHERE (coalesce(c.n, 0), coalesce(c.total, 0)) <> (coalesce(s.n, 0), coalesce(s.total, 0))
    ORDER BY question_id, kind, part"
);
