package app

import (
	"context"
	"crypto/sha256"
	"encoding/base64"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/vault"
)

// stateSealer protects small state that travels through a client, with the
// vault's keys.
type stateSealer struct{ vault *vault.Vault }

// stateRef binds state to what it belongs to. No project has this id.
func stateRef(aad string) vault.Ref {
	return vault.Ref{ProjectID: "state", AccountID: aad, Field: "state"}
}

// SealState seals plain for the bearer of aad.
func (s stateSealer) SealState(ctx context.Context, aad string, plain []byte) (string, error) {
	b, err := s.vault.Seal(ctx, stateRef(aad), plain)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// OpenState opens what SealState sealed with the same aad.
func (s stateSealer) OpenState(ctx context.Context, aad, sealed string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, domain.Invalid("requestState", "the state that came back is not the one that was given")
	}
	return s.vault.Open(ctx, stateRef(aad), b)
}

// shortHash tells users with alike names apart in the sandbox.
func shortHash(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:4]
}
