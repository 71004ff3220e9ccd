-- What was open stays visible, what was deleted stays deleted, and what anonymous answers can fill stays bounded.
--
-- No release came before this one, so nothing of an older one runs beside it: it moves counters at once, where a later
-- migration would expand first. Of two users whose names look the same it refuses to run; these are the names:
--   SELECT array_agg(username) FROM users GROUP BY lower(normalize(username, NFKC)) HAVING count(*) > 1;

ALTER TABLE surveys
    -- Whether it has ever taken responses: then it stays visible as closed, whereas a draft exists for its owner alone.
    ADD COLUMN was_open   boolean     NOT NULL DEFAULT false,
    -- Whether it exists for others than its owner.
    ADD COLUMN is_visible boolean     NOT NULL GENERATED ALWAYS AS (is_active OR was_open) STORED,
    -- When the survey or its questions were last edited.
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
UPDATE surveys s SET
    was_open = is_active AND coalesce(opens_at <= now(), true) AND due_at > coalesce(opens_at, created_at) OR EXISTS (SELECT FROM responses WHERE survey_id = s.id),
    updated_at = created_at;

-- A response that the survey's owner deleted leaves its id behind, so that its sender's retry can't bring it back.
ALTER TABLE responses ADD COLUMN deleted_at timestamptz;

-- The state of a survey at this moment. `is_full` says whether its limit of responses has been reached.
CREATE FUNCTION survey_state(survey surveys, is_full boolean) RETURNS text LANGUAGE sql STABLE
    RETURN CASE
        WHEN NOT survey.is_visible THEN 'draft'
        WHEN NOT survey.is_active OR survey.due_at <= now() THEN 'closed'
        WHEN survey.opens_at > now() THEN 'scheduled'
        WHEN is_full THEN 'full'
        ELSE 'open'
    END;

-- Where a new response of a survey stands among the others when they are read out: at the number of the transaction that
-- stores it. (Readers stop before the oldest transaction that is still running, so nothing comes in behind them.) A database
-- that was restored into another cluster (pg_dump) has responses with numbers that this cluster has not reached yet; then it
-- is the next number behind the greatest of them.
CREATE FUNCTION next_place(survey uuid) RETURNS xid8 LANGUAGE sql VOLATILE
    RETURN (
        SELECT CASE
            WHEN last >= pg_snapshot_xmax(pg_current_snapshot())
            THEN greatest((last::text::numeric + 1)::text::xid8, pg_current_xact_id())
            ELSE pg_current_xact_id()
        END
        FROM (SELECT (SELECT xid FROM responses WHERE survey_id = survey ORDER BY xid DESC LIMIT 1) AS last) AS newest
    );

-- Names that look the same are the same (NFKC: full-width letters, ligatures). Of two violated indexes PostgreSQL reports
-- the one made first, and a taken name is to be said before a taken address: so the index of addresses is made anew.
CREATE UNIQUE INDEX users_username_nfkc_key ON users (lower(normalize(username, NFKC)));
DROP INDEX users_email_key;
CREATE UNIQUE INDEX users_email_key ON users (lower(normalize(email)));

COMMENT ON COLUMN question_counters.kind IS 'What is counted: shared/src/rules/counts.rs';

-- Days far from the day a survey was made are counted by their year from now on: anybody may answer with any day.
WITH far AS (
    DELETE FROM question_counters c USING questions q, surveys s
    WHERE c.kind = 'day' AND q.id = c.question_id AND s.id = q.survey_id
      AND c.part::date NOT BETWEEN (s.created_at AT TIME ZONE 'UTC')::date - 366 AND (s.created_at AT TIME ZONE 'UTC')::date + 3653
    RETURNING c.question_id, c.shard, c.n, extract(year FROM c.part::date)::integer AS year
)
INSERT INTO question_counters (question_id, kind, part, shard, n, total)
SELECT question_id, kind, CASE kind WHEN 'year' THEN year::text ELSE '' END AS part, shard, sum(n), 0
FROM far, LATERAL (SELECT CASE WHEN year < 1900 THEN 'earlier' WHEN year > 2199 THEN 'later' ELSE 'year' END AS kind) AS k
GROUP BY question_id, kind, part, shard;
