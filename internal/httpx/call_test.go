package httpx_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
)

// openTo gives a factory that may reach the given test servers.
func openTo(t testing.TB, o httpx.Options, servers ...*httptest.Server) *httpx.Factory {
	t.Helper()
	pool := x509.NewCertPool()
	for _, s := range servers {
		u := mustURL(t, s.URL)
		o.AllowAddrs = append(o.AllowAddrs, netip.MustParseAddrPort(u.Host))
		if c := s.Certificate(); c != nil {
			pool.AddCert(c)
		}
	}
	o.RootCAs = pool
	return newFactory(t, o)
}

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func bearer(req *http.Request) error {
	req.Header.Set("Authorization", "Bearer up")
	req.Header.Set("X-Api-Key", "up")
	q := req.URL.Query()
	q.Set("key", "up")
	req.URL.RawQuery = q.Encode()
	return nil
}

// list collects what handlers saw, which run on other goroutines.
type list[T any] struct {
	mu    sync.Mutex
	items []T
}

func (l *list[T]) add(item T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, item)
}

// take gives the items and begins anew.
func (l *list[T]) take() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.items
	l.items = nil
	return out
}

// seen is what a test upstream got.
type seen struct{ Path, Auth, APIKey, Query, Cookie, Custom, Referer string }

func look(r *http.Request) seen {
	return seen{
		Path: r.URL.Path, Auth: r.Header.Get("Authorization"), APIKey: r.Header.Get("X-Api-Key"), Query: r.URL.Query().Get("key"),
		Cookie: r.Header.Get("Cookie"), Custom: r.Header.Get("X-Custom"), Referer: r.Header.Get("Referer"),
	}
}

