package ui_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
)

// A person consents, and the account works on their site with what was granted.
func TestConsent(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "https://app.example/connected?a=1")
	p := c.look(c.open(address))
	for _, want := range []string{"asks to work in Confluence", "user ann", "Afterwards you return to app.example", "See ", "Delete ", "while you are away", "Continue to Confluence"} {
		if !strings.Contains(text(p), want) {
			t.Errorf("the page does not say %q: %s", want, text(p))
		}
	}
	to := c.leave(address, "https://acme.atlassian.net/wiki")
	u, err := url.Parse(to)
	must(t, err)
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("audience") != "api.atlassian.com" ||
		q.Get("redirect_uri") != c.server.URL+"/oauth/callback" || len(q.Get("state")) < 40 || q.Get("response_type") != "code" {
		t.Errorf("the way out: %s", to)
	}
	asked := strings.Fields(q.Get("scope"))
	for _, scope := range []string{"offline_access", "read:page:confluence", "write:page:confluence", "read:content-details:confluence"} {
		if !slices.Contains(asked, scope) {
			t.Errorf("%s is not asked for: %v", scope, asked)
		}
	}
	done := c.back(c.consent(to, answer{}))
	want := "https://app.example/connected?a=1&appName=confluence&connectedAccountId=" + id + "&connected_account_id=" + id + "&status=success"
	if done.Status != http.StatusSeeOther || done.Header.Get("Location") != want {
		t.Fatalf("the end: %d %q %s", done.Status, done.Header.Get("Location"), text(done))
	}
	a := c.account(id)
	if a.Status != domain.AccountActive || a.Identity["id"] != c.ann.AccountID || a.Generation != 1 || a.RefreshAt.IsZero() || !a.ExpiresAt.After(a.RefreshAt) {
		t.Errorf("the account: %+v", a)
	}
	if diff := cmp.Diff(map[string]string{"subdomain": "acme", "cloud_id": c.srv.CloudID(), "base_url": c.srv.URL + "/ex/confluence/" + c.srv.CloudID()}, a.Fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(asked, a.Scopes); diff != "" {
		t.Errorf("scopes: %s", diff)
	}
	if got := c.whoRuns(a); got != c.ann.AccountID {
		t.Errorf("a tool runs as %q", got)
	}
	if diff := cmp.Diff([]string{"access_token", "refresh_token"}, c.secrets(id)); diff != "" {
		t.Errorf("secrets: %s", diff)
	}
	if diff := cmp.Diff(sandbox.OAuthCounts{Consents: 1, Codes: 1}, c.srv.OAuthCounts(c.app.ClientID)); diff != "" {
		t.Error(diff)
	}
	if p := c.look(c.open(address)); p.Status != http.StatusGone {
		t.Errorf("the link again: %d", p.Status)
	}
	c.nothingLeaks()
}

// secrets gives the names of what is sealed for the account.
func (c *cloud) secrets(account string) []string {
	c.t.Helper()
	sealed, err := c.db.Secrets(c.t.Context(), c.project, account)
	must(c.t, err)
	var names []string
	for name, b := range sealed {
		names = append(names, name)
		if strings.Contains(string(b), "sbx") {
			c.t.Errorf("%s is not sealed", name)
		}
	}
	slices.Sort(names)
	return names
}

// nothingLeaks says that no page, address or log line of ours has held a token,
// a code or the application's secret.
func (c *cloud) nothingLeaks() {
	c.t.Helper()
	for where, what := range map[string]string{"a page": c.seen.String(), "the log": c.log.String()} {
		for _, secret := range []string{"sbx.", "sbxr.", c.app.ClientSecret, "code="} {
			if strings.Contains(what, secret) {
				c.t.Errorf("%s holds %q", where, secret)
			}
		}
	}
}

