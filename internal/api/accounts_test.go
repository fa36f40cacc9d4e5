package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAuthConfigs(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"/api/v3.1", "/api/v3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			at := version + "/auth_configs"
			a := w.want(201, "POST", at, `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_custom_auth","authScheme":"API_KEY","name":"ours","credentials":{}}}`)
			id := a.text("auth_config.id")
			if a.text("auth_config.auth_scheme") != "API_KEY" || a.at("auth_config.is_composio_managed") != false {
				t.Errorf("create: %s", a.Raw)
			}
			w.want(201, "POST", at, `{"toolkit":{"slug":"mail"}}`)
			got := w.want(200, "GET", at+"/"+id, nil)
			if got.text("name") != "ours" || got.text("status") != "ENABLED" || got.at("no_of_connections") != 0.0 {
				t.Errorf("get: %s", got.Raw)
			}
			for query, want := range map[string]int{
				"": 2, "?toolkit_slug=notes": 1, "?search=ours": 1, "?is_composio_managed=true": 0, "?is_composio_managed=false": 2,
				"?limit=1": 1, "?show_disabled=true": 2, "?limit=": 2,
			} {
				if n := len(w.want(200, "GET", at+query, nil).column("id")); n != want {
					t.Errorf("list%s: %d, want %d", query, n, want)
				}
			}
			for field, body := range map[string]string{
				"client_id":          `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_custom_auth","authScheme":"OAUTH2","credentials":{"client_secret":"notes-secret-7c1f"}}}`,
				"S2S_OAUTH2":         `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_custom_auth","authScheme":"S2S_OAUTH2"}}`,
				"shared_credentials": `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_composio_managed_auth","shared_credentials":{"a":"b"}}}`,
				"proxy_config":       `{"toolkit":{"slug":"notes"},"auth_config":{"proxy_config":{"proxy_url":"http://p"}}}`,
				"authScheme":         `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_custom_auth"}}`,
				"type":               `{"toolkit":{"slug":"notes"},"auth_config":{"type":"magic"}}`,
				"clock":              `{"toolkit":{"slug":"clock"}}`,
				"toolkit":            `{}`,
			} {
				if e := w.want(400, "POST", at, body); !strings.Contains(e.text("error.message"), field) {
					t.Errorf("%s is not named: %s", field, e.Raw)
				}
			}
			w.want(404, "POST", at, `{"toolkit":{"slug":"nope"}}`)
			for _, method := range []string{"GET", "DELETE"} {
				w.want(404, method, at+"/ac_nope", nil)
			}
			w.want(404, "PATCH", at+"/ac_nope", `{"type":"custom"}`)
			w.want(404, "PATCH", at+"/ac_nope/DISABLED", nil)
			w.want(400, "PATCH", at+"/"+id+"/MAYBE", nil)
		})
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"/api/v3.1", "/api/v3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			at := version + "/connected_accounts"
			id := w.account("jane")
			a := w.want(200, "GET", at+"/"+id, nil)
			if a.text("status") != "ACTIVE" || a.text("state.authScheme") != "API_KEY" || a.text("state.val.subdomain") != "acme" || a.text("word_id") == "" {
				t.Errorf("get: %s", a.Raw)
			}
			if strings.Contains(string(a.Raw), goodKey) {
				t.Errorf("the account shows its secret: %s", a.Raw)
			}
			cfg := a.text("auth_config.id")
			link := w.want(201, "POST", at+"/link", fmt.Sprintf(`{"auth_config_id":%q,"user_id":"john","callback_url":"https://app.example/cb"}`, cfg))
			if link.text("redirect_url") != w.server.URL+"/link/"+link.text("link_token") || link.text("expires_at") == "" {
				t.Errorf("link: %s", link.Raw)
			}
			begun := w.want(201, "POST", at, fmt.Sprintf(`{"auth_config":{"id":%q},"connection":{"user_id":"jim","state":{"authScheme":"API_KEY","val":{"status":"INITIALIZING"}}}}`, cfg))
			if begun.text("status") != "INITIATED" || !strings.HasPrefix(begun.text("redirect_url"), w.server.URL+"/link/lt_") ||
				begun.text("connectionData.val.redirectUrl") != begun.text("redirect_url") {
				t.Errorf("initiate without credentials: %s", begun.Raw)
			}
			for query, want := range map[string]int{
				"": 3, "?user_ids=jane": 1, "?user_ids=jane%2Cjohn": 2, "?user_ids=jane&user_ids=jim": 2, "?user_ids%5B%5D=jane": 1,
				"?statuses=ACTIVE": 1, "?statuses=INITIATED": 2, "?toolkit_slugs=notes&user_ids=jane": 1, "?toolkit_slugs=mail": 0,
				"?connected_account_ids=" + id: 1, "?auth_config_ids=" + cfg + "&statuses=ACTIVE": 1, "?account_type=SHARED": 0, "?limit=2": 2, "?limit=0": 1,
			} {
				if n := len(w.want(200, "GET", at+query, nil).column("id")); n != want {
					t.Errorf("list%s: %d, want %d", query, n, want)
				}
			}
			newest, oldest := w.want(200, "GET", at, nil).column("id"), w.want(200, "GET", at+"?order_direction=asc&order_by=created_at", nil).column("id")
			if diff := cmp.Diff([]string{newest[2], newest[1], newest[0]}, oldest); diff != "" || newest[2] != id {
				t.Errorf("order (-want +got):\n%s", diff)
			}
			if del := w.want(200, "DELETE", at+"/"+id+"?revoke_on_delete=true", nil); del.at("success") != true {
				t.Errorf("delete: %s", del.Raw)
			}
			w.want(404, "GET", at+"/"+id, nil)
			w.want(404, "DELETE", at+"/"+id, nil)
			w.want(404, "POST", at+"/"+id+"/refresh", `{}`)
		})
	}
}

func TestAccountRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/connected_accounts"
	cfg := w.want(201, "POST", "/api/v3.1/auth_configs", `{"toolkit":{"slug":"notes"}}`).text("auth_config.id")
	connect := func(connection string) string {
		return fmt.Sprintf(`{"auth_config":{"id":%q},"connection":{"user_id":"jane",%s}}`, cfg, connection)
	}
	for field, body := range map[string]string{
		"authScheme":      connect(`"state":{"authScheme":"OAUTH2","val":{}}`),
		"generic_api_key": connect(`"state":{"authScheme":"API_KEY","val":{"subdomain":"acme","generic_api_key":"wrong"}}`),
		"subdomain":       connect(`"state":{"authScheme":"API_KEY","val":{"generic_api_key":"` + goodKey + `"}}`),
		"val.subdomain":   connect(`"state":{"authScheme":"API_KEY","val":{"subdomain":{"a":1},"generic_api_key":"` + goodKey + `"}}`),
		"account_type":    connect(`"experimental":{"account_type":"SHARED"}`),
		"callback_url":    connect(`"callback_url":"javascript:alert(1)"`),
		"auth_config":     `{"connection":{}}`,
	} {
		if e := w.want(400, "POST", at, body); !strings.Contains(string(e.Raw), field) {
			t.Errorf("%s is not named: %s", field, e.Raw)
		}
	}
	w.want(404, "POST", at, `{"auth_config":{"id":"ac_nope"},"connection":{}}`)
	w.want(400, "GET", at+"?statuses=WELL", nil)
	w.want(400, "GET", at+"?order_by=name", nil)
	if n := len(w.want(200, "GET", at, nil).column("id")); n != 0 {
		t.Errorf("%d accounts are left of refused connections", n)
	}
}
