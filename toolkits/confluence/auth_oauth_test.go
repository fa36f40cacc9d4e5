package confluence_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// auth gives the scheme's way to connect.
func auth(t *testing.T, scheme string) toolkit.Auth {
	t.Helper()
	i := slices.IndexFunc(kit.Auth, func(a toolkit.Auth) bool { return a.Scheme == scheme })
	if i < 0 {
		t.Fatalf("there is no scheme %s", scheme)
	}
	return kit.Auth[i]
}

// atlassian sends what goes to *.atlassian.net or the given hosts to a sandbox.
type atlassian struct {
	a       toolkit.Auth
	to      *url.URL
	fields  map[string]string
	secrets toolkit.Secrets
	asked   []string
}

func (h *atlassian) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	h.asked = append(h.asked, r.URL.Host+r.URL.Path)
	h.a.Authorize(out, h.fields, h.secrets)
	out.URL.Scheme, out.URL.Host = h.to.Scheme, h.to.Host
	return http.DefaultTransport.RoundTrip(out)
}

func callFor(t *testing.T, srv *sandbox.Server, a toolkit.Auth, base string, fields map[string]string, secrets toolkit.Secrets) (*toolkit.Call, *atlassian) {
	t.Helper()
	to, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := &atlassian{a: a, to: to, fields: fields, secrets: secrets}
	return &toolkit.Call{HTTP: &http.Client{Transport: h}, BaseURL: base, Account: fields}, h
}

