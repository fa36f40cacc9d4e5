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
	const unlinked = ` AND NOT EXISTS (SELECT 1 FROM links l WHERE l.project_id = a.project_id AND l.account_id = a.id AND l.expires_at >= ?)
			ORDER BY a.created_at LIMIT ?)`
	// The state is part of the text, or the partial index would not do.
	n, err := s.exec(ctx, accountNoun(""),
		`DELETE FROM accounts WHERE status = 'INITIATED' AND created_at < ? AND (project_id, id) IN
			(SELECT a.project_id, a.id FROM accounts a WHERE a.status = 'INITIATED' AND a.created_at < ?`+unlinked,
		micros(before), micros(before), micros(before), limit)
	if err != nil || int(n) >= limit {
		return int(n), err
	}
	// What has neither an identity nor a credential was never connected. What a walk
	// left behind is no credential yet.
	const never = ` IN ('EXPIRED', 'FAILED') AND generation = 0 AND identity = '{}' AND created_at < ?`
	more, err := s.exec(ctx, accountNoun(""),
		`DELETE FROM accounts WHERE status`+never+` AND (project_id, id) IN
			(SELECT a.project_id, a.id FROM accounts a WHERE a.status`+never+`
				AND NOT EXISTS (SELECT 1 FROM secrets s WHERE s.project_id = a.project_id AND s.account_id = a.id AND s.field <> 'pending_grant')`+unlinked,
		micros(before), micros(before), micros(before), limit-int(n))
	return int(n + more), err
}

// DropExpiredFlows implements store.Flows.
func (s *queries) DropExpiredFlows(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, flowNoun,
		`DELETE FROM oauth_flows WHERE state_hash IN (SELECT state_hash FROM oauth_flows WHERE expires_at < ? ORDER BY expires_at LIMIT ?)`,
		micros(before), limit)
	return int(n), err
}

// DropSecretsOfFlows implements store.Secrets.
func (s *queries) DropSecretsOfFlows(ctx context.Context, field string, usedSince time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, secretNoun,
		`DELETE FROM secrets WHERE field = ? AND (project_id, account_id) IN
			(SELECT s.project_id, s.account_id FROM secrets s WHERE s.field = ? AND NOT EXISTS
				(SELECT 1 FROM oauth_flows f WHERE f.project_id = s.project_id AND f.account_id = s.account_id AND f.used_at >= ?)
			LIMIT ?)`,
		field, field, micros(usedSince), limit)
	return int(n), err
}

// DropEndedLeases implements store.Leases.
func (s *queries) DropEndedLeases(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, leaseNoun,
		`DELETE FROM leases WHERE until < ? AND name IN (SELECT name FROM leases WHERE until < ? ORDER BY until LIMIT ?)`,
		micros(before), micros(before), limit)
	return int(n), err
}

// DropAccountEvents implements store.AccountEvents. An account's last event says
// what its project knows.
func (s *queries) DropAccountEvents(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, noun{name: "event"},
		`DELETE FROM account_events WHERE (project_id, id) IN
			(SELECT e.project_id, e.id FROM account_events e WHERE e.at < ? AND EXISTS
				(SELECT 1 FROM account_events l WHERE l.project_id = e.project_id AND l.account_id = e.account_id
					AND (l.at > e.at OR l.at = e.at AND l.id > e.id))
			ORDER BY e.at LIMIT ?)`,
		micros(before), limit)
	return int(n), err
}
