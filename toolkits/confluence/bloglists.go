package confluence

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type getBlogPostsForLabelInput struct {
	ID         string `json:"id" jsonschema:"minLength=1" jsonschema_description:"The label: its name (release-notes) or its id."`
	SpaceID    string `json:"spaceId,omitempty" jsonschema_description:"Only those of this space: its id or its key."`
	Sort       string `json:"sort,omitempty" jsonschema:"enum=id,enum=-id,enum=created-date,enum=-created-date,enum=modified-date,enum=-modified-date" jsonschema_description:"Order; - puts the newest or largest first."`
	BodyFormat string `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format" jsonschema_description:"Give the texts as well, in this format."`
	pageArgs
}

var getBlogPostsForLabel = toolkit.Read("CONFLUENCE_GET_BLOG_POSTS_FOR_LABEL", "Get Blog Posts For Label",
	"List the blog posts that carry one label, named by its name or id. For pages with a label use get pages or CQL search.",
	toolkit.About{
		Scopes:   toolkit.AllOf(scopeReadPage).Sometimes("read:label:confluence", "read:confluence-content.summary"),
		Keywords: []string{"tagged", "categorized", "on a topic"},
		Pitfalls: []string{"A label whose name is a number must be given by its id."},
		Endpoints: []string{
			"GET /wiki/api/v2/labels/{id}/blogposts", "GET /wiki/rest/api/label",
		},
	},
	func(ctx context.Context, c *client, in getBlogPostsForLabelInput) (*blogpostList, error) {
		id, err := c.labelID(ctx, "id", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		set(q, "sort", in.Sort)
		set(q, "body-format", in.BodyFormat)
		if in.SpaceID != "" {
			spaceID, err := c.spaceID(ctx, "spaceId", in.SpaceID)
			if err != nil {
				return nil, err
			}
			q.Set("space-id", spaceID)
		}
		return c.blogposts(ctx, request{
			path: v2 + "/labels/" + id + "/blogposts", query: q, what: "label with id " + id, field: "id", scopes: []string{scopeReadPage},
		}, in.pageArgs)
	})

// labelID gives the id of the label that value names by id or name.
func (c *client) labelID(ctx context.Context, field, value string) (string, error) {
	value = strings.TrimSpace(value)
	if digits.MatchString(value) {
		return value, nil
	}
	if err := checkLabel(field, value); err != nil {
		return "", err
	}
	found, err := c.findLabel(ctx, field, value)
	if err != nil {
		return "", err
	}
	if found.ID == "" {
		return "", &toolkit.Error{
			Kind: toolkit.KindNotFound, Field: field, Message: "There is no label '" + value + "', or nothing that this account may see has it.",
			Fix: "List the labels with CONFLUENCE_GET_LABELS.",
		}
	}
	return found.ID, nil
}

// findLabel gets the label with a name; one that is not there has no id.
func (c *client) findLabel(ctx context.Context, field, name string) (label, error) {
	var answer struct {
		Label label `json:"label"`
	}
	err := c.do(ctx, request{
		path: v1 + "/label", query: url.Values{"name": {strings.ToLower(name)}, "limit": {"1"}}, out: &answer, probe: true,
		what: "label '" + name + "'", field: field, scopes: []string{"read:label:confluence"},
	})
	if isStatus(err, http.StatusNotFound) {
		return label{}, nil
	}
	return answer.Label, err
}

// labelNamed gives the label with that name, if it is of one of the kinds.
func (c *client) labelNamed(ctx context.Context, name string, kinds []string) (*labelList, error) {
	name = strings.TrimSpace(name)
	if err := checkLabel("name", name); err != nil {
		return nil, err
	}
	found, err := c.findLabel(ctx, "name", name)
	if err != nil {
		return nil, err
	}
	out := &labelList{Results: []label{}}
	if found.ID != "" && (len(kinds) == 0 || slices.Contains(kinds, found.Prefix)) {
		out.Results = append(out.Results, found)
	}
	return out, nil
}

// blogVersion is one version of a blog post.
type blogVersion struct {
	version
	Blogpost *versionedPage `json:"blogpost,omitempty" jsonschema_description:"The blog post in this version, when a text was asked for."`
}

type blogVersionList struct {
	Results []blogVersion `json:"results" jsonschema_description:"The versions."`
	paging
}

type getBlogpostVersionsInput struct {
	BlogpostID string `json:"blogpostId" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	Sort       string `json:"sort,omitempty" jsonschema:"enum=modified-date,enum=-modified-date,default=-modified-date" jsonschema_description:"Order; - puts the newest first."`
	BodyFormat string `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format" jsonschema_description:"Give the texts as well, in this format."`
	pageArgs
}

var getBlogpostVersions = toolkit.Read("CONFLUENCE_GET_BLOGPOST_VERSIONS", "Get Blogpost Versions",
	"List the versions of a blog post, newest first: who changed it, when and with what comment. For a page use get page versions.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"revision history", "who changed the announcement", "edited news", "changelog", "previous", "older"},
		Pitfalls:  []string{"Confluence gives at most 50 versions at once, whatever the limit."},
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{id}/versions"},
	},
	func(ctx context.Context, c *client, in getBlogpostVersionsInput) (*blogVersionList, error) {
		id, err := c.contentID(ctx, "blogpostId", "blog post", in.BlogpostID)
		if err != nil {
			return nil, err
		}
		q := url.Values{"sort": {in.Sort}}
		set(q, "body-format", in.BodyFormat)
		got, err := fetch[blogVersion](ctx, c, request{
			path: v2 + "/blogposts/" + id + "/versions", query: q, what: "blog post with id " + id, field: "blogpostId", scopes: []string{scopeReadPage},
		}, in.pageArgs)
		if err != nil {
			return nil, err
		}
		return &blogVersionList{Results: orEmpty(got.items), paging: got.paging()}, nil
	})

// versionDetails is all that is known of one version.
type versionDetails struct {
	version
	TypeModified  bool     `json:"contentTypeModified,omitempty" jsonschema_description:"Whether the kind of content changed with it."`
	Collaborators []string `json:"collaborators,omitempty" jsonschema_description:"Account ids of who worked on it."`
	PrevVersion   int      `json:"prevVersion,omitempty" jsonschema_description:"Number of the version before."`
	NextVersion   int      `json:"nextVersion,omitempty" jsonschema_description:"Number of the version after."`
}

type getBlogpostVersionDetailsInput struct {
	BlogpostID    string `json:"blogpostId" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	VersionNumber int    `json:"versionNumber" jsonschema:"minimum=1" jsonschema_description:"Number of the version."`
}

var getBlogpostVersionDetails = toolkit.Read("CONFLUENCE_GET_BLOGPOST_VERSION_DETAILS", "Get Blogpost Version Details",
	"Say who made one version of a blog post, with whom, when and with what comment, and which versions are before and after. "+
		"For its text use get blogpost by id with version.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"one revision", "single version", "collaborators", "who worked on it", "metadata"},
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{blogpost-id}/versions/{version-number}"},
	},
	func(ctx context.Context, c *client, in getBlogpostVersionDetailsInput) (*versionDetails, error) {
		id, err := c.contentID(ctx, "blogpostId", "blog post", in.BlogpostID)
		if err != nil {
			return nil, err
		}
		number := strconv.Itoa(in.VersionNumber)
		var out versionDetails
		err = c.do(ctx, request{
			path: v2 + "/blogposts/" + id + "/versions/" + number, out: &out, what: "version " + number + " of the blog post with id " + id,
			field: "versionNumber", scopes: []string{scopeReadPage},
		})
		return &out, err
	})
