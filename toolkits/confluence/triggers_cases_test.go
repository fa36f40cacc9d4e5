package confluence_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// TestIdlePollsCostWhatIsSaid: on a site with more than a page of everything, a
// poll without news takes the requests and points that the trigger tells.
func TestIdlePollsCostWhatIsSaid(t *testing.T) {
	t.Parallel()
	// extra are the points for what "and a point for each" means in the scenario.
	extra := map[string]int{
		"NEW_CHILD_PAGE_TRIGGER": 12, "BLOG_POST_ADDED_TO_LABEL_TRIGGER": 13, "PAGE_MOVED_TRIGGER": 144 - 1,
		"SPACE_PROPERTIES_CHANGED_TRIGGER": 12, "PAGE_CONTENT_PROPERTIES_CHANGED_TRIGGER": 12, "NEW_CQL_CONTENT_MATCH_TRIGGER": 12,
	}
	// fewer are the scenarios with less than a page to read.
	fewer := []string{"PAGE_UPDATED_TRIGGER", "BLOGPOST_UPDATED_TRIGGER", "SPACE_CREATED_TRIGGER", "SPACE_CONTENT_ADDED_TRIGGER"}
	for _, sc := range scenarios {
		t.Run(sc.slug, func(t *testing.T) {
			t.Parallel()
			w := watch(t, sandbox.Options{})
			config, change := sc.prepare(w)
			for n := range 12 {
				change(n)
				w.wait(15 * time.Minute)
			}
			w.wait(time.Hour)
			p := w.start(sc.slug, config)
			p.expect("nothing", 0)
			if got, want := len(w.asked), p.trigger.IdleRequests; got != want {
				t.Errorf("%d requests, said %d: %v", got, want, w.asked)
			}
			if got, want := w.points, p.trigger.IdlePoints+extra[sc.slug]; got > want || got < want && !slices.Contains(fewer, sc.slug) {
				t.Errorf("%d points, said %d: %v", got, want, w.asked)
			}
		})
	}
}

// TestManyMoreThanOnePollReads: nothing is lost of thousands of changes, and a
// poll stays within its bounds.
func TestManyMoreThanOnePollReads(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reads thousands of items")
	}
	w := watch(t, sandbox.Options{})
	created := w.start("PAGE_CREATED_TRIGGER", `{}`)
	space := w.start("SPACE_CONTENT_ADDED_TRIGGER", `{"spaceId":"MKT"}`)
	const many = 1500
	for n := range many {
		w.page(fmt.Sprintf("P%d", n), "")
		w.wait(10 * time.Second)
	}
	for _, p := range []*poller{created, space} {
		polls, total := 0, 0
		for more := true; more; polls++ {
			got, err := p.step()
			if err != nil {
				t.Fatal(err)
			}
			if len(w.asked) > 70 || len(got.Events) > 1200 || len(got.Cursor) > toolkit.MaxCursor/2 {
				t.Errorf("a poll made %d requests, gave %d events and a cursor of %d bytes", len(w.asked), len(got.Events), len(got.Cursor))
			}
			total, more = total+len(got.Events), got.More
			if polls == 0 { // more of it in the middle of the walk
				w.page("Between "+p.trigger.Slug, "")
			}
		}
		total += len(p.poll())
		if total != many+1 && total != many+2 || polls < 2 {
			t.Errorf("%s: %d of %d events in %d polls", p.trigger.Slug, total, many+1, polls)
		}
		p.expect("the end", 0)
		if len(p.cursor) > 4<<10 {
			t.Errorf("%s remembers %d bytes afterwards", p.trigger.Slug, len(p.cursor))
		}
	}
}

