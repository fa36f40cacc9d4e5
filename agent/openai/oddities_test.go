package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/openai"
)

// answer is what a caller of Stream gets, in a form to compare.
type answer struct {
	Text, Thinking string
	Calls          []string
	Finish         agent.Finish
	Err            string
}

func ask(t *testing.T, m agent.Model, req agent.Request) (answer, *agent.Response, error) {
	t.Helper()
	var a answer
	var resp *agent.Response
	for c, err := range m.Stream(t.Context(), req) {
		if err != nil {
			a.Err = err.Error()
			return a, nil, err
		}
		a.Text += c.Text
		a.Thinking += c.Thinking
		if c.Done != nil {
			resp = c.Done
		}
	}
	if resp == nil {
		t.Fatal("the stream ended with neither an answer nor an error")
	}
	a.Finish = resp.Finish
	for _, p := range resp.Parts {
		if p.Kind == agent.KindToolCall {
			a.Calls = append(a.Calls, p.CallID+" "+p.Tool+" "+p.Args)
		}
	}
	return a, resp, nil
}

// stub serves one stream of events; "CUT" drops the connection.
func stub(t *testing.T, events ...string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			if e == "CUT" {
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, "data: "+e+"\n\n")
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

func model(t *testing.T, o openai.Options) *openai.Model {
	t.Helper()
	if o.Model == "" {
		o.Model = "gpt-5"
	}
	m, err := openai.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var hello = agent.Request{Messages: agent.History{agent.UserMessage("hello")}}

func delta(inner string) string { return `{"choices":[{"index":0,"delta":` + inner + `}]}` }

func finish(reason string) string {
	return `{"choices":[{"index":0,"delta":{},"finish_reason":"` + reason + `"}]}`
}

func calls(inner string) string { return delta(`{"tool_calls":[` + inner + `]}`) }

var twoAdds = []string{`a add {"x":1}`, `b add {"x":2}`}

func TestChatOddities(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		events []string
		want   answer
		err    error
	}{
		{name: "well-formed, interleaved", events: []string{
			delta(`{"content":"let "}`), delta(`{"content":"me"}`),
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":""}}`),
			calls(`{"index":1,"id":"b","function":{"name":"add","arguments":"{\"x\""}}`),
			calls(`{"index":0,"function":{"arguments":"{\"x\":"}}`),
			calls(`{"index":1,"function":{"arguments":":2}"}},{"index":0,"function":{"arguments":"1}"}}`),
			finish("tool_calls"), "[DONE]",
		}, want: answer{Text: "let me", Calls: twoAdds, Finish: agent.FinishStop}},
		{name: "no index", events: []string{
			calls(`{"id":"a","function":{"name":"add","arguments":"{\"x\":1}"}}`),
			calls(`{"id":"b","function":{"name":"add","arguments":"{\"x\""}}`),
			calls(`{"function":{"arguments":":2}"}}`),
			finish("tool_calls"), "[DONE]",
		}, want: answer{Calls: twoAdds, Finish: agent.FinishStop}},
		{name: "same index, new id", events: []string{
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":"{\"x\""}}`),
			calls(`{"index":0,"id":"a","function":{"arguments":":1}"}}`),
			calls(`{"index":0,"id":"b","function":{"name":"add","arguments":"{\"x\""}}`),
			calls(`{"index":0,"function":{"arguments":":2}"}}`),
			finish("tool_calls"), "[DONE]",
		}, want: answer{Calls: twoAdds, Finish: agent.FinishStop}},
		{name: "same index, no ids", events: []string{
			calls(`{"index":0,"function":{"name":"add","arguments":"{\"x\":1}"}}`),
			calls(`{"index":0,"function":{"name":"add","arguments":"{\"x\":2}"}}`),
			finish("tool_calls"), "[DONE]",
		}, want: answer{Calls: []string{` add {"x":1}`, ` add {"x":2}`}, Finish: agent.FinishStop}},
		{name: "a new id in every fragment", events: []string{
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":"{\"x\""}}`),
			calls(`{"index":0,"id":"zzz","function":{"arguments":":1}"}}`),
			finish("tool_calls"), "[DONE]",
		}, want: answer{Calls: twoAdds[:1], Finish: agent.FinishStop}},
		{name: "the name in every fragment", events: []string{
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":"{\"x\""}}`),
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":":1}"}}`),
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":""}}`),
			finish("tool_calls"), "[DONE]",
		}, want: answer{Calls: twoAdds[:1], Finish: agent.FinishStop}},
		{name: "arguments as an object", events: []string{
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":{"x":1}}}`),
			finish("tool_calls"), "[DONE]",
		}, want: answer{Calls: twoAdds[:1], Finish: agent.FinishStop}},
		{name: "finish_reason stop with calls", events: []string{
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":"{\"x\":1}"}}`),
			finish("stop"), "[DONE]",
		}, want: answer{Calls: twoAdds[:1], Finish: agent.FinishStop}},
		{name: "reasoning_content", events: []string{
			delta(`{"reasoning_content":"hm "}`), delta(`{"reasoning":"well"}`), delta(`{"content":"ok"}`), finish("stop"), "[DONE]",
		}, want: answer{Text: "ok", Thinking: "hm well", Finish: agent.FinishStop}},
		{name: "content as parts", events: []string{
			delta(`{"content":[{"type":"text","text":"ok"}]}`), finish("stop"), "[DONE]",
		}, want: answer{Text: "ok", Finish: agent.FinishStop}},
		{name: "no [DONE]", events: []string{delta(`{"content":"ok"}`), finish("stop")}, want: answer{Text: "ok", Finish: agent.FinishStop}},
		{name: "no finish_reason but [DONE]", events: []string{delta(`{"content":"ok"}`), "[DONE]"}, want: answer{Text: "ok", Finish: agent.FinishStop}},
		{name: "usage after the end", events: []string{
			delta(`{"content":"ok"}`), finish("length"), `{"choices":[],"usage":{"prompt_tokens":5}}`, "[DONE]",
		}, want: answer{Text: "ok", Finish: agent.FinishLength}},
		{name: "second choice", events: []string{
			`{"choices":[{"index":1,"delta":{"content":"no"}},{"index":0,"delta":{"content":"ok"}}]}`, finish("stop"),
		}, want: answer{Text: "ok", Finish: agent.FinishStop}},
		{name: "refusal", events: []string{delta(`{"refusal":"I cannot"}`), finish("stop")}, want: answer{Text: "I cannot", Finish: agent.FinishStop}},
		{name: "cut by the connection", events: []string{delta(`{"content":"half an"}`), "CUT"}, want: answer{Text: "half an"}, err: agent.ErrTruncated},
		{name: "cut cleanly", events: []string{delta(`{"content":"half an"}`)}, want: answer{Text: "half an"}, err: agent.ErrTruncated},
		{name: "cut in a call", events: []string{
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":"{\"x\""}}`),
		}, err: agent.ErrTruncated},
		{name: "empty body", err: agent.ErrTruncated},
		{name: "cut after the finish reason does no harm", events: []string{delta(`{"content":"ok"}`), finish("stop"), "CUT"}, want: answer{Text: "ok", Finish: agent.FinishStop}},
		{
			name: "error in the stream", events: []string{delta(`{"content":"x"}`), `{"error":{"message":"overloaded","code":502}}`},
			want: answer{Text: "x", Err: "the model server reported: overloaded"},
		},
		{name: "not JSON", events: []string{`<html>`}, want: answer{Err: "the model server reported: an event that is not JSON: invalid character '<' looking for beginning of value"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := ask(t, model(t, openai.Options{BaseURL: stub(t, tt.events...)}), hello)
			check(t, tt.want, got, tt.err, err)
		})
	}
}

