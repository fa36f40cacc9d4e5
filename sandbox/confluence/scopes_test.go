package confluence_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

// TestScopeTable: scopes.txt says what Atlassian's documents say.
func TestScopeTable(t *testing.T) {
	loadSpecs(t) // skips or fails without the documents
	param := regexp.MustCompile(`\{[^}]*\}`)
	var lines []string
	for file, base := range map[string]string{"openapi-v1.json": "", "openapi-v2.json": "/wiki/api/v2"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "confluence", file))
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Paths map[string]map[string]json.RawMessage `json:"paths"`
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		for path, item := range doc.Paths {
			for method, body := range item {
				var op struct {
					Scopes []struct {
						Scopes []string `json:"scopes"`
					} `json:"x-atlassian-oauth2-scopes"`
				}
				if !slices.Contains([]string{"get", "post", "put", "delete"}, method) {
					continue
				}
				if err := json.Unmarshal(body, &op); err != nil {
					t.Fatal(err)
				}
				var sets []string
				for _, s := range op.Scopes {
					slices.Sort(s.Scopes)
					if set := strings.Join(s.Scopes, " "); set != "" && !slices.Contains(sets, set) {
						sets = append(sets, set)
					}
				}
				if len(sets) > 0 {
					lines = append(lines, strings.ToUpper(method)+" "+base+param.ReplaceAllString(path, "{}")+"\t"+strings.Join(sets, " | "))
				}
			}
		}
	}
	slices.Sort(lines)
	want := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile("scopes.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("scopes.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("scopes.txt is not what the documents say; run with -update (-want +got):\n%s", diff)
	}
}
