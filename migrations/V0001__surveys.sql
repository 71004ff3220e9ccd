-- The data of flaskForms: users own surveys, surveys have questions, questions have replies.
-- Ids are UUIDv7 made by the functions, so that ordering by id is ordering by creation.

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
    due_at         timestamptz NOT NULL,
    -- Whether anyone, rather than the owner alone, may read the results.
    public_stats   boolean     NOT NULL,
    -- Kept here because adding a question updates this row: the row lock makes positions gapless and the limits exact.
    question_count integer     NOT NULL CONSTRAINT surveys_question_count_limit CHECK (question_count BETWEEN 0 AND 500),
    -- Bytes of contents and reply contents together; all of them must fit into one answer of a function.
    question_bytes integer     NOT NULL CONSTRAINT surveys_question_bytes_limit CHECK (question_bytes BETWEEN 0 AND 1048576),
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX surveys_owner_id_idx ON surveys (owner_id, id);
-- The list of open surveys reads this range only, however many surveys have ended.
CREATE INDEX surveys_open_idx ON surveys (due_at, id) WHERE is_active;

CREATE TABLE questions (
    id            uuid        NOT NULL CONSTRAINT questions_pkey PRIMARY KEY,
    survey_id     uuid        NOT NULL CONSTRAINT questions_survey_id_fkey REFERENCES surveys ON DELETE CASCADE,
    position      integer     NOT NULL,
    content       text        NOT NULL CONSTRAINT questions_content_length CHECK (char_length(content) BETWEEN 1 AND 10000),
    type          text        NOT NULL CONSTRAINT questions_type_length CHECK (char_length(type) BETWEEN 1 AND 50),
    reply_content jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT questions_survey_id_position_key UNIQUE (survey_id, position) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE replies (
    id          uuid        NOT NULL CONSTRAINT replies_pkey PRIMARY KEY,
    question_id uuid        NOT NULL CONSTRAINT replies_question_id_fkey REFERENCES questions ON DELETE CASCADE,
    reply       jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX replies_question_id_idx ON replies (question_id, id);

-- Tokens that were logged out before they expired.
CREATE TABLE revoked_tokens (
    jti        uuid        NOT NULL CONSTRAINT revoked_tokens_pkey PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_tokens_expires_at_idx ON revoked_tokens (expires_at);
