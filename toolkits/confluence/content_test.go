package confluence_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

func TestCreateBlogpost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"Launch","body":{"representation":"storage","value":"<p>We launched.</p>"},
		"labels":[{"name":"news"},{"name":"launch-2026"}],"parentId":null,"metadata":null,"status":null}`)
	id := text(out, "id")
	posts := s.srv.BlogPosts("MKT")
	if len(posts) != 1 || posts[0].ID != id || posts[0].Storage != "<p>We launched.</p>" || posts[0].Title != "Launch" {
		t.Fatalf("the site has %+v", posts)
	}
	labels := slices.Sorted(slices.Values(s.srv.Labels(id)))
	if diff := cmp.Diff([]string{"launch-2026", "news"}, labels); diff != "" {
		t.Errorf("labels:\n%s", diff)
	}
	if text(out, "url") == "" || len(get(out, "labels").([]any)) != 2 || out["labels_error"] != nil {
		t.Errorf("answer %v", out)
	}
}

func TestCreateBlogpostKeepsThePostWhenItsLabelsFail(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.srv.Fail(sandbox.Fault{Method: "POST", Path: "/label", Status: 401, Type: "application/json", Body: `{"code":401,"message":"Unauthorized; scope does not match"}`})
	out := s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"Launch","body":{"value":"<p>x</p>"},"labels":[{"name":"news"}]}`)
	if len(s.srv.BlogPosts("MKT")) != 1 || text(out, "id") == "" {
		t.Fatalf("answer %v", out)
	}
	for _, want := range []string{"The blog post exists", "write:label:confluence", "do not create the blog post again"} {
		if !strings.Contains(text(out, "labels_error"), want) {
			t.Errorf("labels_error %q, want %q", text(out, "labels_error"), want)
		}
	}
}

func TestCreateBlogpostRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"Taken","body":{"value":"<p/>"}}`)
	before := len(s.srv.BlogPosts(""))
	for _, tc := range []struct{ args, field, want string }{
		{`{"spaceId":"MKT","title":"x","body":{"value":"<p/>"},"parentId":"1"}`, "parentId", "no parent"},
		{`{"spaceId":"MKT","title":"x","body":{"value":"<p/>"},"metadata":{"a":1}}`, "metadata", "labels"},
		{`{"spaceId":"MKT","title":"x","body":{"value":"<p/>"},"status":"trashed"}`, "status", "one of current, draft"},
		{`{"spaceId":"MKT","title":"x","body":{"value":"<p/>"},"labels":[{"name":"ok"},{"name":"two words"}]}`, "labels[1].name", `"two-words"`},
		{`{"spaceId":"MKT","title":"x","body":{"value":"<p/>"},"labels":["news"]}`, "labels[0]", "expected an object"},
		{`{"spaceId":"XX","title":"x","body":{"value":"<p/>"}}`, "spaceId", "no space with the key 'XX'"},
		{`{"spaceId":"MKT","title":"","body":{"value":"<p/>"}}`, "title", "must not be empty"},
	} {
		if e := s.fails("CREATE_BLOGPOST", tc.args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", tc.args, e.Field, e)
		}
	}
	if n := len(s.srv.BlogPosts("")); n != before {
		t.Errorf("%d blog posts were made", n-before)
	}
}

func TestTakenTitleOfBlogpost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.alter = func(r *http.Request) *http.Response {
		if r.Method == http.MethodPost && r.URL.Path == "/wiki/api/v2/blogposts" || r.Method == http.MethodPut {
			return answer(r, 400, `{"errors":[{"status":400,"code":"BAD_REQUEST","title":"A blog post with this title already exists on this day","detail":null}]}`)
		}
		return nil
	}
	if e := s.fails("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`); e.Kind != toolkit.KindConflict || e.Field != "title" {
		t.Errorf("got %+v", e)
	}
	alter := s.alter
	s.alter = nil
	id := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	s.alter = alter
	e := s.fails("UPDATE_BLOGPOST", fmt.Sprintf(`{"id":%s,"title":"News"}`, id))
	if e.Kind != toolkit.KindConflict || !strings.Contains(e.Error(), "blog post with id "+id) || !strings.Contains(e.Fix, "CONFLUENCE_UPDATE_BLOGPOST") {
		t.Errorf("got %+v", e)
	}
}

