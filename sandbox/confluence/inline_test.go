package confluence_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func mark(selection string, count, index int) obj {
	return obj{"textSelection": selection, "textSelectionMatchCount": count, "textSelectionMatchIndex": index}
}

func TestInlineComments(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "<p>One fish, two <strong>fish</strong>.</p><p>Red fish &amp; blue fish</p>")
	post := func(in obj) answer { return s.call("POST", "/wiki/api/v2/inline-comments", in) }
	say := storage("<p>Which?</p>")

	for name, in := range map[string]obj{
		"not there":    {"pageId": page, "body": say, "inlineCommentProperties": mark("cat", 1, 0)},
		"wrong count":  {"pageId": page, "body": say, "inlineCommentProperties": mark("fish", 2, 0)},
		"wrong index":  {"pageId": page, "body": say, "inlineCommentProperties": mark("fish", 4, 4)},
		"no count":     {"pageId": page, "body": say, "inlineCommentProperties": obj{"textSelection": "fish"}},
		"no selection": {"pageId": page, "body": say},
		"two targets":  {"pageId": page, "blogPostId": page, "body": say, "inlineCommentProperties": mark("fish", 4, 0)},
		"bad body":     {"pageId": page, "body": storage("<p>"), "inlineCommentProperties": mark("fish", 4, 0)},
	} {
		if a := post(in); a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	if p, _ := s.Page(page); strings.Contains(p.Storage, "marker") {
		t.Errorf("a refused comment left a marker: %s", p.Storage)
	}

	a := post(obj{"pageId": page, "body": say, "inlineCommentProperties": mark("two fish", 1, 0)})
	id, ref := a.str("id"), a.str("properties.inlineMarkerRef")
	if a.status != 201 || a.str("resolutionStatus") != "open" || a.str("properties.inlineOriginalSelection") != "two fish" {
		t.Fatalf("created = %d %s", a.status, a.text)
	}
	tag := `<ac:inline-comment-marker ac:ref="` + ref + `">`
	want := "<p>One fish, " + tag + "two </ac:inline-comment-marker><strong>" + tag + "fish</ac:inline-comment-marker></strong>.</p><p>Red fish &amp; blue fish</p>"
	if p, _ := s.Page(page); p.Storage != want || p.Version != 1 {
		t.Errorf("version %d\n got %s\nwant %s", p.Version, p.Storage, want)
	}
	last := s.must(201, "POST", "/wiki/api/v2/inline-comments", obj{"pageId": page, "body": say, "inlineCommentProperties": mark("fish", 4, 3)})
	if p, _ := s.Page(page); !strings.Contains(p.Storage, `Red fish &amp; blue <ac:inline-comment-marker ac:ref="`+last.str("properties.inlineMarkerRef")+`">fish`) {
		t.Errorf("the fourth fish is not marked: %s", p.Storage)
	}
	reply := s.must(201, "POST", "/wiki/api/v2/inline-comments", obj{"parentCommentId": id, "body": say})
	if reply.str("parentCommentId") != id || reply.str("pageId") != page || reply.str("properties.inlineMarkerRef") != ref {
		t.Errorf("reply = %s", reply.text)
	}
	if got := s.must(200, "GET", "/wiki/api/v2/inline-comments/"+id+"/children", nil).results(); len(got) != 1 {
		t.Errorf("%d replies", len(got))
	}
	if n := len(s.must(200, "GET", "/wiki/api/v2/pages/"+page+"/inline-comments", nil).results()); n != 2 {
		t.Errorf("%d inline comments on the page, want 2", n)
	}
	if n := len(s.must(200, "GET", "/wiki/api/v2/pages/"+page+"/footer-comments", nil).results()); n != 0 {
		t.Errorf("%d footer comments, want none", n)
	}
	s.must(404, "GET", "/wiki/api/v2/footer-comments/"+id, nil)
	s.must(404, "POST", "/wiki/api/v2/footer-comments", obj{"parentCommentId": id, "body": say})

	s.must(204, "DELETE", "/wiki/api/v2/inline-comments/"+id, nil)
	s.must(404, "GET", "/wiki/api/v2/inline-comments/"+reply.str("id"), nil)
	if p, _ := s.Page(page); strings.Contains(p.Storage, ref) {
		t.Errorf("the deleted comment's marker is still there: %s", p.Storage)
	}
}

