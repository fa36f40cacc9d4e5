package jobstest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
)

// One at a time runs in the order of enqueuing: had the first not gone with its
// transaction, it would be seen before the second.
func testRolledBack(t *testing.T, w *world) {
	s := w.started(func(o *jobs.Options) { o.AtOnce = 1 })
	ctx := t.Context()
	changed := errors.New("changed my mind")
	err := s.db.InTx(ctx, func(tx store.Tx) error {
		ok(t, s.Enqueue(ctx, tx, count.Job(numbered{1})))
		return changed
	})
	if !errors.Is(err, changed) {
		t.Fatal(err)
	}
	s.enqueue(count.Job(numbered{2}), count.Job(numbered{3}))
	for _, want := range []int{2, 3} {
		if got := next(t, soon, "a job", w.events); got.n != want {
			t.Errorf("job %d ran, want %d", got.n, want)
		}
	}
}

func testOnceEach(t *testing.T, w *world) {
	one, two := w.started(nil), w.started(nil)
	const n = 120
	var wg sync.WaitGroup
	for i, s := range []*service{one, two} {
		wg.Go(func() {
			for j := i; j < n; j += 2 {
				s.enqueue(count.Job(numbered{j}))
			}
		})
	}
	wg.Wait()
	runs := map[int]int{}
	for range n {
		runs[next(t, soon, "a job", w.events).n]++
	}
	// Both stop only when what they took is done: what comes after is too much.
	ok(t, one.Stop(t.Context()))
	ok(t, two.Stop(t.Context()))
	if len(runs) != n || len(w.events) != 0 {
		t.Errorf("%d of %d jobs ran, and %d a second time", len(runs), n, len(w.events))
	}
}

func testUnique(t *testing.T, w *world) {
	slow := jobs.Kind[numbered]{Name: "slow"}
	release := make(chan struct{})
	s := w.started(func(o *jobs.Options) {
		o.Works = append(o.Works, slow.Work(func(ctx context.Context, in numbered) error {
			w.events <- event{n: in.N}
			<-release
			return nil
		}))
	})
	s.enqueue(slow.Job(numbered{1}).Once("a"))
	next(t, soon, "the first", w.events)
	s.enqueue(slow.Job(numbered{2}).Once("a"), slow.Job(numbered{3}).Once("b"), slow.Job(numbered{4}).Once("b"))
	if got := next(t, soon, "the other key", w.events); got.n != 3 {
		t.Errorf("job %d ran, want 3", got.n)
	}
	close(release)
	until(t, "both ended", func() bool { return strings.Count(w.outcomes("slow"), "done") == 2 })
	// What is done holds nothing back; River may need a moment to note that it is.
	until(t, "the same key again", func() bool {
		s.enqueue(slow.Job(numbered{5}).Once("a"))
		return len(w.events) > 0
	})
	if got := next(t, soon, "the same key again", w.events); got.n != 5 {
		t.Errorf("job %d ran, want 5", got.n)
	}
}

func testRetries(t *testing.T, w *world) {
	flaky := jobs.Kind[numbered]{Name: "flaky", Tries: 4, Pause: func(tries int) time.Duration { return time.Duration(tries) * 100 * time.Millisecond }}
	var calls atomic.Int32
	s := w.started(func(o *jobs.Options) {
		o.Works = append(o.Works, flaky.Work(func(context.Context, numbered) error {
			w.events <- event{at: time.Now()}
			switch calls.Add(1) {
			case 1:
				return errors.New("the token s3cret-t0ken is bad")
			case 2:
				panic("s3cret-t0ken")
			}
			return nil
		}))
	})
	s.enqueue(flaky.Job(numbered{}))
	var last time.Time
	for i := range 3 {
		e := next(t, soon, "a try", w.events)
		if pause := e.at.Sub(last); i > 0 && pause < time.Duration(i)*100*time.Millisecond {
			t.Errorf("try %d came after %v", i+1, pause)
		}
		last = e.at
	}
	until(t, "the end", func() bool { return w.outcomes("flaky") == "1 failed, 2 failed, 3 done, " })
	if kept := keptErrors(t, s.db); !strings.Contains(kept, "it failed") || strings.Contains(kept, "s3cret") || strings.Contains(kept, ".go:") {
		t.Errorf("kept of the failures: %s", kept)
	}
}

