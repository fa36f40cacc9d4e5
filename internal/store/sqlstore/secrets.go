package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-run/sluice/internal/store"
)

var secretNoun = noun{name: "secret", owner: "connected account"}

// PutSecret implements store.Secrets.
func (s *queries) PutSecret(ctx context.Context, projectID, accountID, field string, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{}
	}
	now := micros(time.Now())
	_, err := s.exec(ctx, secretNoun,
		`INSERT INTO secrets (project_id, account_id, field, sealed, created_at, sealed_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (project_id, account_id, field) DO UPDATE SET sealed = excluded.sealed, sealed_at = excluded.sealed_at`,
		projectID, accountID, field, sealed, now, now)
	return err
}

const sqlSecrets = `SELECT field, sealed FROM secrets WHERE project_id = ? AND account_id = ?`

// Secrets implements store.Secrets. An account without any has an empty map.
func (s *queries) Secrets(ctx context.Context, projectID, accountID string) (map[string][]byte, error) {
	return s.sealed(ctx, secretNoun, sqlSecrets, projectID, accountID)
}

// sealed reads sealed values by field.
func (s *queries) sealed(ctx context.Context, n noun, query string, args ...any) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := s.each(ctx, n, func(r row) error {
		var field string
		var sealed []byte
		if err := r.Scan(&field, &sealed); err != nil {
			return err
		}
		out[field] = sealed
		return nil
	}, query, args)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// walk is one of the tables with secrets: what it is joined to, and which columns
// tell what about a secret.
type walk struct {
	table, owner, from, user, status, used string
	toolkit, scheme, scopes                string
}

var (
	accountWalk = walk{
		table: "secrets", owner: "account_id",
		from: `secrets s JOIN accounts o ON o.project_id = s.project_id AND o.id = s.account_id
			LEFT JOIN account_uses u ON u.project_id = s.project_id AND u.account_id = s.account_id`,
		user: "o.user_id", status: "o.status", used: "COALESCE(u.used_at, 0)",
		toolkit: "o.toolkit", scheme: "o.scheme", scopes: "o.scopes",
	}
	configWalk = walk{
		table: "config_secrets", owner: "auth_config_id",
		from: `config_secrets s JOIN auth_configs o ON o.project_id = s.project_id AND o.id = s.auth_config_id`,
		user: "''", status: "''", used: "0",
		toolkit: "o.toolkit", scheme: "o.scheme", scopes: "o.scopes",
	}
	webhookWalk = walk{
		table: "webhook_secrets", owner: "webhook_id", from: `webhook_secrets s`,
		user: "''", status: "''", used: "0", toolkit: "''", scheme: "''", scopes: "'null'",
	}
	endpointWalk = walk{
		table: "endpoint_secrets", owner: "endpoint_id", from: `endpoint_secrets s`,
		user: "''", status: "''", used: "0", toolkit: "''", scheme: "''", scopes: "'null'",
	}
)

// projectWalk is over what belongs to a project as a whole: it is its own owner.
var projectWalk = walk{
	table: "project_secrets", owner: "project_id", from: `project_secrets s`,
	user: "''", status: "''", used: "0", toolkit: "''", scheme: "''", scopes: "'null'",
}

// walks are in the order in which a walk over all goes.
var walks = []walk{accountWalk, configWalk, webhookWalk, projectWalk, endpointWalk}

// walkOf says, by the kind of its owner, in which of walks a secret is.
func walkOf(key store.SecretKey) int {
	switch {
	case key.OfConfig():
		return 1
	case key.OfWebhook():
		return 2
	case key.OfProject():
		return 3
	case key.OfEndpoint():
		return 4
	}
	return 0
}

// where gives the conditions of a walk. A sealed secret begins with the mark of
// its key, so that no column needs to repeat it.
func (w walk) where(f store.SecretFilter) (string, []any) {
	where := ` FROM ` + w.from + ` WHERE 1 = 1`
	var args []any
	for _, c := range []struct{ column, value string }{
		{"s.project_id", f.ProjectID}, {w.user, f.UserID}, {w.toolkit, f.Toolkit},
	} {
		if c.value != "" {
			where += " AND " + c.column + " = ?"
			args = append(args, c.value)
		}
	}
	if len(f.Under) > 0 {
		where += " AND substr(s.sealed, 1, ?) = ?"
		args = append(args, len(f.Under), f.Under)
	}
	if len(f.NotUnder) > 0 {
		where += " AND (length(s.sealed) = 0 OR substr(s.sealed, 1, ?) <> ?)" // of nothing SQLite gives NULL
		args = append(args, len(f.NotUnder), f.NotUnder)
	}
	return where, args
}

