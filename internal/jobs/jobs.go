package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// Options configures a Service. DB and Works are required; the zero values of
// the others mean the defaults in brackets.
type Options struct {
	DB *sqlstore.DB
	// Works is everything that can be done. A job of a kind that is not here cannot
	// be enqueued, and one that another version of the program enqueued waits.
	Works    []Work
	Periodic []Periodic
	// AtOnce bounds the jobs of the common queue that this process runs at a time
	// [10], and Queues, by name, those of further queues.
	AtOnce int
	Queues map[string]int
	// RescueAfter is when a job that was begun and not ended is taken for that of
	// a dead process [twice the longest timeout, at least 5 min]. It must be longer
	// than every timeout.
	RescueAfter time.Duration
	// Poll is how often the database is asked for jobs that nobody told of [1 s].
	Poll time.Duration
	// Drain bounds how long Stop waits for running jobs [15 s].
	Drain  time.Duration
	Logger *slog.Logger // [none]
	// Observe hears of every try that ended; optional.
	Observe func(t Try)
}

// Try is one try of a job that ended.
type Try struct {
	Kind    string
	Number  int // from 1
	Outcome Outcome
	Took    time.Duration
}

// Outcome says how a try ended.
type Outcome string

// The outcomes.
const (
	Done   Outcome = "done"
	Failed Outcome = "failed" // to be tried again
	GaveUp Outcome = "gave_up"
	PutOff Outcome = "put_off"
)

const (
	queue        = river.QueueDefault
	keepDone     = 24 * time.Hour     // at least as long as the longest period: see Periodic
	keepGivenUp  = 7 * 24 * time.Hour // for the operator to look at
	minRescue    = 5 * time.Minute
	cancelWithin = 5 * time.Second
	// fetchCooldown bounds how often a busy queue looks for more; what runs at once, over this, is
	// the most that short jobs come to in a second.
	fetchCooldown = 10 * time.Millisecond
)

// Service enqueues jobs and, between Start and Stop, runs them.
type Service struct {
	opts   Options
	log    *slog.Logger
	engine engine
	kinds  map[string]bool
}

// New makes a Service, and brings the tables of jobs up to date as Open of the
// store does with the others.
func New(ctx context.Context, opts Options) (*Service, error) {
	if opts.DB == nil || len(opts.Works) == 0 {
		return nil, errors.New("jobs: Options needs DB and Works")
	}
	opts.AtOnce = cmp.Or(opts.AtOnce, 10)
	opts.Poll = cmp.Or(opts.Poll, time.Second)
	opts.Drain = cmp.Or(opts.Drain, 15*time.Second)
	s := &Service{opts: opts, log: opts.Logger, kinds: map[string]bool{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	if s.engine, err = newEngine(ctx, opts.DB, cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// config is River's.
func (s *Service) config() (*river.Config, error) {
	cfg := &river.Config{
		Queues:                      map[string]river.QueueConfig{queue: {MaxWorkers: s.opts.AtOnce}},
		Workers:                     river.NewWorkers(),
		CompletedJobRetentionPeriod: keepDone,
		CancelledJobRetentionPeriod: keepGivenUp,
		DiscardedJobRetentionPeriod: keepGivenUp,
		FetchPollInterval:           s.opts.Poll,
		FetchCooldown:               min(fetchCooldown, s.opts.Poll),
		Logger:                      slog.New(severe{s.log.Handler()}),
	}
	for name, most := range s.opts.Queues {
		if name == "" || name == queue || most < 1 {
			return nil, fmt.Errorf("jobs: the queue %q needs a name of its own and a bound", name)
		}
		cfg.Queues[name] = river.QueueConfig{MaxWorkers: most}
	}
	longest := time.Duration(0)
	for _, w := range s.opts.Works {
		if w.kind == "" || s.kinds[w.kind] || w.timeout < 0 || w.timeout > MaxTimeout {
			return nil, fmt.Errorf("jobs: kind %q needs a name of its own and a timeout up to %v", w.kind, MaxTimeout)
		}
		if _, known := cfg.Queues[cmp.Or(w.queue, queue)]; !known {
			return nil, fmt.Errorf("jobs: kind %q waits in the queue %q, which nobody serves", w.kind, w.queue)
		}
		s.kinds[w.kind] = true
		longest = max(longest, w.timeout)
		river.AddWorkerArgs(cfg.Workers, envelope{kind: w.kind}, &worker{work: w, log: s.log, observe: s.opts.Observe})
	}
	cfg.JobTimeout = longest
	cfg.RescueStuckJobsAfter = cmp.Or(s.opts.RescueAfter, max(2*longest, minRescue))
	if cfg.RescueStuckJobsAfter <= longest {
		return nil, fmt.Errorf("jobs: RescueAfter must be longer than %v, the longest timeout", longest)
	}
	for _, p := range s.opts.Periodic {
		if p.Every < time.Second || p.Every > keepDone || p.Job.once || !p.Job.at.IsZero() || !s.kinds[p.Job.kind] {
			return nil, fmt.Errorf("jobs: the periodic job %q is not as it should be", p.Job.kind)
		}
		args, opts, err := p.Job.encode()
		if err != nil {
			return nil, err
		}
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByPeriod: p.Every}
		cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(river.PeriodicInterval(p.Every),
			func() (river.JobArgs, *river.InsertOpts) { return args, opts }, &river.PeriodicJobOpts{RunOnStart: true}))
	}
	return cfg, nil
}

// Start begins to run jobs.
func (s *Service) Start(ctx context.Context) error {
	if err := s.engine.start(context.WithoutCancel(ctx)); err != nil {
		return domain.Internal("starting to run jobs", err)
	}
	return nil
}

// Stop takes no more jobs and waits for those that run, for Options.Drain or
// until ctx ends; then it ends their contexts. A job cut so runs again elsewhere.
// It may be called more than once, and without Start.
func (s *Service) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Drain)
	defer cancel()
	err := s.engine.stop(ctx)
	if err == nil {
		return nil
	}
	s.log.WarnContext(ctx, "jobs still ran at the stop and were cut", "after", s.opts.Drain)
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), cancelWithin)
	defer cancel()
	return s.engine.cut(ctx)
}

// Enqueue adds a job that runs once tx has committed, and never when it does not.
// tx is of InTx of the Options' DB.
func (s *Service) Enqueue(ctx context.Context, tx store.Tx, j Job) error {
	if !s.kinds[j.kind] {
		return domain.Internal("enqueuing a job", fmt.Errorf("jobs: nobody works on %q", j.kind))
	}
	args, opts, err := j.encode()
	if err != nil {
		return err
	}
	if j.once {
		// Of the states that hold another back only "done" is left out.
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
			rivertype.JobStateRetryable, rivertype.JobStateScheduled,
		}}
	}
	if err := s.engine.insert(ctx, tx, args, opts); err != nil {
		var ours *domain.Error
		if errors.As(err, &ours) {
			return err
		}
		return s.opts.DB.TxFailed(ctx, tx, err)
	}
	return nil
}
