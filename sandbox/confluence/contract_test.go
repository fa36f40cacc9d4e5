package confluence_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// specs are Atlassian's OpenAPI documents, loaded with the exceptions applied.
type specs struct {
	v1, v2, removed routers.Router
}

func loadSpecs(t *testing.T) specs {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "confluence")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Atlassian's OpenAPI documents are not at %s", dir)
		}
		t.Skipf("Atlassian's OpenAPI documents are not at %s", dir)
	}
	load := func(file, server string) routers.Router {
		l := openapi3.NewLoader()
		doc, err := l.LoadFromFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatalf("loading %s: %v", file, err)
		}
		doc.Servers = openapi3.Servers{{URL: "https://test.atlassian.net" + server}}
		for _, x := range exceptions {
			if x.file == file {
				x.apply(t, doc)
			}
		}
		r, err := gorillamux.NewRouter(doc)
		if err != nil {
			t.Fatalf("routing %s: %v", file, err)
		}
		return r
	}
	return specs{
		v1: load("openapi-v1.json", ""), v2: load("openapi-v2.json", "/wiki/api/v2"), removed: load("openapi-v1-2021-removed.json", ""),
	}
}

// contract validates every exchange of a site and counts the operations seen.
type contract struct {
	t    *testing.T
	s    specs
	seen map[string]bool
}

func (c *contract) check(req *http.Request, body []byte, res *http.Response) {
	c.t.Helper()
	var route *routers.Route
	var params map[string]string
	var err error
	for _, r := range []routers.Router{c.s.v2, c.s.v1, c.s.removed} {
		if route, params, err = r.FindRoute(req); err == nil {
			break
		}
	}
	if err != nil {
		c.t.Errorf("%s %s is in no document: %v", req.Method, req.URL.Path, err)
		return
	}
	op := req.Method + " " + route.Path
	c.seen[op] = true
	if res.StatusCode >= 400 {
		return // the documents give no schema for errors
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
		c.t.Errorf("request %s %s: %v", op, req.URL.RawQuery, short(err))
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Body: res.Body, Options: in.Options}
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		c.t.Errorf("answer of %s %s: %v", op, req.URL.RawQuery, short(err))
	}
}

