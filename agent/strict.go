package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What strict function calling takes of one tool at most (OpenAI, "Structured
// Outputs", supported schemas).
const (
	strictDepth      = 10
	strictProperties = 5000
	strictEnums      = 1000
	strictNames      = 120_000 // bytes of all names and enumerated values
)

// StrictSchema gives the strict form of a tool's schema, by which a server can
// bind the model to the schema instead of hoping: every property is required,
// optional ones also take null, and no object takes properties that it does not
// name. What strict mode does not know (bounds, patterns, formats, defaults)
// is said in the descriptions instead; arguments are still checked against the
// schema itself.
//
// A model that means to leave an argument out sends null: [DropNulls] takes
// that back, and a run does so before it checks a call.
//
// The error says what of the schema has no strict form: an object or value of
// any form, a reference, a keyword that combines schemas.
func StrictSchema(schema json.RawMessage) (json.RawMessage, error) {
	var root any
	if err := json.Unmarshal(schema, &root); err != nil {
		return nil, fmt.Errorf("not strict: the schema cannot be read: %w", err)
	}
	m, ok := root.(map[string]any)
	if !ok {
		return nil, errors.New("not strict: the schema is no object")
	}
	if _, typed := m["type"]; !typed {
		m["type"] = "object"
	}
	if m["type"] != "object" || m["anyOf"] != nil {
		return nil, errors.New("not strict: the arguments are not one object")
	}
	if m["properties"] == nil && m["additionalProperties"] == nil { // a tool without arguments
		m["properties"] = map[string]any{}
	}
	var s stricter
	out, err := s.schema("", m, 1)
	if err != nil {
		return nil, fmt.Errorf("not strict: %w", err)
	}
	if s.properties > strictProperties || s.enums > strictEnums || s.names > strictNames {
		return nil, errors.New("not strict: the schema is larger than strict mode takes")
	}
	return json.Marshal(out)
}

// stricter counts what it has seen of one tool's schema.
type stricter struct{ properties, enums, names int }

// combining keywords have no strict form, or none that accepts the same.
var combining = []string{
	"$ref", "$dynamicRef", "allOf", "oneOf", "not", "if", "then", "else", "patternProperties", "propertyNames",
	"dependencies", "dependentRequired", "dependentSchemas", "prefixItems", "contains", "unevaluatedProperties", "unevaluatedItems",
}

// schema converts the schema at a place, which errors name.
func (s *stricter) schema(at string, v any, depth int) (map[string]any, error) {
	in, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s takes any value", place(at))
	}
	if depth > strictDepth {
		return nil, fmt.Errorf("%s is nested deeper than %d levels", place(at), strictDepth)
	}
	for _, key := range combining {
		if _, has := in[key]; has {
			return nil, fmt.Errorf("%s uses %s", place(at), key)
		}
	}
	out := map[string]any{}
	if text := describe(in); text != "" {
		out["description"] = text
	}
	if list, has := in["anyOf"].([]any); has {
		return out, s.anyOf(at, in, list, depth, out)
	}
	types, err := typesOf(in)
	if err != nil || len(types) == 0 {
		return nil, fmt.Errorf("%s takes any value", place(at))
	}
	out["type"] = types[0]
	if len(types) > 1 {
		out["type"] = anys(types)
	}
	if err := s.enum(at, in, out); err != nil {
		return nil, err
	}
	if slices.Contains(types, "object") {
		if err := s.object(at, in, depth, out); err != nil {
			return nil, err
		}
	}
	if slices.Contains(types, "array") {
		items, err := s.schema(at+"[]", in["items"], depth+1)
		if err != nil {
			return nil, err
		}
		out["items"] = items
	}
	return out, nil
}

// anyOf converts the branches. What stands beside them would have to hold too.
func (s *stricter) anyOf(at string, in map[string]any, list []any, depth int, out map[string]any) error {
	for _, key := range []string{"type", "properties", "required", "items", "enum", "const", "additionalProperties"} {
		if _, has := in[key]; has {
			return fmt.Errorf("%s uses anyOf beside %s", place(at), key)
		}
	}
	branches := make([]any, 0, len(list))
	for _, one := range list {
		branch, err := s.schema(at, one, depth)
		if err != nil {
			return err
		}
		branches = append(branches, branch)
	}
	out["anyOf"] = branches
	return nil
}

func (s *stricter) enum(at string, in, out map[string]any) error {
	list, has := in["enum"].([]any)
	if v, only := in["const"]; only {
		if has {
			return fmt.Errorf("%s uses const beside enum", place(at))
		}
		list, has = []any{v}, true
	}
	if !has {
		return nil
	}
	for _, v := range list {
		switch v := v.(type) {
		case map[string]any, []any:
			return fmt.Errorf("%s enumerates objects", place(at))
		case string:
			s.names += len(v)
		}
	}
	s.enums += len(list)
	out["enum"] = slices.Clone(list)
	return nil
}

