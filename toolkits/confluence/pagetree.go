package confluence

import (
	"context"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// treeNode is a page in the tree of its space.
type treeNode struct {
	ID       string `json:"id" jsonschema_description:"Id of the page."`
	Title    string `json:"title" jsonschema_description:"Its title."`
	ParentID string `json:"parentId,omitempty" jsonschema_description:"Id of the page above it."`
	Depth    int    `json:"depth" jsonschema_description:"How deep it is, from 0."`
}

type pageTree struct {
	Outline string     `json:"outline" jsonschema_description:"The tree as text, indented, with ids."`
	Results []treeNode `json:"results" jsonschema_description:"The pages in the order of the tree."`
	paging
}

type getPageTreeInput struct {
	SpaceKey string `json:"spaceKey" jsonschema:"minLength=1" jsonschema_description:"The space: its key (MKT) or its id."`
	Cursor   string `json:"cursor,omitempty" jsonschema:"maxLength=8000" jsonschema_description:"Where to go on in a space of more than 1,000 pages: next_cursor of the answer before."`
}

var getPageTree = toolkit.Read("CONFLUENCE_GET_PAGE_TREE", "Get Page Tree",
	"Show all pages of one space as an indented outline, in one call, up to 1,000 pages. Not for a part of the space.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords:  []string{"outline", "sitemap"},
		Pitfalls:  []string{"Pages under folders or whiteboards stand at the top, and so do those whose parent came with an earlier cursor; parentId tells."},
		Endpoints: []string{"GET /wiki/api/v2/spaces/{id}/pages"},
	},
	func(ctx context.Context, c *client, in getPageTreeInput) (*pageTree, error) {
		id, err := c.spaceID(ctx, "spaceKey", in.SpaceKey)
		if err != nil {
			return nil, err
		}
		got, err := fetch[page](ctx, c, request{
			path: v2 + "/spaces/" + id + "/pages", query: url.Values{"status": {"current"}}, what: "space with id " + id, field: "spaceKey",
			scopes: []string{scopeReadPage},
		}, pageArgs{All: true, Cursor: in.Cursor})
		if err != nil {
			return nil, err
		}
		out := &pageTree{Results: inTreeOrder(got.items), paging: got.paging()}
		var b strings.Builder
		for _, n := range out.Results {
			b.WriteString(strings.Repeat("  ", n.Depth) + "- " + n.Title + " (" + n.ID + ")\n")
		}
		out.Outline = b.String()
		return out, nil
	})

// inTreeOrder puts every page behind the one above it. What is above and not
// among the pages counts as the top; every page comes once, whatever the site says.
func inTreeOrder(pages []page) []treeNode {
	known, below := map[string]bool{}, map[string][]page{}
	for _, p := range pages {
		known[p.ID] = true
	}
	for _, p := range pages {
		parent := p.ParentID
		if !known[parent] || parent == p.ID {
			parent = ""
		}
		below[parent] = append(below[parent], p)
	}
	out, seen := []treeNode{}, map[string]bool{}
	var walk func(parent string, depth int)
	walk = func(parent string, depth int) {
		for _, p := range below[parent] {
			if seen[p.ID] {
				continue
			}
			seen[p.ID] = true
			out = append(out, treeNode{ID: p.ID, Title: p.Title, ParentID: p.ParentID, Depth: depth})
			walk(p.ID, depth+1)
		}
	}
	walk("", 0)
	return out
}
