package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	authConfigs = "/api/v3.1/auth_configs"
	firstSecret = "client-secret-one-93a1"
	nextSecret  = "client-secret-two-11d7"
)

// oauthConfig makes a config with an application of the project's own.
func (w *world) oauthConfig(more string) string {
	w.t.Helper()
	return w.want(201, "POST", authConfigs, `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_custom_auth","authScheme":"OAUTH2",
		"credentials":{"client_id":"app-1","client_secret":"`+firstSecret+`","scopes":"read:note, write:note"}`+more+`}}`).text("auth_config.id")
}

// An application of the project's own: made, shown without its secret, changed
// part by part, switched off and deleted with what is connected by it.
func TestOwnApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.oauthConfig(`,"name":"Team app","tool_access_config":{"tools_available_for_execution":["notes_get"],"tools_for_connected_account_creation":["NOTES_DELETE"]},"is_enabled_for_tool_router":false`)
	one := authConfigs + "/" + id
	got := w.want(200, "GET", one, nil)
	want := map[string]any{
		"name": "Team app", "auth_scheme": "OAUTH2", "type": "custom", "is_composio_managed": false, "status": "ENABLED",
		"credentials":                 map[string]any{"client_id": "app-1", "scopes": []any{"read:note", "write:note"}, "oauth_redirect_uri": w.server.URL + "/oauth/callback"},
		"restrict_to_following_tools": []any{"NOTES_GET"}, "is_enabled_for_tool_router": false,
		"tool_access_config": map[string]any{
			"tools_available_for_execution": []any{"NOTES_GET"}, "tools_for_connected_account_creation": []any{"NOTES_DELETE"},
		},
	}
	for field, v := range want {
		if diff := cmp.Diff(v, got.at(field)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	if got.text("expected_input_fields.0.name") != "subdomain" {
		t.Errorf("what a user is asked: %s", got.Raw)
	}

	for _, change := range []string{
		`{"type":"custom","name":"Other name"}`,
		`{"type":"custom","credentials":{"client_secret":"` + nextSecret + `","oauth_redirect_uri":"https://app.example/cb"}}`,
		`{"type":"custom","tool_access_config":{"tools_available_for_execution":[]},"is_enabled_for_tool_router":true}`,
		`{"type":"default","scopes":["read:note"]}`,
		`{}`,
	} {
		if a := w.want(200, "PATCH", one, change); a.at("success") != true || a.text("message") == "" {
			t.Errorf("PATCH %s: %s", change, a.Raw)
		}
	}
	got = w.want(200, "GET", one, nil)
	want = map[string]any{
		"name":                        "Other name",
		"credentials":                 map[string]any{"client_id": "app-1", "oauth_redirect_uri": "https://app.example/cb", "scopes": []any{"read:note"}},
		"restrict_to_following_tools": []any{}, "is_enabled_for_tool_router": true,
		"tool_access_config.tools_for_connected_account_creation": []any{"NOTES_DELETE"},
	}
	for field, v := range want {
		if diff := cmp.Diff(v, got.at(field)); diff != "" {
			t.Errorf("after the changes: %s (-want +got):\n%s", field, diff)
		}
	}
	w.want(200, "PATCH", one, `{"credentials":{"oauth_redirect_uri":null,"scopes":[]}}`)
	if diff := cmp.Diff(map[string]any{"client_id": "app-1", "oauth_redirect_uri": w.server.URL + "/oauth/callback"}, w.want(200, "GET", one, nil).at("credentials")); diff != "" {
		t.Errorf("taken away (-want +got):\n%s", diff)
	}
	sealed, err := w.db.ConfigSecrets(t.Context(), w.project.ID, id)
	must(t, err)
	if b := sealed["client_secret"]; len(sealed) != 1 || len(b) == 0 || strings.Contains(string(b), nextSecret) {
		t.Errorf("the secret is not sealed: %d secrets", len(sealed))
	}

	w.want(200, "PATCH", one+"/DISABLED", nil)
	if s := w.want(200, "GET", one, nil).text("status"); s != "DISABLED" {
		t.Errorf("status %q", s)
	}
	if n := len(w.want(200, "GET", authConfigs, nil).column("id")); n != 0 {
		t.Errorf("%d listed, a disabled one among them", n)
	}
	w.want(400, "POST", "/api/v3.1/connected_accounts/link", fmt.Sprintf(`{"auth_config_id":%q,"user_id":"jane"}`, id))
	w.want(200, "PATCH", one+"/ENABLED", nil)
	w.want(200, "DELETE", one+"?revoke_on_delete=false", nil)
	w.want(404, "GET", one, nil)
	for _, secret := range []string{firstSecret, nextSecret} {
		if strings.Contains(w.logs.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// What is wrong is named, kept out, and never repeated.
func TestOwnApplicationRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.oauthConfig("")
	before := w.want(200, "GET", authConfigs+"/"+id, nil)
	for field, body := range map[string]string{
		"credentials.client_id":                   `{"credentials":{"client_id":""}}`,
		"credentials.client_secret":               `{"credentials":{"client_secret":""}}`,
		"credentials.tenant":                      `{"credentials":{"tenant":"` + nextSecret + `"}}`,
		"credentials.oauth_redirect_uri":          `{"credentials":{"oauth_redirect_uri":"` + nextSecret + `"}}`,
		"credentials.scopes[1]":                   `{"credentials":{"scopes":["a","b\"c"]}}`,
		"credentials.user_scopes":                 `{"credentials":{"user_scopes":"chat:write"}}`,
		"credentials.client_id is not known":      `{"credentials":{"client_id":"unknown"}}`,
		"name":                                    `{"name":" "}`,
		"type":                                    `{"type":"magic"}`,
		"proxy_config":                            `{"proxy_config":{"proxy_url":"http://x"}}`,
		"tools_available_for_execution[0]":        `{"tool_access_config":{"tools_available_for_execution":["MAIL_LIST"]}}`,
		"tools_for_connected_account_creation[1]": `{"tool_access_config":{"tools_for_connected_account_creation":["NOTES_GET","NOPE"]}}`,
		"restrict_to_following_tools":             `{"restrict_to_following_tools":["NOTES_GET"],"tool_access_config":{"tools_available_for_execution":[]}}`,
	} {
		e := w.want(400, "PATCH", authConfigs+"/"+id, body)
		if said := e.text("error.message"); !strings.Contains(strings.ReplaceAll(said, ": ", " "), field) {
			t.Errorf("%s is not named: %s", field, e.Raw)
		}
		if strings.Contains(string(e.Raw), nextSecret) {
			t.Errorf("%s: a value is repeated: %s", field, e.Raw)
		}
	}
	if after := w.want(200, "GET", authConfigs+"/"+id, nil); string(after.Raw) != string(before.Raw) {
		t.Errorf("a refused change changed something:\n%s\n%s", before.Raw, after.Raw)
	}
	for field, body := range map[string]string{
		"auth_config.credentials.client_secret":                           `"authScheme":"OAUTH2","credentials":{"client_id":"a"}`,
		"auth_config.credentials.scopes":                                  `"authScheme":"API_KEY","credentials":{"scopes":["a"]}`,
		"auth_config.tool_access_config.tools_available_for_execution[0]": `"authScheme":"API_KEY","restrict_to_following_tools":["NOPE"]`,
	} {
		e := w.want(400, "POST", authConfigs, `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_custom_auth",`+body+`}}`)
		if !strings.Contains(e.text("error.message"), field) || !strings.Contains(e.text("error.errors.0"), field) {
			t.Errorf("%s is not named: %s", field, e.Raw)
		}
	}
	other := *w
	otherProject(t, &other)
	other.want(404, "GET", authConfigs+"/"+id, nil)
	other.want(404, "PATCH", authConfigs+"/"+id, `{"name":"mine"}`)
	other.want(404, "PATCH", authConfigs+"/"+id+"/DISABLED", nil)
	other.want(404, "DELETE", authConfigs+"/"+id, nil)
}

// There are no managed credentials: the project's newest own application stands
// for them, and without one the user's own key.
func TestManagedMeansTheProjectsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const managed = `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_composio_managed_auth"}}`
	if a := w.want(201, "POST", authConfigs, managed); a.text("auth_config.auth_scheme") != "API_KEY" || a.at("auth_config.is_composio_managed") != false {
		t.Errorf("without an application: %s", a.Raw)
	}
	w.oauthConfig("")
	newest := w.oauthConfig("")
	if a := w.want(201, "POST", authConfigs, managed); a.text("auth_config.id") != newest || a.text("auth_config.auth_scheme") != "OAUTH2" || a.at("auth_config.is_composio_managed") != false {
		t.Errorf("with one: %s", a.Raw)
	}
	// It would change what is there.
	w.want(400, "POST", authConfigs, `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_composio_managed_auth","name":"mine"}}`)
	w.want(200, "PATCH", authConfigs+"/"+newest+"/DISABLED", nil)
	if a := w.want(201, "POST", authConfigs, managed); a.text("auth_config.id") == newest {
		t.Errorf("a disabled one stands for it: %s", a.Raw)
	}
	if n := len(w.want(200, "GET", authConfigs+"?toolkit_slug=notes&show_disabled=true", nil).column("id")); n != 3 {
		t.Errorf("%d configs, want 3", n)
	}
}
