package trigger

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// BenchmarkManyInstances has 10,000 instances that watch different things due at
// once, as after an hour's stop, and runs the first 1,500 polls on the job engine: each
// asks a Confluence over HTTP, which has nothing new, and commits. On a machine with time to
// spare they come due once in their interval instead.
func BenchmarkManyInstances(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		many(b, sqlstore.Options{Path: filepath.Join(b.TempDir(), "sluice.db")})
	})
	b.Run("postgres", func(b *testing.B) { many(b, sqlstore.Options{URL: pgtest.URL(b)}) })
}

func many(b *testing.B, where sqlstore.Options) {
	const instances, measured = 10_000, 1_500
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, where)
		done := make(chan struct{}, instances)
		w.opts.PerProject, w.opts.Now = 64, time.Now
		w.opts.Observe = func(p Polled) {
			if p.Outcome == "done" {
				done <- struct{}{}
			}
		}
		w.clock.Store(time.Now().UnixNano())
		i := w.upsert(`{"spaceId":"MKT"}`)
		svc := w.replica()
		engine, err := jobs.New(b.Context(), jobs.Options{DB: w.db, Works: svc.Works(), Queues: map[string]int{JobQueue: 16, ReceiveQueue: 1}})
		ok(b, err)
		svc.Use(engine)
		w.due(svc, i, instances)
		b.StartTimer()
		began := time.Now()
		ok(b, engine.Start(b.Context()))
		for range measured {
			<-done
		}
		took := time.Since(began)
		b.StopTimer()
		ok(b, engine.Stop(context.WithoutCancel(b.Context())))
		b.ReportMetric(measured/took.Seconds(), "polls/s")
		b.StartTimer()
	}
}

// due makes instances like i, each with a poll of its own that is due now.
func (w *world) due(svc *Service, i domain.TriggerInstance, n int) {
	w.t.Helper()
	first := w.pollOf(i)
	for from := 0; from < n; from += 500 {
		ok(w.t, w.db.InTx(w.t.Context(), func(tx store.Tx) error {
			for k := from; k < from+500; k++ {
				p, t := first, i
				p.ID, p.WatchHash, p.Version, p.NextAt = domain.NewID(domain.PrefixPoll), fmt.Sprint(k), 1, time.Now()
				t.ID, t.ConfigHash, t.PollID = domain.NewID(domain.PrefixTrigger), fmt.Sprint(k), p.ID
				if err := tx.CreatePoll(w.t.Context(), p); err != nil {
					return err
				}
				if err := tx.CreateTrigger(w.t.Context(), t); err != nil {
					return err
				}
				if err := svc.enqueue(w.t.Context(), tx, &p); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}
