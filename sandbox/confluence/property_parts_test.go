package confluence_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// TestPartsOfABody: whatever is done to a page with tasks and inline comments, each
// task and each comment is where the body says.
func TestPartsOfABody(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSite(t, confluence.Options{})
		space, _ := s.space("P")
		page := s.page(space, "Page", "<p>red green blue</p>")
		version := 1
		words := rapid.SampledFrom([]string{"red", "green", "blue", "red green", "green blue"})
		put := func(t *rapid.T, xhtml string) {
			if a := s.call("PUT", "/wiki/api/v2/pages/"+page, edit(page, "Page", xhtml, version+1)); a.status != 200 {
				t.Fatalf("update: %d %s", a.status, a.text)
			}
			version++
		}
		body := func() string { p, _ := s.Page(page); return p.Storage }
		rt.Repeat(map[string]func(*rapid.T){
			"comment": func(t *rapid.T) {
				in := obj{"pageId": page, "body": storage("<p>c</p>"), "inlineCommentProperties": mark(words.Draw(t, "selection"), 1, 0)}
				if a := s.call("POST", "/wiki/api/v2/inline-comments", in); a.status != 201 && a.status != 400 {
					t.Fatalf("comment: %d %s", a.status, a.text)
				}
			},
			"add task": func(t *rapid.T) {
				put(t, body()+"<ac:task-list><ac:task><ac:task-body>"+words.Draw(t, "task")+"</ac:task-body></ac:task></ac:task-list>")
			},
			"drop all": func(t *rapid.T) { put(t, "<p>red green blue</p>") },
			"keep":     func(t *rapid.T) { put(t, body()) },
			"tick": func(t *rapid.T) {
				all := s.Tasks(page)
				if len(all) == 0 {
					return
				}
				task := rapid.SampledFrom(all).Draw(t, "task")
				status := map[bool]string{true: "incomplete", false: "complete"}[task.Complete]
				if a := s.call("PUT", "/wiki/api/v2/tasks/"+task.ID, obj{"status": status}); a.status != 200 {
					t.Fatalf("tick: %d %s", a.status, a.text)
				}
				version++
			},
			"resolve": func(t *rapid.T) {
				all := s.InlineComments(page)
				if len(all) == 0 {
					return
				}
				c := rapid.SampledFrom(all).Draw(t, "comment")
				want := 200
				if c.Resolution == "dangling" {
					want = 400
				}
				if a := s.call("PUT", "/wiki/api/v2/inline-comments/"+c.ID, obj{"resolved": rapid.Bool().Draw(t, "resolved")}); a.status != want {
					t.Fatalf("resolve a comment that is %s: %d %s", c.Resolution, a.status, a.text)
				}
			},
			"delete": func(t *rapid.T) {
				if all := s.InlineComments(page); len(all) > 0 {
					c := rapid.SampledFrom(all).Draw(t, "comment")
					s.call("DELETE", "/wiki/api/v2/inline-comments/"+c.ID, nil)
					if strings.Contains(body(), c.MarkerRef) {
						t.Fatalf("the marker of a deleted comment is still there: %s", body())
					}
				}
			},
			"": func(t *rapid.T) {
				p, _ := s.Page(page)
				if p.Version != version {
					t.Fatalf("version %d, want %d", p.Version, version)
				}
				for _, c := range s.InlineComments(page) {
					if there := strings.Contains(p.Storage, c.MarkerRef); !there && c.Resolution != "dangling" && c.Resolution != "resolved" || there && c.Resolution == "dangling" {
						t.Fatalf("comment %s is %s in %s", c.ID, c.Resolution, p.Storage)
					}
				}
				tasks, seen := s.Tasks(page), map[string]bool{}
				if n := strings.Count(p.Storage, "<ac:task>"); n != len(tasks) {
					t.Fatalf("%d tasks of %d in %s", len(tasks), n, p.Storage)
				}
				done := 0
				for _, task := range tasks {
					if seen[task.ID] {
						t.Fatalf("task %s is there twice", task.ID)
					}
					seen[task.ID] = true
					if task.Complete {
						done++
					}
				}
				if n := strings.Count(p.Storage, ">complete</ac:task-status>"); n != done {
					t.Fatalf("%d tasks are done, %d in %s", done, n, p.Storage)
				}
			},
		})
	})
}

