package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
)

// Bounds of a configuration (contract §2.1).
const (
	maxPreloaded       = 1000
	minAccounts        = 2
	maxAccounts        = 10
	defaultMaxAccounts = 5
)

var knownTags = []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}

// clone copies a configuration deep enough that check and edit change no other.
func clone(c domain.SessionConfig) domain.SessionConfig {
	c.Toolkits = cloneSelection(c.Toolkits)
	c.Tags = cloneTags(c.Tags)
	c.Tools = maps.Clone(c.Tools)
	for slug, r := range c.Tools {
		c.Tools[slug] = domain.ToolRule{Enable: slices.Clone(r.Enable), Disable: slices.Clone(r.Disable), Tags: cloneTags(r.Tags)}
	}
	c.AuthConfigs = maps.Clone(c.AuthConfigs)
	c.ConnectedAccounts = maps.Clone(c.ConnectedAccounts)
	for slug, ids := range c.ConnectedAccounts {
		c.ConnectedAccounts[slug] = slices.Clone(ids)
	}
	c.Preload.Tools = slices.Clone(c.Preload.Tools)
	if p := c.Permissions; p != nil {
		c.Permissions = &domain.PermissionsConfig{Default: p.Default, Overrides: maps.Clone(p.Overrides)}
	}
	return c
}

func cloneSelection(s *domain.Selection) *domain.Selection {
	if s == nil {
		return nil
	}
	return &domain.Selection{Enable: slices.Clone(s.Enable), Disable: slices.Clone(s.Disable)}
}

func cloneTags(t *domain.TagRule) *domain.TagRule {
	if t == nil {
		return nil
	}
	return &domain.TagRule{Enable: slices.Clone(t.Enable), Disable: slices.Clone(t.Disable)}
}