func TestSiteIsChosen(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	both := []string{c.srv.CloudID(), c.labs.CloudID()}

	id, address := c.link(c.config, "")
	p := c.back(c.consent(c.leave(address, ""), answer{sites: both}))
	if p.Status != 200 || !strings.Contains(text(p), "Which site") || !strings.Contains(text(p), "acme-labs") || strings.Contains(p.Header.Get("Location"), "code") {
		t.Fatalf("the question: %d %s", p.Status, text(p))
	}
	if a := c.account(id); a.Status == domain.AccountActive {
		t.Error("ACTIVE before the site is chosen")
	}
	if diff := cmp.Diff([]string{"pending_grant"}, c.secrets(id)); diff != "" {
		t.Errorf("before the choice: %s", diff)
	}
	finish := c.server.URL + p.Header.Get("Location")
	if again := c.look(c.open(finish)); again.Status != 200 {
		t.Errorf("the question, loaded again: %d", again.Status)
	}
	if odd := c.look(c.send(finish, url.Values{"csrf": p.Form["csrf"], "site": {"nowhere"}, "action": {"finish"}})); odd.Status != 200 || !strings.Contains(text(odd), "Which site") {
		t.Errorf("a site that was not granted: %d %s", odd.Status, text(odd))
	}
	done := c.look(c.send(finish, url.Values{"csrf": p.Form["csrf"], "site": {c.labs.CloudID()}, "action": {"finish"}}))
	if done.Status != 200 || !strings.Contains(text(done), "connected as Ann of Acme at acme-labs") {
		t.Fatalf("the end: %d %s", done.Status, text(done))
	}
	if a := c.account(id); a.Status != domain.AccountActive || a.Fields["subdomain"] != "acme-labs" || a.Fields["cloud_id"] != c.labs.CloudID() {
		t.Errorf("the account: %+v", a)
	}
	if again := c.look(c.send(finish, url.Values{"csrf": p.Form["csrf"], "site": {c.srv.CloudID()}, "action": {"finish"}})); again.Status != http.StatusForbidden || !strings.Contains(text(again), "finished") {
		t.Errorf("the answer again: %d %s", again.Status, text(again))
	}

	// Named beforehand, nothing is asked.
	id, address = c.link(c.config, "")
	if p := c.back(c.consent(c.leave(address, "acme-labs"), answer{sites: both})); p.Status != 200 || c.account(id).Fields["subdomain"] != "acme-labs" {
		t.Errorf("named: %d %s", p.Status, text(p))
	}
	c.nothingLeaks()
}

func TestSiteThatWasNotGranted(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "https://app.example/x")
	if p := c.look(c.send(address, c.fields(address, "wiki.acme.example"))); p.Status != 400 || !strings.Contains(text(p), "subdomain") {
		t.Errorf("not a site's name: %d %s", p.Status, text(p))
	}
	p := c.back(c.consent(c.leave(address, "acme-labs"), answer{}))
	if p.Status != 400 || !strings.Contains(text(p), "acme-labs was not among the sites that were allowed: acme.") {
		t.Errorf("another site: %d %s", p.Status, text(p))
	}
	if a := c.account(id); a.Status != domain.AccountFailed || !strings.Contains(a.StatusReason, "acme-labs") {
		t.Errorf("the account: %s %s", a.Status, a.StatusReason)
	}
	// The same browser asks again and allows the right one.
	again := c.away(c.send(c.server.URL+formAction(p), p.Form, "Sec-Fetch-Site", "same-origin"))
	if p := c.back(c.consent(again, answer{sites: []string{c.labs.CloudID()}})); p.Status != http.StatusSeeOther || c.account(id).Status != domain.AccountActive {
		t.Errorf("again: %d %s", p.Status, text(p))
	}
}

// fields gives the form of a link with the subdomain typed.
func (c *cloud) fields(address, subdomain string) url.Values {
	c.t.Helper()
	p := c.open(address)
	p.Form.Set("field-subdomain", subdomain)
	return p.Form
}

// formAction gives where the page's form goes, and adds its button to the form.
func formAction(p page) string {
	for n := range p.HTML.Descendants() {
		if n.Data == "button" && attr(n, "value") == "again" {
			p.Form.Set("action", "again")
		}
	}
	for n := range p.HTML.Descendants() {
		if n.Data == "form" {
			return attr(n, "action")
		}
	}
	return ""
}

