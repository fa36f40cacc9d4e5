package confluence

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

func lifeRoutesV1() map[string]endpoint {
	return map[string]endpoint{
		"PUT /content/{id}/move/{position}/{target}": (*call).movePage,
		"POST /content/archive":                      (*call).archivePages,
		"DELETE /content/{id}/pageTree":              (*call).deletePageTree,
		"POST /content/{id}/copy":                    (*call).copyPage,
		"POST /content/{id}/pagehierarchy/copy":      (*call).copyHierarchy,
		"POST /content/{id}/version":                 (*call).restoreVersion,
		"DELETE /content/{id}/version/{number}":      (*call).deleteVersion,
		"GET /content/{id}/descendant":               (*call).getDescendantKindsV1,
		"GET /content/{id}/descendant/{type}":        (*call).getDescendantsV1,
	}
}

// subtree gives a content of the page tree and all below it, parents first.
func (st *store) subtree(x *content) []*content {
	out := []*content{x}
	for i := 0; i < len(out); i++ {
		for _, id := range st.children[out[i].id] {
			out = append(out, st.contents[id])
		}
	}
	return out
}

func (c *call) movePage() (any, *apiError) {
	id, err := c.pathID("id", "pageId")
	if err != nil {
		return nil, err
	}
	targetID, err := c.pathID("target", "targetId")
	if err != nil {
		return nil, err
	}
	position := c.r.PathValue("position")
	if position != "before" && position != "after" && position != "append" {
		return nil, badRequest("Position '%s' is not valid. Valid positions are before, after and append", position)
	}
	c.lock()
	x, err := c.treeContent(id)
	if err != nil {
		return nil, err
	}
	target, err := c.treeContent(targetID)
	if err != nil {
		return nil, err
	}
	if err := c.editable(x); err != nil {
		return nil, err
	}
	if x.spaceID != target.spaceID && !c.st.mayCreate(c.st.spaces[target.spaceID], c.me.AccountID, x.typ) {
		return nil, c.denied("create", target)
	}
	if err := c.st.move(x, target, position); err != nil {
		return nil, err
	}
	c.record("Pages", category(x.typ)+" moved", named(x))
	return map[string]string{"pageId": itoa(x.id)}, nil
}

// treeContent finds a live content of the page tree.
func (c *call) treeContent(id int64) (*content, *apiError) {
	x, err := c.anyContent(id)
	if err != nil {
		return nil, err
	}
	if !x.typ.inTree() || x.status != statusCurrent {
		return nil, notFound("No current page found with id: ContentId{id=%d}", id)
	}
	return x, nil
}

// move puts x with all below it before or after the target, or below it as the
// last child.
func (st *store) move(x, target *content, position string) *apiError {
	if target == x || st.under(target, x.id) {
		return badRequest("A page cannot be moved below itself: [%d] is [%d] or one of its descendants", target.id, x.id)
	}
	if x.spaceID != target.spaceID {
		if err := st.changeSpace(x, target.spaceID); err != nil {
			return err
		}
	} else {
		st.detach(x)
	}
	x.parentID = target.parentID
	if position == "append" {
		x.parentID = target.id
		st.attach(x)
		return nil
	}
	list := st.children[siblings(x)]
	at := slices.Index(list, target.id)
	if position == "after" {
		at++
	}
	list = slices.Insert(list, at, x.id)
	for i, id := range list {
		st.contents[id].position = i
	}
	st.children[siblings(x)] = list
	return nil
}

// changeSpace takes x out of its place and makes it and all below it part of
// another space, with their comments and files.
func (st *store) changeSpace(x *content, spaceID int64) *apiError {
	all := st.subtree(x)
	for _, k := range all {
		if k.typ == typePage && st.holder(typePage, spaceID, k.title(), k.createdAt) != nil {
			return titleError(typePage)
		}
	}
	st.detach(x)
	if sp := st.spaces[x.spaceID]; sp.homepageID == x.id {
		sp.homepageID = 0
	}
	for _, k := range all {
		st.release(k)
		k.spaceID = spaceID
		st.claim(k)
	}
	for _, id := range st.order {
		if k := st.contents[id]; k.containerID != 0 {
			k.spaceID = st.contents[k.containerID].spaceID
		}
	}
	return nil
}

// maxArchive is how many pages one request may archive.
const maxArchive = 300

