-- One text for every database: times are microseconds since 1970 in UTC with 0
-- for "not yet", booleans are 0 or 1, structures are JSON text. A dialect may
-- replace the type names BLOB and TEXT when it reads this file.

-- +goose Up
CREATE TABLE projects (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id         TEXT   NOT NULL PRIMARY KEY,
    project_id TEXT   NOT NULL REFERENCES projects (id),
    name       TEXT   NOT NULL,
    hash       BLOB   NOT NULL UNIQUE,
    hint       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE INDEX api_keys_by_age ON api_keys (project_id, created_at, id);

CREATE TABLE auth_configs (
    project_id TEXT    NOT NULL REFERENCES projects (id),
    id         TEXT    NOT NULL,
    toolkit    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    scheme     TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    disabled   INTEGER NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    PRIMARY KEY (project_id, id)
);
CREATE INDEX auth_configs_by_toolkit ON auth_configs (project_id, toolkit, created_at, id);

CREATE TABLE accounts (
    project_id     TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    user_id        TEXT    NOT NULL,
    toolkit        TEXT    NOT NULL,
    auth_config_id TEXT    NOT NULL,
    scheme         TEXT    NOT NULL,
    origin         TEXT    NOT NULL,
    word_id        TEXT    NOT NULL,
    alias          TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    status_reason  TEXT    NOT NULL,
    disabled       INTEGER NOT NULL,
    fields         TEXT    NOT NULL,
    identity       TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, auth_config_id) REFERENCES auth_configs (project_id, id)
);
CREATE UNIQUE INDEX accounts_word_id ON accounts (project_id, user_id, word_id) WHERE word_id <> '';
CREATE UNIQUE INDEX accounts_alias ON accounts (project_id, user_id, alias) WHERE alias <> '';
CREATE INDEX accounts_by_user ON accounts (project_id, user_id, toolkit, created_at, id);
CREATE INDEX accounts_by_age ON accounts (project_id, created_at, id);
CREATE INDEX accounts_by_auth_config ON accounts (project_id, auth_config_id);

CREATE TABLE secrets (
    project_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    field      TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    PRIMARY KEY (project_id, account_id, field),
    FOREIGN KEY (project_id, account_id) REFERENCES accounts (project_id, id) ON DELETE CASCADE
);

CREATE TABLE links (
    token_hash   BLOB   NOT NULL PRIMARY KEY,
    project_id   TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    callback_url TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT NOT NULL,
    FOREIGN KEY (project_id, account_id) REFERENCES accounts (project_id, id) ON DELETE CASCADE
);
CREATE INDEX links_by_account ON links (project_id, account_id);

CREATE TABLE sessions (
    project_id TEXT   NOT NULL REFERENCES projects (id),
    id         TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    config     TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, id)
);

-- Sessions, accounts and keys may go; what was done with them stays on record.
CREATE TABLE executions (
    project_id     TEXT    NOT NULL REFERENCES projects (id),
    id             TEXT    NOT NULL,
    key_id         TEXT    NOT NULL,
    user_id        TEXT    NOT NULL,
    session_id     TEXT    NOT NULL,
    toolkit        TEXT    NOT NULL,
    tool           TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    account_id     TEXT    NOT NULL,
    door           TEXT    NOT NULL,
    request_id     TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    error_code     TEXT    NOT NULL,
    error          TEXT    NOT NULL,
    args_size      BIGINT  NOT NULL,
    args_digest    BLOB    NOT NULL,
    result_size    BIGINT  NOT NULL,
    upstream_calls BIGINT  NOT NULL,
    started_at     BIGINT  NOT NULL,
    duration_us    BIGINT  NOT NULL,
    PRIMARY KEY (project_id, id)
);
CREATE INDEX executions_by_age ON executions (project_id, started_at, id);
CREATE INDEX executions_by_session ON executions (project_id, session_id, started_at, id) WHERE session_id <> '';

CREATE TABLE keysets (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    sealed BLOB    NOT NULL
);
