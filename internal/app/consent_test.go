package app_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

var moveOn = regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`)

// A project brings its own app, a user consents in the browser, and the agent
// works on the user's site by what was granted. What passed on the way is in no
// log, page or metric.
func TestConnectByConsent(t *testing.T) {
	t.Parallel()
	acme := newSite(t)
	ann := acme.AddUser(confluence.User{Email: "ann@acme.example", DisplayName: "Ann of Acme"})
	r := testApp(t, acme.reach)
	c := r.clientOf()
	app := acme.AddOAuthApp(confluence.OAuthApp{Name: "Acme's app"})
	made, err := c.CreateAuthConfig(t.Context(), client.NewAuthConfig{Toolkit: "confluence", Scheme: "OAUTH2", Credentials: map[string]string{
		"client_id": app.ClientID, "client_secret": app.ClientSecret,
		"authorization_url": acme.url + "/authorize", "token_url": acme.url + "/oauth/token", "api_url": acme.url,
	}})
	must(t, err)
	shown := r.send(http.MethodGet, "/api/v3.1/auth_configs/"+made.ID, "")
	redirect := regexp.MustCompile(`"oauth_redirect_uri":"([^"]+)"`).FindStringSubmatch(shown.body)
	if redirect == nil || !strings.HasPrefix(redirect[1], r.URL()+"/oauth/callback/") {
		t.Fatalf("what is to be registered: %v", shown)
	}
	app.RedirectURIs = []string{redirect[1]}
	acme.AddOAuthApp(app)

	id := r.session("ann", `,"auth_configs":{"confluence":"`+made.ID+`"}`)
	link := r.link(id)
	b := r.browser()
	left := b.submit(b.open(link.URL), map[string]string{"subdomain": "acme"})
	to := moveOn.FindStringSubmatch(left.text)
	if to == nil {
		t.Fatalf("the way out: %d %s", b.last, left.text)
	}
	provider := html.UnescapeString(to[1])
	back, err := acme.Consent(provider, confluence.Consent{Account: ann.AccountID})
	must(t, err)
	if done := b.open(back); b.last != http.StatusOK || !strings.Contains(done.text, "Confluence is connected") {
		t.Fatalf("the way back: %d %s", b.last, tags.ReplaceAllString(done.text, ""))
	}
	if got := r.account(link.AccountID); got != "ACTIVE" {
		t.Errorf("the account is %s", got)
	}
	if _, email := who(t, r.call(id, "CONFLUENCE_GET_CURRENT_USER", `{}`)); email != ann.Email {
		t.Errorf("the tool runs as %s", email)
	}

	out, err := url.Parse(provider)
	must(t, err)
	in, err := url.Parse(back)
	must(t, err)
	token := link.URL[strings.LastIndex(link.URL, "/")+1:]
	for name, secret := range map[string]string{
		"the state": out.Query().Get("state"), "the code": in.Query().Get("code"), "the client secret": app.ClientSecret,
		"a token": "sbx.", "a refresh token": "sbxr.", "the link": token,
	} {
		if secret == "" || strings.Contains(r.logs.String(), secret) {
			t.Errorf("the log holds %s", name)
		}
		if name != "the state" && name != "the link" && strings.Contains(b.seen.String(), secret) {
			t.Errorf("a page holds %s", name)
		}
	}
	if !strings.Contains(r.logs.String(), `"route":"/oauth/callback"`) {
		t.Error("the log does not tell of the callback")
	}
}
