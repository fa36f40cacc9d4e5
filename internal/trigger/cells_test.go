package trigger

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/sandbox/confluence"
	toolkits "github.com/sluice-run/sluice/toolkits/confluence"
)

// cells are what each type of trigger is to survive.
var cells = []string{"create", "change", "move", "delete", "many at once", "same second", "restart between", "cursor far behind", "deleted before the poll"}

// row is what the cells are for a type of trigger.
type row struct {
	// happen does what the trigger tells of, something else each time.
	happen func()
	// one is set where many of it between two polls are one event.
	one bool
	// What is made, changed, moved and deleted, with the events that it gives.
	create, change, move, remove step
	// vanish does what is no longer there at the poll.
	vanish step
}

// step is a deed and how many events come of it. A cell without a deed says why.
type step struct {
	do     func()
	want   int
	excuse string
}

func no(reason string) step { return step{excuse: reason} }

// TestCells has every type of trigger in every situation: each event is in the table
// of events exactly once, and nothing else is.
func TestCells(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		p := settle(t, w.site, w.me, 1)
		w.pass(time.Hour)
		rows, configs := p.rows(), p.configs()
		for _, kind := range toolkits.New().Triggers {
			r, there := rows[kind.Slug]
			if !there {
				t.Errorf("%s has no row", kind.Slug)
				continue
			}
			delete(rows, kind.Slug)
			i, _, err := w.svc.Upsert(t.Context(), Asked{ProjectID: project, Trigger: kind.Slug, UserID: "user_1", Config: json.RawMessage(configs[kind.Slug])})
			ok(t, err)
			c := &cellRun{world: w, i: i}
			for _, name := range cells {
				c.run(name, &r)
			}
			ok(t, w.svc.Delete(t.Context(), project, i.ID))
		}
		for slug := range rows {
			t.Errorf("there is no type %s", slug)
		}
	})
}

// cellRun is one instance in one situation after the other.
type cellRun struct {
	*world
	i    domain.TriggerInstance
	told int
}

func (c *cellRun) run(name string, r *row) {
	c.t.Helper()
	many := func(n int) int {
		if r.one {
			return 1
		}
		return n
	}
	plain := func(s step) {
		if (s.do == nil) == (s.excuse == "") {
			c.t.Fatalf("%s, %s: neither a deed nor a reason, or both", c.i.Trigger, name)
		}
		if s.do != nil {
			s.do()
			c.expect(name, s.want)
		}
	}
	switch name {
	case "create":
		plain(r.create)
	case "change":
		plain(r.change)
	case "move":
		plain(r.move)
	case "delete":
		plain(r.remove)
	case "deleted before the poll":
		plain(r.vanish)
		r.happen()
		c.expect("after what was deleted", 1)
	case "many at once":
		for range 30 {
			r.happen()
		}
		c.expect(name, many(30))
	case "same second": // before and after a poll
		c.clock.Store(c.due().Truncate(time.Second).Add(1100 * time.Millisecond).UnixNano())
		r.happen()
		c.poll()
		c.pass(300 * time.Millisecond)
		r.happen()
		c.expect(name, 2)
	case "restart between": // a process dies with the claim, and another one begins
		r.happen()
		p := c.pollOf(c.i)
		c.clock.Store(p.NextAt.UnixNano())
		_, err := c.db.ClaimPoll(c.t.Context(), domain.PollKey{ProjectID: project, ID: p.ID, Version: p.Version}, c.now().Add(c.svc.opts.Lease))
		ok(c.t, err)
		c.svc = c.replica()
		c.pass(c.svc.opts.Lease + time.Second)
		r.happen()
		ok(c.t, c.svc.RecoverLost(c.t.Context()))
		c.expect(name, many(2))
	case "cursor far behind":
		c.pass(time.Minute)
		r.happen()
		c.pass(30 * 24 * time.Hour)
		ok(c.t, c.svc.RecoverLost(c.t.Context()))
		c.expect(name, 1)
	default:
		c.t.Fatalf("nobody knows the cell %s", name)
	}
}

