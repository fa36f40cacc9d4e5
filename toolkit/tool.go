package toolkit

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// Tool is one thing an agent can do. Make it with Read, Create, Update or
// Delete and Bind, or with Raw.
type Tool struct {
	Slug        string // upper case, prefixed by the toolkit: "CONFLUENCE_GET_PAGE_BY_ID", at most 64 characters
	Name        string // "Get Page by ID"
	Description string // what it does, when to use it, when not
	About
	Hints Hints
	// Input and Output are JSON Schemas with "type":"object" and "properties",
	// without $ref, $defs and $schema. Output describes the data of a success.
	Input  json.RawMessage
	Output json.RawMessage
	// Verbatim tools come from elsewhere (an upstream MCP server, a fixture):
	// their content, structured content and output schema pass through as they
	// are, without the envelope.
	Verbatim bool

	validate func(json.RawMessage) (json.RawMessage, error)
	run      func(ctx context.Context, call *Call, args json.RawMessage) (*Result, error)
}

// Validate checks args against the input schema and fills in defaults. It gives
// the arguments to pass to Run. An empty args means {}. On failure the error is
// an *Error of KindInvalid that names the field and what was expected, for every
// problem at once; Field is the first one's.
//
// What is meant beyond doubt is converted: "25" where a number is expected,
// 10.0 where an integer is, "true" where a boolean is, a whole number where a
// string is expected whose name says that it is an id or a key (id, pageId,
// page_ids, spaceKey); null for an optional argument means that it is absent. A tool made with Read,
// Create, Update or Delete refuses arguments that its schema does not name; a
// Raw tool takes what its schema takes.
func (t *Tool) Validate(args json.RawMessage) (json.RawMessage, error) { return t.validate(args) }

// Run calls the tool with arguments that Validate gave. A failure of the tool
// is an *Error (anything else is reported as an unexplained failure), a
// question to the person is an *Ask.
func (t *Tool) Run(ctx context.Context, call *Call, args json.RawMessage) (*Result, error) {
	return t.run(ctx, call, args)
}

// About is what a router must know of a tool beyond its function.
type About struct {
	// Important tools are the useful few that a client may list alone.
	Important bool
	Scopes    Scopes
	// Keywords are words of users that neither name nor description has; search reads them.
	Keywords []string
	// Pitfalls are sentences that save an agent a failed call.
	Pitfalls   []string
	Deprecated bool
	// Endpoints name the upstream calls, for the generated documentation: "GET /wiki/api/v2/pages/{id}".
	Endpoints []string
	// Uploadable and Downloadable name argument and result properties that are files.
	Uploadable, Downloadable []string
}

// Hints are the MCP tool annotations (MCP 2025-11-25, "Tool annotations").
type Hints struct {
	ReadOnly    bool
	Destructive bool
	Idempotent  bool
	OpenWorld   bool
}

// Tags gives the hints under their wire names, in a fixed order.
func (h Hints) Tags() []string {
	var tags []string
	for _, t := range []struct {
		on   bool
		name string
	}{
		{h.ReadOnly, "readOnlyHint"},
		{h.Destructive, "destructiveHint"},
		{h.Idempotent, "idempotentHint"},
		{h.OpenWorld, "openWorldHint"},
	} {
		if t.on {
			tags = append(tags, t.name)
		}
	}
	return tags
}

// Op is a tool that still needs the client its function takes; Bind supplies it.
type Op[C any] struct {
	tool    Tool
	schemas func() schemas // reflected at the first Bind, not when the program starts
	run     func(ctx context.Context, c C, args json.RawMessage) (*Result, error)
}

// schemas are what is reflected from a function's types.
type schemas struct {
	input, output json.RawMessage
	validate      func(json.RawMessage) (json.RawMessage, error)
}

// Func is the function of a tool: the client of its toolkit and its validated
// input to a result that is marshalled as the data of the answer. Out is a
// struct, a pointer to one or a map; a Result or *Result passes through.
type Func[C, In, Out any] func(ctx context.Context, c C, in In) (Out, error)

