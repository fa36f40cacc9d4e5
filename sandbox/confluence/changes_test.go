package confluence_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// The change log tells of everything, in order, also of what is gone again.
func TestChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t, confluence.Options{KeepChanges: true, Seed: true})
	const v1, v2 = "/wiki/rest/api", "/wiki/api/v2"
	space := s.call("GET", v2+"/spaces?keys=MKT", nil).results()[0]["id"]
	above := s.call("POST", v2+"/pages", map[string]any{"spaceId": space, "title": "Above", "status": "current"}).str("id")
	seen := len(s.Changes(0))
	if seen < 50 {
		t.Errorf("%d lines of the seed", seen)
	}
	words := func() string {
		var out []string
		for _, c := range s.Changes(seen) {
			seen = c.N
			out = append(out, fmt.Sprintf("%s %s %s>%s", c.Type, c.What, c.Before, c.After))
		}
		return strings.Join(out, "; ")
	}
	page := s.call("POST", v2+"/pages", map[string]any{"spaceId": space, "title": "New", "status": "draft"}).str("id")
	home := s.call("GET", v2+"/pages/"+page+"?status=draft", nil).str("parentId")
	steps := []struct {
		do   func()
		want string
	}{
		{func() {}, fmt.Sprintf("page status >draft; page place >%s/%s", space, home)},
		{func() {
			s.must(200, "PUT", v2+"/pages/"+page, `{"id":"`+page+`","status":"current","title":"New","body":{"representation":"storage","value":"<p>x</p>"},"version":{"number":1}}`)
		}, "page status draft>current"},
		{func() {
			s.must(200, "PUT", v2+"/pages/"+page, `{"id":"`+page+`","status":"current","title":"New","body":{"representation":"storage","value":"<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>incomplete</ac:task-status><ac:task-body>Do</ac:task-body></ac:task></ac:task-list>"},"version":{"number":2}}`)
		}, "page version 1>2; task status >incomplete"},
		{func() { s.must(200, "PUT", v1+"/content/"+page+"/move/append/"+above, nil) }, fmt.Sprintf("page place %s/%s>%s/%s", space, home, space, above)},
		{func() { s.Like(page, s.me.AccountID) }, "page likes >1"},
		{func() { s.Unlike(page, s.me.AccountID) }, "page likes 1>"},
		{func() { s.must(200, "POST", v1+"/content/"+page+"/label", `[{"prefix":"global","name":"urgent"}]`) }, "page labels >urgent"},
		{func() { s.must(200, "POST", v2+"/pages/"+page+"/properties", `{"key":"k","value":1}`) }, "property status >current"},
		{func() {
			id := s.call("GET", v2+"/pages/"+page+"/properties", nil).results()[0]["id"]
			s.must(200, "PUT", fmt.Sprint(v2, "/pages/", page, "/properties/", id), `{"key":"k","value":2,"version":{"number":2}}`)
		}, "property version 1>2"},
		{func() {
			s.must(201, "POST", v2+"/footer-comments", `{"pageId":"`+page+`","body":{"representation":"storage","value":"<p>Hm</p>"}}`)
		}, "comment status >current"},
		{func() { s.must(204, "DELETE", v2+"/pages/"+page, nil) }, "page status current>trashed"},
		{func() { s.must(204, "DELETE", v2+"/pages/"+page+"?purge=true", nil) }, ""},
	}
	for i, step := range steps {
		step.do()
		got := words()
		if i == len(steps)-1 { // all that was part of it goes too, in any order
			for _, part := range []string{"page status trashed>", "comment status current>", "task status incomplete>", "property status current>"} {
				if !strings.Contains(got, part) {
					t.Errorf("purged: %s, without %s", got, part)
				}
			}
			continue
		}
		if got, _, _ = strings.Cut(got, "; audit"); !strings.HasPrefix(got, step.want) {
			t.Errorf("step %d (-want +got):\n%s", i, cmp.Diff(step.want, got))
		}
	}
	if quiet := newSite(t, confluence.Options{Seed: true}); len(quiet.Changes(0)) != 0 {
		t.Error("the log is kept without being asked for")
	}
}
