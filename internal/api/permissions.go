package api

import (
	"github.com/sluice-run/sluice/internal/domain"
)

// permissionsIn says which calls run, in the contract's words (§2.1). Its keys
// beyond the contract's are described in docs/sessions.md.
type permissionsIn struct {
	Default   string                       `json:"default,omitempty" enum:"allow_all,ask_every_call,ask_once_per_session" doc:"For calls that no override is for; allow_all when absent"`
	Overrides map[string]domain.Permission `json:"overrides,omitempty" doc:"By SLUG:ACCOUNT, *:ACCOUNT, SLUG, tag.TAG, toolkit.SLUG or *; ACCOUNT is the id of a connected account, or __none__: always_allow, always_deny, ask_once or ask_always"`
}

type permissionsOut struct {
	Default   string                       `json:"default" enum:"allow_all,ask_every_call,ask_once_per_session"`
	Overrides map[string]domain.Permission `json:"overrides,omitempty"`
}

// permissionDefaults are the contract's words for what holds where no override
// does.
var permissionDefaults = map[string]domain.Permission{
	"": "", "allow_all": "", "ask_every_call": domain.AskAlways, "ask_once_per_session": domain.AskOnce,
}

func (b *SessionBlocks) applyPermissions(cfg *domain.SessionConfig) error {
	if b.Experimental.Null {
		cfg.Permissions = nil
		return nil
	}
	in := b.Experimental.Value.Permissions
	if in == nil {
		return nil
	}
	fallback, ok := permissionDefaults[in.Default]
	if !ok {
		const field = "experimental.permissions.default"
		return domain.Invalid(field, "%s: expected one of allow_all, ask_every_call, ask_once_per_session", field)
	}
	cfg.Permissions = nil
	if fallback != "" || len(in.Overrides) > 0 {
		cfg.Permissions = &domain.PermissionsConfig{Default: fallback, Overrides: in.Overrides}
	}
	return nil
}

func permissionsWire(p *domain.PermissionsConfig) *permissionsOut {
	if p == nil {
		return nil
	}
	out := &permissionsOut{Default: "allow_all", Overrides: p.Overrides}
	for word, says := range permissionDefaults {
		if says == p.Default && says != "" {
			out.Default = word
		}
	}
	return out
}
