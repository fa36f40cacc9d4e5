package confluence

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sluice-run/sluice/toolkit"
)

type pageCommentsConfig struct {
	PageID         string `json:"pageId" jsonschema:"minLength=1" jsonschema_description:"The page: its id or its address."`
	IncludeReplies bool   `json:"includeReplies,omitempty" jsonschema_description:"Report answers to comments as well. It costs a request for each comment that is there."`
}

type blogCommentsConfig struct {
	BlogpostID     string `json:"blogpostId" jsonschema:"minLength=1" jsonschema_description:"The blog post: its id or its address."`
	IncludeReplies bool   `json:"includeReplies,omitempty" jsonschema_description:"Report answers to comments as well. It costs a request for each comment that is there."`
}

type commentEvent struct {
	happened
	Change commentChange `json:"change" jsonschema_description:"What changed."`
}

type commentChange struct {
	Comment commentFacts `json:"comment" jsonschema_description:"The comment that was added."`
}

type commentFacts struct {
	ID              string `json:"id" jsonschema_description:"Its id; answer it with CONFLUENCE_REPLY_TO_COMMENT."`
	Body            *body  `json:"body,omitempty" jsonschema_description:"Its text in storage format, XHTML, as it is when it is found."`
	ParentCommentID string `json:"parentCommentId,omitempty" jsonschema_description:"Id of the comment that it answers."`
	Resolution      string `json:"resolutionStatus,omitempty" jsonschema_description:"Of inline comments: open, resolved, reopened or dangling."`
	Selection       string `json:"inlineOriginalSelection,omitempty" jsonschema_description:"Of inline comments: the text that it is about."`
}

// thread are the comments of one kind on one page or blog post.
type thread struct {
	kind, id, field string // page or blogpost
	inline          bool
	replies         bool
}

func (t thread) roots() request {
	return request{
		path: v2 + "/" + t.kind + "s/" + t.id + "/" + t.collection(), what: wordOf[t.kind] + " with id " + t.id, field: t.field,
		scopes: []string{scopeReadComment},
	}
}

func (t thread) collection() string {
	if t.inline {
		return "inline-comments"
	}
	return "footer-comments"
}

// comments is the state of a thread. Without answers a feed is enough. With them
// every comment is asked for its answers in turn, and Known are all.
type comments struct {
	feed
	Known []string `json:"known,omitempty"`
	Next  string   `json:"next,omitempty"`  // where the list of first comments goes on
	At    int      `json:"at,omitempty"`    // whom to ask next
	Ready bool     `json:"ready,omitempty"` // all have been asked once
}

// blindComments end what is said of all triggers on comments.
var blindComments = []string{
	blindGone, "Without includeReplies answers to comments are not reported; with it there may be at most 10,000 comments.",
	"Edits of comments are not reported.",
}