func TestResolution(t *testing.T) {
	s := newSite(t, confluence.Options{})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "<p>Keep me. Drop me.</p>")
	on := func(text string) string {
		return s.must(201, "POST", "/wiki/api/v2/inline-comments", obj{"pageId": page, "body": storage("<p>x</p>"), "inlineCommentProperties": mark(text, 1, 0)}).str("id")
	}
	keep, drop := on("Keep me"), on("Drop me")
	set := func(id string, want bool) answer {
		return s.call("PUT", "/wiki/api/v2/inline-comments/"+id, obj{"resolved": want})
	}
	states := func() []string {
		var out []string
		for _, c := range s.InlineComments(page) {
			out = append(out, c.Resolution)
		}
		return out
	}
	for _, step := range []struct {
		do   func() int
		code int
		want []string
	}{
		{func() int { return set(keep, true).status }, 200, []string{"resolved", "open"}},
		{func() int { return set(keep, true).status }, 200, []string{"resolved", "open"}},
		{func() int { return set(keep, false).status }, 200, []string{"reopened", "open"}},
		{func() int { return set(drop, false).status }, 200, []string{"reopened", "open"}},
		{func() int {
			p, _ := s.Page(page)
			first, _, _ := strings.Cut(p.Storage, " <ac:inline-comment-marker") // drops the second marker with its text
			return s.call("PUT", "/wiki/api/v2/pages/"+page, edit(page, "Page", first+"</p>", 2)).status
		}, 200, []string{"reopened", "dangling"}},
		{func() int { return set(drop, true).status }, 400, []string{"reopened", "dangling"}},
		{func() int {
			return s.call("PUT", "/wiki/api/v2/inline-comments/"+keep, obj{"version": obj{"number": 1}, "body": storage("<p>y</p>"), "resolved": true}).status
		}, 409, []string{"reopened", "dangling"}},
		{func() int {
			return s.call("PUT", "/wiki/api/v2/inline-comments/"+keep, obj{"version": obj{"number": 2}, "body": storage("<p>y</p>"), "resolved": true}).status
		}, 200, []string{"resolved", "dangling"}},
	} {
		if code := step.do(); code != step.code {
			t.Fatalf("%d, want %d before %v", code, step.code, step.want)
		}
		if got := states(); !slices.Equal(got, step.want) {
			t.Errorf("states = %v, want %v", got, step.want)
		}
	}
	for query, want := range map[string]int{"": 2, "?resolution-status=dangling": 1, "?resolution-status=resolved,dangling": 2, "?resolution-status=open": 0} {
		if got := len(s.must(200, "GET", "/wiki/api/v2/pages/"+page+"/inline-comments"+query, nil).results()); got != want {
			t.Errorf("inline-comments%s: %d, want %d", query, got, want)
		}
	}
	v1 := s.must(200, "GET", "/wiki/rest/api/content/"+page+"/child/comment?location=resolved&expand=extensions.inlineProperties,extensions.resolution", nil)
	if len(v1.results()) != 1 || v1.str("results.0.extensions.inlineProperties.originalSelection") != "Keep me" || v1.str("results.0.extensions.resolution.status") != "resolved" {
		t.Errorf("v1 = %s", v1.text)
	}
	// Through Atlas Document Format the marker survives.
	adf := s.must(200, "GET", "/wiki/api/v2/pages/"+page+"?body-format=atlas_doc_format", nil).str("body.atlas_doc_format.value")
	in := edit(page, "Page", "", 3)
	in["body"] = obj{"representation": "atlas_doc_format", "value": adf}
	s.must(200, "PUT", "/wiki/api/v2/pages/"+page, in)
	if p, _ := s.Page(page); !strings.Contains(p.Storage, s.InlineComments(page)[0].MarkerRef) {
		t.Errorf("the marker is lost: %s", p.Storage)
	}
}

func TestLikes(t *testing.T) {
	s := newSite(t, confluence.Options{})
	bob := s.AddUser(confluence.User{Email: "bob@example.com"})
	space, _ := s.space("DOC")
	page := s.page(space, "Page", "")
	comment := s.must(201, "POST", "/wiki/api/v2/footer-comments", obj{"pageId": page, "body": storage("x")}).str("id")
	if !s.Like(page, bob.AccountID) || !s.Like(page, s.me.AccountID) || s.Like(page, bob.AccountID) || s.Like("1", bob.AccountID) || s.Like(page, "nobody") || !s.Like(comment, bob.AccountID) {
		t.Error("Like tells wrongly what it did")
	}
	count := func(path string) any { return s.must(200, "GET", "/wiki/api/v2"+path+"/likes/count", nil).get("count") }
	if count("/pages/"+page) != 2.0 || count("/footer-comments/"+comment) != 1.0 {
		t.Errorf("counts = %v, %v", count("/pages/"+page), count("/footer-comments/"+comment))
	}
	first := s.must(200, "GET", "/wiki/api/v2/pages/"+page+"/likes/users?limit=1", nil)
	second := s.must(200, "GET", first.str("_links.next"), nil)
	got := []string{first.str("results.0.accountId"), second.str("results.0.accountId")}
	slices.Sort(got)
	want := []string{bob.AccountID, s.me.AccountID}
	slices.Sort(want)
	if !slices.Equal(got, want) || second.get("_links.next") != nil {
		t.Errorf("users = %v, want %v", got, want)
	}
	if !s.Unlike(page, bob.AccountID) || s.Unlike(page, bob.AccountID) || count("/pages/"+page) != 1.0 {
		t.Errorf("after taking one back: %v", count("/pages/"+page))
	}
	s.must(404, "GET", "/wiki/api/v2/blogposts/"+page+"/likes/count", nil)
}
