package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// failure is what a poll's error means.
type failure struct {
	text    string // for a person
	refused bool   // waiting will hardly mend it
	// retryAfter is set where the application asked to wait: that is no failure.
	limited    bool
	retryAfter time.Duration
}

func judge(err error) failure {
	var te *toolkit.Error
	var ours *domain.Error
	switch {
	case errors.As(err, &te):
		f := failure{text: te.Error(), retryAfter: time.Duration(te.RetryAfter) * time.Second}
		f.limited = te.Kind == toolkit.KindRateLimited
		f.refused = te.Kind != toolkit.KindUnavailable && te.Kind != toolkit.KindConflict
		return f
	case errors.As(err, &ours):
		f := failure{text: ours.Message, retryAfter: ours.RetryAfter, limited: ours.Code == domain.CodeRateLimited}
		switch ours.Code {
		case domain.CodeForbidden, domain.CodeNoConnection, domain.CodeNotFound, domain.CodeInvalid, domain.CodeUnsupported, domain.CodeTooLarge:
			f.refused = true
		}
		return f
	case errors.Is(err, context.DeadlineExceeded):
		return failure{text: "the application did not answer in time"}
	}
	return failure{text: "looking at the application failed; see the router's log"}
}

// failed keeps that the poll failed: it comes again later, or, when that is
// hopeless, its instances are disabled.
func (r *round) failed(ctx context.Context, cause error) error {
	s, f := r.s, judge(cause)
	var ended []domain.TriggerInstance
	outcome := "failed"
	err := s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		ended = nil
		now, p := s.now(), *r.p
		p.ClaimedUntil, p.LastError = time.Time{}, clip(f.text)
		why, gone, err := s.accountGone(ctx, tx, &p)
		if err != nil {
			return err
		}
		switch {
		case gone:
			p.NextAt = time.Time{}
			if ended, err = s.disable(ctx, tx, &p, domain.CauseAccount, why); err != nil {
				return err
			}
		case f.limited:
			outcome = "rate_limited"
			p.NextAt = now.Add(max(min(f.retryAfter, maxRetryAfter), p.Interval) + jitter(p.Interval)/5)
		default:
			p.Failures++
			if p.Failures >= maxFailures || f.refused && p.Failures >= maxRefusals {
				p.NextAt = time.Time{}
				why := fmt.Sprintf("it failed %d times, the last time: %s", p.Failures, p.LastError)
				if ended, err = s.disable(ctx, tx, &p, domain.CauseFailures, why); err != nil {
					return err
				}
				break
			}
			p.NextAt = now.Add(max(jitter(r.bounds.backoff(p.Failures)), min(f.retryAfter, maxRetryAfter)))
		}
		swapped, err := s.swap(ctx, tx, &p)
		if err == nil && !swapped {
			err = errStolen
		}
		return err
	})
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil // the account went, and the poll with it
	}
	if err != nil {
		return r.stolen(err)
	}
	r.observe(outcome, 0, 0)
	attrs := []any{"trigger", r.p.Trigger, "poll", r.p.ID, "project", r.p.ProjectID, "error", cause}
	var p *panicked
	if errors.As(cause, &p) {
		attrs = append(attrs, "stack", p.stack)
	}
	s.log.WarnContext(ctx, "a poll of a trigger failed", attrs...)
	for i := range ended {
		s.log.WarnContext(ctx, "a trigger instance was disabled", "instance", ended[i].ID, "project", ended[i].ProjectID, "reason", ended[i].Reason)
	}
	return nil
}

// accountGone says whether the poll's account cannot be used until somebody does
// something about it, and why.
func (s *Service) accountGone(ctx context.Context, tx store.Tx, p *domain.TriggerPoll) (string, bool, error) {
	a, err := tx.Account(ctx, p.ProjectID, p.AccountID)
	if err != nil {
		return "", false, err
	}
	c, err := tx.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
	if err != nil {
		return "", false, err
	}
	switch {
	case a.Disabled:
		return fmt.Sprintf("the connected account %s is disabled", a.ID), true, nil
	case a.Status != domain.AccountActive:
		why := fmt.Sprintf("the connected account %s is %s", a.ID, a.Status)
		if a.StatusReason != "" {
			why += ": " + a.StatusReason
		}
		return why, true, nil
	case c.Disabled:
		return fmt.Sprintf("auth config %s is disabled", c.ID), true, nil
	}
	return "", false, nil
}

// disable ends the reports of the poll's instances, and says so in an event of each.
func (s *Service) disable(ctx context.Context, tx store.Tx, p *domain.TriggerPoll, cause domain.TriggerCause, why string) ([]domain.TriggerInstance, error) {
	served, err := tx.TriggersOfPoll(ctx, p.ProjectID, p.ID)
	if err != nil {
		return nil, err
	}
	var ended []domain.TriggerInstance
	now := s.now()
	for i := range served {
		t := served[i]
		if !t.Enabled() {
			continue
		}
		t.State, t.Cause, t.Reason, t.DisabledAt, t.UpdatedAt = domain.TriggerDisabled, cause, clip(why), now, now
		if err := tx.UpdateTrigger(ctx, t.ProjectID, t); err != nil {
			return nil, err
		}
		if err := s.tell(ctx, tx, &t, p); err != nil {
			return nil, err
		}
		ended = append(ended, t)
	}
	return ended, nil
}

func (s *Service) tell(ctx context.Context, tx store.Tx, t *domain.TriggerInstance, p *domain.TriggerPoll) error {
	payload, err := json.Marshal(map[string]any{
		"trigger_id": t.ID, "trigger_slug": t.Trigger, "connected_account_id": t.AccountID, "auth_config_id": t.AuthConfigID,
		"user_id": t.UserID, "cause": t.Cause, "reason": t.Reason, "failures": p.Failures,
		"disabled_at": t.DisabledAt.Format("2006-01-02T15:04:05.000Z"),
	})
	if err != nil {
		return domain.Internal("writing an event", err)
	}
	_, _, err = s.opts.Events.Publish(ctx, tx, domain.Event{
		ProjectID: t.ProjectID, Type: domain.EventTriggerDisabled, Source: t.ID,
		Key: fmt.Sprintf("disabled %d", t.DisabledAt.UnixMicro()), UserID: t.UserID, Trigger: t.Trigger,
		AccountID: t.AccountID, AuthConfigID: t.AuthConfigID, Payload: payload, OccurredAt: t.DisabledAt,
	})
	return err
}

// clip bounds what is kept of a reason.
func clip(text string) string {
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	return text
}
