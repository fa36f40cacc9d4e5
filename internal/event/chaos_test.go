package event

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
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

// childDB and childKey make the test program another process that delivers: on
// which database, by path or URL, and with which key file.
const (
	childDB  = "EVENTTEST_DATABASE"
	childKey = "EVENTTEST_KEY"
)

func TestMain(m *testing.M) {
	if where := os.Getenv(childDB); where != "" {
		fmt.Fprintln(os.Stderr, deliverUntilKilled(where, os.Getenv(childKey)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func databaseAt(where string) sqlstore.Options {
	if strings.HasPrefix(where, "postgres://") {
		return sqlstore.Options{URL: where}
	}
	return sqlstore.Options{Path: where}
}

// process is the part of a router that delivers.
type process struct {
	db   *sqlstore.DB
	svc  *Service
	jobs *jobs.Service
}

func newProcess(ctx context.Context, where, key string) (*process, error) {
	db, err := sqlstore.Open(ctx, databaseAt(where))
	if err != nil {
		return nil, err
	}
	v, err := vault.Open(ctx, vault.Options{Keys: vault.FileKey(key), Load: db.LoadKeyset, Save: db.SaveKeyset})
	if err != nil {
		return nil, err
	}
	out, err := httpx.New(httpx.Options{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		return nil, err
	}
	p := &process{db: db, svc: New(Options{Store: db, Vault: v, HTTP: out, Timeout: 2 * time.Second, Claim: 3 * time.Second, Overdue: 4 * time.Second})}
	duty := jobs.Kind[struct{}]{Name: "recover"}
	p.jobs, err = jobs.New(ctx, jobs.Options{
		DB: db, Queues: map[string]int{JobQueue: 8}, Poll: 50 * time.Millisecond,
		Works:    append(p.svc.Works(), duty.Work(func(ctx context.Context, _ struct{}) error { return p.svc.RecoverLost(ctx) })),
		Periodic: []jobs.Periodic{{Every: time.Second, Job: duty.Job(struct{}{})}},
	})
	if err != nil {
		return nil, err
	}
	p.svc.Use(p.jobs)
	return p, nil
}

func deliverUntilKilled(where, key string) error {
	ctx := context.Background()
	p, err := newProcess(ctx, where, key)
	if err != nil {
		return err
	}
	if err := p.jobs.Start(ctx); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends, at the latest
	return nil
}

// child starts a process that delivers.
func child(t *testing.T, where, key string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	ok(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childDB+"="+where, childKey+"="+key)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	ok(t, err)
	ok(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// endpoint counts messages by their ids.
type endpoint struct {
	mu    sync.Mutex
	seen  map[string]int // by id, answered with 200
	keys  map[string]string
	tries int
	bad   []string
	more  chan struct{}
}

func (e *endpoint) ServeHTTP(out http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var b struct {
		Data struct {
			N string `json:"n"`
		} `json:"data"`
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	id := req.Header.Get(webhook.HeaderID)
	if err := json.Unmarshal(body, &b); err != nil || id == "" {
		e.bad = append(e.bad, string(body))
	}
	if before, known := e.keys[b.Data.N]; known && before != id {
		e.bad = append(e.bad, b.Data.N+" came with two ids")
	}
	e.keys[b.Data.N] = id
	e.tries++
	if e.tries%40 == 7 {
		out.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	e.seen[id]++
	select {
	case e.more <- struct{}{}:
	default:
	}
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.seen)
}

// Two processes deliver what a third publishes, and are killed again and again:
// every event that was committed arrives, and a receiver that drops ids that it
// knows has each once.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		testKilled(t, filepath.Join(t.TempDir(), "sluice.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		testKilled(t, pgtest.URL(t))
	})
}

func testKilled(t *testing.T, where string) {
	const n = 240
	ctx, key := t.Context(), filepath.Join(t.TempDir(), "kek")
	p, err := newProcess(ctx, where, key)
	ok(t, err)
	t.Cleanup(func() { ok(t, p.db.Close()) })
	ok(t, p.db.CreateProject(ctx, domain.Project{ID: project, Name: "main", CreatedAt: time.Now()}))
	e := &endpoint{seen: map[string]int{}, keys: map[string]string{}, more: make(chan struct{}, 1)}
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	_, _, err = p.svc.CreateWebhook(ctx, project, NewWebhook{URL: srv.URL, Events: []string{string(domain.EventTriggerMessage)}})
	ok(t, err)

	var published sync.WaitGroup
	published.Go(func() {
		for i := range n {
			err := p.db.InTx(ctx, func(tx store.Tx) error {
				_, _, err := p.svc.Publish(ctx, tx, message(fmt.Sprint("k", i)))
				return err
			})
			if err != nil {
				t.Errorf("publishing: %v", err)
			}
		}
	})
	children := []*exec.Cmd{child(t, where, key), child(t, where, key)}
	late := time.After(100 * time.Second)
	kills := 0
	for e.count() < n {
		select {
		case <-e.more:
			if e.count() > (kills+1)*n/6 && kills < 4 {
				i := rand.IntN(2)
				ok(t, children[i].Process.Kill())
				_ = children[i].Wait()
				children[i] = child(t, where, key)
				kills++
			}
		case <-late:
			t.Fatalf("%d of %d arrived; %d processes were killed", e.count(), n, kills)
		}
	}
	published.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	again := 0
	for _, times := range e.seen {
		again += times - 1
	}
	if len(e.seen) != n || len(e.keys) != n || len(e.bad) > 0 || kills < 4 {
		t.Errorf("%d ids for %d keys of %d events; %d killed; %v", len(e.seen), len(e.keys), n, kills, e.bad)
	}
	t.Logf("%d events, %d requests, %d arrived again, %d processes killed", n, e.tries, again, kills)
}
