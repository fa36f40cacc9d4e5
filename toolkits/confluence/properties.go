package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

const (
	scopeReadWhiteboard  = "read:whiteboard:confluence"
	scopeWriteWhiteboard = "write:whiteboard:confluence"
)

// property is a piece of JSON kept with content, by a key.
type property struct {
	ID      string   `json:"id" jsonschema_description:"Id of the property."`
	Key     string   `json:"key" jsonschema_description:"Its key, for people and programs."`
	Value   any      `json:"value" jsonschema_description:"Its value, any JSON."`
	Version *version `json:"version,omitempty" jsonschema_description:"Its version."`
}

type propertyList struct {
	Results []property `json:"results" jsonschema_description:"The properties."`
	paging
}

// gone says that something was removed.
type gone struct {
	ID      string `json:"id" jsonschema_description:"Id of what was removed."`
	Deleted bool   `json:"deleted" jsonschema_description:"Whether this call removed it."`
	Message string `json:"message" jsonschema_description:"What happened, and whether it can be undone."`
}

// holder is a thing that has properties.
type holder struct {
	kind, collection string
	id, field        string // which one, and the argument that named it
	keyField         string // the argument that names the property
	read, write      []string
	update           string // the tool that changes one
}

func pageHolder(id, field string) holder {
	return holder{
		kind: "page", collection: "pages", id: id, field: field, keyField: "propertyId", read: []string{scopeReadPage},
		write: []string{scopeReadPage, scopeWritePage}, update: "CONFLUENCE_UPDATE_CONTENT_PROPERTY_FOR_PAGE_BY_ID",
	}
}

func blogHolder(id, field string) holder {
	return holder{
		kind: "blog post", collection: "blogposts", id: id, field: field, keyField: "propertyKey", read: []string{scopeReadPage},
		write: []string{scopeReadPage, scopeWritePage}, update: "CONFLUENCE_UPDATE_BLOGPOST_PROPERTY",
	}
}

func whiteboardHolder(id, field string) holder {
	return holder{
		kind: "whiteboard", collection: "whiteboards", id: id, field: field, keyField: "propertyId", read: []string{scopeReadWhiteboard},
		write: []string{scopeReadWhiteboard, scopeWriteWhiteboard}, update: "CONFLUENCE_UPDATE_CONTENT_PROPERTY_FOR_WHITEBOARD_BY_ID",
	}
}

func (h holder) path() string { return v2 + "/" + h.collection + "/" + h.id + "/properties" }

func (h holder) what() string { return h.kind + " with id " + h.id }

// resolve turns what the argument gave into an id.
func (h holder) resolve(ctx context.Context, c *client) (holder, error) {
	id, err := c.contentID(ctx, h.field, h.kind, h.id)
	h.id = id
	return h, err
}

// properties lists them; key "" is all.
func (c *client) properties(ctx context.Context, h holder, key string, a pageArgs) (*propertyList, error) {
	h, err := h.resolve(ctx, c)
	if err != nil {
		return nil, err
	}
	q := url.Values{}
	set(q, "key", key)
	got, err := fetch[property](ctx, c, request{path: h.path(), query: q, what: h.what(), field: h.field, scopes: h.read}, a)
	if err != nil {
		return nil, err
	}
	return &propertyList{Results: orEmpty(got.items), paging: got.paging()}, nil
}

// createProperty adds one; a key that is taken is refused with the way out.
func createProperty[T any](ctx context.Context, c *client, h holder, key string, value any) (*T, error) {
	if err := checkPropertyKey("key", key); err != nil {
		return nil, err
	}
	var out T
	err := c.do(ctx, request{
		method: http.MethodPost, path: h.path(), body: map[string]any{"key": key, "value": value}, out: &out,
		what: h.what(), field: h.field, scopes: h.write,
	})
	var e *toolkit.Error
	if isStatus(err, http.StatusBadRequest, http.StatusConflict) && errors.As(err, &e) && strings.Contains(strings.ToLower(e.Message), "exist") {
		e.Kind, e.Field = toolkit.KindConflict, "key"
		e.Message = fmt.Sprintf("The %s has a property with the key '%s' already.", h.kind, key)
		e.Fix = "Change it with " + h.update + ", or choose another key."
	}
	if err != nil {
		return nil, err
	}
	return &out, nil
}

