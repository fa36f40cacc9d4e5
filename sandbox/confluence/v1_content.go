package confluence

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pageV1 cuts one page by start and limit and shows it.
func pageV1[T, R any](c *call, rows []T, show func(T) R) (any, *apiError) {
	limit, err := c.limit(defaultLimit, 1000)
	if err != nil {
		return nil, err
	}
	start, err := c.start()
	if err != nil {
		return nil, err
	}
	path := strings.TrimPrefix(c.r.URL.Path, "/wiki")
	out := v1List[R]{Results: []R{}, Start: start, Limit: limit, Links: v1Links{Self: c.base + c.r.URL.Path, Base: c.base + "/wiki", Context: "/wiki"}}
	rows = rows[min(start, len(rows)):]
	if len(rows) > limit {
		rows = rows[:limit]
		q := url.Values{}
		for k, v := range c.q {
			q[k] = v
		}
		q.Set("limit", strconv.Itoa(limit))
		q.Set("start", strconv.Itoa(start+limit))
		out.Links.Next = path + "?" + q.Encode()
	}
	for _, r := range rows {
		out.Results = append(out.Results, show(r))
	}
	out.Size = len(out.Results)
	return out, nil
}

func (c *call) showAll(rows []*content) (any, *apiError) {
	e := parseExpand(c.list("expand"))
	return pageV1(c, rows, func(x *content) *v1Content { return c.showV1(x, x.current(), e) })
}

func (c *call) listContentV1() (any, *apiError) {
	typ, err := c.oneOf("type", "page", "page", "blogpost")
	if err != nil {
		return nil, err
	}
	want, err := c.anyOf("status", []string{statusCurrent}, statusCurrent, statusTrashed, statusDraft, statusHistorical, "any")
	if err != nil {
		return nil, err
	}
	title, key, day := foldTitle(c.q.Get("title")), c.q.Get("spaceKey"), c.q.Get("postingDay")
	c.rlock()
	var rows []*content
	for _, id := range c.st.order {
		x := c.st.contents[id]
		sp := c.st.spaces[x.spaceID]
		if string(x.typ) != typ || !want[x.status] && !want["any"] || !c.st.visible(x, c.me) ||
			title != "" && foldTitle(x.title()) != title || key != "" && (sp == nil || !strings.EqualFold(sp.key, key)) {
			continue
		}
		if d, ok := parseDate(day); ok && x.createdAt.Format("2006-01-02") != d.Format("2006-01-02") {
			continue
		}
		rows = append(rows, x)
	}
	return c.showAll(rows)
}

func (c *call) contentV1() (*content, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	return c.anyContent(id)
}

func (c *call) getContentV1() (any, *apiError) {
	e := parseExpand(c.list("expand"))
	if len(e) == 0 {
		e = parseExpand([]string{"history", "space", "version"})
	}
	want, err := c.anyOf("status", []string{statusCurrent}, statusCurrent, statusTrashed, statusDraft, statusHistorical, statusArchived, "any")
	if err != nil {
		return nil, err
	}
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	past := want[statusHistorical] && c.q.Get("version") != ""
	if !want[x.status] && !want["any"] && x.status != statusArchived && !past {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "NotFoundException", "No content found with id: ContentId{id=%d}", x.id)
	}
	v := x.current()
	if raw := c.q.Get("version"); raw != "" {
		i := slices.IndexFunc(x.versions, func(v *version) bool { return strconv.Itoa(v.number) == raw })
		if i < 0 {
			return nil, notFound("No version %s of the content with id: ContentId{id=%d}", raw, x.id)
		}
		v = x.versions[i]
	}
	return c.showV1(x, v, e), nil
}

func (c *call) getHistoryV1() (any, *apiError) {
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	return c.history(x, parseExpand(append(c.list("expand"), "lastUpdated", "previousVersion"))), nil
}

func (c *call) getVersionsV1() (any, *apiError) {
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	rows := slices.Clone(x.versions)
	slices.Reverse(rows)
	return pageV1(c, rows, func(v *version) *v1Version { return c.showVersionV1(x, v) })
}

func (c *call) getChildrenV1() (any, *apiError) {
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	return c.childrenV1(x, parseExpand(c.list("expand"))), nil
}

