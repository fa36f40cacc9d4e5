package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const accountsAt = "/api/v3.1/connected_accounts"

// An account is renamed, given a new key, switched off and on.
func TestAccountIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.account("jane")
	one := accountsAt + "/" + id
	call := func() answer {
		return w.do("POST", "/api/v3.1/tools/execute/NOTES_GET", `{"user_id":"jane","arguments":{"id":"1"}}`)
	}
	if a := w.want(200, "PATCH", one, `{"alias":" work "}`); a.at("success") != true || a.text("id") != id || a.text("status") != "ACTIVE" {
		t.Errorf("PATCH: %s", a.Raw)
	}
	if a := w.want(200, "GET", one, nil); a.text("alias") != "work" || a.text("state.val.generic_api_key") != "REDACTED" || a.text("state.val.base_url") != w.upstream.URL {
		t.Errorf("GET: %s", a.Raw)
	}
	if a := call(); a.Status != 200 || a.text("connected_account_id") != id {
		t.Errorf("the account is not told: %s", a.Raw)
	}
	other := w.account("jane")
	for field, body := range map[string]string{
		"alias":                    `{"alias":"ca_mine"}`,
		"authScheme":               `{"connection":{"state":{"authScheme":"BEARER_TOKEN","val":{"token":"x"}}}}`,
		"nope":                     `{"connection":{"state":{"authScheme":"API_KEY","val":{"nope":"x"}}}}`,
		"generic_api_key":          `{"connection":{"state":{"authScheme":"API_KEY","val":{"generic_api_key":"wrong-key-11"}}}}`,
		"acl_config_for_shared is": `{"experimental":{"acl_config_for_shared":{"allow_all_users":true}}}`,
	} {
		e := w.want(400, "PATCH", accountsAt+"/"+other, body)
		if !strings.Contains(string(e.Raw), field) || strings.Contains(string(e.Raw), "wrong-key-11") {
			t.Errorf("%s: %s", field, e.Raw)
		}
	}
	w.want(409, "PATCH", accountsAt+"/"+other, `{"alias":"work"}`)

	// A key that does not work any more is found out, and a new one mends it.
	broken, err := w.db.Account(t.Context(), w.project.ID, id)
	must(t, err)
	broken.Status, broken.StatusReason = domain.AccountExpired, "the key ended"
	must(t, w.db.UpdateAccount(t.Context(), w.project.ID, broken))
	if a := w.want(200, "PATCH", one, `{"connection":{"state":{"authScheme":"API_KEY","val":{"status":"ACTIVE","generic_api_key":"`+goodKey+`"}}}}`); a.text("status") != "ACTIVE" {
		t.Errorf("a new key: %s", a.Raw)
	}
	if a := w.want(200, "GET", one, nil); a.text("data.subdomain") != "acme" || a.at("status_reason") != nil || a.text("alias") != "work" {
		t.Errorf("what was not named is gone: %s", a.Raw)
	}
	w.want(200, "PATCH", one, `{"alias":""}`)
	w.want(200, "DELETE", accountsAt+"/"+other, nil)
	if a := w.want(200, "PATCH", one+"/status", `{"enabled":false}`); a.at("success") != true {
		t.Errorf("disable: %s", a.Raw)
	}
	if a := w.want(200, "GET", one, nil); a.at("is_disabled") != true || a.text("status") != "ACTIVE" || a.at("alias") != nil {
		t.Errorf("disabled: %s", a.Raw)
	}
	if a := call(); a.Status != 400 || a.at("error.code") != 1803.0 || !strings.Contains(a.text("error.message"), "is disabled") {
		t.Errorf("a disabled account is used: %s", a.Raw)
	}
	w.want(200, "PATCH", one+"/status", `{"enabled":true}`)
	if a := call(); a.Status != 200 {
		t.Errorf("enabled again: %s", a.Raw)
	}
	w.want(400, "PATCH", one+"/status", `{}`)
	for _, missing := range []struct{ method, path, body string }{
		{"PATCH", "", `{"alias":"x"}`}, {"PATCH", "/status", `{"enabled":true}`}, {"POST", "/refresh", `{}`}, {"POST", "/revoke", ""},
	} {
		w.want(404, missing.method, accountsAt+"/ca_nope"+missing.path, missing.body)
	}
}

