package confluence

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func roleRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /space-permissions":             (*call).getAvailablePermissions,
		"GET /space-roles":                   (*call).getSpaceRoles,
		"POST /space-roles":                  (*call).createSpaceRole,
		"GET /space-roles/{role}":            (*call).getSpaceRole,
		"PUT /space-roles/{role}":            (*call).updateSpaceRole,
		"DELETE /space-roles/{role}":         (*call).deleteSpaceRole,
		"GET /space-role-mode":               (*call).getSpaceRoleMode,
		"GET /spaces/{id}/role-assignments":  (*call).getRoleAssignments,
		"POST /spaces/{id}/role-assignments": (*call).setRoleAssignments,
	}
}

// spaceRole is a named set of permissions.
type spaceRole struct {
	ID          string   `json:"id"`
	Type        string   `json:"type"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Permissions []string `json:"spacePermissions"`
}

// permissionID is how roles name a permission: read/space.
func permissionID(perm string) string { return strings.ReplaceAll(perm, " ", "/") }

func permissionIDs(lists ...[]string) []string {
	var out []string
	for _, p := range slices.Concat(lists...) {
		out = append(out, permissionID(p))
	}
	return out
}

// systemRoles are the roles that every site has, the strongest first.
func systemRoles() []spaceRole {
	role := func(id, name, desc string, perms []string) spaceRole {
		return spaceRole{ID: id, Type: "SYSTEM", Name: name, Description: desc, Permissions: perms}
	}
	return []spaceRole{
		role("1001", "Admin", "Full control of the space and its content", permissionIDs(memberGrants, adminGrants)),
		role("1002", "Collaborator", "Can create and edit content", permissionIDs(memberGrants)),
		role("1003", "Viewer", "Can view content", []string{"read/space"}),
	}
}

// roles are the system's roles and those that administrators made.
func (st *store) roles() []spaceRole { return append(systemRoles(), st.customRoles...) }

// role finds a role by id; nil when there is none.
func (st *store) role(id string) *spaceRole {
	for _, r := range st.roles() {
		if r.ID == id {
			return &r
		}
	}
	return nil
}

// sameSet says whether two lists hold the same words.
func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// holders gives the permissions of each user, group and class in a space.
func (sp *space) holders() map[subject][]string {
	out := map[subject][]string{}
	for _, g := range sp.grants {
		out[g.who] = append(out[g.who], g.key+"/"+g.target)
	}
	return out
}

// exactRole is the role with just these permissions; nil when none has them.
func (st *store) exactRole(perms []string) *spaceRole {
	for _, r := range st.roles() {
		if sameSet(r.Permissions, perms) {
			return &r
		}
	}
	return nil
}

// roleOf is the role that permissions amount to: the one with just these, or else
// the strongest that they are enough for.
func (st *store) roleOf(perms []string) string {
	if r := st.exactRole(perms); r != nil {
		return r.ID
	}
	has := func(key string) bool {
		return slices.ContainsFunc(perms, func(p string) bool { return strings.HasPrefix(p, key+"/") })
	}
	roles := systemRoles()
	switch {
	case has("administer"):
		return roles[0].ID
	case has("create"):
		return roles[1].ID
	}
	return roles[2].ID
}

// listByName orders a short list by a name that no other row has.
func listByName[T any](name string, key func(T) string) sorter[T] {
	return sorter[T]{name: name, key: key, id: func(T) int64 { return 0 }}
}

func (c *call) getSpaceRoles() (any, *apiError) {
	c.rlock()
	keep := func(spaceRole) bool { return true }
	if raw := c.q.Get("space-id"); raw != "" {
		id, e := strconv.ParseInt(raw, 10, 64)
		sp := c.st.spaces[id]
		if e != nil || sp == nil || !c.st.spaceVisible(sp, c.me) {
			return nil, notFound("Cannot find a space with id [%s]", raw)
		}
		if who := c.q.Get("principal-id"); who != "" {
			held := sp.holders()
			keep = func(r spaceRole) bool {
				for s, perms := range held {
					if s.id == who && keepParam(c, "principal-type", s.principal().Type) && c.st.roleOf(perms) == r.ID {
						return true
					}
				}
				return false
			}
		}
	}
	rows := slices.DeleteFunc(c.st.roles(), func(r spaceRole) bool { return !keepParam(c, "role-type", r.Type) || !keep(r) })
	return page(c, rows, listByName("name", func(r spaceRole) string { return r.Name + r.ID }), func(r spaceRole) spaceRole { return r })
}

type v2SpaceRole struct {
	spaceRole
	Links v2Links `json:"_links"`
}

func noRole(id string) *apiError { return notFound("Cannot find a space role with id [%s]", id) }

func (c *call) getSpaceRole() (any, *apiError) {
	c.rlock()
	id := c.r.PathValue("role")
	r := c.st.role(id)
	if r == nil {
		return nil, noRole(id)
	}
	return v2SpaceRole{*r, v2Links{Base: c.base + "/wiki"}}, nil
}

// maxRoles is how many roles administrators may make.
const maxRoles = 100

// roleIn reads and checks a role. The lock is held after it when there is no error.
func (c *call) roleIn() (spaceRole, *apiError) {
	var in struct {
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Permissions []string `json:"spacePermissions"`
	}
	if err := c.decode(&in); err != nil {
		return spaceRole{}, err
	}
	out := spaceRole{Type: "CUSTOM", Name: strings.TrimSpace(in.Name), Description: in.Description, Permissions: in.Permissions}
	if out.Name == "" || len(out.Name) > 255 || !slices.Contains(out.Permissions, "read/space") {
		return spaceRole{}, badRequest("name, description and spacePermissions, with read/space among them, must be specified")
	}
	known := permissionIDs(memberGrants, adminGrants)
	for _, p := range out.Permissions {
		if !slices.Contains(known, p) {
			return spaceRole{}, badRequest("spacePermissions names [%s], which is none of %v", p, known)
		}
	}
	c.lock()
	id := c.r.PathValue("role")
	if slices.ContainsFunc(c.st.roles(), func(r spaceRole) bool { return r.ID != id && strings.EqualFold(r.Name, out.Name) }) {
		return spaceRole{}, badRequest("There is a space role with the name [%s] already", out.Name)
	}
	return out, c.rolesAdminOnly()
}

// rolesAdminOnly refuses apps and whoever does not administer the site.
func (c *call) rolesAdminOnly() *apiError {
	if !c.st.isAdmin(c.me.AccountID) {
		return notFound("Not Found")
	}
	return nil
}

func (c *call) createSpaceRole() (any, *apiError) {
	r, err := c.roleIn()
	if err != nil {
		return nil, err
	}
	if len(c.st.customRoles) >= maxRoles {
		return nil, badRequest("There are already %d roles, which is the most", maxRoles)
	}
	r.ID = itoa(c.st.newID())
	c.st.customRoles = append(c.st.customRoles, r)
	c.record("Permissions", "Space role created", auditObject{r.Name, "Space role"})
	c.status = http.StatusCreated
	return r, nil
}

// customRole finds where a role stands that can be changed.
func (c *call) customRole() (int, *apiError) {
	id := c.r.PathValue("role")
	i := slices.IndexFunc(c.st.customRoles, func(r spaceRole) bool { return r.ID == id })
	switch {
	case i >= 0:
		return i, nil
	case c.st.role(id) != nil:
		return 0, badRequest("The space role with id [%s] is the system's and cannot be changed", id)
	}
	return 0, noRole(id)
}

type v2RoleUpdated struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	TaskID      string `json:"taskId"`
}

// updateSpaceRole changes a role and the permissions of those who have it.
func (c *call) updateSpaceRole() (any, *apiError) {
	r, err := c.roleIn()
	if err != nil {
		return nil, err
	}
	i, err := c.customRole()
	if err != nil {
		return nil, err
	}
	r.ID = c.st.customRoles[i].ID
	c.reassign(r.ID, &r)
	c.st.customRoles[i] = r
	c.record("Permissions", "Space role updated", auditObject{r.Name, "Space role"})
	t := c.startTask("com.atlassian.confluence.role.update.task", "Space role updated", nil)
	return v2RoleUpdated{r.ID, r.Type, r.Name, r.Description, t.ID}, nil
}

// deleteSpaceRole takes a role from everybody who has it.
func (c *call) deleteSpaceRole() (any, *apiError) {
	c.lock()
	if err := c.rolesAdminOnly(); err != nil {
		return nil, err
	}
	i, err := c.customRole()
	if err != nil {
		return nil, err
	}
	gone := c.st.customRoles[i]
	c.reassign(gone.ID, nil)
	c.st.customRoles = slices.Delete(c.st.customRoles, i, i+1)
	c.record("Permissions", "Space role deleted", auditObject{gone.Name, "Space role"})
	t := c.startTask("com.atlassian.confluence.role.delete.task", "Space role deleted", nil)
	return struct {
		TaskID string `json:"taskId"`
	}{t.ID}, nil
}

// reassign gives everybody who has a role another, or none.
func (c *call) reassign(id string, to *spaceRole) {
	for _, spaceID := range sortedIDs(c.st.spaces) {
		sp := c.st.spaces[spaceID]
		for who, perms := range sp.holders() {
			if r := c.st.exactRole(perms); r != nil && r.ID == id {
				c.st.setRole(sp, who, to)
			}
		}
	}
}

// setRole replaces the permissions of somebody in a space by those of a role.
func (st *store) setRole(sp *space, who subject, r *spaceRole) {
	sp.grants = slices.DeleteFunc(slices.Clone(sp.grants), func(g spaceGrant) bool { return g.who == who })
	if r == nil {
		return
	}
	for _, p := range r.Permissions {
		key, target, _ := strings.Cut(p, "/")
		sp.grants = append(sp.grants, spaceGrant{id: st.newGrant(), who: who, key: key, target: target})
	}
}

type v2RoleMode struct {
	Mode string `json:"mode"`
}

func (c *call) getSpaceRoleMode() (any, *apiError) { return v2RoleMode{"ROLES_TRANSITION"}, nil }

type v2AvailablePermission struct {
	ID          string   `json:"id"`
	DisplayName string   `json:"displayName"`
	Description string   `json:"description"`
	Required    []string `json:"requiredPermissionIds"`
}

// permissionName is how people call a permission.
func permissionName(id string) string {
	key, target, _ := strings.Cut(id, "/")
	return strings.ToUpper(key[:1]) + strings.ReplaceAll(key[1:], "_", " ") + " " + target
}

func (c *call) getAvailablePermissions() (any, *apiError) {
	return page(c, permissionIDs(memberGrants, adminGrants), listByName("id", func(s string) string { return s }), func(id string) v2AvailablePermission {
		out := v2AvailablePermission{ID: id, DisplayName: permissionName(id), Description: permissionName(id), Required: []string{}}
		if id != "read/space" {
			out.Required = []string{"read/space"}
		}
		return out
	})
}

type v2RolePrincipal struct {
	Type string `json:"principalType"`
	ID   string `json:"principalId"`
}

type v2RoleAssignment struct {
	Principal v2RolePrincipal `json:"principal"`
	RoleID    string          `json:"roleId,omitempty"`
}

// principal is how role assignments name a subject.
func (s subject) principal() v2RolePrincipal {
	if s.kind == kindClass {
		return v2RolePrincipal{"ACCESS_CLASS", s.id}
	}
	return v2RolePrincipal{strings.ToUpper(s.kind), s.id}
}

// named finds whom a role assignment names.
func (st *store) named(p v2RolePrincipal) (subject, *apiError) {
	s := subject{strings.ToLower(p.Type), p.ID}
	if p.Type == "ACCESS_CLASS" {
		s.kind = kindClass
	}
	ok := false
	switch s.kind {
	case "user":
		ok = st.users[s.id] != nil
	case "group":
		ok = st.groups[s.id] != nil
	case kindClass:
		ok = slices.Contains(accessClasses, s.id)
	}
	if !ok {
		return s, badRequest("The principal [%s] of type [%s] does not exist. Types are USER, GROUP and ACCESS_CLASS", p.ID, p.Type)
	}
	return s, nil
}

func (c *call) showAssignments(sp *space) (any, *apiError) {
	var rows []v2RoleAssignment
	for who, perms := range sp.holders() {
		a := v2RoleAssignment{who.principal(), c.st.roleOf(perms)}
		if keepParam(c, "role-id", a.RoleID) && keepParam(c, "principal-id", who.id) && keepParam(c, "principal-type", a.Principal.Type) && keepParam(c, "role-type", c.st.role(a.RoleID).Type) {
			rows = append(rows, a)
		}
	}
	return page(c, rows, listByName("principal", func(a v2RoleAssignment) string { return a.Principal.Type + a.Principal.ID }), func(a v2RoleAssignment) v2RoleAssignment { return a })
}

// getRoleAssignments tells the role that each user and group has by the
// permissions of a space.
func (c *call) getRoleAssignments() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByID()
	if err != nil {
		return nil, err
	}
	return c.showAssignments(sp)
}

// setRoleAssignments gives and takes roles, all or none of them.
func (c *call) setRoleAssignments() (any, *apiError) {
	var in []v2RoleAssignment
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in) == 0 || len(in) > maxLimit {
		return nil, badRequest("The request must hold 1 to %d assignments, got %d", maxLimit, len(in))
	}
	c.lock()
	sp, err := c.spaceByID()
	if err != nil {
		return nil, err
	}
	if !c.st.administers(sp, c.me.AccountID) {
		return nil, notFound("Cannot find a space with id [%d]", sp.id)
	}
	after := *sp
	for _, a := range in {
		who, err := c.st.named(a.Principal)
		if err != nil {
			return nil, err
		}
		r := c.st.role(a.RoleID)
		if a.RoleID != "" && r == nil {
			return nil, badRequest("There is no space role with id [%s]", a.RoleID)
		}
		c.st.setRole(&after, who, r)
	}
	if !after.hasAdmin() {
		return nil, badRequest("All of the admin permissions cannot be removed from a space")
	}
	sp.grants = after.grants
	c.record("Permissions", "Space roles assigned", auditObject{sp.name, "Space"})
	return c.showAssignments(sp)
}

func (sp *space) hasAdmin() bool {
	return slices.ContainsFunc(sp.grants, func(g spaceGrant) bool { return g.key == "administer" })
}

// keepParam says whether a value passes the filter of that name.
func keepParam(c *call, name, value string) bool {
	want := c.q.Get(name)
	return want == "" || strings.EqualFold(want, value)
}
