package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const authConfigColumns = `project_id, id, toolkit, name, scheme, origin, disabled, fields, scopes, tools, creation_tools,
	router_off, created_at, updated_at`

// CreateAuthConfig implements store.AuthConfigs.
func (s *queries) CreateAuthConfig(ctx context.Context, c domain.AuthConfig) error {
	n := noun{name: "auth config", id: c.ID, owner: "project"}
	j, err := authConfigJSON(c)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	_, err = s.exec(ctx, n,
		`INSERT INTO auth_configs (`+authConfigColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ProjectID, c.ID, c.Toolkit, c.Name, string(c.Scheme), string(c.Origin), flag(c.Disabled),
		j.fields, j.scopes, j.tools, j.creation, flag(c.RouterOff), micros(c.CreatedAt), micros(c.UpdatedAt))
	return err
}

// UpdateAuthConfig implements store.AuthConfigs.
func (s *queries) UpdateAuthConfig(ctx context.Context, projectID string, c domain.AuthConfig) error {
	n := noun{name: "auth config", id: c.ID}
	j, err := authConfigJSON(c)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	return s.change(ctx, n,
		`UPDATE auth_configs SET name = ?, disabled = ?, fields = ?, scopes = ?, tools = ?, creation_tools = ?,
			router_off = ?, updated_at = ? WHERE project_id = ? AND id = ?`,
		c.Name, flag(c.Disabled), j.fields, j.scopes, j.tools, j.creation, flag(c.RouterOff), micros(c.UpdatedAt), projectID, c.ID)
}

// DeleteAuthConfig implements store.AuthConfigs; the config's secrets go by cascade.
func (s *queries) DeleteAuthConfig(ctx context.Context, projectID, id string) error {
	n := noun{name: "auth config", id: id}
	if _, err := s.exec(ctx, n, `DELETE FROM accounts WHERE project_id = ? AND auth_config_id = ?`, projectID, id); err != nil {
		return err
	}
	return s.change(ctx, n, `DELETE FROM auth_configs WHERE project_id = ? AND id = ?`, projectID, id)
}

var configSecretNoun = noun{name: "secret", owner: "auth config"}

// PutConfigSecret implements store.AuthConfigs.
func (s *queries) PutConfigSecret(ctx context.Context, projectID, configID, field string, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{}
	}
	now := micros(time.Now())
	_, err := s.exec(ctx, configSecretNoun,
		`INSERT INTO config_secrets (project_id, auth_config_id, field, sealed, created_at, sealed_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (project_id, auth_config_id, field) DO UPDATE SET sealed = excluded.sealed, sealed_at = excluded.sealed_at`,
		projectID, configID, field, sealed, now, now)
	return err
}

// ConfigSecrets implements store.AuthConfigs. A config without any has an empty map.
func (s *queries) ConfigSecrets(ctx context.Context, projectID, configID string) (map[string][]byte, error) {
	return s.sealed(ctx, configSecretNoun,
		`SELECT field, sealed FROM config_secrets WHERE project_id = ? AND auth_config_id = ?`, projectID, configID)
}

// authConfigTexts are the structures of a config as they are stored.
type authConfigTexts struct{ fields, scopes, tools, creation string }

func authConfigJSON(c domain.AuthConfig) (j authConfigTexts, err error) {
	if j.fields, err = encodeMap(c.Fields); err != nil {
		return j, err
	}
	for _, l := range []struct {
		to   *string
		from []string
	}{{&j.scopes, c.Scopes}, {&j.tools, c.Tools}, {&j.creation, c.CreationTools}} {
		if *l.to, err = encodeList(l.from); err != nil {
			return j, err
		}
	}
	return j, nil
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
	var disabled, routerOff int
	var j authConfigTexts
	var created, updated int64
	err = r.Scan(&c.ProjectID, &c.ID, &c.Toolkit, &c.Name, &c.Scheme, &c.Origin, &disabled,
		&j.fields, &j.scopes, &j.tools, &j.creation, &routerOff, &created, &updated)
	if err != nil {
		return c, err
	}
	c.Disabled, c.RouterOff = disabled != 0, routerOff != 0
	c.CreatedAt, c.UpdatedAt = fromMicros(created), fromMicros(updated)
	if c.Fields, err = decodeMap(j.fields); err != nil {
		return c, err
	}
	if c.Scopes, err = decodeList(j.scopes); err != nil {
		return c, err
	}
	if c.Tools, err = decodeList(j.tools); err != nil {
		return c, err
	}
	c.CreationTools, err = decodeList(j.creation)
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
