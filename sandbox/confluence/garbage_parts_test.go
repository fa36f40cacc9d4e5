package confluence_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// TestGarbageForParts: attachments, tasks, inline comments, the life of pages and
// what people do with them refuse garbage as politely as everything else.
func TestGarbageForParts(t *testing.T) {
	s := newSite(t, confluence.Options{Seed: true})
	at := func(space, title string) string { p, _ := s.PageByTitle(space, title); return p.ID }
	brand, policy, guide := at("MKT", "Brand Guide"), at("PEOPLE", "Remote work policy"), at("PEOPLE", "Interview guide")
	file, inline, task := s.Attachments(brand)[0].ID, s.InlineComments(policy)[0].ID, s.Tasks(guide)[0].ID
	ids := rapid.SampledFrom([]string{brand, policy, guide, file, inline, task, strings.TrimPrefix(file, "att"), "att", "attx", "0", "-1", "99999999999999999999", "MKT", "planning", "current", "user", "content", "space", "favourite", "page", "before", "append", "export_view", "bulk"})
	paths := rapid.SampledFrom([]string{
		"/api/v2/attachments", "/api/v2/attachments/{}", "/api/v2/attachments/{}/versions", "/api/v2/attachments/{}/versions/{}", "/api/v2/attachments/{}/labels", "/api/v2/attachments/{}/footer-comments",
		"/api/v2/pages/{}/attachments", "/api/v2/labels/{}/attachments", "/api/v2/tasks", "/api/v2/tasks/{}", "/api/v2/inline-comments", "/api/v2/inline-comments/{}", "/api/v2/inline-comments/{}/children",
		"/api/v2/inline-comments/{}/versions/{}", "/api/v2/pages/{}/inline-comments", "/api/v2/pages/{}/likes/count", "/api/v2/pages/{}/likes/users", "/api/v2/footer-comments/{}/likes/users", "/api/v2/pages/{}/descendants",
		"/rest/api/content/{}", "/rest/api/content/{}/child/attachment", "/rest/api/content/{}/child/attachment/{}", "/rest/api/content/{}/child/attachment/{}/data", "/rest/api/content/{}/child/attachment/{}/download",
		"/rest/api/content/{}/move/{}/{}", "/rest/api/content/archive", "/rest/api/content/{}/copy", "/rest/api/content/{}/pagehierarchy/copy", "/rest/api/content/{}/version", "/rest/api/content/{}/version/{}",
		"/rest/api/content/{}/descendant", "/rest/api/content/{}/descendant/{}", "/rest/api/user/watch/content/{}", "/rest/api/user/watch/space/{}", "/rest/api/user/watch/label/{}", "/rest/api/content/{}/notification/created",
		"/rest/api/relation/{}/from/{}/{}/to/{}/{}", "/rest/api/relation/{}/from/{}/{}/to/{}", "/rest/api/analytics/content/{}/views", "/rest/api/template", "/rest/api/template/{}", "/rest/api/template/page",
		"/rest/api/contentbody/convert/async/{}", "/rest/api/contentbody/convert/async/{}/tasks", "/rest/api/search",
	})
	names := rapid.SampledFrom([]string{"limit", "cursor", "status", "version", "mediaType", "filename", "depth", "expand", "location", "due-at-from", "page-id", "resolution-status", "fromDate", "accountId", "spaceKeyContext", "contentIdContext", "purge", "cql", "spaceKey", "ids"})
	values := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"0", "1", "2", "-1", "x", "current", "trashed", "dangling", "inline", file, brand, "attachment,page,comment", "extensions.resolution,content", "type = attachment", "container = " + brand, "id in recentlyViewedContent(1,1)", "watcher = currentUser()", "2026-01-01"}))
	bodies := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "{}", "[]", "null", "5", `{"status":"complete"}`, `{"status":5}`, `{"resolved":true}`, `{"resolved":null,"version":{"number":2}}`, `{"pages":[{"id":"x"}]}`, `{"pages":[{}]}`, `{"pages":null}`,
		`{"pageId":"` + brand + `","body":{"representation":"storage","value":"x"},"inlineCommentProperties":{"textSelection":"a","textSelectionMatchCount":-1,"textSelectionMatchIndex":-1}}`,
		`{"pageId":"` + brand + `","body":{"representation":"storage","value":"x"},"inlineCommentProperties":null}`, `{"destination":{"type":"existing_page","value":"` + brand + `"}}`, `{"destination":{"type":"space","value":"MKT"},"pageTitle":"` + strings.Repeat("x", 300) + `"}`,
		`{"destinationPageId":"` + brand + `"}`, `{"destinationPageId":{}}`, `{"operationKey":"restore","params":{"versionNumber":1,"message":"m"}}`, `{"id":"` + file + `","type":"attachment","version":{"number":1},"title":"../"}`,
		`{"id":"` + file + `","type":"attachment","version":{"number":1},"container":{"id":"` + inline + `"}}`, `{"type":"attachment","title":"x","version":{"number":2}}`, `{"name":"x","templateType":"page","body":{"storage":{"value":"<"}}}`, `{"conversionInputs":[{"to":"export_view"}]}`, `{"value":"x","representation":"storage"}`,
	}))
	kinds := rapid.SampledFrom([]string{"application/json", "application/json", "multipart/form-data; boundary=x", "multipart/form-data"})
	rapid.Check(t, func(t *rapid.T) {
		path := paths.Draw(t, "path")
		for strings.Contains(path, "{}") {
			path = strings.Replace(path, "{}", ids.Draw(t, "id"), 1)
		}
		q := url.Values{}
		for range rapid.IntRange(0, 3).Draw(t, "params") {
			q.Add(names.Draw(t, "name"), values.Draw(t, "value"))
		}
		header := http.Header{"Content-Type": {kinds.Draw(t, "kind")}, "X-Atlassian-Token": {rapid.SampledFrom([]string{"no-check", "no-check", ""}).Draw(t, "token")}}
		a := s.send(rapid.SampledFrom([]string{"GET", "GET", "POST", "PUT", "DELETE"}).Draw(t, "method"), "/wiki"+path+"?"+q.Encode(), bodies.Draw(t, "body"), header)
		switch {
		case a.status >= 500:
			t.Fatalf("%d %s", a.status, a.text)
		case a.status < 400, a.text == "XSRF check failed":
		case strings.HasPrefix(path, "/api/v2") && (a.str("errors.0.title") == "" || a.str("errors.0.code") == ""):
			t.Fatalf("not an error of v2: %d %s", a.status, a.text)
		case strings.HasPrefix(path, "/rest/api") && a.str("message") == "":
			t.Fatalf("not an error of v1: %d %s", a.status, a.text)
		}
	})
	s.must(200, "GET", "/wiki/api/v2/attachments", nil)
}
