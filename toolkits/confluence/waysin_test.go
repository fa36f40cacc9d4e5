package confluence_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/toolkit"
)

// tiny gives the short link of an id.
func tiny(t *testing.T, id string) string {
	t.Helper()
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	raw := binary.LittleEndian.AppendUint64(nil, n)
	code := strings.TrimRight(strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "="), "A")
	return "https://acme.atlassian.net/wiki/x/" + strings.NewReplacer("/", "-", "+", "_").Replace(code)
}

// byTitle are the requests by which a title becomes an id.
var byTitle = regexp.MustCompile(`^GET /wiki/api/v2/(spaces|pages|blogposts)\?`)

// TestWaysIn: every argument of every tool that takes the id of a page or blog
// post takes its addresses, its short link, and space and title just as well:
// the request for it is the same.
func TestWaysIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Q3 Plan", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	s.alter = func(r *http.Request) *http.Response {
		if byTitle.MatchString(r.Method+" "+r.URL.RequestURI()) && r.URL.Query().Get("title")+r.URL.Query().Get("keys") != "" {
			return nil
		}
		return answer(r, 500, `{}`)
	}
	asked := func(slug, args string) string {
		t.Helper()
		_, err := s.run(slug, args)
		calls := slices.DeleteFunc(slices.Clone(s.calls), byTitle.MatchString)
		if len(calls) == 0 {
			t.Errorf("%s %s asks for nothing: %v", slug, args, err)
			return ""
		}
		return calls[0]
	}
	ways := map[string][]string{
		id: {
			"https://acme.atlassian.net/wiki/spaces/MKT/pages/" + id + "/Q3+Plan", "https://acme.atlassian.net/wiki/pages/viewpage.action?pageId=" + id,
			tiny(t, id), "MKT: Q3 Plan", "https://acme.atlassian.net/wiki/display/MKT/Q3+Plan",
		},
		blog: {"https://acme.atlassian.net/wiki/spaces/MKT/blog/2026/11/22/" + blog + "/News", tiny(t, blog), "MKT: News"},
	}
	tools := 0
	for slug, args := range smallest(id, blog) {
		for given, others := range ways {
			if !strings.Contains(args, strconv.Quote(given)) {
				continue
			}
			tools++
			want := asked(slug, args)
			for _, way := range others {
				if got := asked(slug, strings.Replace(args, strconv.Quote(given), fmt.Sprintf("%q", way), 1)); got != want {
					t.Errorf("%s with %s asks for %s, want %s", slug, way, got, want)
				}
			}
		}
	}
	if tools < 35 {
		t.Errorf("only %d tools were tried", tools)
	}
}

// answering is an upstream that a function plays.
type answering func(r *http.Request) *http.Response

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// TestOtherSite: an address of another site is refused, for its id would mean
// something else here; nothing is asked upstream.
func TestOtherSite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	deletePage := kit.Tools[slices.IndexFunc(kit.Tools, func(t toolkit.Tool) bool { return t.Slug == "CONFLUENCE_DELETE_PAGE" })]
	gateway := "https://api.atlassian.test/ex/confluence/1234"
	for name, tc := range map[string]struct {
		host, base, subdomain, says string // says nothing: it is asked for
	}{
		"own address":              {"acme.atlassian.net", "https://acme.atlassian.net", "acme", ""},
		"spelt otherwise":          {"ACME.atlassian.net:443", "https://acme.atlassian.net", "acme.atlassian.net", ""},
		"another":                  {"beta.atlassian.net", "https://acme.atlassian.net", "acme", "is on beta.atlassian.net, and this account works on acme.atlassian.net"},
		"begins alike":             {"acme.atlassian.net.evil.test", "https://acme.atlassian.net", "acme", "works on acme.atlassian.net"},
		"own domain":               {"wiki.acme.test", "https://wiki.acme.test", "acme", ""},
		"another at own domain":    {"beta.atlassian.net", "https://wiki.acme.test", "acme", "works on wiki.acme.test"},
		"behind the gateway":       {"acme.atlassian.net", gateway, "acme", ""},
		"another behind it":        {"beta.atlassian.net", gateway, "acme", "works on acme.atlassian.net"},
		"own domain behind it":     {"wiki.acme.test", gateway, "acme", ""},
		"nothing known behind it":  {"beta.atlassian.net", gateway, "", ""},
		"a port of the sandbox":    {"127.0.0.1:1", s.srv.URL, "acme", ""},
		"the sandbox, but another": {"beta.atlassian.net", s.srv.URL, "", "works on 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			call := &toolkit.Call{BaseURL: tc.base, Account: map[string]string{"subdomain": tc.subdomain}}
			call.HTTP = &http.Client{Transport: answering(func(r *http.Request) *http.Response {
				asked++
				return answer(r, 500, "{}")
			})}
			_, err := deletePage.Run(t.Context(), call, json.RawMessage(fmt.Sprintf(`{"id":"https://%s/wiki/spaces/MKT/pages/%s/Plan"}`, tc.host, id)))
			if err == nil || (asked == 0) != (tc.says != "") || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%d calls, %v", asked, err)
			}
		})
	}
}
