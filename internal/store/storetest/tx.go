package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// wonOnce runs f 16 times at once; exactly one of them may be told true.
func wonOnce(t *testing.T, what string, f func(i int) (bool, error)) {
	t.Helper()
	won := 0
	for _, mine := range atOnce(t, 16, f) {
		if mine {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%s %d times", what, won)
	}
}

// atOnce runs f n times side by side and gives what each returned.
func atOnce[T any](t *testing.T, n int, f func(i int) (T, error)) []T {
	t.Helper()
	out := make([]T, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			v, err := f(i)
			if err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
			out[i] = v
		})
	}
	close(start)
	wg.Wait()
	return out
}

func testTxCommit(t *testing.T, s store.Store) {
	ctx := t.Context()
	var n tenant
	ok(t, s.InTx(ctx, func(tx store.Tx) error {
		n = newTenant(t, txStore{Tx: tx}, "tx")
		// A transaction sees what it wrote; nobody else does yet.
		same(t, n.account, must(tx.Account(ctx, n.project.ID, n.account.ID))(t))
		if got := must(s.ListProjects(ctx))(t); len(got) != 0 {
			t.Errorf("seen before the commit: %v", got)
		}
		return nil
	}))
	same(t, n.session, must(s.Session(ctx, n.project.ID, n.session.ID))(t))
}

// txStore lets newTenant fill a store inside a transaction.
type txStore struct{ store.Tx }

func (txStore) InTx(context.Context, func(store.Tx) error) error { return errors.ErrUnsupported }
func (txStore) Ready(context.Context) error                      { return errors.ErrUnsupported }
func (txStore) Close() error                                     { return errors.ErrUnsupported }

func testTxRollback(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	before := snapshot(ctx, t, s, w.a)
	mine := errors.New("changed my mind")
	err := s.InTx(ctx, func(tx store.Tx) error {
		ok(t, tx.DeleteAccount(ctx, w.a.project.ID, w.a.account.ID))
		ok(t, tx.DeleteSession(ctx, w.a.project.ID, w.a.session.ID))
		return mine
	})
	if !errors.Is(err, mine) {
		t.Errorf("got %v", err)
	}
	err = s.InTx(ctx, func(tx store.Tx) error {
		ok(t, tx.DeleteSession(ctx, w.a.project.ID, w.a.session.ID))
		return tx.CreateAccount(ctx, w.a.account)
	})
	wantCode(t, err, domain.CodeConflict)
	same(t, before, snapshot(ctx, t, s, w.a))
}

func testTxPanic(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	before := snapshot(ctx, t, s, w.a)
	func() {
		defer func() {
			if got := recover(); got != "broken" {
				t.Errorf("recovered %v", got)
			}
		}()
		_ = s.InTx(ctx, func(tx store.Tx) error {
			ok(t, tx.DeleteSession(ctx, w.a.project.ID, w.a.session.ID))
			panic("broken")
		})
	}()
	same(t, before, snapshot(ctx, t, s, w.a))
	ok(t, s.DeleteSession(ctx, w.a.project.ID, w.a.session.ID)) // the store goes on
}

func testTxCanceled(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	before := snapshot(t.Context(), t, s, w.a)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.InTx(ctx, func(tx store.Tx) error {
		ok(t, tx.DeleteSession(ctx, w.a.project.ID, w.a.session.ID))
		cancel() // the caller goes away before the commit
		return nil
	})
	wantCode(t, err, domain.CodeCanceled)
	same(t, before, snapshot(t.Context(), t, s, w.a))
	err = s.InTx(ctx, func(store.Tx) error {
		t.Error("ran for a caller that is gone")
		return nil
	})
	wantCode(t, err, domain.CodeCanceled)
	ok(t, s.InTx(t.Context(), func(tx store.Tx) error {
		return tx.DeleteSession(t.Context(), w.a.project.ID, w.a.session.ID)
	}))
}

