package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/bench/program"
)

// timings are how long requests took.
type timings struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *timings) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d)
}

// quantiles gives the wanted ones of what was added.
func (t *timings) quantiles(wanted ...float64) []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.all)
	out := make([]time.Duration, len(wanted))
	for i, q := range wanted {
		if len(t.all) > 0 {
			out[i] = t.all[min(len(t.all)-1, int(q*float64(len(t.all))))]
		}
	}
	return out
}

// replayer is a client that sends what was recorded, again and again.
type replayer struct {
	http  *http.Client
	url   string
	user  string
	round recording
	took  *timings
}

// once sends one round. Each answer must be a success, and each call's too.
func (c *replayer) once(ctx context.Context) error {
	session, version := "", ""
	for i := range c.round.Requests {
		q := &c.round.Requests[i]
		fill := strings.NewReplacer("{user}", c.user, "{session}", session, "{version}", version)
		req, err := http.NewRequestWithContext(ctx, q.Method, c.url+fill.Replace(q.Path), strings.NewReader(fill.Replace(q.Body)))
		if err != nil {
			return err
		}
		for name, value := range q.Header {
			req.Header.Set(name, value)
		}
		req.Header.Set("X-Api-Key", program.Key)
		began := time.Now()
		res, err := c.http.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close() // it was read to its end, or err says why not
		if err != nil {
			return err
		}
		c.took.add(time.Since(began))
		if res.StatusCode > 299 || !succeeded(q.Path, body) {
			return fmt.Errorf("%s %s: %s: %.300s", q.Method, q.Path, res.Status, body)
		}
		if id := sessionOf(body); id != "" {
			session = id
		}
		if v := versionOf(body); v != "" {
			version = v
		}
	}
	return nil
}

// succeeded says whether a call's answer is that of a success.
func succeeded(path string, body []byte) bool {
	if !strings.Contains(path, "/execute") {
		return json.Valid(body)
	}
	var a struct{ Error *string }
	return json.Unmarshal(body, &a) == nil && a.Error == nil
}

// load runs all clients and prints the figures.
func load(ctx context.Context, o *options, r *program.Router, database string) error {
	var rounds []recording
	if err := json.Unmarshal(recorded, &rounds); err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	workers := make([]*worker, o.sdks)
	for i := range workers { // all are ready before the first begins
		var err error
		if workers[i], err = sdks[i%len(sdks)].start(ctx, o, r.URL, fmt.Sprintf("sdk-%d", i)); err != nil {
			return err
		}
	}
	var took timings
	var all sync.WaitGroup
	end := time.Now().Add(o.length)
	for i := range o.clients {
		c := &replayer{
			http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
			url:  r.URL, user: fmt.Sprintf("replayed-%d", i), round: rounds[i%len(rounds)], took: &took,
		}
		all.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) {
				if err := c.once(ctx); err != nil && ctx.Err() == nil {
					fail(fmt.Errorf("client %d (%s): %w", i, c.round.SDK, err))
				}
			}
		})
	}
	made := make([]int, len(sdks))
	var mu sync.Mutex
	for i, w := range workers {
		all.Go(func() {
			kind := i % len(sdks)
			n, err := w.work(o.length)
			if err != nil && ctx.Err() == nil {
				fail(err)
			}
			mu.Lock()
			defer mu.Unlock()
			made[kind] += n
		})
	}
	held := make(chan []program.Memory, 1)
	go func() { held <- watch(ctx, r, o.length) }()
	all.Wait()
	memory := <-held
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return report(o, &took, made, memory, database)
}

// watch samples the router's memory until the time is over.
func watch(ctx context.Context, r *program.Router, length time.Duration) []program.Memory {
	tick := time.NewTicker(length / 20)
	defer tick.Stop()
	var out []program.Memory
	for range 19 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return out
		}
		if m, err := r.Memory(); err == nil {
			out = append(out, m)
		}
	}
	return out
}

// slack is what memory may grow by in the second half of a run: the pools and caches
// of two hundred clients, not what each of their requests leaves behind.
const slack = 64 << 20

func report(o *options, took *timings, made []int, memory []program.Memory, database string) error {
	q := took.quantiles(0.5, 0.99)
	fmt.Printf("| %d replaying clients, %d processes of the SDKs, %s | figure |\n|---|---|\n", o.clients, o.sdks, o.length)
	fmt.Printf("| requests replayed | %d, %.0f a second |\n| errors | 0 |\n", len(took.all), float64(len(took.all))/o.length.Seconds())
	fmt.Printf("| time of one, p50 and p99 | %s, %s |\n", q[0].Round(100*time.Microsecond), q[1].Round(100*time.Microsecond))
	for i, s := range sdks {
		fmt.Printf("| rounds of %s | %d |\n", s.name, made[i])
	}
	if len(memory) < 10 {
		return fmt.Errorf("only %d samples of the memory", len(memory))
	}
	half, last := memory[len(memory)/2], memory[len(memory)-1]
	fmt.Printf("| memory after a tenth of the time | %v |\n| after half of it | %v |\n| at the end | %v |\n", memory[1], half, last)
	if info, err := os.Stat(database); err == nil {
		fmt.Printf("| database | %.1f MB |\n", float64(info.Size())/1e6)
	}
	if last.Own > half.Own+half.Own/2+slack {
		return fmt.Errorf("memory grew from %v to %v in the second half", half, last)
	}
	return nil
}
