package agent

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// outputTool is the tool by which a model hands in structured output.
const outputTool = "final_result"

// output knows how to get a typed value from the model; nil for plain text.
type output struct {
	spec   ToolSpec
	check  *schemaCheck
	decode func(args json.RawMessage) (any, error)
}

func newOutput[Out any]() (*output, error) {
	if reflect.TypeFor[Out]() == reflect.TypeFor[string]() {
		return nil, nil //nolint:nilnil // text needs no output tool
	}
	schema, err := jsonschema.For[Out](nil)
	if err != nil {
		return nil, err
	}
	// Arguments of a tool are always an object, so other values get one field.
	wrapped := schema.Type != "object"
	if wrapped {
		schema = &jsonschema.Schema{
			Type:       "object",
			Properties: map[string]*jsonschema.Schema{"result": schema},
			Required:   []string{"result"},
		}
	}
	data, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	return &output{
		spec: ToolSpec{
			Name:        outputTool,
			Description: "Hand in the final result. Call this once, when the task is done; it ends the conversation.",
			Schema:      data,
		},
		check:  newSchemaCheck(data),
		decode: func(args json.RawMessage) (any, error) { return decodeOutput[Out](args, wrapped) },
	}, nil
}

func decodeOutput[Out any](args json.RawMessage, wrapped bool) (any, error) {
	var out Out
	if wrapped {
		var w struct {
			Result Out `json:"result"`
		}
		if err := json.Unmarshal(args, &w); err != nil {
			return nil, fmt.Errorf("the result does not fit: %w", err)
		}
		out = w.Result
	} else if err := json.Unmarshal(args, &out); err != nil {
		return nil, fmt.Errorf("the result does not fit: %w", err)
	}
	v, ok := any(out).(interface{ Validate() error })
	if !ok {
		v, ok = any(&out).(interface{ Validate() error })
	}
	if ok {
		if err := v.Validate(); err != nil {
			return nil, fmt.Errorf("the result is not accepted: %w", err)
		}
	}
	return out, nil
}
