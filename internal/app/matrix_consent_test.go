package app_test

import (
	"fmt"
	"net/http"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// consentLink makes an application of n's at the sandbox's sign-in host, and a
// link to connect by it. The account that comes of it is for no call.
func (w *world) consentLink(n *identityOf) string {
	w.t.Helper()
	app := w.Site().AddOAuthApp(confluence.OAuthApp{Name: "Matrix"})
	cfg := w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/auth_configs", fmt.Sprintf(
		`{"toolkit":{"slug":"confluence"},"auth_config":{"type":"use_custom_auth","authScheme":"OAUTH2","name":"consent",
		"credentials":{"client_id":%q,"client_secret":%q,"authorization_url":"%s/authorize","token_url":"%[3]s/oauth/token","api_url":%[3]q},
		"is_enabled_for_tool_router":false}}`, app.ClientID, app.ClientSecret, w.SandboxURL()), "auth_config.id")[0]
	app.RedirectURIs = w.ask(n, http.StatusOK, http.MethodGet, "/api/v3.1/auth_configs/"+cfg, "", "credentials.oauth_redirect_uri")
	w.Site().AddOAuthApp(app)
	return w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/connected_accounts/link",
		fmt.Sprintf(`{"auth_config_id":%q,"user_id":"consents-%s"}`, cfg, n.things["tag"]), "link_token")[0]
}

// walkByHand begins a walk of n and consents, to scopes or to everything. It
// gives the walk, as JSON members, and the address on which the browser ended.
func (w *world) walkByHand(n *identityOf, scopes ...string) (flow, address string) {
	w.t.Helper()
	begun := w.ask(n, http.StatusCreated, http.MethodPost, "/api/v3.1/sluice/consents",
		fmt.Sprintf(`{"link_token":%q}`, w.consentLink(n)), "flow", "secret", "authorize_url")
	u := w.Site().AddUser(confluence.User{Email: "consents-" + n.things["tag"] + "@matrix.example", Admin: true})
	address, err := w.Site().Consent(begun[2], confluence.Consent{Account: u.AccountID, Scopes: scopes})
	must(w.t, err)
	return fmt.Sprintf(`"flow":%q,"secret":%q`, begun[0], begun[1]), address
}
