package toolkit_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-run/sluice/toolkit"
)

// greeter stands for the client of an application.
type greeter struct{ call *toolkit.Call }

type greetInput struct {
	Name  string `json:"name" jsonschema:"minLength=1" jsonschema_description:"Whom to greet."`
	Times int    `json:"times,omitempty" jsonschema:"minimum=1,maximum=3,default=1" jsonschema_description:"How often."`
}

type greetOutput struct {
	Greeting string `json:"greeting" jsonschema_description:"The words to say."`
}

var greet = toolkit.Read("DEMO_GREET", "Greet", "Say hello to somebody. Not for goodbyes.",
	toolkit.About{Keywords: []string{"hello", "welcome"}},
	func(_ context.Context, _ greeter, in greetInput) (*greetOutput, error) {
		if in.Name == "nobody" {
			return nil, toolkit.Invalid("name", "expected the name of a person")
		}
		return &greetOutput{Greeting: fmt.Sprintf("Hello %s (%dx)", in.Name, in.Times)}, nil
	})

// A toolkit is a value; its tools are bound to the client they need.
func Example() {
	kit := &toolkit.Toolkit{
		Slug: "demo", Name: "Demo", Version: "20261122_00",
		Tools: toolkit.Bind(func(call *toolkit.Call) (greeter, error) { return greeter{call}, nil }, greet),
	}
	tool := kit.Tools[0]
	args, err := tool.Validate(json.RawMessage(`{"name":"Ada"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := tool.Run(context.Background(), &toolkit.Call{}, args)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(result.Data))
	// Output: {"greeting":"Hello Ada (1x)"}
}

// Wrong arguments are explained all at once, each with its place.
func ExampleTool_Validate() {
	tools := toolkit.Bind(func(call *toolkit.Call) (greeter, error) { return greeter{call}, nil }, greet)
	_, err := tools[0].Validate(json.RawMessage(`{"nmae":"Ada","times":9}`))
	fmt.Println(err)
	// Output: 3 problems with the arguments. name: is required, a string; nmae: unknown argument, did you mean "name"? (expected: name, times); times: expected at most 3
}

// A tool whose schema is known at run time only keeps it as it is.
func ExampleRaw() {
	schema := json.RawMessage(`{"type":"object","properties":{"q":{"type":"string"}},"required":["q"]}`)
	tool, err := toolkit.Raw("DEMO_ECHO", "Echo", "Give back the arguments.", toolkit.About{}, toolkit.Hints{ReadOnly: true}, schema, nil,
		func(_ context.Context, _ *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
			return &toolkit.Result{Data: args}, nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = tool.Validate(json.RawMessage(`{}`))
	fmt.Println(string(tool.Input) == string(schema), err)
	// Output: true q: is required, a string
}
