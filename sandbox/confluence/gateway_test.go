package confluence_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

const redirect = "https://app.example/callback"

// oauth is a site with an app, called through the gateway.
type oauth struct {
	*site
	app confluence.OAuthApp
}

func newOAuth(t *testing.T, o confluence.Options, scopes ...string) *oauth {
	s := newSite(t, o)
	return &oauth{site: s, app: s.AddOAuthApp(confluence.OAuthApp{Name: "Sluice", RedirectURIs: []string{redirect}, Scopes: scopes})}
}

func (o *oauth) do(method, path, auth, body string) answer {
	o.tb.Helper()
	req := httptest.NewRequest(method, "https://api.atlassian.com"+path, strings.NewReader(body))
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
		req.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, req)
	a := answer{status: w.Code, header: w.Header(), text: w.Body.String()}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && strings.HasPrefix(a.text, "{") {
		if err := json.Unmarshal(w.Body.Bytes(), &a.json); err != nil {
			o.tb.Fatal(err)
		}
	}
	return a
}

func (o *oauth) gateway(method, path, token, body string) answer {
	return o.do(method, "/ex/confluence/"+o.CloudID()+path, "Bearer "+token, body)
}

func (o *oauth) question(scope string) url.Values {
	return url.Values{"audience": {"api.atlassian.com"}, "client_id": {o.app.ClientID}, "scope": {scope}, "redirect_uri": {redirect}, "state": {"s t"}, "response_type": {"code"}, "prompt": {"consent"}}
}

// code walks through the consent page.
func (o *oauth) code(scope string) string {
	o.tb.Helper()
	q := o.question(scope)
	page := o.do("GET", "/authorize?"+q.Encode(), "", "")
	if page.status != 200 || !strings.Contains(page.text, "Sluice") || !strings.Contains(page.text, "Ann Example") {
		o.tb.Fatalf("consent page = %d %s", page.status, page.text)
	}
	q.Set("account", o.me.AccountID)
	q.Set("decision", "accept")
	back := o.do("POST", "/authorize", "", q.Encode())
	u, err := url.Parse(back.header.Get("Location"))
	if err != nil || back.status != 302 || !strings.HasPrefix(u.String(), redirect) || u.Query().Get("state") != "s t" {
		o.tb.Fatalf("consent leads to %d %q", back.status, back.header.Get("Location"))
	}
	return u.Query().Get("code")
}

func (o *oauth) exchange(fields obj) answer {
	o.tb.Helper()
	in := obj{"client_id": o.app.ClientID, "client_secret": o.app.ClientSecret}
	for k, v := range fields {
		in[k] = v
	}
	b, err := json.Marshal(in)
	if err != nil {
		o.tb.Fatal(err)
	}
	return o.do("POST", "/oauth/token", "", string(b))
}

