// Command bench measures the figures of docs/benchmarks.md: it builds and starts
// the real program with its sandbox, all on loopback, and prints a Markdown table.
//
//	go run ./bench            # everything, about two minutes
//	go run ./bench -short     # fewer requests, for a look
//
// Client and server share the machine, so figures are for comparing rows of one
// run, not machines.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/sluice-run/sluice/bench/program"
)

func main() {
	short := flag.Bool("short", false, "fewer requests")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *short); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, short bool) error {
	dir, err := os.MkdirTemp("", "sluice-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := program.Build(ctx, dir)
	if err != nil {
		return err
	}
	n := 20_000
	if short {
		n = 2_000
	}
	fmt.Printf("%s, %d CPUs, %s\n\n", runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	if info, err := os.Stat(binary); err == nil {
		fmt.Printf("Binary: %.1f MB\n\n", float64(info.Size())/1e6)
	}
	fmt.Print("| what | p50 | p99 | per second (16 at once) |\n|---|---|---|---|\n")
	if err := calls(ctx, binary, filepath.Join(dir, "home"), n); err != nil {
		return err
	}
	if err := searches(ctx, n); err != nil {
		return err
	}
	fmt.Print("\n| what | figure |\n|---|---|\n")
	if err := starts(ctx, binary, filepath.Join(dir, "start")); err != nil {
		return err
	}
	return idle(ctx, binary, filepath.Join(dir, "idle"))
}
