package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// drainTime bounds the wait for running requests at a stop.
const drainTime = 15 * time.Second

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
// first start makes an API key (see FirstKey).
func (a *App) Start(ctx context.Context) error {
	if err := a.ident.Start(ctx); err != nil {
		return err
	}
	a.onStop("identity", func(context.Context) error { a.ident.Stop(); return nil })
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
	a.log.InfoContext(ctx, "listening", "addr", a.Addr(), "url", a.URL(), "version", Version())
	return nil
}

// makeFirstKey makes a key for a project that has none and is not given one; a
// router inside another program uses a key of its own instead.
func (a *App) makeFirstKey(ctx context.Context) error {
	if a.opts.Quiet || a.opts.Config.APIKey != "" {
		return nil
	}
	keys, err := a.ident.Keys(ctx, a.proj.ID)
	if err != nil || len(keys) > 0 {
		return err
	}
	a.first, _, err = a.ident.CreateKey(ctx, a.proj.ID, "first")
	return err
}

// drain stops taking requests and lets those that run finish; what still runs
// after drainTime is cut.
func (a *App) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- a.mcp.Close() }() // ends open streams, for which Shutdown would wait
	err := a.server.Shutdown(ctx)
	if err != nil {
		err = a.server.Close()
	}
	if a.listen != nil {
		_ = a.listen.Close() // when Serve never ran
	}
	return errors.Join(err, <-closed)
}

// Stop closes everything in reverse order. It may be called more than once and
// before Start.
func (a *App) Stop(ctx context.Context) error {
	a.mu.Lock()
	stops := a.stops
	a.stops, a.stopped = nil, true
	a.mu.Unlock()
	var errs []error
	for _, s := range slices.Backward(stops) {
		if err := s.f(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}
