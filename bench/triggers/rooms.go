package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/trigger"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/internal/webhook"
	"github.com/sluice-run/sluice/sandbox/confluence"
	toolkits "github.com/sluice-run/sluice/toolkits/confluence"
)

const (
	project     = "pr_bench"
	pageCreated = "CONFLUENCE_PAGE_CREATED_TRIGGER"
)

// rooms are the router's for triggers, with a Confluence and a receiver.
type rooms struct {
	db       *sqlstore.DB
	conn     *connect.Service
	events   *event.Service
	triggers *trigger.Service
	jobs     *jobs.Service
	site     *confluence.Sandbox
	me       confluence.User
	url      string
	space    string
	account  *domain.ConnectedAccount
	payload  json.RawMessage
	path     string // of the SQLite file
	pages    int

	polled, arrived *counter
	stops           []func()
}

// atOnce gives polls to the engine when they are made, however soon they are due.
type atOnce struct{ *jobs.Service }

func (q atOnce) Enqueue(ctx context.Context, tx store.Tx, j jobs.Job) error {
	return q.Service.Enqueue(ctx, tx, j.At(time.Time{}))
}

func open(ctx context.Context, dir, url string) (*rooms, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &rooms{polled: newCounter(), arrived: newCounter(), path: filepath.Join(dir, "sluice.db")}
	where := sqlstore.Options{URL: url}
	if url == "" {
		where = sqlstore.Options{Path: r.path}
	}
	var err error
	if r.db, err = sqlstore.Open(ctx, where); err != nil {
		return nil, err
	}
	r.stops = append(r.stops, func() { _ = r.db.Close() })
	v, err := vault.Open(ctx, vault.Options{Keys: vault.FileKey(filepath.Join(dir, "kek")), Load: r.db.LoadKeyset, Save: r.db.SaveKeyset})
	if err != nil {
		return nil, err
	}
	out, err := httpx.New(httpx.Options{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		return nil, err
	}
	kit := toolkits.New()
	for i := range kit.Triggers { // of the measured instances; the others poll once
		kit.Triggers[i].Interval, kit.Triggers[i].MinInterval = time.Second, time.Millisecond
		if kit.Triggers[i].Slug == pageCreated {
			r.payload = kit.Triggers[i].Example
		}
	}
	cat, err := catalog.New(kit)
	if err != nil {
		return nil, err
	}
	r.conn = connect.New(connect.Options{Store: r.db, Vault: v, Catalog: cat, HTTP: out})
	r.events = event.New(event.Options{Store: r.db, Vault: v, HTTP: out, PerWebhook: 20})
	r.triggers = trigger.New(trigger.Options{
		Store: r.db, Catalog: cat, Connect: r.conn, Events: r.events, MinInterval: time.Millisecond, MaxInterval: time.Second, PerProject: 64,
		Observe: func(p trigger.Polled) {
			if p.Outcome == "done" {
				r.polled.add()
			}
		},
	})
	r.jobs, err = jobs.New(ctx, jobs.Options{
		DB: r.db, Queues: map[string]int{trigger.JobQueue: 16, trigger.ReceiveQueue: 1, event.JobQueue: 20}, Works: append(r.triggers.Works(), r.events.Works()...),
	})
	if err != nil {
		return nil, err
	}
	r.stops = append(r.stops, func() { _ = r.jobs.Stop(context.WithoutCancel(ctx)) })
	r.events.Use(r.jobs)
	r.triggers.Use(atOnce{r.jobs})
	return r, r.settle(ctx)
}

// settle makes site, account and subscription.
func (r *rooms) settle(ctx context.Context) error {
	if err := r.db.CreateProject(ctx, domain.Project{ID: project, Name: "bench", CreatedAt: time.Now()}); err != nil {
		return err
	}
	r.site = confluence.New(confluence.Options{Site: "acme"})
	r.me = r.site.AddUser(confluence.User{Email: "tess@acme.example", DisplayName: "Tess", Admin: true})
	srv := httptest.NewServer(r.site.Handler())
	r.url = srv.URL
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		r.arrived.once(req.Header.Get(webhook.HeaderID))
	}))
	r.stops = append(r.stops, srv.Close, app.Close)
	r.space = r.post("/wiki/api/v2/spaces", `{"key":"MKT","name":"Marketing"}`)
	if _, _, err := r.events.CreateWebhook(ctx, project, event.NewWebhook{URL: app.URL, Events: []string{string(domain.EventTriggerMessage)}}); err != nil {
		return err
	}
	return r.connect(ctx)
}

