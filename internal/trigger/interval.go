package trigger

import (
	"math/rand/v2"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// bounds are those of a poll's interval.
type bounds struct{ shortest, usual, longest time.Duration }

// slowest is how much longer than usual silence makes the interval.
const slowest = 3

func (s *Service) bounds(t *toolkit.Trigger) bounds {
	if p := s.opts.Pace; p > 0 {
		return bounds{p, p, p}
	}
	b := bounds{shortest: max(t.MinInterval, s.opts.MinInterval)}
	b.usual = max(t.Interval, b.shortest)
	b.longest = max(min(slowest*b.usual, s.opts.MaxInterval), b.shortest)
	b.usual = min(b.usual, b.longest)
	return b
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
