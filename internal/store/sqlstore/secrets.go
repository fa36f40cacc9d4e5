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

// secretsWhere gives the tables and conditions of a walk. A sealed secret begins
// with the mark of its key, so that no column needs to repeat it.
func secretsWhere(f store.SecretFilter) (string, []any) {
	where := ` FROM secrets s JOIN accounts a ON a.project_id = s.project_id AND a.id = s.account_id
		LEFT JOIN account_uses u ON u.project_id = s.project_id AND u.account_id = s.account_id WHERE 1 = 1`
	var args []any
	for _, c := range []struct{ column, value string }{
		{"s.project_id", f.ProjectID}, {"a.user_id", f.UserID}, {"a.toolkit", f.Toolkit},
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
func (s *queries) SecretsAfter(ctx context.Context, f store.SecretFilter, after store.SecretKey, limit int) ([]store.SecretInfo, error) {
	where, args := secretsWhere(f)
	limit, _ = window(store.Page{Limit: limit})
	args = append(args, after.ProjectID, after.ProjectID, after.AccountID, after.AccountID, after.Field, limit)
	return list(ctx, s, secretNoun, scanSecretInfo,
		`SELECT s.project_id, s.account_id, s.field, s.sealed, a.user_id, a.toolkit, a.scheme, a.status, a.scopes,
			s.created_at, s.sealed_at, COALESCE(u.used_at, 0)`+where+`
		AND (s.project_id > ? OR (s.project_id = ? AND (s.account_id > ? OR (s.account_id = ? AND s.field > ?))))
		ORDER BY s.project_id, s.account_id, s.field LIMIT ?`, args...)
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
func (s *queries) CountSecrets(ctx context.Context, f store.SecretFilter) (int, error) {
	where, args := secretsWhere(f)
	return one(ctx, s, secretNoun, scanInt, `SELECT count(*)`+where, args...)
}

// SwapSecret implements store.SecretWalk.
func (s *queries) SwapSecret(ctx context.Context, key store.SecretKey, was, sealed []byte) (bool, error) {
	touched, err := s.exec(ctx, secretNoun,
		`UPDATE secrets SET sealed = ?, sealed_at = ? WHERE project_id = ? AND account_id = ? AND field = ? AND sealed = ?`,
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
