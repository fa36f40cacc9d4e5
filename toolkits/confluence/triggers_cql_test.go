package confluence_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

func (w *watched) label(id, name string) {
	w.t.Helper()
	w.rest("POST", "/content/"+id+"/label", fmt.Sprintf(`[{"prefix":"global","name":%q}]`, name))
}

// TestMatchesWithoutAnEdit: a label is no edit, and still begins a match, once.
func TestMatchesWithoutAnEdit(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{IndexLag: time.Minute})
	old := w.page("Old", "")
	w.label(w.page("Labelled before", ""), "urgent")
	w.wait(time.Hour)
	p := w.start("NEW_CQL_CONTENT_MATCH_TRIGGER", `{"cql":"label = \"urgent\" ORDER BY title"}`)
	w.label(old, "urgent")
	e := p.expect("labelled", 1)
	if len(e) == 1 && (field(t, e[0], "resource", "id") != old || field(t, e[0], "resource", "spaceKey") != "MKT" || field(t, e[0], "actor", "accountId") != w.me.AccountID) {
		t.Errorf("%s", e[0].Payload)
	}
	w.rest("DELETE", "/content/"+old+"/label/urgent", "")
	p.expect("the label taken off", 0)
	w.label(old, "urgent")
	p.expect("the label again", 0)
	late := w.page("Late", "")
	w.label(late, "urgent")
	p.expect("not in the index yet", 0)
	w.wait(time.Minute)
	p.expect("in the index", 1)
}

// TestLargeQueries look only at what was edited lately, and lose nothing by the
// lag of the index, the account's time zone or pauses of the poller.
func TestLargeQueries(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Pacific/Kiritimati", "America/Los_Angeles"} {
		t.Run(strings.ReplaceAll(zone, "/", "-"), func(t *testing.T) {
			t.Parallel()
			w := watch(t, sandbox.Options{IndexLag: 90 * time.Second})
			me := w.me
			me.TimeZone = zone
			w.me = w.srv.AddUser(me)
			for n := range 260 {
				w.page(fmt.Sprintf("Old %d", n), "")
			}
			w.wait(2 * time.Hour)
			p := w.start("NEW_CQL_CONTENT_MATCH_TRIGGER", `{"cql":"type = page and space = MKT"}`)
			total, want := 0, 0
			for n, pause := range []time.Duration{time.Minute, 5 * time.Minute, 5 * time.Minute, 4 * time.Hour, 50 * time.Hour, time.Minute, 5 * time.Minute} {
				for k := range 5 {
					w.page(fmt.Sprintf("New %d %d", n, k), "")
					w.wait(pause / 5)
					want++
				}
				total += len(p.poll())
				if len(w.asked) > 2 {
					t.Errorf("a poll took %d requests", len(w.asked))
				}
			}
			w.wait(2 * time.Minute)
			total += len(p.poll())
			if total != want {
				t.Errorf("%d events, want %d", total, want)
			}
			p.expect("nothing", 0)
			if w.points > 60 {
				t.Errorf("an idle poll costs %d points", w.points)
			}
			for n := range 600 { // more than one answer holds, and than one poll reads at ease
				w.page(fmt.Sprintf("Many %d", n), "")
			}
			w.wait(10 * time.Minute)
			p.expect("many", 600)
		})
	}
}

