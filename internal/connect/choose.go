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
	// AuthConfig is the session's auth config for this toolkit; the choice is among
	// its accounts and the pinned ones.
	AuthConfig string
	// InSession leaves out accounts of auth configs that sessions must not choose
	// by themselves.
	InSession bool
	// Explicit refuses to choose among several; the error lists them.
	Explicit bool
}

// Chosen is an account with the auth config that it is connected by.
type Chosen struct {
	domain.ConnectedAccount
	Config domain.AuthConfig
}

// Choose is Select without the auth config.
func (s *Service) Choose(ctx context.Context, c Choice) (*domain.ConnectedAccount, error) {
	chosen, err := s.Select(ctx, c)
	if err != nil || chosen == nil {
		return nil, err
	}
	return &chosen.ConnectedAccount, nil
}

// Select gives the account a call runs on: the named one, else the newest
// pinned one, else the user's newest active one. It provisions when nothing is
// there and a provisioner serves the toolkit, and renews a provisioned account
// that its provisioner says is no longer good. No usable account is
// CodeNoConnection, with a *Missing in its chain that says what a person can do
// about it; a named account of another user, toolkit or project is
// CodeNotFound; several where one must be named are CodeInvalid. A toolkit
// without auth has no account: nil.
func (s *Service) Select(ctx context.Context, c Choice) (*Chosen, error) {
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
	alone := c.Account == "" && c.AuthConfig == "" && len(c.Pinned) == 0
	switch {
	case err == nil && a.Origin != domain.OriginSandbox:
		return a, nil
	case err == nil:
		return s.renew(ctx, p, tk, a)
	case domain.CodeOf(err) != domain.CodeNoConnection || !alone:
		return nil, err
	}
	return s.provision(ctx, p, tk, c)
}

// Provisions says whether a user's first use of the toolkit connects by itself.
func (s *Service) Provisions(toolkitSlug string) bool { return s.provisioners[toolkitSlug] != nil }

// Candidates gives those of accounts that c allows and a call may run on now,
// in the order given.
func (s *Service) Candidates(ctx context.Context, c Choice, accounts []domain.ConnectedAccount) ([]Chosen, error) {
	return s.candidates(ctx, s.opts.Store, c, accounts, len(accounts))
}

// candidates is Candidates that ends when it has most. It reads each auth config
// once.
func (s *Service) candidates(ctx context.Context, configs store.AuthConfigs, c Choice, accounts []domain.ConnectedAccount, most int) ([]Chosen, error) {
	var usable []Chosen
	known := map[string]domain.AuthConfig{}
	for _, a := range accounts {
		if a.ProjectID != c.ProjectID || a.UserID != c.UserID || a.Toolkit != c.Toolkit ||
			!a.Usable() || s.orphan(&a) || (len(c.Pinned) > 0 && !slices.Contains(c.Pinned, a.ID)) {
			continue
		}
		cfg, there := known[a.AuthConfigID]
		if !there {
			var err error
			if cfg, err = configs.AuthConfig(ctx, a.ProjectID, a.AuthConfigID); err != nil {
				return nil, err
			}
			known[cfg.ID] = cfg
		}
		if c.bars(&cfg) == nil {
			if usable = append(usable, Chosen{ConnectedAccount: a, Config: cfg}); len(usable) == most {
				break
			}
		}
	}
	return usable, nil
}

// bars gives nil when accounts of the config may be used, else the reason. A
// session's pins are the project's own word, and weigh more than what the config
// says of sessions.
func (c *Choice) bars(cfg *domain.AuthConfig) *domain.Error {
	switch {
	case cfg.Disabled:
		return domain.Errorf(domain.CodeNoConnection, "auth config %s is disabled, and so are all accounts that are connected by it", cfg.ID).
			WithFix("The project must enable the auth config again; until then use an account of another one.")
	case len(c.Pinned) > 0:
		return nil
	case c.AuthConfig != "" && cfg.ID != c.AuthConfig:
		return domain.Errorf(domain.CodeForbidden, "it is connected by auth config %s, and this session uses %s (auth_configs.%s)", cfg.ID, c.AuthConfig, c.Toolkit).
			WithFix("Use an account of that auth config, or change the session.")
	case c.InSession && c.AuthConfig == "" && cfg.RouterOff:
		return domain.Errorf(domain.CodeForbidden, "it is connected by auth config %s, which is not enabled for sessions", cfg.ID).
			WithFix("Name the auth config in the session's auth_configs, or set is_enabled_for_tool_router.")
	}
	return nil
}

// orphan says whether a provisioned account has nobody left who serves it.
func (s *Service) orphan(a *domain.ConnectedAccount) bool {
	return a.Origin == domain.OriginSandbox && s.provisioners[a.Toolkit] == nil
}

// mostActive is how many accounts store.Accounts.ActiveAccounts gives.
const mostActive = 50

// pick chooses among what the store has.
func (s *Service) pick(ctx context.Context, c Choice) (*Chosen, error) {
	active, err := s.opts.Store.ActiveAccounts(ctx, c.ProjectID, c.UserID, c.Toolkit)
	if err == nil && len(active) >= mostActive && (c.Account != "" || c.AuthConfig != "" || len(c.Pinned) > 0) {
		active, err = s.chosen(ctx, c) // these are the newest; what is wanted may be older
	}
	if err != nil {
		return nil, err
	}
	most := 1 // the newest, which is on the path of every call
	if c.Explicit || c.Account != "" {
		most = len(active)
	}
	usable, err := s.candidates(ctx, s.opts.Store, c, active, most)
	if err != nil {
		return nil, err
	}
	if c.Account != "" {
		if i := slices.IndexFunc(usable, func(a Chosen) bool { return answersTo(&a.ConnectedAccount, c.Account) }); i >= 0 {
			return &usable[i], nil
		}
		return nil, s.whyNot(ctx, c)
	}
	switch {
	case len(usable) == 0:
		return nil, s.whyNone(ctx, c)
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
	if c.AuthConfig != "" && len(c.Pinned) == 0 {
		f.AuthConfigIDs = []string{c.AuthConfig}
	}
	if len(f.IDs) == 0 && domain.HasPrefix(c.Account, domain.PrefixAccount) {
		f.IDs = []string{c.Account}
	}
	list, _, err := s.opts.Store.ListAccounts(ctx, c.ProjectID, f, store.Page{Limit: 1000})
	return list, err
}

func answersTo(a *domain.ConnectedAccount, name string) bool {
	return a.ID == name || (a.Alias != "" && a.Alias == name) || (a.WordID != "" && a.WordID == name)
}

// listed names accounts for a person or model to choose from.
func listed(accounts []Chosen) string {
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
