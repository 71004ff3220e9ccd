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
    for sql in [SURVEYS, QUESTIONS, SLOTS, RESPONSES, MEASURES, COUNTERS] {
        for row in transaction.query(sql, &[]).await? {
            all.push(row.try_get("difference")?);
        }
    }
    Ok(all)
}

const SURVEYS: &str = "
    -- recount::surveys
    WITH counted AS (
        SELECT survey_id, sum(responses) FILTER (WHERE chunk = 0) AS responses,
               count(*) FILTER (WHERE chunk = 0 AND shard = 0) AS firsts,
               count(*) FILTER (WHERE shard <> 0 AND limited) AS beside_a_limit,
               count(*) FILTER (WHERE chunk <> 0 AND responses <> 0
                                   OR (chunk, shard) <> (0, 0) AND (max_responses IS NOT NULL OR singles IS NOT NULL)) AS misplaced
        FROM (SELECT *, bool_or(max_responses IS NOT NULL) OVER (PARTITION BY survey_id) AS limited
              FROM survey_counters) AS rows
        GROUP BY survey_id
    ), asked AS (
        SELECT survey_id, count(*) AS questions, sum(bytes) AS bytes FROM questions GROUP BY survey_id
    ), answered AS (
        SELECT survey_id, count(*) AS responses FROM responses WHERE NOT single AND deleted_at IS NULL GROUP BY survey_id
    )
    SELECT format('survey %s: %s %s, there are %s', s.id, numbers.name, counted, stored) AS difference
    FROM surveys s LEFT JOIN counted c ON c.survey_id = s.id LEFT JOIN asked q ON q.survey_id = s.id
    LEFT JOIN answered r ON r.survey_id = s.id, LATERAL (VALUES
        ('responses', coalesce(c.responses, 0), coalesce(r.responses, 0)),
        ('question_count', question_count, coalesce(q.questions, 0)),
        ('question_bytes', question_bytes, coalesce(q.bytes, 0)),
        ('first rows of counters', coalesce(c.firsts, 0), 1),
        ('rows of counters beside a limit', coalesce(c.beside_a_limit, 0), 0),
        ('rows of counters with what is not theirs', coalesce(c.misplaced, 0), 0)
    ) AS numbers (name, counted, stored)
    WHERE counted <> stored
    ORDER BY s.id, numbers.name";

const QUESTIONS: &str = "
    -- recount::questions
    SELECT format('question %s: at position %s, not %s', id, position, expected) AS difference
    FROM (SELECT *, row_number() OVER (PARTITION BY survey_id ORDER BY position) - 1 AS expected FROM questions) AS q
    WHERE position <> expected";

const SLOTS: &str = "
    -- recount::slots
    SELECT format('survey %s: slot %s of %s is that of %s', s.id, slot, s.slot_count,
                  string_agg(q.id || ' ' || to_json(named.name), ', ' ORDER BY q.id, named.name)) AS difference
    FROM surveys s JOIN questions q ON q.survey_id = s.id, LATERAL json_each_text(q.slots) AS named (name, slot)
    GROUP BY s.id, slot
    HAVING count(*) > 1 OR slot::integer NOT BETWEEN 0 AND s.slot_count - 1
    UNION ALL
    -- What is left in the slots of a deleted question is nobody's. What is in none would be the next question's.
    SELECT format('survey %s: %s at place %s of chunk %s, there are %s slots', s.id, n, place, chunk, s.slot_count)
    FROM surveys s JOIN survey_counters c ON c.survey_id = s.id, LATERAL unnest(c.counts) WITH ORDINALITY AS counted (n, place)
    WHERE n <> 0 AND (place > 200 OR chunk * 200 + place > s.slot_count)
    UNION ALL
    SELECT format('question %s: number %s, the last one is %s', q.id, number, last_number)
    FROM questions q JOIN surveys s ON s.id = q.survey_id WHERE number NOT BETWEEN 1 AND last_number
    UNION ALL
    SELECT format('survey %s: %s single answers to number %s, which is no question', c.survey_id, n, alone.number)
    FROM survey_counters c, LATERAL unnest(c.singles) WITH ORDINALITY AS alone (n, number)
    WHERE n <> 0 AND NOT EXISTS (SELECT FROM questions q WHERE q.survey_id = c.survey_id AND q.number = alone.number)";

const RESPONSES: &str = "
    -- recount::responses
    SELECT format('response %s: %s answers to %s questions, bytes %s, there are %s', r.id, count(a.key), count(DISTINCT q.id),
                  r.bytes, coalesce(sum(octet_length(a.value::text) + 40), 0)) AS difference
    FROM responses r LEFT JOIN LATERAL json_each(r.answers) AS a ON true
    LEFT JOIN questions q ON q.survey_id = r.survey_id AND q.number::text = a.key
    GROUP BY r.id
    HAVING r.single AND r.deleted_at IS NULL AND count(a.key) <> 1
        OR count(a.key) <> count(DISTINCT q.id)
        OR r.bytes <> coalesce(sum(octet_length(a.value::text) + 40), 0)";

