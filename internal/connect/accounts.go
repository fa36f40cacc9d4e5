package connect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Account gives one account of the project. An unfinished connection past its
// time is shown EXPIRED.
func (s *Service) Account(ctx context.Context, projectID, id string) (*domain.ConnectedAccount, error) {
	a, err := s.opts.Store.Account(ctx, projectID, id)
	if err != nil {
		return nil, notFound(err, id)
	}
	return s.shown(&a), nil
}

// Accounts lists accounts and says how many there are in all.
func (s *Service) Accounts(ctx context.Context, projectID string, f store.AccountFilter, page store.Page) ([]domain.ConnectedAccount, int, error) {
	if slices.Contains(f.Statuses, domain.AccountInitiated) || slices.Contains(f.Statuses, domain.AccountExpired) {
		if err := s.expire(ctx, projectID, f); err != nil {
			return nil, 0, err
		}
	}
	list, total, err := s.opts.Store.ListAccounts(ctx, projectID, f, page)
	if err != nil {
		return nil, 0, err
	}
	for i := range list {
		list[i] = *s.shown(&list[i])
	}
	return list, total, nil
}

// AccountChange says what to change of an account; nil leaves it.
type AccountChange struct {
	Alias *string // empty: none any more
	// Values are new values of what the account's scheme asks for, secret ones
	// too; those that are not named stay. The upstream proves them before they
	// are kept.
	Values map[string]string
	Scheme domain.AuthScheme // of Values, where the caller names it
}

// Update changes an account. New credentials make it ACTIVE.
func (s *Service) Update(ctx context.Context, projectID, id string, change AccountChange) (*domain.ConnectedAccount, error) {
	a, err := s.Account(ctx, projectID, id)
	if err != nil {
		return nil, err
	}
	if change.Alias != nil {
		alias, err := cleanAlias(*change.Alias)
		if err != nil {
			return nil, err
		}
		change.Alias = &alias
		if err := s.mayTake(ctx, a, alias); err != nil {
			return nil, err
		}
	}
	proven := *a
	var sealed map[string][]byte
	if len(change.Values) > 0 {
		if sealed, err = s.proveAnew(ctx, &proven, change); err != nil {
			return nil, err
		}
	}
	var after domain.ConnectedAccount
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		var err error
		if after, err = tx.Account(ctx, projectID, id); err != nil {
			return notFound(err, id)
		}
		after = *s.shown(&after)
		if change.Alias != nil {
			after.Alias = *change.Alias
		}
		if sealed != nil {
			if after.Generation != a.Generation { // ended or connected again: what was proven is of before
				return errChanged
			}
			if _, err := tx.VoidLinks(ctx, projectID, id, s.now()); err != nil {
				return err
			}
			after.Fields, after.Identity = proven.Fields, proven.Identity
			after.Status, after.StatusReason = domain.AccountActive, ""
		}
		after.UpdatedAt = s.now()
		if err := tx.UpdateAccount(ctx, projectID, after); err != nil {
			return err
		}
		return putSecrets(ctx, tx, &after, sealed)
	})
	switch {
	case errors.Is(err, errChanged):
		return nil, domain.Errorf(domain.CodeConflict, "account %s was changed meanwhile", id).WithFix("Look at it, and try again.")
	case domain.CodeOf(err) == domain.CodeConflict && change.Alias != nil:
		return nil, aliasTaken(*change.Alias)
	}
	if err != nil {
		return nil, err
	}
	return &after, nil
}

var errChanged = errors.New("connect: the account was changed meanwhile")

// proveAnew puts new values over those that the account has, and has the
// upstream prove them.
func (s *Service) proveAnew(ctx context.Context, a *domain.ConnectedAccount, change AccountChange) (map[string][]byte, error) {
	tk, auth, err := s.authOfAccount(ctx, a)
	if err != nil {
		return nil, err
	}
	switch {
	case change.Scheme != "" && change.Scheme != a.Scheme:
		return nil, domain.Invalid("connection.state.authScheme", "connection.state.authScheme: the account is connected with %s", a.Scheme)
	case auth.OAuth != nil:
		return nil, domain.Invalid("connection", "connection: the credentials of %s come from the provider and cannot be typed", a.Scheme).
			WithFix("Connect the account again by a link.")
	}
	values := maps.Clone(a.Fields)
	if values == nil {
		values = map[string]string{}
	}
	kept, err := s.openSecrets(ctx, a)
	if err != nil {
		return nil, err
	}
	maps.Copy(values, kept)
	maps.Copy(values, change.Values)
	return s.prove(ctx, tk, auth, a, values)
}

// authOfAccount gives the toolkit and the auth by which an account is connected.
func (s *Service) authOfAccount(ctx context.Context, a *domain.ConnectedAccount) (*toolkit.Toolkit, *toolkit.Auth, error) {
	tk, err := s.opts.Catalog.Toolkit(ctx, a.ProjectID, a.Toolkit)
	if err != nil {
		return nil, nil, err
	}
	auth := authOf(tk, a.Scheme)
	if auth == nil {
		return nil, nil, domain.Errorf(domain.CodeUnsupported, "connecting %s with %s is not offered any more", tk.Name, a.Scheme).
			WithFix("Connect the toolkit again.")
	}
	return tk, auth, nil
}

