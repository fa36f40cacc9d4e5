package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
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
	handle(s, operation{
		id: "updateAuthConfig", method: http.MethodPatch, path: "/auth_configs/{nanoid}", tag: "auth configs",
		summary: "Change an auth config; what is not named stays",
	}, s.updateAuthConfig)
	handle(s, operation{
		id: "enableAuthConfig", method: http.MethodPatch, path: "/auth_configs/{nanoid}/{status}", tag: "auth configs",
		summary: "Enable or disable an auth config: on accounts of a disabled one nothing runs",
	}, s.enableAuthConfig)
	handle(s, operation{
		id: "deleteAuthConfig", method: http.MethodDelete, path: "/auth_configs/{nanoid}", tag: "auth configs",
		summary: "Delete an auth config with its accounts",
		query:   []param{{"revoke_on_delete", huma.TypeBoolean, "End the accounts' grants at the provider before"}},
	}, s.deleteAuthConfig)
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
	Creation  *[]string `json:"tools_for_connected_account_creation,omitempty" doc:"Narrow the scopes that are asked for to what these tools need"`
	Execution *[]string `json:"tools_available_for_execution,omitempty" doc:"All that may run on the config's accounts; none: every tool"`
}

type authConfigIn struct {
	Type              string            `json:"type,omitempty" doc:"use_custom_auth, or use_composio_managed_auth: there are no managed credentials here, so it gives the project's newest config that has its own application at the provider, else one for API keys"`
	Name              string            `json:"name,omitempty" maxLength:"200"`
	AuthScheme        domain.AuthScheme `json:"authScheme,omitempty" doc:"As the toolkit's auth_config_details name it: OAUTH2, S2S_OAUTH2, API_KEY"`
	Credentials       object            `json:"credentials,omitempty" doc:"What the toolkit's auth_config_creation asks for, such as client_id and client_secret; scopes as a text or a list. Secrets are sealed and never given back"`
	SharedCredentials object            `json:"shared_credentials,omitempty" doc:"Not offered yet"`
	ProxyConfig       object            `json:"proxy_config,omitempty" doc:"Not offered yet"`
	RestrictTo        *[]string         `json:"restrict_to_following_tools,omitempty" doc:"Older name of tool_access_config.tools_available_for_execution"`
	ToolAccess        toolAccessIn      `json:"tool_access_config,omitempty"`
	ForToolRouter     *bool             `json:"is_enabled_for_tool_router,omitempty" doc:"false: sessions use it only when their auth_configs name it"`
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
	RestrictTo        []string          `json:"restrict_to_following_tools,omitempty"`
}

func (s *server) createAuthConfig(ctx context.Context, in *createAuthConfigIn) (createdAuthConfig, error) {
	a := in.Body.AuthConfig
	if a == nil {
		a = &authConfigIn{}
	}
	asked, err := a.asked()
	if err != nil {
		return createdAuthConfig{}, err
	}
	asked.Toolkit = in.Body.Toolkit.Slug
	made, err := s.Connect.CreateAuthConfig(ctx, callerOf(ctx).principal.ProjectID, asked)
	if err != nil {
		return createdAuthConfig{}, within("auth_config", err)
	}
	return createdAuthConfig{
		Toolkit:    slugOut{Slug: made.Toolkit},
		AuthConfig: authCreated{ID: made.ID, AuthScheme: made.Scheme, RestrictTo: made.Tools},
	}, nil
}

// asked reads what is asked for, and refuses by name what would be dropped
// silently.
func (in *authConfigIn) asked() (connect.NewAuthConfig, error) {
	out := connect.NewAuthConfig{Name: strings.TrimSpace(in.Name)}
	switch {
	case !in.SharedCredentials.empty():
		return out, notOfferedOption("auth_config.shared_credentials", "Leave it out.")
	case !in.ProxyConfig.empty():
		return out, notOfferedOption("auth_config.proxy_config", "Leave it out.")
	}
	switch in.Type {
	case "", "use_composio_managed_auth":
		out.Managed = true
	case "use_custom_auth":
		if in.AuthScheme == "" {
			return out, domain.Invalid("auth_config.authScheme", "auth_config.authScheme is required with use_custom_auth").
				WithFix("Use a mode of the toolkit's auth_config_details, such as API_KEY.")
		}
		out.Scheme = in.AuthScheme
	default:
		return out, domain.Invalid("auth_config.type", "auth_config.type: expected use_composio_managed_auth or use_custom_auth")
	}
	creds, err := readCredentials("auth_config.credentials", in.Credentials)
	if err != nil {
		return out, err
	}
	out.Credentials = creds.values
	if creds.scopes != nil {
		out.Scopes = *creds.scopes
	}
	tools, creation, err := toolAccess("auth_config.", in.RestrictTo, &in.ToolAccess)
	if err != nil {
		return out, err
	}
	if tools != nil {
		out.Tools = *tools
	}
	if creation != nil {
		out.CreationTools = *creation
	}
	out.RouterOff = in.ForToolRouter != nil && !*in.ForToolRouter
	return out, nil
}

