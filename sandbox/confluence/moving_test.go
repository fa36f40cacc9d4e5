package confluence_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// outline is the page tree below a content as text: two spaces a level.
func (s *site) outline(id string) string {
	s.tb.Helper()
	var b strings.Builder
	var down func(id, indent string)
	down = func(id, indent string) {
		for _, r := range s.must(200, "GET", "/wiki/api/v2/pages/"+id+"/direct-children?limit=250", nil).results() {
			fmt.Fprintf(&b, "%s%v\n", indent, r["title"])
			down(fmt.Sprint(r["id"]), indent+"  ")
		}
	}
	down(id, "")
	return b.String()
}

// tree makes pages A(A1(A11), A2) and B below the homepage and gives all by title.
func (s *site) tree(key string) map[string]string {
	s.tb.Helper()
	space, home := s.space(key)
	at := map[string]string{"space": space, "home": home}
	for _, p := range [][2]string{{"A", "home"}, {"A1", "A"}, {"A11", "A1"}, {"A2", "A"}, {"B", "home"}} {
		at[p[0]] = s.page(space, p[0], "<p>"+p[0]+"</p>", obj{"parentId": at[p[1]]})
	}
	return at
}

func TestMove(t *testing.T) {
	s := newSite(t, confluence.Options{})
	at := s.tree("ONE")
	move := func(page, position, target string) answer {
		return s.call("PUT", "/wiki/rest/api/content/"+at[page]+"/move/"+position+"/"+at[target], nil)
	}
	for _, step := range []struct {
		page, position, target, want string
	}{
		{"B", "before", "A", "B\nA\n  A1\n    A11\n  A2\n"},
		{"A2", "before", "A1", "B\nA\n  A2\n  A1\n    A11\n"},
		{"A2", "after", "A1", "B\nA\n  A1\n    A11\n  A2\n"},
		{"B", "append", "A11", "A\n  A1\n    A11\n      B\n  A2\n"},
		{"B", "after", "A", "A\n  A1\n    A11\n  A2\nB\n"},
	} {
		a := move(step.page, step.position, step.target)
		if a.status != 200 || a.str("pageId") != at[step.page] {
			t.Fatalf("%+v: %d %s", step, a.status, a.text)
		}
		if diff := cmp.Diff(step.want, s.outline(at["home"])); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", step.page, step.position, step.target, diff)
		}
	}
	if a := move("A", "append", "A11"); a.status != 400 {
		t.Errorf("below itself: %d %s", a.status, a.text)
	}
	if a := move("A", "under", "B"); a.status != 400 {
		t.Errorf("a position that does not exist: %d", a.status)
	}
	if p, _ := s.Page(at["B"]); p.Version != 1 {
		t.Errorf("moving made version %d", p.Version)
	}
	s.must(404, "PUT", "/wiki/rest/api/content/"+at["A"]+"/move/append/1", nil)

	other, home := s.space("TWO")
	if _, err := s.Attach(at["A11"], s.me.AccountID, "a.txt", "", nil); err != nil {
		t.Fatal(err)
	}
	at["two"] = home
	clash := s.page(other, "a11", "")
	if a := move("A", "append", "two"); a.status != 400 || !strings.Contains(a.str("message"), "already exists") {
		t.Errorf("a title is taken there: %d %s", a.status, a.text)
	}
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+clash, nil)
	if a := move("A", "append", "two"); a.status != 200 {
		t.Fatalf("to another space: %d %s", a.status, a.text)
	}
	if got := s.outline(home); got != "A\n  A1\n    A11\n  A2\n" || s.outline(at["home"]) != "B\n" {
		t.Errorf("after moving: %q and %q", got, s.outline(at["home"]))
	}
	if p, ok := s.PageByTitle("TWO", "A11"); !ok || p.SpaceKey != "TWO" {
		t.Errorf("A11 = %+v", p)
	}
	if got := s.cql("type = attachment and space = TWO").titles(); !slices.Equal(got, []string{"a.txt"}) {
		t.Errorf("the file did not go along: %v", got)
	}
	if _, ok := s.PageByTitle("ONE", "A"); ok {
		t.Error("the title is still taken in the old space")
	}
}

