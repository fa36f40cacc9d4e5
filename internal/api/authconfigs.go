package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

func (s *server) authConfigRoutes() {
	handle(s, operation{
		id: "createAuthConfig", method: http.MethodPost, path: "/auth_configs", tag: "auth configs",
		summary: "Create an auth config", status: http.StatusCreated,
	}, s.createAuthConfig)
	handle(s, operation{
		id: "listAuthConfigs", method: http.MethodGet, path: "/auth_configs", tag: "auth configs", summary: "List auth configs",
		query: paged(
			param{"toolkit_slug", huma.TypeString, "Only of this toolkit"},
			param{"is_composio_managed", huma.TypeBoolean, "true gives none: credentials are the project's own"},
			param{"show_disabled", huma.TypeBoolean, "Disabled ones too"},
			param{"search", huma.TypeString, "Words of name, id or toolkit"},
		),
	}, s.listAuthConfigs)
	handle(s, operation{
		id: "getAuthConfig", method: http.MethodGet, path: "/auth_configs/{nanoid}", tag: "auth configs", summary: "Get an auth config",
	}, s.getAuthConfig)
}

type createAuthConfigIn struct {
	Body struct {
		Toolkit    slugIn        `json:"toolkit"`
		AuthConfig *authConfigIn `json:"auth_config,omitempty"`
	}
}

type slugIn struct {
	Slug string `json:"slug" minLength:"1"`
}

type toolAccessIn struct {
	Creation  []string `json:"tools_for_connected_account_creation,omitempty"`
	Execution []string `json:"tools_available_for_execution,omitempty"`
}

type authConfigIn struct {
	Type              string            `json:"type,omitempty" doc:"use_composio_managed_auth or use_custom_auth; both make a config with the project's own credentials"`
	Name              string            `json:"name,omitempty" maxLength:"128"`
	AuthScheme        domain.AuthScheme `json:"authScheme,omitempty" doc:"API_KEY"`
	Credentials       object            `json:"credentials,omitempty"`
	SharedCredentials object            `json:"shared_credentials,omitempty" doc:"Not offered yet"`
	ProxyConfig       object            `json:"proxy_config,omitempty" doc:"Not offered yet"`
	RestrictTo        []string          `json:"restrict_to_following_tools,omitempty" doc:"Not offered yet"`
	ToolAccess        toolAccessIn      `json:"tool_access_config,omitempty" doc:"Not offered yet"`
}

type createdAuthConfig struct {
	Toolkit    slugOut     `json:"toolkit"`
	AuthConfig authCreated `json:"auth_config"`
}

type slugOut struct {
	Slug string `json:"slug"`
}

type authCreated struct {
	ID                string            `json:"id"`
	AuthScheme        domain.AuthScheme `json:"auth_scheme"`
	IsComposioManaged bool              `json:"is_composio_managed"`
}

func (s *server) createAuthConfig(ctx context.Context, in *createAuthConfigIn) (createdAuthConfig, error) {
	c := callerOf(ctx)
	tk, err := s.Catalog.Toolkit(ctx, c.principal.ProjectID, in.Body.Toolkit.Slug)
	if err != nil {
		return createdAuthConfig{}, err
	}
	a := in.Body.AuthConfig
	if a == nil {
		a = &authConfigIn{}
	}
	scheme, err := a.scheme(tk)
	if err != nil {
		return createdAuthConfig{}, err
	}
	made, err := s.Connect.CreateAuthConfig(ctx, c.principal.ProjectID, tk.Slug, a.Name, scheme)
	if err != nil {
		return createdAuthConfig{}, err
	}
	return createdAuthConfig{
		Toolkit:    slugOut{Slug: made.Toolkit},
		AuthConfig: authCreated{ID: made.ID, AuthScheme: made.Scheme},
	}, nil
}

// scheme gives the scheme that is asked for, and refuses by name what would be
// dropped silently. Without managed credentials, "managed" means the scheme
// that needs none of the project: the user's own key.
func (in *authConfigIn) scheme(tk *toolkit.Toolkit) (domain.AuthScheme, error) {
	switch {
	case !in.SharedCredentials.empty():
		return "", notOfferedOption("auth_config.shared_credentials", "Leave it out.")
	case !in.ProxyConfig.empty():
		return "", notOfferedOption("auth_config.proxy_config", "Leave it out.")
	case len(in.RestrictTo) > 0:
		return "", notOfferedOption("auth_config.restrict_to_following_tools", "Restrict the session's tools instead.")
	case len(in.ToolAccess.Creation)+len(in.ToolAccess.Execution) > 0:
		return "", notOfferedOption("auth_config.tool_access_config", "Restrict the session's tools instead.")
	case tk.NoAuth():
		return "", domain.Invalid("toolkit.slug", "toolkit %s needs no authentication, so it has no auth configs", tk.Slug)
	}
	scheme := in.AuthScheme
	switch in.Type {
	case "", "use_composio_managed_auth":
		scheme = domain.SchemeAPIKey
	case "use_custom_auth":
		if scheme == "" {
			return "", domain.Invalid("auth_config.authScheme", "auth_config.authScheme is required with use_custom_auth").
				WithFix("Use API_KEY.")
		}
	default:
		return "", domain.Invalid("auth_config.type", "auth_config.type: expected use_composio_managed_auth or use_custom_auth")
	}
	has := slices.ContainsFunc(tk.Auth, func(a toolkit.Auth) bool { return a.Scheme == string(scheme) })
	switch {
	case scheme != domain.SchemeAPIKey:
		return "", notOfferedOption("auth_config.authScheme "+string(scheme), "Use API_KEY.")
	case !has:
		return "", domain.Invalid("auth_config.authScheme", "toolkit %s cannot be connected with API_KEY", tk.Slug).
			WithFix("It takes %s.", strings.Join(schemes(tk), ", "))
	}
	return scheme, nil
}

