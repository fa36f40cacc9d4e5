package connect_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

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
			if _, err := d.services[0].Revoke(t.Context(), connecttest.Project, tc.id); err != nil {
				t.Errorf("%s: revoking: %v", name, err)
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