func TestCopy(t *testing.T) {
	s := newSite(t, confluence.Options{})
	at := s.tree("ONE")
	_, home := s.space("TWO")
	s.must(200, "POST", "/wiki/rest/api/content/"+at["A"]+"/label", []obj{{"name": "keep"}})
	if _, err := s.Attach(at["A"], s.me.AccountID, "a.txt", "", []byte("x")); err != nil {
		t.Fatal(err)
	}
	s.must(201, "POST", "/wiki/api/v2/inline-comments", obj{"pageId": at["A"], "body": storage("c"), "inlineCommentProperties": mark("A", 1, 0)})
	cp := func(in obj) answer {
		return s.call("POST", "/wiki/rest/api/content/"+at["A"]+"/copy?expand=body.storage,space,ancestors,version", in)
	}
	to := func(typ, value string) obj { return obj{"type": typ, "value": value} }

	if a := cp(obj{"destination": to("parent_page", at["B"])}); a.status != 400 {
		t.Errorf("the title is taken: %d %s", a.status, a.text)
	}
	a := cp(obj{"destination": to("parent_page", at["B"]), "pageTitle": "A copy", "copyLabels": true, "copyAttachments": true})
	if a.status != 200 || a.str("body.storage.value") != "<p>A</p>" || a.get("version.number") != 1.0 {
		t.Fatalf("copy = %d %s", a.status, a.text)
	}
	id := a.str("id")
	if p, _ := s.Page(id); p.ParentID != at["B"] || !slices.Equal(p.Labels, []string{"keep"}) || len(s.Attachments(id)) != 1 || len(s.InlineComments(id)) != 0 {
		t.Errorf("copy = %+v", p)
	}
	plain := cp(obj{"destination": to("space", "TWO"), "body": obj{"storage": storage("<p>other</p>")}})
	if p, _ := s.Page(plain.str("id")); p.SpaceKey != "TWO" || p.ParentID != "" || p.Storage != "<p>other</p>" || len(p.Labels) != 0 {
		t.Errorf("copy to a space = %+v", p)
	}
	over := cp(obj{"destination": to("existing_page", at["A2"])})
	if p, _ := s.Page(at["A2"]); over.status != 200 || p.Title != "A2" || p.Version != 2 || p.Storage != "<p>A</p>" {
		t.Errorf("copy over a page = %d %+v", over.status, p)
	}
	for name, in := range map[string]obj{"no destination": {}, "bad type": {"destination": to("moon", "1")}} {
		if a := cp(in); a.status != 400 {
			t.Errorf("%s: %d", name, a.status)
		}
	}

	tree := func(in obj) answer {
		return s.call("POST", "/wiki/rest/api/content/"+at["A"]+"/pagehierarchy/copy", in)
	}
	if a := tree(obj{"destinationPageId": at["A11"]}); a.status != 400 {
		t.Errorf("titles clash: %d %s", a.status, a.text)
	}
	task := tree(obj{"destinationPageId": at["A11"], "copyAttachments": true, "titleOptions": obj{"prefix": "New ", "search": "A", "replace": "Z"}})
	if task.status != 202 {
		t.Fatalf("hierarchy = %d %s", task.status, task.text)
	}
	if got := s.outline(at["A11"]); got != "New Z\n  New Z1\n    New Z11\n  New Z2\n" {
		t.Errorf("copied tree = %q", got)
	}
	status := s.must(200, "GET", "/wiki"+task.str("links.status"), nil)
	if p, _ := s.PageByTitle("ONE", "New Z"); status.get("finished") != true || status.str("additionalDetails.destinationId") != p.ID || len(s.Attachments(p.ID)) != 1 {
		t.Errorf("task = %s", status.text)
	}
	if a := tree(obj{"destinationPageId": home, "copyDescendants": false, "titleOptions": obj{"prefix": "Only "}}); a.status != 202 || s.outline(home) != "Only A\n" {
		t.Errorf("without descendants: %d %q", a.status, s.outline(home))
	}
}

func TestArchiveAndRestore(t *testing.T) {
	s := newSite(t, confluence.Options{})
	at := s.tree("ONE")
	archive := func(ids ...string) answer {
		var pages []obj
		for _, id := range ids {
			pages = append(pages, obj{"id": id})
		}
		return s.call("POST", "/wiki/rest/api/content/archive", obj{"pages": pages})
	}
	if a := archive(at["A1"]); a.status != 202 {
		t.Fatalf("archive = %d %s", a.status, a.text)
	}
	if got := s.outline(at["home"]); got != "A\n  A2\n  A11\nB\n" {
		t.Errorf("tree = %q", got)
	}
	p := s.must(200, "GET", "/wiki/api/v2/pages/"+at["A1"], nil)
	if p.str("status") != "archived" || p.str("parentId") != at["A"] {
		t.Errorf("archived page = %s", p.text)
	}
	if got := s.cql("title = A1").titles(); len(got) != 0 {
		t.Errorf("an archived page is found: %v", got)
	}
	if a := s.call("POST", "/wiki/api/v2/pages", obj{"spaceId": at["space"], "title": "a1", "body": storage("")}); a.status != 400 {
		t.Errorf("the title of an archived page is free: %d", a.status)
	}
	for name, a := range map[string]answer{"twice": archive(at["A1"]), "no page": archive("1"), "none": archive()} {
		if a.status != 400 {
			t.Errorf("archive %s: %d %s", name, a.status, a.text)
		}
	}
	s.must(200, "PUT", "/wiki/api/v2/pages/"+at["A1"], edit(at["A1"], "A1", "<p>back</p>", 2))
	if got := s.outline(at["home"]); got != "A\n  A2\n  A11\n  A1\nB\n" {
		t.Errorf("restored tree = %q", got)
	}
	if a := archive(at["A"], at["A1"], at["A11"]); a.status != 202 || s.outline(at["home"]) != "B\nA2\n" {
		t.Errorf("archiving several: %d %q", a.status, s.outline(at["home"]))
	}
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+at["A1"], nil)
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+at["A1"]+"?purge=true", nil)

	two := s.tree("TWO")
	if a := s.call("DELETE", "/wiki/rest/api/content/"+two["A"]+"/pageTree", nil); a.status != 202 || s.outline(two["home"]) != "B\n" {
		t.Errorf("page tree: %d %q", a.status, s.outline(two["home"]))
	}
	if p, _ := s.Page(two["A11"]); p.Status != "trashed" {
		t.Errorf("A11 is %s", p.Status)
	}
	s.must(400, "DELETE", "/wiki/rest/api/content/"+two["A"]+"/pageTree", nil)
}