// TestDraftsAreNewWhenPublished, however old they are, and once, however often
// they are edited before the poll.
func TestDraftsAreNewWhenPublished(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	draft := func(title string) string {
		return text(w.api("POST", "/wiki/api/v2/pages", fmt.Sprintf(`{"spaceId":%q,"status":"draft","title":%q}`, w.space("MKT"), title)), "id")
	}
	publish := func(id, title string) {
		w.api("PUT", "/wiki/api/v2/pages/"+id, fmt.Sprintf(`{"id":%q,"status":"current","title":%q,"body":{"representation":"storage","value":"<p>x</p>"},"version":{"number":1}}`, id, title))
	}
	old, worked := draft("Old"), draft("Worked on")
	other := w.page("Another", "")
	w.wait(72 * time.Hour)
	created := w.start("PAGE_CREATED_TRIGGER", `{}`)
	updated := w.start("PAGE_UPDATED_TRIGGER", `{}`)
	publish(old, "Old")
	publish(worked, "Worked on")
	w.wait(time.Minute)
	w.edit("pages", worked, "", "<p>better</p>")
	w.wait(time.Minute)
	w.edit("pages", worked, "Worked on well", "<p>best</p>")
	w.edit("pages", other, "", "<p>edited only</p>")
	events := created.expect("two drafts published", 2)
	var ids []string
	for _, e := range events {
		ids = append(ids, fmt.Sprint(field(t, e, "resource", "id")))
	}
	slices.Sort(ids)
	want := []string{old, worked}
	slices.Sort(want)
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("new (-want +got):\n%s", diff)
	}
	updated.expect("two edits and one", 3)
}

// TestEveryVersionIsReported, also those between two polls, of renamed pages and
// by whom.
func TestEveryVersionIsReported(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	a, b := w.page("A", ""), w.page("B", "")
	for range 4 {
		w.edit("pages", a, "", "<p>before</p>")
	}
	w.wait(time.Hour)
	all := w.start("PAGE_UPDATED_TRIGGER", `{"spaceId":"MKT"}`)
	one := w.start("PAGE_VERSION_CREATED_TRIGGER", fmt.Sprintf(`{"pageId":%q}`, a))
	same := w.start("PAGE_UPDATED_TRIGGER", fmt.Sprintf(`{"pageId":%q}`, a))
	for n := range 120 { // more than Confluence gives at once
		w.edit("pages", a, "", fmt.Sprintf("<p>%d</p>", n))
	}
	w.edit("pages", b, "B renamed", "<p>x</p>")
	events := all.expect("all versions", 121)
	numbers := map[float64]bool{}
	for _, e := range events {
		if field(t, e, "resource", "id") == a {
			n, _ := field(t, e, "resource", "version", "number").(float64)
			numbers[n] = true
		}
		if got := field(t, e, "actor", "accountId"); got != w.me.AccountID {
			t.Errorf("by %v", got)
		}
	}
	for n := 6; n <= 125; n++ {
		if !numbers[float64(n)] {
			t.Errorf("version %d is missing", n)
		}
	}
	one.expect("all versions", 120)
	same.expect("all versions", 120)

	// A version that is deleted renumbers those after it: nothing new.
	w.wait(time.Hour)
	w.rest("DELETE", "/content/"+a+"/version/3", "")
	for _, p := range []*poller{all, one, same} {
		p.expect("a version deleted", 0)
	}
	w.edit("pages", a, "", "<p>after</p>")
	for _, p := range []*poller{all, one, same} {
		p.expect("an edit after it", 1)
	}
}

// TestMinorEdits are left out when that is wanted.
func TestMinorEdits(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	id := w.taskPage("Tasks", "")
	w.wait(time.Hour)
	major := w.start("PAGE_UPDATED_TRIGGER", `{"ignoreMinor":true}`)
	both := w.start("PAGE_UPDATED_TRIGGER", `{}`)
	w.api("PUT", "/wiki/api/v2/tasks/"+w.srv.Tasks(id)[0].ID, `{"status":"complete"}`) // a minor edit
	major.expect("a ticked task", 0)
	both.expect("a ticked task", 1)
	w.edit("pages", id, "", "<p>x</p>")
	major.expect("an edit", 1)
}

