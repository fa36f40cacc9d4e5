package confluence_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func TestLabels(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	id := s.page(space, "Page", "")
	a := s.must(200, "POST", "/wiki/rest/api/content/"+id+"/label", []obj{{"prefix": "global", "name": "Two Words,three"}, {"name": "two"}})
	if diff := cmp.Diff([]string{"two", "words", "three"}, s.Labels(id)); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if a.get("size") != 3.0 {
		t.Errorf("the answer holds %v labels, want all three", a.get("size"))
	}
	names := func(path string) []string {
		var out []string
		for _, r := range s.must(200, "GET", path, nil).results() {
			n, _ := r["name"].(string)
			out = append(out, n)
		}
		return out
	}
	if got := names("/wiki/api/v2/pages/" + id + "/labels?sort=-name"); !slices.Equal(got, []string{"words", "two", "three"}) {
		t.Errorf("labels by name, descending = %v", got)
	}
	s.must(204, "DELETE", "/wiki/rest/api/content/"+id+"/label?name=words", nil)
	s.must(204, "DELETE", "/wiki/rest/api/content/"+id+"/label/three", nil)
	if got := names("/wiki/api/v2/labels"); !slices.Equal(got, []string{"two"}) {
		t.Errorf("labels of the site = %v; one that nothing has is gone", got)
	}
	label := s.must(200, "GET", "/wiki/api/v2/labels", nil).str("results.0.id")
	if got := s.must(200, "GET", "/wiki/api/v2/labels/"+label+"/pages", nil).titles(); !slices.Equal(got, []string{"Page"}) {
		t.Errorf("pages with the label = %v", got)
	}
}

func TestComments(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	id := s.page(space, "Page", "")
	root := s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": id, "body": storage("<p>one</p>")}).str("id")
	reply := s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"parentCommentId": root, "body": obj{"storage": storage("<p>two</p>")}})
	if reply.str("pageId") != id || reply.str("parentCommentId") != root || reply.str("title") != "Re: Page" {
		t.Errorf("reply = %s", reply.text)
	}
	list := s.must(200, "GET", "/wiki/api/v2/pages/"+id+"/footer-comments?body-format=storage", nil)
	if len(list.results()) != 1 || list.str("results.0.body.storage.value") != "<p>one</p>" {
		t.Errorf("root comments = %s", list.text)
	}
	if got := s.must(200, "GET", "/wiki/api/v2/footer-comments/"+root+"/children", nil).results(); len(got) != 1 {
		t.Errorf("%d replies, want 1", len(got))
	}
	s.must(409, "PUT", "/wiki/api/v2/footer-comments/"+root, obj{"version": obj{"number": 1}, "body": storage("<p>x</p>")})
	s.must(204, "DELETE", "/wiki/api/v2/footer-comments/"+root, nil)
	s.must(404, "GET", "/wiki/api/v2/footer-comments/"+reply.str("id"), nil)
	if len(s.Comments(id)) != 0 {
		t.Error("a deleted comment is still listed")
	}
}

func TestSpaces(t *testing.T) {
	s := newSite(t, confluence.Options{})
	id, home := s.space("DOC")
	if p, _ := s.Page(home); p.Title != "Space DOC Home" || p.ParentID != "" {
		t.Errorf("homepage = %+v", p)
	}
	page := s.page(id, "Page", "")
	for query, want := range map[string]int{"?keys=doc": 1, "?keys=doc,none": 1, "?keys=none": 0, "?ids=" + id: 1, "?type=personal": 0, "?status=current": 1} {
		if got := len(s.must(200, "GET", "/wiki/api/v2/spaces"+query, nil).results()); got != want {
			t.Errorf("spaces%s: %d, want %d", query, got, want)
		}
	}
	task := s.must(202, "DELETE", "/wiki/rest/api/space/DOC", nil)
	status := s.must(200, "GET", "/wiki"+task.str("links.status"), nil)
	if status.get("finished") != true || status.get("successful") != true {
		t.Errorf("task = %s", status.text)
	}
	s.must(404, "GET", "/wiki/api/v2/pages/"+page, nil)
	s.must(404, "DELETE", "/wiki/rest/api/space/DOC", nil)
	s.space("DOC")
}

