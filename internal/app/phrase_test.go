package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/store"
)

// modelServer is an OpenAI-compatible server that calls the tool which it is
// offered, with arguments that answer gives; where they do not begin as an object
// does, it says them instead.
type modelServer struct {
	*httptest.Server
	answer func(text string) string

	mu    sync.Mutex
	asked []modelRequest
}

// modelRequest is what the server was asked.
type modelRequest struct {
	body, key, agent string
}

const modelKey = "mk-7d1c0f-of-the-model"

func newModelServer(t *testing.T, answer func(text string) string) *modelServer {
	t.Helper()
	m := &modelServer{answer: answer}
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(m.Close)
	return m
}

// use has the router ask this server.
func (m *modelServer) use(c *app.Config) {
	c.Model, c.ModelBaseURL, c.ModelAPIKey = "openai:scripted", m.URL+"/v1", modelKey
}

func (m *modelServer) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	m.mu.Lock()
	m.asked = append(m.asked, modelRequest{body: string(body), key: r.Header.Get("Authorization"), agent: r.UserAgent()})
	m.mu.Unlock()
	var in struct {
		Messages []struct{ Role, Content string }
		Tools    []struct{ Function struct{ Name string } }
	}
	if err != nil || r.URL.Path != "/v1/chat/completions" || json.Unmarshal(body, &in) != nil || len(in.Tools) != 1 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	said := m.answer(in.Messages[len(in.Messages)-1].Content)
	delta := map[string]any{"content": said}
	if strings.HasPrefix(said, "{") {
		call := map[string]any{"index": 0, "id": "call_1", "function": map[string]string{"name": in.Tools[0].Function.Name, "arguments": said}}
		delta = map[string]any{"tool_calls": []any{call}}
	}
	event, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": "stop"}}})
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "data: %s\n\ndata: [DONE]\n\n", event)
}

func (m *modelServer) requests() []modelRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]modelRequest(nil), m.asked...)
}

// A call by text goes through the model into the same pipeline, on both versions of
// the API, for both names of the user; the model learns what the tool and the text
// say and nothing else.
func TestExecuteByText(t *testing.T) {
	t.Parallel()
	m := newModelServer(t, func(text string) string {
		switch {
		case strings.Contains(text, "no key"):
			return "The text does not say which space."
		case strings.Contains(text, "gibberish"), strings.Contains(text, "invalid:"):
			return `{"limit":"many"}`
		}
		return `{"spaceKey":["MKT"],"limit":null}`
	})
	r := testApp(t, func(o *app.Options) { m.use(&o.Config) })
	const tool = "/tools/execute/CONFLUENCE_GET_SPACES"
	for _, version := range []string{"/api/v3.1", "/api/v3"} {
		for _, user := range []string{"user_id", "entity_id"} {
			for _, more := range []string{"", `,"arguments":{}`, `,"arguments":null,"version":"latest","allow_tracing":false`} {
				a := r.send(http.MethodPost, version+tool, fmt.Sprintf(`{%q:"jane","text":"find the space MKT"%s}`, user, more))
				if a.status != http.StatusOK || !strings.Contains(a.body, `"key":"MKT"`) || !strings.Contains(a.body, `"successful":true`) {
					t.Fatalf("%s %s %s: %d %s", version, user, more, a.status, a.body)
				}
			}
		}
		a := r.send(http.MethodPost, version+tool+"/input", `{"text":"find the space MKT","custom_description":"Spaces of ACME.","system_prompt":"Keys are upper case.","version":"latest"}`)
		if a.status != http.StatusOK || strings.TrimSpace(a.body) != `{"arguments":{"spaceKey":["MKT"]}}` {
			t.Errorf("%s input: %d %s", version, a.status, a.body)
		}
		a = r.send(http.MethodPost, version+tool+"/input", `{"text":"no key"}`)
		if a.status != http.StatusOK || strings.TrimSpace(a.body) != `{"error":"The text does not say which space."}` {
			t.Errorf("%s unclear input: %d %s", version, a.status, a.body)
		}
		for text, says := range map[string]string{"no key": "text: The text does not say which space.", "gibberish": "limit", strings.Repeat("x", 20_000): "16384 bytes"} {
			a := r.send(http.MethodPost, version+tool, fmt.Sprintf(`{"user_id":"jane","text":%q}`, text))
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, says) || !strings.Contains(a.body, `"errors":["text: `) {
				t.Errorf("%.20s: %d %s", text, a.status, a.body)
			}
		}
	}
	for _, asked := range m.requests() {
		if asked.key != "Bearer "+modelKey || !strings.HasPrefix(asked.agent, "Sluice/") && !strings.HasPrefix(asked.agent, "OpenAI/Go") {
			t.Errorf("asked with %q by %q", asked.key, asked.agent)
		}
		for _, secret := range []string{modelKey, r.key, "jane", "Authorization"} {
			if strings.Contains(asked.body, secret) {
				t.Errorf("the model is told %s: %s", secret, asked.body)
			}
		}
		if !strings.Contains(asked.body, `"max_tokens":8192`) || !strings.Contains(asked.body, `"model":"scripted"`) {
			t.Errorf("asked for %s", asked.body)
		}
	}
	if strings.Contains(r.logs.String(), modelKey) || strings.Contains(r.logs.String(), "find the space") {
		t.Error("the log holds the model's key or a person's text")
	}
	list, _, err := r.database().ListExecutions(t.Context(), r.ProjectID(), store.ExecutionFilter{}, store.Page{Limit: 100})
	must(t, err)
	if len(list) != 18 {
		t.Errorf("%d records", len(list))
	}
	c := r.clientOf()
	if args, err := c.Phrase(t.Context(), client.PhraseRequest{Tool: "CONFLUENCE_GET_SPACES", Text: "find MKT", Description: "d", Guidance: "g"}); err != nil || string(args) != `{"spaceKey":["MKT"]}` {
		t.Errorf("client: %s, %v", args, err)
	}
	if _, err := c.Phrase(t.Context(), client.PhraseRequest{Tool: "CONFLUENCE_GET_SPACES", Text: "no key"}); err == nil || !strings.Contains(err.Error(), "which space") {
		t.Errorf("client, unclear: %v", err)
	}
	if got, err := c.Execute(t.Context(), client.ExecuteRequest{Tool: "CONFLUENCE_GET_SPACES", UserID: "jane", Text: "find MKT"}); err != nil || !got.Successful {
		t.Errorf("client: %+v, %v", got, err)
	}
}

