package confluence_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

// write makes a page with a text.
func (s *site) write(space, title, storage string) string {
	s.t.Helper()
	return text(s.must("CREATE_PAGE", fmt.Sprintf(`{"spaceId":%q,"title":%q,"body":{"value":%q}}`, space, title, storage)), "id")
}

func TestCQLSearch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.write("MKT", "Alpha & Omega", "<p>The quick fox</p>")
	b := s.write("ENG", "Beta", "<p>The slow fox</p>")
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"urgent"}]}`, b))
	for _, tc := range []struct {
		args string
		want []string
	}{
		{`{"cql":"type = page and text ~ \"fox\" order by title"}`, []string{"Alpha & Omega", "Beta"}},
		{`{"cql":"label = \"urgent\""}`, []string{"Beta"}},
		{`{"cql":"space = MKT and text ~ \"fox\"","excerpt":"none"}`, []string{"Alpha & Omega"}},
		{`{"cql":"space = NOPE"}`, nil},
	} {
		out := s.must("CQL_SEARCH", tc.args)
		if diff := cmp.Diff(tc.want, column(out, "title")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
	}
	out := s.must("CQL_SEARCH", `{"cql":"text ~ \"quick\"","expand":"content.space, content.body.storage"}`)
	row := get(out, "results", 0)
	if text(row, "content", "id") != a || text(row, "content", "type") != "page" || !strings.HasPrefix(text(row, "url"), s.srv.URL+"/wiki/") {
		t.Errorf("row %v", row)
	}
	if e := text(row, "excerpt"); !strings.Contains(e, "quick fox") || strings.Contains(e, "@@@") {
		t.Errorf("excerpt %q", e)
	}
	if text(row, "content", "space", "key") != "MKT" || !strings.Contains(text(row, "content", "body", "storage", "value"), "quick") {
		t.Errorf("expanded: %v", row)
	}
	for _, tc := range []struct{ args, want string }{
		{`{"cql":"type = "}`, "text ~ \"words\""},
		{`{"cql":"status = current"}`, "status"},
		{`{"cql":""}`, "must not be empty"},
		{`{"cql":"type = page","start":1,"cursor":"x"}`, "not both"},
		{`{"query":"x"}`, "cql: is required"},
	} {
		e := s.fails("CQL_SEARCH", tc.args)
		if e.Kind != toolkit.KindInvalid || e.Field == "" || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: %s %q: %v", tc.args, e.Kind, e.Field, e)
		}
	}
}

func TestSearchContent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write("MKT", "Unrelated", "<p>nothing here</p>")
	s.write("MKT", "Budget", "<p>All about planning for q3.</p>")
	s.write("MKT", "Planning the Q3 campaign", "<p>x</p>")
	s.write("MKT", "Q3 Planning: summary", "<p>x</p>")
	s.write("ENG", "Q3 Planning", "<p>x</p>")
	s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"Post","body":{"value":"<p>Our planning of Q3</p>"}}`)
	out := s.must("SEARCH_CONTENT", `{"query":"q3 planning"}`)
	got := column(out, "title")
	want := []string{"Q3 Planning", "Q3 Planning: summary", "Planning the Q3 campaign"}
	if len(got) != 5 {
		t.Fatalf("found %v", got)
	}
	if diff := cmp.Diff(want, got[:3]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Budget", "Post"}, slices.Sorted(slices.Values(got[3:]))); diff != "" {
		t.Errorf("by text:\n%s", diff)
	}
	if text(out, "results", 0, "content", "id") == "" || text(out, "results", 0, "url") == "" || out["note"] != nil {
		t.Errorf("answer %v", out)
	}
	for _, tc := range []struct {
		args string
		want []string
	}{
		{`{"query":"\"Q3\" (planning) AND!","spaceKey":"ENG"}`, []string{"Q3 Planning"}},
		{`{"query":"q3: planning?","spaceKey":"ENG"}`, []string{"Q3 Planning"}},
		{`{"query":"q3 planning","spaceKey":` + s.space("ENG") + `}`, []string{"Q3 Planning"}},
		{`{"query":"zebra"}`, nil},
	} {
		out := s.must("SEARCH_CONTENT", tc.args)
		if diff := cmp.Diff(tc.want, column(out, "title")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
	}
	out = s.must("SEARCH_CONTENT", `{"query":"the Q3 planning page document","limit":2}`)
	if text(out, "results", 0, "title") != "Q3 Planning" || text(out, "next_cursor") != "2" {
		t.Errorf("fillers: %v", out)
	}
	out = s.must("SEARCH_CONTENT", `{"query":"our page about nothing here"}`)
	if diff := cmp.Diff([]string{"Unrelated"}, column(out, "title")); diff != "" || !strings.Contains(text(out, "note"), "these hold: nothing here") {
		t.Errorf("fillers before a text: %v", out)
	}
	out = s.must("SEARCH_CONTENT", `{"query":"planning zebra","limit":2}`)
	if !strings.Contains(text(out, "results", 0, "title"), "lanning") || !strings.Contains(text(out, "note"), "some of them") {
		t.Errorf("a word too many: %v", out)
	}
	for _, tc := range []struct{ args, field, want string }{
		{`{"query":"  ?! "}`, "query", "at least one word"},
		{`{"query":""}`, "query", "must not be empty"},
		{`{"query":"x","spaceKey":"NOPE"}`, "spaceKey", "no space with the key 'NOPE'"},
		{`{"query":"x","cursor":"abc"}`, "cursor", "next_cursor"},
		{`{"query":"x","cursor":"3","start":3}`, "cursor", "no start"},
	} {
		if e := s.fails("SEARCH_CONTENT", tc.args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", tc.args, e.Field, e)
		}
	}
}

