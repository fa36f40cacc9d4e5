package confluence_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

func TestBlogpostVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p>1</p>"},"labels":[{"name":"launch"}]}`), "id")
	s.must("UPDATE_BLOGPOST", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>2</p>"},"version":{"message":"corrected"}}`, id))
	out := s.must("GET_BLOGPOST_VERSIONS", fmt.Sprintf(`{"blogpostId":%s,"body_format":"storage"}`, id))
	if diff := cmp.Diff([]string{"2", "1"}, column(out, "number")); diff != "" || text(out, "results", 0, "message") != "corrected" ||
		text(out, "results", 1, "blogpost", "body", "storage", "value") != "<p>1</p>" {
		t.Errorf("versions %v", out)
	}
	out = s.must("GET_BLOGPOST_VERSION_DETAILS", `{"blogpostId":"MKT: News","versionNumber":1}`)
	if get(out, "number") != 1.0 || get(out, "nextVersion") != 2.0 {
		t.Errorf("details %v", out)
	}
	if e := s.fails("GET_BLOGPOST_VERSION_DETAILS", fmt.Sprintf(`{"blogpostId":%s,"versionNumber":9}`, id)); e.Kind != toolkit.KindNotFound || !strings.Contains(e.Message, "version 9") {
		t.Errorf("version 9: %v", e)
	}
	if got := column(s.must("GET_BLOGPOST_LABELS", fmt.Sprintf(`{"id":%s,"prefix":"global"}`, id)), "name"); len(got) != 1 || got[0] != "launch" {
		t.Errorf("labels %v", got)
	}
	for _, label := range []string{"launch", "Launch", text(s.must("GET_LABELS", `{}`), "results", 0, "id")} {
		out := s.must("GET_BLOG_POSTS_FOR_LABEL", fmt.Sprintf(`{"id":%q,"spaceId":"MKT","sort":"id","body_format":"storage"}`, label))
		if diff := cmp.Diff([]string{id}, column(out, "id")); diff != "" {
			t.Errorf("label %s: %v", label, out)
		}
	}
	for label, want := range map[string]string{"nope": "no label 'nope'", "a b": "one word"} {
		if e := s.fails("GET_BLOG_POSTS_FOR_LABEL", fmt.Sprintf(`{"id":%q}`, label)); e.Field != "id" || !strings.Contains(e.Error(), want) {
			t.Errorf("label %s: %v", label, e)
		}
	}
}

