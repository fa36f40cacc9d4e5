package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-run/sluice/internal/authscheme"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// Arrived is what a browser brings back from a provider. Texts are the
// provider's, and may be anybody's.
type Arrived struct {
	Path               string // of the callback
	State, Code        string
	Error, Description string
	Issuer             string // RFC 9207
	Browser            string // the cookie that Depart gave
	// Carried says that a person brought it from the walk's own redirect URI, so
	// that Path need not be one of ours.
	Carried bool
}

// Pending is a connection with a question left.
type Pending struct {
	Form  *Form
	Flow  string
	Sites []Site // one: only whether its shortfall will do
}

// Connected is a connection that is made.
type Connected struct {
	Form     *Form
	Account  domain.ConnectedAccount
	Callback string // where the application waits; optional
}

// FlowError is a walk that led nowhere. The link is still good: the browser may
// ask again.
type FlowError struct {
	Err      *domain.Error
	Form     *Form
	Flow     string
	Callback string // where the application waits, with what went wrong; optional
}

// Error gives the sentence for the person.
func (e *FlowError) Error() string { return e.Err.Error() }

// Unwrap gives the error in words of the domain.
func (e *FlowError) Unwrap() error { return e.Err }

// Arrive takes a browser that came back. It gives the connected account or the
// question that is left. A state that is unknown, used, expired or another
// browser's changes nothing; other failures are a *FlowError.
func (s *Service) Arrive(ctx context.Context, in Arrived) (*Connected, *Pending, error) {
	flow, err := s.flow(ctx, FlowOf(in.State), in.Browser)
	if err != nil {
		return nil, nil, err
	}
	used, err := s.opts.Store.UseFlow(ctx, flow.ProjectID, flow.StateHash, s.now())
	switch {
	case err != nil:
		return nil, nil, err
	case !used && !flow.UsedAt.IsZero():
		return nil, nil, spentFlow("This sign-in was answered already.")
	case !used:
		return nil, nil, spentFlow("This sign-in took too long: it was good for " + inWords(flow.ExpiresAt.Sub(flow.CreatedAt)) + ".")
	}
	form, err := s.formOfFlow(ctx, flow)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.provider(ctx, &form.Auth, &form.Config)
	if err != nil {
		return nil, nil, s.failed(ctx, form, flow, "", err)
	}
	path, err := callbackPath(&form.Auth, &form.Config)
	if err != nil {
		return nil, nil, s.failed(ctx, form, flow, "", err)
	}
	if !in.Carried && !returns(path, in.Path) || in.Issuer != "" && !sameIssuer(&p.Endpoint, in.Issuer) {
		return nil, nil, s.failed(ctx, form, flow, "invalid_issuer", domain.Errorf(domain.CodeForbidden,
			"The answer came from another provider than the one that was asked.").WithFix("Nothing was connected. Ask again; if this stays so, do not go on."))
	}
	if in.Error != "" || in.Code == "" {
		return nil, nil, s.failed(ctx, form, flow, in.Error, refusedConsent(form, in))
	}
	token, err := s.exchange(ctx, p, flow, in.Code)
	if err != nil {
		return nil, nil, s.failed(ctx, form, flow, "", exchangeError(form.Toolkit, err))
	}
	if err := s.keepPending(ctx, form, flow, token); err != nil {
		return nil, nil, err
	}
	return s.settle(ctx, form, flow, p, token, nil)
}

func (s *Service) exchange(ctx context.Context, p *authscheme.OAuth2, flow *domain.OAuthFlow, code string) (*authscheme.Token, error) {
	ref := vault.Ref{ProjectID: flow.ProjectID, AccountID: flow.AccountID, Field: "oauth_verifier"}
	verifier, err := s.opts.Vault.Open(ctx, ref, flow.Verifier)
	if err != nil {
		return nil, err
	}
	p.RedirectURI = flow.RedirectURI
	return p.Exchange(ctx, code, string(verifier))
}

// sameIssuer says whether an answer names the provider that was asked.
func sameIssuer(e *toolkit.Endpoint, issuer string) bool {
	if e.Issuer != "" {
		return strings.TrimRight(issuer, "/") == strings.TrimRight(e.Issuer, "/")
	}
	got, err := url.Parse(issuer)
	want, err2 := url.Parse(e.AuthorizeURL)
	return err == nil && err2 == nil && got.Scheme == want.Scheme && strings.EqualFold(got.Host, want.Host)
}

