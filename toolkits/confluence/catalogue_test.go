package confluence_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
	"github.com/sluice-run/sluice/toolkits/confluence"
)

var update = flag.Bool("update", false, "rewrite the snapshots in testdata")

// shape is all of a tool that others see.
type shape struct {
	Slug        string          `json:"slug"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Important   bool            `json:"important"`
	Tags        []string        `json:"tags"`
	Scopes      [][]string      `json:"scopes"`
	Sometimes   [][]string      `json:"scopes_sometimes,omitempty"`
	Keywords    []string        `json:"keywords"`
	Pitfalls    []string        `json:"pitfalls,omitempty"`
	Endpoints   []string        `json:"endpoints"`
	Input       json.RawMessage `json:"input"`
	Output      json.RawMessage `json:"output"`
}

const snapshots = "testdata/tools"

func TestToolSnapshots(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, tool := range confluence.New().Tools {
		want[tool.Slug+".json"] = true
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(shape{
			Slug: tool.Slug, Name: tool.Name, Description: tool.Description, Important: tool.Important,
			Tags: tool.Hints.Tags(), Scopes: tool.Scopes.All, Sometimes: tool.Scopes.Some, Keywords: tool.Keywords, Pitfalls: tool.Pitfalls,
			Endpoints: tool.Endpoints, Input: tool.Input, Output: tool.Output,
		}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(snapshots, tool.Slug+".json")
		if *update {
			if err := os.MkdirAll(snapshots, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s has no snapshot; run go test -update: %v", tool.Slug, err)
			continue
		}
		if diff := cmp.Diff(string(got), b.String()); diff != "" {
			t.Errorf("%s changed; raise the toolkit's version and run go test -update (-snapshot +now):\n%s", tool.Slug, diff)
		}
	}
	files, err := os.ReadDir(snapshots)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("%s belongs to no tool", f.Name())
		}
	}
}

// first are the tools of the first release, in the order of the catalogue.
var first = strings.Fields(`CREATE_PAGE UPDATE_PAGE DELETE_PAGE GET_PAGE_BY_ID GET_PAGES GET_CHILD_PAGES GET_PAGE_ANCESTORS
	GET_PAGE_VERSIONS CREATE_BLOGPOST UPDATE_BLOGPOST GET_BLOGPOST_BY_ID GET_BLOG_POSTS ADD_CONTENT_LABEL GET_LABELS_FOR_PAGE
	GET_LABELS CQL_SEARCH SEARCH_CONTENT GET_SPACES GET_SPACE_BY_ID GET_SPACE_CONTENTS CREATE_SPACE CREATE_FOOTER_COMMENT
	GET_PAGE_FOOTER_COMMENTS GET_CURRENT_USER`)

// promised are the rest of the 62 that the guide promises.
var promised = strings.Fields(`CREATE_BLOGPOST_PROPERTY CREATE_CONTENT_PROPERTY_FOR_WHITEBOARD CREATE_PAGE_PROPERTY CREATE_PRIVATE_SPACE
	CREATE_SPACE_PROPERTY CREATE_WHITEBOARD DELETE_BLOGPOST_PROPERTY DELETE_CONTENT_PROPERTY_FOR_PAGE_BY_ID
	DELETE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID DELETE_SPACE DELETE_SPACE_PROPERTY DOWNLOAD_ATTACHMENT GET_ATTACHMENT_LABELS
	GET_ATTACHMENTS GET_AUDIT_LOGS GET_BLOGPOST_LABELS GET_BLOGPOST_LIKE_COUNT GET_BLOGPOST_OPERATIONS GET_BLOG_POSTS_FOR_LABEL
	GET_BLOGPOST_VERSION_DETAILS GET_BLOGPOST_VERSIONS GET_CONTENT_PROPERTIES_FOR_BLOG_POST GET_CONTENT_PROPERTIES_FOR_PAGE
	GET_CONTENT_RESTRICTIONS GET_INLINE_COMMENTS_FOR_BLOG_POST GET_LABELS_FOR_SPACE GET_LABELS_FOR_SPACE_CONTENT
	GET_PAGE_INLINE_COMMENTS GET_PAGE_LIKE_COUNT GET_SPACE_PROPERTIES GET_TASKS GET_USER_ANONYMOUS SEARCH_USERS
	UPDATE_BLOGPOST_PROPERTY UPDATE_CONTENT_PROPERTY_FOR_PAGE_BY_ID UPDATE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID
	UPDATE_SPACE_PROPERTY UPDATE_TASK`)

func TestCatalogue(t *testing.T) {
	t.Parallel()
	kit := confluence.New()
	if kit.Slug != "confluence" || kit.NoAuth() || kit.Check == nil || !regexp.MustCompile(`^\d{8}_\d\d$`).MatchString(kit.Version) {
		t.Errorf("facts: %+v", kit)
	}
	var slugs []string
	important := 0
	for _, tool := range kit.Tools {
		slugs = append(slugs, strings.TrimPrefix(tool.Slug, "CONFLUENCE_"))
		if tool.Important {
			important++
		}
		t.Run(tool.Slug, func(t *testing.T) {
			t.Parallel()
			checkTool(t, &tool)
		})
	}
	if diff := cmp.Diff(first, slugs[:len(first)]); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	for _, want := range promised {
		if !slices.Contains(slugs, want) {
			t.Errorf("there is no %s", want)
		}
	}
	slices.Sort(slugs)
	if len(slices.Compact(slices.Clone(slugs))) != len(slugs) {
		t.Errorf("a tool is there twice: %v", slugs)
	}
	if important < 10 || important > 14 {
		t.Errorf("%d tools are important, want about 12", important)
	}
}

var endpoint = regexp.MustCompile(`^(GET|POST|PUT|DELETE) /wiki/(api/v2|rest/api)/[A-Za-z0-9/{}_-]+$`)

// guidance are the words by which a description sends a reader to the right
// tool: what this one is for, what it is not for, what to use instead.
var guidance = regexp.MustCompile(`\b(Use|use|Not|not|instead|first)\b`)

func checkTool(t *testing.T, tool *toolkit.Tool) {
	if len(tool.Slug) > 64 || !regexp.MustCompile(`^CONFLUENCE_[A-Z0-9_]+$`).MatchString(tool.Slug) {
		t.Errorf("slug %q", tool.Slug)
	}
	if n := len(tool.Name); n < 5 || n > 40 {
		t.Errorf("name %q", tool.Name)
	}
	if n := len(tool.Description); n < 60 || n > 400 {
		t.Errorf("the description has %d characters", n)
	}
	if !guidance.MatchString(tool.Description) {
		t.Errorf("the description does not say what to use it for, or what not: %s", tool.Description)
	}
	if len(tool.Scopes.All) == 0 || len(tool.Keywords) < 2 || len(tool.Endpoints) == 0 {
		t.Errorf("scopes %v, keywords %v, endpoints %v", tool.Scopes, tool.Keywords, tool.Endpoints)
	}
	for _, e := range tool.Endpoints {
		if !endpoint.MatchString(e) {
			t.Errorf("endpoint %q", e)
		}
	}
	for _, p := range tool.Pitfalls {
		if !strings.HasSuffix(p, ".") {
			t.Errorf("pitfall %q is no sentence", p)
		}
	}
	seen := map[string]bool{}
	for _, k := range tool.Keywords {
		if k != strings.ToLower(k) || seen[k] {
			t.Errorf("keyword %q: capitals, or twice", k)
		}
		seen[k] = true
	}
	checkHints(t, tool)
	checkSchema(t, tool.Input, true)
	checkSchema(t, tool.Output, false)
}

// checkHints compares the annotations with what the endpoints do.
func checkHints(t *testing.T, tool *toolkit.Tool) {
	t.Helper()
	method := strings.Fields(tool.Endpoints[0])[0]
	h := tool.Hints
	want := toolkit.Hints{OpenWorld: true}
	switch method {
	case "GET":
		want.ReadOnly, want.Idempotent = true, true
	case "DELETE":
		want.Destructive, want.Idempotent = true, true
	case "PUT":
		want.Destructive = true
	}
	if strings.HasSuffix(tool.Endpoints[0], "/archive") {
		want.Destructive = true // by a POST
	}
	if strings.HasSuffix(tool.Endpoints[0], "/label") || strings.Contains(tool.Endpoints[0], "/watch/") || strings.HasSuffix(tool.Endpoints[0], "/tasks/{id}") {
		want.Idempotent = true // adding what is there, or ticking what is ticked, changes nothing
	}
	if h != want {
		t.Errorf("hints %+v, want %+v", h, want)
	}
	if h.ReadOnly {
		for _, e := range tool.Endpoints {
			if !strings.HasPrefix(e, "GET ") {
				t.Errorf("a tool that changes nothing calls %s", e)
			}
		}
	}
}

// allowed are the keywords that function calling of every provider and the
// parsers of SDKs take.
var allowed = []string{
	"type", "title", "description", "properties", "required", "items", "enum", "default", "minimum", "maximum",
	"minLength", "maxLength", "minItems", "maxItems", "format", "anyOf", "additionalProperties",
	// By these the contract's SDKs know files; they take them out themselves.
	"file_uploadable", "file_downloadable",
}

func checkSchema(t *testing.T, data json.RawMessage, input bool) {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	if root["type"] != "object" || root["properties"] == nil {
		t.Errorf("not an object with properties: %s", data)
	}
	if title, _ := root["title"].(string); title == "" {
		t.Error("no title")
	}
	if len(data) > 8000 {
		t.Errorf("the schema has %d bytes", len(data))
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		s, ok := v.(map[string]any)
		if !ok {
			t.Errorf("%s is not an object schema: %v", at, v)
			return
		}
		for key := range s {
			if !slices.Contains(allowed, key) {
				t.Errorf("%s has the keyword %s", at, key)
			}
		}
		props, _ := s["properties"].(map[string]any)
		for name, p := range props {
			walk(at+"."+name, p)
			sub, _ := p.(map[string]any)
			if text, _ := sub["description"].(string); text == "" && !strings.Contains(at, "_links") {
				t.Errorf("%s.%s has no description", at, name)
			}
			if d, has := sub["default"]; has && input {
				if enum, ok := sub["enum"].([]any); ok && !slices.Contains(enum, d) {
					t.Errorf("%s.%s: the default is not allowed", at, name)
				}
			}
		}
		required, _ := s["required"].([]any)
		for _, r := range required {
			if name, _ := r.(string); props[name] == nil {
				t.Errorf("%s requires %v, which it does not have", at, r)
			}
		}
		for _, key := range []string{"items", "additionalProperties"} {
			if sub, ok := s[key]; ok {
				walk(at+"."+key, sub)
			}
		}
		list, _ := s["anyOf"].([]any)
		for _, sub := range list {
			walk(at+".anyOf", sub)
		}
	}
	walk("$", root)
}
