package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-run/sluice/agent"
)

// questioner puts one question to the person and gives the reply.
type questioner func(label string) (string, error)

func isNo(reply string) bool {
	switch strings.ToLower(strings.TrimSpace(reply)) {
	case "n", "no", "decline", "cancel":
		return true
	}
	return false
}

// opener says whether there is a browser here that can open the address; with do
// it opens it.
type opener func(ctx context.Context, address string, do bool) bool

// askURL has the person open an address, or decline. Only on their word a browser
// is opened; where there is none they open it elsewhere. It says whether opening
// failed.
func askURL(ctx context.Context, q agent.URLRequest, ask questioner, open opener) (answer agent.Answer, failed bool) {
	here := open(ctx, q.URL, false)
	label := "Open it in any browser and press enter, or type no: "
	if here {
		label = "Press enter to open it in your browser, or type no: "
	}
	reply, err := ask(label)
	if err != nil {
		return agent.Answer{Cancel: true}, false // leaving is an answer
	}
	if isNo(reply) {
		return agent.Answer{}, false
	}
	// The browser is to stay when the question is over.
	return agent.Answer{Accept: true}, here && !open(context.WithoutCancel(ctx), q.URL, true)
}

// notOpened is said when a browser that was there did not start.
const notOpened = "No browser could be started: open the address yourself."

// askForm puts a flat form to the person, one question a value. "no" declines;
// an empty reply leaves an optional value out, and a required one is asked for
// again.
func askForm(schema json.RawMessage, ask questioner) (agent.Answer, error) {
	params, err := parameters(schema)
	if err != nil {
		return agent.Answer{}, err
	}
	values := map[string]any{}
	if len(params) == 0 {
		reply, err := ask("Agree? (yes/no): ")
		if err != nil {
			return agent.Answer{Cancel: true}, nil //nolint:nilerr // leaving is an answer
		}
		return agent.Answer{Accept: formValue(reply, "boolean") == true, Values: values}, nil
	}
	for _, p := range params {
		for {
			reply, err := ask(p.label() + ": ")
			if err != nil {
				return agent.Answer{Cancel: true}, nil //nolint:nilerr // leaving is an answer
			}
			if isNo(reply) && p.kind != "boolean" {
				return agent.Answer{}, nil
			}
			if v := formValue(reply, p.kind); v != nil {
				values[p.name] = v
				break
			}
			if strings.TrimSpace(reply) == "" && !p.required {
				break
			}
		}
	}
	return agent.Answer{Accept: true, Values: values}, nil
}

// label is how a form's value is asked for.
func (p parameter) label() string {
	text := p.name
	if p.description != "" {
		text += " (" + strings.TrimSpace(p.description) + ")"
	}
	switch {
	case p.kind == "boolean":
		text += " yes/no"
	case p.kind == "number" || p.kind == "integer":
		text += " as a number"
	}
	if !p.required {
		text += ", optional"
	}
	return strings.Join(strings.Fields(printable(text)), " ")
}

// formValue reads a reply as the form's type; nil when it is none. Text stays
// text, and the server judges the rest.
func formValue(reply, kind string) any {
	reply = strings.TrimSpace(reply)
	if reply == "" {
		return nil
	}
	switch kind {
	case "boolean":
		switch strings.ToLower(reply) {
		case "y", "yes", "true", "1":
			return true
		case "n", "no", "false", "0":
			return false
		}
		return nil
	case "number", "integer":
		var n json.Number
		if json.Unmarshal([]byte(reply), &n) != nil || strings.HasPrefix(reply, `"`) {
			return nil
		}
		return n
	case "array":
		var list []any
		if json.Unmarshal([]byte(reply), &list) == nil {
			return list
		}
		for one := range strings.SplitSeq(reply, ",") {
			list = append(list, strings.TrimSpace(one))
		}
		return list
	}
	return reply
}

// formText and urlText are what a person reads before answering.
func formText(q agent.FormRequest) string { return printable(q.Message) }

func urlText(q agent.URLRequest) string {
	return fmt.Sprintf("%s\n  %s", printable(q.Message), printable(q.URL))
}
