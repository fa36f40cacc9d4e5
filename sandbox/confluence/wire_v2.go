package confluence

import (
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"
)

type v2Version struct {
	CreatedAt string `json:"createdAt"`
	Message   string `json:"message"`
	Number    int    `json:"number"`
	MinorEdit bool   `json:"minorEdit"`
	AuthorID  string `json:"authorId"`
}

type v2Label struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
}

type v2SubMeta struct {
	HasMore bool   `json:"hasMore"`
	Cursor  string `json:"cursor"`
}

type v2Sub[T any] struct {
	Results []T       `json:"results"`
	Meta    v2SubMeta `json:"meta"`
	Links   v2Self    `json:"_links"`
}

type v2Self struct {
	Self string `json:"self"`
}

func subList[T any](rows []T, self string) *v2Sub[T] {
	if rows == nil {
		rows = []T{}
	}
	return &v2Sub[T]{Results: rows, Links: v2Self{Self: self}}
}

type v2Operation struct {
	Operation  string `json:"operation"`
	TargetType string `json:"targetType"`
}

type v2WebLinks struct {
	EditUI string `json:"editui,omitempty"`
	WebUI  string `json:"webui"`
	TinyUI string `json:"tinyui,omitempty"`
	Base   string `json:"base,omitempty"`
}

type v2Content struct {
	ID             string               `json:"id"`
	Status         string               `json:"status"`
	Title          string               `json:"title"`
	SpaceID        string               `json:"spaceId"`
	AuthorID       string               `json:"authorId"`
	OwnerID        string               `json:"ownerId,omitempty"`
	Subtype        string               `json:"subtype,omitempty"`
	CreatedAt      string               `json:"createdAt"`
	Version        *v2Version           `json:"version,omitempty"`
	Body           map[string]bodyValue `json:"body"`
	Labels         *v2Sub[v2Label]      `json:"labels,omitempty"`
	Versions       *v2Sub[v2Version]    `json:"versions,omitempty"`
	Operations     *v2Sub[v2Operation]  `json:"operations,omitempty"`
	Properties     *v2Sub[v2Property]   `json:"properties,omitempty"`
	Likes          *v2Sub[v2Like]       `json:"likes,omitempty"`
	DirectChildren *v2Sub[v2Child]      `json:"directChildren,omitempty"`
	Favorited      *bool                `json:"isFavoritedByCurrentUser,omitempty"`
	Links          v2WebLinks           `json:"_links"`
}

// v2Page adds the fields that only pages have; they may be null but are always there.
type v2Page struct {
	v2Content
	ParentID    *string `json:"parentId"`
	ParentType  *string `json:"parentType"`
	Position    *int    `json:"position"`
	LastOwnerID *string `json:"lastOwnerId"`
}

type v2Child struct {
	ID            string `json:"id"`
	Status        string `json:"status"`
	Title         string `json:"title"`
	Type          string `json:"type,omitempty"`
	SpaceID       string `json:"spaceId"`
	ChildPosition *int   `json:"childPosition"`
}

func showVersion(v *version) v2Version {
	return v2Version{CreatedAt: stamp(v.at), Message: v.message, Number: v.number, MinorEdit: v.minor, AuthorID: v.authorID}
}

func (st *store) showLabels(x *content) []v2Label {
	out := make([]v2Label, 0, len(x.labels))
	for _, id := range x.labels {
		out = append(out, showLabel(st.labels[id]))
	}
	return out
}

func showLabel(l *label) v2Label { return v2Label{ID: itoa(l.id), Name: l.name, Prefix: l.prefix} }

// show gives a page or blog post as v2 does; base is set on single answers only.
func (c *call) show(x *content, v *version, format, base string) any {
	out := v2Content{
		ID: x.ref(), Status: x.status, Title: v.title, SpaceID: itoa(x.spaceID), AuthorID: x.authorID, Subtype: x.subtype,
		CreatedAt: stamp(x.createdAt), Body: c.bodies(x, v, format), Links: c.st.webLinks(x),
	}
	ver := showVersion(v)
	out.Version = &ver
	if out.Body == nil {
		out.Body = map[string]bodyValue{}
	}
	out.Links.Base = base
	if v == x.draft {
		out.Status = statusDraft
	} else if v != x.current() {
		out.Status = statusHistorical
	}
	if x.typ != typePage {
		return &out
	}
	out.OwnerID = x.ownerID
	p := &v2Page{v2Content: out}
	if x.parentID != 0 {
		id, t := itoa(x.parentID), c.st.parentType(x)
		p.ParentID, p.ParentType = &id, &t
	}
	if x.status == statusCurrent {
		n := x.position
		p.Position = &n
	}
	if x.lastOwnerID != "" {
		p.LastOwnerID = &x.lastOwnerID
	}
	return p
}

// inner gives the fields that pages and blog posts share.
func inner(out any) *v2Content {
	if p, ok := out.(*v2Page); ok {
		return &p.v2Content
	}
	x, _ := out.(*v2Content)
	return x
}

func (st *store) webLinks(x *content) v2WebLinks {
	key := ""
	if sp := st.spaces[x.spaceID]; sp != nil {
		key = sp.key
	}
	edit := "/spaces/" + key + "/pages/edit-v2/" + x.ref()
	if x.typ == typeBlog {
		edit = "/spaces/" + key + "/blog/edit-v2/" + x.ref()
	}
	return v2WebLinks{WebUI: st.webui(x), EditUI: edit, TinyUI: "/x/" + tiny(x.id)}
}

// webui is the address of a content below /wiki.
func (st *store) webui(x *content) string {
	sp := st.spaces[x.spaceID]
	if sp == nil {
		return ""
	}
	title := strings.ReplaceAll(url.QueryEscape(x.title()), "%2F", "/")
	switch {
	case treePath(x.typ) != "":
		return "/spaces/" + sp.key + "/" + treePath(x.typ) + "/" + itoa(x.id)
	case x.typ == typeComment:
		if on := st.contents[x.containerID]; on != nil {
			return st.webui(on) + "?focusedCommentId=" + x.ref()
		}
		return ""
	case x.typ == typeFile:
		if on := st.contents[x.containerID]; on != nil {
			return attachmentAddress(on, x)
		}
		return ""
	case sp.homepageID == x.id:
		return "/spaces/" + sp.key + "/overview"
	case x.typ == typeBlog:
		return "/spaces/" + sp.key + "/blog/" + x.createdAt.Format("2006/01/02") + "/" + x.ref() + "/" + title
	case x.status == statusDraft:
		return "/spaces/" + sp.key + "/pages/edit-v2/" + x.ref() + "?draftId=" + x.ref()
	}
	return "/spaces/" + sp.key + "/pages/" + x.ref() + "/" + title
}

// tiny is the short form of an id in /x/ links.
func tiny(id int64) string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(id))
	s := strings.TrimRight(base64.StdEncoding.EncodeToString(b[:]), "=")
	s = strings.TrimRight(s, "A")
	return strings.NewReplacer("/", "-", "+", "_").Replace(s)
}

func fromTiny(s string) int64 {
	s = strings.NewReplacer("-", "/", "_", "+").Replace(s)
	if len(s) > 11 {
		return 0
	}
	s += strings.Repeat("A", 11-len(s))
	raw, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(raw) != 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(raw))
}
