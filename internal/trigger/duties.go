package trigger

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// How often the duties are to be done, and how much at a time.
const (
	RecoverEvery = 15 * time.Second
	ResumeEvery  = 30 * time.Second
	dutyBatch    = 200
)

// RecoverLost gives polls a job that have none: their process died, or the job was
// lost.
func (s *Service) RecoverLost(ctx context.Context) error {
	for {
		now := s.now()
		lost, err := s.opts.Store.LostPolls(ctx, now, now.Add(-s.opts.Overdue), dutyBatch)
		if err != nil {
			return err
		}
		for _, key := range lost {
			if err := s.recover(ctx, key); err != nil {
				return err
			}
		}
		if len(lost) < dutyBatch {
			return nil
		}
	}
}

func (s *Service) recover(ctx context.Context, key domain.PollKey) error {
	return gone(s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		p, err := tx.Poll(ctx, key.ProjectID, key.ID)
		if err != nil || p.Version != key.Version {
			return err
		}
		p.ClaimedUntil = time.Time{}
		if !p.NextAt.IsZero() {
			p.NextAt = s.now()
		}
		_, err = s.swap(ctx, tx, &p)
		return err
	}))
}

// Resume enables the instances whose account can be used again, from where they were.
func (s *Service) Resume(ctx context.Context) error {
	for {
		back, err := s.opts.Store.RecoveredTriggers(ctx, dutyBatch)
		if err != nil {
			return err
		}
		for i := range back {
			if err := s.resume(ctx, &back[i]); err != nil {
				return err
			}
		}
		if len(back) < dutyBatch {
			return nil
		}
	}
}

func (s *Service) resume(ctx context.Context, stale *domain.TriggerInstance) error {
	interval := s.opts.MinInterval
	if kind, err := s.opts.Catalog.Trigger(ctx, stale.ProjectID, stale.Trigger, ""); err == nil {
		b, err := s.bounds(ctx, s.opts.Store, stale.ProjectID, kind.Trigger)
		if err != nil {
			return err
		}
		interval = b.usual
	}
	err := raced(func() error {
		return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			t, err := tx.Trigger(ctx, stale.ProjectID, stale.ID)
			if err != nil || t.Cause != domain.CauseAccount {
				return err
			}
			p, err := tx.Poll(ctx, t.ProjectID, t.PollID)
			if err != nil {
				return err
			}
			if p.NextAt.IsZero() {
				if err := s.wake(ctx, tx, &p, interval); err != nil {
					return err
				}
			}
			t.State, t.Cause, t.Reason, t.DisabledAt, t.UpdatedAt = domain.TriggerEnabled, domain.CauseNone, "", time.Time{}, s.now()
			return tx.UpdateTrigger(ctx, t.ProjectID, t)
		})
	})
	if err == nil {
		s.log.InfoContext(ctx, "a trigger instance reports again: its account is back", "instance", stale.ID, "project", stale.ProjectID)
	}
	return gone(err)
}

// gone takes what is no longer there for done.
func gone(err error) error {
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil
	}
	return err
}
