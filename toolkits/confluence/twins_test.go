package confluence_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

func TestInlineCommentOnText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := text(s.must("CREATE_PAGE", `{"spaceId":"MKT","title":"Plan","body":{"value":"<h2>Next year</h2><p>We <strong>launch</strong> in May &amp; June.</p>`+
		`<ul><li>launch party</li></ul><ac:structured-macro ac:name=\"info\"><ac:parameter ac:name=\"title\">launch hidden</ac:parameter><ac:rich-text-body><p>After the launch.</p></ac:rich-text-body></ac:structured-macro>"}}`), "id")
	out := s.must("FIND_TEXT_SELECTIONS", `{"id":"MKT: Plan","text":"launch"}`)
	if get(out, "count") != 3.0 || text(out, "selections", 0, "before") != "We " || text(out, "selections", 0, "after") != " in May & June." || text(out, "selections", 1, "after") != " party" {
		t.Errorf("got %v", out)
	}
	if out := s.must("FIND_TEXT_SELECTIONS", fmt.Sprintf(`{"id":%s,"text":"May & June. launch"}`, id)); get(out, "count") != 0.0 || text(out, "note") == "" {
		t.Errorf("across paragraphs: %v", out)
	}
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p>Big news</p>"}}`), "id")
	if out := s.must("FIND_TEXT_SELECTIONS", fmt.Sprintf(`{"id":%s,"type":"blogpost","text":"news"}`, blog)); get(out, "count") != 1.0 {
		t.Errorf("blog post: %v", out)
	}
	var sent []string
	s.alter = func(r *http.Request) *http.Response {
		if !strings.HasSuffix(r.URL.Path, "/inline-comments") {
			return nil
		}
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		sent = append(sent, string(body))
		return answer(r, 201, `{"id":"9","status":"current","resolutionStatus":"open","properties":{"inlineMarkerRef":"m","inlineOriginalSelection":"launch"},"_links":{"webui":"/x"}}`)
	}
	for _, tc := range []struct{ args, want string }{
		{fmt.Sprintf(`{"pageId":%s,"textSelection":"in May","body":{"value":"<p>Sure?</p>"}}`, id), `"textSelectionMatchCount":1,"textSelectionMatchIndex":0`},
		{fmt.Sprintf(`{"pageId":%s,"textSelection":"launch","matchIndex":2,"body":{"value":"<p>Sure?</p>"}}`, id), `"textSelectionMatchCount":3,"textSelectionMatchIndex":2`},
		{fmt.Sprintf(`{"blogPostId":%s,"textSelection":"news","body":{"value":"<p>Sure?</p>"}}`, blog), `"textSelection":"news"`},
		{fmt.Sprintf(`{"pageId":%s,"inlineCommentProperties":{"textSelection":"launch","textSelectionMatchCount":3,"textSelectionMatchIndex":1},"body":{"value":"<p>Sure?</p>"}}`, id), `"textSelectionMatchIndex":1`},
		{`{"parentCommentId":9,"body":{"value":"<p>Yes</p>"}}`, `"parentCommentId":"9"`},
	} {
		out := s.must("CREATE_INLINE_COMMENT", tc.args)
		if text(out, "id") != "9" || text(out, "resolutionStatus") != "open" || !strings.Contains(sent[len(sent)-1], tc.want) {
			t.Errorf("%s: sent %s, got %v", tc.args, sent[len(sent)-1], out)
		}
	}
	for _, tc := range []struct{ args, field, want string }{
		{fmt.Sprintf(`{"pageId":%s,"textSelection":"launch","body":{"value":"<p/>"}}`, id), "matchIndex", "0: We [launch] in May"},
		{fmt.Sprintf(`{"pageId":%s,"textSelection":"launch","matchIndex":3,"body":{"value":"<p/>"}}`, id), "matchIndex", "from 0 to 2"},
		{fmt.Sprintf(`{"pageId":%s,"textSelection":"Launch","body":{"value":"<p/>"}}`, id), "textSelection", "case counts"},
		{fmt.Sprintf(`{"pageId":%s,"body":{"value":"<p/>"}}`, id), "textSelection", "FOOTER_COMMENT"},
		{`{"body":{"value":"<p/>"}}`, "pageId", "exactly one"},
		{fmt.Sprintf(`{"pageId":%s,"blogPostId":%s,"body":{"value":"<p/>"}}`, id, blog), "pageId", "exactly one"},
	} {
		if e := s.fails("CREATE_INLINE_COMMENT", tc.args); e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", tc.args, e.Field, e)
		}
	}
}

