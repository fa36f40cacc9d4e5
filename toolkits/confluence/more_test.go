package confluence_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

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
	s.reply("GET /wiki/api/v2/spaces/{id}/labels", 200, `{"results":[{"id":"5","name":"dept","prefix":"team"}]}`)
	if got := column(s.must("GET_LABELS_FOR_SPACE", `{"id":"MKT","prefix":"team"}`), "name"); len(got) != 1 || got[0] != "dept" {
		t.Errorf("labels %v", got)
	}
}

func TestLikesAndOperations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	s.reply("GET /wiki/api/v2/pages/{id}/likes/count", 200, `{"count":3}`)
	s.reply("GET /wiki/api/v2/blogposts/{id}/likes/count", 200, `{"count":0}`)
	s.reply("GET /wiki/api/v2/blogposts/{id}/operations", 200, `{"operations":[{"operation":"read","targetType":"blogpost"}]}`)
	if out := s.must("GET_PAGE_LIKE_COUNT", fmt.Sprintf(`{"id":%s}`, id)); get(out, "count") != 3.0 {
		t.Errorf("page %v", out)
	}
	if out := s.must("GET_BLOGPOST_LIKE_COUNT", fmt.Sprintf(`{"id":%s}`, blog)); get(out, "count") != 0.0 {
		t.Errorf("blog post %v", out)
	}
	if out := s.must("GET_BLOGPOST_OPERATIONS", fmt.Sprintf(`{"id":%s}`, blog)); text(out, "operations", 0, "operation") != "read" {
		t.Errorf("operations %v", out)
	}
}

func TestInlineComments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	const one = `{"results":[{"id":"9","status":"current","title":"Re: Plan","version":{"number":1},"body":{"storage":{"representation":"storage","value":"<p>Why?</p>"}},` +
		`"resolutionStatus":"open","properties":{"inlineMarkerRef":"m-1","inlineOriginalSelection":"next year"},"_links":{"webui":"/x"}}],"_links":{"base":"https://site/wiki"}}`
	s.reply("GET /wiki/api/v2/pages/{id}/inline-comments", 200, one)
	s.reply("GET /wiki/api/v2/blogposts/{id}/inline-comments", 200, one)
	for tool, args := range map[string]string{
		"GET_PAGE_INLINE_COMMENTS":          fmt.Sprintf(`{"id":%s,"status":["current"],"resolutionStatus":["open"],"sort":"created-date"}`, id),
		"GET_INLINE_COMMENTS_FOR_BLOG_POST": fmt.Sprintf(`{"id":%s,"location":"inline","expand":"body","status":["draft"]}`, blog),
	} {
		out := s.must(tool, args)
		if text(out, "results", 0, "properties", "inlineOriginalSelection") != "next year" || text(out, "results", 0, "resolutionStatus") != "open" ||
			text(out, "results", 0, "body", "storage", "value") != "<p>Why?</p>" || text(out, "results", 0, "url") != "https://site/wiki/x" {
			t.Errorf("%s: %v", tool, out)
		}
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
	s.reply("GET /wiki/rest/api/content/{id}/restriction", 200, `{"results":[`+
		`{"operation":"read","restrictions":{"user":{"results":[{"type":"known","accountId":"712020:a","displayName":"Ann"}],"start":0,"limit":200,"size":1},"group":{"results":[],"start":0,"limit":200,"size":0}},"_links":{},"_expandable":{}},`+
		`{"operation":"update","restrictions":{"user":{"results":[],"start":0,"limit":200,"size":0},"group":{"results":[{"type":"group","name":"admins","id":"g1"}],"start":0,"limit":200,"size":1}},"_links":{},"_expandable":{}}],`+
		`"start":0,"limit":100,"size":2,"restrictionsHash":"h","_links":{}}`)
	out := s.must("GET_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s,"expand":["restrictions.user"]}`, id))
	if get(out, "restricted") != true || text(out, "restrictions", 0, "users", 0, "displayName") != "Ann" || text(out, "restrictions", 1, "groups", 0, "name") != "admins" {
		t.Errorf("got %v", out)
	}
	if e := s.fails("GET_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s,"expand":["body"]}`, id)); e.Field != "expand" {
		t.Errorf("got %v", e)
	}
}

func TestAuditLogs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const record = `{"author":{"type":"user","displayName":"Ann","operations":[],"accountId":"712020:a"},"remoteAddress":"192.0.2.1","creationDate":1763805600000,` +
		`"summary":"Space deleted","description":"","category":"Spaces","sysAdmin":false,"affectedObject":{"name":"Old","objectType":"Space"},` +
		`"changedValues":[{"name":"Key","oldValue":"OLD","newValue":""}],"associatedObjects":[]}`
	s.reply("GET /wiki/rest/api/audit", 200, `{"results":[`+record+`],"start":3,"limit":1,"size":1,"_links":{"next":"/rest/api/audit?start=4"}}`)
	out := s.must("GET_AUDIT_LOGS", `{"from_":"2026-11-01","to":"2026-11-22","searchString":"deleted","limit":1,"start":3}`)
	if text(out, "results", 0, "createdAt") != "2025-11-22T10:00:00Z" || text(out, "results", 0, "affectedObject", "name") != "Old" || text(out, "next_cursor") != "4" {
		t.Errorf("got %v", out)
	}
	if call := s.calls[0]; !strings.Contains(call, "startDate=1793491200000") || !strings.Contains(call, "endDate=1795391999999") || !strings.Contains(call, "start=3") {
		t.Errorf("asked %s", call)
	}
	s.must("GET_AUDIT_LOGS", `{"cursor":"4"}`)
	if call := s.calls[0]; !strings.Contains(call, "start=4") {
		t.Errorf("asked %s", call)
	}
	for args, field := range map[string]string{`{"from_":"yesterday"}`: "from_", `{"cursor":"x"}`: "cursor", `{"cursor":"4","start":2}`: "cursor"} {
		if e := s.fails("GET_AUDIT_LOGS", args); e.Field != field {
			t.Errorf("%s: %v", args, e)
		}
	}
	s.alter = func(r *http.Request) *http.Response {
		return answer(r, 403, `{"statusCode":403,"message":"User needs permission"}`)
	}
	if e := s.fails("GET_AUDIT_LOGS", `{}`); e.Kind != toolkit.KindForbidden || !strings.Contains(e.Fix, "administrators") {
		t.Errorf("got %v", e)
	}
}

