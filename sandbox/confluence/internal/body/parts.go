package body

import (
	"slices"
	"time"
)

// Task is a task found in a document.
type Task struct {
	LocalID  string // unique in the document
	UUID     string
	Given    bool // LocalID was written by the author of the body
	Complete bool
	Body     *Node     // its children are what the task says; nil without one
	Assignee string    // account id of the first person mentioned, "" without one
	Due      time.Time // the first date named, zero without one
}

// Tasks gives the tasks of a canonical document in order.
func Tasks(root *Node) []Task {
	var out []Task
	walk(root, func(n *Node) {
		if n.Name != "ac:task" {
			return
		}
		t := Task{LocalID: childText(n, "ac:task-id"), UUID: childText(n, "ac:task-uuid"), Complete: childText(n, "ac:task-status") == "complete", Body: n.child("ac:task-body")}
		if id := n.child("ac:task-id"); id != nil {
			t.Given = !id.Made
		}
		if t.Body != nil {
			t.readBody()
		}
		out = append(out, t)
	})
	return out
}

// readBody finds who and when. Tasks inside the task have their own.
func (t *Task) readBody() {
	var look func(*Node)
	look = func(n *Node) {
		switch {
		case n.Name == "ac:task-list":
			return
		case n.Name == "ri:user" && t.Assignee == "":
			t.Assignee = n.Attr("ri:account-id")
		case n.Name == "time" && t.Due.IsZero():
			t.Due, _ = parseDay(n.Attr("datetime")) // what is no day is no due date
		}
		for _, c := range n.Children {
			look(c)
		}
	}
	look(t.Body)
}

func childText(n *Node, name string) string {
	if c := n.child(name); c != nil {
		return PlainText(c)
	}
	return ""
}

// SetTask ticks a task off or on. It says whether there is such a task.
func SetTask(root *Node, localID string, complete bool) bool {
	found := false
	walk(root, func(n *Node) {
		if n.Name != "ac:task" || found || childText(n, "ac:task-id") != localID {
			return
		}
		status := "incomplete"
		if complete {
			status = "complete"
		}
		if s := n.child("ac:task-status"); s != nil {
			s.Children, found = []*Node{{Text: status}}, true
		}
	})
	return found
}

// Names gives the macros of a document and the account ids that it mentions,
// each once, in order.
func Names(root *Node) (macros, mentions []string) {
	add := func(list *[]string, v string) {
		if v != "" && !slices.Contains(*list, v) {
			*list = append(*list, v)
		}
	}
	walk(root, func(n *Node) {
		switch n.Name {
		case "ac:structured-macro":
			add(&macros, n.Attr("ac:name"))
		case "ri:user":
			add(&mentions, n.Attr("ri:account-id"))
		}
	})
	return macros, mentions
}
