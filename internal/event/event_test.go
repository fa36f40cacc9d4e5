package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/webhook"
)

func keys(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("k%03d", i))
	}
	return out
}

// An event goes with its transaction, is kept once for its key, and arrives once.
func TestPublish(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r := w.receive(nil)
		w.subscribe(r.URL, nil)
		changed := errors.New("changed my mind")
		err := w.db.InTx(ctx, func(tx store.Tx) error {
			_, _, err := w.svc.Publish(ctx, tx, message("never"))
			ok(t, err)
			return changed
		})
		if !errors.Is(err, changed) {
			t.Fatal(err)
		}
		id := w.publish("one")[0]
		ok(t, w.db.InTx(ctx, func(tx store.Tx) error {
			_, added, err := w.svc.Publish(ctx, tx, message("one"))
			if added {
				t.Error("the same event was kept twice")
			}
			return err
		}))
		w.run(time.Minute, time.Minute)
		if got := r.got(); got != "one" || len(r.tries) != 1 {
			t.Errorf("%q arrived in %d requests", got, len(r.tries))
		}
		d, attempts := w.delivery(id)
		if d.State != domain.DeliveryDelivered || d.LastStatus != 200 || len(attempts) != 1 || attempts[0].Duration <= 0 {
			t.Errorf("%+v %+v", d, attempts)
		}
		for _, spelling := range []string{id, MessageID(id), spelled(id, "log_")} {
			if e, err := w.svc.Event(ctx, project, spelling); err != nil || e.ID != id {
				t.Errorf("%s: %v", spelling, err)
			}
		}
	})
}

// What was down for hours is paused with a notice, tried now and then, and has
// everything in the end: each event once, with one id.
func TestDownForHours(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		up := w.now.Add(6 * time.Hour)
		r := w.receive(func(string, int) (int, map[string]string) {
			if w.now.Before(up) {
				return 500, nil
			}
			return 200, nil
		})
		w.subscribe(r.URL, nil)
		all := keys(24)
		for i := range 12 {
			w.publish(all[2*i], all[2*i+1])
			w.run(20*time.Minute, 5*time.Minute)
		}
		h := w.webhook()
		if h.State != domain.WebhookPaused || h.FailingSince.IsZero() || h.Failures < pauseFailures {
			t.Errorf("after 4 hours it is %s (%d failures since %v)", h.State, h.Failures, h.FailingSince)
		}
		if !strings.Contains(w.log.String(), "was paused") {
			t.Errorf("nothing is logged: %s", w.log.String())
		}
		late := slices.IndexFunc(r.tries, func(at time.Time) bool { return at.After(up.Add(-4 * time.Hour)) })
		if n := len(r.tries) - late; late < 0 || n > 30 {
			t.Errorf("in the next two hours it was tried %d times, want about one in five minutes", n)
		}
		w.run(8*time.Hour, 5*time.Minute)
		want := strings.Join(append([]string{string(domain.EventWebhookPaused)}, all...), " ")
		if got := r.got(); got != want {
			t.Errorf("arrived: %s", got)
		}
		if h := w.webhook(); h.State != domain.WebhookActive || h.Failures != 0 || h.Reason != "" || len(r.taken) != 25 {
			t.Errorf("%d were taken; it is %s: %s", len(r.taken), h.State, h.Reason)
		}
		last := r.tries[len(r.tries)-1]
		if last.Sub(up) > 2*time.Hour {
			t.Errorf("the last one came %v after it was up again", last.Sub(up))
		}
	})
}

