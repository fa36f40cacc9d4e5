package confluence_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/toolkit"
)

// TestSearchNeverSendsBadCQL: whatever people type, the query is well formed.
func TestSearchNeverSendsBadCQL(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rapid.Check(t, func(t *rapid.T) {
		query := rapid.OneOf(
			rapid.StringN(1, 40, 400),
			rapid.StringOfN(rapid.RuneFrom([]rune(`"'\()~*?<>=!+-[]{}:; aA1ü and or not`)), 1, 30, -1),
			rapid.SampledFrom([]string{"and", "OR not", "order by", `\"`, "null", "*", "?x", "a~", "[1 TO 2]", "\x00", "日本語 テスト"}),
		).Draw(t, "query")
		_, err := s.run("SEARCH_CONTENT", fmt.Sprintf(`{"query":%s,"limit":1}`, quoteJSON(query)))
		var e *toolkit.Error
		if err != nil && (!errors.As(err, &e) || e.Field != "query") {
			t.Fatalf("%q: %v", query, err)
		}
	})
}

// TestIDsStayInTheirPlace: whatever is given as an id, only the one path that
// is meant is asked.
func TestIDsStayInTheirPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := regexp.MustCompile(`^/wiki/api/v2/(pages/[0-9]{1,19}|pages|spaces)$`)
	s.alter = func(r *http.Request) *http.Response {
		if !good.MatchString(r.URL.EscapedPath()) {
			t.Errorf("asked %s", r.URL)
		}
		if !strings.Contains(r.URL.Path, "/pages/") { // a look for a title
			return answer(r, 200, `{"results":[]}`)
		}
		return answer(r, 200, `{"id":"1","title":"x"}`)
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`[0-9]{1,25}(/\.\./[0-9]*)?`),
			rapid.StringMatching(`https://[a-z]{1,5}/wiki/(spaces/[A-Z]{1,4}/pages|x|pages/viewpage\.action\?pageId=)/?[0-9A-Za-z_-]{1,12}(/[a-z.]*)?`),
		).Draw(t, "id")
		_, err := s.run("GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%s}`, quoteJSON(id)))
		var e *toolkit.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: %v", id, err)
		}
	})
}

// TestSubdomainsLeadToTheCloudOnly: an accepted subdomain is a site of
// atlassian.net, reached over https, and nothing else.
func TestSubdomainsLeadToTheCloudOnly(t *testing.T) {
	t.Parallel()
	site := regexp.MustCompile(`^[a-z0-9-]+\.atlassian\.net$`)
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`(https?://)?([a-z@:/?#.\\-]{0,9})(\.atlassian\.net)?([/?#@:.][a-z0-9.]{0,9})?`),
		).Draw(t, "subdomain")
		base, err := kit.Auth[0].BaseURL(map[string]string{"subdomain": given})
		if err != nil {
			var e *toolkit.Error
			if !errors.As(err, &e) || e.Field != "subdomain" {
				t.Fatalf("%q: %v", given, err)
			}
			return
		}
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "https" || !site.MatchString(u.Host) || u.Path != "" || u.User != nil || strings.ContainsAny(base, "?#") {
			t.Fatalf("%q gives %q", given, base)
		}
	})
}
