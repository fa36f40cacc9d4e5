package confluence

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

var spaceKey = regexp.MustCompile(`^(~[A-Za-z0-9:_-]{1,254}|[A-Za-z0-9]{1,255})$`)

type spaceIn struct {
	key, alias, name, desc, authorID string
	typ                              string
	private                          bool
}

// createSpace makes a space with its homepage.
func (st *store) createSpace(in spaceIn, now time.Time) (*space, *apiError) {
	if strings.TrimSpace(in.name) == "" {
		return nil, badRequest("Space name must be specified")
	}
	if len([]rune(in.name)) > 200 {
		return nil, badRequest("Space name cannot be longer than 200 characters")
	}
	if in.key == "" {
		in.key = in.alias
	}
	if !spaceKey.MatchString(in.key) {
		return nil, badRequest("Invalid space key: '%s'. A space key consists of letters and digits", in.key)
	}
	if in.alias == "" {
		in.alias = in.key
	}
	for _, k := range []string{in.key, in.alias} {
		if st.spaceOf(k) != nil {
			return nil, badRequest("A space already exists with key %s", k)
		}
	}
	if in.typ == "" {
		in.typ = "global"
		if strings.HasPrefix(in.key, "~") {
			in.typ = "personal"
		}
	}
	b, err := storageOf("<p>"+body.EscapeText(in.desc)+"</p>", in.key)
	if err == nil {
		err = st.room(len(b.storage))
	}
	if err != nil {
		return nil, err
	}
	sp := &space{id: st.newID(), key: in.key, alias: in.alias, name: strings.TrimSpace(in.name), typ: in.typ, status: statusCurrent, desc: in.desc, authorID: in.authorID, createdAt: now, private: in.private}
	st.defaultGrants(sp)
	st.spaces[sp.id] = sp
	st.spaceKeys[strings.ToLower(sp.key)] = sp.id
	st.spaceKeys[strings.ToLower(sp.alias)] = sp.id
	home, err := st.create(draftIn{typ: typePage, spaceID: sp.id, title: sp.name + " Home", body: b, authorID: in.authorID}, now)
	if err != nil {
		return nil, err
	}
	sp.homepageID = home.id
	return sp, nil
}

// removeSpace destroys a space with everything in it.
func (st *store) removeSpace(sp *space) {
	for _, id := range slices.Clone(st.order) {
		if x := st.contents[id]; x != nil && x.spaceID == sp.id {
			st.purge(x)
		}
	}
	for _, t := range st.templates {
		if t.spaceID == sp.id {
			st.dropTemplate(t)
		}
	}
	delete(st.children, -sp.id)
	delete(st.spaceKeys, strings.ToLower(sp.key))
	delete(st.spaceKeys, strings.ToLower(sp.alias))
	delete(st.spaces, sp.id)
	delete(st.props, sp.id)
}

func (st *store) spaceVisible(sp *space, me *user) bool {
	return me.seesAll || st.readsSpace(sp, me.AccountID)
}

type v2SpaceDesc struct {
	Plain *bodyValue `json:"plain,omitempty"`
	View  *bodyValue `json:"view,omitempty"`
}

type v2Icon struct {
	Path            string `json:"path"`
	APIDownloadLink string `json:"apiDownloadLink"`
}

type v2SpaceLinks struct {
	WebUI string `json:"webui"`
	Base  string `json:"base,omitempty"`
}

type v2Space struct {
	ID           string                  `json:"id"`
	Key          string                  `json:"key"`
	Name         string                  `json:"name"`
	Type         string                  `json:"type"`
	Status       string                  `json:"status"`
	AuthorID     string                  `json:"authorId"`
	SpaceOwnerID string                  `json:"spaceOwnerId"`
	Alias        string                  `json:"currentActiveAlias"`
	CreatedAt    string                  `json:"createdAt"`
	HomepageID   *string                 `json:"homepageId"`
	Description  *v2SpaceDesc            `json:"description"`
	Icon         *v2Icon                 `json:"icon"`
	Labels       *v2Sub[v2Label]         `json:"labels,omitempty"`
	Properties   *v2Sub[v2SpaceProperty] `json:"properties,omitempty"`
	Operations   *v2Sub[v2Operation]     `json:"operations,omitempty"`
	Links        v2SpaceLinks            `json:"_links"`
}

func (c *call) showSpace(sp *space, descFormat string, icon bool, base string) *v2Space {
	out := &v2Space{
		ID: itoa(sp.id), Key: sp.key, Name: sp.name, Type: sp.typ, Status: sp.status, AuthorID: sp.authorID, SpaceOwnerID: sp.authorID,
		Alias: sp.alias, CreatedAt: stamp(sp.createdAt), Links: v2SpaceLinks{WebUI: "/spaces/" + sp.key, Base: base},
	}
	if sp.homepageID != 0 {
		id := itoa(sp.homepageID)
		out.HomepageID = &id
	}
	switch descFormat {
	case "plain":
		out.Description = &v2SpaceDesc{Plain: &bodyValue{Representation: "plain", Value: sp.desc}}
	case "view":
		out.Description = &v2SpaceDesc{View: &bodyValue{Representation: "view", Value: "<p>" + body.EscapeText(sp.desc) + "</p>"}}
	}
	if icon {
		out.Icon = &v2Icon{Path: "/images/logo/default-space-logo.svg"}
	}
	return out
}

