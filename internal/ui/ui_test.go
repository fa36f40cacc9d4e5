package ui_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/ui"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

const goodKey = "notes-secret-7c1f"

// site is the connect pages over a fresh database, with a browser.
type site struct {
	t       *testing.T
	server  *httptest.Server
	connect *connect.Service
	project string
	browser *http.Client
	later   atomic.Int64 // nanoseconds that the clock is ahead
	// When set, each check tells held and waits for hold.
	held, hold chan struct{}
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+goodKey {
			w.WriteHeader(http.StatusUnauthorized)
		}
		if s.hold != nil {
			s.held <- struct{}{}
			<-s.hold
		}
	}))
	t.Cleanup(upstream.Close)
	ctx, dir := t.Context(), t.TempDir()
	db, err := sqlstore.Open(ctx, sqlstore.Options{Path: filepath.Join(dir, "sluice.db")})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	v, err := vault.Open(ctx, vault.Options{Keys: vault.FileKey(filepath.Join(dir, "key")), Load: db.LoadKeyset, Save: db.SaveKeyset})
	must(t, err)
	p, err := identity.New(identity.Options{Store: db}).Setup(ctx)
	must(t, err)
	cat, err := catalog.New(notes(upstream.URL))
	must(t, err)
	up, err := httpx.New(httpx.Options{AllowAddrs: []netip.AddrPort{netip.MustParseAddrPort(strings.TrimPrefix(upstream.URL, "http://"))}})
	must(t, err)
	s.project = p.ID
	s.connect = connect.New(connect.Options{Store: db, Vault: v, Catalog: cat, HTTP: up, Now: func() time.Time { return time.Now().Add(time.Duration(s.later.Load())) }})
	s.server = httptest.NewServer(ui.New(ui.Options{Connect: s.connect}))
	t.Cleanup(s.server.Close)
	s.browser = newBrowser(t)
	return s
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func notes(base string) *toolkit.Toolkit {
	return &toolkit.Toolkit{
		Slug: "notes", Name: "Notes", Description: "Notes of a team.", Version: "20260101_00",
		Auth: []toolkit.Auth{{
			Scheme: "API_KEY",
			Fields: []toolkit.Field{
				{Name: "subdomain", DisplayName: "Your subdomain", Required: true, Description: `The part before ".notes.example"`, Placeholder: "acme"},
				{Name: "generic_id", DisplayName: "E-mail", Type: "email"},
				{Name: "generic_api_key", DisplayName: "API token", Required: true, Secret: true},
			},
			BaseURL: func(f map[string]string) (string, error) {
				if strings.Contains(f["subdomain"], ".") {
					return "", toolkit.Invalid("subdomain", "give the part before the dot")
				}
				return base, nil
			},
			Authorize: func(r *http.Request, _ map[string]string, s toolkit.Secrets) {
				r.Header.Set("Authorization", "Bearer "+s["generic_api_key"])
			},
		}},
		Check: func(ctx context.Context, c *toolkit.Call) (toolkit.Identity, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.BaseURL+"/me", nil)
			if err != nil {
				return nil, err
			}
			resp, err := c.HTTP.Do(req)
			if err != nil {
				return nil, err
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return nil, &toolkit.Error{Kind: toolkit.KindAuth, Message: "the token is not good", Status: resp.StatusCode}
			}
			return toolkit.Identity{"name": "Jane Doe"}, nil
		},
	}
}

// begin starts a connection and gives its account and the page's address.
func (s *site) begin(user, callback string) (account, address string) {
	s.t.Helper()
	in, err := s.connect.Initiate(s.t.Context(), connect.Start{ProjectID: s.project, UserID: user, Toolkit: "notes", CallbackURL: callback})
	must(s.t, err)
	return in.Account.ID, s.server.URL + "/link/" + in.Token
}

// page is what the browser shows.
type page struct {
	Status int
	Header http.Header
	Text   string
	Form   url.Values // the form as it stands
	HTML   *html.Node
}

func (s *site) open(address string) page {
	s.t.Helper()
	resp, err := s.browser.Get(address)
	must(s.t, err)
	return s.read(resp)
}

