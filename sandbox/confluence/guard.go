package confluence

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// guardRoutes are the calls of sites with Premium and Guard: the classification
// of data and the admin key.
func guardRoutes() map[string]endpoint {
	out := map[string]endpoint{
		"GET /classification-levels":                       (*call).getLevels,
		"GET /spaces/{id}/classification-level/default":    (*call).getSpaceLevel,
		"PUT /spaces/{id}/classification-level/default":    (*call).setSpaceLevel,
		"DELETE /spaces/{id}/classification-level/default": (*call).setSpaceLevel,
		"GET /admin-key":    (*call).getAdminKey,
		"POST /admin-key":   (*call).enableAdminKey,
		"DELETE /admin-key": (*call).disableAdminKey,
	}
	for noun, t := range map[string]contentType{"pages": typePage, "blogposts": typeBlog, "whiteboards": typeWhiteboard, "databases": typeDatabase} {
		base := "/" + noun + "/{id}/classification-level"
		out["GET "+base] = contentLevel(t)
		out["PUT "+base] = setContentLevel(t)
		out["POST "+base+"/reset"] = setContentLevel(t)
	}
	return out
}

type v2Level struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	Order       int    `json:"order"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Guideline   string `json:"guideline"`
	Color       string `json:"color"`
}

// levels are the classification levels of every site, the most open first.
func levels() []v2Level {
	level := func(order int, name, color, desc string) v2Level {
		return v2Level{ID: uuidOf("classification/" + name), Status: "PUBLISHED", Order: order, Name: name, Color: color, Description: desc, Guideline: desc}
	}
	return []v2Level{
		level(1, "Public", "GREEN", "Anybody may know it"),
		level(2, "Internal", "BLUE", "For the people of the company"),
		level(3, "Confidential", "RED", "For those who need it"),
	}
}

func (c *call) getLevels() (any, *apiError) { return levels(), nil }

func showLevel(id string) (any, *apiError) {
	for _, l := range levels() {
		if l.ID == id {
			return l, nil
		}
	}
	return nil, notFound("No classification level is applied")
}

// levelIn reads the level that a PUT sets; a reset or a DELETE sets none.
func (c *call) levelIn(needsStatus bool) (string, *apiError) {
	var in struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
	if c.r.Method != http.MethodDelete {
		if err := c.decode(&in); err != nil {
			return "", err
		}
		if needsStatus && in.Status != statusCurrent && in.Status != statusDraft {
			return "", badRequest("status must be 'current' or 'draft', got '%s'", in.Status)
		}
	}
	if c.r.Method != http.MethodPut {
		return "", nil
	}
	if _, err := showLevel(in.ID); err != nil {
		return "", badRequest("id must be the id of a classification level, got '%s'", in.ID)
	}
	return in.ID, nil
}

func (c *call) getSpaceLevel() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByID()
	if err != nil {
		return nil, err
	}
	return showLevel(sp.level)
}

func (c *call) setSpaceLevel() (any, *apiError) {
	level, err := c.levelIn(false)
	if err != nil {
		return nil, err
	}
	c.lock()
	sp, err := c.spaceByID()
	if err != nil {
		return nil, err
	}
	if !c.st.administers(sp, c.me.AccountID) {
		return nil, notFound("Cannot find a space with id [%d]", sp.id)
	}
	sp.level = level
	return nil, nil
}

// contentLevel tells the level of a content: its own, or else the space's.
func contentLevel(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		if _, err := c.oneOf("status", statusCurrent, statusCurrent, statusDraft, statusArchived); err != nil {
			return nil, err
		}
		x, err := c.reading(t)
		if err != nil {
			return nil, err
		}
		if x.level == "" {
			return showLevel(c.st.spaces[x.spaceID].level)
		}
		return showLevel(x.level)
	}
}

func setContentLevel(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		level, err := c.levelIn(true)
		if err != nil {
			return nil, err
		}
		x, err := c.editing(t)
		if err != nil {
			return nil, err
		}
		x.level = level
		return nil, nil
	}
}

// adminKeyHeader is what an administrator sends to use the key.
const adminKeyHeader = "Atl-Confluence-With-Admin-Key"

type v2AdminKey struct {
	Account string `json:"accountId"`
	Expires string `json:"expirationTime"`
}

// noAdminKey is what those get who have none or may not have one.
func noAdminKey() *apiError { return notFound("No admin key is enabled for the user") }

func (c *call) getAdminKey() (any, *apiError) {
	c.rlock()
	until := c.st.adminKeys[c.me.AccountID]
	if !c.st.isAdmin(c.me.AccountID) || !c.now().Before(until) {
		return nil, noAdminKey()
	}
	return v2AdminKey{c.me.AccountID, stamp(until)}, nil
}

// The life of an admin key: when the request does not say, and at most.
const (
	adminKeyLife    = 10 * time.Minute
	adminKeyLongest = 60 * time.Minute
)

func (c *call) enableAdminKey() (any, *apiError) {
	var in struct {
		Minutes int `json:"durationInMinutes"`
	}
	if c.r.ContentLength != 0 {
		if err := c.decode(&in); err != nil {
			return nil, err
		}
	}
	life := time.Duration(in.Minutes) * time.Minute
	if life < 0 || life > adminKeyLongest {
		return nil, badRequest("durationInMinutes must be between 0 and %d, got %d", int(adminKeyLongest/time.Minute), in.Minutes)
	}
	if life == 0 {
		life = adminKeyLife
	}
	c.lock()
	if !c.st.isAdmin(c.me.AccountID) {
		return nil, noAdminKey()
	}
	if c.st.adminKeys == nil {
		c.st.adminKeys = map[string]time.Time{}
	}
	until := c.now().Add(life)
	c.st.adminKeys[c.me.AccountID] = until
	c.record("Security", "Admin key enabled", auditObject{c.me.DisplayName, "User"})
	return v2AdminKey{c.me.AccountID, stamp(until)}, nil
}

func (c *call) disableAdminKey() (any, *apiError) {
	c.lock()
	if !c.st.isAdmin(c.me.AccountID) {
		return nil, noAdminKey()
	}
	delete(c.st.adminKeys, c.me.AccountID)
	return nil, nil
}

// useAdminKey lets an administrator who sends the header see what restrictions
// hide. It lasts for the request.
func (c *call) useAdminKey() {
	if c.me == nil || !strings.EqualFold(c.r.Header.Get(adminKeyHeader), "true") {
		return
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.st.isAdmin(c.me.AccountID) && c.now().Before(c.st.adminKeys[c.me.AccountID]) {
		me := *c.me
		me.seesAll = true
		c.me = &me
	}
}

// convertIDs tells the types of contents of which only the ids are known. What
// the caller may not see is left out.
func (c *call) convertIDs() (any, *apiError) {
	var in struct {
		IDs []flexibleID `json:"contentIds"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.IDs) == 0 || len(in.IDs) > maxLimit {
		return nil, badRequest("contentIds must hold 1 to %d ids, got %d", maxLimit, len(in.IDs))
	}
	out := struct {
		Results map[string]string `json:"results"`
	}{map[string]string{}}
	c.rlock()
	for _, raw := range in.IDs {
		x := c.st.contents[parseRef(string(raw))]
		if x == nil || !c.st.visible(x, c.me) {
			continue
		}
		name := string(x.typ)
		switch {
		case x.typ == typeComment && x.inline:
			name = "inline-comment"
		case x.typ == typeComment:
			name = "footer-comment"
		case x.typ == typeCustom:
			name = x.appType
		}
		out.Results[string(raw)] = name
	}
	return out, nil
}

