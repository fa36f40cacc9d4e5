package confluence

import (
	"cmp"
	"context"
	"net/url"
	"strconv"

	"github.com/sluice-run/sluice/toolkit"
)

type taskConfig struct {
	SpaceID    string `json:"spaceId,omitempty" jsonschema_description:"Only tasks in this space: its id or its key."`
	PageID     string `json:"pageId,omitempty" jsonschema_description:"Only tasks on this page: its id or its address."`
	AssignedTo string `json:"assignedTo,omitempty" jsonschema_description:"Only tasks for this person when they are found: account id, name, e-mail, or me."`
	Status     string `json:"status,omitempty" jsonschema:"enum=complete,enum=incomplete" jsonschema_description:"Only tasks that are done, or not done, when they are found."`
}

type taskEvent struct {
	happened
	Change taskChange `json:"change" jsonschema_description:"What changed."`
}

type taskChange struct {
	Task pageTask `json:"task" jsonschema_description:"The new task."`
}

var taskCreated = toolkit.Poll("CONFLUENCE_NEW_TASK_CREATED_TRIGGER", "New Task",
	"Fires once for each task (a box to tick) that is written on a page or blog post: all, or those of a space, a page, a person or a status. "+
		"Not for tasks that are ticked or changed later.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadTask).Sometimes(scopeReadSpace).Sometimes(scopeReadPage).Sometimes(scopeContentDetails),
		Keywords: []string{"to-do", "action item", "assigned to me", "checkbox"},
		Blind: []string{
			blindGone,
			"A task that fits assignedTo or status only later is not reported then.",
			"On a page that was a draft for longer, a task counts from when it was written: it is reported if that was in the last ten minutes before the poll.",
		},
		Endpoints: []string{
			"GET /wiki/api/v2/tasks", "GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}", "GET /wiki/rest/api/search/user",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1, IdleMore: "and a point for each task of the ten minutes before the last one",
	},
	toolkit.Poller[*client, taskConfig, feed, taskEvent]{
		Example: taskEvent{
			happened{OccurredAt: "2026-11-22T10:00:00.000Z", Actor: by("5b10a2844c20165700ede21g"), Resource: eventResource{
				Type: "task", ID: "1042", Status: "incomplete", SpaceID: "98304", ParentID: "98321",
			}},
			taskChange{pageTask{
				ID: "1042", LocalID: "1", SpaceID: "98304", PageID: "98321", Status: "incomplete", CreatedBy: "5b10a2844c20165700ede21g",
				AssignedTo: "5b10a2844c20165700ede21g", CreatedAt: "2026-11-22T10:00:00.000Z", DueAt: "2026-12-01T00:00:00.000Z",
				Body: &body{Storage: &bodyText{Representation: "storage", Value: "Send the invitations"}},
			}},
		},
		Check: func(ctx context.Context, c *client, cfg taskConfig) (_ taskConfig, err error) {
			if cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID); err == nil && cfg.PageID != "" {
				cfg.PageID, err = c.checkContent(ctx, "page", "pageId", cfg.PageID)
			}
			if err == nil && cfg.AssignedTo != "" {
				cfg.AssignedTo, err = c.accountID(ctx, "assignedTo", cfg.AssignedTo)
			}
			return cfg, err
		},
		Sample: sampled(func(cfg taskConfig, e *taskEvent) {
			e.Resource.lieUnder(cfg.PageID)
			e.Resource.lieIn(cfg.SpaceID)
			e.Resource.Status = cmp.Or(cfg.Status, e.Resource.Status)
			task := &e.Change.Task
			task.PageID, task.SpaceID, task.Status, task.CreatedAt = e.Resource.ParentID, e.Resource.SpaceID, e.Resource.Status, e.OccurredAt
			task.AssignedTo = cmp.Or(cfg.AssignedTo, task.AssignedTo)
		}),
		Poll: func(ctx context.Context, c *client, cfg taskConfig, cur *feed) (step toolkit.Step[feed, taskEvent], err error) {
			f := &step.Cursor
			if cur != nil {
				*f = *cur
			}
			q := url.Values{"body-format": {"storage"}}
			set(q, "space-id", cfg.SpaceID)
			set(q, "page-id", cfg.PageID)
			set(q, "assigned-to", cfg.AssignedTo)
			set(q, "status", cfg.Status)
			get := func(ctx context.Context, from int64, limit int, cursor string) (list[pageTask], error) {
				q.Set("created-at-from", strconv.FormatInt(from, 10))
				return fetchOne[pageTask](ctx, c, request{path: v2 + "/tasks", query: q, scopes: []string{scopeReadTask}}, limit, cursor)
			}
			if cur == nil { // the site's clock says from where to read
				if _, err := get(ctx, farFuture, 1, ""); err != nil {
					return step, err
				}
				site := c.now().UnixMilli()
				f.Cut, f.Walk = settled(0, site), &walk{Site: site, Quiet: true}
				f.Prev = f.Cut
			}
			from := f.Cut
			s := source[pageTask]{
				whole: true, first: nextPage, // the list is in the order of ids, the oldest first
				list: func(ctx context.Context, limit int, cursor string) (list[pageTask], error) {
					return get(ctx, from, limit, cursor)
				},
				mark: func(t pageTask) (string, mark) { return t.ID, mark{At: millis(t.CreatedAt)} },
			}
			step.More, err = follow(ctx, c, f, s, func(n newItem[pageTask]) (bool, error) {
				if len(step.Events) >= maxPollEvents {
					return false, nil
				}
				if !n.known {
					step.Events = append(step.Events, c.taskEvent(n.item))
				}
				return true, nil
			})
			step.Events = inOrder(step.Events)
			return step, err
		},
	})

// farFuture is a time, in milliseconds, from which on there is nothing yet.
const farFuture = 4_102_444_800_000 // the year 2100

func (c *client) taskEvent(t pageTask) toolkit.Event[taskEvent] {
	at, on := c.when(t.CreatedAt), t.PageID
	if on == "" {
		on = t.BlogPostID
	}
	t.Body = t.Body.orNil()
	return toolkit.Event[taskEvent]{
		Key: "task:" + t.ID + ":created", OccurredAt: at,
		Payload: taskEvent{
			happened{OccurredAt: stampOf(at), Actor: by(t.CreatedBy), Resource: eventResource{Type: "task", ID: t.ID, Status: t.Status, SpaceID: t.SpaceID, ParentID: on}},
			taskChange{t},
		},
	}
}