func (s *stricter) object(at string, in map[string]any, depth int, out map[string]any) error {
	props, named := in["properties"].(map[string]any)
	if extra, has := in["additionalProperties"]; (has && extra != false) || (!named && !has) {
		return fmt.Errorf("%s takes properties of any name", place(at))
	}
	required := requiredIn(in)
	for name := range required {
		if props[name] == nil {
			return fmt.Errorf("%s requires %s without saying what it is", place(at), name)
		}
	}
	names := slices.Sorted(maps.Keys(props))
	converted := map[string]any{}
	for _, name := range names {
		s.properties++
		s.names += len(name)
		where := strings.TrimPrefix(at+"."+name, ".")
		p, err := s.schema(where, props[name], depth+1)
		if err != nil {
			return err
		}
		if !required[name] {
			if takesNull(p) && !defaultsToNull(props[name]) {
				return fmt.Errorf("%s is optional and takes null as well, which strict mode could not tell apart", where)
			}
			p = nullable(p)
		}
		converted[name] = p
	}
	out["properties"], out["required"], out["additionalProperties"] = converted, anys(names), false
	return nil
}

// nullable gives a converted schema that takes null too.
func nullable(p map[string]any) map[string]any {
	if takesNull(p) {
		return p
	}
	if list, ok := p["anyOf"].([]any); ok {
		p["anyOf"] = append(list, map[string]any{"type": "null"})
		return p
	}
	kind, scalar := p["type"].(string)
	if list, ok := p["type"].([]any); ok {
		if !slices.Contains(list, any("object")) && !slices.Contains(list, any("array")) {
			scalar = true
			if !slices.Contains(list, any("null")) {
				p["type"] = append(list, "null")
			}
		}
	} else if kind == "object" || kind == "array" {
		scalar = false
	} else {
		p["type"] = []any{kind, "null"}
	}
	if scalar {
		if list, ok := p["enum"].([]any); ok {
			p["enum"] = append(list, nil)
		}
		return p
	}
	out := map[string]any{"anyOf": []any{p, map[string]any{"type": "null"}}}
	if text, ok := p["description"]; ok {
		out["description"] = text
		delete(p, "description")
	}
	return out
}

// takesNull says whether a schema allows null, as far as types and anyOf tell.
func takesNull(p map[string]any) bool {
	if list, ok := p["anyOf"].([]any); ok {
		return slices.ContainsFunc(list, func(b any) bool { m, ok := b.(map[string]any); return ok && takesNull(m) })
	}
	if list, ok := p["enum"].([]any); ok && !slices.Contains(list, any(nil)) {
		return false
	}
	types, err := typesOf(p)
	return err == nil && slices.Contains(types, "null")
}

func defaultsToNull(v any) bool {
	m, _ := v.(map[string]any)
	d, has := m["default"]
	return has && d == nil
}

func requiredIn(in map[string]any) map[string]bool {
	required := map[string]bool{}
	list, _ := in["required"].([]any)
	for _, v := range list {
		if name, ok := v.(string); ok {
			required[name] = true
		}
	}
	return required
}

// typesOf gives the types that a schema names, or that its values have.
func typesOf(in map[string]any) ([]string, error) {
	switch t := in["type"].(type) {
	case string:
		return []string{t}, nil
	case []any:
		types := make([]string, 0, len(t))
		for _, v := range t {
			name, ok := v.(string)
			if !ok {
				return nil, errors.New("a type that is no name")
			}
			types = append(types, name)
		}
		return types, nil
	case nil:
	default:
		return nil, errors.New("a type that is no name")
	}
	if _, ok := in["properties"]; ok {
		return []string{"object"}, nil
	}
	values, _ := in["enum"].([]any)
	if v, has := in["const"]; has {
		values = []any{v}
	}
	var types []string
	for _, v := range values {
		kind := "null"
		switch v.(type) {
		case string:
			kind = "string"
		case float64:
			kind = "number"
		case bool:
			kind = "boolean"
		}
		if !slices.Contains(types, kind) {
			types = append(types, kind)
		}
	}
	return types, nil
}

// said are the keywords that strict mode does not know, in words.
var said = []struct{ key, format string }{
	{"format", "Format: %s."},
	{"pattern", "It matches %s."},
	{"minimum", "At least %s."},
	{"maximum", "At most %s."},
	{"exclusiveMinimum", "More than %s."},
	{"exclusiveMaximum", "Less than %s."},
	{"multipleOf", "A multiple of %s."},
	{"minLength", "At least %s characters."},
	{"maxLength", "At most %s characters."},
	{"minItems", "At least %s items."},
	{"maxItems", "At most %s items."},
	{"minProperties", "At least %s properties."},
	{"maxProperties", "At most %s properties."},
	{"uniqueItems", "No item twice."},
	{"default", "Default: %s."},
}

// describe gives the description with what strict mode does not know in words.
func describe(in map[string]any) string {
	text, _ := in["description"].(string)
	words := []string{}
	if text = strings.TrimSpace(text); text != "" {
		words = append(words, text)
	}
	for _, one := range said {
		v, has := in[one.key]
		if !has || v == nil || v == false && one.key == "uniqueItems" {
			continue
		}
		value, ok := v.(string)
		if !ok {
			data, err := json.Marshal(v)
			if err != nil {
				continue // cannot be: it was read from JSON
			}
			value = string(data)
		}
		sentence := one.format
		if strings.Contains(sentence, "%s") {
			sentence = fmt.Sprintf(sentence, value)
		}
		words = append(words, sentence)
	}
	return strings.Join(words, " ")
}

func anys(list []string) []any {
	out := make([]any, 0, len(list))
	for _, v := range list {
		out = append(out, v)
	}
	return out
}

func place(at string) string {
	if at == "" {
		return "the schema"
	}
	return at
}