// What is never taken is given up after a day, listed, and replayed with its id.
func TestDeadLetter(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		broken := true
		r := w.receive(func(key string, _ int) (int, map[string]string) {
			if broken && key == "bad" {
				return 400, nil
			}
			return 200, nil
		})
		w.subscribe(r.URL, nil)
		bad := w.publish("bad")[0]
		for i := range 26 {
			w.publish(fmt.Sprint("good", i)) // so that the endpoint is not paused
			w.run(time.Hour, 15*time.Minute)
		}
		dead, total, err := w.svc.Deliveries(t.Context(), project, store.DeliveryFilter{States: []domain.DeliveryState{domain.DeliveryDead}}, store.Page{})
		ok(t, err)
		if total != 1 || dead[0].EventID != bad || dead[0].LastStatus != 400 || !strings.Contains(dead[0].LastError, "24h") {
			t.Fatalf("dead letters: %+v", dead)
		}
		d, attempts := w.delivery(bad)
		if span := attempts[0].At.Sub(attempts[len(attempts)-1].At); d.Attempts < 15 || d.Attempts > 30 || span < 18*time.Hour || len(attempts) != d.Attempts {
			t.Errorf("%d attempts over %v", d.Attempts, span)
		}
		for i := range len(attempts) - 1 {
			if attempts[i].At.Sub(attempts[i+1].At) < 4*time.Second {
				t.Errorf("attempts %d and %d are too close", attempts[i+1].Number, attempts[i].Number)
			}
		}
		broken = false
		n, err := w.svc.Replay(t.Context(), project, MessageID(bad))
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
		w.run(time.Minute, time.Minute)
		if d, _ := w.delivery(bad); d.State != domain.DeliveryDelivered || d.Replays != 1 || !strings.HasPrefix(r.got(), "bad ") {
			t.Errorf("replayed: %+v", d)
		}
		_, err = w.svc.Replay(t.Context(), project, "evt_none")
		if domain.CodeOf(err) != domain.CodeNotFound {
			t.Errorf("replay of nothing: %v", err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		r := w.receive(func(_ string, try int) (int, map[string]string) {
			switch try {
			case 1:
				return 429, map[string]string{"Retry-After": "600"}
			case 2:
				return 503, map[string]string{"Retry-After": w.now.Add(20 * time.Minute).Format(http.TimeFormat)}
			case 3:
				return 429, map[string]string{"Retry-After": "999999999"} // not for ever
			}
			return 204, nil
		})
		w.subscribe(r.URL, nil)
		w.publish("one")
		w.run(6*time.Hour, 10*time.Minute)
		if len(r.tries) != 4 || r.got() != "one" {
			t.Fatalf("tried at %v", r.tries)
		}
		for i, want := range []time.Duration{10 * time.Minute, 20*time.Minute - time.Second, 4 * time.Hour} {
			if gap := r.tries[i+1].Sub(r.tries[i]); gap < want || gap > want+time.Minute {
				t.Errorf("pause %d is %v, want %v", i+1, gap, want)
			}
		}
	})
}

// 410 ends the subscription until its project gives an address again; what was
// missed is replayed by its time.
func TestGone(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		began := w.now
		gone := true
		r := w.receive(func(string, int) (int, map[string]string) {
			if gone {
				return 410, nil
			}
			return 200, nil
		})
		w.subscribe(r.URL, nil)
		ids := w.publish("a", "b")
		w.run(time.Hour, 10*time.Minute)
		if h := w.webhook(); h.State != domain.WebhookDisabled || !strings.Contains(h.Reason, "410") || len(r.tries) != 1 {
			t.Fatalf("after %d tries it is %s: %s", len(r.tries), h.State, h.Reason)
		}
		for _, id := range ids {
			if d, _ := w.delivery(id); d.State != domain.DeliveryDead {
				t.Errorf("%s is %s", id, d.State)
			}
		}
		missed := w.publish("c")[0]
		if list, _, err := w.svc.Deliveries(ctx, project, store.DeliveryFilter{EventID: missed}, store.Page{}); len(list) != 0 || err != nil {
			t.Errorf("a disabled subscription has a delivery: %v", err)
		}
		if _, err := w.svc.ReplayRange(ctx, project, Range{From: began}); domain.CodeOf(err) != domain.CodeConflict {
			t.Errorf("replay to a disabled subscription: %v", err)
		}
		events, _, err := w.svc.Events(ctx, project, store.EventFilter{Types: []domain.EventType{domain.EventWebhookDisabled}}, store.Page{})
		if len(events) != 1 || err != nil {
			t.Errorf("%d notices, %v", len(events), err)
		}

		gone = false
		_, err = w.svc.UpdateWebhook(ctx, project, w.hook.ID, WebhookChange{URL: &r.Server.URL})
		ok(t, err)
		w.run(time.Second, time.Second)
		n, err := w.svc.ReplayRange(ctx, project, Range{From: began, Types: []domain.EventType{domain.EventTriggerMessage}})
		if n != 3 || err != nil {
			t.Errorf("%d events to replay, %v", n, err)
		}
		w.run(time.Minute, time.Minute)
		if got := r.got(); got != "a b c" || len(r.taken) != 3 {
			t.Errorf("arrived: %s, of %d", got, len(r.taken))
		}
		// What was delivered is left out where that is asked for.
		w.run(time.Second, time.Second)
		ok(t, errOf(w.svc.ReplayRange(ctx, project, Range{From: began, Failed: true, Types: []domain.EventType{domain.EventTriggerMessage}})))
		w.run(time.Minute, time.Minute)
		if len(r.taken) != 3 {
			t.Errorf("%d were taken", len(r.taken))
		}
	})
}

