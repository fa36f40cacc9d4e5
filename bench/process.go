package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

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
			r, err := start(ctx, binary, home)
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
			if err := r.stop(); err != nil {
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

// idle measures memory at rest, without and with 1,000 idle sessions that have
// each listed their tools once over the handshake-free protocol.
func idle(ctx context.Context, binary, home string) error {
	r, err := start(ctx, binary, home)
	if err != nil {
		return err
	}
	s, err := r.Create(ctx, "bench", client.SessionOptions{Toolkits: []string{"confluence"}})
	if err != nil {
		return err
	}
	if err := modern(s, "tools/list", "", map[string]any{}, "COMPOSIO_SEARCH_TOOLS").send(ctx, newClient()); err != nil {
		return err
	}
	rest, err := r.rss()
	if err != nil {
		return err
	}
	hc := newClient()
	for i := range 1000 {
		s, err := r.Create(ctx, fmt.Sprintf("user_%d", i), client.SessionOptions{Toolkits: []string{"confluence"}})
		if err != nil {
			return err
		}
		if err := modern(s, "tools/list", "", map[string]any{}, "COMPOSIO_SEARCH_TOOLS").send(ctx, hc); err != nil {
			return err
		}
	}
	after, err := r.rss()
	if err != nil {
		return err
	}
	fmt.Printf("| resident memory at rest, sandbox included | %.1f MB |\n", float64(rest)/1e6)
	fmt.Printf("| the same after opening and listing 1,000 sessions | %.1f MB |\n", float64(after)/1e6)
	return r.stop()
}
