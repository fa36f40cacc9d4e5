package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// watch gives the tenant a trigger instance and its poll.
func (n *tenant) watch(ctx context.Context, t *testing.T, s store.Store, name string) {
	t.Helper()
	n.poll = pollOf(n.account, "tp_"+name, "watch "+name)
	n.trigger = triggerOf(n.poll, "ti_"+name, "config "+name, 0)
	ok(t, s.CreatePoll(ctx, n.poll))
	ok(t, s.CreateTrigger(ctx, n.trigger))
}

func pollOf(a domain.ConnectedAccount, id, watch string) domain.TriggerPoll {
	return domain.TriggerPoll{
		ID: id, ProjectID: a.ProjectID, AccountID: a.ID, Toolkit: a.Toolkit, Trigger: "CONFLUENCE_PAGE_CREATED_TRIGGER", WatchHash: watch,
		Config: json.RawMessage(`{"space_key":"ÜNI"}`), Cursor: json.RawMessage(`{"v":1,"state":{"seen":["1"]}}`), Version: 3, NextAt: at(5),
		Interval: 90 * time.Second, Failures: 2, LastError: "no\x00answer", PolledAt: at(2), CreatedAt: t0,
	}
}

func triggerOf(p domain.TriggerPoll, id, config string, minutes int) domain.TriggerInstance {
	return domain.TriggerInstance{
		ID: id, ProjectID: p.ProjectID, UserID: "user", AccountID: p.AccountID, AuthConfigID: "ac_of_" + p.AccountID, Toolkit: p.Toolkit,
		Trigger: p.Trigger, Config: p.Config, ConfigHash: config, PollID: p.ID, State: domain.TriggerEnabled,
		CreatedAt: at(minutes), UpdatedAt: at(minutes + 1),
	}
}

func triggerIDs(items []domain.TriggerInstance) string {
	return ids(items, func(t domain.TriggerInstance) string { return t.ID })
}

func pollIDs(items []domain.PollKey) string {
	return ids(items, func(k domain.PollKey) string { return fmt.Sprintf("%s@%d", k.ID, k.Version) })
}

func testTriggers(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, id, p := t.Context(), w.a.project.ID, w.a.poll
	same(t, w.a.trigger, must(s.Trigger(ctx, id, w.a.trigger.ID))(t))
	same(t, w.a.trigger, must(s.FindTrigger(ctx, id, p.AccountID, p.Trigger, "config a"))(t))
	_, err := s.FindTrigger(ctx, id, p.AccountID, p.Trigger, "config b")
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.CreateTrigger(ctx, triggerOf(p, "ti_again", "config a", 1)), domain.CodeConflict)

	second := triggerOf(p, "ti_second", "config 2", 2)
	second.UserID, second.Trigger = "other", "CONFLUENCE_PAGE_MOVED_TRIGGER"
	second.State, second.Cause, second.Reason, second.DisabledAt = domain.TriggerDisabled, domain.CauseProject, "by hand", at(3)
	ok(t, s.CreateTrigger(ctx, second))
	same(t, second, must(s.Trigger(ctx, id, second.ID))(t))
	for _, c := range []struct {
		f    store.TriggerFilter
		want string
	}{
		{store.TriggerFilter{}, "ti_second ti_a"},
		{store.TriggerFilter{IDs: []string{"ti_a", "ti_b"}}, "ti_a"},
		{store.TriggerFilter{UserIDs: []string{"other"}}, "ti_second"},
		{store.TriggerFilter{AccountIDs: []string{"ca_b"}}, ""},
		{store.TriggerFilter{AuthConfigIDs: []string{"ac_of_ca_a"}}, "ti_second ti_a"},
		{store.TriggerFilter{Triggers: []string{second.Trigger}}, "ti_second"},
		{store.TriggerFilter{States: []domain.TriggerState{domain.TriggerEnabled}}, "ti_a"},
	} {
		got, total, err := s.ListTriggers(ctx, id, c.f, store.Page{})
		ok(t, err)
		if triggerIDs(got) != c.want || total != len(got) {
			t.Errorf("%+v: %q of %d, want %q", c.f, triggerIDs(got), total, c.want)
		}
	}
	if got := triggerIDs(must(s.TriggersOfPoll(ctx, id, p.ID))(t)); got != "ti_a ti_second" {
		t.Errorf("the poll serves %q", got)
	}
	second.State, second.Cause, second.Reason, second.UpdatedAt, second.DisabledAt = domain.TriggerEnabled, "", "", at(9), time.Time{}
	ok(t, s.UpdateTrigger(ctx, id, second))
	same(t, second, must(s.Trigger(ctx, id, second.ID))(t))

	ok(t, s.DropPoll(ctx, id, p.ID)) // which is in use
	ok(t, s.DeleteTrigger(ctx, id, second.ID))
	ok(t, s.DeleteTrigger(ctx, id, w.a.trigger.ID))
	wantCode(t, s.DeleteTrigger(ctx, id, w.a.trigger.ID), domain.CodeNotFound)
	same(t, p.ID, must(s.Poll(ctx, id, p.ID))(t).ID)
	ok(t, s.DropPoll(ctx, id, p.ID))
	_, err = s.Poll(ctx, id, p.ID)
	wantCode(t, err, domain.CodeNotFound)

	ok(t, s.DeleteAccount(ctx, w.b.project.ID, w.b.account.ID))
	_, err = s.Trigger(ctx, w.b.project.ID, w.b.trigger.ID)
	wantCode(t, err, domain.CodeNotFound)
}

