package confluence

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sluice-run/sluice/toolkit"
)

type createWhiteboardPropertyInput struct {
	WhiteboardID string `json:"whiteboard_id" jsonschema_description:"The whiteboard: its id or its address."`
	Key          string `json:"key" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Key of the property, used once on the whiteboard."`
	Value        any    `json:"value" jsonschema_description:"What to keep: any JSON, usually an object."`
}

var createWhiteboardProperty = toolkit.Create("CONFLUENCE_CREATE_CONTENT_PROPERTY_FOR_WHITEBOARD", "Create Whiteboard Property",
	"Keep a piece of JSON with a whiteboard under a new key: metadata that programs read and people do not see. "+
		"Not for labels or text. To change one that is there use update whiteboard content property.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadWhiteboard, scopeWriteWhiteboard),
		Keywords:  []string{"metadata", "custom field", "key-value"},
		Pitfalls:  []string{"A key that is there already is refused."},
		Endpoints: []string{"POST /wiki/api/v2/whiteboards/{id}/properties"},
	},
	func(ctx context.Context, c *client, in createWhiteboardPropertyInput) (*property, error) {
		h, err := whiteboardHolder(in.WhiteboardID, "whiteboard_id").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return createProperty[property](ctx, c, h, in.Key, in.Value)
	})

type updateWhiteboardPropertyInput struct {
	WhiteboardID string `json:"whiteboardId" jsonschema_description:"The whiteboard: its id or its address."`
	PropertyID   string `json:"propertyId" jsonschema_description:"The property: its key or its id."`
	Value        any    `json:"value" jsonschema_description:"The whole new value: any JSON."`
}

var updateWhiteboardProperty = toolkit.Update("CONFLUENCE_UPDATE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID", "Update Whiteboard Content Property",
	"Replace the value of a content property of a whiteboard, named by key or id. The version is counted up by itself. For a new key use create whiteboard property.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadWhiteboard, scopeWriteWhiteboard),
		Keywords:  []string{"metadata", "custom field", "key-value"},
		Pitfalls:  []string{"The value is replaced as a whole: read it first to keep parts of it."},
		Endpoints: []string{"PUT /wiki/api/v2/whiteboards/{whiteboard-id}/properties/{property-id}", "GET /wiki/api/v2/whiteboards/{whiteboard-id}/properties/{property-id}", "GET /wiki/api/v2/whiteboards/{id}/properties"},
	},
	func(ctx context.Context, c *client, in updateWhiteboardPropertyInput) (*property, error) {
		h, err := whiteboardHolder(in.WhiteboardID, "whiteboardId").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return updateProperty[property](ctx, c, h, in.PropertyID, in.Value)
	})

type deleteWhiteboardPropertyInput struct {
	WhiteboardID string `json:"whiteboardId" jsonschema_description:"The whiteboard: its id or its address."`
	PropertyID   string `json:"propertyId" jsonschema_description:"The property: its key or its id."`
}

var deleteWhiteboardProperty = toolkit.Delete("CONFLUENCE_DELETE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID", "Delete Whiteboard Content Property",
	"Remove a content property of a whiteboard, named by key or id. It cannot be restored. Not for the whiteboard itself, which stays.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeReadWhiteboard, scopeWriteWhiteboard),
		Keywords:  []string{"metadata", "custom field"},
		Pitfalls:  []string{"A property that is removed cannot be restored."},
		Endpoints: []string{"DELETE /wiki/api/v2/whiteboards/{whiteboard-id}/properties/{property-id}", "GET /wiki/api/v2/whiteboards/{whiteboard-id}/properties/{property-id}", "GET /wiki/api/v2/whiteboards/{id}/properties"},
	},
	func(ctx context.Context, c *client, in deleteWhiteboardPropertyInput) (*gone, error) {
		h, err := whiteboardHolder(in.WhiteboardID, "whiteboardId").resolve(ctx, c)
		if err != nil {
			return nil, err
		}
		return c.deleteProperty(ctx, h, in.PropertyID)
	})

