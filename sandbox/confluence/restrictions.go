package confluence

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

func restrictionRoutes() map[string]endpoint {
	const base = "/content/{id}/restriction"
	const op = base + "/byOperation/{op}"
	return map[string]endpoint{
		"GET " + base:                         (*call).getRestrictions,
		"POST " + base:                        changeRestrictions(false),
		"PUT " + base:                         changeRestrictions(true),
		"DELETE " + base:                      (*call).deleteRestrictions,
		"GET " + base + "/byOperation":        (*call).restrictionsByOperation,
		"GET " + op:                           (*call).restrictionsFor,
		"GET " + op + "/user":                 oneRestriction(userByQuery, restrictionGet),
		"PUT " + op + "/user":                 oneRestriction(userByQuery, restrictionAdd),
		"DELETE " + op + "/user":              oneRestriction(userByQuery, restrictionRemove),
		"GET " + op + "/byGroupId/{group}":    oneRestriction(groupByPath, restrictionGet),
		"PUT " + op + "/byGroupId/{group}":    oneRestriction(groupByPath, restrictionAdd),
		"DELETE " + op + "/byGroupId/{group}": oneRestriction(groupByPath, restrictionRemove),
		"POST /content/{id}/permission/check": (*call).checkPermission,
	}
}

// v1GroupRestrictionRoutes name groups by name; they left the v1 document.
func v1GroupRestrictionRoutes() map[string]endpoint {
	const op = "/content/{id}/restriction/byOperation/{op}/group/{group}"
	return map[string]endpoint{
		"GET " + op:    oneRestriction(groupByPath, restrictionGet),
		"PUT " + op:    oneRestriction(groupByPath, restrictionAdd),
		"DELETE " + op: oneRestriction(groupByPath, restrictionRemove),
	}
}

var restrictable = []string{opRead, opUpdate}

type v1Group struct {
	Type  string  `json:"type"`
	Name  string  `json:"name"`
	ID    string  `json:"id"`
	Links v1Links `json:"_links"`
}

func (c *call) showGroup(g *group) v1Group {
	return v1Group{Type: "group", Name: g.name, ID: g.id, Links: v1Links{Self: c.base + "/wiki/rest/api/group/by-id?id=" + g.id}}
}

type v1Subjects struct {
	User       *v1List[v1User]   `json:"user,omitempty"`
	Group      *v1List[v1Group]  `json:"group,omitempty"`
	Expandable map[string]string `json:"_expandable"`
}

type v1Restriction struct {
	Operation    string            `json:"operation"`
	Restrictions *v1Subjects       `json:"restrictions,omitempty"`
	Content      *v1Content        `json:"content,omitempty"`
	Expandable   map[string]string `json:"_expandable"`
	Links        v1Links           `json:"_links"`
}

// showRestriction gives one operation's restrictions with what e asks for.
func (c *call) showRestriction(x *content, op string, e expansion) v1Restriction {
	self := c.base + "/wiki/rest/api/content/" + itoa(x.id) + "/restriction/byOperation/" + op
	out := v1Restriction{Operation: op, Restrictions: &v1Subjects{Expandable: map[string]string{}}, Expandable: map[string]string{}, Links: v1Links{Self: self}}
	want := func(what string) bool {
		return e["restrictions."+what] || e[op+".restrictions."+what]
	}
	if want("user") {
		list := &v1List[v1User]{Results: []v1User{}, Limit: 200}
		for _, s := range x.limits[op] {
			if s.kind == "user" {
				list.Results = append(list.Results, c.showUser(s.id))
			}
		}
		list.Size = len(list.Results)
		out.Restrictions.User = list
	} else {
		out.Restrictions.Expandable["user"] = ""
	}
	if want("group") {
		list := &v1List[v1Group]{Results: []v1Group{}, Limit: 200}
		for _, s := range x.limits[op] {
			if g := c.st.groups[s.id]; s.kind == "group" && g != nil {
				list.Results = append(list.Results, c.showGroup(g))
			}
		}
		list.Size = len(list.Results)
		out.Restrictions.Group = list
	} else {
		out.Restrictions.Expandable["group"] = ""
	}
	if e["content"] {
		out.Content = c.showV1(x, x.current(), expansion{})
	} else {
		out.Expandable["content"] = "/rest/api/content/" + itoa(x.id)
	}
	return out
}

