package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// ExecutionFilter narrows a list of executions; empty fields do not.
type ExecutionFilter struct {
	SessionID, UserID, Tool, Outcome string
}

// Executions keeps the record of tool calls.
type Executions interface {
	RecordExecution(ctx context.Context, e domain.Execution) error
	Execution(ctx context.Context, projectID, id string) (domain.Execution, error)
	// ListExecutions gives records, newest first, and how many there are in all.
	ListExecutions(ctx context.Context, projectID string, f ExecutionFilter, page Page) ([]domain.Execution, int, error)
	// SearchExecutions gives up to limit records that fit q, in its order, beginning
	// after q.After.
	SearchExecutions(ctx context.Context, projectID string, q ExecutionQuery, limit int) ([]domain.Execution, error)
	// CountExecutions counts the records that fit u, by u.By.
	CountExecutions(ctx context.Context, projectID string, u UsageQuery) (Usage, error)
	// CountSessions counts the sessions that were made in u's time, by u.By.
	CountSessions(ctx context.Context, projectID string, u UsageQuery) (Usage, error)
	// ToolkitUse says how many calls of each toolkit the project made since a time,
	// of its last ten thousand.
	ToolkitUse(ctx context.Context, projectID string, since time.Time) (map[string]int, error)
	// DropExecutions removes up to limit records that began before the given time,
	// the oldest first, and says how many.
	DropExecutions(ctx context.Context, projectID string, before time.Time, limit int) (int, error)
}

// ExecutionColumn is a property of records by which they are found or counted.
type ExecutionColumn string

// The columns.
const (
	ExecutionID           ExecutionColumn = "id"
	ExecutionTool         ExecutionColumn = "tool"
	ExecutionToolkit      ExecutionColumn = "toolkit"
	ExecutionUser         ExecutionColumn = "user_id"
	ExecutionSession      ExecutionColumn = "session_id"
	ExecutionAccount      ExecutionColumn = "account_id"
	ExecutionAuthConfig   ExecutionColumn = "auth_config_id"
	ExecutionRequest      ExecutionColumn = "request_id"
	ExecutionUpstream     ExecutionColumn = "upstream_id"
	ExecutionParent       ExecutionColumn = "parent_id"
	ExecutionDoor         ExecutionColumn = "door"
	ExecutionOutcome      ExecutionColumn = "outcome"
	ExecutionErrorCode    ExecutionColumn = "error_code"
	ExecutionErrorMessage ExecutionColumn = "error"
)

// ExecutionTest is a condition on records.
type ExecutionTest struct {
	// Columns are one or more: a record fits when one of them does, or with Not when
	// none of them does.
	Columns []ExecutionColumn
	// Values are one or more, of which the column has one; or, with Contains, of which
	// it contains one: any part of it, letters A to Z being the same as a to z unless
	// Case is set. No character has a meaning of its own.
	Values         []string
	Contains, Case bool
	Not            bool
}

// Mark is a place in the order of records: that of the record with this beginning
// and id.
type Mark struct {
	At time.Time
	ID string
}

// ExecutionQuery says which records are wanted, in which order.
type ExecutionQuery struct {
	// From and To bound the beginning of the call, From included; the zero time does
	// not.
	From, To time.Time
	Tests    []ExecutionTest
	After    Mark // the zero Mark is the beginning
	Oldest   bool // the oldest first; else the newest
}

// UsageQuery says what is to be counted. Users and Sessions narrow when they have
// any.
type UsageQuery struct {
	From, To        time.Time
	Users, Sessions []string
	Outcomes        []domain.Outcome // of records alone
	By              ExecutionColumn  // of sessions: ExecutionUser or ExecutionSession
	ByKey           bool             // ordered by key instead of by count
	Ascending       bool
	Limit           int // groups; 0: none are wanted, only the total
}

// Usage is what was counted.
type Usage struct {
	Total  int
	Groups []UsageGroup
}

// UsageGroup is one group of it.
type UsageGroup struct {
	Key   string
	Count int
}
