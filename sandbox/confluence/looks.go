package confluence

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// lookRoutes are the settings of the site and of spaces: themes, look and feel.
func lookRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /settings/systemInfo":                    (*call).systemInfo,
		"GET /settings/theme":                         (*call).getThemes,
		"GET /settings/theme/selected":                (*call).globalTheme,
		"GET /settings/theme/{theme}":                 (*call).getTheme,
		"GET /space/{key}/theme":                      (*call).getSpaceTheme,
		"PUT /space/{key}/theme":                      (*call).setSpaceTheme,
		"DELETE /space/{key}/theme":                   (*call).setSpaceTheme,
		"GET /settings/lookandfeel":                   (*call).getLook,
		"PUT /settings/lookandfeel":                   (*call).selectLook,
		"POST /settings/lookandfeel/custom":           (*call).changeLook,
		"DELETE /settings/lookandfeel/custom":         (*call).changeLook,
		"GET /space/{key}/settings":                   (*call).getSpaceSettings,
		"PUT /space/{key}/settings":                   (*call).setSpaceSettings,
		"POST /space/{key}/permission/custom-content": (*call).customContentPermission,
		"GET /user/email":                             (*call).emailRefused,
		"GET /user/email/bulk":                        (*call).emailRefused,
		"GET /user/{id}/property":                     (*call).getUserProperties,
		"GET /user/{id}/property/{key}":               (*call).getUserProperty,
		"POST /user/{id}/property/{key}":              (*call).setUserProperty,
		"PUT /user/{id}/property/{key}":               (*call).setUserProperty,
		"DELETE /user/{id}/property/{key}":            (*call).deleteUserProperty,
	}
}

func (c *call) systemInfo() (any, *apiError) {
	return struct {
		CloudID  string `json:"cloudId"`
		Commit   string `json:"commitHash"`
		BaseURL  string `json:"baseUrl"`
		Edition  string `json:"edition"`
		Title    string `json:"siteTitle"`
		Locale   string `json:"defaultLocale"`
		TimeZone string `json:"defaultTimeZone"`
	}{c.cloudID, "sandbox", c.base + "/wiki", "PREMIUM", c.opts.Site, "en_GB", "UTC"}, nil
}

