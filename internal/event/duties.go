package event

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// How often the duties are to be done, and how much at a time.
const (
	ProbeEvery   = 30 * time.Second
	RecoverEvery = 30 * time.Second
	dutyBatch    = 200
)

// Probe tries one delivery of each subscription that is paused and due.
func (s *Service) Probe(ctx context.Context) error {
	due, err := s.opts.Store.DueWebhooks(ctx, s.now(), dutyBatch)
	if err != nil {
		return err
	}
	for i := range due {
		if err := s.probe(ctx, &due[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) probe(ctx context.Context, stale *domain.Webhook) error {
	err := s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		now := s.now()
		w, err := tx.Webhook(ctx, stale.ProjectID, stale.ID)
		if err != nil || w.State != domain.WebhookPaused || w.ProbeAt.After(now) {
			return err
		}
		open, err := tx.OpenDeliveries(ctx, w.ProjectID, w.ID, 1)
		if err != nil {
			return err
		}
		if len(open) == 0 {
			// There is nothing to try it with: the next event shall. One more failure
			// pauses it again.
			w.State, w.Reason, w.ProbeAt = domain.WebhookActive, "", time.Time{}
			return tx.UpdateWebhook(ctx, w.ProjectID, w)
		}
		w.ProbeAt = now.Add(s.opts.ProbeEvery)
		if err := tx.UpdateWebhook(ctx, w.ProjectID, w); err != nil {
			return err
		}
		return s.enqueue(ctx, tx, deliverJob(&open[0], true))
	})
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil
	}
	return err
}

// RecoverLost gives deliveries a job that have none: their process died during an
// attempt, or the job was lost. It ends those that were parked for too long.
func (s *Service) RecoverLost(ctx context.Context) error {
	now := s.now()
	for _, find := range []func() ([]domain.Delivery, error){
		func() ([]domain.Delivery, error) { return s.opts.Store.LostDeliveries(ctx, now, dutyBatch) },
		func() ([]domain.Delivery, error) {
			return s.opts.Store.OverdueDeliveries(ctx, now.Add(-s.opts.Overdue), dutyBatch)
		},
	} {
		found, err := find()
		if err != nil {
			return err
		}
		for i := range found {
			if err := s.recover(ctx, &found[i], now); err != nil {
				return err
			}
		}
	}
	_, err := s.opts.Store.EndParked(ctx, now.Add(-s.opts.Window),
		fmt.Sprintf("given up: its endpoint took nothing for %v", s.opts.Window), now)
	return err
}

func (s *Service) recover(ctx context.Context, stale *domain.Delivery, now time.Time) error {
	err := s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		d, err := tx.Delivery(ctx, stale.ProjectID, stale.ID)
		if err != nil || d.ClaimedUntil.After(now) {
			return err
		}
		d.ClaimedUntil = time.Time{}
		waits := d.State == domain.DeliveryWaiting
		if waits {
			d.NextAt = now
		}
		if err := tx.UpdateDelivery(ctx, d.ProjectID, d); err != nil || !waits {
			return err
		}
		return s.enqueue(ctx, tx, deliverJob(&d, false))
	})
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil
	}
	return err
}

// tellOf keeps an event about a subscription. It is delivered when that works again,
// and listed meanwhile.
func (s *Service) tellOf(ctx context.Context, tx store.Tx, w *domain.Webhook, what domain.EventType, now time.Time) error {
	payload, err := json.Marshal(map[string]any{
		"webhook_subscription_id": w.ID, "state": w.State, "reason": w.Reason, "failures": w.Failures,
		"failing_since": wireTime(w.FailingSince),
	})
	if err != nil {
		return domain.Internal("writing an event", err)
	}
	// The subscription is not written yet as it will be: what is published is parked
	// by its job.
	_, _, err = s.Publish(ctx, tx, domain.Event{
		ProjectID: w.ProjectID, Type: what, Source: w.ID, Key: string(what) + " " + wireTime(now), Payload: payload, OccurredAt: now,
	})
	return err
}
