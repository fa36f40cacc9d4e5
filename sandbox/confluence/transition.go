package confluence

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// transitionRoutes move a site from single permissions to roles.
func transitionRoutes() map[string]endpoint {
	const base = "/space-permissions/transition/"
	return map[string]endpoint{
		"GET " + base + "combinations":      (*call).listCombinations,
		"POST " + base + "combinations":     (*call).findCombinations,
		"POST " + base + "role-assignments": (*call).assignCombinations,
		"POST " + base + "access-removals":  (*call).removeCombinations,
		"GET " + base + "tasks/{id}":        (*call).transitionTask,
	}
}

// combination is a set of permissions that is no role, and how often it occurs.
type combination struct {
	ID         string           `json:"combinationId"`
	Spaces     int              `json:"spaceCount"`
	Principals int              `json:"principalCount"`
	Perms      []decodedGrant   `json:"permissions"`
	Types      []string         `json:"principalTypes"`
	who        map[subject]bool `dump:"-"`
}

type decodedGrant struct {
	ID   string `json:"id"`
	Name string `json:"displayName"`
}

func combinationID(perms []string) string {
	perms = slices.Compact(slices.Sorted(slices.Values(perms)))
	return uuidOf("combination/" + strings.Join(perms, ","))
}

// transitionType is how the transition names the kind of a subject.
func (st *store) transitionType(s subject) string {
	switch {
	case s.kind != kindClass:
		return strings.ToUpper(s.kind)
	case s.id == classAnonymous:
		return "ANONYMOUS"
	case s.id == classAdmins:
		return "ALL_PRODUCT_ADMINS_USER_CLASS"
	}
	return "ALL_LICENSED_USERS_USER_CLASS"
}

