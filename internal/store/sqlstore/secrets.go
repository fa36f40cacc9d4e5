package sqlstore

import (
	"context"
)

var secretNoun = noun{name: "secret", owner: "connected account"}

// PutSecret implements store.Secrets.
func (s *queries) PutSecret(ctx context.Context, projectID, accountID, field string, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{}
	}
	_, err := s.exec(ctx, secretNoun,
		`INSERT INTO secrets (project_id, account_id, field, sealed) VALUES (?, ?, ?, ?)
		ON CONFLICT (project_id, account_id, field) DO UPDATE SET sealed = excluded.sealed`,
		projectID, accountID, field, sealed)
	return err
}

const sqlSecrets = `SELECT field, sealed FROM secrets WHERE project_id = ? AND account_id = ?`

// Secrets implements store.Secrets. An account without any has an empty map.
func (s *queries) Secrets(ctx context.Context, projectID, accountID string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := s.each(ctx, secretNoun, func(r row) error {
		var field string
		var sealed []byte
		if err := r.Scan(&field, &sealed); err != nil {
			return err
		}
		out[field] = sealed
		return nil
	}, sqlSecrets, []any{projectID, accountID})
	if err != nil {
		return nil, err
	}
	return out, nil
}
