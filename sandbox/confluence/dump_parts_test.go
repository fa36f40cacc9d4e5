package confluence_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// TestDumpKeepsParts: tasks, comments on text, files, likes and templates survive
// a dump, and so do their ids.
func TestDumpKeepsParts(t *testing.T) {
	a := newSite(t, confluence.Options{Seed: true})
	guide, _ := a.PageByTitle("PEOPLE", "Interview guide")
	a.must(200, "PUT", "/wiki/api/v2/tasks/"+a.Tasks(guide.ID)[1].ID, obj{"status": "complete"})
	var b bytes.Buffer
	if err := a.Dump(&b); err != nil {
		t.Fatal(err)
	}
	z := newSite(t, confluence.Options{})
	if err := z.Load(&b); err != nil {
		t.Fatal(err)
	}
	for _, p := range a.Pages("") {
		for name, pair := range map[string][2]any{
			"tasks":    {a.Tasks(p.ID), z.Tasks(p.ID)},
			"inline":   {a.InlineComments(p.ID), z.InlineComments(p.ID)},
			"files":    {a.Attachments(p.ID), z.Attachments(p.ID)},
			"likes":    {a.Likes(p.ID), z.Likes(p.ID)},
			"contents": {p, func() any { q, _ := z.Page(p.ID); return q }()},
		} {
			if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
				t.Errorf("%s of %q (-dumped +loaded):\n%s", name, p.Title, diff)
			}
		}
	}
	for _, path := range []string{"/wiki/api/v2/tasks?limit=250&body-format=storage", "/wiki/rest/api/template/page?spaceKey=MKT&expand=body", "/wiki/api/v2/attachments?limit=250"} {
		if diff := cmp.Diff(a.must(200, "GET", path, nil).text, z.as(a.me, "GET", path, nil).text); diff != "" {
			t.Errorf("%s (-dumped +loaded):\n%s", path, diff)
		}
	}
}
