package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// Prepare gives the Call of one execution on the account: guarded client with
// credentials, base URL, public fields. Tokens that have ended, or are about to,
// are renewed first, and once more when the upstream refuses them. The plaintext
// secrets live in the returned client only. Upstream requests are counted into calls when it is not
// nil. A nil account is for toolkits without auth.
func (s *Service) Prepare(ctx context.Context, tk *toolkit.Toolkit, account *domain.ConnectedAccount, calls *atomic.Int64) (*toolkit.Call, error) {
	if account == nil {
		if !tk.NoAuth() {
			return nil, NoConnection(tk.Slug)
		}
		return &toolkit.Call{HTTP: s.opts.HTTP.For(httpx.CallOptions{Count: calls, Label: tk.Slug})}, nil
	}
	auth := authOf(tk, account.Scheme)
	if auth == nil {
		return nil, domain.Errorf(domain.CodeUnsupported, "toolkit %s no longer supports the auth scheme %s of account %s", tk.Slug, account.Scheme, account.ID).
			WithFix("Connect the toolkit again.")
	}
	if auth.OAuth != nil && !s.live(account) {
		var err error
		if account, err = s.renewGrant(ctx, account, causeEnded); err != nil {
			return nil, err
		}
	}
	secrets, err := s.openForCall(ctx, account)
	if err != nil {
		return nil, err
	}
	if auth.OAuth == nil {
		return s.call(tk, auth, account.Fields, secrets, account.Identity, calls)
	}
	r := &renewing{s: s, account: *account, secrets: secrets}
	call, err := s.callWith(tk, auth, account.Fields, func() toolkit.Secrets { now, _ := r.now(); return now }, account.Identity, calls)
	if err != nil {
		return nil, err
	}
	if r.base, err = url.Parse(call.BaseURL); err != nil {
		return nil, domain.Internal("preparing a call", err)
	}
	r.next, call.HTTP.Transport = call.HTTP.Transport, r
	return call, nil
}

// call makes a Call from a connection's parts.
func (s *Service) call(tk *toolkit.Toolkit, auth *toolkit.Auth, fields map[string]string, secrets toolkit.Secrets, identity toolkit.Identity, calls *atomic.Int64) (*toolkit.Call, error) {
	return s.callWith(tk, auth, fields, func() toolkit.Secrets { return secrets }, identity, calls)
}

// callWith is call with secrets that may change.
func (s *Service) callWith(tk *toolkit.Toolkit, auth *toolkit.Auth, fields map[string]string, secrets func() toolkit.Secrets, identity toolkit.Identity, calls *atomic.Int64) (*toolkit.Call, error) {
	if auth.BaseURL == nil || auth.Authorize == nil {
		return nil, domain.Internal("preparing a call", fmt.Errorf("auth %s has no BaseURL or no Authorize", auth.Name))
	}
	base, err := auth.BaseURL(fields)
	if err != nil {
		return nil, baseURLError(err)
	}
	base = strings.TrimRight(base, "/")
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, domain.Invalid("", "the account's address cannot be used: it is not the address of a site").
			WithFix("Check what was given as the site's address.")
	}
	client := s.opts.HTTP.For(httpx.CallOptions{
		BaseURL: u,
		Count:   calls,
		Label:   tk.Slug,
		Authorize: func(r *http.Request) error {
			auth.Authorize(r, fields, secrets())
			return nil
		},
	})
	return &toolkit.Call{HTTP: client, BaseURL: base, Account: fields, Identity: identity}, nil
}

// baseURLError names the field that the address could not be made from.
func baseURLError(err error) error {
	var te *toolkit.Error
	if !errors.As(err, &te) {
		return domain.Internal("making the account's address", err)
	}
	e := domain.Invalid(te.Field, "%s", te.Message)
	if te.Field != "" {
		e.Message = te.Field + ": " + te.Message
	}
	e.Fix = te.Fix
	return e.WithCause(te)
}

// seal seals secrets under the account's id and each field's name.
func (s *Service) seal(ctx context.Context, a *domain.ConnectedAccount, secrets toolkit.Secrets) (map[string][]byte, error) {
	sealed := make(map[string][]byte, len(secrets))
	for field, value := range secrets {
		b, err := s.opts.Vault.Seal(ctx, vault.Ref{ProjectID: a.ProjectID, AccountID: a.ID, Field: field}, []byte(value))
		if err != nil {
			return nil, fmt.Errorf("sealing %s: %w", field, err)
		}
		sealed[field] = b
	}
	return sealed, nil
}

// openSecrets opens all that an account has.
func (s *Service) openSecrets(ctx context.Context, a *domain.ConnectedAccount) (toolkit.Secrets, error) {
	return s.openIf(ctx, a, func(string) bool { return true })
}

// openForCall opens what a call needs: it never sees a refresh token.
func (s *Service) openForCall(ctx context.Context, a *domain.ConnectedAccount) (toolkit.Secrets, error) {
	return s.openIf(ctx, a, func(field string) bool {
		return field != secretRefresh && field != secretPrevious && field != secretPending
	})
}

// open opens the named secrets of an account; those that it does not have are
// left out.
func (s *Service) open(ctx context.Context, a *domain.ConnectedAccount, fields ...string) (toolkit.Secrets, error) {
	return s.openIf(ctx, a, func(field string) bool { return slices.Contains(fields, field) })
}

func (s *Service) openIf(ctx context.Context, a *domain.ConnectedAccount, wanted func(field string) bool) (toolkit.Secrets, error) {
	sealed, err := s.opts.Store.Secrets(ctx, a.ProjectID, a.ID)
	if err != nil {
		return nil, err
	}
	secrets := make(toolkit.Secrets, len(sealed))
	for field, b := range sealed {
		if !wanted(field) {
			continue
		}
		plain, err := s.opts.Vault.Open(ctx, vault.Ref{ProjectID: a.ProjectID, AccountID: a.ID, Field: field}, b)
		if err != nil {
			return nil, err
		}
		secrets[field] = string(plain)
	}
	return secrets, nil
}
