package trigger

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// What happens after the trigger was made is told once, whatever happens how often.
func TestEachEventOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.page("MKT") // before: not told
		w.pass(time.Minute)
		i := w.upsert(`{"spaceId":"MKT"}`)
		var want []string
		want = append(want, w.page("MKT")) // before the first poll after the making
		w.page("ENG")
		w.run(20 * time.Minute)
		for range 3 {
			want = append(want, w.page("MKT"))
			w.pass(time.Second)
		}
		w.run(40 * time.Minute)
		if got := w.told(i.ID); got != strings.Join(want, ",") {
			t.Errorf("told of %s, want %v", got, want)
		}
		e := w.events(domain.EventTriggerMessage, i.ID)[0]
		if e.Trigger != created || e.AccountID != w.a.ID || e.AuthConfigID != w.a.AuthConfigID || e.UserID != "user_1" || e.ProjectID != project {
			t.Errorf("the event does not say whose it is: %+v", e)
		}
	})
}

// The same wish gives the same instance; another wish another.
func TestUpsert(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ask := Asked{ProjectID: project, Trigger: strings.ToLower(created), UserID: "user_1", Config: json.RawMessage(`{"spaceId":"MKT"}`)}
		first, made, err := w.svc.Upsert(ctx, ask)
		ok(t, err)
		again, madeAgain, err := w.svc.Upsert(ctx, ask)
		ok(t, err)
		if !made || madeAgain || first.ID != again.ID || !domain.HasPrefix(first.ID, domain.PrefixTrigger) {
			t.Errorf("%v %v, %v %v", first.ID, made, again.ID, madeAgain)
		}
		if !strings.Contains(string(first.Config), `"status":"current"`) || strings.Contains(string(first.Config), "MKT") {
			t.Errorf("the configuration has no default, or a name in place of an id: %s", first.Config)
		}
		ask.Config = json.RawMessage(`{"spaceId":"ENG"}`)
		other, made, err := w.svc.Upsert(ctx, ask)
		ok(t, err)
		if !made || other.ID == first.ID || other.PollID == first.PollID {
			t.Errorf("another configuration: %+v", other)
		}
		foreign := w.connect("pr_other", "user_1")
		mates := w.connect(project, "user_2")
		for name, c := range map[string]struct {
			change func(a *Asked)
			code   domain.Code
			words  string
		}{
			"unknown type":              {func(a *Asked) { a.Trigger = "CONFLUENCE_PAGE_CREATED" }, domain.CodeNotFound, "there is no trigger type"},
			"unknown field":             {func(a *Asked) { a.Config = json.RawMessage(`{"space":"MKT"}`) }, domain.CodeInvalid, "space"},
			"wrong type":                {func(a *Asked) { a.Config = json.RawMessage(`{"spaceId":true}`) }, domain.CodeInvalid, "spaceId"},
			"a space that is not there": {func(a *Asked) { a.Config = json.RawMessage(`{"spaceId":"NOPE"}`) }, domain.CodeInvalid, "NOPE"},
			"another project's account": {func(a *Asked) { a.Account = foreign.ID }, domain.CodeNotFound, foreign.ID},
			"another user's account":    {func(a *Asked) { a.Account = mates.ID }, domain.CodeNotFound, mates.ID},
			"a user without an account": {func(a *Asked) { a.UserID = "user_9" }, domain.CodeNoConnection, "confluence"},
			"an unknown version":        {func(a *Asked) { a.Version = "19990101_00" }, domain.CodeNotFound, "version"},
		} {
			a := ask
			change := c.change
			change(&a)
			_, _, err := w.svc.Upsert(ctx, a)
			if domain.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%s: %q %v, want %q with %q", name, domain.CodeOf(err), err, c.code, c.words)
			}
		}
		if _, n, _ := w.svc.List(ctx, project, store.TriggerFilter{}, store.Page{}); n != 2 {
			t.Errorf("%d instances were made", n)
		}
		w.svc.opts.MaxInstances = 2
		ask.Config = json.RawMessage(`{}`)
		_, _, err = w.svc.Upsert(ctx, ask)
		wantCode(t, err, domain.CodeForbidden)
	})
}

// Many who make the same at once get one instance.
func TestUpsertRace(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		var ids sync.Map
		for range 6 {
			all.Go(func() {
				i, _, err := w.replica().Upsert(t.Context(), Asked{ProjectID: project, Trigger: created, UserID: "user_1"})
				if err != nil {
					t.Error(err)
				}
				ids.Store(i.ID, true)
			})
		}
		all.Wait()
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		if _, total, err := w.svc.List(t.Context(), project, store.TriggerFilter{}, store.Page{}); n != 1 || total != 1 || err != nil {
			t.Errorf("%d answers, %d instances, %v", n, total, err)
		}
	})
}

