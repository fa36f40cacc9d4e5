package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// ofProject are the tables that have a project, but for files, with a column by
// which a batch of their rows is named. What refers to others comes first.
// TestEveryTableOfAProject holds it against the schema.
var ofProject = []struct{ table, key string }{
	{"api_keys", "id"},
	{"trigger_instances", "id"},
	{"trigger_polls", "id"},
	{"inbound_webhooks", "id"},
	{"endpoint_secrets", "endpoint_id"},
	{"webhook_endpoints", "id"},
	{"delivery_attempts", "delivery_id"},
	{"deliveries", "id"},
	{"webhook_secrets", "webhook_id"},
	{"webhooks", "id"},
	{"events", "id"},
	{"event_heads", "project_id"},
	{"executions", "id"},
	{"approvals", "id"},
	{"spent_states", "hash"},
	{"session_versions", "session_id"},
	{"sessions", "id"},
	{"mcp_instances", "id"},
	{"mcp_servers", "id"},
	{"oauth_flows", "state_hash"},
	{"links", "token_hash"},
	{"account_events", "id"},
	{"account_uses", "account_id"},
	{"secrets", "account_id"},
	{"accounts", "id"},
	{"config_secrets", "auth_config_id"},
	{"auth_configs", "id"},
	{"brandings", "project_id"},
	{"trigger_bounds", "project_id"},
	{"project_secrets", "field"},
	{"project_settings", "project_id"},
}

// EndProject implements store.ProjectEnds. An id is a name that nobody else has.
func (s *queries) EndProject(ctx context.Context, id string, at time.Time) error {
	if micros(at) <= 0 {
		return domain.Invalid("at", "the time of an end is missing")
	}
	n := noun{name: "project", id: id}
	if err := s.change(ctx, n, `UPDATE projects SET deleted_at = ?, name = id WHERE id = ? AND deleted_at = 0`, micros(at), id); err != nil {
		return err
	}
	_, err := s.exec(ctx, n, `DELETE FROM api_keys WHERE project_id = ?`, id)
	return err
}

// EndedProjects implements store.ProjectEnds.
func (s *queries) EndedProjects(ctx context.Context) ([]string, error) {
	return list(ctx, s, noun{name: "project"}, func(r row) (id string, err error) { return id, r.Scan(&id) },
		`SELECT id FROM projects WHERE deleted_at > 0 ORDER BY deleted_at, id LIMIT ?`, listMax)
}

// hasEnded is the condition that the project of the parameter has ended.
const hasEnded = `EXISTS (SELECT 1 FROM projects p WHERE p.id = ? AND p.deleted_at > 0)`

// DropOfProject implements store.ProjectEnds.
func (s *queries) DropOfProject(ctx context.Context, id string, limit int) (int, error) {
	for _, t := range ofProject {
		n, err := s.exec(ctx, noun{name: "project", id: id},
			`DELETE FROM `+t.table+` WHERE project_id = ? AND `+t.key+` IN
				(SELECT `+t.key+` FROM `+t.table+` WHERE project_id = ? LIMIT ?) AND `+hasEnded, id, id, limit, id)
		if err != nil || n > 0 {
			return int(n), err
		}
	}
	return 0, nil
}

// ExpireFiles implements store.ProjectEnds.
func (s *queries) ExpireFiles(ctx context.Context, id string, at time.Time) error {
	_, err := s.exec(ctx, fileNoun(""),
		`UPDATE files SET session_id = '', mount = '', path = '', expires_at = ? WHERE project_id = ? AND `+hasEnded, micros(at), id, id)
	return err
}

// DropProject implements store.ProjectEnds.
func (s *queries) DropProject(ctx context.Context, id string) error {
	n := noun{name: "project", id: id, owner: "project without anything left"}
	_, err := s.exec(ctx, n, `DELETE FROM projects WHERE id = ? AND deleted_at > 0`, id)
	return err
}
