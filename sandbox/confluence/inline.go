package confluence

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

func inlineRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /pages/{id}/inline-comments":             rootComments(typePage),
		"GET /blogposts/{id}/inline-comments":         rootComments(typeBlog),
		"GET /inline-comments":                        (*call).getComments,
		"POST /inline-comments":                       (*call).createInline,
		"GET /inline-comments/{id}":                   (*call).getComment,
		"PUT /inline-comments/{id}":                   (*call).updateInline,
		"DELETE /inline-comments/{id}":                (*call).deleteComment,
		"GET /inline-comments/{id}/children":          (*call).getReplies,
		"GET /inline-comments/{id}/versions":          contentVersions(typeComment),
		"GET /inline-comments/{id}/versions/{number}": contentVersion(typeComment),
	}
}

// anchor is where an inline comment stands and what became of it. Its marker is
// in the body of the page: when that is gone, the comment dangles.
type anchor struct {
	ref       string
	selection string
	status    string // open, resolved or reopened
	by        string // who resolved or reopened it last
	at        time.Time
}

const (
	open     = "open"
	resolved = "resolved"
	reopened = "reopened"
	dangling = "dangling"
)

// v2Resolution is what inline comments have more than others.
type v2Resolution struct {
	By         string        `json:"resolutionLastModifierId,omitempty"`
	At         string        `json:"resolutionLastModifiedAt,omitempty"`
	Status     string        `json:"resolutionStatus,omitempty"`
	Properties *v2InlineMark `json:"properties,omitempty"`
}

type v2InlineMark struct {
	Ref       string `json:"inlineMarkerRef"`
	Selection string `json:"inlineOriginalSelection"`
}

// anchorOf gives the anchor of an inline comment or of the one that it answers.
func (st *store) anchorOf(x *content) *anchor {
	for x != nil && x.anchor == nil {
		x = st.contents[x.inReplyTo]
	}
	if x == nil {
		return nil
	}
	return x.anchor
}

func (st *store) resolution(x *content) v2Resolution {
	if !x.inline {
		return v2Resolution{}
	}
	a := st.anchorOf(x)
	if a == nil {
		return v2Resolution{Status: dangling}
	}
	out := v2Resolution{By: a.by, Status: a.status, Properties: &v2InlineMark{Ref: a.ref, Selection: a.selection}}
	if !a.at.IsZero() {
		out.At = stamp(a.at)
	}
	if on := st.contents[x.containerID]; a.status != resolved && (on == nil || !strings.Contains(on.current().storage, `ac:ref="`+a.ref+`"`)) {
		out.Status = dangling
	}
	return out
}

// rewrite replaces the body of the current version without making a new one: the
// server does so for the markers of inline comments.
func (st *store) rewrite(x *content, doc *body.Node) {
	next := *x.current()
	next.storage = body.Write(doc)
	st.stored += len(next.storage) - len(x.current().storage)
	x.versions[len(x.versions)-1] = &next
	at := x.index.at
	st.reindex(x, doc)
	x.index.at = at
}

// unmark takes the marker of a deleted inline comment out of its page.
func (st *store) unmark(x *content) {
	on := st.contents[x.containerID]
	if x.anchor == nil || on == nil {
		return
	}
	doc := on.current().doc()
	if body.Markers(doc)[x.anchor.ref] {
		body.Unmark(doc, x.anchor.ref)
		st.rewrite(on, doc)
	}
}

type inlineIn struct {
	commentIn
	Mark *struct {
		Selection string `json:"textSelection"`
		Count     *int   `json:"textSelectionMatchCount"`
		Index     *int   `json:"textSelectionMatchIndex"`
	} `json:"inlineCommentProperties"`
	Resolved *bool `json:"resolved"`
}

func (c *call) createInline() (any, *apiError) {
	var in inlineIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	in.AttachmentID, in.CustomContentID = nil, nil // these have no text to comment on
	t, id, err := in.target()
	if err != nil {
		return nil, badRequest("Exactly one of pageId, blogPostId and parentCommentId must be specified")
	}
	if in.Body == nil || !in.Body.given {
		return nil, badRequest("body must be specified")
	}
	b, err := in.Body.intake("inline/" + itoa(id) + strconv.FormatInt(c.now().UnixNano(), 36))
	if err != nil {
		return nil, err
	}
	if (t != typeComment) != (in.Mark != nil) {
		return nil, badRequest("inlineCommentProperties must be specified for a comment on a page or blog post, and for no reply")
	}
	c.lock()
	on, err := c.find(t, id)
	if err == nil {
		err = c.commentable(on)
	}
	if err == nil && on.status != statusCurrent {
		err = noSuch(t, id)
	}
	if err != nil {
		return nil, err
	}
	if err := c.st.room(len(b.storage) + markerSize); err != nil {
		return nil, err
	}
	var x *content
	if t == typeComment {
		x = c.st.comment(c.st.contents[on.containerID], on, b, c.me.AccountID, c.now())
	} else if x, err = c.annotate(on, in, b); err != nil {
		return nil, err
	}
	c.status = http.StatusCreated
	return c.showComment(x, x.current(), shownFormat(in.Body), c.base+"/wiki"), nil
}

// markerSize is about what a marker adds to a body, in bytes.
const markerSize = 200

