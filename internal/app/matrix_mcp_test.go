package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

// methodRow is one method of MCP. Whoever may not use a session is refused
// before the method is looked at; the row says what its owner gets.
type methodRow struct {
	method, params    string
	modern, handshake outcome
}

// outcome is how a method ends for who may use the session.
type outcome int

const (
	works      outcome = iota // with a result
	notOffered                // with an error: the server has no such thing
	accepted                  // 202: a notification
	streams                   // with an event stream
)

// methods is the matrix of MCP: a method that the SDK knows and that is not
// here fails.
var methods = []methodRow{
	{"initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}`, notOffered, notOffered},
	{"server/discover", `{}`, works, notOffered},
	{"ping", `{}`, notOffered, works},
	{"tools/list", `{}`, works, works},
	{"tools/call", `{"name":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}`, works, works},
	{"completion/complete", `{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":"b"}}`, notOffered, notOffered},
	{"prompts/list", `{}`, works, works},
	{"prompts/get", `{"name":"x"}`, notOffered, notOffered},
	{"resources/list", `{}`, works, works},
	{"resources/templates/list", `{}`, works, works},
	{"resources/read", `{"uri":"file:///x"}`, notOffered, notOffered},
	{"resources/subscribe", `{"uri":"file:///x"}`, notOffered, notOffered},
	{"resources/unsubscribe", `{"uri":"file:///x"}`, notOffered, notOffered},
	{"logging/setLevel", `{"level":"debug"}`, notOffered, works},
	{"subscriptions/listen", `{"notifications":{}}`, streams, works},
	{"sampling/createMessage", `{"messages":[],"maxTokens":1}`, notOffered, notOffered},
	{"elicitation/create", `{"message":"x","requestedSchema":{"type":"object","properties":{}}}`, notOffered, notOffered},
	{"roots/list", `{}`, notOffered, notOffered},
	{"notifications/initialized", `{}`, accepted, accepted},
	{"notifications/cancelled", `{"requestId":1}`, accepted, accepted},
	{"notifications/progress", `{"progressToken":1,"progress":1}`, accepted, accepted},
	{"notifications/message", `{"level":"info","data":"x"}`, notOffered, notOffered},
	{"notifications/roots/list_changed", `{}`, accepted, accepted},
	{"notifications/elicitation/complete", `{"elicitationId":"x"}`, notOffered, notOffered},
	{"notifications/prompts/list_changed", `{}`, notOffered, notOffered},
	{"notifications/resources/list_changed", `{}`, notOffered, notOffered},
	{"notifications/resources/updated", `{"uri":"file:///x"}`, notOffered, notOffered},
	{"notifications/tools/list_changed", `{}`, notOffered, notOffered},
	{"notifications/subscriptions/acknowledged", `{}`, notOffered, notOffered},
}

// toolRow is one tool that a session lists, called by each user in the session
// that is theirs. What it names of another user must not be had.
type toolRow struct {
	tool, args string
	// shows is in the owner's answer.
	shows string
	// fails says that the call fails where it names what is another's.
	fails bool
}

// sessionTools is the matrix of what tools/list gives: a tool without a row
// fails.
var sessionTools = []toolRow{
	{tool: "COMPOSIO_SEARCH_TOOLS", args: `{"queries":[{"use_case":"find a page"}],"session":{"id":"{session}"}}`, shows: "CONFLUENCE_"},
	{tool: "COMPOSIO_GET_TOOL_SCHEMAS", args: `{"tool_slugs":["CONFLUENCE_GET_PAGES"],"session_id":"{session}"}`, shows: "CONFLUENCE_GET_PAGES"},
	{tool: "COMPOSIO_MANAGE_CONNECTIONS", args: `{"toolkits":["confluence"],"session_id":"{session}"}`, shows: "{my.account}"},
	{tool: "COMPOSIO_MANAGE_CONNECTIONS", args: `{"toolkits":["confluence"],"reinitiate_all":true}`, shows: "/link/lt_"},
	{tool: "COMPOSIO_WAIT_FOR_CONNECTIONS", args: `{"toolkits":["confluence"],"session_id":"{session}"}`, shows: "confluence"},
	{tool: "COMPOSIO_MULTI_EXECUTE_TOOL", args: `{"tools":[{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}],"session_id":"{session}"}`, shows: "{my.email}"},
	{tool: "COMPOSIO_MULTI_EXECUTE_TOOL", args: `{"tools":[{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},"account":"{account}"}]}`, shows: "{email}", fails: true},
	{tool: "COMPOSIO_MULTI_EXECUTE_TOOL", args: `{"tools":[{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},"account":"account-{tag}"}]}`, shows: "{email}", fails: true},
	{tool: "CONFLUENCE_GET_CURRENT_USER", args: `{}`, shows: "{my.email}"},
}

// sdkMethods reads the methods out of the SDK that the server is built on.
func sdkMethods(t *testing.T) []string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/modelcontextprotocol/go-sdk").Output()
	must(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "mcp", "*.go"))
	must(t, err)
	constant := regexp.MustCompile(`(?m)^\s+(?:method|notification)[A-Z]\w*\s+= "([a-z]+(?:/[A-Za-z/_]+)?)"$`)
	var out []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(t, err)
		for _, m := range constant.FindAllStringSubmatch(string(text), -1) {
			out = append(out, m[1])
		}
	}
	if len(out) < 20 {
		t.Fatalf("the SDK's methods: %v", out)
	}
	return out
}