func errOf(_ int, err error) error { return err }

// In order, one that fails holds up what is behind it, and nothing overtakes
// whatever fails and whenever attempts are lost.
func TestOrdered(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		random := rand.New(rand.NewPCG(1, 2))
		r := w.receive(func(string, int) (int, map[string]string) {
			if random.IntN(3) == 0 {
				return 500, nil
			}
			return 200, nil
		})
		w.subscribe(r.URL, func(n *NewWebhook) { n.Ordered = true })
		all := keys(40)
		for i := range 8 {
			w.publish(all[5*i : 5*i+5]...)
			// Jobs run in no order of their own.
			random.Shuffle(len(w.queue), func(i, j int) { w.queue[i], w.queue[j] = w.queue[j], w.queue[i] })
			w.run(3*time.Second, time.Second)
			w.dieOnce()
		}
		w.run(12*time.Hour, time.Minute)
		if want := strings.Join(all, " "); strings.Join(r.taken, " ") != want {
			t.Errorf("taken: %v", r.taken)
		}
	})
}

// dieOnce has the process die in an attempt: claimed and never noted.
func (w *world) dieOnce() {
	w.t.Helper()
	open, err := w.db.OpenDeliveries(w.t.Context(), project, w.hook.ID, 1)
	ok(w.t, err)
	if len(open) == 0 {
		return
	}
	_, _, err = w.svc.claim(w.t.Context(), deliverArgs{ProjectID: project, WebhookID: w.hook.ID, DeliveryID: open[0].ID, Probe: true})
	ok(w.t, err)
	// Its jobs die with it.
	w.queue = slices.DeleteFunc(w.queue, func(q queued) bool {
		a, is := q.job.Args().(deliverArgs)
		return is && a.DeliveryID == open[0].ID
	})
}

// A process that dies in an attempt loses nothing: the claim runs out.
func TestLostAttempt(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		r := w.receive(nil)
		w.subscribe(r.URL, nil)
		id := w.publish("one")[0]
		w.dieOnce()
		w.run(defaultClaim-time.Second, 10*time.Second)
		if len(r.tries) != 0 {
			t.Error("it was tried although an attempt is under way")
		}
		w.run(time.Minute, 10*time.Second)
		if d, attempts := w.delivery(id); r.got() != "one" || d.State != domain.DeliveryDelivered || len(attempts) != 1 || attempts[0].Number != 2 {
			t.Errorf("%+v %+v", d, attempts)
		}
		// A job that is lost without an attempt is found as well, later.
		w.publish("two")
		w.queue = nil
		w.run(2*defaultOverdue, 30*time.Second)
		if r.got() != "one two" {
			t.Errorf("arrived: %s", r.got())
		}
	})
}

// Messages are signed with both secrets while one is being replaced.
func TestRotate(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var good []string
		first := ""
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			body := make([]byte, req.ContentLength)
			_, _ = req.Body.Read(body)
			good = nil
			for name, secret := range map[string]string{"old": first, "new": w.secret} {
				if _, err := webhook.Verify(req.Header, body, w.now, secret); err == nil {
					good = append(good, name)
				}
			}
			slices.Sort(good)
		}))
		t.Cleanup(srv.Close)
		w.subscribe(srv.URL, nil)
		first = w.secret
		var err error
		var until time.Time
		w.secret, until, err = w.svc.RotateSecret(ctx, project, w.hook.ID, DefaultOverlap)
		if err != nil || w.secret == first || !until.Equal(w.now.Add(DefaultOverlap)) {
			t.Fatal(until, err)
		}
		w.publish("during")
		w.run(time.Minute, time.Minute)
		if got := strings.Join(good, " "); got != "new old" {
			t.Errorf("during the rotation these are good: %s", got)
		}
		w.run(DefaultOverlap, time.Hour)
		w.publish("after")
		w.run(time.Minute, time.Minute)
		if got := strings.Join(good, " "); got != "new" {
			t.Errorf("after the rotation these are good: %s", got)
		}
		first = w.secret
		w.secret, _, err = w.svc.RotateSecret(ctx, project, w.hook.ID, 0)
		ok(t, err)
		w.publish("at once")
		w.run(time.Minute, time.Minute)
		if got := strings.Join(good, " "); got != "new" {
			t.Errorf("after a rotation at once these are good: %s", got)
		}
		if _, _, err := w.svc.RotateSecret(ctx, project, w.hook.ID, MaxOverlap+1); domain.CodeOf(err) != domain.CodeInvalid {
			t.Errorf("an endless overlap: %v", err)
		}
	})
}