func (c *call) spaceOrder() (sorter[*space], *apiError) {
	name, err := c.oneOf("sort", "id", "id", "-id", "key", "-key", "name", "-name")
	s := sorter[*space]{name: name, desc: strings.HasPrefix(name, "-"), id: func(sp *space) int64 { return sp.id }}
	switch strings.TrimPrefix(name, "-") {
	case "key":
		s.key = func(sp *space) string { return strings.ToLower(sp.key) }
	case "name":
		s.key = func(sp *space) string { return strings.ToLower(sp.name) }
	}
	return s, err
}

func (c *call) getSpaces() (any, *apiError) {
	ids, err := c.ids("ids")
	if err != nil {
		return nil, err
	}
	typ, err := c.oneOf("type", "", "global", "collaboration", "knowledge_base", "personal", "system", "onboarding", "xflow_sample_space")
	if err != nil {
		return nil, err
	}
	status, err := c.oneOf("status", "", "current", "archived", "trashed")
	if err != nil {
		return nil, err
	}
	desc, err := c.oneOf("description-format", "", "plain", "view")
	if err != nil {
		return nil, err
	}
	icon, err := c.flag("include-icon")
	if err != nil {
		return nil, err
	}
	order, err := c.spaceOrder()
	if err != nil {
		return nil, err
	}
	var keys map[string]bool
	for _, k := range c.list("keys") {
		if keys == nil {
			keys = map[string]bool{}
		}
		keys[strings.ToLower(k)] = true
	}
	labels, fans, others := c.list("labels"), c.list("favorited-by"), c.list("not-favorited-by")
	c.rlock()
	var rows []*space
	for _, sp := range c.st.spaces {
		if c.st.spaceVisible(sp, c.me) && (ids == nil || ids[sp.id]) && (typ == "" || sp.typ == typ) && (status == "" || sp.status == status) &&
			(keys == nil || keys[strings.ToLower(sp.key)] || keys[strings.ToLower(sp.alias)]) && c.st.hasLabel(sp, labels) && (len(fans) == 0 || sharesOne(fans, sp.audience.favourites)) && !sharesOne(others, sp.audience.favourites) {
			rows = append(rows, sp)
		}
	}
	return page(c, rows, order, func(sp *space) *v2Space { return c.showSpace(sp, desc, icon, "") })
}

// sharesOne says whether two lists have something in common.
func sharesOne(a, b []string) bool {
	return slices.ContainsFunc(a, func(v string) bool { return slices.Contains(b, v) })
}

func (c *call) getSpace() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	desc, err := c.oneOf("description-format", "", "plain", "view")
	if err != nil {
		return nil, err
	}
	icon, err := c.flag("include-icon")
	if err != nil {
		return nil, err
	}
	c.rlock()
	sp := c.st.spaces[id]
	if sp == nil || !c.st.spaceVisible(sp, c.me) {
		return nil, notFound("Cannot find a space with id [%d]", id)
	}
	out := c.showSpace(sp, desc, icon, c.base+"/wiki")
	if c.q.Get("include-labels") == "true" {
		out.Labels = subList(c.st.spaceLabels(sp), c.r.URL.Path+"/labels")
	}
	if c.q.Get("include-properties") == "true" {
		out.Properties = subList(c.showSpaceProperties(sp.id), c.r.URL.Path+"/properties")
	}
	if c.q.Get("include-operations") == "true" {
		out.Operations = subList(c.operationsIn(sp), c.r.URL.Path+"/operations")
	}
	return out, nil
}

// createSpaceV2 is POST /spaces, which in the cloud needs role-based access.
func (c *call) createSpaceV2() (any, *apiError) {
	var in struct {
		Name        string          `json:"name"`
		Key         string          `json:"key"`
		Alias       string          `json:"alias"`
		Private     bool            `json:"createPrivateSpace"`
		Description json.RawMessage `json:"description"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	var desc bodyValue
	if len(in.Description) > 0 && json.Unmarshal(in.Description, &desc) != nil {
		return nil, badRequest("description must be an object with value and representation")
	}
	c.lock()
	sp, err := c.st.createSpace(spaceIn{key: in.Key, alias: in.Alias, name: in.Name, desc: desc.Value, authorID: c.me.AccountID, private: in.Private}, c.now())
	if err != nil {
		return nil, err
	}
	c.spaceMade(sp)
	c.status = http.StatusCreated
	return c.showSpace(sp, "plain", false, c.base+"/wiki"), nil
}
