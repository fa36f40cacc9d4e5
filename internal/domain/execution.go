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
// goes out. Of the arguments there are size and digest, and what the setting
// execution_arguments lets be kept of them, sealed.
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
	AuthConfigID  string // that of the account
	ParentID      string // the record of the multi-execute that it belongs to; usually empty
	ParentTool    string
	Door          string // where the call came in, as execute names it
	RequestID     string
	Outcome       Outcome
	ErrorCode     Code   // for refused and failed
	Error         string // the message that the caller saw
	ArgsSize      int
	ArgsDigest    [32]byte // SHA-256 of the canonical argument JSON
	ResultSize    int
	UpstreamCalls int
	// UpstreamID is by what the application's side finds the call's last request in
	// its own log, as the answer's headers gave it; UpstreamStatus is that answer's.
	UpstreamID     string
	UpstreamStatus int
	// SealedArgs is what is kept of the arguments, sealed for this record; empty
	// when nothing is.
	SealedArgs string
	StartedAt  time.Time
	Duration   time.Duration
}
