package confluence_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// expected is what one trigger has to tell of: things that happened and that
// were there to be seen ever since, by a name of the test's own.
type expected struct {
	p       *poller
	name    func(e toolkit.RawEvent) string
	pending map[string]string         // name → the content that it is about
	may     map[string]bool           // gone before a poll: either is right
	told    map[string]bool           // by events
	ready   func(content string) bool // whether the site shows it yet
}

func (x *expected) want(name, content string) { x.pending[name] = content }

// gone: what happened to a content before and was not polled may stay unseen.
func (x *expected) gone(content string) {
	for name, c := range x.pending {
		if c == content {
			delete(x.pending, name)
			x.may[name] = true
		}
	}
}

// model is a site with people who do anything, and what each trigger owes.
type model struct {
	rt      *rapid.T
	w       *watched
	n       int
	pages   map[string]string // id → current, draft or trashed
	parent  map[string]string
	touched map[string]time.Time
	amid    map[string]bool   // what was touched while a poll ran
	notes   map[string]string // comment id → the comment that it answers
	above   string            // the page that is watched for children and comments
	lag     time.Duration

	created, updated, content, comments, matches *expected
	children, moved                              *poller
	under                                        map[string]bool   // at the last poll of children
	places                                       map[string]string // at the last poll of moved
}

func newModel(t *testing.T, rt *rapid.T) *model {
	lag := rapid.SampledFrom([]time.Duration{0, time.Minute, 5 * time.Minute}).Draw(rt, "lag")
	m := &model{
		rt: rt, w: watch(t, sandbox.Options{IndexLag: lag}), lag: lag, pages: map[string]string{}, parent: map[string]string{},
		touched: map[string]time.Time{}, notes: map[string]string{}, amid: map[string]bool{},
	}
	m.w.skew = rapid.SampledFrom([]time.Duration{0, 3 * time.Second, -3 * time.Second, 5 * time.Minute, -5 * time.Minute}).Draw(rt, "skew")
	m.above = m.w.page("Above all", "")
	for range rapid.IntRange(0, 14).Draw(rt, "pages before") {
		m.newPage(rapid.Bool().Draw(rt, "under"), "current")
	}
	start := func(slug, config string, name func(toolkit.RawEvent) string) *expected {
		return &expected{p: m.w.start(slug+"_TRIGGER", config), name: name, pending: map[string]string{}, may: map[string]bool{}, told: map[string]bool{}}
	}
	id := func(e toolkit.RawEvent) string { return fmt.Sprint(field(t, e, "resource", "id")) }
	m.w.wait(rapid.SampledFrom([]time.Duration{0, time.Second, 10 * time.Minute, time.Hour}).Draw(rt, "before"))
	m.created = start("PAGE_CREATED", `{}`, id)
	m.updated = start("PAGE_UPDATED", `{}`, func(e toolkit.RawEvent) string {
		return fmt.Sprint(id(e), " v", field(t, e, "resource", "version", "number"))
	})
	m.content = start("SPACE_CONTENT_ADDED", `{"spaceId":"MKT"}`, id)
	m.comments = start("FOOTER_COMMENT_ADDED", fmt.Sprintf(`{"pageId":%q,"includeReplies":true}`, m.above), id)
	m.matches = start("NEW_CQL_CONTENT_MATCH", `{"cql":"type = page and title ~ \"New*\""}`, id)
	m.matches.ready = func(content string) bool { return m.w.now().Sub(m.touched[content]) >= lag }
	for p, status := range m.pages { // not in the index at the baseline
		switch {
		case status != "current":
		case m.matches.ready(p):
			m.matches.told[p] = true // found by the first poll already
		default:
			m.matches.want(p, p)
		}
	}
	m.children = m.w.start("NEW_CHILD_PAGE_TRIGGER", fmt.Sprintf(`{"parentId":%q}`, m.above))
	m.moved = m.w.start("PAGE_MOVED_TRIGGER", `{"spaceId":"MKT"}`)
	m.under, m.places = m.childrenNow(), m.placesNow()
	return m
}

func (m *model) owed() []*expected {
	return []*expected{m.created, m.updated, m.content, m.comments, m.matches}
}

func (m *model) childrenNow() map[string]bool {
	out := map[string]bool{}
	for id, status := range m.pages {
		if p, _ := m.w.srv.Page(id); status == "current" && p.ParentID == m.above {
			out[id] = true
		}
	}
	return out
}

