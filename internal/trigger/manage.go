package trigger

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Enable lets a disabled instance report again: from now on where its project
// disabled it, else from where it was. An enabled one is CodeConflict.
func (s *Service) Enable(ctx context.Context, projectID, id string) (domain.TriggerInstance, error) {
	t, err := s.opts.Store.Trigger(ctx, projectID, id)
	if err != nil {
		return t, err
	}
	if t.Enabled() {
		return t, domain.Errorf(domain.CodeConflict, "the trigger instance %s is enabled already", t.ID)
	}
	kind, err := s.opts.Catalog.Trigger(ctx, projectID, t.Trigger, "")
	if err != nil {
		return t, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	w, err := s.open(ctx, kind, connect.Choice{ProjectID: projectID, UserID: t.UserID, Toolkit: t.Toolkit, Account: t.AccountID})
	if err != nil {
		return t, err
	}
	w.config = t.Config
	if err := w.identify(); err != nil {
		return t, err
	}
	err = raced(func() error {
		now, err := s.opts.Store.Trigger(ctx, projectID, id)
		if err == nil && !now.Enabled() {
			now, err = s.start(ctx, w, now, false)
		}
		t = now
		return err
	})
	return t, err
}

// Disable ends an instance's reports until it is enabled again; what happens
// meanwhile is not reported. One that its project has disabled is CodeConflict.
func (s *Service) Disable(ctx context.Context, projectID, id string) (t domain.TriggerInstance, err error) {
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if t, err = tx.Trigger(ctx, projectID, id); err != nil {
			return err
		}
		if !t.Enabled() && t.Cause == domain.CauseProject {
			return domain.Errorf(domain.CodeConflict, "the trigger instance %s is disabled already", t.ID)
		}
		now := s.now()
		t.State, t.Cause, t.Reason, t.DisabledAt, t.UpdatedAt = domain.TriggerDisabled, domain.CauseProject, "", now, now
		if err := tx.UpdateTrigger(ctx, projectID, t); err != nil {
			return err
		}
		return s.settle(ctx, tx, &t)
	})
	return t, err
}

// Delete removes an instance. Its events stay.
func (s *Service) Delete(ctx context.Context, projectID, id string) error {
	return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		t, err := tx.Trigger(ctx, projectID, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteTrigger(ctx, projectID, id); err != nil {
			return err
		}
		if err := tx.DropPoll(ctx, projectID, t.PollID); err != nil {
			return err
		}
		return s.settle(ctx, tx, &t)
	})
}

// settle ends the poll of t when no instance is left that reports.
func (s *Service) settle(ctx context.Context, tx store.Tx, t *domain.TriggerInstance) error {
	served, err := tx.TriggersOfPoll(ctx, t.ProjectID, t.PollID)
	if err != nil || len(served) == 0 || slices.ContainsFunc(served, func(o domain.TriggerInstance) bool { return o.Enabled() }) {
		return err
	}
	p, err := tx.Poll(ctx, t.ProjectID, t.PollID)
	if err != nil || p.NextAt.IsZero() {
		return err
	}
	p.NextAt, p.ClaimedUntil = time.Time{}, time.Time{}
	_, err = s.swap(ctx, tx, &p) // in the transaction that read it
	return err
}
