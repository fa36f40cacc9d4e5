package confluence

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

func customRoutes() map[string]endpoint {
	return map[string]endpoint{
		"GET /custom-content":                      (*call).listCustom,
		"POST /custom-content":                     (*call).createCustom,
		"GET /custom-content/{id}":                 (*call).getCustom,
		"PUT /custom-content/{id}":                 (*call).updateCustom,
		"DELETE /custom-content/{id}":              (*call).deleteCustom,
		"GET /custom-content/{id}/children":        (*call).customChildren,
		"GET /custom-content/{id}/labels":          contentLabels(typeCustom),
		"GET /custom-content/{id}/operations":      contentOperations(typeCustom),
		"GET /custom-content/{id}/footer-comments": rootComments(typeCustom),
		"GET /pages/{id}/custom-content":           customOn(typePage),
		"GET /blogposts/{id}/custom-content":       customOn(typeBlog),
		"GET /spaces/{id}/custom-content":          (*call).customInSpace,
	}
}

type v2Custom struct {
	ID              string               `json:"id"`
	Type            string               `json:"type"`
	Status          string               `json:"status"`
	Title           string               `json:"title"`
	SpaceID         string               `json:"spaceId"`
	PageID          string               `json:"pageId,omitempty"`
	BlogPostID      string               `json:"blogPostId,omitempty"`
	CustomContentID string               `json:"customContentId,omitempty"`
	AuthorID        string               `json:"authorId"`
	CreatedAt       string               `json:"createdAt"`
	Version         v2Version            `json:"version"`
	Labels          *v2Sub[v2Label]      `json:"labels,omitempty"`
	Properties      *v2Sub[v2Property]   `json:"properties,omitempty"`
	Operations      *v2Sub[v2Operation]  `json:"operations,omitempty"`
	Versions        *v2Sub[v2Version]    `json:"versions,omitempty"`
	Body            map[string]bodyValue `json:"body"`
	Links           v2WebLinks           `json:"_links"`
}

func (c *call) showCustom(x *content, v *version, format, base string) *v2Custom {
	out := &v2Custom{
		ID: itoa(x.id), Type: x.appType, Status: x.status, Title: v.title, SpaceID: itoa(x.spaceID), AuthorID: x.authorID, CreatedAt: stamp(x.createdAt),
		Version: showVersion(v), Body: map[string]bodyValue{}, Links: v2WebLinks{WebUI: c.st.webui(x), Base: base},
	}
	if on := c.st.contents[x.containerID]; on != nil {
		switch on.typ {
		case typePage:
			out.PageID = itoa(on.id)
		case typeBlog:
			out.BlogPostID = itoa(on.id)
		default:
			out.CustomContentID = itoa(on.id)
		}
	}
	switch {
	case format == "":
	case x.raw:
		if format == "raw" {
			out.Body["raw"] = bodyValue{Representation: "raw", Value: v.storage}
		}
	case format != "raw":
		out.Body = c.bodies(x, v, format)
	}
	return out
}

type customIn struct {
	ID              json.RawMessage `json:"id"`
	Type            string          `json:"type"`
	Status          string          `json:"status"`
	SpaceID         json.RawMessage `json:"spaceId"`
	PageID          json.RawMessage `json:"pageId"`
	BlogPostID      json.RawMessage `json:"blogPostId"`
	CustomContentID json.RawMessage `json:"customContentId"`
	Title           string          `json:"title"`
	Body            *customBody     `json:"body"`
	Version         *struct {
		Number  int    `json:"number"`
		Message string `json:"message"`
	} `json:"version"`
}

// customBody is a body that may be raw: kept as it is.
type customBody struct {
	bodyIn
	raw bool
}

