package confluence

import (
	"maps"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

// copyWhat says what of a page goes along with a copy.
type copyWhat struct {
	Attachments bool `json:"copyAttachments"`
	Labels      bool `json:"copyLabels"`
	Properties  bool `json:"copyProperties"`
	Permissions bool `json:"copyPermissions"`
}

// copyBody is the body of a copy: comments stay behind, and so do their markers.
func copyBody(x *content) stored {
	doc := x.current().doc()
	for ref := range body.Markers(doc) {
		body.Unmark(doc, ref)
	}
	return stored{storage: body.Write(doc), doc: doc}
}

// copyOnto gives a page what goes along with the copy of another.
func (st *store) copyOnto(from, to *content, what copyWhat, author string, now time.Time) *apiError {
	if what.Labels {
		for _, id := range from.labels {
			st.addLabel(to, st.labels[id].prefix, st.labels[id].name)
		}
	}
	if what.Properties {
		for _, p := range st.props[from.id] {
			own := *p
			own.id, own.creatorID, own.createdAt, own.number, own.at, own.authorID = st.newID(), author, now, 1, now, author
			st.props[to.id] = append(st.props[to.id], &own)
		}
	}
	if what.Permissions && len(from.limits) > 0 {
		to.limits = maps.Clone(from.limits)
	}
	if what.Attachments {
		return st.copyFiles(from, to, author, now)
	}
	return nil
}

// sizeOfFiles is what copies of a content's attachments need, in bytes.
func (st *store) sizeOfFiles(x *content) int {
	n := 0
	for _, id := range st.files[x.id] {
		if f := st.contents[id]; f.status == statusCurrent {
			n += f.current().size()
		}
	}
	return n
}

type copyIn struct {
	copyWhat
	Title       string `json:"pageTitle"`
	Destination *struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"destination"`
	Body *bodyIn `json:"body"`
}

func (c *call) copyPage() (any, *apiError) {
	var in copyIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Destination == nil || in.Destination.Type == "" || in.Destination.Value == "" {
		return nil, badRequest("destination.type and destination.value must be specified")
	}
	e := parseExpand(c.list("expand"))
	if len(e) == 0 {
		e = parseExpand([]string{"space", "history", "version"})
	}
	var b *stored
	if in.Body != nil && in.Body.given {
		own, err := in.Body.intake(in.Title + c.now().String())
		if err != nil {
			return nil, err
		}
		b = &own
	}
	c.lock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	if x.typ != typePage || x.status != statusCurrent {
		return nil, notFound("No current page found with id: ContentId{id=%d}", x.id)
	}
	if b == nil {
		own := copyBody(x)
		b = &own
	}
	need := len(b.storage)
	if in.Attachments {
		need += c.st.sizeOfFiles(x)
	}
	if err := c.st.room(need); err != nil {
		return nil, err
	}
	to, err := c.copyTo(x, in, *b)
	if err != nil {
		return nil, err
	}
	if err := c.st.copyOnto(x, to, in.copyWhat, c.me.AccountID, c.now()); err != nil {
		return nil, err
	}
	return c.showV1(to, to.current(), e), nil
}

// copyTo makes the copy, or writes it over the page that the destination names.
func (c *call) copyTo(x *content, in copyIn, b stored) (*content, *apiError) {
	title, to := in.Title, in.Destination
	if title == "" {
		title = x.title()
	}
	d := draftIn{typ: typePage, title: title, subtype: x.subtype, body: b, authorID: c.me.AccountID, rootLevel: true}
	if to.Type == "space" {
		sp := c.st.spaceOf(to.Value)
		if sp == nil || !c.st.spaceVisible(sp, c.me) {
			return nil, notFound("No space with key : %s", to.Value)
		}
		d.spaceID = sp.id
		return c.st.create(d, c.now())
	}
	id := parseRef(to.Value)
	switch to.Type {
	case "parent_page", "parent_content":
		parent, err := c.treeContent(id)
		if err != nil {
			return nil, err
		}
		d.spaceID, d.parentID, d.rootLevel = parent.spaceID, parent.id, false
		return c.st.create(d, c.now())
	case "existing_page":
		page, err := c.treeContent(id)
		if err == nil {
			err = c.editable(page)
		}
		if err == nil && page.typ != typePage {
			err = badRequest("The content with id [%d] is not a page", id)
		}
		if err != nil {
			return nil, err
		}
		if in.Title == "" {
			title = page.title()
		}
		ch := changeIn{title: title, status: statusCurrent, body: &b, number: page.current().number + 1, authorID: c.me.AccountID}
		return page, c.st.update(page, ch, c.now())
	}
	return nil, badRequest("destination.type '%s' is not valid. Valid types are space, existing_page, parent_page and parent_content", to.Type)
}

// maxCopy is how many pages one request may copy.
const maxCopy = 2000

type hierarchyIn struct {
	copyWhat
	Descendants *bool  `json:"copyDescendants"`
	Destination flexID `json:"destinationPageId"`
	Titles      struct {
		Prefix, Replace, Search string
	} `json:"titleOptions"`
}

func (in *hierarchyIn) title(old string) string {
	if in.Titles.Search != "" {
		old = strings.ReplaceAll(old, in.Titles.Search, in.Titles.Replace)
	}
	return in.Titles.Prefix + old
}

func (c *call) copyHierarchy() (any, *apiError) {
	var in hierarchyIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Destination == 0 {
		return nil, badRequest("destinationPageId must be specified")
	}
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	c.lock()
	x, err := c.treeContent(id)
	if err != nil {
		return nil, err
	}
	to, err := c.treeContent(int64(in.Destination))
	if err != nil {
		return nil, err
	}
	pages := []*content{x}
	if in.Descendants == nil || *in.Descendants {
		pages = nil
		for _, k := range c.st.subtree(x) {
			if k.typ == typePage && c.st.visible(k, c.me) {
				pages = append(pages, k)
			}
		}
	}
	if err := c.checkCopies(pages, to, in); err != nil {
		return nil, err
	}
	top, err := c.copyAll(pages, to, in)
	if err != nil {
		return nil, err
	}
	details := &v1TaskDetails{DestinationID: itoa(top.id), DestinationURL: "/wiki" + c.st.webui(top), Total: len(pages)}
	return c.startTask("copypagetree.longrunning.task", "Copied the page tree", details), nil
}

// checkCopies refuses copies before the first is made.
func (c *call) checkCopies(pages []*content, to *content, in hierarchyIn) *apiError {
	if len(pages) > maxCopy {
		return badRequest("At most %d pages can be copied at once, this hierarchy has %d", maxCopy, len(pages))
	}
	need, taken := 0, map[string]bool{}
	for _, k := range pages {
		title := in.title(k.title())
		if err := checkTitle(title, statusCurrent); err != nil {
			return err
		}
		if taken[foldTitle(title)] || c.st.holder(typePage, to.spaceID, title, k.createdAt) != nil {
			return badRequest("A page already exists with the same TITLE in this space: '%s'. Use titleOptions to give the copies other titles", title)
		}
		taken[foldTitle(title)] = true
		need += len(k.current().storage)
		if in.Attachments {
			need += c.st.sizeOfFiles(k)
		}
	}
	return c.st.room(need)
}

// copyAll copies pages, parents first, and gives the copy of the first.
func (c *call) copyAll(pages []*content, to *content, in hierarchyIn) (*content, *apiError) {
	made := map[int64]int64{}
	var top *content
	for _, k := range pages {
		d := draftIn{typ: typePage, spaceID: to.spaceID, title: in.title(k.title()), subtype: k.subtype, body: copyBody(k), authorID: c.me.AccountID, parentID: made[k.parentID]}
		if d.parentID == 0 {
			d.parentID = to.id
		}
		x, err := c.st.create(d, c.now())
		if err != nil {
			return nil, err
		}
		made[k.id] = x.id
		if top == nil {
			top = x
		}
		if err := c.st.copyOnto(k, x, in.copyWhat, c.me.AccountID, c.now()); err != nil {
			return nil, err
		}
	}
	return top, nil
}
