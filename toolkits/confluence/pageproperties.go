package confluence

import (
	"context"

	"github.com/sluice-run/sluice/toolkit"
)

type createPagePropertyInput struct {
	PageID string `json:"page_id" jsonschema_description:"The page: id, address, or MKT: Title."`
	Key    string `json:"key" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Key of the property, used once on the page."`
	Value  any    `json:"value" jsonschema_description:"What to keep: any JSON, usually an object."`
}

var createPageProperty = toolkit.Create("CONFLUENCE_CREATE_PAGE_PROPERTY", "Create Page Property",
	"Keep a piece of JSON with a page under a new key: metadata that programs read and people do not see. "+
		"Not for labels or text. To change one that is there use update page content property.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage, scopeWritePage),
		Keywords:  []string{"metadata", "custom field", "key-value"},
		Pitfalls:  []string{"A key that is there already is refused."},
		Endpoints: []string{"POST /wiki/api/v2/pages/{page-id}/properties"},
	},
	func(ctx context.Context, c *client, in createPagePropertyInput) (*property, error) {
		h, err := pageHolder(in.PageID, "page_id").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return createProperty[property](ctx, c, h, in.Key, in.Value)
	})

type getPagePropertiesInput struct {
	PageID string `json:"page_id" jsonschema_description:"The page: id, address, or MKT: Title."`
	Key    string `json:"key,omitempty" jsonschema_description:"Only the property with exactly this key."`
	pageArgs
}

var getPageProperties = toolkit.Read("CONFLUENCE_GET_CONTENT_PROPERTIES_FOR_PAGE", "Get Page Content Properties",
	"List the content properties of a page: pieces of JSON that programs keep with it, with key, value and version. Not its labels or text.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"metadata", "custom fields", "key-value"},
		Endpoints: []string{"GET /wiki/api/v2/pages/{page-id}/properties"},
	},
	func(ctx context.Context, c *client, in getPagePropertiesInput) (*propertyList, error) {
		return c.properties(ctx, pageHolder(in.PageID, "page_id"), in.Key, in.pageArgs)
	})

type updatePagePropertyInput struct {
	PageID     string `json:"pageId" jsonschema_description:"The page: id, address, or MKT: Title."`
	PropertyID string `json:"propertyId" jsonschema_description:"The property: its key or its id."`
	Value      any    `json:"value" jsonschema_description:"The whole new value: any JSON."`
}

var updatePageProperty = toolkit.Update("CONFLUENCE_UPDATE_CONTENT_PROPERTY_FOR_PAGE_BY_ID", "Update Page Content Property",
	"Replace the value of a content property of a page, named by key or id. The version is counted up by itself. For a new key use create page property.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage, scopeWritePage),
		Keywords:  []string{"metadata", "custom field", "key-value"},
		Pitfalls:  []string{"The value is replaced as a whole: read it first to keep parts of it."},
		Endpoints: []string{"PUT /wiki/api/v2/pages/{page-id}/properties/{property-id}", "GET /wiki/api/v2/pages/{page-id}/properties/{property-id}", "GET /wiki/api/v2/pages/{page-id}/properties"},
	},
	func(ctx context.Context, c *client, in updatePagePropertyInput) (*property, error) {
		h, err := pageHolder(in.PageID, "pageId").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return updateProperty[property](ctx, c, h, in.PropertyID, in.Value)
	})

type deletePagePropertyInput struct {
	PageID     string `json:"pageId" jsonschema_description:"The page: id, address, or MKT: Title."`
	PropertyID string `json:"propertyId" jsonschema_description:"The property: its key or its id."`
}

var deletePageProperty = toolkit.Delete("CONFLUENCE_DELETE_CONTENT_PROPERTY_FOR_PAGE_BY_ID", "Delete Page Content Property",
	"Remove a content property of a page, named by key or id. It cannot be restored. Not for the page itself, which stays.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadPage, scopeWritePage),
		Keywords:  []string{"metadata", "custom field"},
		Pitfalls:  []string{"A property that is removed cannot be restored."},
		Endpoints: []string{"DELETE /wiki/api/v2/pages/{page-id}/properties/{property-id}", "GET /wiki/api/v2/pages/{page-id}/properties/{property-id}", "GET /wiki/api/v2/pages/{page-id}/properties"},
	},
	func(ctx context.Context, c *client, in deletePagePropertyInput) (*gone, error) {
		h, err := pageHolder(in.PageID, "pageId").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return c.deleteProperty(ctx, h, in.PropertyID)
	})
