package confluence_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// TestTriggersRefuse: a configuration is tested against the site.
func TestTriggersRefuse(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	trashed := w.page("Trashed", "")
	w.trash("pages", trashed)
	blog := w.blog("A post")
	for _, tc := range []struct{ slug, config, field string }{
		{"PAGE_CREATED", `{"spaceId":"NOPE"}`, "spaceId"},
		{"PAGE_CREATED", `{"spaceId":"99999999"}`, "spaceId"},
		{"PAGE_CREATED", `{"parentId":"99999999"}`, "parentId"},
		{"PAGE_CREATED", `{"status":"draft"}`, "status"},
		{"PAGE_UPDATED", fmt.Sprintf(`{"pageId":%q,"spaceId":"MKT"}`, blog), "spaceId"},
		{"PAGE_UPDATED", fmt.Sprintf(`{"pageId":%q}`, blog), "pageId"},
		{"PAGE_VERSION_CREATED", fmt.Sprintf(`{"pageId":%q}`, trashed), "pageId"},
		{"PAGE_VERSION_CREATED", `{}`, "pageId"},
		{"PAGE_MOVED", `{}`, "pageId"},
		{"PAGE_MOVED", `{"pageId":"1","spaceId":"MKT"}`, "pageId"},
		{"NEW_CHILD_PAGE", `{"parentId":"Not an id"}`, "parentId"},
		{"BLOG_POST_ADDED_TO_LABEL", `{"label":"nowhere"}`, "label"},
		{"BLOG_POST_ADDED_TO_LABEL", `{"label":"99999999"}`, "label"},
		{"BLOGPOST_UPDATED", `{"blogpostId":"99999999"}`, "blogpostId"},
		{"BLOGPOST_INLINE_COMMENT_ADDED", `{"blogpostId":"99999999"}`, "blogpostId"},
		{"ATTACHMENT_ADDED", `{"pageId":"99999999"}`, "pageId"},
		{"ATTACHMENT_ADDED", `{"pageId":"1","mediaType":"pdf"}`, "mediaType"},
		{"CONTENT_RESTRICTIONS_CHANGED", `{"contentId":"99999999"}`, "contentId"},
		{"SPACE_DETAILS_CHANGED", `{"spaceId":"NOPE"}`, "spaceId"},
		{"NEW_TASK_CREATED", `{"assignedTo":"nobody at all"}`, "assignedTo"},
		{"NEW_CQL_CONTENT_MATCH", `{"cql":"type = = page"}`, "cql"},
		{"NEW_CQL_CONTENT_MATCH", `{"cql":"order by created"}`, "cql"},
		{"NEW_CQL_CONTENT_MATCH", `{"cql":"type = page) or (type = blogpost and nonsense = 1"}`, "cql"},
	} {
		tr := triggerNamed(t, tc.slug+"_TRIGGER")
		w.trigger = tr
		valid, err := tr.Validate(json.RawMessage(tc.config))
		if err == nil {
			_, err = tr.Check(t.Context(), w.triggerCall(), valid)
		}
		var e *toolkit.Error
		if !errors.As(err, &e) || e.Field != tc.field {
			t.Errorf("%s %s: %v, want a complaint about %s", tc.slug, tc.config, err, tc.field)
		}
	}
	w.me = *w.other // no administrator
	tr := triggerNamed(t, "NEW_AUDIT_LOG_TRIGGER")
	w.trigger = tr
	var e *toolkit.Error
	if _, err := tr.Check(t.Context(), w.triggerCall(), json.RawMessage(`{}`)); !errors.As(err, &e) || e.Kind != toolkit.KindForbidden {
		t.Errorf("the audit log for all: %v", err)
	}
}