// Refreshing says whether the credentials are good, and where a person mends
// what only a person can.
func TestAccountIsRefreshed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.account("jane")
	one := accountsAt + "/" + id
	for _, body := range []any{nil, `{}`, `{"validate_credentials":true}`} {
		if a := w.want(200, "POST", one+"/refresh", body); a.text("status") != "ACTIVE" || a.at("redirect_url") != nil {
			t.Errorf("%v: %s", body, a.Raw)
		}
	}
	w.refusing.Store(true) // the key was deleted in the application
	if a := w.want(200, "POST", one+"/refresh", `{}`); a.text("status") != "ACTIVE" {
		t.Errorf("nobody asked: %s", a.Raw)
	}
	a := w.want(200, "POST", one+"/refresh?redirect_url="+url.QueryEscape("https://app.example/back"), `{"validate_credentials":true}`)
	if a.text("status") != "EXPIRED" || !strings.HasPrefix(a.text("redirect_url"), w.server.URL+"/link/lt_") {
		t.Fatalf("refused: %s", a.Raw)
	}
	got := w.want(200, "GET", one, nil)
	if !strings.Contains(got.text("status_reason"), "refused the credentials") || got.text("id") != id {
		t.Errorf("account: %s", got.Raw)
	}
	w.want(400, "POST", one+"/refresh", `{"redirect_url":"javascript:alert(1)"}`)
	begun := w.want(201, "POST", accountsAt+"/link", fmt.Sprintf(`{"auth_config_id":%q,"user_id":"jim"}`, got.text("auth_config.id")))
	again := w.want(200, "POST", accountsAt+"/"+begun.text("connected_account_id")+"/refresh", nil)
	if again.text("status") != "INITIATED" || again.text("redirect_url") == begun.text("redirect_url") {
		t.Errorf("one that waits: %s", again.Raw)
	}
}

// What was typed in cannot be taken back from here: 400 by the contract (§1.5).
func TestAccountIsRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.account("jane")
	if e := w.want(400, "POST", accountsAt+"/"+id+"/revoke", ""); !strings.Contains(e.text("error.suggested_fix"), "in the application") {
		t.Errorf("typed in: %s", e.Raw)
	}
	if a := w.want(200, "GET", accountsAt+"/"+id, nil); a.text("status") != "ACTIVE" {
		t.Errorf("a refused revocation changed it: %s", a.Raw)
	}
	// One that came by consent: its tokens are gone, whatever the provider says.
	cfg := w.oauthConfig("")
	oauth := domain.ConnectedAccount{
		ID: domain.NewID(domain.PrefixAccount), ProjectID: w.project.ID, UserID: "jane", Toolkit: "notes", AuthConfigID: cfg,
		Scheme: domain.SchemeOAuth2, Origin: domain.OriginProject, WordID: "notes_red_fox", Status: domain.AccountActive,
		Fields: map[string]string{"subdomain": "acme"}, CreatedAt: w.project.CreatedAt, UpdatedAt: w.project.CreatedAt,
	}
	oauth.Scopes = []string{"read:note", "offline_access"}
	oauth.ExpiresAt = w.now().Add(1000e9)
	must(t, w.db.CreateAccount(t.Context(), oauth))
	must(t, w.db.PutSecret(t.Context(), w.project.ID, oauth.ID, "access_token", []byte("sealed")))
	a := w.want(200, "GET", accountsAt+"/"+oauth.ID, nil)
	val, _ := a.at("state.val").(map[string]any)
	left, _ := val["expires_in"].(float64)
	if left < 900 || left > 1000 {
		t.Errorf("expires in %v", left)
	}
	delete(val, "expires_in")
	want := map[string]any{
		"status": "ACTIVE", "access_token": "REDACTED", "refresh_token": "REDACTED", "token_type": "Bearer",
		"scope": "read:note offline_access", "subdomain": "acme", "base_url": w.upstream.URL,
	}
	if diff := cmp.Diff(want, val); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"read:note", "write:note"}, a.at("requested_scopes")); diff != "" {
		t.Errorf("requested scopes (-want +got):\n%s", diff)
	}
	if e := w.want(400, "PATCH", accountsAt+"/"+oauth.ID, `{"connection":{"state":{"authScheme":"OAUTH2","val":{"access_token":"x"}}}}`); !strings.Contains(string(e.Raw), "by a link") {
		t.Errorf("tokens typed in: %s", e.Raw)
	}
	a = w.want(200, "POST", accountsAt+"/"+oauth.ID+"/revoke", nil)
	if a.text("connected_account.status") != "REVOKED" || a.text("connected_account.id") != oauth.ID || a.text("note") == "" {
		t.Errorf("revoke: %s", a.Raw)
	}
	if left, err := w.db.Secrets(t.Context(), w.project.ID, oauth.ID); err != nil || len(left) != 0 {
		t.Errorf("%d secrets are left, %v", len(left), err)
	}
	w.want(409, "POST", accountsAt+"/"+oauth.ID+"/revoke", nil)
	w.want(200, "DELETE", authConfigs+"/"+cfg+"?revoke_on_delete=true", nil)
	if _, n, err := w.db.ListAccounts(t.Context(), w.project.ID, store.AccountFilter{IDs: []string{oauth.ID}}, store.Page{}); err != nil || n != 0 {
		t.Errorf("%d accounts are left, %v", n, err)
	}
}

