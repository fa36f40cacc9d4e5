package agent_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/agent"
)

func TestStrictSchema(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{
			"required and optional",
			`{"type":"object","title":"X","properties":{"a":{"type":"string"},"b":{"type":"integer","description":"How many.","minimum":1,"maximum":9,"default":5}},"required":["a"]}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["integer","null"],"description":"How many. At least 1. At most 9. Default: 5."}},"required":["a","b"],"additionalProperties":false}`,
		},
		{
			"no arguments", `{"type":"object"}`,
			`{"type":"object","properties":{},"required":[],"additionalProperties":false}`,
		},
		{
			"enumerations", `{"type":"object","properties":{"a":{"type":"string","enum":["x"],"default":"x"},"b":{"const":"y"}},"required":["b"]}`,
			`{"type":"object","properties":{"a":{"type":["string","null"],"enum":["x",null],"description":"Default: x."},"b":{"type":"string","enum":["y"]}},"required":["a","b"],"additionalProperties":false}`,
		},
		{
			"nested", `{"type":"object","properties":{"l":{"type":"array","description":"All.","minItems":1,"items":{"type":"object","properties":{"k":{"type":"string","format":"date"}}}}}}`,
			`{"type":"object","properties":{"l":{"description":"All. At least 1 items.","anyOf":[{"type":"array","items":{"type":"object","properties":{"k":{"type":["string","null"],"description":"Format: date."}},"required":["k"],"additionalProperties":false}},{"type":"null"}]}},"required":["l"],"additionalProperties":false}`,
		},
		{
			"alternatives", `{"type":"object","properties":{"v":{"anyOf":[{"type":"string"},{"type":"number"}]}}}`,
			`{"type":"object","properties":{"v":{"anyOf":[{"type":"string"},{"type":"number"},{"type":"null"}]}},"required":["v"],"additionalProperties":false}`,
		},
		{
			"null by default", `{"type":"object","properties":{"v":{"anyOf":[{"type":"string"},{"type":"null"}],"default":null}}}`,
			`{"type":"object","properties":{"v":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["v"],"additionalProperties":false}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := agent.StrictSchema(json.RawMessage(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, []byte(tc.want)), decoded(t, got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNotStrict(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`[`:    "cannot be read",
		`true`: "is no object",
		`{"type":"array","items":{"type":"string"}}`:                                                                                                  "not one object",
		`{"type":"object","properties":{"v":{}}}`:                                                                                                     "v takes any value",
		`{"type":"object","properties":{"v":true}}`:                                                                                                   "v takes any value",
		`{"type":"object","properties":{"v":{"type":"object"}}}`:                                                                                      "v takes properties of any name",
		`{"type":"object","properties":{"v":{"type":"array"}}}`:                                                                                       "v[] takes any value",
		`{"type":"object","properties":{},"additionalProperties":{"type":"string"}}`:                                                                  "properties of any name",
		`{"type":"object","properties":{"v":{"$ref":"#/$defs/x"}}}`:                                                                                   "v uses $ref",
		`{"type":"object","properties":{"v":{"oneOf":[{"type":"string"}]}}}`:                                                                          "v uses oneOf",
		`{"type":"object","properties":{"v":{"type":["string","null"]}}}`:                                                                             "takes null as well",
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["b"]}`:                                                                     "requires b",
		`{"type":"object","properties":{"v":{"type":"string","anyOf":[{"type":"string"}]}}}`:                                                          "anyOf beside type",
		`{"type":"object","properties":{"v":{"enum":[{"a":1}]}}}`:                                                                                     "v",
		`{"type":"object","properties":{"v":` + strings.Repeat(`{"type":"array","items":`, 11) + `{"type":"string"}` + strings.Repeat("}", 11) + `}}`: "deeper than 10",
	} {
		if out, err := agent.StrictSchema(json.RawMessage(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s, %v; want an error about %q", in, out, err, want)
		}
	}
}

func TestDropNulls(t *testing.T) {
	t.Parallel()
	schema := `{"type":"object","properties":{
		"must":{"type":"string"},"may":{"type":"string"},"both":{"type":["string","null"]},"any":{},
		"list":{"type":"array","items":{"type":"object","properties":{"x":{"type":"integer"}}}},
		"alt":{"anyOf":[{"type":"string"},{"type":"object","properties":{"k":{"type":"string"},"y":{"type":"string"}},"required":["k"],"additionalProperties":false}]}
	},"required":["must"]}`
	for in, want := range map[string]string{
		`{"must":"a"}`:                                        `{"must":"a"}`,
		`{"must":"a","may":null}`:                             `{"must":"a"}`,
		`{"must":null,"may":null}`:                            `{"must":null}`,
		`{"must":"a","both":null,"any":null,"new":null}`:      `{"must":"a","both":null,"any":null,"new":null}`,
		`{"must":"a","list":[{"x":null},{"x":1}]}`:            `{"must":"a","list":[{},{"x":1}]}`,
		`{"must":"a","list":null,"alt":null}`:                 `{"must":"a"}`,
		`{"must":"a","alt":{"k":"v","y":null}}`:               `{"must":"a","alt":{"k":"v"}}`,
		`{"must":"<b>","may":null,"id":12345678901234567890}`: `{"must":"<b>","id":12345678901234567890}`,
		`{"must":`: `{"must":`,
	} {
		got := string(agent.DropNulls(json.RawMessage(schema), json.RawMessage(in)))
		if got == want {
			continue
		}
		if !json.Valid([]byte(want)) || cmp.Diff(decoded(t, []byte(want)), decoded(t, []byte(got))) != "" {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	big := agent.DropNulls(json.RawMessage(schema), json.RawMessage(`{"id":12345678901234567890,"may":null}`))
	if string(big) != `{"id":12345678901234567890}` {
		t.Errorf("a large number became %s", big)
	}
}

// TestStrictIsTheSame: what the strict form takes is, without its nulls, what
// the schema takes, but for the bounds that strict mode has no words for; and
// all that the schema takes can be said in the strict form.
func TestStrictIsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		schema := drawObject(t, "schema", 3)
		original := encoded(t, schema)
		strict, err := agent.StrictSchema(original)
		if err != nil {
			t.Fatalf("%s: %v", original, err)
		}
		full := drawValue(t, decodedMap(t, strict))
		if err := valid(t, strict, full); err != nil {
			t.Fatalf("%s\nis not valid under the strict form that it was drawn from: %v", encoded(t, full), err)
		}
		dropped := agent.DropNulls(original, encoded(t, full))
		var got any
		if err := json.Unmarshal(dropped, &got); err != nil {
			t.Fatal(err)
		}
		unbounded := encoded(t, withoutBounds(decodedMap(t, original)))
		if err := valid(t, unbounded, got); err != nil {
			t.Fatalf("schema %s\nstrict %s\nvalue %s\ndropped %s: %v", original, strict, encoded(t, full), dropped, err)
		}
		// The way back: a value that the schema takes, with null for what it leaves out.
		value := drawValue(t, decodedMap(t, original))
		if err := valid(t, original, value); err != nil {
			t.Fatalf("%s: drawn badly: %v", encoded(t, value), err)
		}
		filled := fill(decodedMap(t, original), value)
		if err := valid(t, strict, filled); err != nil {
			t.Fatalf("schema %s\nstrict %s\nvalue %s: %v", original, strict, encoded(t, filled), err)
		}
		var back any
		if err := json.Unmarshal(agent.DropNulls(original, encoded(t, filled)), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(value, back); diff != "" {
			t.Fatalf("schema %s: there and back (-want +got):\n%s", original, diff)
		}
	})
}

var bounds = []string{"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default"}

func withoutBounds(s map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range s {
		switch sub := v.(type) {
		case map[string]any:
			if k == "properties" {
				props := map[string]any{}
				for name, p := range sub {
					props[name] = withoutBounds(p.(map[string]any))
				}
				v = props
			} else {
				v = withoutBounds(sub)
			}
		case []any:
			if k == "anyOf" {
				var list []any
				for _, one := range sub {
					list = append(list, withoutBounds(one.(map[string]any)))
				}
				v = list
			}
		}
		if !slices.Contains(bounds, k) {
			out[k] = v
		}
	}
	return out
}

func drawObject(t *rapid.T, label string, depth int) map[string]any {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "type", "items", "enum"}), 0, 4, rapid.ID[string]).Draw(t, label+" names")
	props, required := map[string]any{}, []any{}
	for _, n := range names {
		props[n] = drawSchema(t, label+"."+n, depth-1)
		if rapid.Bool().Draw(t, label+"."+n+" required") {
			required = append(required, n)
		}
	}
	s := map[string]any{"type": "object", "properties": props}
	if len(required) > 0 {
		s["required"] = required
	}
	if rapid.Bool().Draw(t, label+" closed") {
		s["additionalProperties"] = false
	}
	return s
}

