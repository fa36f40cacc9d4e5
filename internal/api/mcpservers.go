package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/internal/store"
)

const mcpTag = "MCP servers"

// MCP servers have pages by number (contract §1.6).
const (
	serversPage   = 10
	instancesPage = 20
)

var (
	orderParams = []param{
		{"order_by", huma.TypeString, "updated_at (the usual) or created_at"},
		{"order_direction", huma.TypeString, "desc (the usual) or asc"},
		{"page_no", huma.TypeInteger, "The page, from 1"},
		{"limit", huma.TypeInteger, "Items on a page; brought into its bounds, never refused"},
	}
	serverParams = append([]param{
		{"name", huma.TypeString, "Part of the name, in any case"},
		{"toolkits", huma.TypeArray, "Only servers that have one of these toolkits"},
		{"auth_config_ids", huma.TypeArray, "Only servers that have one of these auth configs"},
	}, orderParams...)
)

func (s *server) mcpServerRoutes() {
	const servers, instances = "/mcp/servers", "/mcp/servers/{serverId}/instances"
	handle(s, operation{
		id: "createMCPServer", method: http.MethodPost, path: servers, tag: mcpTag,
		summary: "Make an MCP server of auth configs", status: http.StatusCreated,
	}, s.createMCPServer)
	handle(s, operation{
		id: "createCustomMCPServer", method: http.MethodPost, path: servers + "/custom", tag: mcpTag,
		summary: "Make an MCP server of toolkits, auth configs and tools", status: http.StatusCreated,
	}, s.createCustomMCPServer)
	handle(s, operation{
		id: "generateMCPURLs", method: http.MethodPost, path: servers + "/generate", tag: mcpTag,
		summary: "Make addresses of an MCP server for users and accounts",
	}, s.generateMCPURLs)
	handle(s, operation{
		id: "listMCPServers", method: http.MethodGet, path: servers, tag: mcpTag,
		summary: "List MCP servers", query: serverParams,
	}, s.listMCPServers)
	handle(s, operation{
		id: "listMCPServersOfApp", method: http.MethodGet, path: "/mcp/app/{appKey}", tag: mcpTag,
		summary: "List the MCP servers that have a toolkit", query: serverParams,
	}, s.listMCPServersOfApp)
	handle(s, operation{
		id: "getMCPServer", method: http.MethodGet, path: "/mcp/{id}", tag: mcpTag, summary: "Get an MCP server",
	}, s.getMCPServer)
	handle(s, operation{
		id: "updateMCPServer", method: http.MethodPatch, path: "/mcp/{id}", tag: mcpTag,
		summary: "Change an MCP server; what is not named stays",
	}, s.updateMCPServer)
	handle(s, operation{
		id: "deleteMCPServer", method: http.MethodDelete, path: "/mcp/{id}", tag: mcpTag,
		summary: "Delete an MCP server with its instances; accounts stay",
	}, s.deleteMCPServer)
	handle(s, operation{
		id: "listMCPInstances", method: http.MethodGet, path: instances, tag: mcpTag,
		summary: "List the users who have an MCP server",
		query:   append([]param{{"search", huma.TypeString, "Part of a user's or an instance's id, in any case"}}, orderParams...),
	}, s.listMCPInstances)
	handle(s, operation{
		id: "createMCPInstance", method: http.MethodPost, path: instances, tag: mcpTag,
		summary: "Give an MCP server to a user who is connected", status: http.StatusCreated,
	}, s.createMCPInstance)
	handle(s, operation{
		id: "deleteMCPInstance", method: http.MethodDelete, path: instances + "/{instanceId}", tag: mcpTag,
		summary: "Take an MCP server from a user, and delete the user's accounts of its auth configs",
	}, s.deleteMCPInstance)
}

type mcpCommands struct {
	Cursor   string `json:"cursor" doc:"What to put into Cursor's mcp.json"`
	Claude   string `json:"claude" doc:"A command line for Claude Code"`
	Windsurf string `json:"windsurf" doc:"What to put into Windsurf's mcp_config.json"`
}

