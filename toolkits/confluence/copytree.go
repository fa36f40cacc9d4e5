package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type copyTreeInput struct {
	ID          string `json:"id" jsonschema_description:"The page at the top of what is copied: id, address, or MKT: Title."`
	ParentID    string `json:"parentId" jsonschema_description:"The page that the copy goes under, also in another space: id, address, or MKT: Title."`
	Prefix      string `json:"titlePrefix,omitempty" jsonschema:"maxLength=100" jsonschema_description:"Put before the title of every copy, such as 2027 with a space after it."`
	Search      string `json:"titleSearch,omitempty" jsonschema:"maxLength=255" jsonschema_description:"Text to replace in the titles of the copies."`
	Replace     string `json:"titleReplace,omitempty" jsonschema:"maxLength=255" jsonschema_description:"What titleSearch is replaced with; without it, nothing."`
	Attachments *bool  `json:"copyAttachments,omitempty" jsonschema:"default=true" jsonschema_description:"Copy the files too."`
	Labels      *bool  `json:"copyLabels,omitempty" jsonschema:"default=true" jsonschema_description:"Copy the labels too."`
	Properties  *bool  `json:"copyProperties,omitempty" jsonschema:"default=true" jsonschema_description:"Copy the properties too."`
	Permissions bool   `json:"copyPermissions,omitempty" jsonschema_description:"Copy the restrictions too."`
}

// copiedTree is the copy of a page with what is below it.
type copiedTree struct {
	ID      string `json:"id,omitempty" jsonschema_description:"Id of the copy of the topmost page, once it is done."`
	URL     string `json:"url,omitempty" jsonschema_description:"Full address of it, for people."`
	Done    bool   `json:"done" jsonschema_description:"Whether it is done; false when it goes on in the background."`
	TaskID  string `json:"taskId" jsonschema_description:"Id of the background task."`
	Message string `json:"message" jsonschema_description:"What happened."`
}

var copyPageHierarchy = toolkit.Create("CONFLUENCE_COPY_PAGE_HIERARCHY", "Copy Page Hierarchy",
	"Copy a page with everything below it under another page, also of another space. For a single page use copy page; to put it elsewhere use move page.",
	toolkit.About{
		Scopes:   toolkit.Scopes{}.AnyOf(scopeWritePage, "write:confluence-content").AnyOf("read:content.metadata:confluence", "write:confluence-content", "read:confluence-space.summary"),
		Keywords: []string{"duplicate a tree", "clone a branch", "whole hierarchy", "descendants too", "with subpages"},
		Pitfalls: []string{
			"A title may be used once in a space: copies within one space need titlePrefix, or titleSearch and titleReplace.",
			"Large trees go on in the background; do not start them twice.",
		},
		Endpoints: []string{"POST /wiki/rest/api/content/{id}/pagehierarchy/copy", "GET /wiki/rest/api/longtask/{id}"},
	},
	func(ctx context.Context, c *client, in copyTreeInput) (*copiedTree, error) {
		if in.Replace != "" && in.Search == "" {
			return nil, toolkit.Invalid("titleSearch", "titleSearch: say what titleReplace replaces")
		}
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		parent, err := c.contentID(ctx, "parentId", "page", in.ParentID)
		if err != nil {
			return nil, err
		}
		begun, err := c.beginCopy(ctx, id, parent, in)
		if err != nil {
			return nil, err
		}
		t, err := c.await(ctx, begun.ID, "Copying")
		if err != nil {
			return nil, begunAnyway(err, "The copying has begun (task "+begun.ID+").")
		}
		out := &copiedTree{TaskID: begun.ID, ID: t.Details.DestinationID, Done: t.Finished}
		if t.Details.DestinationURL != "" {
			out.URL = c.base + t.Details.DestinationURL
		}
		out.Message = fmt.Sprintf("Copied under the page %s.", parent)
		if !t.Finished {
			out.Message = fmt.Sprintf("The copying goes on in the background; it is at %.0f %%. Do not start it again.", t.Percent)
		}
		return out, nil
	})

// explainTitles says how the copies get titles that are free.
func explainTitles(err error) error {
	var e *toolkit.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest && strings.Contains(e.Message, "already exists") {
		e.Kind, e.Field = toolkit.KindConflict, "titlePrefix"
		e.Fix = "Give titlePrefix, or titleSearch and titleReplace, so that every copy has a title that is free in the space."
	}
	return err
}

// beginCopy starts the copying in the background.
func (c *client) beginCopy(ctx context.Context, id, parent string, in copyTreeInput) (started, error) {
	var begun started
	yes := func(b *bool) bool { return b == nil || *b }
	body := map[string]any{
		"copyAttachments": yes(in.Attachments), "copyLabels": yes(in.Labels), "copyProperties": yes(in.Properties),
		"copyPermissions": in.Permissions, "copyDescendants": true, "destinationPageId": parent,
	}
	titles := map[string]string{}
	for name, value := range map[string]string{"prefix": in.Prefix, "search": in.Search, "replace": in.Replace} {
		if value != "" || name == "replace" && in.Search != "" {
			titles[name] = value
		}
	}
	if len(titles) > 0 {
		body["titleOptions"] = titles
	}
	err := c.do(ctx, request{
		method: http.MethodPost, path: v1 + "/content/" + id + "/pagehierarchy/copy", body: body, out: &begun,
		what: "page with id " + id + " (or parent " + parent + ")", field: "id", scopes: []string{scopeWritePage, "read:content.metadata:confluence"},
	})
	return begun, explainTitles(err)
}
