package confluence

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type pageList struct {
	Results []page `json:"results" jsonschema_description:"The pages."`
	paging
}

type getPagesInput struct {
	SpaceID    string   `json:"spaceId,omitempty" jsonschema_description:"Only pages of this space: its id or its key."`
	Title      string   `json:"title,omitempty" jsonschema_description:"Only pages with exactly this title, in any case."`
	Status     string   `json:"status,omitempty" jsonschema:"enum=current,enum=archived,enum=trashed,enum=deleted,default=current" jsonschema_description:"Only pages with this status."`
	Type       string   `json:"type,omitempty" jsonschema:"enum=page,default=page" jsonschema_description:"Always page."`
	Sort       string   `json:"sort,omitempty" jsonschema:"enum=id,enum=-id,enum=created-date,enum=-created-date,enum=modified-date,enum=-modified-date,enum=title,enum=-title" jsonschema_description:"Order; - puts the largest or newest first."`
	Direction  string   `json:"direction,omitempty" jsonschema:"enum=asc,enum=desc" jsonschema_description:"Direction of sort, instead of a -."`
	Label      []string `json:"label,omitempty" jsonschema:"maxItems=20" jsonschema_description:"Only pages that have every one of these labels."`
	AuthorID   string   `json:"authorId,omitempty" jsonschema_description:"Only pages that this account created."`
	BodyFormat string   `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format" jsonschema_description:"Give the texts as well, in this format."`
	Expand     []string `json:"expand,omitempty" jsonschema_description:"Old name of body_format: body.storage or body.atlas_doc_format; version and space come anyway."`
	pageArgs
}

var getPages = toolkit.Read("CONFLUENCE_GET_PAGES", "Get Pages",
	"List pages by exact title, space, status, label or creator, in order of date or title. For words in titles or texts use search content.",
	toolkit.About{
		Important: true,
		Scopes: toolkit.Scopes{}.AnyOf(scopeReadPage, scopeSearch, "search:confluence").
			Sometimes(scopeReadPage).Sometimes(scopeReadSpace).Sometimes(scopeSearch, "search:confluence"),
		Keywords: []string{"list", "browse", "recent", "latest", "newest", "documents", "articles", "find by title", "named", "all", "archived", "archived pages", "tagged"},
		Pitfalls: []string{
			"The title must match as a whole; use CONFLUENCE_SEARCH_CONTENT for parts of it.",
			"Texts come only with body_format; they make the answer large.",
			"label and authorId are looked up by a search, which needs the scope read:content-details:confluence and knows new pages after about a minute.",
		},
		Endpoints: []string{"GET /wiki/api/v2/pages", "GET /wiki/api/v2/spaces", "GET /wiki/rest/api/search", "GET /wiki/api/v2/spaces/{id}"},
	},
	func(ctx context.Context, c *client, in getPagesInput) (*pageList, error) {
		if err := in.tidy(); err != nil {
			return nil, err
		}
		if len(in.Label) > 0 || in.AuthorID != "" {
			return c.pagesByCQL(ctx, in)
		}
		q := url.Values{"status": {in.Status}}
		set(q, "title", in.Title)
		set(q, "sort", in.Sort)
		set(q, "body-format", in.BodyFormat)
		if in.SpaceID != "" {
			id, err := c.spaceID(ctx, "spaceId", in.SpaceID)
			if err != nil {
				return nil, err
			}
			q.Set("space-id", id)
		}
		return c.pages(ctx, request{path: v2 + "/pages", query: q, scopes: []string{scopeReadPage}}, in.pageArgs)
	})

// tidy turns the older words into those of the API.
func (in *getPagesInput) tidy() error {
	for _, e := range in.Expand {
		switch e {
		case "body.storage", "body.atlas_doc_format":
			in.BodyFormat = strings.TrimPrefix(e, "body.")
		case "version", "space", "":
		default:
			return toolkit.Invalid("expand", "expand: this value is of an API that is gone; for texts use body_format, for labels CONFLUENCE_GET_LABELS_FOR_PAGE, "+
				"for what a page is under CONFLUENCE_GET_PAGE_ANCESTORS")
		}
	}
	if in.Direction == "" {
		return nil
	}
	if in.Sort == "" {
		return toolkit.Invalid("direction", "direction: say by what to sort, in sort")
	}
	in.Sort = strings.TrimPrefix(in.Sort, "-")
	if in.Direction == "desc" {
		in.Sort = "-" + in.Sort
	}
	return nil
}

