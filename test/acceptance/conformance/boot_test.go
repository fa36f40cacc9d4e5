package conformance

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/mcpserver"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// endpoint is one session of a running Sluice as the suites see it.
type endpoint struct {
	key     string
	proxied string // address through a proxy that adds the key
	direct  string
}

// boot starts the services with the given toolkits on a database of their own,
// makes a session, and starts a proxy that adds the API key: the suites cannot
// send one. The proxy leaves Host and Origin alone, which is what the rebinding
// checks are about.
func boot(t *testing.T, cfg domain.SessionConfig, toolkits ...*toolkit.Toolkit) endpoint {
	t.Helper()
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, sqlstore.Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	keys := vault.FileKey(filepath.Join(t.TempDir(), "key"))
	safe, err := vault.Open(ctx, vault.Options{Keys: keys, Load: db.LoadKeyset, Save: db.SaveKeyset})
	must(t, err)
	who := identity.New(identity.Options{Store: db})
	must(t, who.Start(ctx))
	t.Cleanup(who.Stop)
	project, err := who.Setup(ctx)
	must(t, err)
	key, apiKey, err := who.CreateKey(ctx, project.ID, "conformance")
	must(t, err)
	cat, err := catalog.New(toolkits...)
	must(t, err)
	out, err := httpx.New(httpx.Options{})
	must(t, err)
	t.Cleanup(out.Close)
	con := connect.New(connect.Options{Store: db, Vault: safe, Catalog: cat, HTTP: out})
	exe := execute.New(execute.Options{Catalog: cat, Connect: con, Store: db, Sealer: execute.NewSealer(safe)})
	sessions := session.New(session.Options{
		Store: db, Catalog: cat, Connect: con, Execute: exe,
		LinkURL: func(origin, token string) string { return origin + "/link/" + token },
	})
	mcp := mcpserver.New(mcpserver.Options{Sessions: sessions, Identity: who, Version: "test"})
	t.Cleanup(func() { _ = mcp.Close() })
	server := httptest.NewServer(mcp.Handler())
	t.Cleanup(server.Close)

	p := domain.Principal{ProjectID: project.ID, KeyID: apiKey.ID}
	made, err := sessions.Create(ctx, p, "somebody", cfg)
	must(t, err)
	path := strings.Replace(mcpserver.Path, "{session}", made.ID, 1)
	return endpoint{key: key, proxied: addKey(t, server.URL, key) + path, direct: server.URL + path}
}

// bootFixtures shows the fixtures alone, under their own names.
func bootFixtures(t *testing.T) endpoint {
	t.Helper()
	return boot(t, domain.SessionConfig{
		SearchOff: true, MultiExecuteOff: true, Preload: domain.PreloadConfig{All: true},
		Toolkits:          &domain.Selection{Enable: []string{"conformance"}},
		ManageConnections: domain.ManageConnectionsConfig{Off: true},
	}, fixtures())
}

// addKey starts the proxy and gives its address under the name localhost.
func addKey(t *testing.T, target, key string) string {
	t.Helper()
	to, err := url.Parse(target)
	must(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Api-Key", key)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
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
