package confluence

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sluice-run/sluice/toolkit"
)

type blogLabelInput struct {
	Name string `json:"name" jsonschema:"minLength=1" jsonschema_description:"Name of the label: one word without spaces."`
}

type createBlogpostInput struct {
	SpaceID  string           `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	Title    string           `json:"title" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Title of the blog post."`
	Body     bodyInput        `json:"body" jsonschema_description:"The text of the blog post."`
	Status   string           `json:"status,omitempty" jsonschema:"enum=current,enum=draft,default=current" jsonschema_description:"current publishes the blog post, draft does not."`
	Labels   []blogLabelInput `json:"labels,omitempty" jsonschema:"maxItems=200" jsonschema_description:"Labels to add once it is there."`
	ParentID string           `json:"parentId,omitempty" jsonschema_description:"Not possible: a blog post has no parent. Leave it out."`
	Metadata map[string]any   `json:"metadata,omitempty" jsonschema_description:"Not possible for blog posts; leave it out."`
}

// createdBlogpost is a blog post and what became of its labels.
type createdBlogpost struct {
	blogpost
	LabelsError string `json:"labels_error,omitempty" jsonschema_description:"Why the labels could not be added; the blog post itself exists."`
}

var createBlogpost = toolkit.Create("CONFLUENCE_CREATE_BLOGPOST", "Create Blogpost",
	"Publish a blog post in a space: news, an announcement, a summary of a meeting, dated and shown in the space's blog. "+
		"For lasting documentation create a page instead.",
	toolkit.About{
		Important: true,
		Scopes: toolkit.AllOf(scopeWritePage).Sometimes(scopeReadSpace).Sometimes(scopeReadPage).
			Sometimes("write:label:confluence", "write:confluence-content").Sometimes("read:label:confluence", "write:confluence-content"),
		Keywords: []string{
			"write", "add", "new", "publish", "post", "announce", "announcement", "news", "article", "newsletter", "update",
			"share", "meeting summary", "minutes", "recap", "write up", "release notes",
		},
		Pitfalls: []string{
			"The text is storage format (XHTML), not Markdown: <h2>, <p>, <ul><li>; & must be written as &amp;.",
			"A blog post has no parent. Labels are added by a second call, which needs the scope write:label:confluence; labels_error says when that failed.",
		},
		Endpoints: []string{"POST /wiki/api/v2/blogposts", "GET /wiki/api/v2/spaces", "GET /wiki/api/v2/blogposts", "POST /wiki/rest/api/content/{id}/label"},
	},
	func(ctx context.Context, c *client, in createBlogpostInput) (*createdBlogpost, error) {
		text, err := in.Body.write()
		if err != nil {
			return nil, err
		}
		if in.ParentID != "" {
			return nil, toolkit.Invalid("parentId", "parentId: a blog post has no parent; leave it out, or create a page")
		}
		if len(in.Metadata) > 0 {
			return nil, toolkit.Invalid("metadata", "metadata: Confluence takes none for blog posts; give labels in labels")
		}
		var add []labelInput
		for i, l := range in.Labels {
			if err := checkLabel(fmt.Sprintf("labels[%d].name", i), l.Name); err != nil {
				return nil, err
			}
			add = append(add, labelInput{Name: l.Name})
		}
		spaceID, err := c.spaceID(ctx, "spaceId", in.SpaceID)
		if err != nil {
			return nil, err
		}
		var b blogpost
		err = c.do(ctx, request{
			method: http.MethodPost, path: v2 + "/blogposts", out: &b,
			body: map[string]any{"spaceId": spaceID, "title": in.Title, "status": in.Status, "body": text},
			what: "space with id " + spaceID, field: "spaceId", scopes: []string{scopeWritePage},
		})
		if err != nil {
			return nil, c.titleTaken(ctx, err, "blogposts", spaceID, in.Title)
		}
		out := &createdBlogpost{blogpost: *c.shownBlogpost(&b, "")}
		if len(add) > 0 {
			if out.Labels, err = c.addLabels(ctx, b.ID, add); err != nil {
				out.LabelsError = "The blog post exists, but its labels could not be added: " + err.Error() +
					" Add them with CONFLUENCE_ADD_CONTENT_LABEL; do not create the blog post again."
			}
		}
		return out, nil
	})

