package confluence

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

func todoRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /tasks":      (*call).getTasks,
		"GET /tasks/{id}": (*call).getTask,
		"PUT /tasks/{id}": (*call).updateTask,
	}
}

// todo is a task found in the body of a page or blog post. The body says what it
// is; here is what the body does not tell.
type todo struct {
	id                     int64
	task                   body.Task
	createdBy, completedBy string
	createdAt, updatedAt   time.Time
	completedAt            time.Time
}

// firstTodo is what task ids count from.
const firstTodo = 1000

// syncTodos brings the tasks of a content in line with its body. A task is known
// by its UUID; one with a new UUID takes over the task that had its id in the body,
// or its text when it was written without an id.
func (st *store) syncTodos(x *content, doc *body.Node) {
	if x.typ != typePage && x.typ != typeBlog {
		return
	}
	v, found := x.current(), body.Tasks(doc)
	next := make([]*todo, len(found))
	for _, same := range []func(was, is body.Task) bool{
		func(was, is body.Task) bool { return was.UUID == is.UUID },
		func(was, is body.Task) bool { return is.Given && was.LocalID == is.LocalID },
		func(was, is body.Task) bool { return !is.Given && bodyOf(was) == bodyOf(is) },
	} {
		for i, t := range found {
			k := slices.IndexFunc(x.todos, func(o *todo) bool { return same(o.task, t) && !slices.Contains(next, o) })
			if next[i] == nil && k >= 0 {
				next[i] = x.todos[k]
			}
		}
	}
	for i, t := range found {
		fresh := next[i] == nil
		if fresh {
			st.nextTodo++
			next[i] = &todo{id: firstTodo + st.nextTodo, createdBy: v.authorID, createdAt: v.at, updatedAt: v.at}
		}
		next[i].take(t, fresh, v)
	}
	x.todos = next
}

// take reads a task anew from version v.
func (o *todo) take(t body.Task, fresh bool, v *version) {
	was := o.task
	o.task = t
	switch {
	case t.Complete && (fresh || !was.Complete):
		o.completedBy, o.completedAt = v.authorID, v.at
	case !t.Complete:
		o.completedBy, o.completedAt = "", time.Time{}
	}
	if !fresh && (was.Complete != t.Complete || was.Assignee != t.Assignee || !was.Due.Equal(t.Due) || bodyOf(was) != bodyOf(t)) {
		o.updatedAt = v.at
	}
}

func bodyOf(t body.Task) string {
	if t.Body == nil {
		return ""
	}
	return body.Write(t.Body)
}

type v2Task struct {
	ID          string               `json:"id"`
	LocalID     string               `json:"localId"`
	SpaceID     string               `json:"spaceId"`
	PageID      string               `json:"pageId,omitempty"`
	BlogPostID  string               `json:"blogPostId,omitempty"`
	Status      string               `json:"status"`
	Body        map[string]bodyValue `json:"body"`
	CreatedBy   string               `json:"createdBy"`
	AssignedTo  string               `json:"assignedTo,omitempty"`
	CompletedBy string               `json:"completedBy,omitempty"`
	CreatedAt   string               `json:"createdAt"`
	UpdatedAt   string               `json:"updatedAt"`
	DueAt       string               `json:"dueAt,omitempty"`
	CompletedAt string               `json:"completedAt,omitempty"`
}

const (
	taskComplete   = "complete"
	taskIncomplete = "incomplete"
)

func (o *todo) status() string {
	if o.task.Complete {
		return taskComplete
	}
	return taskIncomplete
}

// foundTodo is a task with the content that it is in.
type foundTodo struct {
	x *content
	o *todo
}

func (f foundTodo) show(format string) v2Task {
	o := f.o
	out := v2Task{
		ID: itoa(o.id), LocalID: o.task.LocalID, SpaceID: itoa(f.x.spaceID), Status: o.status(), Body: map[string]bodyValue{}, CreatedBy: o.createdBy,
		AssignedTo: o.task.Assignee, CompletedBy: o.completedBy, CreatedAt: stamp(o.createdAt), UpdatedAt: stamp(o.updatedAt),
	}
	if f.x.typ == typeBlog {
		out.BlogPostID = itoa(f.x.id)
	} else {
		out.PageID = itoa(f.x.id)
	}
	if !o.task.Due.IsZero() {
		out.DueAt = stamp(o.task.Due)
	}
	if !o.completedAt.IsZero() {
		out.CompletedAt = stamp(o.completedAt)
	}
	switch n := o.task.Body; {
	case format == "":
	case n == nil:
		out.Body[format] = bodyValue{Representation: format}
	case format == "storage":
		out.Body[format] = bodyValue{Representation: format, Value: body.Write(n)}
	default:
		out.Body[format] = bodyValue{Representation: format, Value: body.ToADF(n)}
	}
	return out
}

// moments reads a range of times in milliseconds, both ends included.
func (c *call) moments(name string) (func(time.Time) bool, *apiError) {
	bound := func(end string, def int64) (int64, *apiError) {
		raw := c.q.Get(name + end)
		if raw == "" {
			return def, nil
		}
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			return 0, wrongType(raw, name+end, "long")
		}
		return n, nil
	}
	from, err := bound("-from", -1)
	if err != nil {
		return nil, err
	}
	to, err := bound("-to", -1)
	if err != nil {
		return nil, err
	}
	return func(t time.Time) bool {
		if from < 0 && to < 0 {
			return true
		}
		ms := t.UnixMilli()
		return !t.IsZero() && (from < 0 || ms >= from) && (to < 0 || ms <= to)
	}, nil
}

