package connect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/authscheme"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// The names of an OAuth account's secrets.
const (
	secretAccess  = "access_token"
	secretRefresh = "refresh_token"
	// secretPrevious is the refresh token before the present one, until that has
	// worked.
	secretPrevious = "previous_refresh_token"
	// secretPending holds fresh tokens, as JSON, until the account is settled.
	secretPending = "pending_grant"
)

// Site is a place that a grant reaches, and what it lacks there.
type Site struct {
	toolkit.Site
	Shortfall
}

// Shortfall is what was asked for and not granted.
type Shortfall struct {
	Missing []string // scopes
	Tools   []string // slugs of tools that will not work for want of them
	Of      int      // how many would have
}

// sites asks where the grant may work and picks what the person named when
// connecting. One site is a settled question; several are to be asked.
func (s *Service) sites(ctx context.Context, form *Form, endpoint toolkit.Endpoint, token *authscheme.Token, asked []string) ([]Site, error) {
	list := []toolkit.Site{{Scopes: nil, Fields: form.Account.Fields}}
	if find := form.Auth.OAuth.Sites; find != nil {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		secrets := toolkit.Secrets{secretAccess: token.AccessToken}
		lookAt := form.Auth
		lookAt.BaseURL = func(map[string]string) (string, error) { return endpoint.APIURL, nil }
		call, err := s.call(form.Toolkit, &lookAt, form.Account.Fields, secrets, nil, nil)
		if err != nil {
			return nil, err
		}
		found, err := find(ctx, call)
		if err != nil {
			return nil, checkError(form.Toolkit, &form.Auth, secrets, err)
		}
		if list, err = pickSites(form, found); err != nil {
			return nil, err
		}
	}
	sites := make([]Site, 0, len(list))
	for _, site := range list {
		site.Scopes = grantedScopes(site.Scopes, token, asked)
		sites = append(sites, Site{Site: site, Shortfall: shortfall(form, asked, site.Scopes)})
	}
	return sites, nil
}

// pickSites narrows what a grant reaches to what the person named.
func pickSites(form *Form, found []toolkit.Site) ([]toolkit.Site, error) {
	if len(found) == 0 {
		return nil, domain.Errorf(domain.CodeForbidden, "%s was allowed for no site: there is nothing to work on.", form.Toolkit.Name).
			WithFix("Ask again, sign in with the account that uses the site, and allow it there.")
	}
	named := form.given()
	if named == "" {
		return found, nil
	}
	wanted := slices.DeleteFunc(slices.Clone(found), func(site toolkit.Site) bool { return !site.Wanted })
	if len(wanted) > 0 {
		return wanted, nil
	}
	names := make([]string, 0, len(found))
	for _, site := range found[:min(10, len(found))] {
		names = append(names, site.Name)
	}
	e := domain.Invalid("", "%s was not among the sites that were allowed: %s.", clip(named), strings.Join(names, ", ")).
		WithFix("Ask again and allow %s there, or begin again and name one of these sites.", clip(named))
	return nil, e
}

// given is what the person named when connecting, for messages; "" when nothing.
func (f *Form) given() string {
	for _, field := range f.Auth.Fields {
		if v := f.Account.Fields[field.Name]; v != "" && !field.Secret {
			return v
		}
	}
	return ""
}

