package connect

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/authscheme"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// The walk to a provider and back. [Service.Depart] ends on the provider's page,
// [Service.Arrive] takes what the browser brings back. Where a question is left
// (which site, whether less than was asked for will do), [Service.Pending] puts
// it and [Service.Finish] takes the answer; [Service.DepartAgain] asks the
// provider once more. Each is bound to the browser that left by a cookie of its
// own, and the account changes only at the end.

const (
	// CallbackPath is where providers send browsers back to, below the public
	// address.
	CallbackPath = "/oauth/callback"
	// flowTTL bounds a browser's way to the provider and back, and the time for
	// the questions after that.
	flowTTL = 10 * time.Minute
	// fieldRedirect is the auth config's own callback address.
	fieldRedirect = "oauth_redirect_uri"
	fieldClientID = "client_id"
	fieldSecret   = "client_secret"
)

// Departure is a browser's way to the provider.
type Departure struct {
	URL         string // of the provider's page
	Flow        string // names the walk; no secret
	Browser     string // the secret that the browser must bring back, in a cookie
	RedirectURI string
	ExpiresAt   time.Time
}

// Leaves says whether the account is connected on the provider's own page, so
// that [Service.Depart] takes the place of [Service.Complete].
func (f *Form) Leaves() bool { return f.Account.Scheme == domain.SchemeOAuth2 }

// Depart begins the walk of a link's browser. values are what the form asked
// for; origin is the router's own, https://host, for the redirect URI where the
// auth config names none.
func (s *Service) Depart(ctx context.Context, token, origin string, values map[string]string) (*Departure, error) {
	form, err := s.Form(ctx, token)
	if err != nil {
		return nil, err
	}
	if fresh(&form.Account) {
		fields, _, err := split(&form.Auth, values)
		if err != nil {
			return nil, err
		}
		if err := checkFields(&form.Auth, fields); err != nil {
			return nil, err
		}
		form.Account.Fields = fields
	}
	redirect, err := redirectURI(&form.Auth, &form.Config, origin)
	if err != nil {
		return nil, err
	}
	return s.depart(ctx, form, redirect)
}

// fresh says whether the account has never been connected.
func fresh(a *domain.ConnectedAccount) bool {
	return len(a.Identity) == 0 && a.Generation == 0 && a.Status != domain.AccountActive
}

func checkFields(auth *toolkit.Auth, fields map[string]string) error {
	if auth.OAuth == nil || auth.OAuth.CheckFields == nil {
		return nil
	}
	if err := auth.OAuth.CheckFields(fields); err != nil {
		return baseURLError(err)
	}
	return nil
}

// RedirectURI is the address that has to be registered with the auth config's
// application at the provider: the config's own, or this router's below origin.
func (s *Service) RedirectURI(ctx context.Context, cfg *domain.AuthConfig, origin string) (string, error) {
	tk, err := s.opts.Catalog.Toolkit(ctx, cfg.ProjectID, cfg.Toolkit)
	if err != nil {
		return "", err
	}
	auth := authOf(tk, cfg.Scheme)
	if auth == nil || auth.OAuth == nil {
		return "", domain.Errorf(domain.CodeUnsupported, "toolkit %s needs no redirect URI with %s", cfg.Toolkit, cfg.Scheme)
	}
	return redirectURI(auth, cfg, origin)
}

func redirectURI(auth *toolkit.Auth, cfg *domain.AuthConfig, origin string) (string, error) {
	path, err := callbackPath(auth, cfg)
	if err != nil {
		return "", err
	}
	here, err := url.Parse(origin)
	if err != nil {
		return "", domain.Internal("reading the router's own address", err)
	}
	own := cfg.Fields[fieldRedirect]
	if own == "" {
		return strings.TrimRight(origin, "/") + path, nil
	}
	u, err := url.Parse(own)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Fragment != "":
		return "", domain.Invalid(fieldRedirect, "the auth config's %s is not an address that a browser can be sent to", fieldRedirect)
	case u.Host == here.Host && !returns(path, u.Path):
		return "", domain.Invalid(fieldRedirect, "the auth config's %s cannot be at %s", fieldRedirect, clip(u.Path)).
			WithFix("Leave it out, or use %s%s.", strings.TrimRight(origin, "/"), path)
	}
	return own, nil
}