func (b *customBody) UnmarshalJSON(data []byte) error {
	var in struct {
		Representation string  `json:"representation"`
		Value          *string `json:"value"`
		Raw            *struct {
			Value *string `json:"value"`
		} `json:"raw"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if in.Raw != nil && in.Raw.Value != nil {
		in.Representation, in.Value = "raw", in.Raw.Value
	}
	if in.Representation == "raw" && in.Value != nil {
		b.raw, b.Representation, b.Value, b.given = true, "raw", *in.Value, true
		return nil
	}
	return b.bodyIn.UnmarshalJSON(data)
}

func (b *customBody) stored(seed string) (stored, *apiError) {
	if b.raw {
		return stored{storage: b.Value, doc: &body.Node{Name: "#root", Children: []*body.Node{{Text: b.Value}}}}, nil
	}
	return b.intake(seed)
}

// format is the body format in which a write answers.
func (b *customBody) format() string {
	if b.raw {
		return "raw"
	}
	return shownFormat(&b.bodyIn)
}

// place finds the space, page, blog post or custom content that a new one goes
// into. The lock is held.
func (c *call) customPlace(in customIn) (spaceID int64, on *content, err *apiError) {
	given := 0
	for _, one := range []struct {
		raw  json.RawMessage
		name string
		typ  contentType
	}{{in.SpaceID, "spaceId", ""}, {in.PageID, "pageId", typePage}, {in.BlogPostID, "blogPostId", typeBlog}, {in.CustomContentID, "customContentId", typeCustom}} {
		id, err := idOf(one.raw, one.name)
		if err != nil {
			return 0, nil, err
		}
		if id == 0 {
			continue
		}
		given++
		if one.typ == "" {
			spaceID = id
			continue
		}
		if on, err = c.find(one.typ, id); err != nil {
			return 0, nil, err
		}
		spaceID = on.spaceID
	}
	if given != 1 {
		return 0, nil, badRequest("Exactly one of spaceId, pageId, blogPostId and customContentId must be specified, got %d", given)
	}
	return spaceID, on, nil
}

func (c *call) createCustom() (any, *apiError) {
	var in customIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Type == "" || in.Body == nil || !in.Body.given {
		return nil, badRequest("type, title and body must be specified")
	}
	b, err := in.Body.stored(in.Title + strconv.FormatInt(c.now().UnixNano(), 36))
	if err != nil {
		return nil, err
	}
	c.lock()
	spaceID, on, err := c.customPlace(in)
	if err != nil {
		return nil, err
	}
	x, err := c.st.create(draftIn{typ: typeCustom, spaceID: spaceID, title: in.Title, status: in.Status, body: b, authorID: c.me.AccountID}, c.now())
	if err != nil {
		return nil, err
	}
	x.appType, x.raw = in.Type, in.Body.raw
	if on != nil {
		x.containerID = on.id
	}
	c.status = http.StatusCreated
	return c.showCustom(x, x.current(), in.Body.format(), c.base+"/wiki"), nil
}

var customFormats = []string{"raw", "storage", "atlas_doc_format", "view", "export_view", "anonymous_export_view"}

func (c *call) getCustom() (any, *apiError) {
	format, err := c.oneOf("body-format", "", customFormats...)
	if err != nil {
		return nil, err
	}
	x, err := c.reading(typeCustom)
	if err != nil {
		return nil, err
	}
	v, err := c.wanted(x)
	if err != nil {
		return nil, err
	}
	out, self := c.showCustom(x, v, format, c.base+"/wiki"), c.r.URL.Path
	if c.q.Get("include-labels") == "true" {
		out.Labels = subList(c.st.showLabels(x), self+"/labels")
	}
	if c.q.Get("include-properties") == "true" {
		out.Properties = subList(c.showProperties(x.id), self+"/properties")
	}
	if c.q.Get("include-operations") == "true" {
		out.Operations = subList(c.operationsOn(x), self+"/operations")
	}
	if c.q.Get("include-versions") == "true" {
		var vs []v2Version
		for _, v := range slices.Backward(x.versions) {
			vs = append(vs, showVersion(v))
		}
		out.Versions = subList(vs, self+"/versions")
	}
	return out, nil
}

func (c *call) updateCustom() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	var in customIn
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Version == nil || in.Body == nil || !in.Body.given || in.Type == "" || in.Status != statusCurrent {
		return nil, badRequest("id, type, status current, title, body and version must be specified")
	}
	b, err := in.Body.stored(itoa(id) + "/" + strconv.Itoa(in.Version.Number))
	if err != nil {
		return nil, err
	}
	c.lock()
	x, err := c.edit(typeCustom, id)
	if err != nil {
		return nil, err
	}
	if in.Type != x.appType {
		return nil, badRequest("type must be the content's own: [%s], got [%s]", x.appType, in.Type)
	}
	ch := changeIn{title: in.Title, status: in.Status, body: &b, number: in.Version.Number, message: in.Version.Message, authorID: c.me.AccountID}
	if err := c.st.update(x, ch, c.now()); err != nil {
		return nil, err
	}
	x.raw = in.Body.raw
	return c.showCustom(x, x.current(), in.Body.format(), c.base+"/wiki"), nil
}

func (c *call) deleteCustom() (any, *apiError) {
	purge, err := c.flag("purge")
	if err != nil {
		return nil, err
	}
	x, err := c.changing(typeCustom)
	if err == nil {
		err = c.deletable(x, purge)
	}
	if err != nil {
		return nil, err
	}
	return nil, c.st.delete(x, purge, false, c.now())
}

// customPage lists the custom contents of a type that keep keeps. The lock is held.
func (c *call) customPage(typ string, keep func(*content) bool) (any, *apiError) {
	if typ == "" {
		return nil, badRequest("type must be specified")
	}
	format, err := c.oneOf("body-format", "", "raw", "storage", "atlas_doc_format")
	if err != nil {
		return nil, err
	}
	order, err := c.contentSort("id", "created-date", "modified-date", "title")
	if err != nil {
		return nil, err
	}
	var rows []*content
	for _, id := range c.st.order {
		if x := c.st.contents[id]; x.typ == typeCustom && x.status == statusCurrent && strings.EqualFold(x.appType, typ) && keep(x) && c.st.visible(x, c.me) {
			rows = append(rows, x)
		}
	}
	return page(c, rows, order, func(x *content) *v2Custom { return c.showCustom(x, x.current(), format, "") })
}

func (c *call) listCustom() (any, *apiError) {
	ids, err := c.ids("id")
	if err != nil {
		return nil, err
	}
	spaces, err := c.ids("space-id")
	if err != nil {
		return nil, err
	}
	c.rlock()
	return c.customPage(c.q.Get("type"), func(x *content) bool {
		return (ids == nil || ids[x.id]) && (spaces == nil || spaces[x.spaceID])
	})
}

func customOn(t contentType) endpoint {
	return func(c *call) (any, *apiError) {
		id, err := c.pathID("id", "id")
		if err != nil {
			return nil, err
		}
		c.rlock()
		if _, err := c.find(t, id); err != nil {
			return nil, err
		}
		return c.customPage(c.q.Get("type"), func(x *content) bool { return x.containerID == id })
	}
}

func (c *call) customInSpace() (any, *apiError) {
	c.rlock()
	sp, err := c.spaceByID()
	if err != nil {
		return nil, err
	}
	return c.customPage(c.q.Get("type"), func(x *content) bool { return x.spaceID == sp.id })
}

type v2CustomChild struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Title   string `json:"title"`
	Type    string `json:"type"`
	SpaceID string `json:"spaceId"`
}

func (c *call) customChildren() (any, *apiError) {
	id, err := c.pathID("id", "id")
	if err != nil {
		return nil, err
	}
	order, err := c.contentSort("id", "created-date", "modified-date")
	if err != nil {
		return nil, err
	}
	c.rlock()
	if _, err := c.find(typeCustom, id); err != nil {
		return nil, err
	}
	var rows []*content
	for _, k := range c.st.order {
		if x := c.st.contents[k]; x.typ == typeCustom && x.containerID == id && x.status == statusCurrent {
			rows = append(rows, x)
		}
	}
	return page(c, rows, order, func(x *content) v2CustomChild {
		return v2CustomChild{ID: itoa(x.id), Status: x.status, Title: x.title(), Type: x.appType, SpaceID: itoa(x.spaceID)}
	})
}
