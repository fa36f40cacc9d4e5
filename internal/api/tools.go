package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/toolkit"
)

func (s *server) toolRoutes() {
	versions := param{"toolkit_versions", huma.TypeString, "A version for every toolkit, latest, or toolkit_versions[slug]=version"}
	handle(s, operation{
		id: "listTools", method: http.MethodGet, path: "/tools", tag: "tools", summary: "List tools",
		query: paged(
			param{"toolkit_slug", huma.TypeArray, "Only of these toolkits"},
			param{"tool_slugs", huma.TypeArray, "Only these tools, whatever else is asked"},
			param{"auth_config_ids", huma.TypeArray, "Only tools that may run on accounts of one of these auth configs"},
			param{"important", huma.TypeString, "true: only the important tools of a toolkit that has any"},
			param{"tags", huma.TypeArray, "Only tools with one of these tags"},
			param{"scopes", huma.TypeArray, "Only tools that need no more than these scopes"},
			param{"query", huma.TypeString, "A use case in plain words; best matches first"},
			param{"search", huma.TypeString, "Older name of query"},
			param{"include_deprecated", huma.TypeBoolean, "Deprecated tools too"},
			versions,
		),
	}, s.listTools)
	handle(s, operation{
		id: "getTool", method: http.MethodGet, path: "/tools/{tool_slug}", tag: "tools", summary: "Get a tool",
		query: []param{{"version", huma.TypeString, "A version of the tool's toolkit, or latest"}, versions},
	}, s.getTool)
	handle(s, operation{
		id: "listToolSlugs", method: http.MethodGet, path: "/tools/enum", tag: "tools", summary: "List the slugs of all tools",
	}, s.toolSlugs)
	handle(s, operation{
		id: "executeTool", method: http.MethodPost, path: "/tools/execute/{tool_slug}", tag: "tools",
		summary: "Run a tool outside a session",
	}, s.executeTool)
	handle(s, operation{
		id: "phraseToolInput", method: http.MethodPost, path: "/tools/execute/{tool_slug}/input", tag: "tools",
		summary: "Put what a person wrote into a tool's arguments",
	}, s.phraseInput)
}

type toolOut struct {
	Slug              string      `json:"slug"`
	Name              string      `json:"name"`
	Description       string      `json:"description"`
	HumanDescription  string      `json:"human_description,omitempty"`
	Status            string      `json:"status,omitempty"`
	Toolkit           toolToolkit `json:"toolkit"`
	InputParameters   object      `json:"input_parameters" doc:"JSON Schema of the arguments"`
	OutputParameters  object      `json:"output_parameters" doc:"JSON Schema of the data of a success"`
	NoAuth            bool        `json:"no_auth"`
	AvailableVersions []string    `json:"available_versions"`
	Version           string      `json:"version"`
	Scopes            []string    `json:"scopes"`
	ScopeRequirements *scopesOut  `json:"scope_requirements"`
	Tags              []string    `json:"tags"`
	IsDeprecated      bool        `json:"is_deprecated"`
	Deprecated        toolTwin    `json:"deprecated"`
}

type toolToolkit struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
	Logo string `json:"logo"`
}

type toolTwin struct {
	DisplayName       string       `json:"displayName"`
	Version           string       `json:"version"`
	AvailableVersions []string     `json:"available_versions"`
	IsDeprecated      bool         `json:"is_deprecated"`
	Toolkit           toolTwinLogo `json:"toolkit"`
}

type toolTwinLogo struct {
	Logo string `json:"logo"`
}

// scopesOut lists the needs; an element is a scope or {any_of}.
type scopesOut struct {
	AllOf []any `json:"all_of"`
}

type anyScope struct {
	AnyOf []string `json:"any_of"`
}

// emptySchema is what clients need where a tool declares no schema.
var emptySchema = object(`{"type":"object","properties":{}}`)

