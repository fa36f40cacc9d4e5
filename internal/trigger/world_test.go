package trigger

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
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/sandbox/confluence"
	toolkits "github.com/sluice-run/sluice/toolkits/confluence"
)

const (
	project = "pr_main"
	created = "CONFLUENCE_PAGE_CREATED_TRIGGER"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// world is a service on a database and a Confluence, whose time passes when a test
// says so. Its jobs run one at a time, in the order of their times.
type world struct {
	t     testing.TB
	db    *sqlstore.DB
	svc   *Service
	conn  *connect.Service
	site  *confluence.Sandbox
	url   string
	me    confluence.User
	clock atomic.Int64
	asked atomic.Int64 // requests of polls
	hook  atomic.Pointer[func(r *http.Request)]
	fault atomic.Pointer[func(rw http.ResponseWriter, r *http.Request) bool] // answers in the site's place
	a     *domain.ConnectedAccount
	log   bytes.Buffer

	opts   Options
	mu     sync.Mutex
	queue  []pollArgs
	inbox  []receiveArgs
	heard  []Told
	polled []Polled
	titles int
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

func newWorld(t testing.TB, where sqlstore.Options) *world {
	t.Helper()
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, where)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	v, err := vault.Open(ctx, vault.Options{
		Keys: vault.FileKey(filepath.Join(t.TempDir(), "kek")), Load: db.LoadKeyset, Save: db.SaveKeyset,
	})
	ok(t, err)
	w := &world{t: t, db: db}
	w.clock.Store(start.UnixNano())
	for _, id := range []string{project, "pr_other"} {
		ok(t, db.CreateProject(ctx, domain.Project{ID: id, Name: id, CreatedAt: start}))
	}
	w.openSite()
	out, err := httpx.New(httpx.Options{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, MaxTries: 1})
	ok(t, err)
	t.Cleanup(out.Close)
	cat, err := catalog.New(toolkits.New())
	ok(t, err)
	w.conn = connect.New(connect.Options{Store: db, Vault: v, Catalog: cat, HTTP: out})
	w.a = w.connect(project, "user_1")
	logger := slog.New(slog.NewTextHandler(&w.log, nil))
	events := event.New(event.Options{Store: db, Vault: v, HTTP: out, Now: w.now})
	events.Use(w)
	w.opts = Options{
		Store: db, Catalog: cat, Connect: w.conn, Events: events, Vault: v, Logger: logger, Now: w.now,
		Observe: func(p Polled) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.polled = append(w.polled, p)
		},
		Told: func(t Told) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.heard = append(w.heard, t)
		},
	}
	w.svc = w.replica()
	return w
}

// replica gives a service on the same database: another process.
func (w *world) replica() *Service {
	s := New(w.opts)
	s.Use(w)
	return s
}

// openSite serves a Confluence with the world's time.
func (w *world) openSite() {
	w.site = confluence.New(confluence.Options{Site: "acme", Clock: w.now, KeepChanges: true})
	w.me = w.site.AddUser(confluence.User{Email: "tess@acme.example", DisplayName: "Tess", Admin: true})
	inner := w.site.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if f := w.fault.Load(); f != nil && (*f)(rw, r) {
			return
		}
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/wiki/api/v2/pages") {
			w.asked.Add(1)
			if f := w.hook.Load(); f != nil {
				(*f)(r)
			}
		}
		rw.Header().Set("Date", w.now().Format(http.TimeFormat))
		inner.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(srv.Close)
	w.url = srv.URL
	w.api("POST", "/wiki/api/v2/spaces", `{"key":"MKT","name":"Marketing"}`)
	w.api("POST", "/wiki/api/v2/spaces", `{"key":"ENG","name":"Engineering"}`)
	w.pass(time.Hour)
}

func (w *world) now() time.Time { return time.Unix(0, w.clock.Load()).UTC() }

func (w *world) pass(d time.Duration) { w.clock.Add(int64(d)) }

