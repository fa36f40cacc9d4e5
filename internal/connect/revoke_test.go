package connect_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/toolkit"
)

// revoker is a provider that gives tokens to programs and takes them back.
type revoker struct {
	mu      sync.Mutex
	revoked []string
	refuse  bool
}

func (p *revoker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.URL.Path {
	case "/token":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"at-1","refresh_token":"rt-1","token_type":"Bearer","expires_in":3600}`))
	case "/revoke":
		if p.refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p.revoked = append(p.revoked, r.FormValue("token_type_hint")+" "+r.FormValue("token")+" by "+r.FormValue("client_id"))
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	p := &revoker{}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	revokeURL := srv.URL + "/revoke"
	cat, err := catalog.New(connecttest.Notes(), &toolkit.Toolkit{
		Slug: "box", Name: "Box", Description: "Boxes.", Version: "20261122_00",
		Auth: []toolkit.Auth{{
			Scheme: "S2S_OAUTH2", Name: "box_s2s",
			ConfigFields: []toolkit.Field{{Name: "client_id", Required: true}, {Name: "client_secret", Required: true, Secret: true}},
			BaseURL:      func(map[string]string) (string, error) { return srv.URL, nil },
			Authorize:    func(*http.Request, map[string]string, toolkit.Secrets) {},
			OAuth: &toolkit.OAuth{Endpoint: func(map[string]string) (toolkit.Endpoint, error) {
				return toolkit.Endpoint{TokenURL: srv.URL + "/token", RevokeURL: revokeURL}, nil
			}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	http, err := httpx.New(httpx.Options{MaxTries: 1, AllowAddrs: []netip.AddrPort{w.Upstream.Addr, netip.MustParseAddrPort(strings.TrimPrefix(srv.URL, "http://"))}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.Close)
	s := connect.New(connect.Options{Store: w.DB, Vault: w.Vault, Catalog: cat, HTTP: http, Now: w.Clock.Now})
	cfg, err := s.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{
		Toolkit: "box", Scheme: domain.SchemeS2SOAuth2, Credentials: map[string]string{"client_id": "app", "client_secret": "hush"},
	})
	if err != nil {
		t.Fatal(err)
	}
	account := func() string {
		a, err := s.Connect(t.Context(), connect.Start{ProjectID: connecttest.Project, UserID: "ann", AuthConfigID: cfg.ID}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	gone := func(id string) {
		t.Helper()
		sealed, err := w.DB.Secrets(t.Context(), connecttest.Project, id)
		if err != nil || len(sealed) > 0 {
			t.Errorf("secrets are left: %d, %v", len(sealed), err)
		}
		a, err := s.Account(t.Context(), connecttest.Project, id)
		if err != nil || a.Status != domain.AccountRevoked || !a.RefreshAt.IsZero() || a.Scopes != nil {
			t.Errorf("the account: %+v, %v", a, err)
		}
		if _, err := s.Revoke(t.Context(), connecttest.Project, id); domain.CodeOf(err) != domain.CodeConflict {
			t.Errorf("again: %v", err)
		}
	}

	id := account()
	if _, err := s.Revoke(t.Context(), connecttest.Other, id); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("another project: %v", err)
	}
	got, err := s.Revoke(t.Context(), connecttest.Project, id)
	if err != nil || got.Note != "" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"refresh_token", "access_token"}, got.Tokens); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"refresh_token rt-1 by app", "access_token at-1 by app"}, p.revoked); diff != "" {
		t.Error(diff)
	}
	gone(id)

	// Whatever the provider says, nothing is left here.
	id = account()
	p.refuse = true
	if got, err := s.Revoke(t.Context(), connecttest.Project, id); err != nil || len(got.Tokens) > 0 || !strings.Contains(got.Note, "did not confirm") {
		t.Errorf("refused: %+v, %v", got, err)
	}
	gone(id)
	id, revokeURL = account(), ""
	if got, err := s.Revoke(t.Context(), connecttest.Project, id); err != nil || !strings.Contains(got.Note, "offers no way") {
		t.Errorf("not offered: %+v, %v", got, err)
	}
	gone(id)
	typed := w.Account(t, connecttest.Project, "ann", "ann@notes.example", "").ID
	if got, err := s.Revoke(t.Context(), connecttest.Project, typed); err != nil || !strings.Contains(got.Note, "delete the key") {
		t.Errorf("typed: %+v, %v", got, err)
	}
	gone(typed)
}

// A link that was made before an account was revoked is no way back; one that
// the application makes afterwards is.
func TestLinksOfRevokedAccounts(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	a := w.Account(t, connecttest.Project, "ann", "ann@notes.example", "")
	early, err := w.Connect.Reconnect(t.Context(), connecttest.Project, a.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(1e9)
	if _, err := w.Connect.Revoke(t.Context(), connecttest.Project, a.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Connect.Form(t.Context(), early.Token); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("the early link: %v", err)
	}
	w.Clock.Advance(1e9)
	late, err := w.Connect.Reconnect(t.Context(), connecttest.Project, a.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	token := w.Upstream.Grant("ann@notes.example")
	if got, _, err := w.Connect.Complete(t.Context(), late.Token, w.Values("ann@notes.example", token)); err != nil || got.ID != a.ID || got.Status != domain.AccountActive {
		t.Errorf("the late link: %+v, %v", got, err)
	}
}
