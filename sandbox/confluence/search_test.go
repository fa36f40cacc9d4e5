package confluence_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func (s *site) cql(query string) answer {
	s.tb.Helper()
	return s.call("GET", "/wiki/rest/api/search?limit=250&cql="+url.QueryEscape(query), nil)
}

// library is a site with a few pages whose search results are known.
func library(t *testing.T) *site {
	s := newSite(t, confluence.Options{})
	a, _ := s.space("AAA")
	b, _ := s.space("BBB")
	plan := s.page(a, "Release plan", "<p>We are planning the autumn release of the motor.</p>")
	s.page(a, "Notes", "<p>The plans changed: the motors come late.</p>", obj{"parentId": plan})
	s.page(b, "Release retro", "<p>What went well &amp; what did not, in the autumn.</p>")
	s.page(b, "Unrelated", `<p>Nothing here but <ac:structured-macro ac:name="toc" /></p>`)
	s.must(200, "POST", "/wiki/api/v2/blogposts", obj{"spaceId": b, "title": "Autumn release", "body": storage("<p>It is out.</p>")})
	s.must(200, "POST", "/wiki/rest/api/content/"+plan+"/label", []obj{{"prefix": "global", "name": "roadmap"}})
	s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": plan, "body": storage("<p>A motor question</p>")})
	gone := s.page(b, "Release trash", "")
	s.must(204, "DELETE", "/wiki/api/v2/pages/"+gone, nil)
	return s
}

func TestSearch(t *testing.T) {
	s := library(t)
	plan, _ := s.PageByTitle("AAA", "Release plan")
	for _, tc := range []struct {
		cql  string
		want []string // in order when the query orders
	}{
		{`title = "release PLAN"`, []string{"Release plan"}},
		{`title ~ release and type = page order by title`, []string{"Release plan", "Release retro"}},
		{`title ~ release and type = page order by title desc`, []string{"Release retro", "Release plan"}},
		{`text ~ "plan" and type = page order by title`, []string{"Notes", "Release plan"}},
		{`text ~ "planned motors" and type = page order by title`, []string{"Notes", "Release plan"}},
		{`text ~ "\"autumn release\"" order by title`, []string{"Autumn release", "Release plan"}},
		{`text ~ "auto*"`, []string{}},
		{`text ~ "aut?mn" and space = AAA`, []string{"Release plan"}},
		{`text ~ "autunm~" and space = aaa`, []string{"Release plan"}},
		{`siteSearch ~ "release plan"`, []string{"Re: Release plan", "Release plan"}},
		{`text ~ roadmap`, []string{"Release plan"}},
		{`label = roadmap`, []string{"Release plan"}},
		{`label in (roadmap, other) and space != BBB`, []string{"Release plan"}},
		{`space = AAA and type = page and label != roadmap order by title`, []string{"Notes", "Space AAA Home"}},
		{`parent = ` + plan.ID, []string{"Notes"}},
		{`ancestor = ` + plan.ID + ` and type = page`, []string{"Notes"}},
		{`id in (` + plan.ID + `, 1)`, []string{"Release plan"}},
		{`type = comment and text ~ motor`, []string{"Re: Release plan"}},
		{`type = blogpost`, []string{"Autumn release"}},
		{`macro = toc`, []string{"Unrelated"}},
		{`creator = currentUser() and type = blogpost`, []string{"Autumn release"}},
		{`contributor = nobody`, []string{}},
		{`space = NOPE`, []string{}},
		{`created >= startOfDay() and type = blogpost`, []string{"Autumn release"}},
		{`created < "2026-11-22"`, []string{}},
		{`created = "2026/11/22" and type = blogpost`, []string{"Autumn release"}},
		{`lastmodified > now("-1h") and type = blogpost`, []string{"Autumn release"}},
		{`lastmodified > endOfDay() `, []string{}},
		{`type = page and not space = BBB and title ~ plan`, []string{"Release plan"}},
		// Without parentheses from left to right: (blogpost or page) and AAA.
		{`type = blogpost or type = page and space = BBB order by title`, []string{"Autumn release", "Release retro", "Space BBB Home", "Unrelated"}},
		{`type = space and title ~ BBB`, []string{"Space BBB"}},
		// The middle siteSearch of three clauses is forgotten.
		{`space = AAA and siteSearch ~ "zebra" and title ~ plan`, []string{"Re: Release plan", "Release plan"}},
	} {
		t.Run(tc.cql, func(t *testing.T) {
			a := s.cql(tc.cql)
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.text)
			}
			got := []string{}
			for _, r := range a.results() {
				if c, ok := r["content"].(map[string]any); ok {
					got = append(got, fmt.Sprint(c["title"]))
				} else {
					sp, _ := r["space"].(map[string]any)
					got = append(got, fmt.Sprint(sp["name"]))
				}
			}
			if !strings.Contains(tc.cql, "order by") {
				slices.Sort(got)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n, _ := a.get("totalSize").(float64); int(n) != len(got) {
				t.Errorf("totalSize = %v of %d", a.get("totalSize"), len(got))
			}
		})
	}
}