// grantedScopes are those of a site: what the provider says of the site, else of
// the token, else what was asked for (RFC 6749, 5.1).
func grantedScopes(ofSite []string, token *authscheme.Token, asked []string) []string {
	scopes := ofSite
	if scopes == nil {
		scopes = token.Scopes
	}
	if scopes == nil {
		scopes = asked
	}
	scopes = slices.Clone(scopes)
	const offline = "offline_access"
	if slices.Contains(asked, offline) && token.RefreshToken != "" && !slices.Contains(scopes, offline) {
		scopes = append(scopes, offline)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

func shortfall(form *Form, asked, granted []string) Shortfall {
	var out Shortfall
	for _, scope := range asked {
		if !slices.Contains(granted, scope) {
			out.Missing = append(out.Missing, scope)
		}
	}
	for _, t := range enabled(form.Toolkit, &form.Config) {
		if len(t.Scopes.Missing(asked)) > 0 {
			continue // the project did not ask for it
		}
		out.Of++
		if len(t.Scopes.Missing(granted)) > 0 {
			out.Tools = append(out.Tools, t.Slug)
		}
	}
	return out
}

// grantOf is what is known of the tokens of a connection that begins.
func (s *Service) grantOf(t *authscheme.Token, scopes []string) domain.Grant {
	g := s.grant(t, domain.Grant{})
	g.Scopes = scopes
	return g
}

// proveService connects a service account: the project's credentials give the
// token, the user's fields the site.
func (s *Service) proveService(ctx context.Context, tk *toolkit.Toolkit, auth *toolkit.Auth, a *domain.ConnectedAccount, fields map[string]string) (toolkit.Secrets, error) {
	if a.Scheme == domain.SchemeOAuth2 {
		return nil, domain.Errorf(domain.CodeUnsupported, "connecting %s with %s needs the person's consent on the provider's page", tk.Slug, a.Scheme).
			WithFix("Make a connect link, and have the user open it.")
	}
	if err := checkFields(auth, fields); err != nil {
		return nil, err
	}
	cfg, err := s.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
	if err != nil {
		return nil, err
	}
	p, err := s.provider(ctx, auth, cfg)
	if err != nil {
		return nil, err
	}
	asked := s.asked(tk, auth, cfg)
	p.Scopes = cfg.Scopes // of a service account the provider knows them itself
	token, err := p.ClientCredentials(ctx)
	if err != nil {
		return nil, exchangeError(tk, err)
	}
	form := &Form{Account: *a, Toolkit: tk, Auth: *auth, Config: *cfg}
	form.Account.Fields = fields
	sites, err := s.sites(ctx, form, p.Endpoint, token, asked)
	if err != nil {
		return nil, err
	}
	if len(sites) > 1 {
		names := make([]string, 0, len(sites))
		for _, site := range sites {
			names = append(names, site.Name)
		}
		return nil, domain.Invalid(auth.Fields[0].Name, "the service account reaches several sites: %s", strings.Join(names, ", ")).
			WithFix("Name one of them.")
	}
	maps.Copy(fields, sites[0].Fields)
	a.Grant = s.grantOf(token, sites[0].Scopes)
	return tokenSecrets(token, ""), nil
}

// exchangeError says what became of a request for tokens, for the person who
// connects.
func exchangeError(tk *toolkit.Toolkit, err error) *domain.Error {
	var e *authscheme.Error
	if !errors.As(err, &e) {
		return domain.AsError(err)
	}
	quoted := ""
	if e.Description != "" {
		quoted = fmt.Sprintf(" It says: %q.", e.Description)
	} else if e.Code != "" {
		quoted = fmt.Sprintf(" It says: %s.", e.Code)
	}
	var out *domain.Error
	switch e.Kind {
	case authscheme.KindGrant:
		out = domain.Errorf(domain.CodeInvalid, "%s did not take the answer of its own page: it was used already or came too late.", tk.Name).
			WithFix("Ask again.")
	case authscheme.KindClient:
		out = domain.Errorf(domain.CodeForbidden, "%s refused the application.%s", tk.Name, quoted).
			WithFix("Tell the application's people: client_id or client_secret of its auth config is wrong or has been replaced.")
	case authscheme.KindRequest, authscheme.KindUnsupported:
		out = domain.Errorf(domain.CodeForbidden, "%s refused the request.%s", tk.Name, quoted).
			WithFix("Tell the application's people: check scopes, redirect URI and addresses of its auth config.")
	default:
		out = domain.Errorf(domain.CodeUnavailable, "%s did not answer as it should.", tk.Name).WithFix("Try again in a moment.")
		out.RetryAfter = e.RetryAfter
	}
	return out.WithCause(err)
}
