-- A response is one row with all its answers, and what it counts is added to one row of its survey.
--
-- No release came before this one, so nothing of an older one runs beside it: it moves everything at once, where a later
-- migration would expand first. On 100,000 responses with 20 answers each it takes some ten seconds.

ALTER TABLE surveys
    -- The number that was given to a question last. A number is never given twice.
    ADD COLUMN last_number integer NOT NULL DEFAULT 0,
    -- How many slots of its counters were given to its questions. Neither is a slot.
    ADD COLUMN slot_count  integer NOT NULL DEFAULT 0
        CONSTRAINT surveys_slot_count_limit CHECK (slot_count BETWEEN 0 AND 1000000);
ALTER TABLE questions
    -- Names the question in the answers of a response.
    ADD COLUMN number integer,
    -- What is counted of its answers, and in which slot of the survey's counters: {"answers": 0, "option cat": 1}. The names
    -- are explained in shared/src/rules/counts.rs.
    ADD COLUMN slots  json;
-- What was answered, by the numbers of the questions: {"1": "cat"}. NULL once the response was deleted.
ALTER TABLE responses ADD COLUMN answers json;

-- The sum of two arrays, element by element; the shorter one goes on with zeros.
CREATE FUNCTION added(counts bigint[], others bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ARRAY(SELECT coalesce(n, 0) + coalesce(other, 0) FROM unnest(counts, others) AS pair (n, other));

CREATE FUNCTION greatest_of(counts bigint[]) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT max(n) FROM unnest(counts) AS n);

ALTER TABLE survey_counters RENAME TO old_survey_counters;
ALTER TABLE old_survey_counters RENAME CONSTRAINT survey_counters_pkey TO old_survey_counters_pkey;

-- All that is counted of a survey and has an end to it. Slot k is counts[k % 200 + 1] in chunk k / 200, so that a row stays
-- small enough to be rewritten at each response. A quiet survey has one shard. Whoever finds that locked takes another one,
-- so a popular survey soon has several, and every number is the sum over them. Chunk 0 of a shard is locked before anything
-- else that is counted in that shard: two responses can't deadlock.
CREATE TABLE survey_counters (
    survey_id     uuid     NOT NULL CONSTRAINT survey_counters_survey_id_fkey REFERENCES surveys ON DELETE CASCADE,
    chunk         smallint NOT NULL,
    shard         smallint NOT NULL,
    -- Grows with every response that is stored or deleted (in chunk 0): whoever knows it knows whether the results are new.
    changes       bigint   NOT NULL,
    -- Whole responses (in chunk 0).
    responses     bigint   NOT NULL,
    -- How many it takes, if there is a limit (in chunk 0 of shard 0; then there is no other shard). The check makes it exact.
    max_responses bigint   CONSTRAINT survey_counters_limit_reached CHECK (responses <= max_responses),
    -- Answers that were sent alone, by the number of the question (in chunk 0 of shard 0).
    singles       bigint[],
    most_singles  bigint   GENERATED ALWAYS AS (greatest_of(singles)) STORED,
    counts        bigint[] NOT NULL,
    CONSTRAINT survey_counters_pkey PRIMARY KEY (survey_id, chunk, shard)
) WITH (fillfactor = 50, toast_tuple_target = 8160);
ALTER TABLE survey_counters ALTER COLUMN counts SET STORAGE MAIN;

-- Answers as numbers: the ends of this index are the least and the greatest.
CREATE TABLE measures (
    question_id uuid    NOT NULL CONSTRAINT measures_question_id_fkey REFERENCES questions ON DELETE CASCADE,
    value       numeric NOT NULL,
    response_id uuid    NOT NULL,
    CONSTRAINT measures_pkey PRIMARY KEY (question_id, value, response_id)
);

-- From here on data is moved. What is counted of a question: all that its rules name, and what has been counted already.
UPDATE questions q SET number = n
FROM (SELECT id, row_number() OVER (PARTITION BY survey_id ORDER BY id) AS n FROM questions) AS numbered
WHERE numbered.id = q.id;

