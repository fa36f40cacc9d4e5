package confluence

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxProperty is the largest value of a property, in bytes of JSON,
// maxPropertyKey the longest key, in bytes, and maxProperties how many one
// content or space may have.
const (
	maxProperty    = 32 << 10
	maxPropertyKey = 255
	maxProperties  = 1_000
)

// property is a value that an app keeps with a content or a space.
type property struct {
	id        int64
	key       string
	value     json.RawMessage
	number    int // version
	message   string
	minor     bool
	authorID  string // of the current version
	creatorID string
	createdAt time.Time
	at        time.Time // of the current version
}

// propertyKinds are the contents that have properties: their path, how errors
// name them, their type.
var propertyKinds = []struct {
	noun, name string
	typ        contentType
}{
	{"pages", "page", typePage},
	{"blogposts", "blog post", typeBlog},
	{"comments", "comment", typeComment},
	{"attachments", "attachment", typeFile},
	{"custom-content", "custom content", typeCustom},
	{"whiteboards", "whiteboard", typeWhiteboard},
	{"databases", "database", typeDatabase},
	{"embeds", "Smart Link", typeEmbed},
	{"folders", "folder", typeFolder},
}

func propertyRoutes() map[string]endpoint {
	out := map[string]endpoint{}
	add := func(base string, o owner) {
		out["GET "+base+"/properties"] = o.list
		out["POST "+base+"/properties"] = o.create
		out["GET "+base+"/properties/{pid}"] = o.get
		out["PUT "+base+"/properties/{pid}"] = o.update
		out["DELETE "+base+"/properties/{pid}"] = o.remove
	}
	for _, k := range propertyKinds {
		add("/"+k.noun+"/{id}", contentOwner(k.typ, k.name))
	}
	add("/spaces/{id}", owner{find: spaceOwner, space: true})
	return out
}

// owner is what the properties of a path hang on.
type owner struct {
	// find gives the id of the content or space of the request. Writing asks for
	// the right to change it. The lock is held.
	find  func(c *call, write bool) (int64, *apiError)
	space bool
}

func contentOwner(t contentType, name string) owner {
	return owner{find: func(c *call, write bool) (int64, *apiError) {
		raw := c.r.PathValue("id")
		if t == typeFile {
			raw = strings.TrimPrefix(raw, "att")
		}
		id, e := strconv.ParseInt(raw, 10, 64)
		if e != nil {
			return 0, wrongType(c.r.PathValue("id"), strings.ReplaceAll(strings.ToLower(name), " ", "-")+"-id", "long")
		}
		x, err := c.find(t, id)
		if err == nil && write {
			err = c.editable(x)
		}
		if err != nil {
			return 0, notFound("Could not find %s with id [%d]", name, id)
		}
		return id, nil
	}}
}

func spaceOwner(c *call, write bool) (int64, *apiError) {
	sp, err := c.spaceByID()
	if err != nil {
		return 0, err
	}
	if write && !c.st.administers(sp, c.me.AccountID) {
		return 0, notFound("Cannot find a space with id [%d]", sp.id)
	}
	return sp.id, nil
}

