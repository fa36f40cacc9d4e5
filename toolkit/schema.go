package toolkit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/invopop/jsonschema"
)

// reflectInput gives the input schema of In, a struct. Tags describe a field:
//
//	json                    name; omitempty or omitzero makes it optional
//	jsonschema              enum, default, minimum, maximum, minLength, maxLength,
//	                        minItems, maxItems, pattern, format, example, nullable, title
//	jsonschema_description  what the field means, to the agent
//
// A field of type File is an uploaded file, by its handle.
func reflectInput[In any](about About) json.RawMessage {
	return reflectSchema(reflect.TypeFor[In](), about.Uploadable, "file_uploadable")
}

// reflectOutput gives the output schema of Out: an object that a Result, a map
// or an interface leaves open. A field of type FileRef is a file to download.
func reflectOutput[Out any](about About) json.RawMessage {
	return reflectSchema(reflect.TypeFor[Out](), about.Downloadable, "file_downloadable")
}

var resultType = reflect.TypeFor[Result]()

// reflectSchema gives the schema of t inline, in the form that every reader of
// the catalogue parses: type object, properties always, no references, no
// boolean subschemas. It panics on types that cannot be written so.
func reflectSchema(t reflect.Type, files []string, flag string) json.RawMessage {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := &jsonschema.Schema{Type: "object"}
	switch {
	case t == resultType || t.Kind() == reflect.Interface:
	case t.Kind() == reflect.Struct || t.Kind() == reflect.Map:
		refuseRecursion(t, nil)
		r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, AllowAdditionalProperties: true, Mapper: fileSchema}
		s = r.ReflectFromType(t)
	default:
		panic(fmt.Sprintf("toolkit: %s is not a struct or a map: arguments and results are JSON objects", t))
	}
	if s.Type != "object" {
		panic(fmt.Sprintf("toolkit: %s does not marshal to a JSON object", t))
	}
	s = normalise(s)
	if s.Properties == nil {
		s.Properties = jsonschema.NewProperties()
	}
	s.Title = schemaTitle(t)
	for _, name := range files {
		flagFile(s, t, name, flag)
	}
	data, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("toolkit: schema of %s: %v", t, err))
	}
	return json.RawMessage(plainHTML.Replace(string(data)))
}

// plainHTML undoes the escapes of encoding/json for HTML: schemas are read by
// models, which pay for every character. The first pair keeps escaped
// backslashes apart from them.
var plainHTML = strings.NewReplacer(`\\`, `\\`, `\u003c`, "<", `\u003e`, ">", `\u0026`, "&")

// schemaTitle makes "CreatePageInput" of createPageInput.
func schemaTitle(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	if name == "" || t == resultType || t.Kind() == reflect.Interface {
		return "Object"
	}
	r := []rune(name)
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}

// flagFile marks the property, or each item of a list, as a file.
func flagFile(s *jsonschema.Schema, t reflect.Type, name, flag string) {
	p, ok := s.Properties.Get(name)
	if !ok {
		panic(fmt.Sprintf("toolkit: %s has no property %q to mark with %s", t, name, flag))
	}
	if p.Items != nil {
		p = p.Items
	}
	if p.Extras == nil {
		p.Extras = map[string]any{}
	}
	p.Extras[flag] = true
}

// refuseRecursion panics when t contains itself: such a type has no inline schema.
func refuseRecursion(t reflect.Type, above []reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		refuseRecursion(t.Elem(), above)
	case reflect.Struct:
		if slices.Contains(above, t) {
			panic(fmt.Sprintf("toolkit: type %s contains itself, so it has no inline schema; "+
				"use json.RawMessage or map[string]any where it recurs", t))
		}
		above = append(above[:len(above):len(above)], t)
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Tag.Get("json") == "-" || (!f.IsExported() && !f.Anonymous) {
				continue
			}
			refuseRecursion(f.Type, above)
		}
	}
}

// anyValue describes what Go calls any: a schema without constraints that is
// neither true nor {}.
const anyValue = "Any JSON value."

// normalise rewrites s in place into the form that reflectSchema promises. It
// gives the schema to use in place of s.
func normalise(s *jsonschema.Schema) *jsonschema.Schema {
	if isBoolean(s) {
		return &jsonschema.Schema{Description: anyValue}
	}
	s.Version, s.ID, s.Anchor, s.Definitions = "", "", "", nil
	if s.Ref != "" {
		panic("toolkit: a schema refers to " + s.Ref + "; schemas are inline")
	}
	if len(s.OneOf) == 2 && s.OneOf[1].Type == "null" {
		s.AnyOf, s.OneOf = s.OneOf, nil
		inner := s.AnyOf[0]
		s.Description, inner.Description = inner.Description, ""
		s.Title, inner.Title = inner.Title, ""
		s.Default, inner.Default = inner.Default, nil
	}
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		for i := range list {
			list[i] = normalise(list[i])
		}
	}
	for _, one := range []**jsonschema.Schema{&s.Not, &s.If, &s.Then, &s.Else, &s.Items, &s.Contains, &s.PropertyNames} {
		if *one != nil {
			*one = normalise(*one)
		}
	}
	if s.AdditionalProperties != nil {
		// Whether unknown arguments pass is decided in compile.
		if isBoolean(s.AdditionalProperties) {
			s.AdditionalProperties = nil
		} else {
			s.AdditionalProperties = normalise(s.AdditionalProperties)
		}
	}
	for key, p := range s.PatternProperties {
		s.PatternProperties[key] = normalise(p)
	}
	if s.Properties != nil {
		for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
			pair.Value = normalise(pair.Value)
		}
	}
	return s
}

// isBoolean says whether s marshals to true or false.
func isBoolean(s *jsonschema.Schema) bool {
	if s.Type != "" || s.Description != "" {
		return false // marshalling is dear, and this is nearly every schema
	}
	data, err := s.MarshalJSON()
	return err == nil && (string(data) == "true" || string(data) == "false")
}
