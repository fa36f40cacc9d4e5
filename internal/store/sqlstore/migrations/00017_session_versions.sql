-- Configurations that sessions had before. The current one is in sessions.

-- +goose Up
CREATE TABLE session_versions (
    project_id TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    config     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, session_id, version),
    FOREIGN KEY (project_id, session_id) REFERENCES sessions (project_id, id) ON DELETE CASCADE
);
