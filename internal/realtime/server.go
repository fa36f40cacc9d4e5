package realtime

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Events is where the events are read; *event.Service is one.
type Events interface {
	Place(ctx context.Context, projectIDs ...string) error
	Heads(ctx context.Context, projectIDs []string) (map[string]int64, error)
	After(ctx context.Context, projectID string, f store.FeedFilter, after, upto int64, limit int) ([]domain.Event, error)
}

// Identity says when a key ends; *identity.Service is one.
type Identity interface {
	Watch(ctx context.Context, p domain.Principal) (context.Context, context.CancelFunc)
	// Good fails with CodeUnauthenticated when there is no such key any more.
	Good(ctx context.Context, keyID string) error
}

// Options configures a Server. Events, Identity, Secrets, Vault and Detail are
// required; the zero values of the others mean the defaults in brackets.
type Options struct {
	Events   Events
	Identity Identity
	Secrets  Secrets
	Vault    Vault
	// Detail gives what an event does not say of its trigger.
	Detail func(ctx context.Context, e *domain.Event) Detail
	Logger *slog.Logger // [none]
	// Every is how often the database is asked for news while a stream is open
	// [200 ms].
	Every time.Duration
	// KeepAlive is how often a silent stream shows life [15 s].
	KeepAlive time.Duration
	// WriteTime is how long one write to a stream may take [15 s].
	WriteTime time.Duration
	// Activity is how long a socket may be silent before it is pinged [2 min], Pong
	// how long the answer may take [30 s].
	Activity, Pong time.Duration
	// MaxStreams bounds the open streams of one key [32], MaxAllStreams those of
	// the process [2000].
	MaxStreams, MaxAllStreams int
	// Opened, when set, is told of each stream that opens, and the function that it
	// gives of its end: metrics.
	Opened func() (closed func())
}

// batch is how many events a stream reads at a time: with payloads of the largest
// size they are a few megabytes.
const batch = 16

// Server tells streams of events. It tells nothing before Start.
type Server struct {
	opts   Options
	log    *slog.Logger
	places places

	mu      sync.Mutex
	watched map[string]map[*watcher]struct{} // by project
	open    map[*watcher]context.CancelCauseFunc
	closing bool
	sockets sync.WaitGroup

	run struct {
		sync.Mutex
		stop context.CancelFunc // nil while stopped
		done chan struct{}
	}
}

// New makes a Server.
func New(o Options) (*Server, error) {
	if o.Events == nil || o.Identity == nil || o.Secrets == nil || o.Vault == nil || o.Detail == nil {
		return nil, errors.New("realtime: Events, Identity, Secrets, Vault and Detail are required")
	}
	o.Every = cmp.Or(o.Every, 200*time.Millisecond)
	o.KeepAlive = cmp.Or(o.KeepAlive, 15*time.Second)
	o.WriteTime = cmp.Or(o.WriteTime, 15*time.Second)
	o.Activity = cmp.Or(o.Activity, 2*time.Minute)
	o.Pong = cmp.Or(o.Pong, 30*time.Second)
	o.MaxStreams = cmp.Or(o.MaxStreams, 32)
	o.MaxAllStreams = cmp.Or(o.MaxAllStreams, 2000)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Opened == nil {
		o.Opened = func() func() { return func() {} }
	}
	return &Server{
		opts: o, log: o.Logger, places: places{each: o.MaxStreams, all: o.MaxAllStreams, taken: map[string]int{}},
		watched: map[string]map[*watcher]struct{}{}, open: map[*watcher]context.CancelCauseFunc{},
	}, nil
}

// Start begins to look for news; Stop ends it. The end of ctx does not.
func (s *Server) Start(ctx context.Context) error {
	s.run.Lock()
	defer s.run.Unlock()
	if s.run.stop != nil {
		return domain.Internal("starting realtime", errors.New("it is started already"))
	}
	ctx, s.run.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.run.done = make(chan struct{})
	go s.look(ctx, s.run.done)
	return nil
}

// Stop ends what Start began, with all streams, and waits for sockets, which the
// HTTP server knows nothing of. It may be called again.
func (s *Server) Stop() {
	s.Drain()
	s.sockets.Wait()
	s.run.Lock()
	defer s.run.Unlock()
	if s.run.stop == nil {
		return
	}
	s.run.stop()
	<-s.run.done
	s.run.stop = nil
}