// refusedConsent says why the browser came back without a code.
func refusedConsent(form *Form, in Arrived) *domain.Error {
	name := form.Toolkit.Name
	switch in.Error {
	case "access_denied", "consent_required", "user_cancelled_authorize":
		return domain.Errorf(domain.CodeForbidden, "You did not allow the access, so %s is not connected.", name).
			WithFix("Ask again if that was not what you meant. An administrator may have to allow the app first.")
	case "invalid_scope":
		return domain.Errorf(domain.CodeForbidden, "%s does not know a permission that was asked for, or its app may not ask for it.", name).
			WithFix("Tell the application's people: add the scopes to the app at the provider, or change the scopes of the auth config.")
	case "temporarily_unavailable", "server_error":
		return domain.Errorf(domain.CodeUnavailable, "%s could not answer just now.", name).WithFix("Ask again in a moment.")
	case "":
		return domain.Errorf(domain.CodeInvalid, "%s sent you back without an answer.", name).WithFix("Ask again.")
	}
	return domain.Errorf(domain.CodeForbidden, "%s refused the request. It says: %q.", name, clip(plain(in.Error+" "+in.Description))).
		WithFix("Ask again; if this stays so, tell the application's people.")
}

// plain takes from a stranger's text what could mislead.
func plain(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "")))
}

// failed makes the *FlowError of a walk, and an account that was never connected
// FAILED. One that was connected before stays as it is.
func (s *Service) failed(ctx context.Context, form *Form, flow *domain.OAuthFlow, code string, cause error) error {
	e := domain.AsError(cause)
	err := s.inTx(ctx, &form.Account, func(tx store.Tx, stored *domain.ConnectedAccount) error {
		if !fresh(stored) {
			return nil
		}
		stored.Status, stored.StatusReason, stored.UpdatedAt = domain.AccountFailed, e.Message, s.now()
		return tx.UpdateAccount(ctx, stored.ProjectID, *stored)
	})
	if err != nil {
		return err
	}
	return &FlowError{Err: e, Form: form, Flow: flowID(flow), Callback: failureCallback(form, code)}
}

// failureCallback tells the application that waits what went wrong.
func failureCallback(form *Form, code string) string {
	known := []string{"access_denied", "invalid_scope", "temporarily_unavailable", "server_error", "invalid_issuer"}
	if !slices.Contains(known, code) {
		code = "connection_failed"
	}
	return withParams(form.Link.CallbackURL, &form.Account, map[string]string{"status": "failed", "error": code})
}