// Fifty instances that watch the same thing through one account cost one poll, and
// each is told.
func TestSharing(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		first := w.upsert(`{"spaceId":"MKT"}`)
		// A type whose configurations differ in words only does not exist yet: these
		// are instances as such a type makes them.
		ids := []string{first.ID}
		for n := range 49 {
			more := first
			more.ID, more.ConfigHash = domain.NewID(domain.PrefixTrigger), fmt.Sprintf("alike %d", n)
			ok(t, w.db.CreateTrigger(ctx, more))
			ids = append(ids, more.ID)
		}
		page := w.page("MKT")
		before := w.asked.Load()
		w.run(8 * time.Minute)
		polls := 0
		for _, p := range w.polled {
			if p.Outcome == "done" {
				polls++
			}
		}
		if asked := w.asked.Load() - before; asked > int64(2*polls) || polls > 4 {
			t.Errorf("%d polls made %d requests", polls, asked)
		}
		for _, id := range ids {
			if got := w.told(id); got != page {
				t.Fatalf("%s was told of %q", id, got)
			}
		}
		// One that comes later shares what is there without a look of its own.
		other := w.connect(project, "user_1")
		if i := w.upsert(`{"spaceId":"MKT"}`); i.AccountID != other.ID || i.PollID == first.PollID {
			t.Errorf("an instance on another account shares: %+v", i)
		}
	})
}

// The interval follows what happens, within its bounds.
func TestAdaptiveInterval(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		i := w.upsert(`{"spaceId":"MKT"}`)
		if got := w.pollOf(i).Interval; got != 5*time.Minute {
			t.Errorf("at first every %v", got)
		}
		w.run(3 * time.Hour)
		if got := w.pollOf(i).Interval; got != 15*time.Minute {
			t.Errorf("after hours of silence every %v", got)
		}
		n := len(w.polled)
		w.run(2 * time.Hour)
		if polls := len(w.polled) - n; polls < 7 || polls > 9 {
			t.Errorf("%d polls in two silent hours", polls)
		}
		w.page("MKT")
		w.run(17 * time.Minute)
		if p := w.pollOf(i); p.Interval > 8*time.Minute {
			t.Errorf("after activity every %v", p.Interval)
		}
		if b := (bounds{shortest: time.Minute, usual: 5 * time.Minute, longest: 15 * time.Minute}); b.next(15*time.Minute, 1) != time.Minute ||
			b.next(time.Minute, 0) != 90*time.Second || b.next(12*time.Minute, 0) != 15*time.Minute || b.backoff(1) != 5*time.Minute ||
			b.backoff(2) != 10*time.Minute || b.backoff(40) != time.Hour {
			t.Error("the steps are not as they should be")
		}
	})
}

// A project's bounds hold for what it watches already, from the next poll on, and for
// what it comes to watch; those of the router hold besides.
func TestProjectBounds(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		i := w.upsert(`{"spaceId":"MKT"}`)
		w.run(3 * time.Hour)
		b, err := w.svc.SetBounds(t.Context(), project, domain.TriggerBounds{Min: 6 * time.Minute, Max: 7 * time.Minute})
		ok(t, err)
		if b.Least != 6*time.Minute || b.Most != 7*time.Minute {
			t.Errorf("%+v hold", b)
		}
		w.run(time.Hour)
		if got := w.pollOf(i).Interval; got != 7*time.Minute {
			t.Errorf("in silence every %v", got)
		}
		page := w.page("MKT")
		for range 8 { // until the poll that finds it, and no further: the next one finds silence again
			if w.told(i.ID) == page {
				break
			}
			w.run(time.Minute)
		}
		if got := w.pollOf(i).Interval; got != 6*time.Minute {
			t.Errorf("after activity every %v", got)
		}
		if got := w.pollOf(w.upsert(`{"spaceId":"MKT","status":"current"}`)).Interval; got != 6*time.Minute {
			t.Errorf("a new one every %v", got)
		}
		for name, wrong := range map[string]domain.TriggerBounds{
			"min_interval_seconds": {Min: time.Second}, "max_interval_seconds": {Min: 10 * time.Minute, Max: 5 * time.Minute},
		} {
			if _, err := w.svc.SetBounds(t.Context(), project, wrong); domain.AsError(err).Field != name {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
	})
}

