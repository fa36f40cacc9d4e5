-- Trigger instances, and the polls that they share.

-- +goose Up
CREATE TABLE trigger_polls (
    project_id    TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    account_id    TEXT   NOT NULL,
    toolkit       TEXT   NOT NULL,
    trigger_slug  TEXT   NOT NULL,
    watch_hash    TEXT   NOT NULL,
    config        TEXT   NOT NULL,
    version       BIGINT NOT NULL,
    next_at       BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    pause         BIGINT NOT NULL,
    failures      BIGINT NOT NULL,
    last_error    TEXT   NOT NULL,
    polled_at     BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    state         TEXT   NOT NULL, -- the cursor: large, and therefore last
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, account_id, trigger_slug, watch_hash),
    FOREIGN KEY (project_id, account_id) REFERENCES accounts (project_id, id) ON DELETE CASCADE
);
CREATE INDEX trigger_polls_claimed ON trigger_polls (claimed_until) WHERE claimed_until > 0;
CREATE INDEX trigger_polls_next ON trigger_polls (next_at) WHERE next_at > 0;

CREATE TABLE trigger_instances (
    project_id     TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    user_id        TEXT   NOT NULL,
    account_id     TEXT   NOT NULL,
    auth_config_id TEXT   NOT NULL,
    toolkit        TEXT   NOT NULL,
    trigger_slug   TEXT   NOT NULL,
    config         TEXT   NOT NULL,
    config_hash    TEXT   NOT NULL,
    poll_id        TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    cause          TEXT   NOT NULL,
    reason         TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    disabled_at    BIGINT NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, account_id, trigger_slug, config_hash),
    FOREIGN KEY (project_id, account_id) REFERENCES accounts (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, poll_id) REFERENCES trigger_polls (project_id, id) ON DELETE CASCADE
);
CREATE INDEX trigger_instances_by_age ON trigger_instances (project_id, created_at, id);
CREATE INDEX trigger_instances_by_poll ON trigger_instances (project_id, poll_id, created_at);
CREATE INDEX trigger_instances_waiting ON trigger_instances (disabled_at) WHERE cause = 'account';
