package confluence

import (
	"strings"
)

func templateRoutes() map[string]endpoint {
	return map[string]endpoint{
		"POST /template":          (*call).createTemplate,
		"PUT /template":           (*call).updateTemplate,
		"GET /template/page":      (*call).listTemplates,
		"GET /template/blueprint": (*call).listBlueprints,
		"GET /template/{id}":      (*call).getTemplate,
		"DELETE /template/{id}":   (*call).deleteTemplate,
	}
}

// pageTemplate is what new pages can be made from. One without a space is the site's.
type pageTemplate struct {
	id         int64
	name, desc string
	storage    string
	spaceID    int64
	labels     []labelIn
}

const maxTemplates = 1_000

type templateIn struct {
	ID     string    `json:"templateId"`
	Name   string    `json:"name"`
	Type   string    `json:"templateType"`
	Desc   *string   `json:"description"`
	Labels []labelIn `json:"labels"`
	Space  *struct {
		Key string `json:"key"`
	} `json:"space"`
	Body *bodyIn `json:"body"`
}

type v1Template struct {
	ID            string            `json:"templateId"`
	Original      map[string]string `json:"originalTemplate"`
	Blueprint     string            `json:"referencingBlueprint"`
	Name          string            `json:"name"`
	Description   string            `json:"description"`
	Space         map[string]any    `json:"space,omitempty"`
	Labels        []v1Label         `json:"labels"`
	Type          string            `json:"templateType"`
	EditorVersion string            `json:"editorVersion"`
	Body          map[string]any    `json:"body,omitempty"`
	Expandable    map[string]string `json:"_expandable"`
	Links         v1Links           `json:"_links"`
}

func (c *call) showTemplate(t *pageTemplate, e expansion) v1Template {
	out := v1Template{
		ID: itoa(t.id), Original: map[string]string{}, Name: t.name, Description: t.desc, Labels: []v1Label{}, Type: "page", EditorVersion: "v2",
		Expandable: map[string]string{}, Links: v1Links{Self: c.base + "/wiki/rest/api/template/" + itoa(t.id), Base: c.base + "/wiki", Context: "/wiki"},
	}
	if sp := c.st.spaces[t.spaceID]; sp != nil {
		out.Space = map[string]any{"id": sp.id, "key": sp.key, "name": sp.name, "type": sp.typ, "status": sp.status}
	}
	for _, l := range t.labels {
		out.Labels = append(out.Labels, v1Label{Prefix: l.Prefix, Name: l.Name, ID: itoa(c.st.labelIDs[l.Prefix+":"+l.Name]), Label: l.Name})
	}
	if e["body"] {
		out.Body = map[string]any{"storage": v1Body{Value: t.storage, Representation: "storage", EmbeddedContent: []any{}, Expandable: map[string]string{"content": ""}}}
	} else {
		out.Expandable["body"] = ""
	}
	return out
}

// templateDecode reads a template and its body.
func (c *call) templateDecode() (templateIn, stored, *apiError) {
	var in templateIn
	if err := c.decode(&in); err != nil {
		return in, stored{}, err
	}
	if strings.TrimSpace(in.Name) == "" {
		return in, stored{}, badRequest("The template must have a name")
	}
	if in.Type != "page" {
		return in, stored{}, badRequest("templateType must be 'page', got '%s'", in.Type)
	}
	if in.Body == nil || !in.Body.given {
		return in, stored{}, badRequest("body must be specified")
	}
	for i, l := range in.Labels {
		if l.Prefix == "" {
			in.Labels[i].Prefix = "global"
		}
	}
	b, err := in.Body.intake("template/" + in.Name)
	return in, b, err
}

// writesTemplates refuses whoever may not change the templates of a space, or of
// the site when sp is nil. The lock is held.
func (c *call) writesTemplates(sp *space) *apiError {
	if sp == nil {
		return c.adminOnly()
	}
	if !c.st.administers(sp, c.me.AccountID) && !c.st.isAdmin(c.me.AccountID) {
		return forbidden("Current user not permitted to administer space : %s", sp.key)
	}
	return nil
}

func (c *call) templateSpace(key string) (*space, *apiError) {
	sp := c.st.spaceOf(key)
	if sp == nil || !c.st.spaceVisible(sp, c.me) {
		return nil, notFound("No space found with key : %s", key)
	}
	return sp, nil
}