// whiteboard is a whiteboard; what is drawn on it the API does not give.
type whiteboard struct {
	ID         string   `json:"id" jsonschema_description:"Id of the whiteboard."`
	Type       string   `json:"type,omitempty" jsonschema_description:"Always whiteboard."`
	Status     string   `json:"status,omitempty" jsonschema_description:"current, trashed …"`
	Title      string   `json:"title" jsonschema_description:"Title of the whiteboard."`
	SpaceID    string   `json:"spaceId,omitempty" jsonschema_description:"Id of its space."`
	ParentID   string   `json:"parentId,omitempty" jsonschema_description:"Id of what it is under."`
	ParentType string   `json:"parentType,omitempty" jsonschema_description:"What it is under: page, folder …"`
	AuthorID   string   `json:"authorId,omitempty" jsonschema_description:"Account id of who created it."`
	OwnerID    string   `json:"ownerId,omitempty" jsonschema_description:"Account id of its owner."`
	CreatedAt  string   `json:"createdAt,omitempty" jsonschema_description:"When it was created."`
	Version    *version `json:"version,omitempty" jsonschema_description:"Its version."`
	URL        string   `json:"url,omitempty" jsonschema_description:"Full address for people."`
	Links      links    `json:"_links,omitzero" jsonschema_description:"Links as the API gives them."`
}

type createWhiteboardInput struct {
	SpaceID     string `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	Title       string `json:"title,omitempty" jsonschema:"maxLength=255" jsonschema_description:"Title of the whiteboard."`
	ParentID    string `json:"parentId,omitempty" jsonschema_description:"Put it under this page, whiteboard or folder: its id or address."`
	TemplateKey string `json:"templateKey,omitempty" jsonschema_description:"Begin with a template of Confluence: kanban-board, simple-retrospective, swot-analysis, product-roadmap …"`
	Private     bool   `json:"private,omitempty" jsonschema_description:"Only its creator can see it."`
}

var createWhiteboard = toolkit.Create("CONFLUENCE_CREATE_WHITEBOARD", "Create Whiteboard",
	"Create an empty whiteboard in a space, or one from a template, for people to draw and plan on together. "+
		"What is on it cannot be read or written here. Not for text: create a page for that.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeWriteWhiteboard).Sometimes(scopeReadSpace),
		Keywords:  []string{"canvas", "brainstorm", "sticky notes", "diagram", "board", "sketch", "retrospective", "kanban", "drawing"},
		Pitfalls:  []string{"Only an empty whiteboard or a template can be made; its content is for people."},
		Endpoints: []string{"POST /wiki/api/v2/whiteboards"},
	},
	func(ctx context.Context, c *client, in createWhiteboardInput) (*whiteboard, error) {
		payload := map[string]any{}
		for name, value := range map[string]string{"title": in.Title, "templateKey": in.TemplateKey} {
			if value != "" {
				payload[name] = value
			}
		}
		var err error
		if in.ParentID != "" {
			if payload["parentId"], err = c.contentID(ctx, "parentId", "page", in.ParentID); err != nil {
				return nil, err
			}
		}
		spaceID, err := c.spaceID(ctx, "spaceId", in.SpaceID)
		if err != nil {
			return nil, err
		}
		payload["spaceId"] = spaceID
		q := url.Values{}
		if in.Private {
			q.Set("private", "true")
		}
		var w whiteboard
		err = c.do(ctx, request{
			method: http.MethodPost, path: v2 + "/whiteboards", query: q, body: payload, out: &w,
			what: "space with id " + spaceID + " or parent", field: "spaceId", scopes: []string{scopeWriteWhiteboard},
		})
		if err != nil {
			return nil, err
		}
		w.URL = c.address(w.Links, "")
		return &w, nil
	})
