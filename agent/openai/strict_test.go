package openai_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/openai"
)

// strictTools are one tool that has a strict form and one that has none.
var strictTools = []agent.ToolSpec{
	{Name: "find", Description: "Finds.", Schema: json.RawMessage(`{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"integer"}},"required":["q"]}`)},
	{Name: "keep", Description: "Keeps.", Schema: json.RawMessage(`{"type":"object","properties":{"v":{}},"required":["v"]}`)},
}

// offered gives the strict flags and required lists of a request's tools.
func offered(t *testing.T, body []byte) (flags []any, required []string) {
	t.Helper()
	type tool struct {
		Strict     any `json:"strict"`
		Parameters struct {
			Required []string `json:"required"`
		} `json:"parameters"`
	}
	var req struct {
		Tools []struct {
			tool
			Function *tool `json:"function"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		t.Fatal(err)
	}
	for _, one := range req.Tools {
		if one.Function != nil {
			one.tool = *one.Function
		}
		flags = append(flags, one.tool.Strict)
		required = append(required, strings.Join(slices.Sorted(slices.Values(one.tool.Parameters.Required)), " "))
	}
	return flags, required
}

// redirect sends everything to one server, so that a model can be asked under
// the name of another host.
type redirect struct{ to string }

func (r redirect) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", strings.TrimPrefix(r.to, "http://")
	return http.DefaultTransport.RoundTrip(req)
}

func TestStrictMode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		opts  openai.Options
		flags []any
		find  string
	}{
		{"OpenAI, Chat", openai.Options{BaseURL: "https://api.openai.com/v1", API: openai.Chat}, []any{true, nil}, "n q"},
		{"OpenAI, Responses", openai.Options{BaseURL: "https://api.openai.com/v1"}, []any{true, false}, "n q"},
		{"Azure", openai.Options{BaseURL: "https://mine.openai.azure.com/openai/v1"}, []any{true, nil}, "n q"},
		{"OpenAI, off", openai.Options{BaseURL: "https://api.openai.com/v1", Strict: openai.StrictOff}, []any{false, false}, "q"},
		{"another server", openai.Options{BaseURL: "http://models.test/v1"}, []any{nil, nil}, "q"},
		{"another server, on", openai.Options{BaseURL: "http://models.test/v1", Strict: openai.StrictOn}, []any{true, nil}, "n q"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan []byte, 4)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				seen <- body
				w.WriteHeader(http.StatusForbidden)
			}))
			defer s.Close()
			tc.opts.HTTPClient = &http.Client{Transport: redirect{to: s.URL}}
			req := agent.Request{Messages: hello.Messages, Tools: strictTools}
			if _, _, err := ask(t, model(t, tc.opts), req); err == nil {
				t.Fatal("no error for a 403")
			}
			flags, required := offered(t, <-seen)
			if diff := cmp.Diff(tc.flags, flags); diff != "" {
				t.Errorf("strict (-want +got):\n%s", diff)
			}
			if required[0] != tc.find || required[1] != "v" {
				t.Errorf("required: %q", required)
			}
			if len(seen) != 0 {
				t.Error("a refusal that is not about the tools was repeated")
			}
		})
	}
	if _, err := openai.New(openai.Options{Model: "m", Strict: "very"}); err == nil || !strings.Contains(err.Error(), `"on"`) {
		t.Errorf("an unknown mode: %v", err)
	}
}

// TestStrictRefused: a server that does not take the strict form is asked
// again without it, once.
func TestStrictRefused(t *testing.T) {
	t.Parallel()
	var bodies [][]byte
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, body)
		if strings.Contains(string(body), `"strict":true`) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"message":"Unknown field: tools[0].function.strict"}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, okBody)
	}))
	defer s.Close()
	m := model(t, openai.Options{BaseURL: s.URL, Strict: openai.StrictOn})
	got, _, err := ask(t, m, agent.Request{Messages: hello.Messages, Tools: strictTools})
	if err != nil || got.Text != "ok" || len(bodies) != 2 {
		t.Fatalf("got %+v, %v after %d requests", got, err, len(bodies))
	}
	if flags, required := offered(t, bodies[1]); flags[0] != nil || required[0] != "q" {
		t.Errorf("the second request: %v %v", flags, required)
	}
}