func (c *call) createTemplate() (any, *apiError) {
	in, b, err := c.templateDecode()
	if err != nil {
		return nil, err
	}
	c.lock()
	t := &pageTemplate{name: in.Name, storage: b.storage, labels: in.Labels}
	if in.Desc != nil {
		t.desc = *in.Desc
	}
	var sp *space
	if in.Space != nil && in.Space.Key != "" {
		if sp, err = c.templateSpace(in.Space.Key); err != nil {
			return nil, err
		}
		t.spaceID = sp.id
	}
	if err := c.writesTemplates(sp); err != nil {
		return nil, err
	}
	if len(c.st.templates) >= maxTemplates {
		return nil, badRequest("The site has %d templates and cannot have more", maxTemplates)
	}
	if err := c.st.room(len(b.storage)); err != nil {
		return nil, err
	}
	t.id = c.st.newID()
	c.st.stored += len(t.storage)
	c.st.templates[t.id] = t
	return c.showTemplate(t, parseExpand([]string{"body"})), nil
}

// template finds a template that the caller may see; the server answers 403 for
// one that does not exist.
func (c *call) template(id int64) (*pageTemplate, *space, *apiError) {
	t := c.st.templates[id]
	if t == nil {
		return nil, nil, forbidden("No template found with id: %d", id)
	}
	sp := c.st.spaces[t.spaceID]
	if t.spaceID != 0 && (sp == nil || !c.st.spaceVisible(sp, c.me)) {
		return nil, nil, forbidden("No template found with id: %d", id)
	}
	return t, sp, nil
}

func (c *call) updateTemplate() (any, *apiError) {
	in, b, err := c.templateDecode()
	if err != nil {
		return nil, err
	}
	c.lock()
	t, sp, err := c.template(parseRef(in.ID))
	if err != nil {
		return nil, notFound("No template found with id: %s", in.ID)
	}
	if err := c.writesTemplates(sp); err != nil {
		return nil, err
	}
	if err := c.st.room(len(b.storage)); err != nil {
		return nil, err
	}
	c.st.stored += len(b.storage) - len(t.storage)
	t.name, t.storage = in.Name, b.storage
	if in.Desc != nil {
		t.desc = *in.Desc
	}
	if in.Labels != nil {
		t.labels = in.Labels
	}
	return c.showTemplate(t, parseExpand([]string{"body"})), nil
}

// listTemplates gives the templates of a space, or those of the site.
func (c *call) listTemplates() (any, *apiError) {
	e := parseExpand(c.list("expand"))
	c.rlock()
	var of int64
	if key := c.q.Get("spaceKey"); key != "" {
		sp, err := c.templateSpace(key)
		if err != nil {
			return nil, err
		}
		of = sp.id
	}
	var rows []*pageTemplate
	for _, id := range sortedIDs(c.st.templates) {
		if t := c.st.templates[id]; t.spaceID == of {
			rows = append(rows, t)
		}
	}
	return pageV1(c, rows, func(t *pageTemplate) v1Template { return c.showTemplate(t, e) })
}

// listBlueprints gives the blueprints of apps: the site has no apps.
func (c *call) listBlueprints() (any, *apiError) {
	c.rlock()
	if key := c.q.Get("spaceKey"); key != "" {
		if _, err := c.templateSpace(key); err != nil {
			return nil, err
		}
	}
	return pageV1(c, nil, func(t *pageTemplate) v1Template { return c.showTemplate(t, expansion{}) })
}

func (c *call) getTemplate() (any, *apiError) {
	c.rlock()
	t, _, err := c.template(parseRef(c.r.PathValue("id")))
	if err != nil {
		return nil, err
	}
	return c.showTemplate(t, parseExpand(append(c.list("expand"), "body"))), nil
}

func (c *call) deleteTemplate() (any, *apiError) {
	c.lock()
	t, sp, err := c.template(parseRef(c.r.PathValue("id")))
	if err != nil {
		return nil, err
	}
	if err := c.writesTemplates(sp); err != nil {
		return nil, err
	}
	c.st.dropTemplate(t)
	return nil, nil
}

func (st *store) dropTemplate(t *pageTemplate) {
	st.stored -= len(t.storage)
	delete(st.templates, t.id)
}
