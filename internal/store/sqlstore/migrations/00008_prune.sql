-- Ways to what has run out.

-- +goose Up
CREATE INDEX links_by_expiry ON links (expires_at);
CREATE INDEX accounts_waiting ON accounts (created_at) WHERE status = 'INITIATED';
