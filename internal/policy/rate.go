package policy

import (
	"math"
	"sync"
	"time"
)

// Rate is how much one key, user or toolkit may do: Burst at once, and Burst
// again in each Window, evenly. A zero Burst is no limit.
type Rate struct {
	Burst  int
	Window time.Duration
}

// Verdict is what a limiter says of one call.
type Verdict struct {
	OK        bool
	Remaining int           // calls that may follow at once
	Reset     time.Duration // until the bucket is full again
	Wait      time.Duration // until one call may pass; 0 when OK
}

// Limiter holds one token bucket for each name. Its memory is bounded: a bucket
// that is full again is the same as none, and is dropped. It is safe for
// concurrent use.
type Limiter struct {
	rate Rate
	most int
	now  func() time.Time

	mu   sync.Mutex
	full map[string]time.Time // when each bucket is full again
	next time.Time            // when to look for full ones
}

// NewLimiter makes a Limiter of at most so many names at a time; of more, each new
// one takes the place of another, whose bucket is then full.
func NewLimiter(r Rate, most int, now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	return &Limiter{rate: r, most: max(1, most), now: now, full: map[string]time.Time{}}
}

// Take takes one token of the name's bucket. A refused call takes none. A nil
// limiter allows everything.
func (l *Limiter) Take(name string) Verdict {
	if l == nil || l.rate.Burst <= 0 || l.rate.Window <= 0 {
		return Verdict{OK: true, Remaining: math.MaxInt}
	}
	token := max(1, l.rate.Window/time.Duration(l.rate.Burst))
	whole := token * time.Duration(l.rate.Burst)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full, known := l.full[name]
	if !known || full.Before(now) {
		full = now
	}
	if over := full.Add(token).Sub(now) - whole; over > 0 {
		return Verdict{Reset: full.Sub(now), Wait: over}
	}
	if !known {
		l.room(now)
	}
	full = full.Add(token)
	l.full[name] = full
	return Verdict{OK: true, Remaining: int((whole - full.Sub(now)) / token), Reset: full.Sub(now)}
}

// room drops buckets that are full again, at most once in a window, and one more
// when there are too many all the same.
func (l *Limiter) room(now time.Time) {
	if len(l.full) < l.most {
		return
	}
	if !now.Before(l.next) {
		l.next = now.Add(l.rate.Window / 8)
		for name, full := range l.full {
			if !full.After(now) {
				delete(l.full, name)
			}
		}
	}
	for name := range l.full {
		if len(l.full) < l.most {
			return
		}
		delete(l.full, name)
	}
}

// Held says how many names have a bucket that is not known to be full.
func (l *Limiter) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.full)
}