// transportOf gives the headers of a handshake-era session of n, made once.
func (w *world) transportOf(n *identityOf) []string {
	if n.things["transport"] == "" {
		n.set("transport", makers["transport"](w, n))
	}
	return oldHeader(n.things["transport"])
}

func oldHeader(transport string) []string {
	return []string{
		"Accept", "application/json, text/event-stream", "Content-Type", "application/json",
		"Mcp-Session-Id", transport, "Mcp-Protocol-Version", "2025-11-25",
	}
}

// message is a JSON-RPC message of an era.
func (x *methodRow) message(modern bool) string {
	id := `"id":7,`
	if strings.HasPrefix(x.method, "notifications/") {
		id = ""
	}
	params := x.params
	if modern {
		params = "{" + mcpMeta + strings.TrimPrefix(strings.Replace(params, "{", ",", 1), ",}")
		if x.params == "{}" {
			params = "{" + mcpMeta + "}"
		}
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0",%s"method":%q,"params":%s}`, id, x.method, params)
}

func (x *methodRow) header(modern bool, transport string) []string {
	if !modern {
		return oldHeader(transport)
	}
	var p struct{ Name, URI string }
	_ = json.Unmarshal([]byte(x.params), &p) // other params have neither
	return mcpHeader(x.method, p.Name+p.URI)
}

// TestIsolationMatrixMCP tries every method of MCP with every wrong identity, in
// both eras.
func TestIsolationMatrixMCP(t *testing.T) { onBoth(t, testIsolationMatrixMCP) }

func testIsolationMatrixMCP(t *testing.T, in func(*app.Options)) {
	w := newWorld(t, in)
	covered := map[string]bool{}
	for _, x := range methods {
		covered[x.method] = true
	}
	for _, m := range sdkMethods(t) {
		if !covered[m] {
			t.Errorf("the MCP method %s has no row in the isolation matrix: add its line to methods in matrix_mcp_test.go", m)
		}
	}
	m := &matrix{world: w}
	for _, n := range w.all {
		w.transportOf(n)
	}
	for _, x := range methods {
		m.method(x)
	}
	m.verbs()
	m.tools()
	t.Logf("%d methods, %d tools' rows: %d requests of wrong identities refused, %d of strangers, %d of owners answered",
		len(methods), len(sessionTools), m.wrong, m.strange, m.right)
}

// notThere fails unless the answer says that there is no such session, and
// nothing else.
func (m *matrix) notThere(what, request string, a answer, caller *identityOf, userLevel bool) {
	m.t.Helper()
	m.wrong++
	if a.status != http.StatusNotFound {
		m.t.Errorf("CROSSING: %s: %v", what, a)
	}
	m.hidden(what, request, a, caller, m.except(caller, userLevel))
}

func (m *matrix) method(x methodRow) {
	m.t.Helper()
	before := m.Site().Requests()
	for _, owner := range m.all {
		for _, caller := range m.except(owner, true) {
			key := []string{"X-Api-Key", caller.things["key"]}
			what := fmt.Sprintf("%s in the session of %s by %s", x.method, owner, caller)
			path, own := mcpPath(owner.things["session"]), mcpPath(caller.things["session"])
			old := x.header(false, owner.things["transport"])
			if caller.project != owner.project { // in one project a key opens all sessions
				m.notThere(what, path, m.send(http.MethodPost, path, x.message(true), append(x.header(true, ""), key...)...), caller, false)
				m.notThere(what+", handshake", path+old[5], m.send(http.MethodPost, path, x.message(false), append(old, key...)...), caller, false)
			}
			// Somebody else's transport session on an address of one's own.
			m.notThere(what+" by the transport session", own+old[5], m.send(http.MethodPost, own, x.message(false), append(old, key...)...), caller, true)
		}
		guess := append(x.header(false, domain.NewID("")), "X-Api-Key", owner.things["key"])
		if x.method != "initialize" { // which opens a session whatever it names
			m.notThere(x.method+" in a guessed transport session", "", m.send(http.MethodPost, mcpPath(owner.things["session"]), x.message(false), guess...), owner, true)
		}
	}
	for who, header := range m.strangers() {
		if who == "two keys" {
			continue // the first counts, as MCP clients with a fixed header expect
		}
		for _, modern := range []bool{true, false} {
			owner := m.all[0]
			path := mcpPath(owner.things["session"])
			if who == "a key in the query" {
				path += "?x-api-key=" + owner.things["key"]
			}
			a := m.send(http.MethodPost, path, x.message(modern), append(x.header(modern, owner.things["transport"]), header...)...)
			m.strange++
			if a.status != http.StatusUnauthorized {
				m.t.Errorf("CROSSING: %s with %s: %v", x.method, who, a)
			}
			m.hidden(x.method+" with "+who, path, a, nil, m.all)
		}
	}
	if after := m.Site().Requests(); after != before {
		m.t.Errorf("CROSSING: %s by wrong identities: %d requests went upstream", x.method, after-before)
	}
	for _, owner := range m.all {
		m.own(x, owner, true, x.modern)
		m.own(x, owner, false, x.handshake)
	}
}

// own sends a method for its owner.
func (m *matrix) own(x methodRow, owner *identityOf, modern bool, want outcome) {
	m.t.Helper()
	m.right++
	path, header := mcpPath(owner.things["session"]), append(x.header(modern, owner.things["transport"]), "X-Api-Key", owner.things["key"])
	what := fmt.Sprintf("%s of %s by itself (modern: %v)", x.method, owner, modern)
	if want == streams {
		ctx, cancel := context.WithCancel(m.t.Context())
		defer cancel()
		res, err := m.http.Do(m.request(ctx, http.MethodPost, path, x.message(modern), header...))
		must(m.t, err)
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
			m.t.Errorf("%s: %d %v", what, res.StatusCode, res.Header)
		}
		return
	}
	a := m.send(http.MethodPost, path, x.message(modern), header...)
	m.hidden(what, path, a, owner, m.except(owner, true))
	good := false
	switch want {
	case works:
		good = a.status == http.StatusOK && strings.Contains(a.body, `"result":`)
	case notOffered:
		good = a.status < 500 && strings.Contains(a.body, `"error":`)
	case accepted:
		good = a.status == http.StatusAccepted
	}
	if !good {
		m.t.Errorf("%s: %v", what, a)
	}
}

