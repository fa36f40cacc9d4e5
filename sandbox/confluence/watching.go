package confluence

import (
	"slices"
	"strings"
)

func watchRoutes() map[string]endpoint {
	out := map[string]endpoint{
		"GET /content/{id}/notification/child-created": (*call).contentWatchers,
		"GET /content/{id}/notification/created":       (*call).contentSpaceWatchers,
		"GET /space/{key}/watch":                       (*call).spaceWatchers,
	}
	for kind, list := range map[string]watchList{"content/{id}": watchContent, "space/{key}": watchSpace, "label/{label}": watchLabel} {
		out["GET /user/watch/"+kind] = isWatching(list)
		out["POST /user/watch/"+kind] = setWatching(list, true)
		out["DELETE /user/watch/"+kind] = setWatching(list, false)
	}
	return out
}

// watchList finds the watchers of what a path names. The lock is held.
type watchList func(*call) (*[]string, *apiError)

func watchContent(c *call) (*[]string, *apiError) {
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	return &x.audience.watchers, nil
}

func watchSpace(c *call) (*[]string, *apiError) {
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	return &sp.audience.watchers, nil
}

func watchLabel(c *call) (*[]string, *apiError) {
	name := strings.ToLower(c.r.PathValue("label"))
	id := c.st.labelIDs["global:"+name]
	if id == 0 {
		id = c.st.labelIDs[name]
	}
	l := c.st.labels[id]
	if l == nil {
		return nil, forbidden("No label exists for the name: %s", name)
	}
	return &l.watchers, nil
}

// lookedUp is the account that a request speaks of: the caller, or another one
// for whoever administers the site. The lock is held.
func (c *call) lookedUp() (string, *apiError) {
	id := c.q.Get("accountId")
	if id == "" || id == c.me.AccountID {
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

func isWatching(of watchList) endpoint {
	return func(c *call) (any, *apiError) {
		c.rlock()
		who, err := c.lookedUp()
		if err != nil {
			return nil, err
		}
		list, err := of(c)
		if err != nil {
			return nil, err
		}
		return map[string]bool{"watching": slices.Contains(*list, who)}, nil
	}
}

func setWatching(of watchList, on bool) endpoint {
	return func(c *call) (any, *apiError) {
		if err := c.checkXSRF(); err != nil {
			return nil, err
		}
		c.lock()
		who, err := c.lookedUp()
		if err != nil {
			return nil, err
		}
		list, err := of(c)
		if err != nil {
			return nil, err
		}
		if on {
			join(list, who)
		} else {
			leave(list, who)
		}
		return nil, nil
	}
}

// v1Watcher is a user as the lists of watchers show one.
type v1Watcher struct {
	v1User
	Collaborator  bool `json:"externalCollaborator"`
	Operations    any  `json:"operations"`
	PersonalSpace any  `json:"personalSpace"`
}

type v1Watch struct {
	Type      string    `json:"type"`
	Watcher   v1Watcher `json:"watcher"`
	ContentID int64     `json:"contentId,omitempty"`
	SpaceKey  string    `json:"spaceKey,omitempty"`
}

func (c *call) watcher(accountID string) v1Watcher { return v1Watcher{v1User: c.showUser(accountID)} }

func (c *call) contentWatchers() (any, *apiError) {
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	return pageV1(c, x.audience.watchers, func(id string) v1Watch {
		return v1Watch{Type: string(x.typ), Watcher: c.watcher(id), ContentID: x.id}
	})
}

func (c *call) contentSpaceWatchers() (any, *apiError) {
	c.rlock()
	x, err := c.contentV1()
	if err != nil {
		return nil, err
	}
	return c.watchersOf(c.st.spaces[x.spaceID])
}

func (c *call) spaceWatchers() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	return c.watchersOf(sp)
}

func (c *call) watchersOf(sp *space) (any, *apiError) {
	return pageV1(c, sp.audience.watchers, func(id string) v1Watch {
		return v1Watch{Type: "space", Watcher: c.watcher(id), SpaceKey: sp.key}
	})
}