func TestSearchRefuses(t *testing.T) {
	s := library(t)
	for _, tc := range []struct {
		path, cql string
		status    int
		says      string
	}{
		{"search", `status = current`, 400, "No field exists with the name: 'status' Did you mean one of : "},
		{"search", `space ~ A`, 400, "Expecting a value for operator '=' after field 'space' but got '~'"},
		{"search", `text = a`, 400, "Expecting a value for operator '~' after field 'text' but got '='"},
		{"search", `type = poem`, 400, "page, blogpost, comment"},
		{"search", `type = `, 400, "Could not parse cql : "},
		{"search", ``, 400, "Could not parse cql : "},
		{"search", `siteSearch ~ ""`, 500, "ServiceException"},
		{"search", `text ~ "*a"`, 400, "first character"},
		{"search", `ancestor = x`, 400, "must be a content id"},
		{"search", `created > yesterday`, 400, "yyyy-MM-dd"},
		{"search", `created > now("4 weeks")`, 400, "(+/-)nn(y|M|w|d|h|m)"},
		{"search", `created in ("2026-01-01")`, 400, "created"},
		{"search", `creator = you()`, 400, "No function exists with the name: 'you'"},
		{"search", `type = page order by label`, 400, "does not support sorting"},
		{"search", `user.fullname ~ ann`, 400, "No field exists"},
		{"search/user", `title ~ ann`, 400, "No field exists"},
		{"content/search", `space ~ A`, 400, "Expecting a value"},
	} {
		a := s.call("GET", "/wiki/rest/api/"+tc.path+"?cql="+url.QueryEscape(tc.cql), nil)
		if a.status != tc.status || !strings.Contains(a.str("message"), tc.says) {
			t.Errorf("%s %s = %d %s\nwant %d with %q", tc.path, tc.cql, a.status, a.text, tc.status, tc.says)
		}
	}
}

func TestSearchRows(t *testing.T) {
	s := library(t)
	row := s.cql(`siteSearch ~ "well not" and space = BBB`)
	if got := row.str("results.0.excerpt"); !strings.Contains(got, "went @@@hl@@@well@@@endhl@@@ &amp; what did @@@hl@@@not@@@endhl@@@") {
		t.Errorf("excerpt = %q", got)
	}
	if row.get("results.0.score") != 0.0 || row.str("results.0.resultGlobalContainer.title") != "Space BBB" {
		t.Errorf("row = %s", row.text)
	}
	for mode, want := range map[string]string{"none": "", "indexed": "What went well &amp; what did not, in the autumn.", "indexed_unescaped": "What went well & what did not, in the autumn."} {
		a := s.must(200, "GET", "/wiki/rest/api/search?excerpt="+mode+"&cql="+url.QueryEscape(`title = "Release retro"`), nil)
		if got := a.str("results.0.excerpt"); got != want {
			t.Errorf("excerpt=%s is %q, want %q", mode, got, want)
		}
	}
	users := s.must(200, "GET", "/wiki/rest/api/search/user?cql="+url.QueryEscape(`user.fullname ~ "ann ex"`), nil)
	if users.str("results.0.user.accountId") != s.me.AccountID || users.str("results.0.entityType") != "user" {
		t.Errorf("users = %s", users.text)
	}
}

