package agent_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/scripted"
)

// mcpServer is a real MCP server over loopback HTTP with tools of each kind.
func mcpServer(t *testing.T, opts *mcp.StreamableHTTPOptions) (server *httptest.Server, stopped chan struct{}) {
	t.Helper()
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{Instructions: "Add before you subtract."})
	mcp.AddTool(s, &mcp.Tool{Name: "add", Description: "Adds.", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true}},
		func(_ context.Context, _ *mcp.CallToolRequest, in addInput) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(in.A + in.B)}}}, nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "fail"},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, errors.New("no such page; search for it first")
		})
	mcp.AddTool(s, &mcp.Tool{Name: "slow"},
		func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: req.Params.GetProgressToken(), Progress: 1, Total: 2, Message: "halfway",
			}); err != nil {
				return nil, nil, err
			}
			<-ctx.Done()
			close(stopped)
			return nil, nil, ctx.Err()
		})
	mcp.AddTool(s, &mcp.Tool{Name: "ask"},
		func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			form, ok := req.Params.InputResponses["form"].(*mcp.ElicitResult)
			link, ok2 := req.Params.InputResponses["link"].(*mcp.ElicitResult)
			if !ok || !ok2 {
				return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{
					"form": &mcp.ElicitParams{Message: "Which space?", RequestedSchema: map[string]any{
						"type": "object", "properties": map[string]any{"space": map[string]any{"type": "string"}},
					}},
					"link": &mcp.ElicitParams{Mode: "url", Message: "Connect", URL: "http://127.0.0.1/connect", ElicitationID: "e1"},
				}}, nil, nil
			}
			text := fmt.Sprintf("%s %v, %s", form.Action, form.Content["space"], link.Action)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
		})
	stopped = make(chan struct{})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, opts)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != "k1" {
			http.Error(w, "send x-api-key", http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server, stopped
}

var key = http.Header{"X-Api-Key": {"k1"}}

func eras() map[string]*mcp.StreamableHTTPOptions {
	return map[string]*mcp.StreamableHTTPOptions{
		"sessions":  {},
		"stateless": {Stateless: true, PropagateRequestCancellation: true},
	}
}

func TestMCPCalls(t *testing.T) {
	t.Parallel()
	for era, opts := range eras() {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			server, _ := mcpServer(t, opts)
			set := agent.MCP(server.URL, agent.MCPOptions{Header: key})
			defer set.Close()
			m := scripted.Script(
				scripted.Reply(scripted.Call("a", "add", `{"a":1,"b":2}`), scripted.Call("f", "fail", ``), scripted.Call("i", "add", `{"a":"x","b":1}`)),
				scripted.Reply(scripted.Text("done")),
			)
			a := mustNew[string](t, m, agent.Options{Instructions: "Be brief.", Tools: []agent.Toolset{set}})
			if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go"}); err != nil {
				t.Fatal(err)
			}
			req := m.Requests()[1]
			if want := "Be brief.\n\nAdd before you subtract."; req.Instructions != want {
				t.Errorf("instructions = %q, want %q", req.Instructions, want)
			}
			got := map[string]string{}
			for _, p := range req.Messages[2].Parts {
				got[p.CallID] = string(p.Outcome) + ": " + p.Text
			}
			if got["a"] != "ok: 3" || got["f"] != "failed: no such page; search for it first" || !strings.HasPrefix(got["i"], "invalid: ") {
				t.Errorf("results = %v", got)
			}
		})
	}
}

func TestMCPProgressAndCancel(t *testing.T) {
	t.Parallel()
	for era, opts := range eras() {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			server, stopped := mcpServer(t, opts)
			set := agent.MCP(server.URL, agent.MCPOptions{Header: key})
			defer set.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a := mustNew[string](t, scripted.Script(scripted.Reply(scripted.Call("s", "slow", ``))), agent.Options{Tools: []agent.Toolset{set}})
			var h agent.History
			var progress []agent.Progress
			var last error
			for e, err := range a.Run(ctx, agent.Input{Prompt: "go", History: &h}) {
				if p, ok := e.(agent.Progress); ok {
					progress = append(progress, p)
					cancel()
				}
				last = err
			}
			if !errors.Is(last, context.Canceled) {
				t.Errorf("err = %v", last)
			}
			want := []agent.Progress{{CallID: "s", Done: 1, Total: 2, Message: "halfway"}}
			if diff := cmp.Diff(want, progress); diff != "" {
				t.Error(diff)
			}
			if got := outcomes(h); got != "s=interrupted " {
				t.Errorf("outcomes = %q", got)
			}
			select {
			case <-stopped:
			case <-time.After(5 * time.Second):
				t.Error("the server's tool was not cancelled")
			}
		})
	}
}

