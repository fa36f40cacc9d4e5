package confluence

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

type spaceList struct {
	Results []space  `json:"results" jsonschema_description:"The spaces."`
	Missing []string `json:"missing,omitempty" jsonschema_description:"Keys that were asked for and are unknown, or that this account may not see."`
	paging
}

type getSpacesInput struct {
	SpaceKey []string `json:"spaceKey,omitempty" jsonschema:"maxItems=250" jsonschema_description:"Only the spaces with these keys."`
	Status   string   `json:"status,omitempty" jsonschema:"enum=current,enum=archived" jsonschema_description:"Only spaces with this status."`
	Type     string   `json:"type,omitempty" jsonschema:"enum=global,enum=personal,enum=collaboration,enum=knowledge_base" jsonschema_description:"Only spaces of this type; global are those of teams."`
	Label    []string `json:"label,omitempty" jsonschema:"maxItems=50" jsonschema_description:"Only spaces with one of these labels."`
	Sort     string   `json:"sort,omitempty" jsonschema:"enum=id,enum=-id,enum=key,enum=-key,enum=name,enum=-name" jsonschema_description:"Order; - reverses it."`
	Expand   []string `json:"expand,omitempty" jsonschema:"enum=description.plain,enum=description.view,enum=icon,enum=homepage" jsonschema_description:"More of each space: description.plain, description.view, icon."`
	pageArgs
}

var getSpaces = toolkit.Read("CONFLUENCE_GET_SPACES", "Get Spaces",
	"List the spaces of the site, with id, key and name. Use it to find where to write or search. For what is in a space use get space contents.",
	toolkit.About{
		Important: true,
		Scopes:    toolkit.AllOf(scopeReadSpace),
		Keywords:  []string{"list", "which spaces", "areas", "teams", "sections", "show", "browse", "marketing", "engineering", "space key", "workspace"},
		Endpoints: []string{"GET /wiki/api/v2/spaces"},
	},
	func(ctx context.Context, c *client, in getSpacesInput) (*spaceList, error) {
		q := url.Values{}
		set(q, "status", in.Status)
		set(q, "type", in.Type)
		set(q, "sort", in.Sort)
		if len(in.SpaceKey) > 0 {
			q["keys"] = in.SpaceKey
		}
		if len(in.Label) > 0 {
			q["labels"] = in.Label
		}
		for _, e := range in.Expand {
			switch e {
			case "description.plain", "description.view":
				q.Set("description-format", strings.TrimPrefix(e, "description."))
			case "icon":
				q.Set("include-icon", "true")
			}
		}
		got, err := fetch[space](ctx, c, request{path: v2 + "/spaces", query: q, scopes: []string{scopeReadSpace}}, in.pageArgs)
		if err != nil {
			return nil, err
		}
		out := &spaceList{Results: orEmpty(got.items), paging: got.paging()}
		for i := range got.items {
			c.shownSpace(&got.items[i], got.base)
		}
		if got.cursor == "" && in.Cursor == "" && in.Start == 0 {
			out.Missing = missingKeys(in.SpaceKey, got.items)
		}
		return out, nil
	})

// missingKeys gives the keys that the API dropped silently.
func missingKeys(asked []string, got []space) []string {
	var missing []string
	for _, key := range asked {
		if !slices.ContainsFunc(got, func(s space) bool { return strings.EqualFold(s.Key, key) }) {
			missing = append(missing, key)
		}
	}
	return missing
}

func (c *client) shownSpace(s *space, base string) *space {
	s.URL = c.address(s.Links, base)
	return s
}

type getSpaceInput struct {
	ID string `json:"id" jsonschema:"minLength=1" jsonschema_description:"Id of the space, or its key (MKT)."`
}

var getSpace = toolkit.Read("CONFLUENCE_GET_SPACE_BY_ID", "Get Space by ID",
	"Read one space by its id or key: name, description, home page, owner. For the pages in it use get space contents.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadSpace),
		Keywords:  []string{"details", "about", "info", "information", "home page", "homepage", "owner", "key", "show", "team"},
		Endpoints: []string{"GET /wiki/api/v2/spaces/{id}", "GET /wiki/api/v2/spaces"},
	},
	func(ctx context.Context, c *client, in getSpaceInput) (*space, error) {
		id, err := c.spaceID(ctx, "id", in.ID)
		if err != nil {
			return nil, err
		}
		var s space
		err = c.do(ctx, request{
			path: v2 + "/spaces/" + id, query: url.Values{"description-format": {"plain"}}, out: &s,
			what: "space with id " + id, field: "id", scopes: []string{scopeReadSpace},
		})
		if err != nil {
			return nil, err
		}
		return c.shownSpace(&s, ""), nil
	})

// contentItem is a page or a blog post.
type contentItem struct {
	Type string `json:"type" jsonschema_description:"page or blogpost."`
	page
}

