package confluence

import (
	"slices"
	"strconv"
	"strings"
)

func (c *call) getPages() (any, *apiError)     { return c.listContents(typePage, nil) }
func (c *call) getBlogPosts() (any, *apiError) { return c.listContents(typeBlog, nil) }

func spaceContents(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		id, err := c.pathID("id", "id")
		if err != nil {
			return nil, err
		}
		depth, err := c.oneOf("depth", "all", "all", "root")
		if err != nil {
			return nil, err
		}
		c.rlock()
		sp := c.st.spaces[id]
		if sp == nil || !c.st.spaceVisible(sp, c.me) {
			return nil, notFound("Cannot find a space with id [%d]", id)
		}
		return c.listContents(t, func(x *content) bool {
			return x.spaceID == id && (depth == "all" || x.parentID == 0 || x.parentID == sp.homepageID)
		})
	}
}

func labelContents(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		id, err := c.pathID("id", "id")
		if err != nil {
			return nil, err
		}
		c.rlock()
		if c.st.labels[id] == nil {
			return nil, notFound("Cannot find a label with id [%d]", id)
		}
		return c.listContents(t, func(x *content) bool { return slices.Contains(x.labels, id) })
	}
}

// listContents answers the lists of pages and blog posts; keep narrows them further.
func (c *call) listContents(t contentType, keep func(*content) bool) (any, *apiError) {
	statuses := []string{statusCurrent, "deleted", statusTrashed}
	def := []string{statusCurrent}
	sorts := []string{"id", "created-date", "modified-date"}
	if t == typePage {
		statuses, def = append(statuses, statusArchived), append(def, statusArchived)
		sorts = append(sorts, "title")
	}
	want, err := c.anyOf("status", def, statuses...)
	if err != nil {
		return nil, err
	}
	format, err := c.oneOf("body-format", "", listFormats...)
	if err != nil {
		return nil, err
	}
	subtype, err := c.oneOf("subtype", "", "live", "page")
	if err != nil {
		return nil, err
	}
	ids, err := c.ids("id")
	if err != nil {
		return nil, err
	}
	spaces, err := c.ids("space-id")
	if err != nil {
		return nil, err
	}
	order, err := c.contentSort(sorts...)
	if err != nil {
		return nil, err
	}
	title := foldTitle(c.q.Get("title"))
	if c.unlocker == nil {
		c.rlock()
	}
	var rows []*content
	for _, id := range c.st.order {
		x := c.st.contents[id]
		if x.typ != t || !want[x.status] || !c.st.visible(x, c.me) ||
			ids != nil && !ids[id] || spaces != nil && !spaces[x.spaceID] ||
			title != "" && foldTitle(x.title()) != title ||
			subtype == "live" && x.subtype != "live" || subtype == "page" && x.subtype == "live" ||
			keep != nil && !keep(x) {
			continue
		}
		rows = append(rows, x)
	}
	return page(c, rows, order, func(x *content) any { return c.show(x, x.current(), format, "") })
}

func showChild(x *content, typed bool) v2Child {
	n := x.position
	k := v2Child{ID: x.ref(), Status: x.status, Title: x.title(), SpaceID: itoa(x.spaceID), ChildPosition: &n}
	if typed {
		k.Type = string(x.typ)
	}
	return k
}

func (c *call) getChildPages() (any, *apiError) { return c.children(false) }

func (c *call) getDirectChildren() (any, *apiError) { return c.children(true) }

func (c *call) children(typed bool) (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	if c.q.Get("sort") == "" {
		if c.q == nil {
			c.q = map[string][]string{}
		}
		c.q.Set("sort", "child-position")
	}
	order, err := c.contentSort("id", "created-date", "modified-date", "child-position")
	if err != nil {
		return nil, err
	}
	c.rlock()
	if _, err := c.find(typePage, id); err != nil {
		return nil, notFound("Cannot find [page] entity with id [%d]", id)
	}
	var rows []*content
	for _, k := range c.st.children[id] {
		if x := c.st.contents[k]; (typed || x.typ == typePage) && c.st.visible(x, c.me) {
			rows = append(rows, x)
		}
	}
	return page(c, rows, order, func(x *content) v2Child { return showChild(x, typed) })
}

type v2Ancestor struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// getAncestors gives the nearest ancestors up to limit, the highest first. The
// caller asks again with the first one's id for more.
func (c *call) getAncestors() (any, *apiError) {
	limit, err := c.limit(defaultLimit, maxLimit)
	if err != nil {
		return nil, err
	}
	x, err := c.reading(typePage)
	if err != nil {
		return nil, err
	}
	up := c.st.ancestors(x)
	if len(up) > limit {
		up = up[len(up)-limit:]
	}
	out := v2List[v2Ancestor]{Results: []v2Ancestor{}, Links: v2Links{Base: c.base + "/wiki"}}
	for _, a := range up {
		out.Results = append(out.Results, v2Ancestor{ID: itoa(a.id), Type: string(a.typ)})
	}
	return out, nil
}

type v2VersionRow struct {
	v2Version
	Page     *v2VersionOf `json:"page,omitempty"`
	BlogPost *v2VersionOf `json:"blogpost,omitempty"`
	Comment  *v2VersionOf `json:"comment,omitempty"`
	File     *v2VersionOf `json:"attachment,omitempty"`
	Custom   *v2VersionOf `json:"custom,omitempty"`
}

