package identity_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

func TestWatchEndsAtOnceHere(t *testing.T) {
	t.Parallel()
	s, p := setup(t) // never started: nothing polls
	key, k, err := s.CreateKey(t.Context(), p.ID, "x")
	if err != nil {
		t.Fatal(err)
	}
	who := must(s.Authenticate(t.Context(), key))(t)
	ctx, cancel := s.Watch(t.Context(), who)
	defer cancel()
	done, cancelDone := s.Watch(t.Context(), who)
	cancelDone()
	if context.Cause(done) != context.Canceled {
		t.Errorf("cause after its own cancel: %v", context.Cause(done))
	}
	if ctx.Err() != nil {
		t.Fatal("one cancel ended another watch")
	}
	if err := s.Revoke(t.Context(), p.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() == nil {
		t.Fatal("still open after Revoke returned")
	}
	wantError(t, context.Cause(ctx), domain.CodeUnauthenticated, "this API key was revoked", "Create one with: sluice keys create")
	if context.Cause(done) != context.Canceled {
		t.Errorf("cause changed: %v", context.Cause(done))
	}
}

func TestWatchEndsWithItsParent(t *testing.T) {
	t.Parallel()
	s, p := setup(t)
	parent, stop := context.WithCancelCause(t.Context())
	gone := fmt.Errorf("client went away")
	ctx, cancel := s.Watch(parent, domain.Principal{ProjectID: p.ID, KeyID: "key_x"})
	defer cancel()
	stop(gone)
	if context.Cause(ctx) != gone {
		t.Errorf("cause %v", context.Cause(ctx))
	}
}

// Revoked in one process, ended in another: within a second of the clock.
func TestWatchSeesOtherProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sluice.db")
		here, _ := open(t, path)
		there, _ := open(t, path)
		p := must(here.Setup(t.Context()))(t)
		if err := there.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer there.Stop()
		if err := there.Start(t.Context()); err == nil {
			t.Error("started twice")
		}

		_, bad, err := here.CreateKey(t.Context(), p.ID, "bad")
		if err != nil {
			t.Fatal(err)
		}
		_, good, err := here.CreateKey(t.Context(), p.ID, "good")
		if err != nil {
			t.Fatal(err)
		}
		own := must(there.Authenticate(t.Context(), there.Ephemeral(p.ID, "own")))(t)
		watch := func(keyID string) context.Context {
			ctx, cancel := there.Watch(t.Context(), domain.Principal{ProjectID: p.ID, KeyID: keyID})
			t.Cleanup(cancel)
			return ctx
		}
		badOpen, goodOpen, ownOpen := watch(bad.ID), watch(good.ID), watch(own.KeyID)

		time.Sleep(time.Hour) // of the bubble's clock
		synctest.Wait()
		if badOpen.Err() != nil || goodOpen.Err() != nil || ownOpen.Err() != nil {
			t.Fatal("ended without a revocation")
		}
		revoked := time.Now()
		if err := here.Revoke(t.Context(), p.ID, bad.ID); err != nil {
			t.Fatal(err)
		}
		<-badOpen.Done()
		if took := time.Since(revoked); took > 500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		wantError(t, context.Cause(badOpen), domain.CodeUnauthenticated, "this API key was revoked", "Create one with: sluice keys create")
		// A key revoked between authentication and watching is caught as well.
		late := watch(bad.ID)
		time.Sleep(time.Second)
		synctest.Wait()
		if late.Err() == nil {
			t.Error("a watch that began after the revocation stays open")
		}
		if goodOpen.Err() != nil || ownOpen.Err() != nil {
			t.Error("another key's watch ended")
		}
		there.Stop()
		there.Stop()
		if err := there.Start(t.Context()); err != nil {
			t.Errorf("starting again: %v", err)
		}
	})
}

func TestWatchConcurrently(t *testing.T) {
	t.Parallel()
	s, p := setup(t)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	_, k, err := s.CreateKey(t.Context(), p.ID, "x")
	if err != nil {
		t.Fatal(err)
	}
	who := domain.Principal{ProjectID: p.ID, KeyID: k.ID}
	var wg, open sync.WaitGroup
	for range 50 {
		open.Add(1)
		wg.Go(func() {
			for range 20 {
				_, cancel := s.Watch(t.Context(), who)
				cancel()
			}
			ctx, cancel := s.Watch(t.Context(), who)
			defer cancel()
			open.Done()
			<-ctx.Done()
		})
	}
	open.Wait()
	if err := s.Revoke(t.Context(), p.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	wg.Wait() // hangs if one of them stays open
}
