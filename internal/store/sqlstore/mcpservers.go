package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const (
	mcpServerColumns   = `project_id, id, name, toolkits, tools, auth_configs, managed_auth, version, created_at, updated_at`
	mcpInstanceColumns = `project_id, id, server_id, user_id, created_at, updated_at`

	sqlMCPServer = `SELECT ` + mcpServerColumns + `, (SELECT count(*) FROM mcp_instances i
		WHERE i.project_id = mcp_servers.project_id AND i.server_id = mcp_servers.id) FROM mcp_servers WHERE `
)

func mcpServerNoun(id string) noun {
	return noun{name: "MCP server", id: id, owner: "project", clash: "the project has an MCP server with this name already"}
}

func mcpInstanceNoun(id string) noun {
	return noun{name: "MCP server instance", id: id, owner: "MCP server"}
}

// CreateMCPServer implements store.MCPServers.
func (s *queries) CreateMCPServer(ctx context.Context, m domain.MCPServer) error {
	lists, err := mcpServerLists(m)
	if err != nil {
		return s.fail(ctx, err, mcpServerNoun(m.ID))
	}
	_, err = s.exec(ctx, mcpServerNoun(m.ID), `INSERT INTO mcp_servers (`+mcpServerColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ProjectID, m.ID, m.Name, lists[0], lists[1], lists[2], flag(m.ManagedAuth), m.Version, micros(m.CreatedAt), micros(m.UpdatedAt))
	return err
}

// mcpServerLists gives the texts of toolkits, tools and auth configs.
func mcpServerLists(m domain.MCPServer) (out [3]string, err error) {
	for i, l := range [][]string{m.Toolkits, m.Tools, m.AuthConfigs} {
		text, lerr := encodeList(l)
		out[i], err = text, errors.Join(err, lerr)
	}
	return out, err
}

// MCPServer implements store.MCPServers.
func (s *queries) MCPServer(ctx context.Context, projectID, id string) (domain.MCPServer, error) {
	return one(ctx, s, mcpServerNoun(id), scanMCPServer, sqlMCPServer+`project_id = ? AND id = ?`, projectID, id)
}

// MCPServerOfAny implements store.MCPServers.
func (s *queries) MCPServerOfAny(ctx context.Context, id string) (domain.MCPServer, error) {
	return one(ctx, s, noun{name: "MCP server"}, scanMCPServer, sqlMCPServer+`id = ?`, id)
}

// ListMCPServers implements store.MCPServers.
func (s *queries) ListMCPServers(ctx context.Context, projectID string) ([]domain.MCPServer, error) {
	return list(ctx, s, mcpServerNoun(""), scanMCPServer,
		sqlMCPServer+`project_id = ? ORDER BY created_at DESC, id DESC LIMIT ?`, projectID, listMax)
}

// UpdateMCPServer implements store.MCPServers.
func (s *queries) UpdateMCPServer(ctx context.Context, projectID string, m domain.MCPServer) error {
	n := mcpServerNoun(m.ID)
	lists, err := mcpServerLists(m)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	touched, err := s.exec(ctx, n, `UPDATE mcp_servers SET name = ?, toolkits = ?, tools = ?, auth_configs = ?, managed_auth = ?,
		version = ?, updated_at = ? WHERE project_id = ? AND id = ? AND version = ?`,
		m.Name, lists[0], lists[1], lists[2], flag(m.ManagedAuth), m.Version, micros(m.UpdatedAt), projectID, m.ID, m.Version-1)
	if err != nil || touched == 1 {
		return err
	}
	if _, err := s.MCPServer(ctx, projectID, m.ID); err != nil {
		return err
	}
	return domain.Errorf(domain.CodeConflict, "the MCP server was changed meanwhile").WithFix("Read it again and repeat the change.")
}

// DeleteMCPServer implements store.MCPServers; the instances go by cascade.
func (s *queries) DeleteMCPServer(ctx context.Context, projectID, id string) error {
	return s.change(ctx, mcpServerNoun(id), `DELETE FROM mcp_servers WHERE project_id = ? AND id = ?`, projectID, id)
}

