package ui_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
)

func (c *cloud) wantCounts(codes int, what string) {
	c.t.Helper()
	if got := c.srv.OAuthCounts("").Codes; got != codes {
		c.t.Errorf("%s: %d codes were exchanged, want %d", what, got, codes)
	}
}

// A callback works in the browser that left, once; elsewhere it does nothing and
// spoils nothing. That holds for a victim who is sent an attacker's callback
// (login CSRF) as for an attacker who has got a victim's.
func TestCallbackInAnotherBrowser(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "")
	to := c.consent(c.leave(address, "acme"), answer{})

	back := c.otherBrowser()
	for _, prepare := range []func(){func() {}, func() { // a browser with a walk of its own
		_, own := c.link(c.config, "")
		c.leave(own, "acme")
	}} {
		prepare()
		if p := c.look(c.open(to)); p.Status != http.StatusForbidden || !strings.Contains(text(p), "not begun in this browser") {
			t.Errorf("elsewhere: %d %s", p.Status, text(p))
		}
	}
	back()
	c.wantCounts(0, "another browser")
	if a := c.account(id); a.Status != domain.AccountInitiated {
		t.Errorf("the account is %s", a.Status)
	}
	if p := c.back(to); p.Status != 200 {
		t.Fatalf("at home: %d %s", p.Status, text(p))
	}
	// State and code again, whoever sends them.
	stateOnly, err := url.Parse(to)
	must(t, err)
	q := stateOnly.Query()
	q.Set("code", "another")
	stateOnly.RawQuery = q.Encode()
	for _, replay := range []string{to, stateOnly.String()} {
		if p := c.look(c.open(replay)); p.Status/100 != 4 {
			t.Errorf("a replay: %d %s", p.Status, text(p))
		}
	}
	c.wantCounts(1, "replays")
	if n := c.srv.OAuthCounts("").CodeReplays; n != 0 {
		t.Errorf("%d codes reached the provider again", n)
	}
	if a := c.account(id); c.whoRuns(a) != c.ann.AccountID {
		t.Error("the account died of the replay")
	}
}

// A replay in the right browser while the question is open, its cookie there.
func TestStateIsUsedOnce(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	_, address := c.link(c.config, "")
	to := c.consent(c.leave(address, ""), answer{sites: []string{c.srv.CloudID(), c.labs.CloudID()}})
	if p := c.back(to); p.Status != 200 {
		t.Fatalf("%d %s", p.Status, text(p))
	}
	if p := c.look(c.open(to)); p.Status != http.StatusGone || !strings.Contains(text(p), "answered already") {
		t.Errorf("again: %d %s", p.Status, text(p))
	}
	c.wantCounts(1, "a replay")
}

// An attacker's code in a victim's walk: the verifier is the victim's.
func TestCodeInjection(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	mallory := c.srv.AddUser(sandbox.User{Email: "mallory@evil.example"})
	_, own := c.link(c.config, "")
	id, address := c.link(c.config, "")
	theirs, err := url.Parse(c.consent(c.leave(own, "acme"), answer{as: mallory.AccountID}))
	must(t, err)
	mine, err := url.Parse(c.consent(c.leave(address, "acme"), answer{}))
	must(t, err)
	q := mine.Query()
	q.Set("code", theirs.Query().Get("code"))
	mine.RawQuery = q.Encode()
	if p := c.back(mine.String()); p.Status != 400 || !strings.Contains(text(p), "did not take the answer") {
		t.Errorf("%d %s", p.Status, text(p))
	}
	if a := c.account(id); a.Status == domain.AccountActive {
		t.Errorf("connected as %v", a.Identity)
	}
}

// Without its challenge a code is worth nothing here: the verifier is sent in any
// case, and the provider refuses it.
func TestPKCEDowngrade(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "")
	u, err := url.Parse(c.leave(address, "acme"))
	must(t, err)
	q := u.Query()
	q.Del("code_challenge")
	q.Del("code_challenge_method")
	u.RawQuery = q.Encode()
	if p := c.back(c.consent(u.String(), answer{})); p.Status != 400 || c.account(id).Status == domain.AccountActive {
		t.Errorf("%d %s", p.Status, text(p))
	}
	c.wantCounts(0, "without a challenge")
}