func TestDenial(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "https://app.example/x?keep=1")
	p := c.back(c.consent(c.leave(address, "acme"), answer{deny: true}))
	if p.Status != http.StatusForbidden || !strings.Contains(text(p), "You did not allow the access") {
		t.Fatalf("denied: %d %s", p.Status, text(p))
	}
	want := `https://app.example/x?appName=confluence&amp;connectedAccountId=` + id + `&amp;connected_account_id=` + id + `&amp;error=access_denied&amp;keep=1&amp;status=failed`
	if !strings.Contains(p.Text, want) {
		t.Errorf("the application is not told: %s", p.Text[strings.Index(p.Text, "<body"):])
	}
	if a := c.account(id); a.Status != domain.AccountFailed || a.StatusReason == "" {
		t.Errorf("the account: %s %q", a.Status, a.StatusReason)
	}
	if p := c.back(c.consent(c.away(c.send(c.server.URL+formAction(p), p.Form)), answer{})); p.Status != http.StatusSeeOther {
		t.Errorf("asked again: %d %s", p.Status, text(p))
	}
	if a := c.account(id); a.Status != domain.AccountActive || a.StatusReason != "" {
		t.Errorf("the account in the end: %s %q", a.Status, a.StatusReason)
	}
	for code, says := range map[string]string{
		"invalid_scope": "does not know a permission", "temporarily_unavailable": "could not answer just now", "made_up": "made_up <b>bold</b>", "": "without an answer",
	} {
		_, address := c.link(c.config, "")
		u, err := url.Parse(c.leave(address, ""))
		must(t, err)
		p := c.back(c.server.URL + "/oauth/callback?" + url.Values{"state": {u.Query().Get("state")}, "error": {code}, "error_description": {"<b>bold</b>\u202e"}}.Encode())
		if p.Status == 200 || !strings.Contains(text(p), says) || strings.Contains(p.Text, "<b>bold") {
			t.Errorf("%s: %d %s", code, p.Status, text(p))
		}
	}
}

// What was unticked is said before it hurts, and kept in mind afterwards.
func TestShortfall(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "")
	p := c.back(c.consent(c.leave(address, "acme"), answer{drop: []string{"delete:page:confluence", "write:comment:confluence"}}))
	says := text(p)
	if p.Status != 200 || !strings.Contains(says, "tools will not work. Missing: delete:page:confluence, write:comment:confluence.") || !strings.Contains(says, "CONFLUENCE_DELETE_PAGE") {
		t.Fatalf("the page: %d %s", p.Status, says)
	}
	if a := c.account(id); a.Status == domain.AccountActive {
		t.Error("ACTIVE before the person knows")
	}
	finish := c.server.URL + p.Header.Get("Location")
	form := p.Form
	form.Set("action", "finish")
	if done := c.look(c.send(finish, form)); done.Status != 200 || !strings.Contains(text(done), "is connected") {
		t.Fatalf("anyway: %d %s", done.Status, text(done))
	}
	a := c.account(id)
	if a.Status != domain.AccountActive || slices.Contains(a.Scopes, "delete:page:confluence") || !slices.Contains(a.Scopes, "read:page:confluence") {
		t.Errorf("the account: %s %v", a.Status, a.Scopes)
	}

	id, address = c.link(c.config, "")
	p = c.back(c.consent(c.leave(address, "acme"), answer{drop: []string{"write:page:confluence"}}))
	p.Form.Set("action", "again")
	again := c.away(c.send(c.server.URL+p.Header.Get("Location"), p.Form))
	if done := c.back(c.consent(again, answer{})); done.Status != 200 || !slices.Contains(c.account(id).Scopes, "write:page:confluence") {
		t.Errorf("asked again: %d %s", done.Status, text(done))
	}
}

