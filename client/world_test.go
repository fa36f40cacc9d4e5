package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// world is what the tests and examples of this package share: a router with its
// sandbox, and a Confluence of a customer with an OAuth app, at which users
// consent. Whoever counts things does so with users of their own.
type world struct {
	router *app.App
	site   *confluence.Sandbox
	labs   *confluence.Sandbox // another site of the same people
	url    string              // of both
	ann    confluence.User
	oauth  confluence.OAuthApp

	mu sync.Mutex // of oauth
}

// theWorld is made when it is first asked for. TestMain ends it.
var theWorld = sync.OnceValue(newWorld)

// ends are what TestMain does last.
var ends []func() error

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range ends {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func newWorld() *world {
	home, err := os.MkdirTemp("", "sluice-client")
	ok(err)
	ends = append(ends, func() error { return os.RemoveAll(home) })
	cfg, err := app.LoadConfig("", home)
	ok(err)
	cfg.Addr, cfg.Sandbox = "127.0.0.1:0", true
	cfg.UpstreamAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	model := httptest.NewServer(http.HandlerFunc(understand))
	cfg.Model, cfg.ModelBaseURL, cfg.ModelAPIKey = "openai:scripted", model.URL+"/v1", "of the model"
	cfg.OperatorKey = operatorKey
	a, err := app.New(context.Background(), app.Options{Config: cfg, LogOutput: io.Discard})
	ok(err)
	ok(a.Start(context.Background()))

	w := &world{router: a, site: confluence.New(confluence.Options{Seed: true, Site: "acme"})}
	w.labs, err = w.site.AddSite(confluence.Options{Site: "acme-labs", Seed: true})
	ok(err)
	w.ann = w.site.AddUser(confluence.User{Email: "ann@acme.example", DisplayName: "Ann of Acme"})
	w.labs.AddUser(confluence.User{AccountID: w.ann.AccountID, Email: w.ann.Email})
	w.oauth = w.site.AddOAuthApp(confluence.OAuthApp{Name: "Acme's app"})
	server := httptest.NewServer(w.site.Handler())
	w.url = server.URL
	ends = append([]func() error{func() error {
		defer server.Close()
		defer model.Close()
		return a.Stop(context.Background())
	}}, ends...)
	return w
}

// operatorKey is the router's operator's.
const operatorKey = "operator-key-of-the-tests"

// understand is a model that puts every text into the same arguments.
func understand(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Tools []struct{ Function struct{ Name string } }
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || len(in.Tools) != 1 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	const answer = `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","function":{"name":%q,"arguments":"{\"limit\":3}"}}]},"finish_reason":"stop"}]}`
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "data: "+answer+"\n\ndata: [DONE]\n\n", in.Tools[0].Function.Name)
}

// client gives a client of the router with a key of its own.
func (w *world) client(o client.Options) *client.Client {
	o.BaseURL, o.APIKey = w.router.URL(), w.router.EphemeralKey("test")
	c, err := client.New(o)
	ok(err)
	return c
}

// config is what an auth config for the customer's OAuth app says.
func (w *world) config(name string) client.NewAuthConfig {
	return client.NewAuthConfig{Toolkit: "confluence", Scheme: "OAUTH2", Name: name, NotForSessions: true, Credentials: map[string]string{
		"client_id": w.oauth.ClientID, "client_secret": w.oauth.ClientSecret,
		"authorization_url": w.url + "/authorize", "token_url": w.url + "/oauth/token", "api_url": w.url,
	}}
}

// consent does what a person does in a browser: Ann signs in to the sites, and is
// left on an address.
func (w *world) consent(begun *client.Consent, sites ...*confluence.Sandbox) (address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.oauth.RedirectURIs = append(w.oauth.RedirectURIs, begun.RedirectURI)
	w.oauth = w.site.AddOAuthApp(w.oauth)
	c := confluence.Consent{Account: w.ann.AccountID}
	for _, s := range sites {
		c.Sites = append(c.Sites, s.CloudID())
	}
	address, err := w.site.Consent(begun.AuthorizeURL, c)
	ok(err)
	return address
}

// receiver is an application's address for webhooks; it hands on what it is sent.
func receiver(take http.HandlerFunc) (url string, stop func()) {
	s := httptest.NewServer(take)
	return s.URL, s.Close
}

// router gives a client of the world's router.
func router(t *testing.T) *client.Client {
	t.Helper()
	return theWorld().client(client.Options{})
}

// ok ends the program: without its world nothing here can run.
func ok(err error) {
	if err != nil {
		panic(err)
	}
}