// Of two processes one polls; what a dead one left is taken over, and what a slow one
// brings too late counts for nothing.
func TestTakenOver(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		i := w.upsert(`{"spaceId":"MKT"}`)
		page := w.page("MKT")
		a, at, _ := w.next()
		w.clock.Store(at.UnixNano())
		// One process hangs in the middle of its poll, and is taken for dead.
		arrived, let := make(chan struct{}), make(chan struct{})
		var hung atomic.Bool
		hook := func(*http.Request) {
			if hung.CompareAndSwap(false, true) {
				close(arrived)
				<-let
			}
		}
		w.hook.Store(&hook)
		slow := w.replica()
		ended := make(chan error, 1)
		go func() { ended <- slow.run(t.Context(), a) }()
		<-arrived
		// The other finds the claim, and that it has run out.
		asked := w.asked.Load()
		ok(t, w.svc.run(t.Context(), a))
		ok(t, w.svc.RecoverLost(t.Context()))
		if _, _, found := w.next(); found || w.asked.Load() != asked {
			t.Error("two polled at once")
		}
		w.run(3 * time.Minute)
		if got := w.told(i.ID); got != page {
			t.Errorf("after the takeover told of %q", got)
		}
		version := w.pollOf(i).Version
		close(let)
		ok(t, <-ended)
		if got := w.told(i.ID); got != page || w.pollOf(i).Version != version {
			t.Errorf("the slow one counts: %q, version %d and then %d", got, version, w.pollOf(i).Version)
		}
		w.page("MKT")
		w.run(10 * time.Minute)
		if got := w.told(i.ID); got != "Page 001,Page 002" {
			t.Errorf("later: %q", got)
		}
	})
}

// Two processes share many polls: each is made once at its time.
func TestReplicasShare(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var made []domain.TriggerInstance
		for n := range 12 {
			w.a = w.connect(project, fmt.Sprintf("user_%02d", n))
			i, _, err := w.svc.Upsert(t.Context(), Asked{ProjectID: project, Trigger: created, Account: w.a.ID})
			ok(t, err)
			made = append(made, i)
		}
		page := w.page("MKT")
		w.pass(6 * time.Minute)
		w.polled = nil
		// All jobs, each given to two processes at once.
		w.opts.PerProject = 100
		w.svc.opts.PerProject = 100
		other := w.replica()
		w.mu.Lock()
		queue := w.queue
		w.queue = nil
		w.mu.Unlock()
		var all sync.WaitGroup
		for _, a := range queue {
			for _, s := range []*Service{w.svc, other} {
				all.Go(func() {
					err := s.run(t.Context(), a)
					for domain.CodeOf(err) == domain.CodeConflict || domain.CodeOf(err) == domain.CodeUnavailable {
						err = s.run(t.Context(), a) // as the engine would
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		if len(w.polled) != len(made) {
			t.Errorf("%d polls for %d", len(w.polled), len(made))
		}
		for _, i := range made {
			if got := w.told(i.ID); got != page {
				t.Errorf("%s was told of %q", i.UserID, got)
			}
		}
	})
}

// What asks to wait waits, without being counted against the trigger.
func TestRateLimited(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		i := w.upsert(`{"spaceId":"MKT"}`)
		w.site.Fail(confluence.Fault{Method: "GET", Status: 429, RetryAfter: 40 * time.Minute, Path: "/pages"})
		page := w.page("MKT")
		w.run(45 * time.Minute)
		if p := w.pollOf(i); p.Failures != 0 || p.LastError == "" || w.told(i.ID) != "" || len(w.polled) != 1 {
			t.Errorf("%+v after %d polls", p, len(w.polled))
		}
		w.run(15 * time.Minute)
		if got := w.told(i.ID); got != page {
			t.Errorf("afterwards told of %q", got)
		}
	})
}

// What fails for long is disabled, with an event that says why, and misses nothing
// once it is enabled again.
func TestDisabledAfterFailures(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		i := w.upsert(`{"spaceId":"MKT"}`)
		w.site.Fail(confluence.Fault{Method: "GET", Status: 500, Times: -1, Path: "/pages"})
		w.run(time.Hour)
		if p := w.pollOf(i); p.Failures < 2 || p.Failures > 5 || !w.instance(i.ID).Enabled() {
			t.Errorf("after an hour: %+v", p)
		}
		w.run(12 * time.Hour)
		now := w.instance(i.ID)
		if now.Enabled() || now.Cause != domain.CauseFailures || !strings.Contains(now.Reason, "12 times") || now.DisabledAt.IsZero() {
			t.Errorf("%+v", now)
		}
		told := w.events(domain.EventTriggerDisabled, i.ID)
		if len(told) != 1 || !strings.Contains(string(told[0].Payload), `"reason":"it failed 12 times`) || told[0].UserID != "user_1" {
			t.Errorf("told: %+v", told)
		}
		n := w.asked.Load()
		w.run(2 * time.Hour)
		if w.asked.Load() != n {
			t.Error("it is still polled")
		}
		w.site.ClearFaults()
		page := w.page("MKT")
		_, err := w.svc.Enable(t.Context(), project, i.ID)
		ok(t, err)
		w.run(10 * time.Minute)
		if got := w.told(i.ID); got != page {
			t.Errorf("told of %q", got)
		}
	})
}