type mcpServerOut struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	AuthConfigIDs []string          `json:"auth_config_ids"`
	AllowedTools  []string          `json:"allowed_tools" doc:"Every tool that the server has now"`
	MCPURL        string            `json:"mcp_url" doc:"Add user_id or connected_account_id"`
	Toolkits      []string          `json:"toolkits"`
	ToolkitIcons  map[string]string `json:"toolkit_icons"`
	Commands      mcpCommands       `json:"commands"`
	UpdatedAt     string            `json:"updated_at"`
	CreatedAt     string            `json:"created_at"`
	Instances     int               `json:"server_instance_count"`
	ManagedAuth   bool              `json:"managed_auth_via_composio" doc:"Its addresses come with the tool that connects accounts, unless said otherwise"`
	Deleted       bool              `json:"deleted" doc:"Always false: a deleted server is gone"`
}

// mcpURL is an address of an MCP server.
func mcpURL(origin, id string, query url.Values) string {
	at := origin + "/v3/mcp/" + id
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	return at
}

func (s *server) mcpServerWire(ctx context.Context, m *domain.MCPServer) mcpServerOut {
	at := mcpURL(callerOf(ctx).origin, m.ID, nil)
	icons := map[string]string{}
	for _, slug := range m.Toolkits {
		if tk, err := s.Catalog.Toolkit(ctx, m.ProjectID, slug); err == nil { // it may have left the catalogue
			icons[slug] = tk.Logo
		}
	}
	name := strings.ToLower(strings.ReplaceAll(m.Name, " ", "-"))
	file := fmt.Sprintf(`{"mcpServers":{%q:{"url":%q,"headers":{"x-api-key":"<API key>"}}}}`, name, at+"?user_id=<user>")
	return mcpServerOut{
		ID: m.ID, Name: m.Name, AuthConfigIDs: texts(m.AuthConfigs), AllowedTools: texts(s.Sessions.ServerTools(ctx, m)), MCPURL: at,
		Toolkits: texts(m.Toolkits), ToolkitIcons: icons, UpdatedAt: wireTime(m.UpdatedAt), CreatedAt: wireTime(m.CreatedAt),
		Instances: m.Instances, ManagedAuth: m.ManagedAuth,
		Commands: mcpCommands{
			Cursor: file, Windsurf: file,
			Claude: fmt.Sprintf(`claude mcp add --transport http %s %q --header "x-api-key: <API key>"`, name, at+"?user_id=<user>"),
		},
	}
}

type createMCPServerIn struct {
	Body struct {
		Name          string   `json:"name" doc:"4 to 30 letters, digits, spaces and hyphens"`
		AuthConfigIDs []string `json:"auth_config_ids" doc:"One a toolkit"`
		NoAuthApps    []string `json:"no_auth_apps,omitempty" doc:"Toolkits that need no connection"`
		AllowedTools  []string `json:"allowed_tools,omitempty" doc:"The only tools that it serves; all of its toolkits unless named"`
		ManagedAuth   bool     `json:"managed_auth_via_composio,omitempty"`
	}
}

func (s *server) createMCPServer(ctx context.Context, in *createMCPServerIn) (mcpServerOut, error) {
	b := &in.Body
	for _, slug := range b.NoAuthApps {
		if tk, err := s.Catalog.Toolkit(ctx, callerOf(ctx).principal.ProjectID, slug); err == nil && !tk.NoAuth() {
			return mcpServerOut{}, domain.Invalid("no_auth_apps", "no_auth_apps: %s needs a connection", tk.Slug).
				WithFix("Name an auth config of it in auth_config_ids.")
		}
	}
	return s.newMCPServer(ctx, session.ServerChange{
		Name: &b.Name, AuthConfigs: &b.AuthConfigIDs, Toolkits: &b.NoAuthApps, Tools: &b.AllowedTools, ManagedAuth: &b.ManagedAuth,
	})
}

func (s *server) newMCPServer(ctx context.Context, in session.ServerChange) (mcpServerOut, error) {
	m, err := s.Sessions.CreateServer(ctx, callerOf(ctx).principal.ProjectID, in)
	if err != nil {
		return mcpServerOut{}, err
	}
	return s.mcpServerWire(ctx, &m), nil
}