type v1Restrictions struct {
	v1List[v1Restriction]
	Hash string `json:"restrictionsHash"`
}

// restrictionsHash changes with the restrictions of a content.
func restrictionsHash(x *content) string {
	h := sha256.New()
	for _, op := range restrictable {
		who := slices.Clone(x.limits[op])
		slices.SortFunc(who, func(a, b subject) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id)) })
		for _, s := range who {
			_, _ = io.WriteString(h, op+"\x00"+s.kind+"\x00"+s.id+"\x00") // a hash cannot fail
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (c *call) showRestrictions(x *content) (any, *apiError) {
	limit, err := c.limit(100, 100)
	if err != nil {
		return nil, err
	}
	start, err := c.start()
	if err != nil {
		return nil, err
	}
	e := parseExpand(c.list("expand"))
	out := v1Restrictions{Hash: restrictionsHash(x)}
	out.v1List = v1List[v1Restriction]{Results: []v1Restriction{}, Start: start, Limit: limit, Links: v1Links{Self: c.base + c.r.URL.Path, Base: c.base + "/wiki", Context: "/wiki"}}
	for _, op := range restrictable[min(start, 2):] {
		if len(out.Results) < limit {
			out.Results = append(out.Results, c.showRestriction(x, op, e))
		}
	}
	out.Size = len(out.Results)
	return out, nil
}

func (c *call) getRestrictions() (any, *apiError) {
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	return c.showRestrictions(x)
}

func (c *call) restrictionsByOperation() (any, *apiError) {
	e := parseExpand(c.list("expand"))
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	out := map[string]any{"_links": v1Links{Self: c.base + c.r.URL.Path, Base: c.base + "/wiki", Context: "/wiki"}}
	for _, op := range restrictable {
		out[op] = c.showRestriction(x, op, e)
	}
	return out, nil
}

func (c *call) restrictionOp() (string, *apiError) {
	op := c.r.PathValue("op")
	if !slices.Contains(restrictable, op) {
		return "", notFound("Restrictions do not exist for the operation '%s'. Operations are read and update", op)
	}
	return op, nil
}

func (c *call) restrictionsFor() (any, *apiError) {
	op, err := c.restrictionOp()
	if err != nil {
		return nil, err
	}
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	return c.showRestriction(x, op, parseExpand(c.list("expand"))), nil
}

type subjectIn struct {
	AccountID string `json:"accountId"`
	ID        string `json:"id"`
	Name      string `json:"name"`
}

// subjectsIn is a list of users or groups, bare or under results.
type subjectsIn []subjectIn

func (s *subjectsIn) UnmarshalJSON(data []byte) error {
	var list []subjectIn
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		err := json.Unmarshal(data, &list)
		*s = list
		return err
	}
	var in struct {
		Results []subjectIn `json:"results"`
	}
	err := json.Unmarshal(data, &in)
	*s = in.Results
	return err
}

type restrictionIn struct {
	Operation    string `json:"operation"`
	Restrictions *struct {
		User  subjectsIn `json:"user"`
		Group subjectsIn `json:"group"`
	} `json:"restrictions"`
}

// decodeRestrictions reads an array of restrictions, bare or under results.
func (c *call) decodeRestrictions() ([]restrictionIn, *apiError) {
	var raw json.RawMessage
	if err := c.decode(&raw); err != nil {
		return nil, err
	}
	var in struct {
		Results []restrictionIn `json:"results"`
	}
	err := json.Unmarshal(raw, &in.Results)
	if err != nil {
		err = json.Unmarshal(raw, &in)
	}
	if err != nil || in.Results == nil {
		return nil, badRequest("The request body must be an array of restrictions with operation and restrictions, or an object with that array as results")
	}
	return in.Results, nil
}

