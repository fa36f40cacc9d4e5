package confluence_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// machine performs random operations on a site and knows what it did.
type machine struct {
	*site
	space   string
	key     string
	ids     []string
	number  map[string]int // version that each page must have
	folders []string
	other   confluence.User // sees what is not restricted
}

func (m *machine) pick(t *rapid.T) string { return rapid.SampledFrom(m.ids).Draw(t, "page") }

var fewTitles = rapid.SampledFrom([]string{"One", "two", "Three", "FOUR", "five", "ONE", "Two"})

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"create": func(t *rapid.T) {
			in := obj{"spaceId": m.space, "title": fewTitles.Draw(t, "title"), "body": storage("<p>x</p>")}
			if rapid.Bool().Draw(t, "draft") {
				in["status"] = "draft"
			}
			if rapid.Bool().Draw(t, "nested") {
				in["parentId"] = m.pick(t)
			}
			if a := m.call("POST", "/wiki/api/v2/pages", in); a.status == 200 {
				m.ids = append(m.ids, a.str("id"))
				m.number[a.str("id")] = 1
			} else if a.status != 400 && a.status != 404 {
				t.Fatalf("create: %d %s", a.status, a.text)
			}
		},
		"update": func(t *rapid.T) {
			id := m.pick(t)
			before, ok := m.Page(id)
			in := edit(id, fewTitles.Draw(t, "title"), "<p>y</p>", m.number[id]+rapid.IntRange(0, 2).Draw(t, "step"))
			if rapid.Bool().Draw(t, "move") {
				in["parentId"] = m.pick(t)
			}
			a := m.call("PUT", "/wiki/api/v2/pages/"+id, in)
			switch {
			case a.status == 200 && before.Status == "draft":
				m.number[id] = 1
			case a.status == 200:
				m.number[id]++
			case a.status == 404 && !ok, a.status == 400, a.status == 409, a.status == 404:
			default:
				t.Fatalf("update: %d %s", a.status, a.text)
			}
		},
		"delete": func(t *rapid.T) {
			id := m.pick(t)
			query := rapid.SampledFrom([]string{"", "", "?purge=true", "?draft=true"}).Draw(t, "how")
			a := m.call("DELETE", "/wiki/api/v2/pages/"+id+query, nil)
			if a.status != 204 && a.status != 404 && a.status != 400 {
				t.Fatalf("delete: %d %s", a.status, a.text)
			}
		},
		"place": func(t *rapid.T) {
			position := rapid.SampledFrom([]string{"before", "after", "append"}).Draw(t, "position")
			a := m.call("PUT", "/wiki/rest/api/content/"+m.pick(t)+"/move/"+position+"/"+m.pick(t), nil)
			if a.status != 200 && a.status != 400 && a.status != 404 {
				t.Fatalf("move: %d %s", a.status, a.text)
			}
		},
		"archive": func(t *rapid.T) {
			a := m.call("POST", "/wiki/rest/api/content/archive", obj{"pages": []obj{{"id": m.pick(t)}, {"id": m.pick(t)}}})
			if a.status != 202 && a.status != 400 {
				t.Fatalf("archive: %d %s", a.status, a.text)
			}
		},
		"copy": func(t *rapid.T) {
			in := obj{"pageTitle": fewTitles.Draw(t, "title"), "destination": obj{"type": "parent_page", "value": m.pick(t)}}
			if a := m.call("POST", "/wiki/rest/api/content/"+m.pick(t)+"/copy", in); a.status == 200 {
				m.ids = append(m.ids, a.str("id"))
				m.number[a.str("id")] = 1
			} else if a.status != 400 && a.status != 404 {
				t.Fatalf("copy: %d %s", a.status, a.text)
			}
		},
		"copy tree": func(t *rapid.T) {
			if len(m.Pages(m.key)) > 40 {
				return // copies of copies would grow without end
			}
			in := obj{"destinationPageId": m.pick(t), "titleOptions": obj{"prefix": rapid.SampledFrom([]string{"", "a ", "b "}).Draw(t, "prefix")}}
			if a := m.call("POST", "/wiki/rest/api/content/"+m.pick(t)+"/pagehierarchy/copy", in); a.status != 202 && a.status != 400 && a.status != 404 {
				t.Fatalf("copy tree: %d %s", a.status, a.text)
			}
		},
		"trash tree": func(t *rapid.T) {
			if a := m.call("DELETE", "/wiki/rest/api/content/"+m.pick(t)+"/pageTree", nil); a.status != 202 && a.status != 400 && a.status != 404 {
				t.Fatalf("page tree: %d %s", a.status, a.text)
			}
		},
		"version": func(t *rapid.T) {
			id, n := m.pick(t), rapid.IntRange(1, 4).Draw(t, "n")
			path := "/wiki/rest/api/content/" + id + "/version"
			if rapid.Bool().Draw(t, "restore") {
				if a := m.call("POST", path, obj{"operationKey": "restore", "params": obj{"versionNumber": n, "message": "m"}}); a.status == 200 {
					m.number[id]++
				}
			} else if a := m.call("DELETE", fmt.Sprintf("%s/%d", path, n), nil); a.status == 204 {
				m.number[id]--
			}
		},
		"file": func(t *rapid.T) {
			name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")
			on := m.pick(t)
			if _, err := m.Attach(on, m.me.AccountID, name, "", []byte("x")); err != nil {
				return // the page is gone
			}
			seen := map[string]bool{}
			for _, f := range m.Attachments(on) {
				if seen[f.Name] {
					t.Fatalf("page %s has two files called %s", on, f.Name)
				}
				seen[f.Name] = true
			}
		},
		"label": func(t *rapid.T) {
			method := rapid.SampledFrom([]string{"POST", "DELETE"}).Draw(t, "method")
			path := "/wiki/rest/api/content/" + m.pick(t) + "/label"
			if method == "POST" {
				m.call(method, path, []obj{{"name": "a, B"}})
			} else {
				m.call(method, path+"?name=b", nil)
			}
		},
		"property": func(t *rapid.T) {
			base := "/wiki/rest/api/content/" + m.pick(t) + "/property/state"
			had := m.call("GET", base, nil)
			number := rapid.IntRange(1, 3).Draw(t, "number")
			a := m.call("PUT", base, obj{"value": number, "version": obj{"number": number}})
			was, _ := had.get("version.number").(float64)
			if made := int(was)+1 == number; had.status == 200 && made != (a.status == 200) {
				t.Fatalf("property at version %v set to %d: %d %s", was, number, a.status, a.text)
			}
		},
		"folder": func(t *rapid.T) {
			in := obj{"spaceId": m.space, "title": fewTitles.Draw(t, "title"), "parentId": m.pick(t)}
			if a := m.call("POST", "/wiki/api/v2/folders", in); a.status == 200 {
				m.folders = append(m.folders, a.str("id"))
			} else if a.status != 404 {
				t.Fatalf("folder: %d %s", a.status, a.text)
			}
			if len(m.folders) > 2 {
				was, _ := m.Page(m.folders[0]) // trashing a tree may have taken it along
				if a := m.call("DELETE", "/wiki/api/v2/folders/"+m.folders[0], nil); (a.status == 204) != (was.Status == "current") {
					t.Fatalf("deleting a folder: %d %s", a.status, a.text)
				}
				m.folders = m.folders[1:]
			}
		},
		"restrict": func(t *rapid.T) {
			path := "/wiki/rest/api/content/" + m.pick(t) + "/restriction/byOperation/read/user?accountId=" + m.me.AccountID
			m.call(rapid.SampledFrom([]string{"PUT", "DELETE"}).Draw(t, "method"), path, nil)
		},
		"": m.invariants,
	}
}

