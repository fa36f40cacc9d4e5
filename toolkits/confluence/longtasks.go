package confluence

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// started is the answer of a call that goes on in the background.
type started struct {
	ID string `json:"id"`
}

// task is how far a background task is.
type task struct {
	ID         string        `json:"id"`
	Percent    float64       `json:"percentageComplete"`
	Successful bool          `json:"successful"`
	Finished   bool          `json:"finished"`
	Messages   []taskMessage `json:"messages"`
	Errors     []taskMessage `json:"errors"`
	Details    struct {
		DestinationID  string `json:"destinationId"`
		DestinationURL string `json:"destinationUrl"`
	} `json:"additionalDetails"`
}

type taskMessage struct {
	Translation string `json:"translation"`
}

// words gives what the task says of itself.
func (t *task) words() string {
	var all []string
	for _, m := range append(t.Errors, t.Messages...) {
		if m.Translation != "" {
			all = append(all, m.Translation)
		}
	}
	return strings.Join(all, "; ")
}

// What waiting for a background task is bounded by.
const (
	firstWait = 100 * time.Millisecond
	longWait  = 2 * time.Second
	patience  = 25 * time.Second
)

// await waits until a task is finished, or for as long as one call may take,
// and reports how far it is. A task that failed is an error.
func (c *client) await(ctx context.Context, id, doing string) (*task, error) {
	if !digits.MatchString(id) && !taskID.MatchString(id) {
		return nil, &toolkit.Error{Kind: toolkit.KindUnavailable, Message: "Confluence did not say which task to wait for. " + retryHint(request{method: "POST"})}
	}
	deadline := time.Now().Add(patience)
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		var t task
		err := c.do(ctx, request{path: v1 + "/longtask/" + id, out: &t, what: "task with id " + id, scopes: []string{"read:content.metadata:confluence"}, probe: true})
		if err != nil {
			return nil, err
		}
		c.call.Progress(t.Percent, 100, fmt.Sprintf("%s: %.0f %%", doing, t.Percent))
		switch {
		case t.Finished && !t.Successful:
			return &t, &toolkit.Error{Kind: toolkit.KindUnavailable, Message: sentence(doing+" failed", t.words())}
		case t.Finished || time.Now().Add(wait).After(deadline):
			return &t, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, transportError(ctx, request{method: "GET"}, ctx.Err())
		case <-timer.C:
		}
	}
}