// What an account's end disabled is found once the account is good again.
func testRecoveredTriggers(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	for i, n := range []tenant{w.a, w.b} {
		d := n.trigger
		d.State, d.Cause, d.DisabledAt = domain.TriggerDisabled, domain.CauseAccount, at(5-i)
		ok(t, s.UpdateTrigger(ctx, d.ProjectID, d))
	}
	byHand := triggerOf(w.a.poll, "ti_hand", "another", 1)
	byHand.State, byHand.Cause, byHand.DisabledAt = domain.TriggerDisabled, domain.CauseProject, at(1)
	ok(t, s.CreateTrigger(ctx, byHand))
	found := func(limit int) string { return triggerIDs(must(s.RecoveredTriggers(ctx, limit))(t)) }
	if got := found(10) + "|" + found(1); got != "ti_b ti_a|ti_b" {
		t.Errorf("recovered: %q", got)
	}
	expired := w.b.account
	expired.Status = domain.AccountExpired
	ok(t, s.UpdateAccount(ctx, expired.ProjectID, expired))
	off := w.a.config
	off.Disabled = true
	if got := found(10); got != "ti_a" {
		t.Errorf("with an expired account: %q", got)
	}
	ok(t, s.UpdateAuthConfig(ctx, off.ProjectID, off))
	if got := found(10); got != "" {
		t.Errorf("with a disabled auth config: %q", got)
	}
}

