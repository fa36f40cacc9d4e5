package confluence_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/toolkit"
)

// What plain function calling takes of a tool, by the documents of those who
// offer it:
//   - OpenAI: names of letters, digits, _ and -, at most 64; descriptions of at
//     most 1,024 characters; an object at the root, without alternatives; nesting
//     of at most 5, 100 properties and 500 values of enumerations are what its
//     strict mode adds, and a schema within them converts.
//   - Anthropic: the same names; an object at the root, without oneOf, allOf or
//     anyOf; arguments named by letters, digits, _, . and -, at most 64.
//   - Gemini: names that begin with a letter or _; arguments named by letters,
//     digits and _; only the fields of its Schema; a single type everywhere;
//     items in arrays; enumerations of strings only, none of them empty; of the
//     formats of strings only enum and date-time.
var (
	toolName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)
	argumentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
)

// geminiFields are the fields of Gemini's Schema, without those that JSON
// Schema does not know.
var geminiFields = []string{
	"type", "format", "title", "description", "enum", "maxItems", "minItems", "properties", "required", "minProperties", "maxProperties",
	"minLength", "maxLength", "pattern", "anyOf", "default", "items", "minimum", "maximum",
}

// stripped are keywords that the SDKs of the contract act on and take out
// before a model sees the schema.
var stripped = []string{"file_uploadable"}

// free are the arguments that hold any JSON: they have no type, or are objects
// without properties. Gemini takes them as parametersJsonSchema only, and strict
// modes do not take them at all. Nothing else may be like that.
var free = []string{
	"CREATE_PAGE_PROPERTY.value", "UPDATE_CONTENT_PROPERTY_FOR_PAGE_BY_ID.value", "CREATE_BLOGPOST_PROPERTY.value", "UPDATE_BLOGPOST_PROPERTY.value",
	"CREATE_SPACE_PROPERTY.value", "UPDATE_SPACE_PROPERTY.value", "CREATE_CONTENT_PROPERTY_FOR_WHITEBOARD.value",
	"UPDATE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID.value", "CREATE_SPACE.metadata", "CREATE_BLOGPOST.metadata",
}

// functionFaults says what keeps a tool from being called as a plain function.
func functionFaults(name, description string, input json.RawMessage) []string {
	var root map[string]any
	if err := json.Unmarshal(input, &root); err != nil {
		return []string{err.Error()}
	}
	f := faults{tool: strings.TrimPrefix(name, "CONFLUENCE_")}
	if !toolName.MatchString(name) {
		f.say("the name %q", name)
	}
	if description == "" || len([]rune(description)) > 1024 {
		f.say("a description of %d characters", len([]rune(description)))
	}
	if _, ok := root["properties"].(map[string]any); root["type"] != "object" || !ok {
		f.say("the root is no object with properties")
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf", "not", "enum"} {
		if root[key] != nil {
			f.say("the root has %s", key)
		}
	}
	f.walk("", root, 1)
	if f.properties > 100 || f.values > 500 {
		f.say("%d properties, %d values of enumerations", f.properties, f.values)
	}
	return f.found
}

type faults struct {
	tool               string
	properties, values int
	found              []string
}

func (f *faults) say(format string, args ...any) {
	f.found = append(f.found, fmt.Sprintf(format, args...))
}

func (f *faults) walk(at string, s map[string]any, depth int) {
	for key := range s {
		if !slices.Contains(geminiFields, key) && !slices.Contains(stripped, key) {
			f.say("%s: the keyword %s", at, key)
		}
	}
	props, _ := s["properties"].(map[string]any)
	kind, _ := s["type"].(string)
	switch kind {
	case "object":
		if len(props) == 0 && at != "" && !slices.Contains(free, f.tool+at) {
			f.say("%s: an object without properties", at)
		}
		if depth > 5 {
			f.say("%s: nested %d deep", at, depth)
		}
	case "array":
		if _, ok := s["items"].(map[string]any); !ok {
			f.say("%s: an array without items", at)
		}
	case "string", "integer", "number", "boolean":
	default:
		if s["anyOf"] == nil && !slices.Contains(free, f.tool+at) {
			f.say("%s: the type %v", at, s["type"])
		}
	}
	if format, ok := s["format"]; ok && (kind != "string" || format != "date-time") {
		f.say("%s: the format %v", at, format)
	}
	f.enum(at, kind, s)
	for name, sub := range props {
		f.properties++
		if !argumentName.MatchString(name) {
			f.say("%s: the argument %q", at, name)
		}
		f.deeper(at+"."+name, sub, depth+1)
	}
	if items, ok := s["items"]; ok {
		f.deeper(at+"[]", items, depth+1)
	}
	list, _ := s["anyOf"].([]any)
	for _, sub := range list {
		f.deeper(at, sub, depth)
	}
}

