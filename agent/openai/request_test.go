package openai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/openai"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestRequestBody(t *testing.T) {
	t.Parallel()
	temp := 0.5
	req := agent.Request{
		Instructions: "Be brief.",
		Messages: agent.Repair(agent.History{
			agent.UserMessage("hello"),
			{Role: agent.RoleAssistant, Parts: []agent.Part{
				{Kind: agent.KindThinking, Text: "hm", Meta: map[string]json.RawMessage{"openai_responses": json.RawMessage(reasoningItem)}},
				{Kind: agent.KindText, Text: "let me see"},
				{Kind: agent.KindToolCall, CallID: "a", Tool: "add", Args: `{"x":1}`},
				{Kind: agent.KindToolCall, CallID: "b", Tool: "add", Args: `{"x":`},
				{Kind: agent.KindToolCall, CallID: "c", Tool: "add"},
			}},
			{Role: agent.RoleTool, Parts: []agent.Part{
				{Kind: agent.KindToolResult, CallID: "a", Tool: "add", Outcome: agent.OutcomeOK, Text: "1"},
				{Kind: agent.KindToolResult, CallID: "b", Tool: "add", Outcome: agent.OutcomeInvalid, Text: "not JSON"},
			}},
		}),
		Tools: []agent.ToolSpec{
			{Name: "add", Description: "Adds.", Schema: json.RawMessage(`{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}`)},
			{Name: "none", Description: "Nothing.", Schema: json.RawMessage(`{"type":"object"}`)},
		},
		Force:    true,
		Settings: agent.Settings{Temperature: &temp, MaxOutputTokens: 100, Effort: "low"},
	}
	for _, api := range []openai.API{openai.Chat, openai.Responses} {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			seen := make(chan string, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				var out bytes.Buffer
				_ = json.Indent(&out, body, "", "  ")
				seen <- fmt.Sprintf("%s %s\nAuthorization: %s\n\n%s\n", r.Method, r.URL.Path, r.Header.Get("Authorization"), out.String())
				w.WriteHeader(http.StatusBadRequest)
			}))
			defer s.Close()
			m := model(t, openai.Options{BaseURL: s.URL + "/v1/", API: api, APIKey: "k"})
			if _, _, err := ask(t, m, req); err == nil {
				t.Error("no error for a 400")
			}
			got := <-seen
			path := filepath.Join("testdata", "request-"+string(api)+".txt")
			if *update {
				_ = os.MkdirAll("testdata", 0o755)
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// answers is a transport that gives one response after another, so that time
// can be the test's own.
type answers struct {
	list []*http.Response
	at   []time.Time
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	n := len(a.at)
	a.at = append(a.at, time.Now())
	if n >= len(a.list) {
		return nil, errors.New("asked too often")
	}
	a.list[n].Request = r
	return a.list[n], nil
}

func response(status int, header, body string) *http.Response {
	h := http.Header{"Content-Type": {"text/event-stream"}}
	if name, value, ok := strings.Cut(header, ": "); ok {
		h.Set(name, value)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

const okBody = "data: {\"choices\":[{\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

func TestRetries(t *testing.T) {
	tests := []struct {
		name  string
		list  []*http.Response
		waits []time.Duration
		text  string
		err   string
	}{
		{
			name: "429 with Retry-After", list: []*http.Response{response(429, "Retry-After: 7", ""), response(200, "", okBody)},
			waits: []time.Duration{7 * time.Second}, text: "ok",
		},
		{
			name: "503 twice", list: []*http.Response{response(503, "Retry-After: 2", ""), response(503, "Retry-After: 3", ""), response(200, "", okBody)},
			waits: []time.Duration{2 * time.Second, 3 * time.Second}, text: "ok",
		},
		{
			name: "401 is final", list: []*http.Response{response(401, "", `{"error":{"message":"Incorrect API key provided: sk-secret-123"}}`)},
			err: "the model server refused the API key (401 Unauthorized); check the key and what it may use",
		},
		{
			name: "400 says why", list: []*http.Response{response(400, "", `{"error":{"message":"no such tool; key sk-secret-123"}}`)},
			err: "the model server answered 400 Bad Request: no such tool; key [key]",
		},
		{
			name: "retries end", list: []*http.Response{response(429, "Retry-After: 1", ""), response(429, "Retry-After: 1", ""), response(429, "Retry-After: 1", ""), response(429, "Retry-After: 1", `{"error":"enough"}`)},
			waits: []time.Duration{time.Second, time.Second, time.Second}, err: "the model server answered 429 Too Many Requests: enough",
		},
		{
			name: "a begun stream is not repeated", list: []*http.Response{response(200, "", "data: {\"choices\":[{\"delta\":{\"content\":\"o\"}}]}\n\n")},
			text: "o", err: agent.ErrTruncated.Error(),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &answers{list: tt.list}
				m := model(t, openai.Options{
					BaseURL: "http://model.example/v1", APIKey: "sk-secret-123", HTTPClient: &http.Client{Transport: transport},
				})
				got, _, _ := ask(t, m, hello)
				if got.Text != tt.text || got.Err != tt.err {
					t.Errorf("got %q, error %q; want %q, error %q", got.Text, got.Err, tt.text, tt.err)
				}
				var waits []time.Duration
				for i := 1; i < len(transport.at); i++ {
					waits = append(waits, transport.at[i].Sub(transport.at[i-1]))
				}
				if diff := cmp.Diff(tt.waits, waits); diff != "" {
					t.Errorf("waits:\n%s", diff)
				}
			})
		})
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		opts openai.Options
		err  string
	}{
		{openai.Options{}, "name a model"},
		{openai.Options{Model: "m", BaseURL: "localhost:11434"}, "base URL"},
		{openai.Options{Model: "m", API: "soap"}, `unknown API "soap"`},
		{openai.Options{Model: "m"}, ""},
	}
	for _, tt := range tests {
		_, err := openai.New(tt.opts)
		if (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%+v: err = %v, want %q", tt.opts, err, tt.err)
		}
	}
}

// TestAutoChoosesTheProtocol looks at the path that is asked for.
func TestAutoChoosesTheProtocol(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{"": "/v1/responses", "http://model.example/v1": "/v1/chat/completions"} {
		path := ""
		client := &http.Client{Transport: pathOf(func(p string) { path = p })}
		m := model(t, openai.Options{BaseURL: base, HTTPClient: client, MaxRetries: -1})
		if _, _, err := ask(t, m, hello); err == nil || path != want {
			t.Errorf("base %q: path %q, err %v, want %q", base, path, err, want)
		}
	}
}

type pathOf func(string)

func (f pathOf) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r.URL.Path)
	return nil, errors.New("no network here")
}
