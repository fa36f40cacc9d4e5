package archtest

import (
	"slices"
	"strings"
	"testing"
)

// TestRulesCatch gives each rule a file that breaks it and one that does not: a
// rule that cannot fail protects nothing.
func TestRulesCatch(t *testing.T) {
	t.Parallel()
	imports := func(paths ...string) string {
		var b strings.Builder
		b.WriteString("package x\n")
		for _, p := range paths {
			b.WriteString("import _ \"" + strings.Replace(p, "ours/", module+"/", 1) + "\"\n")
		}
		return b.String()
	}
	tests := []struct {
		rule func(source) []string
		name string // of the file
		text string
		says string // "" when nothing is wrong
	}{
		{importRule, "internal/nowhere/x.go", "package x", "not in the architecture table"},
		{importRule, "internal/domain/x.go", imports("ours/internal/store"), "may not import internal/store"},
		{importRule, "internal/catalog/x.go", imports("ours/internal/domain", "ours/toolkit", "ours/internal/bm25"), ""},
		{importRule, "internal/catalog/x.go", imports("ours/internal/session"), "may not import internal/session"},
		{importRule, "internal/catalog/x.go", imports("ours/internal/store/sqlstore"), "sqlstore"},
		{importRule, "internal/session/x.go", imports("ours/internal/trigger"), "trigger"},
		{importRule, "internal/trigger/x.go", imports("ours/internal/session"), "session"},
		{importRule, "internal/chat/x.go", imports("ours/agent", "ours/internal/session"), ""},
		{importRule, "internal/api/x.go", imports("ours/internal/mcpserver"), "mcpserver"},
		{importRule, "internal/app/x.go", imports("ours/internal/cli"), "internal/cli"},
		{importRule, "internal/app/x.go", imports("ours/toolkits/confluence", "ours/sandbox/confluence", "ours/agent/openai"), ""},
		{importRule, "internal/cli/x.go", imports("ours/internal/store"), "internal/store"},
		{importRule, "internal/vault/x.go", imports("ours/internal/httpx"), "internal/httpx"},
		{importRule, "toolkit/x.go", imports("ours/internal/domain"), "internal/domain"},
		{importRule, "client/x.go", imports("ours/toolkit"), "toolkit"},
		{importRule, "agent/openai/x.go", imports("ours/agent"), ""},
		{importRule, "agent/openai/x.go", imports("ours/agent/scripted"), "agent/scripted"},
		{importRule, "toolkits/confluence/x.go", imports("ours/toolkit", "ours/toolkits/confluence/storage"), ""},
		{importRule, "toolkits/confluence/storage/x.go", imports("ours/toolkits/confluence"), ""},
		{importRule, "toolkits/confluence/x.go", imports("ours/toolkits/gmail"), "toolkits/gmail"},
		{importRule, "toolkits/confluence/x.go", imports("ours/sandbox/confluence"), "sandbox/confluence"},
		{importRule, "toolkits/confluence/x_test.go", imports("ours/sandbox/confluence"), ""},
		{importRule, "sandbox/confluence/x.go", imports("ours/sandbox/confluence/internal/cql"), ""},
		{importRule, "sandbox/confluence/x_test.go", imports("ours/toolkits/confluence/storage"), "toolkits/confluence/storage"},
		{importRule, "internal/domain/x_test.go", imports("ours/internal/cli"), "internal/cli"},
		{importRule, "test/acceptance/x_test.go", imports("ours/internal/cli"), ""},

		{dependencyRule, "internal/vault/x.go", imports("github.com/tink-crypto/tink-go/v2/aead"), ""},
		{dependencyRule, "internal/connect/x.go", imports("github.com/tink-crypto/tink-go/v2/aead"), "belongs to internal/vault"},
		{dependencyRule, "internal/connect/x_test.go", imports("github.com/tink-crypto/tink-go/v2/aead"), "belongs to internal/vault"},
		{dependencyRule, "internal/api/x.go", imports("github.com/prometheus/client_golang/prometheus"), "internal/telemetry"},
		{dependencyRule, "internal/store/sqlstore/x.go", imports("modernc.org/sqlite", "modernc.org/sqlite/lib"), ""},
		{dependencyRule, "internal/api/x.go", imports("modernc.org/sqlite"), "sqlstore"},
		{dependencyRule, "internal/api/x.go", imports("github.com/google/go-cmp/cmp"), "belongs to tests"},
		{dependencyRule, "internal/api/x_test.go", imports("github.com/google/go-cmp/cmp", "github.com/getkin/kin-openapi/openapi3"), ""},
		{dependencyRule, "internal/store/storetest/x.go", imports("github.com/google/go-cmp/cmp"), ""},
		{dependencyRule, "agent/openai/x.go", imports("github.com/openai/openai-go/v3", "github.com/openai/openai-go/v3/responses"), ""},
		{dependencyRule, "internal/session/x.go", imports("github.com/modelcontextprotocol/go-sdk/mcp"), "internal/mcpserver"},
		{dependencyRule, "internal/session/x_test.go", imports("github.com/modelcontextprotocol/go-sdk/mcp"), ""},
		{dependencyRule, "internal/api/x.go", imports("example.com/new/thing"), "no owner"},
		{dependencyRule, "internal/api/x.go", imports("net/http", "encoding/json"), ""},

		{initRule, "internal/api/x.go", "package x\nfunc init() {}", "init()"},
		{initRule, "internal/api/x.go", "package x\ntype T int\nfunc (T) init() {}", ""},

		{sleepRule, "internal/api/x_test.go", "package x\nimport \"time\"\nfunc f() { time.Sleep(1) }", "line 3"},
		{sleepRule, "internal/api/x_test.go", "package x\nimport t \"time\"\nvar s = t.Sleep", "line 3"},
		{sleepRule, "internal/api/x_test.go", "package x\nimport (\"time\"; \"testing/synctest\")\nvar _ = synctest.Wait\nfunc f() { time.Sleep(1) }", ""},
		{sleepRule, "internal/api/x.go", "package x\nimport \"time\"\nfunc f() { time.Sleep(1) }", ""},
		{sleepRule, "internal/store/storetest/x.go", "package x\nimport \"time\"\nfunc f() { time.Sleep(1) }", "line 3"},

		{sizeRule, "internal/api/x.go", "package x\n" + strings.Repeat("\n", maxLines), "801 lines"},
		{sizeRule, "internal/api/x.go", "package x\n" + strings.Repeat("\n", maxLines-1), ""},
		{sizeRule, "internal/api/x.go", "// Code generated by x. DO NOT EDIT.\npackage x\n" + strings.Repeat("\n", maxLines), ""},

		{clientRule, "internal/connect/x.go", "package x\nimport \"net/http\"\nvar c = http.Client{}", "goes around the guard"},
		{clientRule, "internal/connect/x.go", "package x\nimport \"net/http\"\nvar c = &http.Client{}", "goes around the guard"},
		{clientRule, "internal/connect/x.go", "package x\nimport \"net/http\"\nvar c = http.DefaultClient", "http.DefaultClient"},
		{clientRule, "toolkits/confluence/x.go", "package x\nimport \"net/http\"\nvar g = http.Get", "http.Get"},
		{clientRule, "internal/connect/x.go", "package x\nimport \"net/http\"\nvar c *http.Client", ""},
		{clientRule, "client/x.go", "package x\nimport \"net/http\"\nvar c = http.Client{}", ""},

		{dotRule, "internal/api/x.go", "package x\nimport . \"fmt\"", "dot import"},
	}
	for _, tt := range tests {
		s, err := parseText(tt.name, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(tt.rule(s), "; ")
		if (tt.says == "") != (got == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%s\n%.120s\nsays %q, want %q", tt.name, tt.text, got, tt.says)
		}
	}
}

// TestTableIsDownwards: the table itself must not allow a circle.
func TestTableIsDownwards(t *testing.T) {
	t.Parallel()
	var concrete []string
	for _, r := range rooms {
		if !strings.Contains(r.pkg, "*") && r.may != "*" {
			concrete = append(concrete, r.pkg)
		}
	}
	below := make(map[string][]string)
	for _, pkg := range concrete {
		may, _, _ := roomOf(pkg)
		for _, other := range concrete {
			if other != pkg && fits(other, may, "") {
				below[pkg] = append(below[pkg], other)
			}
		}
	}
	done := make(map[string]bool)
	var visit func(pkg string, path []string)
	visit = func(pkg string, path []string) {
		if slices.Contains(path, pkg) {
			t.Fatalf("the table allows a circle: %s", strings.Join(append(path, pkg), " → "))
		}
		if done[pkg] {
			return
		}
		for _, next := range below[pkg] {
			visit(next, append(path, pkg))
		}
		done[pkg] = true
	}
	for _, pkg := range concrete {
		visit(pkg, nil)
	}
}
