package httpx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"golang.org/x/net/dns/dnsmessage"
	"pgregory.net/rapid"
)

func newFactory(t testing.TB, o httpx.Options) *httpx.Factory {
	t.Helper()
	f, err := httpx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func addrOf(t testing.TB, rawURL string) netip.AddrPort {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(u.Host)
}

func get(t testing.TB, c *http.Client, target string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err == nil {
		t.Cleanup(func() { res.Body.Close() })
	}
	return res, err
}

func blocked(t testing.TB, err error, kind string) {
	t.Helper()
	var b *httpx.BlockedError
	if !errors.As(err, &b) || b.Kind != kind {
		t.Errorf("error %v, want a BlockedError of kind %q", err, kind)
		return
	}
	if domain.CodeOf(err) != domain.CodeForbidden {
		t.Errorf("code %s", domain.CodeOf(err))
	}
}

func TestLiteralAddresses(t *testing.T) {
	t.Parallel()
	c := newFactory(t, httpx.Options{MaxTries: 1}).For(httpx.CallOptions{})
	for addr, kind := range map[string]string{
		"127.0.0.1":              "loopback",
		"127.255.255.254":        "loopback",
		"[::1]":                  "loopback",
		"0.0.0.0":                "unspecified",
		"0.1.2.3":                "unspecified",
		"[::]":                   "unspecified",
		"10.0.0.1":               "private",
		"172.16.0.1":             "private",
		"172.31.255.255":         "private",
		"192.168.1.1":            "private",
		"[fc00::1]":              "private",
		"[fdff::1]":              "private",
		"100.64.0.1":             "carrier-grade NAT",
		"100.127.255.255":        "carrier-grade NAT",
		"169.254.1.1":            "link-local",
		"[fe80::1]":              "link-local",
		"[febf::1%25eth0]":       "link-local",
		"169.254.169.254":        "cloud metadata",
		"168.63.129.16":          "cloud metadata",
		"100.100.100.200":        "cloud metadata",
		"[fd00:ec2::254]":        "cloud metadata",
		"224.0.0.1":              "multicast",
		"239.255.255.255":        "multicast",
		"[ff02::1]":              "multicast",
		"240.0.0.1":              "reserved",
		"255.255.255.255":        "reserved",
		"192.0.0.8":              "reserved",
		"192.0.2.1":              "documentation",
		"198.51.100.1":           "documentation",
		"203.0.113.1":            "documentation",
		"[2001:db8::1]":          "documentation",
		"198.18.0.1":             "benchmarking",
		"[::ffff:127.0.0.1]":     "IPv4-mapped",
		"[::ffff:8.8.8.8]":       "IPv4-mapped",
		"[64:ff9b::7f00:1]":      "NAT64",
		"[64:ff9b:1::a00:1]":     "NAT64",
		"[2002:7f00:1::1]":       "6to4",
		"[2001:0:7f00:1::1]":     "reserved", // Teredo
		"[::7f00:1]":             "reserved", // IPv4-compatible
		"[4000::1]":              "reserved",
		"[5f00::1]":              "reserved",
		"[2001:db8::192.0.2.33]": "documentation",
	} {
		_, err := get(t, c, "https://"+addr+"/")
		blocked(t, err, kind)
		if err != nil && !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// fakeDNS answers every name with the addresses that answer gives for it. It
// speaks DNS over an in-memory connection.
func fakeDNS(answer func(name string) []netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serveDNS(server, answer)
		return client, nil
	}}
}

func serveDNS(conn net.Conn, answer func(string) []netip.Addr) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		buf := make([]byte, int(size[0])<<8|int(size[1]))
		if _, err := io.ReadFull(conn, buf); err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf) != nil || len(m.Questions) != 1 {
			return
		}
		q := m.Questions[0]
		reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}
		for _, a := range answer(strings.TrimSuffix(q.Name.String(), ".")) {
			switch {
			case a.Is4() && q.Type == dnsmessage.TypeA:
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
			case a.Is6() && q.Type == dnsmessage.TypeAAAA:
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
			}
		}
		out, err := reply.Pack()
		if err != nil {
			return
		}
		if _, err := conn.Write(append([]byte{byte(len(out) >> 8), byte(len(out))}, out...)); err != nil {
			return
		}
	}
}

