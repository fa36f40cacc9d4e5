package confluence

import "encoding/json"

// v1PropertyRoutes are the property calls that left the v1 document.
func v1PropertyRoutes() map[string]endpoint {
	out := map[string]endpoint{}
	add := func(base string, find v1Owner) {
		out["GET "+base] = find.list
		out["POST "+base] = find.create
		out["GET "+base+"/{pkey}"] = find.get
		out["POST "+base+"/{pkey}"] = find.create
		out["PUT "+base+"/{pkey}"] = find.update
		out["DELETE "+base+"/{pkey}"] = find.remove
	}
	add("/content/{id}/property", v1ContentOwner)
	add("/space/{key}/property", v1SpaceOwner)
	return out
}

// v1Owner gives the id and address of what the properties of a path hang on.
// Writing asks for the right to change it. The lock is held.
type v1Owner func(c *call, write bool) (id int64, self string, err *apiError)

func v1ContentOwner(c *call, write bool) (int64, string, *apiError) {
	x, err := c.contentV1()
	if err == nil && write {
		err = c.editable(x)
	}
	if err != nil {
		return 0, "", err
	}
	return x.id, "/rest/api/content/" + itoa(x.id), nil
}

func v1SpaceOwner(c *call, write bool) (int64, string, *apiError) {
	sp, err := c.spaceByKey()
	if err == nil && write {
		err = c.spaceAdminOnly(sp)
	}
	if err != nil {
		return 0, "", err
	}
	return sp.id, "/rest/api/space/" + sp.key, nil
}

// spaceAdminOnly refuses whoever does not administer a space. The lock is held.
func (c *call) spaceAdminOnly(sp *space) *apiError {
	if !c.st.administers(sp, c.me.AccountID) {
		return forbidden("Current user not permitted to administer the space with key : %s", sp.key)
	}
	return nil
}

type v1Property struct {
	ID         string            `json:"id"`
	Key        string            `json:"key"`
	Value      json.RawMessage   `json:"value"`
	Version    *v1Version        `json:"version,omitempty"`
	Expandable map[string]string `json:"_expandable"`
	Links      v1Links           `json:"_links"`
}

func (c *call) showPropertyV1(p *property, self string) v1Property {
	by := c.showUser(p.authorID)
	return v1Property{
		ID: itoa(p.id), Key: p.key, Value: p.value,
		Version:    &v1Version{By: &by, When: stamp(p.at), Friendly: friendly(p.at, c.now()), Message: p.message, Number: p.number, MinorEdit: p.minor},
		Expandable: map[string]string{"content": self}, Links: v1Links{Self: c.base + "/wiki" + self + "/property/" + p.key},
	}
}

func (find v1Owner) list(c *call) (any, *apiError) {
	c.rlock()
	id, self, err := find(c, false)
	if err != nil {
		return nil, err
	}
	want := c.q.Get("key")
	var rows []*property
	for _, p := range c.st.props[id] {
		if want == "" || want == p.key {
			rows = append(rows, p)
		}
	}
	return pageV1(c, rows, func(p *property) v1Property { return c.showPropertyV1(p, self) })
}

func noProperty(key string) *apiError { return notFound("No property found with key: %s", key) }

func (find v1Owner) get(c *call) (any, *apiError) {
	c.rlock()
	id, self, err := find(c, false)
	if err != nil {
		return nil, err
	}
	p := c.st.property(id, c.r.PathValue("pkey"))
	if p == nil {
		return nil, noProperty(c.r.PathValue("pkey"))
	}
	return c.showPropertyV1(p, self), nil
}

func (find v1Owner) create(c *call) (any, *apiError) {
	in, err := c.propertyIn()
	if err != nil {
		return nil, err
	}
	if k := c.r.PathValue("pkey"); k != "" {
		in.Key = k
	}
	c.lock()
	id, self, err := find(c, true)
	if err != nil {
		return nil, err
	}
	p, err := c.newProperty(id, in)
	if err != nil {
		return nil, err
	}
	return c.showPropertyV1(p, self), nil
}

// update changes a property, or makes one that does not exist when the version
// is 1, as v1 did.
func (find v1Owner) update(c *call) (any, *apiError) {
	in, err := c.propertyIn()
	if err != nil {
		return nil, err
	}
	in.Key = c.r.PathValue("pkey")
	c.lock()
	id, self, err := find(c, true)
	if err != nil {
		return nil, err
	}
	p := c.st.property(id, in.Key)
	switch {
	case p != nil:
		err = c.changeProperty(p, in)
	case in.Version != nil && in.Version.Number == 1:
		p, err = c.newProperty(id, in)
	default:
		err = noProperty(in.Key)
	}
	if err != nil {
		return nil, err
	}
	return c.showPropertyV1(p, self), nil
}

func (find v1Owner) remove(c *call) (any, *apiError) {
	c.lock()
	id, _, err := find(c, true)
	if err != nil {
		return nil, err
	}
	p := c.st.property(id, c.r.PathValue("pkey"))
	if p == nil {
		return nil, noProperty(c.r.PathValue("pkey"))
	}
	c.st.dropProperty(id, p)
	return nil, nil
}
