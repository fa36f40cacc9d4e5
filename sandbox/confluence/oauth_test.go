package confluence_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// walk asks for consent and exchanges the code.
func (o *oauth) walk(q url.Values, c confluence.Consent, more obj) answer {
	o.tb.Helper()
	back, err := o.Consent("https://auth.atlassian.com/authorize?"+q.Encode(), c)
	if err != nil {
		o.tb.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		o.tb.Fatal(err)
	}
	in := obj{"grant_type": "authorization_code", "code": u.Query().Get("code"), "redirect_uri": redirect}
	for k, v := range more {
		in[k] = v
	}
	return o.exchange(in)
}

func TestPKCE(t *testing.T) {
	o := newOAuth(t, confluence.Options{})
	const verifier = "a-verifier-of-forty-three-characters-or-more"
	sum := sha256.Sum256([]byte(verifier))
	q := o.question("read:space:confluence")
	q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	if a := o.do("GET", "/authorize?"+q.Encode(), "", ""); a.status != 400 {
		t.Errorf("a challenge without its method = %d", a.status)
	}
	q.Set("code_challenge_method", "S256")
	page := o.do("GET", "/authorize?"+q.Encode(), "", "")
	if !strings.Contains(page.text, `name="code_challenge" value="`+q.Get("code_challenge")+`"`) {
		t.Errorf("the page loses the challenge: %s", page.text)
	}
	me := confluence.Consent{Account: o.me.AccountID}
	for name, tc := range map[string]struct {
		in   obj
		want int
	}{"right": {obj{"code_verifier": verifier}, 200}, "wrong": {obj{"code_verifier": verifier + "x"}, 403}, "none": {nil, 403}} {
		if a := o.walk(q, me, tc.in); a.status != tc.want {
			t.Errorf("a %s verifier = %d %s", name, a.status, a.text)
		}
	}
	if a := o.walk(o.question("read:space:confluence"), me, obj{"code_verifier": verifier}); a.status != 403 {
		t.Errorf("a verifier without a challenge = %d", a.status)
	}
}