func (c *client) pages(ctx context.Context, r request, a pageArgs) (*pageList, error) {
	got, err := fetch[page](ctx, c, r, a)
	if err != nil {
		return nil, err
	}
	for i := range got.items {
		c.shownPage(&got.items[i], got.base)
	}
	return &pageList{Results: orEmpty(got.items), paging: got.paging()}, nil
}

// cqlOrder says sort in CQL.
var cqlOrder = map[string]string{"created-date": "created", "modified-date": "lastmodified", "title": "title"}

// pagesByCQL lists pages by label or creator, which only a search can filter by.
func (c *client) pagesByCQL(ctx context.Context, in getPagesInput) (*pageList, error) {
	if in.Status != "current" {
		return nil, toolkit.Invalid("status", "status: with label or authorId only current pages can be listed")
	}
	cql := "type = page"
	for _, l := range in.Label {
		cql += " and label = " + quote(l)
	}
	if in.AuthorID != "" {
		cql += " and creator = " + quote(in.AuthorID)
	}
	if in.Title != "" {
		cql += " and title = " + quote(in.Title)
	}
	if in.SpaceID != "" {
		ref, err := c.spaceRef(ctx, "spaceId", in.SpaceID)
		if err != nil {
			return nil, err
		}
		cql += " and space = " + quote(ref.key)
	}
	if in.Sort != "" {
		field, ok := cqlOrder[strings.TrimPrefix(in.Sort, "-")]
		if !ok {
			return nil, toolkit.Invalid("sort", "sort: with label or authorId pages can be sorted by created-date, modified-date and title")
		}
		cql += " order by " + field
		if strings.HasPrefix(in.Sort, "-") {
			cql += " desc"
		}
	}
	got, err := c.contentsByCQL(ctx, cql, "page", in.BodyFormat, in.pageArgs)
	if err != nil {
		return nil, err
	}
	out := &pageList{Results: []page{}, paging: got.paging}
	for _, item := range got.Results {
		out.Results = append(out.Results, item.page)
	}
	return out, nil
}

