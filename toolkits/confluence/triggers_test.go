package confluence_test

import (
	"fmt"
	"testing"
	"time"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
)

// scenario is what is the same for all triggers: nothing at first, one event for
// a change, none at the next poll, and all of many changes at once.
type scenario struct {
	slug string
	// prepare makes what is watched, and gives the configuration and what does
	// the n-th thing that the trigger tells of.
	prepare func(w *watched) (config string, change func(n int))
	// single triggers tell of many changes between polls as one.
	single bool
}

// TestEveryTrigger runs the scenario of each.
func TestEveryTrigger(t *testing.T) {
	t.Parallel()
	done := map[string]bool{}
	for _, sc := range scenarios {
		done["CONFLUENCE_"+sc.slug] = true
		t.Run(sc.slug, func(t *testing.T) {
			t.Parallel()
			w := watch(t, sandbox.Options{})
			config, change := sc.prepare(w)
			p := w.start(sc.slug, config)
			p.expect("nothing", 0)
			w.wait(5 * time.Minute)
			for n := range 3 {
				change(n)
				p.expect("a change", 1)
				w.wait(7 * time.Minute)
			}
			change(3)
			w.wait(24 * time.Hour)
			p.expect("a change of yesterday", 1)
			// Many at the same millisecond: more than a page.
			const many = 130
			for n := range many {
				change(4 + n)
			}
			want := many
			if sc.single {
				want = 1
			}
			p.expect("many at once", want)
			// Some before a poll, some after, in the same second, and again.
			for round := range 4 {
				change(400 + round)
				w.wait(300 * time.Millisecond)
				p.expect("the same second", 1)
			}
			w.wait(48 * time.Hour)
			p.expect("days later", 0)
		})
	}
	for _, trigger := range kit.Triggers {
		if !done[trigger.Slug] {
			t.Errorf("%s has no scenario", trigger.Slug)
		}
	}
}

