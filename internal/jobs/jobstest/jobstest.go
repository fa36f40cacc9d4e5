// Package jobstest is the suite that package jobs must pass on every database.
package jobstest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// Run tests jobs on the databases that fresh names. Each call of fresh must name
// an empty database of its own. The test program must call Main.
func Run(t *testing.T, fresh func(t *testing.T) sqlstore.Options) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, w *world)
	}{
		{"rolled back", testRolledBack},
		{"each once with two clients", testOnceEach},
		{"killed process", testKilled},
		{"periodic", testPeriodic},
		{"periodic across restarts", testPeriodicRestart},
		{"unique", testUnique},
		{"retries", testRetries},
		{"given up", testGivenUp},
		{"put off", testPutOff},
		{"later", testAt},
		{"time-out", testTimeout},
		{"bounded", testBounded},
		{"queues", testQueues},
		{"stop drains", testDrain},
		{"stop cuts", testCut},
		{"starting together", testStartTogether},
		{"quiet stop", testQuietStop},
		{"misuse", testMisuse},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, &world{t: t, where: fresh(t), events: make(chan event, 10_000)})
		})
	}
}

// world is a database with the jobs of a test.
type world struct {
	t      *testing.T
	where  sqlstore.Options
	events chan event
	mu     sync.Mutex
	tries  []jobs.Try
}

// event is that work saw its arguments.
type event struct {
	n  int
	at time.Time
}

type numbered struct {
	N int `json:"n"`
}

// count is a kind whose work tells of its arguments.
var count = jobs.Kind[numbered]{Name: "count"}

func (w *world) counts() jobs.Work {
	return count.Work(func(_ context.Context, in numbered) error {
		w.events <- event{n: in.N, at: time.Now()}
		return nil
	})
}

func (w *world) open() *sqlstore.DB {
	w.t.Helper()
	db, err := sqlstore.Open(w.t.Context(), w.where)
	ok(w.t, err)
	w.t.Cleanup(func() { ok(w.t, db.Close()) })
	return db
}

// service is a client as a process has it.
type service struct {
	*jobs.Service
	db *sqlstore.DB
	t  *testing.T
}

// service makes a client that is not started.
func (w *world) service(change func(o *jobs.Options)) *service {
	w.t.Helper()
	o := jobs.Options{
		DB: w.open(), Works: []jobs.Work{w.counts()}, Poll: 20 * time.Millisecond, Logger: nil,
		Observe: func(t jobs.Try) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.tries = append(w.tries, t)
		},
	}
	if change != nil {
		change(&o)
	}
	s, err := jobs.New(w.t.Context(), o)
	ok(w.t, err)
	w.t.Cleanup(func() { ok(w.t, s.Stop(context.WithoutCancel(w.t.Context()))) })
	return &service{Service: s, db: o.DB, t: w.t}
}

// started makes a client that runs jobs.
func (w *world) started(change func(o *jobs.Options)) *service {
	w.t.Helper()
	s := w.service(change)
	ok(w.t, s.Start(w.t.Context()))
	return s
}

// outcomes gives how tries of a kind ended, so far, in order.
func (w *world) outcomes(kind string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := ""
	for _, t := range w.tries {
		if t.Kind == kind {
			out += fmt.Sprintf("%d %s, ", t.Number, t.Outcome)
		}
	}
	return out
}

func (s *service) enqueue(list ...jobs.Job) {
	s.t.Helper()
	ctx := s.t.Context()
	ok(s.t, s.db.InTx(ctx, func(tx store.Tx) error {
		for _, j := range list {
			if err := s.Enqueue(ctx, tx, j); err != nil {
				return err
			}
		}
		return nil
	}))
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// soon bounds what should happen at once, on a busy machine too.
const soon = 20 * time.Second

// next waits for something; after the time it fails.
func next[T any](t *testing.T, within time.Duration, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(within):
		t.Fatalf("%s: not within %v", what, within)
		panic("unreachable")
	}
}

// until waits until done says so.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(soon)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within %v", what, soon)
		}
	}
}
