package confluence_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/toolkit"
)

func TestMoveCopyArchive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.page("A", ""), s.page("B", "")
	if out := s.must("MOVE_PAGE", fmt.Sprintf(`{"id":%s,"targetId":"MKT: B"}`, a)); get(out, "done") != true {
		t.Errorf("moved %v", out)
	}
	if out := s.must("GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%s}`, a)); text(out, "parentId") != b {
		t.Errorf("parent %v", out)
	}
	out := s.must("GET_PAGE_TREE", `{"spaceKey":"MKT"}`)
	if !strings.Contains(text(out, "outline"), "  - B ("+b+")\n    - A ("+a+")\n") {
		t.Errorf("tree:\n%s", text(out, "outline"))
	}
	if e := s.fails("MOVE_PAGE", fmt.Sprintf(`{"id":%s,"targetId":%s}`, a, a)); e.Field != "targetId" {
		t.Errorf("got %v", e)
	}
	s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"x"},{"name":"y"}]}`, a))
	out = s.must("COPY_PAGE", fmt.Sprintf(`{"id":%s,"parentId":%s}`, a, b))
	if text(out, "title") != "Copy of A" || text(out, "id") == a || len(s.srv.Labels(text(out, "id"))) != 2 {
		t.Errorf("copied %v", out)
	}
	if out = s.must("COPY_PAGE", fmt.Sprintf(`{"id":%s,"spaceId":%s,"title":"A again","copyLabels":false}`, a, s.space("ENG"))); text(out, "title") != "A again" || len(s.srv.Labels(text(out, "id"))) != 0 {
		t.Errorf("copied %v", out)
	}
	if e := s.fails("COPY_PAGE", fmt.Sprintf(`{"id":%s}`, a)); e.Field != "parentId" {
		t.Errorf("got %v", e)
	}
	s.must("REMOVE_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"name":"X"}`, a))
	if diff := cmp.Diff([]string{"y"}, s.srv.Labels(a)); diff != "" {
		t.Errorf("labels:\n%s", diff)
	}
	if out = s.must("ARCHIVE_PAGE", fmt.Sprintf(`{"ids":[%s]}`, a)); get(out, "done") != true {
		t.Errorf("archived %v", out)
	}
	if out = s.must("GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%s}`, a)); text(out, "status") != "archived" {
		t.Errorf("status %v", out)
	}
}

func TestTrash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("A", "")
	for _, tool := range []string{"RESTORE_PAGE", "PURGE_PAGE"} {
		if e := s.fails(tool, fmt.Sprintf(`{"id":%s}`, id)); e.Field != "id" || !strings.Contains(e.Message, "not in the trash, it is current") {
			t.Errorf("%s: %v", tool, e)
		}
	}
	s.must("DELETE_PAGE", fmt.Sprintf(`{"id":%s}`, id))
	if out := s.must("RESTORE_PAGE", fmt.Sprintf(`{"id":%s}`, id)); text(out, "status") != "current" {
		t.Errorf("restored %v", out)
	}
	s.must("DELETE_PAGE", fmt.Sprintf(`{"id":%s}`, id))
	s.must("PURGE_PAGE", fmt.Sprintf(`{"id":%s}`, id))
	if e := s.fails("GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%s}`, id)); e.Kind != toolkit.KindNotFound {
		t.Errorf("purged: %v", e)
	}
}

func TestCommentActions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("A", "")
	foot := text(s.must("CREATE_FOOTER_COMMENT", fmt.Sprintf(`{"pageId":%s,"body":{"value":"<p>Hm</p>"}}`, id)), "id")
	mark := text(s.must("CREATE_INLINE_COMMENT", fmt.Sprintf(`{"pageId":%s,"textSelection":"Text","body":{"value":"<p>Why?</p>"}}`, id)), "id")
	for _, one := range []string{foot, mark} {
		if out := s.must("REPLY_TO_COMMENT", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>So</p>"}}`, one)); text(out, "parentCommentId") != one {
			t.Errorf("reply to %s: %v", one, out)
		}
	}
	if out := s.must("RESOLVE_COMMENT", fmt.Sprintf(`{"id":%s}`, mark)); text(out, "resolutionStatus") != "resolved" {
		t.Errorf("resolved %v", out)
	}
	if out := s.must("RESOLVE_COMMENT", fmt.Sprintf(`{"id":%s,"resolved":false}`, mark)); text(out, "resolutionStatus") != "reopened" {
		t.Errorf("reopened %v", out)
	}
	if e := s.fails("RESOLVE_COMMENT", fmt.Sprintf(`{"id":%s}`, foot)); e.Field != "id" || !strings.Contains(e.Message, "foot of a page") {
		t.Errorf("got %v", e)
	}
	for _, one := range []string{foot, mark} {
		s.must("DELETE_COMMENT", fmt.Sprintf(`{"id":%s}`, one))
		if e := s.fails("REPLY_TO_COMMENT", fmt.Sprintf(`{"id":%s,"body":{"value":"<p>So</p>"}}`, one)); e.Kind != toolkit.KindNotFound {
			t.Errorf("got %v", e)
		}
	}
}

func TestWatchAndViews(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("A", "")
	s.must("WATCH_CONTENT", fmt.Sprintf(`{"id":%s}`, id))
	s.must("UNWATCH_CONTENT", fmt.Sprintf(`{"id":%s}`, id))
	for _, what := range []string{`{"spaceId":"MKT"}`, fmt.Sprintf(`{"spaceId":%s}`, s.space("MKT")), `{"label":"News"}`} {
		s.must("ADD_CONTENT_LABEL", fmt.Sprintf(`{"id":%s,"labels":[{"name":"news"}]}`, id))
		s.must("WATCH_CONTENT", what)
		kind := "/space/MKT"
		if strings.Contains(what, "label") {
			kind = "/label/news"
		}
		if got := s.rest("GET", "/user/watch"+kind, ""); got["watching"] != true {
			t.Errorf("%s: %v", what, got)
		}
		s.must("UNWATCH_CONTENT", what)
		if got := s.rest("GET", "/user/watch"+kind, ""); got["watching"] != false {
			t.Errorf("%s, unwatched: %v", what, got)
		}
	}
	for args, field := range map[string]string{
		`{}`: "id", fmt.Sprintf(`{"id":%s,"label":"news"}`, id): "id", `{"label":"nobody-uses-it"}`: "label", `{"spaceId":"NONE"}`: "spaceId",
	} {
		if e := s.fails("WATCH_CONTENT", args); e.Field != field {
			t.Errorf("%s: field %q, %v", args, e.Field, e)
		}
	}
	out := s.must("GET_PAGE_VIEWS", fmt.Sprintf(`{"id":%s,"since":"2026-11-01"}`, id))
	if text(out, "id") != id || get(out, "views") == nil || get(out, "viewers") == nil {
		t.Errorf("views %v", out)
	}
	for _, since := range []string{"long ago", "2026-11-01T09:00:00Z", "1793491200000"} {
		if e := s.fails("GET_PAGE_VIEWS", fmt.Sprintf(`{"id":%s,"since":%q}`, id, since)); e.Field != "since" {
			t.Errorf("%s: %v", since, e)
		}
	}
}
