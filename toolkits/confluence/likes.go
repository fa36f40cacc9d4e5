package confluence

import (
	"context"

	"github.com/sluice-run/sluice/toolkit"
)

// likeCount is how many people liked something.
type likeCount struct {
	Count int `json:"count" jsonschema_description:"How many people like it."`
}

type pageIDInput struct {
	ID string `json:"id" jsonschema_description:"The page: id, address, or MKT: Title."`
}

type blogpostIDInput struct {
	ID string `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
}

var getPageLikeCount = toolkit.Read("CONFLUENCE_GET_PAGE_LIKE_COUNT", "Get Page Like Count",
	"Count the likes of a page: how many people pressed like. For how often it was read use get page views.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"likes", "thumbs up", "popular", "reactions", "how many like"},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/likes/count"},
	},
	func(ctx context.Context, c *client, in pageIDInput) (*likeCount, error) {
		return c.likes(ctx, "page", in.ID)
	})

var getBlogpostLikeCount = toolkit.Read("CONFLUENCE_GET_BLOGPOST_LIKE_COUNT", "Get Blogpost Like Count",
	"Count the likes of a blog post: how many people pressed like. For those of a page use get page like count.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"likes", "thumbs up", "popular", "reactions", "how many like"},
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{id}/likes/count"},
	},
	func(ctx context.Context, c *client, in blogpostIDInput) (*likeCount, error) {
		return c.likes(ctx, "blog post", in.ID)
	})

func (c *client) likes(ctx context.Context, what, value string) (*likeCount, error) {
	id, err := c.contentID(ctx, "id", what, value)
	if err != nil {
		return nil, err
	}
	var out likeCount
	err = c.do(ctx, request{
		path: v2 + "/" + collectionOf[what] + "/" + id + "/likes/count", out: &out, what: what + " with id " + id, field: "id",
		scopes: []string{scopeReadPage},
	})
	return &out, err
}

// operation is something that the account may do.
type operation struct {
	Operation  string `json:"operation" jsonschema_description:"What may be done: read, update, delete …"`
	TargetType string `json:"targetType" jsonschema_description:"To what: page, blogpost, comment …"`
}

type operationList struct {
	Operations []operation `json:"operations" jsonschema_description:"What the connected account may do with it."`
}

var getBlogpostOperations = toolkit.Read("CONFLUENCE_GET_BLOGPOST_OPERATIONS", "Get Blogpost Operations",
	"List what the connected account may do with a blog post: read, update, delete, restrict and so on. Use it before a change that may be forbidden.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"permissions", "allowed", "may i", "rights", "can i edit", "permitted"},
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{id}/operations"},
	},
	func(ctx context.Context, c *client, in blogpostIDInput) (*operationList, error) {
		id, err := c.contentID(ctx, "id", "blog post", in.ID)
		if err != nil {
			return nil, err
		}
		var out operationList
		err = c.do(ctx, request{
			path: v2 + "/blogposts/" + id + "/operations", out: &out, what: "blog post with id " + id, field: "id", scopes: []string{scopeReadPage},
		})
		out.Operations = orEmpty(out.Operations)
		return &out, err
	})
