package trigger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Store is what the service keeps things in.
type Store interface {
	store.Triggers
	store.Polls
	store.Accounts
	store.AuthConfigs
	store.Endpoints
	store.Inbounds
	store.TriggerSettings
	store.TriggerLogs
	InTx(ctx context.Context, f func(tx store.Tx) error) error
}

// Catalog knows the types.
type Catalog interface {
	Trigger(ctx context.Context, projectID, slug, version string) (*catalog.Trigger, error)
	Triggers(ctx context.Context, projectID string) []*catalog.Trigger
}

// Connect gives accounts and the calls that run on them.
type Connect interface {
	Select(ctx context.Context, c connect.Choice) (*connect.Chosen, error)
	Prepare(ctx context.Context, tk *toolkit.Toolkit, account *domain.ConnectedAccount, calls *atomic.Int64) (*toolkit.Call, error)
}

// Events publishes.
type Events interface {
	Publish(ctx context.Context, tx store.Tx, e domain.Event) (domain.Event, bool, error)
}

// Queue takes jobs in the transaction of the change that asks for them.
type Queue interface {
	Enqueue(ctx context.Context, tx store.Tx, j jobs.Job) error
}

// Options configures a Service. Store, Catalog, Connect, Events and Vault are
// required; the zero values of the others mean the defaults in brackets.
type Options struct {
	Store   Store
	Catalog Catalog
	Connect Connect
	Events  Events
	Vault   Vault
	Logger  *slog.Logger // [none]
	// Timeout bounds one look at the application [60 s], at most 2 min.
	Timeout time.Duration
	// Lease is when a poll that was begun is taken for that of a dead process
	// [Timeout and 30 s].
	Lease time.Duration
	// Overdue is when a poll that nobody began is taken for one without a job [5 min]:
	// its process may have died before it claimed it.
	Overdue time.Duration
	// MinInterval and MaxInterval bound the time between two polls, beyond what the
	// type says [1 min, 1 h].
	MinInterval, MaxInterval time.Duration
	// Pace, when set, is the time between two polls whatever types and activity say:
	// for those who look at an application of their own.
	Pace time.Duration
	// MaxInstances bounds the instances of a project [20,000].
	MaxInstances int
	// PerProject bounds the polls of one project that this process makes at a time
	// [8].
	PerProject int
	// Observe hears of every poll that ended; optional.
	Observe func(p Polled)
	// Told hears of every event that was kept, once for each instance; optional.
	Told func(t Told)
	Now  func() time.Time // [time.Now]
}

// Polled is a poll that ended.
type Polled struct {
	Trigger string
	Outcome string // done, failed, rate_limited, stolen
	Events  int    // before they were shared out
	Missed  int    // changes that the application counted and that no event tells of
	Took    time.Duration
	// Late is how long after its time it began, of the first round.
	Late time.Duration
}

// How an event became known.
const (
	SourcePoll    = "poll"
	SourceWebhook = "webhook"
)

// Told is an event that was kept for an instance.
type Told struct {
	Trigger string
	Source  string
	// Lag is the time from what happened, by the application's clock, to the keeping.
	Lag time.Duration
}

const (
	maxTimeout    = 2 * time.Minute
	maxRounds     = 10  // of polls that say that there is more, one after the other
	publishBatch  = 200 // events that one transaction keeps, well within the lease
	maxRetryAfter = 6 * time.Hour
	maxBackoff    = time.Hour
	// early is how much before its time a poll may begin: clocks differ.
	early = 2 * time.Second
	// failures that disable: of what waiting may mend, and of what it hardly will.
	maxFailures, maxRefusals = 12, 5
)

// JobQueue is the queue that polls wait in.
const JobQueue = "polls"

// Service makes instances and polls for them.
type Service struct {
	opts  Options
	log   *slog.Logger
	queue Queue
	pace  pace // of webhooks, by endpoint

	mu    sync.Mutex
	taken map[string]int // polls that run, by project
}

// New makes a Service. Before anything is made it must be given its queue.
func New(o Options) *Service {
	o.Timeout = min(cmp.Or(o.Timeout, time.Minute), maxTimeout)
	o.Lease = cmp.Or(o.Lease, o.Timeout+30*time.Second)
	o.Overdue = cmp.Or(o.Overdue, 5*time.Minute)
	o.MinInterval = cmp.Or(o.MinInterval, time.Minute)
	o.MaxInterval = max(cmp.Or(o.MaxInterval, time.Hour), o.MinInterval)
	o.MaxInstances = cmp.Or(o.MaxInstances, 20_000)
	o.PerProject = cmp.Or(o.PerProject, 8)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observe == nil {
		o.Observe = func(Polled) {}
	}
	if o.Told == nil {
		o.Told = func(Told) {}
	}
	s := &Service{opts: o, log: o.Logger, taken: map[string]int{}, pace: pace{rate: receiveRate, burst: receiveBurst}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Use gives the service its queue, which is made with the service's own Works.
func (s *Service) Use(q Queue) { s.queue = q }

func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// pollArgs name a poll at one version: a job of an earlier one does nothing.
type pollArgs struct {
	ProjectID string `json:"project_id"`
	ID        string `json:"id"`
	Version   int64  `json:"version"`
}

var pollKind = jobs.Kind[pollArgs]{Name: "poll_trigger", Queue: JobQueue, Timeout: 5 * time.Minute, Tries: 5}

// Works is what the service does as jobs.
func (s *Service) Works() []jobs.Work {
	return []jobs.Work{pollKind.Work(s.run), receiveKind.Work(s.received)}
}

// swap keeps the poll, which must still be at p.Version, with the job of its next
// time; it reports false when somebody else was first.
func (s *Service) swap(ctx context.Context, tx store.Tx, p *domain.TriggerPoll) (bool, error) {
	swapped, err := tx.SwapPoll(ctx, p.ProjectID, *p)
	if err != nil || !swapped {
		return false, err
	}
	p.Version++
	if p.NextAt.IsZero() || !p.ClaimedUntil.IsZero() {
		return true, nil
	}
	return true, s.enqueue(ctx, tx, p)
}

func (s *Service) enqueue(ctx context.Context, tx store.Tx, p *domain.TriggerPoll) error {
	if s.queue == nil {
		return domain.Internal("enqueuing a poll", errors.New("trigger: there is no queue"))
	}
	return s.queue.Enqueue(ctx, tx, pollKind.Job(pollArgs{ProjectID: p.ProjectID, ID: p.ID, Version: p.Version}).At(p.NextAt))
}

// errRaced says that somebody else changed what a transaction had read.
var errRaced = domain.Errorf(domain.CodeUnavailable, "the trigger was changed at the same time; try again")

// raced repeats f while it loses.
func raced(f func() error) error {
	var err error
	for range 5 {
		if err = f(); !errors.Is(err, errRaced) && domain.CodeOf(err) != domain.CodeConflict {
			return err
		}
	}
	return err
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// List gives the project's instances, newest first, and how many there are in all.
func (s *Service) List(ctx context.Context, projectID string, f store.TriggerFilter, page store.Page) ([]domain.TriggerInstance, int, error) {
	return s.opts.Store.ListTriggers(ctx, projectID, f, page)
}

// Instance gives one.
func (s *Service) Instance(ctx context.Context, projectID, id string) (domain.TriggerInstance, error) {
	return s.opts.Store.Trigger(ctx, projectID, id)
}

// Poll gives the poll that finds the instance's events.
func (s *Service) Poll(ctx context.Context, t *domain.TriggerInstance) (domain.TriggerPoll, error) {
	return s.opts.Store.Poll(ctx, t.ProjectID, t.PollID)
}
