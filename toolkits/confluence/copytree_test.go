package confluence_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/toolkit"
)

func TestCopyPageHierarchy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	top := s.page("Plan 2026", "")
	mid := s.page("Plan 2026 Budget", top)
	s.page("Plan 2026 Travel", mid)
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"plan"}]}`, mid))
	home := s.page("Archive of plans", "")

	e := s.fails("COPY_PAGE_HIERARCHY", fmt.Sprintf(`{"id":%s,"parentId":%s}`, top, home))
	if e.Kind != toolkit.KindConflict || e.Field != "titlePrefix" || !strings.Contains(e.Fix, "titleSearch") {
		t.Errorf("titles are taken: %+v", e)
	}
	out := s.must("COPY_PAGE_HIERARCHY", fmt.Sprintf(`{"id":"MKT: Plan 2026","parentId":%s,"titleSearch":"2026","titleReplace":"2027"}`, home))
	id := text(out, "id")
	if get(out, "done") != true || id == "" || id == top || !strings.HasPrefix(text(out, "url"), s.srv.URL) {
		t.Fatalf("copied %v", out)
	}
	tree := text(s.must("GET_PAGE_TREE", `{"spaceKey":"MKT"}`), "outline")
	for _, want := range []string{"  - Plan 2027 (" + id, "    - Plan 2027 Budget (", "      - Plan 2027 Travel (", "- Plan 2026 Budget ("} {
		if !strings.Contains(tree, want) {
			t.Errorf("no %q in\n%s", want, tree)
		}
	}
	p, _ := s.srv.PageByTitle("MKT", "Plan 2027 Budget")
	if len(s.srv.Labels(p.ID)) != 1 {
		t.Errorf("labels of the copy: %v", s.srv.Labels(p.ID))
	}
	// To another space no title is taken.
	there := text(s.must("CREATE_PAGE", `{"spaceId":"ENG","title":"Plans","body":{"value":"<p>x</p>"}}`), "id")
	if out := s.must("COPY_PAGE_HIERARCHY", fmt.Sprintf(`{"id":%s,"parentId":%s,"copyLabels":false}`, top, there)); get(out, "done") != true {
		t.Errorf("copied %v", out)
	}
	if p, ok := s.srv.PageByTitle("ENG", "Plan 2026 Budget"); !ok || len(s.srv.Labels(p.ID)) != 0 {
		t.Errorf("in the other space: %v %v", p, ok)
	}
	for args, field := range map[string]string{
		fmt.Sprintf(`{"id":%s,"parentId":"987654321"}`, top):                  "id",
		fmt.Sprintf(`{"id":"No such","parentId":%s}`, top):                    "id",
		fmt.Sprintf(`{"id":%s,"parentId":%s,"titleReplace":"x"}`, top, there): "titleSearch",
		fmt.Sprintf(`{"id":%s,"parentId":"9199999999999999999"}`, top):        "id",
	} {
		if e := s.fails("COPY_PAGE_HIERARCHY", args); e.Field != field {
			t.Errorf("%s: field %q, %v", args, e.Field, e)
		}
	}
}

// An archived page comes back by a person only, and the tools say so.
func TestNoWayToUnarchive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Old", "")
	if out := s.must("ARCHIVE_PAGE", fmt.Sprintf(`{"ids":[%s]}`, id)); !strings.Contains(text(out, "message"), "Only a person") {
		t.Errorf("archived: %v", out)
	}
	e := s.fails("RESTORE_PAGE", fmt.Sprintf(`{"id":%s}`, id))
	if e.Field != "id" || !strings.Contains(e.Message, "it is archived") || !strings.Contains(e.Fix, "no call that brings an archived page back") {
		t.Errorf("got %v", e)
	}
}

func TestLabelByName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("A", "")
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"urgent"},{"name":"urgent-too"}]}`, id))
	for args, want := range map[string]int{
		`{"name":"Urgent"}`: 1, `{"name":"urg"}`: 0, `{"name":"urgent","prefix":["team"]}`: 0, `{"name":"urgent","prefix":["team","global"]}`: 1,
	} {
		out := s.must("GET_LABELS", args)
		if got := column(out, "name"); len(got) != want || want == 1 && (got[0] != "urgent" || text(out, "results", 0, "id") == "") {
			t.Errorf("%s: %v", args, out)
		}
	}
	if e := s.fails("GET_LABELS", `{"name":"two words"}`); e.Field != "name" {
		t.Errorf("got %v", e)
	}
}
