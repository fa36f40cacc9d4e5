package confluence

import (
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

type v1Links struct {
	Self       string `json:"self,omitempty"`
	WebUI      string `json:"webui,omitempty"`
	EditUI     string `json:"edit,omitempty"`
	TinyUI     string `json:"tinyui,omitempty"`
	Collection string `json:"collection,omitempty"`
	Download   string `json:"download,omitempty"`
	Next       string `json:"next,omitempty"`
	Prev       string `json:"prev,omitempty"`
	Base       string `json:"base,omitempty"`
	Context    string `json:"context,omitempty"`
}

type v1Picture struct {
	Path      string `json:"path"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	IsDefault bool   `json:"isDefault"`
}

type v1User struct {
	Type           string            `json:"type"`
	AccountID      string            `json:"accountId"`
	AccountType    string            `json:"accountType"`
	Email          string            `json:"email"`
	PublicName     string            `json:"publicName"`
	ProfilePicture v1Picture         `json:"profilePicture"`
	DisplayName    string            `json:"displayName"`
	External       bool              `json:"isExternalCollaborator"`
	IsGuest        bool              `json:"isGuest"`
	Operations     []v1Operation     `json:"operations,omitempty"`
	PersonalSpace  *v1Space          `json:"personalSpace,omitempty"`
	Locale         string            `json:"locale,omitempty"`
	TimeZone       string            `json:"timeZone,omitempty"`
	Expandable     map[string]string `json:"_expandable"`
	Links          v1Links           `json:"_links"`
}

// showUser gives an account; its e-mail is told only to itself.
func (c *call) showUser(accountID string) v1User {
	out := v1User{
		Type: "known", AccountID: accountID, AccountType: "atlassian", PublicName: c.st.displayName(accountID), DisplayName: c.st.displayName(accountID),
		ProfilePicture: v1Picture{Path: "/wiki/aa-avatar/" + accountID, Width: 48, Height: 48},
		Expandable:     map[string]string{"operations": "", "personalSpace": ""},
		Links:          v1Links{Self: c.base + "/wiki/rest/api/user?accountId=" + accountID},
	}
	if accountID == c.me.AccountID {
		out.Email = c.me.Email
	}
	return out
}

type v1Space struct {
	ID          int64             `json:"id"`
	Key         string            `json:"key"`
	Alias       string            `json:"alias"`
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Status      string            `json:"status"`
	Description map[string]any    `json:"description,omitempty"`
	Homepage    *v1Content        `json:"homepage,omitempty"`
	Icon        *v1Picture        `json:"icon,omitempty"`
	Metadata    map[string]any    `json:"metadata,omitempty"`
	Operations  []v1Operation     `json:"operations,omitempty"`
	Permissions []v1Permission    `json:"permissions,omitempty"`
	History     map[string]any    `json:"history,omitempty"`
	Expandable  map[string]string `json:"_expandable"`
	Links       v1Links           `json:"_links"`
}

// expansion is the set of expand paths of a request.
type expansion map[string]bool

func parseExpand(vs []string) expansion {
	e := expansion{}
	for _, v := range vs {
		for v != "" {
			e[v] = true
			i := strings.LastIndexByte(v, '.')
			v = v[:max(i, 0)]
		}
	}
	return e
}

// below gives the paths under a name: below("space") of space.homepage is homepage.
func (e expansion) below(name string) expansion {
	out := expansion{}
	for k := range e {
		if rest, ok := strings.CutPrefix(k, name+"."); ok {
			out[rest] = true
		}
	}
	return out
}

func (c *call) showSpaceV1(sp *space, e expansion) *v1Space {
	self := "/rest/api/space/" + sp.key
	out := &v1Space{
		ID: sp.id, Key: sp.key, Alias: sp.alias, Name: sp.name, Type: sp.typ, Status: sp.status,
		Expandable: map[string]string{
			"settings": "/rest/api/space/" + sp.key + "/settings", "metadata": "", "operations": "", "lookAndFeel": "/rest/api/settings/lookandfeel?spaceKey=" + sp.key,
			"permissions": "", "icon": "", "theme": self + "/theme", "history": "", "identifiers": "",
		},
		Links: v1Links{Self: c.base + "/wiki" + self, WebUI: "/spaces/" + sp.key},
	}
	c.expandSpace(out, sp, e)
	if e["description"] {
		out.Description = map[string]any{
			"plain":       map[string]any{"value": sp.desc, "representation": "plain", "embeddedContent": []any{}},
			"_expandable": map[string]string{"view": ""},
		}
	} else {
		out.Expandable["description"] = ""
	}
	if home := c.st.contents[sp.homepageID]; home != nil && e["homepage"] {
		out.Homepage = c.showV1(home, home.current(), e.below("homepage"))
	} else if home != nil {
		out.Expandable["homepage"] = "/rest/api/content/" + itoa(home.id)
	}
	return out
}

type v1Version struct {
	By         *v1User           `json:"by,omitempty"`
	When       string            `json:"when"`
	Friendly   string            `json:"friendlyWhen"`
	Message    string            `json:"message"`
	Number     int               `json:"number"`
	MinorEdit  bool              `json:"minorEdit"`
	ConfRev    string            `json:"confRev,omitempty"`
	Modified   bool              `json:"contentTypeModified"`
	Expandable map[string]string `json:"_expandable,omitempty"`
	Links      v1Links           `json:"_links"`
}

type v1Body struct {
	Value           string            `json:"value"`
	Representation  string            `json:"representation"`
	EmbeddedContent []any             `json:"embeddedContent"`
	Expandable      map[string]string `json:"_expandable"`
}

type v1Content struct {
	ID           string            `json:"id"`
	Type         string            `json:"type"`
	Status       string            `json:"status"`
	Title        string            `json:"title"`
	Space        *v1Space          `json:"space,omitempty"`
	History      *v1History        `json:"history,omitempty"`
	Version      *v1Version        `json:"version,omitempty"`
	Ancestors    *[]*v1Content     `json:"ancestors,omitempty"`
	Children     map[string]any    `json:"children,omitempty"`
	Container    any               `json:"container,omitempty"`
	Body         map[string]any    `json:"body,omitempty"`
	Metadata     map[string]any    `json:"metadata,omitempty"`
	Operations   []v1Operation     `json:"operations,omitempty"`
	Restrictions map[string]any    `json:"restrictions,omitempty"`
	Extensions   map[string]any    `json:"extensions"`
	MacroOutput  map[string]any    `json:"macroRenderedOutput"`
	Expandable   map[string]string `json:"_expandable"`
	Links        v1Links           `json:"_links"`
}

type v1History struct {
	Latest      bool              `json:"latest"`
	CreatedBy   v1User            `json:"createdBy"`
	CreatedDate string            `json:"createdDate"`
	LastUpdated *v1Version        `json:"lastUpdated,omitempty"`
	Previous    *v1Version        `json:"previousVersion,omitempty"`
	Expandable  map[string]string `json:"_expandable"`
	Links       v1Links           `json:"_links"`
}

func friendly(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "just a moment ago"
	case now.Format(time.DateOnly) == t.Format(time.DateOnly):
		return "today at " + t.Format("3:04 PM")
	}
	return t.Format("Jan 02, 2006")
}

func (c *call) showVersionV1(x *content, v *version) *v1Version {
	by := c.showUser(v.authorID)
	return &v1Version{
		By: &by, When: stamp(v.at), Friendly: friendly(v.at, c.now()), Message: v.message, Number: v.number, MinorEdit: v.minor,
		Expandable: map[string]string{"collaborators": "", "content": "/rest/api/content/" + x.ref()},
		Links:      v1Links{Self: c.base + "/wiki/rest/api/content/" + x.ref() + "/version/" + itoa(int64(v.number))},
	}
}

// showV1 gives a content with the parts that e asks for.
func (c *call) showV1(x *content, v *version, e expansion) *v1Content {
	self := "/rest/api/content/" + x.ref()
	web := c.st.webLinks(x)
	out := &v1Content{
		ID: x.ref(), Type: string(x.typ), Status: x.status, Title: v.title,
		Extensions: map[string]any{}, MacroOutput: map[string]any{}, Expandable: map[string]string{},
		Links: v1Links{Self: c.base + "/wiki" + self, WebUI: web.WebUI, EditUI: web.EditUI, TinyUI: web.TinyUI},
	}
	if x.typ == typePage {
		out.Extensions["position"] = x.position
	}
	if v != x.current() {
		out.Status = statusHistorical
	}
	want := func(name, path string) bool {
		if !e[name] {
			out.Expandable[name] = path
		}
		return e[name]
	}
	sp := c.st.spaces[x.spaceID]
	if sp != nil && want("space", "/rest/api/space/"+sp.key) {
		out.Space = c.showSpaceV1(sp, e.below("space"))
	}
	if want("version", "") {
		out.Version = c.showVersionV1(x, v)
	}
	if want("history", self+"/history") {
		out.History = c.history(x, e.below("history"))
	}
	if want("ancestors", "") {
		list := []*v1Content{}
		for _, a := range c.st.ancestors(x) {
			list = append(list, c.showV1(a, a.current(), expansion{}))
		}
		out.Ancestors = &list
	}
	if want("body", "") {
		out.Body = c.bodyV1(x, v, e.below("body"))
	}
	if want("metadata", "") {
		out.Metadata = c.metadata(x, e.below("metadata"))
	}
	if want("children", self+"/child") {
		out.Children = c.childrenV1(x, e.below("children"))
	}
	if want("container", "") {
		if on := c.st.contents[x.containerID]; on != nil {
			out.Container = c.showV1(on, on.current(), expansion{})
		} else if sp != nil {
			out.Container = c.showSpaceV1(sp, expansion{})
		}
	}
	switch x.typ {
	case typeFile:
		c.v1File(out, x, v)
	case typeComment:
		c.v1Comment(out, x, e["extensions"])
	}
	c.expandAccess(out, x, e)
	for _, name := range []string{"childTypes", "descendants", "schedulePublishDate"} {
		out.Expandable[name] = ""
	}
	return out
}

func (c *call) bodyV1(x *content, v *version, e expansion) map[string]any {
	out, left := map[string]any{}, map[string]string{}
	for _, f := range []string{"storage", "view", "export_view", "styled_view", "editor", "anonymous_export_view", "atlas_doc_format"} {
		if !e[f] {
			left[f] = ""
			continue
		}
		out[f] = v1Body{
			Value: c.render(x, v, f), Representation: f, EmbeddedContent: []any{},
			Expandable: map[string]string{"content": "/rest/api/content/" + x.ref()},
		}
	}
	out["_expandable"] = left
	return out
}

func (c *call) metadata(x *content, e expansion) map[string]any {
	left := map[string]string{"currentuser": "", "frontend": ""}
	out := map[string]any{"_expandable": left}
	if e["properties"] {
		out["properties"] = c.propertiesV1(x, e.below("properties"))
	} else {
		left["properties"] = ""
	}
	if e["labels"] {
		out["labels"] = c.labelArray(x, "")
	} else {
		left["labels"] = ""
	}
	return out
}

func (c *call) childrenV1(x *content, e expansion) map[string]any {
	self := "/rest/api/content/" + x.ref() + "/child"
	left := map[string]string{}
	out := map[string]any{"_expandable": left, "_links": v1Links{Self: c.base + "/wiki" + self}}
	for name, ids := range map[string][]int64{"page": c.st.childPages(x.id), "comment": c.st.comments[x.id], "attachment": c.st.files[x.id]} {
		if !e[name] {
			left[name] = self + "/" + name
			continue
		}
		list := []*v1Content{}
		for _, id := range ids {
			if k := c.st.contents[id]; c.st.visible(k, c.me) && len(list) < defaultLimit {
				list = append(list, c.showV1(k, k.current(), e.below(name)))
			}
		}
		out[name] = v1List[*v1Content]{Results: list, Limit: defaultLimit, Size: len(list), Links: v1Links{Self: c.base + "/wiki" + self + "/" + name}}
	}
	return out
}

func (c *call) history(x *content, e expansion) *v1History {
	out := &v1History{
		Latest: true, CreatedBy: c.showUser(x.authorID), CreatedDate: stamp(x.createdAt),
		Expandable: map[string]string{"contributors": "", "nextVersion": "", "ownedBy": "", "lastOwnedBy": ""},
		Links:      v1Links{Self: c.base + "/wiki/rest/api/content/" + x.ref() + "/history"},
	}
	if e["lastUpdated"] {
		out.LastUpdated = c.showVersionV1(x, x.current())
	} else {
		out.Expandable["lastUpdated"] = ""
	}
	if n := len(x.versions); e["previousVersion"] && n > 1 {
		out.Previous = c.showVersionV1(x, x.versions[n-2])
	} else {
		out.Expandable["previousVersion"] = ""
	}
	return out
}

type v1List[T any] struct {
	Results []T     `json:"results"`
	Start   int     `json:"start"`
	Limit   int     `json:"limit"`
	Size    int     `json:"size"`
	Links   v1Links `json:"_links"`
}

func escapeHTML(s string) string { return body.EscapeAttr(s) }