// flexibleID is an id written as a number or as a string.
type flexibleID string

// UnmarshalJSON takes both.
func (id *flexibleID) UnmarshalJSON(data []byte) error {
	*id = flexibleID(strings.Trim(string(data), `"`))
	return nil
}

type v2PolicySpace struct {
	ID          string         `json:"id"`
	Key         string         `json:"key"`
	Name        string         `json:"name"`
	Description *struct{}      `json:"description"`
	DataPolicy  v2DataPolicies `json:"dataPolicy"`
	Icon        *struct{}      `json:"icon"`
	Links       v2WebLinks     `json:"_links"`
}

// dataPolicySpaces lists the spaces, none of which a data policy blocks.
func (c *call) dataPolicySpaces() (any, *apiError) {
	name, err := c.oneOf("sort", "id", "id", "-id", "key", "-key", "name", "-name")
	if err != nil {
		return nil, err
	}
	ids, err := c.ids("ids")
	if err != nil {
		return nil, err
	}
	keys := c.list("keys")
	order := sorter[*space]{name: name, desc: name[0] == '-', id: func(sp *space) int64 { return sp.id }}
	switch strings.TrimPrefix(name, "-") {
	case "key":
		order.key = func(sp *space) string { return sp.key }
	case "name":
		order.key = func(sp *space) string { return strings.ToLower(sp.name) }
	}
	c.rlock()
	var rows []*space
	for _, sp := range c.st.spaces {
		named := len(keys) == 0 || slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, sp.key) })
		if named && (ids == nil || ids[sp.id]) && c.st.spaceVisible(sp, c.me) {
			rows = append(rows, sp)
		}
	}
	return page(c, rows, order, func(sp *space) v2PolicySpace {
		return v2PolicySpace{ID: itoa(sp.id), Key: sp.key, Name: sp.name, Links: v2WebLinks{WebUI: "/spaces/" + sp.key}}
	})
}