func testGivenUp(t *testing.T, w *world) {
	soonAgain := func(int) time.Duration { return 0 }
	hopeless := jobs.Kind[numbered]{Name: "hopeless", Tries: 3, Pause: soonAgain}
	wrong := jobs.Kind[numbered]{Name: "wrong", Tries: 3, Pause: soonAgain}
	s := w.started(func(o *jobs.Options) {
		o.Works = append(o.Works,
			hopeless.Work(func(context.Context, numbered) error {
				return domain.Errorf(domain.CodeUnavailable, "the site is down")
			}),
			wrong.Work(func(context.Context, numbered) error { return jobs.Never(errors.New("gone for good")) }))
	})
	s.enqueue(hopeless.Job(numbered{}), wrong.Job(numbered{}))
	until(t, "the end", func() bool {
		return w.outcomes("hopeless") == "1 failed, 2 failed, 3 gave_up, " && w.outcomes("wrong") == "1 gave_up, "
	})
	until(t, "the reason", func() bool { return strings.Contains(keptErrors(t, s.db), "the site is down") })
}

func testPutOff(t *testing.T, w *world) {
	early := jobs.Kind[numbered]{Name: "early", Tries: 1}
	var calls atomic.Int32
	s := w.started(func(o *jobs.Options) {
		o.Works = append(o.Works, early.Work(func(context.Context, numbered) error {
			if calls.Add(1) <= 2 {
				return jobs.Later(10 * time.Millisecond)
			}
			return nil
		}))
	})
	s.enqueue(early.Job(numbered{}))
	until(t, "the end", func() bool { return strings.HasSuffix(w.outcomes("early"), "done, ") })
	if n := strings.Count(w.outcomes("early"), "put_off"); n != 2 {
		t.Errorf("tries %s", w.outcomes("early"))
	}
}

func testAt(t *testing.T, w *world) {
	s := w.started(nil)
	at := time.Now().Add(700 * time.Millisecond)
	s.enqueue(count.Job(numbered{1}).At(at), count.Job(numbered{2}))
	if got := next(t, soon, "the one for now", w.events); got.n != 2 {
		t.Errorf("job %d ran first", got.n)
	}
	if got := next(t, soon, "the one for later", w.events); got.n != 1 || got.at.Before(at.Truncate(time.Millisecond)) {
		t.Errorf("job %d ran at %v, not after %v", got.n, got.at, at)
	}
}

func testTimeout(t *testing.T, w *world) {
	hanging := jobs.Kind[numbered]{Name: "hanging", Timeout: 50 * time.Millisecond, Tries: 1}
	s := w.started(func(o *jobs.Options) {
		o.Works = append(o.Works, hanging.Work(func(ctx context.Context, _ numbered) error {
			<-ctx.Done()
			return ctx.Err()
		}))
	})
	s.enqueue(hanging.Job(numbered{}))
	until(t, "the end", func() bool { return w.outcomes("hanging") == "1 gave_up, " })
	until(t, "the reason", func() bool { return strings.Contains(keptErrors(t, s.db), "in time") })
}

func testBounded(t *testing.T, w *world) {
	slow := jobs.Kind[numbered]{Name: "slow"}
	release := make(chan struct{})
	var now, most atomic.Int32
	s := w.started(func(o *jobs.Options) {
		o.AtOnce = 3
		o.Works = append(o.Works, slow.Work(func(context.Context, numbered) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			w.events <- event{}
			<-release
			now.Add(-1)
			return nil
		}))
	})
	for range 9 {
		s.enqueue(slow.Job(numbered{}))
	}
	for range 3 {
		next(t, soon, "a job", w.events)
	}
	close(release)
	for range 6 {
		next(t, soon, "a job", w.events)
	}
	if n := most.Load(); n != 3 {
		t.Errorf("%d jobs ran at once", n)
	}
}

// A queue that is full of slow jobs holds up no other, and has its own bound.
func testQueues(t *testing.T, w *world) {
	slow := jobs.Kind[numbered]{Name: "slow", Queue: "slow"}
	release := make(chan struct{})
	begun := make(chan struct{}, 9)
	s := w.started(func(o *jobs.Options) {
		o.AtOnce = 1
		o.Queues = map[string]int{"slow": 2}
		o.Works = append(o.Works, slow.Work(func(context.Context, numbered) error {
			begun <- struct{}{}
			<-release
			return nil
		}))
	})
	for range 5 {
		s.enqueue(slow.Job(numbered{}))
	}
	for range 2 {
		next(t, soon, "a slow one", begun)
	}
	for i := range 5 {
		s.enqueue(count.Job(numbered{i}))
		next(t, soon, "a job of the other queue", w.events)
	}
	if len(begun) != 0 {
		t.Error("more slow ones run than their queue takes")
	}
	close(release)
	for range 3 {
		next(t, soon, "a slow one", begun)
	}
}

