package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	operatorPrefix = "oak_"
	operatorFix    = "Create one with: sluice keys create --operator"
)

// CreateOperatorKey makes a key of whoever operates the server and returns it: the
// only time it is seen. It makes, lists and deletes projects and makes keys for
// them, and may do nothing within one.
func (s *Service) CreateOperatorKey(ctx context.Context, name string) (key string, k domain.APIKey, err error) {
	name, err = cleanName(name)
	if err != nil {
		return "", domain.APIKey{}, err
	}
	key = domain.NewSecret(operatorPrefix)
	k = newOperatorKey(name, key)
	if err := s.store.CreateOperatorKey(ctx, k); err != nil {
		return "", domain.APIKey{}, err
	}
	return key, k, nil
}

func newOperatorKey(name, key string) domain.APIKey {
	k := newKey("", name, key)
	k.ID = domain.NewID(domain.PrefixOperator)
	return k
}

// AdoptOperatorKey makes sure that the given key (of SLUICE_OPERATOR_KEY) is an
// operator's. It is refused when it was revoked, or is a project's.
func (s *Service) AdoptOperatorKey(ctx context.Context, name, key string) (domain.APIKey, error) {
	const fix = "Set SLUICE_OPERATOR_KEY to another value."
	if err := checkKey(key); err != nil {
		return domain.APIKey{}, err
	}
	fresh := newOperatorKey(name, key)
	_, err := s.store.APIKeyByHash(ctx, fresh.Hash)
	if err == nil {
		return domain.APIKey{}, domain.Errorf(domain.CodeForbidden, "the given operator key is a project's API key").WithFix(fix)
	}
	if domain.CodeOf(err) != domain.CodeNotFound {
		return domain.APIKey{}, err
	}
	for range 2 {
		k, err := s.store.OperatorKeyByHash(ctx, fresh.Hash)
		if err == nil && !k.RevokedAt.IsZero() {
			return k, domain.Errorf(domain.CodeForbidden, "the given operator key (%s) was revoked and cannot be used again", k.ID).WithFix(fix)
		}
		if domain.CodeOf(err) != domain.CodeNotFound {
			return k, err
		}
		err = s.store.CreateOperatorKey(ctx, fresh)
		if domain.CodeOf(err) != domain.CodeConflict {
			return fresh, err
		}
		// Another process adopted the same key just now.
	}
	return domain.APIKey{}, domain.Errorf(domain.CodeUnavailable, "the given operator key could not be stored; try again")
}

// OperatorKeys lists the operator's stored keys, newest first, revoked ones too.
func (s *Service) OperatorKeys(ctx context.Context) ([]domain.APIKey, error) {
	return s.store.ListOperatorKeys(ctx)
}

// RevokeOperatorKey revokes an operator's key by id; requests with it fail at once.
func (s *Service) RevokeOperatorKey(ctx context.Context, id string) error {
	return s.store.RevokeOperatorKey(ctx, id, now())
}

// AuthenticateOperator gives the principal of an operator's key, as Authenticate
// does of a project's.
func (s *Service) AuthenticateOperator(ctx context.Context, key string) (domain.Principal, error) {
	invalid := domain.Errorf(domain.CodeUnauthenticated, "this operator key is not valid").WithFix(operatorFix)
	if key == "" || len(key) > maxKey {
		return domain.Principal{}, invalid
	}
	hash := sha256.Sum256([]byte(key))
	k, err := s.store.OperatorKeyByHash(ctx, hash)
	switch {
	case domain.CodeOf(err) == domain.CodeNotFound:
		return domain.Principal{}, invalid
	case err != nil:
		return domain.Principal{}, err
	case subtle.ConstantTimeCompare(k.Hash[:], hash[:]) != 1: // compared by the look-up already; without a shortcut here
		return domain.Principal{}, invalid
	case !k.RevokedAt.IsZero():
		return domain.Principal{}, domain.Errorf(domain.CodeUnauthenticated, "this operator key was revoked").WithFix(operatorFix)
	}
	return domain.Principal{KeyID: k.ID, Operator: true}, nil
}

// revokeGivenOperator revokes the operator's key with the hash, if there is one.
func (s *Service) revokeGivenOperator(ctx context.Context, hash [32]byte) error {
	k, err := s.store.OperatorKeyByHash(ctx, hash)
	if err == nil {
		err = s.store.RevokeOperatorKey(ctx, k.ID, now())
	}
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil
	}
	return err
}