// CallbackPaths are where a browser may come back to from a toolkit's usual
// provider. Those beside our own are Composio's: an app that is registered with
// them needs only the host changed.
func CallbackPaths() []string {
	return []string{CallbackPath, "/api/v3.1/toolkits/auth/callback", "/api/v3/toolkits/auth/callback", "/api/v1/auth-apps/add"}
}

// callbackPath is where browsers come back to from the config's provider. One
// that a project has named itself has a path of its own (RFC 9700, 4.4.2): else
// it could pass a browser on to the usual provider, and have the answer taken
// for its own.
func callbackPath(auth *toolkit.Auth, cfg *domain.AuthConfig) (string, error) {
	usual, err := auth.OAuth.Endpoint(nil)
	if err != nil {
		return "", baseURLError(err)
	}
	named, err := auth.OAuth.Endpoint(cfg.Fields)
	if err != nil {
		return "", baseURLError(err)
	}
	if usual.AuthorizeURL == named.AuthorizeURL && usual.TokenURL == named.TokenURL && usual.APIURL == named.APIURL {
		return CallbackPath, nil
	}
	sum := sha256.Sum256([]byte(named.AuthorizeURL + "\n" + named.TokenURL + "\n" + named.APIURL))
	return CallbackPath + "/" + hex.EncodeToString(sum[:8]), nil
}

// returns says whether a browser that was to come back to path may do so at got.
func returns(path, got string) bool {
	return got == path || path == CallbackPath && slices.Contains(CallbackPaths(), got)
}

func (s *Service) depart(ctx context.Context, form *Form, redirect string) (*Departure, error) {
	asked := s.asked(form.Toolkit, &form.Auth, &form.Config)
	p, err := s.provider(ctx, &form.Auth, &form.Config)
	if err != nil {
		return nil, err
	}
	if p.Endpoint.AuthorizeURL == "" {
		return nil, domain.Errorf(domain.CodeUnsupported, "%s has no page on which a person could consent", form.Toolkit.Name)
	}
	p.RedirectURI, p.Scopes = redirect, asked
	state, browser, verifier := domain.NewSecret(""), domain.NewSecret(""), authscheme.Verifier()
	a := &form.Account
	sealed, err := s.opts.Vault.Seal(ctx, verifierRef(a), []byte(verifier))
	if err != nil {
		return nil, fmt.Errorf("sealing the verifier: %w", err)
	}
	now := s.now()
	until := now.Add(flowTTL)
	if last := form.Link.ExpiresAt.Add(flowTTL); last.Before(until) {
		until = last // asking again and again makes no link last longer
	}
	if !now.Before(until) {
		return nil, spentFlow("This sign-in took too long.")
	}
	flow := domain.OAuthFlow{
		StateHash: sha256.Sum256([]byte(state)), ProjectID: a.ProjectID, AccountID: a.ID, LinkHash: form.Link.TokenHash,
		BrowserHash: sha256.Sum256([]byte(browser)), Verifier: sealed, RedirectURI: redirect,
		CreatedAt: now, ExpiresAt: until,
	}
	err = s.inTx(ctx, a, func(tx store.Tx, stored *domain.ConnectedAccount) error {
		if fresh(stored) {
			stored.Fields, stored.UpdatedAt = a.Fields, now
			if err := tx.UpdateAccount(ctx, a.ProjectID, *stored); err != nil {
				return err
			}
		}
		return tx.CreateFlow(ctx, flow)
	})
	if err != nil {
		return nil, err
	}
	return &Departure{
		URL: p.AuthorizeURL(state, verifier), Flow: flowID(&flow), Browser: browser, RedirectURI: redirect, ExpiresAt: flow.ExpiresAt,
	}, nil
}

func verifierRef(a *domain.ConnectedAccount) vault.Ref {
	return vault.Ref{ProjectID: a.ProjectID, AccountID: a.ID, Field: "oauth_verifier"}
}

func flowID(f *domain.OAuthFlow) string { return hex.EncodeToString(f.StateHash[:]) }

// FlowOf names the walk that a state belongs to, whether or not there is one:
// the cookie of its browser is called after it.
func FlowOf(state string) string {
	sum := sha256.Sum256([]byte(state))
	return hex.EncodeToString(sum[:])
}