func check(t *testing.T, want, got answer, wantErr, err error) {
	t.Helper()
	if wantErr != nil {
		if !errors.Is(err, wantErr) {
			t.Errorf("err = %v, want %v", err, wantErr)
		}
		got.Err = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestServerThatDoesNotStream(t *testing.T) {
	t.Parallel()
	for api, body := range map[openai.API]string{
		openai.Chat:      `{"choices":[{"index":0,"finish_reason":"stop","message":{"content":"hello"}}]}`,
		openai.Responses: `{"status":"completed","output":[` + messageItem + `]}`,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, body)
		}))
		defer s.Close()
		got, _, _ := ask(t, model(t, openai.Options{BaseURL: s.URL, API: api}), hello)
		if diff := cmp.Diff(answer{Text: "hello", Finish: agent.FinishStop}, got); diff != "" {
			t.Errorf("%s: %s", api, diff)
		}
	}
}

const (
	reasoningItem = `{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"SEALED"}`
	callItemA     = `{"type":"function_call","id":"fc_1","call_id":"a","name":"add","arguments":"{\"x\":1}"}`
	callItemB     = `{"type":"function_call","id":"fc_2","call_id":"b","name":"add","arguments":"{\"x\":2}"}`
	messageItem   = `{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"hello"}]}`
)

func done(n, item string) string {
	return `{"type":"response.output_item.done","output_index":` + n + `,"item":` + item + `}`
}

func completed(output string) string {
	return `{"type":"response.completed","response":{"status":"completed","output":[` + output + `],"usage":{"input_tokens":7,"output_tokens":3}}}`
}

