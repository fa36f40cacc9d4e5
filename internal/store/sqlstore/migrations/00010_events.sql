-- What applications are told of, where, and how that went.

-- +goose Up
CREATE TABLE events (
    project_id     TEXT   NOT NULL REFERENCES projects (id),
    id             TEXT   NOT NULL,
    type           TEXT   NOT NULL,
    source         TEXT   NOT NULL,
    dedupe_key     TEXT   NOT NULL,
    user_id        TEXT   NOT NULL,
    trigger_slug   TEXT   NOT NULL,
    account_id     TEXT   NOT NULL,
    auth_config_id TEXT   NOT NULL,
    payload        TEXT   NOT NULL,
    occurred_at    BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, source, dedupe_key)
);
CREATE INDEX events_by_time ON events (project_id, created_at, id);
CREATE INDEX events_by_age ON events (created_at);

CREATE TABLE webhooks (
    project_id     TEXT    NOT NULL REFERENCES projects (id),
    id             TEXT    NOT NULL,
    url            TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    events         TEXT    NOT NULL,
    ordered        INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    failures       BIGINT  NOT NULL,
    failing_since  BIGINT  NOT NULL,
    probe_at       BIGINT  NOT NULL,
    previous_until BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id)
);
CREATE INDEX webhooks_by_probe ON webhooks (probe_at) WHERE state = 'paused';

CREATE TABLE webhook_secrets (
    project_id TEXT   NOT NULL,
    webhook_id TEXT   NOT NULL,
    field      TEXT   NOT NULL,
    sealed     BLOB   NOT NULL,
    created_at BIGINT NOT NULL,
    sealed_at  BIGINT NOT NULL,
    PRIMARY KEY (project_id, webhook_id, field),
    FOREIGN KEY (project_id, webhook_id) REFERENCES webhooks (project_id, id) ON DELETE CASCADE
);

CREATE TABLE deliveries (
    project_id    TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    event_id      TEXT   NOT NULL,
    event_type    TEXT   NOT NULL,
    webhook_id    TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    attempts      BIGINT NOT NULL,
    replays       BIGINT NOT NULL,
    next_at       BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    event_at      BIGINT NOT NULL,
    began_at      BIGINT NOT NULL,
    ended_at      BIGINT NOT NULL,
    last_status   BIGINT NOT NULL,
    last_error    TEXT   NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, event_id, webhook_id),
    FOREIGN KEY (project_id, event_id) REFERENCES events (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, webhook_id) REFERENCES webhooks (project_id, id) ON DELETE CASCADE
);
CREATE INDEX deliveries_by_time ON deliveries (project_id, event_at, id);
CREATE INDEX deliveries_by_webhook ON deliveries (project_id, webhook_id);
CREATE INDEX deliveries_open ON deliveries (project_id, webhook_id, event_at, id) WHERE state IN ('waiting', 'parked');
CREATE INDEX deliveries_dead ON deliveries (project_id, event_at, id) WHERE state = 'dead';
CREATE INDEX deliveries_claimed ON deliveries (claimed_until) WHERE claimed_until > 0;
CREATE INDEX deliveries_waiting ON deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_parked ON deliveries (began_at) WHERE state = 'parked';

CREATE TABLE delivery_attempts (
    project_id  TEXT   NOT NULL,
    delivery_id TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    duration    BIGINT NOT NULL,
    status      BIGINT NOT NULL,
    error       TEXT   NOT NULL,
    excerpt     TEXT   NOT NULL,
    PRIMARY KEY (project_id, delivery_id, number),
    FOREIGN KEY (project_id, delivery_id) REFERENCES deliveries (project_id, id) ON DELETE CASCADE
);
