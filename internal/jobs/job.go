package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is a kind of job whose arguments are an A, which must survive JSON. The
// zero values of the bounds mean the defaults in brackets.
type Kind[A any] struct {
	// Name is what the database calls it: lower case, never changed, or jobs that
	// wait are lost.
	Name string
	// Timeout bounds one try [1 min], at most MaxTimeout.
	Timeout time.Duration
	// Tries is how often it is tried before it is given up [10].
	Tries int
	// Queue names the queue that its jobs wait in [the common one]: each has its own
	// bound (Options.Queues), so that many slow jobs of one do not hold up another's.
	Queue string
	// Pause gives the time from the failed try of the given number, from 1, to the
	// next one [Backoff].
	Pause func(tries int) time.Duration
}

// MaxTimeout bounds the timeout of a kind.
const MaxTimeout = 10 * time.Minute

const (
	defaultTimeout = time.Minute
	defaultTries   = 10
)

// Backoff pauses 1 s, 2 s, 4 s … up to an hour, give or take a tenth.
func Backoff(tries int) time.Duration {
	pause := min(time.Second<<min(max(tries-1, 0), 20), time.Hour)
	return pause - pause/10 + rand.N(pause/5)
}

// Work is a kind with what it does.
type Work struct {
	kind    string
	queue   string
	timeout time.Duration
	pause   func(tries int) time.Duration
	do      func(ctx context.Context, args json.RawMessage) error
}

// Work says what jobs of the kind do. f returns nil when the job is done, an
// error to be tried again, or one of Never and Later. Its context ends with the
// timeout, and when the process stops and waits no longer.
func (k Kind[A]) Work(f func(ctx context.Context, args A) error) Work {
	w := Work{kind: k.Name, queue: k.Queue, timeout: k.Timeout, pause: k.Pause}
	if w.timeout == 0 {
		w.timeout = defaultTimeout
	}
	if w.pause == nil {
		w.pause = Backoff
	}
	w.do = func(ctx context.Context, raw json.RawMessage) error {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return Never(fmt.Errorf("reading the arguments: %w", err))
		}
		return f(ctx, args)
	}
	return w
}

// Job is work that is to be done.
type Job struct {
	kind  string
	queue string
	args  any
	tries int
	key   string
	once  bool
	at    time.Time
}

// Job gives a job of the kind.
func (k Kind[A]) Job(args A) Job {
	j := Job{kind: k.Name, queue: k.Queue, args: args, tries: k.Tries}
	if j.tries == 0 {
		j.tries = defaultTries
	}
	return j
}

// At lets the job run at t or soon after, not before.
func (j Job) At(t time.Time) Job {
	j.at = t
	return j
}

// Once drops the job when one of its kind with the same key waits or runs
// already. One that runs may have read what it needed before the change at hand:
// let work look again before it ends.
func (j Job) Once(key string) Job {
	j.key, j.once = key, true
	return j
}

// Kind names the job's kind.
func (j Job) Kind() string { return j.kind }

// Args gives the job's arguments as they were given to Kind.Job.
func (j Job) Args() any { return j.args }

// Periodic is a job that is enqueued again and again, by one process of all. Of
// each interval, counted from midnight UTC, it is enqueued once at most, across
// restarts too.
type Periodic struct {
	Every time.Duration // 1 s to 24 h
	Job   Job           // without At and Once
}

// never is a failure that trying again would not mend.
type never struct{ error }

func (n never) Unwrap() error { return n.error }

// Never wraps an error that trying again would not mend: the job is given up.
func Never(err error) error { return never{err} }

// later is no failure, but too early.
type later struct{ in time.Duration }

func (l later) Error() string { return fmt.Sprintf("jobs: again in %v", l.in) }

// Later puts the job off, without counting a try.
func Later(in time.Duration) error { return later{in} }

// LaterBy says by how much an error of Later puts its job off.
func LaterBy(err error) (time.Duration, bool) {
	var l later
	ok := errors.As(err, &l)
	return l.in, ok
}
