package trigger

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
	"sync/atomic"
	"syscall"
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
	"github.com/sluice-run/sluice/internal/webhook"
	"github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
	toolkits "github.com/sluice-run/sluice/toolkits/confluence"
)

// chaosChild makes the test binary one of the processes: a chaosPlace as JSON.
const chaosChild = "TRIGGER_TEST_CHAOS"

// chaosPlace is where a process works. Of Deadly writes one kills it; 0 is none.
type chaosPlace struct {
	Database, Key string
	Deadly        int
}

// chaosProcess is the part of a router that polls and delivers.
type chaosProcess struct {
	db     *sqlstore.DB
	conn   *connect.Service
	events *event.Service
	svc    *Service
	jobs   *jobs.Service
}

// eager gives polls to the engine at once: they are due within a second, and it looks
// only every five for what is to wait.
type eager struct{ *jobs.Service }

func (e eager) Enqueue(ctx context.Context, tx store.Tx, j jobs.Job) error {
	return e.Service.Enqueue(ctx, tx, j.At(time.Time{}))
}

// quick are the triggers with intervals for a test.
func quick() *toolkit.Toolkit {
	kit := toolkits.New()
	for i := range kit.Triggers {
		kit.Triggers[i].Interval, kit.Triggers[i].MinInterval = 400*time.Millisecond, 200*time.Millisecond
	}
	return kit
}

func (p chaosPlace) open(ctx context.Context) (*chaosProcess, error) {
	where := sqlstore.Options{Path: p.Database}
	if strings.HasPrefix(p.Database, "postgres://") {
		where = sqlstore.Options{URL: p.Database}
	}
	db, err := sqlstore.Open(ctx, where)
	if err != nil {
		return nil, err
	}
	v, err := vault.Open(ctx, vault.Options{Keys: vault.FileKey(p.Key), Load: db.LoadKeyset, Save: db.SaveKeyset})
	if err != nil {
		return nil, err
	}
	out, err := httpx.New(httpx.Options{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, MaxTries: 1})
	if err != nil {
		return nil, err
	}
	cat, err := catalog.New(quick())
	if err != nil {
		return nil, err
	}
	c := &chaosProcess{db: db, conn: connect.New(connect.Options{Store: db, Vault: v, Catalog: cat, HTTP: out})}
	c.events = event.New(event.Options{Store: db, Vault: v, HTTP: out, Timeout: 2 * time.Second, Claim: 3 * time.Second, Overdue: 4 * time.Second})
	c.svc = New(Options{
		Store: &mortal{DB: db, fate: p.fate()}, Catalog: cat, Connect: c.conn, Events: c.events,
		Timeout: 5 * time.Second, Lease: 6 * time.Second, Overdue: 6 * time.Second, MinInterval: 200 * time.Millisecond,
	})
	c.jobs, err = jobs.New(ctx, jobs.Options{
		DB: db, Queues: map[string]int{JobQueue: 4, ReceiveQueue: 2, event.JobQueue: 8}, Poll: 50 * time.Millisecond,
		Works: append(c.svc.Works(), c.events.Works()...),
	})
	if err != nil {
		return nil, err
	}
	c.events.Use(c.jobs)
	c.svc.Use(eager{c.jobs})
	return c, nil
}

// fate paces the process, and kills it at one of so many writes, in the middle of it
// and as kill -9 does.
func (p chaosPlace) fate() func(string) bool {
	pace := time.NewTicker(25 * time.Millisecond)
	return func(point string) bool {
		if point == "before the claim" {
			<-pace.C
		}
		if p.Deadly > 0 && rand.IntN(p.Deadly) == 0 {
			fmt.Println("dies", point)
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {}
		}
		return false
	}
}

