package connect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-run/sluice/internal/authscheme"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// obtained is the outcome of asking for tokens: a token and the refresh token that
// was used for it, or the account when nothing is left to do.
type obtained struct {
	token   *authscheme.Token
	used    string
	account *domain.ConnectedAccount
}

// ask gets new tokens from the provider. Its error of authscheme.KindGrant is
// to be believed. It runs outside any transaction.
func (s *Service) ask(ctx context.Context, a *domain.ConnectedAccount, why cause) (obtained, error) {
	_, auth, err := s.authOfAccount(ctx, a)
	if err != nil {
		return obtained{}, err
	}
	if auth.OAuth == nil {
		return obtained{}, domain.Errorf(domain.CodeUnsupported, "toolkit %s has no tokens of the auth scheme %s to renew", a.Toolkit, a.Scheme)
	}
	cfg, err := s.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
	if err != nil {
		return obtained{}, err
	}
	o, err := s.provider(ctx, auth, cfg)
	if err != nil {
		return obtained{}, err
	}
	if a.Scheme == domain.SchemeS2SOAuth2 {
		o.Scopes = cfg.Scopes // of a service account the provider knows them itself
		t, err := o.ClientCredentials(ctx)
		if authscheme.KindOf(err) == authscheme.KindGrant {
			// There is no grant that could be dead: the application is refused.
			var e *authscheme.Error
			if errors.As(err, &e) {
				c := *e
				c.Kind = authscheme.KindClient
				err = &c
			}
		}
		return obtained{token: t}, err
	}
	secrets, err := s.open(ctx, a, secretRefresh, secretPrevious)
	if err != nil {
		return obtained{}, err
	}
	if secrets[secretRefresh] == "" {
		return s.cannotRenew(ctx, a, why)
	}
	return s.refreshWith(ctx, o, a, secrets)
}

// refreshWith exchanges the refresh token. A provider's word that it is dead is
// believed when nobody else has a newer one, the one before it is refused too,
// and so is a second try.
func (s *Service) refreshWith(ctx context.Context, o *authscheme.OAuth2, a *domain.ConnectedAccount, secrets toolkit.Secrets) (obtained, error) {
	present, previous := secrets[secretRefresh], secrets[secretPrevious]
	t, refused := o.Refresh(ctx, present)
	if authscheme.KindOf(refused) != authscheme.KindGrant {
		return obtained{token: t, used: present}, refused
	}
	now, err := s.opts.Store.Account(ctx, a.ProjectID, a.ID)
	if err != nil {
		return obtained{}, err
	}
	if now.Generation != a.Generation {
		newer, err := s.open(ctx, &now, secretRefresh)
		if err != nil {
			return obtained{}, err
		}
		if newer[secretRefresh] != present {
			return obtained{account: &now}, nil
		}
	}
	tries := []string{present}
	switch {
	case previous == "" || previous == present:
	case s.now().Sub(a.RefreshedAt) < previousWorks:
		tries = []string{previous, present}
	default: // nothing is left to lose
		tries = append(tries, previous)
	}
	for _, token := range tries {
		t, err := o.Refresh(ctx, token)
		if authscheme.KindOf(err) != authscheme.KindGrant {
			return obtained{token: t, used: token}, err
		}
	}
	return obtained{}, refused
}

// cannotRenew is for a grant without a refresh token: it says so in time, and
// ends it at its end.
func (s *Service) cannotRenew(ctx context.Context, a *domain.ConnectedAccount, why cause) (obtained, error) {
	const reason = "the provider gave no refresh token, so access ends with the access token"
	switch {
	case s.ended(a):
		return obtained{}, &authscheme.Error{Kind: authscheme.KindGrant, Doing: "refreshing", Description: reason}
	case why == causeDue:
		out, err := s.announce(ctx, a, reason)
		return obtained{account: out}, err
	case why == causeEnded:
		return obtained{account: a}, nil
	}
	return obtained{}, domain.Errorf(domain.CodeUnsupported, "account %s cannot be renewed: %s", a.ID, reason).
		WithFix("Connect it again with a scope that gives a refresh token, such as offline_access.")
}

// reasonOf says for a person why tokens were not renewed.
func reasonOf(err error, a *domain.ConnectedAccount) string {
	var e *authscheme.Error
	if !errors.As(err, &e) {
		return domain.AsError(err).Message
	}
	said := e.Code
	if e.Description != "" {
		if said != "" {
			said += ": "
		}
		said += e.Description
	}
	switch {
	case e.Kind == authscheme.KindGrant && e.Code == "":
		return e.Description
	case e.Kind == authscheme.KindGrant:
		return fmt.Sprintf("the provider no longer accepts the grant (%s)", said)
	case e.Kind == authscheme.KindClient:
		return fmt.Sprintf("the provider refuses the application (%s); check client_id and client_secret of auth config %s", said, a.AuthConfigID)
	case e.Status == 0 && e.Unwrap() != nil:
		return domain.AsError(e.Unwrap()).Message
	case e.Kind == authscheme.KindRequest:
		return fmt.Sprintf("the provider refuses the request (%s)", said)
	case e.Status == 0:
		return "the provider did not answer"
	}
	return fmt.Sprintf("the provider answered with status %d and no token", e.Status)
}

// retryAfter is what the provider asked for, within reason.
func retryAfter(err error) time.Duration {
	var e *authscheme.Error
	if errors.As(err, &e) {
		return min(e.RetryAfter, time.Hour)
	}
	return 0
}

// lasting says whether a failure stays until somebody changes something.
func lasting(err error) bool {
	var e *authscheme.Error
	if errors.As(err, &e) {
		return e.Kind != authscheme.KindTransient
	}
	switch domain.CodeOf(err) {
	case domain.CodeUnavailable, domain.CodeInternal, domain.CodeCanceled:
		return false
	}
	return true
}
