package confluence_test

import (
	"fmt"
	"testing"
	"time"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// TestPlacesNarrowTriggers: what happens elsewhere is not told, whether the
// place is named by key or by id.
func TestPlacesNarrowTriggers(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	mkt, eng := w.space("MKT"), w.space("ENG")
	tasks := w.page("Tasks", "")
	w.label(w.blog("Labelled"), "urgent")
	w.wait(time.Hour)
	var all []*poller
	for _, space := range []string{"MKT", mkt} {
		all = append(all,
			w.start("NEW_BLOG_POST_CREATED_TRIGGER", fmt.Sprintf(`{"spaceId":%q}`, space)),
			w.start("BLOG_POST_ADDED_TO_LABEL_TRIGGER", fmt.Sprintf(`{"label":"urgent","spaceId":%q}`, space)),
			w.start("NEW_TASK_CREATED_TRIGGER", fmt.Sprintf(`{"pageId":%q,"spaceId":%q}`, tasks, space)),
		)
	}
	elsewhere := text(w.api("POST", "/wiki/api/v2/blogposts", fmt.Sprintf(`{"spaceId":%q,"status":"current","title":"Elsewhere"}`, eng)), "id")
	w.label(elsewhere, "urgent")
	w.taskPage("Other tasks", "")
	for _, p := range all {
		p.expect("elsewhere", 0)
	}
	w.label(w.blog("Here"), "urgent")
	w.edit("pages", tasks, "", `<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>incomplete</ac:task-status><ac:task-body>Here</ac:task-body></ac:task></ac:task-list>`)
	for _, p := range all {
		p.expect("here", 1)
	}
}

// TestPublishedAndEdited: blog posts of old drafts that are edited before the
// poll, inline comments that are edited or answered before it.
func TestPublishedAndEdited(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	draft := text(w.api("POST", "/wiki/api/v2/blogposts", fmt.Sprintf(`{"spaceId":%q,"status":"draft","title":"Draft"}`, w.space("MKT"))), "id")
	older, earlier := w.blog("Older post"), w.page("Older page", "")
	w.wait(time.Hour)
	page, blog := w.page("Page", ""), w.blog("Post")
	w.wait(48 * time.Hour)
	created := w.start("NEW_BLOG_POST_CREATED_TRIGGER", `{}`)
	content := w.start("SPACE_CONTENT_ADDED_TRIGGER", `{"spaceId":"MKT"}`)
	pages := w.start("PAGE_CREATED_TRIGGER", `{}`)
	w.api("PUT", "/wiki/api/v2/blogposts/"+draft, fmt.Sprintf(`{"id":%q,"status":"current","title":"Published","body":{"representation":"storage","value":"<p>x</p>"},"version":{"number":1}}`, draft))
	w.wait(time.Second)
	w.edit("blogposts", draft, "", "<p>better</p>")
	w.edit("blogposts", blog, "", "<p>News, edited</p>")
	w.edit("blogposts", older, "", "<p>News, edited late</p>") // not remembered: its first version says that it is not new
	created.expect("a draft published and edited", 1)
	content.expect("a draft published and edited", 1)
	w.edit("pages", earlier, "", "<p>edited late</p>") // likewise
	pages.expect("an older page edited", 0)
	content.expect("an older page edited", 0)
	fresh := w.page("Told", "")
	told, err := content.trigger.Receive(t.Context(), w.triggerCall(), content.config, toolkit.Inbound{Body: fmt.Appendf(nil, `{"event":"created","type":"page","id":%q}`, fresh)})
	if err != nil || len(told) != 1 || told[0].Key != "page:"+fresh+":created" {
		t.Errorf("told of a page: %v, %v", told, err)
	}

	for _, tc := range []struct{ on, id, slug, config string }{
		{"pageId", page, "PAGE_INLINE_COMMENT_ADDED_TRIGGER", fmt.Sprintf(`{"pageId":%q,"includeReplies":true}`, page)},
		{"blogPostId", blog, "BLOGPOST_INLINE_COMMENT_ADDED_TRIGGER", fmt.Sprintf(`{"blogpostId":%q,"includeReplies":true}`, blog)},
	} {
		p := w.start(tc.slug, tc.config)
		first := w.inline(tc.on, tc.id)
		w.api("POST", "/wiki/api/v2/inline-comments", fmt.Sprintf(`{"parentCommentId":%q,"body":{"representation":"storage","value":"<p>Yes</p>"}}`, first))
		w.wait(time.Minute)
		w.api("PUT", "/wiki/api/v2/inline-comments/"+first, `{"version":{"number":2},"body":{"representation":"storage","value":"<p>Really?</p>"}}`)
		events := p.expect("a comment, edited, and its answer", 2)
		if len(events) == 2 && field(t, events[0], "change", "comment", "inlineOriginalSelection") == nil {
			t.Errorf("%s", events[0].Payload)
		}
	}
}
