package domain

import "time"

// ApprovalState says how far an approval is.
type ApprovalState string

// The states. Only a pending one is decided, but an answer for a whole session
// may change.
const (
	ApprovalPending ApprovalState = "pending"
	ApprovalAllowed ApprovalState = "allowed"
	ApprovalDenied  ApprovalState = "denied"
	ApprovalUsed    ApprovalState = "used" // was allowed, and its one call has begun
)

// ApprovalScope says what an answer holds for.
type ApprovalScope string

// The scopes.
const (
	ApprovalOnce    ApprovalScope = "once"    // one call, with these arguments
	ApprovalSession ApprovalScope = "session" // the tool on the account, as long as the session lasts
)

// Approval is a person's word on a tool call that a session does not run without
// one. It belongs to the session, the tool, the account and, unless it holds for
// the session, to exactly these arguments.
type Approval struct {
	ID         string
	ProjectID  string
	SessionID  string
	UserID     string
	Toolkit    string
	Tool       string
	AccountID  string // empty for a tool without one
	Scope      ApprovalScope
	ArgsDigest [32]byte // as in Execution
	// Arguments are sealed; they are what the person decides on.
	Arguments []byte
	State     ApprovalState
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	// KeyID and Via say how the decision came, DecidedBy who it was in the words of
	// the application.
	DecidedAt time.Time
	DecidedBy string
	KeyID     string
	Via       string // mcp, rest
	UsedAt    time.Time
	LogID     string // of the call that used it
}

// Expired says whether the time of the approval has run out.
func (a *Approval) Expired(now time.Time) bool {
	return !a.ExpiresAt.IsZero() && !now.Before(a.ExpiresAt)
}
