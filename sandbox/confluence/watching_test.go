package confluence_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// form-less calls that browsers must not be able to forge carry this header.
func (s *site) unforged(method, path string) answer {
	s.tb.Helper()
	return s.send(method, path, "", http.Header{"X-Atlassian-Token": {"no-check"}})
}

func TestWatching(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "")
	s.must(200, "POST", "/wiki/rest/api/content/"+page+"/label", []obj{{"name": "seen"}})
	for _, what := range []string{"content/" + page, "space/doc", "label/seen"} {
		at := "/wiki/rest/api/user/watch/" + what
		watching := func() any { return s.must(200, "GET", at, nil).get("watching") }
		s.must(403, "POST", at, nil)
		if watching() != false {
			t.Errorf("%s is watched before", what)
		}
		for range 2 {
			if a := s.unforged("POST", at); a.status != 204 {
				t.Fatalf("POST %s = %d %s", at, a.status, a.text)
			}
		}
		if watching() != true {
			t.Errorf("%s is not watched", what)
		}
		if a := s.unforged("POST", at+"?accountId="+url.QueryEscape(bob.AccountID)); a.status != 403 {
			t.Errorf("for somebody else, without being an administrator: %d", a.status)
		}
	}
	if got := s.cql("watcher = currentUser() and type = page").titles(); !slices.Equal(got, []string{"Page"}) {
		t.Errorf("watched pages = %v", got)
	}
	a := s.must(200, "GET", "/wiki/rest/api/content/"+page+"/notification/child-created", nil)
	if len(a.results()) != 1 || a.str("results.0.watcher.accountId") != s.me.AccountID {
		t.Errorf("watchers = %s", a.text)
	}
	if n := len(s.must(200, "GET", "/wiki/rest/api/space/DOC/watch", nil).results()); n != 1 {
		t.Errorf("%d watchers of the space", n)
	}
	s.unforged("DELETE", "/wiki/rest/api/user/watch/content/"+page)
	if got := s.cql("watcher = currentUser() and type = page").titles(); len(got) != 0 {
		t.Errorf("still watched: %v", got)
	}
	s.must(404, "GET", "/wiki/rest/api/user/watch/content/1", nil)
	s.must(403, "GET", "/wiki/rest/api/user/watch/label/none", nil)
}

func TestFavouritesAndViews(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	one, _ := s.space("ONE")
	two, _ := s.space("TWO")
	a, b, c := s.page(one, "A", ""), s.page(two, "B", ""), s.page(two, "C", "")
	rel := "/wiki/rest/api/relation/favourite/from/user/current/to/"
	s.must(404, "GET", rel+"content/"+a, nil)
	s.must(200, "PUT", rel+"content/"+a, nil)
	s.must(200, "PUT", rel+"space/TWO", nil)
	if got := s.must(200, "GET", rel+"content?expand=target", nil).str("results.0.target.title"); got != "A" {
		t.Errorf("favourites = %q", got)
	}
	if got := s.must(200, "GET", "/wiki/api/v2/pages/"+a+"?include-favorited-by-current-user-status=true", nil).get("isFavoritedByCurrentUser"); got != true {
		t.Errorf("isFavoritedByCurrentUser = %v", got)
	}
	if got := s.must(200, "GET", "/wiki/api/v2/spaces?favorited-by="+url.QueryEscape(s.me.AccountID), nil).results(); len(got) != 1 || got[0]["key"] != "TWO" {
		t.Errorf("spaces favoured by me = %v", got)
	}
	s.must(400, "PUT", "/wiki/rest/api/relation/likes/from/user/current/to/content/"+a, nil)

	s.View(b, s.me.AccountID)
	s.View(a, s.me.AccountID)
	s.View(a, bob.AccountID)
	s.clock = s.clock.Add(48 * time.Hour)
	s.View(a, bob.AccountID)
	s.View(c, s.me.AccountID)
	for query, want := range map[string][]string{
		"favourite = currentUser() and type = page":                       {"A"},
		"space in favouriteSpaces() and type = page order by title":       {"B", "C", "Space TWO Home"},
		"space not in favouriteSpaces() and type = page and title = A":    {"A"},
		"id in recentlyViewedContent(2) order by title":                   {"A", "C"},
		"id in recentlyViewedContent(2, 1) order by title":                {"A", "B"},
		"space in recentlyViewedSpaces(1) and type = page order by title": {"B", "C", "Space TWO Home"},
		"id in recentlyViewedContent(0)":                                  {},
		"favourite = " + `"` + bob.AccountID + `"`:                        {},
	} {
		if got := s.cql(query).titles(); !slices.Equal(got, want) {
			t.Errorf("%s finds %v, want %v", query, got, want)
		}
	}
	for _, bad := range []string{"id in recentlyViewedContent(x)", "id in recentlyViewedContent(1,2,3)", "space in favouriteSpaces(1)", "creator in everybody()"} {
		if got := s.cql(bad); got.status != 400 || !strings.HasPrefix(got.str("message"), "com.atlassian") {
			t.Errorf("%s = %d %s", bad, got.status, got.text)
		}
	}
	count := func(path string) any {
		return s.must(200, "GET", "/wiki/rest/api/analytics/content/"+path, nil).get("count")
	}
	if count(a+"/views") != 3.0 || count(a+"/viewers") != 2.0 || count(a+"/views?fromDate=2026-11-24") != 1.0 || count(a+"/viewers?fromDate=2027-01-01T00:00:00Z") != 0.0 {
		t.Errorf("views = %v, viewers = %v", count(a+"/views"), count(a+"/viewers"))
	}
	s.must(400, "GET", "/wiki/rest/api/analytics/content/"+a+"/views?fromDate=yesterday", nil)
	s.must(404, "GET", "/wiki/rest/api/analytics/content/1/views", nil)
	if w := s.fetch("/wiki/spaces/ONE/pages/" + a); w.Code != 200 || count(a+"/views") != 4.0 {
		t.Errorf("a look in the browser does not count: %v", count(a+"/views"))
	}
}

