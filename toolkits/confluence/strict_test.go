package confluence_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
)

// TestStrictMode: every tool has a strict form, but for those with an argument
// that holds any JSON (free), and the reason names that argument.
func TestStrictMode(t *testing.T) {
	t.Parallel()
	for i := range kit.Tools {
		tool := &kit.Tools[i]
		own := ""
		for _, one := range free {
			if slug, arg, _ := strings.Cut(one, "."); "CONFLUENCE_"+slug == tool.Slug {
				own = arg
			}
		}
		strict, err := agent.StrictSchema(tool.Input)
		switch {
		case own != "" && (err == nil || !strings.Contains(err.Error(), own)):
			t.Errorf("%s: %v; want an error about %s", tool.Slug, err, own)
		case own == "" && err != nil:
			t.Errorf("%s: %v", tool.Slug, err)
		case own == "":
			checkStrict(t, tool.Slug, strict)
			checkNulls(t, tool.Slug, tool.Input, strict, tool.Validate)
		}
	}
}

// strictWords are the keywords of the strict subset that are used here.
var strictWords = []string{"type", "description", "properties", "required", "additionalProperties", "items", "enum", "anyOf"}

// checkStrict holds a schema to the rules of strict mode.
func checkStrict(t *testing.T, slug string, schema json.RawMessage) {
	t.Helper()
	var walk func(at string, v any)
	walk = func(at string, v any) {
		s, ok := v.(map[string]any)
		if !ok {
			t.Errorf("%s%s: %v is no schema", slug, at, v)
			return
		}
		for key := range s {
			if !slices.Contains(strictWords, key) {
				t.Errorf("%s%s has %s", slug, at, key)
			}
		}
		if props, ok := s["properties"].(map[string]any); ok {
			var names, required []string
			for name, p := range props {
				names = append(names, name)
				walk(at+"."+name, p)
			}
			list, _ := s["required"].([]any)
			for _, r := range list {
				required = append(required, r.(string))
			}
			slices.Sort(names)
			if diff := cmp.Diff(names, required); diff != "" || s["additionalProperties"] != false {
				t.Errorf("%s%s does not require everything, or takes more:\n%s", slug, at, diff)
			}
		} else if s["type"] == "object" {
			t.Errorf("%s%s is a free object", slug, at)
		}
		if items, ok := s["items"]; ok {
			walk(at+"[]", items)
		}
		list, _ := s["anyOf"].([]any)
		for _, one := range list {
			walk(at, one)
		}
	}
	var root any
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	walk("", root)
}

// checkNulls sends null for every optional argument, as a model in strict mode
// does: without them the tool gets no argument that it would complain of, other
// than for what is missing anyway.
func checkNulls(t *testing.T, slug string, input, strict json.RawMessage, validate func(json.RawMessage) (json.RawMessage, error)) {
	t.Helper()
	var s struct {
		Properties map[string]struct {
			AnyOf []struct {
				Type any `json:"type"`
			} `json:"anyOf"`
			Type any `json:"type"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(strict, &s); err != nil {
		t.Fatal(err)
	}
	args := map[string]any{}
	for name, p := range s.Properties {
		types, _ := p.Type.([]any)
		null := slices.Contains(types, any("null"))
		for _, b := range p.AnyOf {
			null = null || b.Type == "null"
		}
		if null {
			args[name] = nil
		}
	}
	data, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	dropped := agent.DropNulls(input, data)
	if string(dropped) != "{}" {
		t.Errorf("%s: of %s there is left %s", slug, data, dropped)
	}
	var shape struct {
		Required []string `json:"required"`
	}
	if err := json.Unmarshal(input, &shape); err != nil {
		t.Fatal(err)
	}
	if len(args)+len(shape.Required) != len(s.Properties) {
		t.Errorf("%s: %d optional and %d required of %d arguments", slug, len(args), len(shape.Required), len(s.Properties))
	}
	if _, err := validate(dropped); (err == nil) != (len(shape.Required) == 0) {
		t.Errorf("%s without arguments: %v", slug, err)
	}
}