type v2Property struct {
	ID      string          `json:"id"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
	Version v2Version       `json:"version"`
}

type v2SpacePropertyVersion struct {
	CreatedAt string `json:"createdAt"`
	CreatedBy string `json:"createdBy"`
	Message   string `json:"message"`
	Number    int    `json:"number"`
}

type v2SpaceProperty struct {
	ID        string                 `json:"id"`
	Key       string                 `json:"key"`
	Value     json.RawMessage        `json:"value"`
	CreatedAt string                 `json:"createdAt"`
	CreatedBy string                 `json:"createdBy"`
	Version   v2SpacePropertyVersion `json:"version"`
}

func showProperty(p *property) v2Property {
	return v2Property{ID: itoa(p.id), Key: p.key, Value: p.value, Version: v2Version{CreatedAt: stamp(p.at), Message: p.message, Number: p.number, MinorEdit: p.minor, AuthorID: p.authorID}}
}

func showSpaceProperty(p *property) v2SpaceProperty {
	return v2SpaceProperty{
		ID: itoa(p.id), Key: p.key, Value: p.value, CreatedAt: stamp(p.createdAt), CreatedBy: p.creatorID,
		Version: v2SpacePropertyVersion{CreatedAt: stamp(p.at), CreatedBy: p.authorID, Message: p.message, Number: p.number},
	}
}

func (c *call) showProperties(owner int64) []v2Property {
	var out []v2Property
	for _, p := range c.st.props[owner] {
		out = append(out, showProperty(p))
	}
	return out
}

func (c *call) showSpaceProperties(owner int64) []v2SpaceProperty {
	var out []v2SpaceProperty
	for _, p := range c.st.props[owner] {
		out = append(out, showSpaceProperty(p))
	}
	return out
}

func (o owner) show(p *property) any {
	if o.space {
		return showSpaceProperty(p)
	}
	return showProperty(p)
}

func (o owner) list(c *call) (any, *apiError) {
	s := sorter[*property]{name: "id", id: func(p *property) int64 { return p.id }}
	if !o.space {
		name, err := c.oneOf("sort", "id", "key", "-key")
		if err != nil {
			return nil, err
		}
		if name != "id" {
			s = sorter[*property]{name: name, desc: name == "-key", key: func(p *property) string { return p.key }, id: s.id}
		}
	}
	c.rlock()
	id, err := o.find(c, false)
	if err != nil {
		return nil, err
	}
	keys := c.q["key"]
	var rows []*property
	for _, p := range c.st.props[id] {
		if len(keys) == 0 || slices.Contains(keys, p.key) {
			rows = append(rows, p)
		}
	}
	return page(c, rows, s, o.show)
}

// one finds the property that the path names by id. The lock is held.
func (o owner) one(c *call, write bool) (int64, *property, *apiError) {
	pid, err := c.pathID("pid", "property-id")
	if err != nil {
		return 0, nil, err
	}
	id, err := o.find(c, write)
	if err != nil {
		return 0, nil, err
	}
	for _, p := range c.st.props[id] {
		if p.id == pid {
			return id, p, nil
		}
	}
	return 0, nil, notFound("Could not find property with id [%d]", pid)
}

func (o owner) get(c *call) (any, *apiError) {
	c.rlock()
	_, p, err := o.one(c, false)
	if err != nil {
		return nil, err
	}
	return o.show(p), nil
}

// propertyIn is the body of writes, in both versions of the API.
type propertyIn struct {
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
	Version *struct {
		Number  int    `json:"number"`
		Message string `json:"message"`
		Minor   bool   `json:"minorEdit"`
	} `json:"version"`
}

func (c *call) propertyIn() (propertyIn, *apiError) {
	var in propertyIn
	if err := c.decode(&in); err != nil {
		return in, err
	}
	if len(in.Value) == 0 {
		return in, badRequest("value must be specified")
	}
	var small bytes.Buffer
	if err := json.Compact(&small, in.Value); err == nil {
		in.Value = small.Bytes()
	}
	if len(in.Value) > maxProperty {
		return in, refuse(http.StatusRequestEntityTooLarge, "REQUEST_ENTITY_TOO_LARGE", "ServiceException", "The value of a property is at most %d bytes long, got %d", maxProperty, len(in.Value))
	}
	return in, nil
}

// newProperty adds a property. The write lock is held.
func (c *call) newProperty(owner int64, in propertyIn) (*property, *apiError) {
	switch {
	case strings.TrimSpace(in.Key) == "":
		return nil, badRequest("key must be specified")
	case len(in.Key) > maxPropertyKey:
		return nil, badRequest("key is at most %d characters long", maxPropertyKey)
	case c.st.property(owner, in.Key) != nil:
		return nil, conflict("A property with the key [%s] already exists", in.Key)
	case len(c.st.props[owner]) >= maxProperties:
		return nil, badRequest("There are already %d properties, which is the most", maxProperties)
	}
	if err := c.st.room(len(in.Value)); err != nil {
		return nil, err
	}
	now := c.now()
	p := &property{id: c.st.newID(), key: in.Key, value: in.Value, number: 1, authorID: c.me.AccountID, creatorID: c.me.AccountID, createdAt: now, at: now}
	if in.Version != nil {
		p.message = in.Version.Message
	}
	c.st.props[owner] = append(c.st.props[owner], p)
	return p, nil
}

func (st *store) property(owner int64, key string) *property {
	for _, p := range st.props[owner] {
		if p.key == key {
			return p
		}
	}
	return nil
}

func (o owner) create(c *call) (any, *apiError) {
	in, err := c.propertyIn()
	if err != nil {
		return nil, err
	}
	c.lock()
	id, err := o.find(c, true)
	if err != nil {
		return nil, err
	}
	p, err := c.newProperty(id, in)
	if err != nil {
		return nil, err
	}
	if o.space {
		c.status = http.StatusCreated
	}
	return o.show(p), nil
}

// changeProperty gives a property its next version. The write lock is held.
func (c *call) changeProperty(p *property, in propertyIn) *apiError {
	if in.Version == nil {
		return badRequest("version.number must be specified")
	}
	if in.Version.Number != p.number+1 {
		return conflict("Version must be incremented when updating a property. Current Version: [%d]. Provided version: [%d]", p.number, in.Version.Number)
	}
	p.number, p.value, p.message, p.minor = in.Version.Number, in.Value, in.Version.Message, in.Version.Minor
	p.authorID, p.at = c.me.AccountID, c.now()
	return nil
}

func (o owner) update(c *call) (any, *apiError) {
	in, err := c.propertyIn()
	if err != nil {
		return nil, err
	}
	c.lock()
	_, p, err := o.one(c, true)
	if err != nil {
		return nil, err
	}
	if in.Key != p.key {
		return nil, badRequest("key must be the property's own: [%s], got [%s]", p.key, in.Key)
	}
	if err := c.changeProperty(p, in); err != nil {
		return nil, err
	}
	return o.show(p), nil
}

func (o owner) remove(c *call) (any, *apiError) {
	c.lock()
	id, p, err := o.one(c, true)
	if err != nil {
		return nil, err
	}
	c.st.dropProperty(id, p)
	return nil, nil
}

func (st *store) dropProperty(owner int64, p *property) {
	st.props[owner] = slices.DeleteFunc(st.props[owner], func(x *property) bool { return x == p })
	if len(st.props[owner]) == 0 {
		delete(st.props, owner)
	}
}