func TestOrderIsCutOff(t *testing.T) {
	t.Parallel()
	key := func(cql string) string {
		k, err := triggerNamed(t, "NEW_CQL_CONTENT_MATCH_TRIGGER").WatchKey([]byte(`{"cql":` + quoteJSON(cql) + `}`))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(k, "CONFLUENCE_NEW_CQL_CONTENT_MATCH_TRIGGER ")
	}
	got := map[string]string{}
	want := map[string]string{
		`type = page order by created`:                      `type = page`,
		"type = page\nOrder  By title desc, created":        `type = page`,
		`title ~ "order by" and type = page`:                `title ~ "order by" and type = page`,
		`title ~ 'it\' order by' order by created`:          `title ~ 'it\' order by'`,
		`title ~ "a \" order by b" and border = byte`:       `title ~ "a \" order by b" and border = byte`,
		`order by created`:                                  ``,
		`space = "ORDER BY" ORDER BY lastmodified`:          `space = "ORDER BY"`,
		`text ~ "ümläut order by" order by title`:           `text ~ "ümläut order by"`,
		`title ~ "unclosed order by created`:                `title ~ "unclosed order by created`,
		`label = "reorder by" and label = x order by label`: `label = "reorder by" and label = x`,
	}
	for cql := range want {
		got[cql] = key(cql)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestToldAndPolled: what a webhook tells and what a poll finds is one event.
func TestToldAndPolled(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	id, blog := w.page("Page", ""), w.blog("Post")
	w.wait(48 * time.Hour)
	type made struct{ kind, id string }
	for _, tc := range []struct {
		slug, config, event string
		happen              func() made
	}{
		{"PAGE_CREATED", `{"spaceId":"MKT"}`, "created", func() made { return made{"page", w.page("New", "")} }},
		{"SPACE_CONTENT_ADDED", `{"spaceId":"MKT"}`, "created", func() made { return made{"blogpost", w.blog("New there")} }},
		{"NEW_BLOG_POST_CREATED", `{}`, "created", func() made { return made{"blogpost", w.blog("New")} }},
		{"PAGE_UPDATED", `{}`, "updated", func() made { w.edit("pages", id, "", "<p>1</p>"); return made{"page", id} }},
		{"PAGE_UPDATED", fmt.Sprintf(`{"pageId":%q}`, id), "updated", func() made { w.edit("pages", id, "", "<p>2</p>"); return made{"page", id} }},
		{"PAGE_VERSION_CREATED", fmt.Sprintf(`{"pageId":%q}`, id), "updated", func() made { w.edit("pages", id, "", "<p>3 Text</p>"); return made{"page", id} }},
		{"BLOGPOST_UPDATED", `{"spaceId":"MKT"}`, "updated", func() made { w.edit("blogposts", blog, "", "<p>News 1</p>"); return made{"blogpost", blog} }},
		{"FOOTER_COMMENT_ADDED", fmt.Sprintf(`{"pageId":%q}`, id), "created", func() made { return made{"footer-comment", w.comment("pageId", id, "Hm")} }},
		{"PAGE_INLINE_COMMENT_ADDED", fmt.Sprintf(`{"pageId":%q}`, id), "created", func() made { return made{"inline-comment", w.inline("pageId", id)} }},
		{"BLOGPOST_INLINE_COMMENT_ADDED", fmt.Sprintf(`{"blogpostId":%q}`, blog), "created", func() made { return made{"inline-comment", w.inline("blogPostId", blog)} }},
		{"ATTACHMENT_ADDED", fmt.Sprintf(`{"pageId":%q,"mediaType":"text/plain"}`, id), "created", func() made { return made{"attachment", w.attach(id, "a.txt", "text/plain")} }},
	} {
		p := w.start(tc.slug+"_TRIGGER", tc.config)
		if !p.trigger.Receives() {
			t.Errorf("%s takes no webhooks", tc.slug)
		}
		w.wait(time.Minute)
		m := tc.happen()
		tell := func(event, kind, id string) ([]toolkit.RawEvent, error) {
			w.trigger = p.trigger
			return p.trigger.Receive(t.Context(), w.triggerCall(), p.config, toolkit.Inbound{Body: fmt.Appendf(nil, `{"event":%q,"type":%q,"id":%s}`, event, kind, id)})
		}
		told, err := tell(tc.event, m.kind, strings.TrimPrefix(m.id, "att"))
		if err != nil || len(told) != 1 {
			t.Errorf("%s: told %d events, %v", tc.slug, len(told), err)
			continue
		}
		if diff := cmp.Diff(told, p.poll()); diff != "" {
			t.Errorf("%s: told and polled differ (-told +polled):\n%s", tc.slug, diff)
		}
		for _, other := range []struct{ event, kind, id string }{
			{"deleted", m.kind, "1"}, {tc.event, "space", "1"}, {tc.event, m.kind, "99999999"},
		} {
			if got, err := tell(other.event, other.kind, other.id); err != nil || len(got) > 0 {
				t.Errorf("%s: %+v gives %v, %v", tc.slug, other, got, err)
			}
		}
		for _, bad := range []string{`"../../users"`, `""`, `{}`, `"1/2"`} {
			if got, err := tell(tc.event, m.kind, bad); err == nil {
				t.Errorf("%s: took the id %s: %v", tc.slug, bad, got)
			}
		}
		w.wait(30 * time.Hour)
		if tc.event == "created" { // an old thing that is called new
			if got, err := tell("created", m.kind, quoteJSON(strings.TrimPrefix(m.id, "att"))); err != nil || len(got) > 0 {
				t.Errorf("%s: what is a day old is called new: %v, %v", tc.slug, got, err)
			}
		}
	}
}