func TestMCPAsksThePerson(t *testing.T) {
	t.Parallel()
	for era, opts := range eras() {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			server, _ := mcpServer(t, opts)
			var asked atomic.Int32
			set := agent.MCP(server.URL, agent.MCPOptions{
				Header: key,
				OnForm: func(_ context.Context, f agent.FormRequest) (agent.Answer, error) {
					asked.Add(1)
					if !strings.Contains(string(f.Schema), `"space"`) {
						t.Errorf("form schema = %s", f.Schema)
					}
					return agent.Answer{Accept: true, Values: map[string]any{"space": "MKT"}}, nil
				},
				OnURL: func(_ context.Context, u agent.URLRequest) (agent.Answer, error) {
					asked.Add(1)
					return agent.Answer{Accept: u.URL == "http://127.0.0.1/connect"}, nil
				},
			})
			defer set.Close()
			m := scripted.Script(scripted.Reply(scripted.Call("q", "ask", ``)), scripted.Reply(scripted.Text("done")))
			a := mustNew[string](t, m, agent.Options{Tools: []agent.Toolset{set}})
			if _, _, err := a.Do(t.Context(), agent.Input{Prompt: "go"}); err != nil {
				t.Fatal(err)
			}
			if got, want := m.Requests()[1].Messages[2].Parts[0].Text, "accept MKT, accept"; got != want || asked.Load() != 2 {
				t.Errorf("answer %q after %d questions, want %q", got, asked.Load(), want)
			}
		})
	}
}

func TestMCPSessionForgottenByTheServer(t *testing.T) {
	t.Parallel()
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
		SupportedProtocolVersions: []string{"2025-06-18"},
	})
	var runs atomic.Int32
	mcp.AddTool(s, &mcp.Tool{Name: "once"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		runs.Add(1)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "ran"}}}, nil, nil
	})
	fresh := func() http.Handler {
		return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
	}
	var handler atomic.Value
	handler.Store(fresh())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.Load().(http.Handler).ServeHTTP(w, r)
	}))
	defer server.Close()
	set := agent.MCP(server.URL, agent.MCPOptions{})
	defer set.Close()
	tools, err := set.Tools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	handler.Store(fresh()) // as after a restart: no session is known
	res, err := tools[0].Call(t.Context(), agent.Call{Name: "once", Args: []byte("{}")})
	if err != nil || res.Content != "ran" || runs.Load() != 1 {
		t.Errorf("result %+v, err %v, runs %d", res, err, runs.Load())
	}
}

func TestMCPRefusedKeyIsAnErrorWithoutTheKey(t *testing.T) {
	t.Parallel()
	server, _ := mcpServer(t, nil)
	set := agent.MCP(server.URL, agent.MCPOptions{Header: http.Header{"X-Api-Key": {"wrong-secret"}}})
	defer set.Close()
	_, err := set.Tools(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Unauthorized") || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("err = %v", err)
	}
}

func TestMCPKeyStaysWithItsHost(t *testing.T) {
	t.Parallel()
	leaked := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked <- r.Header.Get("X-Api-Key")
		http.Error(w, "no", http.StatusTeapot)
	}))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer first.Close()
	set := agent.MCP(first.URL, agent.MCPOptions{Header: key})
	defer set.Close()
	if _, err := set.Tools(t.Context()); err == nil {
		t.Error("no error")
	}
	close(leaked)
	for k := range leaked {
		if k != "" {
			t.Errorf("the other host got the key %q", k)
		}
	}
}