func drawSchema(t *rapid.T, label string, depth int) map[string]any {
	kinds := []string{"string", "bounded", "integer", "boolean", "enum"}
	if depth > 0 {
		kinds = append(kinds, "array", "object", "anyOf")
	}
	switch rapid.SampledFrom(kinds).Draw(t, label+" kind") {
	case "bounded":
		return map[string]any{"type": "string", "minLength": 1, "maxLength": 3, "description": "Some text."}
	case "integer":
		return map[string]any{"type": "integer", "minimum": 1, "maximum": 3, "default": 2}
	case "boolean":
		return map[string]any{"type": "boolean"}
	case "enum":
		return map[string]any{"type": "string", "enum": []any{"x", "y"}}
	case "array":
		return map[string]any{"type": "array", "items": drawSchema(t, label+"[]", depth-1), "minItems": 1, "maxItems": 2}
	case "object":
		return drawObject(t, label, depth)
	case "anyOf":
		one := map[string]any{
			"type": "object", "properties": map[string]any{"one": map[string]any{"const": "1"}, "also": drawSchema(t, label+"|also", depth-1)},
			"required": []any{"one"}, "additionalProperties": false,
		}
		two := map[string]any{"type": "object", "properties": map[string]any{"two": drawSchema(t, label+"|two", depth-1)}, "required": []any{"two"}, "additionalProperties": false}
		return map[string]any{"anyOf": []any{map[string]any{"type": "boolean"}, one, two}}
	}
	return map[string]any{"type": "string"}
}

