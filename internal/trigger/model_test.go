package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	toolkits "github.com/sluice-run/sluice/toolkits/confluence"
)

const (
	// longForm is how long model and chaos last on each database, as a duration.
	longForm = "SLUICE_CHAOS"
	// seedFrom is the seed of the only model that is to run.
	seedFrom = "SLUICE_SEED"
)

// chaosFor says how long the long form shall last; 0 is the short one.
func chaosFor(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv(longForm)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	ok(t, err)
	return d
}

// mortal is the store of a process that may die at any of its writes: then what was
// to follow does not happen, and what it knew is lost.
type mortal struct {
	*sqlstore.DB
	fate func(point string) bool
}

// died is what a process's death is in a model: a panic that its job does not survive.
type died struct{ point string }

var errDied = errors.New("the process died")

func (m *mortal) at(point string) {
	if m.fate(point) {
		panic(died{point})
	}
}

func (m *mortal) ClaimPoll(ctx context.Context, key domain.PollKey, until time.Time) (bool, error) {
	m.at("before the claim")
	claimed, err := m.DB.ClaimPoll(ctx, key, until)
	m.at("after the claim")
	return claimed, err
}

func (m *mortal) InTx(ctx context.Context, f func(tx store.Tx) error) error {
	m.at("before the commit")
	err := m.DB.InTx(ctx, func(tx store.Tx) error {
		err := f(tx)
		if err == nil && m.fate("in the commit") {
			err = errDied
		}
		return err
	})
	if errors.Is(err, errDied) {
		panic(died{"in the commit"})
	}
	m.at("after the commit")
	return err
}

// model runs every type of trigger on a world whose people and processes do what a
// seeded generator says.
type model struct {
	*world
	people   *town
	rng      *rand.Rand
	replicas []*Service
	stores   []*mortal
	mine     map[string]string // instance by slug
	deaths   map[string]int
	late     int // polls that another process ended first
	again    int // jobs that ran twice
	busy     bool
	peace    bool      // nobody acts, and no process dies
	running  *pollArgs // the job that runs, unless another one has overtaken it
}

func newModel(t testing.TB, where sqlstore.Options, seed uint64, replicas int) (*model, int) {
	m := &model{world: newWorld(t, where), rng: rand.New(rand.NewPCG(seed, 2)), deaths: map[string]int{}}
	m.people = settle(t, m.site, m.me, seed)
	m.pass(time.Hour)
	m.mine = m.watchAll(m.people.configs())
	baseline := len(m.site.Changes(0))
	for range replicas {
		m.stores = append(m.stores, &mortal{DB: m.db, fate: m.fate})
		m.replicas = append(m.replicas, nil)
	}
	for i := range m.replicas {
		m.replicas[i] = m.reborn(i)
	}
	var busy atomic.Bool
	hook := func(*http.Request) { // people go on while a poll reads
		if m.busy && busy.CompareAndSwap(false, true) {
			m.people.act()
			busy.Store(false)
		}
	}
	m.hook.Store(&hook)
	return m, baseline
}

// watchAll makes an instance of each type, and gives their ids by slug.
func (w *world) watchAll(configs map[string]string) map[string]string {
	w.t.Helper()
	mine := map[string]string{}
	for _, slug := range slices.Sorted(maps.Keys(configs)) {
		i, _, err := w.svc.Upsert(w.t.Context(), Asked{ProjectID: project, Trigger: slug, UserID: "user_1", Config: json.RawMessage(configs[slug])})
		ok(w.t, err)
		mine[slug] = i.ID
	}
	return mine
}

// reborn gives the process that takes a dead one's place.
func (m *model) reborn(i int) *Service {
	o := m.opts
	o.Store, o.PerProject = m.stores[i], 100
	s := New(o)
	s.Use(m.world)
	return s
}

// fate decides at each write of a process, and lets people go on meanwhile.
func (m *model) fate(point string) bool {
	if m.peace {
		return false
	}
	if m.rng.IntN(4) == 0 {
		m.people.act()
	}
	if point == "before the commit" && m.running != nil && m.rng.IntN(40) == 0 {
		m.overtake()
	}
	return m.rng.IntN(60) == 0
}

// overtake has another process take over the poll that runs, which is so slow that its
// claim runs out, and end it first.
func (m *model) overtake() {
	slow := *m.running
	m.running = nil
	m.pass(m.replicas[0].opts.Lease + time.Second)
	ok(m.t, m.svc.RecoverLost(m.t.Context()))
	if p := m.pollAt(slow); p.ClaimedUntil.IsZero() && p.Version > slow.Version {
		m.late++
		m.attempt(pollArgs{ProjectID: slow.ProjectID, ID: slow.ID, Version: p.Version})
	}
}

// attempt runs a job on one of the processes.
func (m *model) attempt(a pollArgs) {
	m.t.Helper()
	i := m.rng.IntN(len(m.replicas))
	defer func() {
		v := recover()
		if d, dead := v.(died); dead {
			m.deaths[d.point]++
			m.replicas[i] = m.reborn(i)
			return
		}
		if v != nil {
			panic(v)
		}
	}()
	err := m.replicas[i].run(m.t.Context(), a)
	if _, later := jobs.LaterBy(err); err != nil && !later {
		m.t.Fatalf("a poll: %v", err)
	}
}

