package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// AuthConfig is how a project connects to a toolkit. Secrets are never given
// back.
type AuthConfig struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Scheme  string `json:"auth_scheme"`         // "OAUTH2", "S2S_OAUTH2", "API_KEY"
	Status  string `json:"status"`              // "ENABLED", "DISABLED"
	Managed bool   `json:"is_composio_managed"` // the OAuth app is the server's own
	Toolkit struct {
		Slug string `json:"slug"`
	} `json:"toolkit"`
	// Credentials are the public ones, such as client_id and scopes.
	Credentials map[string]any `json:"credentials"`
	Connections int            `json:"no_of_connections"`
	// Tools, when not empty, are all that may run on the config's accounts.
	Tools []string `json:"restrict_to_following_tools"`
	// ForSessions says whether sessions choose it by themselves.
	ForSessions bool   `json:"is_enabled_for_tool_router"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"last_updated_at"`
}

// NewAuthConfig says what an auth config is to be.
type NewAuthConfig struct {
	Toolkit string
	Scheme  string
	Name    string // chosen by the server when empty
	// Credentials are what AuthConfigFields asks for: client_id, client_secret.
	Credentials map[string]string
	Scopes      []string // the toolkit's own choice when empty
	Tools       []string // all that may run on its accounts; none: every tool
	// ScopesFor are the tools for whose scopes people are asked, in place of Scopes.
	ScopesFor []string
	// NotForSessions keeps sessions from choosing it by themselves.
	NotForSessions bool
}

// AuthConfigChange changes an auth config; nil leaves things as they are.
type AuthConfigChange struct {
	Name *string
	// Credentials replaces the named ones, a secret too; the others stay.
	Credentials map[string]string
	Scopes      *[]string // empty: the toolkit's own choice again
	Tools       *[]string // empty: every tool
	ScopesFor   *[]string // empty: all scopes again
	ForSessions *bool
}

type toolAccess struct {
	Execution *[]string `json:"tools_available_for_execution,omitempty"`
	Creation  *[]string `json:"tools_for_connected_account_creation,omitempty"`
}

// access is what changes of which tools an auth config is for; nil stays.
func access(tools, scopesFor *[]string) toolAccess {
	var a toolAccess
	if tools != nil {
		list := append([]string{}, *tools...)
		a.Execution = &list
	}
	if scopesFor != nil {
		list := append([]string{}, *scopesFor...)
		a.Creation = &list
	}
	return a
}

// named is nil for an empty list.
func named(list []string) *[]string {
	if len(list) == 0 {
		return nil
	}
	return &list
}

func credentials(values map[string]string, scopes *[]string) map[string]any {
	out := map[string]any{}
	for k, v := range values {
		out[k] = v
	}
	if scopes != nil {
		out["scopes"] = append([]string{}, *scopes...)
	}
	return out
}

// CreateAuthConfig makes an auth config. A value that is missing or wrong is an
// *Error that names it.
func (c *Client) CreateAuthConfig(ctx context.Context, n NewAuthConfig) (*AuthConfig, error) {
	config := map[string]any{"type": "use_custom_auth", "authScheme": n.Scheme, "is_enabled_for_tool_router": !n.NotForSessions}
	config["credentials"] = credentials(n.Credentials, named(n.Scopes))
	if n.Name != "" {
		config["name"] = n.Name
	}
	if len(n.Tools)+len(n.ScopesFor) > 0 {
		config["tool_access_config"] = access(named(n.Tools), named(n.ScopesFor))
	}
	in := map[string]any{"toolkit": map[string]string{"slug": n.Toolkit}, "auth_config": config}
	var made struct {
		Config struct {
			ID string `json:"id"`
		} `json:"auth_config"`
	}
	if err := c.do(ctx, http.MethodPost, "/auth_configs", nil, in, &made); err != nil {
		return nil, err
	}
	return c.AuthConfig(ctx, made.Config.ID)
}

// AuthConfigs lists auth configs, newest first, disabled ones too. An empty
// toolkit means every toolkit.
func (c *Client) AuthConfigs(ctx context.Context, toolkit string) iter.Seq2[AuthConfig, error] {
	q := url.Values{"show_disabled": {"true"}}
	if toolkit != "" {
		q.Set("toolkit_slug", toolkit)
	}
	return pages[AuthConfig](ctx, c, "/auth_configs", q)
}

// AuthConfig gives one auth config.
func (c *Client) AuthConfig(ctx context.Context, id string) (*AuthConfig, error) {
	var a AuthConfig
	if err := c.do(ctx, http.MethodGet, "/auth_configs/"+url.PathEscape(id), nil, nil, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

// UpdateAuthConfig changes an auth config and gives it as it is then.
func (c *Client) UpdateAuthConfig(ctx context.Context, id string, change AuthConfigChange) (*AuthConfig, error) {
	in := map[string]any{"type": "custom"}
	if change.Name != nil {
		in["name"] = *change.Name
	}
	if len(change.Credentials) > 0 || change.Scopes != nil {
		in["credentials"] = credentials(change.Credentials, change.Scopes)
	}
	if change.Tools != nil || change.ScopesFor != nil {
		in["tool_access_config"] = access(change.Tools, change.ScopesFor)
	}
	if change.ForSessions != nil {
		in["is_enabled_for_tool_router"] = *change.ForSessions
	}
	if err := c.do(ctx, http.MethodPatch, "/auth_configs/"+url.PathEscape(id), nil, in, nil); err != nil {
		return nil, err
	}
	return c.AuthConfig(ctx, id)
}

// EnableAuthConfig enables or disables an auth config: on accounts of a disabled
// one nothing runs.
func (c *Client) EnableAuthConfig(ctx context.Context, id string, enabled bool) error {
	status := "DISABLED"
	if enabled {
		status = "ENABLED"
	}
	return c.do(ctx, http.MethodPatch, "/auth_configs/"+url.PathEscape(id)+"/"+status, nil, nil, nil)
}

// DeleteAuthConfig removes an auth config with all its accounts; with revoke
// their grants are ended at the provider before.
func (c *Client) DeleteAuthConfig(ctx context.Context, id string, revoke bool) error {
	return c.do(ctx, http.MethodDelete, "/auth_configs/"+url.PathEscape(id), revokeQuery(revoke), nil, nil)
}

func revokeQuery(revoke bool) url.Values {
	if !revoke {
		return nil
	}
	return url.Values{"revoke_on_delete": {"true"}}
}