func TestNamesAreJudgedAfterResolution(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a refused address was reached")
	}))
	defer srv.Close()
	port := addrOf(t, srv.URL).Port()
	for addr, kind := range map[string]string{
		"127.0.0.1":        "loopback",
		"169.254.169.254":  "cloud metadata",
		"10.1.2.3":         "private",
		"::1":              "loopback",
		"::ffff:127.0.0.1": "loopback", // the dialer unmaps it
		"64:ff9b::7f00:1":  "NAT64",
	} {
		f := newFactory(t, httpx.Options{
			MaxTries: 1,
			Resolver: fakeDNS(func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(addr)} }),
		})
		for _, scheme := range []string{"http", "https"} {
			target := url.URL{Scheme: scheme, Host: hostPort("wiki.example.com", port), Path: "/"}
			_, err := get(t, f.For(httpx.CallOptions{}), target.String())
			blocked(t, err, kind)
			if err != nil && strings.Contains(err.Error(), addr) {
				t.Errorf("the message shows the address behind the name: %v", err)
			}
		}
	}
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func TestRebindingGainsNothing(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	srv.Config.SetKeepAlivesEnabled(false) // each request looks the name up
	srv.Start()
	defer srv.Close()
	good := addrOf(t, srv.URL)

	var rebound atomic.Bool
	f := newFactory(t, httpx.Options{
		MaxTries:   1,
		AllowAddrs: []netip.AddrPort{good},
		Resolver: fakeDNS(func(string) []netip.Addr {
			if rebound.Load() {
				return []netip.Addr{netip.MustParseAddr("127.0.0.2")}
			}
			return []netip.Addr{good.Addr()}
		}),
	})
	target := "http://" + hostPort("rebind.example.com", good.Port())
	if _, err := get(t, f.For(httpx.CallOptions{}), target); err != nil || reached.Load() != 1 {
		t.Fatalf("the open address: %v (%d requests)", err, reached.Load())
	}
	rebound.Store(true)
	_, err := get(t, f.For(httpx.CallOptions{}), target)
	blocked(t, err, "loopback")
	if reached.Load() != 1 {
		t.Error("the rebound name was reached")
	}
}

func TestAllowedAddressIsExact(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") })
	a, b := httptest.NewServer(handler), httptest.NewServer(handler)
	defer a.Close()
	defer b.Close()
	f := newFactory(t, httpx.Options{AllowAddrs: []netip.AddrPort{addrOf(t, a.URL)}})
	if _, err := get(t, f.For(httpx.CallOptions{}), a.URL); err != nil {
		t.Errorf("allowed: %v", err)
	}
	_, err := get(t, f.For(httpx.CallOptions{}), b.URL)
	blocked(t, err, "loopback")

	ranged := newFactory(t, httpx.Options{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for _, srv := range []*httptest.Server{a, b} {
		if _, err := get(t, ranged.For(httpx.CallOptions{}), srv.URL); err != nil {
			t.Errorf("range: %v", err)
		}
	}
}

func TestOpenedTranslatorStaysShutBehind(t *testing.T) {
	t.Parallel()
	f := newFactory(t, httpx.Options{MaxTries: 1, AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96")}})
	_, err := get(t, f.For(httpx.CallOptions{}), "https://[64:ff9b::a9fe:a9fe]/")
	blocked(t, err, "NAT64")
}

func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	public := fakeDNS(func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("8.8.8.8")} })
	f := newFactory(t, httpx.Options{MaxTries: 1, Resolver: public})
	for _, target := range []string{"http://8.8.8.8/", "http://plain.example.com/"} {
		_, err := get(t, f.For(httpx.CallOptions{}), target)
		blocked(t, err, "plain http")
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	c := newFactory(t, httpx.Options{}).For(httpx.CallOptions{})
	for _, target := range []string{"ftp://example.com/", "file:///etc/passwd", "https://user:pw@example.com/", "https://:443/"} {
		_, err := get(t, c, target)
		if domain.CodeOf(err) != domain.CodeInvalid {
			t.Errorf("%s: %v", target, err)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("shows the password: %v", err)
		}
	}
}

func TestProxyIsUsedOnlyWhenConfigured(t *testing.T) {
	var viaProxy atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		viaProxy.Add(1)
		_, _ = io.WriteString(w, r.URL.String())
	}))
	defer proxy.Close()
	direct := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer direct.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)

	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	allowed := []netip.AddrPort{addrOf(t, direct.URL)}
	if _, err := get(t, newFactory(t, httpx.Options{AllowAddrs: allowed}).For(httpx.CallOptions{}), direct.URL); err != nil {
		t.Fatal(err)
	}
	f := newFactory(t, httpx.Options{AllowAddrs: allowed, Proxy: proxyURL, AllowHTTP: true})
	if _, err := get(t, f.For(httpx.CallOptions{}), direct.URL); err != nil {
		t.Fatal(err)
	}
	if n := viaProxy.Load(); n != 0 {
		t.Errorf("%d requests went through the environment's proxy or around AllowAddrs", n)
	}
	res, err := get(t, f.For(httpx.CallOptions{}), "http://wiki.example.com/x")
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); string(body) != "http://wiki.example.com/x" || viaProxy.Load() != 1 {
		t.Errorf("proxy saw %q (%d requests)", body, viaProxy.Load())
	}
	_, err = get(t, f.For(httpx.CallOptions{}), "http://10.0.0.1/")
	blocked(t, err, "private")
	// The proxy resolves names, so what can be seen of them is judged before.
	strict := newFactory(t, httpx.Options{Proxy: proxyURL, MaxTries: 1})
	for target, kind := range map[string]string{
		"http://wiki.example.com/": "plain http", "https://localhost/": "loopback", "https://a.LOCALHOST./": "loopback",
		"https://127.1/": "unspecified", "https://2130706433/": "unspecified", "https://0x7f000001/": "unspecified",
		"https://metadata.google.internal/": "private", "https://printer.local/": "private",
	} {
		_, err := get(t, strict.For(httpx.CallOptions{}), target)
		blocked(t, err, kind)
	}
	if n := viaProxy.Load(); n != 1 {
		t.Errorf("the proxy was asked for what is refused (%d requests)", n)
	}
}

