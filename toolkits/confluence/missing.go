package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// "Not found" is what Confluence says of what is gone, of what the account may
// not see, of content of another kind, to bad credentials, and at a wrong
// address. This file tells them apart.

var contentInPath = regexp.MustCompile(`/(pages|blogposts|whiteboards|attachments|footer-comments|inline-comments|content)/((?:att)?[0-9]{1,19})(?:/|$)`)

// kindsInPath are the types of content that a collection holds.
var kindsInPath = map[string]string{
	"pages": "page", "blogposts": "blogpost", "whiteboards": "whiteboard", "attachments": "attachment",
	"footer-comments": "comment", "inline-comments": "comment",
}

// readers name types of content and the tool that takes their ids.
var readers = map[string]struct{ name, tool string }{
	"page":       {"a page", "CONFLUENCE_GET_PAGE_BY_ID"},
	"blogpost":   {"a blog post", "CONFLUENCE_GET_BLOGPOST_BY_ID"},
	"attachment": {"an attachment", "CONFLUENCE_DOWNLOAD_ATTACHMENT"},
	"comment":    {"a comment", ""},
	"whiteboard": {"a whiteboard", ""},
	"folder":     {"a folder", ""},
	"database":   {"a database", ""},
	"embed":      {"a smart link", ""},
}

// explainMissing completes the error of a 404 with its cause, which one cheap
// call finds: a search for the id where there is one, else who the account is.
func (c *client) explainMissing(ctx context.Context, r request, e *toolkit.Error) {
	if ctx.Err() != nil {
		return
	}
	m := contentInPath.FindStringSubmatch(r.path)
	var hit *foundContent
	var err error
	if m != nil {
		hit, err = c.lookUp(ctx, m[2])
	} else {
		_, err = c.currentUser(ctx)
	}
	var why *toolkit.Error
	switch {
	case err == nil:
	case !errors.As(err, &why):
		return
	case why.Kind == toolkit.KindAuth:
		e.Kind, e.Field = toolkit.KindAuth, ""
		e.Message = "Confluence answers \"not found\" because it does not take the account's credentials."
		e.Fix = why.Fix
		return
	case why.Status == http.StatusNotFound || strings.Contains(why.Message, "web page instead of data"):
		e.Kind, e.Field = toolkit.KindAuth, ""
		e.Message = "There is no Confluence at the account's address."
		e.Fix = "The site's name may be wrong, or the site is gone: connect the account again with the right site."
		return
	case why.Status == http.StatusUnauthorized && why.Kind == toolkit.KindForbidden: // a scope is missing already for looking
		e.Fix = strings.TrimSpace(e.Fix + " The account lacks scopes, perhaps this one too: " + strings.Join(r.scopes, ", ") + ".")
		return
	case why.Status != http.StatusBadRequest:
		return // it cannot be told
	}
	switch {
	case m == nil || hit != nil && (kindsInPath[m[1]] == hit.Type || kindsInPath[m[1]] == ""):
	case hit != nil:
		otherKind(e, m[2], hit)
	default:
		e.Message = strings.TrimSuffix(e.Message, ".") + ": it was deleted for good or never was, or it is restricted. The credentials are good."
	}
}

// otherKind says that an id is that of content of another type.
func otherKind(e *toolkit.Error, id string, hit *foundContent) {
	is, ok := readers[hit.Type]
	if !ok {
		is.name = "content of the type " + hit.Type
	}
	e.Message = fmt.Sprintf("%s is the id of %s, '%s'.", id, is.name, hit.Title)
	e.Fix = "Use a tool for that, or find the right id with CONFLUENCE_SEARCH_CONTENT."
	if is.tool != "" {
		e.Fix = "Read it with " + is.tool + ", or find the right id with CONFLUENCE_SEARCH_CONTENT."
	}
}

// lookUp finds content of any type by its id; nil when the search knows none.
func (c *client) lookUp(ctx context.Context, id string) (*foundContent, error) {
	got, err := fetchOne[row](ctx, c, request{
		path: v1 + "/search", query: url.Values{"cql": {"id = " + id}, "excerpt": {"none"}}, probe: true, scopes: []string{scopeSearch},
	}, 1, "")
	if err != nil || len(got.items) == 0 {
		return nil, err
	}
	return got.items[0].Content, nil
}