func (c *call) archivePages() (any, *apiError) {
	var in struct {
		Pages []struct {
			ID flexID `json:"id"`
		} `json:"pages"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Pages) == 0 || len(in.Pages) > maxArchive {
		return nil, badRequest("Between 1 and %d pages can be archived at once, got %d", maxArchive, len(in.Pages))
	}
	c.lock()
	var pages []*content
	for _, p := range in.Pages {
		x, err := c.find(typePage, int64(p.ID))
		if err != nil || x.status != statusCurrent && x.status != statusArchived {
			return nil, badRequest("The content id [%d] does not resolve to a page", p.ID)
		}
		if x.status == statusArchived {
			return nil, badRequest("The page with id [%d] is archived already", p.ID)
		}
		if !slices.ContainsFunc(c.operationsOn(x), func(o v2Operation) bool { return o.Operation == "archive" }) {
			return nil, c.denied("archive", x)
		}
		if !slices.Contains(pages, x) {
			pages = append(pages, x)
		}
	}
	c.st.archive(pages, c.now())
	return c.startTask("com.atlassian.confluence.archive.pages.longrunning.task", fmt.Sprintf("Archived %d pages", len(pages)), nil), nil
}

// archive takes pages out of the tree. They keep their titles and remember their
// parents; child pages that stay move up.
func (st *store) archive(pages []*content, now time.Time) {
	parents := map[*content]int64{}
	for _, x := range pages {
		parents[x] = x.parentID
	}
	for _, x := range pages {
		st.lift(x)
		x.status, x.index.at = statusArchived, now
	}
	for x, id := range parents {
		x.parentID = id
	}
}

// lift takes a page out of the tree; its children go to its parent.
func (st *store) lift(x *content) {
	kids := st.children[x.id]
	delete(st.children, x.id)
	st.detach(x)
	for _, id := range kids {
		k := st.contents[id]
		k.parentID = x.parentID
		st.attach(k)
	}
	x.parentID = 0
	if sp := st.spaces[x.spaceID]; sp != nil && sp.homepageID == x.id {
		sp.homepageID = 0
	}
}

func (c *call) deletePageTree() (any, *apiError) {
	c.lock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	if x.typ != typePage || x.status != statusCurrent {
		return nil, badRequest("The content with id [%d] is not a current page", x.id)
	}
	all := c.st.subtree(x)
	for _, k := range all {
		if err := c.deletable(k, false); err != nil {
			return nil, err
		}
	}
	for _, k := range slices.Backward(all) {
		if err := c.destroy(k, false, false); err != nil {
			return nil, err
		}
	}
	return c.startTask("com.atlassian.confluence.delete.page.tree.longrunning.task", fmt.Sprintf("Moved %d pages to the trash", len(all)), nil), nil
}

// below gives what is below a content down to a depth, in the tree's order. What
// is hidden from an account hides what is below it.
func (st *store) below(x *content, depth int, me *user) []*content {
	var out []*content
	if depth == 0 {
		return nil
	}
	for _, id := range st.children[x.id] {
		if k := st.contents[id]; st.visible(k, me) {
			out = append(out, k)
			out = append(out, st.below(k, depth-1, me)...)
		}
	}
	return out
}

// descendantsOf gives what of a type is below a content, or on it.
func (c *call) descendantsOf(x *content, typ string, depth int) []*content {
	var rows []*content
	switch typ {
	case string(typeComment):
		return c.visibleOnes(c.threads(c.st.comments[x.id]))
	case string(typeFile):
		return c.visibleOnes(c.filesV1(x))
	}
	for _, k := range c.st.below(x, depth, c.me) {
		if string(k.typ) == typ {
			rows = append(rows, k)
		}
	}
	return rows
}

const anyDepth = 1 << 20

func (c *call) getDescendantsV1() (any, *apiError) {
	typ, depth := c.r.PathValue("type"), anyDepth
	switch raw := c.q.Get("depth"); raw {
	case "", "all":
	case "root":
		depth = 1
	default:
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > 100 {
			return nil, badRequest("Depth '%s' is not valid. It must be all, root, or between 1 and 100", raw)
		}
		depth = n
	}
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	if typ == string(typeBlog) {
		return nil, badRequest("Descendants of type '%s' do not exist", typ)
	}
	return c.showAll(c.descendantsOf(x, typ, depth))
}

// getDescendantKindsV1 gives the descendants of the types that expand names.
func (c *call) getDescendantKindsV1() (any, *apiError) {
	e := parseExpand(c.list("expand"))
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	self := "/rest/api/content/" + x.ref() + "/descendant"
	left := map[string]string{}
	out := map[string]any{"_expandable": left, "_links": v1Links{Self: c.base + "/wiki" + self, Base: c.base + "/wiki", Context: "/wiki"}}
	for _, typ := range []string{"page", "comment", "attachment"} {
		if !e[typ] {
			left[typ] = self + "/" + typ
			continue
		}
		rows := []*v1Content{}
		all := c.descendantsOf(x, typ, anyDepth)
		for _, k := range all[:min(len(all), defaultLimit)] {
			rows = append(rows, c.showV1(k, k.current(), e.below(typ)))
		}
		list := v1List[*v1Content]{Results: rows, Limit: defaultLimit, Size: len(rows), Links: v1Links{Self: c.base + "/wiki" + self + "/" + typ}}
		if len(all) > len(rows) {
			list.Links.Next = self + "/" + typ + "?limit=" + strconv.Itoa(defaultLimit) + "&start=" + strconv.Itoa(defaultLimit)
		}
		out[typ] = list
	}
	return out, nil
}
