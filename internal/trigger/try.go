package trigger

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// What a made-up event of a type says that no instance of the project has: ids of
// which nothing is found.
const (
	sampleInstance   = domain.PrefixTrigger + "test"
	sampleAccount    = domain.PrefixAccount + "test"
	sampleAuthConfig = domain.PrefixAuthConfig + "test"
	sampleUser       = "test"
)

// Tried says of what a made-up event is wanted.
type Tried struct {
	ProjectID string
	// Trigger is the id of an instance, or the slug of a type: then it is an event
	// of the newest instance of that type, of UserID where that is given, and
	// where there is none, one of an instance that does not exist.
	Trigger string
	UserID  string
	// Config is one to shape the payload to, of a type only; empty: that of the
	// instance.
	Config json.RawMessage
}

// Try publishes a made-up event, on the way that every event takes. It is marked as
// a test; its payload is the example of the type, as the instance could get it
// now. A disabled instance is told as well. The application is not asked.
func (s *Service) Try(ctx context.Context, a Tried) (domain.Event, error) {
	t, kind, err := s.tried(ctx, a)
	if err != nil {
		return domain.Event{}, err
	}
	now := s.now()
	payload, err := guarded(func() (json.RawMessage, error) { return kind.Sample(t.Config, now) })
	if err != nil {
		return domain.Event{}, asDomain(err, kind.Slug)
	}
	id := domain.NewID(domain.PrefixEvent)
	e := domain.Event{
		ID: id, ProjectID: t.ProjectID, Type: domain.EventTriggerMessage, Source: t.ID, Key: domain.TestEventKey(id), UserID: t.UserID,
		Trigger: t.Trigger, AccountID: t.AccountID, AuthConfigID: t.AuthConfigID, Payload: fit(payload), OccurredAt: now,
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		published, _, err := s.opts.Events.Publish(ctx, tx, e)
		if err == nil {
			e.CreatedAt = published.CreatedAt
		}
		return err
	})
	return e, err
}

// tried finds the instance that a made-up event is of, or makes one up.
func (s *Service) tried(ctx context.Context, a Tried) (domain.TriggerInstance, *catalog.Trigger, error) {
	var t domain.TriggerInstance
	if strings.HasPrefix(a.Trigger, domain.PrefixTrigger) {
		if len(a.Config) > 0 || a.UserID != "" {
			return t, nil, domain.Invalid("trigger", "trigger: %s is an instance, which has its own trigger_config and user_id; leave them out, or name a type", a.Trigger)
		}
		t, err := s.opts.Store.Trigger(ctx, a.ProjectID, a.Trigger)
		if err != nil {
			return t, nil, err
		}
		kind, err := s.opts.Catalog.Trigger(ctx, a.ProjectID, t.Trigger, "")
		return t, kind, err
	}
	kind, err := s.opts.Catalog.Trigger(ctx, a.ProjectID, a.Trigger, "")
	if err != nil {
		return t, nil, err
	}
	f := store.TriggerFilter{Triggers: []string{kind.Slug}, States: []domain.TriggerState{domain.TriggerEnabled}}
	if a.UserID != "" {
		f.UserIDs = []string{a.UserID}
	}
	if len(a.Config) == 0 {
		there, _, err := s.opts.Store.ListTriggers(ctx, a.ProjectID, f, store.Page{Limit: 1})
		if err != nil || len(there) == 1 {
			return append(there, t)[0], kind, err
		}
	}
	t = domain.TriggerInstance{
		ID: sampleInstance, ProjectID: a.ProjectID, UserID: sampleUser, AccountID: sampleAccount, AuthConfigID: sampleAuthConfig,
		Toolkit: kind.Toolkit.Slug, Trigger: kind.Slug,
	}
	if a.UserID != "" {
		t.UserID = a.UserID
	}
	if len(a.Config) > 0 {
		if t.Config, err = validate(kind, a.Config); err != nil {
			return t, nil, err
		}
	}
	return t, kind, nil
}
