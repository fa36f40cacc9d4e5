package app_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// An account's life is told to the application's webhook, signed: it expires soon,
// it recovers, it expires, it is connected again, it is revoked; each once, in this
// order, as the account that it is then and without its secrets.
func TestAccountsLifeIsTold(t *testing.T) { onBoth(t, testAccountsLifeIsTold) }

func testAccountsLifeIsTold(t *testing.T, in func(*app.Options)) {
	// Its access tokens end so soon that failing to renew them is worth a word.
	acme := &site{Sandbox: confluence.New(confluence.Options{Seed: true, Site: "acme", AccessLife: 8 * time.Minute})}
	var down atomic.Bool // the provider gives no tokens
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if down.Load() && req.URL.Path == "/oauth/token" {
			http.Error(w, "we are having lunch", http.StatusServiceUnavailable)
			return
		}
		acme.Handler().ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	acme.url = server.URL
	r := testApp(t, func(o *app.Options) {
		in(o)
		acme.reach(o)
	})
	const prefix = "composio.connected_account."
	hook := r.receive("V3", prefix+"expiring", prefix+"recovered", prefix+"expired", prefix+"revoked")
	ann := acme.AddUser(confluence.User{Email: "ann@acme.example", DisplayName: "Ann of Acme"})
	oauth := acme.AddOAuthApp(confluence.OAuthApp{Name: "Acme's app"})
	config, err := r.clientOf().CreateAuthConfig(t.Context(), client.NewAuthConfig{Toolkit: "confluence", Scheme: "OAUTH2", Credentials: map[string]string{
		"client_id": oauth.ClientID, "client_secret": oauth.ClientSecret,
		"authorization_url": acme.url + "/authorize", "token_url": acme.url + "/oauth/token", "api_url": acme.url,
	}})
	must(t, err)
	shown := r.send(http.MethodGet, "/api/v3.1/auth_configs/"+config.ID, "")
	oauth.RedirectURIs = []string{field(shown.body, "credentials.oauth_redirect_uri")}
	acme.AddOAuthApp(oauth)

	session := r.session("ann", `,"auth_configs":{"confluence":"`+config.ID+`"}`)
	consent := func(link string) {
		t.Helper()
		b := r.browser()
		page := b.open(link)
		if strings.Contains(page.text, "field-subdomain") {
			page = b.submit(page, map[string]string{"subdomain": "acme"})
		} else {
			page = b.submit(page, nil)
		}
		to := moveOn.FindStringSubmatch(page.text)
		if to == nil {
			t.Fatalf("the way out: %d %s", b.last, page.text)
		}
		back, err := acme.Consent(html.UnescapeString(to[1]), confluence.Consent{Account: ann.AccountID})
		must(t, err)
		if done := b.open(back); !strings.Contains(done.text, "Confluence is connected") {
			t.Fatalf("the way back: %d %s", b.last, tags.ReplaceAllString(done.text, ""))
		}
	}
	link := r.link(session)
	consent(link.URL)
	id := link.AccountID
	refresh := func() answer { return r.send(http.MethodPost, "/api/v3.1/connected_accounts/"+id+"/refresh", "{}") }
	told := func(what, status string) {
		t.Helper()
		m := hook.next()
		leaks(t, "the message", string(m.Body), "sbx.", "sbxr.", oauth.ClientSecret)
		var e struct {
			Type     string
			Data     struct{ ID, Status string }
			Metadata struct {
				Project string `json:"project_id"`
			}
		}
		must(t, json.Unmarshal(m.Body, &e))
		if e.Type != prefix+what || e.Data.ID != id || e.Data.Status != status || e.Metadata.Project != r.ProjectID() {
			t.Fatalf("want %s, told: %s", what, m.Body)
		}
	}

	down.Store(true)
	for range 3 {
		if a := refresh(); a.status == http.StatusOK {
			t.Fatalf("renewed without a provider: %v", a)
		}
	}
	told("expiring", "ACTIVE")
	down.Store(false)
	if a := refresh(); a.status != http.StatusOK {
		t.Fatal(a)
	}
	told("recovered", "ACTIVE")
	if n := acme.RevokeGrant(oauth.ClientID, ann.AccountID); n == 0 {
		t.Fatal("no grant was revoked")
	}
	refresh()
	told("expired", "EXPIRED")
	refused := r.send(http.MethodPost, sessions+"/"+session+"/execute", `{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}`)
	again := regexp.MustCompile(`http[^" ]+/link/lt_[\w-]+`).FindString(refused.body)
	if again == "" {
		t.Fatalf("no way back: %v", refused)
	}
	consent(again)
	told("recovered", "ACTIVE")
	if a := r.send(http.MethodPost, "/api/v3.1/connected_accounts/"+id+"/revoke", "{}"); a.status != http.StatusOK {
		t.Fatal(a)
	}
	told("revoked", "REVOKED")
}
