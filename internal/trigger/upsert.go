package trigger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Asked says which instance is wanted.
type Asked struct {
	ProjectID string
	Trigger   string // slug of the type
	Version   string // of its toolkit; empty or "latest": the newest
	// UserID may be empty when Account is an account's id.
	UserID  string
	Account string          // id, alias or word id; empty: the user's newest active one
	Config  json.RawMessage // an object; empty: none
}

// watched is what an instance comes to: a type on an account, with a client for it.
type watched struct {
	kind    *catalog.Trigger
	account *domain.ConnectedAccount
	call    *toolkit.Call
	config  json.RawMessage
	watch   string // hash
}

// Upsert gives the instance that is asked for, enabled: the one that is there, or a
// new one; made says which. The configuration is tried against the application.
func (s *Service) Upsert(ctx context.Context, a Asked) (t domain.TriggerInstance, made bool, err error) {
	kind, err := s.opts.Catalog.Trigger(ctx, a.ProjectID, a.Trigger, a.Version)
	if err != nil {
		return t, false, err
	}
	config, err := validate(kind, a.Config)
	if err != nil {
		return t, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	w, err := s.open(ctx, kind, connect.Choice{ProjectID: a.ProjectID, UserID: a.UserID, Toolkit: kind.Toolkit.Slug, Account: a.Account})
	if err != nil {
		return t, false, err
	}
	if w.config, err = guarded(func() (json.RawMessage, error) { return kind.Check(ctx, w.call, config) }); err != nil {
		return t, false, asDomain(err, kind.Slug)
	}
	if err := w.identify(); err != nil {
		return t, false, err
	}
	err = raced(func() error { t, made, err = s.upsert(ctx, w); return err })
	return t, made, err
}

// open gives the call on an account that the type may watch.
func (s *Service) open(ctx context.Context, kind *catalog.Trigger, c connect.Choice) (*watched, error) {
	chosen, err := s.opts.Connect.Select(ctx, c)
	if err != nil {
		return nil, err
	}
	if chosen == nil {
		return nil, domain.Errorf(domain.CodeUnsupported, "trigger %s has no account to watch: toolkit %s needs none", kind.Slug, kind.Toolkit.Slug)
	}
	w := &watched{kind: kind, account: &chosen.ConnectedAccount}
	if err := policy.TriggerScopes(kind, w.account); err != nil {
		return nil, err
	}
	w.call, err = s.opts.Connect.Prepare(ctx, kind.Toolkit, w.account, nil)
	return w, err
}

// identify says what the configuration watches.
func (w *watched) identify() error {
	key, err := w.kind.WatchKey(w.config)
	if err != nil {
		return asDomain(err, w.kind.Slug)
	}
	w.watch = hash(key)
	return nil
}

func (s *Service) upsert(ctx context.Context, w *watched) (domain.TriggerInstance, bool, error) {
	a, now := w.account, s.now()
	t, err := s.opts.Store.FindTrigger(ctx, a.ProjectID, a.ID, w.kind.Slug, hash(string(w.config)))
	switch {
	case err == nil && t.Enabled():
		return t, false, nil
	case err == nil:
		t, err = s.start(ctx, w, t, false)
		return t, false, err
	case domain.CodeOf(err) != domain.CodeNotFound:
		return t, false, err
	}
	if err := s.room(ctx, s.opts.Store, a.ProjectID); err != nil {
		return t, false, err
	}
	t = domain.TriggerInstance{
		ID: domain.NewID(domain.PrefixTrigger), ProjectID: a.ProjectID, UserID: a.UserID, AccountID: a.ID,
		AuthConfigID: a.AuthConfigID, Toolkit: w.kind.Toolkit.Slug, Trigger: w.kind.Slug, Config: w.config,
		ConfigHash: hash(string(w.config)), CreatedAt: now,
	}
	t, err = s.start(ctx, w, t, true)
	return t, err == nil, err
}

// room says whether the project may have one instance more.
func (s *Service) room(ctx context.Context, q store.Triggers, projectID string) error {
	_, n, err := q.ListTriggers(ctx, projectID, store.TriggerFilter{}, store.Page{Limit: 1})
	if err == nil && n >= s.opts.MaxInstances {
		err = domain.Errorf(domain.CodeForbidden, "the project has %d trigger instances, which is as many as it may", n).
			WithFix("Delete instances that are no longer needed.")
	}
	return err
}

// start enables t, which is new or disabled, on its poll.
func (s *Service) start(ctx context.Context, w *watched, t domain.TriggerInstance, isNew bool) (domain.TriggerInstance, error) {
	var first *toolkit.Polled
	alive, err := s.alive(ctx, s.opts.Store, w, &t)
	if err != nil {
		return t, err
	}
	if !alive {
		// The first look is made before the instance is there: what happens from now
		// on is found by the next one.
		first, err = guarded(func() (*toolkit.Polled, error) { return w.kind.Poll(ctx, w.call, w.config, nil) })
		if err != nil {
			return t, asDomain(err, w.kind.Slug)
		}
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if isNew {
			if err := s.room(ctx, tx, t.ProjectID); err != nil {
				return err
			}
		}
		return s.startIn(ctx, tx, w, &t, first, isNew)
	})
	return t, err
}

// alive says whether the cursor of t's poll is one from which t can go on: other
// instances are served from it, or t itself was disabled against its project's will.
func (s *Service) alive(ctx context.Context, q interface {
	store.Polls
	store.Triggers
}, w *watched, t *domain.TriggerInstance,
) (bool, error) {
	p, err := q.FindPoll(ctx, t.ProjectID, t.AccountID, t.Trigger, w.watch)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	served, err := q.TriggersOfPoll(ctx, p.ProjectID, p.ID)
	return len(p.Cursor) > 0 && slices.ContainsFunc(served, func(o domain.TriggerInstance) bool { return o.Enabled() || o.Kept() }), err
}

