package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// titleTaken makes of "a page with this title already exists" an error that
// names the page. Other errors stay as they are. Collection is pages or
// blogposts.
func (c *client) titleTaken(ctx context.Context, err error, collection, spaceID, title string) error {
	var e *toolkit.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest || !strings.Contains(e.Message, "already exists") {
		return err
	}
	what, update := "page", "CONFLUENCE_UPDATE_PAGE"
	if collection == "blogposts" {
		what, update = "blog post", "CONFLUENCE_UPDATE_BLOGPOST"
	}
	e.Kind, e.Field = toolkit.KindConflict, "title"
	e.Message = fmt.Sprintf("The title is taken: a %s with this title already exists in the space, maybe archived.", what)
	e.Fix = "Choose another title, or change what is there with " + update + "."
	q := url.Values{"title": {title}}
	set(q, "space-id", spaceID)
	found, ferr := fetchOne[page](ctx, c, request{path: v2 + "/" + collection, query: q, scopes: []string{scopeReadPage}}, 1, "")
	if ferr == nil && len(found.items) > 0 {
		p := found.items[0]
		e.Message = fmt.Sprintf("The title is taken: the %s with id %s has it.", what, p.ID)
	}
	return e
}
