package session

import (
	"cmp"
	"context"
	"slices"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// maxListed bounds how many of a user's accounts are looked at.
const maxListed = 1000

// ToolkitState is a toolkit of the session with the user's connection to it.
type ToolkitState struct {
	Toolkit *toolkit.Toolkit
	Enabled bool
	Account *domain.ConnectedAccount  // the one a call would use; nil when none
	Usable  []domain.ConnectedAccount // what a call could use, the newest first
	All     []domain.ConnectedAccount
}

// Connected says whether the toolkit's tools can run: an account is there, or
// none is needed.
func (t *ToolkitState) Connected() bool { return t.Account != nil || t.Toolkit.NoAuth() }

// Toolkits gives the session's toolkits in the order of their slugs.
func (s *Service) Toolkits(ctx context.Context, h *Handle) ([]ToolkitState, error) {
	var list []*toolkit.Toolkit
	for _, tk := range s.opts.Catalog.Toolkits(ctx, h.ProjectID) {
		if h.Rules.Toolkit(tk.Slug) {
			list = append(list, tk)
		}
	}
	return s.states(ctx, h, list)
}

// Link starts a connection for the session's user and gives it with its address.
func (s *Service) Link(ctx context.Context, h *Handle, toolkitSlug, alias, callbackURL string) (*connect.Initiated, string, error) {
	tk, err := s.opts.Catalog.Toolkit(ctx, h.ProjectID, toolkitSlug)
	if err != nil {
		return nil, "", err
	}
	if !h.Rules.Toolkit(tk.Slug) {
		return nil, "", domain.Errorf(domain.CodeForbidden, "toolkit %s is not enabled in this session (toolkits)", tk.Slug).
			WithFix("Change the session's configuration.")
	}
	if err := s.roomForOneMore(ctx, h, tk); err != nil {
		return nil, "", err
	}
	if callbackURL == "" {
		callbackURL = h.Config.ManageConnections.CallbackURL
	}
	in, err := s.opts.Connect.Initiate(ctx, connect.Start{
		ProjectID: h.ProjectID, UserID: h.UserID, Toolkit: tk.Slug,
		AuthConfigID: h.Config.AuthConfigs[tk.Slug], Alias: alias, CallbackURL: callbackURL,
	})
	if err != nil {
		return nil, "", err
	}
	address := ""
	if s.opts.LinkURL != nil {
		address = s.opts.LinkURL(h.linkBase(), in.Token)
	}
	return in, address, nil
}

// roomForOneMore refuses to connect more accounts of a toolkit than a session
// with several of them may have. Where it has one, the new one takes its place.
func (s *Service) roomForOneMore(ctx context.Context, h *Handle, tk *toolkit.Toolkit) error {
	m := h.Config.MultiAccount
	if !m.Enable {
		return nil
	}
	accounts, err := s.accounts(ctx, h, []*toolkit.Toolkit{tk})
	if err != nil {
		return err
	}
	usable, err := s.opts.Connect.Candidates(ctx, connect.Choice{ProjectID: h.ProjectID, UserID: h.UserID, Toolkit: tk.Slug, InSession: true}, accounts[tk.Slug])
	if err != nil {
		return err
	}
	if most := cmp.Or(m.Max, defaultMaxAccounts); len(usable) >= most {
		return domain.Errorf(domain.CodeConflict, "the user has %d accounts of %s, the most of this session (multi_account.max_accounts_per_toolkit)", len(usable), tk.Slug).
			WithFix("Use one of them, disable or delete one, or raise the session's bound (up to 10).")
	}
	return nil
}

// states gives the user's connections to the toolkits. A toolkit that connects
// by itself is connected by this first look.
func (s *Service) states(ctx context.Context, h *Handle, toolkits []*toolkit.Toolkit) ([]ToolkitState, error) {
	byToolkit, err := s.accounts(ctx, h, toolkits)
	if err != nil {
		return nil, err
	}
	list := make([]ToolkitState, 0, len(toolkits))
	for _, tk := range toolkits {
		st := ToolkitState{Toolkit: tk, Enabled: h.Rules.Toolkit(tk.Slug), All: byToolkit[tk.Slug]}
		choice := s.choice(h, tk.Slug)
		usable, err := s.opts.Connect.Candidates(ctx, choice, st.All)
		if err != nil {
			return nil, err
		}
		for i := range usable {
			st.Usable = append(st.Usable, usable[i].ConnectedAccount)
		}
		if len(usable) > 0 {
			st.Account = &st.Usable[0]
		} else if !tk.NoAuth() && len(choice.Pinned) == 0 && choice.AuthConfig == "" && s.opts.Connect.Provisions(tk.Slug) {
			a, err := s.opts.Connect.Choose(ctx, choice)
			if code := domain.CodeOf(err); err != nil && code != domain.CodeNoConnection && code != domain.CodeForbidden {
				return nil, err
			}
			if err == nil && a != nil {
				st.Usable = []domain.ConnectedAccount{*a}
				st.Account, st.All = a, append([]domain.ConnectedAccount{*a}, st.All...)
			}
		}
		list = append(list, st)
	}
	return list, nil
}

func (s *Service) choice(h *Handle, toolkitSlug string) connect.Choice {
	return connect.Choice{
		ProjectID: h.ProjectID, UserID: h.UserID, Toolkit: toolkitSlug,
		Pinned: h.Config.ConnectedAccounts[toolkitSlug], AuthConfig: h.Config.AuthConfigs[toolkitSlug], InSession: true,
	}
}

// accounts gives the user's accounts by toolkit, newest first; of very many, the
// active ones before the others.
func (s *Service) accounts(ctx context.Context, h *Handle, toolkits []*toolkit.Toolkit) (map[string][]domain.ConnectedAccount, error) {
	f := store.AccountFilter{UserIDs: []string{h.UserID}}
	for _, tk := range toolkits {
		if !tk.NoAuth() {
			f.Toolkits = append(f.Toolkits, tk.Slug)
		}
	}
	if len(f.Toolkits) == 0 {
		return nil, nil
	}
	if len(f.Toolkits) > 100 {
		f.Toolkits = nil // fewer words for the database than the list would be
	}
	all, total, err := s.opts.Connect.Accounts(ctx, h.ProjectID, f, store.Page{Limit: maxListed})
	if err == nil && total > len(all) {
		// Mostly links that nobody opened: they must not hide what is connected.
		f.Statuses = []domain.AccountStatus{domain.AccountActive}
		var active []domain.ConnectedAccount
		active, _, err = s.opts.Connect.Accounts(ctx, h.ProjectID, f, store.Page{Limit: maxListed})
		all = slices.DeleteFunc(all, func(a domain.ConnectedAccount) bool { return a.Status == domain.AccountActive })
		all = append(active, all...)
	}
	if err != nil {
		return nil, err
	}
	byToolkit := map[string][]domain.ConnectedAccount{}
	for _, a := range all {
		byToolkit[a.Toolkit] = append(byToolkit[a.Toolkit], a)
	}
	return byToolkit, nil
}
