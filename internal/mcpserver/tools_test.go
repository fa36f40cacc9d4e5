package mcpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/sluice-run/sluice/toolkit"
)

// testTools are the tools that the tests call; what they do with time they do
// through channels.
type testTools struct {
	entered chan string   // TEST_BLOCK has begun, with its argument
	release chan struct{} // lets TEST_BLOCK return
	ended   chan error    // why TEST_BLOCK returned: nil or its context's error
	steps   chan struct{} // TEST_STEPS reports progress for each
}

func newTestTools() *testTools {
	return &testTools{
		entered: make(chan string, 100), release: make(chan struct{}), ended: make(chan error, 100),
		steps: make(chan struct{}),
	}
}

// routedSchema asks for headers that repeat arguments of each kind.
const routedSchema = `{"type":"object","properties":{
	"region":{"x-mcp-header":"Region","type":"string"},"size":{"type":"integer","x-mcp-header":"Size"},
	"dry":{"type":"boolean","x-mcp-header":"Dry"},
	"in":{"type":"object","properties":{"zone":{"type":"string","x-mcp-header":"Zone"}}}}}`

const noArguments = `{"type":"object","properties":{}}`

func (tt *testTools) toolkit(t testing.TB) *toolkit.Toolkit {
	t.Helper()
	read := toolkit.Hints{ReadOnly: true, Idempotent: true, OpenWorld: true}
	tools := []toolkit.Tool{
		rawTool(t, "TEST_ECHO", "Gives back its text.",
			`{"type":"object","properties":{"text":{"type":"string","description":"What to say, <b>even & \"this\"</b>"}},"required":["text"]}`,
			read, func(_ context.Context, _ *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
				return &toolkit.Result{Data: args}, nil
			}),
		rawTool(t, "TEST_FAIL", "Fails.", noArguments, toolkit.Hints{Destructive: true},
			func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
				return nil, &toolkit.Error{Kind: toolkit.KindNotFound, Message: "There is no such page.", Fix: "Search for it first."}
			}),
		rawTool(t, "TEST_PANIC", "Panics.", noArguments, read,
			func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) { panic("secret token") }),
		rawTool(t, "TEST_BLOCK", "Waits.", `{"type":"object","properties":{"name":{"type":"string"}}}`, read, tt.block),
		rawTool(t, "TEST_STEPS", "Reports progress.", noArguments, read, tt.report),
		rawTool(t, "TEST_CONFIRM", "Asks before it goes on.", noArguments, toolkit.Hints{Destructive: true}, confirm),
		rawTool(t, "TEST_CONNECT", "Asks to open a page.", noArguments, read,
			func(_ context.Context, c *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
				a, err := c.Ask("page", toolkit.Question{Message: "Connect your account:", URL: "https://sluice.example/link/lt_1"})
				if err != nil {
					return nil, err
				}
				return &toolkit.Result{Data: json.RawMessage(fmt.Sprintf(`{"action":%q}`, a.Action))}, nil
			}),
		rawTool(t, "TEST_REGION", "Has a routed argument.",
			`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"size":{"type":"integer","x-mcp-header":"Size"}}}`,
			read, func(_ context.Context, c *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
				data, err := json.Marshal(c.Header)
				return &toolkit.Result{Data: data}, err
			}),
	}
	tools = append(tools, rawTool(t, "TEST_ROUTED", "Has many routed arguments.", routedSchema, read,
		func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
			return &toolkit.Result{}, nil
		}))
	tools = append(tools, rawTool(t, "TEST_NAG", "Asks without end.", noArguments, read,
		func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
			return nil, &toolkit.Ask{Questions: map[string]toolkit.Question{"n": {Message: "Again?"}}}
		}))
	verbatim := rawTool(t, "TEST_VERBATIM", "Answers as it is.", noArguments, read,
		func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
			return &toolkit.Result{
				Content: []toolkit.Content{
					{Text: "hello"}, {MIME: "image/png", Blob: []byte("png")}, {MIME: "application/pdf", Blob: []byte("pdf")},
				},
				Structured: json.RawMessage(`{"n":12345678901234567890}`),
			}, nil
		})
	verbatim.Verbatim = true
	verbatim.Output = json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer"}}}`)
	return &toolkit.Toolkit{
		Slug: "test", Name: "Test", Description: "Tools of the tests.", Version: "20261122_00",
		Tools: append(tools, verbatim),
	}
}

func (tt *testTools) block(ctx context.Context, _ *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
	var in struct{ Name string }
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, err
	}
	tt.entered <- in.Name
	select {
	case <-tt.release:
		tt.ended <- nil
		return &toolkit.Result{}, nil
	case <-ctx.Done():
		tt.ended <- ctx.Err()
		return nil, ctx.Err()
	}
}

// report reports once for each step, until there are no more.
func (tt *testTools) report(ctx context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
	for n := 1; ; n++ {
		select {
		case _, more := <-tt.steps:
			if !more {
				return &toolkit.Result{Data: json.RawMessage(fmt.Sprintf(`{"steps":%d}`, n-1))}, nil
			}
			call.Progress(float64(n), 0, fmt.Sprintf("step %d", n))
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// confirm asks twice, and needs the first answer when it has the second.
func confirm(_ context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
	form := func(field string) json.RawMessage {
		return json.RawMessage(`{"type":"object","properties":{"` + field + `":{"type":"string"}},"required":["` + field + `"]}`)
	}
	field := func(key, name string) string {
		var m map[string]string
		if call.Answers[key].Action == "accept" && json.Unmarshal(call.Answers[key].Content, &m) == nil {
			return m[name]
		}
		return ""
	}
	if len(call.State) == 0 {
		return nil, &toolkit.Ask{
			Questions: map[string]toolkit.Question{"who": {Message: "Who are you?", Schema: form("name")}},
			State:     json.RawMessage(`{"round":1}`),
		}
	}
	var state struct {
		Round int    `json:"round"`
		Name  string `json:"name"`
	}
	if err := json.Unmarshal(call.State, &state); err != nil {
		return nil, err
	}
	if state.Round == 1 {
		kept, err := json.Marshal(map[string]any{"round": 2, "name": field("who", "name")})
		if err != nil {
			return nil, err
		}
		return nil, &toolkit.Ask{
			Questions: map[string]toolkit.Question{"why": {Message: "Why?", Schema: form("reason")}},
			State:     kept,
		}
	}
	return &toolkit.Result{Data: json.RawMessage(fmt.Sprintf(`{"name":%q,"reason":%q}`, state.Name, field("why", "reason")))}, nil
}
