package execute

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// slots bound the calls of each project, or of each of its users, at a time.
type slots struct {
	whose    string // "project", "user"
	size     int
	patience time.Duration // how long a call waits for its turn
	mu       sync.Mutex
	busy     map[string]*slot // whose calls are in work
}

type slot struct {
	tokens chan struct{}
	refs   int
}

// enter waits shortly for a slot of the key. leave gives it back.
func (s *slots) enter(ctx context.Context, key string) (leave func(), err error) {
	sl := s.join(key)
	select {
	case sl.tokens <- struct{}{}:
	default:
		if err := s.wait(ctx, sl); err != nil {
			s.part(key, sl)
			return nil, err
		}
	}
	return func() {
		<-sl.tokens
		s.part(key, sl)
	}, nil
}

func (s *slots) wait(ctx context.Context, sl *slot) error {
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case sl.tokens <- struct{}{}:
		return nil
	case <-ctx.Done():
		return canceled(ctx)
	case <-timer.C:
		e := domain.Errorf(domain.CodeRateLimited, "too many calls at once: this %s already runs %d, and none ended within %s", s.whose, s.size, s.patience).
			WithFix("Run fewer calls at a time, or try again shortly.")
		e.RetryAfter = max(time.Second, s.patience)
		return e
	}
}

func (s *slots) join(key string) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == nil {
		s.busy = map[string]*slot{}
	}
	sl := s.busy[key]
	if sl == nil {
		sl = &slot{tokens: make(chan struct{}, s.size)}
		s.busy[key] = sl
	}
	sl.refs++
	return sl
}

func (s *slots) part(key string, sl *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl.refs--; sl.refs == 0 {
		delete(s.busy, key)
	}
}
