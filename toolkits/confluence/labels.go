package confluence

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/sluice-run/sluice/toolkit"
)

type labelInput struct {
	Name   string `json:"name" jsonschema:"minLength=1" jsonschema_description:"Name of the label: one word without spaces, such as urgent or needs-review."`
	Prefix string `json:"prefix,omitempty" jsonschema:"enum=global,enum=team,enum=my,default=global" jsonschema_description:"global for everybody (usual), my for a personal label, team for a team's."`
}

type addContentLabelInput struct {
	ID     string       `json:"id" jsonschema_description:"Id of the page, blog post or attachment (att123), or the address of a page or blog post."`
	Labels []labelInput `json:"labels" jsonschema:"minItems=1,maxItems=200" jsonschema_description:"The labels to add; those that are there stay."`
}

// labelList is a list of labels.
type labelList struct {
	Results []label `json:"results" jsonschema_description:"The labels."`
	paging
}

var addContentLabel = toolkit.Idempotent(toolkit.Create("CONFLUENCE_ADD_CONTENT_LABEL", "Add Content Label",
	"Add one or more labels to a page, a blog post or an attachment, and give all its labels. Labels that are there stay. "+
		"Find the id of the page first when only its title is known.",
	toolkit.About{
		Important: true,
		Scopes: toolkit.Scopes{}.
			AnyOf("write:label:confluence", "write:confluence-content").
			AnyOf("read:label:confluence", "write:confluence-content"),
		Keywords: []string{"tag", "tags", "mark", "flag", "categorize", "classify", "topic", "page", "urgent", "attach", "put", "stick", "document", "article"},
		Pitfalls: []string{
			"A label is one word in lower case: urgent, needs-review. Spaces, commas and most punctuation are refused.",
			"A title alone is refused: give the id, the address, or space key and title (MKT: Q3 Planning).",
		},
		Endpoints: []string{"POST /wiki/rest/api/content/{id}/label"},
	},
	func(ctx context.Context, c *client, in addContentLabelInput) (*labelList, error) {
		id := strings.TrimSpace(in.ID)
		if !attachmentID.MatchString(id) {
			var err error
			if id, err = c.contentID(ctx, "id", "page", in.ID); err != nil {
				return nil, err
			}
		}
		for i, l := range in.Labels {
			if err := checkLabel(fmt.Sprintf("labels[%d].name", i), l.Name); err != nil {
				return nil, err
			}
		}
		all, err := c.addLabels(ctx, id, in.Labels)
		return &labelList{Results: all}, err
	}))

// addLabels adds labels to any content and gives all that it has then.
func (c *client) addLabels(ctx context.Context, id string, add []labelInput) ([]label, error) {
	payload := make([]map[string]string, 0, len(add))
	for _, l := range add {
		prefix := l.Prefix
		if prefix == "" {
			prefix = "global"
		}
		payload = append(payload, map[string]string{"prefix": prefix, "name": strings.TrimSpace(l.Name)})
	}
	var answer struct {
		Results []label `json:"results"`
	}
	err := c.do(ctx, request{
		method: http.MethodPost, path: v1 + "/content/" + id + "/label", body: payload, out: &answer,
		what: "content with id " + id, field: "id",
		scopes: []string{"write:label:confluence", "read:label:confluence"},
	})
	return answer.Results, err
}

const badInLabels = "!#&()*,.:;<>?@[]^"

// checkLabel refuses names that Confluence would refuse or cut into several labels.
func checkLabel(field, name string) error {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return toolkit.Invalid(field, "%s: is empty; expected a word", field)
	case strings.ContainsAny(name, " \t\r\n"):
		e := toolkit.Invalid(field, "%s: a label is one word; Confluence would make several labels of this one.", field)
		e.Fix = fmt.Sprintf("Write %q, or give several labels.", strings.Join(strings.Fields(strings.ToLower(name)), "-"))
		return e
	case strings.ContainsAny(name, badInLabels):
		at := strings.IndexAny(name, badInLabels)
		return toolkit.Invalid(field, "%s: a label must not contain %q; letters, digits, - and _ are fine", field, name[at:at+1])
	case len(utf16.Encode([]rune(name))) > 255:
		return toolkit.Invalid(field, "%s: a label has at most 255 characters", field)
	}
	return nil
}