// TestTrashAndBack: neither is an edit of others, and coming back is a version.
func TestTrashAndBack(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	parent := w.page("Parent", "")
	id := w.page("Child", parent)
	w.wait(time.Hour)
	created := w.start("PAGE_CREATED_TRIGGER", `{"spaceId":"MKT"}`)
	updated := w.start("PAGE_UPDATED_TRIGGER", `{"spaceId":"MKT"}`)
	under := w.start("NEW_CHILD_PAGE_TRIGGER", fmt.Sprintf(`{"parentId":%q}`, parent))
	moved := w.start("PAGE_MOVED_TRIGGER", `{"spaceId":"MKT"}`)
	w.trash("pages", id)
	for _, p := range []*poller{created, updated, under, moved} {
		p.expect("trashed", 0)
	}
	w.wait(time.Hour)
	w.restore("pages", id)
	created.expect("restored", 0)
	updated.expect("restored", 1)
	w.wait(time.Minute)
	if p, _ := w.srv.Page(id); p.ParentID != parent { // it comes back elsewhere
		w.rest("PUT", "/content/"+id+"/move/append/"+parent, "")
	}
	under.expect("restored under its parent", 1)
	w.trash("pages", id)
	w.api("DELETE", "/wiki/api/v2/pages/"+id+"?purge=true", "")
	for _, p := range []*poller{created, updated, under, moved} {
		p.poll()
		p.expect("purged", 0)
	}
	quick := w.page("Quick", parent)
	w.trash("pages", quick)
	created.expect("created and trashed between polls", 0)
}

// TestMoves: to another parent, to another space, and not by new neighbours.
func TestMoves(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	a, b := w.page("A", ""), w.page("B", "")
	id := w.page("Mover", a)
	child := w.page("Under it", id)
	eng := text(w.api("POST", "/wiki/api/v2/pages", fmt.Sprintf(`{"spaceId":%q,"status":"current","title":"Target"}`, w.space("ENG"))), "id")
	space := w.start("PAGE_MOVED_TRIGGER", `{"spaceId":"MKT"}`)
	page := w.start("PAGE_MOVED_TRIGGER", fmt.Sprintf(`{"pageId":%q}`, id))
	order := w.start("PAGE_MOVED_TRIGGER", `{"spaceId":"MKT","includeReorder":true}`)
	w.rest("PUT", "/content/"+id+"/move/append/"+b, "")
	for _, p := range []*poller{space, page} {
		e := p.expect("moved", 1)
		if len(e) == 1 && (field(t, e[0], "change", "before", "parentId") != a || field(t, e[0], "change", "after", "parentId") != b) {
			t.Errorf("%s", e[0].Payload)
		}
	}
	order.poll()
	w.page("Neighbour", b)
	w.edit("pages", id, "Renamed", "<p>x</p>")
	w.rest("PUT", "/content/"+b+"/move/before/"+a, "")
	space.expect("neighbours, a name and an order", 0)
	page.expect("neighbours, a name and an order", 0)
	if len(order.poll()) == 0 {
		t.Error("another order was not reported")
	}
	w.rest("PUT", "/content/"+id+"/move/append/"+eng, "")
	events := space.expect("to another space, with what is below", 2)
	for _, e := range events {
		if to := field(t, e, "change", "after", "spaceId"); to != w.space("ENG") {
			t.Errorf("to %v: %s", to, e.Payload)
		}
	}
	page.expect("to another space", 1)
	w.rest("PUT", "/content/"+child+"/move/append/"+b, "")
	space.expect("back into the space", 0) // as said: watch the other space
}

// TestAnswersToComments are found at any depth when they are wanted.
func TestAnswersToComments(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	id := w.page("Discussed", "")
	first := w.comment("pageId", id, "First")
	old := w.comment("parentCommentId", first, "An answer from before")
	plain := w.start("FOOTER_COMMENT_ADDED_TRIGGER", fmt.Sprintf(`{"pageId":%q}`, id))
	deep := w.start("FOOTER_COMMENT_ADDED_TRIGGER", fmt.Sprintf(`{"pageId":%q,"includeReplies":true}`, id))
	w.wait(time.Minute)
	w.comment("parentCommentId", first, "An answer")
	inner := w.comment("parentCommentId", old, "An answer to an answer")
	plain.expect("answers only", 0)
	events := deep.expect("answers", 2)
	if len(events) == 2 && field(t, events[0], "change", "comment", "parentCommentId") == nil {
		t.Errorf("%s", events[0].Payload)
	}
	w.wait(time.Minute)
	var last string
	for n := range 120 {
		last = w.comment("pageId", id, fmt.Sprintf("Number %d", n))
	}
	w.comment("parentCommentId", inner, "Deeper")
	w.comment("parentCommentId", last, "At once")
	plain.expect("comments", 120)
	total := len(deep.poll())
	for range 5 { // some comments a poll are asked for answers
		w.wait(time.Minute)
		total += len(deep.poll())
	}
	if total != 122 {
		t.Errorf("%d comments and answers, want 122", total)
	}
	// An edit is no new comment; neither is what is deleted.
	w.api("PUT", "/wiki/api/v2/footer-comments/"+first, `{"version":{"number":2},"body":{"representation":"storage","value":"<p>Edited</p>"}}`)
	w.api("DELETE", "/wiki/api/v2/footer-comments/"+last, "")
	plain.expect("an edit", 0)
	deep.expect("an edit", 0)
	edited := w.comment("pageId", id, "Soon edited")
	w.wait(time.Second)
	w.api("PUT", "/wiki/api/v2/footer-comments/"+edited, `{"version":{"number":2},"body":{"representation":"storage","value":"<p>Edited at once</p>"}}`)
	plain.expect("written and edited", 1)
}