func (m *model) placesNow() map[string]string {
	out := map[string]string{}
	for id, status := range m.pages {
		if status == "current" {
			p, _ := m.w.srv.Page(id)
			out[id] = p.ParentID
		}
	}
	return out
}

func (m *model) newPage(under bool, status string) {
	m.n++
	parent := ""
	if under && status == "current" {
		parent = fmt.Sprintf(`"parentId":%q,`, m.above)
	}
	id := text(m.w.api("POST", "/wiki/api/v2/pages", fmt.Sprintf(`{"spaceId":%q,"status":%q,%s"title":"New %d","body":{"representation":"storage","value":"<p>x</p>"}}`, m.w.space("MKT"), status, parent, m.n)), "id")
	m.pages[id] = status
	if status == "current" {
		m.appeared(id)
	}
}

func (m *model) appeared(id string) {
	m.touched[id] = m.w.now()
	if m.created != nil {
		m.created.want(id, id)
		m.content.want(id, id)
		m.matches.want(id, id)
	}
}

func (m *model) versioned(id string) {
	p, _ := m.w.srv.Page(id)
	m.touched[id], m.amid[id] = m.w.now(), true
	m.updated.want(fmt.Sprintf("%s v%d", id, p.Version), id)
}

// one picks a page with a status.
func (m *model) one(status string) string {
	var ids []string
	for id, s := range m.pages {
		if s == status {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(m.rt, "page")
}

// act does one thing that people do.
func (m *model) act() {
	switch rapid.SampledFrom([]string{"new", "new", "burst", "edit", "edit", "edits", "draft", "publish", "trash", "restore", "purge", "move", "comment", "answer", "uncomment", "blog", "wait"}).Draw(m.rt, "act") {
	case "new":
		m.newPage(rapid.Bool().Draw(m.rt, "under"), "current")
	case "burst":
		for range rapid.IntRange(5, 30).Draw(m.rt, "burst") {
			m.newPage(false, "current")
			m.w.wait(rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Minute}).Draw(m.rt, "burst wait"))
		}
	case "edit":
		m.change(1)
	case "edits":
		m.change(rapid.IntRange(2, 60).Draw(m.rt, "edits"))
	case "draft":
		m.newPage(false, "draft")
	case "publish":
		if id := m.one("draft"); id != "" {
			m.n++
			m.w.api("PUT", "/wiki/api/v2/pages/"+id, fmt.Sprintf(`{"id":%q,"status":"current","title":"New %d","body":{"representation":"storage","value":"<p>y</p>"},"version":{"number":1}}`, id, m.n))
			m.pages[id] = "current"
			m.appeared(id)
		}
	case "trash":
		if id := m.one("current"); id != "" {
			m.w.trash("pages", id)
			m.pages[id] = "trashed"
			m.touched[id] = m.w.now()
			for _, x := range m.owed() {
				x.gone(id)
			}
		}
	case "restore":
		if id := m.one("trashed"); id != "" {
			m.w.restore("pages", id)
			m.pages[id] = "current"
			m.versioned(id)
			if !m.matches.told[id] {
				m.matches.want(id, id)
			}
		}
	case "purge":
		if id := m.one("trashed"); id != "" {
			m.w.api("DELETE", "/wiki/api/v2/pages/"+id+"?purge=true", "")
			delete(m.pages, id)
		}
	case "move":
		m.move()
	default:
		m.talk()
	}
}

func (m *model) change(times int) {
	id := m.one("current")
	for range times {
		if id != "" {
			m.w.edit("pages", id, "", fmt.Sprintf("<p>%d</p>", m.n))
			m.versioned(id)
			m.w.wait(rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second, time.Minute}).Draw(m.rt, "edit wait"))
		}
	}
}

func (m *model) move() {
	id, to := m.one("current"), m.one("current")
	if rapid.Bool().Draw(m.rt, "above") {
		to = m.above
	}
	if id == "" || id == to {
		return
	}
	for up := to; up != ""; { // not below itself
		p, _ := m.w.srv.Page(up)
		if up = p.ParentID; up == id {
			return
		}
	}
	m.w.rest("PUT", "/content/"+id+"/move/append/"+to, "")
}

