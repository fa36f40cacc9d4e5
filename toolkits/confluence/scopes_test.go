package confluence_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/toolkit"
)

// scopesOf gives the sets of scopes of which any one lets a call through, as
// Atlassian's documents have them: of old names, and of new.
func (c *contract) scopesOf(t *testing.T, call string) [][]string {
	t.Helper()
	for _, op := range c.ops {
		if op.route.Method+" "+op.template != call {
			continue
		}
		var sets []struct {
			Scopes []string `json:"scopes"`
		}
		data, err := json.Marshal(op.route.Operation.Extensions["x-atlassian-oauth2-scopes"])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &sets); err != nil {
			t.Fatal(err)
		}
		var out [][]string
		for _, s := range sets {
			if len(s.Scopes) > 0 {
				out = append(out, s.Scopes)
			}
		}
		return out
	}
	t.Fatalf("the documents have no %s", call)
	return nil
}

// checkNeeds: a call that succeeded made use of every scope that its tool
// always asks for. Otherwise an account without it would be refused before a
// call that it could make.
func checkNeeds(t *testing.T, tool *toolkit.Tool, made []string, args string) {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	if c == nil || len(made) == 0 {
		return
	}
	var used []string
	for _, call := range made {
		for _, set := range c.scopesOf(t, call) {
			used = append(used, set...)
		}
	}
	for _, need := range tool.Scopes.All {
		if !slices.ContainsFunc(need, func(n string) bool { return slices.Contains(used, n) }) {
			t.Errorf("%s %s did without the scope %s, which is declared as always needed; calls: %s",
				tool.Slug, args, strings.Join(need, " or "), strings.Join(made, ", "))
		}
	}
}

// TestScopesAreDocumented: whoever has all scopes that a tool names, or all of
// its old or new ones, gets through every call that it declares; and each name
// is one that the documents have for one of those calls.
func TestScopesAreDocumented(t *testing.T) {
	t.Parallel()
	c := needContract(t)
	for i := range kit.Tools {
		tool := &kit.Tools[i]
		names := tool.Scopes.Names()
		var known []string
		for _, call := range tool.Endpoints {
			sets := c.scopesOf(t, call)
			for _, set := range sets {
				known = append(known, set...)
			}
			through := func(set []string) bool {
				return !slices.ContainsFunc(set, func(n string) bool { return !slices.Contains(names, n) })
			}
			if len(sets) > 0 && !slices.ContainsFunc(sets, through) {
				t.Errorf("%s: %s needs one of %v, and the tool names %v", tool.Slug, call, sets, names)
			}
		}
		for _, call := range shared {
			for _, set := range c.scopesOf(t, call) {
				known = append(known, set...)
			}
		}
		for _, n := range names {
			if !slices.Contains(known, n) {
				t.Errorf("%s names the scope %s, which none of its calls needs", tool.Slug, n)
			}
		}
	}
}
