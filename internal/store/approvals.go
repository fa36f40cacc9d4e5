package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// ApprovalFilter narrows a list of approvals; empty fields do not.
type ApprovalFilter struct {
	SessionID, UserID, Tool string
	State                   domain.ApprovalState
	// At leaves out what has expired by then.
	At time.Time
}

// ApprovalCall names the call that an approval is for.
type ApprovalCall struct {
	SessionID, Tool, AccountID string
	ArgsDigest                 [32]byte
}

// Approvals keeps what people said of calls that wait for their word, and which
// of the states that travel through clients have come back.
type Approvals interface {
	// AddApproval fails with CodeNotFound when there is no such project.
	AddApproval(ctx context.Context, a domain.Approval) error
	Approval(ctx context.Context, projectID, id string) (domain.Approval, error)
	// ListApprovals gives approvals, newest first, and how many there are in all.
	ListApprovals(ctx context.Context, projectID string, f ApprovalFilter, page Page) ([]domain.Approval, int, error)
	// ApprovalsOf gives those of the call that are neither used nor expired by then,
	// newest first, at most 20: for its arguments alone, and for the session.
	ApprovalsOf(ctx context.Context, projectID string, c ApprovalCall, at time.Time) ([]domain.Approval, error)
	// DecideApproval keeps state, decider and expiry of a when the stored state is
	// still from; it says whether it was.
	DecideApproval(ctx context.Context, projectID string, a domain.Approval, from domain.ApprovalState) (bool, error)
	// UseApproval marks an allowed approval of one call used; of many at once
	// exactly one is told true.
	UseApproval(ctx context.Context, projectID, id, logID string, at time.Time) (bool, error)
	// DropApprovals removes up to limit approvals made before the given time, of all
	// projects, but what holds for a session that is still there. It says how many.
	DropApprovals(ctx context.Context, before time.Time, limit int) (int, error)

	// SpendState notes a state by its hash until it expires; of many at once exactly
	// one is told true.
	SpendState(ctx context.Context, projectID string, hash [32]byte, expires time.Time) (bool, error)
	// DropSpentStates removes up to limit notes of all projects that expired before
	// the given time, and says how many.
	DropSpentStates(ctx context.Context, before time.Time, limit int) (int, error)
}
