package connect_test

import (
	"bufio"
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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
)

const (
	// chaosFor is how long the chaos lasts on each database, as a duration.
	chaosFor = "SLUICE_CHAOS"
	// chaosChild makes the test binary one of the processes: a chaosPlace as JSON.
	chaosChild = "CONNECT_TEST_CHAOS"

	chaosAccounts  = 100
	chaosProcesses = 3
	chaosLife      = time.Second      // of access tokens
	chaosLease     = time.Second / 2  // of a renewal
	chaosGrace     = 10 * time.Second // in which a used refresh token works again
	// chaosBusyGrace is that of the short form, which runs beside all other tests on
	// machines of any speed: there a retry that is slow is no retry that is too late.
	chaosBusyGrace = time.Minute
)

// chaosPlace is where a process works.
type chaosPlace struct{ Database, Key, Provider string }

// process opens what a router's process has. name comes with its requests.
func (p chaosPlace) process(t *testing.T, name string) (*sqlstore.DB, *vault.Vault, *connect.Service) {
	t.Helper()
	o := sqlstore.Options{Path: p.Database}
	if strings.HasPrefix(p.Database, "postgres://") {
		o = sqlstore.Options{URL: p.Database}
	}
	db, err := sqlstore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the test is over
	v, err := vault.Open(t.Context(), vault.Options{Keys: vault.FileKey(p.Key), Load: db.LoadKeyset, Save: db.SaveKeyset})
	if err != nil {
		t.Fatal(err)
	}
	factory, err := httpx.New(httpx.Options{
		Version: name, AllowAddrs: []netip.AddrPort{netip.MustParseAddrPort(strings.TrimPrefix(p.Provider, "http://"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.New(connecttest.Diary())
	if err != nil {
		t.Fatal(err)
	}
	return db, v, connect.New(connect.Options{Store: db, Vault: v, Catalog: cat, HTTP: factory, RefreshLease: chaosLease})
}

// TestChaosProcess is one of the processes: it sweeps and calls until it is
// killed, or its parent is gone. It says what a call must never meet.
func TestChaosProcess(t *testing.T) {
	var place chaosPlace
	if err := json.Unmarshal([]byte(os.Getenv(chaosChild)), &place); err != nil {
		t.Skip("this test is a part of TestChaos")
	}
	_, _, s := place.process(t, strconv.Itoa(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	repeat := func(every time.Duration, f func()) {
		tick := time.NewTicker(every)
		all.Go(func() {
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					f()
				case <-ctx.Done():
					return
				}
			}
		})
	}
	repeat(20*time.Millisecond, func() {
		if _, err := s.Sweep(ctx, chaosAccounts); err != nil && ctx.Err() == nil {
			fmt.Println("bad sweep:", err)
		}
	})
	for range 2 {
		repeat(5*time.Millisecond, func() {
			err := chaosCall(ctx, s, rand.IntN(chaosAccounts))
			switch code := domain.CodeOf(err); {
			case err == nil, code == domain.CodeUnavailable, ctx.Err() != nil:
			default:
				fmt.Println("bad call:", code, err)
			}
		})
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	all.Wait()
}

func chaosUser(i int) string { return fmt.Sprintf("user%d", i) }

// chaosCall asks the application who a user is.
func chaosCall(ctx context.Context, s *connect.Service, i int) error {
	a, err := s.Choose(ctx, connect.Choice{ProjectID: connecttest.Project, UserID: chaosUser(i), Toolkit: "diary"})
	if err != nil {
		return err
	}
	call, err := s.Prepare(ctx, connecttest.Diary(), a, nil)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, call.BaseURL+"/whoami", nil)
	if err != nil {
		return err
	}
	res, err := call.HTTP.Do(req)
	if err != nil {
		return httpx.Explain(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized { // it ended on the way
		return domain.Errorf(domain.CodeUnavailable, "refused")
	}
	var who struct{ Email string }
	if err := json.NewDecoder(res.Body).Decode(&who); err != nil || who.Email != chaosUser(i)+"@example.com" {
		return domain.Errorf(domain.CodeInternal, "the call of %s ran as %q: %v", chaosUser(i), who.Email, err)
	}
	return nil
}

// TestChaos has three processes on one database keep a hundred connections alive
// whose access tokens live for a second, at a provider that rotates refresh
// tokens and kills a grant when a used one comes late. It fails before and after
// its work, answers late, cuts connections, and processes are killed, some of
// them between the provider's work and its answer. No grant may be lost.
//
// SLUICE_CHAOS=5m go test -run TestChaos -v ./internal/connect
// has it last, on each database, as long as it says.
func TestChaos(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		testChaos(t, chaosPlace{Database: filepath.Join(t.TempDir(), "chaos.db")})
	})
	t.Run("postgres", func(t *testing.T) { testChaos(t, chaosPlace{Database: pgtest.URL(t)}) })
}

func testChaos(t *testing.T, place chaosPlace) {
	length, grace := 4*time.Second, chaosBusyGrace
	if text := os.Getenv(chaosFor); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		grace = chaosGrace
	}
	p := connecttest.NewProvider(chaosLife, grace, time.Now)
	srv := httptest.NewUnstartedServer(p)
	srv.Config.ErrorLog = nil
	srv.Start()
	defer srv.Close()
	place.Provider, place.Key = srv.URL, filepath.Join(t.TempDir(), "kek")
	db, v, s := place.process(t, "end")
	if err := db.CreateProject(t.Context(), domain.Project{ID: connecttest.Project, Name: "main", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	config := connecttest.DiaryConfig(t, db, v, p, srv.URL, domain.SchemeOAuth2, now)
	accounts := make([]domain.ConnectedAccount, 0, chaosAccounts)
	for i := range chaosAccounts {
		accounts = append(accounts, connecttest.DiaryAccount(t, db, v, p, srv.URL, config, chaosUser(i), time.Now().UTC().Truncate(time.Microsecond)))
	}

	herd := newHerd(t, place)
	p.SetFault(func(n int) connecttest.Fault { return herd.fault(n, rand.IntN(1000)) })
	for range chaosProcesses {
		herd.start()
	}
	enough := func() bool { // a slow machine needs longer
		n := p.Counts()
		return n.Refreshes >= 3*chaosAccounts && n.GraceReuses > 0 && herd.kills.Load() > 3 && herd.aimed.Load() > 0
	}
	began, kill := time.Now(), time.NewTicker(300*time.Millisecond)
	defer kill.Stop()
	for time.Since(began) < length || !enough() && time.Since(began) < length+30*time.Second {
		<-kill.C
		herd.kill(0)
	}
	herd.stop()
	p.SetFault(nil)

	// Whatever each account's state is now, its grant must be good: new tokens are
	// asked for, and used.
	var lost atomic.Int64
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < len(accounts); i += 8 {
				a, err := s.Refresh(t.Context(), connecttest.Project, accounts[i].ID)
				if err == nil && a.Status == domain.AccountActive {
					err = chaosCall(t.Context(), s, i)
				}
				if err != nil {
					lost.Add(1)
					t.Errorf("%s: %v", accounts[i].ID, err)
				}
			}
		})
	}
	all.Wait()
	n := p.Counts()
	t.Logf("%s: %d refreshes (%d with a used token), %d other requests failed or were late, %d cut, %d processes killed, %d of them before they had the answer; %d of %d grants lost",
		length, n.Refreshes, n.GraceReuses, n.Faults-int(herd.cuts.Load()), herd.cuts.Load(), herd.kills.Load(), herd.aimed.Load(), lost.Load(), chaosAccounts)
	if lost.Load() > 0 || p.Live() != chaosAccounts || n.StaleReuses > 0 || n.Refused > 0 {
		t.Errorf("grants lost: %d; live at the provider: %d; late reuses: %d; refusals: %d", lost.Load(), p.Live(), n.StaleReuses, n.Refused)
	}
	if !enough() {
		t.Errorf("too little chaos: %+v, %d kills", n, herd.kills.Load())
	}
	// A used token is tried again only where an answer was lost or late.
	if excuse := herd.cuts.Load() + herd.late.Load() + herd.kills.Load()*8; int64(n.GraceReuses) > excuse {
		t.Errorf("%d reuses, %d of them excused", n.GraceReuses, excuse)
	}
}

// herd is the processes that work.
type herd struct {
	t     *testing.T
	place chaosPlace

	cuts, late, kills, aimed atomic.Int64
	readers                  sync.WaitGroup

	mu   sync.Mutex
	live map[int]*exec.Cmd // by process id
	over bool
}

func newHerd(t *testing.T, place chaosPlace) *herd {
	return &herd{t: t, place: place, live: map[int]*exec.Cmd{}}
}

// fault chooses the fate of the n-th request by a dice of a thousand: most go
// well, and each hundredth kills who asks before it has the answer.
func (h *herd) fault(n, dice int) connecttest.Fault {
	switch {
	case n%100 == 50:
		return connecttest.Fault{Then: func(r *http.Request) {
			_, id, _ := strings.Cut(r.UserAgent(), "/")
			if pid, err := strconv.Atoi(id); err == nil {
				h.kill(pid)
			}
		}}
	case dice < 40:
		return connecttest.Fault{Status: 500}
	case dice < 60:
		return connecttest.Fault{Status: 429, RetryAfter: 1}
	case dice < 80:
		return connecttest.Fault{Status: 503, Body: `{"error":"invalid_grant"}`}
	case dice < 110:
		h.cuts.Add(1)
		return connecttest.Fault{Cut: true}
	case dice < 120: // later than the lease is long: another process goes ahead
		h.late.Add(1)
		return connecttest.Fault{Late: chaosLease + 300*time.Millisecond}
	}
	return connecttest.Fault{}
}

// start makes one more process.
func (h *herd) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	raw, err := json.Marshal(h.place)
	if err != nil {
		h.t.Error(err)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChaosProcess$", "-test.v=false")
	cmd.Env = append(os.Environ(), chaosChild+"="+string(raw))
	in, err := cmd.StdinPipe() // it ends with us
	if err != nil {
		h.t.Error(err)
		return
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		h.t.Error(err)
		return
	}
	h.live[cmd.Process.Pid] = cmd
	h.readers.Go(func() {
		defer in.Close()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if text := lines.Text(); strings.HasPrefix(text, "bad ") || strings.HasPrefix(text, "--- FAIL") {
				h.t.Errorf("a process says: %s", text)
			}
		}
		_ = cmd.Wait() // it was killed
	})
}

// kill ends a process as kill -9 does, any for 0, and makes another.
func (h *herd) kill(pid int) {
	h.mu.Lock()
	aimed := pid != 0
	for id := range h.live {
		if pid == 0 {
			pid = id
		}
	}
	cmd := h.live[pid]
	delete(h.live, pid)
	h.mu.Unlock()
	if cmd == nil {
		return
	}
	if err := cmd.Process.Kill(); err != nil {
		return // it is gone
	}
	h.kills.Add(1)
	if aimed {
		h.aimed.Add(1)
	}
	h.start()
}

// stop kills all that live.
func (h *herd) stop() {
	h.mu.Lock()
	h.over = true
	for pid, cmd := range h.live {
		_ = cmd.Process.Kill() // it may be gone
		delete(h.live, pid)
	}
	h.mu.Unlock()
	h.readers.Wait()
}