// TestChaosProcess is one of the processes: it works until it is killed, or its parent
// is gone.
func TestChaosProcess(t *testing.T) {
	var place chaosPlace
	if err := json.Unmarshal([]byte(os.Getenv(chaosChild)), &place); err != nil {
		t.Skip("this test is a part of TestChaos")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := place.open(ctx)
	for err != nil { // the database is just starting again
		select {
		case <-time.After(100 * time.Millisecond):
			p, err = place.open(ctx)
		case <-ctx.Done():
			return
		}
	}
	if err := p.jobs.Start(ctx); err != nil { // it crashed again: a supervisor starts another one
		return
	}
	go func() { // what one process of all does as a periodic job, here each
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			for _, duty := range []func(context.Context) error{p.svc.RecoverLost, p.svc.Resume, p.events.RecoverLost, p.events.Probe} {
				_ = duty(ctx) // while the database is away it fails
			}
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
}

// TestChaos has several processes on one database watch a busy site with all types of
// trigger. Processes kill themselves between claim, look and commit, and are killed at
// any other time, the site fails now and then, and PostgreSQL crashes and comes back.
// In the end the events of each type are what the site's change log says that polling
// can see, and each has arrived at the application's endpoint, with one id.
//
// SLUICE_CHAOS=2m go test -run 'TestChaos$' -v ./internal/trigger
// has it last, in each of its settings, as long as it says.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	t.Run("two processes on sqlite", func(t *testing.T) {
		testChaos(t, chaosPlace{Database: filepath.Join(t.TempDir(), "chaos.db")}, 2, nil)
	})
	t.Run("three replicas on postgres", func(t *testing.T) {
		s := pgtest.Own(t)
		testChaos(t, chaosPlace{Database: s.URL}, 3, s.Restart)
	})
	if chaosFor(t) == 0 {
		return
	}
	t.Run("two replicas on postgres", func(t *testing.T) {
		s := pgtest.Own(t)
		testChaos(t, chaosPlace{Database: s.URL}, 2, s.Restart)
	})
}

func testChaos(t *testing.T, place chaosPlace, processes int, restart func() error) {
	ctx, length, crashEvery := t.Context(), 3*time.Second, 2*time.Second
	if long := chaosFor(t); long > 0 {
		length, crashEvery = long, 7*time.Second
	}
	seed := rand.Uint64N(1 << 32)
	place.Key = filepath.Join(t.TempDir(), "kek")
	p, err := place.open(ctx)
	ok(t, err)
	t.Cleanup(func() { ok(t, p.db.Close()) })
	ok(t, p.db.CreateProject(ctx, domain.Project{ID: project, Name: "main", CreatedAt: time.Now()}))

	site := confluence.New(confluence.Options{Site: "acme", KeepChanges: true})
	me := site.AddUser(confluence.User{Email: "tess@acme.example", DisplayName: "Tess", Admin: true})
	srv := httptest.NewServer(site.Handler())
	t.Cleanup(srv.Close)
	home := &town{t: t, site: site, me: me}
	home.do("POST", v2+"/spaces", `{"key":"MKT","name":"Marketing"}`)
	home.do("POST", v2+"/spaces", `{"key":"ENG","name":"Engineering"}`)
	people := settle(t, site, me, seed)
	inbox := &inbox{ids: map[string]int{}}
	app := httptest.NewServer(inbox)
	t.Cleanup(app.Close)
	_, _, err = p.events.CreateWebhook(ctx, project, event.NewWebhook{URL: app.URL, Events: []string{string(domain.EventTriggerMessage)}})
	ok(t, err)
	account, err := p.conn.Connect(ctx, connect.Start{ProjectID: project, UserID: "user_1", Toolkit: "confluence"}, map[string]string{
		"subdomain": "acme", "base_url": srv.URL, "generic_id": me.Email, "generic_api_key": me.Token,
	})
	ok(t, err)
	w := &world{t: t, db: p.db, svc: p.svc, a: account}
	mine := w.watchAll(people.configs())
	baseline := len(site.Changes(0))

	place.Deadly = 120
	herd := &herd{t: t, place: place, deaths: map[string]int{}}
	for range processes {
		herd.start()
	}
	crashes := 0
	storm := func() {
		act, kill, crash := time.NewTicker(40*time.Millisecond), time.NewTicker(1100*time.Millisecond), time.NewTicker(crashEvery)
		defer act.Stop()
		defer kill.Stop()
		defer crash.Stop()
		for began := time.Now(); time.Since(began) < length || herd.total() < 3 && time.Since(began) < length+time.Minute; {
			select {
			case <-act.C:
				people.act()
				if people.rng.IntN(100) == 0 {
					site.Fail(confluence.Fault{Method: http.MethodGet, Status: []int{500, 503, 429}[people.rng.IntN(3)], Times: 3})
				}
			case <-kill.C:
				herd.kill()
			case <-crash.C:
				if restart != nil {
					ok(t, restart())
					crashes++
				}
			}
		}
	}
	storm()
	site.ClearFaults()
	herd.calm(processes)
	w.quiet(mine, time.Now())
	l := read(people, baseline)
	total := 0
	for slug, id := range mine {
		events := w.allEvents(id)
		total += len(events)
		l.judge(slug, events)
		for i := range events {
			inbox.want(event.MessageID(events[i].ID))
		}
	}
	eventually(t, func() string { return inbox.missing() })
	herd.stop()
	if off := w.events(domain.EventTriggerDisabled, ""); len(off) > 0 {
		l.fail("disabled", "%s", off[0].Payload)
	}
	t.Logf("%v, seed %d, %d processes: %s; killed: %s; %d crashes of the database; %d messages, %d of them again",
		length, seed, processes, l.report(), herd, crashes, inbox.count(), inbox.count()-total)
	if len(l.bad) > 0 {
		t.Errorf("%d faults, such as\n%s", len(l.bad), firstOf(l.bad, 8))
	}
	if total == 0 || herd.total() < 3 || restart != nil && crashes == 0 || len(inbox.ids) != total {
		t.Errorf("%d events, %d killed, %d crashes, %d ids arrived", total, herd.total(), crashes, len(inbox.ids))
	}
}