type contentList struct {
	Results []contentItem `json:"results" jsonschema_description:"The pages or blog posts."`
	paging
}

type getSpaceContentsInput struct {
	SpaceKey   string `json:"spaceKey" jsonschema:"minLength=1" jsonschema_description:"The space: its key (MKT) or its id."`
	Type       string `json:"type,omitempty" jsonschema:"enum=page,enum=blogpost,default=page" jsonschema_description:"What to list: pages or blog posts."`
	Status     string `json:"status,omitempty" jsonschema:"enum=current,enum=archived,enum=trashed,enum=deleted,default=current" jsonschema_description:"Only content with this status. Blog posts are never archived."`
	PostingDay string `json:"postingDay,omitempty" jsonschema_description:"Only blog posts of this day, as 2026-11-22."`
	Sort       string `json:"sort,omitempty" jsonschema:"enum=id,enum=-id,enum=created-date,enum=-created-date,enum=modified-date,enum=-modified-date,enum=title,enum=-title" jsonschema_description:"Order; - reverses it. Title is for pages only."`
	BodyFormat string `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format" jsonschema_description:"Give the texts as well, in this format."`
	pageArgs
}

var getSpaceContents = toolkit.Read("CONFLUENCE_GET_SPACE_CONTENTS", "Get Space Contents",
	"List the pages or the blog posts of one space. To find something by words use search content.",
	toolkit.About{
		Scopes: toolkit.Scopes{}.AnyOf(scopeReadPage, scopeSearch, "search:confluence").
			Sometimes(scopeReadPage).Sometimes(scopeReadSpace).Sometimes(scopeSearch, "search:confluence"),
		Keywords: []string{"list", "browse", "what is in", "inside", "overview", "inventory", "documents", "articles", "all pages", "news", "announcements", "trash"},
		Pitfalls: []string{"It lists either pages or blog posts, chosen by type.", "Attachments belong to pages and are not listed here."},
		Endpoints: []string{
			"GET /wiki/api/v2/spaces/{id}/pages", "GET /wiki/api/v2/spaces/{id}/blogposts", "GET /wiki/api/v2/spaces",
			"GET /wiki/rest/api/search", "GET /wiki/api/v2/blogposts", "GET /wiki/api/v2/spaces/{id}",
		},
	},
	func(ctx context.Context, c *client, in getSpaceContentsInput) (*contentList, error) {
		if in.PostingDay != "" {
			return c.postedOn(ctx, in)
		}
		if in.Type == "blogpost" && (in.Status == "archived" || strings.HasSuffix(in.Sort, "title")) {
			return nil, toolkit.Invalid("type", "Blog posts are never archived and cannot be sorted by title: choose another status or sort, or type page.")
		}
		id, err := c.spaceID(ctx, "spaceKey", in.SpaceKey)
		if err != nil {
			return nil, err
		}
		q := url.Values{"status": {in.Status}}
		set(q, "sort", in.Sort)
		set(q, "body-format", in.BodyFormat)
		return c.contents(ctx, in.Type, request{
			path: v2 + "/spaces/" + id + "/" + in.Type + "s", query: q, what: "space with id " + id, field: "spaceKey",
			scopes: []string{scopeReadPage},
		}, in.pageArgs)
	})

// contents lists pages or blog posts in one shape.
func (c *client) contents(ctx context.Context, kind string, r request, a pageArgs) (*contentList, error) {
	got, err := fetch[page](ctx, c, r, a)
	if err != nil {
		return nil, err
	}
	out := &contentList{Results: []contentItem{}, paging: got.paging()}
	for i := range got.items {
		out.Results = append(out.Results, contentItem{Type: kind, page: *c.shownPage(&got.items[i], got.base)})
	}
	return out, nil
}

// postedOn lists the blog posts of a day, which only a search can filter by.
func (c *client) postedOn(ctx context.Context, in getSpaceContentsInput) (*contentList, error) {
	day, err := time.Parse(time.DateOnly, in.PostingDay)
	if err != nil {
		return nil, toolkit.Invalid("postingDay", "postingDay: expected a day such as 2026-11-22")
	}
	if in.Type != "blogpost" {
		return nil, toolkit.Invalid("postingDay", "postingDay: only blog posts have a posting day; set type to blogpost")
	}
	if in.Status != "current" || in.Sort != "" {
		return nil, toolkit.Invalid("postingDay", "postingDay: works with status current and without sort only")
	}
	ref, err := c.spaceRef(ctx, "spaceKey", in.SpaceKey)
	if err != nil {
		return nil, err
	}
	cql := "type = blogpost and space = " + quote(ref.key) +
		" and created >= " + quote(day.Format(time.DateOnly)) +
		" and created < " + quote(day.AddDate(0, 0, 1).Format(time.DateOnly)) + " order by created"
	return c.contentsByCQL(ctx, cql, "blogpost", in.BodyFormat, in.pageArgs)
}

