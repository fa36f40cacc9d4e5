package policy

import (
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
)

// A permission's key says which calls it is for: WHAT or WHAT:ACCOUNT. WHAT is a
// tool's slug, tag.TAG, toolkit.SLUG, or * for every tool; ACCOUNT the id of a
// connected account, or NoAccount for tools that need none. Without an account
// it holds for all. The contract has SLUG:ACCOUNT and *:ACCOUNT; the others are
// ours.
const (
	TagKey     = "tag."
	ToolkitKey = "toolkit."
	AnyTool    = "*"
	NoAccount  = "__none__"
)

// PermissionKey splits a key.
func PermissionKey(key string) (what, account string) {
	what, account, _ = strings.Cut(key, ":")
	return what, account
}

// permission is what one WHAT says: for all accounts, and for single ones.
type permission struct {
	all domain.Permission // "" = nothing
	by  map[string]domain.Permission
}

// permissions are compiled from a configuration; nil allows everything.
type permissions struct {
	fallback domain.Permission
	by       map[string]*permission
	tags     []string // that have a rule
}

func compilePermissions(cfg *domain.PermissionsConfig) *permissions {
	if cfg == nil || len(cfg.Overrides) == 0 && (cfg.Default == "" || cfg.Default == domain.AlwaysAllow) {
		return nil
	}
	p := &permissions{fallback: cfg.Default, by: map[string]*permission{}}
	if p.fallback == "" {
		p.fallback = domain.AlwaysAllow
	}
	for key, says := range cfg.Overrides {
		what, account := PermissionKey(key)
		rule := p.by[what]
		if rule == nil {
			rule = &permission{}
			p.by[what] = rule
			if tag, ok := strings.CutPrefix(what, TagKey); ok {
				p.tags = append(p.tags, tag)
			}
		}
		if account == "" {
			rule.all = says
			continue
		}
		if rule.by == nil {
			rule.by = map[string]domain.Permission{}
		}
		rule.by[account] = says
	}
	return p
}

// strictness orders permissions: of several tags' rules the strictest counts.
var strictness = map[domain.Permission]int{domain.AlwaysAllow: 1, domain.AskOnce: 2, domain.AskAlways: 3, domain.AlwaysDeny: 4}

// Restricted says whether any call may be refused or wait for a person's word.
func (r *Rules) Restricted() bool { return r != nil && r.perms != nil }

// Permission gives what the session says of a call of the tool on the account,
// which is empty for a tool without one. What names the tool comes first, then
// its tags, its toolkit, every tool, and the default; of rules for the same, the
// one that names the account.
func (r *Rules) Permission(t *catalog.Tool, account string) domain.Permission {
	if r == nil || r.perms == nil {
		return domain.AlwaysAllow
	}
	if account == "" {
		account = NoAccount
	}
	p := r.perms
	if says := p.by[t.Slug].of(account); says != "" {
		return says
	}
	says := p.general(t, account)
	if t.Slug == ProxyExecute { // it could do what a tool does: what is said of any counts
		for what, rule := range p.by {
			if by := rule.of(account); named(what) && strictness[by] > strictness[says] {
				says = by
			}
		}
	}
	return says
}

// named says whether a rule is for one tool.
func named(what string) bool {
	return what != AnyTool && !strings.HasPrefix(what, TagKey) && !strings.HasPrefix(what, ToolkitKey)
}

// general gives what is said of the tool without its name.
func (p *permissions) general(t *catalog.Tool, account string) domain.Permission {
	if says := p.tagged(t, account); says != "" {
		return says
	}
	if len(p.by) > 0 {
		if says := p.by[ToolkitKey+t.Toolkit.Slug].of(account); says != "" {
			return says
		}
	}
	if says := p.by[AnyTool].of(account); says != "" {
		return says
	}
	return p.fallback
}

// Denied gives nil unless the tool is refused whatever account it runs on: that
// is told before anything is looked up.
func (r *Rules) Denied(t *catalog.Tool) error {
	if r == nil || r.perms == nil {
		return nil
	}
	p := r.perms
	for what, rule := range p.by {
		if len(rule.by) > 0 && (what == t.Slug || what == AnyTool || what == ToolkitKey+t.Toolkit.Slug || strings.HasPrefix(what, TagKey)) {
			return nil // it depends
		}
	}
	if r.Permission(t, "") == domain.AlwaysDeny {
		return Denial(t, "")
	}
	return nil
}

// Denial is the error of a call that the session's permissions refuse.
func Denial(t *catalog.Tool, account string) error {
	on := ""
	if account != "" {
		on = " on account " + account
	}
	return domain.Errorf(domain.CodeForbidden, "tool %s may not run%s: the session's permissions deny it (experimental.permissions)", t.Slug, on).
		WithFix("Use another tool, or change the session's permissions.")
}

// of gives what a rule says for the account; "" when nothing.
func (p *permission) of(account string) domain.Permission {
	if p == nil {
		return ""
	}
	if says, ok := p.by[account]; ok {
		return says
	}
	return p.all
}

// tagged gives the strictest of what the rules of the tool's tags say: those
// that name the account first.
func (p *permissions) tagged(t *catalog.Tool, account string) domain.Permission {
	var named, all domain.Permission
	for _, tag := range p.tags {
		if !t.HasTag(tag) {
			continue
		}
		rule := p.by[TagKey+tag]
		if says := rule.by[account]; strictness[says] > strictness[named] {
			named = says
		}
		if strictness[rule.all] > strictness[all] {
			all = rule.all
		}
	}
	if named != "" {
		return named
	}
	return all
}
