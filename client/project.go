package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// KeyInfo says whose API key the client has.
type KeyInfo struct {
	Key struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		CreatedAt string `json:"created_at"`
	} `json:"api_key"`
	Project struct {
		ID string `json:"nano_id"`
	} `json:"project"`
}

// KeyInfo says whose API key the client has; it is the cheapest way to try one.
func (c *Client) KeyInfo(ctx context.Context) (*KeyInfo, error) {
	var k KeyInfo
	if err := c.do(ctx, http.MethodGet, "/auth/session/info", nil, nil, &k); err != nil {
		return nil, err
	}
	return &k, nil
}

// RevokeAPIKeys revokes keys that have become known to others, whosever they are.
// Whether they were keys at all is not told.
func (c *Client) RevokeAPIKeys(ctx context.Context, keys ...string) error {
	return c.do(ctx, http.MethodPost, "/api_key_revocation", nil, map[string][]string{"api_keys": keys}, nil)
}

// Project is what has keys, and all else that is not another project's.
type Project struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// Projects lists the projects that the API key may see.
func (c *Client) Projects(ctx context.Context) iter.Seq2[Project, error] {
	return pages[Project](ctx, c, "/org/project/list", url.Values{})
}

// ProjectConfig are the project's switches.
type ProjectConfig struct {
	DisplayName string `json:"display_name"`
	LogoURL     string `json:"logo_url"`
	// LogVisibility is show_all, or dont_store_data: then records of calls hold no
	// arguments.
	LogVisibility string `json:"log_visibility_setting"`
	MaskSecrets   bool   `json:"mask_secret_keys_in_connected_account"`
	RequireMCPKey bool   `json:"require_mcp_api_key"` // on the addresses of MCP servers
}

// ProjectConfigChange changes switches; what is nil stays.
type ProjectConfigChange struct {
	DisplayName   *string `json:"display_name,omitempty"`
	LogoURL       *string `json:"logo_url,omitempty"`
	LogVisibility *string `json:"log_visibility_setting,omitempty"`
	MaskSecrets   *bool   `json:"mask_secret_keys_in_connected_account,omitempty"`
	RequireMCPKey *bool   `json:"require_mcp_api_key,omitempty"`
}

const projectConfig = "/org/project/config"

// ProjectConfig gives the project's switches.
func (c *Client) ProjectConfig(ctx context.Context) (*ProjectConfig, error) {
	var p ProjectConfig
	if err := c.do(ctx, http.MethodGet, projectConfig, nil, nil, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// UpdateProjectConfig changes switches and gives all as they are then.
func (c *Client) UpdateProjectConfig(ctx context.Context, change ProjectConfigChange) (*ProjectConfig, error) {
	var p ProjectConfig
	if err := c.do(ctx, http.MethodPatch, projectConfig, nil, change, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// Branding is how the project's connect pages look.
type Branding struct {
	Name  string `json:"name"`
	Logo  string `json:"logo"`  // an address, or a data: URL
	Color string `json:"color"` // such as #0a7d55
}

// BrandingChange changes the look; what is nil stays.
type BrandingChange struct {
	Name  *string `json:"name,omitempty"`
	Logo  *string `json:"logo,omitempty"`
	Color *string `json:"color,omitempty"`
}

const branding = "/sluice/branding"

// Branding gives how the project's connect pages look.
func (c *Client) Branding(ctx context.Context) (*Branding, error) {
	var b Branding
	if err := c.do(ctx, http.MethodGet, branding, nil, nil, &b); err != nil {
		return nil, err
	}
	return &b, nil
}

// SetBranding changes how the project's connect pages look.
func (c *Client) SetBranding(ctx context.Context, change BrandingChange) (*Branding, error) {
	var b Branding
	if err := c.do(ctx, http.MethodPatch, branding, nil, change, &b); err != nil {
		return nil, err
	}
	return &b, nil
}
