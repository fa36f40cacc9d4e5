package agent

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// DropNulls leaves out the arguments that a model sent as null because it
// meant none: optional ones whose schema does not take null. Everything else
// stays as it is, in nested objects and lists too. Arguments that cannot be
// read are given back unchanged.
func DropNulls(schema, args json.RawMessage) json.RawMessage {
	if !bytes.Contains(args, []byte("null")) {
		return args
	}
	var s, v any
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.UseNumber() // ids may have more digits than a float64
	if json.Unmarshal(schema, &s) != nil || dec.Decode(&v) != nil {
		return args
	}
	if !dropNulls(s, v) {
		return args
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return args
	}
	return bytes.TrimSpace(out.Bytes())
}

// dropNulls changes v in place and says whether it did.
func dropNulls(schema, v any) bool {
	s, ok := schema.(map[string]any)
	if !ok {
		return false
	}
	if list, ok := s["anyOf"].([]any); ok {
		return dropInBranch(list, v)
	}
	changed := false
	switch v := v.(type) {
	case map[string]any:
		props, _ := s["properties"].(map[string]any)
		required := requiredIn(s)
		for name, p := range props {
			value, has := v[name]
			switch {
			case !has:
			case value == nil && !required[name] && refusesNull(p):
				delete(v, name)
				changed = true
			default:
				changed = dropNulls(p, value) || changed
			}
		}
	case []any:
		for _, item := range v {
			changed = dropNulls(s["items"], item) || changed
		}
	}
	return changed
}

// refusesNull says whether a property's schema does not take null. A schema
// that says nothing takes everything.
func refusesNull(p any) bool {
	m, ok := p.(map[string]any)
	if !ok || takesNull(m) {
		return p == false
	}
	types, err := typesOf(m)
	_, branches := m["anyOf"].([]any)
	return err == nil && (len(types) > 0 || branches)
}

// dropInBranch works on the first branch that the value then fits, or whose
// strict form it has: a number out of bounds is no reason to keep nulls.
func dropInBranch(branches []any, v any) bool {
	if v == nil {
		return false
	}
	for _, branch := range branches {
		copied := clone(v)
		if changed := dropNulls(branch, copied); fits(branch, copied) {
			if changed {
				replace(v, copied)
			}
			return changed
		}
	}
	for _, branch := range branches {
		if fitsStrict(branch, v) {
			return dropNulls(branch, v)
		}
	}
	return false
}

// fitsStrict says whether the value has the strict form of the schema.
func fitsStrict(schema, v any) bool {
	data, err := json.Marshal(map[string]any{
		"type": "object", "properties": map[string]any{"v": schema}, "required": []any{"v"},
	})
	if err != nil {
		return false
	}
	form, err := StrictSchema(data)
	if err != nil {
		return false
	}
	var strict any
	return json.Unmarshal(form, &strict) == nil && fits(strict, map[string]any{"v": v})
}

func fits(schema, v any) bool {
	data, err := json.Marshal(schema)
	if err != nil {
		return false
	}
	value, err := json.Marshal(v)
	if err != nil {
		return false
	}
	var s jsonschema.Schema
	var plain any
	if json.Unmarshal(data, &s) != nil || json.Unmarshal(value, &plain) != nil {
		return false
	}
	resolved, err := s.Resolve(nil)
	return err == nil && resolved.Validate(plain) == nil
}

// clone copies a decoded JSON value.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, one := range v {
			out[k] = clone(one)
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = clone(out[i])
		}
		return out
	}
	return v
}

// replace gives the object or list v the contents of its changed copy.
func replace(v, with any) {
	switch v := v.(type) {
	case map[string]any:
		clear(v)
		if m, ok := with.(map[string]any); ok {
			for k, one := range m {
				v[k] = one
			}
		}
	case []any:
		if l, ok := with.([]any); ok {
			copy(v, l)
		}
	}
}