type v1Theme struct {
	Key         string    `json:"themeKey"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Icon        v1Picture `json:"icon"`
	Links       *v1Links  `json:"_links,omitempty"`
}

// themes are the themes beside the default one.
func themes() []v1Theme {
	return []v1Theme{{
		Key: "com.atlassian.confluence.plugins.doctheme:documentation", Name: "Documentation theme", Description: "A tree of pages beside the text",
		Icon: v1Picture{Path: "/wiki/images/themes/documentation.png", Width: 110, Height: 73},
	}}
}

func (c *call) getThemes() (any, *apiError) {
	return pageV1(c, themes(), func(t v1Theme) v1Theme { return t })
}

func (c *call) showTheme(key string) (any, *apiError) {
	for _, t := range themes() {
		if t.Key == key {
			t.Links = &v1Links{Self: c.base + "/wiki/rest/api/settings/theme/" + key, Base: c.base + "/wiki"}
			return t, nil
		}
	}
	return nil, notFound("No theme found with key: %s", key)
}

// globalTheme tells that the site has the default theme.
func (c *call) globalTheme() (any, *apiError) { return nil, notFound("No global theme is assigned") }

func (c *call) getTheme() (any, *apiError) { return c.showTheme(c.r.PathValue("theme")) }

func (c *call) getSpaceTheme() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	if sp.theme == "" {
		return nil, notFound("No theme is assigned to the space with key : %s", sp.key)
	}
	return c.showTheme(sp.theme)
}

func (c *call) setSpaceTheme() (any, *apiError) {
	var in struct {
		Key string `json:"themeKey"`
	}
	if c.r.Method == http.MethodPut {
		if err := c.decode(&in); err != nil {
			return nil, err
		}
	}
	c.lock()
	sp, err := c.spaceToRun()
	if err != nil {
		return nil, err
	}
	if c.r.Method == http.MethodDelete {
		sp.theme = ""
		return nil, nil
	}
	out, err := c.showTheme(in.Key)
	if err != nil {
		return nil, forbidden("The theme key '%s' is not valid", in.Key)
	}
	sp.theme = in.Key
	return out, nil
}

// defaultLook is the look and feel of every site.
const defaultLook = `{"headings":{"color":"#172b4d"},"links":{"color":"#0052cc"},"menus":{"hoverOrFocus":{"backgroundColor":"#3572b0"},"color":"#333333"},` +
	`"header":{"backgroundColor":"#ffffff","button":{"backgroundColor":"#0052cc","color":"#ffffff"},"primaryNavigation":{"color":"#42526e","highlightColor":"#0052cc","hoverOrFocus":{"backgroundColor":"#deebff","color":"#0052cc"}},` +
	`"secondaryNavigation":{"color":"#42526e","highlightColor":"#0052cc","hoverOrFocus":{"backgroundColor":"#deebff","color":"#0052cc"}},"search":{"backgroundColor":"#ffffff","color":"#172b4d"}},` +
	`"content":{},"bordersAndDividers":{"color":"#dfe1e5"}}`

// look is what the site or a space chose.
type look struct {
	selected string // global | custom | theme
	custom   json.RawMessage
}

type v1Look struct {
	Selected string          `json:"selected"`
	Global   json.RawMessage `json:"global"`
	Theme    json.RawMessage `json:"theme,omitempty"`
	Custom   json.RawMessage `json:"custom"`
}

// lookOf finds the look of a space, or of the site for an empty key. To change it
// one must administer that. The lock is held.
func (c *call) lookOf(key string, change bool) (*space, *look, *apiError) {
	if key == "" {
		if change {
			if err := c.adminOnly(); err != nil {
				return nil, nil, err
			}
		}
		return nil, &c.st.look, nil
	}
	sp := c.st.spaceOf(key)
	if sp == nil || !c.st.spaceVisible(sp, c.me) {
		return nil, nil, notFound("No space found with key : %s", key)
	}
	if change {
		if err := c.spaceAdminOnly(sp); err != nil {
			return nil, nil, err
		}
	}
	return sp, &sp.look, nil
}

func (c *call) getLook() (any, *apiError) {
	c.rlock()
	sp, l, err := c.lookOf(c.q.Get("spaceKey"), false)
	if err != nil {
		return nil, err
	}
	out := v1Look{Selected: cmp.Or(l.selected, "global"), Global: json.RawMessage(defaultLook), Custom: l.custom}
	if c.st.look.custom != nil {
		out.Global = c.st.look.custom
	}
	if out.Custom == nil {
		out.Custom = out.Global
	}
	if sp != nil && sp.theme != "" {
		out.Theme = json.RawMessage(defaultLook)
	}
	return out, nil
}

func (c *call) selectLook() (any, *apiError) {
	var in struct {
		Space string `json:"spaceKey"`
		Type  string `json:"lookAndFeelType"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"global", "custom", "theme"}, in.Type) || in.Space == "" {
		return nil, badRequest("spaceKey must be specified, and lookAndFeelType must be global, custom or theme")
	}
	c.lock()
	sp, l, err := c.lookOf(in.Space, true)
	if err != nil {
		return nil, err
	}
	if in.Type != "global" && sp.theme == "" {
		return nil, conflict("A theme must be set for the space before its look and feel can be '%s'", in.Type)
	}
	l.selected = in.Type
	return in, nil
}

// changeLook sets the look that the site or a space has of its own, or takes it away.
func (c *call) changeLook() (any, *apiError) {
	var in json.RawMessage
	if c.r.Method == http.MethodPost {
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		var parts map[string]json.RawMessage
		if json.Unmarshal(in, &parts) != nil || len(in) > maxProperty {
			return nil, badRequest("The look and feel must be an object of at most %d bytes", maxProperty)
		}
		for _, name := range []string{"headings", "links", "menus", "header", "content", "bordersAndDividers"} {
			if parts[name] == nil {
				return nil, badRequest("%s must be specified", name)
			}
		}
	}
	c.lock()
	_, l, err := c.lookOf(c.q.Get("spaceKey"), true)
	if err != nil {
		return nil, err
	}
	if in == nil {
		*l = look{}
		return nil, nil
	}
	*l = look{selected: "custom", custom: slices.Clone(in)}
	return l.custom, nil
}

type v1SpaceSettings struct {
	RouteOverride bool              `json:"routeOverrideEnabled"`
	Editor        map[string]string `json:"editor"`
	Mode          string            `json:"contentMode"`
	SpaceKey      string            `json:"spaceKey"`
	Links         v1Links           `json:"_links"`
}

func (c *call) showSpaceSettings(sp *space) v1SpaceSettings {
	return v1SpaceSettings{
		RouteOverride: sp.routeOverride, Editor: map[string]string{"page": "v2", "blogpost": "v2", "default": "v2"}, Mode: cmp.Or(sp.mode, "standard"), SpaceKey: sp.key,
		Links: v1Links{Self: c.base + "/wiki/rest/api/space/" + sp.key + "/settings"},
	}
}

func (c *call) getSpaceSettings() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByKey()
	if err != nil {
		return nil, err
	}
	return c.showSpaceSettings(sp), nil
}