// cleanAlias judges a user's own name for an account.
func cleanAlias(alias string) (string, error) {
	alias = strings.TrimSpace(alias)
	if len(alias) > 64 || strings.IndexFunc(alias, unicode.IsControl) >= 0 {
		return "", domain.Invalid("alias", "alias: expected at most 64 bytes of plain text")
	}
	if domain.HasPrefix(alias, domain.PrefixAccount) {
		return "", domain.Invalid("alias", "alias must not begin with %q: that is how ids of accounts begin", domain.PrefixAccount)
	}
	return alias, nil
}

func aliasTaken(alias string) error {
	e := domain.Errorf(domain.CodeConflict, "the user already has an account called %q", clip(alias)).WithFix("Choose another alias.")
	e.Field = "alias"
	return e
}

// mayTake says whether the account may be called alias. One that nobody will
// finish any more gives its alias up.
func (s *Service) mayTake(ctx context.Context, a *domain.ConnectedAccount, alias string) error {
	if alias == "" || alias == a.Alias {
		return nil
	}
	probe := *a
	probe.Alias = alias
	holder, err := s.aliasHolder(ctx, &probe)
	switch {
	case err != nil || holder == nil:
		return err
	case s.lapsed(holder):
		return s.freeAlias(ctx, holder)
	}
	return aliasTaken(alias)
}

// Enable enables or disables an account: on a disabled one nothing runs. Its
// credentials stay.
func (s *Service) Enable(ctx context.Context, projectID, id string, enabled bool) error {
	return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		a, err := tx.Account(ctx, projectID, id)
		if err != nil {
			return notFound(err, id)
		}
		if a.Disabled == !enabled {
			return nil
		}
		a.Disabled, a.UpdatedAt = !enabled, s.now()
		return tx.UpdateAccount(ctx, projectID, a)
	})
}

// Requested gives the scopes that connecting the account asks for now; nil where
// its scheme has none.
func (s *Service) Requested(ctx context.Context, a *domain.ConnectedAccount) []string {
	tk, auth, err := s.authOfAccount(ctx, a)
	if err != nil || auth.OAuth == nil {
		return nil
	}
	cfg, err := s.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
	if err != nil {
		return nil
	}
	return s.asked(tk, auth, cfg)
}

// Renew does what can be done for an account without its user: it renews tokens
// that come from a provider, and with validate has the upstream say whether the
// credentials are good. What is not ACTIVE afterwards needs a person.
func (s *Service) Renew(ctx context.Context, projectID, id string, validate bool) (*domain.ConnectedAccount, error) {
	a, err := s.Account(ctx, projectID, id)
	if err != nil || a.Disabled {
		return a, err
	}
	if a.Scheme == domain.SchemeOAuth2 || a.Scheme == domain.SchemeS2SOAuth2 {
		renewed, err := s.Refresh(ctx, projectID, id)
		switch domain.CodeOf(err) {
		case "":
			a = renewed
		case domain.CodeUnsupported: // as good as it gets
		case domain.CodeNoConnection, domain.CodeConflict: // its user must connect it again
			return s.Account(ctx, projectID, id)
		default:
			return nil, err
		}
	}
	if !validate || !a.Usable() {
		return a, nil
	}
	return s.Validate(ctx, projectID, id)
}

// Validate has the upstream say whether the account's credentials are good, and
// keeps whose they are. Refused ones make an ACTIVE account EXPIRED with the
// reason; that is no error. An upstream that does not answer is one.
func (s *Service) Validate(ctx context.Context, projectID, id string) (*domain.ConnectedAccount, error) {
	a, err := s.Account(ctx, projectID, id)
	if err != nil || !a.Usable() {
		return a, err
	}
	tk, auth, err := s.authOfAccount(ctx, a)
	if err != nil {
		return nil, err
	}
	if auth.OAuth != nil && !s.live(a) { // an ended token says nothing of the grant
		switch a, err = s.renewGrant(ctx, a, causeEnded); {
		case domain.CodeOf(err) == domain.CodeNoConnection:
			return s.Account(ctx, projectID, id)
		case err != nil:
			return nil, err
		}
	}
	identity, refused := s.checkAccount(ctx, tk, auth, a)
	if auth.OAuth != nil && errors.Is(refused, errRefused) {
		// So does one that was ended before its time, if there are others.
		if newer, err := s.renewGrant(ctx, a, causeRefused); err == nil && newer.Generation != a.Generation {
			a = newer
			identity, refused = s.checkAccount(ctx, tk, auth, a)
		}
	}
	if refused != nil && !errors.Is(refused, errRefused) {
		return nil, refused
	}
	var after domain.ConnectedAccount
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		var err error
		if after, err = tx.Account(ctx, projectID, id); err != nil {
			return notFound(err, id)
		}
		switch {
		case after.Generation != a.Generation || after.Status != domain.AccountActive || !after.UpdatedAt.Equal(a.UpdatedAt):
			return nil // others changed it meanwhile: what was learnt is of credentials that are gone
		case refused != nil:
			after.Status, after.StatusReason = domain.AccountExpired, refused.Error()
		case maps.Equal(after.Identity, identity):
			return nil
		default:
			after.Identity = identity
		}
		after.UpdatedAt = s.now()
		if err := tx.UpdateAccount(ctx, projectID, after); err != nil || refused == nil {
			return err
		}
		return s.tellOnce(ctx, tx, &after, domain.AccountEventExpired, after.StatusReason)
	})
	if err != nil {
		return nil, err
	}
	return &after, nil
}