func TestBlogPosts(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	in := obj{"spaceId": space, "title": "News", "body": storage("<p>x</p>")}
	a := s.must(200, "POST", "/wiki/api/v2/blogposts", in)
	if !strings.HasPrefix(a.str("_links.webui"), "/spaces/DOC/blog/2026/11/22/"+a.str("id")) {
		t.Errorf("webui = %q", a.str("_links.webui"))
	}
	if _, has := a.json["parentId"]; has {
		t.Error("a blog post has a parentId")
	}
	if b := s.must(400, "POST", "/wiki/api/v2/blogposts", in); !strings.Contains(b.str("errors.0.title"), "already exists") {
		t.Errorf("the same title on the same day: %s", b.text)
	}
	s.page(space, "News", "<p>a page may be called the same</p>")
	s.must(409, "PUT", "/wiki/api/v2/blogposts/"+a.str("id"), edit(a.str("id"), "News", "", 5))
	s.must(200, "PUT", "/wiki/api/v2/blogposts/"+a.str("id"), edit(a.str("id"), "News 2", "<p>y</p>", 2))
	if got := s.must(200, "GET", "/wiki/api/v2/spaces/"+space+"/blogposts", nil).titles(); !slices.Equal(got, []string{"News 2"}) {
		t.Errorf("blog posts = %v", got)
	}
}

func TestBodiesAreRewritten(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	for _, tc := range []struct{ representation, value, want string }{
		{"storage", `<p>a<br/>&#252;</p>`, `<p>a<br />&uuml;</p>`},
		{"wiki", "h1. T\n* x", `<h1>T</h1><ul><li><p>x</p></li></ul>`},
		{"atlas_doc_format", `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"hi"}]}]}`, `<p>hi</p>`},
	} {
		a := s.must(200, "POST", "/wiki/api/v2/pages", obj{"spaceId": space, "title": tc.representation, "body": obj{"representation": tc.representation, "value": tc.value}})
		if p, _ := s.Page(a.str("id")); p.Storage != tc.want {
			t.Errorf("%s became %q, want %q", tc.representation, p.Storage, tc.want)
		}
	}
}

func TestRemovedCallsCanBeSwitchedOff(t *testing.T) {
	s := newSite(t, confluence.Options{Seed: true, V1Removed: true})
	a := s.must(410, "GET", "/wiki/rest/api/content?spaceKey=MKT", nil)
	if a.str("message") != "com.atlassian.confluence.api.service.exceptions.GoneException: This deprecated endpoint has been removed." {
		t.Errorf("gone = %s", a.text)
	}
	s.must(200, "GET", "/wiki/rest/api/search?cql=type%3Dpage", nil)
}

func TestHTMLAndTenant(t *testing.T) {
	s := newSite(t, confluence.Options{Seed: true})
	p, _ := s.PageByTitle("MKT", "Q3 Planning")
	links := s.must(200, "GET", "/wiki/api/v2/pages/"+p.ID, nil)
	for _, path := range []string{links.str("_links.webui"), "/spaces/MKT/overview", "/spaces/ENG", "/", "/spaces/ENG/pages/" + p.ID} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/wiki"+path, nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), "This is a sandbox") {
			t.Errorf("GET /wiki%s = %d", path, w.Code)
		}
	}
	for _, path := range []string{links.str("_links.tinyui"), "/pages/viewpage.action?pageId=" + p.ID} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/wiki"+path, nil))
		if w.Code != 302 || w.Header().Get("Location") != "/wiki"+links.str("_links.webui") {
			t.Errorf("%s leads to %d %q", path, w.Code, w.Header().Get("Location"))
		}
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/_edge/tenant_info", nil))
	if want := `{"cloudId":"` + s.CloudID() + `"}`; w.Body.String() != want {
		t.Errorf("tenant_info = %s, want %s", w.Body.String(), want)
	}
}

// TestFull: a site refuses writes beyond its bounds and takes them again after a purge.
func TestFull(t *testing.T) {
	s := newSite(t, confluence.Options{MaxStored: 1000})
	space, _ := s.space("DOC")
	long := "<p>" + strings.Repeat("x", 400) + "</p>"
	id := s.page(space, "One", long)
	s.must(200, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "One", long, 2))
	full := func() int {
		return s.call("POST", "/wiki/api/v2/pages", obj{"spaceId": space, "title": "Two", "body": storage(long)}).status
	}
	if got := full(); got != 507 {
		t.Fatalf("the third body of 400 bytes: %d, want 507", got)
	}
	if got := s.call("PUT", "/wiki/api/v2/pages/"+id, edit(id, "One", long, 3)).status; got != 507 {
		t.Errorf("a third version: %d, want 507", got)
	}
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+id, nil)
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+id+"?purge=true", nil)
	if got := full(); got != 200 {
		t.Errorf("after a purge: %d, want 200", got)
	}
	few := newSite(t, confluence.Options{MaxContents: 2})
	space, home := few.space("DOC")
	few.page(space, "Second", "")
	few.must(507, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": home, "body": storage("x")})
	few.must(507, "POST", "/wiki/rest/api/space", obj{"key": "B", "name": "B"})
	if len(few.Spaces()) != 1 {
		t.Errorf("a space without its homepage was left behind: %v", few.Spaces())
	}
}
