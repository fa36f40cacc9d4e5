package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/sluice-run/sluice/internal/domain"
)

// envelope is what River keeps of any job. Key is what Once compares.
type envelope struct {
	kind string
	Key  string          `json:"key" river:"unique"`
	Args json.RawMessage `json:"args"`
}

// Kind implements river.JobArgs.
func (e envelope) Kind() string { return e.kind }

// maxArgs bounds the encoded arguments of a job: ids, not what they name.
const maxArgs = 16 << 10

func (j Job) encode() (envelope, *river.InsertOpts, error) {
	args, err := json.Marshal(j.args)
	if err == nil && len(args) > maxArgs {
		err = fmt.Errorf("jobs: arguments of %d bytes", len(args))
	}
	if err != nil {
		return envelope{}, nil, domain.Internal("enqueuing a job", err)
	}
	return envelope{kind: j.kind, Key: j.key, Args: args}, &river.InsertOpts{MaxAttempts: j.tries, ScheduledAt: j.at, Queue: j.queue}, nil
}

// worker runs the jobs of one kind.
type worker struct {
	river.WorkerDefaults[envelope]
	work    Work
	log     *slog.Logger
	observe func(t Try)
}

// Timeout implements river.Worker.
func (w *worker) Timeout(*river.Job[envelope]) time.Duration { return w.work.timeout }

// NextRetry implements river.Worker. River does not count yet the failure that it
// asks for.
func (w *worker) NextRetry(j *river.Job[envelope]) time.Time {
	return time.Now().Add(w.work.pause(len(j.Errors) + 1))
}

// Work implements river.Worker. What River keeps of a failure is a sentence fit
// for anybody; the cause goes to the log, which masks.
func (w *worker) Work(ctx context.Context, j *river.Job[envelope]) error {
	began := time.Now()
	err := w.run(ctx, j.Args.Args)
	t := Try{Kind: w.work.kind, Number: j.Attempt, Outcome: Done, Took: time.Since(began)}
	var off later
	var final never
	switch {
	case err == nil:
	case errors.As(err, &off):
		t.Outcome, err = PutOff, river.JobSnooze(off.in)
	case errors.As(err, &final):
		t.Outcome = GaveUp
		w.tell(ctx, t, err)
		err = river.JobCancel(errors.New(safe(err)))
	default:
		t.Outcome = Failed
		if j.Attempt >= j.MaxAttempts {
			t.Outcome = GaveUp
		}
		w.tell(ctx, t, err)
		err = errors.New(safe(err))
	}
	if w.observe != nil {
		w.observe(t)
	}
	return err
}

// run turns a panic into an error.
func (w *worker) run(ctx context.Context, args json.RawMessage) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = domain.Internal("a job panicked", fmt.Errorf("%v\n%s", p, debug.Stack()))
		}
	}()
	return w.work.do(ctx, args)
}

func (w *worker) tell(ctx context.Context, t Try, err error) {
	attrs := []any{"kind", t.Kind, "try", t.Number, "error", err}
	if cause := errors.Unwrap(err); cause != nil {
		attrs = append(attrs, "cause", cause)
	}
	if t.Outcome == GaveUp {
		w.log.ErrorContext(ctx, "a job was given up", attrs...)
		return
	}
	w.log.WarnContext(ctx, "a job failed and will be tried again", attrs...)
}

// safe gives what may be kept of an error.
func safe(err error) string {
	var known *domain.Error
	if errors.As(err, &known) {
		return known.Message
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not end in time"
	}
	return "it failed; see the log"
}

// severe lets errors through alone: what River says of failed jobs is said here,
// in our words.
type severe struct{ slog.Handler }

// Enabled implements slog.Handler.
func (s severe) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && s.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler. It drops what tell has told, and that a stop
// cut short what the engine did for itself: it is done again after the start.
func (s severe) Handle(ctx context.Context, r slog.Record) error {
	drop := r.Message == "JobExecutor: Job errored"
	r.Attrs(func(a slog.Attr) bool {
		drop = drop || (a.Key == "error" || a.Key == "err") && strings.Contains(a.Value.String(), context.Canceled.Error())
		return !drop
	})
	if drop {
		return nil
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s severe) WithAttrs(attrs []slog.Attr) slog.Handler { return severe{s.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (s severe) WithGroup(name string) slog.Handler { return severe{s.Handler.WithGroup(name)} }
