package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// Toolset is a source of tools. It is asked before every request to the model,
// so tools may come and go during a run; a set should answer fast.
type Toolset interface {
	Tools(ctx context.Context) ([]Tool, error)
}

// Instructor is a [Toolset] that also has something to say on how to use its
// tools; its text is added to the agent's instructions.
type Instructor interface {
	ToolInstructions(ctx context.Context) (string, error)
}

// Tool is one thing a model can call. A Tool is a [Toolset] of one.
type Tool struct {
	Name        string
	Description string
	// Schema is the JSON Schema of the arguments. Arguments are validated
	// against it before Call runs; a schema that cannot be read is not enforced
	// (an MCP server then judges by itself).
	Schema json.RawMessage
	Hints  Hints
	// Alone: do not run this tool beside others of the same answer.
	Alone bool
	// Call runs the tool. Its error becomes a failed result; an error made by
	// [Retry] becomes an invalid one, which asks the model to try again.
	Call func(ctx context.Context, call Call) (Result, error)
}

// Tools makes Tool a Toolset.
func (t Tool) Tools(context.Context) ([]Tool, error) { return []Tool{t}, nil }

// Hints are what a tool says of itself, as in MCP's annotations. They are
// claims, not guarantees.
type Hints struct {
	Title       string
	ReadOnly    bool
	Destructive bool
	Idempotent  bool
	OpenWorld   bool
}

// Call is one invocation of a tool.
type Call struct {
	ID   string
	Name string
	// Args is a JSON object that fits the tool's schema.
	Args json.RawMessage
	// Report sends progress to the person watching; it never blocks for long
	// and may be called from any goroutine until Call returns.
	Report func(Progress)
}

// Result is a tool's answer.
type Result struct {
	// Content is what the model reads: text, often JSON.
	Content string
	// Failed marks an answer that says why the tool could not do it.
	Failed bool
}

type retryError struct{ message string }

func (e retryError) Error() string { return e.message }

// Retry makes an error that asks the model to correct its call. The message
// should name the argument and what is expected.
func Retry(message string) error { return retryError{message} }

// Func makes a tool of a Go function. In must be a struct: its fields, json
// tags and jsonschema tags (descriptions) are the schema. A string output is
// given to the model as it is, everything else as JSON. Func panics when In
// has no schema, which is a mistake in the program.
func Func[In, Out any](name, description string, f func(ctx context.Context, in In) (Out, error)) Tool {
	schema, err := schemaFor[In]()
	if err != nil {
		panic(fmt.Sprintf("agent.Func %q: %v", name, err))
	}
	return Tool{
		Name: name, Description: description, Schema: schema,
		Call: func(ctx context.Context, call Call) (Result, error) {
			var in In
			if err := json.Unmarshal(call.Args, &in); err != nil {
				return Result{}, Retry("arguments do not fit: " + err.Error())
			}
			out, err := f(ctx, in)
			if err != nil {
				return Result{}, err
			}
			if text, ok := any(out).(string); ok {
				return Result{Content: text}, nil
			}
			data, err := json.Marshal(out)
			if err != nil {
				return Result{}, fmt.Errorf("encoding the result: %w", err)
			}
			return Result{Content: string(data)}, nil
		},
	}
}

func schemaFor[T any]() (json.RawMessage, error) {
	if reflect.TypeFor[T]().Kind() != reflect.Struct {
		return nil, errors.New("the input must be a struct")
	}
	s, err := jsonschema.For[T](nil)
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}