type authConfigOut struct {
	ID                string            `json:"id"`
	UUID              string            `json:"uuid"`
	Type              string            `json:"type" enum:"default,custom"`
	Toolkit           authToolkit       `json:"toolkit"`
	Name              string            `json:"name"`
	AuthScheme        domain.AuthScheme `json:"auth_scheme"`
	IsComposioManaged bool              `json:"is_composio_managed"`
	Credentials       object            `json:"credentials"`
	Status            string            `json:"status" enum:"ENABLED,DISABLED"`
	CreatedAt         string            `json:"created_at"`
	LastUpdatedAt     string            `json:"last_updated_at"`
	Connections       int               `json:"no_of_connections"`
	ExpectedFields    []object          `json:"expected_input_fields"`
	RestrictTo        []string          `json:"restrict_to_following_tools"`
	ToolAccess        toolAccessOut     `json:"tool_access_config"`
	ForToolRouter     bool              `json:"is_enabled_for_tool_router"`
	Twin              authTwin          `json:"deprecated_params"`
}

type authToolkit struct {
	Slug string `json:"slug"`
	Logo string `json:"logo"`
}

type toolAccessOut struct {
	Creation  []string `json:"tools_for_connected_account_creation"`
	Execution []string `json:"tools_available_for_execution"`
}

type authTwin struct {
	ConnectorID string `json:"default_connector_id"`
}

// maxAuthConfigs bounds a page: each item counts its connections.
const maxAuthConfigs = 100

func (s *server) listAuthConfigs(ctx context.Context, in *listQuery) (page[authConfigOut], error) {
	var none page[authConfigOut]
	w, err := in.window(defaultPage, maxAuthConfigs)
	if err != nil {
		return none, err
	}
	managed, err := in.flag("is_composio_managed")
	if err != nil {
		return none, err
	}
	disabled, err := in.flag("show_disabled")
	if err != nil {
		return none, err
	}
	project := callerOf(ctx).principal.ProjectID
	slug := strings.ToLower(in.text("toolkit_slug"))
	if slug != "" {
		if _, err := s.Catalog.Toolkit(ctx, project, slug); err != nil {
			return none, err
		}
	}
	if managed != nil && *managed {
		return pageOf[authConfigOut](w, nil, 0), nil
	}
	// A project has few; the filters below are not the store's.
	all, _, err := s.Connect.AuthConfigs(ctx, project, slug, store.Page{Limit: maxTools})
	if err != nil {
		return none, err
	}
	words := in.text("search")
	all = slices.DeleteFunc(all, func(a domain.AuthConfig) bool {
		return (a.Disabled && (disabled == nil || !*disabled)) || !mentions(words, a.ID, a.Name, a.Toolkit)
	})
	from := min((w.page-1)*w.limit, len(all))
	items := make([]authConfigOut, 0, w.limit)
	for _, a := range all[from:min(from+w.limit, len(all))] {
		one, err := s.authConfigWire(ctx, a)
		if err != nil {
			return none, err
		}
		items = append(items, one)
	}
	return pageOf(w, items, len(all)), nil
}

type nanoPath struct {
	ID string `path:"nanoid"`
}

func (s *server) getAuthConfig(ctx context.Context, in *nanoPath) (authConfigOut, error) {
	a, err := s.Connect.AuthConfig(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return authConfigOut{}, err
	}
	return s.authConfigWire(ctx, *a)
}

func (s *server) authConfigWire(ctx context.Context, a domain.AuthConfig) (authConfigOut, error) {
	_, connections, err := s.Connect.Accounts(ctx, a.ProjectID, store.AccountFilter{AuthConfigIDs: []string{a.ID}}, store.Page{Limit: 1})
	if err != nil {
		return authConfigOut{}, err
	}
	logo := ""
	if tk, err := s.Catalog.Toolkit(ctx, a.ProjectID, a.Toolkit); err == nil { // it may have left the catalogue
		logo = tk.Logo
	}
	status := "ENABLED"
	if a.Disabled {
		status = "DISABLED"
	}
	uuid := twinID("auth_config", a.ID)
	return authConfigOut{
		ID: a.ID, UUID: uuid, Type: "custom", Toolkit: authToolkit{Slug: a.Toolkit, Logo: logo}, Name: a.Name,
		AuthScheme: a.Scheme, Status: status, CreatedAt: wireTime(a.CreatedAt), LastUpdatedAt: wireTime(a.UpdatedAt),
		Connections: connections, ExpectedFields: []object{}, RestrictTo: []string{},
		ToolAccess:    toolAccessOut{Creation: []string{}, Execution: []string{}},
		ForToolRouter: true, Twin: authTwin{ConnectorID: uuid},
	}, nil
}