func TestSeedRanksTitlesFirst(t *testing.T) {
	s := newSite(t, confluence.Options{Seed: true})
	for query, first := range map[string]string{
		`siteSearch ~ "q3 planning"`: "Q3 Planning", `text ~ "onboarding"`: "Onboarding", `siteSearch ~ "brand guide"`: "Brand Guide",
		`siteSearch ~ "deploy backend"`: "Deploy the backend", `text ~ "release notes" and space = ENG`: "Release notes",
	} {
		if got := s.cql(query).titles(); len(got) == 0 || got[0] != first {
			t.Errorf("%s finds %v, want %q first", query, got, first)
		}
	}
}

func TestIndexLag(t *testing.T) {
	s := newSite(t, confluence.Options{IndexLag: time.Minute})
	space, _ := s.space("LAG")
	s.page(space, "Fresh", "<p>x</p>")
	if got := s.cql("title = Fresh").titles(); len(got) != 0 {
		t.Errorf("found %v within the lag", got)
	}
	s.clock = s.clock.Add(2 * time.Minute)
	if got := s.cql("title = Fresh").titles(); len(got) != 1 {
		t.Errorf("found %v after the lag", got)
	}
}

// TestSearchIsAFilter: a query finds exactly the pages that a plain loop finds.
func TestSearchIsAFilter(t *testing.T) {
	s := newSite(t, confluence.Options{})
	words := []string{"alpha", "beta", "gamma", "delta"}
	ids := map[string]string{"AAA": "", "BBB": ""}
	for key := range ids {
		ids[key], _ = s.space(key)
	}
	for i := range 40 {
		key := []string{"AAA", "BBB"}[i%2]
		id := s.page(ids[key], fmt.Sprintf("%s page %d", words[i%4], i), "<p>"+words[(i/4)%4]+" "+words[(i/3)%4]+"</p>")
		if i%3 == 0 {
			s.must(200, "POST", "/wiki/rest/api/content/"+id+"/label", []obj{{"name": words[i%4]}})
		}
	}
	all := s.Pages("")
	has := func(text, word string) bool { return slices.Contains(strings.Fields(strings.ToLower(text)), word) }
	plain := func(p confluence.Content) string {
		return strings.NewReplacer("<p>", "", "</p>", "").Replace(p.Storage)
	}

	type term struct {
		cql  string
		keep func(confluence.Content) bool
	}
	rapid.Check(t, func(t *rapid.T) {
		clause := func() term {
			w := rapid.SampledFrom(words).Draw(t, "word")
			key := rapid.SampledFrom([]string{"AAA", "BBB"}).Draw(t, "space")
			return rapid.SampledFrom([]term{
				{"space = " + key, func(p confluence.Content) bool { return p.SpaceKey == key }},
				{"space not in (" + key + ")", func(p confluence.Content) bool { return p.SpaceKey != key }},
				{"title ~ " + w, func(p confluence.Content) bool { return has(p.Title, w) }},
				{"title !~ " + w, func(p confluence.Content) bool { return !has(p.Title, w) }},
				{"text ~ " + w, func(p confluence.Content) bool {
					return has(p.Title, w) || has(plain(p), w) || slices.Contains(p.Labels, w)
				}},
				{"label = " + w, func(p confluence.Content) bool { return slices.Contains(p.Labels, w) }},
				{"label != " + w, func(p confluence.Content) bool { return !slices.Contains(p.Labels, w) }},
			}).Draw(t, "clause")
		}
		q := clause()
		for range rapid.IntRange(0, 3).Draw(t, "more") {
			left, right := q, clause()
			cql, keep := right.cql, right.keep
			if rapid.Bool().Draw(t, "not") {
				cql, keep = "not "+cql, func(p confluence.Content) bool { return !right.keep(p) }
			}
			if rapid.Bool().Draw(t, "and") {
				q = term{left.cql + " and " + cql, func(p confluence.Content) bool { return left.keep(p) && keep(p) }}
			} else {
				q = term{left.cql + " or " + cql, func(p confluence.Content) bool { return left.keep(p) || keep(p) }}
			}
			if rapid.Bool().Draw(t, "paren") {
				q.cql = "(" + q.cql + ")"
			}
		}
		want := []string{}
		for _, p := range all {
			if q.keep(p) {
				want = append(want, p.Title)
			}
		}
		slices.Sort(want)
		got := s.cql("(" + q.cql + ") and type = page").titles()
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", q.cql, diff)
		}
	})
}