func TestSpaceLabels(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"mine","prefix":"my"}]}`, id))
	if got := column(s.must("GET_LABELS_FOR_SPACE_CONTENT", `{"id":"MKT","prefix":"my"}`), "name"); len(got) != 1 || got[0] != "mine" {
		t.Errorf("content labels %v", got)
	}
	s.rest("POST", "/space/MKT/label", `[{"prefix":"team","name":"dept"},{"prefix":"global","name":"wide"}]`)
	if got := column(s.must("GET_LABELS_FOR_SPACE", `{"id":"MKT","prefix":"team"}`), "name"); len(got) != 1 || got[0] != "dept" {
		t.Errorf("labels %v", got)
	}
}

func TestLikesAndOperations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	for _, name := range []string{"Ann", "Bob", "Cid"} {
		s.srv.Like(id, s.srv.AddUser(sandbox.User{Email: name + "@example.com", DisplayName: name}).AccountID)
	}
	if out := s.must("GET_PAGE_LIKE_COUNT", fmt.Sprintf(`{"id":%s}`, id)); get(out, "count") != 3.0 {
		t.Errorf("page %v", out)
	}
	if out := s.must("GET_BLOGPOST_LIKE_COUNT", fmt.Sprintf(`{"id":%s}`, blog)); get(out, "count") != 0.0 {
		t.Errorf("blog post %v", out)
	}
	may := func() []string {
		var out []string
		list, _ := get(s.must("GET_BLOGPOST_OPERATIONS", fmt.Sprintf(`{"id":%s}`, blog)), "operations").([]any)
		for _, one := range list {
			out = append(out, text(one, "operation")+" "+text(one, "targetType"))
		}
		return out
	}
	if got := may(); !slices.Contains(got, "read blogpost") || !slices.Contains(got, "update blogpost") {
		t.Errorf("the author's operations %v", got)
	}
	s.rest("PUT", "/content/"+blog+"/restriction", fmt.Sprintf(`[{"operation":"update","restrictions":{"user":[{"type":"known","accountId":%q}]}}]`, s.me.AccountID))
	s.me = s.srv.AddUser(sandbox.User{Email: "dan@example.com", DisplayName: "Dan"})
	if got := may(); !slices.Contains(got, "read blogpost") || slices.Contains(got, "update blogpost") {
		t.Errorf("a reader's operations %v", got)
	}
}

func TestInlineComments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p>All of next year</p>"}}`), "id")
	s.must("CREATE_INLINE_COMMENT", fmt.Sprintf(`{"pageId":%s,"textSelection":"Text of","body":{"value":"<p>Why?</p>"}}`, id))
	done := text(s.must("CREATE_INLINE_COMMENT", fmt.Sprintf(`{"pageId":%s,"textSelection":"Plan","body":{"value":"<p>Done?</p>"}}`, id)), "id")
	s.must("RESOLVE_COMMENT", fmt.Sprintf(`{"id":%s}`, done))
	s.api("POST", "/wiki/api/v2/inline-comments", fmt.Sprintf(`{"blogPostId":%q,"body":{"representation":"storage","value":"<p>Why?</p>"},`+
		`"inlineCommentProperties":{"textSelection":"next year","textSelectionMatchCount":1,"textSelectionMatchIndex":0}}`, blog))
	for _, tc := range []struct{ tool, args, selection string }{
		{"GET_PAGE_INLINE_COMMENTS", fmt.Sprintf(`{"id":%s,"status":["current"],"resolutionStatus":["open"],"sort":"created-date"}`, id), "Text of"},
		{"GET_INLINE_COMMENTS_FOR_BLOG_POST", fmt.Sprintf(`{"id":%s,"location":"inline","expand":"body","status":["current"]}`, blog), "next year"},
	} {
		out := s.must(tc.tool, tc.args)
		if len(column(out, "id")) != 1 || text(out, "results", 0, "properties", "inlineOriginalSelection") != tc.selection || text(out, "results", 0, "resolutionStatus") != "open" ||
			text(out, "results", 0, "body", "storage", "value") != "<p>Why?</p>" || !strings.HasPrefix(text(out, "results", 0, "url"), s.srv.URL+"/wiki/") {
			t.Errorf("%s: %v", tc.tool, out)
		}
	}
	if got := column(s.must("GET_PAGE_INLINE_COMMENTS", fmt.Sprintf(`{"id":%s,"resolutionStatus":["resolved"]}`, id)), "id"); !slices.Equal(got, []string{done}) {
		t.Errorf("resolved %v, want %s", got, done)
	}
	for args, field := range map[string]string{`{"id":1,"location":"footer"}`: "location", `{"id":1,"parentVersion":2}`: "parentVersion"} {
		if e := s.fails("GET_INLINE_COMMENTS_FOR_BLOG_POST", args); e.Field != field {
			t.Errorf("%s: %v", args, e)
		}
	}
}

func TestRestrictions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	if out := s.must("GET_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s}`, id)); get(out, "restricted") != false {
		t.Errorf("before: %v", out)
	}
	group := s.srv.AddGroup("planners", s.me.AccountID)
	s.rest("PUT", "/content/"+id+"/restriction", fmt.Sprintf(`[{"operation":"read","restrictions":{"user":[{"type":"known","accountId":%q}]}},`+
		`{"operation":"update","restrictions":{"group":[{"type":"group","id":%q}]}}]`, s.me.AccountID, group))
	out := s.must("GET_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s,"expand":["restrictions.user"]}`, id))
	if get(out, "restricted") != true || text(out, "restrictions", 0, "users", 0, "displayName") != "Tess Tester" || text(out, "restrictions", 1, "groups", 0, "name") != "planners" {
		t.Errorf("got %v", out)
	}
	if e := s.fails("GET_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s,"expand":["body"]}`, id)); e.Field != "expand" {
		t.Errorf("got %v", e)
	}
}

