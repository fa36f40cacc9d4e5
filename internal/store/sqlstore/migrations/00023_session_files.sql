-- Files in the mounts of sessions: at most one at a path. The others have none of
-- the three.

-- +goose Up
ALTER TABLE files ADD COLUMN session_id TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN mount TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN path TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX files_by_path ON files (project_id, session_id, mount, path) WHERE session_id <> '';
