package session

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Bounds of MCP servers.
const (
	maxServers      = 1000 // of a project: what the store lists
	maxServerTools  = maxPreloaded
	maxServerParts  = 100 // toolkits, and auth configs
	deleteAccountsN = 100 // accounts of an instance that are read at a time
)

// serverName is what the contract asks of a name.
var serverName = regexp.MustCompile(`^[a-zA-Z0-9- ]{4,30}$`)

// ServerChange says what an MCP server is to be; nil leaves it.
type ServerChange struct {
	Name        *string
	Toolkits    *[]string
	Tools       *[]string // empty: all of the toolkits
	AuthConfigs *[]string
	ManagedAuth *bool
}

// CreateServer makes an MCP server after checking everything that in names. It
// needs a name, and a toolkit, auth config or tool.
func (s *Service) CreateServer(ctx context.Context, projectID string, in ServerChange) (domain.MCPServer, error) {
	now := s.now()
	m := domain.MCPServer{ID: domain.NewUUID(), ProjectID: projectID, Version: 1, CreatedAt: now, UpdatedAt: now}
	if in.Name == nil {
		in.Name = new(string)
	}
	if err := s.changeServer(ctx, &m, in); err != nil {
		return m, err
	}
	all, err := s.opts.Store.ListMCPServers(ctx, projectID)
	if err != nil {
		return m, err
	}
	if len(all) >= maxServers {
		return m, domain.Errorf(domain.CodeConflict, "the project has %d MCP servers, the most it may have", len(all)).
			WithFix("Delete one that is no longer used.")
	}
	return m, s.opts.Store.CreateMCPServer(ctx, m)
}

// Server gives an MCP server of the project.
func (s *Service) Server(ctx context.Context, projectID, id string) (domain.MCPServer, error) {
	m, err := s.opts.Store.MCPServer(ctx, projectID, id)
	return m, noServer(err, id)
}

// Servers gives the project's MCP servers, newest first.
func (s *Service) Servers(ctx context.Context, projectID string) ([]domain.MCPServer, error) {
	return s.opts.Store.ListMCPServers(ctx, projectID)
}

// UpdateServer changes an MCP server. Requests that come later are served by what
// it is then; its addresses stay.
func (s *Service) UpdateServer(ctx context.Context, projectID, id string, change ServerChange) (domain.MCPServer, error) {
	for try := 1; ; try++ {
		m, err := s.Server(ctx, projectID, id)
		if err != nil {
			return m, err
		}
		if err := s.changeServer(ctx, &m, change); err != nil {
			return m, err
		}
		m.Version++
		m.UpdatedAt = s.now()
		err = s.opts.Store.UpdateMCPServer(ctx, projectID, m)
		if domain.CodeOf(err) != domain.CodeConflict || try == maxUpdates {
			return m, noServer(err, id)
		}
		if now, rerr := s.Server(ctx, projectID, id); rerr == nil && now.Version < m.Version {
			return m, err // it is the name that clashes
		}
	}
}

// DeleteServer removes an MCP server with its instances. Its addresses answer 404
// from then on; accounts stay.
func (s *Service) DeleteServer(ctx context.Context, projectID, id string) error {
	if err := s.opts.Store.DeleteMCPServer(ctx, projectID, id); err != nil {
		return noServer(err, id)
	}
	if s.opts.Deleted != nil {
		s.opts.Deleted(id)
	}
	return nil
}

func noServer(err error, id string) error {
	if domain.CodeOf(err) != domain.CodeNotFound {
		return err
	}
	return domain.Errorf(domain.CodeNotFound, "there is no MCP server %q", clip(id)).
		WithFix("GET /api/v3.1/mcp/servers lists the project's MCP servers.")
}

// changeServer applies a change and checks what comes of it.
func (s *Service) changeServer(ctx context.Context, m *domain.MCPServer, change ServerChange) error {
	if change.Name != nil {
		m.Name = strings.TrimSpace(*change.Name)
		if !serverName.MatchString(m.Name) {
			return domain.Invalid("name", "name: expected 4 to 30 letters, digits, spaces and hyphens")
		}
	}
	if change.ManagedAuth != nil {
		m.ManagedAuth = *change.ManagedAuth
	}
	if change.AuthConfigs != nil && change.Toolkits == nil {
		// A toolkit goes with its auth config: without one it would run on any account.
		for _, id := range m.AuthConfigs {
			ac, err := s.opts.Connect.AuthConfig(ctx, m.ProjectID, id)
			if err != nil {
				return asInvalid("toolkits", err)
			}
			m.Toolkits = slices.DeleteFunc(m.Toolkits, func(slug string) bool { return slug == ac.Toolkit })
		}
	}
	for _, l := range []struct {
		field string
		to    *[]string
		from  *[]string
		most  int
	}{
		{"toolkits", &m.Toolkits, change.Toolkits, maxServerParts},
		{"allowed_tools", &m.Tools, change.Tools, maxServerTools},
		{"auth_config_ids", &m.AuthConfigs, change.AuthConfigs, maxServerParts},
	} {
		if l.from == nil {
			continue
		}
		if *l.to = unique(slices.Clone(*l.from)); len(*l.to) > l.most {
			return domain.Invalid(l.field, "%s: %d are named; a server has at most %d", l.field, len(*l.to), l.most)
		}
	}
	return s.checkServer(ctx, m)
}