func (c *call) setSpaceSettings() (any, *apiError) {
	var in struct {
		RouteOverride *bool  `json:"routeOverrideEnabled"`
		Mode          string `json:"contentMode"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Mode != "" && in.Mode != "standard" && in.Mode != "compact" {
		return nil, badRequest("contentMode must be standard or compact, got '%s'", in.Mode)
	}
	c.lock()
	sp, err := c.spaceToRun()
	if err != nil {
		return nil, err
	}
	if in.RouteOverride != nil {
		sp.routeOverride = *in.RouteOverride
	}
	sp.mode = cmp.Or(in.Mode, sp.mode)
	return c.showSpaceSettings(sp), nil
}

// spaceSettings are what a space chose for itself.
type spaceSettings struct {
	theme         string
	look          look
	routeOverride bool
	mode          string // standard | compact
}

// customContentPermission refuses: an app may set it for its own contents alone,
// and those are apps of Connect and Forge.
func (c *call) customContentPermission() (any, *apiError) {
	return nil, forbidden("Only apps can access this resource")
}

// emailRefused is what apps get that Atlassian has not approved to read addresses.
func (c *call) emailRefused() (any, *apiError) {
	return nil, badRequest("The calling app is not approved to use this API")
}

// userProperty is a value kept with an account of the site.
type userProperty struct {
	value       json.RawMessage
	made, since time.Time
}

// userProps gives the properties of the account that the path names, to those who
// may see them: the account itself and administrators. The lock is held.
func (c *call) userProps() (map[string]userProperty, string, *apiError) {
	id := c.r.PathValue("id")
	if c.st.users[id] == nil {
		return nil, "", notFound("No user found with account id: %s", id)
	}
	if id != c.me.AccountID && !c.st.isAdmin(c.me.AccountID) {
		return nil, "", forbidden("Current user not permitted to access the properties of the user %s", id)
	}
	return c.st.userProps[id], id, nil
}

type v1PropertyKey struct {
	Key string `json:"key"`
}

func (c *call) getUserProperties() (any, *apiError) {
	c.rlock()
	props, _, err := c.userProps()
	if err != nil {
		return nil, err
	}
	rows := make([]string, 0, len(props))
	for key := range props {
		rows = append(rows, key)
	}
	slices.Sort(rows)
	return pageV1(c, rows, func(key string) v1PropertyKey { return v1PropertyKey{key} })
}

type v1UserProperty struct {
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
	ID      string          `json:"id"`
	Changed string          `json:"lastModifiedDate"`
	Created string          `json:"createdDate"`
	Links   v1Links         `json:"_links"`
}

func (c *call) getUserProperty() (any, *apiError) {
	c.rlock()
	props, id, err := c.userProps()
	if err != nil {
		return nil, err
	}
	key := c.r.PathValue("key")
	p, ok := props[key]
	if !ok {
		return nil, notFound("No property found with key: %s", key)
	}
	return v1UserProperty{
		Key: key, Value: p.value, ID: uuidOf("user property/" + id + "/" + key), Changed: stamp(p.since), Created: stamp(p.made),
		Links: v1Links{Self: c.base + "/wiki/rest/api/user/" + id + "/property/" + key},
	}, nil
}

func (c *call) setUserProperty() (any, *apiError) {
	var in struct {
		Value json.RawMessage `json:"value"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	key := c.r.PathValue("key")
	if len(in.Value) == 0 || len(in.Value) > maxProperty || len(key) > maxPropertyKey || strings.TrimSpace(key) == "" {
		return nil, badRequest("value must be specified, of at most %d bytes, under a key of at most %d", maxProperty, maxPropertyKey)
	}
	c.lock()
	props, id, err := c.userProps()
	if err != nil {
		return nil, err
	}
	old, exists := props[key]
	create := c.r.Method == http.MethodPost
	switch {
	case create && exists:
		return nil, conflict("There is a property with the key %s already", key)
	case !create && !exists:
		return nil, notFound("No property found with key: %s", key)
	case create && len(props) >= maxProperties:
		return nil, badRequest("The user has %d properties already, which is the most", maxProperties)
	}
	if c.st.userProps == nil {
		c.st.userProps = map[string]map[string]userProperty{}
	}
	if props == nil {
		props = map[string]userProperty{}
		c.st.userProps[id] = props
	}
	p := userProperty{value: slices.Clone(in.Value), made: c.now(), since: c.now()}
	c.status = http.StatusCreated
	if exists {
		p.made, c.status = old.made, http.StatusNoContent
	}
	props[key] = p
	return nil, nil
}

func (c *call) deleteUserProperty() (any, *apiError) {
	c.lock()
	props, _, err := c.userProps()
	if err != nil {
		return nil, err
	}
	key := c.r.PathValue("key")
	if _, ok := props[key]; !ok {
		return nil, notFound("No property found with key: %s", key)
	}
	delete(props, key)
	return nil, nil
}
