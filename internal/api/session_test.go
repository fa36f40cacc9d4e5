package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSessionLife(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"/api/v3.1", "/api/v3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			made := w.want(201, "POST", version+"/tool_router/session",
				`{"user_id":"user_123","toolkits":{"enable":["notes"]},"manage_connections":{"enable":true},"unknown":{"x":1}}`)
			id := made.text("session_id")
			if got, want := made.text("mcp.url"), w.server.URL+"/tool_router/"+id+"/mcp"; got != want {
				t.Errorf("mcp.url = %q, want %q", got, want)
			}
			want := map[string]any{
				"user_id": "user_123", "toolkits": map[string]any{"enabled": []any{"notes"}},
				"manage_connections": map[string]any{"enabled": true, "enable_wait_for_connections": false},
				"workbench":          map[string]any{"enable": false},
				"multi_account":      map[string]any{"enable": false, "max_accounts_per_toolkit": 5.0, "require_explicit_selection": false},
				"preload":            map[string]any{"tools": []any{}}, "search": map[string]any{"enable": true},
				"execute": map[string]any{"enable_multi_execute": true}, "instant": false,
			}
			if diff := cmp.Diff(want, made.at("config")); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
			one := version + "/tool_router/session/" + id
			got := w.want(200, "GET", one+"/", nil)
			if got.at("experimental") != nil || got.at("warnings") != nil {
				t.Errorf("get answers with experimental or warnings: %s", got.Raw)
			}
			w.want(200, "POST", one+"/attach", nil)
			w.want(200, "POST", one+"/attach", `{}`)
			w.want(200, "PATCH", one, nil)
			if del := w.want(200, "DELETE", one, nil); del.at("deleted") != true || del.text("session_id") != id {
				t.Errorf("delete answers %s", del.Raw)
			}
			w.want(404, "GET", one, nil)
			w.want(404, "DELETE", one, nil)
		})
	}
}

func TestSessionOptionsComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acc := w.account("user_123")
	body := `{"user_id":"user_123","toolkits":{"enable":["Notes","clock"]},
		"tools":{"notes":{"tags":["readOnlyHint"]},"clock":{"enable":["CLOCK_NOW"]}},
		"tags":{"enable":["readOnlyHint"],"disable":["destructiveHint"]},
		"connected_accounts":{"notes":"` + acc + `"},
		"manage_connections":{"enable":false,"callback_url":"https://app.example.com/cb","enable_wait_for_connections":true,"enable_connection_removal":true},
		"workbench":{"enable":true,"enable_proxy_execution":true,"auto_offload_threshold":20000,"sandbox_size":"medium"},
		"multi_account":{"enable":true,"max_accounts_per_toolkit":3,"require_explicit_selection":true},
		"preload":{"tools":"all"},"search":{"enable":false},"execute":{"enable_multi_execute":false},
		"experimental":{"permissions":{"default":"allow_all"}}}`
	want := map[string]any{
		"user_id": "user_123", "toolkits": map[string]any{"enabled": []any{"notes", "clock"}},
		"tools": map[string]any{
			"notes": map[string]any{"tags": map[string]any{"enabled": []any{"readOnlyHint"}}},
			"clock": map[string]any{"enabled": []any{"CLOCK_NOW"}},
		},
		"tags":               map[string]any{"enabled": []any{"readOnlyHint"}, "disabled": []any{"destructiveHint"}},
		"connected_accounts": map[string]any{"notes": []any{acc}},
		"manage_connections": map[string]any{
			"enabled": false, "callback_url": "https://app.example.com/cb",
			"enable_wait_for_connections": true, "enable_connection_removal": true,
		},
		"workbench":     map[string]any{"enable": false, "proxy_execution_enabled": true, "auto_offload_threshold": 20000.0, "sandbox_size": "medium"},
		"multi_account": map[string]any{"enable": true, "max_accounts_per_toolkit": 3.0, "require_explicit_selection": true},
		"preload":       map[string]any{"tools": "all"}, "search": map[string]any{"enable": false},
		"execute": map[string]any{"enable_multi_execute": false}, "instant": false,
	}
	made := w.want(201, "POST", "/api/v3.1/tool_router/session", body)
	if diff := cmp.Diff(want, made.at("config")); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{}, made.at("tool_router_tools")); diff != "" {
		t.Errorf("every meta tool is off (-want +got):\n%s", diff)
	}
	tools := w.want(200, "GET", "/api/v3.1/tool_router/session/"+made.text("session_id")+"/tools?limit=500", nil)
	if diff := cmp.Diff([]string{"CLOCK_NOW", "NOTES_GET", "NOTES_SLOW"}, tools.column("slug")); diff != "" {
		t.Errorf("preloaded tools (-want +got):\n%s", diff)
	}
	old := w.want(200, "GET", "/api/v3/tool_router/session/"+made.text("session_id"), nil)
	if got := old.at("config.connected_accounts.notes"); got != acc {
		t.Errorf("v3 connected_accounts = %v, want the id as a string", got)
	}
}

func TestSessionChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.session(`{"user_id":"u","toolkits":{"enable":["notes"]},"manage_connections":{"callback_url":"https://a.example/cb"},"preload":{"tools":["NOTES_GET"]}}`)

	a := w.want(200, "PATCH", one, `{"manage_connections":{"enable_wait_for_connections":true},"search":{"enable":false},"expected_config_version":1}`)
	if a.at("config_version") != 2.0 || a.text("config.manage_connections.callback_url") != "https://a.example/cb" ||
		a.at("config.manage_connections.enable_wait_for_connections") != true || a.at("config.search.enable") != false ||
		a.text("config.toolkits.enabled.0") != "notes" || a.text("config.preload.tools.0") != "NOTES_GET" {
		t.Errorf("only the given parts change: %s", a.Raw)
	}
	e := w.want(409, "PATCH", one, `{"search":{"enable":true},"expected_config_version":1}`)
	if e.Header.Get("X-Should-Retry") != "false" || !strings.Contains(e.text("error.message"), "version 2") {
		t.Errorf("conflict: %v %s", e.Header, e.Raw)
	}
	a = w.want(200, "PATCH", one, `{"toolkits":null,"manage_connections":null,"preload":null}`)
	if a.at("config_version") != 3.0 || a.at("config.toolkits") != nil || a.at("config.manage_connections.callback_url") != nil ||
		a.at("config.search.enable") != false {
		t.Errorf("null takes an override back: %s", a.Raw)
	}
	w.want(400, "PATCH", one, `{"toolkits":{"enable":["nope"]}}`)
	if a = w.want(200, "GET", one, nil); a.at("config_version") != 3.0 {
		t.Errorf("a refused change must change nothing: %s", a.Raw)
	}
}

func TestSessionListsAndSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acc := w.account("jane")
	one := w.session(`{"user_id":"jane","toolkits":{"enable":["notes","mail"]},"preload":{"tools":["NOTES_GET"]}}`)
	tks := w.want(200, "GET", one+"/toolkits", nil)
	if diff := cmp.Diff([]string{"mail", "notes"}, tks.column("slug")); diff != "" {
		t.Errorf("toolkits (-want +got):\n%s", diff)
	}
	if tks.text("items.1.connected_account.id") != acc || tks.at("items.0.connected_account") != nil {
		t.Errorf("connections: %s", tks.Raw)
	}
	for query, want := range map[string][]string{
		"?is_connected=true": {"notes"}, "?is_connected=false": {"mail"}, "?toolkits=mail%2Cnotes": {"mail", "notes"},
		"?toolkits=notes": {"notes"}, "?search=team": {"notes"}, "?limit=1": {"mail"},
	} {
		if diff := cmp.Diff(want, w.want(200, "GET", one+"/toolkits"+query, nil).column("slug")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	w.want(404, "GET", one+"/toolkits?toolkits=nope", nil)
	tools := w.want(200, "GET", one+"/tools", nil)
	want := []string{"COMPOSIO_SEARCH_TOOLS", "COMPOSIO_GET_TOOL_SCHEMAS", "COMPOSIO_MANAGE_CONNECTIONS", "COMPOSIO_MULTI_EXECUTE_TOOL", "NOTES_GET"}
	if diff := cmp.Diff(want, tools.column("slug")); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	found := w.want(200, "POST", one+"/search", `{"queries":[{"use_case":"get one note by its id"},{"use_case":"list letters of my inbox"}]}`)
	if found.text("results.0.primary_tool_slugs.0") != "NOTES_GET" || found.text("results.1.primary_tool_slugs.0") != "MAIL_LIST" ||
		found.at("tool_schemas.NOTES_GET.hasFullSchema") != true {
		t.Errorf("search: %s", found.Raw)
	}
	link := w.want(201, "POST", one+"/link", `{"toolkit":"mail","alias":"work"}`)
	if link.text("redirect_url") != w.server.URL+"/link/"+link.text("link_token") {
		t.Errorf("link: %s", link.Raw)
	}
	waiting := w.want(200, "GET", "/api/v3.1/connected_accounts/"+link.text("connected_account_id"), nil)
	if waiting.text("status") != "INITIATED" || waiting.text("alias") != "work" {
		t.Errorf("account of the link: %s", waiting.Raw)
	}
}

// Newer clients take an answer without its kind for neither success nor failure.
func TestSessionAnswersTellTheirKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("jane")
	one := w.session(`{"user_id":"jane"}`)
	for id, want := range map[string]string{"1": "completed", "404": "failed"} {
		for path, name := range map[string]string{"/execute": "tool_slug", "/execute_meta": "slug"} {
			a := w.want(200, "POST", one+path, `{"`+name+`":"NOTES_GET","arguments":{"id":"`+id+`"}}`)
			if got := a.text("result_type"); got != want || (a.at("error") == nil) != (want == "completed") {
				t.Errorf("%s of note %s: result_type = %q, want %q: %s", path, id, got, want, a.Raw)
			}
		}
	}
}

