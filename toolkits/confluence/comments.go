package confluence

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

const (
	scopeReadComment  = "read:comment:confluence"
	scopeWriteComment = "write:comment:confluence"
)

// comment is a footer comment.
type comment struct {
	ID              string   `json:"id" jsonschema_description:"Id of the comment."`
	Status          string   `json:"status,omitempty" jsonschema_description:"current, deleted …"`
	Title           string   `json:"title,omitempty" jsonschema_description:"Title, usually Re: and that of the page."`
	PageID          string   `json:"pageId,omitempty" jsonschema_description:"Id of the page it is on."`
	BlogPostID      string   `json:"blogPostId,omitempty" jsonschema_description:"Id of the blog post it is on."`
	AttachmentID    string   `json:"attachmentId,omitempty" jsonschema_description:"Id of the attachment it is on."`
	CustomContentID string   `json:"customContentId,omitempty" jsonschema_description:"Id of the custom content it is on."`
	ParentCommentID string   `json:"parentCommentId,omitempty" jsonschema_description:"Id of the comment it answers."`
	Version         *version `json:"version,omitempty" jsonschema_description:"Its version: who wrote it and when."`
	Body            *body    `json:"body,omitempty" jsonschema_description:"Its text."`
	URL             string   `json:"url,omitempty" jsonschema_description:"Full address for people."`
	Links           links    `json:"_links,omitzero" jsonschema_description:"Links as the API gives them."`
}

type createFooterCommentInput struct {
	PageID          string    `json:"pageId,omitempty" jsonschema_description:"Comment on this page: its id or address."`
	BlogPostID      string    `json:"blogPostId,omitempty" jsonschema_description:"Comment on this blog post: its id or address."`
	ParentCommentID string    `json:"parentCommentId,omitempty" jsonschema_description:"Answer this comment."`
	AttachmentID    string    `json:"attachmentId,omitempty" jsonschema_description:"Comment on this attachment (att123)."`
	CustomContentID string    `json:"customContentId,omitempty" jsonschema_description:"Comment on this custom content."`
	Body            bodyInput `json:"body" jsonschema_description:"The text of the comment."`
}

// target gives the one thing to comment on, as the API wants it.
func (in createFooterCommentInput) target(ctx context.Context, c *client) (field, id string, err error) {
	var given []string
	for _, t := range []struct{ field, what, value string }{
		{"pageId", "page", in.PageID},
		{"blogPostId", "blog post", in.BlogPostID},
		{"parentCommentId", "comment", in.ParentCommentID},
		{"attachmentId", "attachment", in.AttachmentID},
		{"customContentId", "custom content", in.CustomContentID},
	} {
		if strings.TrimSpace(t.value) == "" {
			continue
		}
		given = append(given, t.field)
		field, id = t.field, strings.TrimSpace(t.value)
		if t.field == "attachmentId" && attachmentID.MatchString(id) {
			continue
		}
		if id, err = c.contentID(ctx, t.field, t.what, t.value); err != nil {
			return "", "", err
		}
	}
	switch len(given) {
	case 0:
		return "", "", toolkit.Invalid("pageId", "pageId: say what to comment on: exactly one of pageId, blogPostId, parentCommentId, attachmentId, customContentId")
	case 1:
		return field, id, nil
	}
	return "", "", toolkit.Invalid(given[1], "Give exactly one of pageId, blogPostId, parentCommentId, attachmentId, customContentId; got %s. "+
		"To answer a comment parentCommentId alone is enough.", strings.Join(given, " and "))
}

var createFooterComment = toolkit.Create("CONFLUENCE_CREATE_FOOTER_COMMENT", "Create Footer Comment",
	"Comment at the foot of a page or blog post, or answer a comment. Give exactly one target. Not for comments on marked text.",
	toolkit.About{
		Important: true,
		Scopes:    toolkit.AllOf("write:comment:confluence"),
		Keywords:  []string{"reply", "respond", "answer", "feedback", "remark", "leave", "add", "write", "post", "discuss", "mention", "review", "page"},
		Pitfalls:  []string{"The text is storage format (XHTML): <p>Well done</p>.", "To answer a comment give parentCommentId alone, without pageId."},
		Endpoints: []string{"POST /wiki/api/v2/footer-comments"},
	},
	func(ctx context.Context, c *client, in createFooterCommentInput) (*comment, error) {
		text, err := in.Body.write()
		if err != nil {
			return nil, err
		}
		field, id, err := in.target(ctx, c)
		if err != nil {
			return nil, err
		}
		var out comment
		err = c.do(ctx, request{
			method: http.MethodPost, path: v2 + "/footer-comments", out: &out,
			body: map[string]any{field: id, "body": text},
			what: strings.TrimSuffix(field, "Id") + " with id " + id, field: field, scopes: []string{"write:comment:confluence"},
		})
		if err != nil {
			return nil, err
		}
		return c.shownComment(&out, ""), nil
	})

func (c *client) shownComment(m *comment, base string) *comment {
	m.URL, m.Body = c.address(m.Links, base), m.Body.orNil()
	return m
}

type commentList struct {
	Results []comment `json:"results" jsonschema_description:"The comments; answers to them are not included."`
	paging
}

type getPageFooterCommentsInput struct {
	ID         string   `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
	BodyFormat string   `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format,default=storage" jsonschema_description:"Format of the texts."`
	Status     []string `json:"status,omitempty" jsonschema:"enum=current,enum=archived,enum=trashed,enum=deleted,enum=historical,enum=draft" jsonschema_description:"Only comments with these statuses."`
	Sort       string   `json:"sort,omitempty" jsonschema:"enum=created-date,enum=-created-date,enum=modified-date,enum=-modified-date" jsonschema_description:"Order; - puts the newest first."`
	pageArgs
}

var getPageFooterComments = toolkit.Read("CONFLUENCE_GET_PAGE_FOOTER_COMMENTS", "Get Page Footer Comments",
	"List the comments at the foot of one page, with their texts. Answers to comments and comments on marked text are not among them.",
	toolkit.About{
		Scopes:    toolkit.AllOf("read:comment:confluence"),
		Keywords:  []string{"read", "list", "feedback", "discussion", "replies", "remarks", "what do people say", "reactions", "document"},
		Pitfalls:  []string{"Only comments on the page itself are listed, not the answers to them."},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/footer-comments"},
	},
	func(ctx context.Context, c *client, in getPageFooterCommentsInput) (*commentList, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{"body-format": {in.BodyFormat}}
		if len(in.Status) > 0 {
			q["status"] = in.Status
		}
		set(q, "sort", in.Sort)
		got, err := fetch[comment](ctx, c, request{
			path: v2 + "/pages/" + id + "/footer-comments", query: q, what: "page with id " + id, field: "id",
			scopes: []string{"read:comment:confluence"},
		}, in.pageArgs)
		if err != nil {
			return nil, err
		}
		for i := range got.items {
			c.shownComment(&got.items[i], got.base)
		}
		return &commentList{Results: orEmpty(got.items), paging: got.paging()}, nil
	})
