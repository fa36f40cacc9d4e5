package confluence

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sluice-run/sluice/toolkit"
)

// anyComment finds a comment of either kind, and says in which collection it is.
func (c *client) anyComment(ctx context.Context, value string) (*inlineComment, string, error) {
	id, err := c.contentID(ctx, "id", "comment", value)
	if err != nil {
		return nil, "", err
	}
	r := request{
		query: url.Values{"body-format": {"storage"}}, what: "comment with id " + id, field: "id", scopes: []string{scopeReadComment}, probe: true,
	}
	var m inlineComment
	r.out = &m
	r.path = v2 + "/footer-comments/" + id
	if err = c.do(ctx, r); err == nil || !isStatus(err, http.StatusNotFound) {
		return &m, "footer-comments", err
	}
	r.path, r.probe = v2+"/inline-comments/"+id, false
	return &m, "inline-comments", c.do(ctx, r)
}

type replyToCommentInput struct {
	ID   string    `json:"id" jsonschema_description:"The comment to answer: its id or its address."`
	Body bodyInput `json:"body" jsonschema_description:"The text of the answer."`
}

var replyToComment = toolkit.Create("CONFLUENCE_REPLY_TO_COMMENT", "Reply to Comment",
	"Answer a comment, whether it is at the foot of a page or on marked text; only its id is needed. Not for a new comment: use create footer comment.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeWriteComment, scopeReadComment),
		Keywords:  []string{"respond", "answer", "thread"},
		Pitfalls:  []string{"The text is storage format (XHTML): <p>Thanks</p>."},
		Endpoints: []string{"POST /wiki/api/v2/footer-comments", "POST /wiki/api/v2/inline-comments", "GET /wiki/api/v2/footer-comments/{comment-id}", "GET /wiki/api/v2/inline-comments/{comment-id}"},
	},
	func(ctx context.Context, c *client, in replyToCommentInput) (*inlineComment, error) {
		text, err := in.Body.write()
		if err != nil {
			return nil, err
		}
		to, collection, err := c.anyComment(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		var out inlineComment
		err = c.do(ctx, request{
			method: http.MethodPost, path: v2 + "/" + collection, body: map[string]any{"parentCommentId": to.ID, "body": text}, out: &out,
			what: "comment with id " + to.ID, field: "id", scopes: []string{scopeWriteComment},
		})
		if err != nil {
			return nil, err
		}
		return c.shownInline(&out, ""), nil
	})

type resolveCommentInput struct {
	ID       string `json:"id" jsonschema_description:"The comment on marked text: its id or its address."`
	Resolved *bool  `json:"resolved,omitempty" jsonschema:"default=true" jsonschema_description:"true resolves it, false reopens it."`
}

var resolveComment = toolkit.Update("CONFLUENCE_RESOLVE_COMMENT", "Resolve Comment",
	"Resolve a comment on marked text, or reopen it. Not for comments at the foot of a page, which cannot be resolved.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeWriteComment, scopeReadComment),
		Keywords:  []string{"settle", "close a thread", "mark as done", "reopen"},
		Endpoints: []string{"PUT /wiki/api/v2/inline-comments/{comment-id}", "GET /wiki/api/v2/inline-comments/{comment-id}", "GET /wiki/api/v2/footer-comments/{comment-id}"},
	},
	func(ctx context.Context, c *client, in resolveCommentInput) (*inlineComment, error) {
		now, collection, err := c.anyComment(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if collection != "inline-comments" {
			return nil, toolkit.Invalid("id", "id: this comment is at the foot of a page; only comments on marked text can be resolved")
		}
		kept, ok := now.Body.text()
		if !ok || now.Version == nil {
			return nil, toolkit.Invalid("id", "id: the comment's text or version could not be read, so it cannot be changed")
		}
		var out inlineComment
		err = c.do(ctx, request{
			method: http.MethodPut, path: v2 + "/inline-comments/" + now.ID, out: &out,
			body: map[string]any{
				"version": map[string]int{"number": now.Version.Number + 1}, "resolved": in.Resolved == nil || *in.Resolved,
				"body": bodyWrite(kept),
			},
			what: "comment with id " + now.ID, field: "id", scopes: []string{scopeWriteComment},
		})
		if err != nil {
			return nil, err
		}
		return c.shownInline(&out, ""), nil
	})

type deleteCommentInput struct {
	ID string `json:"id" jsonschema_description:"The comment: its id or its address."`
}

var deleteComment = toolkit.Delete("CONFLUENCE_DELETE_COMMENT", "Delete Comment",
	"Delete a comment at the foot of a page or on marked text, for good, with the answers to it. To settle one use resolve comment.",
	toolkit.About{
		Scopes:    toolkit.AllOf("delete:comment:confluence"),
		Keywords:  []string{"retract", "take back", "withdraw"},
		Pitfalls:  []string{"A deleted comment cannot be restored."},
		Endpoints: []string{"DELETE /wiki/api/v2/footer-comments/{comment-id}", "DELETE /wiki/api/v2/inline-comments/{comment-id}"},
	},
	func(ctx context.Context, c *client, in deleteCommentInput) (*gone, error) {
		id, err := c.contentID(ctx, "id", "comment", in.ID)
		if err != nil {
			return nil, err
		}
		r := request{
			method: http.MethodDelete, path: v2 + "/footer-comments/" + id, what: "comment with id " + id, field: "id",
			scopes: []string{"delete:comment:confluence"}, probe: true,
		}
		if err = c.do(ctx, r); isStatus(err, http.StatusNotFound) {
			r.path, r.probe = v2+"/inline-comments/"+id, false
			err = c.do(ctx, r)
		}
		if err != nil {
			return nil, err
		}
		return &gone{ID: id, Deleted: true, Message: "The comment is gone for good."}, nil
	})