// TestPropertiesCompared: each change of each property, with what it became.
func TestPropertiesCompared(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	id := w.page("Kept", "")
	path := "/wiki/api/v2/pages/" + id + "/properties"
	put := func(key, value string) string {
		return text(w.api("POST", path, fmt.Sprintf(`{"key":%q,"value":%s}`, key, value)), "id")
	}
	a, b := put("a", `1`), put("b", `{"x":1}`)
	all := w.start("PAGE_CONTENT_PROPERTIES_CHANGED_TRIGGER", fmt.Sprintf(`{"pageId":%q}`, id))
	counts := w.start("PAGE_CONTENT_PROPERTIES_CHANGED_TRIGGER", fmt.Sprintf(`{"pageId":%q}`, id))
	only := w.start("PAGE_CONTENT_PROPERTIES_CHANGED_TRIGGER", fmt.Sprintf(`{"pageId":%q,"keys":["b"]}`, id))
	w.api("PUT", path+"/"+a, `{"key":"a","value":2,"version":{"number":2}}`)
	w.api("PUT", path+"/"+a, `{"key":"a","value":3,"version":{"number":3}}`)
	w.api("DELETE", path+"/"+b, "")
	put("b", `{"x":2}`)
	kinds := map[string]bool{}
	for _, e := range all.expect("changes", 3) {
		kinds[fmt.Sprint(field(t, e, "change", "kind"), field(t, e, "change", "key"), field(t, e, "change", "value"))] = true
	}
	if diff := cmp.Diff(map[string]bool{"updateda3": true, "deletedb<nil>": true, "createdbmap[x:2]": true}, kinds); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	only.expect("changes of b", 2)
	if got, err := counts.step(); err != nil || got.Missed != 1 { // version 2 of a
		t.Errorf("%d changes are said to be missed, %v", got.Missed, err)
	}
}

// TestWhatIsGoneSaysSo: a poll of what was deleted is an error that explains
// itself, and the cursor of before goes on when it is back.
func TestWhatIsGoneSaysSo(t *testing.T) {
	t.Parallel()
	for _, slug := range []string{"PAGE_VERSION_CREATED", "FOOTER_COMMENT_ADDED", "PAGE_INLINE_COMMENT_ADDED", "ATTACHMENT_ADDED", "PAGE_LIKE_COUNT_CHANGED", "PAGE_MOVED", "PAGE_CONTENT_PROPERTIES_CHANGED", "PAGE_UPDATED"} {
		w := watch(t, sandbox.Options{})
		id := w.page("Gone", "")
		p := w.start(slug+"_TRIGGER", fmt.Sprintf(`{"pageId":%q}`, id))
		w.trash("pages", id)
		w.api("DELETE", "/wiki/api/v2/pages/"+id+"?purge=true", "")
		_, err := p.step()
		var e *toolkit.Error
		if !errors.As(err, &e) || e.Kind != toolkit.KindNotFound || e.Field != "pageId" {
			t.Errorf("%s: %v", slug, err)
		}
	}
}

