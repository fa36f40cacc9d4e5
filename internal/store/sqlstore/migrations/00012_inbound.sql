-- Where applications tell of changes, what they told that was not looked into yet,
-- and the bounds that projects set to their polls.

-- +goose Up
CREATE TABLE webhook_endpoints (
    project_id     TEXT   NOT NULL REFERENCES projects (id),
    id             TEXT   NOT NULL,
    toolkit        TEXT   NOT NULL,
    client_id      TEXT   NOT NULL,
    previous_until BIGINT NOT NULL,
    received_at    BIGINT NOT NULL,
    last_error     TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (id),
    UNIQUE (project_id, toolkit, client_id)
);

CREATE TABLE endpoint_secrets (
    project_id  TEXT   NOT NULL,
    endpoint_id TEXT   NOT NULL,
    field       TEXT   NOT NULL,
    sealed      BLOB   NOT NULL,
    created_at  BIGINT NOT NULL,
    sealed_at   BIGINT NOT NULL,
    PRIMARY KEY (project_id, endpoint_id, field),
    FOREIGN KEY (project_id, endpoint_id) REFERENCES webhook_endpoints (project_id, id) ON DELETE CASCADE
);

CREATE TABLE inbound_webhooks (
    project_id  TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    endpoint_id TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    header      TEXT   NOT NULL,
    polls       TEXT   NOT NULL,
    body        BLOB   NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, endpoint_id) REFERENCES webhook_endpoints (project_id, id) ON DELETE CASCADE
);
CREATE INDEX inbound_webhooks_by_endpoint ON inbound_webhooks (project_id, endpoint_id);
CREATE INDEX inbound_webhooks_by_age ON inbound_webhooks (at);
CREATE INDEX trigger_polls_by_toolkit ON trigger_polls (project_id, toolkit, created_at) WHERE next_at > 0;

CREATE TABLE trigger_bounds (
    project_id   TEXT   NOT NULL REFERENCES projects (id),
    min_interval BIGINT NOT NULL,
    max_interval BIGINT NOT NULL,
    PRIMARY KEY (project_id)
);