// subjects finds the users and groups that restrictions name, by operation.
func (c *call) subjects(in []restrictionIn) (map[string][]subject, *apiError) {
	out := map[string][]subject{}
	for _, r := range in {
		if !slices.Contains(restrictable, r.Operation) {
			return nil, badRequest("Restrictions do not exist for the operation '%s'. Operations are read and update", r.Operation)
		}
		if r.Restrictions == nil {
			return nil, badRequest("restrictions must be specified for the operation '%s'", r.Operation)
		}
		for _, u := range r.Restrictions.User {
			if c.st.users[u.AccountID] == nil {
				return nil, badRequest("No user found with account id: %s", u.AccountID)
			}
			out[r.Operation] = append(out[r.Operation], subject{"user", u.AccountID})
		}
		for _, g := range r.Restrictions.Group {
			have := c.st.groups[g.ID]
			if have == nil && g.ID == "" {
				have = c.st.groupNamed(g.Name)
			}
			if have == nil {
				return nil, badRequest("No group found with id or name: %s", cmp.Or(g.ID, g.Name))
			}
			out[r.Operation] = append(out[r.Operation], subject{"group", have.id})
		}
	}
	return out, nil
}

// restrict gives x new restrictions unless they would shut the caller out.
func (c *call) restrict(x *content, limits map[string][]subject) *apiError {
	for _, op := range restrictable {
		if who := limits[op]; len(who) > 0 && !c.st.among(c.me.AccountID, who) {
			return badRequest("The restrictions must leave you the permission to %s the content: name yourself or a group of yours", op)
		}
	}
	if len(limits) == 0 {
		limits = nil
	}
	x.limits = limits
	c.record("Permissions", "Content restrictions changed", named(x), changed("restrictions", restrictionsHash(x)))
	return nil
}

// restrictableContent gets the content of the path whose restrictions the caller
// may change.
func (c *call) restrictableContent() (*content, *apiError) {
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	if x.typ == typeComment || x.typ == typeFile {
		return nil, badRequest("Content of type %s cannot have restrictions of its own", x.typ)
	}
	if !c.st.mayRestrict(x, c.me.AccountID) {
		return nil, forbidden("Current user not permitted to change the restrictions of content with id: ContentId{id=%d}", x.id)
	}
	return x, nil
}

func merged(a map[string][]subject, op string, who ...subject) map[string][]subject {
	out := map[string][]subject{}
	for k, v := range a {
		out[k] = slices.Clone(v)
	}
	for _, s := range who {
		if !slices.Contains(out[op], s) {
			out[op] = append(out[op], s)
		}
	}
	return out
}

func changeRestrictions(replace bool) endpoint {
	return func(c *call) (any, *apiError) {
		in, err := c.decodeRestrictions()
		if err != nil {
			return nil, err
		}
		c.lock()
		x, err := c.restrictableContent()
		if err != nil {
			return nil, err
		}
		add, err := c.subjects(in)
		if err != nil {
			return nil, err
		}
		limits := map[string][]subject{}
		if !replace {
			limits = x.limits
		}
		for op, who := range add {
			limits = merged(limits, op, who...)
		}
		if err := c.restrict(x, limits); err != nil {
			return nil, err
		}
		return c.showRestrictions(x)
	}
}

func (c *call) deleteRestrictions() (any, *apiError) {
	c.lock()
	x, err := c.restrictableContent()
	if err != nil {
		return nil, err
	}
	if err := c.restrict(x, nil); err != nil {
		return nil, err
	}
	return c.showRestrictions(x)
}

// userByQuery and groupByPath name the one that a call is about. The lock is held.
func userByQuery(c *call) (subject, *apiError) {
	id := c.q.Get("accountId")
	if c.st.users[id] == nil {
		return subject{}, notFound("No user found with account id: %s", id)
	}
	return subject{"user", id}, nil
}