// TestAFailedPollLosesNothing: whichever request of a poll fails, the next one
// from the same cursor finds everything.
func TestAFailedPollLosesNothing(t *testing.T) {
	t.Parallel()
	for _, sc := range scenarios {
		if sc.slug == "PAGE_MOVED_TRIGGER" {
			continue // many pages; TestMoves has it
		}
		t.Run(sc.slug, func(t *testing.T) {
			t.Parallel()
			w := watch(t, sandbox.Options{})
			config, change := sc.prepare(w)
			p := w.start(sc.slug, config)
			w.wait(time.Hour)
			for n := range 23 {
				change(n)
				w.wait(time.Second)
			}
			for at := range 4 {
				before := slices.Clone(p.cursor)
				count := 0
				w.interfere = func(r *http.Request) *http.Response {
					if count++; count == at+1 {
						return answer(r, 503, `{"message":"not now"}`)
					}
					return nil
				}
				keys := p.keys
				p.keys = map[string]bool{}
				if _, err := p.step(); err == nil {
					p.cursor, p.keys, w.interfere = before, keys, nil
					break // it takes fewer requests
				}
				p.keys = keys
				if string(p.cursor) != string(before) {
					t.Fatal("the cursor changed")
				}
			}
			w.interfere = nil
			want := 23
			if sc.single {
				want = 1
			}
			p.expect("after failures", want)
		})
	}
}

// TestCursorsOfListsMayEnd: when the site takes a list's cursor no more, the walk
// starts again, and still gives everything once.
func TestCursorsOfListsMayEnd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reads thousands of items")
	}
	for _, slug := range []string{"PAGE_CREATED_TRIGGER", "SPACE_CREATED_TRIGGER", "NEW_CHILD_PAGE_TRIGGER", "NEW_TASK_CREATED_TRIGGER", "BLOG_POST_ADDED_TO_LABEL_TRIGGER", "NEW_CQL_CONTENT_MATCH_TRIGGER"} {
		at := slices.IndexFunc(scenarios, func(sc scenario) bool { return sc.slug == slug })
		w := watch(t, sandbox.Options{})
		config, change := scenarios[at].prepare(w)
		p := w.start(slug, config)
		w.wait(time.Hour)
		const many = 330
		for n := range many {
			change(n)
			w.wait(time.Second)
		}
		refusals := 0
		w.interfere = func(r *http.Request) *http.Response {
			if r.URL.Query().Get("cursor") != "" && refusals < 2 {
				refusals++
				return answer(r, 400, `{"errors":[{"status":400,"code":"INVALID_REQUEST_PARAMETER","title":"The cursor is not valid"}]}`)
			}
			return nil
		}
		p.expect("with refused cursors", many)
		if refusals != 2 {
			t.Errorf("%s: %d cursors were refused", slug, refusals)
		}
	}
}

// TestAuditRecordsAlike are told apart although nothing in them differs.
func TestAuditRecordsAlike(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reads thousands of items")
	}
	w := watch(t, sandbox.Options{})
	p := w.start("NEW_AUDIT_LOG_TRIGGER", `{"category":"things"}`)
	log := func(n int, category string) {
		for range n {
			w.rest("POST", "/audit", fmt.Sprintf(`{"remoteAddress":"127.0.0.1","summary":"Same","category":%q,"affectedObject":{"name":"x","objectType":"Thing"}}`, category))
		}
	}
	log(3, "Things")
	p.expect("alike", 3)
	log(1, "Other")
	log(2, "Things")
	p.expect("more of them", 2)
	for range 30 {
		log(60, "Things")
		w.wait(time.Second)
	}
	p.expect("more than a page", 1800)
}

// TestRestrictionsCompared says who was added and removed.
func TestRestrictionsCompared(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	id := w.blog("Secret post")
	p := w.start("CONTENT_RESTRICTIONS_CHANGED_TRIGGER", fmt.Sprintf(`{"contentId":%q}`, id))
	limit := func(users ...string) {
		var list []string
		for _, u := range users {
			list = append(list, fmt.Sprintf(`{"type":"known","accountId":%q}`, u))
		}
		w.rest("PUT", "/content/"+id+"/restriction", `[{"operation":"read","restrictions":{"user":[`+strings.Join(list, ",")+`]}}]`)
	}
	limit(w.me.AccountID, w.other.AccountID)
	limit(w.me.AccountID, w.other.AccountID) // the same again
	e := p.expect("two people", 1)
	limit(w.me.AccountID)
	e = append(e, p.expect("one less", 1)...)
	if len(e) != 2 {
		t.FailNow()
	}
	if field(t, e[1], "change", "operations", 0, "usersRemoved", 0, "id") != w.other.AccountID || field(t, e[1], "resource", "type") != "blogpost" {
		t.Errorf("%s", e[1].Payload)
	}
}
