package confluence_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

func TestCreatePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mkt := s.space("MKT")
	for _, tc := range []struct{ name, args, storage string }{
		{"by key, nested body", `{"spaceId":"MKT","title":"One","body":{"storage":{"value":"<p>a &amp; b</p>","representation":"storage"}}}`, "<p>a &amp; b</p>"},
		{"by key in small letters, flat body", `{"spaceId":"mkt","title":"Two","body":{"value":"<p>x</p>","representation":"storage"},"type":"page"}`, "<p>x</p>"},
		{"by id, as a number", fmt.Sprintf(`{"spaceId":%s,"title":"Three","body":{"value":"<p>x</p>"},"parentId":null}`, mkt), "<p>x</p>"},
		{"document format", `{"spaceId":"MKT","title":"Four","body":{"representation":"atlas_doc_format","value":"{\"type\":\"doc\",\"version\":1,\"content\":[{\"type\":\"paragraph\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]}"}}`, "<p>Hi</p>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := s.must("CREATE_PAGE", tc.args)
			got, ok := s.srv.Page(text(out, "id"))
			if !ok || got.SpaceKey != "MKT" || got.Storage != tc.storage || got.Status != "current" || got.AuthorID != s.me.AccountID {
				t.Errorf("the site has %+v", got)
			}
			if text(out, "title") != got.Title || get(out, "version", "number") != 1.0 {
				t.Errorf("answer %v", out)
			}
			if url := text(out, "url"); !strings.HasPrefix(url, s.srv.URL+"/wiki/spaces/MKT/pages/"+got.ID) {
				t.Errorf("address %q", url)
			}
		})
	}
	parent := s.page("Parent", "")
	address := fmt.Sprintf("https://acme.atlassian.net/wiki/spaces/MKT/pages/%s/Parent", parent)
	child := s.must("CREATE_PAGE", fmt.Sprintf(`{"spaceId":"MKT","title":"Child","parentId":%q,"status":"draft","body":{"value":"<p/>"}}`, address))
	if got, _ := s.srv.Page(text(child, "id")); got.ParentID != parent || got.Status != "draft" {
		t.Errorf("child: %+v", got)
	}
}

func TestCreatePageRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	taken := s.page("Taken", "")
	for _, tc := range []struct {
		name, args string
		kind       toolkit.Kind
		field      string
		want       string
	}{
		{"unknown space", `{"spaceId":"NOPE","title":"x","body":{"value":"<p/>"}}`, toolkit.KindNotFound, "spaceId", "no space with the key 'NOPE', or this account may not see it. Spaces that it sees: ENG (Engineering), MKT (Marketing)"},
		{"name of a space", `{"spaceId":"marketing","title":"x","body":{"value":"<p/>"}}`, toolkit.KindNotFound, "spaceId", "'marketing' is the name of the space with the key MKT"},
		{"unknown space id", `{"spaceId":"999999","title":"x","body":{"value":"<p/>"}}`, toolkit.KindNotFound, "spaceId", "space with id 999999"},
		{"taken title", `{"spaceId":"MKT","title":"taken","body":{"value":"<p/>"}}`, toolkit.KindConflict, "title", "the page with id " + taken + " has it"},
		{"broken XHTML", `{"spaceId":"MKT","title":"x","body":{"value":"<p>no end"}}`, toolkit.KindInvalid, "body", "close every tag"},
		{"no text", `{"spaceId":"MKT","title":"x","body":{}}`, toolkit.KindInvalid, "body.value", "expected the text"},
		{"two texts", `{"spaceId":"MKT","title":"x","body":{"value":"a","storage":{"value":"b"}}}`, toolkit.KindInvalid, "body", "not both"},
		{"wrong document format", `{"spaceId":"MKT","title":"x","body":{"value":"<p/>","representation":"atlas_doc_format"}}`, toolkit.KindInvalid, "body.value", "JSON text"},
		{"parent is a key", `{"spaceId":"MKT","title":"x","parentId":"MKT","body":{"value":"<p/>"}}`, toolkit.KindInvalid, "parentId", "'MKT' is a space key, not a page id."},
		{"too large", `{"spaceId":"MKT","title":"x","body":{"value":"` + strings.Repeat("x", 5<<20) + `x"}}`, toolkit.KindTooLarge, "body.value", "5 MB"},
		{"wrong type", `{"spaceId":"MKT","title":"x","body":{"storage":{"value":5}}}`, toolkit.KindInvalid, "body.storage.value", "expected a string, got a number"},
		{"unknown argument", `{"space":"MKT","title":"x","body":{"value":"<p/>"}}`, toolkit.KindInvalid, "space", `did you mean "spaceId"?`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := s.fails("CREATE_PAGE", tc.args)
			if e.Kind != tc.kind || tc.field != "" && e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
				t.Errorf("got %s, field %q: %v", e.Kind, e.Field, e)
			}
		})
	}
}

func TestGetPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>second</p>"}}`, id))
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"urgent"}]}`, id))
	for _, tc := range []struct{ args, format, want string }{
		{fmt.Sprintf(`{"id":%s}`, id), "storage", "<p>second</p>"},
		{fmt.Sprintf(`{"id":"%s","version":"1"}`, id), "storage", "<p>Text of Plan</p>"},
		{fmt.Sprintf(`{"id":"https://acme.atlassian.net/wiki/spaces/MKT/pages/%s"}`, id), "storage", "<p>second</p>"},
		{fmt.Sprintf(`{"id":"https://acme.atlassian.net/wiki/pages/viewpage.action?pageId=%s"}`, id), "storage", "<p>second</p>"},
		{fmt.Sprintf(`{"id":"%s","body_format":"view"}`, id), "view", "second"},
		{fmt.Sprintf(`{"id":"%s","body_format":"atlas_doc_format"}`, id), "atlas_doc_format", `"second"`},
	} {
		out := s.must("GET_PAGE_BY_ID", tc.args)
		if got := text(out, "body", tc.format, "value"); !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.args, got, tc.want)
		}
		if text(out, "title") != "Plan" || text(out, "url") == "" {
			t.Errorf("%s: %v", tc.args, out)
		}
	}
	out := s.must("GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%s,"include_labels":true}`, id))
	if text(out, "labels", 0, "name") != "urgent" {
		t.Errorf("labels: %v", out["labels"])
	}
}

func TestIDsThatAreNone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, tc := range []struct{ tool, args, want string }{
		{"GET_PAGE_BY_ID", `{"id":"MKT"}`, "'MKT' is a space key, not a page id. Find the page with CONFLUENCE_SEARCH_CONTENT."},
		{"GET_PAGE_BY_ID", `{"id":"~712020abc"}`, "is a space key"},
		{"GET_PAGE_BY_ID", `{"id":"Q3 Planning"}`, "'Q3 Planning' looks like a title"},
		{"GET_PAGE_BY_ID", `{"id":"att17"}`, "id of an attachment"},
		{"GET_PAGE_BY_ID", `{"id":"https://acme.atlassian.net/wiki/spaces/MKT"}`, "holds no page id"},
		{"GET_PAGE_BY_ID", `{"id":" "}`, "id is empty"},
		{"GET_PAGE_BY_ID", `{"id":"../../spaces/1"}`, "looks like a title"},
		{"GET_PAGE_BY_ID", `{"id":987654}`, "no page with id 987654"},
		{"GET_PAGE_BY_ID", `{"id":987654,"version":3}`, "no page with id 987654 in version 3"},
		{"GET_PAGE_BY_ID", `{"id":"https://acme.atlassian.net/wiki/x/BhIP"}`, "no page with id 987654"},
		{"GET_PAGE_BY_ID", `{"id":"https://acme.atlassian.net/wiki/x/!!"}`, "holds no page id"},
		{"DELETE_PAGE", `{"id":"987654"}`, "no page with id 987654"},
		{"UPDATE_PAGE", `{"id":987654,"title":"x"}`, "no page with id 987654"},
		{"UPDATE_PAGE", `{"id":"MKT","title":"x"}`, "is a space key"},
		{"GET_CHILD_PAGES", `{"id":"987654"}`, "no page with id 987654"},
		{"GET_PAGE_ANCESTORS", `{"id":"987654"}`, "no page with id 987654"},
		{"GET_PAGE_VERSIONS", `{"id":"987654"}`, "no page with id 987654"},
		{"GET_LABELS_FOR_PAGE", `{"id":"987654"}`, "no page with id 987654"},
		{"GET_PAGE_FOOTER_COMMENTS", `{"id":"987654"}`, "no page with id 987654"},
		{"GET_BLOGPOST_BY_ID", `{"id":"987654"}`, "no blog post with id 987654"},
		{"GET_BLOGPOST_BY_ID", `{"id":"MKT"}`, "not a blog post id"},
		{"UPDATE_BLOGPOST", `{"id":"987654","title":"x"}`, "no blog post with id 987654"},
		{"ADD_CONTENT_LABEL", `{"id":"987654","labels":[{"name":"x"}]}`, "no content with id 987654"},
		{"ADD_CONTENT_LABEL", `{"id":"Q3 Planning","labels":[{"name":"x"}]}`, "looks like a title"},
		{"GET_SPACE_BY_ID", `{"id":"987654"}`, "no space with id 987654"},
		{"GET_SPACE_CONTENTS", `{"spaceKey":"NOPE"}`, "no space with the key 'NOPE'"},
		{"GET_SPACE_CONTENTS", `{"spaceKey":"987654"}`, "no space with id 987654"},
		{"CREATE_FOOTER_COMMENT", `{"pageId":"987654","body":{"value":"<p/>"}}`, "no page with id 987654"},
	} {
		if e := s.fails(tc.tool, tc.args); !strings.Contains(e.Error(), tc.want) || e.Field == "" {
			t.Errorf("%s %s: field %q: %v", tc.tool, tc.args, e.Field, e)
		}
	}
}

func TestUpdatePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id, parent := s.page("Plan", ""), s.page("Parent", "")
	read := func() sandbox.Content {
		p, _ := s.srv.Page(id)
		return p
	}
	out := s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"storage":{"value":"<p>new</p>"}},"version":{"message":"better"}}`, id))
	if p := read(); p.Version != 2 || p.Storage != "<p>new</p>" || p.Title != "Plan" || p.Message != "better" {
		t.Errorf("new text: %+v", p)
	}
	if get(out, "version", "number") != 2.0 || text(out, "url") == "" {
		t.Errorf("answer: %v", out)
	}
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"title":"Plan B"}`, id))
	if p := read(); p.Version != 3 || p.Storage != "<p>new</p>" || p.Title != "Plan B" {
		t.Errorf("new title: %+v", p)
	}
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"parentId":%q,"spaceId":"MKT","type":"page"}`, id, parent))
	if p := read(); p.Version != 4 || p.ParentID != parent || p.Storage != "<p>new</p>" {
		t.Errorf("moved: %+v", p)
	}
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"spaceId":%s,"title":"Plan C","body":{"value":"<p>c</p>"},"version":{"number":5},"status":"current"}`, id, s.space("MKT")))
	if p := read(); p.Version != 5 || p.Title != "Plan C" || p.ParentID != parent {
		t.Errorf("everything given: %+v", p)
	}
}