// What the project allows narrows what is asked for.
func TestAskedScopes(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	for name, tc := range map[string]struct {
		change connect.AuthConfigChange
		want   string
	}{
		"tools":    {connect.AuthConfigChange{Tools: &[]string{"CONFLUENCE_GET_PAGE_BY_ID", "CONFLUENCE_DELETE_PAGE"}, CreationTools: &[]string{"CONFLUENCE_GET_AUDIT_LOGS", "CONFLUENCE_GET_PAGE_BY_ID"}}, "offline_access read:content-details:confluence read:page:confluence"},
		"own list": {connect.AuthConfigChange{Scopes: &[]string{"read:page:confluence"}}, "read:page:confluence"},
	} {
		cfg := c.authConfig("OAUTH2", c.app.ClientID, c.app.ClientSecret, nil)
		_, err := c.connect.UpdateAuthConfig(t.Context(), c.project, cfg.ID, tc.change)
		must(t, err)
		_, address := c.link(cfg, "")
		u, err := url.Parse(c.leave(address, ""))
		must(t, err)
		if got := u.Query().Get("scope"); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}

// An expired account is connected again: it stays itself, and nobody else takes
// its place.
func TestReconnect(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	bob := c.srv.AddUser(sandbox.User{Email: "bob@acme.example", DisplayName: "Bob", Admin: true})
	id, address := c.link(c.config, "")
	c.back(c.consent(c.leave(address, "acme"), answer{}))
	before := c.account(id)
	before.Status, before.StatusReason = domain.AccountExpired, "the provider says so"
	must(t, c.db.UpdateAccount(t.Context(), c.project, *before))

	again := func() string {
		in, err := c.connect.Reconnect(t.Context(), c.project, id, "")
		must(t, err)
		return c.server.URL + "/link/" + in.Token
	}
	address = again()
	if p := c.look(c.open(address)); !strings.Contains(text(p), "Connect Confluence again") || !strings.Contains(text(p), "at acme") || p.Form.Has("field-subdomain") {
		t.Errorf("the page: %s", text(p))
	}
	sealed, err := c.db.Secrets(t.Context(), c.project, id)
	must(t, err)
	for name, a := range map[string]answer{"another person": {as: bob.AccountID}, "another site": {sites: []string{c.labs.CloudID()}}, "nobody": {deny: true}} {
		if name == "another site" {
			c.srv.RevokeGrants(c.ann.AccountID) // else the earlier site is granted still
		}
		p := c.back(c.consent(c.leave(again(), ""), a))
		if p.Status/100 != 4 {
			t.Errorf("%s: %d %s", name, p.Status, text(p))
		}
		now := c.account(id)
		if diff := cmp.Diff(before, now); diff != "" {
			t.Errorf("%s changed the account: %s", name, diff)
		}
		after, err := c.db.Secrets(t.Context(), c.project, id)
		must(t, err)
		for field := range sealed {
			if string(after[field]) != string(sealed[field]) {
				t.Errorf("%s changed %s", name, field)
			}
		}
	}
	if p := c.back(c.consent(c.leave(address, ""), answer{})); p.Status != 200 {
		t.Fatalf("the same person: %d %s", p.Status, text(p))
	}
	after := c.account(id)
	if after.Status != domain.AccountActive || after.Generation != before.Generation+1 || after.WordID != before.WordID || after.Fields["subdomain"] != "acme" {
		t.Errorf("the account: %+v", after)
	}
	if got := c.whoRuns(after); got != c.ann.AccountID {
		t.Errorf("it runs as %q", got)
	}
	if diff := cmp.Diff([]string{"access_token", "refresh_token"}, c.secrets(id)); diff != "" {
		t.Errorf("secrets: %s", diff)
	}
}

func TestServiceAccount(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	robot := c.srv.AddServiceAccount(sandbox.ServiceAccount{Name: "Robot", Scopes: []string{"read:content-details:confluence", "read:page:confluence"}})
	cfg := c.authConfig(domain.SchemeS2SOAuth2, robot.ClientID, robot.ClientSecret, nil)
	id, address := c.link(cfg, "")
	if p := c.look(c.open(address)); !strings.Contains(text(p), "as a service account") {
		t.Errorf("the page: %s", text(p))
	}
	if p := c.look(c.send(address, c.fields(address, "acme-labs"))); p.Status != 400 || !strings.Contains(text(p), "was not among the sites") {
		t.Errorf("another site: %d %s", p.Status, text(p))
	}
	if p := c.look(c.send(address, c.fields(address, "acme"))); p.Status != 200 {
		t.Fatalf("the site: %d %s", p.Status, text(p))
	}
	in := connect.Start{ProjectID: c.project, UserID: "ann", AuthConfigID: cfg.ID}
	direct, err := c.connect.Connect(t.Context(), in, map[string]string{"subdomain": "acme"})
	must(t, err)
	for _, a := range []*domain.ConnectedAccount{c.account(id), c.account(direct.ID)} {
		if a.Status != domain.AccountActive || a.Fields["cloud_id"] != c.srv.CloudID() || a.ExpiresAt.IsZero() || c.whoRuns(a) != robot.AccountID {
			t.Errorf("the account: %+v", a)
		}
		if diff := cmp.Diff(robot.Scopes, a.Scopes); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"access_token"}, c.secrets(a.ID)); diff != "" {
			t.Error(diff)
		}
	}
	wrong := c.authConfig(domain.SchemeS2SOAuth2, robot.ClientID, "wrong", nil)
	in.AuthConfigID = wrong.ID
	if _, err := c.connect.Connect(t.Context(), in, map[string]string{"subdomain": "acme"}); domain.CodeOf(err) != domain.CodeForbidden || !strings.Contains(err.Error(), "refused the application") {
		t.Errorf("a wrong secret: %v", err)
	}
	in.AuthConfigID = c.config.ID
	if _, err := c.connect.Connect(t.Context(), in, map[string]string{"subdomain": "acme"}); domain.CodeOf(err) != domain.CodeUnsupported {
		t.Errorf("without consent: %v", err)
	}
}

