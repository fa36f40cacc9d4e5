package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sluice-run/sluice/toolkit"
)

// edit is a change of a page or blog post; what is empty stays as it is.
type edit struct {
	kind       string // "page", "blog post"
	collection string // "pages", "blogposts"
	title      string
	space      string // id or key; only checked: the API moves nothing between spaces
	parent     string
	body       *bodyInput
	status     string
	number     int // 0: the current one plus one
	message    string
}

func (e edit) empty() bool {
	return e.title == "" && e.parent == "" && e.body == nil && e.status == ""
}

// update makes the change and fills out with what is there then. It is sent
// once: a conflict is reported, never overcome.
func (c *client) update(ctx context.Context, idArg string, e edit, out any) error {
	id, err := c.contentID(ctx, "id", e.kind, idArg)
	if err != nil {
		return err
	}
	if e.empty() {
		return toolkit.Invalid("", "There is nothing to change: give title, body or status, or parentId for a page.")
	}
	text, err := e.body.write()
	if err != nil {
		return err
	}
	payload := map[string]any{"id": id}
	if e.parent != "" {
		if payload["parentId"], err = c.contentID(ctx, "parentId", "page", e.parent); err != nil {
			return err
		}
	}
	now, err := c.current(ctx, id, e)
	if err != nil {
		return err
	}
	if e.space != "" {
		spaceID, err := c.spaceID(ctx, "spaceId", e.space)
		if err != nil {
			return err
		}
		if spaceID != now.SpaceID {
			return toolkit.Invalid("spaceId", "spaceId: the %s is in the space with id %s; Confluence's API cannot move it to another", e.kind, now.SpaceID)
		}
	}
	if err := e.complete(payload, now, text); err != nil {
		return err
	}
	err = c.do(ctx, request{
		method: http.MethodPut, path: v2 + "/" + e.collection + "/" + id, body: payload, out: out,
		what: e.kind + " with id " + id + " (or its parent)", field: "id", scopes: []string{scopeWritePage},
	})
	if isStatus(err, http.StatusConflict) {
		return c.conflict(ctx, err, id, e)
	}
	if err != nil {
		return c.titleTaken(ctx, err, e.collection, now.SpaceID, e.title)
	}
	return nil
}

// complete fills in what the API wants and the caller left out.
func (e edit) complete(payload map[string]any, now *page, text *bodyWrite) error {
	status := e.status
	if status == "" {
		status = now.Status
	}
	if status != "current" && status != "draft" {
		err := toolkit.Invalid("status", "The %s is %s.", e.kind, now.Status)
		err.Fix = "Give status current to restore it; change it after that."
		return err
	}
	if text == nil {
		kept, ok := now.Body.text()
		if !ok {
			return toolkit.Invalid("body", "body: the text that is there could not be read; give the whole text")
		}
		text = &bodyWrite{kept.Representation, kept.Value}
	}
	title := e.title
	if title == "" {
		title = now.Title
	}
	number := e.number
	switch {
	case number > 0:
	case status == "draft":
		number = 1 // what the API wants for drafts
	case now.Version == nil:
		return toolkit.Invalid("version.number", "version.number: the current version could not be read; give the current number plus one")
	case now.Status == "draft":
		number = 1
	default:
		number = now.Version.Number + 1
	}
	v := map[string]any{"number": number}
	if e.message != "" {
		v["message"] = e.message
	}
	payload["status"], payload["title"], payload["body"], payload["version"] = status, title, text, v
	if now.SpaceID != "" {
		payload["spaceId"] = now.SpaceID
	}
	return nil
}

// current reads what is there, with its text when that is to be kept.
func (c *client) current(ctx context.Context, id string, e edit) (*page, error) {
	q := url.Values{}
	if e.body == nil {
		q.Set("body-format", "storage")
	}
	var now page
	r := request{
		path: v2 + "/" + e.collection + "/" + id, query: q, out: &now,
		what: e.kind + " with id " + id, field: "id", scopes: []string{scopeReadPage}, probe: true,
	}
	err := c.do(ctx, r)
	if isStatus(err, http.StatusNotFound) {
		// What was never published is found as a draft only.
		q.Set("get-draft", "true")
		r.probe = false
		err = c.do(ctx, r)
	}
	return &now, err
}

// conflict says which version is there, who made it and when.
func (c *client) conflict(ctx context.Context, err error, id string, e edit) error {
	var te *toolkit.Error
	if !errors.As(err, &te) {
		return err
	}
	te.Field = "version.number"
	e.body = &bodyInput{} // the text is not needed
	now, gerr := c.current(ctx, id, e)
	if gerr != nil || now.Version == nil {
		return te
	}
	v := now.Version
	who := v.AuthorID
	if u, uerr := c.user(ctx, v.AuthorID); uerr == nil && u.name() != "" {
		who = u.name()
	}
	te.Message = fmt.Sprintf("The %s was changed meanwhile: its current version is %d", e.kind, v.Number)
	if who != "" {
		te.Message += ", by " + who
	}
	if v.CreatedAt != "" {
		te.Message += ", at " + v.CreatedAt
	}
	if e.number > 0 {
		te.Message += fmt.Sprintf("; the request wanted to make version %d", e.number)
	}
	te.Message += "."
	read := "CONFLUENCE_GET_PAGE_BY_ID"
	if e.collection == "blogposts" {
		read = "CONFLUENCE_GET_BLOGPOST_BY_ID"
	}
	te.Fix = fmt.Sprintf("Read it again with %s, put your change into the new text, and update with version.number %d or without version.", read, v.Number+1)
	return te
}
