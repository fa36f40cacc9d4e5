package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"
)

// TriggerEvent is something that happened in an application, as a trigger tells of
// it.
type TriggerEvent struct {
	// ID stays the same however often the event is told.
	ID string `json:"id"`
	// Cursor is its place in the source, for [EventSource.Events]; empty in one
	// without places.
	Cursor string `json:"cursor,omitempty"`
	// Type is what the event is about: composio.trigger.message, mostly.
	Type string `json:"type"`
	// Trigger is the slug of the trigger's type, Instance the id of the trigger.
	Trigger  string `json:"trigger,omitempty"`
	Instance string `json:"instance,omitempty"`
	// UserID is the application's own id of the user whose trigger it is.
	UserID    string `json:"user_id,omitempty"`
	AccountID string `json:"account_id,omitempty"`
	// OccurredAt is when it happened; where the source does not say, when it was
	// told.
	OccurredAt time.Time `json:"occurred_at"`
	// Test says that the event was made up: nothing happened.
	Test bool `json:"test,omitempty"`
	// Payload is an object that depends on the type of the trigger. What people
	// write in the application is in it: it is data, never an instruction.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// EventSource gives events. Package agent/events has two: a router's stream, and an
// endpoint for webhooks.
type EventSource interface {
	// Events gives events after the place that cursor names, until ctx ends; what an
	// empty cursor means is the source's own. An event for which yield gives true
	// was taken durably and need not be told again; one for which it gives false was
	// not. One without an id is none: its cursor says how far the source is. It ends
	// without an error when ctx does, and with one when nothing more will come.
	Events(ctx context.Context, cursor string) iter.Seq2[TriggerEvent, error]
}

// Handler deals with an event. An error is a reason to try again, unless it is
// [ErrGiveUp]; after a panic it is tried again as well.
type Handler func(ctx context.Context, e TriggerEvent, w *Work) error

// Work is what a handler has in hand besides the event.
type Work struct {
	// Try counts from 1, over restarts too.
	Try int
	// History is the conversation that earlier tries left; empty at the first.
	History History
	// Keep keeps the conversation for the next try, durably.
	Keep func(History) error
}

// ErrGiveUp in a [Handler]'s error says that another try would end alike.
var ErrGiveUp = errors.New("another try would end alike")

// OnOptions configure [On]. The zero value is ready for use, but for a program that
// should not forget at its end: give it a [Journal].
type OnOptions struct {
	// Journal keeps which events were taken and what became of them (default: in
	// memory).
	Journal Journal
	// Parallel events that are handled at once (default 4).
	Parallel int
	// Ordered has events of one trigger handled one after the other, in the order of
	// the source; one that is tried again holds up those behind it.
	Ordered bool
	// Waiting events that are taken beyond those in work; then the source waits
	// (default 100).
	Waiting int
	// Tries of one event in all, over restarts too (default 3).
	Tries int
	// Pause before the next try, after the given number of tries (default 1 s,
	// 10 s, 100 s … up to 10 min, give or take a fifth).
	Pause func(tries int) time.Duration
	// GivenUp is told of an event after its last try, which is then passed over.
	// Without it On ends with the error instead. It and TryFailed are told one thing
	// at a time, beside handlers that run.
	GivenUp func(ctx context.Context, e TriggerEvent, err error)
	// TryFailed is told of a try after which there is another; optional.
	TryFailed func(ctx context.Context, e TriggerEvent, err error, next time.Duration)
}

func (o OnOptions) withDefaults() OnOptions {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&o.Parallel, 4)
	set(&o.Waiting, 100)
	set(&o.Tries, 3)
	if o.Journal == nil {
		o.Journal = NewMemoryJournal()
	}
	if o.Pause == nil {
		o.Pause = func(tries int) time.Duration {
			d := time.Second
			for range min(tries-1, 3) {
				d *= 10
			}
			d = min(d, 10*time.Minute)
			return d - d/5 + rand.N(2*d/5)
		}
	}
	if o.TryFailed == nil {
		o.TryFailed = func(context.Context, TriggerEvent, error, time.Duration) {}
	}
	return o
}

// On handles each event of a source once, until ctx ends (then it gives nil) or
// the source or the journal fails. An event is taken into the journal before it is
// handled, and settled in it afterwards: one that was taken and not settled, because
// the program ended, is handled at the next start, before new ones. An event whose
// id the journal knows is no event. A handler whose try was cut off by a crash is
// tried again; it should look whether what it did had its effect.
//
// An event that fails Tries times is given up: GivenUp is told, the journal keeps
// the error, and those behind it go on. When ctx ends handlers are told by
// theirs, On waits for them, and what they did not finish does not count as a try.
func On(ctx context.Context, source EventSource, handle Handler, opts OnOptions) error {
	if source == nil || handle == nil {
		return errors.New("agent: a source and a handler are needed")
	}
	opts = opts.withDefaults()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := &dispatcher{
		opts: opts, handle: handle, end: cancel, busy: map[string]bool{},
		slots: make(chan struct{}, opts.Parallel), room: make(chan struct{}, opts.Waiting+opts.Parallel),
	}
	err := d.feed(ctx, source)
	if err == nil {
		err = context.Cause(ctx)
	}
	cancel(err)
	d.running.Wait()
	var failed *endedBy
	switch {
	case errors.As(context.Cause(ctx), &failed):
		return failed.err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	}
	return err
}

// endedBy is the cause of a dispatcher that ended itself.
type endedBy struct{ err error }

func (e *endedBy) Error() string { return e.err.Error() }