func TestCredentialsStayOnTheirOrigin(t *testing.T) {
	t.Parallel()
	var got list[seen]
	var home, other, plain *httptest.Server
	handler := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := look(r)
			s.Path = name + s.Path
			got.add(s)
			switch name + r.URL.Path {
			case "home/same":
				http.Redirect(w, r, "/end", http.StatusFound)
			case "home/away":
				http.Redirect(w, r, other.URL+"/end", http.StatusFound)
			case "home/down":
				http.Redirect(w, r, plain.URL+"/end", http.StatusFound)
			case "home/boomerang":
				http.Redirect(w, r, other.URL+"/back", http.StatusFound)
			case "other/back":
				http.Redirect(w, r, home.URL+"/end?delete=all", http.StatusFound)
			}
		})
	}
	home, other, plain = httptest.NewTLSServer(handler("home")), httptest.NewTLSServer(handler("other")), httptest.NewServer(handler("plain"))
	defer home.Close()
	defer other.Close()
	defer plain.Close()
	f := openTo(t, httpx.Options{}, home, other, plain)

	full := func(path, referer string) seen {
		return seen{Path: path, Auth: "Bearer up", APIKey: "up", Query: "up", Cookie: "c=1", Custom: "x", Referer: referer}
	}
	bare := func(path string) seen { return seen{Path: path} }
	tests := map[string][]seen{
		"/end":       {full("home/end", "")},
		"/same":      {full("home/same", ""), full("home/end", home.URL+"/same")},
		"/away":      {full("home/away", ""), bare("other/end")},
		"/down":      {full("home/down", ""), bare("plain/end")},
		"/boomerang": {full("home/boomerang", ""), bare("other/back"), bare("home/end")},
	}
	for path, want := range tests {
		c := f.For(httpx.CallOptions{BaseURL: mustURL(t, home.URL+"/wiki"), Authorize: bearer})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, home.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "c=1")
		req.Header.Set("X-Custom", "x")
		res, err := c.Do(req)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		res.Body.Close()
		if diff := cmp.Diff(want, got.take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if req.Header.Get("Authorization") != "" || req.URL.RawQuery != "" || res.Request.Header.Get("Authorization") != "" {
			t.Errorf("%s: the credentials show in the caller's request", path)
		}
	}
	c := f.For(httpx.CallOptions{BaseURL: mustURL(t, other.URL), Authorize: bearer})
	if _, err := get(t, c, home.URL+"/end"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]seen{bare("home/end")}, got.take()); diff != "" {
		t.Errorf("a request elsewhere was authorised (-want +got):\n%s", diff)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	hidden := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer hidden.Close()
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		switch _, _ = fmt.Sscanf(r.URL.Path, "/%d", &n); {
		case r.URL.Path == "/private":
			http.Redirect(w, r, hidden.URL, http.StatusFound)
		case r.URL.Path == "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		case r.URL.Path == "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case r.URL.Path == "/post":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case n > 0:
			http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
		}
	}))
	defer srv.Close()
	c := openTo(t, httpx.Options{}, srv, other).For(httpx.CallOptions{})

	_, err := get(t, c, srv.URL+"/private")
	blocked(t, err, "loopback")
	_, err = get(t, c, srv.URL+"/metadata")
	blocked(t, err, "cloud metadata")
	if _, err = get(t, c, srv.URL+"/file"); domain.CodeOf(err) != domain.CodeInvalid {
		t.Errorf("file: %v", err)
	}
	if _, err := get(t, c, srv.URL+"/5"); err != nil {
		t.Errorf("five redirects: %v", err)
	}
	if _, err := get(t, c, srv.URL+"/6"); domain.CodeOf(err) != domain.CodeUnavailable {
		t.Errorf("six redirects: %v", err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/post", strings.NewReader("client_secret=1"))
	if _, err := c.Do(req); domain.CodeOf(err) != domain.CodeUnavailable || reached.Load() != 0 {
		t.Errorf("a POST was redirected to another host: %v", err)
	}
}

func TestResponseCap(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := strings.Repeat("a", len(r.URL.Path)-1)
		if r.URL.Query().Has("chunked") {
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, body)
	}))
	defer srv.Close()
	f := openTo(t, httpx.Options{MaxResponseBytes: 10}, srv)
	tests := []struct {
		name  string
		o     httpx.CallOptions
		size  int
		query string
		over  bool
	}{
		{"just fits", httpx.CallOptions{}, 10, "", false},
		{"one over", httpx.CallOptions{}, 11, "", true},
		{"one over, unknown length", httpx.CallOptions{}, 11, "?chunked", true},
		{"just fits, unknown length", httpx.CallOptions{}, 10, "?chunked", false},
		{"empty", httpx.CallOptions{}, 0, "", false},
		{"raised for the call", httpx.CallOptions{MaxResponseBytes: 20}, 20, "", false},
		{"off for the call", httpx.CallOptions{MaxResponseBytes: -1}, 5000, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := get(t, f.For(tt.o), srv.URL+"/"+strings.Repeat("x", tt.size)+tt.query)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			var tl *httpx.TooLargeError
			if errors.As(err, &tl) != tt.over || (tt.over && (tl.Limit != 10 || domain.CodeOf(err) != domain.CodeTooLarge)) {
				t.Fatalf("read %d bytes, %v", len(body), err)
			}
			if want := min(tt.size, 10); tt.over && len(body) != want {
				t.Errorf("read %d bytes before the error, want %d", len(body), want)
			}
			if !tt.over && len(body) != tt.size {
				t.Errorf("read %d bytes, want %d", len(body), tt.size)
			}
		})
	}
}