func (s *site) read(resp *http.Response) page {
	s.t.Helper()
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	must(s.t, err)
	p := page{Status: resp.StatusCode, Header: resp.Header, Text: string(raw), Form: url.Values{}}
	p.HTML, err = html.Parse(strings.NewReader(p.Text))
	must(s.t, err)
	for n := range p.HTML.Descendants() {
		if n.Data == "input" {
			p.Form.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	return p
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// send posts a form as a browser does.
func (s *site) send(address string, form url.Values, header ...string) page {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	must(s.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Origin", "null")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := s.browser.Do(req)
	must(s.t, err)
	return s.read(resp)
}

// fill types values into the form of a page.
func (p page) fill(subdomain, token string) url.Values {
	p.Form.Set("field-subdomain", subdomain)
	p.Form.Set("field-generic_id", "jane@acme.example")
	p.Form.Set("field-generic_api_key", token)
	return p.Form
}

func (s *site) status(account string) domain.AccountStatus {
	s.t.Helper()
	a, err := s.connect.Account(s.t.Context(), s.project, account)
	must(s.t, err)
	return a.Status
}

func TestConnecting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	account, address := s.begin("user <b>1</b>", "")
	p := s.open(address)
	if p.Status != 200 || !strings.Contains(p.Text, "Connect Notes") || !strings.Contains(p.Text, "user &lt;b&gt;1&lt;/b&gt;") {
		t.Fatalf("the form: %d %s", p.Status, p.Text)
	}
	checkPage(t, p)
	done := s.send(address, p.fill("acme", goodKey))
	if done.Status != 200 || !strings.Contains(done.Text, "Notes is connected") || !strings.Contains(done.Text, "Jane Doe") {
		t.Fatalf("after the form: %d %s", done.Status, done.Text)
	}
	checkPage(t, done)
	if st := s.status(account); st != domain.AccountActive {
		t.Errorf("the account is %s", st)
	}
	for _, again := range []page{s.open(address), s.send(address, p.fill("acme", goodKey))} {
		if again.Status != 410 || !strings.Contains(again.Text, "already used") || !strings.Contains(again.Text, "new link") {
			t.Errorf("a used link: %d %s", again.Status, again.Text)
		}
	}
}

func TestCallback(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	account, address := s.begin("jane", "https://app.example:8443/cb?x=1")
	p := s.open(address)
	if !strings.Contains(p.Text, "app.example:8443") || !strings.Contains(p.Header.Get("Content-Security-Policy"), "form-action 'self' https://app.example:8443;") {
		t.Errorf("the page does not say, or allow, where it leads: %v", p.Header)
	}
	done := s.send(address, p.fill("acme", goodKey))
	to, err := url.Parse(done.Header.Get("Location"))
	must(t, err)
	q := to.Query()
	if done.Status != 303 || to.Host != "app.example:8443" || q.Get("x") != "1" || q.Get("status") != "success" || q.Get("connected_account_id") != account {
		t.Errorf("redirect: %d %s", done.Status, to)
	}
}

func TestCallbackCannotWriteThePolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, address := s.begin("jane", "https://app.example;script-src/cb")
	if csp := s.open(address).Header.Get("Content-Security-Policy"); strings.Contains(csp, "script-src") {
		t.Errorf("the callback wrote into the policy: %s", csp)
	}
}

// TestBusy fills the only place for checks with one that does not end.
func TestBusy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.server.Config.Handler = ui.New(ui.Options{Connect: s.connect, MaxChecks: 1})
	_, first := s.begin("jane", "")
	_, second := s.begin("john", "")
	s.hold = make(chan struct{})
	s.held = make(chan struct{})
	one, two := s.open(first).fill("acme", goodKey), s.open(second).fill("acme", goodKey)
	done := make(chan page)
	go func() { done <- s.send(first, one) }()
	<-s.held
	if p := s.send(second, two); p.Status != 503 || p.Header.Get("Retry-After") == "" || p.Form.Get("field-subdomain") != "acme" {
		t.Errorf("the second: %d %s", p.Status, p.Text)
	}
	close(s.hold)
	if p := <-done; p.Status != 200 {
		t.Errorf("the first: %d %s", p.Status, p.Text)
	}
}

// One user's checks that do not end leave places for others.
func TestBusyUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hold, s.held = make(chan struct{}), make(chan struct{})
	_, again := s.begin("jane", "")
	third := s.open(again).fill("acme", goodKey)
	done := make(chan page)
	check := func(user string) {
		_, address := s.begin(user, "")
		form := s.open(address).fill("acme", goodKey)
		go func() { done <- s.send(address, form) }()
		<-s.held
	}
	check("jane")
	check("jane")
	if p := s.send(again, third); p.Status != 503 || p.Header.Get("Retry-After") == "" {
		t.Errorf("one more of the user: %d %s", p.Status, p.Text)
	}
	check("john")
	close(s.hold)
	for range 3 {
		if p := <-done; p.Status != 200 {
			t.Errorf("%d %s", p.Status, p.Text)
		}
	}
	go func() { <-s.held }()
	if p := s.send(again, third); p.Status != 200 {
		t.Errorf("afterwards: %d %s", p.Status, p.Text)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	account, address := s.begin("jane", "")
	for name, tc := range map[string]struct{ subdomain, token, field, says string }{
		"refused":   {"acme", "wrong-token-123", "field-generic_api_key", "refused the credentials"},
		"missing":   {"", goodKey, "field-subdomain", "required"},
		"malformed": {`a.b"><script>`, goodKey, "field-subdomain", "before the dot"},
		"no token":  {"acme", "", "field-generic_api_key", "required"},
	} {
		p := s.send(address, s.open(address).fill(tc.subdomain, tc.token))
		if p.Status != 400 || !strings.Contains(p.Text, tc.says) {
			t.Errorf("%s: %d %s", name, p.Status, p.Text)
		}
		checkPage(t, p)
		wrong := input(p, tc.field)
		if attr(wrong, "aria-invalid") != "true" || !strings.Contains(attr(wrong, "aria-describedby"), tc.field+"-error") {
			t.Errorf("%s: the field %s is not marked", name, tc.field)
		}
		if p.Form.Get("field-subdomain") != tc.subdomain || p.Form.Get("field-generic_id") != "jane@acme.example" {
			t.Errorf("%s: what was typed is gone: %v", name, p.Form)
		}
		if p.Form.Get("field-generic_api_key") != "" || (tc.token != "" && strings.Contains(p.Text, tc.token)) {
			t.Errorf("%s: the page shows the token", name)
		}
	}
	if st := s.status(account); st != domain.AccountInitiated {
		t.Errorf("mistakes left the account %s", st)
	}
	if p := s.send(address, s.open(address).fill("acme", goodKey)); p.Status != 200 {
		t.Errorf("the link is no longer usable: %d", p.Status)
	}
}

func input(p page, name string) *html.Node {
	for n := range p.HTML.Descendants() {
		if n.Data == "input" && attr(n, "name") == name {
			return n
		}
	}
	return &html.Node{}
}

func TestForgedForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	account, address := s.begin("jane", "")
	form := s.open(address).fill("acme", goodKey)
	jar := s.browser.Jar
	for name, tc := range map[string]struct {
		token  string
		header []string
		cookie bool
	}{
		"other site":         {form.Get("csrf"), []string{"Sec-Fetch-Site", "cross-site"}, true},
		"sibling site":       {form.Get("csrf"), []string{"Sec-Fetch-Site", "same-site"}, true},
		"other origin":       {form.Get("csrf"), []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, true},
		"no token":           {"", nil, true},
		"wrong token":        {strings.Repeat("A", 26), nil, true},
		"no cookie":          {form.Get("csrf"), nil, false},
		"no cookie or token": {"", nil, false},
	} {
		s.browser.Jar = nil
		if tc.cookie {
			s.browser.Jar = jar
		}
		form.Set("csrf", tc.token)
		if p := s.send(address, form, tc.header...); p.Status != 403 || strings.Contains(p.Text, goodKey) {
			t.Errorf("%s: %d %s", name, p.Status, p.Text)
		}
	}
	if st := s.status(account); st != domain.AccountInitiated {
		t.Errorf("a forged form made the account %s", st)
	}
	s.browser.Jar = jar
	if p := s.send(address, s.open(address).fill("acme", goodKey), "Sec-Fetch-Site", "", "Origin", s.server.URL); p.Status != 200 {
		t.Errorf("an old browser on our own page: %d %s", p.Status, p.Text)
	}
}

func TestPagesThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, address := s.begin("jane", "")
	form := s.open(address).fill("acme", goodKey)
	for path, status := range map[string]int{"/link/": 404, "/link/lt_unknown": 404, "/link/a/b": 404, "/link/" + strings.Repeat("x", 5000): 404} {
		p := s.open(s.server.URL + path)
		if p.Status != status {
			t.Errorf("%.20s: %d", path, p.Status)
		}
		checkPage(t, p)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address, nil)
	must(t, err)
	resp, err := s.browser.Do(req)
	must(t, err)
	if p := s.read(resp); p.Status != 405 || p.Header.Get("Allow") == "" {
		t.Errorf("PUT: %d %v", p.Status, p.Header)
	}
	if p := s.send(address, form, "Content-Type", "text/plain"); p.Status != 415 {
		t.Errorf("not a form: %d", p.Status)
	}
	form.Set("field-generic_api_key", strings.Repeat("x", 100<<10))
	if p := s.send(address, form); p.Status != 413 {
		t.Errorf("a huge form: %d", p.Status)
	}
	s.later.Store(int64(time.Hour))
	if p := s.open(address); p.Status != 410 || !strings.Contains(p.Text, "expired") || !strings.Contains(p.Text, "new link") {
		t.Errorf("an expired link: %d %s", p.Status, p.Text)
	}
}