func groupByPath(c *call) (subject, *apiError) {
	key := c.r.PathValue("group")
	g := c.st.groups[key]
	if g == nil {
		g = c.st.groupNamed(key)
	}
	if g == nil {
		return subject{}, notFound("No group found with id or name: %s", key)
	}
	return subject{"group", g.id}, nil
}

const (
	restrictionGet = iota
	restrictionAdd
	restrictionRemove
)

// oneRestriction asks for, adds or removes one user or group. Success is an
// empty 200.
func oneRestriction(who func(*call) (subject, *apiError), what int) endpoint {
	return func(c *call) (any, *apiError) {
		op, err := c.restrictionOp()
		if err != nil {
			return nil, err
		}
		get := (*call).restrictableContent
		if what == restrictionGet {
			get = (*call).contentV1
			c.rlock()
		} else {
			c.lock()
		}
		x, err := get(c)
		if err != nil {
			return nil, err
		}
		s, err := who(c)
		if err != nil {
			return nil, err
		}
		has := slices.Contains(x.limits[op], s)
		c.status = http.StatusOK
		switch {
		case what == restrictionAdd:
			return nil, c.restrict(x, merged(x.limits, op, s))
		case !has:
			return nil, notFound("The %s is not in the %s restrictions of content with id: ContentId{id=%d}", s.kind, op, x.id)
		case what == restrictionRemove:
			limits := merged(x.limits, op)
			limits[op] = slices.DeleteFunc(limits[op], func(o subject) bool { return o == s })
			if len(limits[op]) == 0 {
				delete(limits, op)
			}
			return nil, c.restrict(x, limits)
		}
		return nil, nil
	}
}

type v1PermissionCheck struct {
	Has    bool        `json:"hasPermission"`
	Errors []v1Message `json:"errors"`
	Links  v1Links     `json:"_links"`
}

// checkPermission says whether a user or a group may read, update or delete a content.
func (c *call) checkPermission() (any, *apiError) {
	var in struct {
		Subject   struct{ Type, Identifier string }
		Operation string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{opRead, opUpdate, "delete"}, in.Operation) {
		return nil, badRequest("Operation '%s' is not valid. Valid operations are read, update and delete", in.Operation)
	}
	c.rlock()
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	x := c.st.contents[id]
	if x == nil {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "NotFoundException", "No content found with id: ContentId{id=%d}", id)
	}
	who := subject{in.Subject.Type, in.Subject.Identifier}
	known := who.kind == "user" && c.st.users[who.id] != nil || who.kind == "group" && c.st.groups[who.id] != nil
	if !known {
		return nil, badRequest("subject must be a user with an account id or a group with an id of this site, got %s '%s'", who.kind, who.id)
	}
	if who.id != c.me.AccountID && !c.st.administers(c.st.spaces[x.spaceID], c.me.AccountID) && !c.st.isAdmin(c.me.AccountID) {
		return nil, forbidden("Current user not permitted to check the permissions of others")
	}
	out := v1PermissionCheck{Errors: []v1Message{}, Links: v1Links{Self: c.base + c.r.URL.Path}}
	if out.Has = c.st.may(x, who, in.Operation); !out.Has {
		out.Errors = append(out.Errors, v1Message{Translation: "The subject does not have the permission to " + in.Operation + " this content", Args: []string{}})
	}
	return out, nil
}

// may says whether a user, or a group as a whole, may do something with x. A
// group is tried as an account that is in it and in nothing else.
func (st *store) may(x *content, who subject, op string) bool {
	account := who.id
	if who.kind == "group" {
		g := st.groups[who.id]
		account = "group member" // nobody's account id
		g.members[account] = true
		defer delete(g.members, account)
	}
	sees := st.visible(x, &user{User: User{AccountID: account}})
	switch op {
	case opUpdate:
		return sees && st.mayEdit(x, account)
	case "delete":
		return sees && st.mayDelete(x, account)
	}
	return sees
}
