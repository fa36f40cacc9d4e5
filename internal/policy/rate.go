package policy

import (
	"hash/maphash"
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

// Limited says whether the rate is a limit.
func (r Rate) Limited() bool { return r.Burst > 0 && r.Window > 0 }

// The kinds of limit, as headers, metrics and messages name them.
const (
	LimitKey     = "key"
	LimitUser    = "user"
	LimitToolkit = "toolkit"
)

// Verdict is what a limiter says of one call. Its zero value is no limit's.
type Verdict struct {
	Limit     *Limiter // nil where there is no limit
	Refused   bool
	Remaining int           // calls that may follow at once
	Reset     time.Duration // until the bucket is full again
	Wait      time.Duration // until one call may pass; 0 unless Refused
}

// LimiterOptions configures a Limiter.
type LimiterOptions struct {
	Kind string // LimitKey, LimitUser or LimitToolkit
	Rate Rate
	// Most bounds how many names have a bucket at a time; 100,000 when 0.
	Most int
	Now  func() time.Time // time.Now when nil
	// Refused, when set, is told of every refused call: metrics.
	Refused func(kind string)
}

// defaultMost buckets take some 10 MB.
const defaultMost = 100_000

// Limiter holds one token bucket for each name. Its memory is bounded: names are
// kept as hashes, and a bucket that is full again is the same as none. A nil
// Limiter is no limit. It is safe for concurrent use.
type Limiter struct {
	kind         string
	rate         Rate
	token, whole time.Duration // in which one token, and all of them, flow in
	most         int
	now          func() time.Time
	refused      func(kind string)
	start        time.Time
	seeds        [2]maphash.Seed
	text         headerText

	mu      sync.Mutex
	buckets map[name]*bucket
	// heap has the fullest bucket first: that is the one to forget when there are
	// too many. Else who invents names would empty the table of those who have
	// used theirs up, and could begin anew.
	heap []*bucket
}

// name is a hash of whose bucket it is, with seeds of this process: 128 bits that
// nobody can aim at, however long the name, and no text to keep.
type name [2]uint64

type bucket struct {
	name name
	full time.Duration // when it is full again, since the limiter's start
	at   int           // in the heap
}

// NewLimiter makes a Limiter, or nil where the rate is no limit.
func NewLimiter(o LimiterOptions) *Limiter {
	if !o.Rate.Limited() {
		return nil
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Most <= 0 {
		o.Most = defaultMost
	}
	if o.Refused == nil {
		o.Refused = func(string) {}
	}
	token := max(1, o.Rate.Window/time.Duration(o.Rate.Burst))
	return &Limiter{
		kind: o.Kind, rate: o.Rate, token: token, whole: token * time.Duration(o.Rate.Burst),
		most: o.Most, now: o.Now, refused: o.Refused, start: o.Now(),
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, text: headerTextOf(o.Kind, o.Rate),
		buckets: map[name]*bucket{},
	}
}

// Take takes one token of the bucket that the name has with its owner. A refused
// call takes none: it cannot put off its own turn, nor anybody else's.
func (l *Limiter) Take(owner, who string) Verdict {
	if l == nil {
		return Verdict{Remaining: math.MaxInt}
	}
	v := l.take(l.nameOf(owner, who))
	if v.Refused {
		l.refused(l.kind)
	}
	return v
}

func (l *Limiter) take(n name) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now().Sub(l.start)
	b := l.buckets[n]
	full := now
	if b != nil {
		full = max(full, b.full)
	}
	if over := full + l.token - now - l.whole; over > 0 {
		return Verdict{Limit: l, Refused: true, Reset: full - now, Wait: over}
	}
	full += l.token
	if b == nil {
		l.room(now)
		b = &bucket{name: n, full: full, at: len(l.heap)}
		l.buckets[n] = b
		l.heap = append(l.heap, b)
		l.up(b)
	} else {
		b.full = full
		l.down(b)
	}
	return Verdict{Limit: l, Remaining: int((l.whole - (full - now)) / l.token), Reset: full - now}
}

// Return gives back a token that was taken for a call which another limit then
// refused.
func (l *Limiter) Return(owner, who string) {
	if l == nil {
		return
	}
	n := l.nameOf(owner, who)
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets[n]; b != nil {
		b.full -= l.token
		l.up(b)
	}
}

// Held says how many names have a bucket that is not known to be full.
func (l *Limiter) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.heap)
}

func (l *Limiter) nameOf(owner, who string) name {
	var n name
	for i, seed := range l.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.WriteString(owner) // never fails
		_ = h.WriteByte(0)          // in no id of a project
		_, _ = h.WriteString(who)
		n[i] = h.Sum64()
	}
	return n
}

// room drops up to two buckets that are full again, so that no call pays for all
// of them, and one more when there is no room all the same.
func (l *Limiter) room(now time.Duration) {
	for range 2 {
		if len(l.heap) > 0 && l.heap[0].full <= now {
			l.drop()
		}
	}
	if len(l.heap) >= l.most {
		l.drop()
	}
}

// drop forgets the fullest bucket.
func (l *Limiter) drop() {
	first, last := l.heap[0], len(l.heap)-1
	l.swap(0, last)
	l.heap[last] = nil
	l.heap = l.heap[:last]
	delete(l.buckets, first.name)
	if last > 0 {
		l.down(l.heap[0])
	}
}

func (l *Limiter) up(b *bucket) {
	for b.at > 0 {
		parent := (b.at - 1) / 2
		if l.heap[parent].full <= b.full {
			return
		}
		l.swap(b.at, parent)
	}
}

func (l *Limiter) down(b *bucket) {
	for {
		child := 2*b.at + 1
		if child >= len(l.heap) {
			return
		}
		if other := child + 1; other < len(l.heap) && l.heap[other].full < l.heap[child].full {
			child = other
		}
		if b.full <= l.heap[child].full {
			return
		}
		l.swap(b.at, child)
	}
}

func (l *Limiter) swap(i, j int) {
	l.heap[i], l.heap[j] = l.heap[j], l.heap[i]
	l.heap[i].at, l.heap[j].at = i, j
}
