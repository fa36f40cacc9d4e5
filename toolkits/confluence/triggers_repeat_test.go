package confluence_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
)

// repeat polls once more from a cursor, as after a process that died when it had kept
// some of what the poll told, and gives the keys by the id of the resource.
func (p *poller) repeat(cursor json.RawMessage) map[string]string {
	p.w.t.Helper()
	p.cursor, p.keys = slices.Clone(cursor), map[string]bool{}
	keys := map[string]string{}
	for _, e := range p.poll() {
		id, _ := field(p.w.t, e, "resource", "id").(string)
		keys[id] = e.Key
	}
	return keys
}

// TestARepeatedPollHasTheSameKeys has more happen between a poll and its repetition, in
// front of what the first one told: that has the same keys nevertheless. The keys of
// what happens later are others.
func TestARepeatedPollHasTheSameKeys(t *testing.T) {
	t.Parallel()
	tests := []struct {
		slug string
		// prepare makes three things, in the order of the list, and gives the
		// configuration and what changes one of them, to and fro.
		prepare func(w *watched) (config string, ids []string, change, back func(id string))
	}{
		{"PAGE_MOVED_TRIGGER", func(w *watched) (string, []string, func(string), func(string)) {
			from, to := w.page("From", ""), w.page("To", "")
			ids := []string{w.page("A", from), w.page("B", from), w.page("C", from)}
			move := func(under string) func(string) {
				return func(id string) { w.rest("PUT", "/content/"+id+"/move/append/"+under, "") }
			}
			return `{"spaceId":"MKT"}`, ids, move(to), move(from)
		}},
		{"NEW_CHILD_PAGE_TRIGGER", func(w *watched) (string, []string, func(string), func(string)) {
			from, to := w.page("From", ""), w.page("To", "")
			ids := []string{w.page("A", from), w.page("B", from), w.page("C", from)}
			move := func(under string) func(string) {
				return func(id string) { w.rest("PUT", "/content/"+id+"/move/append/"+under, "") }
			}
			return fmt.Sprintf(`{"parentId":%q}`, to), ids, move(to), move(from)
		}},
		{"BLOG_POST_ADDED_TO_LABEL_TRIGGER", func(w *watched) (string, []string, func(string), func(string)) {
			w.label(w.blog("First"), "urgent")
			ids := []string{w.blog("A"), w.blog("B"), w.blog("C")}
			return `{"label":"urgent"}`, ids, func(id string) { w.label(id, "urgent") },
				func(id string) { w.rest("DELETE", "/content/"+id+"/label/urgent", "") }
		}},
	}
	for _, test := range tests {
		t.Run(test.slug, func(t *testing.T) {
			t.Parallel()
			w := watch(t, sandbox.Options{})
			config, ids, change, back := test.prepare(w)
			p := w.start(test.slug, config)
			cursor := p.cursor
			change(ids[2])
			change(ids[1])
			first := p.repeat(cursor)
			if len(first) != 2 {
				t.Fatalf("the first poll told %v", first)
			}
			w.wait(time.Minute)
			change(ids[0])
			second := p.repeat(cursor)
			if len(second) != 3 {
				t.Fatalf("the repeated poll told %v", second)
			}
			known := second[ids[0]]
			delete(second, ids[0])
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("repeated, the same has other keys (-first +again):\n%s", diff)
			}
			for _, id := range ids {
				back(id)
			}
			p.poll()
			for _, id := range ids {
				change(id)
			}
			for id, key := range p.repeat(p.cursor) {
				if key == first[id] || key == known {
					t.Errorf("the next time has the key %s of the time before", key)
				}
			}
		})
	}
}

// TestARepeatedPollTellsOfTheNextMove has a page move on between a poll and its
// repetition: what was kept of the first must not hide where it is now.
func TestARepeatedPollTellsOfTheNextMove(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	a, b := w.page("A", ""), w.page("B", "")
	id, home := w.page("Mover", ""), w.page("Home", "")
	for _, config := range []string{`{"spaceId":"MKT"}`, fmt.Sprintf(`{"pageId":%q}`, id)} {
		w.rest("PUT", "/content/"+id+"/move/append/"+home, "")
		p := w.start("PAGE_MOVED_TRIGGER", config)
		cursor := p.cursor
		w.rest("PUT", "/content/"+id+"/move/append/"+a, "")
		first := p.repeat(cursor)
		w.rest("PUT", "/content/"+id+"/move/append/"+b, "")
		second := p.repeat(cursor)
		if first[id] == "" || second[id] == "" || first[id] == second[id] {
			t.Errorf("%s: to one place %q, to the other %q", config, first[id], second[id])
		}
	}
}
