package confluence

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// template is what pages can be made from.
type template struct {
	ID          string   `json:"templateId" jsonschema_description:"Id of the template."`
	Name        string   `json:"name" jsonschema_description:"Its name."`
	Description string   `json:"description,omitempty" jsonschema_description:"What it is for."`
	SpaceKey    string   `json:"spaceKey,omitempty" jsonschema_description:"The space that it belongs to; absent for a template of the whole site."`
	Labels      []label  `json:"labels,omitempty" jsonschema_description:"Labels that pages made from it get."`
	Variables   []string `json:"variables,omitempty" jsonschema_description:"Names of the variables in its text, to be given a value each."`
	Body        string   `json:"body,omitempty" jsonschema_description:"Its text in storage format, when one template was asked for."`
}

// templateAnswer is a template as v1 gives it.
type templateAnswer struct {
	ID          string  `json:"templateId"`
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Labels      []label `json:"labels"`
	Space       struct {
		Key string `json:"key"`
	} `json:"space"`
	Body struct {
		Storage bodyText `json:"storage"`
	} `json:"body"`
}

func (a templateAnswer) shown() template {
	return template{
		ID: a.ID, Name: a.Name, Description: a.Description, SpaceKey: a.Space.Key, Labels: a.Labels,
		Body: a.Body.Storage.Value, Variables: variablesIn(a.Body.Storage.Value),
	}
}

var (
	templateForm = regexp.MustCompile(`^([0-9]{1,19}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
	declarations = regexp.MustCompile(`(?s)<at:declarations\s*/>|<at:declarations[^>]*>.*?</at:declarations>`)
	variable     = regexp.MustCompile(`<at:var\b[^>]*?\bat:name="([^"]*)"[^>]*?(?:/>|>\s*</at:var>)`)
)