// TestSearchOfPartsIsAFilter: queries about files, comments, macros and mentions
// find exactly what a plain loop over what was made finds.
func TestSearchOfPartsIsAFilter(t *testing.T) {
	s := newSite(t, confluence.Options{})
	type thing struct {
		title, typ, container, text string
		macro, mention, label       bool
	}
	var all []thing
	space, _ := s.space("P")
	for i := range 12 {
		title, xhtml := fmt.Sprintf("Page%d", i), "<p>alpha</p>"
		macro, mention := i%2 == 0, i%3 == 0
		if macro {
			xhtml += `<ac:structured-macro ac:schema-version="1" ac:name="toc" />`
		}
		if mention {
			xhtml += `<p><ac:link><ri:user ri:account-id="` + s.me.AccountID + `" /></ac:link></p>`
		}
		id := s.page(space, title, xhtml)
		all = append(all, thing{title: title, typ: "page", macro: macro, mention: mention, text: "alpha"})
		if i%4 == 0 {
			word := []string{"alpha", "beta"}[i/4%2]
			f, err := s.Attach(id, s.me.AccountID, fmt.Sprintf("file%d.txt", i), "", []byte(word))
			if err != nil {
				t.Fatal(err)
			}
			label := i%8 == 0
			if label {
				s.must(200, "POST", "/wiki/rest/api/content/"+f.ID+"/label", []obj{{"name": "x"}})
			}
			all = append(all, thing{title: f.Name, typ: "attachment", container: id, text: word, label: label})
			s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": id, "body": storage("<p>beta</p>")})
			all = append(all, thing{title: "Re: " + title, typ: "comment", container: id, text: "beta"})
		}
	}
	var containers []string
	for _, x := range all {
		if x.container != "" && !slices.Contains(containers, x.container) {
			containers = append(containers, x.container)
		}
	}
	type term struct {
		cql  string
		keep func(thing) bool
	}
	rapid.Check(t, func(t *rapid.T) {
		clause := func() term {
			typ := rapid.SampledFrom([]string{"page", "attachment", "comment"}).Draw(t, "type")
			in := rapid.SampledFrom(containers).Draw(t, "container")
			word := rapid.SampledFrom([]string{"alpha", "beta"}).Draw(t, "word")
			return rapid.SampledFrom([]term{
				{"type = " + typ, func(x thing) bool { return x.typ == typ }},
				{"type not in (" + typ + ")", func(x thing) bool { return x.typ != typ }},
				{"container = " + in, func(x thing) bool { return x.container == in }},
				{"container != " + in, func(x thing) bool { return x.container != in }},
				{"macro = toc", func(x thing) bool { return x.macro }},
				{"mention = currentUser()", func(x thing) bool { return x.mention }},
				{"mention != currentUser()", func(x thing) bool { return !x.mention }},
				{"label = x", func(x thing) bool { return x.label }},
				{"text ~ " + word, func(x thing) bool { return x.text == word }},
			}).Draw(t, "clause")
		}
		q := clause()
		for range rapid.IntRange(0, 2).Draw(t, "more") {
			left, right := q, clause()
			if rapid.Bool().Draw(t, "and") {
				q = term{left.cql + " and " + right.cql, func(x thing) bool { return left.keep(x) && right.keep(x) }}
			} else {
				q = term{left.cql + " or " + right.cql, func(x thing) bool { return left.keep(x) || right.keep(x) }}
			}
		}
		want := []string{}
		for _, x := range all {
			if q.keep(x) {
				want = append(want, x.title)
			}
		}
		a := s.call("GET", "/wiki/rest/api/search?limit=250&cql="+url.QueryEscape("("+q.cql+") and title != \"Space P Home\""), nil)
		got := a.titles()
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%s finds\n%v, want\n%v\n%s", q.cql, got, want, a.text[:min(len(a.text), 300)])
		}
	})
}
