package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const operatorKeyColumns = `id, name, hash, hint, created_at, revoked_at`

// CreateOperatorKey implements store.OperatorKeys.
func (s *queries) CreateOperatorKey(ctx context.Context, k domain.APIKey) error {
	n := noun{name: "operator key", id: k.ID, clash: "this key is already there"}
	_, err := s.exec(ctx, n, `INSERT INTO operator_keys (`+operatorKeyColumns+`) VALUES (?, ?, ?, ?, ?, ?)`,
		k.ID, k.Name, k.Hash[:], k.Hint, micros(k.CreatedAt), micros(k.RevokedAt))
	return err
}

// OperatorKeyByHash implements store.OperatorKeys.
func (s *queries) OperatorKeyByHash(ctx context.Context, hash [32]byte) (domain.APIKey, error) {
	return one(ctx, s, noun{name: "operator key"}, scanOperatorKey, `SELECT `+operatorKeyColumns+` FROM operator_keys WHERE hash = ?`, hash[:])
}

// ListOperatorKeys implements store.OperatorKeys.
func (s *queries) ListOperatorKeys(ctx context.Context) ([]domain.APIKey, error) {
	return list(ctx, s, noun{name: "operator key"}, scanOperatorKey,
		`SELECT `+operatorKeyColumns+` FROM operator_keys ORDER BY created_at DESC, id DESC LIMIT ?`, listMax)
}

// RevokeOperatorKey implements store.OperatorKeys.
func (s *queries) RevokeOperatorKey(ctx context.Context, id string, at time.Time) error {
	if micros(at) <= 0 {
		return domain.Invalid("at", "the time of a revocation is missing")
	}
	return s.change(ctx, noun{name: "operator key", id: id},
		`UPDATE operator_keys SET revoked_at = CASE WHEN revoked_at = 0 THEN ? ELSE revoked_at END WHERE id = ?`, micros(at), id)
}

func scanOperatorKey(r row) (k domain.APIKey, err error) {
	var hash []byte
	var created, revoked int64
	if err := r.Scan(&k.ID, &k.Name, &hash, &k.Hint, &created, &revoked); err != nil {
		return k, err
	}
	k.CreatedAt, k.RevokedAt = fromMicros(created), fromMicros(revoked)
	k.Hash, err = toHash(hash)
	return k, err
}