// Two providers, one of them the attacker's, who passes the browser on to the
// honest one, with the honest application's id and a challenge of the attacker's
// own walk. The honest answer then comes back in the attacker's walk: its code
// must not reach the attacker.
func TestMixUp(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	var got []string
	evil := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.URL.Path) }))
	t.Cleanup(evil.Close)
	attackers := c.authConfig("OAUTH2", "attackers", "secret", func(v map[string]string) {
		v["token_url"] = c.srv.URL + "/collect" // which the guard lets through, as it would a public host
	})
	_, address := c.link(attackers, "")
	out, err := url.Parse(c.leave(address, ""))
	must(t, err)
	redirect, err := url.Parse(out.Query().Get("redirect_uri"))
	must(t, err)
	if redirect.Path == connect.CallbackPath || !strings.HasPrefix(redirect.Path, connect.CallbackPath+"/") {
		t.Errorf("a provider of the project's own comes back to %s", redirect)
	}
	before := c.srv.Requests()
	_, own := c.link(c.config, "")
	honest, err := url.Parse(c.leave(own, "acme"))
	must(t, err)
	q := honest.Query()
	q.Set("state", out.Query().Get("state"))
	honest.RawQuery = q.Encode()
	back := c.consent(honest.String(), answer{})
	if p := c.back(back); p.Status != http.StatusForbidden || !strings.Contains(text(p), "another provider") {
		t.Errorf("the honest answer in the attacker's walk: %d %s", p.Status, text(p))
	}
	if n := c.srv.Requests() - before; n != 2 { // the consent page and its form
		t.Errorf("%d requests reached the providers", n)
	}

	// Where the provider names itself (RFC 9207), that is compared as well.
	for iss, status := range map[string]int{evil.URL: http.StatusForbidden, c.srv.URL: http.StatusOK} {
		id, address := c.link(c.config, "")
		to := c.consent(c.leave(address, "acme"), answer{})
		if p := c.back(to + "&iss=" + url.QueryEscape(iss)); p.Status != status || (c.account(id).Status == domain.AccountActive) != (status == http.StatusOK) {
			t.Errorf("issuer %s: %d %s", iss, p.Status, text(p))
		}
	}
	if len(got) != 0 {
		t.Errorf("the attacker got %v", got)
	}
	c.wantCounts(1, "in all")
}

// A provider of the project's own works, at its own way back.
func TestOwnProvider(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	named := map[string]string{"api_url": c.srv.URL + "/"}
	named["authorization_url"] = strings.Replace(c.srv.URL, "127.0.0.1", "localhost", 1) + "/authorize"
	cfg := c.authConfig("OAUTH2", c.app.ClientID, c.app.ClientSecret, func(v map[string]string) { maps.Copy(v, named) })
	redirect, err := c.connect.RedirectURI(t.Context(), cfg, c.server.URL)
	must(t, err)
	c.app.RedirectURIs = append(c.app.RedirectURIs, redirect)
	c.srv.AddOAuthApp(c.app)
	id, address := c.link(cfg, "")
	if p := c.back(c.consent(c.leave(address, "acme"), answer{})); p.Status != 200 || c.account(id).Status != domain.AccountActive {
		t.Errorf("%d %s", p.Status, text(p))
	}
	at := c.authConfig("OAUTH2", c.app.ClientID, c.app.ClientSecret, func(v map[string]string) {
		maps.Copy(v, named)
		v["oauth_redirect_uri"] = c.server.URL + "/oauth/callback"
	})
	_, address = c.link(at, "")
	if p := c.look(c.send(address, c.fields(address, ""))); p.Status != 400 || !strings.Contains(text(p), redirect) {
		t.Errorf("the usual way back: %d %s", p.Status, text(p))
	}
}

