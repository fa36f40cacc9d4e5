package connect

import (
	"context"
	"errors"

	"github.com/sluice-run/sluice/internal/authscheme"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Revoked is an account whose credentials are gone.
type Revoked struct {
	Account domain.ConnectedAccount
	// Tokens names what the provider has taken back: refresh_token, access_token.
	Tokens []string
	// Note says what is left to do at the provider; empty when nothing is.
	Note string
}

// Revoke ends an account: its tokens are taken back at the provider where that
// can be done, its secrets are destroyed here in any case, and it is REVOKED.
// That the provider offers no revocation, refuses or does not answer is in Note.
// An account that has nothing to revoke is CodeConflict.
func (s *Service) Revoke(ctx context.Context, projectID, accountID string) (*Revoked, error) {
	a, err := s.Account(ctx, projectID, accountID)
	if err != nil {
		return nil, err
	}
	if a.Status == domain.AccountRevoked || a.Status == domain.AccountInitiated {
		return nil, domain.Errorf(domain.CodeConflict, "account %s is %s: there is nothing to revoke", a.ID, a.Status)
	}
	out := &Revoked{}
	// Nothing upstream inside the transaction; and the secrets go even if that fails.
	out.Tokens, out.Note = s.revokeUpstream(ctx, a)
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		stored, err := tx.Account(ctx, projectID, accountID)
		if err != nil {
			return notFound(err, accountID)
		}
		stored.Status, stored.StatusReason, stored.UpdatedAt = domain.AccountRevoked, "revoked by the application", s.now()
		stored.Grant = domain.Grant{Generation: stored.Generation}
		swapped, err := tx.SwapGrant(ctx, projectID, stored) // a renewal that is under way finds other tokens
		if err == nil && !swapped {
			err = domain.Errorf(domain.CodeConflict, "the account was changed meanwhile").WithFix("Try again.")
		}
		if err != nil {
			return err
		}
		stored.Generation++
		out.Account = stored
		if _, err = tx.DeleteSecrets(ctx, projectID, accountID); err != nil {
			return err
		}
		return s.tellOnce(ctx, tx, &stored, domain.AccountEventRevoked, stored.StatusReason)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// revokeUpstream gives the names of the tokens that the provider took back, and
// what the account's people should know.
func (s *Service) revokeUpstream(ctx context.Context, a *domain.ConnectedAccount) (tokens []string, note string) {
	tk, err := s.opts.Catalog.Toolkit(ctx, a.ProjectID, a.Toolkit)
	if err != nil {
		return nil, "The toolkit is not offered any more, so the provider was not told."
	}
	auth := authOf(tk, a.Scheme)
	if auth == nil || auth.OAuth == nil {
		return nil, "The credentials were typed in, and " + tk.Name + " cannot be told from here: delete the key or token there."
	}
	const byHand = "Remove the app's access there, in the account's settings."
	cfg, err := s.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
	if err != nil {
		return nil, "The auth config cannot be read, so the provider was not told. " + byHand
	}
	p, err := s.provider(ctx, auth, cfg)
	if err != nil {
		return nil, "The auth config is not complete, so the provider was not told. " + byHand
	}
	if p.Endpoint.RevokeURL == "" {
		return nil, tk.Name + " offers no way to take tokens back from here. " + byHand
	}
	secrets, err := s.openSecrets(ctx, a)
	if err != nil {
		return nil, "The tokens cannot be opened, so the provider was not told. " + byHand
	}
	for _, name := range []string{secretRefresh, secretAccess} { // the refresh token first: it ends the grant
		if secrets[name] == "" {
			continue
		}
		if err := p.Revoke(ctx, secrets[name], name); err == nil {
			tokens = append(tokens, name)
		} else if e := (*authscheme.Error)(nil); !errors.As(err, &e) || e.Kind != authscheme.KindUnsupported || len(tokens) == 0 {
			note = tk.Name + " did not confirm that its tokens are revoked. " + byHand
		}
	}
	return tokens, note
}