func TestSubscriptions(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		trigger := []string{string(domain.EventTriggerMessage)}
		for name, tc := range map[string]struct {
			in    NewWebhook
			field string
		}{
			"no address":          {NewWebhook{Events: trigger}, "webhook_url"},
			"other scheme":        {NewWebhook{URL: "ftp://a.example/x", Events: trigger}, "webhook_url"},
			"metadata address":    {NewWebhook{URL: "http://169.254.169.254/latest", Events: trigger}, "webhook_url"},
			"private address":     {NewWebhook{URL: "https://10.1.2.3/x", Events: trigger}, "webhook_url"},
			"user in it":          {NewWebhook{URL: "https://u:p@a.example/x", Events: trigger}, "webhook_url"},
			"plain http":          {NewWebhook{URL: "http://93.184.216.34/x", Events: trigger}, "webhook_url"},
			"too long":            {NewWebhook{URL: "https://a.example/" + strings.Repeat("x", 3000), Events: trigger}, "webhook_url"},
			"no events":           {NewWebhook{URL: "https://a.example/x"}, "enabled_events"},
			"unknown event":       {NewWebhook{URL: "https://a.example/x", Events: []string{"page.created"}}, "enabled_events"},
			"event of no version": {NewWebhook{URL: "https://a.example/x", Version: "V1", Events: []string{string(domain.EventAccountExpired)}}, "enabled_events"},
			"unknown version":     {NewWebhook{URL: "https://a.example/x", Version: "V4", Events: trigger}, "version"},
		} {
			_, _, err := w.svc.CreateWebhook(ctx, project, tc.in)
			if e := domain.AsError(err); e == nil || e.Code != domain.CodeInvalid || e.Field != tc.field || strings.Contains(e.Message, "u:p") {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.subscribe("https://a.example/hook?x=1#part", nil)
		if h := w.webhook(); h.URL != "https://a.example/hook?x=1" || h.Version != "V3" || !strings.HasPrefix(w.secret, "whsec_") {
			t.Errorf("%+v", h)
		}
		if _, _, err := w.svc.CreateWebhook(ctx, project, NewWebhook{URL: "https://b.example", Events: trigger}); domain.CodeOf(err) != domain.CodeConflict {
			t.Errorf("a second subscription: %v", err)
		}
		v1 := "V1"
		if _, err := w.svc.UpdateWebhook(ctx, project, w.hook.ID, WebhookChange{Version: &v1}); domain.CodeOf(err) != domain.CodeInvalid {
			t.Errorf("events that version V1 does not have: %v", err)
		}
		_, err := w.svc.UpdateWebhook(ctx, project, w.hook.ID, WebhookChange{Version: &v1, Events: &trigger})
		ok(t, err)
		ok(t, w.svc.DeleteWebhook(ctx, project, w.hook.ID))
		if _, err := w.svc.Replay(ctx, project, w.publish("x")[0]); domain.CodeOf(err) != domain.CodeConflict {
			t.Errorf("replay to nobody: %v", err)
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for name, change := range map[string]func(e *domain.Event){
			"no type":       func(e *domain.Event) { e.Type = "page.created" },
			"no source":     func(e *domain.Event) { e.Source = "" },
			"no key":        func(e *domain.Event) { e.Key = "" },
			"a list":        func(e *domain.Event) { e.Payload = json.RawMessage(`[]`) },
			"no JSON":       func(e *domain.Event) { e.Payload = json.RawMessage(`{`) },
			"no payload":    func(e *domain.Event) { e.Payload = nil },
			"large payload": func(e *domain.Event) { e.Payload = json.RawMessage(`{"x":"` + strings.Repeat("y", MaxPayload) + `"}`) },
		} {
			err := w.db.InTx(t.Context(), func(tx store.Tx) error {
				e := message("k")
				change(&e)
				_, _, err := w.svc.Publish(t.Context(), tx, e)
				return err
			})
			if err == nil {
				t.Errorf("%s is taken", name)
			}
		}
	})
}

// Endpoints that are late, endless or elsewhere.
func TestOddEndpoints(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	reached := false
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(inner.Close)
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		state  domain.DeliveryState
		errs   string
	}{
		"hangs":     {func(_ http.ResponseWriter, req *http.Request) { waitFor(req, stop) }, domain.DeliveryWaiting, "did not answer in time"},
		"cuts":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, domain.DeliveryWaiting, "failed"},
		"redirects": {func(out http.ResponseWriter, req *http.Request) { http.Redirect(out, req, inner.URL, http.StatusFound) }, domain.DeliveryWaiting, "redirects are not followed"},
		"redirects a POST": {func(out http.ResponseWriter, req *http.Request) {
			http.Redirect(out, req, "http://169.254.169.254/", http.StatusTemporaryRedirect)
		}, domain.DeliveryWaiting, "redirects are not followed"},
		"10 MB": {func(out http.ResponseWriter, _ *http.Request) {
			for range 160 {
				if _, err := out.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, domain.DeliveryDelivered, ""},
		"endless": {func(out http.ResponseWriter, req *http.Request) {
			out.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(out).Flush()
			waitFor(req, stop)
		}, domain.DeliveryDelivered, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sqliteIn(t))
			w.svc.opts.Timeout = 300 * time.Millisecond
			srv := httptest.NewServer(tc.answer)
			t.Cleanup(srv.Close)
			w.subscribe(srv.URL, nil)
			id := w.publish("one")[0]
			w.run(0, time.Hour)
			d, attempts := w.delivery(id)
			if d.State != tc.state || !strings.Contains(d.LastError, tc.errs) || len(attempts) != 1 || len(attempts[0].Excerpt) > 600 {
				t.Errorf("%+v %+v", d, attempts)
			}
		})
	}
	close(stop)
	if reached {
		t.Error("a redirect was followed")
	}
}