// A link belongs to the browser that began with it.
func TestLinkInAnotherBrowser(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	_, address := c.link(c.config, "")
	early := c.otherBrowser()
	form := c.open(address) // looking is no beginning: chats look at links too
	theirs := c.browser
	early()
	to := c.leave(address, "acme")
	mine := c.browser
	c.browser = theirs
	if p := c.look(c.open(address)); p.Status != http.StatusForbidden || !strings.Contains(text(p), "another browser") {
		t.Errorf("looking: %d %s", p.Status, text(p))
	}
	if p := c.look(c.send(address, form.Form)); p.Status != http.StatusForbidden {
		t.Errorf("going on: %d %s", p.Status, text(p))
	}
	c.browser = mine
	if p := c.back(c.consent(to, answer{})); p.Status != 200 {
		t.Errorf("at home: %d %s", p.Status, text(p))
	}
}

// The question's page is the browser's that is on the walk, and its form is its own.
func TestFinishIsBound(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "")
	p := c.back(c.consent(c.leave(address, ""), answer{sites: []string{c.srv.CloudID(), c.labs.CloudID()}}))
	finish := c.server.URL + p.Header.Get("Location")
	form := url.Values{"csrf": p.Form["csrf"], "site": {c.srv.CloudID()}, "action": {"finish"}}
	for what, header := range map[string][]string{
		"another site": {"Sec-Fetch-Site", "cross-site"}, "another origin": {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
	} {
		if p := c.look(c.send(finish, form, header...)); p.Status != http.StatusForbidden {
			t.Errorf("%s: %d", what, p.Status)
		}
	}
	for _, csrf := range []string{"", strings.Repeat("0", 32)} {
		if p := c.look(c.send(finish, url.Values{"csrf": {csrf}, "site": form["site"]})); p.Status != http.StatusForbidden {
			t.Errorf("token %q: %d", csrf, p.Status)
		}
	}
	back := c.otherBrowser()
	for _, p := range []page{c.look(c.open(finish)), c.look(c.send(finish, form))} {
		if p.Status != http.StatusForbidden {
			t.Errorf("another browser: %d %s", p.Status, text(p))
		}
	}
	back()
	if a := c.account(id); a.Status == domain.AccountActive {
		t.Error("a forged form finished it")
	}
	if p := c.look(c.send(finish, form)); p.Status != 200 {
		t.Errorf("its own: %d %s", p.Status, text(p))
	}
}

// Nothing that a browser brings says where it is sent.
func TestOpenRedirect(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	evil := "https://evil.example/"
	_, address := c.link(c.config, "https://app.example/done")
	to := c.consent(c.leave(address+"?callback_url="+evil+"&redirect_uri="+evil, "acme"), answer{})
	if !strings.HasPrefix(to, c.server.URL+"/oauth/callback?") {
		t.Errorf("the way back: %s", to)
	}
	extra := "&" + url.Values{"callback_url": {evil}, "redirect_uri": {evil}, "next": {evil}, "return_to": {"//evil.example"}}.Encode()
	p := c.back(to + extra)
	if at := p.Header.Get("Location"); !strings.HasPrefix(at, "https://app.example/done?") {
		t.Errorf("sent to %s", at)
	}
	for _, bad := range []string{"javascript:alert(1)", "//evil.example", "https://a@evil.example", "data:text/html,x", "/path"} {
		_, err := c.connect.Initiate(t.Context(), connect.Start{ProjectID: c.project, UserID: "ann", AuthConfigID: c.config.ID, CallbackURL: bad})
		if domain.CodeOf(err) != domain.CodeInvalid {
			t.Errorf("callback %s: %v", bad, err)
		}
	}
	if p := c.look(c.open(c.server.URL + "/oauth/callback?state=x&code=y")); p.Status != 404 || p.Header.Get("Location") != "" {
		t.Errorf("an unknown state: %d %s", p.Status, p.Header.Get("Location"))
	}
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut} {
		req, err := http.NewRequestWithContext(t.Context(), method, c.server.URL+"/oauth/callback?state=x&code=y", nil)
		must(t, err)
		resp, err := c.browser.Do(req)
		must(t, err)
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, resp.StatusCode)
		}
	}
}

