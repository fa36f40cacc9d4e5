package confluence

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// told is what a rule of Confluence automation posts with "Send web request":
//
//	{"event":"created","type":"page","id":"{{page.id}}"}
//
// It is a hint where to look, no more: the event itself is read from the site,
// so that it is the same one that a poll finds.
type told struct {
	Event string `json:"event"` // created or updated
	Type  string `json:"type"`  // page, blogpost, footer-comment, inline-comment, attachment
	ID    flexID `json:"id"`
}

// flexID is an id as a string or as a number.
type flexID string

// UnmarshalJSON takes both forms.
func (id *flexID) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) != nil {
		s = string(bytes.TrimSpace(data))
	}
	*id = flexID(strings.TrimSpace(s))
	return nil
}

// maxTold bounds the body of a webhook.
const maxTold = 64 << 10

// readTold reads a webhook; one that is about something else gives "".
func readTold(in toolkit.Inbound, event string, types ...string) (id, kind string, err error) {
	var t told
	if len(in.Body) > maxTold || json.Unmarshal(in.Body, &t) != nil {
		return "", "", toolkit.Invalid("body", `The body of the webhook is not what was expected: {"event":"created","type":"page","id":"123"}.`)
	}
	for _, want := range types {
		if !strings.EqualFold(t.Type, want) || !strings.EqualFold(t.Event, event) {
			continue
		}
		id := string(t.ID)
		if !digits.MatchString(id) && !(want == "attachment" && attachmentID.MatchString(id)) {
			return "", "", toolkit.Invalid("id", "id: expected the id of a %s; write the smart value of the rule's content there", want)
		}
		return id, want, nil
	}
	return "", "", nil
}

// toldContent reads the page or blog post that a webhook is about; nil when it
// is about something else, or gone.
func (c *client) toldContent(ctx context.Context, in toolkit.Inbound, event, kind string) (*page, error) {
	id, _, err := readTold(in, event, kind)
	if err != nil || id == "" {
		return nil, err
	}
	p, err := c.content(ctx, kind, id, "")
	if isStatus(err, 404) {
		return nil, nil
	}
	if err != nil || p.Version == nil || p.Status != "current" && p.Status != "archived" {
		return nil, err
	}
	return p, nil
}

// toldWindow is how old what a webhook calls new may be.
const toldWindow = 24 * time.Hour

// toldOfCreated turns a webhook about a new page or blog post into its event.
func (c *client) toldOfCreated(ctx context.Context, in toolkit.Inbound, kind string, keep func(*page) bool) ([]toolkit.Event[contentEvent], error) {
	p, err := c.toldContent(ctx, in, "created", kind)
	if err != nil || p == nil || !keep(p) {
		return nil, err
	}
	since := c.now().Add(-toldWindow).UnixMilli()
	if p.Version.Number == 1 && millis(p.Version.CreatedAt) < since {
		return nil, nil
	}
	fresh, err := c.appeared(ctx, kind, p, since)
	if err != nil || !fresh {
		return nil, err
	}
	return []toolkit.Event[contentEvent]{c.createdEvent(kind, p, "")}, nil
}

// toldOfUpdate turns a webhook about an edit into the event of the version that
// is there now. Versions before it are left to the next poll.
func (c *client) toldOfUpdate(ctx context.Context, in toolkit.Inbound, kind string, keep func(*page) bool) ([]toolkit.Event[contentEvent], error) {
	p, err := c.toldContent(ctx, in, "updated", kind)
	if err != nil || p == nil || p.Status != "current" || p.Version.Number < 2 || !keep(p) {
		return nil, err
	}
	if c.when(p.Version.CreatedAt).Before(c.now().Add(-toldWindow)) {
		return nil, nil
	}
	return []toolkit.Event[contentEvent]{c.updatedEvent(kind, *p, *p.Version, "")}, nil
}

// triggerNotes explains what all triggers have in common.
const triggerNotes = `All times are the site's own: neither our clock nor the account's time zone matters. What
turns up to ten minutes late is still found. One poll reads a bounded part and goes on
from there, so that nothing is lost however much happened. Points are those of
Atlassian's hourly quota (65,000 for an app): one for a request and one for each object
in its answer.

Confluence automation (Premium and Enterprise) can tell of a change at once. Make a rule
whose action is "Send web request" to the trigger's webhook address, with the method POST,
the secret in a header, and as custom data:

    {"event": "created", "type": "page", "id": "{{page.id}}"}

"event" is "created" or "updated"; "type" is "page", "blogpost", "footer-comment",
"inline-comment" or "attachment", with the smart value of its id. It is a hint only: the
event is read from the site, and is the same one that the next poll finds.`
