package identity

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const (
	dropBatch  = 500 // rows at a time, so that others can write in between
	dropRounds = 20  // how often what was written meanwhile is looked for
)

// RegenerateKey revokes all keys of a project and makes one anew; it is seen only
// now. What the others had opened ends within a second.
func (s *Service) RegenerateKey(ctx context.Context, projectID, name string) (key string, k domain.APIKey, err error) {
	key = domain.NewSecret(keyPrefix)
	k = newKey(projectID, name, key)
	err = s.store.InTx(ctx, func(tx store.Tx) error {
		if _, err := tx.Project(ctx, projectID); err != nil {
			return err
		}
		if err := tx.RevokeAPIKeys(ctx, projectID, k.CreatedAt); err != nil {
			return err
		}
		return tx.CreateAPIKey(ctx, k)
	})
	if err != nil {
		return "", domain.APIKey{}, noProject(err)
	}
	return key, k, nil
}

// EndProject ends a project: it is found no more and its keys are none; what they
// had opened ends within a second. What it had is removed by DropEnded. The first
// project stays: SLUICE_API_KEY and what runs inside the program belong to it, and
// would be given to the next one.
func (s *Service) EndProject(ctx context.Context, id string) error {
	err := s.store.InTx(ctx, func(tx store.Tx) error {
		all, err := tx.ListProjects(ctx)
		if err != nil {
			return err
		}
		if len(all) > 0 && all[0].ID == id {
			return domain.Errorf(domain.CodeConflict, "the first project of a server cannot be deleted").
				WithFix("What is its operator's belongs to it: SLUICE_API_KEY and sluice chat. Delete what is in it instead, or revoke its keys.")
		}
		return tx.EndProject(ctx, id, now())
	})
	return noProject(err)
}

func noProject(err error) error {
	if domain.CodeOf(err) == domain.CodeNotFound {
		return domain.Errorf(domain.CodeNotFound, "there is no such project").WithFix("sluice projects list shows them.")
	}
	return err
}

// DropEnded removes everything of the projects that have ended. Where it is cut
// off, the next call goes on.
func (s *Service) DropEnded(ctx context.Context) error {
	ended, err := s.store.EndedProjects(ctx)
	if err != nil {
		return err
	}
	for _, id := range ended {
		if err := s.dropProject(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// dropProject goes around until nothing of the project is left: calls that were
// under way may still have kept their record.
func (s *Service) dropProject(ctx context.Context, id string) error {
	for range dropRounds {
		for {
			n, err := s.store.DropOfProject(ctx, id, dropBatch)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
		// The file store removes contents that nobody else has, with what has expired.
		if err := s.store.ExpireFiles(ctx, id, time.UnixMicro(1)); err != nil {
			return err
		}
		if s.pruneFiles != nil {
			if err := s.pruneFiles(ctx); err != nil {
				return err
			}
		}
		if err := s.store.DropProject(ctx, id); domain.CodeOf(err) != domain.CodeNotFound {
			return err
		}
	}
	return domain.Errorf(domain.CodeUnavailable, "something of the deleted project %s is left", id).
		WithFix("A running server removes it within minutes.")
}
