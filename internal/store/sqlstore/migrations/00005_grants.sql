-- What a project's own application at a provider is, what is known of an
-- account's tokens, and the browsers that are on their way to a provider.

-- +goose Up
ALTER TABLE auth_configs ADD COLUMN fields TEXT NOT NULL DEFAULT '{}';
ALTER TABLE auth_configs ADD COLUMN scopes TEXT NOT NULL DEFAULT 'null';
ALTER TABLE auth_configs ADD COLUMN tools TEXT NOT NULL DEFAULT 'null';
ALTER TABLE auth_configs ADD COLUMN creation_tools TEXT NOT NULL DEFAULT 'null';
ALTER TABLE auth_configs ADD COLUMN router_off INTEGER NOT NULL DEFAULT 0;

CREATE TABLE config_secrets (
    project_id     TEXT   NOT NULL,
    auth_config_id TEXT   NOT NULL,
    field          TEXT   NOT NULL,
    sealed         BLOB   NOT NULL,
    created_at     BIGINT NOT NULL,
    sealed_at      BIGINT NOT NULL,
    PRIMARY KEY (project_id, auth_config_id, field),
    FOREIGN KEY (project_id, auth_config_id) REFERENCES auth_configs (project_id, id) ON DELETE CASCADE
);

ALTER TABLE accounts ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN refresh_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN refreshed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
CREATE INDEX accounts_by_refresh ON accounts (refresh_at) WHERE refresh_at > 0;

CREATE TABLE leases (
    name  TEXT   NOT NULL PRIMARY KEY,
    owner TEXT   NOT NULL,
    until BIGINT NOT NULL
);

CREATE TABLE oauth_flows (
    state_hash   BLOB   NOT NULL PRIMARY KEY,
    project_id   TEXT   NOT NULL,
    account_id   TEXT   NOT NULL,
    link_hash    BLOB   NOT NULL,
    browser_hash BLOB   NOT NULL,
    verifier     BLOB   NOT NULL,
    redirect_uri TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT NOT NULL,
    FOREIGN KEY (project_id, account_id) REFERENCES accounts (project_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_flows_by_account ON oauth_flows (project_id, account_id);