func (c *cellRun) due() time.Time {
	c.t.Helper()
	_, at, found := c.next()
	if !found {
		c.t.Fatalf("%s has no job", c.i.Trigger)
	}
	return at
}

// poll runs the poll when it is due, to its end.
func (c *cellRun) poll() {
	c.t.Helper()
	for more := true; more; {
		a, at, found := c.next()
		if !found {
			c.t.Fatalf("%s has no job", c.i.Trigger)
		}
		if at.After(c.now()) {
			c.clock.Store(at.UnixNano())
		}
		err := c.svc.run(c.t.Context(), a)
		if _, later := jobs.LaterBy(err); err != nil && !later {
			c.t.Fatalf("%s: %v", c.i.Trigger, err)
		}
		more = !c.due().After(c.now())
	}
}

// expect polls twice, and wants so many events more.
func (c *cellRun) expect(name string, want int) {
	c.t.Helper()
	c.poll()
	c.poll()
	events := c.allEvents(c.i.ID)
	if got := len(events) - c.told; got != want {
		c.t.Errorf("%s, %s: %d events, want %d: %s", c.i.Trigger, name, got, want, keysOf(events[c.told:]))
	}
	c.told = len(events)
}

func keysOf(events []domain.Event) string {
	var keys []string
	for i := range events {
		keys = append(keys, events[i].Key)
	}
	return strings.Join(keys, ", ")
}

// rows are what people do for each type of trigger.
func (w *town) rows() map[string]row {
	out := map[string]row{}
	for _, add := range []func(func(name string, r row)){w.pageRows, w.blogRows, w.spaceRows, w.partRows, w.countRows} {
		add(func(name string, r row) {
			if r.happen == nil {
				r.happen = r.create.do
			}
			out["CONFLUENCE_"+name+"_TRIGGER"] = r
		})
	}
	return out
}

func (w *town) last(list []string) string { return list[len(list)-1] }

// gone deletes the newest of a list for good.
func (w *town) gone(kind string, list *[]string) {
	id := w.last(*list)
	*list = (*list)[:len(*list)-1]
	w.do("DELETE", v2+"/"+kind+"/"+id, "")
	w.do("DELETE", v2+"/"+kind+"/"+id+"?purge=true", "")
}

// moved puts a page under above, and then on the shelf, and so on.
func (w *town) moved(id string) {
	to := w.above
	if p, _ := w.site.Page(id); p.ParentID == w.above {
		to = w.shelf
	}
	w.do("PUT", v1+"/content/"+id+"/move/append/"+to, "")
}

func (w *town) newest(f func(id string)) func() { return func() { f(w.last(w.pages)) } }

func (w *town) pageRows(add func(string, row)) {
	page := func() { w.page("") }
	edit := w.newest(func(id string) { w.edit("pages", id) })
	move := w.newest(w.moved)
	trash := func() { w.gone("pages", &w.pages) }
	comeAndGo := func() { w.page(w.above); trash() }
	add("PAGE_CREATED", row{create: step{page, 1, ""}, change: step{edit, 0, ""}, move: step{move, 0, ""}, remove: step{trash, 0, ""}, vanish: step{comeAndGo, 0, ""}})
	add("NEW_CQL_CONTENT_MATCH", row{create: step{page, 1, ""}, change: step{edit, 0, ""}, move: step{move, 0, ""}, remove: step{trash, 0, ""}, vanish: step{comeAndGo, 0, ""}})
	add("NEW_CHILD_PAGE", row{
		create: step{func() { w.page(w.above) }, 1, ""}, change: step{edit, 0, ""},
		move: step{func() { w.moved(w.page("")) }, 1, ""}, remove: step{trash, 0, ""}, vanish: step{comeAndGo, 0, ""},
	})
	target, goer := w.page(""), w.page("")
	add("PAGE_UPDATED", row{
		happen: func() { w.edit("pages", target) }, create: step{page, 0, ""}, change: step{func() { w.edit("pages", target) }, 1, ""},
		move: step{func() { w.moved(target) }, 0, ""}, remove: step{trash, 0, ""},
		vanish: step{func() { w.page(""); edit(); trash() }, 0, ""},
	})
	add("PAGE_VERSION_CREATED", row{
		happen: func() { w.edit("pages", w.above) }, create: step{page, 0, ""}, change: step{func() { w.edit("pages", w.above) }, 1, ""},
		move:   step{func() { w.do("PUT", v1+"/content/"+w.above+"/move/append/"+w.shelf, "") }, 0, ""},
		remove: no("with the page the poll fails, and says so; versions are the last cell"),
		vanish: step{func() { // of two versions the first is deleted
			w.edit("pages", w.above)
			c, _ := w.site.Page(w.above)
			w.edit("pages", w.above)
			w.do("DELETE", fmt.Sprintf("%s/content/%s/version/%d", v1, w.above, c.Version), "")
		}, 1, ""},
	})
	n := 0
	var movers []string
	for range 40 {
		movers = append(movers, w.page(""))
	}
	mover := func() { n++; w.moved(movers[n%len(movers)]) }
	add("PAGE_MOVED", row{
		happen: mover, create: step{page, 0, ""}, change: step{func() { w.edit("pages", goer) }, 0, ""}, move: step{mover, 1, ""},
		remove: step{trash, 0, ""}, vanish: step{func() { w.moved(w.page("")); trash() }, 0, ""},
	})
}