// Read, add one, write: as transactions, side by side, none is lost.
func testTxRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, id := w.a.project.ID, w.a.account.ID
	ok(t, s.UpdateAccount(ctx, project, withAlias(w.a.account, "")))
	const workers, rounds = 8, 10
	atOnce(t, workers, func(int) (struct{}, error) {
		for range rounds {
			err := s.InTx(ctx, func(tx store.Tx) error {
				a, err := tx.Account(ctx, project, id)
				if err != nil {
					return err
				}
				return tx.UpdateAccount(ctx, project, withAlias(a, a.Alias+"+"))
			})
			if err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	if got := must(s.Account(ctx, project, id))(t).Alias; len(got) != workers*rounds {
		t.Errorf("%d of %d additions are left", len(got), workers*rounds)
	}
}

func withAlias(a domain.ConnectedAccount, alias string) domain.ConnectedAccount {
	a.Alias = alias
	return a
}

func testConcurrency(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	const workers, each = 8, 40
	atOnce(t, workers, func(i int) (struct{}, error) {
		for j := range each {
			e := execution(project, fmt.Sprintf("log_%d_%d", i, j), j)
			if err := s.RecordExecution(ctx, e); err != nil {
				return struct{}{}, err
			}
			// What is written is there for the next read, of whatever connection.
			if _, err := s.Execution(ctx, project, e.ID); err != nil {
				return struct{}{}, err
			}
			if _, err := s.APIKeyByHash(ctx, w.a.key.Hash); err != nil {
				return struct{}{}, err
			}
			if _, _, err := s.ListExecutions(ctx, project, store.ExecutionFilter{}, store.Page{Limit: 5}); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	_, total, err := s.ListExecutions(ctx, project, store.ExecutionFilter{}, store.Page{})
	ok(t, err)
	if total != workers*each+1 {
		t.Errorf("%d records, want %d", total, workers*each+1)
	}
}

func testCanceled(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Session(ctx, w.a.project.ID, w.a.session.ID)
	wantCode(t, err, domain.CodeCanceled)
	wantCode(t, s.RecordExecution(ctx, execution(w.a.project.ID, "log_late", 1)), domain.CodeCanceled)
	_, err = s.Execution(t.Context(), w.a.project.ID, "log_late")
	wantCode(t, err, domain.CodeNotFound)
	late, cancelLate := context.WithDeadline(t.Context(), t0)
	defer cancelLate()
	_, _, err = s.ListAccounts(late, w.a.project.ID, store.AccountFilter{}, store.Page{})
	wantCode(t, err, domain.CodeUnavailable)
	must(s.Session(t.Context(), w.a.project.ID, w.a.session.ID))(t)
}

func testReady(t *testing.T, s store.Store) {
	ok(t, s.Ready(t.Context()))
	ok(t, s.Close())
	ok(t, s.Close()) // again
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready after Close")
	}
	if err := s.CreateProject(t.Context(), domain.Project{ID: "pr_1", Name: "x"}); err == nil {
		t.Error("writes after Close")
	}
}

// A statement that failed spoils its transaction, even when f hides it: one of
// the databases could not commit it.
func testTxSpoiled(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	before := snapshot(ctx, t, s, w.a)
	err := s.InTx(ctx, func(tx store.Tx) error {
		ok(t, tx.DeleteSession(ctx, w.a.project.ID, w.a.session.ID))
		wantCode(t, tx.CreateAccount(ctx, w.a.account), domain.CodeConflict)
		return nil
	})
	if err == nil {
		t.Error("it committed")
	}
	same(t, before, snapshot(ctx, t, s, w.a))
	// What is not there is an answer, and spoils nothing.
	ok(t, s.InTx(ctx, func(tx store.Tx) error {
		_, err := tx.Account(ctx, w.a.project.ID, "ca_none")
		wantCode(t, err, domain.CodeNotFound)
		wantCode(t, tx.DeleteSession(ctx, w.a.project.ID, "trs_none"), domain.CodeNotFound)
		return tx.DeleteSession(ctx, w.a.project.ID, w.a.session.ID)
	}))
	_, err = s.Session(ctx, w.a.project.ID, w.a.session.ID)
	wantCode(t, err, domain.CodeNotFound)
}