// combinations finds the sets of permissions that are no role. The most frequent
// is the first.
func (st *store) combinations() []combination {
	found := map[string]*combination{}
	for _, id := range sortedIDs(st.spaces) {
		here := map[string]bool{}
		for who, perms := range st.spaces[id].holders() {
			if st.exactRole(perms) != nil {
				continue
			}
			key := combinationID(perms)
			x := found[key]
			if x == nil {
				x = &combination{ID: key, who: map[subject]bool{}}
				for _, p := range slices.Compact(slices.Sorted(slices.Values(perms))) {
					x.Perms = append(x.Perms, decodedGrant{p, permissionName(p)})
				}
				found[key] = x
			}
			if !here[key] {
				here[key] = true
				x.Spaces++
			}
			if !x.who[who] {
				x.who[who] = true
				x.Principals++
			}
			if typ := st.transitionType(who); !slices.Contains(x.Types, typ) {
				x.Types = append(x.Types, typ)
			}
		}
	}
	var out []combination
	for _, x := range found {
		slices.Sort(x.Types)
		x.who = nil
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b combination) int {
		if a.Principals != b.Principals {
			return b.Principals - a.Principals
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

type v2Combinations struct {
	Results   []combination `json:"results"`
	Generated string        `json:"generatedAt,omitempty"`
	Cursor    string        `json:"cursor,omitempty"`
}

// listCombinations tells what the last search for combinations found, without
// those that a role fits by now.
func (c *call) listCombinations() (any, *apiError) {
	limit, err := c.limit(defaultLimit, maxLimit)
	if err != nil {
		return nil, err
	}
	c.rlock()
	if err := c.rolesAdminOnly(); err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(slices.Clone(c.st.combos), func(x combination) bool {
		var perms []string
		for _, p := range x.Perms {
			perms = append(perms, p.ID)
		}
		return c.st.exactRole(perms) != nil
	})
	if raw := c.q.Get("cursor"); raw != "" {
		i := slices.IndexFunc(rows, func(x combination) bool { return x.ID == raw })
		if i < 0 {
			return nil, badRequest("Provided value {%s} for 'cursor' is not a valid cursor for this request", raw)
		}
		rows = rows[i+1:]
	}
	out := v2Combinations{Results: append([]combination{}, rows[:min(limit, len(rows))]...)}
	if len(rows) > limit {
		out.Cursor = rows[limit-1].ID
	}
	if !c.st.combosAt.IsZero() {
		out.Generated = stamp(c.st.combosAt)
	}
	return out, nil
}

type v2TransitionTask struct {
	ID     string `json:"taskId"`
	Status string `json:"status"`
	URL    string `json:"statusUrl,omitempty"`
}

// transition keeps a task that is done already and answers where to ask for it.
func (c *call) transition(message string) v2TransitionTask {
	t := c.startTask("com.atlassian.confluence.permissions.transition", message, nil)
	c.status = http.StatusAccepted
	return v2TransitionTask{t.ID, c.transitionStatus(c.st.tasks[t.ID]), c.base + "/wiki/api/v2/space-permissions/transition/tasks/" + t.ID}
}

func (c *call) transitionStatus(t longTask) string {
	if c.showTask(t).Finished {
		return "COMPLETED"
	}
	return "IN_PROGRESS"
}

func (c *call) transitionTask() (any, *apiError) {
	c.rlock()
	t, ok := c.st.tasks[c.r.PathValue("id")]
	if !ok || !c.st.isAdmin(c.me.AccountID) {
		return nil, notFound("Cannot find a task with id [%s]", c.r.PathValue("id"))
	}
	return v2TransitionTask{ID: t.id, Status: c.transitionStatus(t)}, nil
}

func (c *call) findCombinations() (any, *apiError) {
	c.lock()
	if err := c.rolesAdminOnly(); err != nil {
		return nil, err
	}
	c.st.combos, c.st.combosAt = c.st.combinations(), c.now()
	return c.transition("Combinations found"), nil
}

// spaceChoice says in which spaces combinations are replaced.
type spaceChoice struct {
	Type   string `json:"spaceType"`
	Spaces []struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	} `json:"selectedSpaces"`
}

// chosen lists the spaces of a choice. The lock is held.
func (c *call) chosen(in spaceChoice) ([]*space, *apiError) {
	if err := c.rolesAdminOnly(); err != nil {
		return nil, err
	}
	named := map[int64]bool{}
	for _, s := range in.Spaces {
		sp := c.st.spaceOf(s.Key)
		if sp == nil || itoa(sp.id) != s.ID {
			return nil, badRequest("selectedSpaces names the id [%s] and the key [%s], which are no space's", s.ID, s.Key)
		}
		named[sp.id] = true
	}
	if specific := strings.HasSuffix(in.Type, "SPECIFIC"); specific == (len(named) == 0) {
		return nil, badRequest("selectedSpaces must be given with the spaceTypes SPECIFIC and ALL_EXCEPT_SPECIFIC, and with no other")
	}
	var out []*space
	for _, id := range sortedIDs(c.st.spaces) {
		sp := c.st.spaces[id]
		var keep bool
		switch in.Type {
		case "ALL":
			keep = true
		case "ALL_EXCEPT_PERSONAL":
			keep = sp.typ != "personal"
		case "PERSONAL":
			keep = sp.typ == "personal"
		case "SPECIFIC":
			keep = named[id]
		case "ALL_EXCEPT_SPECIFIC":
			keep = !named[id]
		default:
			return nil, badRequest("spaceType '%s' is not valid", in.Type)
		}
		if keep {
			out = append(out, sp)
		}
	}
	return out, nil
}

// replace gives those whose permissions are a combination another role, or none.
// A space never loses its last administrator.
func (c *call) replace(spaces []*space, decide func(id, typ string) (*spaceRole, bool)) {
	for _, sp := range spaces {
		for who, perms := range sp.holders() {
			if r, ok := decide(combinationID(perms), c.st.transitionType(who)); ok && c.st.exactRole(perms) == nil {
				after := *sp
				if c.st.setRole(&after, who, r); after.hasAdmin() {
					sp.grants = after.grants
				}
			}
		}
	}
}

type combinationRole struct {
	ID    string `json:"permissionCombinationId"`
	Types []struct {
		Type   string `json:"principalType"`
		Remove bool   `json:"removeAccess"`
		Role   string `json:"roleId"`
	} `json:"principalTypeAssignments"`
}

func (c *call) assignCombinations() (any, *apiError) {
	var in struct {
		Assignments []combinationRole `json:"assignments"`
		Where       spaceChoice       `json:"spaceSelection"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Assignments) == 0 {
		return nil, badRequest("assignments must not be empty")
	}
	c.lock()
	spaces, err := c.chosen(in.Where)
	if err != nil {
		return nil, err
	}
	type key struct{ id, typ string }
	to := map[key]*spaceRole{}
	for _, a := range in.Assignments {
		for _, t := range a.Types {
			r := c.st.role(t.Role)
			if t.Remove == (r != nil) {
				return nil, badRequest("Each assignment takes the id of a space role or removeAccess, got [%s]", t.Role)
			}
			to[key{a.ID, t.Type}] = r
		}
	}
	c.replace(spaces, func(id, typ string) (*spaceRole, bool) {
		r, ok := to[key{id, typ}]
		return r, ok
	})
	c.record("Permissions", "Space roles assigned in bulk", auditObject{"", "Space"})
	return c.transition("Roles assigned"), nil
}

func (c *call) removeCombinations() (any, *apiError) {
	var in struct {
		IDs   []string    `json:"permissionCombinationIds"`
		Where spaceChoice `json:"spaceSelection"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.IDs) == 0 {
		return nil, badRequest("permissionCombinationIds must not be empty")
	}
	c.lock()
	spaces, err := c.chosen(in.Where)
	if err != nil {
		return nil, err
	}
	c.replace(spaces, func(id, _ string) (*spaceRole, bool) { return nil, slices.Contains(in.IDs, id) })
	c.record("Permissions", "Space access removed in bulk", auditObject{"", "Space"})
	return c.transition("Access removed"), nil
}

// transitionState is what the transition remembers.
type transitionState struct {
	combos   []combination
	combosAt time.Time
}