func commentsAbout(kind, collection string, words ...string) toolkit.TriggerAbout {
	return toolkit.TriggerAbout{
		Scopes: toolkit.AllOf(scopeReadComment).Sometimes(scopeReadPage), Keywords: append([]string{"feedback", "remark", "discussion"}, words...), Blind: blindComments,
		Endpoints: []string{
			"GET /wiki/api/v2/" + kind + "s/{id}/" + collection, "GET /wiki/api/v2/" + collection + "/{id}/children",
			"GET /wiki/api/v2/" + collection + "/{comment-id}", "GET /wiki/api/v2/" + collection + "/{id}/versions/{version-number}", "GET /wiki/api/v2/" + kind + "s/{id}",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1 + firstPage,
		IdleMore: "fewer points with fewer comments; with includeReplies a request more for each comment, 50 in one poll",
	}
}

var footerCommentAdded = toolkit.Poll("CONFLUENCE_FOOTER_COMMENT_ADDED_TRIGGER", "Footer Comment Added",
	"Fires once for each comment that is written below a page; for answers to comments set includeReplies. Not for comments on parts of the text: use inline comment added.",
	commentsAbout("page", "footer-comments", "below the page"),
	toolkit.Poller[*client, pageCommentsConfig, comments, commentEvent]{
		Example: exampleComment("page", false),
		Check:   checkPageComments,
		Sample: sampled(func(cfg pageCommentsConfig, e *commentEvent) {
			e.Resource.lieUnder(cfg.PageID)
		}),
		Poll: func(ctx context.Context, c *client, cfg pageCommentsConfig, cur *comments) (toolkit.Step[comments, commentEvent], error) {
			return c.pollComments(ctx, cur, thread{kind: "page", id: cfg.PageID, field: "pageId", replies: cfg.IncludeReplies})
		},
		Receive: func(ctx context.Context, c *client, cfg pageCommentsConfig, in toolkit.Inbound) ([]toolkit.Event[commentEvent], error) {
			return c.toldOfComment(ctx, in, thread{kind: "page", id: cfg.PageID, replies: cfg.IncludeReplies})
		},
	})

var pageInlineCommentAdded = toolkit.Poll("CONFLUENCE_PAGE_INLINE_COMMENT_ADDED_TRIGGER", "Inline Comment Added",
	"Fires once for each comment on a part of a page's text; for answers to them set includeReplies. Not for comments below the page: use footer comment added.",
	commentsAbout("page", "inline-comments", "highlighted", "annotation"),
	toolkit.Poller[*client, pageCommentsConfig, comments, commentEvent]{
		Example: exampleComment("page", true),
		Check:   checkPageComments,
		Sample: sampled(func(cfg pageCommentsConfig, e *commentEvent) {
			e.Resource.lieUnder(cfg.PageID)
		}),
		Poll: func(ctx context.Context, c *client, cfg pageCommentsConfig, cur *comments) (toolkit.Step[comments, commentEvent], error) {
			return c.pollComments(ctx, cur, thread{kind: "page", id: cfg.PageID, field: "pageId", inline: true, replies: cfg.IncludeReplies})
		},
		Receive: func(ctx context.Context, c *client, cfg pageCommentsConfig, in toolkit.Inbound) ([]toolkit.Event[commentEvent], error) {
			return c.toldOfComment(ctx, in, thread{kind: "page", id: cfg.PageID, inline: true, replies: cfg.IncludeReplies})
		},
	})

var blogPostInlineCommentAdded = toolkit.Poll("CONFLUENCE_BLOGPOST_INLINE_COMMENT_ADDED_TRIGGER", "Blogpost Inline Comment",
	"Fires once for each comment on a part of a blog post's text; for answers to them set includeReplies. Not for comments below the blog post.",
	commentsAbout("blogpost", "inline-comments", "highlighted", "annotation", "news"),
	toolkit.Poller[*client, blogCommentsConfig, comments, commentEvent]{
		Example: exampleComment("blogpost", true),
		Check: func(ctx context.Context, c *client, cfg blogCommentsConfig) (_ blogCommentsConfig, err error) {
			cfg.BlogpostID, err = c.checkContent(ctx, "blogpost", "blogpostId", cfg.BlogpostID)
			return cfg, err
		},
		Sample: sampled(func(cfg blogCommentsConfig, e *commentEvent) {
			e.Resource.lieUnder(cfg.BlogpostID)
		}),
		Poll: func(ctx context.Context, c *client, cfg blogCommentsConfig, cur *comments) (toolkit.Step[comments, commentEvent], error) {
			return c.pollComments(ctx, cur, thread{kind: "blogpost", id: cfg.BlogpostID, field: "blogpostId", inline: true, replies: cfg.IncludeReplies})
		},
		Receive: func(ctx context.Context, c *client, cfg blogCommentsConfig, in toolkit.Inbound) ([]toolkit.Event[commentEvent], error) {
			return c.toldOfComment(ctx, in, thread{kind: "blogpost", id: cfg.BlogpostID, inline: true, replies: cfg.IncludeReplies})
		},
	})

func checkPageComments(ctx context.Context, c *client, cfg pageCommentsConfig) (_ pageCommentsConfig, err error) {
	cfg.PageID, err = c.checkContent(ctx, "page", "pageId", cfg.PageID)
	return cfg, err
}

func exampleComment(kind string, inline bool) commentEvent {
	at := "2026-11-22T10:00:00.000Z"
	facts := commentFacts{ID: "98338", Body: &body{Storage: &bodyText{Representation: "storage", Value: "<p>Is this still right?</p>"}}}
	if inline {
		facts.Resolution, facts.Selection = "open", "by the end of the quarter"
	}
	return commentEvent{happened{
		OccurredAt: at, Actor: by("5b10a2844c20165700ede21g"),
		Resource: eventResource{
			Type: "comment", ID: "98338", Title: "Re: Q3 Planning", Status: "current", SpaceKey: "MKT", ParentID: "98321",
			URL: "https://example.atlassian.net/wiki/spaces/MKT/pages/98321/Q3+Planning?focusedCommentId=98338",
		},
	}, commentChange{facts}}
}

const (
	// maxComments is how many comments are asked for answers.
	maxComments = 10_000
	// asksAPoll is how many of them one poll asks.
	asksAPoll = 50
)

// pollComments follows the comments of a thread.
func (c *client) pollComments(ctx context.Context, cur *comments, t thread) (step toolkit.Step[comments, commentEvent], err error) {
	if cur != nil {
		step.Cursor = *cur
	}
	if t.replies {
		step.Events, step.More, err = c.pollAnswers(ctx, &step.Cursor, t)
		return step, err
	}
	// A comment does not say when it was written, only when it was changed last.
	s := source[inlineComment]{
		list: func(ctx context.Context, limit int, cursor string) (list[inlineComment], error) {
			r := t.roots()
			r.query = url.Values{"sort": {"-modified-date"}, "body-format": {"storage"}}
			return fetchOne[inlineComment](ctx, c, r, limit, cursor)
		},
		mark: func(k inlineComment) (string, mark) {
			if k.Version == nil {
				return k.ID, mark{}
			}
			return k.ID, mark{At: millis(k.Version.CreatedAt), N: k.Version.Number}
		},
	}
	step.More, err = follow(ctx, c, &step.Cursor.feed, s, func(n newItem[inlineComment]) (bool, error) {
		if n.known {
			return true, nil // an edit
		}
		if c.isBusy(len(step.Events)) {
			return false, nil
		}
		first, err := c.firstVersion(ctx, t, &n.item.comment)
		if err != nil {
			return false, err
		}
		if first != nil && millis(first.CreatedAt) >= step.Cursor.floor() {
			step.Events = append(step.Events, c.commentEvent(t, n.item, first, n.base))
		}
		return true, nil
	})
	step.Events = inOrder(step.Events)
	return step, err
}

// firstVersion gives the version in which a comment was written; nil when it is
// gone meanwhile.
func (c *client) firstVersion(ctx context.Context, t thread, k *comment) (*version, error) {
	if k.Version == nil || k.Version.Number == 1 {
		return k.Version, nil
	}
	var first version
	err := c.do(ctx, request{
		path: v2 + "/" + t.collection() + "/" + k.ID + "/versions/1", out: &first, probe: true, scopes: []string{scopeReadComment},
	})
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	return &first, err
}

// pollAnswers looks for new comments and for new answers to some of those that
// are there.
func (c *client) pollAnswers(ctx context.Context, st *comments, t thread) (events []toolkit.Event[commentEvent], more bool, err error) {
	known := make(map[string]bool, len(st.Known))
	for _, id := range st.Known {
		known[id] = true
	}
	take := func(got list[inlineComment]) (fresh bool, err error) {
		for _, k := range got.items {
			if known[k.ID] {
				continue
			}
			fresh = true
			if st.Ready {
				first, err := c.firstVersion(ctx, t, &k.comment)
				if err != nil {
					return false, err
				}
				if first != nil {
					events = append(events, c.commentEvent(t, k, first, got.base))
				}
			}
			known[k.ID], st.Known = true, append(st.Known, k.ID)
		}
		if len(st.Known) > maxComments {
			return false, &toolkit.Error{
				Kind: toolkit.KindTooLarge, Field: t.field, Message: "There are more than 10,000 comments.", Fix: "Leave includeReplies out.",
			}
		}
		return fresh, nil
	}
	pending, err := c.firstComments(ctx, st, t, take)
	if err != nil || pending {
		return inOrder(events), pending, err
	}
	asked := map[string]bool{} // what is found on the way is asked as well
	for len(asked) < asksAPoll && len(asked) < len(st.Known) && len(events) < maxPollEvents {
		if st.At >= len(st.Known) {
			if !st.Ready {
				break
			}
			st.At = 0
		}
		if id := st.Known[st.At]; !asked[id] {
			asked[id] = true
			if err := c.answers(ctx, t, id, take); err != nil {
				return nil, false, err
			}
		}
		st.At++
	}
	if !st.Ready && st.At >= len(st.Known) {
		st.At, st.Ready = 0, true
	}
	return inOrder(events), !st.Ready, nil
}

// firstComments reads the comments that answer no other, down to those that are
// known. It says whether some are left.
func (c *client) firstComments(ctx context.Context, st *comments, t thread, take func(list[inlineComment]) (bool, error)) (pending bool, err error) {
	r := t.roots()
	r.query = url.Values{"sort": {"-created-date"}, "body-format": {"storage"}}
	whole := !st.Ready || st.Next != ""
	if !st.Ready && st.At > 0 {
		return false, nil // read already; the answers are being asked for
	}
	for range maxPollPages {
		limit := nextPage
		if !whole {
			limit = firstPage
		}
		got, err := fetchOne[inlineComment](ctx, c, r, limit, st.Next)
		if err != nil && st.Next != "" && refused(err) {
			st.Next = ""
			return true, nil
		}
		if err != nil {
			return false, err
		}
		fresh, err := take(got)
		if err != nil {
			return false, err
		}
		if got.cursor == "" || st.Ready && !fresh {
			st.Next = ""
			return false, nil
		}
		st.Next = got.cursor
	}
	return true, nil
}

// answers reads the answers to one comment.
func (c *client) answers(ctx context.Context, t thread, id string, take func(list[inlineComment]) (bool, error)) error {
	r := request{
		path: v2 + "/" + t.collection() + "/" + id + "/children", query: url.Values{"sort": {"-created-date"}, "body-format": {"storage"}},
		probe: true, scopes: []string{scopeReadComment},
	}
	cursor := ""
	for range maxPollPages {
		got, err := fetchOne[inlineComment](ctx, c, r, nextPage, cursor)
		if isStatus(err, http.StatusNotFound) {
			return nil // deleted
		}
		if err != nil {
			return err
		}
		fresh, err := take(got)
		if err != nil || !fresh || got.cursor == "" {
			return err
		}
		cursor = got.cursor
	}
	return nil
}

// commentEvent tells of a comment; first is the version in which it was written.
func (c *client) commentEvent(t thread, k inlineComment, first *version, base string) toolkit.Event[commentEvent] {
	at := c.when(first.CreatedAt)
	e := commentEvent{
		happened{OccurredAt: stampOf(at), Actor: by(first.AuthorID), Resource: eventResource{
			Type: "comment", ID: k.ID, Title: k.Title, Status: k.Status, SpaceKey: keyInLink(k.Links.WebUI), ParentID: t.id, Version: k.Version,
			URL: c.address(k.Links, base),
		}},
		commentChange{commentFacts{ID: k.ID, Body: k.Body.orNil(), ParentCommentID: k.ParentCommentID, Resolution: k.ResolutionStatus}},
	}
	if k.Properties != nil {
		e.Change.Comment.Selection = k.Properties.Selection
	}
	return toolkit.Event[commentEvent]{Key: "comment:" + k.ID + ":created", OccurredAt: at, Payload: e}
}

// toldOfComment turns a webhook about a comment into its event.
func (c *client) toldOfComment(ctx context.Context, in toolkit.Inbound, t thread) ([]toolkit.Event[commentEvent], error) {
	kind := "footer-comment"
	if t.inline {
		kind = "inline-comment"
	}
	id, _, err := readTold(in, "created", kind)
	if err != nil || id == "" {
		return nil, err
	}
	var k inlineComment
	err = c.do(ctx, request{
		path: v2 + "/" + t.collection() + "/" + id, query: url.Values{"body-format": {"storage"}}, out: &k, probe: true, scopes: []string{scopeReadComment},
	})
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	on := k.PageID
	if t.kind == "blogpost" {
		on = k.BlogPostID
	}
	if err != nil || on != t.id || k.Status != "current" || k.ParentCommentID != "" && !t.replies {
		return nil, err
	}
	first, err := c.firstVersion(ctx, t, &k.comment)
	if err != nil || first == nil || c.when(first.CreatedAt).Before(c.now().Add(-toldWindow)) {
		return nil, err
	}
	return []toolkit.Event[commentEvent]{c.commentEvent(t, k, first, "")}, nil
}
