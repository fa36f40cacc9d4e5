-- Keys of whoever operates the server, and projects that are being taken apart.

-- +goose Up
CREATE TABLE operator_keys (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    hash       BLOB   NOT NULL UNIQUE,
    hint       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
ALTER TABLE projects ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0; -- 0: it is there