CREATE FUNCTION pg_temp.value(option json) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN CASE json_typeof(option) WHEN 'object' THEN option ->> 'value' ELSE option #>> '{}' END;

CREATE FUNCTION pg_temp.list(rules json, name text) RETURNS SETOF json LANGUAGE sql IMMUTABLE AS $$
    SELECT json_array_elements(CASE
        WHEN json_typeof(rules) = 'array' AND name = 'options' THEN rules
        WHEN json_typeof(rules) = 'object' AND json_typeof(rules -> name) = 'array' THEN rules -> name
        ELSE '[]'
    END)
$$;

CREATE TEMPORARY TABLE parts ON COMMIT DROP AS
SELECT id AS question_id, survey_id, number, part, min(place) AS place
FROM questions, LATERAL (
    SELECT 'answers' AS part, 0 AS place
    UNION ALL
    SELECT 'option ' || pg_temp.value(option), 1 FROM pg_temp.list(reply_content, 'options') AS option
    WHERE type IN ('single_choice', 'multi_choice', 'ranking')
    UNION ALL
    SELECT 'rank ' || pg_temp.value(option), 2 FROM pg_temp.list(reply_content, 'options') AS option WHERE type = 'ranking'
    UNION ALL
    SELECT 'other', 2 WHERE type IN ('single_choice', 'multi_choice')
    UNION ALL
    SELECT 'value ' || value, 1 FROM unnest('{true,false}'::text[]) AS value WHERE type = 'boolean'
    UNION ALL
    SELECT 'value ' || value, 1 FROM generate_series(0, 10) AS value WHERE type = 'nps'
    UNION ALL
    SELECT 'value ' || value, 1
    FROM generate_series(
        CASE WHEN json_typeof(reply_content) = 'object' THEN coalesce((reply_content ->> 'min')::numeric::integer, 1) ELSE 1 END,
        CASE WHEN json_typeof(reply_content) = 'object' THEN coalesce((reply_content ->> 'max')::numeric::integer, 5) ELSE 5 END
    ) AS value
    WHERE type = 'scale'
    UNION ALL
    SELECT 'hour ' || lpad(hour::text, 2, '0'), 1 FROM generate_series(0, 23) AS hour WHERE type = 'time'
    UNION ALL
    SELECT 'cell ' || pg_temp.value(row), 1 FROM pg_temp.list(reply_content, 'rows') AS row WHERE type = 'matrix'
    UNION ALL
    SELECT 'cell ' || pg_temp.value(row) || E'\n' || pg_temp.value(col), 1
    FROM pg_temp.list(reply_content, 'rows') AS row, pg_temp.list(reply_content, 'columns') AS col WHERE type = 'matrix'
    UNION ALL
    SELECT concat_ws(' ', kind, nullif(part, '')), 3 FROM question_counters
    WHERE question_id = questions.id AND kind IN ('option', 'other', 'value', 'cell', 'hour')
) AS named
WHERE part IS NOT NULL
GROUP BY question_id, survey_id, number, part;

CREATE TEMPORARY TABLE slots ON COMMIT DROP AS
SELECT *, (row_number() OVER (PARTITION BY survey_id ORDER BY number, place, part) - 1)::integer AS slot FROM parts;

UPDATE questions q SET slots = s.slots
FROM (SELECT question_id, json_object_agg(part, slot ORDER BY slot) AS slots FROM slots GROUP BY question_id) AS s
WHERE s.question_id = q.id;
UPDATE surveys s SET last_number = numbers, slot_count = slots
FROM (SELECT survey_id, max(number) AS numbers, count(*) AS slots FROM slots GROUP BY survey_id) AS given
WHERE given.survey_id = s.id;
ALTER TABLE questions
    ALTER COLUMN number SET NOT NULL,
    ALTER COLUMN slots  SET NOT NULL,
    ADD CONSTRAINT questions_survey_id_number_key UNIQUE (survey_id, number);

