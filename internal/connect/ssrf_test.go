package connect_test

import (
	"context"
	"io"
	"net"
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

// rebinding answers a name with a public address first, and with this machine
// ever after.
func rebinding() *net.Resolver {
	var asked atomic.Int64
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
				addr := [4]byte{127, 0, 0, 1}
				if asked.Add(1) == 1 {
					addr = [4]byte{192, 0, 2, 1} // of documentation: nobody is there
				}
				reply.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: addr},
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
	up, err := httpx.New(httpx.Options{MaxTries: 1, Resolver: rebinding()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	cat, err := catalog.New(confluence.New())
	if err != nil {
		t.Fatal(err)
	}
	s := connect.New(connect.Options{Store: w.DB, Vault: w.Vault, Catalog: cat, HTTP: up, Now: w.Clock.Now})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1", "auth.rebind.example"} {
		for _, scheme := range []string{"https", "http"} {
			address := scheme + "://" + host + ":" + number
			cfg, err := s.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{
				Toolkit: "confluence", Scheme: domain.SchemeS2SOAuth2,
				Credentials: map[string]string{"client_id": "id", "client_secret": "hush-hush", "token_url": address + "/token", "api_url": address},
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // a name is asked for anew each time
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
