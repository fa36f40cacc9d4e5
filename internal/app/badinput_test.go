package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// says fails unless the answer has one of the statuses and all of the words,
// and nothing that nobody should see.
func says(t *testing.T, door string, a answer, secret string, statuses []int, words ...string) {
	t.Helper()
	ok := false
	for _, s := range statuses {
		ok = ok || a.status == s
	}
	if !ok {
		t.Errorf("%s: status %v, want %v", door, a, statuses)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("%s does not say %q: %v", door, w, a)
		}
	}
	if !json.Valid([]byte(a.body)) {
		t.Errorf("%s: not JSON: %v", door, a)
	}
	leaks(t, door, a.body, secret)
}

func status(s ...int) []int { return s }

// Who asks: wrong, missing and revoked keys, sessions that are not there.
func TestBadCallers(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	id := r.session("ann", "")
	_, theirs := r.secondProject()
	wrong := "ak_" + strings.Repeat("x", 52)
	tests := map[string]struct {
		session string
		header  []string
		status  int
		words   []string
	}{
		"missing key":                {id, []string{"X-Api-Key", ""}, 401, []string{"x-api-key", "sluice keys create"}},
		"wrong key":                  {id, []string{"X-Api-Key", wrong}, 401, []string{"not valid", "sluice keys create"}},
		"wrong bearer":               {id, []string{"X-Api-Key", "", "Authorization", "Bearer " + wrong}, 401, []string{"not valid"}},
		"another project's session":  {id, []string{"X-Api-Key", theirs}, 404, []string{"no session"}},
		"unknown session":            {"trs_00000000000000000000000000", nil, 404, []string{"no session", "trs_00000000000000000000000000"}},
		"a session that is none":     {"x%27%20OR%201=1", nil, 404, []string{"no session"}},
		"a session of 5,000 letters": {strings.Repeat("x", 5000), nil, 404, []string{"no session"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			says(t, "REST", r.send(http.MethodGet, sessions+"/"+tt.session, "", tt.header...), wrong, status(tt.status), tt.words...)
			says(t, "REST execute", r.execute(tt.session, "CONFLUENCE_GET_SPACES", `{}`, tt.header...), wrong, status(tt.status), tt.words...)
			says(t, "MCP", r.call(tt.session, "CONFLUENCE_GET_SPACES", `{}`, tt.header...), wrong, status(tt.status), tt.words...)
			old := append([]string{"Accept", "application/json, text/event-stream"}, tt.header...)
			says(t, "MCP handshake", r.send(http.MethodPost, mcpPath(tt.session), initialize, old...), wrong, status(tt.status), tt.words...)
		})
	}
	if log := r.logs.String(); strings.Contains(log, wrong) || strings.Contains(log, r.key) || strings.Contains(log, theirs) {
		t.Error("a key is in the log")
	}
}

