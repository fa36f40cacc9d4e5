package trigger

import (
	"sync"
	"time"
)

// pace bounds how often something of each name happens in this process.
type pace struct {
	rate, burst float64 // a second, and at once

	mu  sync.Mutex
	all map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// maxPaced is how many names are remembered before those that rest are forgotten.
const maxPaced = 10_000

// take counts one more of the name; when there are too many it counts nothing and
// says how long to wait.
func (p *pace) take(name string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[string]bucket{}
	}
	if len(p.all) >= maxPaced {
		for n, b := range p.all {
			if p.filled(b, now) >= p.burst {
				delete(p.all, n)
			}
		}
	}
	b, known := p.all[name]
	if !known {
		b = bucket{left: p.burst, at: now}
	}
	b.left, b.at = p.filled(b, now), now
	if b.left < 1 {
		return time.Duration((1 - b.left) / p.rate * float64(time.Second))
	}
	b.left--
	p.all[name] = b
	return 0
}

func (p *pace) filled(b bucket, now time.Time) float64 {
	return min(b.left+max(now.Sub(b.at), 0).Seconds()*p.rate, p.burst)
}
