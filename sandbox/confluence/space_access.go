package confluence

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

func spaceAccessRoutesV2() map[string]endpoint {
	return map[string]endpoint{
		"POST /users-bulk":                        (*call).usersBulkV2,
		"GET /spaces/{id}/operations":             (*call).getSpaceOperations,
		"GET /spaces/{id}/permissions":            (*call).getSpacePermissions,
		"GET /spaces/{id}/labels":                 (*call).getSpaceLabels,
		"GET /pages/{id}/operations":              contentOperations(typePage),
		"GET /blogposts/{id}/operations":          contentOperations(typeBlog),
		"GET /footer-comments/{id}/operations":    contentOperations(typeComment),
		"GET /inline-comments/{id}/operations":    contentOperations(typeComment),
		"GET /attachments/{id}/operations":        contentOperations(typeFile),
		"POST /user/access/check-access-by-email": (*call).checkAccessByEmail,
		"GET /data-policies/metadata":             (*call).dataPolicies,
	}
}

func spaceAccessRoutesV1() map[string]endpoint {
	return map[string]endpoint{
		"PUT /space/{key}":                    (*call).updateSpace,
		"POST /space/{key}/permission":        (*call).addSpacePermission,
		"DELETE /space/{key}/permission/{id}": (*call).removeSpacePermission,
		"GET /space/{key}/label":              (*call).getSpaceLabelsV1,
		"POST /space/{key}/label":             (*call).addSpaceLabels,
		"DELETE /space/{key}/label":           (*call).deleteSpaceLabel,
	}
}

type v2Principal struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

type v2PermissionOf struct {
	Key        string `json:"key"`
	TargetType string `json:"targetType"`
}

type v2SpacePermission struct {
	ID        string         `json:"id"`
	Principal v2Principal    `json:"principal"`
	Operation v2PermissionOf `json:"operation"`
}

// permissionKind is how the list of permissions names the kind of a subject.
func permissionKind(s subject) string {
	if s.kind == kindClass {
		return "role"
	}
	return s.kind
}

func (c *call) getSpacePermissions() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByID()
	if err != nil {
		return nil, err
	}
	order := sorter[spaceGrant]{name: "id", id: func(g spaceGrant) int64 { return g.id }}
	return page(c, slices.Clone(sp.grants), order, func(g spaceGrant) v2SpacePermission {
		return v2SpacePermission{ID: itoa(g.id), Principal: v2Principal{permissionKind(g.who), g.who.id}, Operation: v2PermissionOf{g.key, g.target}}
	})
}

// Permissions of a space, v1.

type v1Subject struct {
	Type       string `json:"type"`
	Identifier string `json:"identifier"`
}

type v1PermissionOf struct {
	Key    string `json:"key"`
	Target string `json:"target"`
}

type v1SpacePermission struct {
	ID        int64          `json:"id"`
	Subject   v1Subject      `json:"subject"`
	Operation v1PermissionOf `json:"operation"`
	Links     v1Links        `json:"_links"`
}

var (
	permissionKeys    = []string{"administer", "archive", "copy", "create", "delete", "export", "move", "purge", "purge_version", "read", "restore", "restrict_content", "update", "use"}
	permissionTargets = []string{"page", "blogpost", "comment", "attachment", "space"}
)

// spaceToRun gets the space of the path for those who administer it. The lock is held.
func (c *call) spaceToRun() (*space, *apiError) {
	if c.from != nil && c.from.app != "" && strings.Contains(c.r.URL.Path, "/permission") {
		return nil, forbidden("Apps cannot access this resource")
	}
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	return sp, c.spaceAdminOnly(sp)
}

func (c *call) addSpacePermission() (any, *apiError) {
	var in v1SpacePermission
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !slices.Contains(permissionKeys, in.Operation.Key) || !slices.Contains(permissionTargets, in.Operation.Target) {
		return nil, badRequest("The operation '%s' on '%s' does not exist. Keys are %v, targets %v", in.Operation.Key, in.Operation.Target, permissionKeys, permissionTargets)
	}
	c.lock()
	sp, err := c.spaceToRun()
	if err != nil {
		return nil, err
	}
	who := subject{in.Subject.Type, in.Subject.Identifier}
	if g := c.st.groupNamed(who.id); who.kind == "group" && g != nil {
		who.id = g.id
	}
	if who.kind == "user" && c.st.users[who.id] == nil || who.kind == "group" && c.st.groups[who.id] == nil || who.kind != "user" && who.kind != "group" {
		return nil, badRequest("No %s found with identifier: %s", cmp.Or(who.kind, "user or group"), who.id)
	}
	has := func(key, target string) bool {
		return slices.ContainsFunc(sp.grants, func(g spaceGrant) bool { return g.who == who && g.key == key && g.target == target })
	}
	if has(in.Operation.Key, in.Operation.Target) {
		return nil, badRequest("Permission already exists for the %s '%s'", who.kind, who.id)
	}
	if in.Operation != (v1PermissionOf{opRead, "space"}) && !has(opRead, "space") {
		return nil, badRequest("'read space' permission doesn't exist for the %s '%s'. Add it first", who.kind, who.id)
	}
	g := spaceGrant{id: c.st.newGrant(), who: who, key: in.Operation.Key, target: in.Operation.Target}
	sp.grants = append(sp.grants, g)
	c.record("Permissions", "Space permission added", auditObject{sp.name, "Space"}, changed(g.key+" "+g.target, who.id))
	in.ID, in.Subject.Identifier = g.id, who.id
	in.Links = v1Links{Self: c.base + "/wiki/rest/api/space/" + sp.key + "/permission/" + itoa(g.id)}
	return in, nil
}