func toolWire(v3 bool) func(*catalog.Tool) toolOut {
	return func(t *catalog.Tool) toolOut {
		versions := []string{}
		if t.Toolkit.Version != "" {
			versions = append(versions, t.Toolkit.Version)
		}
		out := toolOut{
			Slug: t.Slug, Name: t.Name, Description: t.Description, Status: activeStatus(v3),
			Toolkit:         toolToolkit{Slug: t.Toolkit.Slug, Name: t.Toolkit.Name, Logo: t.Toolkit.Logo},
			InputParameters: orEmpty(t.Input), OutputParameters: orEmpty(t.Output), NoAuth: t.Toolkit.NoAuth(),
			AvailableVersions: versions, Version: t.Toolkit.Version,
			Scopes: append([]string{}, t.Scopes.Names()...), ScopeRequirements: scopesWire(t.Scopes),
			Tags: append([]string{}, t.Tags()...), IsDeprecated: t.About.Deprecated,
		}
		out.Deprecated = toolTwin{
			DisplayName: t.Name, Version: out.Version, AvailableVersions: versions, IsDeprecated: out.IsDeprecated,
			Toolkit: toolTwinLogo{Logo: t.Toolkit.Logo},
		}
		return out
	}
}

func orEmpty(schema json.RawMessage) object {
	if len(schema) == 0 {
		return emptySchema
	}
	return object(schema)
}

func scopesWire(s toolkit.Scopes) *scopesOut {
	if len(s.All) == 0 {
		return nil
	}
	out := &scopesOut{}
	for _, names := range s.All {
		if len(names) == 1 {
			out.AllOf = append(out.AllOf, names[0])
		} else {
			out.AllOf = append(out.AllOf, anyScope{AnyOf: names})
		}
	}
	return out
}

// toolFilter is what listTools asks of a tool.
type toolFilter struct {
	toolkits, tags, scopes []string
	configs                map[string][]domain.AuthConfig // by toolkit; nil: any
	important, deprecated  bool
	hasImportant           map[string]bool // toolkits with important tools
}

func (f *toolFilter) keeps(t *catalog.Tool) bool {
	switch {
	case len(f.toolkits) > 0 && !slices.Contains(f.toolkits, t.Toolkit.Slug):
	case f.configs != nil && !slices.ContainsFunc(f.configs[t.Toolkit.Slug], func(c domain.AuthConfig) bool {
		return len(c.Tools) == 0 || slices.Contains(c.Tools, t.Slug)
	}):
	case t.About.Deprecated && !f.deprecated:
	case f.important && !t.Important && f.hasImportant[t.Toolkit.Slug]:
	case len(f.tags) > 0 && !slices.ContainsFunc(t.Tags(), func(tag string) bool { return slices.Contains(f.tags, tag) }):
	case len(f.scopes) > 0 && len(t.Scopes.Missing(f.scopes)) > 0:
	default:
		return true
	}
	return false
}

func (s *server) listTools(ctx context.Context, in *listQuery) (page[toolOut], error) {
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return page[toolOut]{}, err
	}
	tools, err := s.findTools(ctx, &in.Query)
	if err != nil {
		return page[toolOut]{}, err
	}
	return cut(w, tools, toolWire(callerOf(ctx).v3)), nil
}

func (s *server) findTools(ctx context.Context, q *Query) ([]*catalog.Tool, error) {
	project := callerOf(ctx).principal.ProjectID
	if slugs := q.list("tool_slugs"); len(slugs) > 0 {
		var found []*catalog.Tool
		for _, slug := range slugs {
			t, err := s.Catalog.Tool(ctx, project, slug, "")
			if err != nil {
				return nil, err
			}
			if t, err = s.Catalog.Tool(ctx, project, slug, q.version(t.Toolkit.Slug)); err != nil {
				return nil, err
			}
			found = append(found, t)
		}
		return found, nil
	}
	f, err := s.toolFilter(ctx, q)
	if err != nil {
		return nil, err
	}
	words := q.text("query")
	if words == "" {
		words = q.text("search")
	}
	if words != "" {
		var found []*catalog.Tool
		for _, hit := range s.Catalog.Search(ctx, project, words, maxTools, f.keeps) {
			found = append(found, hit.Tool)
		}
		return found, nil
	}
	var found []*catalog.Tool
	for _, t := range s.Catalog.Tools(ctx, project) {
		if f.keeps(t) {
			found = append(found, t)
		}
	}
	return found, nil
}