func TestSitesOfAGrant(t *testing.T) {
	t.Parallel()
	srv := sandbox.NewServer(sandbox.Options{Site: "acme"})
	t.Cleanup(srv.Close)
	labs, err := srv.AddSite(sandbox.Options{Site: "acme-labs"})
	if err != nil {
		t.Fatal(err)
	}
	ann := srv.AddUser(sandbox.User{Email: "ann@example.com"})
	labs.AddUser(sandbox.User{AccountID: ann.AccountID, Email: ann.Email})
	app := srv.AddOAuthApp(sandbox.OAuthApp{})
	tokens, err := srv.IssueTokens(app.ClientID, ann.AccountID, "read:page:confluence", "offline_access")
	if err != nil {
		t.Fatal(err)
	}
	a := auth(t, "OAUTH2")
	api := "https://api.atlassian.com"
	for _, tc := range []struct {
		subdomain string
		want      []string
	}{
		{"", nil},
		{"acme-labs", []string{"acme-labs"}},
		{"https://Acme.atlassian.net/wiki", []string{"acme"}},
		{"other", nil},
	} {
		call, _ := callFor(t, srv, a, api, map[string]string{"subdomain": tc.subdomain}, toolkit.Secrets{"access_token": tokens.AccessToken})
		sites, err := a.OAuth.Sites(t.Context(), call)
		if err != nil || len(sites) != 2 {
			t.Fatalf("%q: got %+v, %v", tc.subdomain, sites, err)
		}
		var wanted []string
		for _, s := range sites {
			if s.Wanted {
				wanted = append(wanted, s.Fields["subdomain"])
			}
			base, err := a.BaseURL(s.Fields)
			if err != nil || base != api+"/ex/confluence/"+s.ID || s.Fields["cloud_id"] != s.ID {
				t.Errorf("%s: base %q, %v", s.Name, base, err)
			}
			if diff := cmp.Diff([]string{"read:page:confluence"}, s.Scopes); diff != "" {
				t.Error(diff)
			}
		}
		if diff := cmp.Diff(tc.want, wanted); diff != "" {
			t.Errorf("%q: %s", tc.subdomain, diff)
		}
	}
	for _, bad := range []string{"acme.example.com", "https://evil.example"} {
		err := a.OAuth.CheckFields(map[string]string{"subdomain": bad})
		var te *toolkit.Error
		if !errors.As(err, &te) || te.Field != "subdomain" {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if _, err := a.BaseURL(map[string]string{"subdomain": "acme"}); err == nil {
		t.Error("an account without a site has an address")
	}
}

// A scoped API token is refused by the site; the gateway takes it.
func TestScopedTokenGoesThroughTheGateway(t *testing.T) {
	t.Parallel()
	srv := sandbox.NewServer(sandbox.Options{Site: "acme"})
	t.Cleanup(srv.Close)
	ann := srv.AddUser(sandbox.User{Email: "ann@example.com", DisplayName: "Ann"})
	scoped := srv.AddScopedToken(ann.AccountID, "read:content-details:confluence")
	a := auth(t, "API_KEY")
	fields := map[string]string{"subdomain": "acme", "generic_id": ann.Email}
	gateway := "https://api.atlassian.com/ex/confluence/" + srv.CloudID()
	for name, tc := range map[string]struct {
		token string
		want  map[string]string
	}{
		"scoped": {scoped, map[string]string{"cloud_id": srv.CloudID(), "gateway_url": gateway}},
		"plain":  {ann.Token, nil},
	} {
		secrets := toolkit.Secrets{"generic_api_key": tc.token}
		call, _ := callFor(t, srv, a, "https://acme.atlassian.net", fields, secrets)
		got, err := a.Resolve(t.Context(), call, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	elsewhere, h := callFor(t, srv, a, "https://wiki.example.com", map[string]string{"base_url": "https://wiki.example.com"}, toolkit.Secrets{"generic_api_key": scoped})
	if got, err := a.Resolve(t.Context(), elsewhere, nil); err != nil || got != nil || h.asked != nil {
		t.Errorf("a site elsewhere: %v, %v, after %v", got, err, h.asked)
	}
	if got, err := a.Resolve(t.Context(), elsewhere, map[string]string{"api_url": "https://gateway.example"}); err != nil || !strings.HasPrefix(got["gateway_url"], "https://gateway.example/ex/") {
		t.Errorf("a site elsewhere with a gateway of its own: %v, %v", got, err)
	}
	base, err := a.BaseURL(map[string]string{"subdomain": "acme", "gateway_url": gateway})
	if err != nil || base != gateway {
		t.Fatalf("base: %q, %v", base, err)
	}
	call, _ := callFor(t, srv, a, base, fields, toolkit.Secrets{"generic_api_key": scoped})
	who, err := kit.Check(t.Context(), call)
	if err != nil || who["id"] != ann.AccountID {
		t.Errorf("at the gateway: %v, %v", who, err)
	}
}

// A service account's credential may be unable to list sites: the site knows its id.
func TestSitesOfAServiceAccount(t *testing.T) {
	t.Parallel()
	srv := sandbox.NewServer(sandbox.Options{Site: "acme"})
	t.Cleanup(srv.Close)
	srv.Fail(sandbox.Fault{Path: "/oauth/token/accessible-resources", Status: http.StatusUnauthorized})
	a := auth(t, "S2S_OAUTH2")
	call, h := callFor(t, srv, a, "https://api.atlassian.com", map[string]string{"subdomain": "acme"}, toolkit.Secrets{"access_token": "x"})
	sites, err := a.OAuth.Sites(t.Context(), call)
	if err != nil || len(sites) != 1 || !sites[0].Wanted || sites[0].ID != srv.CloudID() {
		t.Errorf("got %+v, %v", sites, err)
	}
	want := []string{"api.atlassian.com/oauth/token/accessible-resources", "acme.atlassian.net/_edge/tenant_info"}
	if diff := cmp.Diff(want, h.asked); diff != "" {
		t.Error(diff)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	e, err := auth(t, "OAUTH2").OAuth.Endpoint(nil)
	if err != nil || e.AuthorizeURL != "https://auth.atlassian.com/authorize" || e.TokenURL != "https://auth.atlassian.com/oauth/token" ||
		e.APIURL != "https://api.atlassian.com" || !e.PKCE || e.Params["audience"] != "api.atlassian.com" {
		t.Errorf("got %+v, %v", e, err)
	}
	for field, bad := range map[string]string{
		"authorization_url": "javascript:alert(1)", "token_url": "https://a:b@auth.example/token", "api_url": "https://api.example/?x=1",
	} {
		_, err := auth(t, "OAUTH2").OAuth.Endpoint(map[string]string{field: bad})
		var te *toolkit.Error
		if !errors.As(err, &te) || te.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// Every scope that a tool may need is said in plain words.
func TestScopesInPlainWords(t *testing.T) {
	t.Parallel()
	explain := auth(t, "OAUTH2").OAuth.Explain
	for _, tool := range kit.Tools {
		for _, scope := range tool.Scopes.Names() {
			for _, line := range explain([]string{scope}) {
				if strings.Contains(line, ":") {
					t.Errorf("%s: %s is shown as %q", tool.Slug, scope, line)
				}
			}
		}
	}
	got := explain([]string{"read:page:confluence", "write:page:confluence", "read:comment:confluence", "delete:page:confluence", "odd", "offline_access"})
	want := []string{
		"See pages and comments", "Create and change pages", "Delete pages", "Use odd", "Do this while you are away, until you disconnect",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