func (c *call) getChildTypeV1() (any, *apiError) {
	typ := c.r.PathValue("type")
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	var ids []int64
	switch typ {
	case "page":
		ids = c.st.childPages(x.id)
	case "comment":
		if ids = c.st.comments[x.id]; c.q.Get("depth") == "all" {
			ids = c.threads(ids)
		}
		if ids, err = c.located(ids); err != nil {
			return nil, err
		}
	case "attachment":
		ids = c.filesV1(x)
	default:
		return nil, badRequest("Child type '%s' is not valid. Valid types are page, comment and attachment", typ)
	}
	return c.showAll(c.visibleOnes(ids))
}

// threads adds the replies below comments.
func (c *call) threads(ids []int64) []int64 {
	var out []int64
	for _, id := range ids {
		out = append(out, id)
		out = append(out, c.threads(c.st.comments[id])...)
	}
	return out
}

func (c *call) visibleOnes(ids []int64) []*content {
	var rows []*content
	for _, id := range ids {
		if k := c.st.contents[id]; k != nil && c.st.visible(k, c.me) {
			rows = append(rows, k)
		}
	}
	return rows
}

type contentInV1 struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    string `json:"status"`
	Space     *struct{ Key string }
	Ancestors []struct {
		ID flexID `json:"id"`
	} `json:"ancestors"`
	Container *struct {
		ID   flexID `json:"id"`
		Type string `json:"type"`
	} `json:"container"`
	Body    *bodyIn `json:"body"`
	Version *struct {
		Number    int    `json:"number"`
		Message   string `json:"message"`
		MinorEdit bool   `json:"minorEdit"`
	} `json:"version"`
}

// flexID is an id written as a number or a string.
type flexID int64

func (f *flexID) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*f = flexID(n)
	return err
}

func (c *call) createContentV1() (any, *apiError) {
	var in contentInV1
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	b, err := in.Body.intake(in.Title + strconv.FormatInt(c.now().UnixNano(), 36))
	if err != nil {
		return nil, err
	}
	c.lock()
	var x *content
	switch contentType(in.Type) {
	case typePage, typeBlog:
		x, err = c.newContentV1(in, b)
	case typeComment:
		x, err = c.newCommentV1(in, b)
	default:
		err = badRequest("Content type '%s' is not valid. Valid types are page, blogpost and comment", in.Type)
	}
	if err != nil {
		return nil, err
	}
	return c.showV1(x, x.current(), parseExpand([]string{"body.storage", "version", "space", "history", "ancestors", "container"})), nil
}

func (c *call) newContentV1(in contentInV1, b stored) (*content, *apiError) {
	if in.Space == nil {
		return nil, badRequest("space.key must be specified")
	}
	sp := c.st.spaceOf(in.Space.Key)
	if sp == nil || !c.st.spaceVisible(sp, c.me) {
		return nil, notFound("No space with key : %s", in.Space.Key)
	}
	d := draftIn{typ: contentType(in.Type), spaceID: sp.id, title: in.Title, status: in.Status, body: b, authorID: c.me.AccountID}
	if len(in.Ancestors) > 0 {
		d.parentID = int64(in.Ancestors[len(in.Ancestors)-1].ID)
	}
	if in.Version != nil {
		d.message = in.Version.Message
	}
	return c.st.create(d, c.now())
}

func (c *call) newCommentV1(in contentInV1, b stored) (*content, *apiError) {
	if in.Container == nil {
		return nil, badRequest("container.id must be specified")
	}
	on, err := c.anyContent(int64(in.Container.ID))
	if err != nil {
		return nil, err
	}
	if on.typ == typeComment {
		return nil, badRequest("A comment must be on a page or a blog post")
	}
	if err := c.commentable(on); err != nil {
		return nil, err
	}
	var replyTo *content
	if len(in.Ancestors) > 0 {
		if replyTo, err = c.find(typeComment, int64(in.Ancestors[len(in.Ancestors)-1].ID)); err != nil {
			return nil, err
		}
	}
	if err := c.st.room(len(b.storage)); err != nil {
		return nil, err
	}
	return c.st.comment(on, replyTo, b, c.me.AccountID, c.now()), nil
}

