package event

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Replay has an event delivered again, with its id of before, to whoever is
// subscribed now. It gives how many deliveries that makes.
func (s *Service) Replay(ctx context.Context, projectID, id string) (n int, err error) {
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		n = 0
		e, err := tx.Event(ctx, projectID, eventID(id))
		if err != nil {
			return err
		}
		hooks, err := s.deliverable(ctx, tx, projectID)
		if err != nil {
			return err
		}
		t, _ := typeOf(e.Type)
		for i := range hooks {
			if !t.in(hooks[i].Version) {
				return domain.Errorf(domain.CodeConflict, "%s cannot be sent in version %s of the subscription", e.Type, hooks[i].Version).
					WithFix("Change the subscription to version V3.")
			}
			n++
			if err := s.send(ctx, tx, &hooks[i], &e, s.now()); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// Range says which events are to be replayed.
type Range struct {
	From, To time.Time // of CreatedAt: From is in, To is not; a zero To is now
	Types    []domain.EventType
	Trigger  string
	Source   string
	UserID   string
	// Failed leaves out what was delivered.
	Failed bool
}

type replayArgs struct {
	ProjectID string    `json:"project"`
	At        time.Time `json:"at"`
	Range     Range     `json:"range"`
}

// ReplayRange has the events of a range delivered again that the subscription is
// for, and gives how many events the range has. It is done in the background.
func (s *Service) ReplayRange(ctx context.Context, projectID string, r Range) (n int, err error) {
	now := s.now()
	if r.To.IsZero() || r.To.After(now) {
		r.To = now
	}
	if r.From.IsZero() || !r.From.Before(r.To) {
		return 0, domain.Invalid("from", "from: expected a time before \"to\", and before now")
	}
	for _, t := range r.Types {
		if _, known := typeOf(t); !known {
			return 0, domain.Invalid("types", "types: there is no type of event %.80q", string(t))
		}
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if _, err := s.deliverable(ctx, tx, projectID); err != nil {
			return err
		}
		_, total, err := tx.ListEvents(ctx, projectID, r.filter(), store.Page{Limit: 1})
		if n = total; err != nil || n == 0 {
			return err
		}
		return s.enqueue(ctx, tx, replayKind.Job(replayArgs{ProjectID: projectID, At: now, Range: r}))
	})
	return n, err
}

func (r *Range) filter() store.EventFilter {
	return store.EventFilter{Types: r.Types, Trigger: r.Trigger, Source: r.Source, UserID: r.UserID, From: r.From, To: r.To, OldestFirst: true}
}

// deliverable gives the project's subscriptions, and fails when nothing would be
// delivered to them.
func (s *Service) deliverable(ctx context.Context, tx store.Tx, projectID string) ([]domain.Webhook, error) {
	hooks, err := tx.ListWebhooks(ctx, projectID)
	if err != nil {
		return nil, err
	}
	if len(hooks) == 0 {
		return nil, domain.Errorf(domain.CodeConflict, "the project has no webhook subscription to replay to").
			WithFix("Make one: POST /api/v3.1/webhook_subscriptions, or sluice webhooks create.")
	}
	if hooks[0].State == domain.WebhookDisabled {
		return nil, domain.Errorf(domain.CodeConflict, "the webhook subscription %s is disabled: %s", hooks[0].ID, hooks[0].Reason).
			WithFix("Set its webhook_url, the same one if it is right.")
	}
	return hooks, nil
}

// replay is the job of ReplayRange. Run again it passes over what it has done.
func (s *Service) replay(ctx context.Context, a replayArgs) error {
	for offset := 0; ; offset += wakeBatch {
		n := 0
		err := s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			page, _, err := tx.ListEvents(ctx, a.ProjectID, a.Range.filter(), store.Page{Offset: offset, Limit: wakeBatch})
			n = len(page)
			if err != nil {
				return err
			}
			hooks, err := tx.ListWebhooks(ctx, a.ProjectID)
			if err != nil {
				return err
			}
			return s.sendPage(ctx, tx, hooks, page, &a)
		})
		if err != nil || n < wakeBatch {
			return err
		}
	}
}

func (s *Service) sendPage(ctx context.Context, tx store.Tx, hooks []domain.Webhook, page []domain.Event, a *replayArgs) error {
	for h := range hooks {
		w := &hooks[h]
		for i := range page {
			e := &page[i]
			if w.State == domain.WebhookDisabled || !wants(w, e.Type) {
				continue
			}
			if a.Range.Failed {
				f := store.DeliveryFilter{WebhookID: w.ID, EventID: e.ID, States: []domain.DeliveryState{domain.DeliveryDelivered}}
				if _, n, err := tx.ListDeliveries(ctx, e.ProjectID, f, store.Page{Limit: 1}); err != nil || n > 0 {
					if err != nil {
						return err
					}
					continue
				}
			}
			if err := s.send(ctx, tx, w, e, a.At); err != nil {
				return err
			}
		}
	}
	return nil
}