// checkServer judges a server by name, in the catalogue's spelling, and completes
// its toolkits by those of its auth configs and tools.
func (s *Service) checkServer(ctx context.Context, m *domain.MCPServer) error {
	c := checker{s: s, project: m.ProjectID}
	var toolkits []string
	for _, slug := range m.Toolkits {
		known, err := c.toolkit(ctx, "toolkits", slug)
		if err != nil {
			return err
		}
		toolkits = append(toolkits, known)
	}
	byToolkit := map[string]string{}
	for _, id := range m.AuthConfigs {
		ac, err := s.opts.Connect.AuthConfig(ctx, m.ProjectID, id)
		if err != nil {
			return asInvalid("auth_config_ids", err)
		}
		if first := byToolkit[ac.Toolkit]; first != "" {
			return domain.Invalid("auth_config_ids", "auth_config_ids: %s and %s are both for toolkit %s", first, ac.ID, ac.Toolkit).
				WithFix("Name one auth config a toolkit, or make a server for each.")
		}
		byToolkit[ac.Toolkit] = ac.ID
		toolkits = append(toolkits, ac.Toolkit)
	}
	var ofTools []string
	for i, slug := range m.Tools {
		t, err := s.opts.Catalog.Tool(ctx, m.ProjectID, slug, "")
		if err != nil {
			return asInvalid("allowed_tools", err)
		}
		m.Tools[i] = t.Slug
		ofTools = append(ofTools, t.Toolkit.Slug)
	}
	m.Tools = unique(m.Tools)
	if m.Toolkits = unique(append(toolkits, ofTools...)); len(m.Toolkits) == 0 {
		return domain.Invalid("toolkits", "toolkits: the server has no tools").
			WithFix("Name toolkits, auth_config_ids or allowed_tools.")
	}
	return nil
}

// ServerTools gives the slugs of the tools that the server has now: those it
// names, or all of its toolkits.
func (s *Service) ServerTools(ctx context.Context, m *domain.MCPServer) []string {
	if len(m.Tools) > 0 {
		return m.Tools
	}
	var slugs []string
	for _, t := range s.opts.Catalog.Tools(ctx, m.ProjectID) {
		if slices.Contains(m.Toolkits, t.Toolkit.Slug) {
			slugs = append(slugs, t.Slug)
		}
	}
	slices.Sort(slugs)
	return slugs
}

// CreateInstance gives the server to a user who has a usable account for each of
// its auth configs; else it is CodeNoConnection. A user who has it already has it
// again.
func (s *Service) CreateInstance(ctx context.Context, projectID, serverID, userID string) (domain.MCPInstance, error) {
	var none domain.MCPInstance
	if err := connect.CheckUserID(userID); err != nil {
		return none, err
	}
	m, err := s.Server(ctx, projectID, serverID)
	if err != nil {
		return none, err
	}
	for _, id := range m.AuthConfigs {
		_, usable, err := s.opts.Connect.Accounts(ctx, projectID, store.AccountFilter{
			UserIDs: []string{userID}, AuthConfigIDs: []string{id}, Statuses: []domain.AccountStatus{domain.AccountActive},
		}, store.Page{Limit: 1})
		if err != nil {
			return none, err
		}
		if usable == 0 {
			return none, domain.Errorf(domain.CodeNoConnection, "user %q has no active account of auth config %s", clip(userID), id).
				WithFix("Let the user connect first: POST /api/v3.1/connected_accounts/link.")
		}
	}
	return s.giveInstance(ctx, &m, userID)
}

func (s *Service) giveInstance(ctx context.Context, m *domain.MCPServer, userID string) (domain.MCPInstance, error) {
	now := s.now()
	i, err := s.opts.Store.PutMCPInstance(ctx, domain.MCPInstance{
		ID: domain.NewUUID(), ProjectID: m.ProjectID, ServerID: m.ID, UserID: userID, CreatedAt: now, UpdatedAt: now,
	})
	return i, noServer(err, m.ID)
}

// Instances lists whom the server was given to, and says how many there are.
func (s *Service) Instances(ctx context.Context, m *domain.MCPServer, f store.MCPInstanceFilter, page store.Page) ([]domain.MCPInstance, int, error) {
	return s.opts.Store.ListMCPInstances(ctx, m.ProjectID, m.ID, f, page)
}

// DeleteInstance takes the server from a user, and deletes the user's accounts of
// its auth configs (contract §3.5); it says how many. Addresses that were made for
// the user work no more without an API key.
func (s *Service) DeleteInstance(ctx context.Context, projectID, serverID, userID string) (int, error) {
	m, err := s.Server(ctx, projectID, serverID)
	if err != nil {
		return 0, err
	}
	i, err := s.opts.Store.MCPInstance(ctx, projectID, serverID, userID)
	if err != nil {
		if domain.CodeOf(err) == domain.CodeNotFound {
			err = domain.Errorf(domain.CodeNotFound, "user %q has no instance of this MCP server", clip(userID))
		}
		return 0, err
	}
	// First the access, then what it was for.
	if err := s.opts.Store.DeleteMCPInstance(ctx, projectID, serverID, i.ID); err != nil {
		return 0, err
	}
	if s.opts.Deleted != nil {
		s.opts.Deleted(i.ID)
	}
	deleted := 0
	for len(m.AuthConfigs) > 0 {
		list, _, err := s.opts.Connect.Accounts(ctx, projectID, store.AccountFilter{
			UserIDs: []string{userID}, AuthConfigIDs: m.AuthConfigs,
		}, store.Page{Limit: deleteAccountsN})
		if err != nil || len(list) == 0 {
			return deleted, err
		}
		for _, a := range list {
			if _, err := s.opts.Connect.Delete(ctx, projectID, a.ID, false); err != nil {
				return deleted, err
			}
			deleted++
		}
	}
	return deleted, nil
}