func TestTasks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ann := s.srv.AddUser(sandbox.User{Email: "ann@example.com", DisplayName: "Ann Archer"})
	id := s.page("Plan", "")
	const one = `{"id":"31","localId":"1","spaceId":"5","pageId":"7","status":"incomplete","body":{"storage":{"representation":"storage","value":"Call Bob"}},"createdBy":"712020:a"}`
	s.reply("GET /wiki/api/v2/tasks", 200, `{"results":[`+one+`]}`)
	s.reply("PUT /wiki/api/v2/tasks/{id}", 200, strings.Replace(one, "incomplete", "complete", 1))
	out := s.must("GET_TASKS", fmt.Sprintf(`{"status":"incomplete","assignedTo":"ann archer","createdBy":"me","completedBy":%q,"spaceId":"MKT","pageId":%s,"blogpostId":4,"taskId":31,`+
		`"createdAtFrom":"2026-11-01","createdAtTo":"2026-11-02","dueAtFrom":"2026-11-22T09:00:00Z","dueAtTo":"1795391999999"}`, ann.AccountID, id))
	if text(out, "results", 0, "body", "storage", "value") != "Call Bob" {
		t.Errorf("got %v", out)
	}
	call := s.calls[len(s.calls)-1]
	for _, want := range []string{
		"status=incomplete", "assigned-to=" + strings.ReplaceAll(ann.AccountID, ":", "%3A"), "created-by=" + strings.ReplaceAll(s.me.AccountID, ":", "%3A"),
		"completed-by=" + strings.ReplaceAll(ann.AccountID, ":", "%3A"), "page-id=" + id, "blogpost-id=4", "task-id=31",
		"created-at-from=1793491200000", "created-at-to=1793663999999", "due-at-from=1795338000000", "due-at-to=1795391999999",
	} {
		if !strings.Contains(call, want) {
			t.Errorf("%s lacks %s", call, want)
		}
	}
	if out := s.must("UPDATE_TASK", `{"id":31,"status":"complete"}`); text(out, "status") != "complete" {
		t.Errorf("got %v", out)
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
	s.reply("GET /wiki/rest/api/user/anonymous", 200, `{"type":"anonymous","displayName":"Anonymous","profilePicture":{"path":"/p","width":48,"height":48,"isDefault":true},"operations":[],"_links":{}}`)
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