// check judges a configuration by name and rewrites its slugs into the
// catalogue's spelling.
func (s *Service) check(ctx context.Context, projectID, userID string, cfg *domain.SessionConfig) error {
	c := checker{s: s, project: projectID, user: userID, cfg: cfg}
	for _, step := range []func(context.Context) error{
		c.toolkits, c.tools, c.tags, c.authConfigs, c.multiAccount, c.accounts, c.preload, c.manage, c.proxy, c.permissions,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checker is one check of a configuration.
type checker struct {
	s             *Service
	project, user string
	cfg           *domain.SessionConfig
}

// proxy refuses two words of which one forbids what the other allows.
func (c *checker) proxy(context.Context) error {
	if on, within := c.cfg.ProxyExecute, c.cfg.Workbench.ProxyExecution; on != nil && !*on && within != nil && *within {
		return domain.Invalid("proxy_execute.enable", "proxy_execute.enable: it is off while workbench.enable_proxy_execution is on")
	}
	return nil
}

func (c *checker) toolkits(ctx context.Context) error {
	sel := c.cfg.Toolkits
	if sel == nil {
		return nil
	}
	if len(sel.Enable) > 0 && len(sel.Disable) > 0 {
		return domain.Invalid("toolkits", "toolkits: give enable or disable, not both")
	}
	for _, l := range []struct {
		name  string
		slugs *[]string
	}{{"toolkits.enable", &sel.Enable}, {"toolkits.disable", &sel.Disable}} {
		for i, slug := range *l.slugs {
			known, err := c.toolkit(ctx, fmt.Sprintf("%s[%d]", l.name, i), slug)
			if err != nil {
				return err
			}
			(*l.slugs)[i] = known
		}
		*l.slugs = unique(*l.slugs)
	}
	return nil
}

// toolkit gives the catalogue's spelling of a slug.
func (c *checker) toolkit(ctx context.Context, field, slug string) (string, error) {
	tk, err := c.s.opts.Catalog.Toolkit(ctx, c.project, slug)
	if err != nil {
		return "", asInvalid(field, err)
	}
	return tk.Slug, nil
}

// asInvalid makes "there is none" the fault of a field.
func asInvalid(field string, err error) error {
	if code := domain.CodeOf(err); code != domain.CodeNotFound {
		return err
	}
	e := *domain.AsError(err)
	e.Code, e.Field, e.Message = domain.CodeInvalid, field, field+": "+e.Message
	return &e
}

// rekey gives m under the catalogue's spelling of its toolkits.
func rekey[V any](ctx context.Context, c *checker, field string, m map[string]V) (map[string]V, error) {
	if len(m) == 0 {
		return nil, nil
	}
	out := make(map[string]V, len(m))
	for _, slug := range slices.Sorted(maps.Keys(m)) {
		known, err := c.toolkit(ctx, field+"."+clip(slug), slug)
		if err != nil {
			return nil, err
		}
		if _, twice := out[known]; twice {
			return nil, domain.Invalid(field, "%s: toolkit %s is there twice", field, known)
		}
		out[known] = m[slug]
	}
	return out, nil
}

func (c *checker) tools(ctx context.Context) error {
	rules, err := rekey(ctx, c, "tools", c.cfg.Tools)
	if err != nil {
		return err
	}
	for tk, rule := range rules {
		field := "tools." + tk
		kinds := 0
		for _, given := range []bool{len(rule.Enable) > 0, len(rule.Disable) > 0, rule.Tags != nil} {
			if given {
				kinds++
			}
		}
		if kinds > 1 {
			return domain.Invalid(field, "%s: give one of enable, disable and tags", field)
		}
		if rule.Enable, err = c.slugs(ctx, field+".enable", tk, rule.Enable); err != nil {
			return err
		}
		if rule.Disable, err = c.slugs(ctx, field+".disable", tk, rule.Disable); err != nil {
			return err
		}
		if err := tags(field+".tags", rule.Tags); err != nil {
			return err
		}
		rules[tk] = rule
		if len(rule.Enable)+len(rule.Disable) == 0 && rule.Tags == nil {
			delete(rules, tk) // it says nothing
		}
	}
	c.cfg.Tools = rules
	return nil
}

// slugs checks that every slug is one of the toolkit's tools.
func (c *checker) slugs(ctx context.Context, field, toolkitSlug string, slugs []string) ([]string, error) {
	for i, slug := range slugs {
		at := fmt.Sprintf("%s[%d]", field, i)
		t, err := c.s.opts.Catalog.Tool(ctx, c.project, slug, "")
		if err != nil {
			return nil, asInvalid(at, err)
		}
		if t.Toolkit.Slug != toolkitSlug {
			return nil, domain.Invalid(at, "%s: tool %s belongs to toolkit %s, not %s", at, t.Slug, t.Toolkit.Slug, toolkitSlug)
		}
		slugs[i] = t.Slug
	}
	return unique(slugs), nil
}

func (c *checker) tags(context.Context) error { return tags("tags", c.cfg.Tags) }

func tags(field string, rule *domain.TagRule) error {
	if rule == nil {
		return nil
	}
	for _, l := range []struct {
		name string
		tags []string
	}{{"enable", rule.Enable}, {"disable", rule.Disable}} {
		for i, tag := range l.tags {
			if !slices.Contains(knownTags, tag) {
				at := fmt.Sprintf("%s.%s[%d]", field, l.name, i)
				return domain.Invalid(at, "%s: there is no tag %q; expected one of %s", at, clip(tag), strings.Join(knownTags, ", "))
			}
		}
	}
	rule.Enable, rule.Disable = unique(rule.Enable), unique(rule.Disable)
	return nil
}

func (c *checker) authConfigs(ctx context.Context) error {
	configs, err := rekey(ctx, c, "auth_configs", c.cfg.AuthConfigs)
	if err != nil {
		return err
	}
	for tk, id := range configs {
		field := "auth_configs." + tk
		ac, err := c.s.opts.Connect.AuthConfig(ctx, c.project, id)
		if err != nil {
			return asInvalid(field, err)
		}
		if ac.Toolkit != tk {
			return domain.Invalid(field, "%s: auth config %s is for toolkit %s", field, ac.ID, ac.Toolkit)
		}
		if ac.Disabled {
			return domain.Invalid(field, "%s: auth config %s is disabled", field, ac.ID)
		}
	}
	c.cfg.AuthConfigs = configs
	return nil
}

func (c *checker) multiAccount(context.Context) error {
	m := c.cfg.MultiAccount
	if m.Max != 0 && (m.Max < minAccounts || m.Max > maxAccounts) {
		return domain.Invalid("multi_account.max_accounts_per_toolkit",
			"multi_account.max_accounts_per_toolkit: expected %d to %d, got %d", minAccounts, maxAccounts, m.Max)
	}
	return nil
}

func (c *checker) accounts(ctx context.Context) error {
	pinned, err := rekey(ctx, c, "connected_accounts", c.cfg.ConnectedAccounts)
	if err != nil {
		return err
	}
	most := 1
	if m := c.cfg.MultiAccount; m.Enable {
		if most = m.Max; most == 0 {
			most = defaultMaxAccounts
		}
	}
	for tk, ids := range pinned {
		field := "connected_accounts." + tk
		ids = unique(ids)
		if len(ids) > most {
			e := domain.Invalid(field, "%s: %d accounts are named; this session uses at most %d of a toolkit", field, len(ids), most)
			return e.WithFix("Name fewer, or set multi_account.enable and multi_account.max_accounts_per_toolkit (2–10).")
		}
		for _, id := range ids {
			if err := c.account(ctx, field, tk, id); err != nil {
				return err
			}
		}
		if len(ids) == 0 {
			delete(pinned, tk)
			continue
		}
		pinned[tk] = ids
	}
	c.cfg.ConnectedAccounts = pinned
	return nil
}

// account checks that a pinned account is the session's user's. One of another
// user is as unknown as one that does not exist.
func (c *checker) account(ctx context.Context, field, toolkitSlug, id string) error {
	a, err := c.s.opts.Connect.Account(ctx, c.project, id)
	if err != nil {
		return asInvalid(field, err)
	}
	if a.UserID != c.user {
		return domain.Invalid(field, "%s: user %q has no connected account %q", field, clip(c.user), clip(id))
	}
	if a.Toolkit != toolkitSlug {
		return domain.Invalid(field, "%s: connected account %s belongs to toolkit %s", field, id, a.Toolkit)
	}
	return nil
}

func (c *checker) preload(ctx context.Context) error {
	p := &c.cfg.Preload
	rules := policy.Compile(*c.cfg)
	if p.All {
		if len(p.Tools) > 0 {
			return domain.Invalid("preload.tools", `preload.tools: give a list or "all", not both`)
		}
		if !positive(c.cfg) {
			return domain.Invalid("preload.tools", `preload.tools: "all" needs a session that names what it may use`).
				WithFix("Name toolkits.enable, tools.<toolkit>.enable or tags.enable.")
		}
		n := 0
		for _, t := range c.s.opts.Catalog.Tools(ctx, c.project) {
			if rules.Toolkit(t.Toolkit.Slug) && rules.Allows(t) {
				n++
			}
		}
		if n > maxPreloaded {
			return domain.Invalid("preload.tools", `preload.tools: "all" would list %d tools; at most %d are listed`, n, maxPreloaded).
				WithFix("Narrow toolkits, tools or tags.")
		}
		return nil
	}
	if len(p.Tools) > maxPreloaded {
		return domain.Invalid("preload.tools", "preload.tools: %d tools are named; at most %d are listed", len(p.Tools), maxPreloaded)
	}
	for i, slug := range p.Tools {
		at := fmt.Sprintf("preload.tools[%d]", i)
		t, err := c.s.opts.Catalog.Tool(ctx, c.project, slug, "")
		if err != nil {
			return asInvalid(at, err)
		}
		if err := rules.Tool(t); err != nil {
			return domain.Invalid(at, "%s: %s", at, err.Error())
		}
		p.Tools[i] = t.Slug
	}
	p.Tools = unique(p.Tools)
	return nil
}

// positive says whether the configuration names what it allows, instead of
// only what it does not.
func positive(cfg *domain.SessionConfig) bool {
	if (cfg.Toolkits != nil && len(cfg.Toolkits.Enable) > 0) || (cfg.Tags != nil && len(cfg.Tags.Enable) > 0) {
		return true
	}
	for _, r := range cfg.Tools {
		if len(r.Enable) > 0 || (r.Tags != nil && len(r.Tags.Enable) > 0) {
			return true
		}
	}
	return false
}

func (c *checker) manage(context.Context) error {
	return connect.CheckCallbackURL("manage_connections.callback_url", c.cfg.ManageConnections.CallbackURL)
}

// unique drops repetitions and keeps the order.
func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(s string) bool {
		if seen[s] {
			return true
		}
		seen[s] = true
		return false
	})
}

// clip bounds a caller's text in a message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
