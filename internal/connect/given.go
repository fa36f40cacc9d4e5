package connect

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/toolkit"
)

// Given are credentials that come with one call and are kept nowhere. They are
// either values of an auth scheme, as an account is connected with, or a base
// address with headers and query parameters as they are.
type Given struct {
	Toolkit string // slug that they are for; empty: that of the call
	Scheme  domain.AuthScheme
	Values  map[string]string

	BaseURL string
	Header  http.Header
	Query   url.Values
}

// PrepareGiven is Prepare with credentials that come with the call.
func (s *Service) PrepareGiven(ctx context.Context, tk *toolkit.Toolkit, g *Given, calls *atomic.Int64) (*toolkit.Call, error) {
	switch {
	case g.Toolkit != "" && !strings.EqualFold(g.Toolkit, tk.Slug):
		return nil, domain.Invalid("custom_connection_data.toolkitSlug", "custom_connection_data.toolkitSlug: the tool is of toolkit %s", tk.Slug)
	case tk.NoAuth():
		return s.Prepare(ctx, tk, nil, calls)
	case g.Scheme == "":
		return s.prepareAddress(tk, g, calls)
	}
	auth := authOf(tk, g.Scheme)
	if auth == nil {
		return nil, domain.Invalid("custom_connection_data.authScheme", "custom_connection_data.authScheme: toolkit %s has no scheme %s", tk.Slug, clip(string(g.Scheme))).
			WithFix("Use one of %s.", strings.Join(schemesOf(tk), ", "))
	}
	fields, secrets, err := s.givenValues(ctx, tk, auth, g.Values)
	if err != nil {
		return nil, err
	}
	return s.call(tk, auth, fields, secrets, nil, calls)
}

func schemesOf(tk *toolkit.Toolkit) []string {
	names := make([]string, 0, len(tk.Auth))
	for i := range tk.Auth {
		names = append(names, tk.Auth[i].Scheme)
	}
	return names
}

// givenValues sorts a scheme's values into fields and secrets, and finds out what
// nobody should have to type.
func (s *Service) givenValues(ctx context.Context, tk *toolkit.Toolkit, auth *toolkit.Auth, values map[string]string) (map[string]string, toolkit.Secrets, error) {
	if auth.OAuth == nil {
		fields, secrets, err := split(auth, values)
		if err == nil {
			err = s.resolveFields(ctx, tk, auth, &domain.ConnectedAccount{}, fields, secrets)
		}
		return fields, secrets, err
	}
	secrets := toolkit.Secrets{secretAccess: values[secretAccess]}
	if secrets[secretAccess] == "" || !httpx.ValidHeader("Authorization", secrets[secretAccess]) {
		return nil, nil, domain.Invalid("access_token", "access_token: a token is required where the auth scheme is %s", auth.Scheme)
	}
	fields := maps.Clone(values)
	for _, name := range []string{secretAccess, secretRefresh, "id_token", "token_type", "expires_in", "scope"} {
		delete(fields, name)
	}
	if _, err := auth.BaseURL(fields); err == nil || auth.OAuth.Sites == nil {
		return fields, secrets, nil
	}
	site, err := s.onlySite(ctx, tk, auth, fields, secrets)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(fields, site.Fields)
	return fields, secrets, nil
}

// onlySite asks the provider where the token works: the place that the fields
// name, or the only one.
func (s *Service) onlySite(ctx context.Context, tk *toolkit.Toolkit, auth *toolkit.Auth, fields map[string]string, secrets toolkit.Secrets) (*toolkit.Site, error) {
	endpoint, err := auth.OAuth.Endpoint(map[string]string{})
	if err != nil {
		return nil, baseURLError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	at := *auth
	at.BaseURL = func(map[string]string) (string, error) { return endpoint.APIURL, nil }
	call, err := s.call(tk, &at, fields, secrets, nil, nil)
	if err != nil {
		return nil, err
	}
	found, err := auth.OAuth.Sites(ctx, call)
	if err != nil {
		return nil, checkError(tk, auth, secrets, err)
	}
	for i := range found {
		if found[i].Wanted || len(found) == 1 {
			return &found[i], nil
		}
	}
	return nil, domain.Invalid("custom_connection_data.val", "custom_connection_data.val: the token reaches %d sites, and none is the one that is named", len(found)).
		WithFix("Name the site among the values, as connecting an account asks for it.")
}

// prepareAddress is a call to an address with headers and query parameters that
// come with it.
func (s *Service) prepareAddress(tk *toolkit.Toolkit, g *Given, calls *atomic.Int64) (*toolkit.Call, error) {
	base := strings.TrimRight(g.BaseURL, "/")
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, domain.Invalid("custom_auth_params.base_url", "custom_auth_params.base_url: expected the address that requests of %s go to", tk.Name).
			WithFix("Give it as https://host, without credentials and query.")
	}
	for name, values := range g.Header {
		if !httpx.ValidHeader(name, strings.Join(values, "")) {
			return nil, domain.Invalid("custom_auth_params.parameters", "custom_auth_params.parameters: %s cannot be a header with this value", clip(name))
		}
	}
	client := s.opts.HTTP.For(httpx.CallOptions{BaseURL: u, Count: calls, Label: tk.Slug, Authorize: func(r *http.Request) error {
		for name, values := range g.Header {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
		if len(g.Query) > 0 {
			q := r.URL.Query()
			maps.Copy(q, g.Query)
			r.URL.RawQuery = q.Encode()
		}
		return nil
	}})
	return &toolkit.Call{HTTP: client, BaseURL: base, Account: map[string]string{"base_url": base}}, nil
}

// PrepareOpen gives a guarded client without anybody's credentials.
func (s *Service) PrepareOpen(label string, calls *atomic.Int64) *http.Client {
	return s.opts.HTTP.For(httpx.CallOptions{Count: calls, Label: label})
}