// An app that is registered with the address of Composio's wire keeps it.
func TestOtherCallbackAddress(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	own := c.authConfig("OAUTH2", c.app.ClientID, c.app.ClientSecret, func(v map[string]string) {
		v["oauth_redirect_uri"] = c.server.URL + "/api/v1/auth-apps/add"
	})
	id, address := c.link(own, "")
	to := c.consent(c.leave(address, ""), answer{sites: []string{c.srv.CloudID(), c.labs.CloudID()}})
	if !strings.HasPrefix(to, c.server.URL+"/api/v1/auth-apps/add?") {
		t.Fatalf("the way back: %s", to)
	}
	p := c.back(to)
	if p.Status != 200 || !strings.Contains(text(p), "Which site") {
		t.Fatalf("the question: %d %s", p.Status, text(p))
	}
	form := url.Values{"csrf": p.Form["csrf"], "site": {c.srv.CloudID()}}
	if p := c.look(c.send(c.server.URL+p.Header.Get("Location"), form)); p.Status != 200 || c.account(id).Status != domain.AccountActive {
		t.Errorf("%d %s", p.Status, text(p))
	}
}

// The cookie of a walk is for its browser's eyes only, on its way only.
func TestFlowCookie(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	_, address := c.link(c.config, "")
	p := c.send(address, c.fields(address, ""), "X-Forwarded-Proto", "https")
	got := map[string]bool{}
	for _, line := range p.Header.Values("Set-Cookie") {
		ck, err := http.ParseSetCookie(line)
		must(t, err)
		if strings.HasPrefix(ck.Name, "sluice_flow_") {
			got["there"], got["HttpOnly"], got["Secure"] = true, ck.HttpOnly, ck.Secure
			got["Lax"], got["Path"] = ck.SameSite == http.SameSiteLaxMode, ck.Path == "/oauth/"
			got["long"], got["expires"] = len(ck.Value) > 40, ck.MaxAge > 0 && ck.MaxAge <= 1800
		}
	}
	want := map[string]bool{"there": true, "HttpOnly": true, "Secure": true, "Lax": true, "Path": true, "long": true, "expires": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The addresses that a project names are fetched by the guarded client alone.
func TestAddressesOfTheConfig(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	var reached atomic.Int64
	hidden := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(hidden.Close)
	for name, edit := range map[string]func(map[string]string){
		"token at loopback": func(v map[string]string) { v["token_url"] = hidden.URL + "/token" },
		"token at metadata": func(v map[string]string) { v["token_url"] = "http://169.254.169.254/latest" },
		"token in private":  func(v map[string]string) { v["token_url"] = "https://10.1.2.3/token" },
		"sites at loopback": func(v map[string]string) { v["api_url"] = hidden.URL },
		"token by a name":   func(v map[string]string) { v["token_url"] = strings.Replace(hidden.URL, "127.0.0.1", "localhost", 1) },
		"token in odd form": func(v map[string]string) {
			v["token_url"] = strings.Replace(hidden.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)
		},
		"sites in carrier's": func(v map[string]string) { v["api_url"] = "https://100.64.0.1" },
	} {
		cfg := c.authConfig("OAUTH2", c.app.ClientID, c.app.ClientSecret, edit)
		redirect, err := c.connect.RedirectURI(t.Context(), cfg, c.server.URL)
		must(t, err)
		c.app.RedirectURIs = append(c.app.RedirectURIs, redirect)
		c.srv.AddOAuthApp(c.app)
		id, address := c.link(cfg, "")
		p := c.back(c.consent(c.leave(address, "acme"), answer{}))
		if p.Status/100 == 2 || c.account(id).Status == domain.AccountActive {
			t.Errorf("%s: %d %s", name, p.Status, text(p))
		}
	}
	// A redirect of the sites' list to an address inside.
	c.srv.Fail(sandbox.Fault{Path: "/oauth/token/accessible-resources", Status: http.StatusFound, Header: http.Header{"Location": {hidden.URL}}})
	_, address := c.link(c.config, "")
	if p := c.back(c.consent(c.leave(address, "acme"), answer{})); p.Status/100 == 2 {
		t.Errorf("redirected: %d %s", p.Status, text(p))
	}
	if reached.Load() != 0 {
		t.Errorf("an address inside was reached %d times", reached.Load())
	}
}
