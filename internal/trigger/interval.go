package trigger

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// bounds are those of a poll's interval.
type bounds struct{ shortest, usual, longest time.Duration }

// slowest is how much longer than usual silence makes the interval.
const slowest = 3

// bounds gives those of the type within what the router and the project allow.
func (s *Service) bounds(ctx context.Context, q store.TriggerSettings, projectID string, t *toolkit.Trigger) (bounds, error) {
	if p := s.opts.Pace; p > 0 {
		return bounds{p, p, p}, nil
	}
	own, err := q.TriggerBounds(ctx, projectID)
	if err != nil {
		return bounds{}, err
	}
	least, most := s.within(own)
	b := bounds{shortest: max(t.MinInterval, least)}
	b.usual = max(t.Interval, b.shortest)
	b.longest = max(min(slowest*b.usual, most), b.shortest)
	b.usual = min(b.usual, b.longest)
	return b, nil
}

// within gives a project's bounds, held to the router's.
func (s *Service) within(own domain.TriggerBounds) (least, most time.Duration) {
	least = min(max(own.Min, s.opts.MinInterval), s.opts.MaxInterval)
	most = s.opts.MaxInterval
	if own.Max > 0 {
		most = min(most, own.Max)
	}
	return least, max(most, least)
}

// Bounds are those of a project's polls.
type Bounds struct {
	domain.TriggerBounds               // what the project set
	Least, Most          time.Duration // what holds
}

// Bounds gives between which times the project's polls may come. What a type says of
// itself holds besides: none comes sooner than its shortest.
func (s *Service) Bounds(ctx context.Context, projectID string) (Bounds, error) {
	own, err := s.opts.Store.TriggerBounds(ctx, projectID)
	b := Bounds{TriggerBounds: own}
	b.Least, b.Most = s.within(own)
	return b, err
}

// SetBounds replaces what the project set, within the router's own; zero means the
// router's. It holds from the next poll of each trigger on.
func (s *Service) SetBounds(ctx context.Context, projectID string, b domain.TriggerBounds) (Bounds, error) {
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"min_interval_seconds", b.Min}, {"max_interval_seconds", b.Max}} {
		if f.value != 0 && (f.value < s.opts.MinInterval || f.value > s.opts.MaxInterval) {
			return Bounds{}, domain.Invalid(f.name, "%s: expected %d to %d, which the router allows, or 0 for the router's own", f.name,
				int(s.opts.MinInterval.Seconds()), int(s.opts.MaxInterval.Seconds()))
		}
	}
	if b.Min > 0 && b.Max > 0 && b.Min > b.Max {
		return Bounds{}, domain.Invalid("max_interval_seconds", "max_interval_seconds: expected at least min_interval_seconds, which is %d", int(b.Min.Seconds()))
	}
	if err := s.opts.Store.PutTriggerBounds(ctx, projectID, b); err != nil {
		return Bounds{}, err
	}
	return s.Bounds(ctx, projectID)
}

// next gives the interval after a poll that found so many events: the shortest
// after activity, half as long again in silence.
func (b bounds) next(now time.Duration, events int) time.Duration {
	if events > 0 {
		return b.shortest
	}
	return min(max(now+now/2, b.shortest), b.longest)
}

// backoff gives the interval after so many failures.
func (b bounds) backoff(failures int) time.Duration {
	return max(b.shortest, min(b.usual<<min(failures-1, 10), maxBackoff))
}

// jitter spreads polls that were made together: up to a tenth less or more.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(max(d/5, 1))
}