type getLabelsForPageInput struct {
	ID     string `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
	Prefix string `json:"prefix,omitempty" jsonschema:"enum=my,enum=team,enum=global,enum=system" jsonschema_description:"Only labels of this kind."`
	pageArgs
}

var getLabelsForPage = toolkit.Read("CONFLUENCE_GET_LABELS_FOR_PAGE", "Get Page Labels",
	"List the labels of one page. For the labels of the whole site use get labels; to find pages by label search with CQL (label = \"x\").",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"tags", "tagged", "which tags", "categories", "topics", "show", "document"},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/labels"},
	},
	func(ctx context.Context, c *client, in getLabelsForPageInput) (*labelList, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		set(q, "prefix", in.Prefix)
		return c.labels(ctx, request{
			path: v2 + "/pages/" + id + "/labels", query: q, what: "page with id " + id, field: "id", scopes: []string{scopeReadPage},
		}, in.pageArgs)
	})

type getLabelsInput struct {
	Name   string   `json:"name,omitempty" jsonschema:"maxLength=255" jsonschema_description:"Only the label with just this name, to get its id; nothing when it is not in use."`
	Prefix []string `json:"prefix,omitempty" jsonschema:"enum=my,enum=team,enum=global,enum=system" jsonschema_description:"Only labels of these kinds."`
	pageArgs
}

var getLabels = toolkit.Read("CONFLUENCE_GET_LABELS", "Get Labels",
	"List the labels that are in use on the whole site, or find one by its name. For those of one page use get page labels.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf("read:label:confluence", "read:confluence-content.summary").Sometimes("read:label:confluence"),
		Keywords:  []string{"tags", "all tags", "existing", "vocabulary", "taxonomy", "categories", "topics"},
		Pitfalls:  []string{"name is the whole name, not a part of it. For the pages that carry a label search with CQL (label = \"x\")."},
		Endpoints: []string{"GET /wiki/api/v2/labels", "GET /wiki/rest/api/label"},
	},
	func(ctx context.Context, c *client, in getLabelsInput) (*labelList, error) {
		if in.Name != "" {
			return c.labelNamed(ctx, in.Name, in.Prefix)
		}
		q := url.Values{}
		if len(in.Prefix) > 0 {
			q["prefix"] = in.Prefix
		}
		return c.labels(ctx, request{path: v2 + "/labels", query: q, scopes: []string{"read:label:confluence"}}, in.pageArgs)
	})

func (c *client) labels(ctx context.Context, r request, a pageArgs) (*labelList, error) {
	got, err := fetch[label](ctx, c, r, a)
	if err != nil {
		return nil, err
	}
	return &labelList{Results: orEmpty(got.items), paging: got.paging()}, nil
}

// orEmpty makes [] of null.
func orEmpty[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

type getBlogpostLabelsInput struct {
	ID     string `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	Prefix string `json:"prefix,omitempty" jsonschema:"enum=my,enum=team,enum=global,enum=system" jsonschema_description:"Only labels of this kind."`
	pageArgs
}

var getBlogpostLabels = toolkit.Read("CONFLUENCE_GET_BLOGPOST_LABELS", "Get Blogpost Labels",
	"List the labels of one blog post. For those of a page use get page labels.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"classification", "taxonomy"},
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{id}/labels"},
	},
	func(ctx context.Context, c *client, in getBlogpostLabelsInput) (*labelList, error) {
		id, err := c.contentID(ctx, "id", "blog post", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		set(q, "prefix", in.Prefix)
		return c.labels(ctx, request{
			path: v2 + "/blogposts/" + id + "/labels", query: q, what: "blog post with id " + id, field: "id", scopes: []string{scopeReadPage},
		}, in.pageArgs)
	})

type getAttachmentLabelsInput struct {
	ID     string `json:"id" jsonschema_description:"Id of the attachment (att123)."`
	Prefix string `json:"prefix,omitempty" jsonschema:"enum=my,enum=team,enum=global,enum=system" jsonschema_description:"Only labels of this kind."`
	pageArgs
}

var getAttachmentLabels = toolkit.Read("CONFLUENCE_GET_ATTACHMENT_LABELS", "Get Attachment Labels",
	"List the labels of one attached file. For those of a page use get page labels.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadAttachment),
		Keywords:  []string{"classification", "taxonomy"},
		Endpoints: []string{"GET /wiki/api/v2/attachments/{id}/labels"},
	},
	func(ctx context.Context, c *client, in getAttachmentLabelsInput) (*labelList, error) {
		id, err := attID("id", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		set(q, "prefix", in.Prefix)
		return c.labels(ctx, request{
			path: v2 + "/attachments/" + id + "/labels", query: q, what: "attachment with id " + id, field: "id", scopes: []string{scopeReadAttachment},
		}, in.pageArgs)
	})

type spaceLabelsInput struct {
	ID     string `json:"id" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	Prefix string `json:"prefix,omitempty" jsonschema:"enum=my,enum=team" jsonschema_description:"Only labels of this kind."`
	pageArgs
}

var getLabelsForSpace = toolkit.Read("CONFLUENCE_GET_LABELS_FOR_SPACE", "Get Space Labels",
	"List the labels that a space itself carries. For the labels of what is in it use get space content labels.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadSpace),
		Keywords:  []string{"classification", "taxonomy"},
		Endpoints: []string{"GET /wiki/api/v2/spaces/{id}/labels"},
	},
	func(ctx context.Context, c *client, in spaceLabelsInput) (*labelList, error) {
		return c.spaceLabels(ctx, in, "/labels")
	})

var getLabelsForSpaceContent = toolkit.Read("CONFLUENCE_GET_LABELS_FOR_SPACE_CONTENT", "Get Space Content Labels",
	"List the labels that pages, blog posts and attachments in one space carry. For those of the space itself use get space labels, for the whole site get labels.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadSpace),
		Keywords:  []string{"classification", "within one area"},
		Endpoints: []string{"GET /wiki/api/v2/spaces/{id}/content/labels"},
	},
	func(ctx context.Context, c *client, in spaceLabelsInput) (*labelList, error) {
		return c.spaceLabels(ctx, in, "/content/labels")
	})

func (c *client) spaceLabels(ctx context.Context, in spaceLabelsInput, path string) (*labelList, error) {
	id, err := c.spaceID(ctx, "id", in.ID)
	if err != nil {
		return nil, err
	}
	q := url.Values{}
	set(q, "prefix", in.Prefix)
	return c.labels(ctx, request{
		path: v2 + "/spaces/" + id + path, query: q, what: "space with id " + id, field: "id", scopes: []string{scopeReadSpace},
	}, in.pageArgs)
}
