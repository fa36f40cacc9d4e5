package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/scripted"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type addInput struct {
	A int `json:"a" jsonschema:"the first number"`
	B int `json:"b" jsonschema:"the second number"`
}

func addTool() agent.Tool {
	return agent.Func("add", "Add two numbers.", func(_ context.Context, in addInput) (int, error) {
		return in.A + in.B, nil
	})
}

func failTool() agent.Tool {
	return agent.Func("fail", "Always fails.", func(context.Context, struct{}) (string, error) {
		return "", errors.New("the page is gone")
	})
}

// lines runs an agent and renders what a caller sees, one line an event.
func lines(t *testing.T, a *agent.Agent[string], in agent.Input) []string {
	t.Helper()
	var out []string
	text := ""
	flush := func() {
		if text != "" {
			out = append(out, "text "+text)
			text = ""
		}
	}
	for e, err := range a.Run(t.Context(), in) {
		if err != nil {
			flush()
			return append(out, "error "+err.Error())
		}
		if d, ok := e.(agent.TextDelta); ok {
			text += d.Text
			continue
		}
		flush()
		switch e := e.(type) {
		case agent.ThinkingDelta:
			out = append(out, "thinking "+e.Text)
		case agent.ToolCall:
			out = append(out, fmt.Sprintf("call %s %s %s", e.ID, e.Name, e.Args))
		case agent.ToolResult:
			out = append(out, fmt.Sprintf("result %s %s %s", e.ID, e.Outcome, e.Content))
		case agent.Progress:
			out = append(out, fmt.Sprintf("progress %s %v/%v %s", e.CallID, e.Done, e.Total, e.Message))
		case agent.Done:
			out = append(out, fmt.Sprintf("done %q requests=%d calls=%d", e.Text, e.Usage.Requests, e.Usage.ToolCalls))
		}
	}
	return out
}