// polls lets time pass, with what is due in it.
func (m *model) polls(d time.Duration) {
	m.t.Helper()
	end := m.now().Add(d)
	duty := m.now().Add(RecoverEvery)
	for {
		a, at, found := m.next()
		if found && m.rng.IntN(40) == 0 && m.pollAt(a).ClaimedUntil.IsZero() {
			m.forgetJob(a) // the engine lost it
			continue
		}
		if !found || at.After(duty) {
			at, found = duty, false
		}
		if at.After(end) || m.now().After(end) {
			m.clock.Store(max(end.UnixNano(), m.clock.Load()))
			return
		}
		if at.After(m.now()) {
			m.clock.Store(at.UnixNano())
		}
		if !found {
			ok(m.t, m.svc.RecoverLost(m.t.Context()))
			duty = m.now().Add(RecoverEvery)
			continue
		}
		m.busy, m.running = !m.peace && m.rng.IntN(10) == 0, &a
		m.attempt(a)
		m.running = nil
		if m.rng.IntN(20) == 0 { // the engine runs it again
			m.again++
			m.attempt(a)
		}
		m.forgetJob(a)
		m.busy = false
	}
}

func (m *model) pollAt(a pollArgs) domain.TriggerPoll {
	p, err := m.db.Poll(m.t.Context(), a.ProjectID, a.ID)
	ok(m.t, err)
	return p
}

// forgetJob drops a job: it ran, or it is lost.
func (m *model) forgetJob(a pollArgs) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = slices.DeleteFunc(m.queue, func(q pollArgs) bool { return q == a })
}

// TestModel has people do what they do on a site that all types of trigger watch,
// while the processes that poll die at each of their writes, jobs are lost or run
// twice, and two processes have the same poll. In the end each type's events are what
// the site's change log says that polling can see.
//
// SLUICE_CHAOS=60s go test -run 'TestModel$' -v ./internal/trigger
// has it try seeds for that long on each database; SLUICE_SEED=n tries one.
func TestModel(t *testing.T) {
	t.Parallel()
	each := func(t *testing.T, where func() sqlstore.Options) {
		t.Parallel()
		end := time.Now().Add(chaosFor(t))
		base := rand.Uint64N(1 << 32)
		if text := os.Getenv(seedFrom); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			ok(t, err)
			base, end = n, time.Now()
		}
		steps := 12
		switch {
		case chaosFor(t) > 0:
			steps = 60
		case testing.Short():
			steps = 4
		}
		sum := map[string]int{}
		for n := uint64(0); n == 0 || time.Now().Before(end) && !t.Failed(); n++ {
			testModel(t, where(), base+n, steps, sum)
		}
		t.Logf("%v", sum)
	}
	t.Run("sqlite", func(t *testing.T) {
		each(t, func() sqlstore.Options { return sqlstore.Options{Path: filepath.Join(t.TempDir(), "sluice.db")} })
	})
	t.Run("postgres", func(t *testing.T) { each(t, func() sqlstore.Options { return sqlstore.Options{URL: pgtest.URL(t)} }) })
}

func testModel(t *testing.T, where sqlstore.Options, seed uint64, steps int, sum map[string]int) {
	m, baseline := newModel(t, where, seed, 1+int(seed%3))
	waits := []time.Duration{0, 0, 0, time.Millisecond, time.Second, time.Minute, 4 * time.Minute, 11 * time.Minute}
	for range steps {
		for range 1 + m.rng.IntN(3) {
			m.people.act()
		}
		m.polls(waits[m.rng.IntN(len(waits))])
	}
	m.peace = true
	m.polls(55 * time.Minute)
	l := read(m.people, baseline)
	for slug, id := range m.mine {
		l.judge(slug, m.allEvents(id))
	}
	if off := m.events(domain.EventTriggerDisabled, ""); len(off) > 0 {
		l.fail("disabled", "%s", off[0].Payload)
	}
	for _, kind := range toolkits.New().Triggers {
		if l.unseen[kind.Slug] > 0 && len(kind.Blind) == 0 {
			l.fail(kind.Slug, "it does not see %d changes, and does not say so", l.unseen[kind.Slug])
		}
	}
	deaths := 0
	for _, n := range m.deaths {
		deaths += n
	}
	t.Logf("seed %d, %d processes: %s; %d died, %d jobs ran twice, %d were overtaken", seed, len(m.replicas), l.report(), deaths, m.again, m.late)
	if len(l.bad) > 0 {
		t.Errorf("seed %d (run it again with %s=%d): %d faults, such as\n%s", seed, seedFrom, seed, len(l.bad), firstOf(l.bad, 8))
	}
	if len(l.seen) != len(m.people.configs()) || deaths == 0 && chaosFor(t) > 0 {
		t.Errorf("seed %d: %d types were judged, %d processes died", seed, len(l.seen), deaths)
	}
	sum["models"]++
	sum["deaths"] += deaths
	sum["twice"] += m.again
	sum["overtaken"] += m.late
	for slug, n := range l.seen {
		sum["events"] += n
		sum["unseen"] += l.unseen[slug]
	}
	sum["changes"] += len(m.site.Changes(baseline))
}

// allEvents gives all messages of an instance, the oldest first.
func (w *world) allEvents(id string) (all []domain.Event) {
	w.t.Helper()
	f := store.EventFilter{Types: []domain.EventType{domain.EventTriggerMessage}, Source: id, OldestFirst: true}
	for {
		page, total, err := w.db.ListEvents(w.t.Context(), project, f, store.Page{Limit: 1000, Offset: len(all)})
		ok(w.t, err)
		if all = append(all, page...); len(all) >= total || len(page) == 0 {
			return all
		}
	}
}

func firstOf(lines []string, n int) string {
	out := ""
	for _, l := range lines[:min(n, len(lines))] {
		out += fmt.Sprintln(l)
	}
	return out
}
