package connect_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// BenchmarkPrepare shows what credentials add to each call: reading the sealed
// ones, opening what the call needs, and for OAuth seeing that the token lives.
func BenchmarkPrepare(b *testing.B) {
	d := newDiary(b, domain.SchemeOAuth2, 1)
	s, notes := d.services[0], connecttest.Notes()
	typed := d.Account(b, connecttest.Project, "bob", "bob@example.com", "")
	if _, err := s.Refresh(b.Context(), connecttest.Project, d.account.ID); err != nil { // with a previous token too
		b.Fatal(err)
	}
	oauth := d.now()
	for name, of := range map[string]struct {
		tk *toolkit.Toolkit
		a  *domain.ConnectedAccount
	}{"a live OAuth token": {connecttest.Diary(), oauth}, "an API key": {notes, typed}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Prepare(b.Context(), of.tk, of.a, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	sealed, err := d.DB.Secrets(b.Context(), connecttest.Project, oauth.ID)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("of it, reading the sealed secrets", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.DB.Secrets(b.Context(), connecttest.Project, oauth.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("of it, opening the access token", func(b *testing.B) {
		ref := vault.Ref{ProjectID: connecttest.Project, AccountID: oauth.ID, Field: "access_token"}
		for b.Loop() {
			if _, err := d.Vault.Open(b.Context(), ref, sealed["access_token"]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// thrifty is a database of which a call with a live token may read the sealed
// secrets, once; all else that renewing needs is an error.
type thrifty struct {
	*sqlstore.DB
	reads atomic.Int64
}

var errThrifty = errors.New("a live token needs this?")

func (d *thrifty) Secrets(ctx context.Context, projectID, accountID string) (map[string][]byte, error) {
	d.reads.Add(1)
	return d.DB.Secrets(ctx, projectID, accountID)
}

func (d *thrifty) Account(context.Context, string, string) (domain.ConnectedAccount, error) {
	return domain.ConnectedAccount{}, errThrifty
}

func (d *thrifty) AuthConfig(context.Context, string, string) (domain.AuthConfig, error) {
	return domain.AuthConfig{}, errThrifty
}

func (d *thrifty) TakeLease(context.Context, string, string, time.Time, time.Time) (bool, error) {
	return false, errThrifty
}

func (d *thrifty) InTx(context.Context, func(store.Tx) error) error { return errThrifty }

// frugal is a vault that says what was opened.
type frugal struct {
	*vault.Vault
	opened []string
}

func (v *frugal) Open(ctx context.Context, ref vault.Ref, sealed []byte) ([]byte, error) {
	v.opened = append(v.opened, ref.Field)
	return v.Vault.Open(ctx, ref, sealed)
}

// TestALiveTokenCostsOneRead holds a call with a live token to one read of the
// database and one opened secret.
func TestALiveTokenCostsOneRead(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	if _, err := d.services[0].Refresh(t.Context(), connecttest.Project, d.account.ID); err != nil { // so that there are three
		t.Fatal(err)
	}
	db, v := &thrifty{DB: d.DB}, &frugal{Vault: d.Vault}
	opts := d.options
	opts.Store, opts.Vault = db, v
	call, err := connect.New(opts).Prepare(t.Context(), connecttest.Diary(), d.now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.whoami(call, http.MethodGet, "", nil); err != nil {
		t.Error(err)
	}
	if n := db.reads.Load(); n != 1 || !slices.Equal(v.opened, []string{"access_token"}) {
		t.Errorf("%d reads, opened %v", n, v.opened)
	}
}
