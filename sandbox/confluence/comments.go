package confluence

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

type v2Comment struct {
	ID              string               `json:"id"`
	Status          string               `json:"status"`
	Title           string               `json:"title"`
	PageID          string               `json:"pageId,omitempty"`
	BlogPostID      string               `json:"blogPostId,omitempty"`
	AttachmentID    string               `json:"attachmentId,omitempty"`
	ParentCommentID string               `json:"parentCommentId,omitempty"`
	Version         *v2Version           `json:"version,omitempty"`
	Body            map[string]bodyValue `json:"body"`
	Likes           *v2Sub[v2Like]       `json:"likes,omitempty"`
	Versions        *v2Sub[v2Version]    `json:"versions,omitempty"`
	Operations      *v2Sub[v2Operation]  `json:"operations,omitempty"`
	v2Resolution
	Links v2WebLinks `json:"_links"`
}

func (c *call) showComment(x *content, v *version, format, base string) *v2Comment {
	ver := showVersion(v)
	out := &v2Comment{ID: x.ref(), Status: x.status, Title: v.title, Version: &ver, v2Resolution: c.st.resolution(x), Body: c.bodies(x, v, format), Links: v2WebLinks{WebUI: c.st.webui(x), Base: base}}
	if out.Body == nil {
		out.Body = map[string]bodyValue{}
	}
	if on := c.st.contents[x.containerID]; on != nil && on.typ == typeBlog {
		out.BlogPostID = itoa(on.id)
	} else if on != nil && on.typ == typeFile {
		out.AttachmentID = on.ref()
	} else {
		out.PageID = itoa(x.containerID)
	}
	if x.inReplyTo != 0 {
		out.ParentCommentID = itoa(x.inReplyTo)
	}
	return out
}

// comment adds a footer comment to a page or blog post, or a reply to a comment.
func (st *store) comment(on, replyTo *content, b stored, author string, now time.Time) *content {
	x := &content{id: st.newID(), typ: typeComment, status: statusCurrent, spaceID: on.spaceID, containerID: on.id, authorID: author, ownerID: author, createdAt: now}
	list := on.id
	if replyTo != nil {
		x.inReplyTo, list, x.inline = replyTo.id, replyTo.id, replyTo.inline
	}
	x.versions = []*version{{number: 1, title: "Re: " + on.title(), storage: b.storage, authorID: author, at: now}}
	st.add(x)
	st.comments[list] = append(st.comments[list], x.id)
	st.reindex(x, b.doc)
	return x
}

type commentIn struct {
	PageID          json.RawMessage `json:"pageId"`
	BlogPostID      json.RawMessage `json:"blogPostId"`
	ParentCommentID json.RawMessage `json:"parentCommentId"`
	AttachmentID    json.RawMessage `json:"attachmentId"`
	CustomContentID json.RawMessage `json:"customContentId"`
	Body            *bodyIn         `json:"body"`
	Version         *struct {
		Number  int    `json:"number"`
		Message string `json:"message"`
	} `json:"version"`
}

// target reads which one content a new comment is on.
func (in *commentIn) target() (t contentType, id int64, err *apiError) {
	given := 0
	for _, one := range []struct {
		raw  json.RawMessage
		name string
		typ  contentType
	}{
		{in.PageID, "pageId", typePage},
		{in.BlogPostID, "blogPostId", typeBlog},
		{in.ParentCommentID, "parentCommentId", typeComment},
		{in.AttachmentID, "attachmentId", typeFile},
		{in.CustomContentID, "customContentId", typeCustom},
	} {
		n, e := idOf(one.raw, one.name)
		if e != nil {
			return "", 0, e
		}
		if n != 0 {
			given++
			t, id = one.typ, n
		}
	}
	if given != 1 {
		return "", 0, badRequest("Exactly one of pageId, blogPostId, parentCommentId, attachmentId and customContentId must be specified, got %d", given)
	}
	return t, id, nil
}

func (c *call) createComment() (any, *apiError) {
	var in commentIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	t, id, err := in.target()
	if err != nil {
		return nil, err
	}
	if in.Body == nil || !in.Body.given {
		return nil, badRequest("body must be specified")
	}
	b, err := in.Body.intake("comment/" + itoa(id) + strconv.FormatInt(c.now().UnixNano(), 36))
	if err != nil {
		return nil, err
	}
	c.lock()
	on, err := c.find(t, id)
	if err == nil && on.status != statusCurrent {
		err = noSuch(t, id)
	}
	if err == nil {
		err = c.commentable(on)
	}
	if err != nil {
		return nil, err
	}
	var replyTo *content
	if t == typeComment {
		replyTo = on
		if on = c.st.contents[on.containerID]; on == nil {
			return nil, noSuch(t, id)
		}
	}
	if err := c.st.room(len(b.storage)); err != nil {
		return nil, err
	}
	x := c.st.comment(on, replyTo, b, c.me.AccountID, c.now())
	c.status = http.StatusCreated
	return c.showComment(x, x.current(), shownFormat(in.Body), c.base+"/wiki"), nil
}

