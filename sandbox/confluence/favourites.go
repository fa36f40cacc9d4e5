package confluence

import (
	"slices"
)

// favouriteRoutes serve the relation "favourite" from a user to a content or a
// space; other relations are not kept.
func favouriteRoutes() map[string]endpoint {
	const to = "/relation/{name}/from/{source}/{from}/to/{target}"
	return map[string]endpoint{
		"GET " + to:              (*call).favouritesOf,
		"GET " + to + "/{to}":    (*call).getFavourite,
		"PUT " + to + "/{to}":    setFavourite(true),
		"DELETE " + to + "/{to}": setFavourite(false),
		"GET /relation/{name}/to/{target}/{to}/from/{source}": (*call).favouredBy,
	}
}

type v1Relation struct {
	Name       string            `json:"name"`
	Source     any               `json:"source,omitempty"`
	Target     any               `json:"target,omitempty"`
	Expandable map[string]string `json:"_expandable"`
	Links      v1Links           `json:"_links"`
}

// checkRelation refuses what the site does not keep, and gives the account.
func (c *call) checkRelation() (string, *apiError) {
	if name := c.r.PathValue("name"); name != "favourite" {
		return "", badRequest("The relation '%s' is not known. Known relations are: favourite", name)
	}
	if s, t := c.r.PathValue("source"), c.r.PathValue("target"); s != "user" || t != "content" && t != "space" {
		return "", badRequest("The relation 'favourite' goes from a user to a content or a space, not from '%s' to '%s'", s, t)
	}
	id := c.r.PathValue("from")
	if id == "" || id == "current" || id == c.me.AccountID {
		return c.me.AccountID, nil
	}
	if err := c.adminOnly(); err != nil {
		return "", err
	}
	if c.st.users[id] == nil {
		return "", notFound("No user found with account id: %s", id)
	}
	return id, nil
}

// relationTarget finds the content or space that a path names.
func (c *call) relationTarget() (row, *[]string, *apiError) {
	key := c.r.PathValue("to")
	if c.r.PathValue("target") == "space" {
		sp := c.st.spaceOf(key)
		if sp == nil || !c.st.spaceVisible(sp, c.me) {
			return row{}, nil, notFound("No space found with key : %s", key)
		}
		return row{sp: sp}, &sp.audience.favourites, nil
	}
	x, err := c.anyContent(parseRef(key))
	if err != nil {
		return row{}, nil, err
	}
	return row{c: x}, &x.audience.favourites, nil
}

func (c *call) showRelation(account string, r row, e expansion) v1Relation {
	out := v1Relation{Name: "favourite", Expandable: map[string]string{"relationData": ""}, Links: v1Links{Self: c.base + c.r.URL.Path}}
	if e["source"] {
		out.Source = c.showUser(account)
	} else {
		out.Expandable["source"] = "/rest/api/user?accountId=" + account
	}
	switch {
	case e["target"] && r.c != nil:
		out.Target = c.showV1(r.c, r.c.current(), e.below("target"))
	case e["target"]:
		out.Target = c.showSpaceV1(r.sp, e.below("target"))
	case r.c != nil:
		out.Expandable["target"] = "/rest/api/content/" + r.c.ref()
	default:
		out.Expandable["target"] = "/rest/api/space/" + r.sp.key
	}
	return out
}

func setFavourite(on bool) endpoint {
	return func(c *call) (any, *apiError) {
		c.lock()
		who, err := c.checkRelation()
		if err != nil {
			return nil, err
		}
		r, list, err := c.relationTarget()
		if err != nil {
			return nil, err
		}
		if !on {
			leave(list, who)
			return nil, nil
		}
		join(list, who)
		return c.showRelation(who, r, parseExpand(c.list("expand"))), nil
	}
}

func (c *call) getFavourite() (any, *apiError) {
	c.rlock()
	who, err := c.checkRelation()
	if err != nil {
		return nil, err
	}
	r, list, err := c.relationTarget()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(*list, who) {
		return nil, notFound("The relation 'favourite' does not exist from the user to %s", c.r.PathValue("to"))
	}
	return c.showRelation(who, r, parseExpand(c.list("expand"))), nil
}

func (c *call) favouritesOf() (any, *apiError) {
	c.rlock()
	who, err := c.checkRelation()
	if err != nil {
		return nil, err
	}
	var rows []row
	if c.r.PathValue("target") == "space" {
		for _, id := range sortedIDs(c.st.spaces) {
			if sp := c.st.spaces[id]; slices.Contains(sp.audience.favourites, who) && c.st.spaceVisible(sp, c.me) {
				rows = append(rows, row{sp: sp})
			}
		}
	} else {
		for _, id := range c.st.order {
			if x := c.st.contents[id]; slices.Contains(x.audience.favourites, who) && x.status == statusCurrent && c.st.visible(x, c.me) {
				rows = append(rows, row{c: x})
			}
		}
	}
	e := parseExpand(append(c.list("expand"), "target"))
	return pageV1(c, rows, func(r row) v1Relation { return c.showRelation(who, r, e) })
}

func (c *call) favouredBy() (any, *apiError) {
	c.rlock()
	if _, err := c.checkRelation(); err != nil {
		return nil, err
	}
	r, list, err := c.relationTarget()
	if err != nil {
		return nil, err
	}
	e := parseExpand(append(c.list("expand"), "source"))
	return pageV1(c, *list, func(who string) v1Relation { return c.showRelation(who, r, e) })
}