func TestUpdateAndReadBlogpost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p>1</p>"},"labels":[{"name":"a"}]}`), "id")
	out := s.must("UPDATE_BLOGPOST", fmt.Sprintf(`{"id":%s,"title":"News 2","spaceId":"MKT","type":"blogpost"}`, id))
	if get(out, "version", "number") != 2.0 || text(out, "title") != "News 2" {
		t.Errorf("answer %v", out)
	}
	out = s.must("UPDATE_BLOGPOST", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>3</p>"},"version":{"number":3,"message":"m"}}`, id))
	if get(out, "version", "number") != 3.0 {
		t.Errorf("answer %v", out)
	}
	out = s.must("GET_BLOGPOST_BY_ID", fmt.Sprintf(`{"id":"https://acme.atlassian.net/wiki/spaces/MKT/blog/2026/11/22/%s/News","include_labels":true}`, id))
	if text(out, "title") != "News 2" || text(out, "body", "storage", "value") != "<p>3</p>" || text(out, "labels", 0, "name") != "a" || text(out, "url") == "" {
		t.Errorf("read %v", out)
	}
	out = s.must("GET_BLOGPOST_BY_ID", fmt.Sprintf(`{"id":%s,"version":1}`, id))
	if text(out, "title") != "News" || text(out, "body", "storage", "value") != "<p>1</p>" {
		t.Errorf("version 1: %v", out)
	}
	e := s.fails("UPDATE_BLOGPOST", fmt.Sprintf(`{"id":%s,"title":"x","version":{"minorEdit":true}}`, id))
	if e.Field != "version.minorEdit" {
		t.Errorf("minor edit: %v", e)
	}
	page := s.page("A page", "")
	if e := s.fails("GET_BLOGPOST_BY_ID", fmt.Sprintf(`{"id":%s}`, page)); e.Kind != toolkit.KindNotFound {
		t.Errorf("a page's id: %v", e)
	}
}

func TestGetBlogposts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"A","body":{"value":"<p>text</p>"}}`), "id")
	b := text(s.must("CREATE_BLOGPOST", `{"spaceId":"ENG","title":"B","body":{"value":"<p/>"}}`), "id")
	for _, tc := range []struct {
		args string
		want []string
	}{
		{`{"sort":"id"}`, []string{a, b}},
		{`{"spaceId":"ENG"}`, []string{b}},
		{`{"title":"A"}`, []string{a}},
		{`{"status":"trashed"}`, nil},
	} {
		if diff := cmp.Diff(tc.want, column(s.must("GET_BLOG_POSTS", tc.args), "id")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
	}
	out := s.must("GET_BLOG_POSTS", `{"title":"A","body_format":"storage"}`)
	if text(out, "results", 0, "body", "storage", "value") != "<p>text</p>" || text(out, "results", 0, "url") == "" {
		t.Errorf("got %v", out)
	}
	if e := s.fails("GET_BLOG_POSTS", `{"spaceId":"NOPE"}`); e.Field != "spaceId" {
		t.Errorf("got %v", e)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Q3 Planning", "")
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"old","prefix":"global"}]}`, id))
	out := s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":"%s","labels":[{"name":"Urgent"}]}`, id))
	if diff := cmp.Diff([]string{"old", "urgent"}, slices.Sorted(slices.Values(column(out, "name")))); diff != "" {
		t.Errorf("answer:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"old", "urgent"}, slices.Sorted(slices.Values(s.srv.Labels(id)))); diff != "" {
		t.Errorf("site:\n%s", diff)
	}
	out = s.must("GET_LABELS_FOR_PAGE", fmt.Sprintf(`{"id":%s,"prefix":"global"}`, id))
	if diff := cmp.Diff([]string{"old", "urgent"}, slices.Sorted(slices.Values(column(out, "name")))); diff != "" {
		t.Errorf("labels of the page:\n%s", diff)
	}
	if names := column(s.must("GET_LABELS", `{}`), "name"); !slices.Contains(names, "urgent") || !slices.Contains(names, "old") {
		t.Errorf("labels of the site: %v", names)
	}
	none := s.page("Bare", "")
	if out := s.must("GET_LABELS_FOR_PAGE", fmt.Sprintf(`{"id":%s}`, none)); len(get(out, "results").([]any)) != 0 {
		t.Errorf("no labels: %v", out)
	}
}

