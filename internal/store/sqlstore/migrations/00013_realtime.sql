-- The order in which streams tell a project's events, and what signs for streams.

-- +goose Up
ALTER TABLE events ADD COLUMN seq BIGINT NOT NULL DEFAULT 0; -- 0: it has no place yet
CREATE UNIQUE INDEX events_by_seq ON events (project_id, seq) WHERE seq > 0;
CREATE INDEX events_unplaced ON events (project_id, created_at, id) WHERE seq = 0;

CREATE TABLE event_heads (
    project_id TEXT   NOT NULL PRIMARY KEY REFERENCES projects (id),
    seq        BIGINT NOT NULL -- the last place that was given
);

CREATE TABLE project_secrets (
    project_id TEXT   NOT NULL REFERENCES projects (id),
    field      TEXT   NOT NULL,
    sealed     BLOB   NOT NULL,
    created_at BIGINT NOT NULL,
    sealed_at  BIGINT NOT NULL,
    PRIMARY KEY (project_id, field)
);