// taskFilter reads the filters of the list of tasks.
func (c *call) taskFilter() (func(foundTodo) bool, *apiError) {
	status, err := c.oneOf("status", "", taskComplete, taskIncomplete)
	if err != nil {
		return nil, err
	}
	blank := true
	if c.q.Get("include-blank-tasks") != "" {
		if blank, err = c.flag("include-blank-tasks"); err != nil {
			return nil, err
		}
	}
	var ids [4]map[int64]bool
	for i, name := range []string{"task-id", "space-id", "page-id", "blogpost-id"} {
		if ids[i], err = c.ids(name); err != nil {
			return nil, err
		}
	}
	var times [3]func(time.Time) bool
	for i, name := range []string{"created-at", "due-at", "completed-at"} {
		if times[i], err = c.moments(name); err != nil {
			return nil, err
		}
	}
	by, to, done := c.list("created-by"), c.list("assigned-to"), c.list("completed-by")
	who := func(list []string, id string) bool { return len(list) == 0 || slices.Contains(list, id) }
	placed := func(f foundTodo) bool { // either list may name the content
		return ids[2] == nil && ids[3] == nil || f.x.typ == typePage && ids[2][f.x.id] || f.x.typ == typeBlog && ids[3][f.x.id]
	}
	return func(f foundTodo) bool {
		o := f.o
		return (status == "" || o.status() == status) && (blank || o.task.Body != nil && body.Text(o.task.Body) != "") &&
			(ids[0] == nil || ids[0][o.id]) && (ids[1] == nil || ids[1][f.x.spaceID]) && placed(f) &&
			who(by, o.createdBy) && who(to, o.task.Assignee) && who(done, o.completedBy) &&
			times[0](o.createdAt) && times[1](o.task.Due) && times[2](o.completedAt)
	}, nil
}

func (c *call) getTasks() (any, *apiError) {
	format, err := c.oneOf("body-format", "", listFormats...)
	if err != nil {
		return nil, err
	}
	keep, err := c.taskFilter()
	if err != nil {
		return nil, err
	}
	c.rlock()
	var rows []foundTodo
	for _, id := range c.st.order {
		x := c.st.contents[id]
		if len(x.todos) == 0 || x.status != statusCurrent || !c.st.visible(x, c.me) {
			continue
		}
		for _, o := range x.todos {
			if f := (foundTodo{x, o}); keep(f) {
				rows = append(rows, f)
			}
		}
	}
	order := sorter[foundTodo]{name: "id", id: func(f foundTodo) int64 { return f.o.id }}
	return page(c, rows, order, func(f foundTodo) v2Task { return f.show(format) })
}

// task finds the task that a path names.
func (c *call) task() (foundTodo, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return foundTodo{}, err
	}
	for _, x := range c.st.contents {
		for _, o := range x.todos {
			if o.id == id && x.status == statusCurrent && c.st.visible(x, c.me) {
				return foundTodo{x, o}, nil
			}
		}
	}
	return foundTodo{}, notFound("Cannot find a task with id [%d]", id)
}

func (c *call) getTask() (any, *apiError) {
	format, err := c.oneOf("body-format", "", listFormats...)
	if err != nil {
		return nil, err
	}
	c.rlock()
	f, err := c.task()
	if err != nil {
		return nil, err
	}
	return f.show(format), nil
}

// updateTask ticks a task off or on: its content gets a minor version whose body
// says so.
func (c *call) updateTask() (any, *apiError) {
	format, err := c.oneOf("body-format", "", listFormats...)
	if err != nil {
		return nil, err
	}
	var in struct {
		Status string `json:"status"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Status != taskComplete && in.Status != taskIncomplete {
		return nil, badRequest("Provided value {%s} for 'status' is not valid. Valid values are [complete, incomplete]", in.Status)
	}
	c.lock()
	f, err := c.task()
	if err != nil {
		return nil, err
	}
	if err := c.editable(f.x); err != nil {
		return nil, notFound("Cannot find a task with id [%d]", f.o.id)
	}
	if in.Status == f.o.status() {
		return f.show(format), nil
	}
	doc := f.x.current().doc()
	if !body.SetTask(doc, f.o.task.LocalID, in.Status == taskComplete) {
		return nil, refuse(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "ServiceException", "The task with id [%d] is not in its content any more", f.o.id)
	}
	b := stored{storage: body.Write(doc), doc: doc}
	ch := changeIn{title: f.x.title(), status: statusCurrent, body: &b, number: f.x.current().number + 1, minor: true, authorID: c.me.AccountID}
	draft := f.x.draft
	if err := c.st.update(f.x, ch, c.now()); err != nil {
		return nil, err
	}
	f.x.draft = draft // ticking a box does not throw away what somebody is writing
	return f.show(format), nil
}

// Task is a task in the body of a page or blog post as a test reads it.
type Task struct {
	ID         string
	ContentID  string
	Text       string
	Complete   bool
	AssigneeID string    // "" without one
	Due        time.Time // zero without one
}

// Tasks gives the tasks of a page or blog post in the order of its body.
func (s *Sandbox) Tasks(contentID string) []Task {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x := s.st.byRef(contentID)
	if x == nil {
		return nil
	}
	var out []Task
	for _, o := range x.todos {
		t := Task{ID: itoa(o.id), ContentID: contentID, Complete: o.task.Complete, AssigneeID: o.task.Assignee, Due: o.task.Due}
		if o.task.Body != nil {
			t.Text = body.Text(o.task.Body)
		}
		out = append(out, t)
	}
	return out
}
