package confluence_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func benchGet(b *testing.B, s *site, path string) {
	b.Helper()
	s.must(200, "GET", path, nil)
	b.ReportAllocs()
	req := httptest.NewRequest("GET", "https://test.atlassian.net"+path, nil)
	req.SetBasicAuth(s.me.Email, s.me.Token)
	for b.Loop() {
		w := discard{header: http.Header{}}
		s.Handler().ServeHTTP(&w, req)
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkGetPage is the call that the router's overhead is measured against.
func BenchmarkGetPage(b *testing.B) {
	s := newSite(b, confluence.Options{Seed: true})
	p, _ := s.PageByTitle("MKT", "Q3 Planning")
	benchGet(b, s, "/wiki/api/v2/pages/"+p.ID+"?body-format=storage")
}

// large is a site with 10,000 pages.
func large(tb testing.TB) (*site, time.Duration) {
	s := newSite(tb, confluence.Options{})
	space, _ := s.space("BIG")
	began := time.Now()
	for i := range 10_000 {
		s.page(space, fmt.Sprintf("Page %d about topic %d", i, i%97), fmt.Sprintf("<h1>Topic %d</h1><p>The motor number %d was planned by team %d and released in week %d.</p>", i%97, i, i%13, i%52))
	}
	return s, time.Since(began)
}

func BenchmarkTenThousandPages(b *testing.B) {
	s, _ := large(b)
	for name, path := range map[string]string{
		"list":        "/wiki/api/v2/pages?limit=25",
		"list-sorted": "/wiki/api/v2/pages?limit=25&sort=-modified-date",
		"cql":         "/wiki/rest/api/search?cql=" + url.QueryEscape(`space = BIG and text ~ "motors planning 77" order by lastmodified desc`),
		"cql-ranked":  "/wiki/rest/api/search?cql=" + url.QueryEscape(`siteSearch ~ "motor topic"`),
	} {
		b.Run(name, func(b *testing.B) { benchGet(b, s, path) })
	}
}

func TestTenThousandPages(t *testing.T) {
	s, took := large(t)
	a := s.must(200, "GET", "/wiki/rest/api/search?cql="+url.QueryEscape(`text ~ "number 4711"`), nil)
	if got := a.titles(); len(got) != 1 || got[0] != "Page 4711 about topic 55" {
		t.Errorf("found %v", got)
	}
	t.Logf("10,000 pages made over HTTP in %v", took)
}