func TestPublishDraft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := text(s.must("CREATE_PAGE", `{"spaceId":"MKT","title":"Draft","status":"draft","body":{"value":"<p>1</p>"}}`), "id")
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>2</p>"}}`, id))
	if p, _ := s.srv.Page(id); p.Status != "draft" || p.Storage != "<p>2</p>" {
		t.Errorf("changed draft: %+v", p)
	}
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"status":"current","title":"Done"}`, id))
	if p, _ := s.srv.Page(id); p.Status != "current" || p.Title != "Done" || p.Storage != "<p>2</p>" {
		t.Errorf("published: %+v", p)
	}
}

func TestUpdatePageRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	s.page("Other", "")
	for _, tc := range []struct{ args, field, want string }{
		{`{"id":%s}`, "", "nothing to change"},
		{`{"id":%s,"spaceId":"ENG","title":"x"}`, "spaceId", "cannot move it to another"},
		{`{"id":%s,"title":"Other"}`, "title", "The title is taken"},
		{`{"id":%s,"body":{}}`, "body.value", "expected the text"},
		{`{"id":%s,"status":"archived"}`, "status", "one of current, draft"},
		{`{"id":%s,"title":"x","version":{"nubmer":3}}`, "version.nubmer", `did you mean "number"?`},
	} {
		args := fmt.Sprintf(tc.args, id)
		if e := s.fails("UPDATE_PAGE", args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", args, e.Field, e)
		}
	}
	if p, _ := s.srv.Page(id); p.Version != 1 {
		t.Errorf("something was written: %+v", p)
	}
	s.must("DELETE_PAGE", fmt.Sprintf(`{"id":%s}`, id))
	if e := s.fails("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"title":"x"}`, id)); !strings.Contains(e.Error(), "trashed") {
		t.Errorf("in the trash: %v", e)
	}
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"status":"current"}`, id))
	if p, _ := s.srv.Page(id); p.Status != "current" {
		t.Errorf("not restored: %+v", p)
	}
}

func TestConflictSaysWhoAndWhen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p>n</p>"}}`), "id")
	me := s.me
	s.me = s.srv.AddUser(sandbox.User{Email: "ada@example.com", DisplayName: "Ada Lovelace"})
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>hers</p>"}}`, id))
	s.must("UPDATE_BLOGPOST", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>hers</p>"}}`, blog))
	s.me = me
	for tool, id := range map[string]string{"UPDATE_PAGE": id, "UPDATE_BLOGPOST": blog} {
		e := s.fails(tool, fmt.Sprintf(`{"id":%s,"title":"t","body":{"value":"<p>mine</p>"},"version":{"number":2}}`, id))
		for _, want := range []string{"current version is 2", "Ada Lovelace", "2026-11-22T10:00", "version.number 3"} {
			if !strings.Contains(e.Error(), want) {
				t.Errorf("%s: %v, want %q", tool, e, want)
			}
		}
		if e.Kind != toolkit.KindConflict || e.Field != "version.number" {
			t.Errorf("%s: %+v", tool, e)
		}
		if p, _ := s.srv.Page(id); p.Storage != "<p>hers</p>" {
			t.Errorf("%s overwrote: %+v", tool, p)
		}
	}
}

