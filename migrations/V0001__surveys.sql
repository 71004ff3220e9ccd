-- Users own surveys; surveys have questions and responses; a response has a reply to each question that it answers.
-- Ids are UUIDv7 made by the functions, so that ordering by id is ordering by creation. Only the id of a response may be
-- the client's.

CREATE TABLE users (
    id            uuid        NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
    username      text        NOT NULL CONSTRAINT users_username_length CHECK (char_length(username) BETWEEN 1 AND 80),
    email         text        NOT NULL CONSTRAINT users_email_length CHECK (octet_length(email) BETWEEN 3 AND 254),
    password_hash text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
-- Of two violated unique indexes PostgreSQL reports the one made first: a taken name is said before a taken address.
CREATE UNIQUE INDEX users_username_key ON users (lower(normalize(username)));
CREATE UNIQUE INDEX users_email_key ON users (lower(normalize(email)));

CREATE TABLE surveys (
    id             uuid        NOT NULL CONSTRAINT surveys_pkey PRIMARY KEY,
    owner_id       uuid        NOT NULL CONSTRAINT surveys_owner_id_fkey REFERENCES users ON DELETE CASCADE,
    name           text        NOT NULL CONSTRAINT surveys_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    description    text        NOT NULL CONSTRAINT surveys_description_length CHECK (char_length(description) <= 10000),
    is_active      boolean     NOT NULL,
    opens_at       timestamptz,
    due_at         timestamptz NOT NULL,
    -- Listed for everybody, or open to whoever has the id.
    visibility     text        NOT NULL CONSTRAINT surveys_visibility_known CHECK (visibility IN ('public', 'unlisted')),
    -- Whether anyone, rather than the owner alone, may read the results.
    public_stats   boolean     NOT NULL,
    -- Kept here because adding a question updates this row: the row lock makes positions gapless and the limits exact.
    question_count integer     NOT NULL CONSTRAINT surveys_question_count_limit CHECK (question_count BETWEEN 0 AND 500),
    -- The bytes of its questions together: the questions, and their results, must fit into one answer of a function.
    question_bytes integer     NOT NULL CONSTRAINT surveys_question_bytes_limit CHECK (question_bytes BETWEEN 0 AND 1048576),
    -- Counts the edits of the survey and of its questions. What was checked against a version is stored only while that
    -- version lasts.
    version        integer     NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX surveys_owner_id_idx ON surveys (owner_id, id);
-- The list of open surveys reads this range only, however many surveys have ended.
CREATE INDEX surveys_open_idx ON surveys (due_at, id) WHERE is_active AND visibility = 'public';

CREATE TABLE questions (
    id            uuid        NOT NULL CONSTRAINT questions_pkey PRIMARY KEY,
    survey_id     uuid        NOT NULL CONSTRAINT questions_survey_id_fkey REFERENCES surveys ON DELETE CASCADE,
    position      integer     NOT NULL,
    content       text        NOT NULL CONSTRAINT questions_content_length CHECK (char_length(content) BETWEEN 1 AND 10000),
    type          text        NOT NULL CONSTRAINT questions_type_length CHECK (char_length(type) BETWEEN 1 AND 50),
    required      boolean     NOT NULL,
    -- json, not jsonb: as sent, and 1e-16000 in it doesn't become sixteen thousand digits.
    reply_content json,
    bytes         integer     NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT questions_survey_id_position_key UNIQUE (survey_id, position) DEFERRABLE INITIALLY DEFERRED
);

-- What one respondent sent at once: a whole response, or a single reply to one question as flaskForms takes them.
CREATE TABLE responses (
    id         uuid        NOT NULL CONSTRAINT responses_pkey PRIMARY KEY,
    survey_id  uuid        NOT NULL CONSTRAINT responses_survey_id_fkey REFERENCES surveys ON DELETE CASCADE,
    single     boolean     NOT NULL,
    -- SHA-256 of the answers of a whole response: tells a retry from another response with the same id.
    hash       bytea       CONSTRAINT responses_hash_length CHECK (octet_length(hash) = 32),
    -- Size of the answers as JSON, so that a page of responses knows where to end.
    bytes      integer     NOT NULL,
    -- The transaction that stored it. Ordered by transactions, and read only up to the oldest that is still running, a
    -- download can't be overtaken by a late commit.
    xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX responses_survey_id_idx ON responses (survey_id, xid, id);

CREATE TABLE replies (
    id          uuid    NOT NULL,
    response_id uuid    NOT NULL CONSTRAINT replies_response_id_fkey REFERENCES responses ON DELETE CASCADE,
    question_id uuid    NOT NULL CONSTRAINT replies_question_id_fkey REFERENCES questions ON DELETE CASCADE,
    -- json, not jsonb: see questions.
    reply       json    NOT NULL,
    -- A number, or a date or time as one (days, seconds): its index answers least and greatest.
    value       numeric,
    CONSTRAINT replies_pkey PRIMARY KEY (question_id, id),
    CONSTRAINT replies_response_id_question_id_key UNIQUE (response_id, question_id)
);
CREATE INDEX replies_value_idx ON replies (question_id, value) WHERE value IS NOT NULL;

-- Counters, kept by the statement that stores or deletes a response. The number of anything is the sum over its shards;
-- a response takes one shard at random, so that those who answer a popular question at once seldom wait for each other.
-- Rows are written in the order of their key, after the row in response_limits: two responses can't deadlock.
CREATE TABLE survey_counters (
    survey_id uuid     NOT NULL CONSTRAINT survey_counters_survey_id_fkey REFERENCES surveys ON DELETE CASCADE,
    shard     smallint NOT NULL,
    responses bigint   NOT NULL,
    CONSTRAINT survey_counters_pkey PRIMARY KEY (survey_id, shard)
) WITH (fillfactor = 50);

CREATE TABLE question_counters (
    question_id uuid     NOT NULL CONSTRAINT question_counters_question_id_fkey REFERENCES questions ON DELETE CASCADE,
    -- What is counted: see shared/src/rules/tally.rs.
    kind        text     NOT NULL,
    part        text     NOT NULL,
    shard       smallint NOT NULL,
    n           bigint   NOT NULL,
    total       numeric  NOT NULL,
    CONSTRAINT question_counters_pkey PRIMARY KEY (question_id, kind, part, shard)
) WITH (fillfactor = 50);

-- Surveys with a limit, and how much of it is taken. The check is what makes the limit exact.
CREATE TABLE response_limits (
    survey_id     uuid   NOT NULL CONSTRAINT response_limits_pkey PRIMARY KEY
                         CONSTRAINT response_limits_survey_id_fkey REFERENCES surveys ON DELETE CASCADE,
    taken         bigint NOT NULL,
    max_responses bigint NOT NULL,
    CONSTRAINT response_limits_reached CHECK (taken <= max_responses)
) WITH (fillfactor = 50);

-- Whether a survey takes replies at this moment.
CREATE FUNCTION is_open(survey surveys) RETURNS boolean LANGUAGE sql STABLE
    RETURN survey.is_active AND coalesce(survey.opens_at <= now(), true) AND survey.due_at > now();

-- Whole responses, and of replies sent one by one the largest number that any one question received.
CREATE FUNCTION sub_count(survey uuid) RETURNS bigint LANGUAGE sql STABLE
    RETURN coalesce((SELECT sum(responses) FROM survey_counters WHERE survey_id = survey), 0)
         + coalesce((SELECT max(replies) FROM (
               SELECT sum(c.n) AS replies
               FROM questions q JOIN question_counters c ON c.question_id = q.id AND c.kind = 'single' AND c.part = ''
               WHERE q.survey_id = survey GROUP BY q.id
           ) AS singles), 0);

-- Tokens that were logged out before they expired.
CREATE TABLE revoked_tokens (
    jti        uuid        NOT NULL CONSTRAINT revoked_tokens_pkey PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_tokens_expires_at_idx ON revoked_tokens (expires_at);
