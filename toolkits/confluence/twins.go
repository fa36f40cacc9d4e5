package confluence

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type deleteBlogpostInput struct {
	ID    string `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	Purge bool   `json:"purge,omitempty" jsonschema_description:"Remove for good one that is in the trash already. Needs an administrator of the space."`
	Draft bool   `json:"draft,omitempty" jsonschema_description:"Discard a draft, for good."`
}

var deleteBlogpost = toolkit.Delete("CONFLUENCE_DELETE_BLOGPOST", "Delete Blogpost",
	"Move a blog post to the trash of its space, from where a person can restore it; with purge remove one from the trash for good. For pages use delete page.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeDeletePage),
		Keywords:  []string{"retract", "take down", "unpublish"},
		Endpoints: []string{"DELETE /wiki/api/v2/blogposts/{id}"},
	},
	func(ctx context.Context, c *client, in deleteBlogpostInput) (*gone, error) {
		id, err := c.contentID(ctx, "id", "blog post", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		out := &gone{ID: id, Deleted: true, Message: "The blog post is in the trash now; a person can restore it from the trash of its space."}
		switch {
		case in.Purge && in.Draft:
			return nil, toolkit.Invalid("purge", "purge: give purge or draft, not both; a draft is gone for good at once")
		case in.Purge:
			q.Set("purge", "true")
			out.Message = "The blog post is gone for good."
		case in.Draft:
			q.Set("draft", "true")
			out.Message = "The draft is gone for good."
		}
		err = c.do(ctx, request{
			method: http.MethodDelete, path: v2 + "/blogposts/" + id, query: q, what: "blog post with id " + id, field: "id", scopes: []string{scopeDeletePage},
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})

type listSpacesInput struct {
	IDs         []string `json:"ids,omitempty" jsonschema:"maxItems=250" jsonschema_description:"Only the spaces with these ids."`
	Keys        []string `json:"keys,omitempty" jsonschema:"maxItems=250" jsonschema_description:"Only the spaces with these keys."`
	Type        string   `json:"type,omitempty" jsonschema:"enum=global,enum=personal,enum=collaboration,enum=knowledge_base" jsonschema_description:"Only spaces of this type; global are those of teams."`
	Status      string   `json:"status,omitempty" jsonschema:"enum=current,enum=archived" jsonschema_description:"Only spaces with this status."`
	Labels      []string `json:"labels,omitempty" jsonschema:"maxItems=50" jsonschema_description:"Only spaces with one of these labels."`
	FavoritedBy string   `json:"favorited_by,omitempty" jsonschema_description:"Only favourites of this person: account id, name, e-mail, or me."`
	Sort        string   `json:"sort,omitempty" jsonschema:"enum=id,enum=-id,enum=key,enum=-key,enum=name,enum=-name" jsonschema_description:"Order; - reverses it."`
	Description string   `json:"description_format,omitempty" jsonschema:"enum=plain,enum=view" jsonschema_description:"Give the descriptions as well, in this format."`
	IncludeIcon bool     `json:"include_icon,omitempty" jsonschema_description:"Give the icons as well."`
	pageArgs
}

var listSpaces = toolkit.Read("CONFLUENCE_LIST_SPACES", "List Spaces",
	"List spaces by id, key, type, status, label or whose favourites they are. The same list as get spaces, in the words of the newer API. Use either, not both.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadSpace).Sometimes(scopeContentDetails),
		Keywords:  []string{"favourites", "favorite spaces", "starred"},
		Endpoints: []string{"GET /wiki/api/v2/spaces", "GET /wiki/rest/api/search/user"},
	},
	func(ctx context.Context, c *client, in listSpacesInput) (*spaceList, error) {
		q := url.Values{}
		set(q, "type", in.Type)
		set(q, "status", in.Status)
		set(q, "sort", in.Sort)
		set(q, "description-format", in.Description)
		for name, values := range map[string][]string{"ids": in.IDs, "keys": in.Keys, "labels": in.Labels} {
			if len(values) > 0 {
				q[name] = values
			}
		}
		for _, id := range in.IDs {
			if _, err := plainID("ids", id); err != nil {
				return nil, err
			}
		}
		if in.IncludeIcon {
			q.Set("include-icon", "true")
		}
		if in.FavoritedBy != "" {
			id, err := c.accountID(ctx, "favorited_by", in.FavoritedBy)
			if err != nil {
				return nil, err
			}
			q.Set("favorited-by", id)
		}
		got, err := fetch[space](ctx, c, request{path: v2 + "/spaces", query: q, scopes: []string{scopeReadSpace}}, in.pageArgs)
		if err != nil {
			return nil, err
		}
		for i := range got.items {
			c.shownSpace(&got.items[i], got.base)
		}
		out := &spaceList{Results: orEmpty(got.items), paging: got.paging()}
		if got.cursor == "" && in.Cursor == "" && in.Start == 0 {
			out.Missing = missingKeys(in.Keys, got.items)
		}
		return out, nil
	})

type searchPagesInput struct {
	Title    string   `json:"title,omitempty" jsonschema:"maxLength=255" jsonschema_description:"Words that the title holds."`
	Text     string   `json:"text,omitempty" jsonschema:"maxLength=500" jsonschema_description:"Words that the text or the title holds."`
	SpaceKey string   `json:"spaceKey,omitempty" jsonschema_description:"Only in this space: its key (MKT) or its id."`
	Labels   []string `json:"labels,omitempty" jsonschema:"maxItems=20" jsonschema_description:"Only pages that have every one of these labels."`
	Creator  string   `json:"creator,omitempty" jsonschema_description:"Only pages that this person created: account id, name, e-mail, or me."`
	Ancestor string   `json:"ancestor,omitempty" jsonschema_description:"Only pages somewhere below this page: id, address, or MKT: Title."`
	Since    string   `json:"modifiedSince,omitempty" jsonschema_description:"Only with a last change on this day or later: 2026-11-01."`
	pageArgs
}

var searchPages = toolkit.Read("CONFLUENCE_SEARCH_PAGES", "Search Pages",
	"Find pages that meet several conditions at once, without CQL: words, space, labels, creator, ancestor, last change. For plain words use search content.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf(scopeSearch, "search:confluence").Sometimes(scopeReadSpace),
		Keywords:  []string{"filter pages", "combined conditions"},
		Pitfalls:  []string{"New pages are found after about a minute; archived ones never."},
		Endpoints: []string{"GET /wiki/rest/api/search", "GET /wiki/rest/api/search/user", "GET /wiki/api/v2/spaces/{id}"},
	},
	func(ctx context.Context, c *client, in searchPagesInput) (*foundList, error) {
		cql, err := in.cql(ctx, c)
		if err != nil {
			return nil, err
		}
		return c.search(ctx, cql, "highlight", "", in.pageArgs)
	})

func (in searchPagesInput) cql(ctx context.Context, c *client) (string, error) {
	cql := []string{"type = page"}
	for _, t := range []struct{ name, value string }{{"title", in.Title}, {"text", in.Text}} {
		if t.value == "" {
			continue
		}
		all := words(strings.ToLower(t.value))
		if len(all) == 0 {
			return "", toolkit.Invalid(t.name, "%s: expected at least one word or number to look for", t.name)
		}
		cql = append(cql, t.name+" ~ "+quote(strings.Join(all, " ")))
	}
	for _, l := range in.Labels {
		cql = append(cql, "label = "+quote(l))
	}
	if in.SpaceKey != "" {
		ref, err := c.spaceRef(ctx, "spaceKey", in.SpaceKey)
		if err != nil {
			return "", err
		}
		cql = append(cql, "space = "+quote(ref.key))
	}
	if in.Creator != "" {
		id, err := c.accountID(ctx, "creator", in.Creator)
		if err != nil {
			return "", err
		}
		cql = append(cql, "creator = "+quote(id))
	}
	if in.Ancestor != "" {
		id, err := c.contentID(ctx, "ancestor", "page", in.Ancestor)
		if err != nil {
			return "", err
		}
		cql = append(cql, "ancestor = "+id)
	}
	if in.Since != "" {
		if _, err := epochMillis("modifiedSince", in.Since, false); err != nil || len(in.Since) != len("2006-01-02") {
			return "", toolkit.Invalid("modifiedSince", "modifiedSince: expected a day such as 2026-11-22")
		}
		cql = append(cql, "lastmodified >= "+quote(in.Since))
	}
	if len(cql) == 1 {
		return "", toolkit.Invalid("", "Give at least one condition: title, text, spaceKey, labels, creator, ancestor or modifiedSince.")
	}
	return strings.Join(cql, " and "), nil
}

type searchSpacesInput struct {
	Query string `json:"query" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"Words of the name of the space: marketing."`
	pageArgs
}

var searchSpaces = toolkit.Read("CONFLUENCE_SEARCH_SPACES", "Search Spaces",
	"Search the names of spaces for some words, when only a part of a name is known. It finds names, not what is in the spaces.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf(scopeSearch, "search:confluence"),
		Keywords:  []string{"partial name", "name fragment"},
		Endpoints: []string{"GET /wiki/rest/api/search"},
	},
	func(ctx context.Context, c *client, in searchSpacesInput) (*foundList, error) {
		all := words(strings.ToLower(in.Query))
		if len(all) == 0 {
			return nil, toolkit.Invalid("query", "query: expected at least one word or number to look for")
		}
		return c.search(ctx, "type = space and space.title ~ "+quote(strings.Join(all, " ")), "none", "", in.pageArgs)
	})

// validity says whether the account's credentials are good.
type validity struct {
	Valid   bool   `json:"valid" jsonschema_description:"Whether Confluence takes the credentials."`
	User    *user  `json:"user,omitempty" jsonschema_description:"Whose they are."`
	Site    string `json:"site" jsonschema_description:"The site they are for."`
	Message string `json:"message" jsonschema_description:"What that means and what to do."`
}

var validateCredential = toolkit.Read("CONFLUENCE_VALIDATE_CREDENTIAL", "Validate Credential",
	"Check that the connected account's credentials work, and say why they are refused if not. "+
		"For name and e-mail of the account use get current user.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf(scopeContentDetails, "read:confluence-user"),
		Keywords:  []string{"test the connection", "token expired", "health check"},
		Endpoints: []string{"GET /wiki/rest/api/user/current"},
	},
	func(ctx context.Context, c *client, _ struct{}) (*validity, error) {
		out := &validity{Site: c.base}
		u, err := c.currentUser(ctx)
		var e *toolkit.Error
		switch {
		case err == nil:
			out.Valid, out.User, out.Message = true, u, "The credentials are good; they are those of "+u.name()+"."
			return out, nil
		case errors.As(err, &e) && e.Kind == toolkit.KindAuth:
			out.Message = e.Error()
			return out, nil
		}
		return nil, err
	})