// PutMCPInstance implements store.MCPServers.
func (s *queries) PutMCPInstance(ctx context.Context, i domain.MCPInstance) (domain.MCPInstance, error) {
	_, err := s.exec(ctx, mcpInstanceNoun(i.ID), `INSERT INTO mcp_instances (`+mcpInstanceColumns+`) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (project_id, server_id, user_id) DO UPDATE SET updated_at = excluded.updated_at`,
		i.ProjectID, i.ID, i.ServerID, i.UserID, micros(i.CreatedAt), micros(i.UpdatedAt))
	if err != nil {
		return domain.MCPInstance{}, err
	}
	return s.MCPInstance(ctx, i.ProjectID, i.ServerID, i.UserID)
}

// MCPInstance implements store.MCPServers.
func (s *queries) MCPInstance(ctx context.Context, projectID, serverID, userID string) (domain.MCPInstance, error) {
	return one(ctx, s, mcpInstanceNoun(""), scanMCPInstance,
		`SELECT `+mcpInstanceColumns+` FROM mcp_instances WHERE project_id = ? AND server_id = ? AND user_id = ?`, projectID, serverID, userID)
}

// ListMCPInstances implements store.MCPServers.
func (s *queries) ListMCPInstances(ctx context.Context, projectID, serverID string, mf store.MCPInstanceFilter, page store.Page) ([]domain.MCPInstance, int, error) {
	f := newFilter(projectID)
	f.where.WriteString(" AND server_id = ?")
	f.args = append(f.args, serverID)
	if mf.Search != "" {
		part := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(mf.Search)) + "%"
		f.where.WriteString(` AND (lower(user_id) LIKE ? ESCAPE '\' OR id LIKE ? ESCAPE '\')`)
		f.args = append(f.args, part, part)
	}
	column, way := "updated_at", " DESC"
	if mf.OrderByCreated {
		column = "created_at"
	}
	if mf.Ascending {
		way = ""
	}
	return paged(ctx, s, mcpInstanceNoun(""), scanMCPInstance, mcpInstanceColumns, "mcp_instances", f, column+way+", id"+way, page)
}

// DeleteMCPInstance implements store.MCPServers.
func (s *queries) DeleteMCPInstance(ctx context.Context, projectID, serverID, id string) error {
	return s.change(ctx, mcpInstanceNoun(id),
		`DELETE FROM mcp_instances WHERE project_id = ? AND server_id = ? AND id = ?`, projectID, serverID, id)
}

func scanMCPServer(r row) (m domain.MCPServer, err error) {
	var toolkits, tools, configs string
	var managed int
	var created, updated int64
	err = r.Scan(&m.ProjectID, &m.ID, &m.Name, &toolkits, &tools, &configs, &managed, &m.Version, &created, &updated, &m.Instances)
	if err != nil {
		return m, err
	}
	m.ManagedAuth, m.CreatedAt, m.UpdatedAt = managed != 0, fromMicros(created), fromMicros(updated)
	for _, l := range []struct {
		to   *[]string
		text string
	}{{&m.Toolkits, toolkits}, {&m.Tools, tools}, {&m.AuthConfigs, configs}} {
		if *l.to, err = decodeList(l.text); err != nil {
			return m, err
		}
	}
	return m, nil
}

func scanMCPInstance(r row) (i domain.MCPInstance, err error) {
	var created, updated int64
	err = r.Scan(&i.ProjectID, &i.ID, &i.ServerID, &i.UserID, &created, &updated)
	i.CreatedAt, i.UpdatedAt = fromMicros(created), fromMicros(updated)
	return i, err
}

var settingsNoun = noun{name: "project settings", owner: "project"}

// ProjectSettings implements store.ProjectSettings.
func (s *queries) ProjectSettings(ctx context.Context, projectID string) (domain.ProjectSettings, error) {
	p, err := one(ctx, s, settingsNoun, func(r row) (p domain.ProjectSettings, err error) {
		var text []byte
		if err := r.Scan(&text); err != nil {
			return p, err
		}
		return p, json.Unmarshal(text, &p)
	}, `SELECT settings FROM project_settings WHERE project_id = ?`, projectID)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return domain.ProjectSettings{}, nil
	}
	return p, err
}

// PutProjectSettings implements store.ProjectSettings.
func (s *queries) PutProjectSettings(ctx context.Context, projectID string, p domain.ProjectSettings) error {
	text, err := encode(p)
	if err != nil {
		return s.fail(ctx, err, settingsNoun)
	}
	_, err = s.exec(ctx, settingsNoun, `INSERT INTO project_settings (project_id, settings) VALUES (?, ?)
		ON CONFLICT (project_id) DO UPDATE SET settings = excluded.settings`, projectID, text)
	return err
}