var styles = regexp.MustCompile(`(?s)<style>(.*?)</style>`)

// checkPage holds any page against what every page promises.
func checkPage(t *testing.T, p page) {
	t.Helper()
	csp := p.Header.Get("Content-Security-Policy")
	style := styles.FindStringSubmatch(p.Text)
	if style == nil {
		t.Fatalf("no style: %s", p.Text)
	}
	sum := sha256.Sum256([]byte(style[1]))
	if !strings.Contains(csp, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("the policy does not allow the page's style: %s", csp)
	}
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("the policy lacks %s: %s", part, csp)
		}
	}
	for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"} {
		if got := p.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	labels := map[string]bool{}
	for n := range p.HTML.Descendants() {
		switch n.Data {
		case "label":
			labels[attr(n, "for")] = true
		case "script", "iframe", "link":
			t.Errorf("the page has a %s element", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("the page has the attribute %s", a.Key)
			}
		}
	}
	for n := range p.HTML.Descendants() {
		if n.Data == "input" && attr(n, "type") != "hidden" && !labels[attr(n, "id")] {
			t.Errorf("the input %s has no label", attr(n, "name"))
		}
		if id := strings.Fields(attr(n, "aria-describedby")); len(id) > 0 {
			for _, one := range id {
				if !strings.Contains(p.Text, `id="`+one+`"`) {
					t.Errorf("%s is described by %s, which is not there", attr(n, "name"), one)
				}
			}
		}
	}
}

// Behind a proxy that ends TLS and says nothing of it, the router's own address tells.
func TestCookieIsSecure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, address := s.begin("jane", "")
	for origin, want := range map[string]bool{"https://sluice.example": true, "http://127.0.0.1:8350": false} {
		s.browser = newBrowser(t)
		s.server.Config.Handler = ui.New(ui.Options{Connect: s.connect, Origin: func(*http.Request) string { return origin }})
		ck, err := http.ParseSetCookie(s.open(address).Header.Get("Set-Cookie"))
		must(t, err)
		if ck.Secure != want || !ck.HttpOnly {
			t.Errorf("at %s: %s", origin, ck)
		}
	}
}
