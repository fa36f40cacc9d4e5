package httpx_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/sluice-run/sluice/internal/httpx"
)

func BenchmarkFor(b *testing.B) {
	f := newFactory(b, httpx.Options{})
	base := mustURL(b, "https://wiki.example.com/wiki")
	var count atomic.Int64
	var kept *http.Client
	b.ReportAllocs()
	for b.Loop() {
		kept = f.For(httpx.CallOptions{BaseURL: base, Authorize: bearer, Count: &count})
	}
	_ = kept
}

// BenchmarkRoundTrip compares a guarded call, made as the hot path makes it,
// with a plain client on the same server.
func BenchmarkRoundTrip(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"1"}`) }))
	defer srv.Close()
	f := openTo(b, httpx.Options{}, srv)
	base := mustURL(b, srv.URL)
	authorize := func(req *http.Request) error { req.Header.Set("Authorization", "Bearer up"); return nil }
	var count atomic.Int64
	plain := &http.Client{}
	for name, client := range map[string]func() *http.Client{
		"plain": func() *http.Client { return plain },
		"guarded": func() *http.Client {
			return f.For(httpx.CallOptions{BaseURL: base, Authorize: authorize, Count: &count})
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, srv.URL+"/p", nil)
				if name == "plain" {
					_ = authorize(req)
				}
				res, err := client().Do(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}