const unmoved = "a blog post is under nothing, and stays in its space"

func (w *town) blogRows(add func(string, row)) {
	blog := func() { w.blog() }
	edit := func() { w.edit("blogposts", w.last(w.posts)) }
	trash := func() { w.gone("blogposts", &w.posts) }
	comeAndGo := func() { blog(); trash() }
	add("NEW_BLOG_POST_CREATED", row{create: step{blog, 1, ""}, change: step{edit, 0, ""}, move: no(unmoved), remove: step{trash, 0, ""}, vanish: step{comeAndGo, 0, ""}})
	target := w.blog()
	add("BLOGPOST_UPDATED", row{
		happen: func() { w.edit("blogposts", target) }, create: step{blog, 0, ""}, change: step{func() { w.edit("blogposts", target) }, 1, ""},
		move: no(unmoved), remove: step{trash, 0, ""}, vanish: step{func() { blog(); edit(); trash() }, 0, ""},
	})
	labelled := func() { w.label(w.blog(), "urgent") }
	unlabelled := func() { w.do("DELETE", v1+"/content/"+w.last(w.posts)+"/label/urgent", "") }
	add("BLOG_POST_ADDED_TO_LABEL", row{
		create: step{labelled, 1, ""}, change: step{edit, 0, ""}, move: no(unmoved), remove: step{unlabelled, 0, ""},
		vanish: step{func() { labelled(); unlabelled() }, 0, ""},
	})
	home := slices.IndexFunc(w.site.Spaces(), func(s confluence.Space) bool { return s.Key == "ENG" })
	w.serial++
	stranger := idIn(w.do("POST", v2+"/pages", fmt.Sprintf(`{"spaceId":%q,"status":"current","title":"New %d"}`, w.site.Spaces()[home].ID, w.serial)))
	add("SPACE_CONTENT_ADDED", row{
		happen: func() {
			if w.serial%2 == 0 {
				w.page("")
				return
			}
			w.blog()
		},
		create: step{func() { w.page(""); w.blog() }, 2, ""}, change: step{edit, 0, ""},
		move:   step{func() { w.do("PUT", v1+"/content/"+stranger+"/move/append/"+w.talk, "") }, 0, ""},
		remove: step{trash, 0, ""}, vanish: step{comeAndGo, 0, ""},
	})
}

const still = "a space is nowhere"