func TestBadLabels(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Page", "")
	for _, tc := range []struct{ labels, field, want string }{
		{`[]`, "labels", "at least 1"},
		{`[{"name":""}]`, "labels[0].name", "must not be empty"},
		{`[{"name":" "}]`, "labels[0].name", "empty"},
		{`[{"name":"ok"},{"name":"Needs Review"}]`, "labels[1].name", `Write "needs-review"`},
		{`[{"name":"a,b"}]`, "labels[0].name", `must not contain ","`},
		{`[{"name":"#x"}]`, "labels[0].name", `must not contain "#"`},
		{`[{"name":"` + strings.Repeat("x", 256) + `"}]`, "labels[0].name", "255"},
		{`[{"name":"x","prefix":"system"}]`, "labels[0].prefix", "one of global, team, my"},
		{`"urgent"`, "labels", "expected an array, got a string"},
		{`["urgent"]`, "labels[0]", "expected an object, got a string"},
	} {
		e := s.fails("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":%s}`, id, tc.labels))
		if e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", tc.labels, e.Field, e)
		}
	}
	if got := s.srv.Labels(id); len(got) != 0 {
		t.Errorf("labels were added: %v", got)
	}
}

func TestSpaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.must("CREATE_SPACE", `{"key":"PPL","name":"People","description":{"plain":{"value":"About us","representation":"plain"}},"type":"global","metadata":null}`)
	if text(out, "key") != "PPL" || text(out, "url") == "" {
		t.Errorf("answer %v", out)
	}
	out = s.must("GET_SPACE_BY_ID", `{"id":"ppl"}`)
	if text(out, "name") != "People" || text(out, "description", "plain", "value") != "About us" || text(out, "homepageId") == "" || text(out, "url") == "" {
		t.Errorf("read %v", out)
	}
	if same := s.must("GET_SPACE_BY_ID", fmt.Sprintf(`{"id":%s}`, text(out, "id"))); text(same, "key") != "PPL" {
		t.Errorf("by id: %v", same)
	}
	for _, tc := range []struct {
		args          string
		want, missing []string
	}{
		{`{"sort":"key"}`, []string{"ENG", "MKT", "PPL"}, nil},
		{`{"spaceKey":["mkt","NOPE"]}`, []string{"MKT"}, []string{"NOPE"}},
		{`{"status":"archived"}`, nil, nil},
		{`{"type":"personal"}`, nil, nil},
		{`{"label":["nobody-has-it"]}`, nil, nil},
		{`{"expand":["description.plain","icon","homepage"],"spaceKey":["PPL"]}`, []string{"PPL"}, nil},
	} {
		out := s.must("GET_SPACES", tc.args)
		if diff := cmp.Diff(tc.want, column(out, "key")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
		var missing []string
		list, _ := out["missing"].([]any)
		for _, m := range list {
			missing = append(missing, m.(string))
		}
		if diff := cmp.Diff(tc.missing, missing); diff != "" {
			t.Errorf("%s missing:\n%s", tc.args, diff)
		}
	}
	for _, tc := range []struct{ tool, args, field, want string }{
		{"CREATE_SPACE", `{"key":"a b","name":"x"}`, "key", "letters and digits"},
		{"CREATE_SPACE", `{"key":"X","name":"x","type":"personal"}`, "type", "only global"},
		{"CREATE_SPACE", `{"key":"X","name":"x","metadata":{"a":1}}`, "metadata", "takes none"},
		{"CREATE_SPACE", `{"key":"X","name":"x","description":"text"}`, "description", "expected an object"},
		{"CREATE_SPACE", `{"key":"MKT","name":"x"}`, "key", "exists"},
		{"GET_SPACES", `{"expand":["permissions"]}`, "expand[0]", "one of description.plain"},
	} {
		if e := s.fails(tc.tool, tc.args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s %s: field %q: %v", tc.tool, tc.args, e.Field, e)
		}
	}
}

func TestSpaceContents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.page("Page", "")
	post := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"Post","body":{"value":"<p>b</p>"}}`), "id")
	gone := s.page("Gone", "")
	s.must("DELETE_PAGE", fmt.Sprintf(`{"id":%s}`, gone))
	for _, tc := range []struct {
		args string
		want []string
	}{
		{`{"spaceKey":"MKT","status":"trashed"}`, []string{gone}},
		{`{"spaceKey":"MKT","type":"blogpost"}`, []string{post}},
		{`{"spaceKey":` + s.space("MKT") + `,"type":"blogpost"}`, []string{post}},
		{`{"spaceKey":"ENG","type":"blogpost"}`, nil},
		{`{"spaceKey":"MKT","type":"blogpost","postingDay":"2026-11-22"}`, []string{post}},
		{`{"spaceKey":` + s.space("MKT") + `,"type":"blogpost","postingDay":"2026-11-22","body_format":"storage"}`, []string{post}},
		{`{"spaceKey":"MKT","type":"blogpost","postingDay":"2026-11-21"}`, nil},
	} {
		if diff := cmp.Diff(tc.want, column(s.must("GET_SPACE_CONTENTS", tc.args), "id")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
	}
	out := s.must("GET_SPACE_CONTENTS", `{"spaceKey":"MKT","sort":"title","body_format":"storage"}`)
	at := slices.Index(column(out, "id"), page)
	if at < 0 || text(out, "results", at, "type") != "page" || text(out, "results", at, "body", "storage", "value") != "<p>Text of Page</p>" ||
		text(out, "results", at, "url") == "" || slices.Contains(column(out, "id"), gone) {
		t.Errorf("pages: %v", out)
	}
	for _, tc := range []struct{ args, field, want string }{
		{`{"spaceKey":"MKT","type":"attachment"}`, "type", "one of page, blogpost"},
		{`{"spaceKey":"MKT","type":"blogpost","status":"archived"}`, "type", "never archived"},
		{`{"spaceKey":"MKT","type":"blogpost","sort":"title"}`, "type", "by title"},
		{`{"spaceKey":"MKT","postingDay":"2026-11-22"}`, "postingDay", "only blog posts"},
		{`{"spaceKey":"MKT","type":"blogpost","postingDay":"today"}`, "postingDay", "2026-11-22"},
		{`{"spaceKey":"MKT","type":"blogpost","postingDay":"2026-11-22","status":"trashed"}`, "postingDay", "current"},
	} {
		if e := s.fails("GET_SPACE_CONTENTS", tc.args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", tc.args, e.Field, e)
		}
	}
}