// credentials are what a config's credentials say.
type credentials struct {
	values map[string]string
	scopes *[]string // nil: not given
}

// readCredentials takes texts, and scopes as a text or a list.
func readCredentials(field string, o object) (credentials, error) {
	var out credentials
	if len(o) == 0 {
		return out, nil
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(o, &in); err != nil {
		return out, domain.Invalid(field, "%s: expected an object", field)
	}
	for k, raw := range in {
		at := field + "." + k
		switch {
		case k == "scopes" || k == "user_scopes":
			var list stringOrList
			if string(raw) != "null" {
				if err := json.Unmarshal(raw, &list); err != nil {
					return out, domain.Invalid(at, "%s: expected a text or a list of texts", at)
				}
			}
			scopes := splitScopes(list)
			if k == "user_scopes" {
				if len(scopes) > 0 {
					return out, notOfferedOption(at, "Put all scopes into scopes.")
				}
				continue
			}
			out.scopes = &scopes
		default:
			var text *string
			if err := json.Unmarshal(raw, &text); err != nil {
				return out, domain.Invalid(at, "%s: expected a text", at)
			}
			if out.values == nil {
				out.values = map[string]string{}
			}
			if text == nil {
				text = new(string)
			}
			out.values[k] = *text
		}
	}
	return out, nil
}

// splitScopes takes scopes apart that are written in one text, with commas or
// spaces between them. No scope is nil: the toolkit's own choice.
func splitScopes(list []string) []string {
	var out []string
	for _, text := range list {
		out = append(out, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })...)
	}
	return out
}

// toolAccess gives the tools that may run and those that scopes are asked for,
// under either name; nil: not given.
func toolAccess(at string, restrictTo *[]string, in *toolAccessIn) (tools, creation *[]string, err error) {
	if restrictTo != nil && in.Execution != nil && !slices.Equal(*restrictTo, *in.Execution) {
		return nil, nil, domain.Invalid(at+"restrict_to_following_tools",
			"%srestrict_to_following_tools and tool_access_config.tools_available_for_execution mean the same, and differ", at).
			WithFix("Give one of them.")
	}
	if tools = in.Execution; tools == nil {
		tools = restrictTo
	}
	return tools, in.Creation, nil
}

// within puts the place of an object before the field of an error in it.
func within(at string, err error) error {
	e := domain.AsError(err)
	if e.Code != domain.CodeInvalid || e.Field == "" || e.Field == "toolkit" {
		return err
	}
	c := *e
	if c.Message, _ = strings.CutPrefix(c.Message, c.Field); c.Message != e.Message {
		c.Message = at + "." + c.Field + c.Message
	}
	c.Field = at + "." + c.Field
	return &c
}

type updateAuthConfigIn struct {
	NanoPath
	Body struct {
		Type              string        `json:"type,omitempty" doc:"custom or default; both are read alike"`
		Name              *string       `json:"name,omitempty" maxLength:"200"`
		Credentials       object        `json:"credentials,omitempty" doc:"New values; those that are not named stay. Empty takes an optional one away. A new client_secret is put in the place of the one before"`
		Scopes            *stringOrList `json:"scopes,omitempty" doc:"As credentials.scopes"`
		UserScopes        *stringOrList `json:"user_scopes,omitempty" doc:"Not offered yet"`
		SharedCredentials object        `json:"shared_credentials,omitempty" doc:"Not offered yet"`
		ProxyConfig       object        `json:"proxy_config,omitempty" doc:"Not offered yet"`
		RestrictTo        *[]string     `json:"restrict_to_following_tools,omitempty" doc:"Older name of tool_access_config.tools_available_for_execution"`
		ToolAccess        toolAccessIn  `json:"tool_access_config,omitempty"`
		ForToolRouter     *bool         `json:"is_enabled_for_tool_router,omitempty"`
	}
}

// changedConfig is what newer clients read; older ones take any object.
type changedConfig struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

func (s *server) updateAuthConfig(ctx context.Context, in *updateAuthConfigIn) (changedConfig, error) {
	b := &in.Body
	switch {
	case b.Type != "" && b.Type != "custom" && b.Type != "default":
		return changedConfig{}, domain.Invalid("type", "type: expected custom or default")
	case !b.SharedCredentials.empty():
		return changedConfig{}, notOfferedOption("shared_credentials", "Leave it out.")
	case !b.ProxyConfig.empty():
		return changedConfig{}, notOfferedOption("proxy_config", "Leave it out.")
	case b.UserScopes != nil && len(splitScopes(*b.UserScopes)) > 0:
		return changedConfig{}, notOfferedOption("user_scopes", "Put all scopes into scopes.")
	}
	creds, err := readCredentials("credentials", b.Credentials)
	if err != nil {
		return changedConfig{}, err
	}
	if b.Scopes != nil && creds.scopes == nil {
		scopes := splitScopes(*b.Scopes)
		creds.scopes = &scopes
	}
	change := connect.AuthConfigChange{Name: b.Name, Credentials: creds.values, Scopes: creds.scopes}
	if change.Tools, change.CreationTools, err = toolAccess("", b.RestrictTo, &b.ToolAccess); err != nil {
		return changedConfig{}, err
	}
	if b.ForToolRouter != nil {
		off := !*b.ForToolRouter
		change.RouterOff = &off
	}
	_, err = s.Connect.UpdateAuthConfig(ctx, callerOf(ctx).principal.ProjectID, in.ID, change)
	return changed("auth config updated", err)
}