// variablesIn names the variables of a template's text, each once.
func variablesIn(storage string) []string {
	var out []string
	for _, m := range variable.FindAllStringSubmatch(storage, -1) {
		if name := html.UnescapeString(m[1]); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

const scopeReadTemplate = "read:template:confluence"

// templateScopes are those that reading templates needs.
var templateScopes = toolkit.Scopes{}.
	AnyOf(scopeReadTemplate, "read:confluence-content.summary").
	AnyOf(scopeContentDetails, "read:confluence-content.summary").
	Sometimes(scopeReadSpace)

type templateList struct {
	Results []template `json:"results" jsonschema_description:"The templates."`
	paging
}

type getTemplatesInput struct {
	SpaceKey string `json:"spaceKey,omitempty" jsonschema_description:"Templates of this space, by key (MKT) or id; without it those of the whole site."`
	pageArgs
}

var getTemplates = toolkit.Read("CONFLUENCE_GET_TEMPLATES", "Get Templates",
	"List the templates of a space, or those of the whole site, that pages can be made from. For the text and variables of one use get template.",
	toolkit.About{
		Scopes:    templateScopes,
		Keywords:  []string{"page templates", "which templates", "boilerplate"},
		Pitfalls:  []string{"A space does not list the templates of the site: ask without spaceKey too.", "Blueprints that apps bring are not among them."},
		Endpoints: []string{"GET /wiki/rest/api/template/page", "GET /wiki/api/v2/spaces/{id}"},
	},
	func(ctx context.Context, c *client, in getTemplatesInput) (*templateList, error) {
		key := ""
		if in.SpaceKey != "" {
			ref, err := c.spaceRef(ctx, "spaceKey", in.SpaceKey)
			if err != nil {
				return nil, err
			}
			key = ref.key
		}
		got, err := c.templates(ctx, key, in.pageArgs)
		if err != nil {
			return nil, err
		}
		out := &templateList{Results: []template{}, paging: got.paging()}
		for _, a := range got.items {
			out.Results = append(out.Results, a.shown())
		}
		return out, nil
	})

// templates lists the templates of a space, or of the site without a key.
func (c *client) templates(ctx context.Context, key string, a pageArgs) (list[templateAnswer], error) {
	q := url.Values{}
	set(q, "spaceKey", key)
	return fetchByStart[templateAnswer](ctx, c, request{
		path: v1 + "/template/page", query: q, what: "space with the key " + key, field: "spaceKey", scopes: []string{scopeReadTemplate, scopeContentDetails},
	}, 100, a, nil)
}

// template gets a template by its id, or by a name that it has in the space or,
// when the space has none, on the site.
func (c *client) template(ctx context.Context, field, value, spaceID string) (*template, error) {
	value = strings.TrimSpace(value)
	if !templateForm.MatchString(value) {
		id, err := c.templateNamed(ctx, field, value, spaceID)
		if err != nil {
			return nil, err
		}
		value = id
	}
	var a templateAnswer
	err := c.do(ctx, request{
		path: v1 + "/template/" + value, query: url.Values{"expand": {"body"}}, out: &a, what: "template with id " + value, field: field,
		scopes: []string{scopeReadTemplate, scopeContentDetails},
	})
	var e *toolkit.Error
	if isStatus(err, http.StatusForbidden, http.StatusNotFound) && errors.As(err, &e) && strings.Contains(e.Message, "emplate") {
		e.Kind, e.Field = toolkit.KindNotFound, field
		e.Message = "There is no template with id " + value + ", or this account may not see it."
		e.Fix = "List the templates with CONFLUENCE_GET_TEMPLATES."
	}
	if err != nil {
		return nil, err
	}
	t := a.shown()
	return &t, nil
}

func (c *client) templateNamed(ctx context.Context, field, name, spaceID string) (string, error) {
	keys := []string{""}
	if spaceID != "" {
		ref, err := c.spaceRef(ctx, "spaceId", spaceID)
		if err != nil {
			return "", err
		}
		keys = []string{ref.key, ""}
	}
	var names []string
	for _, key := range keys {
		got, err := c.templates(ctx, key, pageArgs{All: true})
		if err != nil {
			return "", err
		}
		var ids []string
		for _, t := range got.items {
			names = append(names, t.Name)
			if strings.EqualFold(t.Name, name) {
				ids = append(ids, t.ID)
			}
		}
		switch {
		case len(ids) == 1:
			return ids[0], nil
		case len(ids) > 1:
			return "", toolkit.Invalid(field, "%s: several templates have the name '%s': give one of the ids %s", field, name, strings.Join(ids, ", "))
		}
	}
	e := &toolkit.Error{
		Kind: toolkit.KindNotFound, Field: field, Message: fmt.Sprintf("There is no template '%s'.", name),
		Fix: "List the templates with CONFLUENCE_GET_TEMPLATES; those of a space are found only when the space is given.",
	}
	if len(names) > 0 {
		e.Message += " There are: " + strings.Join(names[:min(len(names), 10)], ", ") + "."
	}
	return "", e
}

type getTemplateInput struct {
	ID      string `json:"id" jsonschema:"minLength=1" jsonschema_description:"The template: its id, or its name."`
	SpaceID string `json:"spaceId,omitempty" jsonschema_description:"The space, by id or key, when a template of a space is named by its name."`
}

var getTemplate = toolkit.Read("CONFLUENCE_GET_TEMPLATE", "Get Template",
	"Read one template for pages: its text, its variables and its labels. To make a page of it use create page from template.",
	toolkit.About{
		Scopes:    templateScopes,
		Keywords:  []string{"template variables", "template text"},
		Endpoints: []string{"GET /wiki/rest/api/template/{contentTemplateId}", "GET /wiki/rest/api/template/page", "GET /wiki/api/v2/spaces/{id}"},
	},
	func(ctx context.Context, c *client, in getTemplateInput) (*template, error) {
		return c.template(ctx, "id", in.ID, in.SpaceID)
	})

type templateValue struct {
	Name  string `json:"name" jsonschema:"minLength=1" jsonschema_description:"Name of the variable."`
	Value string `json:"value" jsonschema_description:"What to write for it, as plain text."`
}

type createPageFromTemplateInput struct {
	TemplateID string          `json:"templateId" jsonschema:"minLength=1" jsonschema_description:"The template: its id, or its name."`
	SpaceID    string          `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"The space of the new page: its id or its key (MKT)."`
	Title      string          `json:"title" jsonschema:"minLength=1,maxLength=255" jsonschema_description:"Title; no other page of the space may have it."`
	ParentID   string          `json:"parentId,omitempty" jsonschema_description:"The page to put it under; without it, under the space's home page."`
	Variables  []templateValue `json:"variables,omitempty" jsonschema:"maxItems=100" jsonschema_description:"A value for each variable of the template."`
	Status     string          `json:"status,omitempty" jsonschema:"enum=current,enum=draft,default=current" jsonschema_description:"current publishes the page, draft does not."`
}

// createdPage is a page and what became of its labels.
type createdPage struct {
	page
	LabelsError string `json:"labels_error,omitempty" jsonschema_description:"Why the template's labels could not be added; the page itself exists."`
}

var createPageFromTemplate = toolkit.Create("CONFLUENCE_CREATE_PAGE_FROM_TEMPLATE", "Create Page from Template",
	"Create a page with the text and labels of a template, with a value for each of its variables. For a page with a text of its own use create page.",
	toolkit.About{
		Scopes: toolkit.AllOf(scopeWritePage).
			AnyOf(scopeReadTemplate, "read:confluence-content.summary").AnyOf(scopeContentDetails, "read:confluence-content.summary").
			Sometimes(scopeReadSpace).
			Sometimes("write:label:confluence", "write:confluence-content").Sometimes("read:label:confluence", "write:confluence-content"),
		Keywords: []string{"use the template", "fill in a template", "based on a template"},
		Pitfalls: []string{
			"Every variable of the template needs a value; CONFLUENCE_GET_TEMPLATE names them.",
			"Labels of the template are added by a second call, which needs the scope write:label:confluence; labels_error says when that failed.",
		},
		Endpoints: []string{
			"POST /wiki/api/v2/pages", "GET /wiki/rest/api/template/{contentTemplateId}", "GET /wiki/rest/api/template/page",
			"POST /wiki/rest/api/content/{id}/label", "GET /wiki/api/v2/spaces/{id}",
		},
	},
	func(ctx context.Context, c *client, in createPageFromTemplateInput) (*createdPage, error) {
		t, err := c.template(ctx, "templateId", in.TemplateID, in.SpaceID)
		if err != nil {
			return nil, err
		}
		text, err := t.filled(in.Variables)
		if err != nil {
			return nil, err
		}
		p, err := c.createPage(ctx, newPage{in.SpaceID, in.ParentID, in.Title, in.Status, bodyWrite{"storage", text}})
		if err != nil {
			return nil, err
		}
		out := &createdPage{page: *p}
		if len(t.Labels) > 0 {
			var add []labelInput
			for _, l := range t.Labels {
				add = append(add, labelInput{Name: l.Name, Prefix: l.Prefix})
			}
			if out.Labels, err = c.addLabels(ctx, p.ID, add); err != nil {
				out.LabelsError = "The page exists, but the template's labels could not be added: " + err.Error() +
					" Add them with CONFLUENCE_ADD_CONTENT_LABEL; do not create the page again."
			}
		}
		return out, nil
	})

// filled gives the text of the template with values for its variables.
func (t *template) filled(values []templateValue) (string, error) {
	given := map[string]string{}
	for i, v := range values {
		if !slices.Contains(t.Variables, v.Name) {
			return "", toolkit.Invalid(fmt.Sprintf("variables[%d].name", i), "variables[%d].name: the template '%s' has no variable '%s'; it has: %s",
				i, t.Name, v.Name, orNone(strings.Join(t.Variables, ", ")))
		}
		given[v.Name] = v.Value
	}
	var missing []string
	for _, name := range t.Variables {
		if _, ok := given[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return "", toolkit.Invalid("variables", "variables: the template '%s' needs a value for: %s", t.Name, strings.Join(missing, ", "))
	}
	text := declarations.ReplaceAllLiteralString(t.Body, "")
	return variable.ReplaceAllStringFunc(text, func(s string) string {
		return html.EscapeString(given[html.UnescapeString(variable.FindStringSubmatch(s)[1])])
	}), nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