-- Of a survey that nobody has answered there is its first row, as of a new one.
WITH counted AS (
    SELECT question_id, part, sum(n) AS n
    FROM (
        SELECT question_id, CASE kind WHEN 'single' THEN 'answers' ELSE concat_ws(' ', kind, nullif(part, '')) END AS part, n
        FROM question_counters
        UNION ALL
        SELECT question_id, 'rank ' || part, total FROM question_counters WHERE kind = 'option'
    ) AS c
    GROUP BY question_id, part
), chunks AS (
    SELECT survey_id, slot / 200 AS chunk, array_agg(coalesce(n, 0) ORDER BY slot) AS counts
    FROM slots LEFT JOIN counted USING (question_id, part)
    GROUP BY survey_id, slot / 200
    HAVING slot / 200 = 0 OR bool_or(n <> 0)
), wholes AS (
    SELECT survey_id, sum(responses) AS responses FROM old_survey_counters GROUP BY survey_id
), alone AS (
    SELECT question_id, sum(n) AS n FROM question_counters WHERE kind = 'single' GROUP BY question_id
), singles AS (
    SELECT survey_id, array_agg(coalesce(n, 0) ORDER BY number) AS singles
    FROM questions LEFT JOIN alone ON question_id = id
    GROUP BY survey_id
    HAVING sum(n) > 0
)
INSERT INTO survey_counters (survey_id, chunk, shard, changes, responses, max_responses, singles, counts)
SELECT s.id, coalesce(chunk, 0), 0, coalesce(responses, 0), coalesce(responses, 0), max_responses, singles, coalesce(counts, '{}')
FROM surveys s LEFT JOIN chunks c ON c.survey_id = s.id
LEFT JOIN wholes w ON w.survey_id = s.id AND coalesce(chunk, 0) = 0
LEFT JOIN singles a ON a.survey_id = s.id AND coalesce(chunk, 0) = 0
LEFT JOIN response_limits l ON l.survey_id = s.id AND coalesce(chunk, 0) = 0;

-- The sum of numbers goes along with their buckets.
UPDATE question_counters c SET total = b.total
FROM (
    SELECT question_id, bucket, sum(value) AS total
    FROM replies JOIN questions q ON q.id = question_id AND q.type = 'number', LATERAL (
        SELECT coalesce(
            trim_scale((substring(value::text FROM '^-?[0.]*[1-9]')
                || translate(substring(value::text FROM '^-?[0.]*[1-9](.*)$'), '123456789', '000000000'))::numeric)::text,
            '0') AS bucket
    ) AS b
    GROUP BY question_id, bucket
) AS b
WHERE c.question_id = b.question_id AND c.kind = 'bucket' AND c.part = b.bucket
  AND c.shard = (SELECT min(shard) FROM question_counters
                 WHERE question_id = c.question_id AND kind = 'bucket' AND part = c.part);
DELETE FROM question_counters WHERE kind NOT IN ('bucket', 'day', 'year', 'earlier', 'later');

UPDATE responses r SET answers = coalesce(
    (SELECT json_object_agg(q.number, p.reply ORDER BY q.number)
     FROM replies p JOIN questions q ON q.id = p.question_id WHERE p.response_id = r.id),
    '{}')
WHERE deleted_at IS NULL;

INSERT INTO measures (question_id, value, response_id)
SELECT p.question_id, p.value, p.response_id
FROM replies p JOIN questions q ON q.id = p.question_id
WHERE p.value IS NOT NULL AND q.type IN ('number', 'date', 'time', 'datetime');

ALTER TABLE responses ADD CONSTRAINT responses_answers_until_deleted CHECK ((answers IS NULL) = (deleted_at IS NOT NULL));
DROP FUNCTION sub_count;
DROP TABLE replies, old_survey_counters, response_limits;

COMMENT ON TABLE question_counters IS 'What is counted of a question and has no end to it: numbers by bucket, dates by day';
