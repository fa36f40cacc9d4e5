package confluence

import (
	"net/http"
	"time"
)

// longTask is work that the site does in the background. Here it is done at once;
// [Options].TaskTime says for how long it is told to be running.
type longTask struct {
	id, name, message string
	at                time.Time
	details           *v1TaskDetails
}

type v1TaskDetails struct {
	DestinationID  string `json:"destinationId,omitempty"`
	DestinationURL string `json:"destinationUrl,omitempty"`
	Total          int    `json:"totalPageNeedToCopy,omitempty"`
}

// startTask keeps a task and answers 202 with where to ask for it.
func (c *call) startTask(name, message string, details *v1TaskDetails) v1Task {
	if len(c.st.tasks) >= maxTasks {
		clear(c.st.tasks)
	}
	t := longTask{id: itoa(c.st.newID()), name: name, message: message, at: c.now(), details: details}
	c.st.tasks[t.id] = t
	c.status = http.StatusAccepted
	return v1Task{ARI: c.taskARI(t), ID: t.id, Links: v1TaskLinks{Status: "/rest/api/longtask/" + t.id}}
}

func (c *call) taskARI(t longTask) string {
	return "ari:cloud:confluence:" + c.cloudID + ":long-running-task/" + t.id
}

func (c *call) showTask(t longTask) v1TaskStatus {
	elapsed := c.now().Sub(t.at)
	out := v1TaskStatus{
		ARI: c.taskARI(t), ID: t.id, Name: v1TaskName{Key: t.name, Args: []string{}}, Elapsed: elapsed.Milliseconds(), Percentage: 100, Successful: true, Finished: true,
		Status: "Finished", Messages: []v1Message{{Translation: t.message, Args: []string{}}}, Errors: []v1Message{}, Details: t.details,
		Links: v1Links{Self: c.base + "/wiki/rest/api/longtask/" + t.id},
	}
	if took := c.opts.TaskTime; elapsed < took {
		out.Percentage, out.Finished, out.Successful, out.Status = int(100*elapsed/took), false, false, "Running"
		out.Messages = []v1Message{}
	}
	return out
}
