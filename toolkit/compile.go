package toolkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// validator checks arguments against one input schema. Checker knows the
// keywords that tools use and explains every problem; complete is run after it
// where the schema says more than that.
type validator struct {
	root     *checker
	complete *jsonschema.Resolved // nil when root says everything
}

// compile prepares the validation of arguments against an input schema.
//
// closed is for schemas that we reflected: they cannot say
// "additionalProperties": false, since readers of the catalogue take no boolean
// subschemas, so every object that lists its properties takes no others. A
// schema that came from elsewhere says itself what it takes.
func compile(input json.RawMessage, closed bool) (func(json.RawMessage) (json.RawMessage, error), error) {
	var doc map[string]any
	if err := decodeNumbers(input, &doc); err != nil {
		return nil, fmt.Errorf("the input schema is not a JSON object: %w", err)
	}
	if doc["type"] != "object" {
		return nil, errors.New(`the input schema must have "type":"object"`)
	}
	b := checkerBuilder{closed: closed}
	v := &validator{}
	if closed {
		// Reflected schemas are inline and sound; only their keywords may go
		// beyond the checker.
		if v.root = b.build(doc); !b.incomplete {
			return v.validate, nil
		}
	}
	schemas, err := refuseLoops(doc)
	if err != nil {
		return nil, err
	}
	tolerate(doc, schemas)
	resolved, err := resolve(doc)
	if err != nil {
		return nil, err
	}
	if v.root == nil {
		v.root = b.build(doc)
	}
	if b.incomplete {
		v.complete = resolved
	}
	return v.validate, nil
}

// tolerate takes out what cannot be checked here and is no reason to refuse a
// tool: patterns that only other regular expression engines know (lookahead is
// frequent in generated schemas) and versions of JSON Schema other than those
// that are implemented, which are then read as 2020-12. Whoever gave the schema
// still judges the arguments.
func tolerate(doc map[string]any, schemas []map[string]any) {
	if v, ok := doc["$schema"].(string); ok && !slices.Contains(versions, v) {
		delete(doc, "$schema")
	}
	for _, s := range schemas {
		if p, ok := s["pattern"].(string); ok {
			if _, err := regexp.Compile(p); err != nil {
				delete(s, "pattern")
			}
		}
		props, _ := s["patternProperties"].(map[string]any)
		for p := range props {
			if _, err := regexp.Compile(p); err != nil {
				delete(props, p)
				delete(s, "additionalProperties") // it would refuse what the pattern allows
				delete(s, "unevaluatedProperties")
			}
		}
	}
}

// versions are those of JSON Schema that the complete implementation knows.
var versions = []string{
	"http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft-07/schema#",
	"https://json-schema.org/draft/2020-12/schema",
}

// resolve reads the schema with the complete implementation, which also judges it.
func resolve(doc map[string]any) (_ *jsonschema.Resolved, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the input schema is not usable: %v", p)
		}
	}()
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("the input schema is not usable: %w", err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("the input schema is not usable: %w", err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("the input schema is not usable: %w", err)
	}
	return resolved, nil
}

// The types of JSON Schema as bits.
type types uint8

const (
	typeObject types = 1 << iota
	typeArray
	typeString
	typeInteger
	typeNumber
	typeBoolean
	typeNull
	typeAny types = 0
)

var typeBits = map[string]types{
	"object": typeObject, "array": typeArray, "string": typeString, "integer": typeInteger,
	"number": typeNumber, "boolean": typeBoolean, "null": typeNull,
}

// checker is one schema, ready to check values.
type checker struct {
	types      types
	names      []string // known properties, in order
	props      map[string]*checker
	required   []string
	closed     bool     // no properties but props
	extra      *checker // what other properties must be
	items      *checker
	enum       []any
	min, max   *float64
	xmin, xmax *float64
	minLength  int
	maxLength  int // -1: none
	minItems   int
	maxItems   int // -1: none
	defaults   []namedDefault
	isID       bool // a string that is an id or a key: digits without quotes are meant too
}

// namedDefault is a property that is filled in when absent.
type namedDefault struct {
	name  string
	value any
}

type checkerBuilder struct {
	closed     bool
	incomplete bool
}