func (f *faults) deeper(at string, sub any, depth int) {
	s, ok := sub.(map[string]any)
	if !ok {
		f.say("%s: %v is no schema of its own", at, sub)
		return
	}
	f.walk(at, s, depth)
}

func (f *faults) enum(at, kind string, s map[string]any) {
	enum, ok := s["enum"]
	if !ok {
		return
	}
	list, _ := enum.([]any)
	if len(list) == 0 || kind != "string" {
		f.say("%s: an enumeration of %d values of the type %q", at, len(list), kind)
	}
	seen := map[string]bool{}
	for _, v := range list {
		f.values++
		if text, _ := v.(string); text == "" || seen[text] {
			f.say("%s: the enumerated value %v is empty, no string or there twice", at, v)
		} else {
			seen[text] = true
		}
	}
}

func TestPlainFunctionCalling(t *testing.T) {
	t.Parallel()
	for _, tool := range kit.Tools {
		for _, fault := range functionFaults(tool.Slug, tool.Description, tool.Input) {
			t.Errorf("%s: %s", tool.Slug, fault)
		}
	}
	for _, one := range free {
		slug, arg, _ := strings.Cut(one, ".")
		at := slices.IndexFunc(kit.Tools, func(t toolkit.Tool) bool { return t.Slug == "CONFLUENCE_"+slug })
		if at < 0 || !strings.Contains(string(kit.Tools[at].Input), `"`+arg+`":{`) {
			t.Errorf("%s is no argument", one)
		}
	}
}

// TestFaultsAreFound: the check above can fail.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		`{"type":"object","properties":{"a":{"type":"string"}}}`:                              "",
		`{"type":"array","items":{"type":"string"}}`:                                          "root is no object",
		`{"type":"object","properties":{},"oneOf":[]}`:                                        "root has oneOf",
		`{"type":"object","properties":{"a b":{"type":"string"}}}`:                            `argument "a b"`,
		`{"type":"object","properties":{"a":{"type":["string","null"]}}}`:                     "type [string null]",
		`{"type":"object","properties":{"a":{}}}`:                                             "type <nil>",
		`{"type":"object","properties":{"a":true}}`:                                           "no schema of its own",
		`{"type":"object","properties":{"a":{"type":"array"}}}`:                               "array without items",
		`{"type":"object","properties":{"a":{"type":"object"}}}`:                              "object without properties",
		`{"type":"object","properties":{"a":{"type":"integer","enum":[1]}}}`:                  "enumeration of 1 values",
		`{"type":"object","properties":{"a":{"type":"string","enum":["x",""]}}}`:              "empty",
		`{"type":"object","properties":{"a":{"type":"string","format":"date"}}}`:              "format date",
		`{"type":"object","properties":{"a":{"$ref":"#/x","type":"string"}}}`:                 "keyword $ref",
		`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`: "keyword additionalProperties",
		`{"type":"object","properties":{"a":` + strings.Repeat(`{"type":"array","items":`, 5) +
			`{"type":"object","properties":{"b":{"type":"string"}}}` + strings.Repeat("}", 5) + `}}`: "nested",
	} {
		got := strings.Join(functionFaults("CONFLUENCE_X", "Does it.", json.RawMessage(input)), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", input, got, want)
		}
	}
	for name, description := range map[string]string{"CONFLUENCE_" + strings.Repeat("X", 54): "x", "1CONFLUENCE": "x", "CONFLUENCE.X": "x", "CONFLUENCE_X": strings.Repeat("x", 1025)} {
		if len(functionFaults(name, description, json.RawMessage(`{"type":"object","properties":{}}`))) != 1 {
			t.Errorf("%s, described in %d characters, is taken", name, len(description))
		}
	}
}
