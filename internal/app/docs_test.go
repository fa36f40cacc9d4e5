package app

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

var update = flag.Bool("update", false, "rewrite the generated documents")

// TestToolkitPages generates docs/toolkits from the catalogue and fails when
// what is committed differs.
func TestToolkitPages(t *testing.T) {
	t.Parallel()
	for _, tk := range builtinToolkits() {
		name := filepath.Join("..", "..", "docs", "toolkits", tk.Slug+".md")
		want := toolkitPage(t, tk)
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(got), string(want)); diff != "" {
			t.Errorf("%s is not what the tools say; run: make generate\n%s", name, diff)
		}
	}
}

func toolkitPage(t *testing.T, tk *toolkit.Toolkit) []byte {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!-- Generated from the tools by make generate; do not edit. -->\n# %s\n\n%s\n\n", tk.Name, tk.Description)
	fmt.Fprintf(&b, "Version %s, %d tools, %d triggers.\n", tk.Version, len(tk.Tools), len(tk.Triggers))
	for _, auth := range tk.Auth {
		fmt.Fprintf(&b, "\n## Connecting with %s\n\n| field | needed | what |\n|---|---|---|\n", auth.Scheme)
		for _, f := range auth.Fields {
			needed := "optional"
			if f.Required {
				needed = "required"
			}
			if f.Secret {
				needed += ", kept sealed"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, needed, cell(f.Description))
		}
	}
	b.WriteString("\n## Tools\n")
	tools := slices.SortedFunc(slices.Values(tk.Tools), func(x, y toolkit.Tool) int { return strings.Compare(x.Slug, y.Slug) })
	for i := range tools {
		toolSection(t, &b, &tools[i])
	}
	triggerSections(t, &b, tk)
	return b.Bytes()
}

// triggerSections describes the triggers of a toolkit.
func triggerSections(t *testing.T, b *bytes.Buffer, tk *toolkit.Toolkit) {
	t.Helper()
	if len(tk.Triggers) == 0 {
		return
	}
	b.WriteString("\n## Triggers\n\nTriggers poll. The first poll notes what is there; events are what comes after it. " +
		"Each event has a key by which a receiver knows it again.\n")
	if len(tk.TriggerNotes) > 0 {
		fmt.Fprintf(b, "\n%s\n", strings.TrimSpace(tk.TriggerNotes))
	}
	triggers := slices.SortedFunc(slices.Values(tk.Triggers), func(x, y toolkit.Trigger) int { return strings.Compare(x.Slug, y.Slug) })
	for i := range triggers {
		tr := &triggers[i]
		fmt.Fprintf(b, "\n### %s\n\n%s\n\n", tr.Slug, tr.Description)
		fmt.Fprintf(b, "- Scopes: %s\n", scopes(tr.Scopes.All))
		if len(tr.Scopes.Some) > 0 {
			fmt.Fprintf(b, "- Scopes for some configurations: %s\n", scopes(tr.Scopes.Some))
		}
		fmt.Fprintf(b, "- Upstream: `%s`\n", strings.Join(tr.Endpoints, "`, `"))
		cost := fmt.Sprintf("requests: %d, points: %d", tr.IdleRequests, tr.IdlePoints)
		if tr.IdleMore != "" {
			cost += " (" + tr.IdleMore + ")"
		}
		fmt.Fprintf(b, "- Polls every %g minutes by default, every %g at most. A poll that finds nothing costs %s.\n", tr.Interval.Minutes(), tr.MinInterval.Minutes(), cost)
		if tr.Receives() {
			b.WriteString("- Takes webhooks of the application as well.\n")
		}
		for _, line := range tr.Blind {
			fmt.Fprintf(b, "- Limit: %s\n", line)
		}
		arguments(t, b, tr.Config, "configuration", "No configuration.")
		var example bytes.Buffer
		if err := json.Indent(&example, tr.Example, "", "  "); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(b, "\n```json\n%s\n```\n", example.String())
	}
}

// scopes writes needs: all of them, each by any of its names.
func scopes(needs [][]string) string {
	var all []string
	for _, names := range needs {
		all = append(all, "`"+strings.Join(names, "` or `")+"`")
	}
	return strings.Join(all, ", ")
}

func toolSection(t *testing.T, b *bytes.Buffer, tool *toolkit.Tool) {
	t.Helper()
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n", tool.Slug, tool.Description)
	fmt.Fprintf(b, "- Hints: %s\n", strings.Join(tool.Hints.Tags(), ", "))
	fmt.Fprintf(b, "- Scopes: %s\n", scopes(tool.Scopes.All))
	if len(tool.Scopes.Some) > 0 {
		fmt.Fprintf(b, "- Scopes for some arguments: %s\n", scopes(tool.Scopes.Some))
	}
	fmt.Fprintf(b, "- Upstream: `%s`\n", strings.Join(tool.Endpoints, "`, `"))
	for _, p := range tool.Pitfalls {
		fmt.Fprintf(b, "- Note: %s\n", p)
	}
	arguments(t, b, tool.Input, "argument", "Takes no arguments.")
}

// arguments lists the properties of a schema.
func arguments(t *testing.T, b *bytes.Buffer, schema json.RawMessage, heading, none string) {
	t.Helper()
	var in struct {
		Properties map[string]struct {
			Description string `json:"description"`
			Type        any    `json:"type"`
		} `json:"properties"`
		Required []string `json:"required"`
	}
	if err := json.Unmarshal(schema, &in); err != nil {
		t.Fatal(err)
	}
	if len(in.Properties) == 0 {
		fmt.Fprintf(b, "\n%s\n", none)
		return
	}
	fmt.Fprintf(b, "\n| %s | what |\n|---|---|\n", heading)
	names := make([]string, 0, len(in.Properties))
	for name := range in.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		label := "`" + name + "`"
		if slices.Contains(in.Required, name) {
			label += " (required)"
		}
		fmt.Fprintf(b, "| %s | %s |\n", label, cell(in.Properties[name].Description))
	}
}

// cell makes a text fit a table cell.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}

// TestArchitectureIsTrue: every package of the tree and every file that
// ARCHITECTURE.md names is there, and it names every room.
func TestArchitectureIsTrue(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	exists := func(name string) bool {
		for _, dir := range []string{"", "internal"} {
			if _, err := os.Stat(filepath.Join(root, dir, name)); err == nil {
				return true
			}
		}
		return false
	}
	for _, m := range regexp.MustCompile("[`*]([a-z_]+(?:/[a-z_]+)*/[a-z_]+\\.go)[`*]").FindAllStringSubmatch(string(text), -1) {
		if !exists(m[1]) {
			t.Errorf("it names %s, which is not there", m[1])
		}
	}
	for _, glob := range []string{"internal/*", "toolkits/*", "agent/*/", "sandbox/*", "client", "toolkit"} {
		dirs, err := filepath.Glob(filepath.Join(root, glob))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			room, err := filepath.Rel(root, dir)
			if err != nil {
				t.Fatal(err)
			}
			if code, _ := filepath.Glob(filepath.Join(dir, "*.go")); len(code) == 0 {
				continue
			}
			if !strings.Contains(string(text), "`"+filepath.ToSlash(room)+"`") {
				t.Errorf("it does not name the room %s", room)
			}
		}
	}
}
