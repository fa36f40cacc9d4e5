package sqlstore

import (
	"context"
	"time"
)

// DropExecutions implements store.Executions.
func (s *queries) DropExecutions(ctx context.Context, projectID string, before time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, noun{name: "execution"},
		`DELETE FROM executions WHERE project_id = ? AND id IN
			(SELECT id FROM executions WHERE project_id = ? AND started_at < ? ORDER BY started_at, id LIMIT ?)`,
		projectID, projectID, micros(before), limit)
	return int(n), err
}

// DropExpiredLinks implements store.Links.
func (s *queries) DropExpiredLinks(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, linkNoun,
		`DELETE FROM links WHERE token_hash IN (SELECT token_hash FROM links WHERE expires_at < ? ORDER BY expires_at LIMIT ?)`,
		micros(before), limit)
	return int(n), err
}

// DropWaitingAccounts implements store.Accounts.
func (s *queries) DropWaitingAccounts(ctx context.Context, before time.Time, limit int) (int, error) {
	// The state is part of the text, or the partial index would not do.
	n, err := s.exec(ctx, accountNoun(""),
		`DELETE FROM accounts WHERE status = 'INITIATED' AND created_at < ? AND (project_id, id) IN
			(SELECT a.project_id, a.id FROM accounts a WHERE a.status = 'INITIATED' AND a.created_at < ?
				AND NOT EXISTS (SELECT 1 FROM links l WHERE l.project_id = a.project_id AND l.account_id = a.id AND l.expires_at >= ?)
			ORDER BY a.created_at LIMIT ?)`,
		micros(before), micros(before), micros(before), limit)
	return int(n), err
}
