package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
)

// addServer makes an MCP server of n's project that n's user has.
func (w *world) addServer(n *identityOf, more string) string {
	w.t.Helper()
	id := w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/mcp/servers/custom",
		fmt.Sprintf(`{"name":%q%s}`, domain.NewSecret("")[:20], more), "id")[0]
	w.ask(n, http.StatusOK, http.MethodPost, "/api/v3.1/mcp/servers/generate",
		fmt.Sprintf(`{"mcp_server_id":%q,"user_ids":[%q]}`, id, n.things["user"]), "user_ids_url.0")
	return id
}

var whoAmI = methodRow{method: "tools/call", params: `{"name":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}`}

// serverDoor tries the addresses of MCP servers, with API keys and, where a
// project does without, with tokens.
func (m *matrix) serverDoor(string) {
	m.t.Helper()
	call := func(at, key string) answer {
		return m.send(http.MethodPost, at, whoAmI.message(true), append(whoAmI.header(true, ""), "X-Api-Key", key)...)
	}
	for _, owner := range m.all {
		forUser := "/v3/mcp/" + owner.things["server"] + "?user_id=" + owner.things["user"]
		forAccount := "/v3/mcp/" + owner.things["server"] + "?connected_account_id=" + owner.things["account"]
		other := "/v3/mcp/" + owner.things["server"] + "/instances/" + owner.things["user"] + "/mcp?connected_account_id=" + owner.things["other"]
		for at, shows := range map[string]string{forUser: "-" + owner.things["tag"] + "@", forAccount: owner.things["email"], other: "other-" + owner.things["tag"]} {
			a := call(at, owner.things["key"])
			m.right++
			if a.status != http.StatusOK || !strings.Contains(a.body, shows) {
				m.t.Errorf("the MCP server of %s is to show %q: %v", owner, shows, a)
			}
			m.hidden("the MCP server of "+owner.String(), at, a, owner, m.except(owner, true))
		}
		before := m.Site().Requests()
		for _, caller := range m.except(owner, true) {
			if caller.project != owner.project {
				for _, at := range []string{forUser, forAccount, other} {
					m.notThere(fmt.Sprintf("the MCP server of %s by %s", owner, caller), at, call(at, caller.things["key"]), caller, false)
				}
			}
			// Somebody else's account on a server of one's own, and for a user who is not
			// its.
			for _, at := range []string{
				"/v3/mcp/" + caller.things["server"] + "?connected_account_id=" + owner.things["account"],
				"/v3/mcp/" + caller.things["server"] + "?connected_account_id=" + owner.things["account"] + "&user_id=" + caller.things["user"],
			} {
				m.notThere(fmt.Sprintf("an account of %s on an MCP server of %s", owner, caller), at, call(at, caller.things["key"]), caller, true)
			}
		}
		for who, header := range m.strangers() {
			if who == "two keys" {
				continue // the first counts
			}
			a := m.send(http.MethodPost, forUser, whoAmI.message(true), append(whoAmI.header(true, ""), header...)...)
			m.strange++
			if a.status != http.StatusUnauthorized {
				m.t.Errorf("CROSSING: the MCP server of %s with %s: %v", owner, who, a)
			}
			m.hidden("an MCP server with "+who, forUser, a, nil, m.all)
		}
		if after := m.Site().Requests(); after != before {
			m.t.Errorf("CROSSING: %d requests went upstream", after-before)
		}
	}
	m.serverTransports()
	m.serverTokens(call)
}

// serverTransports tries a handshake-era session of one user's address on that of
// another.
func (m *matrix) serverTransports() {
	m.t.Helper()
	ann, bob := m.all[0], m.all[1] // of one project
	at := func(user string) string { return "/v3/mcp/" + ann.things["server"] + "?user_id=" + user }
	begin := methodRow{method: "initialize", params: `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}`}
	header := []string{"Accept", "application/json, text/event-stream", "Content-Type", "application/json", "X-Api-Key", ann.things["key"]}
	a := m.send(http.MethodPost, at(ann.things["user"]), begin.message(false), header...)
	transport := a.header.Get("Mcp-Session-Id")
	if a.status != http.StatusOK || transport == "" || strings.Contains(a.body, "COMPOSIO_SEARCH_TOOLS") {
		m.t.Fatalf("initialize of an MCP server: %v", a)
	}
	header = append(oldHeader(transport), "X-Api-Key", ann.things["key"])
	m.notThere("a transport session of another user's address", at(bob.things["user"])+transport,
		m.send(http.MethodPost, at(bob.things["user"]), whoAmI.message(false), header...), bob, true)
	m.notThere("a transport session on a session's address", mcpPath(ann.things["session"])+transport,
		m.send(http.MethodPost, mcpPath(ann.things["session"]), whoAmI.message(false), header...), bob, true)
	if a := m.send(http.MethodPost, at(ann.things["user"]), whoAmI.message(false), header...); !strings.Contains(a.body, "-"+ann.things["tag"]+"@") {
		m.t.Errorf("a transport session of an MCP server: %v", a)
	}
}