// SecretsAfter implements store.SecretWalk.
func (s *queries) SecretsAfter(ctx context.Context, f store.SecretFilter, after store.SecretKey, limit int) (out []store.SecretInfo, err error) {
	limit, _ = window(store.Page{Limit: limit})
	for i := walkOf(after); i < len(walks) && len(out) < limit; i++ {
		some, err := s.walkOn(ctx, walks[i], f, after, limit-len(out))
		if err != nil {
			return nil, err
		}
		out, after = append(out, some...), store.SecretKey{}
	}
	return out, nil
}

func (s *queries) walkOn(ctx context.Context, w walk, f store.SecretFilter, after store.SecretKey, limit int) ([]store.SecretInfo, error) {
	where, args := w.where(f)
	args = append(args, after.ProjectID, after.AccountID, after.Field, limit)
	return list(ctx, s, secretNoun, scanSecretInfo,
		`SELECT s.project_id, s.`+w.owner+`, s.field, s.sealed, `+w.user+`, `+w.toolkit+`, `+w.scheme+`, `+w.status+`, `+w.scopes+`,
			s.created_at, s.sealed_at, `+w.used+where+`
		AND (s.project_id, s.`+w.owner+`, s.field) > (?, ?, ?)
		ORDER BY s.project_id, s.`+w.owner+`, s.field LIMIT ?`, args...)
}

func scanSecretInfo(r row) (i store.SecretInfo, err error) {
	var created, sealed, used int64
	var scopes string
	err = r.Scan(&i.ProjectID, &i.AccountID, &i.Field, &i.Sealed, &i.UserID, &i.Toolkit, &i.Scheme, &i.Status, &scopes, &created, &sealed, &used)
	i.CreatedAt, i.SealedAt, i.UsedAt = fromMicros(created), fromMicros(sealed), fromMicros(used)
	if err != nil {
		return i, err
	}
	return i, json.Unmarshal([]byte(scopes), &i.Scopes)
}

// CountSecrets implements store.SecretWalk.
func (s *queries) CountSecrets(ctx context.Context, f store.SecretFilter) (total int, err error) {
	for _, w := range walks {
		where, args := w.where(f)
		n, err := one(ctx, s, secretNoun, scanInt, `SELECT count(*)`+where, args...)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// SwapSecret implements store.SecretWalk.
func (s *queries) SwapSecret(ctx context.Context, key store.SecretKey, was, sealed []byte) (bool, error) {
	w := walks[walkOf(key)]
	touched, err := s.exec(ctx, secretNoun,
		`UPDATE `+w.table+` SET sealed = ?, sealed_at = ? WHERE project_id = ? AND `+w.owner+` = ? AND field = ? AND sealed = ?`,
		sealed, micros(time.Now()), key.ProjectID, key.AccountID, key.Field, was)
	return touched == 1, err
}

// DeleteSecrets implements store.SecretWalk.
func (s *queries) DeleteSecrets(ctx context.Context, projectID, accountID string) (int, error) {
	touched, err := s.exec(ctx, secretNoun, `DELETE FROM secrets WHERE project_id = ? AND account_id = ?`, projectID, accountID)
	return int(touched), err
}

// TouchAccount implements store.Uses.
func (s *queries) TouchAccount(ctx context.Context, projectID, accountID string, at time.Time) error {
	_, err := s.exec(ctx, noun{name: "use of an account"},
		`INSERT INTO account_uses (project_id, account_id, used_at)
		SELECT project_id, id, CAST(? AS BIGINT) FROM accounts WHERE project_id = ? AND id = ?
		ON CONFLICT (project_id, account_id) DO UPDATE SET used_at = excluded.used_at
		WHERE account_uses.used_at < excluded.used_at`,
		micros(at), projectID, accountID)
	return err
}
