-- What people said of calls that wait for their word, and which states of
-- questions have come back.

-- +goose Up
CREATE TABLE approvals (
    project_id  TEXT   NOT NULL REFERENCES projects (id),
    id          TEXT   NOT NULL,
    session_id  TEXT   NOT NULL,
    user_id     TEXT   NOT NULL,
    toolkit     TEXT   NOT NULL,
    tool        TEXT   NOT NULL,
    account_id  TEXT   NOT NULL,
    scope       TEXT   NOT NULL,
    args_digest BLOB   NOT NULL,
    arguments   BLOB   NOT NULL, -- sealed
    state       TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    decided_at  BIGINT NOT NULL,
    decided_by  TEXT   NOT NULL,
    key_id      TEXT   NOT NULL,
    via         TEXT   NOT NULL,
    used_at     BIGINT NOT NULL,
    log_id      TEXT   NOT NULL,
    PRIMARY KEY (project_id, id)
);
CREATE INDEX approvals_of_call ON approvals (project_id, session_id, tool, account_id);
CREATE INDEX approvals_by_time ON approvals (project_id, created_at, id);
CREATE INDEX approvals_by_age ON approvals (created_at);

CREATE TABLE spent_states (
    project_id TEXT   NOT NULL REFERENCES projects (id),
    hash       BLOB   NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, hash)
);
CREATE INDEX spent_states_by_age ON spent_states (expires_at);
