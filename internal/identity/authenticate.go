package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/sluice-run/sluice/internal/domain"
)

const createFix = "Create one with: sluice keys create"

// Authenticate gives the principal of an API key. An empty, unknown or revoked
// key is CodeUnauthenticated with a message that says which header to send. A
// database that does not answer is its own error, never "not valid".
func (s *Service) Authenticate(ctx context.Context, key string) (domain.Principal, error) {
	if key == "" {
		return domain.Principal{}, domain.Errorf(domain.CodeUnauthenticated,
			"missing API key: send it in the x-api-key header (or Authorization: Bearer …)").WithFix(createFix)
	}
	if len(key) > maxKey {
		return domain.Principal{}, errInvalid()
	}
	k, err := s.find(ctx, sha256.Sum256([]byte(key)))
	if err != nil {
		return domain.Principal{}, err
	}
	if !k.RevokedAt.IsZero() {
		return domain.Principal{}, errRevoked()
	}
	return domain.Principal{ProjectID: k.ProjectID, KeyID: k.ID}, nil
}

// Good fails with CodeUnauthenticated when the key with this id is revoked or gone.
// It is for what a key has opened, and says nothing of who asks.
func (s *Service) Good(ctx context.Context, keyID string) error {
	s.mu.Lock()
	for _, k := range s.ephemeral {
		if k.ID == keyID {
			s.mu.Unlock()
			return nil
		}
	}
	s.mu.Unlock()
	revoked, err := s.store.RevokedAPIKeys(ctx, []string{keyID})
	switch {
	case err != nil:
		return err
	case len(revoked) > 0:
		return errRevoked()
	}
	return nil
}

// find gives the key with the hash, revoked ones too.
func (s *Service) find(ctx context.Context, hash [32]byte) (domain.APIKey, error) {
	s.mu.Lock()
	k, ok := s.ephemeral[hash]
	s.mu.Unlock()
	if !ok {
		var err error
		if k, err = s.store.APIKeyByHash(ctx, hash); err != nil {
			if domain.CodeOf(err) == domain.CodeNotFound {
				return domain.APIKey{}, errInvalid()
			}
			return domain.APIKey{}, err
		}
	}
	// The look-up compared already; this makes sure of it without a shortcut.
	if subtle.ConstantTimeCompare(k.Hash[:], hash[:]) != 1 {
		return domain.APIKey{}, errInvalid()
	}
	return k, nil
}

func errInvalid() *domain.Error {
	return domain.Errorf(domain.CodeUnauthenticated, "this API key is not valid").WithFix(createFix)
}

func errRevoked() *domain.Error {
	return domain.Errorf(domain.CodeUnauthenticated, "this API key was revoked").WithFix(createFix)
}