// verbs tries what is no message: opening a stream, ending a transport session.
func (m *matrix) verbs() {
	m.t.Helper()
	for _, owner := range m.all {
		old := append(oldHeader(owner.things["transport"]), "Accept", "text/event-stream")
		for _, caller := range m.except(owner, true) {
			for _, verb := range []string{http.MethodGet, http.MethodDelete} {
				h := append(old, "X-Api-Key", caller.things["key"])
				what := fmt.Sprintf("%s of the transport session of %s by %s", verb, owner, caller)
				m.notThere(what, owner.things["transport"], m.send(verb, mcpPath(caller.things["session"]), "", h...), caller, true)
				if caller.project != owner.project {
					path := mcpPath(owner.things["session"])
					m.notThere(what+" on the owner's address", path+owner.things["transport"], m.send(verb, path, "", h...), caller, false)
				}
			}
		}
	}
	first, ping := m.all[0], methodRow{method: "ping", params: "{}"}
	for _, verb := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} { // it is the key's, not the project's
		h := append(oldHeader(first.things["transport"]), "X-Api-Key", m.second, "Accept", "application/json, text/event-stream")
		body := map[bool]string{true: ping.message(false)}[verb == http.MethodPost]
		path := mcpPath(first.things["session"])
		m.notThere(verb+" of a transport session by another key of the project", path, m.send(verb, path, body, h...), first, true)
	}
	// All are alive; then one that its owner ended cannot be replayed.
	for _, owner := range m.all {
		m.own(ping, owner, false, works)
		gone := m.freshThing("ended", owner, "transport")
		h := append(oldHeader(gone), "X-Api-Key", owner.things["key"])
		path := mcpPath(owner.things["session"])
		if a := m.send(http.MethodDelete, path, "", h...); a.status/100 != 2 {
			m.t.Errorf("ending a transport session: %v", a)
		}
		m.notThere("an ended transport session", path+gone, m.send(http.MethodPost, path, ping.message(false), h...), owner, true)
	}
}

