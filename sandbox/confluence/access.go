package confluence

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// subject is who a permission or a restriction names.
type subject struct {
	kind string // user | group | class
	id   string // account id, group id or name of the class
}

// kindClass is the kind of a subject that stands for everybody of a sort.
const (
	kindClass      = "class"
	classAnonymous = "anonymous-users"
	classEverybody = "authenticated-users"
	classLicensed  = "all-licensed-users"
	classAdmins    = "all-product-admins"
)

var accessClasses = []string{classAnonymous, classEverybody, classLicensed, classAdmins}

// spaceGrant is one permission of a space.
type spaceGrant struct {
	id     int64
	who    subject
	key    string // what may be done: read, create, delete, administer …
	target string // to what: space, page, blogpost, comment, attachment
}

// group is a set of accounts.
type group struct {
	id      string
	name    string
	members map[string]bool
}

// The groups that every site has. Everybody is in the first; in the second are
// those whose [User.Admin] is set.
const (
	usersGroup  = "confluence-users"
	adminsGroup = "confluence-admins"
)

// The operations that restrictions know.
const (
	opRead   = "read"
	opUpdate = "update"
)

// access is what a site knows of who may do what.
type access struct {
	groups    map[string]*group // by id
	byName    map[string]string // lower-case name → id
	audit     []auditRecord     // the oldest first
	retained  auditRetention
	nextGrant int64
	// auditedInAll counts records, also those that are no longer kept.
	auditedInAll int `dump:"-"`

	adminKeys   map[string]time.Time // account id → until when
	customRoles []spaceRole
	transitionState
}

func newAccess() access {
	a := access{groups: map[string]*group{}, byName: map[string]string{}, retained: auditRetention{Number: 3, Units: "YEARS"}, nextGrant: 65536}
	a.addGroup(usersGroup)
	a.addGroup(adminsGroup)
	return a
}

func (a *access) addGroup(name string) *group {
	g := &group{id: uuidOf("group/" + strings.ToLower(name)), name: name, members: map[string]bool{}}
	a.groups[g.id] = g
	a.byName[strings.ToLower(name)] = g.id
	return g
}

func (a *access) groupNamed(name string) *group { return a.groups[a.byName[strings.ToLower(name)]] }

// enrol puts an account into the groups that it belongs in by itself.
func (a *access) enrol(u User) {
	a.groupNamed(usersGroup).members[u.AccountID] = true
	if u.Admin {
		a.groupNamed(adminsGroup).members[u.AccountID] = true
	}
}

// is says whether an account is the subject or belongs to it. Whoever reads the
// HTML pages without an account counts as an ordinary user.
func (a *access) is(account string, s subject) bool {
	if s.kind == kindClass {
		switch s.id {
		case classAnonymous:
			return true
		case classAdmins:
			return a.isAdmin(account)
		}
		return account != ""
	}
	if s.kind != "group" {
		return s.id == account && account != ""
	}
	g := a.groups[s.id]
	if g == nil {
		return false
	}
	return g.members[account] || account == "" && g.name == usersGroup
}

func (a *access) isAdmin(account string) bool {
	return a.is(account, subject{"group", a.byName[adminsGroup]})
}

// memberGrants are what ordinary users may do in a space, adminGrants what its
// administrators may do besides.
var (
	memberGrants = []string{
		"read space", "create page", "create blogpost", "create comment", "create attachment",
		"delete page", "delete blogpost", "delete comment", "delete attachment", "delete space",
		"archive page", "export space", "restrict_content space",
	}
	adminGrants = []string{"administer space"}
)

func (a *access) newGrant() int64 {
	a.nextGrant += 5
	return a.nextGrant
}

func (st *store) give(sp *space, who subject, lists ...[]string) {
	for _, perm := range slices.Concat(lists...) {
		key, target, _ := strings.Cut(perm, " ")
		sp.grants = append(sp.grants, spaceGrant{id: st.newGrant(), who: who, key: key, target: target})
	}
}

// defaultGrants gives a new space its permissions: the creator everything, and
// the groups of the site theirs unless the space is private.
func (st *store) defaultGrants(sp *space) {
	if !sp.private {
		st.give(sp, subject{"group", st.byName[usersGroup]}, memberGrants)
		st.give(sp, subject{"group", st.byName[adminsGroup]}, memberGrants, adminGrants)
	}
	st.give(sp, subject{"user", sp.authorID}, memberGrants, adminGrants)
}

// allowed says whether an account has a permission in a space.
func (st *store) allowed(sp *space, account, key, target string) bool {
	if sp == nil {
		return false
	}
	for i := range sp.grants {
		if g := &sp.grants[i]; g.key == key && g.target == target && st.is(account, g.who) {
			return true
		}
	}
	return false
}

func (st *store) administers(sp *space, account string) bool {
	return st.allowed(sp, account, "administer", "space")
}

func (st *store) readsSpace(sp *space, account string) bool {
	return st.allowed(sp, account, opRead, "space")
}

// root is the content whose restrictions and space rules count for x: a
// comment's or an attachment's is what it stands on.
func (st *store) root(x *content) *content {
	for x.containerID != 0 {
		on := st.contents[x.containerID]
		if on == nil {
			return x
		}
		x = on
	}
	return x
}

// unrestricted says whether the view restrictions of x and of everything above
// it let an account through.
func (st *store) unrestricted(x *content, account string) bool {
	for x = st.root(x); x != nil; x = st.contents[x.parentID] {
		if who := x.limits[opRead]; len(who) > 0 && !st.among(account, who) {
			return false
		}
	}
	return true
}

func (st *store) among(account string, who []subject) bool {
	return slices.ContainsFunc(who, func(s subject) bool { return st.is(account, s) })
}