// annotate puts a comment on a part of a text.
func (c *call) annotate(on *content, in inlineIn, b stored) (*content, *apiError) {
	m := in.Mark
	if strings.TrimSpace(m.Selection) == "" {
		return nil, badRequest("inlineCommentProperties.textSelection must be specified")
	}
	if m.Count == nil || m.Index == nil {
		return nil, badRequest("inlineCommentProperties.textSelectionMatchCount and textSelectionMatchIndex must be specified")
	}
	x, err := c.st.annotate(on, m.Selection, *m.Count, *m.Index, b, c.me.AccountID, c.now())
	if err != nil {
		return nil, err
	}
	return x, nil
}

func (st *store) annotate(on *content, selection string, count, index int, b stored, author string, now time.Time) (*content, *apiError) {
	doc := on.current().doc()
	switch n := body.Occurrences(doc, selection); {
	case n == 0:
		return nil, badRequest("The text selection was not found in the content with id [%d]", on.id)
	case n != count:
		return nil, badRequest("textSelectionMatchCount is [%d], but the text selection occurs [%d] times in the content with id [%d]", count, n, on.id)
	case index < 0 || index >= n:
		return nil, badRequest("textSelectionMatchIndex [%d] must be at least 0 and smaller than textSelectionMatchCount [%d]", index, n)
	}
	x := st.comment(on, nil, b, author, now)
	x.inline, x.anchor = true, &anchor{ref: uuidOf("marker/" + itoa(x.id)), selection: selection, status: open}
	body.Mark(doc, selection, index, x.anchor.ref)
	st.rewrite(on, doc)
	return x, nil
}

// updateInline changes the text of an inline comment, or resolves or reopens it.
func (c *call) updateInline() (any, *apiError) {
	id, err := c.pathID("id", "comment-id")
	if err != nil {
		return nil, err
	}
	var in inlineIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	written := in.Body != nil && in.Body.given
	switch {
	case !written && in.Resolved == nil:
		return nil, badRequest("body or resolved must be specified")
	case written && in.Version == nil:
		return nil, badRequest("version must be specified")
	}
	b := stored{}
	if written {
		if b, err = in.Body.intake(itoa(id) + "/" + strconv.Itoa(in.Version.Number)); err != nil {
			return nil, err
		}
	}
	c.lock()
	x, err := c.find(typeComment, id)
	if err == nil && written {
		err = c.editable(x)
	} else if err == nil {
		err = c.commentable(x)
	}
	if err != nil {
		return nil, err
	}
	if have := x.current(); in.Version != nil && in.Version.Number != have.number+1 {
		return nil, versionConflict(have.number, in.Version.Number)
	}
	if err := c.resolve(x, in.Resolved); err != nil {
		return nil, err
	}
	if written {
		if err := c.st.room(len(b.storage)); err != nil {
			return nil, err
		}
		c.newCommentVersion(x, b, in.Version.Message)
	}
	return c.showComment(x, x.current(), shownFormat(in.Body), c.base+"/wiki"), nil
}

// resolve settles an inline comment or opens it again. What it is already stays.
func (c *call) resolve(x *content, want *bool) *apiError {
	if want == nil {
		return nil
	}
	a := x.anchor
	if a == nil {
		return badRequest("Only the first comment of a thread can be resolved, not a reply")
	}
	if c.st.resolution(x).Status == dangling {
		return badRequest("The comment with id [%d] is dangling: its text is gone, and it cannot be resolved or reopened", x.id)
	}
	if *want == (a.status == resolved) {
		return nil
	}
	a.status = reopened
	if *want {
		a.status = resolved
	}
	a.by, a.at = c.me.AccountID, c.now()
	return nil
}

// v1Comment adds to a v1 content where a comment stands.
func (c *call) v1Comment(out *v1Content, x *content, full bool) {
	r := c.st.resolution(x)
	out.Extensions["location"] = c.st.location(x)
	if r.Properties == nil || !full {
		return
	}
	out.Extensions["inlineProperties"] = map[string]any{"originalSelection": r.Properties.Selection, "markerRef": r.Properties.Ref}
	state := map[string]any{"status": r.Status}
	if r.By != "" {
		state["lastModifier"], state["lastModifiedDate"] = c.showUser(r.By), r.At
	}
	out.Extensions["resolution"] = state
}

// location is where v1 says that a comment stands.
func (st *store) location(x *content) string {
	switch {
	case !x.inline:
		return "footer"
	case st.resolution(x).Status == resolved:
		return resolved
	}
	return "inline"
}

// located keeps the comments at the places that a v1 request names; all without one.
func (c *call) located(ids []int64) ([]int64, *apiError) {
	want, err := c.anyOf("location", nil, "inline", "footer", resolved)
	if err != nil || len(want) == 0 {
		return ids, err
	}
	var out []int64
	for _, id := range ids {
		if x := c.st.contents[id]; x != nil && want[c.st.location(x)] {
			out = append(out, id)
		}
	}
	return out, nil
}

// InlineComment is a comment on a part of a text as a test reads it.
type InlineComment struct {
	Content
	Selection  string // the text that was selected
	MarkerRef  string // ac:ref of its marker in the body
	Resolution string // open, resolved, reopened or dangling
}

// InlineComments gives the inline comments on a page or blog post, the oldest
// first, without the replies; those are in Comments of the comment.
func (s *Sandbox) InlineComments(contentID string) []InlineComment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	on := s.st.byRef(contentID)
	if on == nil {
		return nil
	}
	var out []InlineComment
	for _, id := range s.st.comments[on.id] {
		x := s.st.contents[id]
		if x.inline && x.anchor != nil {
			out = append(out, InlineComment{Content: s.st.export(x), Selection: x.anchor.selection, MarkerRef: x.anchor.ref, Resolution: s.st.resolution(x).Status})
		}
	}
	return out
}
