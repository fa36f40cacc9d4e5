package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/toolkit"
)

// endpoint is one session of a running Sluice as the suites see it.
type endpoint struct {
	key     string
	proxied string // address through a proxy that adds the key
	direct  string
}

// Sessions as the suites meet them: an ordinary one, and one that shows the
// fixtures alone under their own names.
const (
	ordinary    = `{"user_id":"somebody"}`
	fixtureOnly = `{"user_id":"somebody","toolkits":{"enable":["conformance"]},"preload":{"tools":"all"},
		"search":{"enable":false},"execute":{"enable_multi_execute":false},
		"manage_connections":{"enable":false},"workbench":{"enable":false}}`
)

// boot starts the whole router with more toolkits in a home of its own, makes a
// session over REST, and starts a proxy that adds the API key: the suites cannot
// send one. The proxy leaves Host and Origin alone, which is what the rebinding
// checks are about.
func boot(t *testing.T, session string, more ...*toolkit.Toolkit) endpoint {
	t.Helper()
	cfg, err := app.LoadConfig("", t.TempDir())
	must(t, err)
	cfg.Addr = "127.0.0.1:0"
	a, err := app.New(t.Context(), app.Options{Config: cfg, LogOutput: io.Discard, Quiet: true, Toolkits: more})
	must(t, err)
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	must(t, a.Start(t.Context()))
	key := a.EphemeralKey("conformance")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL()+"/api/v3.1/tool_router/session", strings.NewReader(session))
	must(t, err)
	req.Header.Set("X-Api-Key", key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("create a session: %d %s", res.StatusCode, body)
	}
	var made struct {
		MCP struct {
			URL string `json:"url"`
		} `json:"mcp"`
	}
	must(t, json.Unmarshal(body, &made))
	at, err := url.Parse(made.MCP.URL)
	must(t, err)
	return endpoint{key: key, proxied: addKey(t, a.URL(), key) + at.Path, direct: made.MCP.URL}
}

// addKey starts the proxy and gives its address under the name localhost.
func addKey(t *testing.T, target, key string) string {
	t.Helper()
	to, err := url.Parse(target)
	must(t, err)
	forward := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Api-Key", key)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	// The body is read whole before it is passed on. Once an answer begins, a
	// net/http server closes what is left of a request's body, even if that is
	// only its end, and the transport would cut the answer's stream for it.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	_, port, err := net.SplitHostPort(proxy.Listener.Addr().String())
	must(t, err)
	return "http://localhost:" + port
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
