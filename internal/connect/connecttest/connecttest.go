// Package connecttest sets up what tests of connect, execute and session run
// on: a real database, vault and guarded client, and two small toolkits, one of
// them over an upstream that knows whose token is whose.
package connecttest

import (
	"context"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
)

// The projects of a World.
const (
	Project = "pr_main"
	Other   = "pr_other"
)

// Principal is the caller of Project.
var Principal = domain.Principal{ProjectID: Project, KeyID: "key_main"}

// World is everything below execute.
type World struct {
	DB       *sqlstore.DB
	Vault    *vault.Vault
	Catalog  *catalog.Catalog
	HTTP     *httpx.Factory
	Upstream *Upstream
	Clock    *Clock
	Connect  *connect.Service
}

// New makes a World that ends with the test.
func New(t testing.TB, provisioners ...connect.Provisioner) *World {
	t.Helper()
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, sqlstore.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	v, err := vault.Open(ctx, vault.Options{
		Keys: vault.FileKey(filepath.Join(t.TempDir(), "kek")), Load: db.LoadKeyset, Save: db.SaveKeyset,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &World{DB: db, Vault: v, Upstream: NewUpstream(t), Clock: &Clock{now: time.Now().UTC().Truncate(time.Microsecond)}}
	for _, id := range []string{Project, Other} {
		if err := db.CreateProject(ctx, domain.Project{ID: id, Name: id, CreatedAt: w.Clock.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if w.HTTP, err = httpx.New(httpx.Options{AllowAddrs: []netip.AddrPort{w.Upstream.Addr}, MaxTries: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.HTTP.Close)
	if w.Catalog, err = catalog.New(Notes(), Abacus()); err != nil {
		t.Fatal(err)
	}
	w.Connect = w.NewConnect(provisioners...)
	return w
}

// NewConnect makes another Service on the same database: another process.
func (w *World) NewConnect(provisioners ...connect.Provisioner) *connect.Service {
	return connect.New(connect.Options{
		Store: w.DB, Vault: w.Vault, Catalog: w.Catalog, HTTP: w.HTTP, Provisioners: provisioners, Now: w.Clock.Now,
	})
}

// Values are what a user types to connect the notes toolkit.
func (w *World) Values(email, token string) map[string]string {
	return map[string]string{"site": w.Upstream.URL, "email": email, "api_token": token}
}

// Account connects a user of the notes toolkit as email, with a token made for it.
func (w *World) Account(t testing.TB, project, user, email, alias string) *domain.ConnectedAccount {
	t.Helper()
	token := w.Upstream.Grant(email)
	start := connect.Start{ProjectID: project, UserID: user, Toolkit: "notes", Alias: alias}
	a, err := w.Connect.Connect(t.Context(), start, w.Values(email, token))
	if err != nil {
		t.Fatalf("connecting %s: %v", email, err)
	}
	w.Clock.Advance(time.Second) // accounts are ordered by their time
	return a
}

// Records gives the project's executions, oldest first.
func (w *World) Records(t testing.TB, project string) []domain.Execution {
	t.Helper()
	list, _, err := w.DB.ListExecutions(context.WithoutCancel(t.Context()), project, execFilter, page)
	if err != nil {
		t.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// Clock is a time that tests set.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now gives the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
