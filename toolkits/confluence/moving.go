package confluence

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sluice-run/sluice/toolkit"
)

// moved says where a page is now, or what became of it.
type moved struct {
	ID      string `json:"id" jsonschema_description:"Id of the page."`
	Done    bool   `json:"done" jsonschema_description:"Whether it is done; false when it goes on in the background."`
	Message string `json:"message" jsonschema_description:"What happened."`
}

type movePageInput struct {
	ID       string `json:"id" jsonschema_description:"The page to move: id, address, or MKT: Title."`
	TargetID string `json:"targetId" jsonschema_description:"Where to: the page that it is put under, before or after; also in another space."`
	Position string `json:"position,omitempty" jsonschema:"enum=append,enum=before,enum=after,default=append" jsonschema_description:"append: under the target; before, after: beside it."`
}

var movePage = toolkit.Update("CONFLUENCE_MOVE_PAGE", "Move Page",
	"Move a page with what is below it under another page, or before or after it, also into another space. Not for deleting.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf(scopeWritePage, "write:confluence-content"),
		Keywords:  []string{"reorganize", "reorder", "relocate", "different parent"},
		Pitfalls:  []string{"What is below the page moves with it."},
		Endpoints: []string{"PUT /wiki/rest/api/content/{pageId}/move/{position}/{targetId}"},
	},
	func(ctx context.Context, c *client, in movePageInput) (*moved, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		target, err := c.contentID(ctx, "targetId", "page", in.TargetID)
		if err != nil {
			return nil, err
		}
		if id == target {
			return nil, toolkit.Invalid("targetId", "targetId: a page cannot be moved to itself")
		}
		err = c.do(ctx, request{
			method: http.MethodPut, path: v1 + "/content/" + id + "/move/" + in.Position + "/" + target,
			what: "page with id " + id + " (or target " + target + ")", field: "id", scopes: []string{scopeWritePage},
		})
		if err != nil {
			return nil, err
		}
		where := map[string]string{"append": "under", "before": "before", "after": "after"}[in.Position]
		return &moved{ID: id, Done: true, Message: fmt.Sprintf("The page %s is %s %s now.", id, where, target)}, nil
	})

type copyPageInput struct {
	ID          string `json:"id" jsonschema_description:"The page to copy: id, address, or MKT: Title."`
	ParentID    string `json:"parentId,omitempty" jsonschema_description:"Put the copy under this page."`
	SpaceID     string `json:"spaceId,omitempty" jsonschema_description:"Or at the top of this space: its id or key."`
	Title       string `json:"title,omitempty" jsonschema:"maxLength=255" jsonschema_description:"Title of the copy; without it, Copy of and the title."`
	Attachments *bool  `json:"copyAttachments,omitempty" jsonschema:"default=true" jsonschema_description:"Copy its files too."`
	Labels      *bool  `json:"copyLabels,omitempty" jsonschema:"default=true" jsonschema_description:"Copy its labels too."`
	Properties  *bool  `json:"copyProperties,omitempty" jsonschema:"default=true" jsonschema_description:"Copy its properties too."`
	Permissions bool   `json:"copyPermissions,omitempty" jsonschema_description:"Copy its restrictions too."`
}

// copied is the copy of a page.
type copied struct {
	ID    string `json:"id" jsonschema_description:"Id of the copy."`
	Title string `json:"title" jsonschema_description:"Its title."`
	URL   string `json:"url,omitempty" jsonschema_description:"Full address for people."`
	Links links  `json:"_links,omitzero" jsonschema_description:"Links as the API gives them."`
}

