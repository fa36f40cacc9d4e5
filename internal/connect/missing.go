package connect

import (
	"context"
	"errors"
	"slices"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Missing is in the chain of a CodeNoConnection error that a person can mend by
// connecting.
type Missing struct {
	Toolkit string
	// AccountID is the account that is to be connected again; empty: a new one.
	AccountID string
}

func (m *Missing) Error() string {
	if m.AccountID != "" {
		return "connect: account " + m.AccountID + " is to be connected again"
	}
	return "connect: there is no account of " + m.Toolkit
}

// Missing says what a user without a usable account of the toolkit is to
// connect.
func (s *Service) Missing(ctx context.Context, c Choice) (Missing, error) {
	err := s.whyNone(ctx, c)
	var m *Missing
	switch {
	case errors.As(err, &m):
		return *m, nil
	case domain.CodeOf(err) == domain.CodeNoConnection:
		return Missing{Toolkit: c.Toolkit}, nil
	}
	return Missing{}, err
}

// NoConnection is the error of a user without a usable account.
func NoConnection(toolkitSlug string) *domain.Error {
	return domain.Errorf(domain.CodeNoConnection, "No active connected account found for toolkit: %s", toolkitSlug).
		WithFix("Connect one: call COMPOSIO_MANAGE_CONNECTIONS with toolkits [%q], or make a connect link, and open its address.", toolkitSlug).
		WithCause(&Missing{Toolkit: toolkitSlug})
}

// whyNone explains why there is no account that a call could choose: of what the
// user has, the newest that c allows is told of.
func (s *Service) whyNone(ctx context.Context, c Choice) error {
	f := store.AccountFilter{UserIDs: []string{c.UserID}, Toolkits: []string{c.Toolkit}, IDs: c.Pinned}
	list, _, err := s.opts.Store.ListAccounts(ctx, c.ProjectID, f, store.Page{Limit: 1000})
	if err != nil {
		return err
	}
	var first *domain.Error
	for i := range list {
		a := s.shown(&list[i])
		if s.orphan(a) || fresh(a) {
			continue
		}
		cfg, err := s.opts.Store.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
		if err != nil {
			return err
		}
		why := c.bars(&cfg)
		switch {
		case why == nil:
			return pinnedTo(&c, unusableAccount(c.Toolkit, a))
		case why.Code == domain.CodeForbidden: // it would not be chosen if it were good
		case first == nil:
			first = unusable(c.Toolkit, a, why.Message).WithFix("%s", why.Fix)
			if len(c.Pinned) == 0 { // by another auth config the user can connect anew
				first = first.WithCause(&Missing{Toolkit: c.Toolkit})
			}
		}
	}
	if first != nil {
		return pinnedTo(&c, first)
	}
	if len(c.Pinned) > 0 {
		e := NoConnection(c.Toolkit)
		e.Message += " among the accounts that this session is pinned to"
		e = e.WithFix("Connect the pinned account again, or change connected_accounts.%s of the session.", c.Toolkit)
		if len(list) == 1 && !s.orphan(&list[0]) {
			return e.WithCause(&Missing{Toolkit: c.Toolkit, AccountID: list[0].ID})
		}
		return e.WithCause(nil)
	}
	return NoConnection(c.Toolkit)
}

// pinnedTo says that the choice was among a session's pins.
func pinnedTo(c *Choice, e *domain.Error) error {
	if len(c.Pinned) > 0 {
		e.Message += ", and this session is pinned to it (connected_accounts." + c.Toolkit + ")"
	}
	return e
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
	cfg, err := s.opts.Store.AuthConfig(ctx, a.ProjectID, a.AuthConfigID)
	if err != nil {
		return err
	}
	if why := c.bars(&cfg); why != nil {
		if why.Code == domain.CodeForbidden {
			return domain.Errorf(domain.CodeForbidden, "account %q may not be used here: %s", clip(c.Account), why.Message).WithFix("%s", why.Fix)
		}
		return unusable(c.Toolkit, a, why.Message).WithFix("%s", why.Fix)
	}
	if s.orphan(a) {
		return unusable(c.Toolkit, a, "is of the sandbox, which is not running").WithFix("Connect an account of your own, or use another account.")
	}
	return unusableAccount(c.Toolkit, a)
}

// unusableAccount says what is wrong with the account itself, and what mends it.
func unusableAccount(toolkitSlug string, a *domain.ConnectedAccount) *domain.Error {
	if a.Disabled {
		return unusable(toolkitSlug, a, "is disabled").WithFix("Enable it, or use another account.")
	}
	what := "is " + string(a.Status)
	if a.StatusReason != "" {
		what += " (" + a.StatusReason + ")"
	}
	return unusable(toolkitSlug, a, what).
		WithFix("Connect it again, or use another account: call COMPOSIO_MANAGE_CONNECTIONS with toolkits [%q], or make a link to reconnect it.", toolkitSlug).
		WithCause(&Missing{Toolkit: toolkitSlug, AccountID: a.ID})
}

func unusable(toolkitSlug string, a *domain.ConnectedAccount, what string) *domain.Error {
	if what != "" && what[0] != 'i' {
		what = "cannot be used: " + what
	}
	return domain.Errorf(domain.CodeNoConnection, "No active connected account found for toolkit: %s: account %q %s", toolkitSlug, a.ID, what)
}