func TestAuditLogs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.srv.AddGroup("confluence-admins", s.me.AccountID)
	for _, one := range []struct{ name, at string }{{"A", "2026-10-31T23:59:59Z"}, {"B", "2026-11-01T00:00:00Z"}, {"C", "2026-11-10T10:00:00Z"}, {"D", "2026-11-20T23:59:59Z"}, {"E", "2026-11-21T00:00:00Z"}} {
		at, err := time.Parse(time.RFC3339, one.at)
		if err != nil {
			t.Fatal(err)
		}
		s.rest("POST", "/audit", fmt.Sprintf(`{"remoteAddress":"192.0.2.1","creationDate":%d,"summary":"Space deleted","category":"Spaces",`+
			`"affectedObject":{"name":%q,"objectType":"Space"},"changedValues":[{"name":"Key","oldValue":"OLD","newValue":""}]}`, at.UnixMilli(), one.name))
	}
	names := func(out map[string]any) string {
		var got string
		for i := range column(out, "summary") {
			got += text(out, "results", i, "affectedObject", "name")
		}
		return got
	}
	out := s.must("GET_AUDIT_LOGS", `{"from_":"2026-11-01","to":"2026-11-20","searchString":"deleted","limit":2}`)
	if names(out) != "DC" || text(out, "results", 1, "createdAt") != "2026-11-10T10:00:00Z" || text(out, "results", 0, "author", "displayName") != "Tess Tester" || text(out, "next_cursor") != "2" {
		t.Errorf("got %s: %v", names(out), out)
	}
	for _, more := range []string{`"cursor":"2"`, `"start":2`} {
		out = s.must("GET_AUDIT_LOGS", `{"from_":"2026-11-01","to":"2026-11-20","searchString":"deleted","limit":2,`+more+`}`)
		if names(out) != "B" || text(out, "next_cursor") != "" {
			t.Errorf("%s: got %s: %v", more, names(out), out)
		}
	}
	for args, field := range map[string]string{`{"from_":"yesterday"}`: "from_", `{"cursor":"x"}`: "cursor", `{"cursor":"4","start":2}`: "cursor"} {
		if e := s.fails("GET_AUDIT_LOGS", args); e.Field != field {
			t.Errorf("%s: %v", args, e)
		}
	}
	s.me = s.srv.AddUser(sandbox.User{Email: "ann@example.com", DisplayName: "Ann Archer"})
	if e := s.fails("GET_AUDIT_LOGS", `{}`); e.Kind != toolkit.KindForbidden || !strings.Contains(e.Fix, "administrators") {
		t.Errorf("got %v", e)
	}
}