func (m *machine) invariants(t *rapid.T) {
	titles := map[string]string{}
	published := map[string]confluence.Content{}
	for _, p := range m.Pages(m.key) {
		low := strings.ToLower(p.Title)
		if other, taken := titles[low]; taken {
			t.Fatalf("pages %s and %s are both called %q", other, p.ID, p.Title)
		}
		titles[low] = p.ID
		published[p.ID] = p
		if got, ok := m.PageByTitle(m.key, strings.ToUpper(p.Title)); !ok || got.ID != p.ID {
			t.Fatalf("page %s is not found by its title %q", p.ID, p.Title)
		}
		if want, known := m.number[p.ID]; known && (p.Version != want || p.Versions != want) {
			t.Fatalf("page %s has version %d of %d kept, want %d", p.ID, p.Version, p.Versions, want)
		}
	}
	m.hidden(t, published)
	listed := map[string]bool{}
	for _, p := range published {
		seen := map[string]bool{}
		for at := p; at.ParentID != ""; at = published[at.ParentID] {
			if seen[at.ID] {
				t.Fatalf("page %s is its own ancestor", at.ID)
			}
			seen[at.ID] = true
			if up, ok := m.Page(at.ParentID); !ok || up.Status != "current" {
				t.Fatalf("%s stands under %s, which is not published", at.ID, at.ParentID)
			} else {
				published[up.ID] = up // a folder, the first time
			}
		}
		if p.Type != "page" {
			continue
		}
		for _, k := range m.call("GET", "/wiki/api/v2/pages/"+p.ID+"/children?limit=250", nil).results() {
			id := fmt.Sprint(k["id"])
			if listed[id] || published[id].ParentID != p.ID {
				t.Fatalf("%s lists the child %s wrongly", p.ID, id)
			}
			listed[id] = true
		}
	}
	for _, p := range published {
		if p.Type == "page" && p.ParentID != "" && published[p.ParentID].Type == "page" && !listed[p.ID] {
			t.Fatalf("page %s is missing among the children of %s", p.ID, p.ParentID)
		}
	}
}

