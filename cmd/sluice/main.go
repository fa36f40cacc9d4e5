// Command sluice is the tool router, its terminal chat and its tools for people.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluice-run/sluice/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