// checkAccount has the upstream say whose the account's credentials are.
func (s *Service) checkAccount(ctx context.Context, tk *toolkit.Toolkit, auth *toolkit.Auth, a *domain.ConnectedAccount) (toolkit.Identity, error) {
	secrets, err := s.openForCall(ctx, a)
	if err != nil {
		return nil, err
	}
	return s.check(ctx, tk, auth, a.Fields, secrets)
}

// Delete removes an account and its secrets. With revoke its grant is ended at
// the provider before; what is left to do there is said, and no error.
func (s *Service) Delete(ctx context.Context, projectID, id string, revoke bool) (note string, err error) {
	if revoke {
		if note, err = s.revokeFirst(ctx, projectID, id); err != nil {
			return "", err
		}
	}
	return note, notFoundOrNil(s.opts.Store.DeleteAccount(ctx, projectID, id), id)
}

// DeleteAuthConfig removes an auth config with its secrets and its accounts.
// With revoke the accounts' grants are ended at the provider before.
func (s *Service) DeleteAuthConfig(ctx context.Context, projectID, id string, revoke bool) error {
	if _, err := s.AuthConfig(ctx, projectID, id); err != nil {
		return err
	}
	if revoke {
		f := store.AccountFilter{AuthConfigIDs: []string{id}, Ascending: true}
		for offset := 0; ; offset += deletePage {
			list, _, err := s.opts.Store.ListAccounts(ctx, projectID, f, store.Page{Offset: offset, Limit: deletePage})
			if err != nil {
				return err
			}
			for i := range list {
				if _, err := s.revokeFirst(ctx, projectID, list[i].ID); err != nil && domain.CodeOf(err) != domain.CodeNotFound {
					return err
				}
			}
			if len(list) < deletePage {
				break
			}
		}
	}
	return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		return noAuthConfig(tx.DeleteAuthConfig(ctx, projectID, id), id)
	})
}

const deletePage = 100

func notFoundOrNil(err error, id string) error {
	if err == nil {
		return nil
	}
	return notFound(err, id)
}

// shown gives the account as it is at this moment: an INITIATED one whose link
// has run out is EXPIRED, whether or not the store says so already.
func (s *Service) shown(a *domain.ConnectedAccount) *domain.ConnectedAccount {
	if !s.overdue(a) {
		return a
	}
	c := *a
	c.Status = domain.AccountExpired
	c.StatusReason = "the connection was not finished within " + inWords(s.opts.LinkTTL)
	c.UpdatedAt = a.CreatedAt.Add(s.opts.LinkTTL)
	return &c
}

func (s *Service) overdue(a *domain.ConnectedAccount) bool {
	return a.Status == domain.AccountInitiated && !s.now().Before(a.CreatedAt.Add(s.opts.LinkTTL))
}

// expire stores what shown shows, so that a list by status counts right.
func (s *Service) expire(ctx context.Context, projectID string, f store.AccountFilter) error {
	f.Statuses, f.OrderByUpdated, f.Ascending = []domain.AccountStatus{domain.AccountInitiated}, false, true
	for {
		list, _, err := s.opts.Store.ListAccounts(ctx, projectID, f, store.Page{Limit: 200})
		if err != nil {
			return err
		}
		due := 0
		for due < len(list) && s.overdue(&list[due]) { // oldest first
			due++
		}
		if due == 0 {
			return nil
		}
		err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			for i := range list[:due] {
				a, err := tx.Account(ctx, projectID, list[i].ID)
				if err != nil || !s.overdue(&a) {
					if domain.CodeOf(err) == domain.CodeNotFound || err == nil {
						continue
					}
					return err
				}
				if err := tx.UpdateAccount(ctx, projectID, *s.shown(&a)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || due < len(list) {
			return err
		}
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// revokeFirst ends an account's grant before it is deleted. That nothing is left
// to revoke is no error.
func (s *Service) revokeFirst(ctx context.Context, projectID, id string) (note string, err error) {
	out, err := s.Revoke(ctx, projectID, id)
	if domain.CodeOf(err) == domain.CodeConflict {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return out.Note, nil
}
