package confluence

import (
	"context"

	"github.com/sluice-run/sluice/toolkit"
)

const scopeWriteSpace = "write:space:confluence"

// spaceProperty is a property of a space, which also says who made it.
type spaceProperty struct {
	ID        string        `json:"id" jsonschema_description:"Id of the property."`
	Key       string        `json:"key" jsonschema_description:"Its key, for people and programs."`
	Value     any           `json:"value" jsonschema_description:"Its value, any JSON."`
	CreatedAt string        `json:"createdAt,omitempty" jsonschema_description:"When it was created."`
	CreatedBy string        `json:"createdBy,omitempty" jsonschema_description:"Account id of who created it."`
	Version   *spaceVersion `json:"version,omitempty" jsonschema_description:"Its version."`
}

type spaceVersion struct {
	Number    int    `json:"number" jsonschema_description:"Number of the version, from 1."`
	Message   string `json:"message,omitempty" jsonschema_description:"Comment on the version."`
	CreatedAt string `json:"createdAt,omitempty" jsonschema_description:"When it was made."`
	CreatedBy string `json:"createdBy,omitempty" jsonschema_description:"Account id of who made it."`
}

type spacePropertyList struct {
	Results []spaceProperty `json:"results" jsonschema_description:"The properties."`
	paging
}

// spaceHolder finds the space that an argument names by id or key.
func (c *client) spaceHolder(ctx context.Context, field, value string) (holder, error) {
	id, err := c.spaceID(ctx, field, value)
	return holder{
		kind: "space", collection: "spaces", id: id, field: field, keyField: "propertyKey", read: []string{scopeReadSpace},
		write: []string{scopeReadSpace, scopeWriteSpace}, update: "CONFLUENCE_UPDATE_SPACE_PROPERTY",
	}, err
}

type getSpacePropertiesInput struct {
	ID  string   `json:"id" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	Key []string `json:"key,omitempty" jsonschema:"maxItems=20" jsonschema_description:"Only the properties with exactly these keys."`
	pageArgs
}

var getSpaceProperties = toolkit.Read("CONFLUENCE_GET_SPACE_PROPERTIES", "Get Space Properties",
	"List the properties of a space: pieces of JSON that programs keep with it, with key, value and version. For name and description use get space by id.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadSpace),
		Keywords:  []string{"metadata", "custom fields", "key-value"},
		Endpoints: []string{"GET /wiki/api/v2/spaces/{space-id}/properties"},
	},
	func(ctx context.Context, c *client, in getSpacePropertiesInput) (*spacePropertyList, error) {
		h, err := c.spaceHolder(ctx, "id", in.ID)
		if err != nil {
			return nil, err
		}
		r := request{path: h.path(), what: h.what(), field: h.field, scopes: h.read}
		if len(in.Key) == 0 {
			got, err := fetch[spaceProperty](ctx, c, r, in.pageArgs)
			if err != nil {
				return nil, err
			}
			return &spacePropertyList{Results: orEmpty(got.items), paging: got.paging()}, nil
		}
		if in.Cursor != "" || in.Start > 0 {
			return nil, toolkit.Invalid("key", "key: give keys without cursor and start; what has these keys comes in one answer")
		}
		out := &spacePropertyList{Results: []spaceProperty{}}
		for _, key := range in.Key { // the API filters by one key
			r.query = map[string][]string{"key": {key}}
			got, err := fetchOne[spaceProperty](ctx, c, r, 1, "")
			if err != nil {
				return nil, err
			}
			out.Results = append(out.Results, got.items...)
		}
		return out, nil
	})

type createSpacePropertyInput struct {
	SpaceID string        `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	Key     string        `json:"key" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Key of the property, used once on the space."`
	Value   any           `json:"value" jsonschema_description:"What to keep: any JSON, usually an object."`
	Version *versionInput `json:"version,omitempty" jsonschema_description:"Not needed: a new property is version 1. Leave it out."`
}

var createSpaceProperty = toolkit.Create("CONFLUENCE_CREATE_SPACE_PROPERTY", "Create Space Property",
	"Keep a piece of JSON with a space under a new key: metadata that programs read and people do not see. "+
		"To change one that is there use update space property.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadSpace, scopeWriteSpace),
		Keywords:  []string{"metadata", "custom field", "key-value"},
		Pitfalls:  []string{"A key that is there already is refused."},
		Endpoints: []string{"POST /wiki/api/v2/spaces/{space-id}/properties"},
	},
	func(ctx context.Context, c *client, in createSpacePropertyInput) (*spaceProperty, error) {
		if in.Version != nil && in.Version.Number > 1 {
			return nil, toolkit.Invalid("version.number", "version.number: a new property is version 1; leave version out")
		}
		h, err := c.spaceHolder(ctx, "spaceId", in.SpaceID)
		if err != nil {
			return nil, err
		}
		return createProperty[spaceProperty](ctx, c, h, in.Key, in.Value)
	})

type updateSpacePropertyInput struct {
	SpaceKey    string `json:"spaceKey" jsonschema:"minLength=1" jsonschema_description:"The space: its key (MKT) or its id."`
	PropertyKey string `json:"propertyKey" jsonschema_description:"The property: its key or its id."`
	Value       any    `json:"value" jsonschema_description:"The whole new value: any JSON."`
}

var updateSpaceProperty = toolkit.Update("CONFLUENCE_UPDATE_SPACE_PROPERTY", "Update Space Property",
	"Replace the value of a property of a space, named by key or id. The version is counted up by itself. For a new key use create space property.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadSpace, scopeWriteSpace),
		Keywords:  []string{"metadata", "custom field", "key-value"},
		Pitfalls:  []string{"The value is replaced as a whole: read it first to keep parts of it."},
		Endpoints: []string{"PUT /wiki/api/v2/spaces/{space-id}/properties/{property-id}", "GET /wiki/api/v2/spaces/{space-id}/properties/{property-id}", "GET /wiki/api/v2/spaces/{space-id}/properties"},
	},
	func(ctx context.Context, c *client, in updateSpacePropertyInput) (*spaceProperty, error) {
		h, err := c.spaceHolder(ctx, "spaceKey", in.SpaceKey)
		if err != nil {
			return nil, err
		}
		return updateProperty[spaceProperty](ctx, c, h, in.PropertyKey, in.Value)
	})

type deleteSpacePropertyInput struct {
	SpaceIDOrKey string `json:"spaceIdOrKey" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	PropertyKey  string `json:"propertyKey" jsonschema_description:"The property: its key or its id."`
}

var deleteSpaceProperty = toolkit.Delete("CONFLUENCE_DELETE_SPACE_PROPERTY", "Delete Space Property",
	"Remove a property of a space, named by key or id. It cannot be restored. Not for the space itself, which stays with what is in it.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadSpace, scopeWriteSpace),
		Keywords:  []string{"metadata", "custom field"},
		Pitfalls:  []string{"A property that is removed cannot be restored."},
		Endpoints: []string{"DELETE /wiki/api/v2/spaces/{space-id}/properties/{property-id}", "GET /wiki/api/v2/spaces/{space-id}/properties/{property-id}", "GET /wiki/api/v2/spaces/{space-id}/properties"},
	},
	func(ctx context.Context, c *client, in deleteSpacePropertyInput) (*gone, error) {
		h, err := c.spaceHolder(ctx, "spaceIdOrKey", in.SpaceIDOrKey)
		if err != nil {
			return nil, err
		}
		return c.deleteProperty(ctx, h, in.PropertyKey)
	})
