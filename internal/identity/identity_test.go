package identity_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// open gives a Service with its own connection to the database file: two of them
// on one file are two processes as far as the database can tell.
func open(t testing.TB, path string) (*identity.Service, *sqlstore.DB) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return identity.New(identity.Options{Store: db}), db
}

func setup(t testing.TB) (*identity.Service, domain.Project) {
	t.Helper()
	s, _ := open(t, filepath.Join(t.TempDir(), "sluice.db"))
	return s, must(s.Setup(t.Context()))(t)
}

// must unwraps a result or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantError(t testing.TB, err error, code domain.Code, message, fix string) {
	t.Helper()
	var e *domain.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want a domain.Error of %s", err, code)
	}
	got := []string{string(e.Code), e.Message, e.Fix}
	if diff := cmp.Diff([]string{string(code), message, fix}, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestSetupMakesOneProject(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	const starters = 6
	got := make([]domain.Project, starters)
	var wg sync.WaitGroup
	for i := range starters {
		s, _ := open(t, path)
		wg.Go(func() {
			p, err := s.Setup(t.Context())
			if err != nil {
				t.Error(err)
			}
			got[i] = p
		})
	}
	wg.Wait()
	for _, p := range got {
		if diff := cmp.Diff(got[0], p); diff != "" {
			t.Errorf("two starts disagree:\n%s", diff)
		}
	}
	_, db := open(t, path)
	if all := must(db.ListProjects(t.Context()))(t); len(all) != 1 || all[0].ID != got[0].ID {
		t.Errorf("projects: %v", all)
	}
}

// late is a store in which another process is quicker: right after each first
// look, before what the caller makes of it.
type late struct {
	identity.Store
	meanwhile func()
}

func (l *late) interrupt() {
	if f := l.meanwhile; f != nil {
		l.meanwhile = nil
		f()
	}
}

func (l *late) ListProjects(ctx context.Context) ([]domain.Project, error) {
	defer l.interrupt()
	return l.Store.ListProjects(ctx)
}

func (l *late) APIKeyByHash(ctx context.Context, hash [32]byte) (domain.APIKey, error) {
	defer l.interrupt()
	return l.Store.APIKeyByHash(ctx, hash)
}

func TestAnotherProcessIsQuicker(t *testing.T) {
	t.Parallel()
	quick, db := open(t, filepath.Join(t.TempDir(), "sluice.db"))
	const key = "a-key-of-16-char"
	var first domain.Project
	var adopted domain.APIKey
	store := &late{Store: db, meanwhile: func() { first = must(quick.Setup(t.Context()))(t) }}
	slow := identity.New(identity.Options{Store: store})
	if diff := cmp.Diff(must(slow.Setup(t.Context()))(t), first); diff != "" {
		t.Errorf("two default projects:\n%s", diff)
	}
	store.meanwhile = func() { adopted = must(quick.AdoptKey(t.Context(), first.ID, "x", key))(t) }
	if diff := cmp.Diff(must(slow.AdoptKey(t.Context(), first.ID, "x", key))(t), adopted); diff != "" {
		t.Errorf("two adoptions:\n%s", diff)
	}
	store.meanwhile = func() {
		if err := quick.Revoke(t.Context(), first.ID, adopted.ID); err != nil {
			t.Error(err)
		}
	}
	// The look came before the revocation: this request is the last that passes.
	must(slow.Authenticate(t.Context(), key))(t)
	if _, err := slow.Authenticate(t.Context(), key); domain.CodeOf(err) != domain.CodeUnauthenticated {
		t.Errorf("a revoked key passes: %v", err)
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s, p := setup(t)
	key, k, err := s.CreateKey(t.Context(), p.ID, " laptop ")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key, "ak_") || len(key) != 3+52 || k.Hint != key[len(key)-4:] || k.Name != "laptop" {
		t.Errorf("key of %d characters, stored as %+v", len(key), k)
	}
	want := domain.Principal{ProjectID: p.ID, KeyID: k.ID}
	if got := must(s.Authenticate(t.Context(), key))(t); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff([]domain.APIKey{k}, must(s.Keys(t.Context(), p.ID))(t)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	const fix = "Create one with: sluice keys create"
	for name, bad := range map[string]string{
		"another": domain.NewSecret("ak_"), "longer": key + "x", "shorter": key[:len(key)-1], "id": k.ID,
		"huge": strings.Repeat("k", 1<<20), "odd bytes": "\x00\xff" + key, "upper case": strings.ToUpper(key),
	} {
		_, err := s.Authenticate(t.Context(), bad)
		t.Run(name, func(t *testing.T) {
			wantError(t, err, domain.CodeUnauthenticated, "this API key is not valid", fix)
		})
	}
	_, err = s.Authenticate(t.Context(), "")
	wantError(t, err, domain.CodeUnauthenticated,
		"missing API key: send it in the x-api-key header (or Authorization: Bearer …)", fix)
}

// A database that is gone must not look like a wrong key: clients throw wrong
// keys away.
func TestAuthenticateWithoutDatabase(t *testing.T) {
	t.Parallel()
	s, db := open(t, filepath.Join(t.TempDir(), "sluice.db"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), domain.NewSecret("ak_")); domain.CodeOf(err) != domain.CodeInternal {
		t.Errorf("got %v of %s", err, domain.CodeOf(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s2, _ := setup(t)
	if _, err := s2.Authenticate(ctx, domain.NewSecret("ak_")); domain.CodeOf(err) != domain.CodeCanceled {
		t.Errorf("got %v of %s", err, domain.CodeOf(err))
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	here, db := open(t, path)
	there, _ := open(t, path)
	p := must(here.Setup(t.Context()))(t)
	other := domain.Project{ID: domain.NewID(domain.PrefixProject), Name: "other"}
	if err := db.CreateProject(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	key, k, err := here.CreateKey(t.Context(), p.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	must(there.Authenticate(t.Context(), key))(t)
	if err := here.Revoke(t.Context(), other.ID, k.ID); domain.CodeOf(err) != domain.CodeNotFound {
		t.Fatalf("revoking another project's key: %v", err)
	}
	must(there.Authenticate(t.Context(), key))(t)

	if err := here.Revoke(t.Context(), p.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*identity.Service{here, there} {
		_, err := s.Authenticate(t.Context(), key)
		wantError(t, err, domain.CodeUnauthenticated, "this API key was revoked", "Create one with: sluice keys create")
	}
	first := must(here.Keys(t.Context(), p.ID))(t)[0].RevokedAt
	if err := there.Revoke(t.Context(), p.ID, k.ID); err != nil {
		t.Errorf("revoking again: %v", err)
	}
	if again := must(here.Keys(t.Context(), p.ID))(t)[0].RevokedAt; first.IsZero() || !again.Equal(first) {
		t.Errorf("revoked at %v, then %v", first, again)
	}
	if err := here.Revoke(t.Context(), p.ID, "key_none"); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("revoking nothing: %v", err)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	s, p := setup(t)
	for name, bad := range map[string]string{
		"long": strings.Repeat("ö", 101), "control": "a\nb", "NUL": "a\x00", "not UTF-8": "\xff",
	} {
		if _, _, err := s.CreateKey(t.Context(), p.ID, bad); domain.CodeOf(err) != domain.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := s.CreateKey(t.Context(), "pr_none", "x"); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("unknown project: %v", err)
	}
	if _, k, err := s.CreateKey(t.Context(), p.ID, strings.Repeat("ö", 100)); err != nil || k.Name != strings.Repeat("ö", 100) {
		t.Errorf("longest name: %v", err)
	}
}

func TestAdoptKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	s, db := open(t, path)
	p := must(s.Setup(t.Context()))(t)
	const key = "a-key-of-16-char"

	ids := make([]string, 6)
	var wg sync.WaitGroup
	for i := range ids {
		s, _ := open(t, path)
		wg.Go(func() {
			k, err := s.AdoptKey(t.Context(), p.ID, "SLUICE_API_KEY", key)
			if err != nil {
				t.Error(err)
			}
			ids[i] = k.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("adopted more than once: %v", ids)
		}
	}
	if got := must(s.Authenticate(t.Context(), key))(t); got != (domain.Principal{ProjectID: p.ID, KeyID: ids[0]}) {
		t.Errorf("principal %+v", got)
	}

	other := domain.Project{ID: domain.NewID(domain.PrefixProject), Name: "other"}
	if err := db.CreateProject(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	_, err := s.AdoptKey(t.Context(), other.ID, "x", key)
	wantError(t, err, domain.CodeForbidden, "the given API key belongs to another project", "Set SLUICE_API_KEY to another value.")

	if err := s.Revoke(t.Context(), p.ID, ids[0]); err != nil {
		t.Fatal(err)
	}
	_, err = s.AdoptKey(t.Context(), p.ID, "x", key)
	wantError(t, err, domain.CodeForbidden, "the given API key ("+ids[0]+") was revoked and cannot be used again",
		"Set SLUICE_API_KEY to another value.")

	for name, bad := range map[string]string{
		"empty": "", "15 characters": key[:15], "space": "a key of 16 chars", "tab": "a\tkey-of-16-chars", "newline": key + "\n",
		"not ASCII": "schlüssel-mit-umlaut", "too long": strings.Repeat("k", 513),
	} {
		_, err := s.AdoptKey(t.Context(), p.ID, "x", bad)
		if domain.CodeOf(err) != domain.CodeInvalid || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEphemeral(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	s, _ := open(t, path)
	elsewhere, _ := open(t, path)
	p := must(s.Setup(t.Context()))(t)
	key := s.Ephemeral(p.ID, "chat")
	who := must(s.Authenticate(t.Context(), key))(t)
	if who.ProjectID != p.ID || !domain.HasPrefix(who.KeyID, domain.PrefixAPIKey) {
		t.Errorf("principal %+v", who)
	}
	if keys := must(s.Keys(t.Context(), p.ID))(t); len(keys) != 0 {
		t.Errorf("it was stored: %+v", keys)
	}
	if _, err := elsewhere.Authenticate(t.Context(), key); domain.CodeOf(err) != domain.CodeUnauthenticated {
		t.Errorf("in another process: %v", err)
	}
	if err := s.Revoke(t.Context(), "pr_other", who.KeyID); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("revoked for another project: %v", err)
	}
	open, cancel := s.Watch(t.Context(), who)
	defer cancel()
	if err := s.Revoke(t.Context(), p.ID, who.KeyID); err != nil {
		t.Fatal(err)
	}
	if open.Err() == nil {
		t.Error("what it had opened goes on")
	}
	if _, err := s.Authenticate(t.Context(), key); domain.CodeOf(err) != domain.CodeUnauthenticated {
		t.Errorf("after revoking: %v", err)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	s, p := setup(b)
	key, _, err := s.CreateKey(b.Context(), p.ID, "bench")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour) // requests have a context that can end
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(ctx, key); err != nil {
			b.Fatal(err)
		}
	}
}