// TestSearchContentCannotBeInjected sends what would be CQL and looks at the
// query that goes out.
func TestSearchContentCannotBeInjected(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var sent []string
	s.alter = func(r *http.Request) *http.Response {
		sent = append(sent, r.URL.Query().Get("cql"))
		return nil
	}
	s.must("SEARCH_CONTENT", `{"query":"x\" or space = \"ENG\\"}`)
	for i, want := range []string{`title ~ "x eng"`, `text ~ "x or space eng"`} {
		if cql := sent[i]; strings.Count(cql, `"`) != 2 || !strings.HasPrefix(cql, want) {
			t.Errorf("sent %s, want %s", cql, want)
		}
	}
	sent = nil
	s.must("GET_PAGES", `{"label":["x\" or label = \"y"],"title":"back\\slash"}`)
	if want := `type = page and label = "x\" or label = \"y" and title = "back\\slash"`; sent[0] != want {
		t.Errorf("sent %s, want %s", sent[0], want)
	}
}

// TestCursorsArePassedOnUnchanged uses a cursor of characters that matter in URLs.
func TestCursorsArePassedOnUnchanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const cursor = `a+b/c==&%25 "ü,;`
	next := "/wiki/api/v2/labels?" + url.Values{"cursor": {cursor}, "limit": {"1"}}.Encode()
	s.alter = func(r *http.Request) *http.Response {
		if got := r.URL.Query().Get("cursor"); got == cursor {
			return answer(r, 200, `{"results":[{"id":"2","name":"two"}]}`)
		}
		resp := answer(r, 200, `{"results":[{"id":"1","name":"one"}]}`)
		resp.Header.Set("Link", "<"+next+`>; rel="next"`)
		return resp
	}
	out := s.must("GET_LABELS", `{"limit":1}`)
	if text(out, "next_cursor") != cursor {
		t.Fatalf("cursor %q", text(out, "next_cursor"))
	}
	out = s.must("GET_LABELS", fmt.Sprintf(`{"limit":1,"cursor":%s}`, quoteJSON(cursor)))
	if text(out, "results", 0, "name") != "two" || out["more"] != nil {
		t.Errorf("second: %v", out)
	}
}
