package confluence

import (
	"net/http"
	"slices"
	"strings"
)

func peopleRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /user/bulk":                      (*call).bulkUsers,
		"GET /user/memberof":                  (*call).memberOf,
		"GET /group":                          (*call).getGroups,
		"POST /group":                         (*call).createGroup,
		"GET /group/by-id":                    (*call).getGroup,
		"DELETE /group/by-id":                 (*call).deleteGroup,
		"GET /group/picker":                   (*call).pickGroups,
		"GET /group/{group}/membersByGroupId": (*call).getMembers,
		"POST /group/userByGroupId":           changeMembership(true),
		"DELETE /group/userByGroupId":         changeMembership(false),
	}
}

// v1GroupRoutes name groups by name; they left the v1 document.
func v1GroupRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /group/by-name":        (*call).getGroup,
		"GET /group/member":         (*call).getMembers,
		"GET /group/{group}":        (*call).getGroup,
		"GET /group/{group}/member": (*call).getMembers,
		"POST /group/user":          changeMembership(true),
		"DELETE /group/user":        changeMembership(false),
	}
}

func (c *call) sortedGroups(keep func(*group) bool) []*group {
	var rows []*group
	for _, g := range c.st.groups {
		if keep(g) {
			rows = append(rows, g)
		}
	}
	slices.SortFunc(rows, func(a, b *group) int { return strings.Compare(a.name, b.name) })
	return rows
}

func (c *call) getGroups() (any, *apiError) {
	access, err := c.oneOf("accessType", "", "user", "admin", "site-admin")
	if err != nil {
		return nil, err
	}
	c.rlock()
	return pageV1(c, c.sortedGroups(func(g *group) bool {
		return access == "" || (access == "user") == (g.name != adminsGroup)
	}), c.showGroup)
}

func (c *call) pickGroups() (any, *apiError) {
	want := strings.ToLower(c.q.Get("query"))
	if want == "" {
		return nil, badRequest("query must be specified")
	}
	c.rlock()
	return pageV1(c, c.sortedGroups(func(g *group) bool { return strings.Contains(strings.ToLower(g.name), want) }), c.showGroup)
}

// groupOf finds the group that a request names: by id or name, in the path or
// the query.
func (c *call) groupOf() (*group, *apiError) {
	key := c.r.PathValue("group")
	for _, name := range []string{"id", "groupId", "name"} {
		if key == "" {
			key = c.q.Get(name)
		}
	}
	g := c.st.groups[key]
	if g == nil {
		g = c.st.groupNamed(key)
	}
	if g == nil {
		return nil, notFound("No group found with id or name: %s", key)
	}
	return g, nil
}

func (c *call) getGroup() (any, *apiError) {
	c.rlock()
	g, err := c.groupOf()
	if err != nil {
		return nil, err
	}
	return c.showGroup(g), nil
}

