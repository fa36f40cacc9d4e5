package confluence

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// pageTask is a task (a box to tick) in the text of a page or blog post.
type pageTask struct {
	ID          string `json:"id" jsonschema_description:"Id of the task."`
	LocalID     string `json:"localId,omitempty" jsonschema_description:"Its number in the text."`
	SpaceID     string `json:"spaceId,omitempty" jsonschema_description:"Id of the space."`
	PageID      string `json:"pageId,omitempty" jsonschema_description:"Id of the page it is on."`
	BlogPostID  string `json:"blogPostId,omitempty" jsonschema_description:"Id of the blog post it is on."`
	Status      string `json:"status" jsonschema_description:"complete or incomplete."`
	Body        *body  `json:"body,omitempty" jsonschema_description:"Its text."`
	CreatedBy   string `json:"createdBy,omitempty" jsonschema_description:"Account id of who wrote it."`
	AssignedTo  string `json:"assignedTo,omitempty" jsonschema_description:"Account id of who has to do it."`
	CompletedBy string `json:"completedBy,omitempty" jsonschema_description:"Account id of who did it."`
	CreatedAt   string `json:"createdAt,omitempty" jsonschema_description:"When it was written."`
	UpdatedAt   string `json:"updatedAt,omitempty" jsonschema_description:"When it was changed."`
	DueAt       string `json:"dueAt,omitempty" jsonschema_description:"When it is due."`
	CompletedAt string `json:"completedAt,omitempty" jsonschema_description:"When it was done."`
}

type taskList struct {
	Results []pageTask `json:"results" jsonschema_description:"The tasks."`
	paging
}

type getTasksInput struct {
	Status          string `json:"status,omitempty" jsonschema:"enum=complete,enum=incomplete" jsonschema_description:"Only tasks that are done, or that are not."`
	AssignedTo      string `json:"assignedTo,omitempty" jsonschema_description:"Only tasks for this person: account id, name, e-mail, or me."`
	CreatedBy       string `json:"createdBy,omitempty" jsonschema_description:"Only tasks that this person wrote: account id, name, e-mail, or me."`
	CompletedBy     string `json:"completedBy,omitempty" jsonschema_description:"Only tasks that this person did: account id, name, e-mail, or me."`
	SpaceID         string `json:"spaceId,omitempty" jsonschema_description:"Only tasks in this space: its id or its key."`
	PageID          string `json:"pageId,omitempty" jsonschema_description:"Only tasks on this page: its id or its address."`
	BlogpostID      string `json:"blogpostId,omitempty" jsonschema_description:"Only tasks on this blog post: its id or its address."`
	TaskID          string `json:"taskId,omitempty" jsonschema_description:"Only the task with this id."`
	CreatedAtFrom   string `json:"createdAtFrom,omitempty" jsonschema_description:"Only tasks written since: 2026-11-22 or 2026-11-22T09:00:00Z."`
	CreatedAtTo     string `json:"createdAtTo,omitempty" jsonschema_description:"Only tasks written until then; a day counts whole."`
	DueAtFrom       string `json:"dueAtFrom,omitempty" jsonschema_description:"Only tasks due since."`
	DueAtTo         string `json:"dueAtTo,omitempty" jsonschema_description:"Only tasks due until then; a day counts whole."`
	CompletedAtFrom string `json:"completedAtFrom,omitempty" jsonschema_description:"Only tasks done since."`
	CompletedAtTo   string `json:"completedAtTo,omitempty" jsonschema_description:"Only tasks done until then; a day counts whole."`
	BodyFormat      string `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format,default=storage" jsonschema_description:"Format of the texts."`
	pageArgs
}

const (
	scopeReadTask  = "read:task:confluence"
	scopeWriteTask = "write:task:confluence"
)

var getTasks = toolkit.Read("CONFLUENCE_GET_TASKS", "Get Tasks",
	"List the tasks (boxes to tick) in the texts of pages and blog posts, by person, status, place or date. Not for tasks of other applications.",
	toolkit.About{
		Scopes: toolkit.AllOf(scopeReadTask).Sometimes(scopeReadSpace).Sometimes(scopeContentDetails),
		Keywords: []string{
			"action points", "checklist", "assigned to me", "due", "overdue", "what do i have to do",
		},
		Pitfalls:  []string{"A day without a time is taken in UTC."},
		Endpoints: []string{"GET /wiki/api/v2/tasks", "GET /wiki/rest/api/search/user"},
	},
	func(ctx context.Context, c *client, in getTasksInput) (*taskList, error) {
		q, err := in.query(ctx, c)
		if err != nil {
			return nil, err
		}
		got, err := fetch[pageTask](ctx, c, request{path: v2 + "/tasks", query: q, scopes: []string{scopeReadTask}}, in.pageArgs)
		if err != nil {
			return nil, err
		}
		return &taskList{Results: orEmpty(got.items), paging: got.paging()}, nil
	})