// quiet waits until each poll was made twice more without a failure, to the end.
func (w *world) quiet(mine map[string]string, since time.Time) {
	w.t.Helper()
	for range 2 {
		eventually(w.t, func() string {
			for slug, id := range mine {
				i, err := w.db.Trigger(w.t.Context(), project, id)
				ok(w.t, err)
				p, err := w.db.Poll(w.t.Context(), project, i.PollID)
				ok(w.t, err)
				if !p.PolledAt.After(since) || !p.ClaimedUntil.IsZero() && p.PolledAt.Before(since.Add(time.Second)) {
					return fmt.Sprintf("%s was polled last at %v: %+v", slug, p.PolledAt, p)
				}
			}
			return ""
		})
		since = time.Now()
	}
}

// eventually waits until what is missing is "".
func eventually(t testing.TB, missing func() string) {
	t.Helper()
	tick, late := time.NewTicker(50*time.Millisecond), time.After(5*time.Minute)
	defer tick.Stop()
	for text := missing(); text != ""; text = missing() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it does not come: %s", text)
		}
	}
}

// inbox is an application's endpoint.
type inbox struct {
	mu     sync.Mutex
	ids    map[string]int
	wanted []string
}

func (b *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids[r.Header.Get(webhook.HeaderID)]++
}

func (b *inbox) want(id string) { b.wanted = append(b.wanted, id) }

func (b *inbox) missing() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, one := 0, ""
	for _, id := range b.wanted {
		if b.ids[id] == 0 {
			n, one = n+1, id
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d messages have not arrived, such as %s", n, one)
}

func (b *inbox) count() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, times := range b.ids {
		n += times
	}
	return n
}

// herd is the processes that work.
type herd struct {
	t     *testing.T
	place chaosPlace

	waits sync.WaitGroup
	kills atomic.Int64
	mu    sync.Mutex
	live  []*exec.Cmd
	// deaths are how many died by themselves, by the point.
	deaths map[string]int
	over   bool
}

// start makes one more process, and another one when it ends.
func (h *herd) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	raw, err := json.Marshal(h.place)
	ok(h.t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestChaosProcess$", "-test.v=false")
	cmd.Env = append(os.Environ(), chaosChild+"="+string(raw))
	in, err := cmd.StdinPipe() // it ends with us
	ok(h.t, err)
	var out strings.Builder
	cmd.Stdout = &out
	ok(h.t, cmd.Start())
	h.live = append(h.live, cmd)
	h.waits.Go(func() {
		_ = cmd.Wait() // it was killed
		_ = in.Close()
		h.mu.Lock()
		for i, c := range h.live {
			if c == cmd {
				h.live = append(h.live[:i], h.live[i+1:]...)
				break
			}
		}
		if _, point, by := strings.Cut(strings.TrimSpace(out.String()), "dies "); by {
			h.deaths[point]++
		} else if strings.Contains(out.String(), "FAIL") {
			h.t.Errorf("a process says: %s", out.String())
		}
		h.mu.Unlock()
		h.start()
	})
}

// kill ends one of the processes.
func (h *herd) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.live) > 0 && h.live[rand.IntN(len(h.live))].Process.Kill() == nil {
		h.kills.Add(1)
	}
}

func (h *herd) total() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := int(h.kills.Load())
	for _, times := range h.deaths {
		n += times
	}
	return n
}

// String tells how processes ended.
func (h *herd) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("%d at any time, by themselves %v", h.kills.Load(), h.deaths)
}

// calm replaces the processes by others that do not die.
func (h *herd) calm(n int) {
	h.stop()
	h.mu.Lock()
	h.over, h.place.Deadly = false, 0
	h.mu.Unlock()
	for range n {
		h.start()
	}
}

// stop kills all that live.
func (h *herd) stop() {
	h.mu.Lock()
	h.over = true
	for _, cmd := range h.live {
		_ = cmd.Process.Kill() // it may be gone
	}
	h.mu.Unlock()
	h.waits.Wait()
}
