package confluence_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

// triggerShape is all of a trigger that others see.
type triggerShape struct {
	Slug         string          `json:"slug"`
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	Scopes       [][]string      `json:"scopes"`
	Sometimes    [][]string      `json:"scopes_sometimes,omitempty"`
	Keywords     []string        `json:"keywords"`
	Blind        []string        `json:"blind"`
	Endpoints    []string        `json:"endpoints"`
	Interval     string          `json:"interval"`
	MinInterval  string          `json:"min_interval"`
	IdleRequests int             `json:"idle_requests"`
	IdlePoints   int             `json:"idle_points"`
	IdleMore     string          `json:"idle_more,omitempty"`
	Webhooks     bool            `json:"webhooks"`
	Config       json.RawMessage `json:"config"`
	Payload      json.RawMessage `json:"payload"`
	Example      json.RawMessage `json:"example"`
}

func TestTriggerSnapshots(t *testing.T) {
	t.Parallel()
	const folder = "testdata/triggers"
	want := map[string]bool{}
	for _, tr := range kit.Triggers {
		want[tr.Slug+".json"] = true
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(triggerShape{
			Slug: tr.Slug, Name: tr.Name, Description: tr.Description, Scopes: tr.Scopes.All, Sometimes: tr.Scopes.Some, Keywords: tr.Keywords,
			Blind: tr.Blind, Endpoints: tr.Endpoints, Interval: tr.Interval.String(), MinInterval: tr.MinInterval.String(),
			IdleRequests: tr.IdleRequests, IdlePoints: tr.IdlePoints, IdleMore: tr.IdleMore, Webhooks: tr.Receives(),
			Config: tr.Config, Payload: tr.Payload, Example: tr.Example,
		}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(folder, tr.Slug+".json")
		if *update {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s has no snapshot; run go test -update: %v", tr.Slug, err)
			continue
		}
		if diff := cmp.Diff(string(got), b.String()); diff != "" {
			t.Errorf("%s changed; raise the toolkit's version and run go test -update (-snapshot +now):\n%s", tr.Slug, diff)
		}
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("%s belongs to no trigger", f.Name())
		}
	}
}

// promisedTriggers are the 23 that the guide promises.
var promisedTriggers = strings.Fields(`ATTACHMENT_ADDED BLOG_POST_ADDED_TO_LABEL BLOGPOST_INLINE_COMMENT_ADDED BLOGPOST_LIKE_COUNT_CHANGED
	BLOGPOST_UPDATED CONTENT_RESTRICTIONS_CHANGED FOOTER_COMMENT_ADDED NEW_AUDIT_LOG NEW_BLOG_POST_CREATED NEW_CHILD_PAGE
	NEW_CQL_CONTENT_MATCH NEW_TASK_CREATED PAGE_CONTENT_PROPERTIES_CHANGED PAGE_CREATED PAGE_INLINE_COMMENT_ADDED
	PAGE_LIKE_COUNT_CHANGED PAGE_MOVED PAGE_UPDATED PAGE_VERSION_CREATED SPACE_CONTENT_ADDED SPACE_CREATED SPACE_DETAILS_CHANGED
	SPACE_PROPERTIES_CHANGED`)

func TestTriggerCatalogue(t *testing.T) {
	t.Parallel()
	var slugs []string
	for i := range kit.Triggers {
		tr := &kit.Triggers[i]
		slugs = append(slugs, strings.TrimSuffix(strings.TrimPrefix(tr.Slug, "CONFLUENCE_"), "_TRIGGER"))
		t.Run(tr.Slug, func(t *testing.T) {
			t.Parallel()
			checkTrigger(t, tr)
		})
	}
	slices.Sort(slugs)
	want := slices.Sorted(slices.Values(promisedTriggers))
	if diff := cmp.Diff(want, slugs); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
}

func checkTrigger(t *testing.T, tr *toolkit.Trigger) {
	if len(tr.Slug) > 64 || !regexp.MustCompile(`^CONFLUENCE_[A-Z0-9_]+_TRIGGER$`).MatchString(tr.Slug) {
		t.Errorf("slug %q", tr.Slug)
	}
	if n := len(tr.Name); n < 5 || n > 40 {
		t.Errorf("name %q", tr.Name)
	}
	if n := len(tr.Description); n < 60 || n > 400 {
		t.Errorf("the description has %d characters", n)
	}
	if !strings.HasPrefix(tr.Description, "Fires ") || !guidance.MatchString(tr.Description) {
		t.Errorf("the description does not say when it fires and when not: %s", tr.Description)
	}
	if len(tr.Scopes.All) == 0 || len(tr.Keywords) < 2 || len(tr.Endpoints) == 0 || len(tr.Blind) == 0 {
		t.Errorf("scopes %v, keywords %v, endpoints %v, blind %v", tr.Scopes, tr.Keywords, tr.Endpoints, tr.Blind)
	}
	for _, e := range tr.Endpoints {
		if !endpoint.MatchString(e) || !strings.HasPrefix(e, "GET ") {
			t.Errorf("endpoint %q: a trigger only reads", e)
		}
	}
	for _, b := range tr.Blind {
		if !strings.HasSuffix(b, ".") {
			t.Errorf("%q is no sentence", b)
		}
	}
	if tr.Interval < tr.MinInterval || tr.MinInterval < time.Minute || tr.IdleRequests < 1 || tr.IdlePoints < 1 {
		t.Errorf("interval %s, at least %s; idle: %d requests, %d points", tr.Interval, tr.MinInterval, tr.IdleRequests, tr.IdlePoints)
	}
	checkSchema(t, tr.Config, true)
	checkSchema(t, tr.Payload, false)
	checkPayload(t, tr, tr.Example)
	var doc map[string]any
	if err := json.Unmarshal(tr.Example, &doc); err != nil {
		t.Fatal(err)
	}
	for _, path := range [][]any{{"occurred_at"}, {"resource", "type"}, {"resource", "id"}} {
		if text(doc, path...) == "" {
			t.Errorf("the example has no %v: %s", path, tr.Example)
		}
	}
	if _, err := time.Parse(time.RFC3339, text(doc, "occurred_at")); err != nil {
		t.Error(err)
	}
}

// TestTriggerEndpointsAreDocumented: Atlassian's documents have every call, and
// whoever has all scopes that a trigger names gets through each of them.
func TestTriggerEndpointsAreDocumented(t *testing.T) {
	t.Parallel()
	c := needContract(t)
	have := map[string]bool{}
	for _, op := range c.ops {
		have[op.route.Method+" "+op.template] = true
	}
	for i := range kit.Triggers {
		tr := &kit.Triggers[i]
		names := tr.Scopes.Names()
		var known []string
		for _, e := range tr.Endpoints {
			if !have[e] {
				t.Errorf("%s names %s, which the documents do not have", tr.Slug, e)
				continue
			}
			sets := c.scopesOf(t, e)
			for _, set := range sets {
				known = append(known, set...)
			}
			through := func(set []string) bool {
				return !slices.ContainsFunc(set, func(n string) bool { return !slices.Contains(names, n) })
			}
			if len(sets) > 0 && !slices.ContainsFunc(sets, through) {
				t.Errorf("%s: %s needs one of %v, and the trigger names %v", tr.Slug, e, sets, names)
			}
		}
		for _, n := range names {
			if !slices.Contains(known, n) {
				t.Errorf("%s names the scope %s, which none of its calls needs", tr.Slug, n)
			}
		}
	}
}