// removeSpacePermission takes a permission away, and with "read space" all that
// the user or group has.
func (c *call) removeSpacePermission() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	c.lock()
	sp, err := c.spaceToRun()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(sp.grants, func(g spaceGrant) bool { return g.id == id })
	if i < 0 {
		return nil, notFound("No permission found with id: %d", id)
	}
	gone := sp.grants[i]
	left := slices.DeleteFunc(slices.Clone(sp.grants), func(g spaceGrant) bool {
		return g.id == id || gone.key == opRead && gone.target == "space" && g.who == gone.who
	})
	if !slices.ContainsFunc(left, func(g spaceGrant) bool { return g.key == "administer" }) {
		return nil, badRequest("All of the admin permissions cannot be removed from a space")
	}
	sp.grants = left
	c.record("Permissions", "Space permission removed", auditObject{sp.name, "Space"}, changed(gone.key+" "+gone.target, gone.who.id))
	return nil, nil
}

// Labels of a space.

func (c *call) getSpaceLabels() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByID()
	if err != nil {
		return nil, err
	}
	return c.showLabelPage(func(l *label) bool {
		return (l.prefix == "my" || l.prefix == "team") && slices.Contains(sp.labels, l.id)
	}, "my", "team")
}

// hasLabel says whether a space has one of some labels; without any it does.
func (st *store) hasLabel(sp *space, names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(sp.labels, func(id int64) bool { return slices.Contains(names, st.labels[id].name) })
}

func (st *store) spaceLabels(sp *space) []v2Label {
	var out []v2Label
	for _, id := range sp.labels {
		out = append(out, showLabel(st.labels[id]))
	}
	return out
}

func (c *call) spaceLabelArray(sp *space) v1LabelArray {
	out := v1LabelArray{Results: []v1Label{}, Limit: 200, Links: v1Links{Self: c.base + "/wiki/rest/api/space/" + sp.key + "/label", Base: c.base + "/wiki", Context: "/wiki"}}
	for _, id := range sp.labels {
		if l := c.st.labels[id]; keepParam(c, "prefix", l.prefix) {
			out.Results = append(out.Results, v1Label{Prefix: l.prefix, Name: l.name, ID: itoa(l.id), Label: l.name})
		}
	}
	out.Size = len(out.Results)
	return out
}

func (c *call) getSpaceLabelsV1() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	return c.spaceLabelArray(sp), nil
}

func (c *call) addSpaceLabels() (any, *apiError) {
	add, err := c.labelsIn()
	if err != nil {
		return nil, err
	}
	c.lock()
	sp, err := c.spaceToRun()
	if err != nil {
		return nil, err
	}
	for _, l := range add {
		if id := c.st.labelID(l.Prefix, l.Name); !slices.Contains(sp.labels, id) {
			sp.labels = append(sp.labels, id)
		}
	}
	return c.spaceLabelArray(sp), nil
}

func (c *call) deleteSpaceLabel() (any, *apiError) {
	name := strings.ToLower(c.q.Get("name"))
	if name == "" {
		return nil, badRequest("The name of the label must be given")
	}
	c.lock()
	sp, err := c.spaceToRun()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(sp.labels, func(id int64) bool {
		l := c.st.labels[id]
		return l.name == name && keepParam(c, "prefix", l.prefix)
	})
	if i < 0 {
		return nil, notFound("No label found with name: %s", name)
	}
	id := sp.labels[i]
	sp.labels = slices.Delete(sp.labels, i, i+1)
	c.st.forgetLabel(id)
	return nil, nil
}

// updateSpace changes the name, description, homepage and status of a space.
func (c *call) updateSpace() (any, *apiError) {
	var in struct {
		Name        *string `json:"name"`
		Description *struct {
			Plain *struct {
				Value string `json:"value"`
			} `json:"plain"`
		} `json:"description"`
		Homepage *struct {
			ID json.RawMessage `json:"id"`
		} `json:"homepage"`
		Type   string  `json:"type"`
		Status *string `json:"status"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.lock()
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	if !c.st.administers(sp, c.me.AccountID) {
		return nil, notFound("No space found with key : %s", c.r.PathValue("key"))
	}
	after := *sp
	if in.Name != nil {
		if after.name = strings.TrimSpace(*in.Name); after.name == "" || len([]rune(after.name)) > 200 {
			return nil, badRequest("Space name must be specified and cannot be longer than 200 characters")
		}
	}
	if in.Description != nil && in.Description.Plain != nil {
		after.desc = in.Description.Plain.Value
	}
	if in.Homepage != nil {
		id, err := idOf(in.Homepage.ID, "homepage.id")
		if err != nil {
			return nil, err
		}
		if home := c.st.contents[id]; home == nil || home.typ != typePage || home.spaceID != sp.id || home.status != statusCurrent {
			return nil, badRequest("The homepage with id [%d] is not a page of the space", id)
		}
		after.homepageID = id
	}
	if in.Status != nil {
		after.status = strings.ToLower(*in.Status)
		if after.status != statusCurrent && after.status != statusArchived {
			return nil, badRequest("Space status '%s' is not valid. Valid statuses are CURRENT and ARCHIVED", *in.Status)
		}
	}
	*sp = after
	c.record("Spaces", "Space updated", auditObject{sp.name, "Space"})
	return c.showSpaceV1(sp, parseExpand([]string{"description.plain", "homepage"})), nil
}

// spaceMade and spaceGone are the audit lines of spaces.
func (c *call) spaceMade(sp *space) {
	c.record("Spaces", "Space created", auditObject{sp.name, "Space"})
}

func (c *call) spaceGone(sp *space) {
	c.record("Spaces", "Space deleted", auditObject{sp.name, "Space"})
}