// forgeOnly answers the calls that only a Forge app may make, as itself.
func forgeOnly(c *call) (any, *apiError) {
	_, _ = io.Copy(io.Discard, c.r.Body)
	return nil, refuse(http.StatusUnauthorized, "UNAUTHORIZED", "", "The request did not originate from the Forge app")
}

// siteRoutes are calls about the site and its people.
func siteRoutes() map[string]endpoint {
	return map[string]endpoint{
		"POST /content/convert-ids-to-types":         (*call).convertIDs,
		"POST /user/access/invite-by-email":          (*call).invite,
		"GET /data-policies/spaces":                  (*call).dataPolicySpaces,
		"GET /app/properties":                        forgeOnly,
		"GET /app/properties/{key}":                  forgeOnly,
		"PUT /app/properties/{key}":                  forgeOnly,
		"DELETE /app/properties/{key}":               forgeOnly,
		"GET /custom-content/{id}/attachments":       attachmentsOf(typeCustom),
		"GET /custom-content/{id}/versions":          contentVersions(typeCustom),
		"GET /custom-content/{id}/versions/{number}": contentVersion(typeCustom),
		"GET /attachments/{id}/thumbnail/download":   (*call).thumbnail,
		// In no document; the cloud has no such path for these methods.
		"GET /whiteboards":  nowhere,
		"GET /databases":    nowhere,
		"GET /embeds":       nowhere,
		"GET /folders":      nowhere,
		"PUT /folders/{id}": nowhere,
	}
}

// nowhere is a path that only other methods have, and where the cloud says 404
// and not 405.
func nowhere(*call) (any, *apiError) { return nil, notFound("Not Found") }

// thumbnail leads to an image's bytes. They are the image itself.
func (c *call) thumbnail() (any, *apiError) {
	for _, name := range []string{"width", "height", "version"} {
		if v := c.q.Get(name); v != "" {
			if n, err := strconv.Atoi(v); err != nil || n < 1 {
				return nil, wrongType(v, name, "integer")
			}
		}
	}
	x, err := c.reading(typeFile)
	if err != nil {
		return nil, err
	}
	v, err := c.wanted(x)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(v.file.mediaType, "image/") {
		return nil, notFound("The attachment with id [%s] has no thumbnail", x.ref())
	}
	c.w.Header().Set("Location", c.base+c.mediaURL(v))
	c.status = http.StatusFound
	return nil, nil
}