func (c *call) getComment() (any, *apiError) {
	id, err := c.pathID("id", "comment-id")
	if err != nil {
		return nil, err
	}
	format, err := c.oneOf("body-format", "", singleFormats...)
	if err != nil {
		return nil, err
	}
	c.rlock()
	x, err := c.find(typeComment, id)
	if err != nil {
		return nil, err
	}
	v, err := c.wanted(x)
	if err != nil {
		return nil, err
	}
	return c.includeComment(x, c.showComment(x, v, format, c.base+"/wiki")), nil
}

// includeComment adds what the include-… parameters of a single comment ask for.
func (c *call) includeComment(x *content, out *v2Comment) *v2Comment {
	self := c.r.URL.Path
	if c.q.Get("include-version") == "false" {
		out.Version = nil
	}
	if c.q.Get("include-likes") == "true" {
		out.Likes = subList(x.showLikes(), self+"/likes")
	}
	if c.q.Get("include-versions") == "true" {
		var vs []v2Version
		for _, v := range slices.Backward(x.versions) {
			vs = append(vs, showVersion(v))
		}
		out.Versions = subList(vs, self+"/versions")
	}
	if c.q.Get("include-operations") == "true" {
		out.Operations = subList(c.operationsOn(x), self+"/operations")
	}
	return out
}

func (c *call) updateComment() (any, *apiError) {
	id, err := c.pathID("id", "comment-id")
	if err != nil {
		return nil, err
	}
	var in commentIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Version == nil || in.Body == nil || !in.Body.given {
		return nil, badRequest("version and body must be specified")
	}
	b, err := in.Body.intake(itoa(id) + "/" + strconv.Itoa(in.Version.Number))
	if err != nil {
		return nil, err
	}
	c.lock()
	x, err := c.edit(typeComment, id)
	if err != nil {
		return nil, err
	}
	have := x.current()
	if in.Version.Number != have.number+1 {
		return nil, versionConflict(have.number, in.Version.Number)
	}
	if err := c.st.room(len(b.storage)); err != nil {
		return nil, err
	}
	c.newCommentVersion(x, b, in.Version.Message)
	return c.showComment(x, x.current(), shownFormat(in.Body), c.base+"/wiki"), nil
}

func (c *call) newCommentVersion(x *content, b stored, message string) {
	have := x.current()
	c.st.stored += len(b.storage)
	x.versions = append(x.versions, &version{number: have.number + 1, title: have.title, storage: b.storage, authorID: c.me.AccountID, at: c.now(), message: message})
	c.st.reindex(x, b.doc)
}

// deleteComment destroys a comment and its replies, as the cloud does.
func (c *call) deleteComment() (any, *apiError) {
	id, err := c.pathID("id", "comment-id")
	if err != nil {
		return nil, err
	}
	c.lock()
	x, err := c.find(typeComment, id)
	if err != nil {
		return nil, err
	}
	if err := c.deletable(x, false); err != nil {
		return nil, err
	}
	return c.deleteCommentLocked(x)
}

func (c *call) deleteCommentLocked(x *content) (any, *apiError) {
	c.st.unmark(x)
	list := x.containerID
	if x.inReplyTo != 0 {
		list = x.inReplyTo
	}
	if i := slices.Index(c.st.comments[list], x.id); i >= 0 {
		c.st.comments[list] = slices.Delete(c.st.comments[list], i, i+1)
	}
	c.st.purge(x)
	return nil, nil
}

func rootComments(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		return c.listComments(func(c *call, id int64) ([]int64, *apiError) {
			_, err := c.find(t, id)
			return c.st.comments[id], err
		})
	}
}

func (c *call) getReplies() (any, *apiError) {
	return c.listComments(func(c *call, id int64) ([]int64, *apiError) {
		_, err := c.find(typeComment, id)
		return c.st.comments[id], err
	})
}

func (c *call) getComments() (any, *apiError) {
	return c.listComments(func(c *call, _ int64) ([]int64, *apiError) { return c.st.order, nil })
}

func (c *call) listComments(from func(*call, int64) ([]int64, *apiError)) (any, *apiError) {
	var id int64
	var err *apiError
	if c.r.PathValue("id") != "" {
		if id, err = c.pathID("id", "id"); err != nil {
			return nil, err
		}
	}
	format, err := c.oneOf("body-format", "", listFormats...)
	if err != nil {
		return nil, err
	}
	want, err := c.anyOf("status", []string{statusCurrent}, statusCurrent, statusArchived, statusTrashed, "deleted", statusHistorical, statusDraft)
	if err != nil {
		return nil, err
	}
	order, err := c.contentSort("id", "created-date", "modified-date")
	if err != nil {
		return nil, err
	}
	c.rlock()
	ids, err := from(c, id)
	if err != nil {
		return nil, err
	}
	resolutions, err := c.anyOf("resolution-status", nil, resolved, open, dangling, reopened)
	if err != nil {
		return nil, err
	}
	inline := c.asksInline()
	var rows []*content
	for _, k := range ids {
		if x := c.st.contents[k]; x != nil && x.typ == typeComment && x.inline == inline && (len(resolutions) == 0 || resolutions[c.st.resolution(x).Status]) && want[x.status] && c.st.visible(x, c.me) {
			rows = append(rows, x)
		}
	}
	return page(c, rows, order, func(x *content) *v2Comment { return c.showComment(x, x.current(), format, "") })
}