var scenarios = []scenario{
	{slug: "PAGE_CREATED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		return `{"spaceId":"MKT"}`, func(n int) { w.page(fmt.Sprintf("New %d", n), "") }
	}},
	{slug: "PAGE_UPDATED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.page("Edited", "")
		return `{}`, func(n int) { w.edit("pages", id, "", fmt.Sprintf("<p>%d</p>", n)) }
	}},
	{slug: "PAGE_VERSION_CREATED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.page("Edited", "")
		return fmt.Sprintf(`{"pageId":%q}`, id), func(n int) { w.edit("pages", id, "", fmt.Sprintf("<p>%d</p>", n)) }
	}},
	{slug: "NEW_CHILD_PAGE_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.page("Above", "")
		return fmt.Sprintf(`{"parentId":%q}`, id), func(n int) { w.page(fmt.Sprintf("Below %d", n), id) }
	}},
	{slug: "PAGE_MOVED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		a, b := w.page("A", ""), w.page("B", "")
		var pages []string
		for n := range 141 {
			pages = append(pages, w.page(fmt.Sprintf("Mover %d", n), a))
		}
		at := map[string]string{}
		return `{"spaceId":"MKT"}`, func(n int) {
			id := pages[n%len(pages)]
			to := b
			if at[id] == b {
				to = a
			}
			at[id] = to
			w.rest("PUT", "/content/"+id+"/move/append/"+to, "")
		}
	}},
	{slug: "NEW_BLOG_POST_CREATED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		return `{}`, func(n int) { w.blog(fmt.Sprintf("Post %d", n)) }
	}},
	{slug: "BLOGPOST_UPDATED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.blog("Edited")
		return `{"spaceId":"MKT"}`, func(n int) { w.edit("blogposts", id, "", fmt.Sprintf("<p>%d</p>", n)) }
	}},
	{slug: "BLOG_POST_ADDED_TO_LABEL_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		label := func(id string) { w.rest("POST", "/content/"+id+"/label", `[{"prefix":"global","name":"urgent"}]`) }
		label(w.blog("First"))
		return `{"label":"urgent"}`, func(n int) { label(w.blog(fmt.Sprintf("Post %d", n))) }
	}},
	{slug: "SPACE_CONTENT_ADDED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		return `{"spaceId":"MKT"}`, func(n int) {
			if n%2 == 0 {
				w.page(fmt.Sprintf("New %d", n), "")
				return
			}
			w.blog(fmt.Sprintf("Post %d", n))
		}
	}},
	{slug: "SPACE_CREATED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		return `{}`, func(n int) { w.must("CREATE_SPACE", fmt.Sprintf(`{"key":"S%d","name":"Space %d"}`, n, n)) }
	}},
	{slug: "SPACE_DETAILS_CHANGED_TRIGGER", single: true, prepare: func(w *watched) (string, func(int)) {
		return `{"spaceId":"MKT"}`, func(n int) { w.rest("PUT", "/space/MKT", fmt.Sprintf(`{"name":"Marketing %d"}`, n)) }
	}},
	{slug: "SPACE_PROPERTIES_CHANGED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		return `{"spaceId":"MKT"}`, func(n int) {
			w.api("POST", "/wiki/api/v2/spaces/"+w.space("MKT")+"/properties", fmt.Sprintf(`{"key":"key%d","value":%d}`, n, n))
		}
	}},
	{slug: "PAGE_CONTENT_PROPERTIES_CHANGED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.page("Kept", "")
		return fmt.Sprintf(`{"pageId":%q}`, id), func(n int) {
			w.api("POST", "/wiki/api/v2/pages/"+id+"/properties", fmt.Sprintf(`{"key":"key%d","value":{"n":%d}}`, n, n))
		}
	}},
	{slug: "FOOTER_COMMENT_ADDED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.page("Discussed", "")
		return fmt.Sprintf(`{"pageId":%q}`, id), func(int) { w.comment("pageId", id, "Hm") }
	}},
	{slug: "PAGE_INLINE_COMMENT_ADDED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.page("Discussed", "")
		return fmt.Sprintf(`{"pageId":%q}`, id), func(int) { w.inline("pageId", id) }
	}},
	{slug: "BLOGPOST_INLINE_COMMENT_ADDED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.blog("Discussed")
		return fmt.Sprintf(`{"blogpostId":%q}`, id), func(int) { w.inline("blogPostId", id) }
	}},
	{slug: "ATTACHMENT_ADDED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		id := w.page("Files", "")
		return fmt.Sprintf(`{"pageId":%q,"mediaType":"text/*"}`, id), func(n int) { w.attach(id, fmt.Sprintf("f%d.txt", n), "text/plain") }
	}},
	{slug: "PAGE_LIKE_COUNT_CHANGED_TRIGGER", single: true, prepare: func(w *watched) (string, func(int)) {
		id := w.page("Liked", "")
		return fmt.Sprintf(`{"pageId":%q}`, id), func(int) { w.like(id) }
	}},
	{slug: "BLOGPOST_LIKE_COUNT_CHANGED_TRIGGER", single: true, prepare: func(w *watched) (string, func(int)) {
		id := w.blog("Liked")
		return fmt.Sprintf(`{"blogpostId":%q}`, id), func(int) { w.like(id) }
	}},
	{slug: "CONTENT_RESTRICTIONS_CHANGED_TRIGGER", single: true, prepare: func(w *watched) (string, func(int)) {
		id := w.page("Secret", "")
		users := ""
		return fmt.Sprintf(`{"contentId":%q}`, id), func(n int) {
			u := w.srv.AddUser(sandbox.User{Email: fmt.Sprintf("u%d@example.com", n), DisplayName: fmt.Sprintf("User %d", n)})
			users += fmt.Sprintf(`,{"type":"known","accountId":%q}`, u.AccountID)
			w.rest("PUT", "/content/"+id+"/restriction", fmt.Sprintf(`[{"operation":"update","restrictions":{"user":[{"type":"known","accountId":%q}%s]}}]`, w.me.AccountID, users))
		}
	}},
	{slug: "NEW_TASK_CREATED_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		return `{"status":"incomplete"}`, func(n int) { w.taskPage(fmt.Sprintf("Tasks %d", n), "") }
	}},
	{slug: "NEW_AUDIT_LOG_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		return `{}`, func(n int) {
			w.rest("POST", "/audit", fmt.Sprintf(`{"remoteAddress":"127.0.0.1","summary":"Thing %d","category":"Things","affectedObject":{"name":"x","objectType":"Thing"}}`, n%3))
		}
	}},
	{slug: "NEW_CQL_CONTENT_MATCH_TRIGGER", prepare: func(w *watched) (string, func(int)) {
		return `{"cql":"type = page and title ~ \"New*\" order by created"}`, func(n int) { w.page(fmt.Sprintf("New %d", n), "") }
	}},
}
