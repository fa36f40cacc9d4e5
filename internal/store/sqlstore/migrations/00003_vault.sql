-- What the inventory of secrets tells, and when an account was last used. Uses
-- are beside the accounts: they change often, and an account seldom.

-- +goose Up
ALTER TABLE secrets ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE secrets ADD COLUMN sealed_at BIGINT NOT NULL DEFAULT 0;
UPDATE secrets SET
    created_at = (SELECT a.created_at FROM accounts a WHERE a.project_id = secrets.project_id AND a.id = secrets.account_id),
    sealed_at  = (SELECT a.updated_at FROM accounts a WHERE a.project_id = secrets.project_id AND a.id = secrets.account_id);

CREATE TABLE account_uses (
    project_id TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    used_at    BIGINT NOT NULL,
    PRIMARY KEY (project_id, account_id),
    FOREIGN KEY (project_id, account_id) REFERENCES accounts (project_id, id) ON DELETE CASCADE
);
