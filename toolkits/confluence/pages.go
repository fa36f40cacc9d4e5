package confluence

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sluice-run/sluice/toolkit"
)

const (
	scopeReadPage   = "read:page:confluence"
	scopeWritePage  = "write:page:confluence"
	scopeDeletePage = "delete:page:confluence"
	scopeReadSpace  = "read:space:confluence"
)

type createPageInput struct {
	SpaceID  string    `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	Title    string    `json:"title" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Title; no other page of the space may have it."`
	Body     bodyInput `json:"body" jsonschema_description:"The text of the page."`
	ParentID string    `json:"parentId,omitempty" jsonschema_description:"Id of the page to put it under; without it, under the space's home page."`
	Status   string    `json:"status,omitempty" jsonschema:"enum=current,enum=draft,default=current" jsonschema_description:"current publishes the page, draft does not."`
	Type     string    `json:"type,omitempty" jsonschema:"enum=page,default=page" jsonschema_description:"Always page."`
}

var createPage = toolkit.Create("CONFLUENCE_CREATE_PAGE", "Create Page",
	"Create a page in a space, with a title and a text, optionally under another page. "+
		"Use it for documentation, notes and plans. Not for news or announcements (create a blog post) and not to change a page that is there (update it).",
	toolkit.About{
		Important: true,
		Scopes:    toolkit.AllOf(scopeWritePage).Sometimes(scopeReadSpace).Sometimes(scopeReadPage),
		Keywords: []string{
			"write", "add", "new", "make", "draft", "publish", "document", "documentation", "doc", "wiki", "article", "note",
			"notes", "save", "record", "put", "runbook", "spec", "plan", "report", "knowledge base",
		},
		Pitfalls: []string{
			"The text is storage format (XHTML), not Markdown: <h2>, <p>, <ul><li>; & must be written as &amp;.",
			"A title may be used once in a space, archived pages included; a taken one is refused.",
		},
		Endpoints: []string{"POST /wiki/api/v2/pages", "GET /wiki/api/v2/spaces", "GET /wiki/api/v2/pages"},
	},
	func(ctx context.Context, c *client, in createPageInput) (*page, error) {
		text, err := in.Body.write()
		if err != nil {
			return nil, err
		}
		return c.createPage(ctx, newPage{in.SpaceID, in.ParentID, in.Title, in.Status, text})
	})

// newPage is a page to be made, as a tool's arguments name its place.
type newPage struct {
	space, parent, title, status string
	body                         any
}

// createPage makes a page. A place that is not there and a title that is taken
// are told by the arguments spaceId, parentId and title.
func (c *client) createPage(ctx context.Context, n newPage) (*page, error) {
	payload := map[string]any{"title": n.title, "status": n.status, "body": n.body}
	if n.parent != "" {
		id, err := c.contentID(ctx, "parentId", "page", n.parent)
		if err != nil {
			return nil, err
		}
		payload["parentId"] = id
	}
	spaceID, err := c.spaceID(ctx, "spaceId", n.space)
	if err != nil {
		return nil, err
	}
	payload["spaceId"] = spaceID
	var p page
	err = c.do(ctx, request{
		method: http.MethodPost, path: v2 + "/pages", body: payload, out: &p,
		what: "space with id " + spaceID + " or parent page", field: "spaceId", scopes: []string{scopeWritePage},
	})
	if err != nil {
		return nil, c.titleTaken(ctx, err, "pages", spaceID, n.title)
	}
	return c.shownPage(&p, ""), nil
}

type getPageInput struct {
	ID            string `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
	BodyFormat    string `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format,enum=view,enum=export_view,enum=anonymous_export_view,enum=styled_view,enum=editor,default=storage" jsonschema_description:"Format of the text: storage to edit it later, export_view to read tables and macros as HTML."`
	Draft         bool   `json:"draft,omitempty" jsonschema_description:"Get the draft instead of what is published."`
	Version       int    `json:"version,omitempty" jsonschema:"minimum=1" jsonschema_description:"Get an older version by its number."`
	IncludeLabels bool   `json:"include_labels,omitempty" jsonschema_description:"Give the labels as well."`
}

func (in getPageInput) query() url.Values {
	q := url.Values{"body-format": {in.BodyFormat}}
	if in.Draft {
		q.Set("get-draft", "true")
	}
	if in.Version > 0 {
		q.Set("version", strconv.Itoa(in.Version))
	}
	if in.IncludeLabels {
		q.Set("include-labels", "true")
	}
	return q
}

var getPage = toolkit.Read("CONFLUENCE_GET_PAGE_BY_ID", "Get Page by ID",
	"Read one page by its id: title, text, version, space, parent, address. "+
		"When only a title or some words are known, search first (search content).",
	toolkit.About{
		Important: true,
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords: []string{
			"open", "show", "view", "fetch", "load", "look at", "display", "content", "body", "text", "document", "wiki",
			"article", "what does it say", "summarize",
		},
		Pitfalls: []string{
			"A page in the trash is still returned: look at status.",
			"A title alone is refused; space key and title together (MKT: Q3 Planning) are taken.",
		},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}"},
	},
	func(ctx context.Context, c *client, in getPageInput) (*page, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		return c.page(ctx, id, in.query())
	})

// inVersion completes the name of what was asked for.
func inVersion(q url.Values) string {
	if v := q.Get("version"); v != "" {
		return " in version " + v
	}
	return ""
}

// labelPage is how the API nests labels in content.
type labelPage struct {
	Results []label `json:"results"`
}

