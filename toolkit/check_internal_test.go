package toolkit

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// differentialSchema uses every keyword that the checker knows itself.
const differentialSchema = `{"type":"object","required":["a"],"additionalProperties":false,"properties":{
	"a":{"type":"string","minLength":1,"maxLength":3},
	"b":{"type":"integer","minimum":-2,"maximum":5},
	"c":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":9.5},
	"d":{"type":"array","minItems":1,"maxItems":3,"items":{"type":"boolean"}},
	"e":{"enum":["x",2,true]},
	"f":{"type":["string","null"]},
	"g":{"anyOf":[{"type":"integer"},{"type":"null"}]},
	"h":{"type":"object","additionalProperties":{"type":"string"}},
	"i":{"description":"anything"},
	"j":{"type":"object","properties":{"k":{"type":"integer"}},"required":["k"]}}}`

// TestCheckerAgreesWithTheCompleteValidator draws arguments: what the checker
// takes must, after its conversions, be valid for the complete implementation;
// what that takes must be taken by the checker.
func TestCheckerAgreesWithTheCompleteValidator(t *testing.T) {
	t.Parallel()
	schema := json.RawMessage(differentialSchema)
	validate, err := compile(schema, false)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := decodeNumbers(schema, &doc); err != nil {
		t.Fatal(err)
	}
	complete, err := resolve(doc)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(args []byte) bool {
		var v any
		if err := json.Unmarshal(args, &v); err != nil {
			t.Fatal(err)
		}
		return complete.Validate(v) == nil
	}
	value := rapid.Deferred(func() *rapid.Generator[any] { return anyJSON(2) })
	rapid.Check(t, func(t *rapid.T) {
		args := map[string]any{}
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "zz"} {
			if rapid.IntRange(0, 2).Draw(t, "has "+name) == 0 || name == "a" {
				args[name] = value.Draw(t, name)
			}
		}
		data, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		out, verr := validate(data)
		if valid := judge(data); valid && verr != nil {
			t.Fatalf("%s is valid, refused with: %v", data, verr)
		}
		if verr == nil && !judge(out) {
			t.Fatalf("%s was taken as %s, which is not valid", data, out)
		}
	})
}

// anyJSON draws JSON values, near the bounds of the schema above.
func anyJSON(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.IntRange(-4, 12), func(n int) any { return n }),
		rapid.Map(rapid.SampledFrom([]float64{-1.5, 0, 0.5, 2, 9.5, 1e30}), func(f float64) any { return f }),
		rapid.Map(rapid.SampledFrom([]string{"", "x", "ß€", "abcd", "7", "-3", "007", "true", "null"}), func(s string) any { return s }),
	}
	if depth > 0 {
		inner := anyJSON(depth - 1)
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(inner, 0, 4), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"k", "x", "y"}), inner, 0, 3), func(m map[string]any) any { return m }))
	}
	return rapid.OneOf(kinds...)
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"id", "spaceId", "title", "body", "labels", "limit", "cursor"}
	for name, want := range map[string]string{
		"space_id": "spaceId", "spaceID": "spaceId", "spaceid": "spaceId", "titel": "title", "tilte": "title", "bdy": "body",
		"label": "labels", "pageId": "id", "page_id": "id", "limits": "limit", "cursr": "cursor",
		"zzz": "", "": "", "q": "", "description": "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestNamesThing(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"id": true, "ID": true, "pageId": true, "page_id": true, "ids": true, "pageIDs": true, "spaceKey": true, "key": true, "page-ids": true,
		"valid": false, "paid": false, "title": false, "idea": false, "monkey": false, "identity": false,
	} {
		if got := namesThing(name); got != want {
			t.Errorf("namesThing(%q) = %v", name, got)
		}
	}
}

// TestReflectedSchemasNeedNoSecondValidation keeps the hot path short: what we
// reflect must be fully known to the checker.
func TestReflectedSchemasNeedNoSecondValidation(t *testing.T) {
	t.Parallel()
	type all struct {
		A string            `json:"a" jsonschema:"enum=x,enum=y,default=x,minLength=1,maxLength=2,format=date"`
		B *int              `json:"b,omitempty" jsonschema:"nullable,minimum=1,maximum=2,default=1"`
		C []string          `json:"c,omitempty" jsonschema:"minItems=1,maxItems=2,enum=x"`
		D map[string]string `json:"d,omitempty"`
		E any               `json:"e,omitempty"`
		F struct {
			G bool `json:"g"`
		} `json:"f,omitempty"`
	}
	var doc map[string]any
	if err := decodeNumbers(reflectSchema(reflect.TypeFor[all](), nil, ""), &doc); err != nil {
		t.Fatal(err)
	}
	b := checkerBuilder{closed: true}
	b.build(doc)
	if b.incomplete {
		t.Errorf("the checker does not know all of %v", doc)
	}
	if _, err := resolve(doc); err != nil {
		t.Errorf("the complete validator refuses it: %v", err)
	}
}
