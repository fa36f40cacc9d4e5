-- What the log of tool calls shows besides.

-- +goose Up
ALTER TABLE executions ADD COLUMN auth_config_id TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN parent_id TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN parent_tool TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN upstream_id TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN upstream_status BIGINT NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN sealed_args TEXT NOT NULL DEFAULT ''; -- large, and therefore last
CREATE INDEX sessions_by_age ON sessions (project_id, created_at);
