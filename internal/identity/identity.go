// Package identity knows projects and their API keys: who a request acts for.
package identity

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Store is what identity needs of the database.
type Store interface {
	store.Projects
	store.APIKeys
}

// Options configures a Service.
type Options struct {
	Store Store
}

// Service answers whose key a key is.
type Service struct{ store Store }

// New makes a Service.
func New(opts Options) *Service { return &Service{store: opts.Store} }

// Setup makes the default project when there is none and gives it. It is safe
// when two processes start at once.
func (s *Service) Setup(ctx context.Context) (domain.Project, error) { panic("in work") }

// Authenticate gives the principal of an API key. An empty, unknown or revoked
// key is CodeUnauthenticated with a message that says which header to send.
func (s *Service) Authenticate(ctx context.Context, key string) (domain.Principal, error) {
	panic("in work")
}

// CreateKey makes a key and returns it: the only time it is seen.
func (s *Service) CreateKey(ctx context.Context, projectID, name string) (key string, k domain.APIKey, err error) {
	panic("in work")
}

// AdoptKey makes sure that the given key (of SLUICE_API_KEY) works for the
// project. A key that was revoked is refused.
func (s *Service) AdoptKey(ctx context.Context, projectID, name, key string) (domain.APIKey, error) {
	panic("in work")
}

// Ephemeral makes a key that lives in this process only and is never stored:
// for a client in the same process.
func (s *Service) Ephemeral(projectID, name string) (key string) { panic("in work") }

// Keys lists the project's keys, newest first.
func (s *Service) Keys(ctx context.Context, projectID string) ([]domain.APIKey, error) {
	panic("in work")
}

// Revoke revokes a key by id. Requests with it fail at once in this process and
// within a second in others.
func (s *Service) Revoke(ctx context.Context, projectID, id string) error { panic("in work") }

// Watch gives a context that ends when ctx ends or the key is revoked, in
// whatever process, within a second. The cause tells which.
func (s *Service) Watch(ctx context.Context, p domain.Principal) (context.Context, context.CancelFunc) {
	panic("in work")
}

// Start begins watching for revocations; Stop ends it.
func (s *Service) Start(ctx context.Context) error { panic("in work") }

// Stop ends what Start began.
func (s *Service) Stop() { panic("in work") }
