package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluice-run/sluice/bench/program"
	"github.com/sluice-run/sluice/client"
)

// starts measures from the start of the process to the first tools/list, on a
// home that exists and on a fresh one.
func starts(ctx context.Context, binary, dir string) error {
	const rounds = 7
	var first, again []time.Duration
	for i := range rounds {
		home := filepath.Join(dir, fmt.Sprint(i))
		for _, into := range []*[]time.Duration{&first, &again} {
			began := time.Now()
			r, err := program.Start(ctx, binary, home)
			if err != nil {
				return err
			}
			s, err := r.Create(ctx, "bench", client.SessionOptions{Toolkits: []string{"confluence"}, PreloadAll: true})
			if err != nil {
				return err
			}
			if err := modern(s, "tools/list", "", map[string]any{}, "CONFLUENCE_CREATE_PAGE").send(ctx, newClient()); err != nil {
				return err
			}
			*into = append(*into, time.Since(began))
			if err := r.Stop(); err != nil {
				return err
			}
		}
	}
	slices.Sort(first)
	slices.Sort(again)
	fmt.Printf("| start of the process to the first tools/list, fresh home (median of %d) | %s |\n", rounds, first[rounds/2].Round(time.Millisecond))
	fmt.Printf("| the same on a home that exists | %s |\n", again[rounds/2].Round(time.Millisecond))
	return nil
}

// rest waits for a second in which nothing is asked of the program.
func rest(ctx context.Context) error {
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// idle measures memory at rest, without and with the sandbox, and after 1,000
// sessions have each listed their tools once over the handshake-free protocol.
func idle(ctx context.Context, binary, dir string) error {
	fmt.Print("\n| memory | VmRSS, RssAnon |\n|---|---|\n")
	for _, with := range []struct {
		name  string
		flags []string
	}{{"the router", nil}, {"the router and the sandbox", []string{"--sandbox"}}} {
		r, err := program.Launch(ctx, binary, filepath.Join(dir, fmt.Sprint(len(with.flags))), with.flags...)
		if err != nil {
			return err
		}
		hc := newClient()
		if err := use(ctx, r, hc, "bench"); err != nil {
			return err
		}
		if err := rest(ctx); err != nil {
			return err
		}
		resting, err := r.Memory()
		if err != nil {
			return err
		}
		for i := range 1000 {
			if err := use(ctx, r, hc, fmt.Sprintf("user_%d", i)); err != nil {
				return err
			}
		}
		after, err := r.Memory()
		if err != nil {
			return err
		}
		fmt.Printf("| %s, one session used | %v |\n| %s, 1,000 sessions opened and listed | %v |\n", with.name, resting, with.name, after)
		if err := r.Stop(); err != nil {
			return err
		}
	}
	return nil
}

// use opens a session and lists its tools.
func use(ctx context.Context, r *program.Router, hc *http.Client, user string) error {
	s, err := r.Create(ctx, user, client.SessionOptions{Toolkits: []string{"confluence"}})
	if err != nil {
		return err
	}
	return modern(s, "tools/list", "", map[string]any{}, "COMPOSIO_SEARCH_TOOLS").send(ctx, hc)
}
