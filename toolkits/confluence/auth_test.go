package confluence_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		subdomain, base string
		want, field     string
	}{
		{subdomain: "acme", want: "https://acme.atlassian.net"},
		{subdomain: " Acme ", want: "https://acme.atlassian.net"},
		{subdomain: "acme.atlassian.net", want: "https://acme.atlassian.net"},
		{subdomain: "acme.atlassian.net/wiki", want: "https://acme.atlassian.net"},
		{subdomain: "https://acme.atlassian.net", want: "https://acme.atlassian.net"},
		{subdomain: "https://acme.atlassian.net/wiki/spaces/MKT", want: "https://acme.atlassian.net"},
		{subdomain: "", field: "subdomain"},
		{subdomain: "acme.example.com", field: "subdomain"},
		{subdomain: "https://acme.example.com", field: "subdomain"},
		{subdomain: "https://user:pw@acme.atlassian.net", field: "subdomain"},
		{subdomain: "https://acme.atlassian.net:8443", field: "subdomain"},
		{subdomain: "https://evil.example/.atlassian.net", field: "subdomain"},
		{subdomain: "evil.example#.atlassian.net", field: "subdomain"},
		{subdomain: "a/b", field: "subdomain"},
		{subdomain: "ac me", field: "subdomain"},
		{subdomain: "-acme", field: "subdomain"},
		{subdomain: "acme", base: "https://wiki.Example.com/wiki/", want: "https://wiki.example.com"},
		{subdomain: "acme", base: "http://127.0.0.1:8090", want: "http://127.0.0.1:8090"},
		{subdomain: "acme", base: "https://gateway.example/ex/confluence/1", want: "https://gateway.example/ex/confluence/1"},
		{subdomain: "acme", base: "ftp://wiki.example.com", field: "base_url"},
		{subdomain: "acme", base: "wiki.example.com", field: "base_url"},
		{subdomain: "acme", base: "https://a:b@wiki.example.com", field: "base_url"},
		{subdomain: "acme", base: "https://wiki.example.com?x=1", field: "base_url"},
		{subdomain: "acme", base: "https://wiki.example.com#x", field: "base_url"},
		{subdomain: "acme", base: "https:///x", field: "base_url"},
	} {
		got, err := kit.Auth[0].BaseURL(map[string]string{"subdomain": tc.subdomain, "base_url": tc.base})
		var e *toolkit.Error
		if errors.As(err, &e) != (tc.field != "") || e != nil && (e.Field != tc.field || e.Kind != toolkit.KindInvalid) || got != tc.want {
			t.Errorf("%+v: got %q, %v", tc, got, err)
		}
	}
}

func TestAuthFields(t *testing.T) {
	t.Parallel()
	if kit.Auth[0].Scheme != "API_KEY" || kit.Auth[0].Name != "confluence_api_key" {
		t.Fatalf("auth: %+v", kit.Auth)
	}
	got := map[string][2]bool{}
	for _, f := range kit.Auth[0].Fields {
		got[f.Name] = [2]bool{f.Required, f.Secret}
		if f.DisplayName == "" || f.Description == "" {
			t.Errorf("%s is not explained", f.Name)
		}
	}
	want := map[string][2]bool{
		"subdomain": {true, false}, "generic_id": {true, false}, "generic_api_key": {true, true}, "base_url": {false, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequest(http.MethodGet, "https://acme.atlassian.net/wiki", nil)
	if err != nil {
		t.Fatal(err)
	}
	kit.Auth[0].Authorize(r, map[string]string{"generic_id": "ann@example.com"}, toolkit.Secrets{"generic_api_key": "t0ken"})
	if user, pass, ok := r.BasicAuth(); !ok || user != "ann@example.com" || pass != "t0ken" {
		t.Errorf("got %q, %q, %v", user, pass, ok)
	}
}

func TestCheckSaysWhoseAccountItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	got, err := kit.Check(t.Context(), s.call())
	if err != nil {
		t.Fatal(err)
	}
	want := toolkit.Identity{"name": "Tess Tester", "email": "tester@example.com", "id": s.me.AccountID}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.me.Token = "wrong"
	_, err = kit.Check(t.Context(), s.call())
	var e *toolkit.Error
	if !errors.As(err, &e) || e.Kind != toolkit.KindAuth || e.Fix == "" {
		t.Errorf("wrong token: got %#v", err)
	}
}