func short(err error) string {
	var lines []string
	for _, l := range strings.Split(err.Error(), "\n") {
		if strings.Contains(l, "rror at") || strings.Contains(l, "rror") {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines[:min(len(lines), 8)], "\n  ")
}

// TestContract drives every served operation and validates requests and answers
// against Atlassian's documents.
func TestContract(t *testing.T) {
	s := newSite(t, confluence.Options{Seed: true})
	c := &contract{t: t, s: loadSpecs(t), seen: map[string]bool{}}
	s.check = c.check

	q3, _ := s.PageByTitle("MKT", "Q3 Planning")
	v2 := "/wiki/api/v2"
	space := s.must(200, "GET", v2+"/spaces?keys=MKT&description-format=plain&include-icon=true", nil).str("results.0.id")
	s.must(200, "GET", v2+"/spaces/"+space+"?include-labels=true&include-operations=true&include-properties=true", nil)
	page := s.must(200, "POST", v2+"/pages", obj{"spaceId": space, "title": "Contract", "status": "current", "body": storage("<p>x</p>")}).str("id")
	s.must(200, "PUT", v2+"/pages/"+page, edit(page, "Contract", "<p>y</p>", 2))
	s.must(200, "PUT", v2+"/pages/"+page+"/title", obj{"status": "current", "title": "Contract 2"})
	for _, f := range []string{"storage", "atlas_doc_format", "view", "export_view", "styled_view", "editor", "anonymous_export_view"} {
		s.must(200, "GET", v2+"/pages/"+q3.ID+"?body-format="+f, nil)
	}
	s.must(200, "GET", v2+"/pages/"+q3.ID+"?include-labels=true&include-versions=true&include-operations=true&include-likes=true&include-properties=true&include-favorited-by-current-user-status=true", nil)
	post := s.must(200, "POST", v2+"/blogposts", obj{"spaceId": space, "title": "Post", "body": storage("<p>x</p>")}).str("id")
	s.must(200, "PUT", v2+"/blogposts/"+post, edit(post, "Post", "<p>y</p>", 2))
	s.must(200, "POST", "/wiki/rest/api/content/"+page+"/label", []obj{{"prefix": "global", "name": "urgent"}, {"prefix": "my", "name": "mine"}})
	s.must(200, "POST", "/wiki/rest/api/content/"+post+"/label", obj{"prefix": "global", "name": "urgent"})
	label := s.must(200, "GET", v2+"/labels?limit=250&sort=name", nil).str("results.0.id")
	comment := s.must(201, "POST", v2+"/footer-comments", obj{"pageId": page, "body": storage("<p>c</p>")}).str("id")
	reply := s.must(201, "POST", v2+"/footer-comments", obj{"parentCommentId": comment, "body": storage("<p>r</p>")}).str("id")
	s.must(201, "POST", v2+"/footer-comments", obj{"blogPostId": post, "body": storage("<p>c</p>")})
	s.must(200, "PUT", v2+"/footer-comments/"+comment, obj{"version": obj{"number": 2}, "body": storage("<p>c2</p>")})
	for _, p := range []string{
		"/pages?limit=3&body-format=storage&sort=-modified-date", "/pages?status=trashed", "/pages?title=q3%20planning&space-id=" + space, "/pages?id=" + page,
		"/pages/" + q3.ID + "/children", "/pages/" + q3.ID + "/direct-children", "/pages/" + page + "/ancestors", "/pages/" + page + "/versions?body-format=storage",
		"/pages/" + page + "/versions/2", "/pages/" + page + "/labels", "/pages/" + q3.ID + "/footer-comments?body-format=storage",
		"/blogposts?limit=2&body-format=storage", "/blogposts/" + post + "?body-format=storage&include-labels=true", "/blogposts/" + post + "/versions", "/blogposts/" + post + "/versions/1",
		"/blogposts/" + post + "/labels", "/blogposts/" + post + "/footer-comments", "/labels/" + label + "/pages", "/labels/" + label + "/blogposts",
		"/spaces?limit=1", "/spaces/" + space + "/pages?depth=root", "/spaces/" + space + "/blogposts", "/spaces/" + space + "/content/labels",
		"/footer-comments?limit=2&body-format=storage", "/footer-comments/" + reply + "?body-format=storage", "/footer-comments/" + comment + "/children?body-format=storage",
		"/footer-comments/" + comment + "/versions", "/footer-comments/" + comment + "/versions/1",
	} {
		s.must(200, "GET", v2+p, nil)
	}
	for _, p := range []string{
		"/search?cql=siteSearch~planning&limit=2", "/search?cql=type%3Dspace", "/search?cql=type%3Duser&excerpt=none",
		"/search?cql=text~plan&expand=content.space,content.version,content.history,content.body.storage,content.ancestors,content.metadata.labels,content.container",
		"/content/search?cql=type%3Dblogpost&expand=space,version", "/search/user?cql=user.fullname~Maya", "/user/current", "/user?accountId=" + q3.AuthorID,
		"/label?name=urgent", "/longtask",
		"/content?type=page&spaceKey=MKT&title=Q3%20Planning&expand=body.storage,version,space,metadata.labels,ancestors,history", "/content/" + q3.ID + "?expand=body.storage,version,space,metadata.labels,ancestors,children.page",
		"/content/" + q3.ID + "/label", "/content/" + q3.ID + "/history", "/content/" + q3.ID + "/version", "/content/" + q3.ID + "/child?expand=page", "/content/" + q3.ID + "/child/comment?expand=body.view",
		"/content/" + q3.ID + "/descendant/page", "/space?limit=2", "/space/MKT?expand=description.plain,homepage", "/space/MKT/content", "/space/MKT/content/page",
	} {
		s.must(200, "GET", "/wiki/rest/api"+p, nil)
	}
	made := s.must(200, "POST", "/wiki/rest/api/content", obj{"type": "page", "title": "v1", "space": obj{"key": "MKT"}, "body": obj{"storage": storage("<p>x</p>")}}).str("id")
	s.must(200, "PUT", "/wiki/rest/api/content/"+made, obj{"type": "page", "title": "v1b", "version": obj{"number": 2}, "body": obj{"storage": storage("<p>y</p>")}})
	s.must(204, "DELETE", "/wiki/rest/api/content/"+made, nil)
	driveAttachments(s, page, post)
	driveTasks(s, space)
	driveInline(s, page, post, comment)
	driveLife(s, space)
	driveAudience(s, page)
	s.must(204, "DELETE", "/wiki/rest/api/content/"+page+"/label?name=urgent", nil)
	s.must(204, "DELETE", "/wiki/rest/api/content/"+page+"/label/mine", nil)
	s.must(204, "DELETE", v2+"/footer-comments/"+comment, nil)
	s.must(204, "DELETE", v2+"/blogposts/"+post, nil)
	s.must(204, "DELETE", v2+"/pages/"+page, nil)
	s.must(201, "POST", v2+"/spaces", obj{"key": "TWO", "name": "Two", "description": obj{"value": "d", "representation": "plain"}})
	s.must(200, "POST", "/wiki/rest/api/space/_private", obj{"key": "PRIV", "name": "Private"})
	s.must(200, "POST", "/wiki/rest/api/space", obj{"key": "BYE", "name": "Bye", "description": obj{"plain": obj{"value": "d", "representation": "plain"}}})
	task := s.must(202, "DELETE", "/wiki/rest/api/space/BYE", nil)
	s.must(200, "GET", "/wiki/rest/api/longtask/"+task.str("id"), nil)
	if len(c.seen) < 55 {
		t.Errorf("only %d operations were driven", len(c.seen))
	}
	t.Logf("%d operations validated", len(c.seen))
}