// An application can fill in what it knows, and no secret.
func TestLinkWithValuesKnownAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.oauthConfig("")
	for name, data := range map[string]string{
		"flat": `{"subdomain":"acme"}`, "as a state": `{"authScheme":"OAUTH2","val":{"status":"INITIALIZING","subdomain":"acme"}}`,
	} {
		begun := w.want(201, "POST", accountsAt+"/link", fmt.Sprintf(`{"auth_config_id":%q,"user_id":"jane","connection_data":%s}`, cfg, data))
		if a := w.want(200, "GET", accountsAt+"/"+begun.text("connected_account_id"), nil); a.text("data.subdomain") != "acme" || a.text("status") != "INITIATED" {
			t.Errorf("%s: %s", name, a.Raw)
		}
	}
	begun := w.want(201, "POST", accountsAt, fmt.Sprintf(`{"auth_config":{"id":%q},"connection":{"user_id":"jim","state":{"authScheme":"OAUTH2","val":{"status":"INITIALIZING","subdomain":"acme"}}}}`, cfg))
	if begun.text("status") != "INITIATED" || begun.text("redirect_url") == "" || begun.text("connectionData.val.subdomain") != "acme" {
		t.Errorf("initiate: %s", begun.Raw)
	}
	keys := w.want(201, "POST", authConfigs, `{"toolkit":{"slug":"mail"}}`).text("auth_config.id")
	for field, data := range map[string]string{"generic_api_key": `{"generic_api_key":"x-y-z"}`, "nope": `{"nope":"x"}`} {
		e := w.want(http.StatusBadRequest, "POST", accountsAt+"/link", fmt.Sprintf(`{"auth_config_id":%q,"user_id":"jane","connection_data":%s}`, keys, data))
		if !strings.Contains(e.text("error.message"), "connection_data."+field) || strings.Contains(string(e.Raw), "x-y-z") {
			t.Errorf("%s: %s", field, e.Raw)
		}
	}
}

// A connection that failed says in its state what went wrong.
func TestFailedState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.want(201, "POST", accountsAt+"/link", fmt.Sprintf(`{"auth_config_id":%q,"user_id":"jane"}`, w.oauthConfig(""))).text("connected_account_id")
	a, err := w.db.Account(t.Context(), w.project.ID, id)
	must(t, err)
	a.Status, a.StatusReason = domain.AccountFailed, "You did not allow the access"
	must(t, w.db.UpdateAccount(t.Context(), w.project.ID, a))
	got := w.want(200, "GET", accountsAt+"/"+id, nil)
	if got.text("state.val.status") != "FAILED" || got.text("state.val.error") != "connection_failed" || got.text("state.val.error_description") != a.StatusReason {
		t.Errorf("%s", got.Raw)
	}
}