func TestResponsesOddities(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		events []string
		want   answer
		err    error
	}{
		{name: "well-formed, interleaved", events: []string{
			`{"type":"response.created","response":{"id":"r"}}`,
			`{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"hm"}`, done("0", reasoningItem),
			`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"fc_1","call_id":"a","name":"add","arguments":""}}`,
			`{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"fc_2","call_id":"b","name":"add","arguments":""}}`,
			`{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"x\""}`,
			`{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"x\":1}"}`,
			done("2", callItemB), done("1", callItemA), completed(""),
		}, want: answer{Thinking: "hm", Calls: twoAdds, Finish: agent.FinishStop}},
		{name: "text", events: []string{
			`{"type":"response.output_text.delta","output_index":0,"delta":"hel"}`,
			`{"type":"response.output_text.delta","output_index":0,"delta":"lo"}`, done("0", messageItem), completed(messageItem),
		}, want: answer{Text: "hello", Finish: agent.FinishStop}},
		{name: "no indexes, no done items, arguments only in deltas", events: []string{
			`{"type":"response.output_item.added","item":{"type":"function_call","id":"fc_1","call_id":"a","name":"add","arguments":""}}`,
			`{"type":"response.output_item.added","item":{"type":"function_call","id":"fc_2","call_id":"b","name":"add","arguments":""}}`,
			`{"type":"response.function_call_arguments.delta","item_id":"fc_2","delta":"{\"x\":2}"}`,
			`{"type":"response.function_call_arguments.delta","item_id":"fc_1","delta":"{\"x\":"}`,
			`{"type":"response.function_call_arguments.delta","item_id":"fc_1","delta":"1}"}`, completed(""),
		}, want: answer{Calls: twoAdds, Finish: agent.FinishStop}},
		{
			name: "everything only at the end", events: []string{completed(messageItem + "," + callItemA)},
			want: answer{Text: "hello", Calls: twoAdds[:1], Finish: agent.FinishStop},
		},
		{name: "arguments as an object", events: []string{
			done("0", `{"type":"function_call","id":"fc_1","call_id":"a","name":"add","arguments":{"x":1}}`), completed(""),
		}, want: answer{Calls: twoAdds[:1], Finish: agent.FinishStop}},
		{name: "incomplete", events: []string{
			done("0", messageItem), `{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}`,
		}, want: answer{Text: "hello", Finish: agent.FinishLength}},
		{
			name: "cut by the connection", events: []string{`{"type":"response.output_text.delta","delta":"hel"}`, "CUT"},
			want: answer{Text: "hel"}, err: agent.ErrTruncated,
		},
		{name: "cut cleanly", events: []string{done("0", messageItem)}, err: agent.ErrTruncated},
		{name: "failed", events: []string{
			`{"type":"response.failed","response":{"error":{"code":"server_error","message":"it broke"}}}`,
		}, want: answer{Err: "the model server reported: it broke"}},
		{
			name: "error event", events: []string{`{"type":"error","code":"rate_limit","message":"slow down"}`},
			want: answer{Err: "the model server reported: slow down"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := ask(t, model(t, openai.Options{BaseURL: stub(t, tt.events...), API: openai.Responses}), hello)
			check(t, tt.want, got, tt.err, err)
		})
	}
}

// TestStateRidesAlong: what a provider hides in an answer comes back to it
// unchanged, after the history went through JSON.
func TestStateRidesAlong(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		api    openai.API
		events []string
		want   string
	}{
		{"responses", openai.Responses, []string{done("0", reasoningItem), done("1", callItemA), completed("")}, reasoningItem},
		{"chat", openai.Chat, []string{
			calls(`{"index":0,"id":"a","function":{"name":"add","arguments":"{}"},"extra_content":{"google":{"thought_signature":"SIG"}}}`), finish("stop"),
		}, `{"google":{"thought_signature":"SIG"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, resp, err := ask(t, model(t, openai.Options{BaseURL: stub(t, tt.events...), API: tt.api}), hello)
			if err != nil {
				t.Fatal(err)
			}
			h := agent.Repair(agent.History{agent.UserMessage("hello"), {Role: agent.RoleAssistant, Parts: resp.Parts}})
			data, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &h); err != nil {
				t.Fatal(err)
			}
			body := make(chan string, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				data, _ := io.ReadAll(r.Body)
				body <- string(data)
				w.WriteHeader(http.StatusBadRequest)
			}))
			defer s.Close()
			for range model(t, openai.Options{BaseURL: s.URL, API: tt.api}).Stream(context.Background(), agent.Request{Messages: h}) {
			}
			if got := <-body; !strings.Contains(got, tt.want) {
				t.Errorf("the request does not hold %s:\n%s", tt.want, got)
			}
		})
	}
}