// What is asked: bodies that are no JSON, no JSON-RPC, or far too large.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	id := r.session("ann", "")
	large := `{"user_id":"` + strings.Repeat("x", 10<<20) + `"}`
	for name, tt := range map[string]struct {
		body        string
		rest, mcp   []int
		restSay     []string
		mcpSay      []string
		onlyMessage bool // says something of JSON-RPC alone
	}{
		"malformed":         {body: `{"user_id":`, rest: status(400), mcp: status(400), restSay: []string{"JSON"}, mcpSay: []string{"-32700", "JSON"}},
		"two values":        {body: `{}{}`, rest: status(400), mcp: status(400), mcpSay: []string{"-32700"}},
		"not UTF-8":         {body: "{\"user_id\":\"\xff\xfe\"}", rest: status(400, 201), mcp: status(400)},
		"null":              {body: `null`, rest: status(400), mcp: status(400)},
		"a list":            {body: `[]`, rest: status(400), mcp: status(400)},
		"a deep nest":       {body: strings.Repeat(`[`, 50_000), rest: status(400), mcp: status(400)},
		"too many values":   {body: strings.Repeat(`[`, 100_000), rest: status(413), mcp: status(413)},
		"no version":        {body: `{"id":1,"method":"tools/list"}`, mcp: status(400), onlyMessage: true},
		"another version":   {body: `{"jsonrpc":"1.0","id":1,"method":"tools/list"}`, mcp: status(400), onlyMessage: true},
		"no method":         {body: `{"jsonrpc":"2.0","id":1}`, mcp: status(400), mcpSay: []string{"-32600", "method"}, onlyMessage: true},
		"an odd id":         {body: `{"jsonrpc":"2.0","id":{},"method":"tools/list"}`, mcp: status(400), onlyMessage: true},
		"an unknown method": {body: `{"jsonrpc":"2.0","id":1,"method":"tools/lost","params":{` + mcpMeta + `}}`, mcp: status(400, 404, 200), mcpSay: []string{"-3260"}, onlyMessage: true},
		"10 MB":             {body: large, rest: status(413), mcp: status(413), restSay: []string{"larger than 4194304 bytes"}, mcpSay: []string{"larger than 4194304 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !tt.onlyMessage {
				says(t, "REST", r.send(http.MethodPost, sessions, tt.body), r.key, tt.rest, tt.restSay...)
				says(t, "REST execute", r.send(http.MethodPost, sessions+"/"+id+"/execute", tt.body), r.key, status(400, 413))
			}
			says(t, "MCP", r.send(http.MethodPost, mcpPath(id), tt.body, mcpHeader("tools/list", "")...), r.key, tt.mcp, tt.mcpSay...)
			says(t, "MCP handshake era", r.send(http.MethodPost, mcpPath(id), tt.body, r.handshake(id)...), r.key, append(tt.mcp, 200))
		})
	}
	// Neither does it help not to say how long it is.
	for _, path := range []string{sessions, mcpPath(id)} {
		req := r.request(t.Context(), http.MethodPost, path, "x", mcpHeader("tools/list", "")...)
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(large)), -1
		res, err := r.http.Do(req)
		must(t, err)
		body, err := io.ReadAll(res.Body)
		must(t, err)
		_ = res.Body.Close()
		says(t, path+" in chunks", answer{status: res.StatusCode, body: string(body)}, r.key, status(413), "larger than 4194304 bytes")
	}
	if !strings.Contains(r.send(http.MethodGet, "/readyz", "").body, "ready") {
		t.Error("the router is not well")
	}
}

// failed reads a call's answer, refused or run, at the door it came by, as one
// text.
func failed(t *testing.T, door string, a answer) string {
	t.Helper()
	var message struct {
		Result *struct {
			IsError bool `json:"isError"`
			Content []struct{ Text string }
		}
		Error *struct{ Message string }
	}
	if strings.HasPrefix(door, "MCP") {
		a.body = strings.ReplaceAll(a.body, ": keep-alive\n\n", "") // a slow machine's call has some
		a.body = strings.TrimPrefix(strings.TrimSpace(a.body), "event: message\ndata: ")
		if err := json.Unmarshal([]byte(a.body), &message); err != nil {
			t.Fatalf("%s: %v", door, a)
		}
		if message.Error != nil {
			return message.Error.Message
		}
		if message.Result == nil || len(message.Result.Content) == 0 {
			t.Fatalf("%s: no answer: %v", door, a)
		}
		if !message.Result.IsError && !strings.Contains(message.Result.Content[0].Text, `"successful":false`) {
			t.Errorf("%s succeeded: %v", door, a)
		}
		return message.Result.Content[0].Text
	}
	if a.status == http.StatusOK && strings.Contains(a.body, `"error":null`) {
		t.Errorf("%s succeeded: %v", door, a)
	}
	return a.body
}