func TestUpdateIsSentOnceWhenItLosesTheRace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	other := newOtherUser(s)
	raced := false
	s.alter = func(r *http.Request) *http.Response {
		if r.Method == http.MethodPut && !raced {
			raced = true
			other.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>theirs</p>"}}`, id))
		}
		return nil
	}
	e := s.fails("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>mine</p>"}}`, id))
	if e.Kind != toolkit.KindConflict || !strings.Contains(e.Message, "current version is 2, by Otto Other") {
		t.Errorf("got %v", e)
	}
	puts := slices.DeleteFunc(s.calls, func(c string) bool { return !strings.HasPrefix(c, "PUT") })
	if len(puts) != 1 {
		t.Errorf("the change was sent %d times", len(puts))
	}
}

// newOtherUser is another person on the same site.
func newOtherUser(s *site) *site {
	return &site{t: s.t, srv: s.srv, me: s.srv.AddUser(sandbox.User{Email: "otto@example.com", DisplayName: "Otto Other"})}
}

func TestDeletePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Old", "")
	out := s.must("DELETE_PAGE", fmt.Sprintf(`{"id":%s}`, id))
	if out["deleted"] != true || !strings.Contains(text(out, "message"), "in the trash") {
		t.Errorf("answer %v", out)
	}
	if p, _ := s.srv.Page(id); p.Status != "trashed" {
		t.Errorf("the site has %+v", p)
	}
	out = s.must("DELETE_PAGE", fmt.Sprintf(`{"id":%s}`, id))
	if out["deleted"] != false || !strings.Contains(text(out, "message"), "already") {
		t.Errorf("second time: %v", out)
	}
}

func TestGetPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b, c := s.page("Alpha", ""), s.page("Beta", ""), s.page("Gamma", "")
	for _, id := range []string{a, c} {
		s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"urgent"}]}`, id))
	}
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"blue"}]}`, c))
	old := s.page("Old", "")
	s.must("DELETE_PAGE", fmt.Sprintf(`{"id":%s}`, old))
	for _, tc := range []struct {
		args string
		want []string
	}{
		{`{"spaceId":"MKT","title":"beta"}`, []string{b}},
		{`{"spaceId":"ENG","title":"Beta"}`, nil},
		{`{"spaceId":"MKT","status":"trashed"}`, []string{old}},
		{`{"label":["urgent"],"sort":"title"}`, []string{a, c}},
		{`{"label":["urgent"],"sort":"title","direction":"desc"}`, []string{c, a}},
		{`{"label":["urgent","blue"],"spaceId":"MKT"}`, []string{c}},
		{`{"label":["urgent"],"spaceId":` + s.space("ENG") + `}`, nil},
		{`{"label":["blue"],"authorId":"` + s.me.AccountID + `","title":"Gamma"}`, []string{c}},
		{`{"authorId":"nobody","label":["blue"]}`, nil},
	} {
		out := s.must("GET_PAGES", tc.args)
		if diff := cmp.Diff(tc.want, column(out, "id")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
	}
	out := s.must("GET_PAGES", `{"title":"Beta","expand":["body.storage","version"]}`)
	if text(out, "results", 0, "body", "storage", "value") != "<p>Text of Beta</p>" || text(out, "results", 0, "url") == "" {
		t.Errorf("expanded: %v", out)
	}
	if out := s.must("GET_PAGES", `{"title":"Beta"}`); get(out, "results", 0, "body") != nil {
		t.Errorf("a body that was not asked for: %v", out)
	}
	for _, tc := range []struct{ args, field, want string }{
		{`{"expand":["children"]}`, "expand", "use body_format"},
		{`{"direction":"asc"}`, "direction", "by what to sort"},
		{`{"label":["x"],"status":"trashed"}`, "status", "only current"},
		{`{"label":["x"],"sort":"id"}`, "sort", "created-date"},
		{`{"limit":251}`, "limit", "at most 250"},
		{`{"cursor":"x","start":1}`, "start", "not both"},
	} {
		if e := s.fails("GET_PAGES", tc.args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", tc.args, e.Field, e)
		}
	}
}

// TestPaging walks every list by cursor and by start, and compares both with
// the whole list.
func TestPaging(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	top := s.page("Top", "")
	for i := range 7 {
		id := s.page(fmt.Sprintf("Child %d", i), top)
		s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"l%d"}]}`, top, i))
		s.must("CREATE_FOOTER_COMMENT", fmt.Sprintf(`{"pageId":%s,"body":{"value":"<p>%d</p>"}}`, top, i))
		s.must("CREATE_BLOGPOST", fmt.Sprintf(`{"spaceId":"MKT","title":"Post %d","body":{"value":"<p>x</p>"}}`, i))
		s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>%d</p>"}}`, top, i))
		s.must("CREATE_SPACE", fmt.Sprintf(`{"key":"S%d","name":"Space %d"}`, i, i))
		_ = id
	}
	for _, tc := range []struct{ tool, args, name string }{
		{"GET_PAGES", `"spaceId":"MKT","sort":"title"`, "title"},
		{"GET_PAGES", `"authorId":"` + s.me.AccountID + `","sort":"title"`, "title"},
		{"GET_CHILD_PAGES", `"id":` + top, "title"},
		{"GET_PAGE_VERSIONS", `"id":` + top, "number"},
		{"GET_BLOG_POSTS", `"spaceId":"MKT","sort":"id"`, "title"},
		{"GET_LABELS_FOR_PAGE", `"id":` + top, "name"},
		{"GET_LABELS", `"prefix":["global"]`, "name"},
		{"CQL_SEARCH", `"cql":"type = page and space = MKT order by title"`, "title"},
		{"SEARCH_CONTENT", `"query":"child","spaceKey":"MKT"`, "title"},
		{"GET_SPACES", `"sort":"key"`, "key"},
		{"GET_SPACE_CONTENTS", `"spaceKey":"MKT","type":"blogpost","sort":"id"`, "title"},
		{"GET_PAGE_FOOTER_COMMENTS", `"id":` + top + `,"sort":"created-date"`, "id"},
	} {
		t.Run(tc.tool, func(t *testing.T) {
			out := s.must(tc.tool, `{`+tc.args+`,"limit":100}`)
			whole := column(out, tc.name)
			if len(whole) < 7 || out["next_cursor"] != nil || out["more"] != nil {
				t.Fatalf("the whole list: %v", out)
			}
			var walked []string
			args := `{` + tc.args + `,"limit":3}`
			for range 10 {
				out := s.must(tc.tool, args)
				walked = append(walked, column(out, tc.name)...)
				cursor := text(out, "next_cursor")
				if cursor == "" {
					break
				}
				if !strings.Contains(text(out, "more"), "next_cursor") {
					t.Errorf("more: %q", text(out, "more"))
				}
				args = fmt.Sprintf(`{%s,"limit":3,"cursor":%q}`, tc.args, cursor)
			}
			if diff := cmp.Diff(whole, walked); diff != "" {
				t.Errorf("by cursor (-whole +walked):\n%s", diff)
			}
			out = s.must(tc.tool, `{`+tc.args+`,"limit":2,"start":4}`)
			if diff := cmp.Diff(whole[4:6], column(out, tc.name)); diff != "" {
				t.Errorf("by start (-want +got):\n%s", diff)
			}
			out = s.must(tc.tool, `{`+tc.args+`,"limit":2,"start":500}`)
			if len(column(out, tc.name)) != 0 || out["results"] == nil {
				t.Errorf("beyond the end: %v", out)
			}
		})
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	top := s.page("Top", "")
	mid := s.page("Mid", top)
	low := s.page("Low", mid)
	out := s.must("GET_CHILD_PAGES", fmt.Sprintf(`{"id":%s}`, top))
	if diff := cmp.Diff([]string{mid}, column(out, "id")); diff != "" || text(out, "results", 0, "title") != "Mid" ||
		text(out, "results", 0, "url") != s.srv.URL+"/wiki/pages/viewpage.action?pageId="+mid {
		t.Errorf("children %v", out)
	}
	out = s.must("GET_PAGE_ANCESTORS", fmt.Sprintf(`{"id":%s}`, low))
	titles := column(out, "title")
	if len(titles) < 2 || !slices.Equal(titles[len(titles)-2:], []string{"Top", "Mid"}) || text(out, "results", 0, "url") == "" {
		t.Errorf("ancestors %v", out)
	}

	s.alter = func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/direct-children") {
			return answer(r, http.StatusUnauthorized, `{"code":401,"message":"Unauthorized; scope does not match"}`)
		}
		return nil
	}
	out = s.must("GET_CHILD_PAGES", fmt.Sprintf(`{"id":%s}`, top))
	if diff := cmp.Diff([]string{mid}, column(out, "id")); diff != "" || !strings.Contains(text(out, "note"), "read:hierarchical-content") {
		t.Errorf("without the scope: %v", out)
	}

	s.alter = func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/direct-children") {
			return answer(r, 200, `{"results":[{"id":"1","type":"folder","title":"F"},{"id":"2","type":"page","title":"P"},{"id":"3","type":"folder","title":"G"}],"_links":{}}`)
		}
		return nil
	}
	out = s.must("GET_CHILD_PAGES", fmt.Sprintf(`{"id":%s}`, top))
	if diff := cmp.Diff([]string{"2"}, column(out, "id")); diff != "" || get(out, "other_children", "folder") != 2.0 {
		t.Errorf("with folders: %v", out)
	}
}

func TestPageVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	s.must("UPDATE_PAGE", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>2</p>"},"version":{"message":"why"}}`, id))
	out := s.must("GET_PAGE_VERSIONS", fmt.Sprintf(`{"id":%s,"body_format":"storage"}`, id))
	if diff := cmp.Diff([]string{"2", "1"}, column(out, "number")); diff != "" {
		t.Errorf("versions: %v", out)
	}
	if text(out, "results", 0, "message") != "why" || text(out, "results", 0, "authorId") != s.me.AccountID ||
		text(out, "results", 1, "page", "body", "storage", "value") != "<p>Text of Plan</p>" {
		t.Errorf("versions: %v", out)
	}
}
