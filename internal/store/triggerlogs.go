package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// TriggerLog is an event of a trigger with what became of it.
type TriggerLog struct {
	domain.Event
	// Delivery is the zero value where there is none; Excerpt is the beginning of
	// the last answer of its endpoint.
	Delivery domain.Delivery
	Excerpt  string
}

// LogField names a part of a trigger's log that can be searched.
type LogField string

// The fields.
const (
	LogID         LogField = "id"
	LogTriggerID  LogField = "source"
	LogTrigger    LogField = "trigger_slug"
	LogAccount    LogField = "account_id"
	LogAuthConfig LogField = "auth_config_id"
	LogUser       LogField = "user_id"
)

// LogMatch narrows logs to those whose field is, or with Part has somewhere in it,
// the value in any case; Not turns that round.
type LogMatch struct {
	Field     LogField
	Part, Not bool
	Value     string
}

// LogStatus narrows logs by what became of the event.
type LogStatus string

// The statuses: taken by its endpoint, or wanted by none; refused last, or given up.
const (
	LogSuccess LogStatus = "success"
	LogError   LogStatus = "error"
)

// TriggerLogFilter narrows a list of logs; empty fields do not.
type TriggerLogFilter struct {
	From, To time.Time // of CreatedAt: From is in, To is not
	Status   LogStatus
	Match    []LogMatch
	// Search is looked for in each of the fields.
	Search string
	// BeforeAt and BeforeID name the log behind which the list begins.
	BeforeAt time.Time
	BeforeID string
}

// TriggerLogs gives what became of the events of triggers.
type TriggerLogs interface {
	// ListTriggerLogs gives logs, newest first.
	ListTriggerLogs(ctx context.Context, projectID string, f TriggerLogFilter, limit int) ([]TriggerLog, error)
}
