package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const approvalColumns = `project_id, id, session_id, user_id, toolkit, tool, account_id, scope, args_digest, arguments, state,
	created_at, expires_at, decided_at, decided_by, key_id, via, used_at, log_id`

func approvalNoun(id string) noun { return noun{name: "approval", id: id, owner: "project"} }

// AddApproval implements store.Approvals.
func (s *queries) AddApproval(ctx context.Context, a domain.Approval) error {
	_, err := s.exec(ctx, approvalNoun(a.ID),
		`INSERT INTO approvals (`+approvalColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ProjectID, a.ID, a.SessionID, a.UserID, a.Toolkit, a.Tool, a.AccountID, string(a.Scope), a.ArgsDigest[:],
		append([]byte{}, a.Arguments...), string(a.State), micros(a.CreatedAt), micros(a.ExpiresAt), micros(a.DecidedAt), plain(a.DecidedBy), a.KeyID, a.Via,
		micros(a.UsedAt), a.LogID)
	return err
}

// Approval implements store.Approvals.
func (s *queries) Approval(ctx context.Context, projectID, id string) (domain.Approval, error) {
	return one(ctx, s, approvalNoun(id), scanApproval,
		`SELECT `+approvalColumns+` FROM approvals WHERE project_id = ? AND id = ?`, projectID, id)
}

// ListApprovals implements store.Approvals.
func (s *queries) ListApprovals(ctx context.Context, projectID string, af store.ApprovalFilter, page store.Page) ([]domain.Approval, int, error) {
	f := newFilter(projectID)
	f.is("session_id", af.SessionID)
	f.is("user_id", af.UserID)
	f.is("tool", af.Tool)
	f.is("state", string(af.State))
	if !af.At.IsZero() {
		f.where.WriteString(" AND (expires_at = 0 OR expires_at > ?)")
		f.args = append(f.args, micros(af.At))
	}
	return paged(ctx, s, approvalNoun(""), scanApproval, approvalColumns, "approvals", f, "created_at DESC, id DESC", page)
}

// ApprovalsOf implements store.Approvals.
func (s *queries) ApprovalsOf(ctx context.Context, projectID string, c store.ApprovalCall, at time.Time) ([]domain.Approval, error) {
	return list(ctx, s, approvalNoun(""), scanApproval,
		`SELECT `+approvalColumns+` FROM approvals
			WHERE project_id = ? AND session_id = ? AND tool = ? AND account_id = ? AND (scope = 'session' OR args_digest = ?)
				AND state <> 'used' AND (expires_at = 0 OR expires_at > ?)
			ORDER BY created_at DESC, id DESC LIMIT 20`,
		projectID, c.SessionID, c.Tool, c.AccountID, c.ArgsDigest[:], micros(at))
}

// DecideApproval implements store.Approvals.
func (s *queries) DecideApproval(ctx context.Context, projectID string, a domain.Approval, from domain.ApprovalState) (bool, error) {
	touched, err := s.exec(ctx, approvalNoun(a.ID),
		`UPDATE approvals SET state = ?, expires_at = ?, decided_at = ?, decided_by = ?, key_id = ?, via = ?
			WHERE project_id = ? AND id = ? AND state = ?`,
		string(a.State), micros(a.ExpiresAt), micros(a.DecidedAt), plain(a.DecidedBy), a.KeyID, a.Via,
		projectID, a.ID, string(from))
	return touched == 1, err
}

// UseApproval implements store.Approvals. One statement checks and marks.
func (s *queries) UseApproval(ctx context.Context, projectID, id, logID string, at time.Time) (bool, error) {
	touched, err := s.exec(ctx, approvalNoun(id),
		`UPDATE approvals SET state = 'used', used_at = ?, log_id = ?
			WHERE project_id = ? AND id = ? AND scope = 'once' AND state = 'allowed' AND (expires_at = 0 OR expires_at > ?)`,
		micros(at), logID, projectID, id, micros(at))
	return touched == 1, err
}

// DropApprovals implements store.Approvals.
func (s *queries) DropApprovals(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, approvalNoun(""),
		`DELETE FROM approvals WHERE (project_id, id) IN
			(SELECT a.project_id, a.id FROM approvals a WHERE a.created_at < ? AND (a.scope = 'once' OR NOT EXISTS
				(SELECT 1 FROM sessions s WHERE s.project_id = a.project_id AND s.id = a.session_id))
			ORDER BY a.created_at LIMIT ?)`,
		micros(before), limit)
	return int(n), err
}

var stateNoun = noun{name: "state", owner: "project"}

// SpendState implements store.Approvals.
func (s *queries) SpendState(ctx context.Context, projectID string, hash [32]byte, expires time.Time) (bool, error) {
	touched, err := s.exec(ctx, stateNoun,
		`INSERT INTO spent_states (project_id, hash, expires_at) VALUES (?, ?, ?) ON CONFLICT (project_id, hash) DO NOTHING`,
		projectID, hash[:], micros(expires))
	return touched == 1, err
}

// DropSpentStates implements store.Approvals.
func (s *queries) DropSpentStates(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, stateNoun,
		`DELETE FROM spent_states WHERE (project_id, hash) IN
			(SELECT project_id, hash FROM spent_states WHERE expires_at < ? ORDER BY expires_at LIMIT ?)`,
		micros(before), limit)
	return int(n), err
}

func scanApproval(r row) (a domain.Approval, err error) {
	var digest []byte
	var created, expires, decided, used int64
	err = r.Scan(&a.ProjectID, &a.ID, &a.SessionID, &a.UserID, &a.Toolkit, &a.Tool, &a.AccountID, &a.Scope, &digest, &a.Arguments,
		&a.State, &created, &expires, &decided, &a.DecidedBy, &a.KeyID, &a.Via, &used, &a.LogID)
	if err != nil {
		return a, err
	}
	a.CreatedAt, a.ExpiresAt, a.DecidedAt, a.UsedAt = fromMicros(created), fromMicros(expires), fromMicros(decided), fromMicros(used)
	a.ArgsDigest, err = toHash(digest)
	return a, err
}