// flow gives the walk of that name to the browser that is on it.
func (s *Service) flow(ctx context.Context, id, browser string) (*domain.OAuthFlow, error) {
	var hash [32]byte
	if b, err := hex.DecodeString(id); err != nil || len(b) != len(hash) || copy(hash[:], b) != len(hash) {
		return nil, lostFlow()
	}
	f, err := s.opts.Store.FlowByState(ctx, hash)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil, lostFlow()
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(browser))
	if subtle.ConstantTimeCompare(sum[:], f.BrowserHash[:]) != 1 {
		return nil, domain.Errorf(domain.CodeForbidden, "This sign-in was not begun in this browser.").
			WithFix("Nothing was connected. Open your own connect link in this browser, with cookies allowed, and go on from there. " +
				"If you began in your own terminal, paste the address of this page there; never give it to anybody.")
	}
	return &f, nil
}

func lostFlow() error {
	return domain.Errorf(domain.CodeNotFound, "This sign-in is not known here.").
		WithFix("Open your connect link again, or ask the application or agent that sent you here for a new one.")
}

func spentFlow(sentence string) error {
	return domain.Errorf(domain.CodeNotFound, "%s", sentence).WithCause(ErrSpent).
		WithFix("Open your connect link again, or ask the application or agent that sent you here for a new one.")
}

// asked are the scopes that a connection by the config asks for: the project's
// choice, else what the enabled tools need. Of scopes of which one is enough,
// one that is asked for anyway is taken, else the first.
func (s *Service) asked(tk *toolkit.Toolkit, auth *toolkit.Auth, cfg *domain.AuthConfig) []string {
	if auth.OAuth == nil || cfg.Scopes != nil {
		return cfg.Scopes
	}
	scopes := slices.Clone(auth.OAuth.Scopes)
	tools := enabled(tk, cfg)
	if len(cfg.CreationTools) > 0 {
		tools = slices.DeleteFunc(slices.Clone(tools), func(t *toolkit.Tool) bool { return !slices.Contains(cfg.CreationTools, t.Slug) })
	}
	for _, single := range []bool{true, false} { // what leaves no choice first
		for _, t := range tools {
			for _, need := range slices.Concat(t.Scopes.All, t.Scopes.Some) {
				if (len(need) == 1) == single && len(need) > 0 && !anyOf(need, scopes) {
					scopes = append(scopes, need[0])
				}
			}
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

func anyOf(need, scopes []string) bool {
	return slices.ContainsFunc(need, func(n string) bool { return slices.Contains(scopes, n) })
}

// enabled are the tools that may run on accounts of the config.
func enabled(tk *toolkit.Toolkit, cfg *domain.AuthConfig) []*toolkit.Tool {
	var tools []*toolkit.Tool
	for i := range tk.Tools {
		if len(cfg.Tools) == 0 || slices.Contains(cfg.Tools, tk.Tools[i].Slug) {
			tools = append(tools, &tk.Tools[i])
		}
	}
	return tools
}

// provider gives the project's application at the provider.
func (s *Service) provider(ctx context.Context, auth *toolkit.Auth, cfg *domain.AuthConfig) (*authscheme.OAuth2, error) {
	if err := configured(auth, cfg); err != nil {
		return nil, err
	}
	endpoint, err := auth.OAuth.Endpoint(cfg.Fields)
	if err != nil {
		return nil, baseURLError(err)
	}
	p := &authscheme.OAuth2{
		Endpoint: endpoint, ClientID: cfg.Fields[fieldClientID], Now: s.opts.Now,
		HTTP: s.opts.HTTP.For(httpx.CallOptions{Label: cfg.Toolkit}),
	}
	sealed, err := s.opts.Store.ConfigSecrets(ctx, cfg.ProjectID, cfg.ID)
	if err != nil {
		return nil, err
	}
	if b, ok := sealed[fieldSecret]; ok {
		secret, err := s.opts.Vault.Open(ctx, vault.Ref{ProjectID: cfg.ProjectID, AccountID: cfg.ID, Field: fieldSecret}, b)
		if err != nil {
			return nil, err
		}
		p.ClientSecret = string(secret)
	}
	return p, nil
}

// configured says what the project has yet to give before anybody can connect
// by the config.
func configured(auth *toolkit.Auth, cfg *domain.AuthConfig) error {
	for _, f := range auth.ConfigFields {
		if f.Required && !f.Secret && cfg.Fields[f.Name] == "" {
			return domain.Errorf(domain.CodeUnsupported, "connecting %s with %s needs an application of the project's own: its auth config has no %s", cfg.Toolkit, auth.Scheme, f.Name).
				WithFix("Make an auth config of toolkit %s with scheme %s and the application's credentials.", cfg.Toolkit, auth.Scheme)
		}
	}
	return nil
}