// drawValue draws a value that the schema takes.
func drawValue(t *rapid.T, s map[string]any) any {
	if list, ok := s["anyOf"].([]any); ok {
		return drawValue(t, rapid.SampledFrom(list).Draw(t, "branch").(map[string]any))
	}
	if v, ok := s["const"]; ok {
		return v
	}
	if list, ok := s["enum"].([]any); ok {
		return rapid.SampledFrom(list).Draw(t, "one")
	}
	kind, ok := s["type"].(string)
	if list, several := s["type"].([]any); several {
		kind, ok = rapid.SampledFrom(list).Draw(t, "type").(string), true
	}
	if !ok {
		t.Fatalf("no type: %v", s)
	}
	switch kind {
	case "object":
		out := map[string]any{}
		required, _ := s["required"].([]any)
		props := s["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(props)) {
			if slices.Contains(required, any(name)) || rapid.Bool().Draw(t, name+" there") {
				out[name] = drawValue(t, props[name].(map[string]any))
			}
		}
		return out
	case "array":
		out := []any{}
		for range rapid.IntRange(1, 2).Draw(t, "items") {
			out = append(out, drawValue(t, s["items"].(map[string]any)))
		}
		return out
	case "integer":
		if _, bounded := s["minimum"]; !bounded { // the strict form says bounds in words only
			return float64(rapid.IntRange(-9, 9).Draw(t, "integer"))
		}
		return float64(rapid.IntRange(1, 3).Draw(t, "integer"))
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "null":
		return nil
	}
	if _, bounded := s["minLength"]; !bounded {
		return rapid.SampledFrom([]string{"", "null", "<&>", "long enough"}).Draw(t, "text")
	}
	return rapid.SampledFrom([]string{"a", "abc"}).Draw(t, "text")
}

// fill puts null where a value leaves out what it may, as a model does that
// must send everything.
func fill(s map[string]any, v any) any {
	if list, ok := s["anyOf"].([]any); ok {
		for _, branch := range list {
			b := branch.(map[string]any)
			m, isObject := v.(map[string]any)
			props, hasProps := b["properties"].(map[string]any)
			if !isObject || !hasProps {
				continue
			}
			known := true
			for name := range m {
				known = known && props[name] != nil
			}
			for _, name := range b["required"].([]any) {
				_, has := m[name.(string)]
				known = known && has
			}
			if known {
				return fill(b, v)
			}
		}
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, p := range s["properties"].(map[string]any) {
			if value, has := v[name]; has {
				out[name] = fill(p.(map[string]any), value)
			} else {
				out[name] = nil
			}
		}
		return out
	case []any:
		out := []any{}
		for _, one := range v {
			out = append(out, fill(s["items"].(map[string]any), one))
		}
		return out
	}
	return v
}

func valid(t rapid.TB, schema json.RawMessage, v any) error {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return resolved.Validate(v)
}

func encoded(t rapid.TB, v any) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decoded(t rapid.TB, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return v
}

func decodedMap(t rapid.TB, data []byte) map[string]any {
	t.Helper()
	return decoded(t, data).(map[string]any)
}