func (w *town) spaceRows(add func(string, row)) {
	key := ""
	create := func() {
		w.serial++
		key = fmt.Sprintf("S%d", w.serial)
		w.do("POST", v2+"/spaces", fmt.Sprintf(`{"key":%q,"name":"Space %d"}`, key, w.serial))
	}
	rename := func(key string) {
		w.serial++
		w.do("PUT", v1+"/space/"+key, fmt.Sprintf(`{"name":"Name %d"}`, w.serial))
	}
	remove := func() { w.do("DELETE", v1+"/space/"+key, "") }
	add("SPACE_CREATED", row{
		create: step{create, 1, ""}, change: step{func() { rename(key) }, 0, ""}, move: no(still), remove: step{remove, 0, ""},
		vanish: step{func() { create(); remove() }, 0, ""},
	})
	named := func(name string) { w.do("PUT", v1+"/space/"+w.eng, fmt.Sprintf(`{"name":%q}`, name)) }
	add("SPACE_DETAILS_CHANGED", row{
		one: true, happen: func() { rename(w.eng) }, create: step{create, 0, ""}, change: step{func() { named("Now") }, 1, ""}, move: no(still),
		remove: step{remove, 0, ""},
		vanish: step{func() { // taken back
			i := slices.IndexFunc(w.site.Spaces(), func(s confluence.Space) bool { return s.Key == w.eng })
			name := w.site.Spaces()[i].Name
			named("For a moment")
			named(name)
		}, 0, ""},
	})
	for name, owner := range map[string]string{
		"SPACE_PROPERTIES_CHANGED": v2 + "/spaces/" + w.mkt + "/properties", "PAGE_CONTENT_PROPERTIES_CHANGED": v2 + "/pages/" + w.above + "/properties",
	} {
		at, number := "", 1
		create := func() {
			w.serial++
			at, number = owner+"/"+idIn(w.do("POST", owner, fmt.Sprintf(`{"key":"key%d","value":1}`, w.serial))), 1
		}
		change := func() {
			number++
			w.do("PUT", at, fmt.Sprintf(`{"key":"key%d","value":%d,"version":{"number":%d}}`, w.serial, number, number))
		}
		remove := func() { w.do("DELETE", at, "") }
		move := no(still)
		if strings.HasPrefix(name, "PAGE") {
			move = step{func() { w.do("PUT", v1+"/content/"+w.above+"/move/append/"+w.shelf, "") }, 0, ""}
		}
		add(name, row{
			create: step{create, 1, ""}, change: step{change, 1, ""}, move: move, remove: step{remove, 1, ""},
			vanish: step{func() { create(); change(); remove() }, 0, ""},
		})
	}
	add("NEW_AUDIT_LOG", row{
		create: step{func() {
			w.do("POST", v1+"/audit", `{"remoteAddress":"127.0.0.1","summary":"Thing","category":"Things","affectedObject":{"name":"x","objectType":"Thing"}}`)
		}, 1, ""},
		change: no("records do not change"), move: no("records are nowhere"), remove: no("records are not deleted"), vanish: no("records are not deleted"),
	})
}