// changed answers a change that was made, unless err says that it was not.
func changed(message string, err error) (changedConfig, error) {
	if err != nil {
		return changedConfig{}, err
	}
	return changedConfig{Success: true, Message: message}, nil
}

type enableAuthConfigIn struct {
	NanoPath
	Status string `path:"status"`
}

func (s *server) enableAuthConfig(ctx context.Context, in *enableAuthConfigIn) (changedConfig, error) {
	on := strings.EqualFold(in.Status, "ENABLED")
	if !on && !strings.EqualFold(in.Status, "DISABLED") {
		return changedConfig{}, domain.Invalid("status", "status: expected ENABLED or DISABLED")
	}
	return changed("auth config "+strings.ToLower(in.Status), s.Connect.EnableAuthConfig(ctx, callerOf(ctx).principal.ProjectID, in.ID, on))
}

type deleteIn struct {
	NanoPath
	Query
}

func (s *server) deleteAuthConfig(ctx context.Context, in *deleteIn) (changedConfig, error) {
	revoke, err := in.flag("revoke_on_delete")
	if err != nil {
		return changedConfig{}, err
	}
	project := callerOf(ctx).principal.ProjectID
	return changed("auth config deleted", s.Connect.DeleteAuthConfig(ctx, project, in.ID, revoke != nil && *revoke))
}

type authConfigOut struct {
	ID                string            `json:"id"`
	UUID              string            `json:"uuid"`
	Type              string            `json:"type" enum:"default,custom"`
	Toolkit           authToolkit       `json:"toolkit"`
	Name              string            `json:"name"`
	AuthScheme        domain.AuthScheme `json:"auth_scheme"`
	IsComposioManaged bool              `json:"is_composio_managed"`
	Credentials       map[string]any    `json:"credentials" doc:"The public ones; never a secret"`
	Status            string            `json:"status" enum:"ENABLED,DISABLED"`
	CreatedAt         string            `json:"created_at"`
	LastUpdatedAt     string            `json:"last_updated_at"`
	Connections       int               `json:"no_of_connections"`
	ExpectedFields    []fieldOut        `json:"expected_input_fields" doc:"What is asked of a user who connects"`
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

// NanoPath is the id in an operation's path, embedded in its input.
type NanoPath struct {
	ID string `path:"nanoid"`
}

func (s *server) getAuthConfig(ctx context.Context, in *NanoPath) (authConfigOut, error) {
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
	logo, fields := "", []fieldOut{}
	if tk, err := s.Catalog.Toolkit(ctx, a.ProjectID, a.Toolkit); err == nil { // it may have left the catalogue
		logo = tk.Logo
		for i := range tk.Auth {
			if tk.Auth[i].Scheme == string(a.Scheme) {
				all := fieldsWire(tk.Auth[i].Fields)
				fields = append(all.Required, all.Optional...)
			}
		}
	}
	status := "ENABLED"
	if a.Disabled {
		status = "DISABLED"
	}
	uuid := twinID("auth_config", a.ID)
	public := map[string]any{}
	for k, v := range a.Fields {
		public[k] = v
	}
	if a.Scopes != nil {
		public["scopes"] = a.Scopes
	}
	if a.Scheme == domain.SchemeOAuth2 && public["oauth_redirect_uri"] == nil {
		// What has to be registered at the provider, where the project names none.
		if uri, err := s.Connect.RedirectURI(ctx, &a, callerOf(ctx).origin); err == nil {
			public["oauth_redirect_uri"] = uri
		}
	}
	tools := texts(a.Tools)
	return authConfigOut{
		ID: a.ID, UUID: uuid, Type: "custom", Toolkit: authToolkit{Slug: a.Toolkit, Logo: logo}, Name: a.Name,
		AuthScheme: a.Scheme, Credentials: public, Status: status, CreatedAt: wireTime(a.CreatedAt), LastUpdatedAt: wireTime(a.UpdatedAt),
		Connections: connections, ExpectedFields: fields, RestrictTo: tools,
		ToolAccess:    toolAccessOut{Creation: texts(a.CreationTools), Execution: tools},
		ForToolRouter: !a.RouterOff, Twin: authTwin{ConnectorID: uuid},
	}, nil
}

// texts is a list that is never null.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