// errClosing ends streams when the process does.
var errClosing = domain.Errorf(domain.CodeUnavailable, "the server is shutting down; connect again")

// Drain ends open streams and refuses new ones.
func (s *Server) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for _, cancel := range s.open {
		cancel(errClosing)
	}
}

func (s *Server) look(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(s.opts.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.news(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "streams could not look for events; they try again", "error", err)
		}
	}
}

// news tells the watchers of projects how far their events go.
func (s *Server) news(ctx context.Context) error {
	projects := s.projects()
	if len(projects) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, max(10*s.opts.Every, 10*time.Second))
	defer cancel()
	// What cannot be given a place now is given one later; what has one is told.
	placing := s.opts.Events.Place(ctx, projects...)
	heads, err := s.opts.Events.Heads(ctx, projects)
	if err != nil {
		return errors.Join(placing, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, head := range heads {
		for w := range s.watched[id] {
			w.tell(head)
		}
	}
	return placing
}

func (s *Server) projects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.watched))
	for id := range s.watched {
		ids = append(ids, id)
	}
	return ids
}

// watcher hears how far a project's events go. Only the latest word waits for it.
type watcher struct {
	last int64 // what was told last; Server.mu
	news chan int64
}

func (w *watcher) tell(head int64) {
	if head <= w.last {
		return
	}
	w.last = head
	for {
		select {
		case w.news <- head:
			return
		default:
		}
		select {
		case <-w.news: // it was not read; the new one says more
		default:
		}
	}
}

// watch begins to tell of a project's events behind the place that it gives: what
// was committed before is not behind it.
func (s *Server) watch(ctx context.Context, projectID string) (w *watcher, head int64, stop func(), err error) {
	if err := s.opts.Events.Place(ctx, projectID); err != nil {
		return nil, 0, nil, err
	}
	heads, err := s.opts.Events.Heads(ctx, []string{projectID})
	if err != nil {
		return nil, 0, nil, err
	}
	head = heads[projectID]
	w = &watcher{last: head, news: make(chan int64, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watched[projectID] == nil {
		s.watched[projectID] = map[*watcher]struct{}{}
	}
	s.watched[projectID][w] = struct{}{}
	return w, head, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watched[projectID], w)
		if len(s.watched[projectID]) == 0 {
			delete(s.watched, projectID)
		}
	}, nil
}

// enter takes a place for a stream of the key and gives its context, which ends
// with the key and with the server.
func (s *Server) enter(ctx context.Context, p domain.Principal) (context.Context, func(), error) {
	s.mu.Lock()
	closing := s.closing
	s.mu.Unlock()
	if closing {
		return nil, nil, errClosing
	}
	leave, err := s.places.take(p.KeyID)
	if err != nil {
		return nil, nil, err
	}
	ctx, unwatch := s.opts.Identity.Watch(ctx, p)
	ctx, cancel := context.WithCancelCause(ctx)
	mark := &watcher{}
	s.mu.Lock()
	s.open[mark] = cancel
	if s.closing {
		cancel(errClosing)
	}
	s.mu.Unlock()
	closed := s.opts.Opened()
	return ctx, func() {
		s.mu.Lock()
		delete(s.open, mark)
		s.mu.Unlock()
		cancel(context.Canceled)
		unwatch()
		leave()
		closed()
	}, nil
}

// places counts open streams.
type places struct {
	each, all int

	mu    sync.Mutex
	taken map[string]int
	sum   int
}

func (p *places) take(key string) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.sum >= p.all:
		e := domain.Errorf(domain.CodeUnavailable, "this server has %d streams of events open, the most it takes", p.all)
		e.RetryAfter = 10 * time.Second
		return nil, e
	case p.taken[key] >= p.each:
		e := domain.Errorf(domain.CodeRateLimited, "this API key has %d streams of events open, the most it may have", p.each)
		e.RetryAfter = 10 * time.Second
		return nil, e
	}
	p.taken[key]++
	p.sum++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sum--
		if p.taken[key]--; p.taken[key] == 0 {
			delete(p.taken, key)
		}
	}, nil
}