// What there is no model for is refused with the setting's name; a router starts
// all the same.
func TestNoModel(t *testing.T) {
	t.Parallel()
	for setting, edit := range map[string]func(*config.Config){
		"model (SLUICE_MODEL) is not set":                 func(*config.Config) {},
		"model (SLUICE_MODEL) is offline":                 func(c *config.Config) { c.Model = "offline" },
		"model_api_key (SLUICE_MODEL_API_KEY) is not set": func(c *config.Config) { c.Model = "openai:gpt-5" },
	} {
		r := testApp(t, func(o *app.Options) { edit(&o.Config) })
		a := r.send(http.MethodPost, "/api/v3.1/tools/execute/CONFLUENCE_GET_SPACES", `{"user_id":"jane","text":"find MKT"}`)
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, setting) || !strings.Contains(a.body, `"errors":["text: `) {
			t.Errorf("%s: %d %s", setting, a.status, a.body)
		}
		a = r.send(http.MethodPost, "/api/v3/tools/execute/CONFLUENCE_GET_SPACES/input", `{"text":"find MKT"}`)
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, setting) || !strings.Contains(a.body, "suggested_fix") {
			t.Errorf("%s: %d %s", setting, a.status, a.body)
		}
	}
	cfg := testConfig(t.TempDir())
	cfg.Model = "clairvoyant:gpt"
	if _, err := app.New(t.Context(), app.Options{Config: cfg, LogOutput: io.Discard}); err == nil || !strings.Contains(err.Error(), "model (from") {
		t.Errorf("an unknown provider: %v", err)
	}
}

// A model that fails is a dependency that fails: 503, the reason in the log alone,
// and nobody else is asked.
func TestModelFails(t *testing.T) {
	t.Parallel()
	stray := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the model's server led somewhere else")
	}))
	t.Cleanup(stray.Close)
	gone, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, gone.Close())
	answers := map[string]http.HandlerFunc{
		"refuses the key": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":{"message":"Incorrect API key provided: `+modelKey+`"}}`, http.StatusUnauthorized)
		},
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, stray.URL+"/v1", http.StatusTemporaryRedirect)
		},
		"is cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"choices\":[]}\n\n")
		},
		"is no model": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"has no end": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.Copy(w, io.LimitReader(spaces{}, 64<<20))
		},
	}
	for name, answer := range answers {
		srv := httptest.NewServer(answer)
		t.Cleanup(srv.Close)
		modelFails(t, name, srv.URL+"/v1")
	}
	modelFails(t, "is down", "http://"+gone.Addr().String()+"/v1")
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func modelFails(t *testing.T, name, base string) {
	t.Helper()
	r := testApp(t, func(o *app.Options) {
		o.Config.Model, o.Config.ModelBaseURL, o.Config.ModelAPIKey = "openai:x", base, modelKey
	})
	r.http.Timeout = 5 * time.Minute
	host, err := url.Parse(base)
	must(t, err)
	for path, body := range map[string]string{
		"/api/v3.1/tools/execute/CONFLUENCE_GET_SPACES":       `{"user_id":"jane","text":"find MKT"}`,
		"/api/v3.1/tools/execute/CONFLUENCE_GET_SPACES/input": `{"text":"find MKT"}`,
	} {
		a := r.send(http.MethodPost, path, body)
		said := a.body
		if a.status != http.StatusServiceUnavailable || a.header.Get("X-Should-Retry") != "false" || !strings.Contains(said, "the router's model gave no answer") ||
			strings.Contains(said, modelKey) || strings.Contains(said, host.Host) {
			t.Errorf("a model that %s: %d %s", name, a.status, said)
		}
	}
	if logs := r.logs.String(); !strings.Contains(logs, "the model gave no arguments") || strings.Contains(logs, modelKey) {
		t.Errorf("a model that %s: the log does not say why, or holds the key", name)
	}
}