// partRows are of what is on a page or blog post.
func (w *town) partRows(add func(string, row)) {
	const words = `"body":{"representation":"storage","value":"<p>Hm</p>"}`
	onPage := step{func() { w.do("PUT", v1+"/content/"+w.talk+"/move/append/"+w.shelf, "") }, 0, ""}
	id := ""
	footer := func() {
		id = idIn(w.do("POST", v2+"/footer-comments", fmt.Sprintf(`{"pageId":%q,%s}`, w.above, words)))
	}
	inline := func(on, content string) func() {
		return func() {
			id = idIn(w.do("POST", v2+"/inline-comments", fmt.Sprintf(`{%q:%q,%s,"inlineCommentProperties":{"textSelection":"Text","textSelectionMatchCount":1,"textSelectionMatchIndex":0}}`, on, content, words)))
		}
	}
	for name, c := range map[string]struct {
		create func()
		kind   string
		move   step
	}{
		"FOOTER_COMMENT_ADDED":          {footer, "footer-comments", onPage},
		"PAGE_INLINE_COMMENT_ADDED":     {inline("pageId", w.talk), "inline-comments", onPage},
		"BLOGPOST_INLINE_COMMENT_ADDED": {inline("blogPostId", w.post), "inline-comments", no(unmoved)},
	} {
		remove := func() { w.do("DELETE", v2+"/"+c.kind+"/"+id, "") }
		add(name, row{
			create: step{c.create, 1, ""}, move: c.move, remove: step{remove, 0, ""},
			change: step{func() { w.do("PUT", v2+"/"+c.kind+"/"+id, `{"version":{"number":2},`+words+`}`) }, 0, ""},
			vanish: step{func() { c.create(); remove() }, 0, ""},
		})
	}
	file := ""
	attach := func() {
		w.serial++
		a, err := w.site.Attach(w.above, w.me.AccountID, fmt.Sprintf("f%d.txt", w.serial), "text/plain", []byte("x"))
		ok(w.t, err)
		file = a.ID
	}
	detach := func() { w.do("DELETE", v2+"/attachments/"+file, "") }
	add("ATTACHMENT_ADDED", row{
		create: step{attach, 1, ""}, move: onPage, remove: step{detach, 0, ""}, vanish: step{func() { attach(); detach() }, 0, ""},
		change: step{func() { // the comment of the file
			w.do("PUT", v1+"/content/"+w.above+"/child/attachment/"+file, fmt.Sprintf(`{"id":%q,"type":"attachment","version":{"number":1},"metadata":{"comment":"better"}}`, file))
		}, 0, ""},
	})
	task := func() { w.pages = append(w.pages, w.tasks()) }
	add("NEW_TASK_CREATED", row{
		create: step{task, 1, ""}, move: step{w.newest(w.moved), 0, ""},
		change: step{w.newest(func(id string) {
			w.do("PUT", v2+"/tasks/"+w.site.Tasks(id)[0].ID, fmt.Sprintf(`{"id":%q,"status":"complete"}`, w.site.Tasks(id)[0].ID))
		}), 0, ""},
		remove: step{w.newest(func(id string) { w.edit("pages", id) }), 0, ""},
		vanish: step{func() { task(); w.gone("pages", &w.pages) }, 0, ""},
	})
}

// countRows are of what is only compared.
func (w *town) countRows(add func(string, row)) {
	for name, c := range map[string]struct {
		id   string
		edit func()
		move step
	}{
		"PAGE_LIKE_COUNT_CHANGED": {
			w.liked, func() { w.edit("pages", w.liked) },
			step{func() { w.do("PUT", v1+"/content/"+w.liked+"/move/append/"+w.shelf, "") }, 0, ""},
		},
		"BLOGPOST_LIKE_COUNT_CHANGED": {w.post, func() { w.edit("blogposts", w.post) }, no(unmoved)},
	} {
		fan := ""
		like := func() {
			w.serial++
			fan = w.site.AddUser(confluence.User{Email: fmt.Sprintf("u%d@acme.example", w.serial), DisplayName: "Fan"}).AccountID
			w.site.Like(c.id, fan)
		}
		unlike := func() { w.site.Unlike(c.id, fan) }
		add(name, row{
			one: true, create: step{like, 1, ""}, change: step{c.edit, 0, ""}, move: c.move, remove: step{unlike, 1, ""},
			vanish: step{func() { like(); unlike() }, 0, ""},
		})
	}
	known := func(id string) string { return fmt.Sprintf(`{"type":"known","accountId":%q}`, id) }
	restrict := func(ids ...string) {
		users := known(w.me.AccountID)
		for _, id := range ids {
			users += "," + known(id)
		}
		w.do("PUT", v1+"/content/"+w.secret+"/restriction", `[{"operation":"update","restrictions":{"user":[`+users+`]}}]`)
	}
	open := func() { w.do("DELETE", v1+"/content/"+w.secret+"/restriction", "") }
	n := 0
	add("CONTENT_RESTRICTIONS_CHANGED", row{
		one: true,
		happen: func() {
			n++
			restrict(w.fans[n%len(w.fans)])
		},
		create: step{func() { restrict() }, 1, ""}, change: step{func() { restrict(w.fans[0]) }, 1, ""}, remove: step{open, 1, ""},
		move:   step{func() { w.do("PUT", v1+"/content/"+w.secret+"/move/append/"+w.shelf, "") }, 0, ""},
		vanish: step{func() { restrict(w.fans[1], w.fans[2]); restrict(w.fans[n%len(w.fans)]) }, 0, ""},
	})
}