func testDrain(t *testing.T, w *world) {
	slow := jobs.Kind[numbered]{Name: "slow"}
	release := make(chan struct{})
	s := w.started(func(o *jobs.Options) {
		o.AtOnce = 1
		o.Works = append(o.Works, slow.Work(func(context.Context, numbered) error {
			w.events <- event{n: -1}
			<-release
			return nil
		}))
	})
	s.enqueue(slow.Job(numbered{}), count.Job(numbered{7}))
	next(t, soon, "the slow one", w.events)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.WithoutCancel(t.Context())) }()
	select {
	case err := <-stopped:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	ok(t, next(t, soon, "the stop", stopped))
	if got := w.outcomes("slow"); got != "1 done, " || len(w.events) != 0 {
		t.Errorf("it ended as %s, and %d jobs were begun", got, len(w.events))
	}
	ok(t, s.Stop(t.Context())) // again
	// What waited waits on.
	w.started(nil)
	if got := next(t, soon, "the one that waited", w.events); got.n != 7 {
		t.Errorf("job %d ran", got.n)
	}
}

func testCut(t *testing.T, w *world) {
	stubborn := jobs.Kind[numbered]{Name: "stubborn", Pause: func(int) time.Duration { return 0 }}
	work := stubborn.Work(func(ctx context.Context, in numbered) error {
		w.events <- event{n: in.N}
		<-ctx.Done()
		return ctx.Err()
	})
	s := w.started(func(o *jobs.Options) { o.Works, o.Drain = []jobs.Work{work}, 50*time.Millisecond })
	s.enqueue(stubborn.Job(numbered{1}))
	next(t, soon, "the job", w.events)
	ok(t, s.Stop(t.Context()))
	again := w.started(func(o *jobs.Options) { o.Works, o.Drain = []jobs.Work{work}, 50*time.Millisecond })
	if got := next(t, soon, "the job again", w.events); got.n != 1 {
		t.Errorf("job %d ran", got.n)
	}
	ok(t, again.Stop(t.Context()))
}

// A stop at once after a start is nothing to complain of.
func testQuietStop(t *testing.T, w *world) {
	var log lines
	for range 10 {
		s := w.started(func(o *jobs.Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			o.Periodic = []jobs.Periodic{{Every: time.Hour, Job: count.Job(numbered{1})}}
		})
		ok(t, s.Stop(t.Context()))
	}
	if text := log.String(); text != "" {
		t.Errorf("it said: %s", text)
	}
}

// lines is a log of many goroutines.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testMisuse(t *testing.T, w *world) {
	s := w.service(nil)
	ctx := t.Context()
	ok(t, s.Stop(ctx)) // before Start
	nobody := jobs.Kind[numbered]{Name: "nobody"}
	err := s.db.InTx(ctx, func(tx store.Tx) error { return s.Enqueue(ctx, tx, nobody.Job(numbered{})) })
	if domain.CodeOf(err) != domain.CodeInternal {
		t.Errorf("a job of nobody: %v", err)
	}
	large := jobs.Kind[string]{Name: "count"}
	err = s.db.InTx(ctx, func(tx store.Tx) error { return s.Enqueue(ctx, tx, large.Job(strings.Repeat("x", 1<<20))) })
	if domain.CodeOf(err) != domain.CodeInternal {
		t.Errorf("large arguments: %v", err)
	}
	if err := s.Enqueue(ctx, s.db, count.Job(numbered{})); err == nil {
		t.Error("a job outside a transaction is taken")
	}
	for name, change := range map[string]func(o *jobs.Options){
		"no work":         func(o *jobs.Options) { o.Works = nil },
		"no database":     func(o *jobs.Options) { o.DB = nil },
		"two of a name":   func(o *jobs.Options) { o.Works = append(o.Works, w.counts()) },
		"too long":        func(o *jobs.Options) { o.Works = []jobs.Work{longOne()} },
		"rescue too soon": func(o *jobs.Options) { o.RescueAfter = time.Second },
		"unknown queue": func(o *jobs.Options) {
			o.Works = []jobs.Work{jobs.Kind[numbered]{Name: "lost", Queue: "none"}.Work(func(context.Context, numbered) error { return nil })}
		},
		"queue without a bound": func(o *jobs.Options) { o.Queues = map[string]int{"slow": 0} },
		"too rarely": func(o *jobs.Options) {
			o.Periodic = []jobs.Periodic{{Every: 48 * time.Hour, Job: count.Job(numbered{})}}
		},
		"periodic of nobody": func(o *jobs.Options) { o.Periodic = []jobs.Periodic{{Every: time.Hour, Job: nobody.Job(numbered{})}} },
	} {
		o := jobs.Options{DB: s.db, Works: []jobs.Work{w.counts()}}
		change(&o)
		if _, err := jobs.New(ctx, o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func longOne() jobs.Work {
	return jobs.Kind[numbered]{Name: "long", Timeout: time.Hour}.Work(func(context.Context, numbered) error { return nil })
}