func (in getTasksInput) query(ctx context.Context, c *client) (url.Values, error) {
	q := url.Values{"body-format": {in.BodyFormat}}
	set(q, "status", in.Status)
	for _, d := range []struct{ field, name, value string }{
		{"createdAtFrom", "created-at-from", in.CreatedAtFrom},
		{"createdAtTo", "created-at-to", in.CreatedAtTo},
		{"dueAtFrom", "due-at-from", in.DueAtFrom},
		{"dueAtTo", "due-at-to", in.DueAtTo},
		{"completedAtFrom", "completed-at-from", in.CompletedAtFrom},
		{"completedAtTo", "completed-at-to", in.CompletedAtTo},
	} {
		if d.value == "" {
			continue
		}
		ms, err := epochMillis(d.field, d.value, strings.HasSuffix(d.name, "-to"))
		if err != nil {
			return nil, err
		}
		q.Set(d.name, ms)
	}
	for _, r := range []struct {
		field, name, value string
		resolve            func(field, value string) (string, error)
	}{
		{"assignedTo", "assigned-to", in.AssignedTo, func(f, v string) (string, error) { return c.accountID(ctx, f, v) }},
		{"createdBy", "created-by", in.CreatedBy, func(f, v string) (string, error) { return c.accountID(ctx, f, v) }},
		{"completedBy", "completed-by", in.CompletedBy, func(f, v string) (string, error) { return c.accountID(ctx, f, v) }},
		{"spaceId", "space-id", in.SpaceID, func(f, v string) (string, error) { return c.spaceID(ctx, f, v) }},
		{"pageId", "page-id", in.PageID, func(f, v string) (string, error) { return c.contentID(ctx, f, "page", v) }},
		{"blogpostId", "blogpost-id", in.BlogpostID, func(f, v string) (string, error) { return c.contentID(ctx, f, "blog post", v) }},
		{"taskId", "task-id", in.TaskID, plainID},
	} {
		if r.value == "" {
			continue
		}
		id, err := r.resolve(r.field, r.value)
		if err != nil {
			return nil, err
		}
		q.Set(r.name, id)
	}
	return q, nil
}

// plainID takes an id that has no address.
func plainID(field, value string) (string, error) {
	if value = strings.TrimSpace(value); !digits.MatchString(value) {
		return "", toolkit.Invalid(field, "%s: expected an id, a number", field)
	}
	return value, nil
}

// epochMillis reads a day or a time and gives it in milliseconds since 1970.
// The end of a range counts a day whole.
func epochMillis(field, value string, end bool) (string, error) {
	value = strings.TrimSpace(value)
	if digits.MatchString(value) && len(value) >= 12 {
		return value, nil
	}
	if at, err := time.Parse(time.DateOnly, value); err == nil {
		if end {
			at = at.AddDate(0, 0, 1).Add(-time.Millisecond)
		}
		return strconv.FormatInt(at.UnixMilli(), 10), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, value); err == nil {
			return strconv.FormatInt(at.UnixMilli(), 10), nil
		}
	}
	return "", toolkit.Invalid(field, "%s: expected a day such as 2026-11-22 or a time such as 2026-11-22T09:00:00Z", field)
}

type updateTaskInput struct {
	ID     string `json:"id" jsonschema_description:"Id of the task, from get tasks."`
	Status string `json:"status" jsonschema:"enum=complete,enum=incomplete" jsonschema_description:"complete ticks the box, incomplete unticks it."`
}

var updateTask = toolkit.Idempotent(toolkit.Update("CONFLUENCE_UPDATE_TASK", "Update Task",
	"Tick or untick a task on a page or blog post: mark it complete or incomplete. Not for its text, person or date: update the page for that.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeWriteTask),
		Keywords:  []string{"action point", "done", "finish", "complete", "check off"},
		Pitfalls:  []string{"Only the status can be changed; everything else of a task is in the text of its page."},
		Endpoints: []string{"PUT /wiki/api/v2/tasks/{id}"},
	},
	func(ctx context.Context, c *client, in updateTaskInput) (*pageTask, error) {
		id, err := plainID("id", in.ID)
		if err != nil {
			return nil, err
		}
		var out pageTask
		err = c.do(ctx, request{
			method: http.MethodPut, path: v2 + "/tasks/" + id, query: url.Values{"body-format": {"storage"}},
			body: map[string]string{"status": in.Status}, out: &out, what: "task with id " + id, field: "id", scopes: []string{scopeWriteTask},
		})
		if err != nil {
			return nil, err
		}
		return &out, nil
	}))