// TestDatesAreTheUsers: a day is the day of the one who asks.
func TestDatesAreTheUsers(t *testing.T) {
	s := newSite(t, confluence.Options{})
	far := s.AddUser(confluence.User{Email: "far@example.com", TimeZone: "Pacific/Auckland"}) // 13 hours ahead: it is the 23rd there
	space, _ := s.space("TZ")
	s.page(space, "Noon", "")
	for _, tc := range []struct {
		user confluence.User
		day  string
		want int
	}{{s.me, "2026-11-22", 1}, {s.me, "2026-11-23", 0}, {far, "2026-11-22", 0}, {far, "2026-11-23", 1}} {
		a := s.as(tc.user, "GET", "/wiki/rest/api/search?cql="+url.QueryEscape(`title = Noon and created = "`+tc.day+`"`), nil)
		if got := len(a.results()); got != tc.want {
			t.Errorf("%s asks for %s: %d pages, want %d", tc.user.Email, tc.day, got, tc.want)
		}
	}
}

// TestPrivateSpaces: only its maker sees a private space and what is in it.
func TestPrivateSpaces(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	s.must(200, "POST", "/wiki/rest/api/space/_private", obj{"key": "PRIV", "name": "Private"})
	space := s.must(200, "GET", "/wiki/api/v2/spaces?keys=PRIV", nil).str("results.0.id")
	page := s.page(space, "Hidden", "<p>treasure</p>")
	for _, tc := range []struct {
		method, path string
		body         any
		status       int
		rows         bool
	}{
		{"GET", "/wiki/api/v2/spaces/" + space, nil, 404, false},
		{"GET", "/wiki/api/v2/spaces/" + space + "/pages", nil, 404, false},
		{"GET", "/wiki/api/v2/pages/" + page, nil, 404, false},
		{"GET", "/wiki/rest/api/content/" + page, nil, 404, false},
		{"GET", "/wiki/rest/api/space/PRIV", nil, 404, false},
		{"DELETE", "/wiki/rest/api/space/PRIV", nil, 404, false},
		{"POST", "/wiki/api/v2/pages", obj{"spaceId": space, "title": "x", "body": storage("")}, 404, false},
		{"GET", "/wiki/api/v2/spaces", nil, 200, true},
		{"GET", "/wiki/api/v2/pages", nil, 200, true},
		{"GET", "/wiki/rest/api/search?cql=text~treasure", nil, 200, true},
	} {
		a := s.as(bob, tc.method, tc.path, tc.body)
		if a.status != tc.status || tc.rows && len(a.results()) != 0 {
			t.Errorf("another user: %s %s = %d %s", tc.method, tc.path, a.status, a.text)
		}
	}
	if got := s.cql("text ~ treasure").titles(); len(got) != 1 {
		t.Errorf("the maker finds %v", got)
	}
}
