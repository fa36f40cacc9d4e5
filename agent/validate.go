package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemaCheck validates arguments of one tool; nil checks nothing but that
// they are an object.
type schemaCheck struct{ resolved *jsonschema.Resolved }

// newSchemaCheck never fails: what it cannot read, it does not enforce.
func newSchemaCheck(schema json.RawMessage) *schemaCheck {
	var s jsonschema.Schema
	if len(schema) == 0 || json.Unmarshal(schema, &s) != nil {
		return &schemaCheck{}
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return &schemaCheck{}
	}
	return &schemaCheck{resolved: resolved}
}

func (c *schemaCheck) validate(args json.RawMessage) error {
	var v map[string]any
	if err := json.Unmarshal(args, &v); err != nil {
		return fmt.Errorf("arguments must be a JSON object: %w", err)
	}
	if c.resolved == nil {
		return nil
	}
	if err := c.resolved.Validate(v); err != nil {
		// The validator names the schema's location; the model needs the rest.
		return fmt.Errorf("arguments do not fit the schema: %s", strings.ReplaceAll(err.Error(), "validating root: ", ""))
	}
	return nil
}

// normaliseArgs turns what models really send into a JSON object: nothing and
// null are no arguments; an object inside a JSON string is that object.
func normaliseArgs(raw string) (json.RawMessage, error) {
	data := bytes.TrimSpace([]byte(raw))
	if len(data) == 0 || string(data) == "null" {
		return json.RawMessage("{}"), nil
	}
	var inner string
	if data[0] == '"' && json.Unmarshal(data, &inner) == nil && strings.HasPrefix(strings.TrimSpace(inner), "{") {
		data = []byte(strings.TrimSpace(inner))
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, fmt.Errorf("arguments are not a JSON object: %w", err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		return nil, fmt.Errorf("arguments are not a JSON object: %w", err)
	}
	return out.Bytes(), nil
}

// showArgs is args for an event: always valid JSON.
func showArgs(raw string) json.RawMessage {
	if args, err := normaliseArgs(raw); err == nil {
		return args
	}
	quoted, err := json.Marshal(raw)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return quoted
}
