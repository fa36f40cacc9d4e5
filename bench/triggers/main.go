// Command triggers measures what triggers cost, for docs/benchmarks.md: polls, events
// on their way from the application to a webhook, and the room that they take. A
// Confluence, the router's rooms and the receiver share one process.
//
//	go run ./bench/triggers          # both databases, some minutes
//	go run ./bench/triggers -short   # fewer of everything, for a look
//
// PostgreSQL is a server of its own, started from the installed binaries.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
)

func main() {
	short := flag.Bool("short", false, "fewer of everything")
	kept := flag.Int("kept", 20_000, "events that are kept to measure their room")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *short, *kept); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// amounts are how many of what is measured.
type amounts struct{ instances, polls, changes, single, kept int }

func run(ctx context.Context, short bool, kept int) error {
	n := amounts{instances: 10_000, polls: 2_000, changes: 3_000, single: 100, kept: kept}
	if short {
		n = amounts{instances: 1_000, polls: 300, changes: 300, single: 20, kept: 1_000}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%s, %d CPUs, %s; load at the start %.14s\n", runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly), load)
	dir, err := os.MkdirTemp("", "sluice-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := measure(ctx, "SQLite", filepath.Join(dir, "sqlite"), "", n); err != nil {
		return err
	}
	url, stop, err := pgtest.Start("fsync=on", "synchronous_commit=on", "full_page_writes=on", "autovacuum=on")
	if err != nil {
		return err
	}
	defer stop()
	return measure(ctx, "PostgreSQL", filepath.Join(dir, "postgres"), url, n)
}

func measure(ctx context.Context, name, dir, url string, n amounts) error {
	fmt.Printf("\n| %s | figure |\n|---|---|\n", name)
	r, err := open(ctx, dir, url)
	if err != nil {
		return err
	}
	defer r.close()
	for _, f := range []func(context.Context, amounts) error{r.idle, r.endToEnd, r.one, r.room} {
		if err := f(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// spent is the processor time of this process so far.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of oneself it cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// idle has many instances that watch different things due at once, and measures
// the first polls, which find nothing.
func (r *rooms) idle(ctx context.Context, n amounts) error {
	if err := r.due(ctx, n.instances); err != nil {
		return err
	}
	r.polled.reset()
	began, cpu := time.Now(), spent()
	if err := r.jobs.Start(ctx); err != nil {
		return err
	}
	if err := r.polled.reach(ctx, n.polls); err != nil {
		return err
	}
	took, used := time.Since(began), spent()-cpu
	fmt.Printf("| idle polls a second, 16 at a time, %d instances due at once | %.0f |\n", n.instances, float64(n.polls)/took.Seconds())
	fmt.Printf("| idle polls a second of processor time | %.0f |\n", float64(n.polls)/used.Seconds())
	return r.forget(ctx)
}

// endToEnd makes many pages at once and waits until each has arrived.
func (r *rooms) endToEnd(ctx context.Context, n amounts) error {
	if err := r.watch(ctx); err != nil {
		return err
	}
	r.arrived.reset()
	began, cpu := time.Now(), spent()
	for range n.changes {
		r.page()
	}
	if err := r.arrived.reach(ctx, n.changes); err != nil {
		return err
	}
	took, used := time.Since(began), spent()-cpu
	fmt.Printf("| events a second from change to delivery, %d at once | %.0f |\n", n.changes, float64(n.changes)/took.Seconds())
	fmt.Printf("| events a second of processor time | %.0f |\n", float64(n.changes)/used.Seconds())
	return nil
}

// one makes one page after the other, and measures how long each takes to arrive with
// the fastest interval, and how long of that it takes once it is found.
func (r *rooms) one(ctx context.Context, n amounts) error {
	var all, rest []time.Duration
	for range n.single {
		r.arrived.reset()
		began := time.Now()
		id := r.page()
		if err := r.arrived.reach(ctx, 1); err != nil {
			return err
		}
		took := time.Since(began)
		all = append(all, took)
		list, _, err := r.db.ListEvents(ctx, project, store.EventFilter{Types: []domain.EventType{domain.EventTriggerMessage}}, store.Page{Limit: 1})
		if err != nil || len(list) == 0 || list[0].Key != "page:"+id+":created" {
			return cmp.Or(err, fmt.Errorf("the event of page %s is not the last one", id))
		}
		rest = append(rest, began.Add(took).Sub(list[0].CreatedAt))
	}
	fmt.Printf("| change to delivery, polled without a pause: p50, p95, p99 | %s |\n", quantiles(all))
	fmt.Printf("| of that from the event to its delivery: p50, p95, p99 | %s |\n", quantiles(rest))
	return nil
}

func quantiles(times []time.Duration) string {
	slices.Sort(times)
	at := func(q float64) time.Duration {
		return times[int(float64(len(times)-1)*q)].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("%v, %v, %v", at(.50), at(.95), at(.99))
}

// room keeps events with a payload as they have and delivers them, measures what that
// takes, takes half away as pruning does, and keeps as many again.
func (r *rooms) room(ctx context.Context, n amounts) error {
	if err := r.db.DeleteAccount(ctx, project, r.account.ID); err != nil { // no more polls
		return err
	}
	empty, err := r.size(ctx)
	if err != nil {
		return err
	}
	if err := r.publish(ctx, 0, n.kept); err != nil {
		return err
	}
	full, err := r.size(ctx)
	if err != nil {
		return err
	}
	per := func(bytes int64) string {
		return fmt.Sprintf("%.1f GB (%d bytes each, from %d)", float64(bytes)/float64(n.kept)*1e6/1e9, bytes/int64(n.kept), n.kept)
	}
	fmt.Printf("| a million events of %d bytes, delivered once, with the day's jobs | %s |\n", len(r.payload), per(full.all-empty.all))
	fmt.Printf("| of that jobs, which go after a day | %s |\n", per(full.jobs-empty.jobs))
	half, err := r.middle(ctx, n.kept/2)
	if err != nil {
		return err
	}
	pruned := 0
	began := time.Now()
	for {
		dropped, err := r.events.Prune(ctx, half, 500)
		if err != nil {
			return err
		}
		if pruned += dropped; dropped < 500 {
			break
		}
	}
	took := time.Since(began)
	if err := r.publish(ctx, n.kept, n.kept/2); err != nil {
		return err
	}
	again, err := r.size(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("| events pruned a second | %.0f |\n", float64(pruned)/took.Seconds())
	fmt.Printf("| growth when as many came as were pruned, without jobs | %+.0f %% |\n",
		100*float64(again.all-again.jobs-full.all+full.jobs)/float64(full.all-full.jobs-empty.all+empty.jobs))
	return nil
}

// publish keeps events, a hundred in a transaction, and waits until all have arrived.
func (r *rooms) publish(ctx context.Context, from, n int) error {
	r.arrived.reset()
	for k := 0; k < n; k += 100 {
		err := r.db.InTx(ctx, func(tx store.Tx) error {
			for i := k; i < k+100; i++ {
				_, _, err := r.events.Publish(ctx, tx, domain.Event{
					ProjectID: project, Type: domain.EventTriggerMessage, Source: "ti_bench", Key: fmt.Sprintf("page:%d:v2:1795349813590", from+i),
					UserID: "user_1", Trigger: pageCreated, AccountID: r.account.ID, AuthConfigID: r.account.AuthConfigID, Payload: r.payload,
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return r.arrived.reach(ctx, n)
}

// middle gives the time before which so many of the bench's events were kept.
func (r *rooms) middle(ctx context.Context, n int) (time.Time, error) {
	list, _, err := r.db.ListEvents(ctx, project, store.EventFilter{Source: "ti_bench", OldestFirst: true}, store.Page{Offset: n, Limit: 1})
	if err != nil || len(list) == 0 {
		return time.Time{}, cmp.Or(err, fmt.Errorf("there are no %d events", n))
	}
	return list[0].CreatedAt, nil
}