// tools tries every tool that a session lists.
func (m *matrix) tools() {
	m.t.Helper()
	covered := map[string]bool{}
	for _, x := range sessionTools {
		covered[x.tool] = true
	}
	list := methodRow{method: "tools/list", params: "{}"}
	first := m.all[0]
	a := m.send(http.MethodPost, mcpPath(first.things["session"]), list.message(true), append(list.header(true, ""), "X-Api-Key", first.things["key"])...)
	var listed struct {
		Result struct{ Tools []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(a.body), &listed); err != nil || len(listed.Result.Tools) < 6 {
		m.t.Fatalf("tools/list: %v", a)
	}
	for _, tool := range listed.Result.Tools {
		if !covered[tool.Name] {
			m.t.Errorf("the tool %s has no row in the isolation matrix: add its line to sessionTools in matrix_mcp_test.go", tool.Name)
		}
	}
	for i, x := range sessionTools {
		row := fmt.Sprint("tool ", i, " ", x.tool)
		for _, modern := range []bool{true, false} {
			for _, owner := range m.all {
				for _, caller := range m.except(owner, true) {
					if strings.Contains(x.args, "{") {
						m.tool(x, row, modern, owner, caller)
					}
				}
			}
			for _, owner := range m.all {
				m.tool(x, row, modern, owner, owner)
			}
		}
	}
}

// tool calls a tool in the caller's session with what it names of the owner's.
func (m *matrix) tool(x toolRow, row string, modern bool, owner, caller *identityOf) {
	m.t.Helper()
	args := m.expand(row, x.args, owner, caller)
	call := methodRow{method: "tools/call", params: fmt.Sprintf(`{"name":%q,"arguments":%s}`, x.tool, args)}
	before := m.Site().Requests()
	a := m.send(http.MethodPost, mcpPath(caller.things["session"]), call.message(modern),
		append(call.header(modern, caller.things["transport"]), "X-Api-Key", caller.things["key"])...)
	what := fmt.Sprintf("%s with what is %s's by %s (modern: %v)", x.tool, owner, caller, modern)
	m.hidden(what, args, a, caller, m.except(caller, true))
	if owner != caller && x.fails {
		m.wrong++
		if m.Site().Requests() != before || a.status != http.StatusOK || !strings.Contains(a.body, "no connected account") {
			m.t.Errorf("CROSSING: %s: %v", what, a)
		}
		return
	}
	m.right++
	if shows := m.expand(row, x.shows, owner, caller); a.status != http.StatusOK || !strings.Contains(a.body, shows) {
		m.t.Errorf("%s is to show %q: %v", what, shows, a)
	}
}
