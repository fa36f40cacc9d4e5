package domain

import (
	"encoding/json"
	"time"
)

// TriggerState says whether a trigger instance reports.
type TriggerState string

// The states.
const (
	TriggerEnabled  TriggerState = "enabled"
	TriggerDisabled TriggerState = "disabled"
)

// TriggerCause says who disabled a trigger instance.
type TriggerCause string

// The causes. Only what an account's end disabled is enabled again by itself.
const (
	CauseNone     TriggerCause = ""
	CauseProject  TriggerCause = "project"  // its project
	CauseAccount  TriggerCause = "account"  // its account cannot be used
	CauseFailures TriggerCause = "failures" // it failed again and again
)

// TriggerInstance is a user's trigger: a type of trigger with a configuration, on
// one account.
type TriggerInstance struct {
	ID           string // ti_…
	ProjectID    string
	UserID       string // the application's own id of its user
	AccountID    string
	AuthConfigID string // of the account
	Toolkit      string // slug
	Trigger      string // slug of the type
	Config       json.RawMessage
	// ConfigHash tells the instances of one type and account apart.
	ConfigHash string
	PollID     string // of the poll that finds its events
	State      TriggerState
	Cause      TriggerCause // of a disabled one
	Reason     string       // of a disabled one, for a person
	CreatedAt  time.Time
	UpdatedAt  time.Time
	DisabledAt time.Time // zero while it is enabled
}

// Enabled says whether the instance reports.
func (t TriggerInstance) Enabled() bool { return t.State == TriggerEnabled }

// Kept says whether what happens while the instance is disabled is to be reported
// once it is enabled again: it was not its project that disabled it.
func (t TriggerInstance) Kept() bool { return t.State == TriggerDisabled && t.Cause != CauseProject }

// TriggerPoll is what finds the events of all instances that watch the same thing
// through the same account.
type TriggerPoll struct {
	ID        string // tp_…
	ProjectID string
	AccountID string
	Toolkit   string
	Trigger   string
	// WatchHash says what is watched; Config is one that says so.
	WatchHash string
	Config    json.RawMessage
	Cursor    json.RawMessage // empty before the first poll
	// Version counts the changes of the poll; see SwapPoll.
	Version int64
	// NextAt is when it is to be polled; zero while nobody wants it polled.
	NextAt time.Time
	// ClaimedUntil is when a poll that was begun is taken for that of a dead
	// process; zero when none was begun.
	ClaimedUntil time.Time
	Interval     time.Duration // until the next poll, before jitter
	Failures     int           // polls that failed since the last one that did not
	LastError    string
	PolledAt     time.Time // when the last poll that did not fail began
	CreatedAt    time.Time
}

// PollKey names a poll at one version.
type PollKey struct {
	ProjectID, ID string
	Version       int64
}

// WebhookEndpoint is an address at which an application tells a project of changes.
// Its secret is sealed in the vault.
type WebhookEndpoint struct {
	ID        string // we_…, which is part of the address
	ProjectID string
	Toolkit   string // slug
	// ClientID narrows what is told to accounts of the auth configs with this
	// client_id, or of the one with this id; empty: to all of the toolkit.
	ClientID string
	// PreviousUntil is how long the secret before the current one is taken as well;
	// zero when there is none.
	PreviousUntil time.Time
	// ReceivedAt is when something last came, and LastError what was wrong with
	// what was last looked into; empty when nothing was.
	ReceivedAt time.Time
	LastError  string
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// InboundWebhook is what an endpoint received and what was not looked into yet.
type InboundWebhook struct {
	ID         string // in_…
	ProjectID  string
	EndpointID string
	At         time.Time
	Header     map[string][]string // without credentials
	// Polls are those that still have to hear of it; nil before it is known which.
	Polls []string
	Body  []byte
}

// TriggerBounds are what a project sets to the time between two polls; zero means
// the router's.
type TriggerBounds struct{ Min, Max time.Duration }