// waitFor waits for the client to go, which a server sees once it has read the body.
func waitFor(req *http.Request, stop <-chan struct{}) {
	_, _ = io.Copy(io.Discard, req.Body)
	ctx := req.Context()
	select {
	case <-ctx.Done():
	case <-stop:
	}
}

// A name is judged by what it resolves to, when it is called.
func TestPrivateName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteIn(t))
	w.subscribe("https://localhost:9/hook", nil)
	w.svc.opts.HTTP = guarded(t)
	id := w.publish("one")[0]
	w.run(0, time.Hour)
	if d, attempts := w.delivery(id); !strings.Contains(d.LastError, "not public") || attempts[0].Status != 0 {
		t.Errorf("%+v", d)
	}
}

// What endpoints write back is kept without secrets.
func TestExcerpt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqliteIn(t))
	srv := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		out.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(out, "bad\x00signature %s\nwith %s, Bearer abcdefgh, token=%s", req.Header.Get("webhook-signature"), w.secret, strings.Repeat("aB3", 20))
	}))
	t.Cleanup(srv.Close)
	w.subscribe(srv.URL, nil)
	id := w.publish("one")[0]
	w.run(0, time.Hour)
	_, attempts := w.delivery(id)
	if got, want := attempts[0].Excerpt, "bad signature REDACTED with REDACTED, Bearer REDACTED, REDACTED"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// One endpoint that hangs does not have all of a process's attempts.
func TestSlots(t *testing.T) {
	t.Parallel()
	s := slots{most: 2, taken: map[string]int{}}
	for i, want := range []bool{true, true, false} {
		if s.take("a") != want {
			t.Errorf("of two slots number %d", i+1)
		}
	}
	if !s.take("b") {
		t.Error("the bound is not for each")
	}
	s.give("a")
	if !s.take("a") {
		t.Error("what was given back cannot be taken")
	}
	s.give("a")
	s.give("a")
	s.give("b")
	if len(s.taken) != 0 {
		t.Errorf("%v is left", s.taken)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int]time.Duration{0: 5 * time.Second, 1: 5 * time.Second, 3: 20 * time.Second, 12: 2 * time.Hour, 1000: 2 * time.Hour} {
		for range 50 {
			if got := pause(attempt); got < want-want/5 || got > want+want/5 {
				t.Errorf("after attempt %d %v, want about %v", attempt, got, want)
			}
		}
	}
}
