package domain

import "time"

// Outcome says how an execution ended.
type Outcome string

// The outcomes.
const (
	OutcomeOK       Outcome = "ok"
	OutcomeFailed   Outcome = "failed"   // the tool ran and failed, or upstream refused
	OutcomeRefused  Outcome = "refused"  // never reached the tool: policy, arguments, no account
	OutcomeCanceled Outcome = "canceled" // the caller went away
	OutcomeAsked    Outcome = "asked"    // the tool waits for an answer of the person
)

// Execution is the record of one tool call. It is written before the answer
// goes out. Arguments are kept as size and digest only.
type Execution struct {
	ID            string
	ProjectID     string
	KeyID         string
	UserID        string
	SessionID     string // empty outside a session
	Toolkit       string
	Tool          string
	Version       string
	AccountID     string // empty when no account was picked
	Door          string // where the call came in, as execute names it
	RequestID     string
	Outcome       Outcome
	ErrorCode     Code   // for refused and failed
	Error         string // the message that the caller saw
	ArgsSize      int
	ArgsDigest    [32]byte // SHA-256 of the canonical argument JSON
	ResultSize    int
	UpstreamCalls int
	StartedAt     time.Time
	Duration      time.Duration
}
