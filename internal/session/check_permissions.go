package session

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
)

// maxOverrides bounds the single permissions of a session.
const maxOverrides = 500

const permissionsField = "experimental.permissions"

var knownPermissions = []domain.Permission{domain.AlwaysAllow, domain.AskOnce, domain.AskAlways, domain.AlwaysDeny}

// permissions checks what each rule is for, so that a misspelt one is no hole.
func (c *checker) permissions(ctx context.Context) error {
	p := c.cfg.Permissions
	if p == nil {
		return nil
	}
	if p.Default != "" && !slices.Contains(knownPermissions, p.Default) {
		return domain.Invalid(permissionsField+".default", "%s.default: there is no permission %q", permissionsField, clip(string(p.Default)))
	}
	if len(p.Overrides) > maxOverrides {
		return domain.Invalid(permissionsField+".overrides", "%s.overrides: %d rules are given; at most %d are kept", permissionsField, len(p.Overrides), maxOverrides)
	}
	known := make(map[string]domain.Permission, len(p.Overrides))
	for _, key := range slices.Sorted(maps.Keys(p.Overrides)) {
		says := p.Overrides[key]
		field := permissionsField + ".overrides." + clip(key)
		if !slices.Contains(knownPermissions, says) {
			return domain.Invalid(field, "%s: expected one of always_allow, always_deny, ask_once, ask_always", field)
		}
		spelt, err := c.permissionKey(ctx, field, key)
		if err != nil {
			return err
		}
		if was, twice := known[spelt]; twice && was != says {
			return domain.Invalid(field, "%s: the same rule is given twice, as %s and %s", field, was, says)
		}
		known[spelt] = says
	}
	if p.Overrides = known; len(known) == 0 {
		p.Overrides = nil
	}
	return nil
}

// permissionKey gives a key in the catalogue's spelling.
func (c *checker) permissionKey(ctx context.Context, field, key string) (string, error) {
	what, account := policy.PermissionKey(key)
	toolkit := ""
	switch {
	case account == "" && strings.HasSuffix(key, ":"):
		return "", domain.Invalid(field, "%s: the account behind the colon is missing", field)
	case what == policy.AnyTool, what == policy.ProxyExecute:
	case strings.HasPrefix(what, policy.TagKey):
		if tag := strings.TrimPrefix(what, policy.TagKey); !slices.Contains(knownTags, tag) {
			return "", domain.Invalid(field, "%s: there is no tag %q; expected one of %s", field, clip(tag), strings.Join(knownTags, ", "))
		}
	case strings.HasPrefix(what, policy.ToolkitKey):
		slug, err := c.toolkit(ctx, field, strings.TrimPrefix(what, policy.ToolkitKey))
		if err != nil {
			return "", err
		}
		what, toolkit = policy.ToolkitKey+slug, slug
	default:
		t, err := c.s.opts.Catalog.Tool(ctx, c.project, what, "")
		if err != nil {
			return "", asInvalid(field, err)
		}
		what, toolkit = t.Slug, t.Toolkit.Slug
	}
	switch {
	case account == "":
		return what, nil
	case account != policy.NoAccount:
		if err := c.permittedAccount(ctx, field, toolkit, account); err != nil {
			return "", err
		}
	}
	return what + ":" + account, nil
}

// permittedAccount checks that a rule's account is the session's user's.
func (c *checker) permittedAccount(ctx context.Context, field, toolkit, id string) error {
	a, err := c.s.opts.Connect.Account(ctx, c.project, id)
	if err != nil {
		return asInvalid(field, err)
	}
	if toolkit == "" {
		toolkit = a.Toolkit
	}
	return c.account(ctx, field, toolkit, id)
}
