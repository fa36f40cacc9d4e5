package confluence_test

import (
	"strings"
	"testing"

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