// hidden: another user finds in search and in lists exactly the pages that no
// restriction on them or above them keeps from that user.
func (m *machine) hidden(t *rapid.T, published map[string]confluence.Content) {
	restricted := func(id string) bool {
		return m.call("GET", "/wiki/rest/api/content/"+id+"/restriction/byOperation/read?expand=restrictions.user", nil).get("restrictions.user.size") != 0.0
	}
	want := map[string]bool{}
	for id, p := range published {
		open := true
		for at := p; open; {
			open = !restricted(at.ID)
			if at.ParentID == "" {
				break
			}
			at, _ = m.Page(at.ParentID)
		}
		if open {
			want[id] = true
		}
	}
	for path, id := range map[string]func(map[string]any) any{
		"/wiki/rest/api/search?limit=250&cql=type%3Dpage": func(r map[string]any) any { c, _ := r["content"].(map[string]any); return c["id"] },
		"/wiki/api/v2/pages?limit=250&status=current":     func(r map[string]any) any { return r["id"] },
	} {
		got := map[string]bool{}
		for _, r := range m.as(m.other, "GET", path, nil).results() {
			got[fmt.Sprint(id(r))] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s for another user (-want +got):\n%s", path, diff)
		}
	}
}

func TestInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{site: newSite(t, confluence.Options{}), key: "INV", number: map[string]int{}}
		var home string
		m.space, home = m.site.space(m.key)
		m.other = m.AddUser(confluence.User{Email: "other@example.com", DisplayName: "Other"})
		m.ids = []string{home}
		m.number[home] = 1
		rt.Repeat(m.actions())
		sameAfterLoading(rt, m.site.Sandbox)
	})
}

// TestConcurrentWritersDoNotLoseVersions: of many writers with the same number
// one wins each round.
func TestConcurrentWritersDoNotLoseVersions(t *testing.T) {
	s := confluence.NewServer(confluence.Options{})
	defer s.Close()
	u := s.AddUser(confluence.User{Email: "w@example.com"})
	c := &remote{t: t, s: s, u: u}
	c.send("POST", "/wiki/rest/api/space", `{"key":"W","name":"W"}`)
	space := s.Spaces()[0].ID
	c.send("POST", "/wiki/api/v2/pages", `{"spaceId":"`+space+`","title":"Race","body":{"representation":"storage","value":"<p>0</p>"}}`)
	page, _ := s.PageByTitle("W", "Race")
	const rounds, writers = 10, 8
	for n := 2; n < 2+rounds; n++ {
		wins := make(chan int, writers)
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				status, _ := c.send("PUT", "/wiki/api/v2/pages/"+page.ID, fmt.Sprintf(`{"id":%q,"status":"current","title":"Race","body":{"representation":"storage","value":"<p>%d</p>"},"version":{"number":%d}}`, page.ID, n, n))
				c.send("GET", "/wiki/api/v2/pages?body-format=storage", "")
				if status == 200 {
					wins <- 1
				} else if status != 409 {
					t.Errorf("a losing writer got %d", status)
				}
			})
		}
		wg.Wait()
		if len(wins) != 1 {
			t.Fatalf("round %d had %d winners", n, len(wins))
		}
	}
	if p, _ := s.Page(page.ID); p.Version != 1+rounds {
		t.Errorf("version = %d, want %d", p.Version, 1+rounds)
	}
}
