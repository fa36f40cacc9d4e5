package jobstest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// childEnv makes the test program another process on a database, by path or URL.
const childEnv = "JOBSTEST_CHILD"

// Main runs the tests, or what a test wants of another process.
func Main(m *testing.M) int {
	where := os.Getenv(childEnv)
	if where == "" {
		return m.Run()
	}
	fmt.Fprintln(os.Stderr, child(where))
	return 1
}

var fatal = jobs.Kind[numbered]{Name: "fatal", Timeout: time.Second, Pause: func(int) time.Duration { return 0 }}

// child takes a job, says so and is then busy with it until it is killed. It
// returns only when it fails.
func child(where string) error {
	ctx := context.Background()
	o := sqlstore.Options{Path: where}
	if strings.HasPrefix(where, "postgres://") {
		o = sqlstore.Options{URL: where}
	}
	db, err := sqlstore.Open(ctx, o)
	if err != nil {
		return err
	}
	s, err := jobs.New(ctx, jobs.Options{DB: db, Works: []jobs.Work{fatal.Work(func(context.Context, numbered) error {
		fmt.Println("begun")
		select {}
	})}})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	err = db.InTx(ctx, func(tx store.Tx) error { return s.Enqueue(ctx, tx, fatal.Job(numbered{42})) })
	if err != nil {
		return err
	}
	select {}
}

// A job whose process was killed runs again on another one, which also takes over
// being the leader.
func testKilled(t *testing.T, w *world) {
	self, err := os.Executable()
	ok(t, err)
	cmd := exec.CommandContext(t.Context(), self) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), childEnv+"="+w.where.Path+w.where.URL)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	begun := make(chan bool, 1)
	go func() { begun <- bufio.NewScanner(out).Scan() }()
	if !next(t, soon, "the job in the other process", begun) {
		t.Fatal("the other process ended")
	}
	ok(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed

	w.started(func(o *jobs.Options) {
		o.RescueAfter = 2 * time.Second
		o.Works = []jobs.Work{fatal.Work(func(_ context.Context, in numbered) error {
			w.events <- event{n: in.N}
			return nil
		})}
	})
	// The dead leader's lease is 15 s, and whoever leads looks every 30 s.
	if got := next(t, 90*time.Second, "the rescue", w.events); got.n != 42 {
		t.Errorf("job %d ran", got.n)
	}
	until(t, "the end", func() bool { return w.outcomes("fatal") == "2 done, " })
}

// Several that start on an empty database at once all work.
func testStartTogether(t *testing.T, w *world) {
	var wg sync.WaitGroup
	for i := range 4 {
		db := w.open()
		wg.Go(func() {
			s, err := jobs.New(t.Context(), jobs.Options{DB: db, Works: []jobs.Work{w.counts()}, Poll: 20 * time.Millisecond})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Start(t.Context()); err != nil {
				t.Error(err)
			}
			err = db.InTx(t.Context(), func(tx store.Tx) error { return s.Enqueue(t.Context(), tx, count.Job(numbered{i})) })
			if err != nil {
				t.Error(err)
			}
			next(t, soon, "a job", w.events)
			if err := s.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Of several processes one enqueues: in a second there is one run at most, and
// they go on.
func testPeriodic(t *testing.T, w *world) {
	every := func(o *jobs.Options) {
		o.Periodic = []jobs.Periodic{{Every: time.Second, Job: count.Job(numbered{1})}}
	}
	began := time.Now()
	one, two := w.started(every), w.started(every)
	for range 3 {
		next(t, soon, "a period", w.events)
	}
	ok(t, one.Stop(t.Context()))
	ok(t, two.Stop(t.Context()))
	if runs, seconds := 3+len(w.events), int(time.Since(began)/time.Second)+2; runs > seconds {
		t.Errorf("%d runs in %d seconds", runs, seconds)
	}
}

// A restart does not run again what has run in this period.
func testPeriodicRestart(t *testing.T, w *world) {
	daily := func(o *jobs.Options) {
		o.Periodic = []jobs.Periodic{{Every: 24 * time.Hour, Job: count.Job(numbered{1})}}
	}
	s := w.started(daily)
	next(t, soon, "the first run", w.events)
	until(t, "the end", func() bool { return w.outcomes("count") == "1 done, " })
	ok(t, s.Stop(t.Context()))
	if time.Now().UTC().Format("15:04") >= "23:58" {
		t.Skip("a new day begins")
	}
	// Both are enqueued at one moment, when this one leads: the tick says so.
	tick := jobs.Kind[numbered]{Name: "tick"}
	ticks := make(chan struct{}, 100)
	again := w.started(func(o *jobs.Options) {
		daily(o)
		o.AtOnce = 1
		o.Works = append(o.Works, tick.Work(func(context.Context, numbered) error { ticks <- struct{}{}; return nil }))
		o.Periodic = append(o.Periodic, jobs.Periodic{Every: time.Second, Job: tick.Job(numbered{})})
	})
	for range 2 {
		next(t, soon, "a tick", ticks)
	}
	ok(t, again.Stop(t.Context()))
	if len(w.events) != 0 {
		t.Error("it ran again")
	}
}

// keptErrors gives what the database holds of failures.
func keptErrors(t *testing.T, db *sqlstore.DB) string {
	t.Helper()
	var all strings.Builder
	ctx := t.Context()
	if pool := db.Postgres(); pool != nil {
		rows, err := pool.Query(ctx, `SELECT coalesce(array_to_string(errors, ' '), '') FROM river_job`)
		ok(t, err)
		defer rows.Close()
		for rows.Next() {
			var text string
			ok(t, rows.Scan(&text))
			all.WriteString(text)
		}
		ok(t, rows.Err())
		return all.String()
	}
	rows, err := db.SQLite().QueryContext(ctx, `SELECT coalesce(json(errors), '') FROM river_job`)
	ok(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		ok(t, rows.Scan(&text))
		all.WriteString(text)
	}
	ok(t, rows.Err())
	return all.String()
}