func (c *call) createGroup() (any, *apiError) {
	var in struct{ Name string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	in.Name = strings.TrimSpace(in.Name)
	c.lock()
	if err := c.adminOnly(); err != nil {
		return nil, err
	}
	if in.Name == "" || len(in.Name) > 255 || c.st.groupNamed(in.Name) != nil {
		return nil, badRequest("name must be specified, at most 255 characters long, and no other group's name")
	}
	if len(c.st.groups) >= maxGroups {
		return nil, badRequest("There are already %d groups, which is the most", maxGroups)
	}
	g := c.st.addGroup(in.Name)
	c.record("Users and groups", "Group created", auditObject{g.name, "Group"})
	c.status = http.StatusCreated
	return c.showGroup(g), nil
}

// maxGroups is how many groups a site may have.
const maxGroups = 10_000

func (c *call) deleteGroup() (any, *apiError) {
	c.lock()
	if err := c.adminOnly(); err != nil {
		return nil, err
	}
	g, err := c.groupOf()
	if err != nil {
		return nil, err
	}
	if g.name == usersGroup || g.name == adminsGroup {
		return nil, badRequest("The group %s cannot be deleted", g.name)
	}
	delete(c.st.groups, g.id)
	delete(c.st.byName, strings.ToLower(g.name))
	c.record("Users and groups", "Group deleted", auditObject{g.name, "Group"})
	return nil, nil
}

func (c *call) getMembers() (any, *apiError) {
	c.rlock()
	g, err := c.groupOf()
	if err != nil {
		return nil, err
	}
	var rows []string
	for id := range g.members {
		if c.st.users[id] != nil {
			rows = append(rows, id)
		}
	}
	slices.Sort(rows)
	e := parseExpand(c.list("expand"))
	return pageV1(c, rows, func(id string) v1User { return c.showUserWith(id, e) })
}

func changeMembership(add bool) endpoint {
	return func(c *call) (any, *apiError) {
		id := c.q.Get("accountId")
		if add {
			var in struct{ AccountID string }
			if err := c.decode(&in); err != nil {
				return nil, err
			}
			id = in.AccountID
		}
		c.lock()
		if err := c.adminOnly(); err != nil {
			return nil, err
		}
		g, err := c.groupOf()
		if err != nil {
			return nil, err
		}
		if c.st.users[id] == nil {
			return nil, notFound("No user found with account id: %s", id)
		}
		if add {
			g.members[id] = true
			c.record("Users and groups", "User added to group", auditObject{g.name, "Group"}, changed("member", id))
			c.status = http.StatusCreated
			return nil, nil
		}
		delete(g.members, id)
		c.record("Users and groups", "User removed from group", auditObject{g.name, "Group"}, changed("member", id))
		return nil, nil
	}
}

func (c *call) memberOf() (any, *apiError) {
	id := c.q.Get("accountId")
	c.rlock()
	if c.st.users[id] == nil {
		return nil, notFound("No user found with account id: %s", id)
	}
	return pageV1(c, c.sortedGroups(func(g *group) bool { return g.members[id] }), c.showGroup)
}

// showUserWith gives an account with the parts that e asks for.
func (c *call) showUserWith(accountID string, e expansion) v1User {
	out := c.showUser(accountID)
	if u := c.st.users[accountID]; u != nil && u.service {
		out.AccountType = "app"
	}
	if e["operations"] {
		delete(out.Expandable, "operations")
		out.Operations = []v1Operation{{"create_space", "application"}}
		if c.st.isAdmin(accountID) {
			out.Operations = append(out.Operations, v1Operation{"administer", "application"})
		}
	}
	if e["personalSpace"] {
		delete(out.Expandable, "personalSpace")
		if sp := c.st.personalSpace(accountID); sp != nil && c.st.spaceVisible(sp, c.me) {
			out.PersonalSpace = c.showSpaceV1(sp, expansion{})
		}
	}
	return out
}

type v1Operation struct {
	Operation  string `json:"operation"`
	TargetType string `json:"targetType"`
}

func (st *store) personalSpace(accountID string) *space {
	for _, id := range sortedIDs(st.spaces) {
		if sp := st.spaces[id]; sp.typ == "personal" && sp.authorID == accountID {
			return sp
		}
	}
	return nil
}

type v1Bulk struct {
	v1User
}

func (c *call) bulkUsers() (any, *apiError) {
	ids := c.list("accountId")
	if len(ids) == 0 || len(ids) > 200 {
		return nil, badRequest("accountId must be given, at most 200 times, got %d", len(ids))
	}
	e := parseExpand(c.list("expand"))
	c.rlock()
	var rows []string
	for _, id := range ids {
		if c.st.users[id] != nil {
			rows = append(rows, id)
		}
	}
	if c.q.Get("limit") == "" {
		c.q.Set("limit", "200")
	}
	return pageV1(c, rows, func(id string) v1Bulk { return v1Bulk{c.showUserWith(id, e)} })
}

type v2User struct {
	AccountID       string  `json:"accountId"`
	DisplayName     string  `json:"displayName"`
	PublicName      string  `json:"publicName"`
	Email           string  `json:"email"`
	TimeZone        string  `json:"timeZone"`
	PersonalSpaceID string  `json:"personalSpaceId,omitempty"`
	External        bool    `json:"isExternalCollaborator"`
	AccountStatus   string  `json:"accountStatus"`
	AccountType     string  `json:"accountType"`
	Picture         v2Photo `json:"profilePicture"`
}

type v2Photo struct {
	Path      string `json:"path"`
	IsDefault bool   `json:"isDefault"`
}

func (c *call) usersBulkV2() (any, *apiError) {
	var in struct {
		IDs []string `json:"accountIds"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.IDs) == 0 || len(in.IDs) > maxLimit {
		return nil, badRequest("accountIds must hold 1 to %d account ids, got %d", maxLimit, len(in.IDs))
	}
	c.rlock()
	out := v2List[v2User]{Results: []v2User{}, Links: v2Links{Base: c.base + "/wiki"}}
	for _, id := range in.IDs {
		u := c.st.users[id]
		if u == nil {
			continue
		}
		show := v2User{AccountID: id, DisplayName: u.DisplayName, PublicName: u.DisplayName, AccountStatus: "active", AccountType: "atlassian", Picture: v2Photo{Path: "/wiki/aa-avatar/" + id}}
		if u.service {
			show.AccountType = "app"
		}
		if id == c.me.AccountID {
			show.Email, show.TimeZone = u.Email, u.timeZone
		}
		if sp := c.st.personalSpace(id); sp != nil && c.st.spaceVisible(sp, c.me) {
			show.PersonalSpaceID = itoa(sp.id)
		}
		out.Results = append(out.Results, show)
	}
	return out, nil
}

type v2EmailAccess struct {
	Without []string `json:"emailsWithoutAccess"`
	Invalid []string `json:"invalidEmails"`
}

// emailsIn reads a list of addresses, tells those of nobody here from those that
// are wrong, and passes over the rest. The lock is held after it.
func (c *call) emailsIn(lock func()) (v2EmailAccess, *apiError) {
	var in struct {
		Emails []string `json:"emails"`
	}
	out := v2EmailAccess{Without: []string{}, Invalid: []string{}}
	if err := c.decode(&in); err != nil {
		return out, err
	}
	if len(in.Emails) == 0 || len(in.Emails) > maxLimit {
		return out, badRequest("emails must hold 1 to %d addresses, got %d", maxLimit, len(in.Emails))
	}
	lock()
	for _, e := range in.Emails {
		if name, host, ok := strings.Cut(e, "@"); !ok || name == "" || host == "" {
			out.Invalid = append(out.Invalid, e)
		} else if c.st.userByEmail(e) == nil {
			out.Without = append(out.Without, e)
		}
	}
	return out, nil
}

// checkAccessByEmail tells which addresses belong to nobody here.
func (c *call) checkAccessByEmail() (any, *apiError) {
	out, err := c.emailsIn(c.rlock)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// maxUsers is how many accounts invitations may make a site have.
const maxUsers = 10_000

// invite makes accounts for addresses that have none.
func (c *call) invite() (any, *apiError) {
	out, err := c.emailsIn(c.lock)
	if err != nil {
		return nil, err
	}
	if len(c.st.users)+len(out.Without) > maxUsers {
		return nil, badRequest("The site has %d accounts, and may have %d", len(c.st.users), maxUsers)
	}
	for _, e := range out.Without {
		c.st.addUser(User{Email: e})
	}
	return out, nil
}

type v2DataPolicies struct {
	AnyBlocked bool `json:"anyContentBlocked"`
}

// dataPolicies tells that the site has none.
func (c *call) dataPolicies() (any, *apiError) { return v2DataPolicies{}, nil }

// AddGroup makes a group, or adds accounts to the group of that name. It gives
// the group's id.
func (s *Sandbox) AddGroup(name string, accountIDs ...string) string {
	s.mu.Lock()
	defer s.unlock()
	g := s.st.groupNamed(name)
	if g == nil {
		g = s.st.addGroup(name)
	}
	for _, id := range accountIDs {
		g.members[id] = true
	}
	return g.id
}
