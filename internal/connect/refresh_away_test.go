package connect_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
)

// away is a database that takes no change a number of times.
type away struct {
	connect.Store
	times atomic.Int64
}

func (a *away) InTx(ctx context.Context, f func(tx store.Tx) error) error {
	if a.times.Add(-1) >= 0 {
		return errors.New("the database is away")
	}
	return a.Store.InTx(ctx, f)
}

// Tokens that a provider gave are not lost to a database that is away for a while.
func TestDatabaseAwayAfterTheAnswer(t *testing.T) {
	t.Parallel()
	d := newDiary(t, domain.SchemeOAuth2, 1)
	away := &away{Store: d.options.Store}
	d.options.Store = away
	s := connect.New(d.options)
	away.times.Store(9)
	a, err := s.Refresh(t.Context(), connecttest.Project, d.account.ID)
	if err != nil || a.Generation != d.account.Generation+1 {
		t.Fatalf("renewed: %+v, %v", a, err)
	}
	if err := d.call(0); err != nil {
		t.Errorf("a call with the new token: %v", err)
	}
	if c := d.p.Counts(); c.Refreshes != 1 || c.GraceReuses != 0 {
		t.Errorf("the provider was asked again: %+v", c)
	}
}

// between is a vault before which others may come.
type between struct {
	connect.Vault
	do func()
}

func (b *between) Seal(ctx context.Context, ref vault.Ref, plaintext []byte) ([]byte, error) {
	b.do()
	return b.Vault.Seal(ctx, ref, plaintext)
}

// Who ends an account while others renew it or give it new credentials has the
// last word: it stays ended, and nothing is put back.
func TestEndedWhileChanged(t *testing.T) {
	t.Parallel()
	d := newDiary(t, domain.SchemeOAuth2, 1)
	typed := d.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	for name, tc := range map[string]struct {
		id     string
		change func(s *connect.Service) error
	}{
		"renewed": {d.account.ID, func(s *connect.Service) error {
			_, err := s.Refresh(t.Context(), connecttest.Project, d.account.ID)
			return err
		}},
		"changed": {typed.ID, func(s *connect.Service) error {
			values := d.Values("ann@x.test", d.Upstream.Grant("ann@x.test"))
			_, err := s.Update(t.Context(), connecttest.Project, typed.ID, connect.AccountChange{Values: values})
			return err
		}},
	} {
		options := d.options
		if tc.id == typed.ID {
			options.Catalog, options.HTTP = d.Catalog, d.HTTP
		}
		ended := false
		options.Vault = &between{Vault: d.Vault, do: func() {
			if ended {
				return
			}
			ended = true
			if _, _, err := d.services[0].End(t.Context(), connecttest.Project, tc.id, "by the operator", true); err != nil {
				t.Errorf("%s: ending: %v", name, err)
			}
		}}
		if err := tc.change(connect.New(options)); domain.CodeOf(err) != domain.CodeConflict || !ended {
			t.Errorf("%s: %v", name, err)
		}
		a, err := d.DB.Account(t.Context(), connecttest.Project, tc.id)
		left, _ := d.DB.Secrets(t.Context(), connecttest.Project, tc.id)
		if err != nil || a.Status != domain.AccountRevoked || len(left) != 0 {
			t.Errorf("%s: the account is %s (%v), with %d secrets", name, a.Status, err, len(left))
		}
	}
}

// refused says when a lease was not to be had.
type refused struct {
	connect.Store
	once sync.Once
	told chan struct{}
}

func (r *refused) TakeLease(ctx context.Context, name, owner string, now, until time.Time) (bool, error) {
	taken, err := r.Store.TakeLease(ctx, name, owner, now, until)
	if !taken {
		r.once.Do(func() { close(r.told) })
	}
	return taken, err
}

// Revoking waits for a renewal that another process has begun: else the provider
// would be told of tokens that have been replaced, and the new ones would live on.
func TestRevokeWaitsForRenewal(t *testing.T) {
	t.Parallel()
	d := newDiary(t, domain.SchemeOAuth2, 1)
	begun, let := make(chan struct{}), make(chan struct{})
	d.p.SetFault(nthOnly(1, held(begun, let)))
	renewed := make(chan error, 1)
	go func() {
		_, err := d.services[0].Refresh(t.Context(), connecttest.Project, d.account.ID)
		renewed <- err
	}()
	<-begun
	options := d.options
	store := &refused{Store: d.options.Store, told: make(chan struct{})}
	options.Store = store
	revoked := make(chan error, 1)
	go func() {
		_, err := connect.New(options).Revoke(t.Context(), connecttest.Project, d.account.ID)
		revoked <- err
	}()
	select {
	case <-store.told:
	case err := <-revoked:
		t.Errorf("revoked while its tokens were renewed: %v", err)
		revoked <- err
	}
	close(let)
	if err := <-renewed; err != nil {
		t.Errorf("the renewal: %v", err)
	}
	if err := <-revoked; err != nil {
		t.Errorf("the revocation: %v", err)
	}
	left, err := d.DB.Secrets(t.Context(), connecttest.Project, d.account.ID)
	if a := d.now(); err != nil || a.Status != domain.AccountRevoked || len(left) != 0 || a.Generation != d.account.Generation+2 {
		t.Errorf("the account: %+v, with %d secrets, %v", a, len(left), err)
	}
}