// contentsByCQL finds pages or blog posts by a search and then reads them as
// the lists give them, in the order of the search.
func (c *client) contentsByCQL(ctx context.Context, cql, kind, bodyFormat string, a pageArgs) (*contentList, error) {
	rows, err := c.search(ctx, cql, "none", "", a)
	if err != nil {
		return nil, err
	}
	out := &contentList{Results: []contentItem{}, paging: rows.paging}
	var ids []string
	for _, r := range rows.Results {
		if r.Content != nil && digits.MatchString(r.Content.ID) {
			ids = append(ids, r.Content.ID)
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	got, err := c.byIDs(ctx, kind+"s", bodyFormat, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		at := slices.IndexFunc(got.items, func(p page) bool { return p.ID == id })
		if at >= 0 {
			out.Results = append(out.Results, contentItem{Type: kind, page: *c.shownPage(&got.items[at], got.base)})
		}
	}
	return out, nil
}

// byIDs reads pages or blog posts by their ids, in no order; what cannot be
// seen is left out.
func (c *client) byIDs(ctx context.Context, collection, bodyFormat string, ids []string) (list[page], error) {
	var all list[page]
	each := 100
	if bodyFormat != "" {
		each = 50
	}
	for some := range slices.Chunk(ids, each) {
		q := url.Values{"id": some}
		set(q, "body-format", bodyFormat)
		got, err := fetchOne[page](ctx, c, request{path: v2 + "/" + collection, query: q, scopes: []string{scopeReadPage}}, 250, "")
		if err != nil {
			return list[page]{}, err
		}
		all.items, all.base = append(all.items, got.items...), got.base
		if all.bytes += got.bytes; all.bytes > maxAllBytes {
			return list[page]{}, &toolkit.Error{
				Kind: toolkit.KindTooLarge, Message: "The texts of these results are too large for one answer.",
				Fix: "Ask for fewer items (a smaller limit, not all) or without body_format.",
			}
		}
	}
	return all, nil
}

// child is a page under another.
type child struct {
	ID       string `json:"id" jsonschema_description:"Id of the page."`
	Status   string `json:"status,omitempty" jsonschema_description:"Its status."`
	Title    string `json:"title" jsonschema_description:"Its title."`
	Type     string `json:"type,omitempty" jsonschema_description:"Always page."`
	SpaceID  string `json:"spaceId,omitempty" jsonschema_description:"Id of its space."`
	Position *int   `json:"childPosition,omitempty" jsonschema_description:"Position among its siblings."`
	URL      string `json:"url,omitempty" jsonschema_description:"Full address for people."`
}

type childList struct {
	Results []child        `json:"results" jsonschema_description:"The pages directly under it."`
	Other   map[string]int `json:"other_children,omitempty" jsonschema_description:"How many folders, whiteboards and so on are among the same children."`
	Note    string         `json:"note,omitempty" jsonschema_description:"What may be missing."`
	paging
}

type getChildPagesInput struct {
	ID   string `json:"id" jsonschema_description:"The page above: id, address, or MKT: Title."`
	Sort string `json:"sort,omitempty" jsonschema:"enum=id,enum=-id,enum=created-date,enum=-created-date,enum=modified-date,enum=-modified-date,enum=child-position,enum=-child-position" jsonschema_description:"Order; - reverses it. Without it, as in the page tree."`
	pageArgs
}

const scopeHierarchy = "read:hierarchical-content:confluence"

var getChildPages = toolkit.Read("CONFLUENCE_GET_CHILD_PAGES", "Get Child Pages",
	"List the pages directly under a page. For deeper ones call it again for each child, or search with CQL (ancestor = id). For what is above use get page ancestors.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf(scopeHierarchy, scopeReadPage),
		Keywords:  []string{"subpages", "sub-pages", "children", "nested", "below", "underneath", "tree", "hierarchy", "descendants", "structure"},
		Pitfalls:  []string{"Only the next level is listed. Pages inside a folder are under the folder, not under the page."},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/direct-children", "GET /wiki/api/v2/pages/{id}/children"},
	},
	func(ctx context.Context, c *client, in getChildPagesInput) (*childList, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		set(q, "sort", in.Sort)
		r := request{
			path: v2 + "/pages/" + id + "/direct-children", query: q, what: "page with id " + id, field: "id",
			scopes: []string{scopeHierarchy},
		}
		out := &childList{Results: []child{}}
		got, err := fetch[child](ctx, c, r, in.pageArgs)
		if isStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
			// The older call needs a scope that more accounts have.
			r.path, r.scopes = v2+"/pages/"+id+"/children", []string{scopeReadPage}
			out.Note = "The account lacks the scope " + scopeHierarchy + ": folders and other kinds of children are not counted."
			got, err = fetch[child](ctx, c, r, in.pageArgs)
		}
		if err != nil {
			return nil, err
		}
		out.paging = got.paging()
		for _, one := range got.items {
			if one.Type != "" && one.Type != "page" {
				if out.Other == nil {
					out.Other = map[string]int{}
				}
				out.Other[one.Type]++
				continue
			}
			one.Type = "page"
			// The API gives no links here; the site knows its pages by id, too.
			one.URL = c.address(links{WebUI: "/pages/viewpage.action?pageId=" + one.ID}, got.base)
			out.Results = append(out.Results, one)
		}
		return out, nil
	})

// ancestor is what a page is under.
type ancestor struct {
	ID    string `json:"id" jsonschema_description:"Id."`
	Type  string `json:"type" jsonschema_description:"page, folder, whiteboard, database or embed."`
	Title string `json:"title,omitempty" jsonschema_description:"Title, for pages that this account may see."`
	URL   string `json:"url,omitempty" jsonschema_description:"Full address for people, for pages."`
}

type ancestorList struct {
	Results []ancestor `json:"results" jsonschema_description:"What the page is under, from the top to its parent."`
	More    string     `json:"more,omitempty" jsonschema_description:"Says when the top was not reached."`
}

