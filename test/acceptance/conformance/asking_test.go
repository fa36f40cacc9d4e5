package conformance

import (
	"context"
	"encoding/json"

	"github.com/sluice-run/sluice/toolkit"
)

// Forms that the asking fixtures put to the person.
const (
	nameForm    = `{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`
	userForm    = `{"type":"object","properties":{"username":{"type":"string","description":"Your preferred username"}},"required":["username"]}`
	okForm      = `{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}`
	colourForm  = `{"type":"object","properties":{"color":{"type":"string"}},"required":["color"]}`
	defaultForm = `{"type":"object","properties":{
		"name":{"type":"string","description":"User name","default":"John Doe"},
		"age":{"type":"integer","description":"User age","default":30},
		"score":{"type":"number","description":"User score","default":95.5},
		"status":{"type":"string","description":"User status","enum":["active","inactive","pending"],"default":"active"},
		"verified":{"type":"boolean","description":"Verification status","default":true}}}`
	enumForm = `{"type":"object","properties":{
		"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
		"titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},
		"legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],"enumNames":["Option One","Option Two","Option Three"]},
		"untitledMulti":{"type":"array","minItems":1,"maxItems":3,"items":{"type":"string","enum":["option1","option2","option3"]}},
		"titledMulti":{"type":"array","minItems":1,"maxItems":3,"items":{"type":"string","anyOf":[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]}}}}`
)

// asking are the fixtures that ask the person something.
func asking() []toolkit.Tool {
	return []toolkit.Tool{
		verbatim("test_elicitation", "Asks for a user name",
			`{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}`, askUser),
		verbatim("test_elicitation_sep1034_defaults", "Asks with defaults", noInput,
			askOnce("answer", "Test defaults for primitives", defaultForm)),
		verbatim("test_elicitation_sep1330_enums", "Asks with choices", noInput,
			askOnce("answer", "Test enum schemas", enumForm)),
		verbatim("test_url_elicitation", "Asks to open a page", noInput,
			func(_ context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
				a, err := call.Ask("connect", toolkit.Question{Message: "Connect your account.", URL: "https://sluice.example/link/lt_1"})
				if err != nil {
					return nil, err
				}
				return text("action=%s", a.Action)
			}),
		verbatim("test_input_required_result_elicitation", "Asks for a name", noInput, askName),
		verbatim("test_input_required_result_request_state", "Keeps state while it asks", noInput, askWithState),
		verbatim("test_input_required_result_tampered_state", "Keeps state while it asks", noInput, askWithState),
		verbatim("test_input_required_result_multi_round", "Asks twice", noInput, askTwice),
		verbatim("test_input_required_result_capabilities", "Asks what the client can show", noInput, askWhatCan),
	}
}

func askUser(_ context.Context, call *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
	var in struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, err
	}
	return askOnce("user", in.Message, userForm)(nil, call, args)
}

// askOnce asks one question and repeats the answer.
func askOnce(key, message, form string) run {
	return func(_ context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
		a, err := call.Ask(key, toolkit.Question{Message: message, Schema: json.RawMessage(form)})
		if err != nil {
			return nil, err
		}
		return text("Elicitation result: action=%s, content=%s", a.Action, a.Content)
	}
}

// accepted reads a text from an accepted answer; "" when there is none of that type.
func accepted(a toolkit.Answer, name string) string {
	var fields map[string]any
	if a.Action != "accept" || json.Unmarshal(a.Content, &fields) != nil {
		return ""
	}
	s, _ := fields[name].(string)
	return s
}

// askName asks until it has a name.
func askName(_ context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
	if name := accepted(call.Answers["user_name"], "name"); name != "" {
		return text("Hello, %s!", name)
	}
	return nil, &toolkit.Ask{Questions: map[string]toolkit.Question{
		"user_name": {Message: "What is your name?", Schema: json.RawMessage(nameForm)},
	}}
}

func askWithState(_ context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
	if call.Answers["confirm"].Action == "accept" {
		if string(call.State) != `"kept"` {
			return nil, &toolkit.Error{Kind: toolkit.KindInvalid, Message: "The state is not what was given."}
		}
		return text("state-ok: state received and confirmation accepted")
	}
	return nil, &toolkit.Ask{
		Questions: map[string]toolkit.Question{"confirm": {Message: "Please confirm", Schema: json.RawMessage(okForm)}},
		State:     json.RawMessage(`"kept"`),
	}
}

// askTwice needs the first answer for the second question's state.
func askTwice(_ context.Context, call *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
	var name string
	switch {
	case len(call.State) == 0:
		return nil, askStep("step1", "Step 1: What is your name?", nameForm, "")
	case string(call.State) == `""`:
		return nil, askStep("step2", "Step 2: What is your favorite color?", colourForm, accepted(call.Answers["step1"], "name"))
	}
	if err := json.Unmarshal(call.State, &name); err != nil {
		return nil, err
	}
	return text("%s likes %s", name, accepted(call.Answers["step2"], "color"))
}

func askStep(key, message, form, state string) error {
	kept, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return &toolkit.Ask{
		Questions: map[string]toolkit.Question{key: {Message: message, Schema: json.RawMessage(form)}},
		State:     kept,
	}
}

func askWhatCan(ctx context.Context, call *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
	if !call.CanAsk.Form {
		return text("this client has no form to show")
	}
	return askName(ctx, call, args)
}