func (c *client) shownBlogpost(b *blogpost, base string) *blogpost {
	b.URL, b.Body = c.address(b.Links, base), b.Body.orNil()
	return b
}

type getBlogpostInput struct {
	ID            string `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	BodyFormat    string `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format,enum=view,enum=export_view,enum=anonymous_export_view,enum=styled_view,enum=editor,default=storage" jsonschema_description:"Format of the text: storage to edit it later, export_view to read tables and macros as HTML."`
	Draft         bool   `json:"draft,omitempty" jsonschema_description:"Get the draft instead of what is published."`
	Version       int    `json:"version,omitempty" jsonschema:"minimum=1" jsonschema_description:"Get an older version by its number."`
	IncludeLabels bool   `json:"include_labels,omitempty" jsonschema_description:"Give the labels as well."`
}

var getBlogpost = toolkit.Read("CONFLUENCE_GET_BLOGPOST_BY_ID", "Get Blogpost by ID",
	"Read one blog post by its id: title, text, version, space, address. When only a title or some words are known, search first.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"open", "show", "view", "fetch", "article", "news", "announcement", "post", "content", "summarize"},
		Pitfalls:  []string{"The id of a page is not found here: use CONFLUENCE_GET_PAGE_BY_ID for pages."},
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{id}"},
	},
	func(ctx context.Context, c *client, in getBlogpostInput) (*blogpost, error) {
		id, err := c.contentID(ctx, "id", "blog post", in.ID)
		if err != nil {
			return nil, err
		}
		return c.blogpost(ctx, id, getPageInput(in).query())
	})

// blogpost gets one blog post.
func (c *client) blogpost(ctx context.Context, id string, q url.Values) (*blogpost, error) {
	var answer struct {
		blogpost
		Labels labelPage `json:"labels"`
	}
	err := c.do(ctx, request{
		path: v2 + "/blogposts/" + id, query: q, out: &answer, what: "blog post with id " + id + inVersion(q), field: "id",
		scopes: []string{scopeReadPage},
	})
	if err != nil {
		return nil, err
	}
	b := answer.blogpost
	b.Labels = answer.Labels.Results
	return c.shownBlogpost(&b, ""), nil
}

type blogpostList struct {
	Results []blogpost `json:"results" jsonschema_description:"The blog posts."`
	paging
}

type getBlogpostsInput struct {
	SpaceID    string `json:"spaceId,omitempty" jsonschema_description:"Only those of this space: its id or its key."`
	Title      string `json:"title,omitempty" jsonschema_description:"Only those with exactly this title."`
	Status     string `json:"status,omitempty" jsonschema:"enum=current,enum=trashed,enum=deleted,default=current" jsonschema_description:"Only those with this status."`
	Sort       string `json:"sort,omitempty" jsonschema:"enum=id,enum=-id,enum=created-date,enum=-created-date,enum=modified-date,enum=-modified-date,default=-created-date" jsonschema_description:"Order; - puts the newest or largest first."`
	BodyFormat string `json:"body_format,omitempty" jsonschema:"enum=storage,enum=atlas_doc_format" jsonschema_description:"Give the texts as well, in this format."`
	pageArgs
}