// Enqueue takes a job, as the transaction that asks for it may still fail: do looks
// whether it is good.
func (w *world) Enqueue(_ context.Context, _ store.Tx, j jobs.Job) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch a := j.Args().(type) {
	case pollArgs:
		w.queue = append(w.queue, a)
	case receiveArgs:
		w.inbox = append(w.inbox, a)
	default:
		return fmt.Errorf("a job of kind %s", j.Kind())
	}
	return nil
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// api speaks to the site as its user.
func (w *world) api(method, path, body string) map[string]any {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	ok(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(w.me.Email, w.me.Token)
	resp, err := http.DefaultClient.Do(r)
	ok(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %s %s, %v", method, path, resp.Status, text, err)
	}
	var out map[string]any
	if len(text) > 0 {
		ok(w.t, json.Unmarshal(text, &out))
	}
	return out
}

// connect makes an account of the site.
func (w *world) connect(projectID, user string) *domain.ConnectedAccount {
	w.t.Helper()
	a, err := w.conn.Connect(w.t.Context(), connect.Start{ProjectID: projectID, UserID: user, Toolkit: "confluence"}, map[string]string{
		"subdomain": "acme", "base_url": w.url, "generic_id": w.me.Email, "generic_api_key": w.me.Token,
	})
	ok(w.t, err)
	return a
}

// page makes a page and gives its title.
func (w *world) page(space string) string {
	w.t.Helper()
	w.titles++
	title := fmt.Sprintf("Page %03d", w.titles)
	spaces := w.site.Spaces()
	at := slices.IndexFunc(spaces, func(s confluence.Space) bool { return s.Key == space })
	w.api("POST", "/wiki/api/v2/pages", fmt.Sprintf(`{"spaceId":%q,"title":%q,"status":"current","body":{"representation":"storage","value":"<p>x</p>"}}`, spaces[at].ID, title))
	return title
}

// upsert makes a trigger on the world's account.
func (w *world) upsert(config string) domain.TriggerInstance {
	w.t.Helper()
	t, _, err := w.svc.Upsert(w.t.Context(), Asked{ProjectID: project, Trigger: created, UserID: "user_1", Config: json.RawMessage(config)})
	ok(w.t, err)
	return t
}

// next gives the job whose time comes first.
func (w *world) next() (a pollArgs, at time.Time, found bool) {
	w.t.Helper()
	w.mu.Lock()
	queue := slices.Clone(w.queue)
	w.mu.Unlock()
	var good []pollArgs
	for _, q := range queue {
		p, err := w.db.Poll(w.t.Context(), q.ProjectID, q.ID)
		if err != nil || p.Version != q.Version {
			continue
		}
		good = append(good, q)
		if !found || p.NextAt.Before(at) {
			a, at, found = q, p.NextAt, true
		}
	}
	w.mu.Lock()
	w.queue = append(good, w.queue[len(queue):]...)
	w.mu.Unlock()
	return a, at, found
}

// run does what is due until the time has passed, and the duties every half minute.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.now().Add(d)
	duty := w.now().Add(RecoverEvery)
	for {
		a, at, found := w.next()
		if !found || at.After(duty) {
			at, found = duty, false
		}
		if at.After(end) {
			w.clock.Store(end.UnixNano())
			return
		}
		if at.After(w.now()) {
			w.clock.Store(at.UnixNano())
		}
		if !found {
			ok(w.t, w.svc.RecoverLost(w.t.Context()))
			ok(w.t, w.svc.Resume(w.t.Context()))
			duty = duty.Add(RecoverEvery)
			continue
		}
		if err := w.svc.run(w.t.Context(), a); err != nil {
			if _, later := jobs.LaterBy(err); !later {
				w.t.Fatalf("a poll: %v", err)
			}
		}
	}
}

// events gives what the project was told of a kind, the oldest first.
func (w *world) events(kind domain.EventType, source string) []domain.Event {
	w.t.Helper()
	list, _, err := w.db.ListEvents(w.t.Context(), project, store.EventFilter{Types: []domain.EventType{kind}, Source: source, OldestFirst: true}, store.Page{Limit: 1000})
	ok(w.t, err)
	return list
}

// told gives the titles of the pages that an instance was told of.
func (w *world) told(id string) string {
	w.t.Helper()
	var titles []string
	for _, e := range w.events(domain.EventTriggerMessage, id) {
		var p struct {
			Page struct {
				Title string `json:"title"`
			} `json:"resource"`
		}
		ok(w.t, json.Unmarshal(e.Payload, &p))
		titles = append(titles, p.Page.Title)
	}
	return strings.Join(titles, ",")
}

func (w *world) pollOf(t domain.TriggerInstance) domain.TriggerPoll {
	w.t.Helper()
	p, err := w.db.Poll(w.t.Context(), t.ProjectID, t.PollID)
	ok(w.t, err)
	return p
}

func (w *world) instance(id string) domain.TriggerInstance {
	w.t.Helper()
	t, err := w.svc.Instance(w.t.Context(), project, id)
	ok(w.t, err)
	return t
}

func wantCode(t testing.TB, err error, code domain.Code) {
	t.Helper()
	if domain.CodeOf(err) != code {
		t.Errorf("got %v of code %q, want code %q", err, domain.CodeOf(err), code)
	}
}
