-- What is known of stored files; their content is kept by its hash elsewhere.

-- +goose Up
CREATE TABLE files (
    project_id TEXT   NOT NULL REFERENCES projects (id),
    file_key   TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    mime       TEXT   NOT NULL,
    toolkit    TEXT   NOT NULL,
    tool       TEXT   NOT NULL,
    size       BIGINT NOT NULL,
    sha256     BLOB   NOT NULL,
    md5        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, file_key)
);
CREATE INDEX files_by_age ON files (project_id, created_at, file_key);
CREATE INDEX files_by_expiry ON files (expires_at);
CREATE INDEX files_by_content ON files (sha256);
