package confluence

import (
	"context"
	"net/url"

	"github.com/sluice-run/sluice/toolkit"
)

// inlineComment is a comment on marked text.
type inlineComment struct {
	comment
	ResolutionStatus string        `json:"resolutionStatus,omitempty" jsonschema_description:"open, resolved, reopened, or dangling when its text is gone."`
	ResolvedBy       string        `json:"resolutionLastModifierId,omitempty" jsonschema_description:"Account id of who resolved or reopened it last."`
	ResolvedAt       string        `json:"resolutionLastModifiedAt,omitempty" jsonschema_description:"When that was."`
	Properties       *inlineMarker `json:"properties,omitempty" jsonschema_description:"The text that it is on."`
}

type inlineMarker struct {
	Ref       string `json:"inlineMarkerRef,omitempty" jsonschema_description:"Id of the marker in the text."`
	Selection string `json:"inlineOriginalSelection,omitempty" jsonschema_description:"The text that was marked."`
}

type inlineCommentList struct {
	Results []inlineComment `json:"results" jsonschema_description:"The comments; answers to them are not included."`
	paging
}

func (c *client) shownInline(m *inlineComment, base string) *inlineComment {
	c.shownComment(&m.comment, base)
	return m
}

// inlineListArgs are what both lists of inline comments take.
type inlineListArgs struct {
	BodyFormat       string   `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format,default=storage" jsonschema_description:"Format of the texts."`
	ResolutionStatus []string `json:"resolutionStatus,omitempty" jsonschema:"enum=open,enum=resolved,enum=reopened,enum=dangling" jsonschema_description:"Only comments in these states."`
	Sort             string   `json:"sort,omitempty" jsonschema:"enum=created-date,enum=-created-date,enum=modified-date,enum=-modified-date" jsonschema_description:"Order; - puts the newest first."`
	Expand           string   `json:"expand,omitempty" jsonschema_description:"Of an API that is gone; leave it out: texts, versions and places come anyway."`
	Location         string   `json:"location,omitempty" jsonschema_description:"Of an API that is gone; only inline means anything here."`
	ParentVersion    int      `json:"parentVersion,omitempty" jsonschema:"minimum=0" jsonschema_description:"Of an API that is gone; leave it out."`
	pageArgs
}

type getPageInlineCommentsInput struct {
	ID     string   `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
	Status []string `json:"status,omitempty" jsonschema:"enum=current,enum=archived,enum=trashed,enum=deleted,enum=historical,enum=draft" jsonschema_description:"Only comments with these statuses."`
	inlineListArgs
}

var getPageInlineComments = toolkit.Read("CONFLUENCE_GET_PAGE_INLINE_COMMENTS", "Get Page Inline Comments",
	"List the comments on marked text of a page, with the text they mark and whether they are resolved. "+
		"For comments at its foot use get page footer comments.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadComment),
		Keywords:  []string{"annotations", "review notes", "unresolved", "margin notes"},
		Pitfalls:  []string{"Answers to the comments are not among them."},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/inline-comments"},
	},
	func(ctx context.Context, c *client, in getPageInlineCommentsInput) (*inlineCommentList, error) {
		return c.inlineComments(ctx, "page", in.ID, in.Status, in.inlineListArgs)
	})

type getInlineCommentsForBlogPostInput struct {
	ID     string   `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	Status []string `json:"status,omitempty" jsonschema:"enum=current,enum=deleted,enum=trashed,enum=historical,enum=draft" jsonschema_description:"Only comments with these statuses."`
	inlineListArgs
}

var getInlineCommentsForBlogPost = toolkit.Read("CONFLUENCE_GET_INLINE_COMMENTS_FOR_BLOG_POST", "Get Inline Comments for Blog Post",
	"List the comments on marked text of a blog post, with the text they mark and whether they are resolved. For those of a page use get page inline comments.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadComment),
		Keywords:  []string{"annotations", "review notes", "unresolved", "margin notes"},
		Pitfalls:  []string{"Answers to the comments are not among them."},
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{id}/inline-comments"},
	},
	func(ctx context.Context, c *client, in getInlineCommentsForBlogPostInput) (*inlineCommentList, error) {
		return c.inlineComments(ctx, "blog post", in.ID, in.Status, in.inlineListArgs)
	})

func (c *client) inlineComments(ctx context.Context, what, value string, status []string, in inlineListArgs) (*inlineCommentList, error) {
	switch {
	case in.Location != "" && in.Location != "inline":
		return nil, toolkit.Invalid("location", "location: only inline comments are listed here; for others use CONFLUENCE_GET_PAGE_FOOTER_COMMENTS")
	case in.ParentVersion > 0:
		return nil, toolkit.Invalid("parentVersion", "parentVersion: Confluence lists the comments of what is there now only; leave it out")
	}
	id, err := c.contentID(ctx, "id", what, value)
	if err != nil {
		return nil, err
	}
	q := url.Values{"body-format": {in.BodyFormat}}
	set(q, "sort", in.Sort)
	if len(status) > 0 {
		q["status"] = status
	}
	if len(in.ResolutionStatus) > 0 {
		q["resolution-status"] = in.ResolutionStatus
	}
	got, err := fetch[inlineComment](ctx, c, request{
		path: v2 + "/" + collectionOf[what] + "/" + id + "/inline-comments", query: q, what: what + " with id " + id, field: "id",
		scopes: []string{scopeReadComment},
	}, in.pageArgs)
	if err != nil {
		return nil, err
	}
	for i := range got.items {
		c.shownInline(&got.items[i], got.base)
	}
	return &inlineCommentList{Results: orEmpty(got.items), paging: got.paging()}, nil
}