// A token with scopes is typed as any other; that it works at the gateway alone
// is found out.
func TestScopedToken(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	token := c.srv.AddScopedToken(c.ann.AccountID, "read:content-details:confluence", "read:page:confluence")
	cfg, err := c.connect.CreateAuthConfig(t.Context(), c.project, connect.NewAuthConfig{
		Toolkit: "confluence", Scheme: domain.SchemeAPIKey, Credentials: map[string]string{"api_url": c.srv.URL},
	})
	must(t, err)
	id, address := c.link(cfg, "")
	form := c.fields(address, "acme")
	form.Set("field-generic_id", c.ann.Email)
	form.Set("field-generic_api_key", token)
	form.Set("field-base_url", c.srv.URL)
	if p := c.look(c.send(address, form)); p.Status != 200 {
		t.Fatalf("%d %s", p.Status, text(p))
	}
	a := c.account(id)
	if a.Fields["gateway_url"] != c.srv.URL+"/ex/confluence/"+c.srv.CloudID() || c.whoRuns(a) != c.ann.AccountID {
		t.Errorf("the account: %+v", a)
	}
}

func TestFlowTakesTooLong(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "")
	to := c.consent(c.leave(address, ""), answer{})
	c.later.Store(int64(11 * time.Minute))
	if p := c.back(to); p.Status != http.StatusGone || !strings.Contains(text(p), "too long") {
		t.Errorf("%d %s", p.Status, text(p))
	}
	if n := c.srv.OAuthCounts("").Codes; n != 0 || c.account(id).Status == domain.AccountActive {
		t.Errorf("codes: %d", n)
	}
}

// The link may run out while the person is with the provider.
func TestLinkRunsOutOnTheWay(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id, address := c.link(c.config, "")
	c.later.Store(int64(9 * time.Minute))
	to := c.consent(c.leave(address, "acme"), answer{})
	c.later.Store(int64(13 * time.Minute))
	if p := c.back(to); p.Status != 200 || c.account(id).Status != domain.AccountActive {
		t.Errorf("%d %s", p.Status, text(p))
	}
}
