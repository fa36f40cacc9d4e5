package mcpserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
)

// versions are the protocol versions that a client may ask for.
var versions = []string{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"}

// keyed adds the API key to a client's requests.
type keyed struct{ key string }

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Api-Key", k.key)
	return http.DefaultTransport.RoundTrip(r)
}

// dial connects a client of the official SDK.
func dial(t *testing.T, url, key, version string, opts *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, opts)
	cs, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: url, HTTPClient: &http.Client{Transport: keyed{key}},
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	must(t, err)
	t.Cleanup(func() { _ = cs.Close() })
	return cs
}

func textOf(t *testing.T, r *mcp.CallToolResult) string {
	t.Helper()
	if len(r.Content) == 0 {
		t.Fatal("no content")
	}
	c, ok := r.Content[0].(*mcp.TextContent)
	if !ok {
		t.Fatalf("content is %T", r.Content[0])
	}
	return c.Text
}

// What an SDK client does, in each version.
func TestOfficialClient(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("client")
	url := e.endpoint(e.session(p, direct))
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			ctx := t.Context()
			var reports []string
			reported := make(chan struct{}, 10)
			cs := dial(t, url, key, version, &mcp.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
					reports = append(reports, r.Params.Message)
					reported <- struct{}{}
				},
				ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					switch {
					case r.Params.Mode == "url":
						if r.Params.URL != "https://sluice.example/link/lt_1" || r.Params.ElicitationID == "" {
							t.Errorf("asked to open %q (%q)", r.Params.URL, r.Params.ElicitationID)
						}
						return &mcp.ElicitResult{Action: "accept"}, nil
					case strings.HasPrefix(r.Params.Message, "Who"):
						return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ann"}}, nil
					}
					return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"reason": "because"}}, nil
				},
				Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{
					Form: &mcp.FormElicitationCapabilities{}, URL: &mcp.URLElicitationCapabilities{},
				}},
			})
			call := func(name string, args any) *mcp.CallToolResult {
				t.Helper()
				r, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: args})
				must(t, err)
				return r
			}
			if got := textOf(t, call("TEST_ECHO", map[string]any{"text": "<hi> & \u2028"})); !strings.Contains(got, `"successful":true`) {
				t.Errorf("echo: %s", got)
			}
			if r := call("TEST_FAIL", nil); !r.IsError {
				t.Error("a failure is no error")
			}
			if got := textOf(t, call("TEST_CONFIRM", nil)); !strings.Contains(got, `{"name":"Ann","reason":"because"}`) {
				t.Errorf("two questions: %s", got)
			}
			if got := textOf(t, call("TEST_CONNECT", nil)); !strings.Contains(got, `"action":"accept"`) {
				t.Errorf("a page to open: %s", got)
			}
			if _, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: "NOPE"}); err == nil || !strings.Contains(err.Error(), "there is no tool") {
				t.Errorf("an unknown tool: %v", err)
			}
			// The SDK repeats arguments in headers once it has seen the schema.
			_, err := cs.ListTools(ctx, nil)
			must(t, err)
			if r := call("TEST_REGION", map[string]any{"region": "eu west", "size": 3}); r.IsError {
				t.Errorf("a routed argument: %s", textOf(t, r))
			}
			r := call("TEST_VERBATIM", nil)
			if len(r.Content) != 3 || r.StructuredContent == nil {
				t.Errorf("content as it is: %+v", r)
			}

			e.progressAndCancel(t, cs, &reports, reported)
		})
	}
}

// progressAndCancel calls a tool that reports and one that is cancelled.
func (e *env) progressAndCancel(t *testing.T, cs *mcp.ClientSession, reports *[]string, reported <-chan struct{}) {
	t.Helper()
	ctx := t.Context()
	e.tools.steps = make(chan struct{})
	go func() {
		for range 3 {
			e.tools.steps <- struct{}{}
			<-reported
		}
		close(e.tools.steps)
	}()
	params := &mcp.CallToolParams{Name: "TEST_STEPS"}
	params.SetProgressToken("p")
	_, err := cs.CallTool(ctx, params)
	must(t, err)
	if diff := cmp.Diff([]string{"step 1", "step 2", "step 3"}, *reports); diff != "" {
		t.Error(diff)
	}

	ctx, cancel := context.WithCancel(ctx)
	go func() { <-e.tools.entered; cancel() }()
	if _, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: "TEST_BLOCK", Arguments: map[string]any{}}); err == nil {
		t.Error("a cancelled call gave a result")
	}
	if err := e.waitEnded(); err == nil {
		t.Error("the tool was not cancelled")
	}
}

