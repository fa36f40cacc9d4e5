package session_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
)

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	f := setup(t)
	one := f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	two := f.Account(t, connecttest.Project, "ann", "ann2@x.test", "")
	bobs := f.Account(t, connecttest.Project, "bob", "bob@x.test", "")
	foreign := f.Account(t, connecttest.Other, "ann", "ann3@x.test", "")
	otherConfig, err := f.Connect.CreateAuthConfig(t.Context(), connecttest.Other, connect.NewAuthConfig{Toolkit: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	accounts := func(ids ...string) map[string][]string { return map[string][]string{"notes": ids} }
	tests := []struct {
		name, user  string
		cfg         domain.SessionConfig
		field, says string
	}{
		{"no user", "", domain.SessionConfig{}, "user_id", "required"},
		{"long user", strings.Repeat("u", 257), domain.SessionConfig{}, "user_id", "256"},
		{"unknown toolkit", "ann", domain.SessionConfig{Toolkits: &domain.Selection{Enable: []string{"notes", "notez"}}}, "toolkits.enable[1]", `"notez"`},
		{"unknown disabled toolkit", "ann", domain.SessionConfig{Toolkits: &domain.Selection{Disable: []string{"zzz"}}}, "toolkits.disable[0]", `"zzz"`},
		{"enable and disable", "ann", domain.SessionConfig{Toolkits: &domain.Selection{Enable: []string{"notes"}, Disable: []string{"abacus"}}}, "toolkits", "not both"},
		{"tools of an unknown toolkit", "ann", domain.SessionConfig{Tools: map[string]domain.ToolRule{"zzz": {}}}, "tools.zzz", `"zzz"`},
		{"unknown tool", "ann", domain.SessionConfig{Tools: map[string]domain.ToolRule{"notes": {Enable: []string{"NOTES_WHOAMY"}}}}, "tools.notes.enable[0]", `"NOTES_WHOAMY"`},
		{"tool of another toolkit", "ann", domain.SessionConfig{Tools: map[string]domain.ToolRule{"notes": {Disable: []string{"ABACUS_ADD"}}}}, "tools.notes.disable[0]", "belongs to toolkit abacus"},
		{"two kinds of rule", "ann", domain.SessionConfig{Tools: map[string]domain.ToolRule{"notes": {Enable: []string{"NOTES_WHOAMI"}, Tags: &domain.TagRule{}}}}, "tools.notes", "one of"},
		{"unknown tag", "ann", domain.SessionConfig{Tags: &domain.TagRule{Enable: []string{"important"}}}, "tags.enable[0]", `"important"`},
		{"unknown tag of a toolkit", "ann", domain.SessionConfig{Tools: map[string]domain.ToolRule{"notes": {Tags: &domain.TagRule{Disable: []string{"x"}}}}}, "tools.notes.tags.disable[0]", `"x"`},
		{"unknown auth config", "ann", domain.SessionConfig{AuthConfigs: map[string]string{"notes": "ac_x"}}, "auth_configs.notes", "ac_x"},
		{"another project's auth config", "ann", domain.SessionConfig{AuthConfigs: map[string]string{"notes": otherConfig.ID}}, "auth_configs.notes", otherConfig.ID},
		{"auth config of another toolkit", "ann", domain.SessionConfig{AuthConfigs: map[string]string{"abacus": one.AuthConfigID}}, "auth_configs.abacus", "toolkit notes"},
		{"unknown account", "ann", domain.SessionConfig{ConnectedAccounts: accounts("ca_x")}, "connected_accounts.notes", "ca_x"},
		{"another user's account", "ann", domain.SessionConfig{ConnectedAccounts: accounts(bobs.ID)}, "connected_accounts.notes", bobs.ID},
		{"another project's account", "ann", domain.SessionConfig{ConnectedAccounts: accounts(foreign.ID)}, "connected_accounts.notes", foreign.ID},
		{"account of another toolkit", "ann", domain.SessionConfig{ConnectedAccounts: map[string][]string{"abacus": {one.ID}}}, "connected_accounts.abacus", "toolkit notes"},
		{"two accounts", "ann", domain.SessionConfig{ConnectedAccounts: accounts(one.ID, two.ID)}, "connected_accounts.notes", "at most 1"},
		{"max accounts 1", "ann", domain.SessionConfig{MultiAccount: domain.MultiAccountConfig{Enable: true, Max: 1}}, "multi_account.max_accounts_per_toolkit", "2 to 10"},
		{"max accounts 11", "ann", domain.SessionConfig{MultiAccount: domain.MultiAccountConfig{Enable: true, Max: 11}}, "multi_account.max_accounts_per_toolkit", "2 to 10"},
		{"preload unknown", "ann", domain.SessionConfig{Preload: domain.PreloadConfig{Tools: []string{"NOPE"}}}, "preload.tools[0]", `"NOPE"`},
		{"preload hidden", "ann", domain.SessionConfig{
			Toolkits: &domain.Selection{Enable: []string{"abacus"}}, Preload: domain.PreloadConfig{Tools: []string{"ABACUS_ADD", "NOTES_WHOAMI"}},
		}, "preload.tools[1]", "toolkits"},
		{"preload all without a list", "ann", domain.SessionConfig{Preload: domain.PreloadConfig{All: true}}, "preload.tools", "names what it may use"},
		{"preload all with exclusions only", "ann", domain.SessionConfig{
			Toolkits: &domain.Selection{Disable: []string{"abacus"}}, Preload: domain.PreloadConfig{All: true},
		}, "preload.tools", "names what it may use"},
		{"callback", "ann", domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{CallbackURL: "javascript:x"}}, "manage_connections.callback_url", "http"},
	}
	for _, tt := range tests {
		_, err := f.Create(t.Context(), connecttest.Principal, tt.user, tt.cfg)
		e := domain.AsError(err)
		if e == nil || e.Code != domain.CodeInvalid || e.Field != tt.field || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: %v, field %q; want field %q and %q", tt.name, err, field(e), tt.field, tt.says)
		}
	}
	f.open(t, "ann", domain.SessionConfig{
		ConnectedAccounts: accounts(one.ID, two.ID), MultiAccount: domain.MultiAccountConfig{Enable: true, Max: 2},
		AuthConfigs: map[string]string{"notes": one.AuthConfigID},
	})
}

func field(e *domain.Error) string {
	if e == nil {
		return ""
	}
	return e.Field
}

// A tag counts once: what is kept of a session is bounded by what there is.
func TestRepeatedTags(t *testing.T) {
	t.Parallel()
	f := setup(t)
	many := func() *domain.TagRule {
		return &domain.TagRule{
			Enable:  slices.Repeat([]string{"readOnlyHint", "openWorldHint"}, 1000),
			Disable: slices.Repeat([]string{"destructiveHint"}, 1000),
		}
	}
	h := f.open(t, "ann", domain.SessionConfig{Tags: many(), Tools: map[string]domain.ToolRule{"notes": {Tags: many()}}})
	want := &domain.TagRule{Enable: []string{"readOnlyHint", "openWorldHint"}, Disable: []string{"destructiveHint"}}
	for name, got := range map[string]*domain.TagRule{"tags": h.Config.Tags, "tools.notes.tags": h.Config.Tools["notes"].Tags} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
