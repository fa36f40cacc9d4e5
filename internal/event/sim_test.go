package event

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/internal/webhook"
)

const project = "pr_main"

// world is a service on a database whose time passes when a test says so. Its jobs
// run one at a time, in the order of their times.
type world struct {
	t      *testing.T
	db     *sqlstore.DB
	svc    *Service
	now    time.Time
	queue  []queued
	log    bytes.Buffer
	secret string
	hook   domain.Webhook
}

type queued struct {
	at  time.Time
	job jobs.Job
}

// Enqueue takes a job; the transactions of these tests commit.
func (w *world) Enqueue(_ context.Context, _ store.Tx, j jobs.Job) error {
	w.queue = append(w.queue, queued{w.now, j})
	return nil
}

// onBoth runs a test on each kind of database.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "sluice.db")}))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, sqlstore.Options{URL: pgtest.URL(t)}))
	})
}

func newWorld(t *testing.T, where sqlstore.Options) *world {
	t.Helper()
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, where)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	v, err := vault.Open(ctx, vault.Options{
		Keys: vault.FileKey(filepath.Join(t.TempDir(), "kek")), Load: db.LoadKeyset, Save: db.SaveKeyset,
	})
	ok(t, err)
	w := &world{t: t, db: db, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	ok(t, db.CreateProject(ctx, domain.Project{ID: project, Name: "main", CreatedAt: w.now}))
	out, err := httpx.New(httpx.Options{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	ok(t, err)
	t.Cleanup(out.Close)
	w.svc = New(Options{
		Store: db, Vault: v, HTTP: out, Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
		Now: func() time.Time { return w.now },
	})
	w.svc.Use(w)
	return w
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// subscribe makes the project's subscription.
func (w *world) subscribe(url string, change func(n *NewWebhook)) {
	w.t.Helper()
	n := NewWebhook{URL: url, Version: "V3"}
	for _, t := range Types() {
		n.Events = append(n.Events, string(t.Name))
	}
	if change != nil {
		change(&n)
	}
	var err error
	w.hook, w.secret, err = w.svc.CreateWebhook(w.t.Context(), project, n)
	ok(w.t, err)
}

// message is an event of a trigger.
func message(key string) domain.Event {
	return domain.Event{
		ProjectID: project, Type: domain.EventTriggerMessage, Source: "ti_1", Key: key, UserID: "user_1",
		Trigger: "CONFLUENCE_PAGE_CREATED_TRIGGER", AccountID: "ca_1", AuthConfigID: "ac_1",
		Payload: json.RawMessage(`{"n":` + fmt.Sprintf("%q", key) + `}`),
	}
}

// publish keeps events, each in its own transaction.
func (w *world) publish(keys ...string) (ids []string) {
	w.t.Helper()
	for _, k := range keys {
		ok(w.t, w.db.InTx(w.t.Context(), func(tx store.Tx) error {
			e, added, err := w.svc.Publish(w.t.Context(), tx, message(k))
			if err == nil && !added {
				err = fmt.Errorf("%s was there already", k)
			}
			ids = append(ids, e.ID)
			return err
		}))
	}
	return ids
}

// run does what is due until the time has passed, and the duties every tick.
func (w *world) run(d, tick time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	duty := w.now.Add(tick)
	for {
		slices.SortStableFunc(w.queue, func(a, b queued) int { return a.at.Compare(b.at) })
		at := duty
		if len(w.queue) > 0 && !w.queue[0].at.After(duty) {
			at = w.queue[0].at
		}
		if at.After(end) {
			w.now = end
			return
		}
		if at.After(w.now) {
			w.now = at
		}
		if at.Equal(duty) && (len(w.queue) == 0 || w.queue[0].at.After(duty)) {
			ok(w.t, w.svc.Probe(w.t.Context()))
			ok(w.t, w.svc.RecoverLost(w.t.Context()))
			duty = duty.Add(tick)
			continue
		}
		q := w.queue[0]
		w.queue = w.queue[1:]
		w.do(q.job)
	}
}

func (w *world) do(j jobs.Job) {
	w.t.Helper()
	var err error
	switch a := j.Args().(type) {
	case deliverArgs:
		err = w.svc.deliver(w.t.Context(), a)
	case wakeArgs:
		err = w.svc.wake(w.t.Context(), a)
	case replayArgs:
		err = w.svc.replay(w.t.Context(), a)
	default:
		w.t.Fatalf("a job of kind %s", j.Kind())
	}
	if in, later := jobs.LaterBy(err); later {
		w.queue = append(w.queue, queued{w.now.Add(in), j})
		return
	}
	ok(w.t, err)
}

// delivery gives the delivery of an event, with its attempts.
func (w *world) delivery(eventID string) (domain.Delivery, []domain.Attempt) {
	w.t.Helper()
	list, _, err := w.svc.Deliveries(w.t.Context(), project, store.DeliveryFilter{EventID: eventID}, store.Page{})
	ok(w.t, err)
	if len(list) != 1 {
		w.t.Fatalf("%d deliveries of %s", len(list), eventID)
	}
	d, attempts, err := w.svc.Delivery(w.t.Context(), project, list[0].ID)
	ok(w.t, err)
	return d, attempts
}

func (w *world) webhook() domain.Webhook {
	w.t.Helper()
	h, err := w.svc.Webhook(w.t.Context(), project, w.hook.ID)
	ok(w.t, err)
	return h
}

// receiver is an application's endpoint.
type receiver struct {
	*httptest.Server
	w      *world
	mu     sync.Mutex
	taken  []string // keys, in the order of arrival, each time
	ids    map[string][]string
	tries  []time.Time
	answer func(key string, try int) (status int, header map[string]string)
}

// receive opens an endpoint that verifies what it is sent. answer says what it
// answers; nil means 200.
func (w *world) receive(answer func(key string, try int) (int, map[string]string)) *receiver {
	r := &receiver{w: w, ids: map[string][]string{}, answer: answer}
	r.Server = httptest.NewServer(r)
	w.t.Cleanup(r.Close)
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(out http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.w.t.Error(err)
	}
	m, err := webhook.Verify(req.Header, body, r.w.now, r.w.secret)
	if err != nil {
		r.w.t.Errorf("%v in %v", err, req.Header)
	}
	var b struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			N string `json:"n"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		r.w.t.Error(err)
	}
	key := b.Data.N
	if key == "" {
		key = b.Type
	}
	if strings.TrimPrefix(m.ID, "msg_") != strings.TrimPrefix(b.ID, "evt_") {
		r.w.t.Errorf("the message %s holds the event %s", m.ID, b.ID)
	}
	r.ids[key] = append(r.ids[key], m.ID)
	r.tries = append(r.tries, r.w.now)
	status := 200
	if r.answer != nil {
		var header map[string]string
		status, header = r.answer(key, len(r.ids[key]))
		for k, v := range header {
			out.Header().Set(k, v)
		}
	}
	out.WriteHeader(status)
	if status < 300 {
		r.taken = append(r.taken, key)
	}
}

// got gives the keys that were taken, sorted, each once; it fails where one came
// with two ids.
func (r *receiver) got() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, ids := range r.ids {
		for _, id := range ids {
			if id != ids[0] {
				r.w.t.Errorf("%s came as %s and as %s", key, ids[0], id)
			}
		}
	}
	keys := slices.Clone(r.taken)
	slices.Sort(keys)
	return strings.Join(slices.Compact(keys), " ")
}

func sqliteIn(t *testing.T) sqlstore.Options {
	return sqlstore.Options{Path: filepath.Join(t.TempDir(), "sluice.db")}
}

// guarded is the way out without anything opened.
func guarded(t *testing.T) *httpx.Factory {
	t.Helper()
	out, err := httpx.New(httpx.Options{})
	ok(t, err)
	t.Cleanup(out.Close)
	return out
}