// Arguments that are wrong are named, at each door alike.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	id := r.session("ann", "")
	page := r.execute(id, "CONFLUENCE_CREATE_PAGE", `{"spaceId":"MKT","title":"To go","body":{"storage":{"value":"<p>x</p>","representation":"storage"}}}`).result(t)
	var gone struct{ ID string }
	must(t, json.Unmarshal(page.Data, &gone))
	if gone.ID == "" {
		t.Fatalf("no page: %+v", page)
	}
	if res := r.execute(id, "CONFLUENCE_DELETE_PAGE", fmt.Sprintf(`{"id":%q}`, gone.ID)).result(t); !res.Successful {
		t.Fatalf("%+v", res)
	}
	items := strings.TrimSuffix(strings.Repeat(`{"tool_slug":"CONFLUENCE_GET_SPACES","arguments":{}},`, 51), ",")
	before := len(executions(t, r.database(), r.ProjectID(), id))
	tests := []struct {
		name, tool, args string
		words            []string
	}{
		{"51 multi-executes", "COMPOSIO_MULTI_EXECUTE_TOOL", `{"tools":[` + items + `]}`, []string{"tools", "50"}},
		{"unknown tool", "CONFLUENCE_GET_SPACE", `{}`, []string{"CONFLUENCE_GET_SPACE", "CONFLUENCE_GET_SPACES"}},
		{"unknown toolkit's tool", "GMAIL_SEND_EMAIL", `{}`, []string{"GMAIL_SEND_EMAIL"}},
		{"missing argument", "CONFLUENCE_CREATE_PAGE", `{"spaceId":"MKT"}`, []string{"title"}},
		{"mistyped argument", "CONFLUENCE_GET_SPACES", `{"limit":"many"}`, []string{"limit", "integer"}},
		{"argument out of bounds", "CONFLUENCE_GET_SPACES", `{"limit":100000}`, []string{"limit", "250"}},
		{"unknown argument", "CONFLUENCE_GET_PAGE_BY_ID", `{"page_title":"x","id":"1"}`, []string{"page_title"}},
		{"a space key for a page id", "CONFLUENCE_GET_PAGE_BY_ID", `{"id":"MKT"}`, []string{"id", "MKT"}},
		{"a space that is none", "CONFLUENCE_GET_SPACE_CONTENTS", `{"spaceKey":"NOPE"}`, []string{"NOPE"}},
		{"a page that is gone", "CONFLUENCE_UPDATE_PAGE", fmt.Sprintf(`{"id":%q,"title":"x"}`, gone.ID), []string{"trashed", "restore"}},
		{"a page that never was", "CONFLUENCE_GET_PAGE_BY_ID", `{"id":"999999999"}`, []string{"no page", "CONFLUENCE_SEARCH_CONTENT"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for door, a := range map[string]answer{
				"MCP":               r.call(id, tt.tool, tt.args),
				"MCP handshake era": r.send(http.MethodPost, mcpPath(id), oldBody(tt.tool, tt.args), r.handshake(id)...),
				"REST":              r.execute(id, tt.tool, tt.args),
				"REST meta":         r.meta(id, tt.tool, tt.args),
			} {
				text := failed(t, door, a)
				for _, w := range tt.words {
					if !strings.Contains(text, w) {
						t.Errorf("%s does not say %q: %s", door, w, text)
					}
				}
				if a.status >= 500 {
					t.Errorf("%s: %v", door, a)
				}
				leaks(t, door, a.body, r.key)
			}
		})
	}
	if n := len(executions(t, r.database(), r.ProjectID(), id)) - before; n != 4*len(tests) {
		t.Errorf("%d records of %d calls", n, 4*len(tests))
	}
}

// An upstream that misbehaves is explained, at each door alike.
func TestBadUpstream(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	id := r.session("ann", "")
	r.execute(id, "CONFLUENCE_GET_CURRENT_USER", `{}`)
	for _, tt := range []struct {
		name  string
		fault confluence.Fault
		words []string
	}{
		{"429 with Retry-After", confluence.Fault{Status: 429, RetryAfter: 77e9, Body: `{"message":"slow down"}`, Type: "application/json"}, []string{"77 seconds"}},
		{"HTML", confluence.Fault{Status: 200, Body: "<html><body>Log in</body></html>"}, []string{"web page", "site"}},
		{"HTML with a status", confluence.Fault{Status: 502}, []string{"502"}},
		{"closes mid-body", confluence.Fault{CutAfter: 40}, []string{"Confluence"}},
		{"not the token's site", confluence.Fault{Status: 401}, []string{"credentials", "onnect"}},
		{"half a JSON", confluence.Fault{Status: 200, Body: `{"results":[`, Type: "application/json"}, []string{"Confluence"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.Times, tt.fault.Path = -1, "/spaces"
			r.Site().Fail(tt.fault)
			defer r.Site().ClearFaults()
			for door, a := range map[string]answer{
				"MCP":  r.call(id, "CONFLUENCE_GET_SPACES", `{}`),
				"REST": r.execute(id, "CONFLUENCE_GET_SPACES", `{}`),
			} {
				text := failed(t, door, a)
				for _, w := range tt.words {
					if !strings.Contains(text, w) {
						t.Errorf("%s does not say %q: %s", door, w, text)
					}
				}
				if a.status != http.StatusOK {
					t.Errorf("%s: a failed call is an answer: %v", door, a)
				}
				leaks(t, door, a.body, r.key, "sandbox-")
			}
		})
	}
	leaks(t, "the log", r.logs.String(), r.key)
}