type createCustomMCPServerIn struct {
	Body struct {
		Name          string   `json:"name" doc:"4 to 30 letters, digits, spaces and hyphens"`
		AuthConfigIDs []string `json:"auth_config_ids,omitempty" doc:"One a toolkit; a toolkit without one runs on any account of the user"`
		Toolkits      []string `json:"toolkits,omitempty"`
		AllowedTools  []string `json:"allowed_tools,omitempty" doc:"The only tools that it serves; all of its toolkits unless named"`
		CustomTools   []string `json:"custom_tools,omitempty" doc:"The older name of allowed_tools"`
		ManagedAuth   bool     `json:"managed_auth_via_composio,omitempty"`
	}
}

type customMCPServerOut struct {
	ID            string      `json:"id"`
	Name          string      `json:"name"`
	AuthConfigIDs []string    `json:"auth_config_ids"`
	AllowedTools  []string    `json:"allowed_tools"`
	MCPURL        string      `json:"mcp_url" doc:"Add user_id or connected_account_id"`
	Commands      mcpCommands `json:"commands"`
}

func (s *server) createCustomMCPServer(ctx context.Context, in *createCustomMCPServerIn) (customMCPServerOut, error) {
	b := &in.Body
	tools := slices.Concat(b.AllowedTools, b.CustomTools)
	out, err := s.newMCPServer(ctx, session.ServerChange{
		Name: &b.Name, AuthConfigs: &b.AuthConfigIDs, Toolkits: &b.Toolkits, Tools: &tools, ManagedAuth: &b.ManagedAuth,
	})
	return customMCPServerOut{
		ID: out.ID, Name: out.Name, AuthConfigIDs: out.AuthConfigIDs, AllowedTools: out.AllowedTools, MCPURL: out.MCPURL, Commands: out.Commands,
	}, err
}

type generateMCPURLsIn struct {
	Body struct {
		ServerID    string   `json:"mcp_server_id" minLength:"1"`
		ManagedAuth *bool    `json:"managed_auth_by_composio,omitempty" doc:"With the tool that connects accounts; as the server says unless named"`
		UserIDs     []string `json:"user_ids,omitempty" maxItems:"100"`
		AccountIDs  []string `json:"connected_account_ids,omitempty" maxItems:"100"`
	}
}

type mcpURLsOut struct {
	MCPURL      string   `json:"mcp_url" doc:"Without a user"`
	AccountURLs []string `json:"connected_account_urls" doc:"One an account, which is the only one it uses"`
	UserURLs    []string `json:"user_ids_url" doc:"One a user. Where the project's require_mcp_api_key is off they hold a token: a secret"`
}

func (s *server) generateMCPURLs(ctx context.Context, in *generateMCPURLsIn) (mcpURLsOut, error) {
	b, c := &in.Body, callerOf(ctx)
	out := mcpURLsOut{AccountURLs: []string{}, UserURLs: []string{}}
	m, err := s.Sessions.Server(ctx, c.principal.ProjectID, b.ServerID)
	if err != nil {
		return out, err
	}
	out.MCPURL = mcpURL(c.origin, m.ID, nil)
	helpers := m.ManagedAuth
	if b.ManagedAuth != nil {
		helpers = *b.ManagedAuth
	}
	for _, user := range b.UserIDs {
		at, err := s.mcpAddress(ctx, session.ServerUse{ServerID: m.ID, UserID: user, Helpers: helpers})
		if err != nil {
			return out, err
		}
		out.UserURLs = append(out.UserURLs, at)
	}
	for _, account := range b.AccountIDs {
		at, err := s.mcpAddress(ctx, session.ServerUse{ServerID: m.ID, AccountID: account, Helpers: helpers})
		if err != nil {
			return out, err
		}
		out.AccountURLs = append(out.AccountURLs, at)
	}
	return out, nil
}

func (s *server) mcpAddress(ctx context.Context, u session.ServerUse) (string, error) {
	c := callerOf(ctx)
	proof, err := s.Sessions.Address(ctx, c.principal, u)
	if err != nil {
		return "", err
	}
	q := url.Values{}
	for name, value := range map[string]string{"user_id": u.UserID, "connected_account_id": u.AccountID, "token": proof} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if u.Helpers {
		q.Set("include_composio_helper_actions", "true")
	}
	return mcpURL(c.origin, u.ServerID, q), nil
}