func TestTasks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ann := s.srv.AddUser(sandbox.User{Email: "ann@example.com", DisplayName: "Ann Archer"})
	const list = `<ac:task-list><ac:task><ac:task-status>incomplete</ac:task-status><ac:task-body>%s</ac:task-body></ac:task></ac:task-list>`
	write := func(tool, space, title, task string) string {
		return text(s.must(tool, fmt.Sprintf(`{"spaceId":%q,"title":%q,"body":{"value":%q}}`, space, title, fmt.Sprintf(list, task))), "id")
	}
	page := write("CREATE_PAGE", "MKT", "Plan", "Call Bob")
	blog := write("CREATE_BLOGPOST", "MKT", "News", fmt.Sprintf(`<ac:link><ri:user ri:account-id="%s" /></ac:link> pays until <time datetime="2026-12-24" />`, ann.AccountID))
	write("CREATE_PAGE", "ENG", "Build", "Build it")
	call, pays := s.srv.Tasks(page)[0].ID, s.srv.Tasks(blog)[0].ID
	if out := s.must("UPDATE_TASK", fmt.Sprintf(`{"id":%s,"status":"complete"}`, call)); text(out, "status") != "complete" || text(out, "completedBy") != s.me.AccountID || !s.srv.Tasks(page)[0].Complete {
		t.Errorf("ticked %v", out)
	}
	for args, want := range map[string][]string{
		`{"spaceId":"MKT"}`:                                                                 {call, pays},
		`{"spaceId":"MKT","status":"incomplete"}`:                                           {pays},
		`{"assignedTo":"ann archer"}`:                                                       {pays},
		`{"assignedTo":"me"}`:                                                               nil,
		`{"createdBy":"me","spaceId":"MKT"}`:                                                {call, pays},
		fmt.Sprintf(`{"createdBy":%q}`, ann.AccountID):                                      nil,
		`{"completedBy":"tester@example.com"}`:                                              {call},
		`{"pageId":"MKT: Plan"}`:                                                            {call},
		fmt.Sprintf(`{"blogpostId":%s}`, blog):                                              {pays},
		fmt.Sprintf(`{"taskId":%s}`, call):                                                  {call},
		`{"dueAtFrom":"2026-12-24","dueAtTo":"2026-12-24"}`:                                 {pays},
		`{"dueAtTo":"2026-12-23T23:59:59Z"}`:                                                nil,
		`{"spaceId":"MKT","createdAtFrom":"2026-11-22","createdAtTo":"2026-11-22"}`:         {call, pays},
		`{"createdAtTo":"2026-11-21"}`:                                                      nil,
		`{"completedAtFrom":"2026-11-22T09:00:00Z","completedAtTo":"2026-11-22T11:00:00Z"}`: {call},
	} {
		got := column(s.must("GET_TASKS", args), "id")
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
	if out := s.must("GET_TASKS", fmt.Sprintf(`{"taskId":%s}`, call)); text(out, "results", 0, "body", "storage", "value") != "Call Bob" {
		t.Errorf("got %v", out)
	}
	if e := s.fails("UPDATE_TASK", `{"id":1,"status":"complete"}`); e.Kind != toolkit.KindNotFound || e.Field != "id" {
		t.Errorf("no task: %v", e)
	}
	for _, tc := range []struct{ tool, args, field string }{
		{"GET_TASKS", `{"assignedTo":"Nobody Atall"}`, "assignedTo"},
		{"GET_TASKS", `{"assignedTo":"?!"}`, "assignedTo"},
		{"GET_TASKS", `{"dueAtTo":"soon"}`, "dueAtTo"},
		{"GET_TASKS", `{"taskId":"one"}`, "taskId"},
		{"UPDATE_TASK", `{"id":"one","status":"complete"}`, "id"},
		{"UPDATE_TASK", `{"id":1,"status":"done"}`, "status"},
	} {
		if e := s.fails(tc.tool, tc.args); e.Field != tc.field {
			t.Errorf("%s %s: field %q: %v", tc.tool, tc.args, e.Field, e)
		}
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ann := s.srv.AddUser(sandbox.User{Email: "ann.archer@example.com", DisplayName: "Ann Archer"})
	other := s.srv.AddUser(sandbox.User{Email: "a.archer@example.com", DisplayName: "Anton Archer"})
	for args, want := range map[string][]string{
		`{"query":"ann archer"}`:                                          {ann.AccountID},
		`{"query":"ann.archer@example.com"}`:                              {ann.AccountID},
		fmt.Sprintf(`{"accountId":%q}`, other.AccountID):                  {other.AccountID},
		fmt.Sprintf(`{"cql":"user.accountid = \"%s\""}`, other.AccountID): {other.AccountID},
		`{"query":"nobody"}`:                                              nil,
	} {
		if diff := cmp.Diff(want, column(s.must("SEARCH_USERS", args), "accountId")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
	first := s.must("SEARCH_USERS", `{"query":"archer","limit":1}`)
	second := s.must("SEARCH_USERS", fmt.Sprintf(`{"query":"archer","limit":1,"cursor":%q}`, text(first, "next_cursor")))
	if text(first, "next_cursor") != "1" || !strings.Contains(s.calls[0], "start=1") || text(second, "next_cursor") != "" {
		t.Errorf("pages: %v, %v", first, second)
	}
	for args, field := range map[string]string{`{}`: "query", `{"query":"a","accountId":"b"}`: "query", `{"query":"a","cursor":"x"}`: "cursor", `{"cql":"title = x"}`: "cql"} {
		if e := s.fails("SEARCH_USERS", args); e.Field != field {
			t.Errorf("%s: field %q: %v", args, e.Field, e)
		}
	}
	e := s.fails("GET_TASKS", `{"assignedTo":"archer"}`)
	if e.Field != "assignedTo" || !strings.Contains(e.Error(), ann.AccountID) || !strings.Contains(e.Error(), other.AccountID) {
		t.Errorf("ambiguous: %v", e)
	}

	if out := s.must("GET_USER_ANONYMOUS", `{}`); get(out, "allowed") != false {
		t.Errorf("anonymous: %v", out)
	}
	s = openSite(t, sandbox.Options{Anonymous: true})
	if out := s.must("GET_USER_ANONYMOUS", `{}`); get(out, "allowed") != true || text(out, "displayName") != "Anonymous" {
		t.Errorf("anonymous: %v", out)
	}
}

func TestPrivateAndDeletedSpaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.must("CREATE_PRIVATE_SPACE", `{"key":"MINE","name":"Mine","description":{"plain":{"value":"Only me"}}}`)
	if text(out, "key") != "MINE" || text(out, "url") == "" {
		t.Errorf("created %v", out)
	}
	if e := s.fails("CREATE_PRIVATE_SPACE", `{"key":"MINE","name":"Again"}`); e.Kind != toolkit.KindConflict || e.Field != "key" {
		t.Errorf("twice: %v", e)
	}
	var reports []string
	s.progress = func(_, _ float64, message string) { reports = append(reports, message) }
	if out = s.must("DELETE_SPACE", `{"space_key":"MINE"}`); get(out, "success") != true || len(reports) == 0 || !strings.Contains(reports[len(reports)-1], "MINE: 100 %") {
		t.Errorf("deleted %v, reports %v", out, reports)
	}
	if out = s.must("DELETE_SPACE", fmt.Sprintf(`{"space_key":%s}`, s.space("ENG"))); get(out, "success") != true {
		t.Errorf("by id: %v", out)
	}
	if e := s.fails("DELETE_SPACE", `{"space_key":"MINE"}`); e.Kind != toolkit.KindNotFound || e.Field != "space_key" {
		t.Errorf("twice: %v", e)
	}
}

// TestDeleteSpaceWaits: for a while, with reports, and never says that the
// space is gone before it is.
func TestDeleteSpaceWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	last := ""
	polls := 0
	s.alter = func(r *http.Request) *http.Response {
		switch {
		case strings.HasSuffix(r.URL.Path, "/spaces"):
			return answer(r, 200, `{"results":[{"id":"5","key":"OLD","name":"Old"}]}`)
		case r.Method == http.MethodDelete:
			return answer(r, 202, `{"id":"88","links":{"status":"/rest/api/longtask/88"}}`)
		}
		polls++
		if last != "" && polls > 3 {
			return answer(r, 200, last)
		}
		return answer(r, 200, `{"id":"88","percentageComplete":40,"finished":false,"successful":false,"messages":[]}`)
	}
	synctest.Test(t, func(t *testing.T) {
		s.t = t // for the context: what is outside the bubble stops its clock
		out := s.must("DELETE_SPACE", `{"space_key":"OLD"}`)
		if get(out, "success") != false || get(out, "percent") != 40.0 || !strings.Contains(text(out, "message"), "goes on") || polls > 20 {
			t.Errorf("after %d polls: %v", polls, out)
		}
		last, polls = `{"id":"88","percentageComplete":100,"finished":true,"successful":true,"messages":[]}`, 0
		if out = s.must("DELETE_SPACE", `{"space_key":"OLD"}`); get(out, "success") != true || polls != 4 {
			t.Errorf("after %d polls: %v", polls, out)
		}
		last, polls = `{"id":"88","percentageComplete":50,"finished":true,"successful":false,"messages":[{"translation":"No right to delete a page"}]}`, 0
		if e := s.fails("DELETE_SPACE", `{"space_key":"OLD"}`); !strings.Contains(e.Message, "has begun (task 88)") || !strings.Contains(e.Message, "No right to delete a page") {
			t.Errorf("failed task: %v", e)
		}
	})
}
