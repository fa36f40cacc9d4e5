package app_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// site is a Confluence somewhere on the operator's network.
type site struct {
	*confluence.Sandbox
	url string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Sandbox: confluence.New(confluence.Options{Seed: true, Site: "acme"})}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// reach opens the site's network to the router.
func (s *site) reach(o *app.Options) {
	o.Config.UpstreamAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// values are what a person types into the connect page.
func (s *site) values(email, token string) map[string]string {
	return map[string]string{"subdomain": "acme", "generic_id": email, "generic_api_key": token, "base_url": s.url}
}

// browser keeps cookies and what it saw.
type browser struct {
	t    *testing.T
	http *http.Client
	seen bytes.Buffer
	last int // status of the last page
}

func (r *router) browser() *browser {
	jar, err := cookiejar.New(nil)
	must(r.t, err)
	return &browser{t: r.t, http: &http.Client{Transport: r.http.Transport, Jar: jar}}
}

// form is a form on a page: where it goes, and the values it has.
type form struct {
	action string
	values url.Values
	text   string // of the page
}

func (b *browser) read(res *http.Response, err error) form {
	b.t.Helper()
	must(b.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	must(b.t, err)
	b.seen.Write(data)
	b.last = res.StatusCode
	f := form{action: res.Request.URL.String(), values: url.Values{}, text: string(data)}
	root, err := html.Parse(bytes.NewReader(data))
	must(b.t, err)
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "input" {
			continue
		}
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		if attr["name"] != "" {
			f.values.Set(attr["name"], attr["value"])
		}
	}
	return f
}

func (b *browser) open(address string) form {
	b.t.Helper()
	return b.read(b.http.Get(address))
}

// submit fills a form in and sends it.
func (b *browser) submit(f form, values map[string]string) form {
	b.t.Helper()
	filled := url.Values{}
	for name, v := range f.values {
		filled[name] = v
	}
	for name, v := range values {
		name = "field-" + name
		if _, ok := f.values[name]; !ok {
			b.t.Errorf("the form does not ask for %s: %v", name, f.values)
		}
		filled.Set(name, v)
	}
	return b.read(b.http.PostForm(f.action, filled))
}

// account gives the status of a connected account.
func (r *router) account(id string) string {
	r.t.Helper()
	a, err := r.clientOf().Account(r.t.Context(), id)
	must(r.t, err)
	return a.Status
}

// link starts a connection.
func (r *router) link(session string) client.Link {
	r.t.Helper()
	a := r.send(http.MethodPost, sessions+"/"+session+"/link", `{"toolkit":"confluence"}`)
	var l client.Link
	if err := json.Unmarshal([]byte(a.body), &l); err != nil || a.status != http.StatusCreated || !strings.HasPrefix(l.URL, r.URL()+"/link/lt_") {
		r.t.Fatalf("a link: %v", a)
	}
	return l
}

var tags = regexp.MustCompile(`<[^>]*>`)

// A user connects a site of their own in a browser, and tools run there as them
// from then on, the sandbox's account notwithstanding.
func TestConnectInTheBrowser(t *testing.T) {
	t.Parallel()
	acme := newSite(t)
	ann := acme.AddUser(confluence.User{Email: "ann@acme.example", DisplayName: "Ann of Acme"})
	r := testApp(t, acme.reach)
	id := r.session("ann", "")
	if _, email := who(t, r.call(id, "CONFLUENCE_GET_CURRENT_USER", `{}`)); email == ann.Email {
		t.Fatal("connected before it was")
	}

	link := r.link(id)
	if got := r.account(link.AccountID); got != "INITIATED" {
		t.Errorf("a new account is %s", got)
	}
	b := r.browser()
	f := b.open(link.URL)
	if b.last != http.StatusOK || !strings.Contains(f.text, "Confluence") {
		t.Fatalf("the page: %d %s", b.last, f.text)
	}
	again := b.submit(f, acme.values(ann.Email, "not-the-token-of-ann"))
	if text := tags.ReplaceAllString(again.text[strings.Index(again.text, "<body"):], ""); b.last != http.StatusBadRequest || !strings.Contains(text, "token") {
		t.Errorf("a wrong token: %d %s", b.last, text)
	}
	if strings.Contains(again.text, "not-the-token-of-ann") {
		t.Error("the page gives the token back")
	}
	if again.values.Get("field-generic_id") != ann.Email {
		t.Error("the e-mail address is to be typed again")
	}
	if got := r.account(link.AccountID); got != "INITIATED" {
		t.Errorf("after a wrong token it is %s", got)
	}
	done := b.submit(again, acme.values(ann.Email, ann.Token))
	if b.last != http.StatusOK || !strings.Contains(done.text, "onnected") {
		t.Fatalf("the right token: %d %s", b.last, done.text)
	}
	if got := r.account(link.AccountID); got != "ACTIVE" {
		t.Errorf("connected, and %s", got)
	}

	// Once.
	if b.open(link.URL); b.last != http.StatusGone {
		t.Errorf("the link opens again: %d", b.last)
	}
	if b.submit(again, acme.values(ann.Email, ann.Token)); b.last != http.StatusGone {
		t.Errorf("the form is taken again: %d", b.last)
	}

	before := r.Site().Requests()
	for door, a := range map[string]answer{
		"MCP":           r.call(id, "CONFLUENCE_GET_CURRENT_USER", `{}`),
		"REST":          r.execute(id, "CONFLUENCE_GET_CURRENT_USER", `{}`),
		"a new session": r.call(r.session("ann", ""), "CONFLUENCE_GET_CURRENT_USER", `{}`),
	} {
		if got, email := who(t, a); email != ann.Email || got != ann.AccountID {
			t.Errorf("%s runs as %s", door, email)
		}
	}
	if n := r.Site().Requests() - before; n != 0 {
		t.Errorf("%d requests to the sandbox", n)
	}
	// Others stay where they were.
	if _, email := who(t, r.call(r.session("bob", ""), "CONFLUENCE_GET_CURRENT_USER", `{}`)); email == ann.Email {
		t.Error("bob runs as ann")
	}
	// Without the account the sandbox is there again.
	_, err := r.clientOf().DeleteAccount(t.Context(), link.AccountID, false)
	must(t, err)
	if _, email := who(t, r.call(id, "CONFLUENCE_GET_CURRENT_USER", `{}`)); email == ann.Email {
		t.Error("a deleted account runs on")
	}
}

// Without leave the router goes to no private address, the sandbox's listener
// apart, and says so without having sent anything.
func TestPrivateAddressesAreClosed(t *testing.T) {
	t.Parallel()
	acme := newSite(t)
	ann := acme.AddUser(confluence.User{Email: "ann@acme.example"})
	r := testApp(t, nil)
	for name, base := range map[string]string{
		"loopback": acme.url, "by name": strings.Replace(acme.url, "127.0.0.1", "localhost", 1),
		"the router itself": r.URL(), "metadata": "http://169.254.169.254", "private": "https://10.1.2.3",
	} {
		values := acme.values(ann.Email, ann.Token)
		values["base_url"] = base
		_, err := r.clientOf().ConnectAccount(t.Context(), client.ConnectRequest{UserID: "ann", Toolkit: "confluence", Scheme: "API_KEY", Values: values})
		if err == nil || strings.Contains(err.Error(), ann.Token) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := acme.Requests(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
}