var copyPage = toolkit.Create("CONFLUENCE_COPY_PAGE", "Copy Page",
	"Copy one page, with its files, labels and properties, under another page or into another space. What is below it is not copied.",
	toolkit.About{
		Scopes: toolkit.Scopes{}.AnyOf(scopeWritePage, "write:confluence-content").AnyOf(scopeContentDetails, "write:confluence-content").
			Sometimes(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords:  []string{"duplicate", "clone", "same again"},
		Pitfalls:  []string{"Give parentId or spaceId, not both."},
		Endpoints: []string{"POST /wiki/rest/api/content/{id}/copy", "GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/spaces/{id}"},
	},
	func(ctx context.Context, c *client, in copyPageInput) (*copied, error) {
		if (in.ParentID == "") == (in.SpaceID == "") {
			return nil, toolkit.Invalid("parentId", "parentId: say where the copy goes: parentId or spaceId")
		}
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		to := map[string]string{"type": "parent_page"}
		if in.ParentID != "" {
			to["value"], err = c.contentID(ctx, "parentId", "page", in.ParentID)
		} else {
			var ref spaceRef
			ref, err = c.spaceRef(ctx, "spaceId", in.SpaceID)
			to["type"], to["value"] = "space", ref.key
		}
		if err != nil {
			return nil, err
		}
		if in.Title == "" {
			p, err := c.page(ctx, id, url.Values{})
			if err != nil {
				return nil, err
			}
			in.Title = "Copy of " + p.Title
		}
		yes := func(b *bool) bool { return b == nil || *b }
		var out copied
		err = c.do(ctx, request{
			method: http.MethodPost, path: v1 + "/content/" + id + "/copy", out: &out,
			body: map[string]any{
				"copyAttachments": yes(in.Attachments), "copyLabels": yes(in.Labels), "copyProperties": yes(in.Properties),
				"copyPermissions": in.Permissions, "destination": to, "pageTitle": in.Title,
			},
			what: "page with id " + id, field: "id", scopes: []string{scopeWritePage, scopeContentDetails},
		})
		if err != nil {
			return nil, c.titleTaken(ctx, err, "pages", "", in.Title)
		}
		out.URL = c.address(out.Links, "")
		return &out, nil
	})

type archivePageInput struct {
	IDs []string `json:"ids" jsonschema:"minItems=1,maxItems=50" jsonschema_description:"The pages: ids, addresses, or MKT: Title."`
}

var archivePage = toolkit.Update("CONFLUENCE_ARCHIVE_PAGE", "Archive Page",
	"Take pages that are done with out of the page list and the search results, and keep their content for the record. Not for pages that nobody needs again: delete those.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf(scopeWritePage, "write:confluence-content").AnyOf("read:content.metadata:confluence", "write:confluence-content"),
		Keywords:  []string{"retire", "shelve"},
		Pitfalls:  []string{"Only a person can bring an archived page back: Atlassian documents no call that unarchives.", "An archived page keeps its title taken."},
		Endpoints: []string{"POST /wiki/rest/api/content/archive", "GET /wiki/rest/api/longtask/{id}"},
	},
	func(ctx context.Context, c *client, in archivePageInput) (*moved, error) {
		var pages []map[string]int64
		var first string
		for i, one := range in.IDs {
			id, err := c.contentID(ctx, fmt.Sprintf("ids[%d]", i), "page", one)
			if err != nil {
				return nil, err
			}
			n, err := strconv.ParseInt(id, 10, 64)
			if err != nil {
				return nil, toolkit.Invalid(fmt.Sprintf("ids[%d]", i), "ids[%d]: there is no page with this id", i)
			}
			if first == "" {
				first = id
			}
			pages = append(pages, map[string]int64{"id": n})
		}
		var begun started
		err := c.do(ctx, request{
			method: http.MethodPost, path: v1 + "/content/archive", body: map[string]any{"pages": pages}, out: &begun,
			what: "page among those given", field: "ids", scopes: []string{scopeWritePage, "read:content.metadata:confluence"},
		})
		if err != nil {
			return nil, err
		}
		t, err := c.await(ctx, begun.ID, "Archiving")
		if err != nil {
			return nil, begunAnyway(err, "The archiving has begun (task "+begun.ID+").")
		}
		if !t.Finished {
			return &moved{ID: first, Message: "The archiving goes on in the background (task " + begun.ID + ")."}, nil
		}
		return &moved{ID: first, Done: true, Message: fmt.Sprintf("%d archived. Only a person can bring them back, in Confluence.", len(pages))}, nil
	})

var restorePage = toolkit.Update("CONFLUENCE_RESTORE_PAGE", "Restore Page",
	"Bring a page back from the trash of its space. Archived pages can be brought back only by a person. Not for an older text: update the page with it.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeWritePage, scopeReadPage),
		Keywords:  []string{"undelete", "recover", "bring back", "undo deletion"},
		Pitfalls:  []string{"Atlassian documents no call that unarchives: an archived page is refused."},
		Endpoints: []string{"PUT /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/pages/{id}"},
	},
	func(ctx context.Context, c *client, in pageIDInput) (*page, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		now, err := c.page(ctx, id, url.Values{})
		if err != nil {
			return nil, err
		}
		if now.Status != "trashed" {
			e := toolkit.Invalid("id", "id: the page is not in the trash, it is %s.", now.Status)
			if now.Status == "archived" {
				e.Fix = "Atlassian documents no call that brings an archived page back: ask a person to restore it in Confluence, in the archive of its space."
			}
			return nil, e
		}
		var p page
		if err := c.update(ctx, id, edit{kind: "page", collection: "pages", status: "current"}, &p); err != nil {
			return nil, err
		}
		return c.shownPage(&p, ""), nil
	})

var purgePage = toolkit.Delete("CONFLUENCE_PURGE_PAGE", "Purge Page",
	"Destroy a page that is in the trash already: it cannot be restored after that. It needs an administrator of the space. To put a page into the trash use delete page.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeDeletePage, scopeReadPage),
		Keywords:  []string{"empty the trash", "permanently", "irrevocably"},
		Pitfalls:  []string{"Only pages in the trash can be purged: delete the page first."},
		Endpoints: []string{"DELETE /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/pages/{id}"},
	},
	func(ctx context.Context, c *client, in pageIDInput) (*gone, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		now, err := c.page(ctx, id, url.Values{})
		if err != nil {
			return nil, err
		}
		if now.Status != "trashed" {
			e := toolkit.Invalid("id", "id: the page is not in the trash, it is %s.", now.Status)
			e.Fix = "Move it there first with CONFLUENCE_DELETE_PAGE, if the person wants it gone for good."
			return nil, e
		}
		err = c.do(ctx, request{
			method: http.MethodDelete, path: v2 + "/pages/" + id, query: url.Values{"purge": {"true"}}, what: "page with id " + id, field: "id",
			scopes: []string{scopeDeletePage},
		})
		if err != nil {
			return nil, err
		}
		return &gone{ID: id, Deleted: true, Message: "The page '" + now.Title + "' is gone for good."}, nil
	})
