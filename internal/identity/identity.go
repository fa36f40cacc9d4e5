// Package identity knows projects and their API keys: who a request acts for.
//
// A key is shown once and kept as its SHA-256. Every request reads its key from
// the database, so that a revoked key fails at once in every process; what stays
// open longer than one request is watched (Service.Watch).
package identity

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Store is what identity needs of the database.
type Store interface {
	store.Projects
	store.ProjectEnds
	store.APIKeys
	store.OperatorKeys
	InTx(ctx context.Context, f func(tx store.Tx) error) error
}

// Options configures a Service.
type Options struct {
	Store Store
	// PruneFiles removes files that have expired with their contents; DropEnded has
	// it remove those of projects. Where it is nil, a project with files stays until
	// a Service that has it comes by.
	PruneFiles func(ctx context.Context) error
}

// Service answers whose key a key is.
type Service struct {
	store      Store
	pruneFiles func(ctx context.Context) error

	mu        sync.Mutex
	ephemeral map[[32]byte]domain.APIKey
	watches   map[string]map[*watch]struct{} // by key id

	run struct {
		sync.Mutex
		stop context.CancelFunc // nil while stopped
		done chan struct{}
	}
}

// New makes a Service.
func New(opts Options) *Service {
	return &Service{
		store:      opts.Store,
		pruneFiles: opts.PruneFiles,

		ephemeral: map[[32]byte]domain.APIKey{},
		watches:   map[string]map[*watch]struct{}{},
	}
}

// defaultProject is the name of the project that the first start makes. Names
// are unique in the store, which decides between processes that start at once.
const defaultProject = "default"

// Setup makes the default project when there is none and gives it. It is safe
// when two processes start at once.
func (s *Service) Setup(ctx context.Context) (domain.Project, error) {
	for range 2 {
		all, err := s.store.ListProjects(ctx)
		if err != nil {
			return domain.Project{}, err
		}
		if len(all) > 0 {
			return all[0], nil
		}
		p := domain.Project{ID: domain.NewID(domain.PrefixProject), Name: defaultProject, CreatedAt: now()}
		err = s.store.CreateProject(ctx, p)
		if err == nil {
			return p, nil
		}
		if domain.CodeOf(err) != domain.CodeConflict {
			return domain.Project{}, err
		}
		// Another process was first: its project is listed now.
	}
	return domain.Project{}, domain.Errorf(domain.CodeUnavailable, "the default project appeared and vanished; try again")
}

// now is the time as the store keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
