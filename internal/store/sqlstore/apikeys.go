package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const apiKeyColumns = `id, project_id, name, hash, hint, created_at, revoked_at`

// CreateAPIKey implements store.APIKeys.
func (s *queries) CreateAPIKey(ctx context.Context, k domain.APIKey) error {
	n := noun{name: "API key", id: k.ID, clash: "this API key is already there", owner: "project"}
	_, err := s.exec(ctx, n, `INSERT INTO api_keys (`+apiKeyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		k.ID, k.ProjectID, k.Name, k.Hash[:], k.Hint, micros(k.CreatedAt), micros(k.RevokedAt))
	return err
}

const sqlAPIKeyByHash = `SELECT ` + apiKeyColumns + ` FROM api_keys WHERE hash = ?`

// APIKeyByHash implements store.APIKeys.
func (s *queries) APIKeyByHash(ctx context.Context, hash [32]byte) (domain.APIKey, error) {
	return one(ctx, s, noun{name: "API key"}, scanAPIKey, sqlAPIKeyByHash, hash[:])
}

// ListAPIKeys implements store.APIKeys.
func (s *queries) ListAPIKeys(ctx context.Context, projectID string) ([]domain.APIKey, error) {
	return list(ctx, s, noun{name: "API key"}, scanAPIKey,
		`SELECT `+apiKeyColumns+` FROM api_keys WHERE project_id = ? ORDER BY created_at DESC, id DESC LIMIT ?`,
		projectID, listMax)
}

// RevokeAPIKey implements store.APIKeys.
func (s *queries) RevokeAPIKey(ctx context.Context, projectID, id string, at time.Time) error {
	if micros(at) <= 0 {
		return domain.Invalid("at", "the time of a revocation is missing")
	}
	return s.change(ctx, noun{name: "API key", id: id},
		`UPDATE api_keys SET revoked_at = CASE WHEN revoked_at = 0 THEN ? ELSE revoked_at END WHERE project_id = ? AND id = ?`,
		micros(at), projectID, id)
}

// RevokeAPIKeys implements store.APIKeys.
func (s *queries) RevokeAPIKeys(ctx context.Context, projectID string, at time.Time) error {
	if micros(at) <= 0 {
		return domain.Invalid("at", "the time of a revocation is missing")
	}
	_, err := s.exec(ctx, noun{name: "API key"}, `UPDATE api_keys SET revoked_at = ? WHERE project_id = ? AND revoked_at = 0`, micros(at), projectID)
	return err
}

// RevokedAPIKeys implements store.APIKeys.
func (s *queries) RevokedAPIKeys(ctx context.Context, ids []string) ([]string, error) {
	var revoked []string
	for part := range slices.Chunk(ids, 500) {
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = id
		}
		good, err := list(ctx, s, noun{name: "API key"}, func(r row) (id string, err error) { return id, r.Scan(&id) },
			`SELECT id FROM api_keys WHERE revoked_at = 0 AND id IN (`+marks(len(part))+`)`, args...)
		if err != nil {
			return nil, err
		}
		for _, id := range part {
			if !slices.Contains(good, id) {
				revoked = append(revoked, id)
			}
		}
	}
	return revoked, nil
}

func scanAPIKey(r row) (k domain.APIKey, err error) {
	var hash []byte
	var created, revoked int64
	if err := r.Scan(&k.ID, &k.ProjectID, &k.Name, &hash, &k.Hint, &created, &revoked); err != nil {
		return k, err
	}
	k.CreatedAt, k.RevokedAt = fromMicros(created), fromMicros(revoked)
	k.Hash, err = toHash(hash)
	return k, err
}