func TestAuthorizationCode(t *testing.T) {
	o := newOAuth(t, confluence.Options{})
	o.space("DOC")
	code := o.code("read:space:confluence offline_access")
	in := obj{"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
	if a := o.exchange(obj{"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "client_secret": "wrong"}); a.status != 401 {
		t.Errorf("a wrong secret = %d %s", a.status, a.text)
	}
	a := o.exchange(in)
	if a.status != 200 || a.get("expires_in") != 3600.0 || a.str("token_type") != "Bearer" || a.str("refresh_token") == "" || a.str("scope") != "read:space:confluence offline_access" {
		t.Fatalf("tokens = %d %s", a.status, a.text)
	}
	sites := o.do("GET", "/oauth/token/accessible-resources", "Bearer "+a.str("access_token"), "")
	if !strings.Contains(sites.text, `"id":"`+o.CloudID()+`"`) || !strings.Contains(sites.text, `"scopes":["read:space:confluence"]`) {
		t.Errorf("sites = %s", sites.text)
	}
	if got := o.gateway("GET", "/wiki/api/v2/spaces", a.str("access_token"), ""); got.status != 200 || got.str("_links.base") != "https://test.atlassian.net/wiki" {
		t.Errorf("spaces = %d %s", got.status, got.text)
	}
	if again := o.exchange(in); again.status != 403 || again.str("error") != "invalid_grant" {
		t.Errorf("a code works once, got %d %s", again.status, again.text)
	}
	if got := o.gateway("GET", "/wiki/api/v2/spaces", a.str("access_token"), ""); got.status != 401 {
		t.Errorf("a code that is sent twice revokes what it gave, got %d", got.status)
	}
	if got := o.exchange(obj{"grant_type": "refresh_token", "refresh_token": a.str("refresh_token")}); got.status != 403 {
		t.Errorf("and the refresh token too, got %d", got.status)
	}
	if got := o.code("read:space:confluence"); o.exchange(obj{"grant_type": "authorization_code", "code": got, "redirect_uri": redirect}).str("refresh_token") != "" {
		t.Error("a refresh token without offline_access")
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {o.code("read:space:confluence")}, "redirect_uri": {redirect}, "client_id": {o.app.ClientID}, "client_secret": {o.app.ClientSecret}}
	if got := o.do("POST", "/oauth/token", "", form.Encode()); got.status != 200 {
		t.Errorf("a form = %d %s", got.status, got.text)
	}
}

func TestConsentIsRefused(t *testing.T) {
	o := newOAuth(t, confluence.Options{}, "read:space:confluence")
	for name, change := range map[string][2]string{
		"app": {"client_id", "none"}, "redirect": {"redirect_uri", "https://evil.example/"}, "longer redirect": {"redirect_uri", redirect + "/x"}, "type": {"response_type", "token"},
		"scope": {"scope", "write:page:confluence"}, "no scope": {"scope", ""}, "audience": {"audience", "x"},
	} {
		q := o.question("read:space:confluence offline_access")
		q.Set(change[0], change[1])
		for _, a := range []answer{o.do("GET", "/authorize?"+q.Encode(), "", ""), o.do("POST", "/authorize", "", q.Encode()+"&decision=accept&account="+o.me.AccountID)} {
			if a.status != 400 || a.header.Get("Location") != "" {
				t.Errorf("a wrong %s = %d %q", name, a.status, a.header.Get("Location"))
			}
		}
	}
	q := o.question("read:space:confluence")
	q.Set("decision", "cancel")
	if a := o.do("POST", "/authorize", "", q.Encode()); !strings.Contains(a.header.Get("Location"), "error=access_denied") {
		t.Errorf("cancelling leads to %q", a.header.Get("Location"))
	}
	q.Set("client_id", `"><script>alert(1)</script>`)
	if a := o.do("GET", "/authorize?"+q.Encode(), "", ""); strings.Contains(a.text, "<script>") {
		t.Error("the page repeats markup")
	}
}

func TestRefreshTokensRotate(t *testing.T) {
	o := newOAuth(t, confluence.Options{})
	first, err := o.IssueTokens(o.app.ClientID, o.me.AccountID, "read:space:confluence", "offline_access")
	if err != nil {
		t.Fatal(err)
	}
	refresh := func(token string) answer {
		return o.exchange(obj{"grant_type": "refresh_token", "refresh_token": token})
	}
	second := refresh(first.RefreshToken).str("refresh_token")
	if second == "" || second == first.RefreshToken {
		t.Fatalf("second refresh token = %q", second)
	}
	if a := refresh(first.RefreshToken); a.status != 200 {
		t.Errorf("reuse within ten minutes = %d %s", a.status, a.text)
	}
	o.clock = o.clock.Add(11 * time.Minute)
	if a := refresh(second); a.status != 200 {
		t.Fatalf("the current token = %d %s", a.status, a.text)
	}
	third := refresh(second).str("refresh_token")
	if a := refresh(first.RefreshToken); a.status != 403 || a.str("error") != "unauthorized_client" || a.str("error_description") != "refresh_token is invalid" {
		t.Errorf("reuse after ten minutes = %d %s", a.status, a.text)
	}
	if a := refresh(third); a.status != 403 {
		t.Errorf("the family lives on after a reuse: %d", a.status)
	}
	idle, _ := o.IssueTokens(o.app.ClientID, o.me.AccountID, "offline_access")
	other := o.AddOAuthApp(confluence.OAuthApp{})
	if a := o.exchange(obj{"grant_type": "refresh_token", "refresh_token": idle.RefreshToken, "client_id": other.ClientID, "client_secret": other.ClientSecret}); a.status != 403 {
		t.Errorf("another app's refresh = %d", a.status)
	}
	o.clock = o.clock.Add(91 * 24 * time.Hour)
	if a := refresh(idle.RefreshToken); a.status != 403 {
		t.Errorf("after 91 days without use: %d", a.status)
	}
}

func TestAccessTokensEnd(t *testing.T) {
	o := newOAuth(t, confluence.Options{})
	issue := func() string {
		tokens, err := o.IssueTokens(o.app.ClientID, o.me.AccountID, "read:space:confluence")
		if err != nil {
			t.Fatal(err)
		}
		return tokens.AccessToken
	}
	works := func(token string) int { return o.gateway("GET", "/wiki/api/v2/spaces", token, "").status }
	for _, tc := range []struct {
		name string
		end  func()
	}{
		{"an hour", func() { o.clock = o.clock.Add(time.Hour) }},
		{"ExpireTokens", o.ExpireTokens},
		{"RevokeGrants", func() { o.RevokeGrants(o.me.AccountID) }},
		{"RemoveUser", func() { o.RemoveUser(o.me.AccountID) }}, // last: there is nobody after it
	} {
		token := issue()
		if got := works(token); got != 200 {
			t.Fatalf("before %s: %d", tc.name, got)
		}
		tc.end()
		if got := works(token); got != 401 {
			t.Errorf("after %s: %d", tc.name, got)
		}
	}
}

func TestScopesAreEnforced(t *testing.T) {
	o := newOAuth(t, confluence.Options{Seed: true})
	page, _ := o.PageByTitle("MKT", "Q3 Planning")
	token := func(scopes ...string) string {
		tokens, err := o.IssueTokens(o.app.ClientID, o.me.AccountID, scopes...)
		if err != nil {
			t.Fatal(err)
		}
		return tokens.AccessToken
	}
	const mismatch = `{"code":401,"message":"Unauthorized; scope does not match"}`
	for _, tc := range []struct {
		method, path string
		scopes       []string
		want         int
	}{
		{"GET", "/wiki/api/v2/pages/" + page.ID, []string{"read:page:confluence"}, 200},
		{"GET", "/wiki/api/v2/pages/" + page.ID, []string{"write:page:confluence", "read:confluence-content.all"}, 401},
		{"DELETE", "/wiki/api/v2/pages/1", []string{"read:page:confluence", "write:page:confluence"}, 401},
		{"GET", "/wiki/rest/api/user/current", []string{"read:confluence-user"}, 200},
		{"GET", "/wiki/rest/api/user/current", []string{"read:content-details:confluence"}, 200},
		{"GET", "/wiki/rest/api/user/current", []string{"read:page:confluence"}, 401},
		{"POST", "/wiki/rest/api/content/" + page.ID + "/label", []string{"write:label:confluence"}, 401},
		{"POST", "/wiki/rest/api/content/" + page.ID + "/label", []string{"write:label:confluence", "read:label:confluence"}, 200},
		{"GET", "/wiki/rest/api/content/" + page.ID, []string{"read:confluence-content.all"}, 410},
		{"GET", "/wiki/rest/api/space", []string{"read:confluence-content.all"}, 410},
		{"GET", "/wiki//api/v2/pages", []string{"read:page:confluence"}, 401},
		{"GET", "/wiki/api/v2/search", []string{"read:page:confluence"}, 404},
		{"GET", "/wiki/spaces/MKT", []string{"read:page:confluence"}, 404},
		{"POST", "/wiki/api/v2/pages/" + page.ID + "/labels", []string{"write:label:confluence"}, 405},
	} {
		a := o.gateway(tc.method, tc.path, token(tc.scopes...), `{"name":"x"}`)
		if a.status != tc.want {
			t.Errorf("%s %s with %v = %d, want %d\n%s", tc.method, tc.path, tc.scopes, a.status, tc.want, a.text)
		}
		if tc.want == 401 && strings.TrimSpace(a.text) != mismatch {
			t.Errorf("mismatch = %s", a.text)
		}
		if tc.want == 410 && !strings.Contains(a.text, "GoneException") {
			t.Errorf("gone = %s", a.text)
		}
	}
	if a := o.gateway("GET", "/wiki/api/v2/search", token("read:page:confluence"), ""); a.str("message") != "No message available" {
		t.Errorf("an unknown path = %s", a.text)
	}
	if a := o.do("GET", "/ex/confluence/"+o.CloudID()+"/api/v2/pages", "Bearer "+token("read:page:confluence"), ""); a.status != 200 {
		t.Errorf("without the product in the path = %d %s", a.status, a.text)
	}
	if a := o.do("GET", "/ex/confluence/another/wiki/api/v2/pages", "Bearer "+token("read:page:confluence"), ""); a.status != 403 {
		t.Errorf("another site = %d", a.status)
	}
	o.must(200, "GET", "/wiki/rest/api/content/"+page.ID, nil)
	next := o.gateway("GET", "/wiki/api/v2/pages?limit=2", token("read:page:confluence"), "").str("_links.next")
	if !strings.HasPrefix(next, "/wiki/api/v2/pages?") {
		t.Errorf("the next page is at %q, want an address of the site", next)
	}
	if a := o.gateway("GET", next, token("read:page:confluence"), ""); a.status != 200 || len(a.results()) != 2 {
		t.Errorf("the next page = %d", a.status)
	}
}

func TestServiceAccountsAndScopedTokens(t *testing.T) {
	o := newOAuth(t, confluence.Options{Seed: true})
	bot := o.AddServiceAccount(confluence.ServiceAccount{Name: "Bot", Scopes: []string{"read:page:confluence", "read:confluence-user"}})
	a := o.exchange(obj{"grant_type": "client_credentials", "client_id": bot.ClientID, "client_secret": bot.ClientSecret})
	if a.status != 200 || a.str("refresh_token") != "" {
		t.Fatalf("client credentials = %d %s", a.status, a.text)
	}
	me := o.gateway("GET", "/wiki/rest/api/user/current", a.str("access_token"), "")
	if me.str("displayName") != "Bot" || me.str("accountType") != "app" {
		t.Errorf("the service account is %s", me.text)
	}
	if got := o.exchange(obj{"grant_type": "client_credentials"}); got.status != 403 {
		t.Errorf("a 3LO app has no client credentials: %d", got.status)
	}
	scoped := o.AddScopedToken(o.me.AccountID, "read:page:confluence")
	basic := func(path string) answer {
		req := httptest.NewRequest("GET", "https://test.atlassian.net"+path, nil)
		req.SetBasicAuth(o.me.Email, scoped)
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, req)
		return answer{status: w.Code, text: w.Body.String(), header: w.Header()}
	}
	if got := basic("/wiki/api/v2/pages"); got.status != 401 || !strings.Contains(got.text, "<html") {
		t.Errorf("a scoped token at the site host = %d %s", got.status, got.text)
	}
	if got := basic("/ex/confluence/" + o.CloudID() + "/wiki/api/v2/pages"); got.status != 200 || got.header.Get("X-RateLimit-Limit") != "" {
		t.Errorf("a scoped token at the gateway = %d %v; it has no quota", got.status, got.header)
	}
	if got := basic("/ex/confluence/" + o.CloudID() + "/wiki/api/v2/spaces"); got.status != 401 {
		t.Errorf("beyond its scopes = %d", got.status)
	}
	if o.AddScopedToken("nobody") != "" {
		t.Error("a token for nobody")
	}
}

func TestQuota(t *testing.T) {
	o := newOAuth(t, confluence.Options{Seed: true, Quota: 40, Burst: 3})
	tokens, err := o.IssueTokens(o.app.ClientID, o.me.AccountID, "read:page:confluence", "read:confluence-user")
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) answer { return o.gateway("GET", path, tokens.AccessToken, "") }
	if a := get("/wiki/api/v2/pages?limit=10"); a.header.Get("X-RateLimit-Remaining") != "29" || a.header.Get("X-RateLimit-Limit") != "40" {
		t.Errorf("ten pages cost 11 points: %v", a.header)
	}
	if a := get("/wiki/rest/api/user/current"); a.header.Get("X-RateLimit-Remaining") != "26" {
		t.Errorf("a user costs 3 points: %v", a.header)
	}
	if a := get("/wiki/api/v2/pages?limit=25"); a.status != 200 || a.header.Get("X-RateLimit-Remaining") != "0" || a.header.Get("X-RateLimit-NearLimit") != "true" {
		t.Errorf("the last points: %d %v", a.status, a.header)
	}
	a := get("/wiki/api/v2/pages")
	wait, _ := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != 429 || a.header.Get("RateLimit-Reason") != "confluence-quota-global-based" || wait < 1 || wait > 3600 {
		t.Fatalf("beyond the quota = %d %v", a.status, a.header)
	}
	o.clock = o.clock.Add(time.Duration(wait) * time.Second)
	if tokens, err = o.IssueTokens(o.app.ClientID, o.me.AccountID, "read:page:confluence", "read:confluence-user"); err != nil {
		t.Fatal(err)
	}
	if a := get("/wiki/api/v2/pages?limit=1"); a.status != 200 {
		t.Errorf("after waiting = %d", a.status)
	}
	o.must(200, "GET", "/wiki/api/v2/pages", nil)

	o.Throttle(1, "/user/current", 7*time.Second)
	if a := get("/wiki/rest/api/user/current"); a.status != 429 || a.header.Get("Retry-After") != "7" {
		t.Errorf("on demand = %d %v", a.status, a.header)
	}
}

func TestBurst(t *testing.T) {
	still := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := confluence.New(confluence.Options{Seed: true, Burst: 2, Clock: func() time.Time { return still }})
	u := s.AddUser(confluence.User{Email: "a@example.com"})
	token := s.AddScopedToken(u.AccountID, "read:space:confluence")
	var got []int
	for range 3 {
		req := httptest.NewRequest(http.MethodGet, "/ex/confluence/"+s.CloudID()+"/wiki/api/v2/spaces", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		got = append(got, w.Code)
	}
	if got[1] != 200 || got[2] != 429 {
		t.Errorf("three calls in a second, two allowed: %v", got)
	}
}
