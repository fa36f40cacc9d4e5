-- What became of accounts: their project is to hear of it.

-- +goose Up
CREATE TABLE account_events (
    project_id TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    toolkit    TEXT   NOT NULL,
    type       TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, account_id) REFERENCES accounts (project_id, id) ON DELETE CASCADE
);
CREATE INDEX account_events_by_account ON account_events (project_id, account_id, at);
CREATE INDEX account_events_by_time ON account_events (project_id, at);
