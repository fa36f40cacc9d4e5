package connect

import (
	"context"
	"errors"
	"time"

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
	// A renewal that is under way would bring a token that nobody takes back.
	defer s.holdRenewals(ctx, a)()
	// Nothing upstream inside the transaction; and the secrets go even if that fails.
	taken := s.RevokeUpstream(ctx, a)
	out.Tokens, out.Note = taken.Tokens, taken.Note
	ended, _, err := s.End(ctx, projectID, accountID, "revoked by the application", true)
	if err != nil {
		return nil, err
	}
	out.Account = *ended
	return out, nil
}

// holdRenewals waits until nobody renews the account's tokens and keeps others from
// beginning, for as long as a renewal may take; a provider that hangs is not waited
// for longer. It gives what ends that.
func (s *Service) holdRenewals(ctx context.Context, a *domain.ConnectedAccount) (release func()) {
	release = func() {}
	if a.Scheme != domain.SchemeOAuth2 && a.Scheme != domain.SchemeS2SOAuth2 {
		return release
	}
	ctx, cancel := context.WithTimeout(ctx, revokeWait)
	defer cancel()
	unlock, err := s.renewals.lock(ctx, a.ProjectID+"\x00"+a.ID)
	if err != nil {
		return release
	}
	lease := leaseOf(a)
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		now := s.now()
		taken, err := s.opts.Store.TakeLease(ctx, lease, s.owner, now, now.Add(s.opts.RefreshLease))
		if taken && err == nil {
			return func() {
				_ = s.opts.Store.DropLease(context.WithoutCancel(ctx), lease, s.owner) // it runs out by itself
				unlock()
			}
		}
		if err != nil || ctx.Err() != nil {
			return unlock
		}
		pause(ctx, poll)
	}
}

// revokeWait bounds how long a revocation waits for a renewal.
const revokeWait = 10 * time.Second

// End makes the account REVOKED, whatever it has become meanwhile: no call runs
// on it any more, and a renewal that is under way is for nothing. With destroy its
// secrets go too; it says how many. Providers are not told: see RevokeUpstream.
func (s *Service) End(ctx context.Context, projectID, accountID, reason string, destroy bool) (*domain.ConnectedAccount, int, error) {
	var ended domain.ConnectedAccount
	var destroyed int
	err := s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		stored, err := tx.Account(ctx, projectID, accountID)
		if err != nil {
			return notFound(err, accountID)
		}
		if stored.Status != domain.AccountRevoked {
			stored.Status, stored.StatusReason, stored.UpdatedAt = domain.AccountRevoked, reason, s.now()
			stored.Grant = domain.Grant{Generation: stored.Generation}
			swapped, err := tx.SwapGrant(ctx, projectID, stored)
			if err == nil && !swapped {
				err = domain.Errorf(domain.CodeConflict, "the account was changed meanwhile").WithFix("Try again.")
			}
			if err == nil {
				stored.Generation++
				err = s.tellOnce(ctx, tx, &stored, domain.AccountEventRevoked, reason)
			}
			if err != nil {
				return err
			}
		}
		// A browser that is on its way must not bring the account back.
		if _, err := tx.VoidLinks(ctx, projectID, accountID, s.now()); err != nil {
			return err
		}
		ended, destroyed = stored, 0
		if destroy {
			destroyed, err = tx.DeleteSecrets(ctx, projectID, accountID)
		}
		return err
	})
	return &ended, destroyed, err
}

// What a provider did when it was told that an account ends.
const (
	TakenBack   = "revoked"
	Unsupported = "unsupported" // there is no way to tell it
	NotTaken    = "failed"
)

// Taken says what became of an account's tokens at its provider.
type Taken struct {
	Outcome string   // TakenBack, Unsupported, NotTaken
	Tokens  []string // what was taken back: refresh_token, access_token
	Note    string   // what is left to do there; empty when nothing is
}

const byHand = "Remove the app's access there, in the account's settings."

// RevokeUpstream has the provider take back an account's tokens, where it can be
// told. Nothing changes here: see Revoke.
func (s *Service) RevokeUpstream(ctx context.Context, a *domain.ConnectedAccount) Taken {
	none := func(outcome, note string) Taken { return Taken{Outcome: outcome, Note: note} }
	tk, err := s.opts.Catalog.Toolkit(ctx, a.ProjectID, a.Toolkit)
	if err != nil {
		return none(Unsupported, "The toolkit is not offered any more, so the provider was not told.")
	}
	auth := authOf(tk, a.Scheme)
	if auth == nil || auth.OAuth == nil {
		return none(Unsupported, "The credentials were typed in, and "+tk.Name+" cannot be told from here: delete the key or token there.")
	}
	cfg, err := s.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
	if err != nil {
		return none(NotTaken, "The auth config cannot be read, so the provider was not told. "+byHand)
	}
	p, err := s.provider(ctx, auth, cfg)
	if err != nil {
		return none(NotTaken, "The auth config is not complete, so the provider was not told. "+byHand)
	}
	if p.Endpoint.RevokeURL == "" {
		return none(Unsupported, tk.Name+" offers no way to take tokens back from here. "+byHand)
	}
	secrets, err := s.openSecrets(ctx, a)
	if err != nil {
		return none(NotTaken, "The tokens cannot be opened, so the provider was not told. "+byHand)
	}
	out := Taken{Outcome: TakenBack}
	for _, name := range []string{secretRefresh, secretAccess} { // the refresh token first: it ends the grant
		if secrets[name] == "" {
			continue
		}
		err := p.Revoke(ctx, secrets[name], name)
		e := (*authscheme.Error)(nil)
		switch {
		case err == nil:
			out.Tokens = append(out.Tokens, name)
		case errors.As(err, &e) && e.Kind == authscheme.KindUnsupported && len(out.Tokens) > 0: // of this kind of token
		default:
			out.Outcome, out.Note = NotTaken, tk.Name+" did not confirm that its tokens are revoked. "+byHand
		}
	}
	return out
}