// permTarget is the target under which space permissions speak of a type.
// Folders, whiteboards and their like go with pages.
func permTarget(t contentType) string {
	switch t {
	case typeBlog, typeComment, typeFile:
		return string(t)
	}
	return string(typePage)
}

// mayCreate says whether an account may add contents of a type to a space, which
// is also what lets it edit them.
func (st *store) mayCreate(sp *space, account string, t contentType) bool {
	return st.readsSpace(sp, account) && st.allowed(sp, account, "create", permTarget(t))
}

// lockedOut says whether edit restrictions keep an account from changing x. They
// are the content's own, unlike view restrictions.
func (st *store) lockedOut(x *content, account string) bool {
	who := st.root(x).limits[opUpdate]
	return len(who) > 0 && !st.among(account, who)
}

// mayEdit says whether an account that sees x may change it.
func (st *store) mayEdit(x *content, account string) bool {
	if (x.status == statusDraft || x.private) && x.authorID != account {
		return false
	}
	if x.typ == typeComment {
		return x.authorID == account || st.administers(st.spaces[x.spaceID], account)
	}
	return !st.lockedOut(x, account) && st.mayCreate(st.spaces[x.spaceID], account, x.typ)
}

func (st *store) mayDelete(x *content, account string) bool {
	if x.status == statusDraft {
		return x.authorID == account
	}
	if st.lockedOut(x, account) {
		return false
	}
	sp := st.spaces[x.spaceID]
	return st.allowed(sp, account, "delete", permTarget(x.typ)) || x.authorID == account && st.allowed(sp, account, "delete", "space")
}

// mayRestrict says whether an account may change the restrictions of x.
func (st *store) mayRestrict(x *content, account string) bool {
	return st.mayEdit(x, account) && st.allowed(st.spaces[x.spaceID], account, "restrict_content", "space")
}

// denied is the refusal of what the caller sees but may not do: v1 says so, v2
// pretends that there is nothing.
func (c *call) denied(what string, x *content) *apiError {
	if c.v1 {
		return forbidden("Current user not permitted to %s content with id: ContentId{id=%d}", what, x.id)
	}
	return noSuch(x.typ, x.id)
}

// editable refuses a content that the caller may not change.
func (c *call) editable(x *content) *apiError {
	if !c.st.mayEdit(x, c.me.AccountID) {
		return c.denied("edit", x)
	}
	return nil
}

// deletable refuses a content that the caller may not delete. Purging is for
// those who administer the space.
func (c *call) deletable(x *content, purge bool) *apiError {
	if !c.st.mayDelete(x, c.me.AccountID) || purge && !c.st.administers(c.st.spaces[x.spaceID], c.me.AccountID) {
		return c.denied("delete", x)
	}
	return nil
}

// destroy carries out DELETE of a page or blog post and writes it down.
func (c *call) destroy(x *content, purge, draft bool) *apiError {
	was := named(x)
	err := c.st.delete(x, purge, draft, c.now())
	switch {
	case err != nil:
	case purge:
		c.record("Pages", was.ObjectType+" purged", was)
	case !draft:
		c.record("Pages", was.ObjectType+" deleted", was)
	}
	return err
}

// edit gets a content of a type that the caller may change.
func (c *call) edit(t contentType, id int64) (*content, *apiError) {
	x, err := c.find(t, id)
	if err != nil {
		return nil, err
	}
	return x, c.editable(x)
}

// commentable refuses a content that the caller may not comment on.
func (c *call) commentable(on *content) *apiError {
	if !c.st.mayCreate(c.st.spaces[on.spaceID], c.me.AccountID, typeComment) {
		return c.denied("comment on", on)
	}
	return nil
}

// operationsOn lists what the caller may do with a content.
func (c *call) operationsOn(x *content) []v2Operation {
	st, me, sp := &c.st, c.me.AccountID, c.st.spaces[x.spaceID]
	edits, makes, runs := st.mayEdit(x, me), st.mayCreate(sp, me, x.typ), st.administers(sp, me)
	may := map[string]bool{
		opRead: true, "export": st.allowed(sp, me, "export", "space"), "copy": makes, "create": makes, opUpdate: edits, "move": edits && x.typ.inTree(),
		"delete": st.mayDelete(x, me), "archive": x.typ.inTree() && edits && st.allowed(sp, me, "archive", "page"),
		"restrict_content": x.typ != typeComment && st.mayRestrict(x, me), "purge": runs, "restore": runs,
	}
	out := []v2Operation{}
	for _, op := range slices.Sorted(maps.Keys(may)) {
		if may[op] {
			out = append(out, v2Operation{Operation: op, TargetType: string(x.typ)})
		}
	}
	return out
}

// operationsIn lists what the caller may do in a space.
func (c *call) operationsIn(sp *space) []v2Operation {
	seen := map[v2Operation]bool{}
	out := []v2Operation{}
	for _, g := range sp.grants {
		op := v2Operation{Operation: g.key, TargetType: g.target}
		if !seen[op] && c.st.is(c.me.AccountID, g.who) {
			seen[op] = true
			out = append(out, op)
		}
	}
	return out
}

type v2Operations struct {
	Operations []v2Operation `json:"operations"`
}

func contentOperations(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		x, err := c.reading(t)
		if err != nil {
			return nil, err
		}
		return v2Operations{c.operationsOn(x)}, nil
	}
}

func (c *call) getSpaceOperations() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByID()
	if err != nil {
		return nil, err
	}
	return v2Operations{c.operationsIn(sp)}, nil
}

// spaceByID gets the space that the path names. The lock is held.
func (c *call) spaceByID() (*space, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	sp := c.st.spaces[id]
	if sp == nil || !c.st.spaceVisible(sp, c.me) {
		return nil, notFound("Cannot find a space with id [%d]", id)
	}
	return sp, nil
}
