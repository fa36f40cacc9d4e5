// Command quick is the router as "sluice serve --sandbox" starts it, but that it
// asks for what triggers watch each second: third-party clients can wait for that.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sluice-run/sluice/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	cfg, err := app.LoadConfig("", "")
	if err != nil {
		return err
	}
	cfg.Sandbox, cfg.LogLevel = true, "error"
	a, err := app.New(ctx, app.Options{Config: cfg, Times: app.Times{PollPace: time.Second}})
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		_ = a.Stop(context.WithoutCancel(ctx))
		return err
	}
	fmt.Printf("Sluice listens on %s\nCOMPOSIO_BASE_URL=%s\n", a.ListenURL(), a.URL())
	select {
	case <-ctx.Done():
	case err = <-a.Failed():
	}
	if stopped := a.Stop(context.WithoutCancel(ctx)); err == nil {
		err = stopped
	}
	return err
}
