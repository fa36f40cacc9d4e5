-- What an account's credentials were granted: a JSON list; null is unknown.

-- +goose Up
ALTER TABLE accounts ADD COLUMN scopes TEXT NOT NULL DEFAULT 'null';