// dispatcher brings events to handlers.
type dispatcher struct {
	opts    OnOptions
	handle  Handler
	end     context.CancelCauseFunc
	slots   chan struct{} // of handlers that run
	room    chan struct{} // of events that are taken and not settled
	running sync.WaitGroup
	telling sync.Mutex // GivenUp and TryFailed

	mu    sync.Mutex
	busy  map[string]bool // triggers that have an event in work; with Ordered
	queue []Pending       // events behind one of their trigger
}

// feed takes what was left behind, then what the source gives.
func (d *dispatcher) feed(ctx context.Context, source EventSource) error {
	left, err := d.opts.Journal.Pending(ctx)
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	for _, p := range left {
		if !d.start(ctx, p) {
			return nil
		}
	}
	cursor, err := d.opts.Journal.Cursor(ctx)
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	for e, err := range source.Events(ctx, cursor) {
		if err != nil {
			return fmt.Errorf("the source of events: %w", err)
		}
		if e.ID == "" {
			if err := d.pass(ctx, &cursor, e.Cursor); err != nil {
				return err
			}
			continue
		}
		cursor = e.Cursor
		isNew, err := d.opts.Journal.Take(ctx, e)
		if err != nil {
			return fmt.Errorf("taking event %s: %w", e.ID, err)
		}
		if isNew && !d.start(ctx, Pending{Event: e}) {
			return nil
		}
	}
	if ctx.Err() == nil {
		d.running.Wait() // a source that has an end
	}
	return nil
}

// pass notes that the source came further without an event.
func (d *dispatcher) pass(ctx context.Context, at *string, cursor string) error {
	if cursor == "" || cursor == *at {
		return nil
	}
	*at = cursor
	if err := d.opts.Journal.Pass(ctx, cursor); err != nil {
		return fmt.Errorf("noting where the source is: %w", err)
	}
	return nil
}

// start brings an event to a handler once there is room; false: it is over.
func (d *dispatcher) start(ctx context.Context, p Pending) bool {
	select {
	case d.room <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	d.running.Add(1)
	if key := p.Event.Instance; d.opts.Ordered && key != "" {
		d.mu.Lock()
		waits := d.busy[key]
		if waits {
			d.queue = append(d.queue, p)
		}
		d.busy[key] = true
		d.mu.Unlock()
		if waits {
			return true
		}
	}
	go d.run(ctx, p)
	return true
}

// run handles an event to its end, and with Ordered those behind it.
func (d *dispatcher) run(ctx context.Context, p Pending) {
	for more := true; more; {
		if err := d.settle(ctx, p); err != nil {
			d.end(&endedBy{err})
		}
		var next Pending
		next, more = d.behind(p.Event.Instance)
		p = next
		<-d.room
		d.running.Done()
	}
}

// behind gives the next event of the trigger.
func (d *dispatcher) behind(key string) (Pending, bool) {
	if !d.opts.Ordered || key == "" {
		return Pending{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, p := range d.queue {
		if p.Event.Instance == key {
			d.queue = append(d.queue[:i:i], d.queue[i+1:]...)
			return p, true
		}
	}
	delete(d.busy, key)
	return Pending{}, false
}

// settle tries an event until it is handled or given up. Its error ends On.
func (d *dispatcher) settle(ctx context.Context, p Pending) error {
	id, j := p.Event.ID, d.opts.Journal
	for {
		if p.Tries >= d.opts.Tries {
			if p.Failure == "" {
				p.Failure = "the program ended during each try"
			}
			return d.giveUp(ctx, p.Event, errors.New(p.Failure))
		}
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return nil // it is pending
		}
		failure, err := d.try(ctx, &p)
		<-d.slots
		switch {
		case err != nil:
			return err
		case failure == nil:
			return d.note(id, j.Settle(context.WithoutCancel(ctx), id, nil))
		case ctx.Err() != nil:
			return d.note(id, j.Release(context.WithoutCancel(ctx), id))
		case errors.Is(failure, ErrGiveUp) || p.Tries >= d.opts.Tries:
			return d.giveUp(ctx, p.Event, failure)
		}
		if err := d.note(id, j.Failed(context.WithoutCancel(ctx), id, failure)); err != nil {
			return err
		}
		p.Failure = failure.Error()
		wait := d.opts.Pause(p.Tries)
		d.tell(func() { d.opts.TryFailed(ctx, p.Event, failure, wait) })
		if !pauseFor(ctx, wait) {
			return nil // it is pending
		}
	}
}

// note names the event of an error of the journal.
func (d *dispatcher) note(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("noting event %s: %w", id, err)
}

// try handles the event once. failure is the handler's.
func (d *dispatcher) try(ctx context.Context, p *Pending) (failure, err error) {
	id, j := p.Event.ID, d.opts.Journal
	if err := d.note(id, j.Begin(context.WithoutCancel(ctx), id)); err != nil {
		return nil, err
	}
	p.Tries++
	w := &Work{Try: p.Tries, History: p.History.Clone()}
	w.Keep = func(h History) error {
		p.History = h.Clone()
		return j.Keep(context.WithoutCancel(ctx), id, h)
	}
	defer func() {
		if v := recover(); v != nil {
			failure = fmt.Errorf("the handler panicked: %v", v)
		}
	}()
	return d.handle(ctx, p.Event, w), nil
}

func (d *dispatcher) giveUp(ctx context.Context, e TriggerEvent, failure error) error {
	if err := d.note(e.ID, d.opts.Journal.Settle(context.WithoutCancel(ctx), e.ID, failure)); err != nil {
		return err
	}
	if d.opts.GivenUp == nil {
		return fmt.Errorf("event %s was given up: %w", e.ID, failure)
	}
	d.tell(func() { d.opts.GivenUp(ctx, e, failure) })
	return nil
}

// tell calls one of the caller's functions, one at a time.
func (d *dispatcher) tell(f func()) {
	d.telling.Lock()
	defer d.telling.Unlock()
	f()
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
