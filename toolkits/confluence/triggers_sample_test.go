package confluence_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestSamples: the made-up event of each type is a payload of that type, happens at
// the time of the test, and happened where the configuration watches.
func TestSamples(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, 3, 4, 5, 6, 7, 0, time.UTC)
	// Slug: configuration, then what the payload says, as path=value; path! is absent.
	rows := map[string][]string{
		"PAGE_CREATED":                    {`{"spaceId":"77","parentId":"88","status":"archived"}`, "resource.spaceId=77 resource.parentId=88 resource.status=archived resource.spaceKey!"},
		"PAGE_UPDATED":                    {`{"pageId":"77"}`, "resource.id=77 resource.version.createdAt=2027-03-04T05:06:07.000Z resource.url=https://example.atlassian.net/wiki/spaces/MKT/pages/77/Q3+Planning"},
		"PAGE_VERSION_CREATED":            {`{"pageId":"77"}`, "resource.id=77"},
		"NEW_CHILD_PAGE":                  {`{"parentId":"77"}`, "resource.parentId=77"},
		"PAGE_MOVED":                      {`{"spaceId":"77"}`, "resource.spaceId=77 change.before.spaceId=77 change.after.spaceId=77"},
		"NEW_BLOG_POST_CREATED":           {`{"spaceId":"77"}`, "resource.type=blogpost resource.spaceId=77"},
		"BLOGPOST_UPDATED":                {`{"blogpostId":"77"}`, "resource.type=blogpost resource.id=77"},
		"BLOG_POST_ADDED_TO_LABEL":        {`{"label":"4711","spaceId":"77"}`, "change.label.id=4711 resource.spaceId=77"},
		"SPACE_CONTENT_ADDED":             {`{"spaceId":"77","type":"blogpost"}`, "resource.type=blogpost resource.spaceId=77 resource.version.createdAt=2027-03-04T05:06:07.000Z"},
		"SPACE_CREATED":                   {`{"type":"personal"}`, "change.space.type=personal"},
		"SPACE_DETAILS_CHANGED":           {`{"spaceId":"77"}`, "resource.id=77 resource.spaceId=77 change.after.key! resource.url!"},
		"FOOTER_COMMENT_ADDED":            {`{"pageId":"77"}`, "resource.parentId=77"},
		"PAGE_INLINE_COMMENT_ADDED":       {`{"pageId":"77","includeReplies":true}`, "resource.parentId=77"},
		"BLOGPOST_INLINE_COMMENT_ADDED":   {`{"blogpostId":"77"}`, "resource.parentId=77"},
		"ATTACHMENT_ADDED":                {`{"pageId":"77","mediaType":"image/*"}`, "resource.parentId=77 change.attachment.mediaType=image/png"},
		"PAGE_LIKE_COUNT_CHANGED":         {`{"pageId":"77"}`, "resource.id=77"},
		"BLOGPOST_LIKE_COUNT_CHANGED":     {`{"blogpostId":"77"}`, "resource.id=77"},
		"CONTENT_RESTRICTIONS_CHANGED":    {`{"contentId":"77"}`, "resource.id=77"},
		"PAGE_CONTENT_PROPERTIES_CHANGED": {`{"pageId":"77","keys":["colour"]}`, "resource.id=77 change.key=colour"},
		"SPACE_PROPERTIES_CHANGED":        {`{"spaceId":"77"}`, "resource.id=77 change.key=review"},
		"NEW_TASK_CREATED":                {`{"spaceId":"77","pageId":"88","assignedTo":"me1","status":"complete"}`, "resource.spaceId=77 resource.parentId=88 change.task.pageId=88 change.task.assignedTo=me1 change.task.status=complete"},
		"NEW_AUDIT_LOG":                   {`{"category":"Spaces","searchString":"deleted"}`, "change.record.category=Spaces change.record.summary=deleted resource.title=deleted"},
		"NEW_CQL_CONTENT_MATCH":           {`{"cql":"type=page"}`, "change.cql=type=page"},
	}
	for i := range kit.Triggers {
		tr := &kit.Triggers[i]
		row := rows[strings.TrimSuffix(strings.TrimPrefix(tr.Slug, "CONFLUENCE_"), "_TRIGGER")]
		if len(row) != 2 {
			t.Errorf("%s has no row", tr.Slug)
			continue
		}
		for _, config := range []string{row[0], ""} {
			got, err := tr.Sample(json.RawMessage(config), at)
			if err != nil {
				t.Errorf("%s %s: %v", tr.Slug, config, err)
				continue
			}
			checkPayload(t, tr, got)
			var doc map[string]any
			if err := json.Unmarshal(got, &doc); err != nil {
				t.Fatal(err)
			}
			says := "occurred_at=2027-03-04T05:06:07.000Z"
			if config != "" {
				says += " " + row[1]
			}
			for _, want := range strings.Fields(says) {
				path, value, there := strings.Cut(want, "=")
				path, _ = strings.CutSuffix(path, "!")
				var keys []any
				for _, key := range strings.Split(path, ".") {
					keys = append(keys, key)
				}
				if have := text(doc, keys...); have != value || there && have == "" {
					t.Errorf("%s %s: %s is %q, want %q: %s", tr.Slug, config, path, have, value, got)
				}
			}
		}
		if got, err := tr.Sample(json.RawMessage(row[0]), at); err != nil || string(tr.Example) == string(got) {
			t.Errorf("%s: the example itself: %v", tr.Slug, err)
		}
	}
}
