package confluence

import (
	"encoding/json"
	"strings"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

// The contents that stand in the tree of a space beside pages, and what apps keep.
const (
	typeFolder     contentType = "folder"
	typeWhiteboard contentType = "whiteboard"
	typeDatabase   contentType = "database"
	typeEmbed      contentType = "embed"
	typeCustom     contentType = "custom-content"
)

// inTree says whether contents of a type have a place among the pages of a space.
func (t contentType) inTree() bool { return t == typePage || treePath(t) != "" }

// treePath is how web addresses call a type that stands among the pages; "" for
// pages and for all others.
func treePath(t contentType) string {
	switch t {
	case typeFolder, typeWhiteboard, typeDatabase, typeEmbed:
		return string(t)
	}
	return ""
}

// treeKind is a kind of content made, read and deleted under a path of its own.
type treeKind struct {
	typ   contentType
	noun  string // the path
	title string // of one made without a title
}

var treeKinds = []treeKind{
	{typeWhiteboard, "whiteboards", "Untitled whiteboard"},
	{typeFolder, "folders", "New folder"},
	{typeDatabase, "databases", "Untitled database"},
	{typeEmbed, "embeds", "Untitled Smart Link"},
}

func treeRoutes() map[string]endpoint {
	out := map[string]endpoint{"GET /pages/{id}/descendants": descendants(typePage)}
	for _, k := range treeKinds {
		base := "/" + k.noun
		out["POST "+base] = createInTree(k)
		out["GET "+base+"/{id}"] = getInTree(k)
		out["DELETE "+base+"/{id}"] = deleteInTree(k)
		out["GET "+base+"/{id}/operations"] = contentOperations(k.typ)
		out["GET "+base+"/{id}/direct-children"] = directChildren(k.typ)
		out["GET "+base+"/{id}/descendants"] = descendants(k.typ)
		out["GET "+base+"/{id}/ancestors"] = ancestorsOf(k.typ)
	}
	return out
}

// parentType is the type of what a content stands under.
func (st *store) parentType(x *content) string {
	if p := st.contents[x.parentID]; p != nil {
		return string(p.typ)
	}
	return string(typePage)
}

// childPages are the children of a content that are pages.
func (st *store) childPages(id int64) []int64 {
	var out []int64
	for _, k := range st.children[id] {
		if st.contents[k].typ == typePage {
			out = append(out, k)
		}
	}
	return out
}

type v2Tree struct {
	ID         string              `json:"id"`
	Type       string              `json:"type"`
	Status     string              `json:"status"`
	Title      string              `json:"title"`
	ParentID   *string             `json:"parentId"`
	ParentType *string             `json:"parentType"`
	Position   *int                `json:"position"`
	AuthorID   string              `json:"authorId"`
	OwnerID    string              `json:"ownerId"`
	CreatedAt  any                 `json:"createdAt"` // a time; of folders, milliseconds since 1970
	SpaceID    string              `json:"spaceId"`
	EmbedURL   string              `json:"embedUrl,omitempty"`
	Version    v2Version           `json:"version"`
	Operations *v2Sub[v2Operation] `json:"operations,omitempty"`
	Properties *v2Sub[v2Property]  `json:"properties,omitempty"`
	Children   *v2Sub[v2Child]     `json:"directChildren,omitempty"`
	Links      v2WebLinks          `json:"_links"`
}

func (c *call) showTree(x *content) *v2Tree {
	out := &v2Tree{
		ID: itoa(x.id), Type: string(x.typ), Status: x.status, Title: x.title(), AuthorID: x.authorID, OwnerID: x.ownerID,
		CreatedAt: stamp(x.createdAt), SpaceID: itoa(x.spaceID), Version: showVersion(x.current()), Links: v2WebLinks{WebUI: c.st.webui(x), Base: c.base + "/wiki"},
	}
	if x.parentID != 0 {
		id, t := itoa(x.parentID), c.st.parentType(x)
		out.ParentID, out.ParentType = &id, &t
	}
	if x.status == statusCurrent {
		n := x.position
		out.Position = &n
	}
	switch x.typ {
	case typeFolder:
		out.CreatedAt = x.createdAt.UnixMilli()
	case typeEmbed:
		out.EmbedURL = x.current().storage
	default:
		out.Links.EditUI = out.Links.WebUI + "?edit=true"
	}
	return out
}

type treeIn struct {
	SpaceID  json.RawMessage `json:"spaceId"`
	ParentID json.RawMessage `json:"parentId"`
	Title    string          `json:"title"`
	EmbedURL string          `json:"embedUrl"`
}

func createInTree(k treeKind) endpoint {
	return func(c *call) (any, *apiError) {
		var in treeIn
		err := c.decode(&in)
		if err != nil {
			return nil, err
		}
		d := draftIn{typ: k.typ, title: in.Title, authorID: c.me.AccountID, body: stored{doc: &body.Node{Name: "#root"}}}
		if d.spaceID, err = idOf(in.SpaceID, "spaceId"); err != nil {
			return nil, err
		}
		if d.spaceID == 0 {
			return nil, badRequest("spaceId must be specified")
		}
		if d.parentID, err = idOf(in.ParentID, "parentId"); err != nil {
			return nil, err
		}
		if d.private, err = c.flag("private"); err != nil {
			return nil, err
		}
		d.rootLevel = d.parentID == 0
		if strings.TrimSpace(d.title) == "" {
			d.title = k.title
		}
		if k.typ == typeEmbed {
			d.body.storage = in.EmbedURL // all that a Smart Link holds; it is no markup
		}
		c.lock()
		x, err := c.st.create(d, c.now())
		if err != nil {
			return nil, err
		}
		return c.showTree(x), nil
	}
}

// findInTree gets the page, folder, whiteboard or the like of the path, if the
// caller may see it. The lock is held.
func (c *call) findInTree(t contentType) (*content, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	x, err := c.find(t, id)
	if err != nil && t != typePage {
		return nil, noInTree(id)
	}
	return x, err
}

func noInTree(id int64) *apiError { return notFound("Content with id: [%d] not found", id) }

func getInTree(k treeKind) endpoint {
	return func(c *call) (any, *apiError) {
		var want [3]bool
		for i, name := range []string{"include-operations", "include-properties", "include-direct-children"} {
			var err *apiError
			if want[i], err = c.flag(name); err != nil {
				return nil, err
			}
		}
		c.rlock()
		x, err := c.findInTree(k.typ)
		if err != nil {
			return nil, err
		}
		out, self := c.showTree(x), c.r.URL.Path
		if want[0] {
			out.Operations = subList(c.operationsOn(x), self+"/operations")
		}
		if want[1] {
			out.Properties = subList(c.showProperties(x.id), self+"/properties")
		}
		if want[2] {
			var kids []v2Child
			for _, kid := range c.visibleOnes(c.st.children[x.id]) {
				kids = append(kids, showChild(kid, true))
			}
			out.Children = subList(kids, self+"/direct-children")
		}
		return out, nil
	}
}

func deleteInTree(k treeKind) endpoint {
	return func(c *call) (any, *apiError) {
		c.lock()
		x, err := c.findInTree(k.typ)
		if err != nil {
			return nil, err
		}
		if x.status != statusCurrent || c.deletable(x, false) != nil {
			return nil, noInTree(x.id)
		}
		c.st.trash(x, c.now())
		c.record("Pages", category(k.typ)+" deleted", named(x))
		return nil, nil
	}
}

func directChildren(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		if c.q == nil {
			c.q = map[string][]string{}
		}
		if c.q.Get("sort") == "" {
			c.q.Set("sort", "child-position")
		}
		order, err := c.contentSort("id", "created-date", "modified-date", "child-position")
		if err != nil {
			return nil, err
		}
		c.rlock()
		x, err := c.findInTree(t)
		if err != nil {
			return nil, err
		}
		return page(c, c.visibleOnes(c.st.children[x.id]), order, func(k *content) v2Child { return showChild(k, true) })
	}
}

