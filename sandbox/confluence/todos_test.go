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

const taskStorage = `<ac:task-list><ac:task><ac:task-id>7</ac:task-id><ac:task-body>Call %s</ac:task-body></ac:task>` +
	`<ac:task><ac:task-status>complete</ac:task-status><ac:task-body><ac:link><ri:user ri:account-id="%s" /></ac:link> pays until <time datetime="2026-12-24" /></ac:task-body></ac:task>` +
	`<ac:task><ac:task-id>7</ac:task-id><ac:task-body /></ac:task></ac:task-list>`

func TestTasksComeFromBodies(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	space, _ := s.space("DOC")
	page := s.page(space, "Todo", fmt.Sprintf(taskStorage, "Ann", bob.AccountID))
	got := s.Tasks(page)
	if len(got) != 3 {
		t.Fatalf("tasks = %+v", got)
	}
	want := []confluence.Task{
		{ID: got[0].ID, ContentID: page, Text: "Call Ann"},
		{ID: got[1].ID, ContentID: page, Text: "pays until 2026-12-24", Complete: true, AssigneeID: bob.AccountID, Due: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)},
		{ID: got[2].ID, ContentID: page},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	count := func(query string) int { return len(s.must(200, "GET", "/wiki/api/v2/tasks"+query, nil).results()) }
	due := time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC).UnixMilli()
	for query, n := range map[string]int{
		"": 3, "?include-blank-tasks=false": 2, "?status=complete": 1, "?status=incomplete&include-blank-tasks=true": 2, "?assigned-to=" + bob.AccountID: 1, "?assigned-to=nobody": 0,
		"?created-by=" + s.me.AccountID: 3, "?completed-by=" + s.me.AccountID: 1, "?page-id=" + page: 3, "?page-id=1": 0, "?blogpost-id=" + page: 0, "?space-id=" + space: 3,
		"?task-id=" + got[1].ID: 1, "?limit=2": 2, fmt.Sprintf("?due-at-from=%d&due-at-to=%d", due, due): 1, fmt.Sprintf("?due-at-to=%d", due-1): 0,
		fmt.Sprintf("?completed-at-from=%d", epoch.UnixMilli()): 1, fmt.Sprintf("?created-at-to=%d", epoch.UnixMilli()): 0,
	} {
		if k := count(query); k != n {
			t.Errorf("tasks%s: %d, want %d", query, k, n)
		}
	}
	s.must(400, "GET", "/wiki/api/v2/tasks?status=done", nil)
	s.must(400, "GET", "/wiki/api/v2/tasks?due-at-from=tomorrow", nil)

	// Another body: the first task is kept by its id, a new one comes before it.
	s.must(200, "PUT", "/wiki/api/v2/pages/"+page, edit(page, "Todo", `<ac:task-list><ac:task><ac:task-body>New</ac:task-body></ac:task><ac:task><ac:task-id>7</ac:task-id><ac:task-body>Call Ann twice</ac:task-body></ac:task></ac:task-list>`, 2))
	after := s.Tasks(page)
	if len(after) != 2 || after[1].ID != got[0].ID || after[1].Text != "Call Ann twice" || slices.ContainsFunc(got, func(o confluence.Task) bool { return o.ID == after[0].ID }) {
		t.Errorf("after an update: %+v", after)
	}
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+page, nil)
	if n := count(""); n != 0 {
		t.Errorf("%d tasks of a trashed page", n)
	}
}

func TestTickingATaskRewritesTheBody(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	page := s.page(space, "Todo", fmt.Sprintf(taskStorage, "Ann", "x"))
	id := s.Tasks(page)[0].ID
	a := s.must(200, "PUT", "/wiki/api/v2/tasks/"+id+"?body-format=storage", obj{"status": "complete"})
	if a.str("status") != "complete" || a.str("completedBy") != s.me.AccountID || a.str("completedAt") == "" || a.str("body.storage.value") != "Call Ann" {
		t.Errorf("task = %s", a.text)
	}
	p, _ := s.Page(page)
	if p.Version != 2 || !strings.Contains(p.Storage, "<ac:task-status>complete</ac:task-status><ac:task-body>Call Ann") {
		t.Errorf("page = version %d %s", p.Version, p.Storage)
	}
	s.must(200, "PUT", "/wiki/api/v2/tasks/"+id, obj{"status": "complete"})
	if p, _ := s.Page(page); p.Version != 2 {
		t.Errorf("ticking a ticked task made version %d", p.Version)
	}
	back := s.must(200, "PUT", "/wiki/api/v2/tasks/"+id, obj{"status": "incomplete"})
	if back.get("completedBy") != nil || back.get("completedAt") != nil {
		t.Errorf("open again = %s", back.text)
	}
	s.must(400, "PUT", "/wiki/api/v2/tasks/"+id, obj{"status": "done"})
	s.must(404, "PUT", "/wiki/api/v2/tasks/1", obj{"status": "complete"})
}
