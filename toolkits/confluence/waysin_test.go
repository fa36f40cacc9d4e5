package confluence_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
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