// numbered reads a page by its number.
func (q *Query) numbered(usual int) (window, error) {
	w := window{page: 1, limit: usual}
	for _, p := range []struct {
		name string
		to   *int
		most int
	}{{"page_no", &w.page, maxPage}, {"limit", &w.limit, maxTools}} {
		v := q.text(p.name)
		if v == "" || v == "null" {
			continue
		}
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(f) {
			return w, domain.Invalid(p.name, "%s: expected a number", p.name)
		}
		*p.to = int(min(max(f, 1), float64(p.most)))
	}
	return w, nil
}

// ordered reads by what a list of MCP servers or instances is ordered.
func (q *Query) ordered() (created, ascending bool, err error) {
	by, err := q.choice("order_by", "updated_at", "created_at")
	if err != nil {
		return false, false, err
	}
	way, err := q.choice("order_direction", "desc", "asc")
	return by == "created_at", way == "asc", err
}

type mcpServersOut struct {
	Items       []mcpServerOut `json:"items"`
	TotalPages  int            `json:"total_pages"`
	CurrentPage int            `json:"current_page"`
}

func (s *server) listMCPServers(ctx context.Context, in *listQuery) (mcpServersOut, error) {
	return s.mcpServers(ctx, &in.Query, "")
}

type appQuery struct {
	listQuery
	App string `path:"appKey"`
}

func (s *server) listMCPServersOfApp(ctx context.Context, in *appQuery) (mcpServersOut, error) {
	tk, err := s.Catalog.Toolkit(ctx, callerOf(ctx).principal.ProjectID, in.App)
	if err != nil {
		return mcpServersOut{}, err
	}
	return s.mcpServers(ctx, &in.Query, tk.Slug)
}

func (s *server) mcpServers(ctx context.Context, q *Query, app string) (mcpServersOut, error) {
	var none mcpServersOut
	w, err := q.numbered(serversPage)
	if err != nil {
		return none, err
	}
	created, ascending, err := q.ordered()
	if err != nil {
		return none, err
	}
	all, err := s.Sessions.Servers(ctx, callerOf(ctx).principal.ProjectID)
	if err != nil {
		return none, err
	}
	name, toolkits, configs := strings.ToLower(q.text("name")), lower(q.list("toolkits")), q.list("auth_config_ids")
	has := func(of, wanted []string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(wanted, func(x string) bool { return slices.Contains(of, x) })
	}
	all = slices.DeleteFunc(all, func(m domain.MCPServer) bool {
		return !strings.Contains(strings.ToLower(m.Name), name) || !has(m.Toolkits, toolkits) || !has(m.AuthConfigs, configs) ||
			(app != "" && !slices.Contains(m.Toolkits, app))
	})
	slices.SortStableFunc(all, func(a, b domain.MCPServer) int {
		x, y := a.UpdatedAt, b.UpdatedAt
		if created {
			x, y = a.CreatedAt, b.CreatedAt
		}
		if !ascending {
			x, y = y, x
		}
		return x.Compare(y)
	})
	p := cut(w, all, func(m domain.MCPServer) mcpServerOut { return s.mcpServerWire(ctx, &m) })
	return mcpServersOut{Items: p.Items, TotalPages: p.TotalPages, CurrentPage: p.CurrentPage}, nil
}

func (s *server) getMCPServer(ctx context.Context, in *IDPath) (mcpServerOut, error) {
	m, err := s.Sessions.Server(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return mcpServerOut{}, err
	}
	return s.mcpServerWire(ctx, &m), nil
}

type updateMCPServerIn struct {
	IDPath
	Body struct {
		Name          *string   `json:"name,omitempty"`
		Toolkits      *[]string `json:"toolkits,omitempty"`
		AllowedTools  *[]string `json:"allowed_tools,omitempty" doc:"Empty: all of its toolkits"`
		ManagedAuth   *bool     `json:"managed_auth_via_composio,omitempty"`
		AuthConfigIDs *[]string `json:"auth_config_ids,omitempty" doc:"A toolkit goes with its auth config, unless toolkits names it"`
	}
}