/// Every answer there is, as `answers`, with the moment its survey was made.
macro_rules! answers {
    () => {
        "answers AS (
            SELECT q.id AS question_id, q.type, r.id AS response_id, r.single, a.value AS reply, a.value #>> '{}' AS text,
                   (s.created_at AT TIME ZONE 'UTC')::date AS made
            FROM responses r CROSS JOIN LATERAL json_each(r.answers) AS a
            JOIN questions q ON q.survey_id = r.survey_id AND q.number::text = a.key JOIN surveys s ON s.id = q.survey_id
        )"
    };
}

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
    WITH ",
    answers!(),
    ", measured AS (
        SELECT question_id, response_id, CASE type
            WHEN 'number' THEN text::numeric
            WHEN 'date' THEN text::date - DATE '0001-01-01' + 1
            WHEN 'time' THEN extract(epoch FROM text::time)
            ELSE ",
    seconds!("text"),
    "
        END AS value
        FROM answers WHERE type IN ('number', 'date', 'time', 'datetime')
    )
    SELECT format('answer to %s in %s: value %s, it is %s', question_id, response_id,
                  coalesce(trim_scale(m.value)::text, 'none'), coalesce(trim_scale(a.value)::text, 'none')) AS difference
    FROM measures m FULL JOIN measured a USING (question_id, response_id)
    WHERE m.value IS DISTINCT FROM a.value"
);

const COUNTERS: &str = concat!(
    "
    -- recount::counters
    WITH ",
    answers!(),
    ", days AS (
        SELECT question_id, made, CASE type
            WHEN 'date' THEN text::date
            ELSE DATE '1970-01-01' + floor(",
    seconds!("text"),
    " / 86400)::int
        END AS day
        FROM answers WHERE type IN ('date', 'datetime')
    ), things AS (
        SELECT question_id, 'answers' AS kind, '' AS part, 1 AS n, 0::numeric AS total FROM answers
        UNION ALL
        SELECT question_id, 'single', '', 1, 0 FROM answers WHERE single
        UNION ALL
        SELECT question_id, 'bucket', coalesce(
                   -- Behind the first digit that is not 0, all are.
                   trim_scale((substring(digits FROM '^-?[0.]*[1-9]')
                       || translate(substring(digits FROM '^-?[0.]*[1-9](.*)$'), '123456789', '000000000'))::numeric)::text,
                   '0'), 1, text::numeric
        FROM answers, LATERAL (SELECT text::numeric::text AS digits) AS d WHERE type = 'number'
        UNION ALL
        SELECT question_id, 'value', text, 1, 0 FROM answers WHERE type = 'boolean'
        UNION ALL
        SELECT question_id, 'value', trim_scale(text::numeric)::text, 1, 0 FROM answers WHERE type IN ('scale', 'nps')
        UNION ALL
        SELECT question_id, CASE json_typeof(item) WHEN 'object' THEN 'other' ELSE 'option' END,
               CASE json_typeof(item) WHEN 'object' THEN '' ELSE item #>> '{}' END, 1, 0
        FROM answers, LATERAL json_array_elements(
            CASE type WHEN 'single_choice' THEN json_build_array(reply) ELSE reply END
        ) WITH ORDINALITY AS items (item, rank)
        WHERE type IN ('single_choice', 'multi_choice', 'ranking')
        UNION ALL
        SELECT question_id, 'rank', item #>> '{}', rank, 0
        FROM answers, LATERAL json_array_elements(CASE type WHEN 'ranking' THEN reply END) WITH ORDINALITY AS items (item, rank)
        UNION ALL
        SELECT question_id, 'cell', row, 1, 0 FROM answers, LATERAL json_object_keys(reply) AS row WHERE type = 'matrix'
        UNION ALL
        SELECT question_id, 'cell', row || E'\\n' || (col #>> '{}'), 1, 0
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
               END, 1, 0
        FROM days
        UNION ALL
        SELECT question_id, 'hour', left(text, 2), 1, 0 FROM answers WHERE type = 'time'
    ), stored AS (
        SELECT question_id, concat_ws(' ', kind, nullif(part, '')) AS name, sum(n) AS n, sum(total) AS total
        FROM things GROUP BY question_id, kind, part
    ), counted AS (
        SELECT question_id, concat_ws(' ', kind, nullif(part, '')) AS name, sum(n) AS n, sum(total) AS total
        FROM question_counters GROUP BY question_id, kind, part
        UNION ALL
        SELECT q.id, name, sum(c.counts[slot::integer % 200 + 1]), 0
        FROM questions q CROSS JOIN LATERAL json_each_text(q.slots) AS named (name, slot)
        JOIN survey_counters c ON c.survey_id = q.survey_id AND c.chunk = slot::integer / 200
        GROUP BY q.id, name
        UNION ALL
        SELECT q.id, 'single', sum(c.singles[q.number]), 0
        FROM questions q JOIN survey_counters c ON c.survey_id = q.survey_id GROUP BY q.id
    )
    SELECT format('question %s: %s %s (total %s), there are %s (%s)', question_id, to_json(name),
                  coalesce(c.n, 0), trim_scale(coalesce(c.total, 0)), coalesce(s.n, 0), trim_scale(coalesce(s.total, 0)))
               AS difference
    FROM stored s FULL JOIN counted c USING (question_id, name)
    WHERE (coalesce(c.n, 0), coalesce(c.total, 0)) <> (coalesce(s.n, 0), coalesce(s.total, 0))
    ORDER BY question_id, name"
);
