package vault

import (
	"context"
	"sync"
	"time"
)

// UsesOptions configure Uses.
type UsesOptions struct {
	// Save keeps when accounts were last used. The map is Save's own.
	Save func(ctx context.Context, uses map[Ref]time.Time) error
	// Every is how often; a minute when 0.
	Every time.Duration
	// Warn hears when Save failed: these uses are lost. Optional.
	Warn func(ctx context.Context, what string, err error)
}

const (
	usesEvery = time.Minute
	// maxUses bounds what waits to be saved; beyond it, uses of further accounts
	// are not noted until the next time.
	maxUses = 100_000
	// usesTime bounds one saving.
	usesTime = 30 * time.Second
)

// Uses notes when accounts are used, off the path of the calls: each account is
// written at most once in Every.
type Uses struct {
	opts UsesOptions
	mu   sync.Mutex
	seen map[Ref]time.Time
	stop chan struct{}
	done chan struct{}
}

// NewUses makes a Uses; nothing is saved before Start.
func NewUses(o UsesOptions) *Uses {
	if o.Every <= 0 {
		o.Every = usesEvery
	}
	return &Uses{opts: o, seen: map[Ref]time.Time{}}
}

// Note is an Options.Used.
func (u *Uses) Note(ref Ref) {
	ref.Field = ""
	now := time.Now()
	u.mu.Lock()
	if _, there := u.seen[ref]; there || len(u.seen) < maxUses {
		u.seen[ref] = now
	}
	u.mu.Unlock()
}

// Start saves from time to time until Stop.
func (u *Uses) Start(ctx context.Context) {
	u.stop, u.done = make(chan struct{}), make(chan struct{})
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer close(u.done)
		tick := time.NewTicker(u.opts.Every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				u.flush(ctx)
			case <-u.stop:
				u.flush(ctx)
				return
			}
		}
	}()
}

// Stop saves what is noted and ends.
func (u *Uses) Stop() {
	if u.stop != nil {
		close(u.stop)
		<-u.done
		u.stop = nil
	}
}

func (u *Uses) flush(ctx context.Context) {
	seen := u.take()
	if len(seen) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, usesTime)
	defer cancel()
	if err := u.opts.Save(ctx, seen); err != nil && u.opts.Warn != nil {
		u.opts.Warn(ctx, "when accounts were last used could not be noted", err)
	}
}

// take gives what is noted, and leaves nothing; nil when there is nothing.
func (u *Uses) take() map[Ref]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) == 0 {
		return nil
	}
	seen := u.seen
	u.seen = make(map[Ref]time.Time, min(len(seen), 1024))
	return seen
}