// Read makes a tool that changes nothing.
func Read[C, In, Out any](slug, name, description string, about About, f Func[C, In, Out]) Op[C] {
	return newOp(slug, name, description, about, Hints{ReadOnly: true, Idempotent: true, OpenWorld: true}, f)
}

// Create makes a tool that adds something; doing it twice adds two.
func Create[C, In, Out any](slug, name, description string, about About, f Func[C, In, Out]) Op[C] {
	return newOp(slug, name, description, about, Hints{OpenWorld: true}, f)
}

// Update makes a tool that changes what is there; what was there before is kept
// by the application (a version, a history) or replaced.
func Update[C, In, Out any](slug, name, description string, about About, f Func[C, In, Out]) Op[C] {
	return newOp(slug, name, description, about, Hints{Destructive: true, OpenWorld: true}, f)
}

// Delete makes a tool that removes something; doing it twice removes it once.
func Delete[C, In, Out any](slug, name, description string, about About, f Func[C, In, Out]) Op[C] {
	return newOp(slug, name, description, about, Hints{Destructive: true, Idempotent: true, OpenWorld: true}, f)
}

// Idempotent marks an Update or Create whose repetition changes nothing more.
func Idempotent[C any](op Op[C]) Op[C] {
	op.tool.Hints.Idempotent = true
	return op
}

// Bind turns operations into tools: newClient makes the client of one call. It
// panics on an input or output type that has no usable schema: that is a
// mistake in the toolkit's source, found by any test.
func Bind[C any](newClient func(*Call) (C, error), ops ...Op[C]) []Tool {
	tools := make([]Tool, 0, len(ops))
	for _, op := range ops {
		t, s := op.tool, op.schemas()
		t.Input, t.Output, t.validate = s.input, s.output, s.validate
		t.run = func(ctx context.Context, call *Call, args json.RawMessage) (*Result, error) {
			c, err := newClient(call)
			if err != nil {
				return nil, err
			}
			return op.run(ctx, c, args)
		}
		tools = append(tools, t)
	}
	return tools
}

// Raw makes a tool from schemas that are known at run time only. The input
// schema is kept byte for byte. It fails when the slug or a schema is not usable.
func Raw(slug, name, description string, about About, hints Hints, input, output json.RawMessage,
	run func(ctx context.Context, call *Call, args json.RawMessage) (*Result, error),
) (Tool, error) {
	validate, err := compile(input, false)
	if err != nil {
		return Tool{}, err
	}
	return Tool{
		Slug: slug, Name: name, Description: description, About: about, Hints: hints,
		Input: input, Output: output, validate: validate, run: run,
	}, nil
}

// newOp keeps what is needed to reflect In and Out once, later.
func newOp[C, In, Out any](slug, name, description string, about About, hints Hints, f Func[C, In, Out]) Op[C] {
	return Op[C]{
		tool: Tool{Slug: slug, Name: name, Description: description, About: about, Hints: hints},
		schemas: sync.OnceValue(func() schemas {
			s := schemas{input: reflectInput[In](about), output: reflectOutput[Out](about)}
			var err error
			if s.validate, err = compile(s.input, true); err != nil {
				panic("toolkit: " + slug + ": " + err.Error())
			}
			return s
		}),
		run: func(ctx context.Context, c C, args json.RawMessage) (*Result, error) {
			var in In
			if err := json.Unmarshal(args, &in); err != nil {
				return nil, unfit(err)
			}
			out, err := f(ctx, c, in)
			if err != nil {
				return nil, err
			}
			return newResult(out)
		},
	}
}

// unfit explains arguments that the schema takes and the Go type does not: a
// number out of range, a text that is no time.
func unfit(err error) *Error {
	var ute *json.UnmarshalTypeError
	if errors.As(err, &ute) {
		return &Error{Kind: KindInvalid, Field: ute.Field, Message: ute.Field + ": the value is out of range or of the wrong type", Cause: err}
	}
	return &Error{Kind: KindInvalid, Message: "The arguments do not fit the input schema.", Cause: err}
}