// When the account ends its triggers are disabled, and enabled when it is back; what
// happened meanwhile is told.
func TestAccountEndsAndRecovers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		i := w.upsert(`{"spaceId":"MKT"}`)
		byHand := w.upsert(`{"spaceId":"ENG"}`)
		_, err := w.svc.Disable(ctx, project, byHand.ID)
		ok(t, err)
		expired := *w.a
		expired.Status, expired.StatusReason = domain.AccountExpired, "the provider refused to renew"
		ok(t, w.db.UpdateAccount(ctx, project, expired))
		w.run(10 * time.Minute)
		now := w.instance(i.ID)
		if now.Enabled() || now.Cause != domain.CauseAccount || !strings.Contains(now.Reason, "EXPIRED: the provider refused") {
			t.Errorf("%+v", now)
		}
		if told := w.events(domain.EventTriggerDisabled, ""); len(told) != 1 || told[0].Source != i.ID {
			t.Errorf("told: %+v", told)
		}
		_, err = w.svc.Enable(ctx, project, i.ID)
		wantCode(t, err, domain.CodeNoConnection)
		page := w.page("MKT")
		w.run(5 * time.Hour)
		good := expired
		good.Status, good.StatusReason = domain.AccountActive, ""
		ok(t, w.db.UpdateAccount(ctx, project, good))
		w.run(5 * time.Minute)
		if got := w.told(i.ID); got != page || !w.instance(i.ID).Enabled() {
			t.Errorf("told of %q, %+v", got, w.instance(i.ID))
		}
		if w.instance(byHand.ID).Enabled() {
			t.Error("what the project disabled came back")
		}
		ok(t, w.db.DeleteAccount(ctx, project, w.a.ID))
		w.run(time.Hour)
		if _, n, err := w.svc.List(ctx, project, store.TriggerFilter{}, store.Page{}); n != 0 || err != nil {
			t.Errorf("%d instances of an account that is gone, %v", n, err)
		}
	})
}

// Disabled by hand is silent, and begins anew when enabled; deleted is gone.
func TestManage(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		i := w.upsert(`{"spaceId":"MKT"}`)
		_, err := w.svc.Enable(ctx, project, i.ID)
		wantCode(t, err, domain.CodeConflict)
		_, err = w.svc.Disable(ctx, project, i.ID)
		ok(t, err)
		_, err = w.svc.Disable(ctx, project, i.ID)
		wantCode(t, err, domain.CodeConflict)
		w.page("MKT")
		n := w.asked.Load()
		w.run(time.Hour)
		if w.asked.Load() != n {
			t.Error("a disabled one is polled")
		}
		_, err = w.svc.Enable(ctx, project, i.ID)
		ok(t, err)
		page := w.page("MKT")
		w.run(10 * time.Minute)
		if got := w.told(i.ID); got != page {
			t.Errorf("told of %q, want %q alone", got, page)
		}
		for _, id := range []string{"ti_none", i.ID} {
			_, err := w.svc.Disable(ctx, "pr_other", id)
			wantCode(t, err, domain.CodeNotFound)
			wantCode(t, w.svc.Delete(ctx, "pr_other", id), domain.CodeNotFound)
		}
		ok(t, w.svc.Delete(ctx, project, i.ID))
		_, err = w.db.Poll(ctx, project, i.PollID)
		wantCode(t, err, domain.CodeNotFound)
		n = w.asked.Load()
		w.run(time.Hour)
		if w.asked.Load() != n {
			t.Error("a deleted one is polled")
		}
	})
}