func mustNew[Out any](t *testing.T, m agent.Model, o agent.Options) *agent.Agent[Out] {
	t.Helper()
	a, err := agent.New[Out](m, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRunEventsAndHistory(t *testing.T) {
	t.Parallel()
	add := scripted.Call("c1", "add", `{"a":1,"b":2}`)
	tests := []struct {
		name   string
		turns  []scripted.Turn
		limits agent.Limits
	}{
		{name: "text", turns: []scripted.Turn{scripted.Reply(scripted.Text("hello there"))}},
		{name: "thinking_then_call", turns: []scripted.Turn{
			scripted.Reply(scripted.Thinking("hm"), scripted.Text("let me see"), add),
			scripted.Reply(scripted.Text("it is 3")),
		}},
		{name: "parallel_in_order", turns: []scripted.Turn{
			scripted.Reply(scripted.Call("x", "add", `{"a":1,"b":1}`), scripted.Call("y", "fail", ``), scripted.Call("z", "add", `{"a":2,"b":2}`)),
			scripted.Reply(scripted.Text("done")),
		}, limits: agent.Limits{Parallel: 1}},
		{name: "broken_json", turns: []scripted.Turn{
			scripted.Reply(scripted.Call("c1", "add", `{"a":1,`)), scripted.Reply(scripted.Text("sorry")),
		}},
		{name: "arguments_in_a_string", turns: []scripted.Turn{
			scripted.Reply(scripted.Call("c1", "add", `"{\"a\":1,\"b\":2}"`)), scripted.Reply(scripted.Text("3")),
		}},
		{name: "schema_names_the_field", turns: []scripted.Turn{
			scripted.Reply(scripted.Call("c1", "add", `{"a":"one","b":2}`), scripted.Call("c2", "add", `{"a":1}`)),
			scripted.Reply(add), scripted.Reply(scripted.Text("3")),
		}},
		{name: "unknown_tool", turns: []scripted.Turn{
			scripted.Reply(scripted.Call("c1", "subtract", `{}`)), scripted.Reply(scripted.Text("cannot")),
		}},
		{name: "repeated_and_missing_ids", turns: []scripted.Turn{
			scripted.Reply(scripted.Call("", "add", `{"a":1,"b":1}`), scripted.Call("0", "add", `{"a":2,"b":2}`)),
			scripted.Reply(scripted.Call("0", "add", `{"a":3,"b":3}`)),
			scripted.Reply(scripted.Text("ok")),
		}, limits: agent.Limits{Parallel: 1}},
		{name: "empty_answer_is_asked_again", turns: []scripted.Turn{
			scripted.Reply(), scripted.Reply(scripted.Text("here")),
		}},
		{name: "cut_stream", turns: []scripted.Turn{
			{Parts: []agent.Part{scripted.Text("half an ans")}, Err: agent.ErrTruncated},
		}},
		{name: "retries_are_bounded", turns: []scripted.Turn{
			scripted.Reply(scripted.Call("c1", "a", `{}`)), scripted.Reply(scripted.Call("c2", "b", `{}`)), scripted.Reply(scripted.Call("c3", "c", `{}`)),
		}, limits: agent.Limits{Retries: 2}},
		{name: "request_limit", turns: []scripted.Turn{scripted.Reply(add), scripted.Reply(add)}, limits: agent.Limits{Requests: 1}},
		{name: "tool_call_limit_runs_nothing", turns: []scripted.Turn{
			scripted.Reply(add, scripted.Call("c2", "add", `{"a":1,"b":2}`)),
		}, limits: agent.Limits{ToolCalls: 1}},
		{name: "token_limit", turns: []scripted.Turn{
			{Parts: []agent.Part{scripted.Text("long")}, Usage: agent.Usage{OutputTokens: 11}},
		}, limits: agent.Limits{OutputTokens: 10}},
		{name: "loop", turns: []scripted.Turn{
			scripted.Reply(add), scripted.Reply(add), scripted.Reply(add), scripted.Reply(add),
		}, limits: agent.Limits{SameCall: 2}},
		{name: "result_is_cut", turns: []scripted.Turn{
			scripted.Reply(scripted.Call("c1", "fail", `{}`)), scripted.Reply(scripted.Text("ok")),
		}, limits: agent.Limits{ResultBytes: 20}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := mustNew[string](t, scripted.Script(tt.turns...), agent.Options{
				Tools: []agent.Toolset{addTool(), failTool()}, Limits: tt.limits,
			})
			var history agent.History
			got := "events:\n" + strings.Join(lines(t, a, agent.Input{Prompt: "go", History: &history}), "\n")
			if err := agent.Validate(history); err != nil {
				t.Errorf("history: %v", err)
			}
			data, err := json.MarshalIndent(history, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			var again agent.History
			if err := json.Unmarshal(data, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(history, again); diff != "" {
				t.Errorf("the history changed on its way through JSON:\n%s", diff)
			}
			golden(t, tt.name, got+"\n\nhistory:\n"+string(data)+"\n")
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "run", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); run with -update to accept:\n%s", path, diff)
	}
}

func TestErrorsCanBeTold(t *testing.T) {
	t.Parallel()
	add := scripted.Call("c", "add", `{"a":1,"b":2}`)
	tests := []struct {
		name   string
		model  agent.Model
		limits agent.Limits
		want   error
	}{
		{"cut", scripted.Script(scripted.Turn{Err: agent.ErrTruncated}), agent.Limits{}, agent.ErrTruncated},
		{"limit", scripted.Script(scripted.Reply(add), scripted.Reply(add)), agent.Limits{Requests: 1}, agent.ErrLimit},
		{"loop", scripted.Script(scripted.Reply(add), scripted.Reply(add)), agent.Limits{SameCall: 1}, agent.ErrLoop},
		{"retries", scripted.Script(scripted.Reply(scripted.Call("c", "nope", "{}"))), agent.Limits{Retries: -1, Requests: 1}, agent.ErrLimit},
		{"exhausted", scripted.Script(), agent.Limits{}, scripted.ErrExhausted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := mustNew[string](t, tt.model, agent.Options{Tools: []agent.Toolset{addTool()}, Limits: tt.limits})
			_, _, err := a.Do(t.Context(), agent.Input{Prompt: "go"})
			if !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTwentyCallsAtOnce(t *testing.T) {
	t.Parallel()
	running, most := make(chan struct{}, 100), 0
	tool := agent.Func("slot", "", func(ctx context.Context, in struct {
		N int `json:"n"`
	},
	) (int, error) {
		running <- struct{}{}
		most = max(most, len(running)) // Parallel is 1: no race
		<-running
		return in.N, nil
	})
	var calls []agent.Part
	for i := range 20 {
		calls = append(calls, scripted.Call(fmt.Sprint("c", i), "slot", fmt.Sprintf(`{"n":%d}`, i)))
	}
	a := mustNew[string](t, scripted.Script(scripted.Reply(calls...), scripted.Reply(scripted.Text("ok"))),
		agent.Options{Tools: []agent.Toolset{tool}, Limits: agent.Limits{Parallel: 1}})
	var h agent.History
	if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go", History: &h}); err != nil {
		t.Fatal(err)
	}
	for i, p := range h[2].Parts {
		if p.Text != fmt.Sprint(i) || p.CallID != fmt.Sprint("c", i) {
			t.Errorf("result %d is %q of %s", i, p.Text, p.CallID)
		}
	}
	if most != 1 {
		t.Errorf("%d ran at once, want 1", most)
	}
}

func TestPanicOfAToolIsAFailedResult(t *testing.T) {
	t.Parallel()
	boom := agent.Func("boom", "", func(context.Context, struct{}) (string, error) { panic("secret detail") })
	m := scripted.Script(scripted.Reply(scripted.Call("c", "boom", "")), scripted.Reply(scripted.Text("ok")))
	a := mustNew[string](t, m, agent.Options{Tools: []agent.Toolset{boom}})
	if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go"}); err != nil {
		t.Fatal(err)
	}
	r := m.Requests()[1].Messages[2].Parts[0]
	if r.Outcome != agent.OutcomeFailed || strings.Contains(r.Text, "secret") {
		t.Errorf("result = %+v", r)
	}
}

func TestApprovals(t *testing.T) {
	t.Parallel()
	var asked []string
	approve := func(_ context.Context, c agent.ToolCall) (agent.Decision, error) {
		asked = append(asked, c.ID)
		switch c.ID {
		case "no":
			return agent.Deny("not today"), nil
		case "other":
			return agent.AllowWith([]byte(`{"a":10,"b":20}`)), nil
		}
		return agent.Allow(), nil
	}
	m := scripted.Script(scripted.Reply(
		scripted.Call("yes", "add", `{"a":1,"b":1}`), scripted.Call("no", "add", `{"a":2,"b":2}`),
		scripted.Call("bad", "add", `{"a":2}`), scripted.Call("other", "add", `{"a":3,"b":3}`),
	), scripted.Reply(scripted.Text("ok")))
	a := mustNew[string](t, m, agent.Options{Tools: []agent.Toolset{addTool()}, Approve: approve})
	if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"yes", "no", "other"}, asked); diff != "" {
		t.Errorf("asked about (an invalid call is not asked about):\n%s", diff)
	}
	var got []string
	for _, p := range m.Requests()[1].Messages[2].Parts {
		got = append(got, fmt.Sprintf("%s %s %.40s", p.CallID, p.Outcome, p.Text))
	}
	want := []string{
		"yes ok 2", "no denied The user refused this call. not today",
		"bad invalid Not run: arguments do not fit the schema", "other ok 30",
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i][:min(len(want[i]), 40)]) {
			t.Errorf("result %d = %q, want %q", i, got[i], want[i])
		}
	}
}

type verdict struct {
	Title string `json:"title"`
	Score int    `json:"score" jsonschema:"0 to 10"`
}

func (v verdict) Validate() error {
	if v.Score > 10 {
		return errors.New("score must be at most 10")
	}
	return nil
}

func TestStructuredOutput(t *testing.T) {
	t.Parallel()
	m := scripted.Script(
		scripted.Reply(scripted.Text("I think it is good")),
		scripted.Reply(scripted.Call("c1", "final_result", `{"title":"x"}`)),
		scripted.Reply(scripted.Call("c2", "final_result", `{"title":"x","score":11}`)),
		scripted.Reply(scripted.Call("c3", "final_result", `{"title":"x","score":9}`), scripted.Call("c4", "fail", ``)),
	)
	a := mustNew[verdict](t, m, agent.Options{Tools: []agent.Toolset{failTool()}})
	var h agent.History
	got, done, err := a.Do(t.Context(), agent.Input{Prompt: "judge", History: &h})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(verdict{Title: "x", Score: 9}, got); diff != "" {
		t.Error(diff)
	}
	if done.Usage.Requests != 4 || !m.Requests()[0].Force {
		t.Errorf("requests %d, force %v", done.Usage.Requests, m.Requests()[0].Force)
	}
	for i, want := range []string{"Hand in the result", `"score"`, "score must be at most 10"} {
		msgs := m.Requests()[i+1].Messages
		last := msgs[len(msgs)-1].Parts
		if !strings.Contains(last[len(last)-1].Text, want) {
			t.Errorf("remark %d = %q, want %q in it", i, last[len(last)-1].Text, want)
		}
	}
	if err := agent.Validate(h); err != nil {
		t.Error(err)
	}
}

func TestStructuredOutputOfASlice(t *testing.T) {
	t.Parallel()
	a := mustNew[[]string](t, scripted.Script(scripted.Reply(scripted.Call("c", "final_result", `{"result":["a","b"]}`))), agent.Options{})
	got, _, err := a.Do(t.Context(), agent.Input{Prompt: "list"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTwoToolsOfOneName(t *testing.T) {
	t.Parallel()
	a := mustNew[string](t, scripted.Script(), agent.Options{Tools: []agent.Toolset{addTool(), addTool()}})
	if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go"}); err == nil || !strings.Contains(err.Error(), `"add"`) {
		t.Errorf("err = %v, want one that names the tool", err)
	}
}