var getBlogposts = toolkit.Read("CONFLUENCE_GET_BLOG_POSTS", "Get Blog Posts",
	"List blog posts, newest first, of the whole site or of one space. For words in the text use search content.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords:  []string{"list", "recent", "latest", "news", "announcements", "articles", "browse", "show"},
		Pitfalls:  []string{"Texts come only with body_format; they make the answer large."},
		Endpoints: []string{"GET /wiki/api/v2/blogposts", "GET /wiki/api/v2/spaces"},
	},
	func(ctx context.Context, c *client, in getBlogpostsInput) (*blogpostList, error) {
		q := url.Values{"status": {in.Status}, "sort": {in.Sort}}
		set(q, "title", in.Title)
		set(q, "body-format", in.BodyFormat)
		if in.SpaceID != "" {
			id, err := c.spaceID(ctx, "spaceId", in.SpaceID)
			if err != nil {
				return nil, err
			}
			q.Set("space-id", id)
		}
		return c.blogposts(ctx, request{path: v2 + "/blogposts", query: q, scopes: []string{scopeReadPage}}, in.pageArgs)
	})

func (c *client) blogposts(ctx context.Context, r request, a pageArgs) (*blogpostList, error) {
	got, err := fetch[blogpost](ctx, c, r, a)
	if err != nil {
		return nil, err
	}
	for i := range got.items {
		c.shownBlogpost(&got.items[i], got.base)
	}
	return &blogpostList{Results: orEmpty(got.items), paging: got.paging()}, nil
}

type blogVersionInput struct {
	Number    int    `json:"number,omitempty" jsonschema:"minimum=1" jsonschema_description:"The current number plus one; leave it out to have it found."`
	Message   string `json:"message,omitempty" jsonschema_description:"Comment on the change, shown in the history."`
	MinorEdit bool   `json:"minorEdit,omitempty" jsonschema_description:"Not possible; leave it out."`
}

type updateBlogpostInput struct {
	ID      string            `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	Title   string            `json:"title,omitempty" jsonschema:"maxLength=255" jsonschema_description:"New title; without it the title stays."`
	SpaceID string            `json:"spaceId,omitempty" jsonschema_description:"The space, by id or key; without it the space stays."`
	Body    *bodyInput        `json:"body,omitempty" jsonschema_description:"The WHOLE new text; without it the text stays."`
	Version *blogVersionInput `json:"version,omitempty" jsonschema_description:"Version to make; without it the current one plus one."`
	Status  string            `json:"status,omitempty" jsonschema:"enum=current,enum=draft" jsonschema_description:"New status; without it the status stays."`
	Type    string            `json:"type,omitempty" jsonschema:"enum=blogpost,default=blogpost" jsonschema_description:"Always blogpost."`
}

var updateBlogpost = toolkit.Update("CONFLUENCE_UPDATE_BLOGPOST", "Update Blogpost",
	"Change the title or replace the text of a blog post. Everything that is not given stays. "+
		"The text is replaced as a whole: read it first to keep parts of it.",
	toolkit.About{
		Scopes:   toolkit.AllOf(scopeWritePage, scopeReadPage).Sometimes(scopeReadSpace).Sometimes(scopeContentDetails, "read:confluence-user"),
		Keywords: []string{"edit", "change", "modify", "rewrite", "rename", "correct", "fix", "revise", "news", "announcement", "article"},
		Pitfalls: []string{
			"The text is replaced as a whole and is storage format (XHTML), not Markdown.",
			"Leave version out unless you must be sure that nobody changed the blog post since you read it.",
		},
		Endpoints: []string{
			"PUT /wiki/api/v2/blogposts/{id}", "GET /wiki/api/v2/blogposts/{id}", "GET /wiki/api/v2/blogposts", "GET /wiki/api/v2/spaces", "GET /wiki/rest/api/user",
		},
	},
	func(ctx context.Context, c *client, in updateBlogpostInput) (*blogpost, error) {
		edit := edit{kind: "blog post", collection: "blogposts", title: in.Title, space: in.SpaceID, body: in.Body, status: in.Status}
		if in.Version != nil {
			if in.Version.MinorEdit {
				return nil, toolkit.Invalid("version.minorEdit", "version.minorEdit: Confluence Cloud offers no minor edits; leave it out")
			}
			edit.number, edit.message = in.Version.Number, in.Version.Message
		}
		var b blogpost
		if err := c.update(ctx, in.ID, edit, &b); err != nil {
			return nil, err
		}
		return c.shownBlogpost(&b, ""), nil
	})
