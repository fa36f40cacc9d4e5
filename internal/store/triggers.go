package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// TriggerFilter narrows a list of trigger instances; empty fields do not.
type TriggerFilter struct {
	IDs, UserIDs, AccountIDs, AuthConfigIDs, Triggers []string
	States                                            []domain.TriggerState
}

// Triggers keeps trigger instances. They go with their account.
type Triggers interface {
	// CreateTrigger fails with CodeConflict when the account has an instance of the
	// type with the same configuration already, and with CodeNotFound when the
	// project has no such account or poll.
	CreateTrigger(ctx context.Context, t domain.TriggerInstance) error
	Trigger(ctx context.Context, projectID, id string) (domain.TriggerInstance, error)
	// FindTrigger gives the account's instance of the type with the configuration.
	FindTrigger(ctx context.Context, projectID, accountID, trigger, configHash string) (domain.TriggerInstance, error)
	// ListTriggers gives instances, newest first, and how many there are in all.
	ListTriggers(ctx context.Context, projectID string, f TriggerFilter, page Page) ([]domain.TriggerInstance, int, error)
	// UpdateTrigger replaces state, cause, reason, updated and disabled time.
	UpdateTrigger(ctx context.Context, projectID string, t domain.TriggerInstance) error
	DeleteTrigger(ctx context.Context, projectID, id string) error
	// TriggersOfPoll gives the instances that the poll serves, oldest first.
	TriggersOfPoll(ctx context.Context, projectID, pollID string) ([]domain.TriggerInstance, error)
	// RecoveredTriggers gives instances of all projects that their account's end
	// disabled and whose account can be used again, those that wait longest first.
	RecoveredTriggers(ctx context.Context, limit int) ([]domain.TriggerInstance, error)
}

// Polls keeps what trigger instances share.
type Polls interface {
	// CreatePoll fails with CodeConflict when the account has a poll of the type that
	// watches the same already, and with CodeNotFound when the project has no such
	// account.
	CreatePoll(ctx context.Context, p domain.TriggerPoll) error
	Poll(ctx context.Context, projectID, id string) (domain.TriggerPoll, error)
	// FindPoll gives the account's poll of the type that watches what the hash says.
	FindPoll(ctx context.Context, projectID, accountID, trigger, watchHash string) (domain.TriggerPoll, error)
	// SwapPoll replaces cursor, next time, claim, interval, failures, last error and
	// polled time of the poll when its version is still p.Version, and raises that by
	// one; it reports false, and changes nothing, when somebody else was first.
	SwapPoll(ctx context.Context, projectID string, p domain.TriggerPoll) (bool, error)
	// ClaimPoll is SwapPoll for the claim alone.
	ClaimPoll(ctx context.Context, key domain.PollKey, until time.Time) (bool, error)
	// DropPoll removes the poll when no instance needs it any more.
	DropPoll(ctx context.Context, projectID, id string) error
	// LostPolls gives polls of all projects that were begun and should have ended by
	// now, or that nobody began although they were due before overdue.
	LostPolls(ctx context.Context, now, overdue time.Time, limit int) ([]domain.PollKey, error)
}