func TestTemplates(t *testing.T) {
	s := newSite(t, confluence.Options{})
	boss := s.AddUser(confluence.User{Email: "boss@example.com", Admin: true})
	s.space("DOC")
	in := func(more obj) obj {
		out := obj{"name": "Minutes", "templateType": "page", "body": obj{"storage": storage("<h1>Minutes</h1>")}}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	at := "/wiki/rest/api/template"
	s.must(403, "POST", at, in(nil))
	own := s.must(200, "POST", at, in(obj{"space": obj{"key": "DOC"}, "description": "d", "labels": []obj{{"prefix": "global", "name": "m", "id": "1", "label": "m"}}}))
	global := s.as(boss, "POST", at, in(obj{"name": "Global"}))
	if own.str("space.key") != "DOC" || own.str("body.storage.value") != "<h1>Minutes</h1>" || own.str("labels.0.name") != "m" || global.status != 200 {
		t.Errorf("templates = %s %s", own.text, global.text)
	}
	names := func(query string) []string {
		var out []string
		for _, r := range s.must(200, "GET", at+"/page"+query, nil).results() {
			n, _ := r["name"].(string)
			out = append(out, n)
		}
		return out
	}
	if !slices.Equal(names(""), []string{"Global"}) || !slices.Equal(names("?spaceKey=DOC"), []string{"Minutes"}) {
		t.Errorf("lists = %v, %v", names(""), names("?spaceKey=DOC"))
	}
	id := own.str("templateId")
	s.must(400, "PUT", at, in(obj{"templateId": id, "name": " "}))
	s.must(400, "PUT", at, in(obj{"templateId": id, "body": obj{"storage": storage("<p>")}}))
	s.must(200, "PUT", at, in(obj{"templateId": id, "name": "Notes"}))
	if a := s.must(200, "GET", at+"/"+id, nil); a.str("name") != "Notes" || a.str("description") != "d" {
		t.Errorf("after an update: %s", a.text)
	}
	s.must(403, "DELETE", at+"/"+global.str("templateId"), nil)
	s.must(204, "DELETE", at+"/"+id, nil)
	s.must(403, "GET", at+"/"+id, nil)
	if n := len(s.must(200, "GET", at+"/blueprint", nil).results()); n != 0 {
		t.Errorf("%d blueprints", n)
	}
}

func TestConvertBodies(t *testing.T) {
	s := newSite(t, confluence.Options{TaskTime: time.Minute})
	space, _ := s.space("DOC")
	page := s.page(space, "Target", "")
	at := "/wiki/rest/api/contentbody/convert/async/"
	a := s.must(200, "POST", at+"export_view?contentIdContext="+page, storage(`<p><ac:link><ri:page ri:content-title="target" /></ac:link></p>`))
	id := a.str("asyncId")
	if got := s.must(200, "GET", at+id, nil); got.str("status") != "WORKING" || got.str("value") != "" {
		t.Errorf("at once: %s", got.text)
	}
	s.clock = s.clock.Add(time.Minute)
	got := s.must(200, "GET", at+id, nil)
	if got.str("status") != "COMPLETED" || !strings.Contains(got.str("value"), `href="/wiki/spaces/DOC/pages/`+page) {
		t.Errorf("done: %s", got.text)
	}
	s.clock = s.clock.Add(10 * time.Minute)
	s.must(404, "GET", at+id, nil)
	s.must(400, "POST", at+"export_view", storage("<p>"))
	s.must(400, "POST", at+"storage", obj{"representation": "wiki", "value": "h1. x"})
	s.must(404, "POST", at+"export_view?contentIdContext=1", storage(""))
	s.must(200, "POST", "/wiki/rest/api/contentbody/convert/storage", obj{"representation": "wiki", "value": "h1. x"})
	bulk := s.call("POST", at+"bulk/tasks", obj{"conversionInputs": []obj{{"to": "export_view", "body": storage("<p>a</p>")}, {"to": "moon", "body": storage("")}}})
	if bulk.status != 200 || !strings.Contains(bulk.text, "FAILED_TO_QUEUE") {
		t.Errorf("bulk = %d %s", bulk.status, bulk.text)
	}
}