func TestVersionsRestoreAndDelete(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("ONE")
	id := s.page(space, "First", "<p>1</p>")
	for n := 2; n <= 4; n++ {
		s.must(200, "PUT", "/wiki/api/v2/pages/"+id, edit(id, fmt.Sprint("Title ", n), fmt.Sprintf("<p>%d</p>", n), n))
	}
	at := "/wiki/rest/api/content/" + id + "/version"
	restore := func(n int, title bool) answer {
		return s.call("POST", at+"?expand=content", obj{"operationKey": "restore", "params": obj{"versionNumber": n, "message": "back", "restoreTitle": title}})
	}
	if a := restore(1, false); a.status != 200 || a.get("number") != 5.0 || a.str("content.title") != "Title 4" {
		t.Errorf("restore = %d %s", a.status, a.text)
	}
	restore(2, true)
	if p, _ := s.Page(id); p.Version != 6 || p.Title != "Title 2" || p.Storage != "<p>2</p>" || p.Message != "back" {
		t.Errorf("page = %+v", p)
	}
	if a := restore(6, false); a.status != 400 {
		t.Errorf("the current version: %d", a.status)
	}
	if a := restore(9, false); a.status != 400 {
		t.Errorf("a version that does not exist: %d", a.status)
	}
	s.must(204, "DELETE", at+"/2", nil)
	s.must(400, "DELETE", at+"/5", nil)
	if p, _ := s.Page(id); p.Version != 5 || p.Versions != 5 {
		t.Errorf("after deleting one: version %d of %d", p.Version, p.Versions)
	}
	if got := s.must(200, "GET", "/wiki/api/v2/pages/"+id+"?version=2&body-format=storage", nil).str("body.storage.value"); got != "<p>3</p>" {
		t.Errorf("version 2 is now %q", got)
	}
	if a := s.must(200, "GET", at+"/3?expand=content.body.storage", nil); a.str("content.body.storage.value") != "<p>4</p>" {
		t.Errorf("v1 version 3 = %s", a.text)
	}
	s.must(200, "PUT", "/wiki/api/v2/pages/"+id, edit(id, "Six", "<p>6</p>", 6))
}

func TestDescendants(t *testing.T) {
	s := newSite(t, confluence.Options{})
	at := s.tree("ONE")
	v2 := "/wiki/api/v2/pages/" + at["home"] + "/descendants"
	for query, want := range map[string][]string{"": {"A", "B", "A1", "A2"}, "?depth=1": {"A", "B"}, "?depth=3": {"A", "B", "A1", "A2", "A11"}} {
		if got := s.must(200, "GET", v2+query, nil).titles(); !slices.Equal(got, want) {
			t.Errorf("descendants%s = %v, want %v", query, got, want)
		}
	}
	var got []string
	for next := v2 + "?limit=2&depth=10"; next != ""; {
		a := s.must(200, "GET", next, nil)
		got, next = append(got, a.titles()...), a.str("_links.next")
	}
	if !slices.Equal(got, []string{"A", "B", "A1", "A2", "A11"}) {
		t.Errorf("page by page: %v", got)
	}
	s.must(400, "GET", v2+"?depth=11", nil)
	v1 := "/wiki/rest/api/content/" + at["home"] + "/descendant"
	for query, n := range map[string]int{"": 5, "?depth=root": 2, "?depth=2": 4} {
		if got := s.must(200, "GET", v1+"/page"+query, nil).results(); len(got) != n {
			t.Errorf("descendant/page%s: %d, want %d", query, len(got), n)
		}
	}
	if a := s.must(200, "GET", v1+"?expand=page", nil); a.get("page.size") != 5.0 || a.str("_expandable.comment") == "" {
		t.Errorf("descendant = %s", a.text)
	}
}

// TestTaskTime: with a knob set, long tasks are running for a while.
func TestTaskTime(t *testing.T) {
	s := newSite(t, confluence.Options{TaskTime: time.Minute})
	at := s.tree("ONE")
	task := s.must(202, "POST", "/wiki/rest/api/content/archive", obj{"pages": []obj{{"id": at["B"]}}})
	a := s.must(200, "GET", "/wiki"+task.str("links.status"), nil)
	if a.get("finished") != false || a.get("successful") != false {
		t.Errorf("at once: %s", a.text)
	}
	s.clock = s.clock.Add(time.Minute)
	if a := s.must(200, "GET", "/wiki"+task.str("links.status"), nil); a.get("finished") != true || a.get("percentageComplete") != 100.0 {
		t.Errorf("after a minute: %s", a.text)
	}
}
