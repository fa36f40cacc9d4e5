// Command load has many clients use one router at a time, as the official SDKs do:
// it replays requests that were recorded of them, and runs the SDKs themselves
// beside. It fails on any error and when the router's memory grows without bound.
//
//	test/acceptance/run load               # thirty seconds, with what it needs installed
//	LOAD=10m test/acceptance/run load      # the figures of docs/benchmarks.md
//
// Clients, router and sandbox share the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/sluice-run/sluice/bench/program"
)

// options are the flags.
type options struct {
	length        time.Duration
	clients, sdks int
	python, node  string
	record        string
}

func main() {
	var o options
	flag.DurationVar(&o.length, "for", 30*time.Second, "how long")
	flag.IntVar(&o.clients, "clients", 200, "clients that replay")
	flag.IntVar(&o.sdks, "sdks", 8, "processes of the SDKs, half of them Python, half TypeScript")
	flag.StringVar(&o.python, "python", "", "a Python that has the SDK")
	flag.StringVar(&o.node, "node", "test/acceptance/node", "the folder whose node_modules have the SDK")
	flag.StringVar(&o.record, "record", "", "only record what the SDKs send, into this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	if o.python == "" {
		return errors.New("-python is missing: a Python that has the SDK, such as that of test/acceptance/run python")
	}
	dir, err := os.MkdirTemp("", "sluice-load")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := program.Build(ctx, dir)
	if err != nil {
		return err
	}
	// All of them use one key, which may have fewer requests at a time by default.
	if err := os.Setenv("SLUICE_MAX_CONCURRENT_PER_KEY", fmt.Sprint(2*(o.clients+o.sdks))); err != nil {
		return err
	}
	r, err := program.Start(ctx, binary, filepath.Join(dir, "home"))
	if err != nil {
		return err
	}
	if o.record != "" {
		return errors.Join(record(ctx, o, r), r.Stop())
	}
	return errors.Join(load(ctx, o, r, filepath.Join(dir, "home", "sluice.db")), r.Stop())
}