func TestDeleteBlogpost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	if out := s.must("DELETE_BLOGPOST", `{"id":"MKT: News"}`); text(out, "id") != id || get(out, "deleted") != true {
		t.Errorf("got %v", out)
	}
	if out := s.must("GET_BLOG_POSTS", `{"status":"trashed"}`); len(column(out, "id")) != 1 {
		t.Errorf("trash: %v", out)
	}
	if out := s.must("DELETE_BLOGPOST", fmt.Sprintf(`{"id":%s,"purge":true}`, id)); !strings.Contains(text(out, "message"), "for good") {
		t.Errorf("got %v", out)
	}
	if e := s.fails("DELETE_BLOGPOST", fmt.Sprintf(`{"id":%s,"purge":true,"draft":true}`, id)); e.Field != "purge" {
		t.Errorf("got %v", e)
	}
	draft := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"Later","status":"draft","body":{"value":"<p/>"}}`), "id")
	s.must("DELETE_BLOGPOST", fmt.Sprintf(`{"id":%s,"draft":true}`, draft))
	page := s.page("Plan", "")
	if e := s.fails("DELETE_BLOGPOST", fmt.Sprintf(`{"id":%s}`, page)); e.Kind != toolkit.KindNotFound || !strings.Contains(e.Error(), "is the id of a page, 'Plan'") {
		t.Errorf("a page: %v", e)
	}
}

func TestListAndSearchSpaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mkt := s.space("MKT")
	for args, want := range map[string][]string{
		`{"sort":"key","description_format":"plain","include_icon":true,"status":"current","type":"global"}`: {"ENG", "MKT"},
		`{"keys":["eng"]}`:               {"ENG"},
		fmt.Sprintf(`{"ids":[%s]}`, mkt): {"MKT"},
		`{"labels":["nobody-has-it"]}`:   nil,
	} {
		if diff := cmp.Diff(want, column(s.must("LIST_SPACES", args), "key")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
	s.must("LIST_SPACES", `{"favorited_by":"Tess Tester"}`)
	if e := s.fails("LIST_SPACES", `{"ids":["MKT"]}`); e.Field != "ids" {
		t.Errorf("got %v", e)
	}
	out := s.must("SEARCH_SPACES", `{"query":"Market*ing!"}`)
	if len(column(out, "title")) != 0 {
		t.Errorf("got %v", out)
	}
	out = s.must("SEARCH_SPACES", `{"query":"marketing"}`)
	if diff := cmp.Diff([]string{"Marketing"}, column(out, "title")); diff != "" || text(out, "results", 0, "space", "key") != "MKT" {
		t.Errorf("got %v", out)
	}
	if e := s.fails("SEARCH_SPACES", `{"query":"?"}`); e.Field != "query" {
		t.Errorf("got %v", e)
	}
}

func TestSearchPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plan := s.page("Q3 Planning", "")
	below := s.page("Budget of Q3", plan)
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"final"}]}`, below))
	for args, want := range map[string][]string{
		`{"title":"planning"}`:                                            {plan},
		`{"text":"text of budget"}`:                                       {below},
		`{"labels":["final"],"spaceKey":"MKT"}`:                           {below},
		fmt.Sprintf(`{"labels":["final"],"spaceKey":%s}`, s.space("MKT")): {below},
		`{"ancestor":"MKT: Q3 Planning"}`:                                 {below},
		`{"title":"q3 planning","creator":"tess tester"}`:                 {plan},
		`{"title":"q3","creator":"me","modifiedSince":"2026-11-23"}`:      nil,
		`{"title":"budget","spaceKey":"ENG"}`:                             nil,
	} {
		out := s.must("SEARCH_PAGES", args)
		var ids []string
		for i := range column(out, "title") {
			ids = append(ids, text(out, "results", i, "content", "id"))
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
	for args, field := range map[string]string{`{}`: "", `{"title":"?"}`: "title", `{"modifiedSince":"monday"}`: "modifiedSince", `{"creator":"Nobody"}`: "creator"} {
		if e := s.fails("SEARCH_PAGES", args); e.Field != field {
			t.Errorf("%s: field %q: %v", args, e.Field, e)
		}
	}
}

func TestValidateCredential(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if out := s.must("VALIDATE_CREDENTIAL", `{}`); get(out, "valid") != true || text(out, "user", "accountId") != s.me.AccountID || text(out, "site") != s.srv.URL {
		t.Errorf("got %v", out)
	}
	s.me.Token = "wrong"
	if out := s.must("VALIDATE_CREDENTIAL", `{}`); get(out, "valid") != false || !strings.Contains(text(out, "message"), "Connect the account again") {
		t.Errorf("got %v", out)
	}
	s.srv.Fail(sandbox.Fault{Status: 503})
	if e := s.fails("VALIDATE_CREDENTIAL", `{}`); e.Kind != toolkit.KindUnavailable {
		t.Errorf("got %v", e)
	}
}

// TestMissing tells the causes of "not found" apart.
func TestMissing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.page("Plan", "")
	blog := text(s.must("CREATE_BLOGPOST", `{"spaceId":"MKT","title":"News","body":{"value":"<p/>"}}`), "id")
	for _, tc := range []struct {
		tool, args string
		want       []string
	}{
		{"GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%s}`, blog), []string{"is the id of a blog post, 'News'", "CONFLUENCE_GET_BLOGPOST_BY_ID"}},
		{"GET_BLOGPOST_BY_ID", fmt.Sprintf(`{"id":%s}`, page), []string{"is the id of a page, 'Plan'", "CONFLUENCE_GET_PAGE_BY_ID"}},
		{"GET_PAGE_BY_ID", `{"id":987654321}`, []string{"no page with id 987654321", "deleted for good or never was", "credentials are good"}},
		{"GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%s,"version":7}`, page), []string{"in version 7"}},
		{"GET_SPACE_BY_ID", `{"id":987654321}`, []string{"no space with id 987654321"}},
	} {
		e := s.fails(tc.tool, tc.args)
		for _, want := range tc.want {
			if e.Kind != toolkit.KindNotFound || !strings.Contains(e.Error(), want) {
				t.Errorf("%s %s: %s: %v lacks %q", tc.tool, tc.args, e.Kind, e, want)
			}
		}
		if len(s.calls) > 2 {
			t.Errorf("%s: it took %d calls: %v", tc.tool, len(s.calls), s.calls)
		}
	}
	for name, tc := range map[string]struct {
		look func(r *http.Request) *http.Response
		kind toolkit.Kind
		want string
	}{
		"bad credentials": {func(r *http.Request) *http.Response {
			return answer(r, 403, `{"statusCode":403,"message":"Current user not permitted to use Confluence"}`)
		}, toolkit.KindAuth, "does not take the account's credentials"},
		"wrong site": {func(r *http.Request) *http.Response { return answer(r, 404, `{}`) }, toolkit.KindAuth, "no Confluence at the account's address"},
		"missing scope": {func(r *http.Request) *http.Response {
			return answer(r, 401, `{"code":401,"message":"Unauthorized; scope does not match"}`)
		}, toolkit.KindNotFound, "or this account may not see it. It may have been deleted or its id may be wrong: find it with CONFLUENCE_SEARCH_CONTENT. The account lacks scopes, perhaps this one too: read:page:confluence."},
	} {
		s.alter = func(r *http.Request) *http.Response {
			if strings.HasSuffix(r.URL.Path, "/search") {
				return tc.look(r)
			}
			return answer(r, 404, `{"errors":[{"status":404,"code":"NOT_FOUND","title":"Not Found","detail":null}]}`)
		}
		if e := s.fails("GET_PAGE_BY_ID", `{"id":5}`); e.Kind != tc.kind || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: %s: %v", name, e.Kind, e)
		}
	}
}

// TestTitlesForIDs: space and title name a page, a title alone gets candidates.
func TestTitlesForIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Q3: Planning", "")
	other := text(s.must("CREATE_PAGE", `{"spaceId":"ENG","title":"Q3: Planning","body":{"value":"<p/>"}}`), "id")
	for _, given := range []string{"MKT: Q3: Planning", "MKT:q3: planning", "https://acme.atlassian.net/wiki/display/MKT/Q3%3A+Planning"} {
		if out := s.must("GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%q}`, given)); text(out, "id") != id {
			t.Errorf("%s: %v", given, out)
		}
	}
	for _, tc := range []struct {
		given string
		kind  toolkit.Kind
		want  []string
	}{
		{"MKT: Nothing", toolkit.KindNotFound, []string{"no page with exactly the title 'Nothing' in the space MKT"}},
		{"NOPE: Plan", toolkit.KindNotFound, []string{"no space with the key 'NOPE'", "MKT (Marketing)"}},
		{"q3: planning", toolkit.KindInvalid, []string{"looks like a title", id, other}},
	} {
		e := s.fails("GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%q}`, tc.given))
		for _, want := range tc.want {
			if e.Kind != tc.kind || e.Field != "id" || !strings.Contains(e.Error(), want) {
				t.Errorf("%s: %s: %v lacks %q", tc.given, e.Kind, e, want)
			}
		}
	}
}

// TestAll: everything in one answer, or as much as is bounded, and said so.
func TestAll(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	total, calls := 1300, 0
	s.alter = func(r *http.Request) *http.Response {
		var from, limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &from)
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		calls++
		var items []string
		for i := from; i < min(from+limit, total); i++ {
			items = append(items, fmt.Sprintf(`{"id":"%d","name":"l%d"}`, i, i))
		}
		next := ""
		if from+limit < total {
			next = fmt.Sprintf(`"next":"/wiki/api/v2/labels?cursor=%d"`, from+limit)
		}
		return answer(r, 200, `{"results":[`+strings.Join(items, ",")+`],"_links":{`+next+`}}`)
	}
	var reports []float64
	s.progress = func(done, _ float64, _ string) { reports = append(reports, done) }
	out := s.must("GET_LABELS", `{"all":true,"limit":5}`)
	if n := len(column(out, "id")); n != 1000 || calls != 4 || text(out, "next_cursor") != "1000" || !strings.Contains(text(out, "more"), "1000 items; there is more") {
		t.Errorf("%d items in %d calls: %v %v", n, calls, out["next_cursor"], out["more"])
	}
	if diff := cmp.Diff([]float64{250, 500, 750}, reports); diff != "" {
		t.Errorf("reports:\n%s", diff)
	}
	out = s.must("GET_LABELS", `{"all":true,"cursor":"1000"}`)
	if n := len(column(out, "id")); n != 300 || text(out, "more") != "" {
		t.Errorf("rest: %d items, %v", n, out["more"])
	}
	out = s.must("GET_LABELS", `{"limit":5}`)
	if !strings.Contains(text(out, "more"), "5 items; there is more") {
		t.Errorf("one page: %v", out["more"])
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.alter = func(r *http.Request) *http.Response {
		resp := answer(r, 429, `{}`)
		resp.Header.Set("RateLimit-Reason", "confluence-quota-global-based")
		resp.Header.Set("X-RateLimit-Reset", "2999-01-01T00:00:00Z")
		return resp
	}
	if e := s.fails("GET_LABELS", `{}`); e.Kind != toolkit.KindRateLimited || e.RetryAfter < 3600 || !strings.Contains(e.Message, "quota") {
		t.Errorf("got %v, after %d", e, e.RetryAfter)
	}
}