func (s *server) toolFilter(ctx context.Context, q *Query) (*toolFilter, error) {
	project := callerOf(ctx).principal.ProjectID
	important, err := q.flag("important")
	if err != nil {
		return nil, err
	}
	deprecated, err := q.flag("include_deprecated")
	if err != nil {
		return nil, err
	}
	f := &toolFilter{
		toolkits: lower(q.list("toolkit_slug")), tags: q.list("tags"), scopes: q.list("scopes"),
		important: important != nil && *important, deprecated: deprecated != nil && *deprecated,
		hasImportant: map[string]bool{},
	}
	for _, slug := range f.toolkits {
		tk, err := s.Catalog.Toolkit(ctx, project, slug)
		if err != nil {
			return nil, err
		}
		if err := checkVersion(tk, q.version(tk.Slug)); err != nil {
			return nil, err
		}
	}
	if len(f.toolkits) == 0 {
		if err := s.anyVersion(ctx, q, f); err != nil {
			return nil, err
		}
	}
	for _, id := range q.list("auth_config_ids") {
		a, err := s.Connect.AuthConfig(ctx, project, id)
		if err != nil {
			return nil, err
		}
		if f.configs == nil {
			f.configs = map[string][]domain.AuthConfig{}
		}
		f.configs[a.Toolkit] = append(f.configs[a.Toolkit], *a)
	}
	for _, t := range s.Catalog.Tools(ctx, project) {
		if t.Important {
			f.hasImportant[t.Toolkit.Slug] = true
		}
	}
	return f, nil
}

// anyVersion leaves the toolkits that have the version asked for, where none is
// named. One version for all is refused only when no toolkit has it; a version of
// one toolkit when that toolkit has not. Clients send the versions of toolkits that
// are not here too: those say nothing.
func (s *server) anyVersion(ctx context.Context, q *Query, f *toolFilter) error {
	single := q.pairs("toolkit_versions")
	var refused error
	for _, tk := range s.Catalog.Toolkits(ctx, callerOf(ctx).principal.ProjectID) {
		err := checkVersion(tk, q.version(tk.Slug))
		switch {
		case err == nil:
			f.toolkits = append(f.toolkits, tk.Slug)
		case single[tk.Slug] != "":
			return err
		default:
			refused = err
		}
	}
	if len(f.toolkits) == 0 {
		return refused
	}
	return nil
}

// version gives the version that the query asks of a toolkit.
func (q *Query) version(slug string) string {
	if v := q.pairs("toolkit_versions")[slug]; v != "" {
		return v
	}
	return q.text("toolkit_versions")
}

type toolPath struct {
	ToolSlug string `path:"tool_slug"`
	Query
}

func (s *server) getTool(ctx context.Context, in *toolPath) (toolOut, error) {
	c := callerOf(ctx)
	t, err := s.Catalog.Tool(ctx, c.principal.ProjectID, in.ToolSlug, "")
	if err != nil {
		return toolOut{}, err
	}
	version := in.text("version")
	if version == "" {
		version = in.version(t.Toolkit.Slug)
	}
	if t, err = s.Catalog.Tool(ctx, c.principal.ProjectID, in.ToolSlug, version); err != nil {
		return toolOut{}, err
	}
	return toolWire(c.v3)(t), nil
}

func (s *server) toolSlugs(ctx context.Context, _ *struct{}) ([]string, error) {
	return slugs(s.Catalog.Tools(ctx, callerOf(ctx).principal.ProjectID)), nil
}

type executeToolIn struct {
	ToolSlug string `path:"tool_slug"`
	Body     *executeToolBody
}