// TestOddSpellings: whatever a host looks like, what counts is where it leads.
func TestOddSpellings(t *testing.T) {
	t.Parallel()
	f := newFactory(t, httpx.Options{MaxTries: 1, Resolver: fakeDNS(func(string) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})})
	for _, host := range []string{"localhost", "LOCALHOST", "127.0.0.1.", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "a.localhost"} {
		_, err := get(t, f.For(httpx.CallOptions{}), "https://"+host+":1/")
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound && host[0] < 'A' {
			continue // no name and no address: the resolver did not even ask
		}
		blocked(t, err, "loopback")
	}
}

// TestNoSpecialAddressIsOpen checks the list against the standard library's
// own view of what is special.
func TestNoSpecialAddressIsOpen(t *testing.T) {
	t.Parallel()
	f := newFactory(t, httpx.Options{MaxTries: 1})
	errDialed := errors.New("dialed")
	f.SetDial(func(context.Context, string, string) (net.Conn, error) { return nil, errDialed })
	c := f.For(httpx.CallOptions{})
	open := 0
	rapid.Check(t, func(rt *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "bytes")
		addr := netip.AddrFrom16([16]byte(b))
		switch rapid.SampledFrom([]string{"4", "6", "mapped", "global"}).Draw(rt, "kind") {
		case "4":
			addr = netip.AddrFrom4([4]byte(b[:4]))
		case "mapped":
			addr = netip.AddrFrom16(netip.AddrFrom4([4]byte(b[:4])).As16())
		case "global":
			b[0] = 0x20 | b[0]&0x1f
			addr = netip.AddrFrom16([16]byte(b))
		}
		req, err := http.NewRequest(http.MethodGet, "https://"+netip.AddrPortFrom(addr, 443).String()+"/", nil)
		if err != nil {
			rt.Fatal(err)
		}
		_, err = c.Do(req)
		var b2 *httpx.BlockedError
		refused := errors.As(err, &b2)
		if !refused && !errors.Is(err, errDialed) {
			rt.Fatalf("%s: %v", addr, err)
		}
		if special := !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is4In6(); special && !refused {
			rt.Fatalf("%s is special and was dialed", addr)
		}
		if !refused {
			open++
		}
	})
	if open == 0 {
		t.Error("no address at all was open")
	}
}

// A factory for one origin reaches that, private and plain as it may be, and
// nothing else, asked for or led to.
func TestOnly(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another origin was reached") }))
	t.Cleanup(other.Close)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "here")
	}))
	t.Cleanup(srv.Close)
	base, err := url.Parse(srv.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	named := *base
	named.Host = "localhost:" + base.Port()
	for _, only := range []*url.URL{base, &named} {
		c := newFactory(t, httpx.Options{Only: only, MaxTries: 1}).For(httpx.CallOptions{})
		res, err := get(t, c, only.Scheme+"://"+only.Host+"/")
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", only, res, err)
		}
		for _, target := range []string{
			only.Scheme + "://" + only.Host + "/away", other.URL, "https://" + only.Host, "https://example.com", "http://169.254.169.254/latest",
		} {
			_, err := get(t, c, target)
			blocked(t, err, "another origin")
			if err == nil || !strings.Contains(err.Error(), "not the one that is configured") || domain.CodeOf(err) != domain.CodeForbidden {
				t.Errorf("%s: %v", target, err)
			}
		}
	}
}
