package confluence

// What v1 shows of access and properties where a request expands it.

type v1Permission struct {
	ID         int64             `json:"id"`
	Subjects   v1PermissionWho   `json:"subjects"`
	Operation  v1Operation       `json:"operation"`
	Anonymous  bool              `json:"anonymousAccess"`
	Unlicensed bool              `json:"unlicensedAccess"`
	Expandable map[string]string `json:"_expandable,omitempty"`
}

type v1PermissionWho struct {
	User       *v1List[v1User]   `json:"user,omitempty"`
	Group      *v1List[v1Group]  `json:"group,omitempty"`
	Expandable map[string]string `json:"_expandable"`
}

// spacePermissionsV1 lists the permissions of a space.
func (c *call) spacePermissionsV1(sp *space) []v1Permission {
	out := []v1Permission{}
	for _, g := range sp.grants {
		p := v1Permission{ID: g.id, Operation: v1Operation{g.key, g.target}, Subjects: v1PermissionWho{Expandable: map[string]string{}}}
		if have := c.st.groups[g.who.id]; have != nil {
			p.Subjects.Group = &v1List[v1Group]{Results: []v1Group{c.showGroup(have)}, Limit: 1, Size: 1}
		} else {
			p.Subjects.User = &v1List[v1User]{Results: []v1User{c.showUser(g.who.id)}, Limit: 1, Size: 1}
		}
		out = append(out, p)
	}
	return out
}

// expandAccess fills the parts of a content that are about access.
func (c *call) expandAccess(out *v1Content, x *content, e expansion) {
	if e["operations"] {
		for _, op := range c.operationsOn(x) {
			out.Operations = append(out.Operations, v1Operation(op))
		}
	} else {
		out.Expandable["operations"] = ""
	}
	if !e["restrictions"] {
		out.Expandable["restrictions"] = "/rest/api/content/" + x.ref() + "/restriction/byOperation"
		return
	}
	below, left := e.below("restrictions"), map[string]string{}
	out.Restrictions = map[string]any{"_expandable": left, "_links": v1Links{Self: c.base + "/wiki/rest/api/content/" + x.ref() + "/restriction/byOperation"}}
	for _, op := range restrictable {
		if below[op] {
			out.Restrictions[op] = c.showRestriction(x, op, below.below(op))
		} else {
			left[op] = "/rest/api/content/" + x.ref() + "/restriction/byOperation/" + op
		}
	}
}

// propertiesV1 gives the properties that e names, by key.
func (c *call) propertiesV1(x *content, e expansion) map[string]any {
	left := map[string]string{}
	out := map[string]any{"_expandable": left}
	self := "/rest/api/content/" + x.ref()
	for _, p := range c.st.props[x.id] {
		if e[p.key] {
			out[p.key] = c.showPropertyV1(p, self)
		} else {
			left[p.key] = self + "/property/" + p.key
		}
	}
	return out
}

// expandSpace fills the parts of a space that are about access, labels and its making.
func (c *call) expandSpace(out *v1Space, sp *space, e expansion) {
	for name, fill := range map[string]func(){
		"permissions": func() { out.Permissions = c.spacePermissionsV1(sp) },
		"icon": func() {
			out.Icon = &v1Picture{Path: "/images/logo/default-space-logo.svg", Width: 48, Height: 48, IsDefault: true}
		},
		"history": func() {
			out.History = map[string]any{"createdDate": stamp(sp.createdAt), "createdBy": c.showUser(sp.authorID)}
		},
		"operations": func() {
			for _, op := range c.operationsIn(sp) {
				out.Operations = append(out.Operations, v1Operation(op))
			}
		},
		"metadata": func() {
			out.Metadata = map[string]any{"_expandable": map[string]string{"labels": ""}}
			if e.below("metadata")["labels"] {
				out.Metadata = map[string]any{"labels": c.spaceLabelArray(sp), "_expandable": map[string]string{}}
			}
		},
	} {
		if e[name] {
			delete(out.Expandable, name)
			fill()
		}
	}
}