func TestConsentIsWhatThePersonSays(t *testing.T) {
	o := newOAuth(t, confluence.Options{})
	const all = "read:space:confluence write:page:confluence offline_access"
	a := o.walk(o.question(all), confluence.Consent{Account: o.me.AccountID, Scopes: []string{"read:space:confluence", "offline_access"}}, nil)
	if a.str("scope") != "read:space:confluence offline_access" {
		t.Errorf("narrowed = %s", a.text)
	}
	q := o.question(all)
	back, err := o.Consent("/authorize?"+q.Encode(), confluence.Consent{Account: o.me.AccountID, Deny: true})
	if err != nil || !strings.Contains(back, "error=access_denied") || !strings.Contains(back, "state=s+t") {
		t.Errorf("denied = %q, %v", back, err)
	}
	if _, err := o.Consent("/authorize?"+q.Encode(), confluence.Consent{Account: "nobody"}); err == nil || !strings.Contains(err.Error(), "nobody's account id") {
		t.Errorf("nobody consents: %v", err)
	}
	q.Set("account", o.me.AccountID)
	q.Set("decision", "accept")
	q.Set("choose", "scopes") // the page with all ticks taken away
	if a := o.do("POST", "/authorize", "", q.Encode()); a.status != 400 {
		t.Errorf("no scope at all = %d %s", a.status, a.header.Get("Location"))
	}
	want := confluence.OAuthCounts{Consents: 1, Denials: 1, Codes: 1}
	if diff := cmp.Diff(want, o.OAuthCounts(o.app.ClientID)); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestSeveralSites(t *testing.T) {
	o := newOAuth(t, confluence.Options{})
	second, err := o.AddSite(confluence.Options{Site: "second", Seed: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.AddSite(confluence.Options{Site: "second"}); err == nil {
		t.Error("two sites of one name")
	}
	if _, err := o.Consent("/authorize?"+o.question("read:page:confluence").Encode(), confluence.Consent{Account: o.me.AccountID, Sites: []string{second.CloudID()}}); err == nil {
		t.Error("a site that the account is not on was accepted")
	}
	second.AddUser(confluence.User{AccountID: o.me.AccountID, Email: o.me.Email, DisplayName: "Ann there"})
	reads := func(token, cloud string) int {
		return o.do("GET", "/ex/confluence/"+cloud+"/wiki/api/v2/pages", "Bearer "+token, "").status
	}
	sites := func(token string) string {
		return o.do("GET", "/oauth/token/accessible-resources", "Bearer "+token, "").text
	}
	there := confluence.Consent{Account: o.me.AccountID, Sites: []string{second.CloudID()}}
	one := o.walk(o.question("read:page:confluence offline_access"), there, nil).str("access_token")
	if got := []int{reads(one, o.CloudID()), reads(one, second.CloudID())}; !slices.Equal(got, []int{403, 200}) {
		t.Errorf("a token for the second site reads with %v", got)
	}
	if got := sites(one); strings.Contains(got, o.CloudID()) || !strings.Contains(got, `"url":"https://second.atlassian.net"`) {
		t.Errorf("its sites = %s", got)
	}
	page := o.do("GET", "/ex/confluence/"+second.CloudID()+"/wiki/api/v2/pages?limit=1", "Bearer "+one, "")
	if page.str("_links.base") != "https://second.atlassian.net/wiki" {
		t.Errorf("the second site answers with the links of %q", page.str("_links.base"))
	}
	both := o.walk(o.question("read:page:confluence offline_access"), confluence.Consent{Account: o.me.AccountID}, nil).str("access_token")
	if got := []int{reads(both, o.CloudID()), reads(both, second.CloudID()), reads(one, o.CloudID())}; !slices.Equal(got, []int{200, 200, 403}) {
		t.Errorf("after consent for the first site too: %v", got)
	}
	if n := len(o.Grants(o.me.AccountID)); n != 2 {
		t.Errorf("%d grants", n)
	}
	second.RemoveUser(o.me.AccountID)
	if got := []int{reads(both, o.CloudID()), reads(both, second.CloudID())}; !slices.Equal(got, []int{200, 401}) {
		t.Errorf("after leaving the second site: %v", got)
	}
}

func TestRevokingOneApp(t *testing.T) {
	o := newOAuth(t, confluence.Options{})
	o.space("DOC")
	other := o.AddOAuthApp(confluence.OAuthApp{Name: "Other"})
	token := func(app string) confluence.Tokens {
		tokens, err := o.IssueTokens(app, o.me.AccountID, "read:space:confluence", "offline_access")
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	ours, theirs := token(o.app.ClientID), token(other.ClientID)
	works := func(x confluence.Tokens) int {
		return o.gateway("GET", "/wiki/api/v2/spaces", x.AccessToken, "").status
	}
	if n := o.RevokeGrant(o.app.ClientID, o.me.AccountID); n != 1 {
		t.Errorf("revoked %d grants", n)
	}
	if a := o.exchange(obj{"grant_type": "refresh_token", "refresh_token": ours.RefreshToken}); a.status != 403 || a.str("error") != "unauthorized_client" {
		t.Errorf("a revoked refresh token = %d %s", a.status, a.text)
	}
	if works(ours) != 401 || works(theirs) != 200 {
		t.Errorf("after revoking: %d, the other app %d", works(ours), works(theirs))
	}
	o.RemoveOAuthApp(other.ClientID)
	if works(theirs) != 401 || len(o.Grants("")) != 0 {
		t.Errorf("after removing the app: %d, %d grants", works(theirs), len(o.Grants("")))
	}
}

func TestKnobsOfTokens(t *testing.T) {
	o := newOAuth(t, confluence.Options{AccessLife: 90 * time.Second, RefreshGrace: -1})
	o.space("DOC")
	a := o.walk(o.question("read:space:confluence offline_access"), confluence.Consent{Account: o.me.AccountID}, nil)
	if a.get("expires_in") != 90.0 {
		t.Errorf("expires_in = %v", a.get("expires_in"))
	}
	o.clock = o.clock.Add(90 * time.Second)
	if got := o.gateway("GET", "/wiki/api/v2/spaces", a.str("access_token"), ""); got.status != 401 {
		t.Errorf("after its life: %d", got.status)
	}
	refresh := func(token string) answer {
		return o.exchange(obj{"grant_type": "refresh_token", "refresh_token": token})
	}
	next := refresh(a.str("refresh_token"))
	if next.status != 200 {
		t.Fatalf("refresh = %d", next.status)
	}
	if got := refresh(a.str("refresh_token")); got.status != 403 {
		t.Errorf("without grace a token works once, got %d", got.status)
	}
	if got := refresh(next.str("refresh_token")); got.status != 403 {
		t.Errorf("its family ended, got %d", got.status)
	}
	want := confluence.OAuthCounts{Consents: 1, Codes: 1, Refreshes: 1, StaleReuses: 1, Refused: 2}
	if diff := cmp.Diff(want, o.OAuthCounts("")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// TestFaultsOfTheTokenEndpoint goes over a listener: a dropped connection is one.
func TestFaultsOfTheTokenEndpoint(t *testing.T) {
	srv := confluence.NewServer(confluence.Options{})
	t.Cleanup(srv.Close)
	ann := srv.AddUser(confluence.User{Email: "ann@example.com"})
	app := srv.AddOAuthApp(confluence.OAuthApp{})
	tokens, err := srv.IssueTokens(app.ClientID, ann.AccountID, "read:space:confluence", "offline_access")
	if err != nil {
		t.Fatal(err)
	}
	refresh := func() (*http.Response, error) {
		form := url.Values{"grant_type": {"refresh_token"}, "client_id": {app.ClientID}, "client_secret": {app.ClientSecret}, "refresh_token": {tokens.RefreshToken}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/oauth/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
		}
		return res, err
	}
	srv.Fail(confluence.Fault{Grant: "client_credentials", Status: 500}) // not ours
	srv.RefuseTokens(1, "refresh_token", "invalid_grant")
	srv.Fail(confluence.Fault{Grant: "refresh_token", Status: 429, RetryAfter: 7 * time.Second})
	srv.Fail(confluence.Fault{Grant: "refresh_token", Drop: true})
	if res, err := refresh(); err != nil || res.StatusCode != 403 {
		t.Errorf("refused = %v %v", res, err)
	}
	if res, err := refresh(); err != nil || res.StatusCode != 429 || res.Header.Get("Retry-After") != "7" {
		t.Errorf("limited = %v %v", res, err)
	}
	if n := srv.OAuthCounts("").Refreshes; n != 0 {
		t.Errorf("%d refreshes were carried out", n)
	}
	if _, err := refresh(); err == nil {
		t.Error("a dropped connection gave an answer")
	}
	if n := srv.OAuthCounts("").Refreshes; n != 1 {
		t.Errorf("a dropped connection: %d refreshes were carried out, want 1", n)
	}
	if res, err := refresh(); err != nil || res.StatusCode != 200 {
		t.Errorf("within the grace the lost answer is had again: %v %v", res, err)
	}
	if n := srv.OAuthCounts("").GraceReuses; n != 1 {
		t.Errorf("%d reuses", n)
	}
}
