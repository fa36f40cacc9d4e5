package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/store"
)

// state says where an App is in its life.
type state int

const (
	opened state = iota
	started
	ended
)

// errAgain is for programs that start an App twice, or after its end: what it
// held is closed, and a new one is cheap.
var errAgain = errors.New("app: an App starts once; make another with New")

// begin takes the App from opened to started.
func (a *App) begin() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != opened {
		return errAgain
	}
	a.state = started
	return nil
}

type stop struct {
	name string
	f    func(context.Context) error
}

// onStop remembers how to close what was just opened; Stop runs these in
// reverse.
func (a *App) onStop(name string, f func(context.Context) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stops = append(a.stops, stop{name, f})
}

// Start listens and serves. It returns once the address is bound; the home's
// first start makes an API key (see FirstKey). After an error the App is still to
// be stopped.
func (a *App) Start(ctx context.Context) error {
	if err := a.begin(); err != nil {
		return err
	}
	if err := a.ident.Start(ctx); err != nil {
		return err
	}
	a.onStop("identity", func(context.Context) error { a.ident.Stop(); return nil })
	if err := a.live.Start(ctx); err != nil {
		return err
	}
	a.onStop("realtime", func(context.Context) error { a.live.Stop(); return nil })
	cfg := a.opts.Config
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return errTaken(cfg.Addr, err)
	}
	a.listen = ln
	a.onStop("server", a.drain)
	if cfg.TLS() {
		certs, err := newCertificates(cfg.TLSCert, cfg.TLSKey, a.log)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		ln = tls.NewListener(ln, &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: certs.get,
		})
	}
	if err := a.makeFirstKey(ctx); err != nil {
		return errors.Join(err, ln.Close())
	}
	go func() { // ends with the listener, which drain closes
		if err := a.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serving: %w", err)
		}
	}()
	a.onStop("jobs", a.jobs.Stop)
	if err := a.jobs.Start(ctx); err != nil {
		return err
	}
	a.log.InfoContext(ctx, "listening", "addr", a.Addr(), "url", a.URL(), "version", Version())
	return nil
}

// makeFirstKey makes a key for a project that has none and is not given one; of
// processes that start at once, one does. A router inside another program uses a
// key of its own instead.
func (a *App) makeFirstKey(ctx context.Context) error {
	if a.opts.Quiet || a.opts.Config.APIKey != "" {
		return nil
	}
	return a.db.InTx(ctx, func(tx store.Tx) error {
		ident := identity.New(identity.Options{Store: joined{tx}})
		keys, err := ident.Keys(ctx, a.proj.ID)
		if err != nil || len(keys) > 0 {
			return err
		}
		a.first, _, err = ident.CreateKey(ctx, a.proj.ID, "first")
		return err
	})
}

// joined is a transaction in which what wants one of its own takes part.
type joined struct{ store.Tx }

// InTx implements identity.Store.
func (j joined) InTx(_ context.Context, f func(tx store.Tx) error) error { return f(j.Tx) }

// drain stops taking requests, ends open streams and lets calls finish; what
// still runs after Times.Drain is cut.
func (a *App) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.opts.Times.Drain)
	defer cancel()
	a.mcp.Drain() // streams wait for nothing, and Shutdown would wait for them
	a.live.Drain()
	err := a.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		a.log.WarnContext(ctx, "requests still ran at the stop and were cut", "after", a.opts.Times.Drain)
		err = errors.Join(a.mcp.Close(), a.server.Close())
	}
	if a.listen != nil {
		_ = a.listen.Close() // when Serve never ran
	}
	return err
}

// Stop closes everything in reverse order. It may be called more than once and
// before Start.
func (a *App) Stop(ctx context.Context) error {
	a.mu.Lock()
	stops := a.stops
	a.stops, a.state = nil, ended
	a.mu.Unlock()
	var errs []error
	for _, s := range slices.Backward(stops) {
		if err := s.f(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}
