package mcpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/store"
)

// asking is a session in which every call needs a person's word.
func asking() domain.SessionConfig {
	cfg := direct
	cfg.MultiExecuteOff = false
	cfg.Permissions = &domain.PermissionsConfig{Default: domain.AskAlways}
	return cfg
}

// A person answers in the official client, in each version of the protocol.
func TestPermissionInClient(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("client")
	url := e.endpoint(e.session(p, asking()))
	for _, version := range versions {
		if version == "2025-03-26" {
			continue // it has no elicitation
		}
		t.Run(version, func(t *testing.T) {
			var says string
			var mu sync.Mutex // the client asks what waits at once
			var asked []string
			cs := dial(t, url, key, version, &mcp.ClientOptions{
				ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					mu.Lock()
					defer mu.Unlock()
					asked = append(asked, r.Params.Message)
					return &mcp.ElicitResult{Action: says}, nil
				},
				Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}}},
			})
			call := func(name string, args any) (string, bool) {
				t.Helper()
				asked = nil
				r, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: args})
				must(t, err)
				return textOf(t, r), r.IsError
			}
			for action, want := range map[string]string{"accept": `"successful":true`, "decline": "a person denied it", "cancel": "gave no answer"} {
				says = action
				text, failed := call("TEST_ECHO", map[string]any{"text": "hi " + version + action})
				if !strings.Contains(text, want) || failed == (action == "accept") {
					t.Errorf("%s: %s", action, text)
				}
				if len(asked) != 1 || !strings.Contains(asked[0], "TEST_ECHO") || !strings.Contains(asked[0], "hi "+version+action) {
					t.Errorf("%s: asked %q", action, asked)
				}
			}
			says = "accept"
			item := func(text string) map[string]any {
				return map[string]any{"tool_slug": "TEST_ECHO", "arguments": map[string]any{"text": text + version}}
			}
			args := map[string]any{"tools": []any{item("same"), item("same"), item("other")}, "sync_response_to_workbench": false}
			text, failed := call("COMPOSIO_MULTI_EXECUTE_TOOL", args)
			if failed || len(asked) != 3 || !strings.Contains(text, `"success_count":3`) {
				t.Errorf("several: asked %q: %s", asked, text)
			}
			says = "decline"
			text, _ = call("COMPOSIO_MULTI_EXECUTE_TOOL", args)
			if len(asked) != 3 || !strings.Contains(text, `"success_count":0`) || !strings.Contains(text, "a person denied it") {
				t.Errorf("several, declined: asked %q: %s", asked, text)
			}
		})
	}
}

// Where nobody can be asked the answer says how the call is allowed, and it then
// runs, once.
func TestPermissionWithoutElicitation(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("client")
	id := e.session(p, asking())
	cs := dial(t, e.endpoint(id), key, versions[0], nil)
	multi := func(name string, args map[string]any) (string, map[string]any) {
		return "COMPOSIO_MULTI_EXECUTE_TOOL", map[string]any{
			"tools": []any{map[string]any{"tool_slug": name, "arguments": args}}, "sync_response_to_workbench": false,
		}
	}
	for i, wrap := range []func(string, map[string]any) (string, map[string]any){
		func(name string, args map[string]any) (string, map[string]any) { return name, args }, multi,
	} {
		args := map[string]any{"text": fmt.Sprint("call ", i)}
		call := func() string {
			t.Helper()
			name, args := wrap("TEST_ECHO", args)
			r, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: args})
			must(t, err)
			return textOf(t, r)
		}
		text := call()
		list, n, err := e.db.ListApprovals(t.Context(), p.ProjectID, store.ApprovalFilter{SessionID: id, State: domain.ApprovalPending}, store.Page{})
		must(t, err)
		if n != 1 || !strings.Contains(text, list[0].ID) || !strings.Contains(text, "sluice approvals allow") {
			t.Fatalf("%d wait; the answer is %s", n, text)
		}
		_, err = e.execute.Decide(t.Context(), p, list[0].ID, true, "ann")
		must(t, err)
		if text := call(); !strings.Contains(text, `\"successful\":true`) && !strings.Contains(text, `"successful":true`) {
			t.Errorf("allowed: %s", text)
		}
		if text := call(); !strings.Contains(text, "must allow it first") {
			t.Errorf("allowed once, and again: %s", text)
		}
		again, _, err := e.db.ListApprovals(t.Context(), p.ProjectID, store.ApprovalFilter{State: domain.ApprovalPending}, store.Page{})
		must(t, err)
		for _, a := range again {
			_, err = e.execute.Decide(t.Context(), p, a.ID, false, "ann")
			must(t, err)
		}
	}
}

// The answer to a question is taken once, whoever sends it again.
func TestStateComesBackOnce(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("client")
	c := e.modern(e.session(p, asking()), key)
	const capable = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}}}`
	body := func(more string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"TEST_ECHO","arguments":{"text":"hi"}` + more + `,` + capable + `}}`
	}
	send := func(more string) string {
		t.Helper()
		c.header.Set("Mcp-Method", "tools/call")
		c.header.Set("Mcp-Name", "TEST_ECHO")
		return c.post(body(more)).body
	}
	var asked struct {
		Result struct{ RequestState string }
	}
	first := send("")
	must(t, json.Unmarshal([]byte(first), &asked))
	if asked.Result.RequestState == "" {
		t.Fatalf("no question: %s", first)
	}
	state, err := json.Marshal(asked.Result.RequestState)
	must(t, err)
	back := `,"requestState":` + string(state) + `,"inputResponses":{"sluice_approval":{"action":"accept"}}`
	if text := send(back); !strings.Contains(text, `successful`) {
		t.Errorf("the answer: %s", text)
	}
	if text := send(back); !strings.Contains(text, "used already") {
		t.Errorf("the answer again: %s", text)
	}
	ran := 0
	for _, rec := range e.executions(p.ProjectID) {
		if rec.Outcome == domain.OutcomeOK && rec.Tool == "TEST_ECHO" && rec.Door == execute.DoorMCP {
			ran++
		}
	}
	if ran != 1 {
		t.Errorf("it ran %d times", ran)
	}
}
