package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

func tool(toolkitSlug, slug string, hints toolkit.Hints, important bool) *catalog.Tool {
	return &catalog.Tool{
		Tool:    &toolkit.Tool{Slug: slug, Hints: hints, About: toolkit.About{Important: important}},
		Toolkit: &toolkit.Toolkit{Slug: toolkitSlug},
	}
}

func TestTool(t *testing.T) {
	t.Parallel()
	read := tool("wiki", "WIKI_READ", toolkit.Hints{ReadOnly: true, Idempotent: true}, true)
	drop := tool("wiki", "WIKI_DROP", toolkit.Hints{Destructive: true}, false)
	send := tool("mail", "MAIL_SEND", toolkit.Hints{OpenWorld: true}, false)
	for name, tc := range map[string]struct {
		cfg  domain.SessionConfig
		want map[*catalog.Tool]string // part of the refusal; empty = allowed
	}{
		"nothing said": {domain.SessionConfig{}, map[*catalog.Tool]string{read: "", drop: "", send: ""}},
		"toolkit enabled": {
			domain.SessionConfig{Toolkits: &domain.Selection{Enable: []string{"wiki"}}},
			map[*catalog.Tool]string{read: "", send: "toolkit mail is not enabled"},
		},
		"toolkit disabled": {
			domain.SessionConfig{Toolkits: &domain.Selection{Disable: []string{"wiki"}}},
			map[*catalog.Tool]string{read: "toolkit wiki", send: ""},
		},
		"tool enabled": {
			domain.SessionConfig{Tools: map[string]domain.ToolRule{"wiki": {Enable: []string{"WIKI_READ"}}}},
			map[*catalog.Tool]string{read: "", drop: "tools.wiki.enable", send: ""},
		},
		"tool disabled": {
			domain.SessionConfig{Tools: map[string]domain.ToolRule{"wiki": {Disable: []string{"WIKI_DROP"}}}},
			map[*catalog.Tool]string{read: "", drop: "tools.wiki.disable"},
		},
		"tag enabled": {
			domain.SessionConfig{Tags: &domain.TagRule{Enable: []string{"readOnlyHint", "openWorldHint"}}},
			map[*catalog.Tool]string{read: "", drop: "tags.enable", send: ""},
		},
		"tag disabled wins over tag enabled": {
			domain.SessionConfig{Tags: &domain.TagRule{Enable: []string{"readOnlyHint"}, Disable: []string{"idempotentHint"}}},
			map[*catalog.Tool]string{read: "tags.disable"},
		},
		"tags of a toolkit override the session's": {
			domain.SessionConfig{
				Tags:  &domain.TagRule{Disable: []string{"destructiveHint", "openWorldHint"}},
				Tools: map[string]domain.ToolRule{"wiki": {Tags: &domain.TagRule{Enable: []string{"destructiveHint"}}}},
			},
			map[*catalog.Tool]string{read: "tools.wiki.tags.enable", drop: "", send: "tags.disable"},
		},
		"a tool enabled in a toolkit that is not": {
			domain.SessionConfig{
				Toolkits: &domain.Selection{Enable: []string{"mail"}},
				Tools:    map[string]domain.ToolRule{"wiki": {Enable: []string{"WIKI_READ"}}},
			},
			map[*catalog.Tool]string{read: "toolkit wiki"},
		},
	} {
		rules := policy.Compile(tc.cfg)
		for tool, want := range tc.want {
			err := rules.Tool(tool)
			switch {
			case want == "" && err != nil:
				t.Errorf("%s: %s refused: %v", name, tool.Slug, err)
			case want != "" && domain.CodeOf(err) != domain.CodeForbidden:
				t.Errorf("%s: %s: got %v, want a refusal", name, tool.Slug, err)
			case want != "" && !strings.Contains(err.Error(), want):
				t.Errorf("%s: %s: refusal %q does not name %q", name, tool.Slug, err, want)
			}
			if rules.Allows(tool) != (err == nil) {
				t.Errorf("%s: Allows(%s) disagrees with Tool", name, tool.Slug)
			}
		}
	}
}

func TestNilRulesAllow(t *testing.T) {
	t.Parallel()
	var rules *policy.Rules
	if err := rules.Tool(tool("wiki", "WIKI_DROP", toolkit.Hints{Destructive: true}, false)); err != nil {
		t.Error(err)
	}
}

func TestAllowsAllocatesNothing(t *testing.T) {
	rules := policy.Compile(domain.SessionConfig{
		Toolkits: &domain.Selection{Enable: []string{"wiki"}}, Tags: &domain.TagRule{Disable: []string{"destructiveHint"}},
	})
	hidden := []*catalog.Tool{
		tool("mail", "MAIL_SEND", toolkit.Hints{}, false), tool("wiki", "WIKI_DROP", toolkit.Hints{Destructive: true}, false),
	}
	allocs := testing.AllocsPerRun(100, func() {
		for _, h := range hidden {
			if rules.Allows(h) {
				t.Fatal("a hidden tool is allowed")
			}
		}
	})
	if allocs != 0 {
		t.Errorf("got %v allocations, want none", allocs)
	}
}

func TestMetaTools(t *testing.T) {
	t.Parallel()
	off := domain.SessionConfig{SearchOff: true, MultiExecuteOff: true, ManageConnections: domain.ManageConnectionsConfig{Off: true, Wait: true}}
	for name, tc := range map[string]struct {
		cfg  domain.SessionConfig
		want []string
	}{
		"default": {domain.SessionConfig{}, []string{policy.SearchTools, policy.GetToolSchemas, policy.ManageConnections, policy.MultiExecute}},
		"waiting": {
			domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{Wait: true}},
			[]string{policy.SearchTools, policy.GetToolSchemas, policy.ManageConnections, policy.WaitForConnections, policy.MultiExecute},
		},
		"all off": {off, nil},
	} {
		rules := policy.Compile(tc.cfg)
		if diff := cmp.Diff(tc.want, rules.MetaTools()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, slug := range []string{policy.SearchTools, policy.ManageConnections, policy.WaitForConnections, policy.MultiExecute, "COMPOSIO_REMOTE_WORKBENCH"} {
			offered := false
			for _, s := range tc.want {
				offered = offered || s == slug
			}
			if got := rules.Meta(slug) == nil; got != offered {
				t.Errorf("%s: Meta(%s): got allowed %v, want %v", name, slug, got, offered)
			}
		}
	}
}