func TestComments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Page", "")
	post := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"Post","body":{"value":"<p/>"}}`), "id")
	out := s.must("CREATE_FOOTER_COMMENT", fmt.Sprintf(`{"pageId":%s,"body":{"representation":"storage","value":"<p>Well done</p>"}}`, id))
	first := text(out, "id")
	if text(out, "pageId") != id || text(out, "url") == "" {
		t.Errorf("answer %v", out)
	}
	out = s.must("CREATE_FOOTER_COMMENT", fmt.Sprintf(`{"parentCommentId":%s,"body":{"storage":{"value":"<p>Thanks</p>"}}}`, first))
	if text(out, "parentCommentId") != first {
		t.Errorf("answer to a comment: %v", out)
	}
	out = s.must("CREATE_FOOTER_COMMENT", fmt.Sprintf(`{"blogPostId":"%s","body":{"value":"<p>Nice</p>"},"pageId":null,"attachmentId":""}`, post))
	if text(out, "blogPostId") != post || len(s.srv.Comments(post)) != 1 {
		t.Errorf("on a blog post: %v", out)
	}
	out = s.must("GET_PAGE_FOOTER_COMMENTS", fmt.Sprintf(`{"id":%s,"status":["current"]}`, id))
	if diff := cmp.Diff([]string{first}, column(out, "id")); diff != "" || text(out, "results", 0, "body", "storage", "value") != "<p>Well done</p>" ||
		text(out, "results", 0, "url") == "" {
		t.Errorf("comments: %v", out)
	}
	for _, tc := range []struct{ args, field, want string }{
		{`{"body":{"value":"<p/>"}}`, "pageId", "exactly one of"},
		{fmt.Sprintf(`{"pageId":%s,"blogPostId":%s,"body":{"value":"<p/>"}}`, id, post), "blogPostId", "got pageId and blogPostId"},
		{fmt.Sprintf(`{"pageId":%s,"parentCommentId":%s,"body":{"value":"<p/>"}}`, id, first), "parentCommentId", "parentCommentId alone"},
		{fmt.Sprintf(`{"pageId":%s,"body":{}}`, id), "body.value", "expected the text"},
		{fmt.Sprintf(`{"pageId":%s}`, id), "body", "is required"},
		{`{"pageId":"MKT","body":{"value":"<p/>"}}`, "pageId", "is a space key"},
		{`{"attachmentId":"Plan.pdf","body":{"value":"<p/>"}}`, "attachmentId", "not an attachment id"},
	} {
		if e := s.fails("CREATE_FOOTER_COMMENT", tc.args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", tc.args, e.Field, e)
		}
	}
	s.alter = func(r *http.Request) *http.Response {
		sent, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(sent), `"attachmentId":"att17"`) {
			t.Errorf("sent %s, %v", sent, err)
		}
		return answer(r, 201, `{"id":"5","status":"current","attachmentId":"att17"}`)
	}
	if out := s.must("CREATE_FOOTER_COMMENT", `{"attachmentId":"att17","body":{"value":"<p/>"}}`); text(out, "attachmentId") != "att17" {
		t.Errorf("on an attachment: %v", out)
	}
}

func TestCurrentUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.must("GET_CURRENT_USER", `{}`)
	if text(out, "accountId") != s.me.AccountID || text(out, "displayName") != "Tess Tester" || text(out, "email") != "tester@example.com" {
		t.Errorf("got %v", out)
	}
	if e := s.fails("GET_CURRENT_USER", `{"id":"1"}`); !strings.Contains(e.Error(), "none is expected") {
		t.Errorf("got %v", e)
	}
	s.alter = func(r *http.Request) *http.Response {
		return answer(r, 200, `{"type":"anonymous","displayName":"Anonymous"}`)
	}
	if e := s.fails("GET_CURRENT_USER", `{}`); e.Kind != toolkit.KindAuth {
		t.Errorf("anonymous: %v", e)
	}
}
