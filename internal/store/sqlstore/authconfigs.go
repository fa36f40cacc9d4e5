package sqlstore

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const authConfigColumns = `project_id, id, toolkit, name, scheme, origin, disabled, created_at, updated_at`

// CreateAuthConfig implements store.AuthConfigs.
func (s *queries) CreateAuthConfig(ctx context.Context, c domain.AuthConfig) error {
	_, err := s.exec(ctx, noun{name: "auth config", id: c.ID, owner: "project"},
		`INSERT INTO auth_configs (`+authConfigColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ProjectID, c.ID, c.Toolkit, c.Name, string(c.Scheme), string(c.Origin), flag(c.Disabled),
		micros(c.CreatedAt), micros(c.UpdatedAt))
	return err
}

// AuthConfig implements store.AuthConfigs.
func (s *queries) AuthConfig(ctx context.Context, projectID, id string) (domain.AuthConfig, error) {
	return one(ctx, s, noun{name: "auth config", id: id}, scanAuthConfig,
		`SELECT `+authConfigColumns+` FROM auth_configs WHERE project_id = ? AND id = ?`, projectID, id)
}

// FindAuthConfig implements store.AuthConfigs.
func (s *queries) FindAuthConfig(ctx context.Context, projectID, toolkit string, origin domain.Origin) (domain.AuthConfig, error) {
	return one(ctx, s, noun{name: "auth config"}, scanAuthConfig,
		`SELECT `+authConfigColumns+` FROM auth_configs
		WHERE project_id = ? AND toolkit = ? AND origin = ? AND disabled = 0
		ORDER BY created_at, id LIMIT 1`, projectID, toolkit, string(origin))
}

// ListAuthConfigs implements store.AuthConfigs.
func (s *queries) ListAuthConfigs(ctx context.Context, projectID, toolkit string, page store.Page) ([]domain.AuthConfig, int, error) {
	f := newFilter(projectID)
	f.is("toolkit", toolkit)
	return paged(ctx, s, noun{name: "auth config"}, scanAuthConfig, authConfigColumns, "auth_configs", f,
		"created_at DESC, id DESC", page)
}

func scanAuthConfig(r row) (c domain.AuthConfig, err error) {
	var disabled int
	var created, updated int64
	err = r.Scan(&c.ProjectID, &c.ID, &c.Toolkit, &c.Name, &c.Scheme, &c.Origin, &disabled, &created, &updated)
	c.Disabled = disabled != 0
	c.CreatedAt, c.UpdatedAt = fromMicros(created), fromMicros(updated)
	return c, err
}

// paged reads one window of a filtered table and counts all of it.
func paged[T any](ctx context.Context, s *queries, n noun, scan func(row) (T, error), columns, table string,
	f *filter, order string, page store.Page,
) ([]T, int, error) {
	where := f.where.String()
	total, err := one(ctx, s, n, scanInt, `SELECT count(*) FROM `+table+where, f.args...)
	if err != nil || total == 0 {
		return nil, 0, err
	}
	limit, offset := window(page)
	items, err := list(ctx, s, n, scan,
		`SELECT `+columns+` FROM `+table+where+` ORDER BY `+order+` LIMIT ? OFFSET ?`,
		append(f.args, limit, offset)...)
	return items, total, err
}