// A client that declines is told to the tool, and one without the ability gets
// the question in words.
func TestAnswersThatAreNone(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("decline")
	url := e.endpoint(e.session(p, direct))
	for _, version := range versions[:2] {
		cs := dial(t, url, key, version, &mcp.ClientOptions{
			ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				return &mcp.ElicitResult{Action: "decline"}, nil
			},
			Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{}}, // forms only
		})
		r, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "TEST_CONFIRM"})
		must(t, err)
		if got := textOf(t, r); !strings.Contains(got, `{"name":"","reason":""}`) {
			t.Errorf("%s: declined: %s", version, got)
		}
		r, err = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "TEST_CONNECT"})
		must(t, err)
		if got := textOf(t, r); !r.IsError || !strings.Contains(got, "Connect your account: https://sluice.example/link/lt_1") {
			t.Errorf("%s: a page for a client with forms only: %s", version, got)
		}
	}
}

// The cached list says what the SDK's own server would say of the same tools,
// and the bytes are the same however a list is asked for.
func TestListIsTheSDKs(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("list")
	for name, cfg := range map[string]domain.SessionConfig{"direct": direct, "meta": {}} {
		id := e.session(p, cfg)
		h, err := e.sessions.Open(t.Context(), p, id)
		must(t, err)
		set, err := e.sessions.Tools(h)
		must(t, err)
		own := mcp.NewServer(&mcp.Implementation{Name: "own"}, nil)
		for _, tool := range set.Tools {
			hints := tool.Hints
			w := &mcp.Tool{
				Name: tool.Slug, Title: tool.Name, Description: tool.Description, InputSchema: tool.Input,
				Annotations: &mcp.ToolAnnotations{
					Title: tool.Name, ReadOnlyHint: hints.ReadOnly, IdempotentHint: hints.Idempotent,
					DestructiveHint: &hints.Destructive, OpenWorldHint: &hints.OpenWorld,
				},
			}
			if tool.Verbatim {
				w.OutputSchema = tool.Output
			}
			own.AddTool(w, nil)
		}
		for _, version := range versions {
			t.Run(name+"/"+version, func(t *testing.T) {
				there, here := mcp.NewInMemoryTransports()
				ss, err := own.Connect(t.Context(), there, nil)
				must(t, err)
				defer ss.Close()
				peer, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), here, &mcp.ClientSessionOptions{ProtocolVersion: version})
				must(t, err)
				defer peer.Close()
				want, err := peer.ListTools(t.Context(), nil)
				must(t, err)
				got, err := dial(t, e.endpoint(id), key, version, nil).ListTools(t.Context(), nil)
				must(t, err)
				byName := func(tools []*mcp.Tool) map[string]string {
					m := map[string]string{}
					for _, tool := range tools {
						data, err := json.Marshal(tool)
						must(t, err)
						m[tool.Name] = string(data)
					}
					return m
				}
				if diff := cmp.Diff(byName(want.Tools), byName(got.Tools)); diff != "" {
					t.Error(diff)
				}
				for i, tool := range set.Tools {
					if got.Tools[i].Name != tool.Slug {
						t.Fatalf("tool %d is %s, want the session's order", i, got.Tools[i].Name)
					}
				}
				if got.CacheScope != "private" || got.TTLMs != 300_000 {
					t.Errorf("cache: %s for %d ms", got.CacheScope, got.TTLMs)
				}
			})
		}
		modern := e.modern(id, key).with("Mcp-Method", "tools/list")
		cached := modern.post(listBody).message(t).Result
		long := modern.post(strings.Replace(listBody, `"_meta":{`, `"_meta":{"progressToken":1,`, 1)).message(t).Result
		if string(cached) != string(long) {
			t.Errorf("%s, modern: the long way differs:\n%s\n%s", name, cached, long)
		}
		legacy := e.legacy(id, key).shake()
		cached = legacy.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`).message(t).Result
		long = legacy.post(`{"jsonrpc":"2.0","id":"\u0061","method":"tools/list"}`).message(t).Result
		if string(cached) != string(long) {
			t.Errorf("%s, legacy: the long way differs:\n%s\n%s", name, cached, long)
		}
	}
}

// A list belongs to its session as it is now, not to whoever asked first.
func TestListFollowsTheSession(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("follow")
	id, meta := e.session(p, direct), e.session(p, domain.SessionConfig{})
	has := func(id, tool string) bool {
		return strings.Contains(e.modern(id, key).list().body, `"name":"`+tool+`"`)
	}
	if !has(id, "TEST_ECHO") || has(meta, "TEST_ECHO") || has(id, "COMPOSIO_SEARCH_TOOLS") || !has(meta, "COMPOSIO_SEARCH_TOOLS") {
		t.Fatal("two sessions have one list")
	}
	_, err := e.sessions.Update(t.Context(), p, id, nil, func(c *domain.SessionConfig) error {
		c.Tools = map[string]domain.ToolRule{"test": {Disable: []string{"TEST_ECHO"}}}
		return nil
	})
	must(t, err)
	if has(id, "TEST_ECHO") {
		t.Error("a disabled tool is listed")
	}
	res := e.modern(id, key).call("TEST_ECHO", `{"text":"x"}`)
	if m := res.message(t); m.Error != nil || !strings.Contains(string(m.Result), `"isError":true`) {
		t.Errorf("a disabled tool was called: %s", res.body)
	}
}
