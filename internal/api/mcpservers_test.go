package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serverSpec makes an MCP server with a name of its own.
func serverSpec(name, more string) string { return `{"name":"` + name + `"` + more + `}` }

func TestMCPServerSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/mcp/servers"
	first := w.want(201, "POST", "/api/v3.1/auth_configs", `{"toolkit":{"slug":"notes"}}`).text("auth_config.id")
	second := w.want(201, "POST", "/api/v3.1/auth_configs", `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_custom_auth","authScheme":"API_KEY","name":"second"}}`).text("auth_config.id")
	made := w.want(201, "POST", at+"/custom", serverSpec("The one", `,"toolkits":["notes"]`)).text("id")
	for _, tc := range []struct{ method, at, body, names string }{
		{"POST", at + "/custom", serverSpec("abc", `,"toolkits":["notes"]`), "name"},
		{"POST", at + "/custom", serverSpec(strings.Repeat("n", 31), `,"toolkits":["notes"]`), "name"},
		{"POST", at + "/custom", serverSpec("under_score", `,"toolkits":["notes"]`), "name"},
		{"POST", at + "/custom", serverSpec("nothing", ``), "toolkits"},
		{"POST", at + "/custom", serverSpec("unknown", `,"toolkits":["made-up"]`), "toolkits"},
		{"POST", at + "/custom", serverSpec("unknown", `,"allowed_tools":["NOTES_MADE_UP"]`), "allowed_tools"},
		{"POST", at + "/custom", serverSpec("unknown", `,"auth_config_ids":["ac_none"]`), "auth_config_ids"},
		{"POST", at, serverSpec("two of one", `,"auth_config_ids":["`+first+`","`+second+`"]`), "auth_config_ids"},
		{"POST", at, serverSpec("connects", `,"auth_config_ids":[],"no_auth_apps":["notes"]`), "no_auth_apps"},
		{"PATCH", "/api/v3.1/mcp/" + made, `{"name":"x"}`, "name"},
		{"PATCH", "/api/v3.1/mcp/" + made, `{"toolkits":[]}`, "toolkits"},
		{"POST", at + "/generate", `{}`, "mcp_server_id"},
		{"GET", at + "?order_by=name", ``, "order_by"},
		{"GET", at + "?page_no=x", ``, "page_no"},
		{"POST", at + "/" + made + "/instances", `{"user_id":""}`, "user_id"},
		{"PATCH", "/api/v3/org/project/config", `{"is_2FA_enabled":true}`, "is_2FA_enabled"},
		{"PATCH", "/api/v3/org/project/config", `{"mask_secret_keys_in_connected_account":false}`, "mask_secret_keys_in_connected_account"},
		{"PATCH", "/api/v3/org/project/config", `{"log_visibility_setting":"dont_store_data"}`, "log_visibility_setting"},
	} {
		var body any
		if tc.body != "" {
			body = tc.body
		}
		if e := w.want(400, tc.method, tc.at, body); !strings.Contains(e.text("error.message"), tc.names) {
			t.Errorf("%s %s %s: %s", tc.method, tc.at, tc.body, e.Raw)
		}
	}
	w.want(409, "POST", at+"/custom", serverSpec("The one", `,"toolkits":["notes"]`))
	other := w.want(201, "POST", at+"/custom", serverSpec("The other", `,"toolkits":["notes"]`)).text("id")
	w.want(409, "PATCH", "/api/v3.1/mcp/"+other, `{"name":"The one"}`)
	for _, at := range []string{"/api/v3.1/mcp/none", "/api/v3.1/mcp/servers/none/instances", "/api/v3.1/mcp/app/none"} {
		w.want(404, "GET", at, nil)
	}
	w.want(404, "POST", at+"/generate", `{"mcp_server_id":"none"}`)
	w.want(404, "POST", at+"/generate", `{"mcp_server_id":"`+made+`","connected_account_ids":["ca_none"]}`)
	w.want(404, "DELETE", at+"/"+made+"/instances/nobody", nil)
}