// TestHiddenToolIsRefused tries each way of hiding a tool through both doors of
// a session.
func TestHiddenToolIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("jane")
	rules := map[string]string{
		"toolkits": `"toolkits":{"enable":["clock"]}`, "toolkits disabled": `"toolkits":{"disable":["notes"]}`,
		"tools": `"tools":{"notes":{"enable":["NOTES_GET"]}}`, "tools disabled": `"tools":{"notes":{"disable":["NOTES_DELETE"]}}`,
		"tags": `"tags":{"disable":["destructiveHint"]}`, "tags of the toolkit": `"tools":{"notes":{"tags":{"enable":["readOnlyHint"]}}}`,
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			one := w.session(`{"user_id":"jane",` + rule + `}`)
			for path, body := range map[string]string{
				"/execute":      `{"tool_slug":"NOTES_DELETE","arguments":{"id":"1"}}`,
				"/execute_meta": `{"slug":"NOTES_DELETE","arguments":{"id":"1"}}`,
			} {
				e := w.want(403, "POST", one+path, body)
				if !strings.Contains(e.text("error.message"), "NOTES_DELETE") {
					t.Errorf("%s does not name the tool: %s", path, e.Raw)
				}
			}
			multi := w.want(200, "POST", one+"/execute_meta",
				`{"slug":"COMPOSIO_MULTI_EXECUTE_TOOL","arguments":{"tools":[{"tool_slug":"NOTES_DELETE","arguments":{"id":"1"}}]}}`)
			if multi.at("data.error_count") != 1.0 || multi.at("data.success_count") != 0.0 {
				t.Errorf("multi-execute: %s", multi.Raw)
			}
		})
	}
}

// A toolkit that is named without a rule is no rule, and must still be known.
func TestToolkitWithoutRule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, rule := range []string{"{}", `{"disable":[]}`, `{"tags":{}}`, `{"tags":null}`} {
		a := w.want(201, "POST", "/api/v3.1/tool_router/session", `{"user_id":"u","tools":{"notes":`+rule+`}}`)
		if got := a.at("config.tools.notes"); got != nil {
			t.Errorf("%s: %v", rule, got)
		}
		w.want(400, "POST", "/api/v3.1/tool_router/session", `{"user_id":"u","tools":{"nope":`+rule+`}}`)
	}
}

// A change that names no switch of an object changes none.
func TestSwitchesChangeOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	off := `{"search":{"enable":false},"execute":{"enable_multi_execute":false},"manage_connections":{"enable":false}}`
	one := w.session(`{"user_id":"u",` + off[1:])
	for _, tt := range []struct {
		change string
		want   bool
	}{
		{`{"search":{},"execute":{},"manage_connections":{}}`, false},
		{`{"search":{"new_option":1},"execute":{"new_option":1},"manage_connections":{"new_option":1}}`, false},
		{`{"search":{"enable":null},"execute":{"enable_multi_execute":null},"manage_connections":{"enable":null}}`, true},
		{off, false},
		{`{"search":null,"execute":null,"manage_connections":null}`, true},
	} {
		a := w.want(200, "PATCH", one, tt.change)
		for _, at := range []string{"search.enable", "execute.enable_multi_execute", "manage_connections.enabled"} {
			if got := a.at("config." + at); got != tt.want {
				t.Errorf("%s: %s is %v", tt.change, at, got)
			}
		}
	}
}
