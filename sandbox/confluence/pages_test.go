package confluence_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func TestPageLife(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, home := s.space("DOC")

	id := s.page(space, "Guide", "<p>one</p>")
	a := s.must(200, "GET", "/wiki/api/v2/pages/"+id, nil)
	if a.str("parentId") != home || a.str("parentType") != "page" {
		t.Errorf("a page without a parent is under %q, want the homepage %q", a.str("parentId"), home)
	}
	if diff := cmp.Diff(map[string]any{}, a.get("body")); diff != "" {
		t.Errorf("a body came without body-format: %s", diff)
	}
	root := s.must(200, "POST", "/wiki/api/v2/pages?root-level=true", obj{"spaceId": space, "title": "Top", "body": storage("")})
	if root.get("parentId") != nil {
		t.Errorf("a root-level page has the parent %v", root.get("parentId"))
	}

	s.must(200, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Guide 2", "<p>two</p>", 2))
	a = s.must(409, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Guide 2", "<p>two</p>", 2))
	want := "Version must be incremented when updating a page. Current Version: [2]. Provided version: [2]"
	if a.str("errors.0.title") != want || a.str("errors.0.code") != "CONFLICT" {
		t.Errorf("conflict = %s", a.text)
	}
	old := s.must(200, "GET", "/wiki/api/v2/pages/"+id+"?version=1&body-format=storage", nil)
	if old.str("body.storage.value") != "<p>one</p>" || old.str("title") != "Guide" || old.str("status") != "historical" {
		t.Errorf("version 1 = %s", old.text)
	}

	s.must(204, "DELETE", "/wiki/api/v2/pages/"+id, nil)
	if a := s.must(200, "GET", "/wiki/api/v2/pages/"+id, nil); a.str("status") != "trashed" || a.get("parentId") != nil {
		t.Errorf("after deleting: %s", a.text)
	}
	s.must(404, "DELETE", "/wiki/api/v2/pages/"+id, nil)
	s.page(space, "guide 2", "<p>the title is free again</p>")
	s.must(400, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Guide 2", "<p>back</p>", 3))
	s.must(200, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Guide 3", "<p>back</p>", 3))
	if p, _ := s.Page(id); p.Status != "current" || p.Version != 3 {
		t.Errorf("restored page = %+v", p)
	}
	s.must(400, "DELETE", "/wiki/api/v2/pages/"+id+"?purge=true", nil)
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+id, nil)
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+id+"?purge=true", nil)
	a = s.must(404, "GET", "/wiki/api/v2/pages/"+id, nil)
	if want := fmt.Sprintf("Cannot find a page with id [%s]", id); a.str("errors.0.title") != want {
		t.Errorf("purged page: %s", a.text)
	}
}

func TestRefusals(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	id := s.page(space, "Guide", "<p>x</p>")
	post := s.must(200, "POST", "/wiki/api/v2/blogposts", obj{"spaceId": space, "title": "News", "body": storage("<p>x</p>")}).str("id")
	big := obj{"spaceId": space, "title": "Big", "body": storage("<p>" + strings.Repeat("x", confluence.MaxBody) + "</p>")}
	page := func(kv ...any) obj {
		o := obj{"spaceId": space, "title": "New", "body": storage("<p>x</p>")}
		for i := 0; i < len(kv); i += 2 {
			name, _ := kv[i].(string)
			o[name] = kv[i+1]
		}
		return o
	}
	for _, tc := range []struct {
		name, method, path string
		body               any
		status             int
		says               string
	}{
		{"id is a word", "GET", "/wiki/api/v2/pages/Docs", nil, 400, "Provided value {Docs} for 'id' is not the correct type. Expected type is long."},
		{"space key as id", "POST", "/wiki/api/v2/pages", page("spaceId", "DOC"), 400, "Expected type is long"},
		{"no space", "POST", "/wiki/api/v2/pages", obj{"title": "x"}, 400, "spaceId"},
		{"unknown space", "POST", "/wiki/api/v2/pages", page("spaceId", "1"), 404, "space with id [1]"},
		{"title taken", "POST", "/wiki/api/v2/pages", page("title", "gUIDE"), 400, "A page with this title already exists: A page already exists with the same TITLE in this space"},
		{"no title", "POST", "/wiki/api/v2/pages", page("title", ""), 400, "Title"},
		{"long title", "POST", "/wiki/api/v2/pages", page("title", strings.Repeat("é", 256)), 400, "255"},
		{"bad status", "POST", "/wiki/api/v2/pages", page("status", "trashed"), 400, "[current, draft]"},
		{"unknown parent", "POST", "/wiki/api/v2/pages", page("parentId", "7"), 404, "[7]"},
		{"broken XHTML", "POST", "/wiki/api/v2/pages", page("body", storage("<p>a<b>c</p>")), 400, "Error parsing xhtml: Unexpected close tag </p>; expected </b>."},
		{"unknown representation", "POST", "/wiki/api/v2/pages", page("body", obj{"representation": "markdown", "value": "x"}), 400, "markdown"},
		{"unknown ADF node", "POST", "/wiki/api/v2/pages", page("body", obj{"representation": "atlas_doc_format", "value": `{"type":"doc","version":1,"content":[{"type":"hologram"}]}`}), 400, "hologram"},
		{"broken JSON", "POST", "/wiki/api/v2/pages", "{", 400, "not valid JSON"},
		{"mistyped field", "POST", "/wiki/api/v2/pages", page("title", 5), 400, "title"},
		{"no body", "POST", "/wiki/api/v2/pages", "", 400, "body is required"},
		{"too large", "POST", "/wiki/api/v2/pages", big, 413, "too large"},
		{"update without version", "PUT", "/wiki/api/v2/pages/" + id, obj{"id": id, "status": "current", "title": "x", "body": storage("")}, 400, "version.number"},
		{"update with another id", "PUT", "/wiki/api/v2/pages/" + id, edit("5", "x", "", 2), 400, "must be the same"},
		{"move below itself", "PUT", "/wiki/api/v2/pages/" + id, func() obj { e := edit(id, "Guide", "", 2); e["parentId"] = id; return e }(), 400, "below itself"},
		{"post read as page", "GET", "/wiki/api/v2/pages/" + post, nil, 404, "Cannot find a page"},
		{"view in a list", "GET", "/wiki/api/v2/pages?body-format=view", nil, 400, "body-format"},
		{"drafts in a list", "GET", "/wiki/api/v2/pages?status=draft", nil, 400, "draft"},
		{"limit 0", "GET", "/wiki/api/v2/pages?limit=0", nil, 400, "between 1 and 250"},
		{"limit 251", "GET", "/wiki/api/v2/spaces?limit=251", nil, 400, "between 1 and 250"},
		{"limit is a word", "GET", "/wiki/api/v2/labels?limit=x", nil, 400, "Expected type is int"},
		{"forged cursor", "GET", "/wiki/api/v2/pages?cursor=zzz", nil, 400, "cursor"},
		{"cursor of another order", "GET", "/wiki/api/v2/pages?sort=title&cursor=eyJzIjoiaWQiLCJpIjoxfQ", nil, 400, "cursor"},
		{"unknown sort", "GET", "/wiki/api/v2/pages?sort=size", nil, 400, "sort"},
		{"user by name", "GET", "/wiki/rest/api/user?username=admin", nil, 400, "accountId"},
		{"unknown path", "GET", "/wiki/api/v2/search", nil, 404, "Not Found"},
		{"label write on v2", "POST", "/wiki/api/v2/pages/" + id + "/labels", obj{}, 405, "not supported"},
		{"label with bad characters", "POST", "/wiki/rest/api/content/" + id + "/label", []obj{{"prefix": "global", "name": "a:b"}}, 400, "label.contains.invalid.chars"},
		{"long label", "POST", "/wiki/rest/api/content/" + id + "/label", []obj{{"prefix": "global", "name": strings.Repeat("a", 256)}}, 400, "label.name.is.too.long"},
		{"label that is not there", "DELETE", "/wiki/rest/api/content/" + id + "/label?name=none", nil, 404, "No label found with name"},
		{"label of nothing", "POST", "/wiki/rest/api/content/1/label", []obj{{"name": "a"}}, 404, "No content found with id"},
		{"space key taken", "POST", "/wiki/rest/api/space", obj{"key": "doc", "name": "x"}, 400, "already exists"},
		{"bad space key", "POST", "/wiki/rest/api/space", obj{"key": "a b", "name": "x"}, 400, "Invalid space key"},
		{"description without representation", "POST", "/wiki/rest/api/space", obj{"key": "B", "name": "x", "description": obj{"plain": obj{"value": "d"}}}, 400, "representation"},
		{"unknown space v2", "GET", "/wiki/api/v2/spaces/1", nil, 404, "space with id [1]"},
		{"comment on two things", "POST", "/wiki/api/v2/footer-comments", obj{"pageId": id, "blogPostId": post, "body": storage("x")}, 400, "Exactly one"},
		{"comment on a page that is gone", "POST", "/wiki/api/v2/footer-comments", obj{"pageId": "1", "body": storage("x")}, 404, "Cannot find a page with id [1]"},
		{"comment without body", "POST", "/wiki/api/v2/footer-comments", obj{"pageId": id}, 400, "body"},
		{"v1 wrong version", "PUT", "/wiki/rest/api/content/" + id, obj{"type": "page", "title": "Guide", "version": obj{"number": 9}}, 409, "ConflictException: Version must be incremented on update. Current version is: 1"},
		{"children of nothing", "GET", "/wiki/api/v2/pages/1/direct-children", nil, 404, "Cannot find [page] entity with id [1]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := s.call(tc.method, tc.path, tc.body)
			text := a.str("errors.0.title") + a.str("message")
			if a.status != tc.status || !strings.Contains(text, tc.says) {
				t.Errorf("%s %s = %d %s\nwant %d with %q", tc.method, tc.path, a.status, a.text, tc.status, tc.says)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com", DisplayName: "Bob"})
	space, _ := s.space("DOC")
	a := s.as(bob, "GET", "/wiki/rest/api/user/current", nil)
	if a.str("accountId") != bob.AccountID || a.str("email") != "bob@example.com" || a.str("displayName") != "Bob" {
		t.Errorf("current user = %s", a.text)
	}
	made := s.as(bob, "POST", "/wiki/api/v2/pages", obj{"spaceId": space, "title": "Bob's", "body": storage("")})
	if made.str("authorId") != bob.AccountID {
		t.Errorf("author = %s, want %s", made.str("authorId"), bob.AccountID)
	}
	draft := s.as(bob, "POST", "/wiki/api/v2/pages", obj{"spaceId": space, "title": "Secret", "status": "draft", "body": storage("")})
	for _, tc := range []struct {
		user confluence.User
		want int
	}{{bob, 200}, {s.me, 404}} {
		if a := s.as(tc.user, "GET", "/wiki/api/v2/pages/"+draft.str("id")+"?get-draft=true", nil); a.status != tc.want {
			t.Errorf("%s reads Bob's draft: %d, want %d", tc.user.DisplayName, a.status, tc.want)
		}
	}

	wrong := bob
	wrong.Token = s.me.Token
	for _, tc := range []struct {
		name string
		user confluence.User
	}{{"another's token", wrong}, {"no token", confluence.User{Email: bob.Email}}} {
		a := s.as(tc.user, "GET", "/wiki/api/v2/pages", nil)
		if a.status != 404 || a.str("errors.0.title") != "Not Found" {
			t.Errorf("%s on v2: %d %s", tc.name, a.status, a.text)
		}
		a = s.as(tc.user, "GET", "/wiki/rest/api/user/current", nil)
		if a.status != 403 || !strings.Contains(a.str("message"), "Current user not permitted to use Confluence") {
			t.Errorf("%s on v1: %d %s", tc.name, a.status, a.text)
		}
	}
	if !s.RevokeToken(bob.AccountID) || s.as(bob, "GET", "/wiki/api/v2/pages", nil).status != 404 {
		t.Error("a revoked token still works")
	}
	again := s.AddUser(confluence.User{Email: "BOB@example.com"})
	if again.AccountID != bob.AccountID {
		t.Errorf("the same e-mail became another account: %s, %s", again.AccountID, bob.AccountID)
	}
	if !s.RemoveUser(again.AccountID) || s.RemoveUser(again.AccountID) || s.as(again, "GET", "/wiki/api/v2/pages", nil).status != 404 {
		t.Error("a removed user still works")
	}
}

func TestDrafts(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	id := s.page(space, "Plan", "<p>d</p>", obj{"status": "draft"})
	other := s.page(space, "Plan", "<p>published</p>")
	s.must(404, "GET", "/wiki/api/v2/pages/"+id, nil)
	s.must(200, "GET", "/wiki/api/v2/pages/"+id+"?status=draft", nil)
	s.must(400, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Plan", "<p>p</p>", 1))
	a := s.must(200, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Plan B", "<p>p</p>", 1))
	if a.get("version.number") != 1.0 || a.str("status") != "current" {
		t.Errorf("published draft = %s", a.text)
	}

	change := edit(other, "Plan", "<p>unpublished</p>", 1)
	change["status"] = "draft"
	s.must(200, "PUT", "/wiki/api/v2/pages/"+other, change)
	for query, want := range map[string]string{"": "<p>published</p>", "&get-draft=true": "<p>unpublished</p>"} {
		if a := s.must(200, "GET", "/wiki/api/v2/pages/"+other+"?body-format=storage"+query, nil); a.str("body.storage.value") != want {
			t.Errorf("body with %q = %q, want %q", query, a.str("body.storage.value"), want)
		}
	}
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+other+"?draft=true", nil)
	s.must(404, "DELETE", "/wiki/api/v2/pages/"+other+"?draft=true", nil)
	gone := s.page(space, "", "", obj{"status": "draft"})
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+gone+"?draft=true", nil)
	if _, ok := s.Page(gone); ok {
		t.Error("a discarded draft is still there")
	}
}

func TestTree(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, home := s.space("DOC")
	a := s.page(space, "A", "")
	b := s.page(space, "B", "", obj{"parentId": a})
	c := s.page(space, "C", "", obj{"parentId": b})
	ancestors := func(id, query string) []string {
		var out []string
		for _, r := range s.must(200, "GET", "/wiki/api/v2/pages/"+id+"/ancestors"+query, nil).results() {
			out = append(out, fmt.Sprint(r["id"]))
		}
		return out
	}
	if diff := cmp.Diff([]string{home, a, b}, ancestors(c, "")); diff != "" {
		t.Errorf("ancestors, top to bottom (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{a, b}, ancestors(c, "?limit=2")); diff != "" {
		t.Errorf("the nearest two ancestors (-want +got):\n%s", diff)
	}
	move := edit(a, "A", "", 2)
	move["parentId"] = c
	s.must(400, "PUT", "/wiki/api/v2/pages/"+a, move)
	for _, list := range []string{"children", "direct-children"} {
		if got := s.must(200, "GET", "/wiki/api/v2/pages/"+a+"/"+list, nil).titles(); !slices.Equal(got, []string{"B"}) {
			t.Errorf("%s of A = %v", list, got)
		}
	}
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+b, nil)
	if diff := cmp.Diff([]string{home, a}, ancestors(c, "")); diff != "" {
		t.Errorf("children of a deleted page move up (-want +got):\n%s", diff)
	}
}

func TestCursorsWalkEveryRowOnce(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, home := s.space("DOC")
	want := []string{home}
	for i := range 23 {
		want = append(want, s.page(space, fmt.Sprintf("Page %02d", (i*7)%23), ""))
	}
	slices.Sort(want)
	for _, path := range []string{
		"/wiki/api/v2/pages?limit=5", "/wiki/api/v2/pages?limit=5&sort=-modified-date", "/wiki/api/v2/pages?limit=7&sort=title",
		"/wiki/api/v2/spaces/" + space + "/pages?limit=4&sort=-id", "/wiki/rest/api/search?limit=5&cql=" + url.QueryEscape("type=page order by title desc"),
	} {
		var got []string
		next := path
		for next != "" {
			if len(got) > len(want) {
				t.Fatalf("%s: does not end", path)
			}
			a := s.must(200, "GET", next, nil)
			for _, r := range a.results() {
				if c, ok := r["content"].(map[string]any); ok {
					r = c
				}
				got = append(got, fmt.Sprint(r["id"]))
			}
			next = a.str("_links.next")
			if strings.HasPrefix(path, "/wiki/api/v2") {
				if link := a.header.Get("Link"); next != "" && link != "<"+next+`>; rel="next"` || next == "" && link != "" {
					t.Errorf("%s: Link = %q, next = %q", path, link, next)
				}
			} else if next != "" {
				next = "/wiki" + next
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}
