package connect_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/sandbox/confluence"
	toolkits "github.com/sluice-run/sluice/toolkits/confluence"
)

// TestConfluenceTokens keeps a Confluence account alive at a sign-in host and a
// gateway that speak as Atlassian's.
func TestConfluenceTokens(t *testing.T) {
	w := connecttest.New(t)
	box := confluence.New(confluence.Options{Seed: true})
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(srv.Close)
	factory, err := httpx.New(httpx.Options{AllowAddrs: []netip.AddrPort{netip.MustParseAddrPort(strings.TrimPrefix(srv.URL, "http://"))}, MaxTries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(factory.Close)
	tk := toolkits.New()
	cat, err := catalog.New(tk)
	if err != nil {
		t.Fatal(err)
	}
	s := connect.New(connect.Options{Store: w.DB, Vault: w.Vault, Catalog: cat, HTTP: factory, Now: w.Clock.Now})

	app := box.AddOAuthApp(confluence.OAuthApp{})
	me := box.AddUser(confluence.User{Email: "ada@example.com", DisplayName: "Ada"})
	tokens, err := box.IssueTokens(app.ClientID, me.AccountID, "read:space:confluence", "offline_access")
	if err != nil {
		t.Fatal(err)
	}
	now := w.Clock.Now()
	config := domain.AuthConfig{
		ID: domain.NewID(domain.PrefixAuthConfig), ProjectID: connecttest.Project, Toolkit: "confluence", Name: "Confluence",
		Scheme: domain.SchemeOAuth2, Origin: domain.OriginProject, CreatedAt: now, UpdatedAt: now,
		Fields: map[string]string{"client_id": app.ClientID, "token_url": srv.URL + "/oauth/token", "api_url": srv.URL},
	}
	account := domain.ConnectedAccount{
		ID: domain.NewID(domain.PrefixAccount), ProjectID: connecttest.Project, UserID: "ada", Toolkit: "confluence",
		AuthConfigID: config.ID, Scheme: config.Scheme, Origin: config.Origin, WordID: "w", Status: domain.AccountActive,
		Fields: map[string]string{"cloud_id": box.CloudID(), "base_url": srv.URL + "/ex/confluence/" + box.CloudID()},
		Grant:  domain.Grant{ExpiresAt: now.Add(hour), RefreshAt: now.Add(48 * time.Minute), RefreshedAt: now, Generation: 1}, CreatedAt: now, UpdatedAt: now,
	}
	if err := errors.Join(w.DB.CreateAuthConfig(t.Context(), config), w.DB.CreateAccount(t.Context(), account)); err != nil {
		t.Fatal(err)
	}
	connecttest.PutConfigSecret(t, w.DB, w.Vault, config.ID, "client_secret", app.ClientSecret)
	connecttest.PutSecret(t, w.DB, w.Vault, account.ID, "access_token", tokens.AccessToken)
	connecttest.PutSecret(t, w.DB, w.Vault, account.ID, "refresh_token", tokens.RefreshToken)

	get := func(path string) (int, error) {
		t.Helper()
		a, err := s.Choose(t.Context(), connect.Choice{ProjectID: connecttest.Project, UserID: "ada", Toolkit: "confluence"})
		if err != nil {
			return 0, err
		}
		call, err := s.Prepare(t.Context(), tk, a, nil)
		if err != nil {
			return 0, err
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, call.BaseURL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := call.HTTP.Do(req)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		return res.StatusCode, nil
	}
	const spaces, pages = "/wiki/api/v2/spaces", "/wiki/api/v2/pages"
	steps := []struct {
		what string
		do   func()
		path string
		want int
		code domain.Code
		more confluence.OAuthCounts
	}{
		{"fresh", func() {}, spaces, 200, "", confluence.OAuthCounts{}},
		{"ended before its time", func() { w.Clock.Advance(5 * time.Minute); box.ExpireTokens() }, spaces, 200, "", confluence.OAuthCounts{Refreshes: 1}},
		{"a missing scope", func() { w.Clock.Advance(5 * time.Minute) }, pages, 401, "", confluence.OAuthCounts{Refreshes: 1}},
		{"ended", func() { w.Clock.Advance(2 * hour) }, spaces, 200, "", confluence.OAuthCounts{Refreshes: 2}},
		{"an answer that is lost", func() {
			box.Fail(confluence.Fault{Grant: "refresh_token", Drop: true})
			w.Clock.Advance(2 * hour)
		}, spaces, 0, domain.CodeUnavailable, confluence.OAuthCounts{Refreshes: 3}},
		{"and asked for again", func() { w.Clock.Advance(time.Minute) }, spaces, 200, "", confluence.OAuthCounts{Refreshes: 4, GraceReuses: 1}},
		{"taken back by the person", func() { box.RevokeGrants(me.AccountID); w.Clock.Advance(2 * hour) }, spaces, 0, domain.CodeNoConnection, confluence.OAuthCounts{Refreshes: 4, GraceReuses: 1, Refused: 3}},
		{"from then on", func() {}, spaces, 0, domain.CodeNoConnection, confluence.OAuthCounts{Refreshes: 4, GraceReuses: 1, Refused: 3}},
	}
	for _, step := range steps {
		step.do()
		got, err := get(step.path)
		if got != step.want || domain.CodeOf(err) != step.code {
			t.Errorf("%s: %d, %v", step.what, got, err)
		}
		if n := box.OAuthCounts(app.ClientID); n != step.more {
			t.Errorf("%s: %+v", step.what, n)
		}
	}
	a, err := s.Account(t.Context(), connecttest.Project, account.ID)
	if err != nil || a.Status != domain.AccountExpired || !strings.Contains(a.StatusReason, "refresh_token is invalid") {
		t.Errorf("in the end: %s %q, %v", a.Status, a.StatusReason, err)
	}
}