func testPolls(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, id := t.Context(), w.a.project.ID
	p := w.a.poll
	p.LastError = "no\uFFFDanswer"
	same(t, p, must(s.Poll(ctx, id, p.ID))(t))
	same(t, p, must(s.FindPoll(ctx, id, p.AccountID, p.Trigger, p.WatchHash))(t))
	_, err := s.FindPoll(ctx, id, p.AccountID, p.Trigger, "watch b")
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.CreatePoll(ctx, pollOf(w.a.account, "tp_again", p.WatchHash)), domain.CodeConflict)

	stale := p
	p.Cursor, p.NextAt, p.ClaimedUntil, p.Interval = nil, at(9), at(8), time.Hour
	p.Failures, p.LastError, p.PolledAt = 0, "", at(7)
	if !must(s.SwapPoll(ctx, id, p))(t) {
		t.Fatal("the poll was not swapped")
	}
	p.Version++
	same(t, p, must(s.Poll(ctx, id, p.ID))(t))
	if must(s.SwapPoll(ctx, id, stale))(t) || must(s.ClaimPoll(ctx, domain.PollKey{ProjectID: id, ID: p.ID, Version: stale.Version}, at(1)))(t) {
		t.Error("a change of an earlier version counts")
	}
	if !must(s.ClaimPoll(ctx, domain.PollKey{ProjectID: id, ID: p.ID, Version: p.Version}, at(30)))(t) {
		t.Fatal("the poll was not claimed")
	}
	p.Version, p.ClaimedUntil = p.Version+1, at(30)
	same(t, p, must(s.Poll(ctx, id, p.ID))(t))

	// a is claimed until 30; b is due since 5, and c by nobody's wish.
	idle := pollOf(w.a.account, "tp_c", "watch c")
	idle.NextAt = time.Time{}
	ok(t, s.CreatePoll(ctx, idle))
	for _, c := range []struct {
		now, overdue, limit int
		want                string
	}{
		{29, 4, 9, ""},
		{29, 5, 9, "tp_b@3"},
		{30, 5, 9, fmt.Sprintf("tp_a@%d tp_b@3", p.Version)},
		{30, 5, 1, fmt.Sprintf("tp_a@%d", p.Version)},
	} {
		if got := pollIDs(must(s.LostPolls(ctx, at(c.now), at(c.overdue), c.limit))(t)); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// Of those who swap at once one wins.
func testPollRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, p := t.Context(), w.a.poll
	var wins sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			var won bool
			err := s.InTx(ctx, func(tx store.Tx) (err error) {
				won, err = tx.ClaimPoll(ctx, domain.PollKey{ProjectID: p.ProjectID, ID: p.ID, Version: p.Version}, at(i))
				return err
			})
			if err != nil && domain.CodeOf(err) != domain.CodeConflict && domain.CodeOf(err) != domain.CodeUnavailable {
				t.Error(err)
			}
			if err == nil && won {
				wins.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	wins.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d claimed the same version", n)
	}
}

// triggerAttempts are isolation's, for trigger instances and polls.
var triggerAttempts = []attempt{
	{"CreateTrigger", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		d := v.trigger
		d.ID, d.ProjectID, d.ConfigHash = "ti_forged", project, "forged" // on the victim's account
		return q.CreateTrigger(ctx, d)
	}, domain.CodeNotFound},
	{"Trigger", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Trigger(ctx, project, v.trigger.ID)
		return err
	}, domain.CodeNotFound},
	{"FindTrigger", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.FindTrigger(ctx, project, v.account.ID, v.trigger.Trigger, v.trigger.ConfigHash)
		return err
	}, domain.CodeNotFound},
	{"ListTriggers", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.ListTriggers(ctx, project, store.TriggerFilter{IDs: []string{v.trigger.ID}}, store.Page{})
		return leak(counted(err, total), got, func(domain.TriggerInstance) bool { return true })
	}, ""},
	{"UpdateTrigger", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		d := v.trigger
		d.State = domain.TriggerDisabled
		return q.UpdateTrigger(ctx, project, d)
	}, domain.CodeNotFound},
	{"DeleteTrigger", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DeleteTrigger(ctx, project, v.trigger.ID)
	}, domain.CodeNotFound},
	{"TriggersOfPoll", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.TriggersOfPoll(ctx, project, v.poll.ID)
		return counted(err, len(got))
	}, ""},
	{"CreatePoll", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		p := v.poll
		p.ID, p.ProjectID = "tp_forged", project // through the victim's account
		return q.CreatePoll(ctx, p)
	}, domain.CodeNotFound},
	{"Poll", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Poll(ctx, project, v.poll.ID)
		return err
	}, domain.CodeNotFound},
	{"FindPoll", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.FindPoll(ctx, project, v.account.ID, v.poll.Trigger, v.poll.WatchHash)
		return err
	}, domain.CodeNotFound},
	{"SwapPoll", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		swapped, err := q.SwapPoll(ctx, project, v.poll)
		if swapped {
			return fmt.Errorf("swapped the poll of another project")
		}
		return err
	}, ""},
	{"ClaimPoll", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		claimed, err := q.ClaimPoll(ctx, domain.PollKey{ProjectID: project, ID: v.poll.ID, Version: v.poll.Version}, at(1))
		if claimed {
			return fmt.Errorf("claimed the poll of another project")
		}
		return err
	}, ""},
	{"DropPoll", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DropPoll(ctx, project, v.poll.ID)
	}, ""},
}
