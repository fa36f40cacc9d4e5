package confluence

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// triggers are all of the toolkit.
func triggers() []toolkit.Trigger {
	return toolkit.BindTriggers(newClient,
		pageCreated, pageUpdated, pageVersionCreated, newChildPage, pageMoved,
		blogPostCreated, blogPostUpdated, blogPostLabelled,
		spaceContentAdded, spaceCreated, spaceDetailsChanged,
		footerCommentAdded, pageInlineCommentAdded, blogPostInlineCommentAdded,
		attachmentAdded, pageLikesChanged, blogPostLikesChanged,
		contentRestrictionsChanged, pagePropertiesChanged, spacePropertiesChanged,
		taskCreated, auditLogged, cqlMatched,
	)
}

// What one poll does at most. What is left is for the next one.
const (
	maxPollPages    = 8    // of a list
	maxPollRequests = 60   // further look-ups are put off then
	maxPollEvents   = 1000 // as soon as there are so many
)

// actor is who did something.
type actor struct {
	AccountID string `json:"accountId" jsonschema_description:"Account id."`
}

// eventResource is what something happened to.
type eventResource struct {
	Type     string   `json:"type" jsonschema_description:"page, blogpost, space, comment, attachment, task or audit_record."`
	ID       string   `json:"id" jsonschema_description:"Its id, for the tools."`
	Title    string   `json:"title,omitempty" jsonschema_description:"Its title or name."`
	Status   string   `json:"status,omitempty" jsonschema_description:"Its status: current, archived …"`
	SpaceID  string   `json:"spaceId,omitempty" jsonschema_description:"Id of its space."`
	SpaceKey string   `json:"spaceKey,omitempty" jsonschema_description:"Key of its space."`
	ParentID string   `json:"parentId,omitempty" jsonschema_description:"Id of what it is under, or on."`
	Version  *version `json:"version,omitempty" jsonschema_description:"The version that the event is about."`
	URL      string   `json:"url,omitempty" jsonschema_description:"Full address for people."`
}

// happened begins every payload.
type happened struct {
	OccurredAt string        `json:"occurred_at" jsonschema_description:"When it happened; when it was noticed, where Confluence does not say."`
	Actor      *actor        `json:"actor,omitempty" jsonschema_description:"Who did it, where Confluence says."`
	Resource   eventResource `json:"resource" jsonschema_description:"What it happened to."`
}

// contentEvent is the payload of what says all with the content itself.
type contentEvent struct {
	happened
}

// by gives the actor with an account id, if there is one.
func by(accountID string) *actor {
	if accountID == "" {
		return nil
	}
	return &actor{AccountID: accountID}
}

// stampOf writes a time as Confluence does.
func stampOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// millis reads a time of the API; 0 when there is none.
func millis(stamp string) int64 {
	t, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// when gives the time of a stamp, or now by the site's clock.
func (c *client) when(stamp string) time.Time {
	if ms := millis(stamp); ms > 0 {
		return time.UnixMilli(ms).UTC()
	}
	return c.now()
}

// now is the site's time, by its last answer. Our own clock does not matter.
func (c *client) now() time.Time {
	if c.date.IsZero() {
		return time.Now().UTC()
	}
	return c.date.UTC()
}

// isBusy says whether the poll should put off further look-ups.
func (c *client) isBusy(events int) bool {
	return c.asked >= maxPollRequests || events >= maxPollEvents
}

// keyInLink reads the key of the space out of the address of content in it.
func keyInLink(webui string) string {
	_, rest, ok := strings.Cut(webui, "/spaces/")
	if !ok {
		return ""
	}
	key, _, _ := strings.Cut(rest, "/")
	return key
}

// about describes a page or a blog post.
func (c *client) about(kind string, p *page, base string) eventResource {
	r := eventResource{
		Type: kind, ID: p.ID, Title: p.Title, Status: p.Status, SpaceID: p.SpaceID, SpaceKey: keyInLink(p.Links.WebUI),
		ParentID: p.ParentID, URL: c.address(p.Links, base),
	}
	if p.Version != nil {
		v := *p.Version
		r.Version = &v
	}
	return r
}

// wordOf names a kind as errors and look-ups do.
var wordOf = map[string]string{"page": "page", "blogpost": "blog post"}

// content reads a page or blog post by its id.
func (c *client) content(ctx context.Context, kind, id, field string) (*page, error) {
	var p page
	err := c.do(ctx, request{
		path: v2 + "/" + kind + "s/" + id, out: &p, what: wordOf[kind] + " with id " + id, field: field, scopes: []string{scopeReadPage},
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// checkContent is the check of a configuration that names a page or blog post:
// it is there, and current.
func (c *client) checkContent(ctx context.Context, kind, field, value string) (string, error) {
	id, err := c.contentID(ctx, field, wordOf[kind], value)
	if err != nil {
		return "", err
	}
	p, err := c.content(ctx, kind, id, field)
	if err != nil {
		return "", err
	}
	if p.Status != "" && p.Status != "current" && p.Status != "archived" {
		return "", &toolkit.Error{
			Kind: toolkit.KindNotFound, Field: field, Message: "The " + wordOf[kind] + " '" + p.Title + "' is not published: its status is " + p.Status + ".",
			Fix: "Publish or restore it first, or name another one.",
		}
	}
	return id, nil
}

// checkSpace gives the id of the space that a configuration names, after looking
// whether it is there. An empty value stays empty.
func (c *client) checkSpace(ctx context.Context, field, value string) (string, error) {
	if strings.TrimSpace(value) == "" {
		return "", nil
	}
	s, err := c.spaceRef(ctx, field, value)
	return s.id, err
}

// inOrder puts events in the order of happening, however lists gave them.
func inOrder[P any](events []toolkit.Event[P]) []toolkit.Event[P] {
	slices.SortStableFunc(events, func(a, b toolkit.Event[P]) int {
		return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.Key, b.Key))
	})
	return events
}

// refused says whether the API did not take the cursor of a list any more.
func refused(err error) bool {
	var e *toolkit.Error
	return errors.As(err, &e) && slices.Contains([]int{
		http.StatusBadRequest, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
	}, e.Status)
}