func (c *call) updateContentV1() (any, *apiError) {
	var in contentInV1
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Version == nil {
		return nil, badRequest("version.number must be specified")
	}
	b, err := in.Body.intake(c.r.PathValue("id") + "/" + strconv.Itoa(in.Version.Number))
	if err != nil {
		return nil, err
	}
	c.lock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	if err := c.editable(x); err != nil {
		return nil, err
	}
	if x.typ == typeFile {
		return nil, badRequest("An attachment is updated at /content/%d/child/attachment/%s", x.containerID, x.ref())
	}
	ch := changeIn{title: in.Title, status: in.Status, number: in.Version.Number, message: in.Version.Message, minor: in.Version.MinorEdit, authorID: c.me.AccountID}
	if in.Body != nil {
		ch.body = &b
	}
	if ch.status == "" {
		ch.status = statusCurrent
	}
	if ch.title == "" {
		ch.title = x.title()
	}
	if len(in.Ancestors) > 0 {
		p := int64(in.Ancestors[len(in.Ancestors)-1].ID)
		ch.parentID = &p
	}
	if have := x.current().number; x.status != statusDraft && in.Version.Number != have+1 {
		return nil, conflict("Version must be incremented on update. Current version is: %d", have)
	}
	if err := c.st.update(x, ch, c.now()); err != nil {
		return nil, err
	}
	return c.showV1(x, x.current(), parseExpand([]string{"body.storage", "version", "space", "history", "ancestors"})), nil
}

func (c *call) deleteContentV1() (any, *apiError) {
	c.lock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	status := c.q.Get("status")
	if err := c.deletable(x, status == statusTrashed); err != nil {
		return nil, err
	}
	if x.typ == typeComment {
		return c.deleteCommentLocked(x)
	}
	return nil, c.destroy(x, status == statusTrashed, status == statusDraft)
}

func (c *call) listSpacesV1() (any, *apiError) {
	e := parseExpand(c.list("expand"))
	keys, typ, status := c.list("spaceKey"), c.q.Get("type"), c.q.Get("status")
	c.rlock()
	var rows []*space
	for _, sp := range c.st.spaces {
		if !c.st.spaceVisible(sp, c.me) || typ != "" && typ != sp.typ || status != "" && status != sp.status ||
			len(keys) > 0 && !slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, sp.key) }) {
			continue
		}
		rows = append(rows, sp)
	}
	slices.SortFunc(rows, func(a, b *space) int { return int(a.id - b.id) })
	return pageV1(c, rows, func(sp *space) *v1Space { return c.showSpaceV1(sp, e) })
}

func (c *call) spaceByKey() (*space, *apiError) {
	key := c.r.PathValue("key")
	sp := c.st.spaceOf(key)
	if sp == nil || !c.st.spaceVisible(sp, c.me) {
		return nil, notFound("No space found with key : %s", key)
	}
	return sp, nil
}

func (c *call) getSpaceV1() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	return c.showSpaceV1(sp, parseExpand(c.list("expand"))), nil
}

func (c *call) spaceContentV1() (any, *apiError) {
	typ := c.r.PathValue("type")
	if typ != "" && typ != "page" && typ != "blogpost" {
		return nil, badRequest("Content type '%s' is not valid. Valid types are page and blogpost", typ)
	}
	depth := c.q.Get("depth")
	e := parseExpand(c.list("expand"))
	c.rlock()
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	of := func(t contentType) []*content {
		var rows []*content
		for _, id := range c.st.order {
			if x := c.st.contents[id]; x.typ == t && x.spaceID == sp.id && x.status == statusCurrent && c.st.visible(x, c.me) && (depth != "root" || x.parentID == 0) {
				rows = append(rows, x)
			}
		}
		return rows
	}
	show := func(x *content) *v1Content { return c.showV1(x, x.current(), e) }
	if typ != "" {
		return pageV1(c, of(contentType(typ)), show)
	}
	pages, err := pageV1(c, of(typePage), show)
	if err != nil {
		return nil, err
	}
	posts, err := pageV1(c, of(typeBlog), show)
	return map[string]any{"page": pages, "blogpost": posts, "_links": v1Links{Self: c.base + c.r.URL.Path, Base: c.base + "/wiki", Context: "/wiki"}}, err
}