func checkPropertyKey(field, key string) error {
	if strings.TrimSpace(key) == "" || len(key) > 255 {
		return toolkit.Invalid(field, "%s: expected a key of 1 to 255 characters", field)
	}
	return nil
}

// findProperty gets one by its id or key. For an unknown key the error lists
// those that there are.
func (c *client) findProperty(ctx context.Context, h holder, idOrKey string) (*property, error) {
	idOrKey = strings.TrimSpace(idOrKey)
	if err := checkPropertyKey(h.keyField, idOrKey); err != nil {
		return nil, err
	}
	if digits.MatchString(idOrKey) {
		var p property
		err := c.do(ctx, request{path: h.path() + "/" + idOrKey, out: &p, scopes: h.read, probe: true})
		if err == nil || !isStatus(err, http.StatusNotFound) {
			return &p, err
		}
	}
	got, err := fetchOne[property](ctx, c, request{
		path: h.path(), query: url.Values{"key": {idOrKey}}, what: h.what(), field: h.field, scopes: h.read,
	}, 1, "")
	if err != nil {
		return nil, err
	}
	if len(got.items) > 0 {
		return &got.items[0], nil
	}
	return nil, c.unknownProperty(ctx, h, idOrKey)
}

// maxNamedKeys is how many keys an error lists.
const maxNamedKeys = 20

func (c *client) unknownProperty(ctx context.Context, h holder, idOrKey string) error {
	e := &toolkit.Error{
		Kind: toolkit.KindNotFound, Field: h.keyField,
		Message: fmt.Sprintf("The %s has no property with the key or id '%s'.", h.kind, idOrKey),
	}
	got, err := fetchOne[property](ctx, c, request{path: h.path(), scopes: h.read, probe: true}, maxNamedKeys, "")
	if err != nil {
		return e
	}
	var keys []string
	for _, p := range got.items {
		keys = append(keys, p.Key)
	}
	switch {
	case len(keys) == 0:
		e.Fix = "It has no properties at all."
	case got.cursor != "":
		e.Fix = "It has, among others: " + strings.Join(keys, ", ") + "."
	default:
		e.Fix = "It has: " + strings.Join(keys, ", ") + "."
	}
	return e
}

// updateProperty replaces the value of one, from the version that is there.
func updateProperty[T any](ctx context.Context, c *client, h holder, idOrKey string, value any) (*T, error) {
	now, err := c.findProperty(ctx, h, idOrKey)
	if err != nil {
		return nil, err
	}
	number := 1
	if now.Version != nil {
		number = now.Version.Number + 1
	}
	var out T
	err = c.do(ctx, request{
		method: http.MethodPut, path: h.path() + "/" + now.ID, out: &out,
		body: map[string]any{"key": now.Key, "value": value, "version": map[string]any{"number": number}},
		what: "property " + idOrKey + " of the " + h.what(), field: h.keyField, scopes: h.write, probe: true,
	})
	var e *toolkit.Error
	if isStatus(err, http.StatusConflict) && errors.As(err, &e) {
		e.Message = fmt.Sprintf("The property was changed meanwhile: it is no longer in version %d.", number-1)
		e.Fix = "Read it again, and repeat the change on what is there now."
	}
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// deleteProperty removes one for good.
func (c *client) deleteProperty(ctx context.Context, h holder, idOrKey string) (*gone, error) {
	p, err := c.findProperty(ctx, h, idOrKey)
	if err != nil {
		return nil, err
	}
	err = c.do(ctx, request{
		method: http.MethodDelete, path: h.path() + "/" + p.ID, what: "property " + idOrKey + " of the " + h.what(),
		field: h.keyField, scopes: h.write, probe: true,
	})
	if err != nil {
		return nil, err
	}
	return &gone{ID: p.ID, Deleted: true, Message: fmt.Sprintf("The property '%s' of the %s is gone for good.", p.Key, h.kind)}, nil
}