// What a server serves follows its change; a toolkit goes with its auth config.
func TestMCPServerChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.want(201, "POST", "/api/v3.1/auth_configs", `{"toolkit":{"slug":"notes"}}`).text("auth_config.id")
	id := w.want(201, "POST", "/api/v3.1/mcp/servers", serverSpec("Team notes", `,"auth_config_ids":["`+config+`"],"no_auth_apps":["clock"]`)).text("id")
	lists := func(a answer) []int {
		count := func(path string) int { l, _ := a.at(path).([]any); return len(l) }
		return []int{count("toolkits"), count("auth_config_ids"), min(count("allowed_tools"), 3)}
	}
	for _, step := range []struct {
		body string
		want []int // toolkits, auth configs, tools up to 3
	}{
		{`{}`, []int{2, 1, 3}},
		{`{"allowed_tools":["notes_get","NOTES_GET"]}`, []int{2, 1, 1}},
		{`{"auth_config_ids":[],"toolkits":["clock"],"allowed_tools":[]}`, []int{1, 0, 1}},
		{`{"toolkits":["notes"]}`, []int{1, 0, 3}},
		{`{"auth_config_ids":["` + config + `"]}`, []int{1, 1, 3}},
		{`{"managed_auth_via_composio":true,"name":"New name"}`, []int{1, 1, 3}},
	} {
		a := w.want(200, "PATCH", "/api/v3.1/mcp/"+id, step.body)
		if diff := cmp.Diff(step.want, lists(a)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s%s", step.body, diff, a.Raw)
		}
	}
	if e := w.want(400, "PATCH", "/api/v3.1/mcp/"+id, `{"auth_config_ids":[]}`); !strings.Contains(e.text("error.message"), "no tools") {
		t.Errorf("without its auth config it has no toolkit: %s", e.Raw)
	}
	if a := w.want(200, "GET", "/api/v3/mcp/"+id, nil); a.text("name") != "New name" || a.at("managed_auth_via_composio") != true {
		t.Errorf("after all: %s", a.Raw)
	}
}

// Deleting an instance deletes the user's accounts of the server's auth configs,
// and no others.
func TestMCPInstanceTakesAccountsAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jane := w.account("jane")
	config := w.want(200, "GET", "/api/v3.1/connected_accounts/"+jane, nil).text("auth_config.id")
	bob := w.want(201, "POST", "/api/v3.1/connected_accounts", `{"auth_config":{"id":"`+config+`"},"connection":{"user_id":"bob",`+
		`"state":{"authScheme":"API_KEY","val":{"subdomain":"acme","generic_api_key":"`+goodKey+`"}}}}`).text("id")
	at := "/api/v3.1/mcp/servers"
	id := w.want(201, "POST", at, serverSpec("Team notes", `,"auth_config_ids":["`+config+`"]`)).text("id")
	at += "/" + id + "/instances"
	e := w.want(400, "POST", at, `{"user_id":"stranger"}`)
	if e.at("error.code") != 1803.0 || !strings.Contains(e.text("error.message"), config) {
		t.Errorf("a user without an account: %s", e.Raw)
	}
	for _, user := range []string{"jane", "bob", "jane"} {
		w.want(201, "POST", at, `{"user_id":"`+user+`"}`)
	}
	if a := w.want(200, "GET", "/api/v3.1/mcp/"+id, nil); a.at("server_instance_count") != 2.0 {
		t.Errorf("instances: %s", a.Raw)
	}
	if a := w.want(200, "GET", at+"?search=JAN", nil); !strings.Contains(string(a.Raw), `"instance_id":"jane"`) || strings.Contains(string(a.Raw), "bob") {
		t.Errorf("searched: %s", a.Raw)
	}
	if a := w.want(200, "DELETE", at+"/jane", nil); a.at("deleted_connected_accounts") != 1.0 {
		t.Errorf("deleted: %s", a.Raw)
	}
	w.want(404, "GET", "/api/v3.1/connected_accounts/"+jane, nil)
	w.want(200, "GET", "/api/v3.1/connected_accounts/"+bob, nil)
	w.want(404, "DELETE", at+"/jane", nil)
}