func (s *Service) startIn(ctx context.Context, tx store.Tx, w *watched, t *domain.TriggerInstance, first *toolkit.Polled, isNew bool) error {
	now := s.now()
	alive, err := s.alive(ctx, tx, w, t)
	if err != nil {
		return err
	}
	if !alive && first == nil {
		return errRaced // whom it would have joined is gone
	}
	p, err := tx.FindPoll(ctx, t.ProjectID, t.AccountID, t.Trigger, w.watch)
	missing := domain.CodeOf(err) == domain.CodeNotFound
	if err != nil && !missing {
		return err
	}
	b, err := s.bounds(ctx, tx, t.ProjectID, w.kind.Trigger)
	if err != nil {
		return err
	}
	usual := b.usual
	switch {
	case missing:
		p = domain.TriggerPoll{
			ID: domain.NewID(domain.PrefixPoll), ProjectID: t.ProjectID, AccountID: t.AccountID, Toolkit: t.Toolkit,
			Trigger: t.Trigger, WatchHash: w.watch, Config: w.config, Cursor: first.Cursor, Version: 1,
			NextAt: firstAt(now, first, usual), Interval: usual, PolledAt: now, CreatedAt: now,
		}
		if err := tx.CreatePoll(ctx, p); err != nil {
			return err
		}
		if err := s.enqueue(ctx, tx, &p); err != nil {
			return err
		}
	case !alive:
		p.Cursor, p.NextAt, p.ClaimedUntil, p.Interval = first.Cursor, firstAt(now, first, usual), time.Time{}, usual
		p.Failures, p.LastError, p.PolledAt = 0, "", now
		if swapped, err := s.swap(ctx, tx, &p); err != nil || !swapped {
			return cmpErr(err)
		}
	case p.NextAt.IsZero():
		if err := s.wake(ctx, tx, &p, usual); err != nil {
			return err
		}
	}
	t.PollID, t.State, t.Cause, t.Reason, t.DisabledAt, t.UpdatedAt = p.ID, domain.TriggerEnabled, domain.CauseNone, "", time.Time{}, now
	if isNew {
		return tx.CreateTrigger(ctx, *t)
	}
	return tx.UpdateTrigger(ctx, t.ProjectID, *t)
}

// wake has a poll go on at once from where it was.
func (s *Service) wake(ctx context.Context, tx store.Tx, p *domain.TriggerPoll, interval time.Duration) error {
	p.NextAt, p.ClaimedUntil, p.Interval, p.Failures, p.LastError = s.now(), time.Time{}, interval, 0, ""
	swapped, err := s.swap(ctx, tx, p)
	if err == nil && !swapped {
		err = errRaced
	}
	return err
}

// cmpErr gives err, or errRaced where there is none.
func cmpErr(err error) error {
	if err == nil {
		return errRaced
	}
	return err
}

func firstAt(now time.Time, first *toolkit.Polled, usual time.Duration) time.Time {
	if first.More {
		return now
	}
	return now.Add(jitter(usual))
}

// validate checks a configuration against the schema; the error names the field.
func validate(kind *catalog.Trigger, config json.RawMessage) (json.RawMessage, error) {
	if len(bytes.TrimSpace(config)) == 0 || bytes.Equal(bytes.TrimSpace(config), []byte("null")) {
		config = json.RawMessage(`{}`)
	}
	good, err := kind.Validate(config)
	if err != nil {
		return nil, asDomain(err, kind.Slug)
	}
	return good, nil
}

// panicked is a toolkit's panic.
type panicked struct{ value, stack string }

func (p *panicked) Error() string { return "panic: " + p.value }

// guarded makes a panic an error.
func guarded[T any](f func() (T, error)) (out T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{value: fmt.Sprintf("%T", v), stack: string(debug.Stack())}
		}
	}()
	return f()
}

// asDomain words an application's failure for who makes a trigger.
func asDomain(err error, slug string) error {
	var ours *domain.Error
	var te *toolkit.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case !errors.As(err, &te):
		if errors.Is(err, context.DeadlineExceeded) {
			return domain.Errorf(domain.CodeUnavailable, "%s: the application did not answer in time", slug).WithCause(err)
		}
		return domain.Internal("looking at the application", err)
	}
	code := map[toolkit.Kind]domain.Code{
		toolkit.KindInvalid: domain.CodeInvalid, toolkit.KindNotFound: domain.CodeInvalid, toolkit.KindForbidden: domain.CodeForbidden,
		toolkit.KindAuth: domain.CodeForbidden, toolkit.KindRateLimited: domain.CodeRateLimited, toolkit.KindTooLarge: domain.CodeInvalid,
		toolkit.KindConflict: domain.CodeConflict,
	}[te.Kind]
	if code == "" {
		code = domain.CodeUnavailable
	}
	e := domain.Errorf(code, "%s: %s", slug, te.Message).WithCause(te)
	e.Fix, e.RetryAfter = te.Fix, time.Duration(te.RetryAfter)*time.Second
	if te.Field != "" && code == domain.CodeInvalid {
		e.Field = "trigger_config." + te.Field
		if !strings.Contains(te.Message, te.Field) {
			e.Message = fmt.Sprintf("%s: %s: %s", slug, te.Field, te.Message)
		}
	}
	return e
}
