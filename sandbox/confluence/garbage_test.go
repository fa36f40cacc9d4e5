package confluence_test

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// TestGarbageIsRefusedPolitely: whatever a client sends, the answer is a status
// below 500 with an error body of its API's shape; and the site still works.
func TestGarbageIsRefusedPolitely(t *testing.T) {
	s := newSite(t, confluence.Options{Seed: true})
	q3, _ := s.PageByTitle("MKT", "Q3 Planning")
	post := s.BlogPosts("MKT")[0].ID
	comment := s.Comments(q3.ID)[0].ID
	ids := rapid.OneOf(
		rapid.SampledFrom([]string{q3.ID, post, comment, "MKT", "0", "-1", "99999999999999999999", "att1", "~x", "%00", "1e3", "current"}),
		rapid.Custom(func(t *rapid.T) string { return url.PathEscape(rapid.String().Draw(t, "id")) + "x" }),
	)
	templates := rapid.SampledFrom([]string{
		"/api/v2/pages", "/api/v2/pages/{}", "/api/v2/pages/{}/title", "/api/v2/pages/{}/children", "/api/v2/pages/{}/direct-children", "/api/v2/pages/{}/ancestors",
		"/api/v2/pages/{}/versions", "/api/v2/pages/{}/versions/{}", "/api/v2/pages/{}/labels", "/api/v2/pages/{}/footer-comments", "/api/v2/blogposts", "/api/v2/blogposts/{}",
		"/api/v2/labels", "/api/v2/labels/{}/pages", "/api/v2/spaces", "/api/v2/spaces/{}", "/api/v2/spaces/{}/pages", "/api/v2/footer-comments", "/api/v2/footer-comments/{}",
		"/rest/api/search", "/rest/api/search/user", "/rest/api/content/search", "/rest/api/content/{}/label", "/rest/api/content/{}/label/{}", "/rest/api/label", "/rest/api/space/{}",
		"/rest/api/content", "/rest/api/content/{}", "/rest/api/content/{}/child", "/rest/api/content/{}/child/{}", "/rest/api/longtask/{}", "/rest/api/{}",
		"/api/v2/pages/{}/properties", "/api/v2/spaces/{}/properties/{}", "/api/v2/folders", "/api/v2/folders/{}", "/api/v2/whiteboards/{}/descendants", "/api/v2/custom-content", "/api/v2/custom-content/{}",
		"/api/v2/users-bulk", "/api/v2/spaces/{}/permissions", "/api/v2/space-roles/{}", "/rest/api/content/{}/restriction", "/rest/api/content/{}/restriction/byOperation/{}/user", "/rest/api/content/{}/permission/check",
		"/rest/api/content/{}/property/{}", "/rest/api/space/{}/permission", "/rest/api/space/{}/label", "/rest/api/group", "/rest/api/group/{}/membersByGroupId", "/rest/api/user/bulk", "/rest/api/audit", "/rest/api/audit/since",
	})
	names := rapid.SampledFrom([]string{"limit", "cursor", "start", "sort", "status", "body-format", "id", "space-id", "title", "cql", "expand", "keys", "version", "get-draft", "purge", "draft", "excerpt", "name", "prefix", "depth", "type", "spaceKey"})
	values := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"0", "-1", "250", "x", "current", "trashed", "storage", "view", "title ~ a", "type = page", "true", "modified-date", "eyJpIjotMX0", "eyJzIjoic2VhcmNoIiwiaSI6LTF9", "body.storage,version,space", "child-position", "any"}))
	bodies := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "{}", "[]", "null", "[null]", "5", `"x"`, `{"id":"` + q3.ID + `"}`, `{"id":{},"spaceId":[]}`, `{"spaceId":"1","body":null}`, `{"body":{"storage":null}}`, `{"body":5}`, `{"version":{"number":null}}`,
		`{"id":"` + q3.ID + `","status":"current","title":"","body":{"storage":{"value":""}},"version":{"number":4}}`, `{"pageId":"` + q3.ID + `","body":{"value":"<"}}`, `{"type":"page","space":{}}`, `{"type":"comment","container":{"id":"x"}}`,
		`{"ancestors":[{}],"type":"page","space":{"key":"MKT"},"title":"z"}`, `[{"name":""}]`, `[{"operation":"read","restrictions":{"user":{"results":[{}]}}}]`, `[{"operation":"read","restrictions":null}]`, `{"results":[]}`, `{"key":"k","value":null,"version":{"number":1}}`, `{"subject":{"type":"group"},"operation":"read"}`,
		`{"accountIds":[null]}`, `{"homepage":{}}`, `{"type":"a:b","title":"x","body":{"raw":{}}}`, `[{"name":"\u0000"}]`, `{"status":"draft","title":"","version":{"number":1},"id":` + q3.ID + `,"body":{"representation":"wiki","value":"{code"}}`,
	}))
	rapid.Check(t, func(t *rapid.T) {
		path := templates.Draw(t, "path")
		for strings.Contains(path, "{}") {
			path = strings.Replace(path, "{}", ids.Draw(t, "id"), 1)
		}
		q := url.Values{}
		for range rapid.IntRange(0, 3).Draw(t, "params") {
			q.Add(names.Draw(t, "name"), values.Draw(t, "value"))
		}
		a := s.call(rapid.SampledFrom([]string{"GET", "GET", "POST", "PUT", "DELETE", "PATCH"}).Draw(t, "method"), "/wiki"+path+"?"+q.Encode(), bodies.Draw(t, "body"))
		switch {
		case a.status >= 500:
			t.Fatalf("%d %s", a.status, a.text)
		case a.status < 400:
		case strings.HasPrefix(path, "/api/v2") && (a.str("errors.0.title") == "" || a.str("errors.0.code") == ""):
			t.Fatalf("not an error of v2: %d %s", a.status, a.text)
		case strings.HasPrefix(path, "/rest/api") && a.str("message") == "":
			t.Fatalf("not an error of v1: %d %s", a.status, a.text)
		}
	})
	s.must(200, "GET", "/wiki/api/v2/spaces", nil)
}
