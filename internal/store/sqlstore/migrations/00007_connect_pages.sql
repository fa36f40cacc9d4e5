-- How a project's connect pages look, and the browser that began with a link:
-- from then on the link is that browser's.

-- +goose Up
CREATE TABLE brandings (
    project_id TEXT NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    logo       TEXT NOT NULL,
    color      TEXT NOT NULL
);

ALTER TABLE links ADD COLUMN browser_hash BLOB;
