package ui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
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
	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
	"github.com/sluice-run/sluice/toolkits/confluence"
)

// cloud is the connect pages over a Confluence Cloud with its sign-in host, and
// a person on its sites.
type cloud struct {
	*site
	srv    *sandbox.Server
	labs   *sandbox.Sandbox
	ann    sandbox.User
	app    sandbox.OAuthApp
	config *domain.AuthConfig
	db     *sqlstore.DB
	log    *logs
	vault  *watchedVault
	seen   *bytes.Buffer // every page and address
}

// watchedVault says what is about to be sealed: a moment at which others may come
// between.
type watchedVault struct {
	*vault.Vault
	before atomic.Pointer[func(field string)]
}

func (v *watchedVault) Seal(ctx context.Context, ref vault.Ref, plaintext []byte) ([]byte, error) {
	if f := v.before.Load(); f != nil {
		(*f)(ref.Field)
	}
	return v.Vault.Seal(ctx, ref, plaintext)
}

type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newCloud has the sites acme and acme-labs; ann is on both.
func newCloud(t *testing.T, edit func(map[string]string)) *cloud {
	t.Helper()
	c := &cloud{site: &site{t: t, browser: newBrowser(t)}, log: &logs{}, seen: &bytes.Buffer{}}
	c.srv = sandbox.NewServer(sandbox.Options{Site: "acme", Seed: true})
	t.Cleanup(c.srv.Close)
	var err error
	c.labs, err = c.srv.AddSite(sandbox.Options{Site: "acme-labs"})
	must(t, err)
	c.ann = c.srv.AddUser(sandbox.User{Email: "ann@acme.example", DisplayName: "Ann of Acme", Admin: true})
	c.labs.AddUser(sandbox.User{AccountID: c.ann.AccountID, Email: c.ann.Email, DisplayName: c.ann.DisplayName})

	ctx, dir := t.Context(), t.TempDir()
	c.db, err = sqlstore.Open(ctx, sqlstore.Options{Path: filepath.Join(dir, "sluice.db")})
	must(t, err)
	t.Cleanup(func() { _ = c.db.Close() })
	v, err := vault.Open(ctx, vault.Options{Keys: vault.FileKey(filepath.Join(dir, "key")), Load: c.db.LoadKeyset, Save: c.db.SaveKeyset})
	must(t, err)
	c.vault = &watchedVault{Vault: v}
	p, err := identity.New(identity.Options{Store: c.db}).Setup(ctx)
	must(t, err)
	c.project = p.ID
	cat, err := catalog.New(c.kit())
	must(t, err)
	up, err := httpx.New(httpx.Options{AllowAddrs: []netip.AddrPort{netip.MustParseAddrPort(strings.TrimPrefix(c.srv.URL, "http://"))}})
	must(t, err)
	t.Cleanup(up.Close)
	c.connect = connect.New(connect.Options{
		Store: c.db, Vault: c.vault, Catalog: cat, HTTP: up, Now: func() time.Time { return time.Now().Add(time.Duration(c.later.Load())) },
	})
	c.server = httptest.NewServer(ui.New(ui.Options{
		Connect: c.connect, Logger: slog.New(slog.NewJSONHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}))
	t.Cleanup(c.server.Close)
	c.app = c.srv.AddOAuthApp(sandbox.OAuthApp{Name: "Sluice at Acme", RedirectURIs: []string{c.server.URL + "/oauth/callback", c.server.URL + "/api/v1/auth-apps/add"}})
	c.config = c.authConfig("OAUTH2", c.app.ClientID, c.app.ClientSecret, edit)
	return c
}

// kit is the Confluence toolkit whose usual provider is the sandbox.
func (c *cloud) kit() *toolkit.Toolkit {
	kit := confluence.New()
	for i := range kit.Auth {
		if kit.Auth[i].OAuth == nil {
			continue
		}
		o := *kit.Auth[i].OAuth
		endpoint := o.Endpoint
		o.Endpoint = func(config map[string]string) (toolkit.Endpoint, error) {
			all := map[string]string{"authorization_url": c.srv.URL + "/authorize", "token_url": c.srv.URL + "/oauth/token", "api_url": c.srv.URL}
			maps.Copy(all, config)
			return endpoint(all)
		}
		kit.Auth[i].OAuth = &o
	}
	return kit
}

func (c *cloud) authConfig(scheme domain.AuthScheme, id, secret string, edit func(map[string]string)) *domain.AuthConfig {
	c.t.Helper()
	values := map[string]string{"client_id": id, "client_secret": secret}
	if edit != nil {
		edit(values)
	}
	cfg, err := c.connect.CreateAuthConfig(c.t.Context(), c.project, connect.NewAuthConfig{Toolkit: "confluence", Scheme: scheme, Credentials: values})
	must(c.t, err)
	return cfg
}

// link starts a connection by the config.
func (c *cloud) link(cfg *domain.AuthConfig, callback string) (account, address string) {
	c.t.Helper()
	in, err := c.connect.Initiate(c.t.Context(), connect.Start{ProjectID: c.project, UserID: "ann", AuthConfigID: cfg.ID, CallbackURL: callback})
	must(c.t, err)
	return in.Account.ID, c.server.URL + "/link/" + in.Token
}

func (c *cloud) account(id string) *domain.ConnectedAccount {
	c.t.Helper()
	a, err := c.connect.Account(c.t.Context(), c.project, id)
	must(c.t, err)
	return a
}

var refresh = regexp.MustCompile(`^0; url=(.*)$`)

// leave sends the form of a link and gives the provider's address.
func (c *cloud) leave(address, subdomain string) string {
	c.t.Helper()
	p := c.look(c.site.open(address))
	p.Form.Set("field-subdomain", subdomain)
	return c.away(c.send(address, p.Form))
}

// away gives where a page sends the browser.
func (c *cloud) away(p page) string {
	c.t.Helper()
	c.look(p)
	for n := range p.HTML.Descendants() {
		if n.Data == "meta" && attr(n, "http-equiv") == "refresh" {
			if m := refresh.FindStringSubmatch(attr(n, "content")); m != nil {
				return m[1]
			}
		}
	}
	c.t.Fatalf("the page leads nowhere: %d %s", p.Status, text(p))
	return ""
}

// look holds a page against what every page promises.
func (c *cloud) look(p page) page {
	c.t.Helper()
	c.seen.WriteString(p.Text + "\n" + p.Header.Get("Location") + "\n")
	if p.Status/100 != 3 {
		checkPage(c.t, p)
	}
	return p
}

func text(p page) string {
	var b strings.Builder
	for n := range p.HTML.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			b.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// answer is what a person does on the provider's page.
type answer struct {
	deny  bool
	sites []string // cloud ids
	drop  []string // scopes that are unticked
	as    string   // account id; ann when empty
}

// consent opens the provider's page and answers it. It gives the address that
// the browser is sent back to.
func (c *cloud) consent(address string, a answer) string {
	c.t.Helper()
	resp, err := c.browser.Get(address)
	must(c.t, err)
	p := c.read(resp)
	if p.Status != http.StatusOK {
		c.t.Fatalf("the provider's page: %d %s", p.Status, p.Text)
	}
	form := url.Values{}
	for n := range p.HTML.Descendants() {
		if n.Data != "input" {
			continue
		}
		if v := attr(n, "value"); attr(n, "type") == "hidden" || !contains(a.drop, v) {
			form.Add(attr(n, "name"), v)
		}
	}
	form["site"] = a.sites
	if len(a.sites) == 0 {
		form["site"] = []string{c.srv.CloudID()}
	}
	form.Set("account", a.as)
	if a.as == "" {
		form.Set("account", c.ann.AccountID)
	}
	form.Set("decision", map[bool]string{true: "cancel", false: "accept"}[a.deny])
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.srv.URL+"/authorize", strings.NewReader(form.Encode()))
	must(c.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err = c.browser.Do(req)
	must(c.t, err)
	done := c.read(resp)
	if done.Status != http.StatusFound {
		c.t.Fatalf("after the consent: %d %s", done.Status, done.Text)
	}
	return done.Header.Get("Location")
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

// back opens the callback, and follows to the page that it leads to here.
func (c *cloud) back(address string) page {
	c.t.Helper()
	p := c.look(c.open(address))
	if at := p.Header.Get("Location"); p.Status == http.StatusSeeOther && strings.HasPrefix(at, "/oauth/finish/") {
		next := c.look(c.open(c.server.URL + at))
		next.Header.Set("Location", at)
		return next
	}
	return p
}

// whoRuns has a tool of the account say whose it is, and where.
func (c *cloud) whoRuns(a *domain.ConnectedAccount) string {
	c.t.Helper()
	kit := confluence.New()
	call, err := c.connect.Prepare(c.t.Context(), kit, a, nil)
	must(c.t, err)
	for _, tool := range kit.Tools {
		if tool.Slug == "CONFLUENCE_GET_CURRENT_USER" {
			out, err := tool.Run(context.WithoutCancel(c.t.Context()), call, json.RawMessage(`{}`))
			must(c.t, err)
			var who struct {
				AccountID string `json:"accountId"`
			}
			must(c.t, json.Unmarshal(out.Data, &who))
			return who.AccountID
		}
	}
	return ""
}

// otherBrowser gives the walk to a browser without its cookies until back.
func (c *cloud) otherBrowser() (back func()) {
	mine := c.browser
	c.browser = newBrowser(c.t)
	return func() { c.browser = mine }
}