type v2VersionOf struct {
	ID    string               `json:"id"`
	Title string               `json:"title"`
	Body  map[string]bodyValue `json:"body,omitempty"`
}

// maxVersions is the largest page of versions since June 2026.
const maxVersions = 50

func contentVersions(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		formats := listFormats
		if t == typeCustom {
			formats = append([]string{"raw"}, formats...)
		}
		format, err := c.oneOf("body-format", "", formats...)
		if err != nil {
			return nil, err
		}
		sort, err := c.oneOf("sort", "-modified-date", "modified-date", "-modified-date")
		if err != nil {
			return nil, err
		}
		limit, err := c.limit(defaultLimit, maxLimit)
		if err != nil {
			return nil, err
		}
		x, err := c.reading(t)
		if err != nil {
			return nil, err
		}
		order := sorter[*version]{name: sort, desc: sort == "-modified-date", id: func(v *version) int64 { return int64(v.number) }}
		return pageLimited(c, slices.Clone(x.versions), order, min(limit, maxVersions), func(v *version) v2VersionRow {
			row := v2VersionRow{v2Version: showVersion(v)}
			of := &v2VersionOf{ID: x.ref(), Title: v.title}
			switch {
			case format == "raw" && x.raw:
				of.Body = map[string]bodyValue{"raw": {Representation: "raw", Value: v.storage}}
			case format != "raw" && !x.raw:
				of.Body = c.bodies(x, v, format)
			}
			switch {
			case t == typePage:
				row.Page = of
			case t == typeBlog:
				row.BlogPost = of
			case t == typeFile:
				row.File = of
			case t == typeCustom:
				row.Custom = of
			default:
				row.Comment = of
			}
			return row
		})
	}
}

type v2VersionDetail struct {
	Number              int      `json:"number"`
	AuthorID            string   `json:"authorId"`
	Message             string   `json:"message"`
	CreatedAt           string   `json:"createdAt"`
	MinorEdit           bool     `json:"minorEdit"`
	ContentTypeModified bool     `json:"contentTypeModified"`
	Collaborators       []string `json:"collaborators"`
	PrevVersion         *int     `json:"prevVersion,omitempty"`
	NextVersion         *int     `json:"nextVersion,omitempty"`
}

func contentVersion(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		n, e := strconv.Atoi(c.r.PathValue("number"))
		if e != nil {
			return nil, wrongType(c.r.PathValue("number"), "version-number", "long")
		}
		x, err := c.reading(t)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(x.versions, func(v *version) bool { return v.number == n })
		if i < 0 {
			return nil, notFound("Cannot find version [%d] of the %s with id [%d]", n, noun(t), x.id)
		}
		v := x.versions[i]
		out := v2VersionDetail{Number: v.number, AuthorID: v.authorID, Message: v.message, CreatedAt: stamp(v.at), MinorEdit: v.minor, Collaborators: []string{v.authorID}}
		if i > 0 {
			out.PrevVersion = &x.versions[i-1].number
		}
		if i+1 < len(x.versions) {
			out.NextVersion = &x.versions[i+1].number
		}
		return out, nil
	}
}

// Labels.

func labelOrder(c *call) (sorter[*label], *apiError) {
	name, err := c.oneOf("sort", "id", "id", "-id", "name", "-name", "created-date", "-created-date")
	s := sorter[*label]{name: name, desc: strings.HasPrefix(name, "-"), id: func(l *label) int64 { return l.id }}
	if strings.HasSuffix(name, "name") {
		s.key = func(l *label) string { return l.name }
	}
	return s, err
}

func (c *call) showLabelPage(keep func(*label) bool, prefixes ...string) (any, *apiError) {
	want, err := c.anyOf("prefix", nil, prefixes...)
	if err != nil {
		return nil, err
	}
	order, err := labelOrder(c)
	if err != nil {
		return nil, err
	}
	var rows []*label
	for _, l := range c.st.labels {
		if (len(want) == 0 || want[l.prefix]) && keep(l) {
			rows = append(rows, l)
		}
	}
	return page(c, rows, order, showLabel)
}

func (c *call) getLabels() (any, *apiError) {
	ids, err := c.ids("label-id")
	if err != nil {
		return nil, err
	}
	c.rlock()
	return c.showLabelPage(func(l *label) bool { return ids == nil || ids[l.id] }, "my", "team", "global", "system")
}

func contentLabels(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		x, err := c.reading(t)
		if err != nil {
			return nil, err
		}
		return c.showLabelPage(func(l *label) bool { return slices.Contains(x.labels, l.id) }, "my", "team", "global", "system")
	}
}

func (c *call) getSpaceContentLabels() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	c.rlock()
	if sp := c.st.spaces[id]; sp == nil || !c.st.spaceVisible(sp, c.me) {
		return nil, notFound("Cannot find a space with id [%d]", id)
	}
	used := map[int64]bool{}
	for _, x := range c.st.contents {
		if x.spaceID == id && x.status == statusCurrent && c.st.visible(x, c.me) {
			for _, l := range x.labels {
				used[l] = true
			}
		}
	}
	return c.showLabelPage(func(l *label) bool { return used[l.id] }, "my", "team")
}
