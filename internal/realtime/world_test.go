package realtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/realtime"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
)

// patience bounds what is waited for; nothing waits as long.
const patience = 2 * time.Minute

// node is a process: rooms of its own on a database that others may share.
type node struct {
	t      *testing.T
	db     *sqlstore.DB
	ids    *identity.Service
	events *event.Service
	live   *realtime.Server
	server *httptest.Server
}

// place is what processes share: a database, and the key to its secrets.
type place struct {
	db  sqlstore.Options
	kek string
}

func onSQLite(t *testing.T) place {
	dir := t.TempDir()
	return place{sqlstore.Options{Path: filepath.Join(dir, "sluice.db")}, filepath.Join(dir, "kek")}
}

func onBoth(t *testing.T, test func(t *testing.T, where place)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, onSQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, place{sqlstore.Options{URL: pgtest.URL(t)}, filepath.Join(t.TempDir(), "kek")})
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts a process on the database.
func start(t *testing.T, where place, change ...func(*realtime.Options)) *node {
	t.Helper()
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, where.db)
	must(t, err)
	n := &node{t: t, db: db, ids: identity.New(identity.Options{Store: db})}
	t.Cleanup(func() { _ = db.Close() })
	v, err := vault.Open(ctx, vault.Options{
		Keys: vault.FileKey(where.kek), Load: db.LoadKeyset, Save: db.SaveKeyset,
	})
	must(t, err)
	n.events = event.New(event.Options{Store: db, Vault: v})
	o := realtime.Options{
		Events: n.events, Identity: n.ids, Secrets: db, Vault: v,
		Detail: func(context.Context, *domain.Event) realtime.Detail {
			return realtime.Detail{Toolkit: "confluence", Config: json.RawMessage(`{"space":"MKT"}`), Active: true}
		},
	}
	for _, c := range change {
		c(&o)
	}
	n.live, err = realtime.New(o)
	must(t, err)
	must(t, n.ids.Start(ctx))
	must(t, n.live.Start(ctx))
	mux := http.NewServeMux()
	mux.HandleFunc("/", n.serve)
	mux.Handle(realtime.PathApp, n.live.Pusher())
	n.server = httptest.NewServer(mux)
	t.Cleanup(n.stop)
	return n
}

func (n *node) stop() {
	n.live.Drain()
	n.server.Close()
	n.live.Stop()
	n.ids.Stop()
}

// serve is the door as the REST API opens it, without the rest of that.
func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	p, err := n.ids.Authenticate(r.Context(), r.Header.Get("X-Api-Key"))
	if err == nil {
		after := r.Header.Get("Last-Event-ID")
		q := event.Stream{Principal: p, After: after, Write: func(e *domain.Event) ([]byte, error) {
			return json.Marshal(map[string]any{"id": e.ID, "source": e.Source, "payload": e.Payload})
		}}
		if slugs := r.URL.Query().Get("trigger_slugs"); slugs != "" {
			q.Filter = store.FeedFilter{Triggers: []string{slugs}}
		}
		err = n.live.ServeEvents(w, r, q)
	}
	if err != nil {
		status := map[domain.Code]int{
			domain.CodeUnauthenticated: http.StatusUnauthorized, domain.CodeRateLimited: http.StatusTooManyRequests,
			domain.CodeInvalid: http.StatusBadRequest, domain.CodeUnavailable: http.StatusServiceUnavailable,
		}[domain.CodeOf(err)]
		if status == 0 {
			status = http.StatusInternalServerError
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": err.Error()}})
	}
}

// key makes a project, where there is none, and a key of it.
func (n *node) key(project string) (key, id string) {
	n.t.Helper()
	ctx := n.t.Context()
	if _, err := n.db.Project(ctx, project); err != nil {
		must(n.t, n.db.CreateProject(ctx, domain.Project{ID: project, Name: project, CreatedAt: time.Now()}))
	}
	key, k, err := n.ids.CreateKey(ctx, project, "test")
	must(n.t, err)
	return key, k.ID
}

func (n *node) client(key string) *client.Client {
	n.t.Helper()
	c, err := client.New(client.Options{BaseURL: n.server.URL, APIKey: key})
	must(n.t, err)
	return c
}

func message(project, key string) domain.Event {
	return domain.Event{
		ProjectID: project, Type: domain.EventTriggerMessage, Source: "ti_1", Key: key, UserID: "user_1",
		Trigger: "CONFLUENCE_PAGE_CREATED_TRIGGER", AccountID: "ca_1", AuthConfigID: "ac_1",
		Payload: json.RawMessage(fmt.Sprintf(`{"key":%q}`, key)),
	}
}

// publish keeps events, each in a transaction of its own.
func (n *node) publish(project string, keys ...string) {
	n.t.Helper()
	for _, k := range keys {
		must(n.t, n.keep(message(project, k)))
	}
}

func (n *node) keep(e domain.Event) error {
	ctx := n.t.Context()
	return n.db.InTx(ctx, func(tx store.Tx) error {
		_, _, err := n.events.Publish(ctx, tx, e)
		return err
	})
}

// listening is a stream whose events are gathered.
type listening struct {
	t      *testing.T
	events chan client.Event
	notes  chan client.Notice
	ended  chan error
	stop   context.CancelFunc
}

func listen(t *testing.T, c *client.Client, q client.ListenQuery) *listening {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &listening{
		t: t, events: make(chan client.Event, 1000), notes: make(chan client.Notice, 1000), ended: make(chan error, 1), stop: cancel,
	}
	q.Notice = func(n client.Notice) { l.notes <- n }
	go func() {
		for e, err := range c.Listen(ctx, q) {
			if err != nil {
				l.ended <- err
				return
			}
			l.events <- e
		}
		l.ended <- nil
	}()
	t.Cleanup(cancel)
	return l
}

// connected waits until the stream is open.
func (l *listening) connected() {
	l.t.Helper()
	for {
		select {
		case n := <-l.notes:
			if n.Connected {
				return
			}
		case err := <-l.ended:
			l.t.Fatalf("the stream ended before it began: %v", err)
		case <-time.After(patience):
			l.t.Fatal("the stream does not open")
		}
	}
}

// want takes as many events as there are keys, and these must be their keys.
func (l *listening) want(keys ...string) (last client.Event) {
	l.t.Helper()
	for i, k := range keys {
		select {
		case last = <-l.events:
			if got := keyOf(last); got != k {
				l.t.Fatalf("event %d is %s, want %s", i, got, k)
			}
		case err := <-l.ended:
			l.t.Fatalf("the stream ended before event %d, %s: %v", i, k, err)
		case <-time.After(patience):
			l.t.Fatalf("event %d, %s, does not come", i, k)
		}
	}
	return last
}

func keyOf(e client.Event) string {
	var p struct{ Key string }
	_ = json.Unmarshal(e.Payload, &p)
	return p.Key
}

// end waits for the stream's end.
func (l *listening) end() error {
	l.t.Helper()
	select {
	case err := <-l.ended:
		return err
	case <-time.After(patience):
		l.t.Fatal("the stream does not end")
		return nil
	}
}
