package execute

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/sluice-run/sluice/internal/vault"
)

// Vault is what a Sealer needs of the vault; *vault.Vault is one.
type Vault interface {
	Seal(ctx context.Context, ref vault.Ref, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, ref vault.Ref, sealed []byte) ([]byte, error)
}

// NewSealer seals state with the vault's key, under a field of its own that no
// account's secret has.
func NewSealer(v Vault) Sealer { return vaultSealer{vault: v} }

type vaultSealer struct{ vault Vault }

// stateRef binds a state to its use and to aad.
func stateRef(aad string) vault.Ref {
	return vault.Ref{ProjectID: "sluice", Field: "execute/state/" + aad}
}

func (s vaultSealer) SealState(ctx context.Context, aad string, plain []byte) (string, error) {
	sealed, err := s.vault.Seal(ctx, stateRef(aad), plain)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

func (s vaultSealer) OpenState(ctx context.Context, aad, sealed string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, fmt.Errorf("decoding a state: %w", err)
	}
	if base64.RawURLEncoding.EncodeToString(b) != sealed { // one sealing has one spelling
		return nil, errors.New("decoding a state: it was not spelt by us")
	}
	return s.vault.Open(ctx, stateRef(aad), b)
}