// pendingGrant is how fresh tokens are kept, sealed, until the account is
// settled. Those of an account that works already stay beside them.
type pendingGrant struct {
	Flow      string    `json:"flow"`
	Access    string    `json:"access"`
	Refresh   string    `json:"refresh,omitempty"`
	Type      string    `json:"type,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Scopes    []string  `json:"scopes,omitempty"`
}

func (s *Service) keepPending(ctx context.Context, form *Form, flow *domain.OAuthFlow, t *authscheme.Token) error {
	raw, err := json.Marshal(pendingGrant{flowID(flow), t.AccessToken, t.RefreshToken, t.Type, t.ExpiresAt, t.Scopes})
	if err != nil {
		return fmt.Errorf("writing a grant: %w", err)
	}
	sealed, err := s.seal(ctx, &form.Account, toolkit.Secrets{secretPending: string(raw)})
	if err != nil {
		return err
	}
	return s.inTx(ctx, &form.Account, func(tx store.Tx, stored *domain.ConnectedAccount) error {
		// The provider took its time: an account that was ended keeps nothing.
		link, err := tx.LinkByHash(ctx, form.Link.TokenHash)
		if err != nil {
			return err
		}
		if !link.UsedAt.IsZero() {
			return badLink("This link was used or has expired meanwhile.").WithCause(ErrSpent)
		}
		return putSecrets(ctx, tx, stored, sealed)
	})
}

// pending opens the tokens that a walk brought.
func (s *Service) pending(ctx context.Context, form *Form, flow *domain.OAuthFlow) (*authscheme.Token, error) {
	sealed, err := s.opts.Store.Secrets(ctx, flow.ProjectID, flow.AccountID)
	if err != nil {
		return nil, err
	}
	if sealed[secretPending] == nil {
		return nil, spentFlow("This sign-in is finished, or was given up.")
	}
	raw, err := s.opts.Vault.Open(ctx, vault.Ref{ProjectID: flow.ProjectID, AccountID: flow.AccountID, Field: secretPending}, sealed[secretPending])
	if err != nil {
		return nil, err
	}
	var g pendingGrant
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, fmt.Errorf("reading a grant: %w", err)
	}
	if g.Flow != flowID(flow) {
		return nil, spentFlow("This sign-in was begun anew since.")
	}
	return &authscheme.Token{AccessToken: g.Access, RefreshToken: g.Refresh, Type: g.Type, ExpiresAt: g.ExpiresAt, Scopes: g.Scopes}, nil
}

// DropAbandoned removes up to n sealed grants, of all projects, of walks whose
// question nobody answered in its time, and says how many.
func (s *Service) DropAbandoned(ctx context.Context, n int) (int, error) {
	return s.opts.Store.DropSecretsOfFlows(ctx, secretPending, s.now().Add(-flowTTL), n)
}

// Pending gives the question of a walk to the browser that is on it.
func (s *Service) Pending(ctx context.Context, flowID, browser string) (*Pending, error) {
	form, flow, p, token, err := s.resume(ctx, flowID, browser)
	if err != nil {
		return nil, err
	}
	sites, err := s.sites(ctx, form, p.Endpoint, token, s.asked(form.Toolkit, &form.Auth, &form.Config))
	if err != nil {
		return nil, s.failed(ctx, form, flow, "", err)
	}
	return &Pending{Form: form, Flow: flowID, Sites: sites}, nil
}

// Finish connects the account to the site with the id, with whatever was granted
// for it.
func (s *Service) Finish(ctx context.Context, flowID, browser, siteID string) (*Connected, *Pending, error) {
	form, flow, p, token, err := s.resume(ctx, flowID, browser)
	if err != nil {
		return nil, nil, err
	}
	return s.settle(ctx, form, flow, p, token, &siteID)
}

// DepartAgain asks the provider once more, on the same link.
func (s *Service) DepartAgain(ctx context.Context, flowID, browser string) (*Form, *Departure, error) {
	flow, err := s.flow(ctx, flowID, browser)
	if err != nil {
		return nil, nil, err
	}
	if !s.now().Before(flow.ExpiresAt) {
		return nil, nil, spentFlow("This sign-in took too long.")
	}
	form, err := s.formOfFlow(ctx, flow)
	if err != nil {
		return nil, nil, err
	}
	d, err := s.depart(ctx, form, flow.RedirectURI)
	return form, d, err
}

// resume finds a walk that came back and waits for the person.
func (s *Service) resume(ctx context.Context, id, browser string) (*Form, *domain.OAuthFlow, *authscheme.OAuth2, *authscheme.Token, error) {
	flow, err := s.flow(ctx, id, browser)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if flow.UsedAt.IsZero() || !s.now().Before(flow.UsedAt.Add(flowTTL)) {
		return nil, nil, nil, nil, spentFlow("This sign-in took too long.")
	}
	form, err := s.formOfFlow(ctx, flow)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	token, err := s.pending(ctx, form, flow)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	p, err := s.provider(ctx, &form.Auth, &form.Config)
	return form, flow, p, token, err
}

// settle connects the account when no question is left: one site, or the chosen
// one, and nothing missing, or a person who knows it.
func (s *Service) settle(ctx context.Context, form *Form, flow *domain.OAuthFlow, p *authscheme.OAuth2, token *authscheme.Token, chosen *string) (*Connected, *Pending, error) {
	asked := s.asked(form.Toolkit, &form.Auth, &form.Config)
	sites, err := s.sites(ctx, form, p.Endpoint, token, asked)
	if err != nil {
		return nil, nil, s.failed(ctx, form, flow, "", err)
	}
	site := sites[0]
	switch {
	case chosen == nil && (len(sites) > 1 || len(site.Missing) > 0):
		return nil, &Pending{Form: form, Flow: flowID(flow), Sites: sites}, nil
	case chosen != nil:
		i := slices.IndexFunc(sites, func(site Site) bool { return site.ID == *chosen })
		if i < 0 {
			return nil, &Pending{Form: form, Flow: flowID(flow), Sites: sites}, nil
		}
		site = sites[i]
	}
	a := form.Account
	a.Fields = maps.Clone(a.Fields)
	if a.Fields == nil {
		a.Fields = map[string]string{}
	}
	maps.Copy(a.Fields, site.Fields)
	secrets := tokenSecrets(token, "")
	identity, err := s.check(ctx, form.Toolkit, &form.Auth, a.Fields, secrets)
	if err != nil {
		return nil, nil, s.failed(ctx, form, flow, "", err)
	}
	if was := a.Identity["id"]; was != "" && identity["id"] != was {
		return nil, nil, s.failed(ctx, form, flow, "", anotherPerson(form, identity))
	}
	a.Identity, a.Grant = identity, s.grantOf(token, site.Scopes)
	sealed, err := s.seal(ctx, &a, secrets)
	if err != nil {
		return nil, nil, err
	}
	if err := s.activate(ctx, form, &a, sealed); err != nil {
		return nil, nil, err
	}
	return &Connected{Form: form, Account: a, Callback: callback(form.Link.CallbackURL, &a)}, nil, nil
}

// anotherPerson refuses to put somebody else in an account's place: what is
// pinned to it would run as them.
func anotherPerson(form *Form, got toolkit.Identity) error {
	was := form.Account.Identity
	name := func(who map[string]string) string {
		for _, key := range []string{"name", "email", "id"} {
			if who[key] != "" {
				return who[key]
			}
		}
		return "somebody else"
	}
	return domain.Errorf(domain.CodeForbidden, "You signed in as %s, but this connection is of %s.", name(got), name(was)).
		WithFix("Ask again and sign in as %s, or make a new connection.", name(was))
}

// activate makes the account ACTIVE with the sealed secrets and its grant, and
// uses the link up. It is all or nothing.
func (s *Service) activate(ctx context.Context, form *Form, a *domain.ConnectedAccount, sealed map[string][]byte) error {
	return s.inTx(ctx, a, func(tx store.Tx, stored *domain.ConnectedAccount) error {
		now := s.now()
		at := now
		if last := form.Link.ExpiresAt.Add(-time.Microsecond); form.Leaves() && at.After(last) {
			at = last // the walk began in time, and has a time of its own
		}
		used, err := tx.UseLink(ctx, a.ProjectID, form.Link.TokenHash, at)
		if err != nil {
			return err
		}
		if !used {
			return badLink("This link was used or has expired meanwhile.").WithCause(ErrSpent)
		}
		if _, err := tx.VoidLinks(ctx, a.ProjectID, a.ID, now); err != nil {
			return err
		}
		cfg, err := tx.AuthConfig(ctx, a.ProjectID, stored.AuthConfigID)
		if err != nil {
			return noAuthConfig(err, stored.AuthConfigID)
		}
		if cfg.Disabled {
			return linkOff()
		}
		stored.Fields, stored.Identity = a.Fields, a.Identity
		stored.Status, stored.StatusReason, stored.UpdatedAt = domain.AccountActive, "", now
		if err := tx.UpdateAccount(ctx, a.ProjectID, *stored); err != nil {
			return err
		}
		grant := a.Grant
		grant.Generation = stored.Generation
		stored.Grant = grant
		swapped, err := tx.SwapGrant(ctx, a.ProjectID, *stored)
		if err != nil {
			return err
		}
		if !swapped {
			return domain.Errorf(domain.CodeConflict, "the account was changed meanwhile").WithFix("Try again.")
		}
		if _, err := tx.DeleteSecrets(ctx, a.ProjectID, a.ID); err != nil {
			return err
		}
		stored.Generation++
		*a = *stored
		if err := putSecrets(ctx, tx, a, sealed); err != nil {
			return err
		}
		return s.tellOnce(ctx, tx, a, domain.AccountEventRecovered, "it was connected again")
	})
}

// inTx runs f with the account as it is stored.
func (s *Service) inTx(ctx context.Context, a *domain.ConnectedAccount, f func(tx store.Tx, stored *domain.ConnectedAccount) error) error {
	return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		stored, err := tx.Account(ctx, a.ProjectID, a.ID)
		if err != nil {
			if domain.CodeOf(err) == domain.CodeNotFound {
				return badLink("This link is not valid any more: its account was removed.").WithCause(ErrSpent)
			}
			return err
		}
		return f(tx, &stored)
	})
}

// ErrSpent is the cause of errors about links and walks that were good once.
var ErrSpent = errors.New("connect: used or expired")