// page gets one page.
func (c *client) page(ctx context.Context, id string, q url.Values) (*page, error) {
	var answer struct {
		page
		Labels labelPage `json:"labels"`
	}
	err := c.do(ctx, request{
		path: v2 + "/pages/" + id, query: q, out: &answer, what: "page with id " + id + inVersion(q), field: "id", scopes: []string{scopeReadPage},
	})
	if err != nil {
		return nil, err
	}
	p := answer.page
	p.Labels = answer.Labels.Results
	return c.shownPage(&p, ""), nil
}

// shownPage adds the full address.
func (c *client) shownPage(p *page, base string) *page {
	p.URL, p.Body = c.address(p.Links, base), p.Body.orNil()
	return p
}

type deletePageInput struct {
	ID string `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
}

// deleted says what became of a page.
type deleted struct {
	ID      string `json:"id" jsonschema_description:"Id of the page."`
	Deleted bool   `json:"deleted" jsonschema_description:"Whether this call moved it; false when it was in the trash already."`
	Message string `json:"message" jsonschema_description:"What happened and how it can be undone."`
}

var deletePage = toolkit.Delete("CONFLUENCE_DELETE_PAGE", "Delete Page",
	"Move a page to the trash of its space. A person can restore it from there. Its child pages stay and move up. "+
		"Not for blog posts.",
	toolkit.About{
		Important: true,
		Scopes:    toolkit.AllOf(scopeDeletePage).Sometimes(scopeReadPage),
		Keywords:  []string{"remove", "trash", "move to trash", "discard", "get rid of", "throw away", "erase", "bin", "document"},
		Pitfalls:  []string{"Nothing is deleted for good: the page is in the trash and can be restored."},
		Endpoints: []string{"DELETE /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/pages/{id}"},
	},
	func(ctx context.Context, c *client, in deletePageInput) (*deleted, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		err = c.do(ctx, request{
			method: http.MethodDelete, path: v2 + "/pages/" + id, what: "page with id " + id, field: "id",
			scopes: []string{scopeDeletePage}, probe: true,
		})
		if isStatus(err, http.StatusNotFound) {
			// A page that is in the trash already answers like one that never was.
			p, gerr := c.page(ctx, id, url.Values{"status": {"trashed"}})
			if gerr == nil && p.Status == "trashed" {
				return &deleted{ID: id, Message: "The page was in the trash already; a person can restore it from the trash of its space."}, nil
			}
			if isStatus(gerr, http.StatusNotFound) {
				err = gerr
			}
		}
		if err != nil {
			return nil, err
		}
		return &deleted{ID: id, Deleted: true, Message: "The page is in the trash now; a person can restore it from the trash of its space."}, nil
	})

type versionInput struct {
	Number  int    `json:"number,omitempty" jsonschema:"minimum=1" jsonschema_description:"The current number plus one; leave it out to have it found."`
	Message string `json:"message,omitempty" jsonschema_description:"Comment on the change, shown in the history."`
}

type updatePageInput struct {
	ID       string        `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
	Title    string        `json:"title,omitempty" jsonschema:"maxLength=255" jsonschema_description:"New title; without it the title stays."`
	SpaceID  string        `json:"spaceId,omitempty" jsonschema_description:"The space, by id or key; without it the space stays."`
	ParentID string        `json:"parentId,omitempty" jsonschema_description:"Move the page under this page of the same space."`
	Body     *bodyInput    `json:"body,omitempty" jsonschema_description:"The WHOLE new text; without it the text stays."`
	Version  *versionInput `json:"version,omitempty" jsonschema_description:"Version to make; without it the current one plus one."`
	Status   string        `json:"status,omitempty" jsonschema:"enum=current,enum=draft" jsonschema_description:"New status; current publishes a draft and restores a page from the trash. Without it the status stays."`
	Type     string        `json:"type,omitempty" jsonschema:"enum=page,default=page" jsonschema_description:"Always page."`
}

var updatePage = toolkit.Update("CONFLUENCE_UPDATE_PAGE", "Update Page",
	"Change a page: its title, its whole text, or where it is in its space. Everything that is not given stays. "+
		"The text is replaced as a whole: read it first to keep parts of it. Not for labels or comments.",
	toolkit.About{
		Important: true,
		Scopes:    toolkit.AllOf(scopeWritePage, scopeReadPage).Sometimes(scopeReadSpace).Sometimes(scopeContentDetails, "read:confluence-user"),
		Keywords: []string{
			"edit", "change", "modify", "rewrite", "rename", "move", "append", "replace", "correct", "fix", "revise", "restore",
			"document", "article", "content",
		},
		Pitfalls: []string{
			"The text is replaced as a whole and is storage format (XHTML), not Markdown.",
			"Leave version out unless you must be sure that nobody changed the page since you read it.",
			"Keep <ac:inline-comment-marker> elements: comments on marked text hang on them.",
		},
		Endpoints: []string{
			"PUT /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/pages", "GET /wiki/api/v2/spaces", "GET /wiki/rest/api/user",
		},
	},
	func(ctx context.Context, c *client, in updatePageInput) (*page, error) {
		edit := edit{
			kind: "page", collection: "pages", title: in.Title, space: in.SpaceID, parent: in.ParentID,
			body: in.Body, status: in.Status,
		}
		if in.Version != nil {
			edit.number, edit.message = in.Version.Number, in.Version.Message
		}
		var p page
		if err := c.update(ctx, in.ID, edit, &p); err != nil {
			return nil, err
		}
		return c.shownPage(&p, ""), nil
	})
