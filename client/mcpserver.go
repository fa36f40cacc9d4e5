package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// MCPServer is a fixed set of tools, which any user of the project can have under
// one address.
type MCPServer struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Toolkits      []string `json:"toolkits"`
	Tools         []string `json:"allowed_tools"` // every tool that it has now
	AuthConfigIDs []string `json:"auth_config_ids"`
	URL           string   `json:"mcp_url"` // without a user: see MCPServerURLs
	Instances     int      `json:"server_instance_count"`
	ManagedAuth   bool     `json:"managed_auth_via_composio"`
	CreatedAt     string   `json:"created_at"`
	UpdatedAt     string   `json:"updated_at"`
}

// MCPServerChange makes or changes an MCP server: what is nil is left out. A new
// one needs a name of 4 to 30 letters, digits, spaces and hyphens, and a toolkit,
// tool or auth config.
type MCPServerChange struct {
	Name     *string   `json:"name,omitempty"`
	Toolkits *[]string `json:"toolkits,omitempty"`
	// Tools are the only ones that it serves; empty: all of its toolkits.
	Tools *[]string `json:"allowed_tools,omitempty"`
	// AuthConfigIDs are the ones on whose accounts its tools run, one a toolkit.
	AuthConfigIDs *[]string `json:"auth_config_ids,omitempty"`
	// ManagedAuth adds the tool by which an agent connects its user.
	ManagedAuth *bool `json:"managed_auth_via_composio,omitempty"`
}

// MCPServerURLs are addresses of an MCP server, in the order in which users and
// accounts were named.
type MCPServerURLs struct {
	Users    []string `json:"user_ids_url"`
	Accounts []string `json:"connected_account_urls"`
}

// MCPInstance says that a user has an MCP server.
type MCPInstance struct {
	ID        string `json:"id"`
	UserID    string `json:"instance_id"`
	ServerID  string `json:"mcp_server_id"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

const mcpServers = "/mcp/servers"

// CreateMCPServer makes an MCP server.
func (c *Client) CreateMCPServer(ctx context.Context, in MCPServerChange) (*MCPServer, error) {
	var made MCPServer
	if err := c.do(ctx, http.MethodPost, mcpServers+"/custom", nil, in, &made); err != nil {
		return nil, err
	}
	return c.MCPServer(ctx, made.ID) // the answer to making one says less
}

// MCPServer gives an MCP server by its id.
func (c *Client) MCPServer(ctx context.Context, id string) (*MCPServer, error) {
	return c.mcpServer(ctx, http.MethodGet, id, nil)
}

// UpdateMCPServer changes an MCP server; its addresses stay.
func (c *Client) UpdateMCPServer(ctx context.Context, id string, change MCPServerChange) (*MCPServer, error) {
	return c.mcpServer(ctx, http.MethodPatch, id, change)
}

func (c *Client) mcpServer(ctx context.Context, method, id string, in any) (*MCPServer, error) {
	var out MCPServer
	if err := c.do(ctx, method, "/mcp/"+url.PathEscape(id), nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// DeleteMCPServer deletes an MCP server: its addresses answer 404 from then on.
func (c *Client) DeleteMCPServer(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/mcp/"+url.PathEscape(id), nil, nil, nil)
}

// MCPServerQuery narrows a list of MCP servers; empty fields do not.
type MCPServerQuery struct {
	Name          string   // a part of it, in any case
	Toolkits      []string // with one of them
	AuthConfigIDs []string // with one of them
}

// MCPServers lists the project's MCP servers, newest first.
func (c *Client) MCPServers(ctx context.Context, q MCPServerQuery) iter.Seq2[MCPServer, error] {
	return numbered[MCPServer](ctx, c, mcpServers, values(map[string]string{"name": q.Name},
		map[string][]string{"toolkits": q.Toolkits, "auth_config_ids": q.AuthConfigIDs}))
}

// MCPServerURLs makes addresses of an MCP server for users and for connected
// accounts. Where the project asks for no API key on them they hold a token, and
// are secrets.
func (c *Client) MCPServerURLs(ctx context.Context, id string, users, accounts []string) (*MCPServerURLs, error) {
	var out MCPServerURLs
	in := map[string]any{"mcp_server_id": id, "user_ids": users, "connected_account_ids": accounts}
	if err := c.do(ctx, http.MethodPost, mcpServers+"/generate", nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// MCPInstances lists the users who have an MCP server, newest first.
func (c *Client) MCPInstances(ctx context.Context, serverID string) iter.Seq2[MCPInstance, error] {
	return numbered[MCPInstance](ctx, c, mcpServers+"/"+url.PathEscape(serverID)+"/instances", url.Values{})
}

// CreateMCPInstance gives an MCP server to a user, who must be connected to each
// of its auth configs.
func (c *Client) CreateMCPInstance(ctx context.Context, serverID, userID string) (*MCPInstance, error) {
	var out MCPInstance
	err := c.do(ctx, http.MethodPost, mcpServers+"/"+url.PathEscape(serverID)+"/instances", nil, map[string]string{"user_id": userID}, &out)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// DeleteMCPInstance takes an MCP server from a user, deletes the user's accounts
// of its auth configs, and says how many those were.
func (c *Client) DeleteMCPInstance(ctx context.Context, serverID, userID string) (accounts int, err error) {
	var out struct {
		Accounts int `json:"deleted_connected_accounts"`
	}
	err = c.do(ctx, http.MethodDelete, mcpServers+"/"+url.PathEscape(serverID)+"/instances/"+url.PathEscape(userID), nil, nil, &out)
	return out.Accounts, err
}