type getPageAncestorsInput struct {
	ID string `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
}

// maxAncestorCalls bounds how far up is walked, at 250 levels a call.
const maxAncestorCalls = 4

var getPageAncestors = toolkit.Read("CONFLUENCE_GET_PAGE_ANCESTORS", "Get Page Ancestors",
	"List what a page is under, from the top of the space to its parent, with titles. For what is below use get child pages.",
	toolkit.About{
		Scopes:    toolkit.AllOf("read:content.metadata:confluence").Sometimes(scopeReadPage),
		Keywords:  []string{"parents", "breadcrumb", "breadcrumbs", "path", "above", "hierarchy", "where is", "location", "tree"},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/ancestors", "GET /wiki/api/v2/pages"},
	},
	func(ctx context.Context, c *client, in getPageAncestorsInput) (*ancestorList, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		out := &ancestorList{Results: []ancestor{}}
		for at, calls := id, 0; ; calls++ {
			if calls == maxAncestorCalls {
				out.More = "There is more above: call again with the id of the first of the results."
				break
			}
			got, err := fetchOne[ancestor](ctx, c, request{
				path: v2 + "/pages/" + at + "/ancestors", what: "page with id " + at, field: "id",
				scopes: []string{"read:content.metadata:confluence"},
			}, 250, "")
			if err != nil {
				return nil, err
			}
			out.Results = append(slices.Clone(got.items), out.Results...)
			if len(got.items) < 250 || got.items[0].Type != "page" {
				break
			}
			at = got.items[0].ID
		}
		c.nameAncestors(ctx, out.Results)
		return out, nil
	})

// nameAncestors fills in titles and addresses, which the API leaves out; what
// cannot be read stays without.
func (c *client) nameAncestors(ctx context.Context, all []ancestor) {
	var ids []string
	for _, a := range all {
		if a.Type == "page" {
			ids = append(ids, a.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	ids = ids[:min(len(ids), 250)]
	got, err := fetchOne[page](ctx, c, request{path: v2 + "/pages", query: url.Values{"id": ids}}, 250, "")
	if err != nil {
		return
	}
	for i := range all {
		for j := range got.items {
			if got.items[j].ID == all[i].ID {
				all[i].Title, all[i].URL = got.items[j].Title, c.shownPage(&got.items[j], got.base).URL
			}
		}
	}
}

// pageVersion is one version of a page.
type pageVersion struct {
	version
	Page *versionedPage `json:"page,omitempty" jsonschema_description:"The page in this version, when a text was asked for."`
}

type versionedPage struct {
	ID    string `json:"id" jsonschema_description:"Id of the page."`
	Title string `json:"title,omitempty" jsonschema_description:"Its title then."`
	Body  *body  `json:"body,omitempty" jsonschema_description:"Its text then."`
}

type versionList struct {
	Results []pageVersion `json:"results" jsonschema_description:"The versions."`
	paging
}

type getPageVersionsInput struct {
	ID         string `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
	Sort       string `json:"sort,omitempty" jsonschema:"enum=modified-date,enum=-modified-date,default=-modified-date" jsonschema_description:"Order; - puts the newest first."`
	BodyFormat string `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format" jsonschema_description:"Give the texts as well, in this format."`
	pageArgs
}

var getPageVersions = toolkit.Read("CONFLUENCE_GET_PAGE_VERSIONS", "Get Page Versions",
	"List the versions of a page, newest first: who changed it, when and with what comment. To read an older text use get page by id with version.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"history", "revisions", "changes", "who changed", "who edited", "changelog", "audit", "previous", "older", "last edit"},
		Pitfalls:  []string{"Confluence gives at most 50 versions at once, whatever the limit."},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/versions"},
	},
	func(ctx context.Context, c *client, in getPageVersionsInput) (*versionList, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{"sort": {in.Sort}}
		set(q, "body-format", in.BodyFormat)
		got, err := fetch[pageVersion](ctx, c, request{
			path: v2 + "/pages/" + id + "/versions", query: q, what: "page with id " + id, field: "id", scopes: []string{scopeReadPage},
		}, in.pageArgs)
		if err != nil {
			return nil, err
		}
		return &versionList{Results: orEmpty(got.items), paging: got.paging()}, nil
	})