// serverTokens tries addresses that work without an API key.
func (m *matrix) serverTokens(call func(at, key string) answer) {
	m.t.Helper()
	ann, bob := m.all[0], m.all[1]
	bare := "/v3/mcp/" + ann.things["server"] + "?user_id=" + ann.things["user"]
	config := func(require bool) {
		m.ask(ann, http.StatusOK, http.MethodPatch, "/api/v3/org/project/config", fmt.Sprintf(`{"require_mcp_api_key":%t}`, require))
	}
	address := func() (at string, token url.Values) {
		whole := m.ask(ann, http.StatusOK, http.MethodPost, "/api/v3/mcp/servers/generate",
			fmt.Sprintf(`{"mcp_server_id":%q,"user_ids":[%q]}`, ann.things["server"], ann.things["user"]), "user_ids_url.0")[0]
		u, err := url.Parse(whole)
		must(m.t, err)
		return u.RequestURI(), u.Query()
	}
	if _, q := address(); q.Get("token") != "" {
		m.t.Error("an address holds a token where an API key is asked for")
	}
	config(false)
	good, query := address()
	if a := call(good, ""); a.status != http.StatusOK || !strings.Contains(a.body, "-"+ann.things["tag"]+"@") {
		m.t.Fatalf("an address that works without an API key: %v", a)
	}
	wrong := map[string]string{"no token": bare}
	for name, change := range map[string]func(q url.Values){
		"another user":       func(q url.Values) { q.Set("user_id", bob.things["user"]) },
		"an account of them": func(q url.Values) { q.Set("connected_account_id", ann.things["account"]) },
		"helper tools":       func(q url.Values) { q.Set("include_composio_helper_actions", "true") },
		"a changed token":    func(q url.Values) { q.Set("token", strings.ToUpper(q.Get("token"))) },
	} {
		q, _ := url.ParseQuery(query.Encode())
		change(q)
		wrong[name] = "/v3/mcp/" + ann.things["server"] + "?" + q.Encode()
	}
	for _, n := range m.all[1:] {
		wrong["another server, of "+n.String()] = "/v3/mcp/" + n.things["server"] + "?" + query.Encode()
	}
	wrong["no such server"] = "/v3/mcp/" + domain.NewUUID() + "?" + query.Encode()
	refused := func(what, at string) {
		a := call(at, "")
		m.wrong++
		if a.status != http.StatusUnauthorized {
			m.t.Errorf("CROSSING: %s: %v", what, a)
		}
		m.hidden(what, at, a, nil, m.all)
	}
	for what, at := range wrong {
		refused(what, at)
	}
	config(true)
	refused("a token where an API key is asked for again", good)
	config(false)
	if a := call(good, ""); a.status != http.StatusOK {
		m.t.Errorf("the address works again: %v", a)
	}
	// The server is taken from its user; an address that is made later is another.
	gone := m.addServer(ann, `,"toolkits":["confluence"]`)
	u := m.ask(ann, http.StatusOK, http.MethodPost, "/api/v3/mcp/servers/generate",
		fmt.Sprintf(`{"mcp_server_id":%q,"user_ids":[%q]}`, gone, ann.things["user"]), "user_ids_url.0")[0]
	_, at, _ := strings.Cut(strings.TrimPrefix(u, "http://"), "/")
	if a := call("/"+at, ""); a.status != http.StatusOK {
		m.t.Errorf("before it is taken: %v", a)
	}
	m.ask(ann, http.StatusOK, http.MethodDelete, "/api/v3/mcp/servers/"+gone+"/instances/"+ann.things["user"], "")
	refused("an address of a user who no longer has the server", "/"+at)
	m.ask(ann, http.StatusOK, http.MethodPost, "/api/v3/mcp/servers/generate",
		fmt.Sprintf(`{"mcp_server_id":%q,"user_ids":[%q]}`, gone, ann.things["user"]))
	refused("an address of before", "/"+at)
	config(true)
}
