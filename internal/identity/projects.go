package identity

import (
	"context"
	"crypto/sha256"
	"slices"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// maxProjects is as many as the store lists: one that is not listed would be
// forgotten by what clears away.
const maxProjects = 1000

// Projects gives the projects, oldest first.
func (s *Service) Projects(ctx context.Context) ([]domain.Project, error) {
	return s.store.ListProjects(ctx)
}

// Project gives a project by its id.
func (s *Service) Project(ctx context.Context, id string) (domain.Project, error) {
	p, err := s.store.Project(ctx, id)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return p, domain.Errorf(domain.CodeNotFound, "there is no such project").WithFix("sluice projects list shows them.")
	}
	return p, err
}

// CreateProject makes a project. Its name is a line of at most 100 characters that
// no other project has. It has no API key yet.
func (s *Service) CreateProject(ctx context.Context, name string) (domain.Project, error) {
	clean, err := cleanName(name)
	if err != nil || clean != name {
		return domain.Project{}, domain.Invalid("name", "name: expected a line of text of 1 to %d characters", maxName)
	}
	p := domain.Project{ID: domain.NewID(domain.PrefixProject), Name: name, CreatedAt: now()}
	err = s.store.InTx(ctx, func(tx store.Tx) error {
		all, err := tx.ListProjects(ctx)
		if err != nil {
			return err
		}
		if len(all) >= maxProjects {
			return domain.Errorf(domain.CodeForbidden, "there are %d projects, which is the most that there may be", len(all)).
				WithFix("Delete one that is not needed any more.")
		}
		return tx.CreateProject(ctx, p)
	})
	if err != nil {
		if domain.CodeOf(err) == domain.CodeConflict {
			return p, domain.Errorf(domain.CodeConflict, "there is a project %q already", name)
		}
		return p, err
	}
	return p, nil
}

// Key gives the API key of a principal; one that is kept nowhere (Ephemeral) has
// its id alone.
func (s *Service) Key(ctx context.Context, p domain.Principal) (domain.APIKey, error) {
	keys, err := s.store.ListAPIKeys(ctx, p.ProjectID)
	if err != nil {
		return domain.APIKey{}, err
	}
	if i := slices.IndexFunc(keys, func(k domain.APIKey) bool { return k.ID == p.KeyID }); i >= 0 {
		return keys[i], nil
	}
	return domain.APIKey{ID: p.KeyID, ProjectID: p.ProjectID, Name: "ephemeral"}, nil
}

// RevokeGiven revokes those of the given keys that there are: to know a key is to
// be allowed to end it. What is no key of ours changes nothing.
func (s *Service) RevokeGiven(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if key == "" || len(key) > maxKey {
			continue
		}
		hash := sha256.Sum256([]byte(key))
		if err := s.revokeGivenOperator(ctx, hash); err != nil {
			return err
		}
		k, err := s.find(ctx, hash)
		switch domain.CodeOf(err) {
		case domain.CodeUnauthenticated:
			continue
		case "":
		default:
			return err
		}
		if k.RevokedAt.IsZero() {
			if err := s.Revoke(ctx, k.ProjectID, k.ID); err != nil && domain.CodeOf(err) != domain.CodeNotFound {
				return err
			}
		}
	}
	return nil
}