// build makes the checker of a schema. A keyword that it does not know makes
// the validation incomplete, which brings in the complete implementation.
func (b *checkerBuilder) build(doc map[string]any) *checker {
	c := &checker{maxLength: -1, maxItems: -1}
	doc = b.unfoldNullable(c, doc)
	for key, value := range doc {
		if !b.keyword(c, key, value) {
			b.incomplete = true
		}
	}
	_, lists := doc["properties"]
	if b.closed && lists && c.extra == nil {
		c.closed = true
	}
	if _, open := doc["patternProperties"]; open && c.closed {
		c.closed = false // the complete implementation says what fits
	}
	return c
}

// unfoldNullable merges anyOf [schema, null] into one checker.
func (b *checkerBuilder) unfoldNullable(c *checker, doc map[string]any) map[string]any {
	list, ok := doc["anyOf"].([]any)
	if !ok || len(list) != 2 {
		return doc
	}
	inner, ok1 := list[0].(map[string]any)
	null, ok2 := list[1].(map[string]any)
	if !ok1 || !ok2 || len(null) != 1 || null["type"] != "null" || inner["type"] == nil {
		return doc
	}
	if _, nested := inner["anyOf"]; nested {
		return doc
	}
	merged := maps.Clone(doc)
	delete(merged, "anyOf")
	for k, v := range inner {
		if _, both := merged[k]; both && k != "description" && k != "title" {
			return doc
		}
		merged[k] = v
	}
	c.types |= typeNull
	return merged
}

// keyword takes one keyword into c; false when it is not known here.
func (b *checkerBuilder) keyword(c *checker, key string, value any) bool {
	switch key {
	case "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format",
		"contentEncoding", "contentMediaType", "file_uploadable", "file_downloadable", "$schema", "$comment", "$id":
		return true
	case "type":
		return b.typeKeyword(c, value)
	case "properties":
		return b.properties(c, value)
	case "required":
		list, _ := value.([]any)
		for _, v := range list {
			if name, ok := v.(string); ok {
				c.required = append(c.required, name)
			}
		}
		return true
	case "additionalProperties":
		switch v := value.(type) {
		case bool:
			c.closed = !v
			return true
		case map[string]any:
			c.extra = b.build(v)
			return true
		}
	case "items":
		if v, ok := value.(map[string]any); ok {
			c.items = b.build(v)
			return true
		}
	case "enum":
		list, ok := value.([]any)
		if !ok || !scalars(list) {
			return false
		}
		c.enum = list
		return true
	}
	return c.bound(key, value)
}

// scalars says whether all are strings, numbers or booleans.
func scalars(list []any) bool {
	for _, v := range list {
		switch v.(type) {
		case string, json.Number, bool:
		default:
			return false
		}
	}
	return true
}

// bound takes the keywords that limit numbers and lengths.
func (c *checker) bound(key string, value any) bool {
	n, ok := value.(json.Number)
	if !ok {
		return false
	}
	f, err := n.Float64()
	if err != nil {
		return false
	}
	switch key {
	case "minimum":
		c.min = &f
	case "maximum":
		c.max = &f
	case "exclusiveMinimum":
		c.xmin = &f
	case "exclusiveMaximum":
		c.xmax = &f
	case "minLength":
		c.minLength = int(f)
	case "maxLength":
		c.maxLength = int(f)
	case "minItems":
		c.minItems = int(f)
	case "maxItems":
		c.maxItems = int(f)
	default:
		return false
	}
	return true
}

func (b *checkerBuilder) typeKeyword(c *checker, value any) bool {
	switch v := value.(type) {
	case string:
		c.types |= typeBits[v]
	case []any:
		for _, one := range v {
			name, _ := one.(string)
			c.types |= typeBits[name]
		}
	default:
		return false
	}
	return true
}

func (b *checkerBuilder) properties(c *checker, value any) bool {
	props, ok := value.(map[string]any)
	if !ok {
		return false
	}
	complete := true
	c.props = make(map[string]*checker, len(props))
	for name, p := range props {
		doc, ok := p.(map[string]any)
		if !ok { // a boolean subschema
			c.props[name] = &checker{maxLength: -1, maxItems: -1}
			complete = false
			continue
		}
		sub := b.build(doc)
		sub.markID(name)
		c.props[name] = sub
		if d, ok := doc["default"]; ok && d != nil {
			c.defaults = append(c.defaults, namedDefault{name, d})
		}
	}
	c.names = slices.Sorted(maps.Keys(props))
	return complete
}

// markID finds the properties that hold ids or keys, by their names.
func (c *checker) markID(name string) {
	if !namesThing(name) {
		return
	}
	c.isID = true
	if c.items != nil {
		c.items.isID = true
	}
}