type v2Descendant struct {
	ID            string `json:"id"`
	Status        string `json:"status"`
	Title         string `json:"title"`
	Type          string `json:"type"`
	ParentID      string `json:"parentId"`
	Depth         int    `json:"depth"`
	ChildPosition int    `json:"childPosition"`
}

type descendant struct {
	x     *content
	depth int
	rank  int64
}

// descendants lists what stands below a content, by depth, then by position.
// What is hidden from the caller hides what is below it.
func descendants(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		depth, err := c.bounded("depth", 2, 10)
		if err != nil {
			return nil, err
		}
		c.rlock()
		x, err := c.findInTree(t)
		if err != nil {
			return nil, err
		}
		var rows []descendant
		level := []int64{x.id}
		for d := 1; d <= depth && len(level) > 0; d++ {
			var next []int64
			for _, up := range level {
				for _, k := range c.visibleOnes(c.st.children[up]) {
					rows = append(rows, descendant{k, d, int64(len(rows))})
					next = append(next, k.id)
				}
			}
			level = next
		}
		order := sorter[descendant]{name: "depth", id: func(f descendant) int64 { return f.rank }}
		return page(c, rows, order, func(f descendant) v2Descendant {
			return v2Descendant{ID: itoa(f.x.id), Status: f.x.status, Title: f.x.title(), Type: string(f.x.typ), ParentID: itoa(f.x.parentID), Depth: f.depth, ChildPosition: f.x.position}
		})
	}
}

// ancestorsOf gives the nearest ancestors up to limit, the highest first.
func ancestorsOf(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		limit, err := c.limit(defaultLimit, maxLimit)
		if err != nil {
			return nil, err
		}
		c.rlock()
		x, err := c.findInTree(t)
		if err != nil {
			return nil, err
		}
		up := c.st.ancestors(x)
		out := v2List[v2Ancestor]{Results: []v2Ancestor{}, Links: v2Links{Base: c.base + "/wiki"}}
		for _, a := range up[max(0, len(up)-limit):] {
			out.Results = append(out.Results, v2Ancestor{ID: itoa(a.id), Type: string(a.typ)})
		}
		return out, nil
	}
}

// bounded reads a number of 1 to most from the query.
func (c *call) bounded(name string, def, most int) (int, *apiError) {
	raw := c.q.Get(name)
	if raw == "" {
		return def, nil
	}
	n, ok := number(raw)
	if !ok {
		return 0, wrongType(raw, name, "int")
	}
	if n < 1 || n > most {
		return 0, badRequest("Provided value {%d} for '%s' is out of bounds. It must be between 1 and %d.", n, name, most)
	}
	return n, nil
}