type spaceDescriptionInput struct {
	Plain *spacePlainInput `json:"plain,omitempty" jsonschema_description:"The description as plain text."`
}

type spacePlainInput struct {
	Value          string `json:"value" jsonschema_description:"The text."`
	Representation string `json:"representation,omitempty" jsonschema:"enum=plain,default=plain" jsonschema_description:"Always plain."`
}

type createSpaceInput struct {
	Key         string                 `json:"key" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Short key of the space, letters and digits only, used once on the site: MKT."`
	Name        string                 `json:"name" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"Name of the space."`
	Description *spaceDescriptionInput `json:"description,omitempty" jsonschema_description:"What the space is for."`
	Type        string                 `json:"type,omitempty" jsonschema:"enum=global,enum=personal,default=global" jsonschema_description:"Only global can be made here."`
	Metadata    map[string]any         `json:"metadata,omitempty" jsonschema_description:"Not possible; leave it out."`
}

// newSpace is a space as v1 gives it.
type newSpace struct {
	ID         int64          `json:"id" jsonschema_description:"Id of the space."`
	Key        string         `json:"key" jsonschema_description:"Key of the space."`
	Name       string         `json:"name" jsonschema_description:"Name of the space."`
	Type       string         `json:"type,omitempty" jsonschema_description:"global."`
	Status     string         `json:"status,omitempty" jsonschema_description:"current."`
	HomepageID string         `json:"homepageId,omitempty" jsonschema_description:"Id of its home page, when the site says it."`
	Homepage   *newSpaceLinks `json:"homepage,omitempty" jsonschema_description:"Its home page."`
	URL        string         `json:"url,omitempty" jsonschema_description:"Full address for people."`
	Links      links          `json:"_links,omitzero" jsonschema_description:"Links as the API gives them."`
}

type newSpaceLinks struct {
	ID    string `json:"id" jsonschema_description:"Id of the page."`
	Title string `json:"title,omitempty" jsonschema_description:"Its title."`
}

var keyForm = regexp.MustCompile(`^[A-Za-z0-9]+$`)

var createSpace = toolkit.Create("CONFLUENCE_CREATE_SPACE", "Create Space",
	"Create a space that everybody on the site can see by its default permissions. Use it for a new team, project or topic area; "+
		"for a single document create a page.",
	toolkit.About{
		Scopes: toolkit.Scopes{}.
			AnyOf("write:space:confluence", "write:confluence-space").
			AnyOf("read:space-details:confluence", "write:confluence-space").
			AnyOf("write:space.permission:confluence", "write:confluence-space"),
		Keywords:  []string{"new", "make", "add", "set up", "start", "team", "project", "area", "section", "workspace", "open"},
		Pitfalls:  []string{"The key cannot be changed later; it holds letters and digits only.", "Creating spaces is a right that many accounts lack."},
		Endpoints: []string{"POST /wiki/rest/api/space"},
	},
	func(ctx context.Context, c *client, in createSpaceInput) (*newSpace, error) {
		if in.Type == "personal" {
			return nil, toolkit.Invalid("type", "type: a personal space is made by its owner in Confluence; only global can be made here")
		}
		if len(in.Metadata) > 0 {
			return nil, toolkit.Invalid("metadata", "metadata: Confluence takes none for a new space; leave it out")
		}
		return c.createSpace(ctx, "/space", createPrivateSpaceInput{Key: in.Key, Name: in.Name, Description: in.Description})
	})

// createSpace makes a space by the call at path.
func (c *client) createSpace(ctx context.Context, path string, in createPrivateSpaceInput) (*newSpace, error) {
	if !keyForm.MatchString(in.Key) {
		return nil, toolkit.Invalid("key", "key: expected letters and digits only, such as MKT")
	}
	payload := map[string]any{"key": in.Key, "name": in.Name}
	if in.Description != nil && in.Description.Plain != nil {
		payload["description"] = map[string]any{"plain": map[string]string{
			"value": in.Description.Plain.Value, "representation": "plain",
		}}
	}
	var s newSpace
	err := c.do(ctx, request{
		method: http.MethodPost, path: v1 + path, body: payload, out: &s,
		scopes: []string{"write:space:confluence", "read:space-details:confluence", "write:space.permission:confluence"},
	})
	if isStatus(err, http.StatusBadRequest, http.StatusConflict) && strings.Contains(err.Error(), "exists") {
		return nil, &toolkit.Error{
			Kind: toolkit.KindConflict, Field: "key", Cause: err, Message: "A space with the key '" + in.Key + "' already exists.",
			Fix: "Choose another key, or use the space that is there: CONFLUENCE_GET_SPACE_BY_ID.",
		}
	}
	if err != nil {
		return nil, err
	}
	if s.Homepage != nil {
		s.HomepageID = s.Homepage.ID
	}
	s.URL = c.address(s.Links, "")
	return &s, nil
}
