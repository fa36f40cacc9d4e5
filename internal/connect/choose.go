package connect

import (
	"context"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Choice says which account a call wants.
type Choice struct {
	ProjectID string
	// UserID may be empty only when Account is an account's id: outside sessions
	// an application may name the account alone.
	UserID  string
	Toolkit string
	Account string   // id, alias or word id; empty = choose
	Pinned  []string // the session's account ids for this toolkit; the choice is among them
	// Explicit refuses to choose among several; the error lists them.
	Explicit bool
}

// Choose gives the account a call runs on: the named one, else the newest
// pinned one, else the user's newest active one. It provisions when nothing is
// there and a provisioner serves the toolkit, and renews a provisioned account
// that its provisioner says is no longer good. No usable account is
// CodeNoConnection; a named account of another user, toolkit or project is
// CodeNotFound; several where one must be named are CodeInvalid. A toolkit
// without auth has no account: nil.
func (s *Service) Choose(ctx context.Context, c Choice) (*domain.ConnectedAccount, error) {
	tk, err := s.opts.Catalog.Toolkit(ctx, c.ProjectID, c.Toolkit)
	if err != nil {
		return nil, err
	}
	if tk.NoAuth() {
		return nil, nil
	}
	c.Toolkit = tk.Slug
	if c.UserID == "" {
		c.UserID, err = s.userOf(ctx, c)
	} else {
		err = CheckUserID(c.UserID) // a first use may make an account under it
	}
	if err != nil {
		return nil, err
	}
	p := s.provisioners[tk.Slug]
	if p == nil {
		return s.pick(ctx, c)
	}
	// One at a time for a user: two first calls at once make one account.
	unlock, err := s.locks.lock(ctx, c.ProjectID+"\x00"+c.UserID+"\x00"+c.Toolkit)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, err := s.pick(ctx, c)
	switch {
	case err == nil && a.Origin != domain.OriginSandbox:
		return a, nil
	case err == nil:
		return s.renew(ctx, p, tk, a)
	case domain.CodeOf(err) != domain.CodeNoConnection || c.Account != "" || len(c.Pinned) > 0:
		return nil, err
	}
	return s.provision(ctx, p, tk, c)
}

// Provisions says whether a user's first use of the toolkit connects by itself.
func (s *Service) Provisions(toolkitSlug string) bool { return s.provisioners[toolkitSlug] != nil }

// Candidates gives those of accounts that c allows and a call may run on now,
// in the order given. It reads nothing.
func (s *Service) Candidates(c Choice, accounts []domain.ConnectedAccount) []domain.ConnectedAccount {
	var usable []domain.ConnectedAccount
	for _, a := range accounts {
		if a.ProjectID == c.ProjectID && a.UserID == c.UserID && a.Toolkit == c.Toolkit &&
			a.Usable() && !s.orphan(&a) && (len(c.Pinned) == 0 || slices.Contains(c.Pinned, a.ID)) {
			usable = append(usable, a)
		}
	}
	return usable
}

// orphan says whether a provisioned account has nobody left who serves it.
func (s *Service) orphan(a *domain.ConnectedAccount) bool {
	return a.Origin == domain.OriginSandbox && s.provisioners[a.Toolkit] == nil
}

// mostActive is how many accounts store.Accounts.ActiveAccounts gives.
const mostActive = 50

// pick chooses among what the store has.
func (s *Service) pick(ctx context.Context, c Choice) (*domain.ConnectedAccount, error) {
	active, err := s.opts.Store.ActiveAccounts(ctx, c.ProjectID, c.UserID, c.Toolkit)
	if err == nil && len(active) >= mostActive && (c.Account != "" || len(c.Pinned) > 0) {
		active, err = s.chosen(ctx, c) // these are the newest; what is wanted may be older
	}
	if err != nil {
		return nil, err
	}
	usable := s.Candidates(c, active)
	if c.Account != "" {
		if i := slices.IndexFunc(usable, func(a domain.ConnectedAccount) bool { return answersTo(&a, c.Account) }); i >= 0 {
			return &usable[i], nil
		}
		return nil, s.whyNot(ctx, c)
	}
	switch {
	case len(usable) == 0 && len(c.Pinned) > 0:
		return nil, domain.Errorf(domain.CodeNoConnection,
			"No active connected account found for toolkit: %s among the accounts that this session is pinned to", c.Toolkit).
			WithFix("Connect the pinned account again, or change connected_accounts.%s of the session.", c.Toolkit)
	case len(usable) == 0:
		return nil, NoConnection(c.Toolkit)
	case len(usable) > 1 && c.Explicit:
		return nil, domain.Invalid("account", "the user has %d accounts of toolkit %s, so the call must say which to use: %s",
			len(usable), c.Toolkit, listed(usable)).
			WithFix("Repeat the call with account set to one of these ids, aliases or names.")
	}
	return &usable[0], nil
}

// chosen gives the user's active accounts of the toolkit among which c's named
// or pinned ones must be, newest first.
func (s *Service) chosen(ctx context.Context, c Choice) ([]domain.ConnectedAccount, error) {
	f := store.AccountFilter{
		UserIDs: []string{c.UserID}, Toolkits: []string{c.Toolkit}, IDs: c.Pinned,
		Statuses: []domain.AccountStatus{domain.AccountActive},
	}
	if len(f.IDs) == 0 && domain.HasPrefix(c.Account, domain.PrefixAccount) {
		f.IDs = []string{c.Account}
	}
	list, _, err := s.opts.Store.ListAccounts(ctx, c.ProjectID, f, store.Page{Limit: 1000})
	return list, err
}

// NoConnection is the error of a user without a usable account.
func NoConnection(toolkitSlug string) *domain.Error {
	return domain.Errorf(domain.CodeNoConnection, "No active connected account found for toolkit: %s", toolkitSlug).
		WithFix("Connect one: call COMPOSIO_MANAGE_CONNECTIONS with toolkits [%q], or make a connect link, and open its address.", toolkitSlug)
}

func answersTo(a *domain.ConnectedAccount, name string) bool {
	return a.ID == name || (a.Alias != "" && a.Alias == name) || (a.WordID != "" && a.WordID == name)
}

// listed names accounts for a person or model to choose from.
func listed(accounts []domain.ConnectedAccount) string {
	var b strings.Builder
	for i := range accounts[:min(10, len(accounts))] {
		a := &accounts[i]
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(a.ID)
		if a.Alias != "" {
			b.WriteString(" alias " + a.Alias)
		} else {
			b.WriteString(" name " + a.WordID)
		}
		if email := a.Identity["email"]; email != "" {
			b.WriteString(" (" + email + ")")
		}
	}
	return b.String()
}

// whyNot explains why the named account is not usable, without telling anything
// of other users' accounts.
func (s *Service) whyNot(ctx context.Context, c Choice) error {
	a, err := s.named(ctx, c)
	if err != nil {
		return err
	}
	if a == nil {
		return domain.Errorf(domain.CodeNotFound, "this user has no connected account %q of toolkit %s", clip(c.Account), c.Toolkit).
			WithFix("Give the id, alias or name of one of the user's accounts, or none to use the newest.")
	}
	if len(c.Pinned) > 0 && !slices.Contains(c.Pinned, a.ID) {
		return domain.Errorf(domain.CodeForbidden, "account %q is not among the accounts that this session is pinned to (connected_accounts.%s)", clip(c.Account), c.Toolkit).
			WithFix("Use a pinned account, or change the session.")
	}
	state := string(a.Status)
	switch {
	case a.Disabled:
		state = "disabled"
	case s.orphan(a):
		state = "of the sandbox, which is not running"
	}
	return domain.Errorf(domain.CodeNoConnection, "No active connected account found for toolkit: %s: account %q is %s", c.Toolkit, clip(c.Account), state).
		WithFix("Connect it again, or use another account.")
}

// named finds the user's account of the toolkit by any of its names, or nil.
func (s *Service) named(ctx context.Context, c Choice) (*domain.ConnectedAccount, error) {
	f := store.AccountFilter{UserIDs: []string{c.UserID}, Toolkits: []string{c.Toolkit}}
	all, _, err := s.opts.Store.ListAccounts(ctx, c.ProjectID, f, store.Page{Limit: 1000})
	if err != nil {
		return nil, err
	}
	for i := range all {
		if answersTo(&all[i], c.Account) {
			return s.shown(&all[i]), nil
		}
	}
	return nil, nil
}

// userOf gives the user of an account that is named by id alone.
func (s *Service) userOf(ctx context.Context, c Choice) (string, error) {
	if !domain.HasPrefix(c.Account, domain.PrefixAccount) {
		return "", domain.Invalid("user_id", "user_id is required: it says on whose behalf the tool runs").
			WithFix("Send user_id, or the id of a connected account.")
	}
	a, err := s.opts.Store.Account(ctx, c.ProjectID, c.Account)
	if err != nil {
		return "", notFound(err, c.Account)
	}
	return a.UserID, nil
}

func notFound(err error, id string) error {
	if domain.CodeOf(err) != domain.CodeNotFound {
		return err
	}
	return domain.Errorf(domain.CodeNotFound, "there is no connected account %q", clip(id))
}

// clip bounds a caller's text in a message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// authOf gives the toolkit's auth of the scheme, or nil.
func authOf(tk *toolkit.Toolkit, scheme domain.AuthScheme) *toolkit.Auth {
	for i := range tk.Auth {
		if tk.Auth[i].Scheme == string(scheme) {
			return &tk.Auth[i]
		}
	}
	return nil
}
