package connect_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/toolkits/confluence"
)

// naming answers every name with the address that it gives at that moment.
func naming(now func() [4]byte) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			var size [2]byte
			if _, err := io.ReadFull(server, size[:]); err != nil {
				return
			}
			buf := make([]byte, int(size[0])<<8|int(size[1]))
			var m dnsmessage.Message
			if _, err := io.ReadFull(server, buf); err != nil || m.Unpack(buf) != nil || len(m.Questions) != 1 {
				return
			}
			q := m.Questions[0]
			reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true}, Questions: m.Questions}
			if q.Type == dnsmessage.TypeA {
				reply.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: now()},
				}}
			}
			if out, err := reply.Pack(); err == nil {
				_, _ = server.Write(append([]byte{byte(len(out) >> 8), byte(len(out))}, out...))
			}
		}()
		return client, nil
	}}
}

// Every address that a user or a project can name goes through the guarded
// client: one inside is refused, by whatever name, and nothing is sent.
func TestAddressesInside(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inside.Close() })
	var reached atomic.Int64
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			_ = c.Close()
		}
	}()
	port := netip.MustParseAddrPort(inside.Addr().String())
	_, number, _ := strings.Cut(port.String(), ":")
	up, err := httpx.New(httpx.Options{MaxTries: 1, Resolver: naming(func() [4]byte { return [4]byte{127, 0, 0, 1} })})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	cat, err := catalog.New(confluence.New())
	if err != nil {
		t.Fatal(err)
	}
	s := connect.New(connect.Options{Store: w.DB, Vault: w.Vault, Catalog: cat, HTTP: up, Now: w.Clock.Now})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1", "inside.example"} {
		for _, scheme := range []string{"https", "http"} {
			address := scheme + "://" + host + ":" + number
			cfg, err := s.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{
				Toolkit: "confluence", Scheme: domain.SchemeS2SOAuth2,
				Credentials: map[string]string{"client_id": "id", "client_secret": "hush-hush", "token_url": address + "/token", "api_url": address},
			})
			if err != nil {
				t.Fatal(err)
			}
			start := connect.Start{ProjectID: connecttest.Project, UserID: "ann", AuthConfigID: cfg.ID}
			if _, err := s.Connect(t.Context(), start, map[string]string{"subdomain": "acme"}); err == nil || strings.Contains(err.Error(), "hush-hush") {
				t.Errorf("token_url %s: %v", address, err)
			}
			start = connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "confluence", AuthConfigID: keyConfig(t, s)}
			values := map[string]string{"subdomain": "acme", "base_url": address, "generic_id": "a@b.example", "generic_api_key": "hush-hush"}
			if _, err := s.Connect(t.Context(), start, values); err == nil || strings.Contains(err.Error(), "hush-hush") {
				t.Errorf("base_url %s: %v", address, err)
			}
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections reached this machine", n)
	}
}

// keyConfig gives the project's config for API keys.
func keyConfig(t *testing.T, s *connect.Service) string {
	t.Helper()
	cfg, err := s.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{Toolkit: "confluence", Scheme: domain.SchemeAPIKey})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.ID
}

// A name that leads to an address which is allowed, and then elsewhere, is judged
// at each connection: the token that was got at the first address does not follow
// it to the second, nor does a key that worked there once.
func TestNameThatMoves(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	var moved atomic.Bool
	var tokens, calls atomic.Int64
	good := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/token" {
			tokens.Add(1)
			moved.Store(true)
			_, _ = io.WriteString(rw, `{"access_token":"at-1","token_type":"Bearer","expires_in":3600}`)
			return
		}
		calls.Add(1)
		_, _ = io.WriteString(rw, `{"accountId":"1","email":"a@b.example","displayName":"Ann","results":[]}`)
	}))
	good.Config.SetKeepAlivesEnabled(false) // each request looks the name up
	good.Start()
	t.Cleanup(good.Close)
	allowed := netip.MustParseAddrPort(good.Listener.Addr().String())
	var lc net.ListenConfig
	bad, err := lc.Listen(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), allowed.Port()).String())
	if err != nil {
		t.Skipf("this machine has one loopback address: %v", err)
	}
	t.Cleanup(func() { _ = bad.Close() })
	var reached atomic.Int64
	go func() {
		for {
			c, err := bad.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			_ = c.Close()
		}
	}()
	up, err := httpx.New(httpx.Options{MaxTries: 1, AllowAddrs: []netip.AddrPort{allowed}, Resolver: naming(func() [4]byte {
		if moved.Load() {
			return [4]byte{127, 0, 0, 2}
		}
		return [4]byte{127, 0, 0, 1}
	})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	cat, err := catalog.New(confluence.New())
	if err != nil {
		t.Fatal(err)
	}
	s := connect.New(connect.Options{Store: w.DB, Vault: w.Vault, Catalog: cat, HTTP: up, Now: w.Clock.Now})
	address := fmt.Sprintf("http://auth.rebind.example:%d", allowed.Port())
	cfg, err := s.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{
		Toolkit: "confluence", Scheme: domain.SchemeS2SOAuth2,
		Credentials: map[string]string{"client_id": "id", "client_secret": "hush-hush", "token_url": address + "/token", "api_url": address},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Connect(t.Context(), connect.Start{ProjectID: connecttest.Project, UserID: "ann", AuthConfigID: cfg.ID}, map[string]string{"subdomain": "acme"})
	if err == nil || !strings.Contains(err.Error(), "not public") || strings.Contains(err.Error(), "at-1") {
		t.Errorf("connected over a name that moved: %v", err)
	}
	if tokens.Load() != 1 || calls.Load() != 0 || reached.Load() != 0 {
		t.Errorf("%d tokens were given, %d calls made, %d connections reached the second address; want 1, 0, 0", tokens.Load(), calls.Load(), reached.Load())
	}
	// The same for a key: it works, the name moves, the next call is refused.
	moved.Store(false)
	start := connect.Start{ProjectID: connecttest.Project, UserID: "ann", AuthConfigID: keyConfig(t, s)}
	a, err := s.Connect(t.Context(), start, map[string]string{"subdomain": "acme", "base_url": address, "generic_id": "a@b.example", "generic_api_key": "hush-hush"})
	if err != nil {
		t.Fatal(err)
	}
	moved.Store(true)
	if _, err := s.Validate(t.Context(), a.ProjectID, a.ID); err == nil || strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("a call over a name that moved: %v", err)
	}
	if now, err := s.Account(t.Context(), a.ProjectID, a.ID); err != nil || now.Status != domain.AccountActive {
		t.Errorf("the account: %+v, %v", now, err)
	}
	if calls.Load() == 0 || reached.Load() != 0 {
		t.Errorf("%d calls were made, %d connections reached the second address", calls.Load(), reached.Load())
	}
}
