-- MCP servers, whom they were given to, and the switches of projects.

-- +goose Up
CREATE TABLE mcp_servers (
    project_id   TEXT    NOT NULL REFERENCES projects (id),
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    toolkits     TEXT    NOT NULL,
    tools        TEXT    NOT NULL,
    auth_configs TEXT    NOT NULL,
    managed_auth INTEGER NOT NULL,
    version      BIGINT  NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name)
);
CREATE INDEX mcp_servers_by_age ON mcp_servers (project_id, created_at, id);

CREATE TABLE mcp_instances (
    project_id TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    server_id  TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, server_id, user_id),
    UNIQUE (project_id, id),
    FOREIGN KEY (project_id, server_id) REFERENCES mcp_servers (project_id, id) ON DELETE CASCADE
);
CREATE INDEX mcp_instances_by_change ON mcp_instances (project_id, server_id, updated_at, id);

CREATE TABLE project_settings (
    project_id TEXT NOT NULL PRIMARY KEY REFERENCES projects (id),
    settings   TEXT NOT NULL
);
