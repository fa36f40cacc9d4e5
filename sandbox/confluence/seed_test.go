package confluence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

func TestSeed(t *testing.T) {
	s := confluence.New(confluence.Options{Seed: true})
	pages := s.Pages("")
	if len(pages) < 40 {
		t.Errorf("the seed has %d pages, want at least 40", len(pages))
	}
	for _, key := range []string{"MKT", "ENG", "PEOPLE"} {
		if len(s.BlogPosts(key)) < 2 {
			t.Errorf("space %s has %d blog posts, want at least 2", key, len(s.BlogPosts(key)))
		}
	}
	q3, ok := s.PageByTitle("MKT", "q3 planning")
	if !ok || q3.Version != 3 || len(s.Comments(q3.ID)) != 2 {
		t.Fatalf("Q3 Planning = %+v, %d comments; want version 3 with 2 comments", q3, len(s.Comments(q3.ID)))
	}
	for _, p := range pages {
		for _, bad := range []string{"{code", "{status", "colour=", "{info", "h2.", "||", "{{", "<p>[] ", "<p>* ", "\x00"} {
			if strings.Contains(p.Storage, bad) {
				t.Errorf("page %q holds unconverted markup %q:\n%s", p.Title, bad, p.Storage)
			}
		}
		if len(p.Storage) < 100 {
			t.Errorf("page %q is nearly empty: %q", p.Title, p.Storage)
		}
	}
	s.Seed()
	if again := s.Pages(""); len(again) != len(pages) {
		t.Errorf("seeding twice made %d pages of %d", len(again), len(pages))
	}
}

// TestSeedExtras: files, tasks, comments on text and their like are there.
func TestSeedExtras(t *testing.T) {
	s := confluence.New(confluence.Options{Seed: true})
	find := func(space, title string) confluence.Content {
		p, ok := s.PageByTitle(space, title)
		if !ok {
			t.Fatalf("no page %q in %s", title, space)
		}
		return p
	}
	if got := s.Attachments(find("MKT", "Brand Guide").ID); len(got) != 2 || got[1].MediaType != "image/svg+xml" {
		t.Errorf("files of the brand guide = %+v", got)
	}
	if got := s.InlineComments(find("PEOPLE", "Expenses").ID); len(got) != 1 || got[0].Resolution != "resolved" || got[0].Selection != "first class" {
		t.Errorf("inline comments on the expenses = %+v", got)
	}
	remote := find("PEOPLE", "Remote work policy")
	if got := s.InlineComments(remote.ID); len(got) != 1 || got[0].Resolution != "open" || len(s.Comments(got[0].ID)) != 1 {
		t.Errorf("inline comments on the remote work policy = %+v", got)
	}
	if got := s.Tasks(find("PEOPLE", "Interview guide").ID); len(got) != 3 || !got[0].Complete || got[1].AssigneeID == "" || got[1].Due.IsZero() {
		t.Errorf("tasks = %+v", got)
	}
	if got := s.Likes(find("MKT", "Q3 Planning").ID); len(got) != 3 {
		t.Errorf("likes = %v", got)
	}
}

// TestSeedsAreAlike: two sites seeded at different moments of a day hold the same,
// so that one can be compared with the other.
func TestSeedsAreAlike(t *testing.T) {
	at := func(d time.Duration) *confluence.Sandbox {
		return confluence.New(confluence.Options{Seed: true, Clock: func() time.Time { return epoch.Add(d) }})
	}
	a, b := at(0), at(90*time.Second)
	for i, p := range a.Pages("") {
		q := b.Pages("")[i]
		if p.ID != q.ID || p.Title != q.Title || p.Storage != q.Storage {
			t.Errorf("page %s %q differs:\n%s\n%s", p.ID, p.Title, p.Storage, q.Storage)
		}
	}
}
