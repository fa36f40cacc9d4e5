package policy_test

import (
	"testing"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

func TestPermission(t *testing.T) {
	t.Parallel()
	read := tool("wiki", "WIKI_READ", toolkit.Hints{ReadOnly: true, Idempotent: true}, false)
	drop := tool("wiki", "WIKI_DROP", toolkit.Hints{Destructive: true, OpenWorld: true}, false)
	send := tool("mail", "MAIL_SEND", toolkit.Hints{OpenWorld: true}, false)
	type ask struct {
		t       *catalog.Tool
		account string
	}
	type says = map[string]domain.Permission
	const allow, deny, once, always = domain.AlwaysAllow, domain.AlwaysDeny, domain.AskOnce, domain.AskAlways
	for name, tc := range map[string]struct {
		fallback domain.Permission
		rules    says
		want     map[ask]domain.Permission
		denied   []*catalog.Tool // whatever the account
	}{
		"nothing said": {"", nil, map[ask]domain.Permission{{read, "ca_1"}: allow, {drop, ""}: allow}, nil},
		"the default":  {once, nil, map[ask]domain.Permission{{read, "ca_1"}: once, {send, ""}: once}, nil},
		"a tool on an account": {"", says{"WIKI_DROP:ca_1": deny}, map[ask]domain.Permission{
			{drop, "ca_1"}: deny, {drop, "ca_2"}: allow, {drop, ""}: allow, {read, "ca_1"}: allow,
		}, nil},
		"a tool without an account": {"", says{"WIKI_DROP:__none__": deny}, map[ask]domain.Permission{{drop, "ca_1"}: allow, {drop, ""}: deny}, nil},
		"the tool before its account": {"", says{"WIKI_READ:ca_1": allow, "*:ca_1": deny}, map[ask]domain.Permission{
			{read, "ca_1"}: allow, {drop, "ca_1"}: deny, {drop, "ca_2"}: allow,
		}, nil},
		"the account before all":     {"", says{"WIKI_DROP": deny, "WIKI_DROP:ca_1": always}, map[ask]domain.Permission{{drop, "ca_1"}: always, {drop, "ca_2"}: deny}, nil},
		"tools, tags, toolkits, all": {deny, says{"WIKI_DROP": allow, "tag.openWorldHint": always, "toolkit.wiki": once}, map[ask]domain.Permission{{drop, "ca_1"}: allow, {send, "ca_1"}: always, {read, "ca_1"}: once}, nil},
		"all but reading":            {"", says{"*": deny, "tag.readOnlyHint": allow}, map[ask]domain.Permission{{read, "ca_1"}: allow, {drop, "ca_1"}: deny}, []*catalog.Tool{drop, send}},
		"the strictest tag":          {"", says{"tag.destructiveHint": once, "tag.openWorldHint": always}, map[ask]domain.Permission{{drop, "ca_1"}: always}, nil},
		"a denied tool":              {"", says{"MAIL_SEND": deny}, map[ask]domain.Permission{{send, "ca_1"}: deny, {send, ""}: deny}, []*catalog.Tool{send}},
		"denied but for an account":  {"", says{"MAIL_SEND": deny, "MAIL_SEND:ca_1": allow}, map[ask]domain.Permission{{send, "ca_1"}: allow, {send, "ca_2"}: deny}, nil},
	} {
		rules := policy.Compile(domain.SessionConfig{Permissions: &domain.PermissionsConfig{Default: tc.fallback, Overrides: tc.rules}})
		for q, want := range tc.want {
			if got := rules.Permission(q.t, q.account); got != want {
				t.Errorf("%s: %s on %q: got %s, want %s", name, q.t.Slug, q.account, got, want)
			}
		}
		for _, tool := range []*catalog.Tool{read, drop, send} {
			want := false
			for _, d := range tc.denied {
				want = want || d == tool
			}
			if err := rules.Denied(tool); (err != nil) != want || want && domain.CodeOf(err) != domain.CodeForbidden {
				t.Errorf("%s: %s is denied: %v, want %v", name, tool.Slug, err, want)
			}
		}
	}
	var none *policy.Rules
	if none.Restricted() || none.Permission(drop, "") != allow || none.Denied(drop) != nil {
		t.Error("nil rules restrict")
	}
}

func TestPermissionAllocatesNothing(t *testing.T) {
	rules := policy.Compile(domain.SessionConfig{})
	read := tool("wiki", "WIKI_READ", toolkit.Hints{ReadOnly: true}, false)
	if allocs := testing.AllocsPerRun(100, func() {
		if rules.Permission(read, "ca_1") != domain.AlwaysAllow || rules.Denied(read) != nil {
			t.Fatal("refused")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}