func (m *model) talk() {
	switch rapid.SampledFrom([]string{"comment", "answer", "uncomment", "blog", "wait"}).Draw(m.rt, "talk") {
	case "comment":
		id := m.w.comment("pageId", m.above, "Hm")
		m.notes[id] = ""
		m.comments.want(id, id)
	case "answer":
		if ids := slices.Sorted(maps.Keys(m.notes)); len(ids) > 0 {
			to := rapid.SampledFrom(ids).Draw(m.rt, "answered")
			id := m.w.comment("parentCommentId", to, "Indeed")
			m.notes[id] = to
			m.comments.want(id, id)
		}
	case "uncomment":
		if ids := slices.Sorted(maps.Keys(m.notes)); len(ids) > 0 {
			m.uncomment(rapid.SampledFrom(ids).Draw(m.rt, "deleted"))
		}
	case "blog":
		m.n++
		id := m.w.blog(fmt.Sprintf("New post %d", m.n))
		m.content.want(id, id)
	case "wait":
		m.w.wait(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, 11 * time.Minute, 3 * time.Hour, 30 * time.Hour}).Draw(m.rt, "wait"))
	}
}

// uncomment deletes a comment with its answers.
func (m *model) uncomment(id string) {
	m.w.api("DELETE", "/wiki/api/v2/footer-comments/"+id, "")
	for gone := []string{id}; len(gone) > 0; gone = gone[1:] {
		m.comments.gone(gone[0])
		delete(m.notes, gone[0])
		for k, to := range m.notes {
			if to == gone[0] {
				gone = append(gone, k)
			}
		}
	}
}

// poll polls a trigger while people may go on, and compares.
func (m *model) poll(x *expected, busy bool) {
	owed := map[string]bool{}
	for name, content := range x.pending {
		if x.ready == nil || x.ready(content) {
			owed[name] = true
		}
	}
	clear(m.amid)
	if busy {
		after := rapid.IntRange(1, 4).Draw(m.rt, "meanwhile")
		m.w.interfere = func(*http.Request) *http.Response {
			if after--; after == 0 {
				m.act()
			}
			return nil
		}
	}
	events := x.p.poll()
	m.w.interfere = nil
	for _, e := range events {
		name := x.name(e)
		_, pending := x.pending[name]
		if x.told[name] {
			m.rt.Fatalf("%s told of %s again: %s", x.p.trigger.Slug, name, e.Key)
		}
		if !pending && !x.may[name] {
			m.rt.Fatalf("%s told of %s, which it should not: %s", x.p.trigger.Slug, name, e.Payload)
		}
		x.told[name] = true
		delete(x.pending, name)
	}
	for name := range owed {
		// What was edited while the poll ran may have gone past it: then the next
		// poll has to tell.
		content, still := x.pending[name]
		if still && !m.amid[content] && (x.ready == nil || x.ready(content)) {
			m.rt.Fatalf("%s did not tell of %s; it told of %s", x.p.trigger.Slug, name, summary(events))
		}
	}
}

// compare polls the triggers that compare what was with what is.
func (m *model) compare() {
	now := m.childrenNow()
	want, got := map[string]bool{}, map[string]bool{}
	for id := range now {
		if !m.under[id] {
			want[id] = true
		}
	}
	for _, e := range m.children.poll() {
		got[fmt.Sprint(field(m.w.t, e, "resource", "id"))] = true
	}
	if !maps.Equal(want, got) {
		m.rt.Fatalf("children: told of %v, want %v", got, want)
	}
	m.under = now
	places := m.placesNow()
	want, got = map[string]bool{}, map[string]bool{}
	for id, parent := range places {
		if was, known := m.places[id]; known && was != parent {
			want[id] = true
		}
	}
	for _, e := range m.moved.poll() {
		got[fmt.Sprint(field(m.w.t, e, "resource", "id"))] = true
	}
	if !maps.Equal(want, got) {
		m.rt.Fatalf("moves: told of %v, want %v", got, want)
	}
	m.places = places
}

// TestWhatHappensIsToldOnce: whatever people do, at whatever times polls come,
// also in the middle of it, each trigger tells of all that it promises, once,
// and of nothing else.
func TestWhatHappensIsToldOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(t, rt)
		defer m.w.srv.Close()
		for range rapid.IntRange(5, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0:
				m.poll(rapid.SampledFrom(m.owed()).Draw(rt, "trigger"), rapid.Bool().Draw(rt, "busy"))
			case 1:
				m.compare()
			default:
				m.act()
			}
		}
		for _, x := range m.owed() {
			m.poll(x, rapid.Bool().Draw(rt, "busy at last"))
		}
		m.w.wait(20 * time.Minute)
		for _, x := range m.owed() {
			m.poll(x, false)
			if len(x.pending) > 0 {
				rt.Fatalf("%s never told of %v", x.p.trigger.Slug, x.pending)
			}
			x.p.expect("nothing more", 0)
		}
		m.compare()
	})
}