func TestRequestCap(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer srv.Close()
	c := openTo(t, httpx.Options{MaxRequestBytes: 10}, srv).For(httpx.CallOptions{})
	for name, tt := range map[string]struct {
		body io.Reader
		over bool
	}{
		"fits":                     {strings.NewReader("0123456789"), false},
		"over":                     {strings.NewReader("0123456789x"), true},
		"fits, of unknown length":  {io.MultiReader(strings.NewReader("0123456789")), false},
		"over, of unknown length":  {io.MultiReader(strings.NewReader("0123456789x")), true},
		"huge, of unknown length ": {io.LimitReader(zeros{}, 1<<30), true},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, tt.body)
		res, err := c.Do(req)
		if err == nil {
			res.Body.Close()
		}
		var tl *httpx.TooLargeError
		if errors.As(err, &tl) != tt.over || (err != nil && !tt.over) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHangIsCanceledAtOnce(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	gone := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
		}
		arrived <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	defer srv.Close()
	f := openTo(t, httpx.Options{}, srv)
	for _, path := range []string{"/header", "/body"} {
		ctx, cancel := context.WithCancel(t.Context())
		var count atomic.Int64
		go func() { <-arrived; cancel() }()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
		start := time.Now()
		res, err := f.For(httpx.CallOptions{Count: &count}).Do(req)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if !errors.Is(err, context.Canceled) || httpx.Explain(err).Code != domain.CodeCanceled {
			t.Errorf("%s: %v", path, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: canceling took %v", path, d)
		}
		if count.Load() != 1 {
			t.Errorf("%s: %d tries", path, count.Load())
		}
		<-gone // the upstream hears of it
	}
}

func TestUserAgentAndCount(t *testing.T) {
	t.Parallel()
	var agents list[string]
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { agents.add(r.UserAgent()) }))
	defer srv.Close()
	var tries []httpx.Try
	f := openTo(t, httpx.Options{Version: "1.2.3", Observe: func(_ context.Context, try httpx.Try) {
		try.Duration = 0
		tries = append(tries, try)
	}}, srv)
	var count atomic.Int64
	c := f.For(httpx.CallOptions{Count: &count, Label: "t"})
	for range 2 {
		if _, err := get(t, c, srv.URL); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"Sluice/1.2.3", "Sluice/1.2.3"}, agents.take()); diff != "" || count.Load() != 2 {
		t.Errorf("%s count %d", diff, count.Load())
	}
	want := httpx.Try{Label: "t", Method: http.MethodGet, Host: strings.TrimPrefix(srv.URL, "http://"), Number: 1, Status: 200}
	if diff := cmp.Diff([]httpx.Try{want, want}, tries); diff != "" {
		t.Error(diff)
	}
}

func TestAuthorizeFailureAndMove(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("sent") }))
	defer srv.Close()
	f := openTo(t, httpx.Options{}, srv)
	expired := domain.Errorf(domain.CodeNoConnection, "connect again")
	for name, tt := range map[string]struct {
		authorize func(*http.Request) error
		code      domain.Code
	}{
		"fails": {func(*http.Request) error { return expired }, domain.CodeNoConnection},
		"moves": {func(r *http.Request) error { r.URL.Host = "evil.example.com"; return nil }, domain.CodeInternal},
	} {
		_, err := get(t, f.For(httpx.CallOptions{BaseURL: mustURL(t, srv.URL), Authorize: tt.authorize}), srv.URL)
		if domain.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]httpx.Options{
		"proxy scheme": {Proxy: &url.URL{Scheme: "socks5", Host: "x"}},
		"proxy host":   {Proxy: &url.URL{Scheme: "http"}},
		"range":        {AllowPrefixes: []netip.Prefix{{}}},
	} {
		if _, err := httpx.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	f := newFactory(t, httpx.Options{AllowAddrs: []netip.AddrPort{addrOf(t, srv.URL)}, RootCAs: x509.NewCertPool()})
	var count atomic.Int64
	_, err := get(t, f.For(httpx.CallOptions{Count: &count}), srv.URL)
	if e := httpx.Explain(err); e == nil || !strings.Contains(e.Message, "certificate") || count.Load() != 1 {
		t.Errorf("%v after %d tries", err, count.Load())
	}
}

// An upstream that switches protocols unasked does not get past the cap.
func TestUnaskedSwitchIsCapped(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"+strings.Repeat("a", 1000))
	}))
	defer srv.Close()
	f := openTo(t, httpx.Options{MaxResponseBytes: 10}, srv)
	res, err := get(t, f.For(httpx.CallOptions{}), srv.URL)
	if err != nil {
		return // refused altogether
	}
	body, err := io.ReadAll(res.Body)
	var tl *httpx.TooLargeError
	if !errors.As(err, &tl) || len(body) > 10 {
		t.Errorf("read %d bytes, %v", len(body), err)
	}
}