func (r *rooms) close() {
	for i := len(r.stops) - 1; i >= 0; i-- {
		r.stops[i]()
	}
}

// post makes something on the site and gives its id.
func (r *rooms) post(path, body string) string {
	req := httptest.NewRequest(http.MethodPost, r.url+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(r.me.Email, r.me.Token)
	rec := httptest.NewRecorder()
	r.site.Handler().ServeHTTP(rec, req)
	var made struct {
		ID any `json:"id"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &made); err != nil || rec.Code > 299 {
		panic(fmt.Sprintf("%s: %d %s", path, rec.Code, rec.Body)) // the bench's own mistake
	}
	return fmt.Sprint(made.ID)
}

func (r *rooms) page() string {
	r.pages++
	return r.post("/wiki/api/v2/pages", fmt.Sprintf(`{"spaceId":%q,"status":"current","title":"Page %d","body":{"representation":"storage","value":"<p>Text</p>"}}`, r.space, r.pages))
}

func (r *rooms) upsert(ctx context.Context, config string) (domain.TriggerInstance, error) {
	t, _, err := r.triggers.Upsert(ctx, trigger.Asked{ProjectID: project, Trigger: pageCreated, UserID: "user_1", Config: json.RawMessage(config)})
	return t, err
}

func (r *rooms) watch(ctx context.Context) error {
	_, err := r.upsert(ctx, `{}`)
	return err
}

// due makes instances that watch different things, each due now. Those that were
// polled are due again at once, after all the others.
func (r *rooms) due(ctx context.Context, n int) error {
	first, err := r.upsert(ctx, `{"spaceId":"MKT"}`)
	if err != nil {
		return err
	}
	poll, err := r.db.Poll(ctx, project, first.PollID)
	if err != nil {
		return err
	}
	for from := 0; from < n; from += 500 {
		err := r.db.InTx(ctx, func(tx store.Tx) error {
			for k := from; k < from+500; k++ {
				p, t := poll, first
				p.ID, p.WatchHash, p.Version, p.NextAt = domain.NewID(domain.PrefixPoll), fmt.Sprint(k), 1, time.Now().Add(-time.Hour)
				t.ID, t.ConfigHash, t.PollID = domain.NewID(domain.PrefixTrigger), fmt.Sprint(k), p.ID
				if err := errors.Join(tx.CreatePoll(ctx, p), tx.CreateTrigger(ctx, t)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return r.triggers.RecoverLost(ctx) // which gives each a job
}

// forget takes all instances away, with their account, and connects another one.
func (r *rooms) forget(ctx context.Context) error {
	if err := r.db.DeleteAccount(ctx, project, r.account.ID); err != nil {
		return err
	}
	return r.connect(ctx)
}

func (r *rooms) connect(ctx context.Context) (err error) {
	r.account, err = r.conn.Connect(ctx, connect.Start{ProjectID: project, UserID: "user_1", Toolkit: "confluence"}, map[string]string{
		"subdomain": "acme", "base_url": r.url, "generic_id": r.me.Email, "generic_api_key": r.me.Token,
	})
	return err
}

// sizes are what the database takes, in bytes.
type sizes struct{ all, jobs int64 }

func (r *rooms) size(ctx context.Context) (s sizes, err error) {
	if pool := r.db.Postgres(); pool != nil {
		if _, err := pool.Exec(ctx, "VACUUM"); err != nil {
			return s, err
		}
		err = pool.QueryRow(ctx, "SELECT pg_database_size(current_database()), pg_total_relation_size('river_job')").Scan(&s.all, &s.jobs)
		return s, err
	}
	db := r.db.SQLite()
	err = db.QueryRowContext(ctx, "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)").Scan(&s.all)
	if err != nil {
		return s, err
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = 'river_job')").Scan(&s.jobs)
	return s, err
}

// counter counts what others wait for.
type counter struct {
	mu   sync.Mutex
	n    int
	seen map[string]bool
	more chan struct{}
}

func newCounter() *counter { return &counter{seen: map[string]bool{}, more: make(chan struct{}, 1)} }

func (c *counter) add() {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// once counts an id once.
func (c *counter) once(id string) {
	c.mu.Lock()
	known := c.seen[id]
	c.seen[id] = true
	c.mu.Unlock()
	if !known {
		c.add()
	}
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n = 0
}

// reach waits until so many are counted.
func (c *counter) reach(ctx context.Context, n int) error {
	late := time.After(20 * time.Minute)
	for {
		c.mu.Lock()
		have := c.n
		c.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-c.more:
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("%d of %d came within 20 minutes", have, n)
		}
	}
}
