package identity

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// watchEvery is how often the watched keys are looked up. A look-up gets as long
// again before it is given up, which keeps a revocation under a second.
const watchEvery = 400 * time.Millisecond

type watch struct{ cancel context.CancelCauseFunc }

// Watch gives a context that ends when ctx ends or the key is revoked, in
// whatever process, within a second. The cause tells which: for a revocation it
// is a *domain.Error of CodeUnauthenticated. Revocations by other processes are
// seen while the Service is started. The caller must call the CancelFunc.
func (s *Service) Watch(ctx context.Context, p domain.Principal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches[p.KeyID] == nil {
		s.watches[p.KeyID] = map[*watch]struct{}{}
	}
	s.watches[p.KeyID][w] = struct{}{}
	return ctx, func() {
		cancel(context.Canceled)
		s.forget(p.KeyID, w)
	}
}

func (s *Service) forget(keyID string, w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches[keyID], w)
	if len(s.watches[keyID]) == 0 {
		delete(s.watches, keyID)
	}
}

// endWatches ends everything that was opened with the key.
func (s *Service) endWatches(keyID string) {
	s.mu.Lock()
	ended := s.watches[keyID]
	delete(s.watches, keyID)
	s.mu.Unlock()
	for w := range ended {
		w.cancel(errRevoked())
	}
}

// Start begins watching for revocations; Stop ends it. ctx is that of starting:
// its end does not end the watching, which must not stop unnoticed.
func (s *Service) Start(ctx context.Context) error {
	s.run.Lock()
	defer s.run.Unlock()
	if s.run.stop != nil {
		return domain.Internal("starting identity", errors.New("it is started already"))
	}
	ctx, s.run.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.run.done = make(chan struct{})
	go s.poll(ctx, s.run.done)
	return nil
}

// Stop ends what Start began and waits for it. It may be called again.
func (s *Service) Stop() {
	s.run.Lock()
	defer s.run.Unlock()
	if s.run.stop == nil {
		return
	}
	s.run.stop()
	<-s.run.done
	s.run.stop = nil
}

func (s *Service) poll(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.look(ctx)
		}
	}
}

// look ends the watches of keys that were revoked elsewhere. A database that
// does not answer ends nothing: the next look decides.
func (s *Service) look(ctx context.Context) {
	ids := s.watchedIDs()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	revoked, err := s.store.RevokedAPIKeys(ctx, ids)
	if err != nil {
		return
	}
	for _, id := range revoked {
		s.endWatches(id)
	}
}

// watchedIDs gives the watched keys that the store knows.
func (s *Service) watchedIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := make(map[string]struct{}, len(s.ephemeral))
	for _, k := range s.ephemeral {
		own[k.ID] = struct{}{}
	}
	ids := slices.Collect(maps.Keys(s.watches))
	return slices.DeleteFunc(ids, func(id string) bool {
		_, ok := own[id]
		return ok || !domain.HasPrefix(id, domain.PrefixAPIKey) // what stands for a key elsewhere ends elsewhere
	})
}
