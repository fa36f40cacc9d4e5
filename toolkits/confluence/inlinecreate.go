package confluence

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type createInlineCommentInput struct {
	PageID          string         `json:"pageId,omitempty" jsonschema_description:"Comment on this page: id, address, or MKT: Title."`
	BlogPostID      string         `json:"blogPostId,omitempty" jsonschema_description:"Comment on this blog post: id, address, or MKT: Title."`
	ParentCommentID string         `json:"parentCommentId,omitempty" jsonschema_description:"Answer this inline comment; needs no textSelection."`
	Body            bodyInput      `json:"body" jsonschema_description:"The text of the comment."`
	TextSelection   string         `json:"textSelection,omitempty" jsonschema:"maxLength=500" jsonschema_description:"The text to mark, exactly as it is shown on the page."`
	MatchIndex      *int           `json:"matchIndex,omitempty" jsonschema:"minimum=0" jsonschema_description:"Which occurrence of the text, from 0; needed only when there are several."`
	Properties      *inlineTargets `json:"inlineCommentProperties,omitempty" jsonschema_description:"The same in the words of the API."`
}

type inlineTargets struct {
	TextSelection string `json:"textSelection" jsonschema_description:"The text to mark."`
	MatchCount    int    `json:"textSelectionMatchCount,omitempty" jsonschema:"minimum=1" jsonschema_description:"How often it occurs; found by itself when left out."`
	MatchIndex    *int   `json:"textSelectionMatchIndex,omitempty" jsonschema:"minimum=0" jsonschema_description:"Which occurrence, from 0."`
}

var createInlineComment = toolkit.Create("CONFLUENCE_CREATE_INLINE_COMMENT", "Create Inline Comment",
	"Comment on a certain text of a page or blog post: the text is marked and the comment hangs on it. "+
		"For a comment on the page as a whole use create footer comment.",
	toolkit.About{
		Scopes:   toolkit.AllOf(scopeWriteComment).Sometimes(scopeReadPage),
		Keywords: []string{"annotate", "annotation", "comment on a sentence", "comment on a phrase", "comment on selected text", "review note"},
		Pitfalls: []string{
			"The text to mark must stand on the page exactly so, within one paragraph; when it occurs several times give matchIndex.",
			"The comment is storage format (XHTML): <p>Why?</p>.",
		},
		Endpoints: []string{"POST /wiki/api/v2/inline-comments", "GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/blogposts/{id}"},
	},
	func(ctx context.Context, c *client, in createInlineCommentInput) (*inlineComment, error) {
		text, err := in.Body.write()
		if err != nil {
			return nil, err
		}
		payload := map[string]any{"body": text}
		field, what, value, err := in.target()
		if err != nil {
			return nil, err
		}
		id, err := c.contentID(ctx, field, what, value)
		if err != nil {
			return nil, err
		}
		payload[field] = id
		if field != "parentCommentId" {
			if payload["inlineCommentProperties"], err = in.marks(ctx, c, what, id); err != nil {
				return nil, err
			}
		}
		var out inlineComment
		err = c.do(ctx, request{
			method: http.MethodPost, path: v2 + "/inline-comments", body: payload, out: &out,
			what: what + " with id " + id, field: field, scopes: []string{scopeWriteComment},
		})
		if err != nil {
			return nil, err
		}
		return c.shownInline(&out, ""), nil
	})

// target gives the one thing to comment on.
func (in createInlineCommentInput) target() (field, what, value string, err error) {
	given := 0
	for _, t := range []struct{ field, what, value string }{
		{"pageId", "page", in.PageID}, {"blogPostId", "blog post", in.BlogPostID}, {"parentCommentId", "comment", in.ParentCommentID},
	} {
		if strings.TrimSpace(t.value) != "" {
			field, what, value = t.field, t.what, t.value
			given++
		}
	}
	if given != 1 {
		return "", "", "", toolkit.Invalid("pageId", "pageId: give exactly one of pageId, blogPostId and parentCommentId")
	}
	return field, what, value, nil
}

// marks says which text is marked, having looked that it is there.
func (in createInlineCommentInput) marks(ctx context.Context, c *client, what, id string) (map[string]any, error) {
	text, index, count := in.TextSelection, in.MatchIndex, 0
	if p := in.Properties; p != nil && text == "" {
		text, count = p.TextSelection, p.MatchCount
		if index == nil {
			index = p.MatchIndex
		}
	}
	if strings.TrimSpace(text) == "" {
		return nil, toolkit.Invalid("textSelection", "textSelection: expected the text to mark; for a comment on the whole use CONFLUENCE_CREATE_FOOTER_COMMENT")
	}
	if count == 0 || index == nil {
		found, err := c.selections(ctx, what, id, text)
		if err != nil {
			return nil, err
		}
		if count = found.Count; count == 0 {
			return nil, toolkit.Invalid("textSelection", "textSelection: %s", found.Note)
		}
		if count > 1 && index == nil {
			return nil, found.ambiguous()
		}
		if index == nil {
			index = new(int)
		}
	}
	if *index >= count {
		return nil, toolkit.Invalid("matchIndex", "matchIndex: the text occurs %d times, so it goes from 0 to %d", count, count-1)
	}
	return map[string]any{"textSelection": text, "textSelectionMatchCount": count, "textSelectionMatchIndex": *index}, nil
}

// ambiguous lists the candidates.
func (l *selectionList) ambiguous() error {
	var places []string
	for _, s := range l.Selections[:min(len(l.Selections), 10)] {
		places = append(places, fmt.Sprintf("%d: %s[%s]%s", s.Index, s.Before, s.Text, s.After))
	}
	return toolkit.Invalid("matchIndex", "matchIndex: the text occurs %d times; say which one: %s", l.Count, strings.Join(places, "; "))
}