type executeToolBody struct {
	ConnectedAccountID   string         `json:"connected_account_id,omitempty"`
	UserID               string         `json:"user_id,omitempty" doc:"Whose account to run on"`
	EntityID             string         `json:"entity_id,omitempty" doc:"Older name of user_id"`
	Version              string         `json:"version,omitempty"`
	Arguments            object         `json:"arguments,omitempty"`
	Text                 string         `json:"text,omitempty" doc:"What to do in plain words, in place of arguments; the router's model reads it"`
	CustomAuthParams     authGift       `json:"custom_auth_params,omitempty" doc:"Where and how to call, in place of an account"`
	CustomConnectionData connectionGift `json:"custom_connection_data,omitempty" doc:"Credentials for this call alone, in place of an account's"`
}

// given gives the credentials that come with the call; nil: an account's.
func (b *executeToolBody) given() (*connect.Given, error) {
	data, err := b.CustomConnectionData.given()
	if err != nil {
		return nil, err
	}
	params, err := b.CustomAuthParams.given()
	switch {
	case err != nil:
		return nil, err
	case data == nil:
		return params, nil
	case params != nil:
		return nil, domain.Invalid("custom_auth_params", "custom_auth_params: give it or custom_connection_data, not both")
	}
	return data, nil
}

type executeToolOut struct {
	Data       object  `json:"data"`
	Error      *string `json:"error"`
	Successful bool    `json:"successful"`
	LogID      string  `json:"log_id"`
	AccountID  string  `json:"connected_account_id,omitempty" doc:"The account that the tool ran on"`
}

func (s *server) executeTool(ctx context.Context, in *executeToolIn) (executeToolOut, error) {
	c := callerOf(ctx)
	b := in.Body
	if b == nil {
		b = &executeToolBody{}
	}
	user := b.UserID
	if user == "" {
		user = b.EntityID
	}
	req := execute.Request{
		Principal: c.principal, UserID: user, Tool: in.ToolSlug, Version: strings.TrimSpace(b.Version),
		Arguments: json.RawMessage(b.Arguments), Text: b.Text, Account: b.ConnectedAccountID,
		Door: execute.DoorREST, RequestID: c.requestID, Origin: c.origin,
	}
	var err error
	if req.Given, err = b.given(); err != nil {
		return executeToolOut{}, s.Execute.Refuse(ctx, req, err)
	}
	a, err := s.Execute.Run(ctx, req)
	if err != nil {
		return executeToolOut{}, err
	}
	return executeToolOut{Data: object(a.Object()), Error: errorOf(a), Successful: a.Successful, LogID: a.LogID, AccountID: a.AccountID}, nil
}

type phraseInputIn struct {
	ToolSlug string `path:"tool_slug"`
	Body     *phraseInputBody
}

type phraseInputBody struct {
	Text              string `json:"text" doc:"What the tool is to do, in plain words"`
	CustomDescription string `json:"custom_description,omitempty" doc:"Added to the tool's description"`
	SystemPrompt      string `json:"system_prompt,omitempty" doc:"Added to the model's instructions"`
	Version           string `json:"version,omitempty"`
}

// phraseInputOut has one of its fields.
type phraseInputOut struct {
	Arguments object `json:"arguments,omitempty" doc:"Arguments that fit the tool's schema"`
	Error     string `json:"error,omitempty" doc:"Why the text gave none"`
}

func (s *server) phraseInput(ctx context.Context, in *phraseInputIn) (phraseInputOut, error) {
	b := in.Body
	if b == nil {
		b = &phraseInputBody{}
	}
	args, err := s.Execute.Phrase(ctx, execute.PhraseRequest{
		ProjectID: callerOf(ctx).principal.ProjectID, Tool: in.ToolSlug, Version: strings.TrimSpace(b.Version),
		Text: b.Text, Description: b.CustomDescription, Guidance: b.SystemPrompt,
	})
	var unclear *execute.Unclear
	if errors.As(err, &unclear) {
		return phraseInputOut{Error: unclear.Message}, nil
	}
	return phraseInputOut{Arguments: object(args)}, err
}
