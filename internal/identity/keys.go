package identity

import (
	"context"
	"crypto/sha256"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const (
	keyPrefix = "ak_"
	minKey    = 16  // characters of a key that someone else made
	maxKey    = 512 // bytes of any key
	maxName   = 100 // characters of a key's name
)

// CreateKey makes a key and returns it: the only time it is seen. A key without
// a name is called "unnamed".
func (s *Service) CreateKey(ctx context.Context, projectID, name string) (key string, k domain.APIKey, err error) {
	name, err = cleanName(name)
	if err != nil {
		return "", domain.APIKey{}, err
	}
	key = domain.NewSecret(keyPrefix)
	k = newKey(projectID, name, key)
	err = s.store.InTx(ctx, func(tx store.Tx) error {
		if _, err := tx.Project(ctx, projectID); err != nil { // one that has ended is none
			return err
		}
		return tx.CreateAPIKey(ctx, k)
	})
	if err != nil {
		return "", domain.APIKey{}, noProject(err)
	}
	return key, k, nil
}

// AdoptKey makes sure that the given key (of SLUICE_API_KEY) works for the
// project. A key that was revoked is refused, and so is one of another project.
// A key must have 16 to 512 printable ASCII characters without spaces, so that
// it fits in a header.
func (s *Service) AdoptKey(ctx context.Context, projectID, name, key string) (domain.APIKey, error) {
	if err := checkKey(key); err != nil {
		return domain.APIKey{}, err
	}
	name, err := cleanName(name)
	if err != nil {
		return domain.APIKey{}, err
	}
	fresh := newKey(projectID, name, key)
	for range 2 {
		k, err := s.store.APIKeyByHash(ctx, fresh.Hash)
		switch {
		case err == nil:
			return adoptable(k, projectID)
		case domain.CodeOf(err) != domain.CodeNotFound:
			return domain.APIKey{}, err
		}
		err = s.store.CreateAPIKey(ctx, fresh)
		if err == nil {
			return fresh, nil
		}
		if domain.CodeOf(err) != domain.CodeConflict {
			return domain.APIKey{}, err
		}
		// Another process adopted the same key just now.
	}
	return domain.APIKey{}, domain.Errorf(domain.CodeUnavailable, "the given API key could not be stored; try again")
}

func adoptable(k domain.APIKey, projectID string) (domain.APIKey, error) {
	if k.ProjectID != projectID {
		return domain.APIKey{}, domain.Errorf(domain.CodeForbidden, "the given API key belongs to another project").
			WithFix("Set SLUICE_API_KEY to another value.")
	}
	if !k.RevokedAt.IsZero() {
		return domain.APIKey{}, domain.Errorf(domain.CodeForbidden, "the given API key (%s) was revoked and cannot be used again", k.ID).
			WithFix("Set SLUICE_API_KEY to another value.")
	}
	return k, nil
}

// Ephemeral makes a key that lives in this process only and is never stored:
// for a client in the same process. It ends with the process or by Revoke.
func (s *Service) Ephemeral(projectID, name string) (key string) {
	key = domain.NewSecret(keyPrefix)
	k := newKey(projectID, name, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ephemeral[k.Hash] = k
	return key
}

// Keys lists the project's stored keys, newest first, revoked ones too.
func (s *Service) Keys(ctx context.Context, projectID string) ([]domain.APIKey, error) {
	return s.store.ListAPIKeys(ctx, projectID)
}

// Revoke revokes a key by id. Requests with it fail at once in this process and
// within a second in others. Revoking a revoked key changes nothing.
func (s *Service) Revoke(ctx context.Context, projectID, id string) error {
	if s.dropEphemeral(projectID, id) {
		s.endWatches(id)
		return nil
	}
	if err := s.store.RevokeAPIKey(ctx, projectID, id, now()); err != nil {
		return err
	}
	s.endWatches(id)
	return nil
}

func (s *Service) dropEphemeral(projectID, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, k := range s.ephemeral {
		if k.ID == id && k.ProjectID == projectID {
			delete(s.ephemeral, hash)
			return true
		}
	}
	return false
}

func newKey(projectID, name, key string) domain.APIKey {
	return domain.APIKey{
		ID:        domain.NewID(domain.PrefixAPIKey),
		ProjectID: projectID,
		Name:      name,
		Hash:      sha256.Sum256([]byte(key)),
		Hint:      key[max(0, len(key)-4):],
		CreatedAt: now(),
	}
}

func cleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "unnamed", nil
	}
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return "", domain.Invalid("name", "the name of an API key is a line of text with at most %d characters", maxName)
	}
	return name, nil
}

// checkKey never quotes the key.
func checkKey(key string) error {
	odd := strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
	if odd || len(key) < minKey || len(key) > maxKey {
		return domain.Invalid("key", "an API key has %d to %d printable ASCII characters and no spaces; the given one does not", minKey, maxKey)
	}
	return nil
}
