package confluence

import (
	"context"

	"github.com/sluice-run/sluice/toolkit"
)

type createBlogpostPropertyInput struct {
	ID    string `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	Key   string `json:"key" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Key of the property, used once on the blog post."`
	Value any    `json:"value" jsonschema_description:"What to keep: any JSON, usually an object."`
}

var createBlogpostProperty = toolkit.Create("CONFLUENCE_CREATE_BLOGPOST_PROPERTY", "Create Blogpost Property",
	"Keep a piece of JSON with a blog post under a new key: metadata that programs read and people do not see. "+
		"Not for labels or text. To change one that is there use update blogpost property.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage, scopeWritePage),
		Keywords:  []string{"metadata", "custom field", "key-value"},
		Pitfalls:  []string{"A key that is there already is refused."},
		Endpoints: []string{"POST /wiki/api/v2/blogposts/{blogpost-id}/properties"},
	},
	func(ctx context.Context, c *client, in createBlogpostPropertyInput) (*property, error) {
		h, err := blogHolder(in.ID, "id").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return createProperty[property](ctx, c, h, in.Key, in.Value)
	})

type getBlogpostPropertiesInput struct {
	BlogpostID string `json:"blogpost_id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	Key        string `json:"key,omitempty" jsonschema_description:"Only the property with exactly this key."`
	pageArgs
}

var getBlogpostProperties = toolkit.Read("CONFLUENCE_GET_CONTENT_PROPERTIES_FOR_BLOG_POST", "Get Blog Post Content Properties",
	"List the content properties of a blog post: pieces of JSON that programs keep with it, with key, value and version. Not its labels or text.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"metadata", "custom fields", "key-value"},
		Endpoints: []string{"GET /wiki/api/v2/blogposts/{blogpost-id}/properties"},
	},
	func(ctx context.Context, c *client, in getBlogpostPropertiesInput) (*propertyList, error) {
		return c.properties(ctx, blogHolder(in.BlogpostID, "blogpost_id"), in.Key, in.pageArgs)
	})

type updateBlogpostPropertyInput struct {
	ID          string `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	PropertyKey string `json:"propertyKey" jsonschema_description:"The property: its key or its id."`
	Value       any    `json:"value" jsonschema_description:"The whole new value: any JSON."`
}

var updateBlogpostProperty = toolkit.Update("CONFLUENCE_UPDATE_BLOGPOST_PROPERTY", "Update Blogpost Property",
	"Replace the value of a content property of a blog post, named by key or id. The version is counted up by itself. For a new key use create blogpost property.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage, scopeWritePage),
		Keywords:  []string{"metadata", "custom field", "key-value"},
		Pitfalls:  []string{"The value is replaced as a whole: read it first to keep parts of it."},
		Endpoints: []string{"PUT /wiki/api/v2/blogposts/{blogpost-id}/properties/{property-id}", "GET /wiki/api/v2/blogposts/{blogpost-id}/properties/{property-id}", "GET /wiki/api/v2/blogposts/{blogpost-id}/properties"},
	},
	func(ctx context.Context, c *client, in updateBlogpostPropertyInput) (*property, error) {
		h, err := blogHolder(in.ID, "id").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return updateProperty[property](ctx, c, h, in.PropertyKey, in.Value)
	})

type deleteBlogpostPropertyInput struct {
	ID          string `json:"id" jsonschema_description:"The blog post: id, address, or MKT: Title."`
	PropertyKey string `json:"propertyKey" jsonschema_description:"The property: its key or its id."`
}

var deleteBlogpostProperty = toolkit.Delete("CONFLUENCE_DELETE_BLOGPOST_PROPERTY", "Delete Blogpost Property",
	"Remove a content property of a blog post, named by key or id. It cannot be restored. Not for the blog post itself, which stays.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage, scopeWritePage),
		Keywords:  []string{"metadata", "custom field"},
		Pitfalls:  []string{"A property that is removed cannot be restored."},
		Endpoints: []string{"DELETE /wiki/api/v2/blogposts/{blogpost-id}/properties/{property-id}", "GET /wiki/api/v2/blogposts/{blogpost-id}/properties/{property-id}", "GET /wiki/api/v2/blogposts/{blogpost-id}/properties"},
	},
	func(ctx context.Context, c *client, in deleteBlogpostPropertyInput) (*gone, error) {
		h, err := blogHolder(in.ID, "id").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return c.deleteProperty(ctx, h, in.PropertyKey)
	})