func (s *server) updateMCPServer(ctx context.Context, in *updateMCPServerIn) (mcpServerOut, error) {
	b := &in.Body
	m, err := s.Sessions.UpdateServer(ctx, callerOf(ctx).principal.ProjectID, in.ID, session.ServerChange{
		Name: b.Name, Toolkits: b.Toolkits, Tools: b.AllowedTools, AuthConfigs: b.AuthConfigIDs, ManagedAuth: b.ManagedAuth,
	})
	if err != nil {
		return mcpServerOut{}, err
	}
	return s.mcpServerWire(ctx, &m), nil
}

type deletedMCPServer struct {
	ID      string `json:"id"`
	Deleted bool   `json:"deleted"`
}

func (s *server) deleteMCPServer(ctx context.Context, in *IDPath) (deletedMCPServer, error) {
	err := s.Sessions.DeleteServer(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	return deletedMCPServer{ID: in.ID, Deleted: err == nil}, err
}

// ServerPath is the MCP server in an operation's path, embedded in its input.
type ServerPath struct {
	ServerID string `path:"serverId"`
}

type mcpInstanceOut struct {
	ID         string `json:"id"`
	InstanceID string `json:"instance_id" doc:"The user's id"`
	ServerID   string `json:"mcp_server_id"`
	CreatedAt  string `json:"created_at"`
	UpdatedAt  string `json:"updated_at"`
}

func mcpInstanceWire(i domain.MCPInstance) mcpInstanceOut {
	return mcpInstanceOut{ID: i.ID, InstanceID: i.UserID, ServerID: i.ServerID, CreatedAt: wireTime(i.CreatedAt), UpdatedAt: wireTime(i.UpdatedAt)}
}

type mcpInstancesOut struct {
	Instances   []mcpInstanceOut `json:"instances"`
	ServerID    string           `json:"server_id"`
	ServerName  string           `json:"server_name"`
	TotalPages  int              `json:"total_pages"`
	CurrentPage int              `json:"current_page"`
}

type instancesQuery struct {
	listQuery
	ServerPath
}

func (s *server) listMCPInstances(ctx context.Context, in *instancesQuery) (mcpInstancesOut, error) {
	var none mcpInstancesOut
	w, err := in.numbered(instancesPage)
	if err != nil {
		return none, err
	}
	f := store.MCPInstanceFilter{Search: in.text("search")}
	if f.OrderByCreated, f.Ascending, err = in.ordered(); err != nil {
		return none, err
	}
	m, err := s.Sessions.Server(ctx, callerOf(ctx).principal.ProjectID, in.ServerID)
	if err != nil {
		return none, err
	}
	list, total, err := s.Sessions.Instances(ctx, &m, f, w.store())
	if err != nil {
		return none, err
	}
	items := make([]mcpInstanceOut, 0, len(list))
	for _, i := range list {
		items = append(items, mcpInstanceWire(i))
	}
	p := pageOf(w, items, total)
	return mcpInstancesOut{Instances: p.Items, ServerID: m.ID, ServerName: m.Name, TotalPages: p.TotalPages, CurrentPage: p.CurrentPage}, nil
}

type createMCPInstanceIn struct {
	ServerPath
	Body struct {
		UserID string `json:"user_id" minLength:"1"`
	}
}

func (s *server) createMCPInstance(ctx context.Context, in *createMCPInstanceIn) (mcpInstanceOut, error) {
	i, err := s.Sessions.CreateInstance(ctx, callerOf(ctx).principal.ProjectID, in.ServerID, in.Body.UserID)
	return mcpInstanceWire(i), err
}

type deleteMCPInstanceIn struct {
	ServerPath
	InstanceID string `path:"instanceId" doc:"The user's id"`
}

type deletedMCPInstance struct {
	Message  string `json:"message"`
	Accounts int    `json:"deleted_connected_accounts"`
}

func (s *server) deleteMCPInstance(ctx context.Context, in *deleteMCPInstanceIn) (deletedMCPInstance, error) {
	n, err := s.Sessions.DeleteInstance(ctx, callerOf(ctx).principal.ProjectID, in.ServerID, in.InstanceID)
	return deletedMCPInstance{Message: fmt.Sprintf("The user no longer has this MCP server; %d accounts were deleted.", n), Accounts: n}, err
}
