package sqlstore

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
)

var keysetNoun = noun{name: "keyset"}

// LoadKeyset implements store.Keyset.
func (s *queries) LoadKeyset(ctx context.Context) ([]byte, error) {
	sealed, err := one(ctx, s, keysetNoun, func(r row) (b []byte, err error) { return b, r.Scan(&b) },
		`SELECT sealed FROM keysets WHERE id = 1`)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil, nil
	}
	return sealed, err
}

// SaveKeyset implements store.Keyset.
func (s *queries) SaveKeyset(ctx context.Context, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, domain.Invalid("sealed", "the keyset is empty")
	}
	_, err := s.exec(ctx, keysetNoun, `INSERT INTO keysets (id, sealed) VALUES (1, ?) ON CONFLICT (id) DO NOTHING`, sealed)
	if err != nil {
		return nil, err
	}
	return s.LoadKeyset(ctx)
}

// SwapKeyset implements store.Keyset.
func (s *queries) SwapKeyset(ctx context.Context, was, sealed []byte) (bool, error) {
	if len(sealed) == 0 {
		return false, domain.Invalid("sealed", "the keyset is empty")
	}
	touched, err := s.exec(ctx, keysetNoun, `UPDATE keysets SET sealed = ? WHERE id = 1 AND sealed = ?`, sealed, was)
	return touched == 1, err
}
